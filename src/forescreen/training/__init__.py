"""Members and image store to trained models."""
