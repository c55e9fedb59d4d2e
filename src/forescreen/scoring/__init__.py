"""A model and an image store become scores, a worklist and example pictures."""
