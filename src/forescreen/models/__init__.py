"""From exam tensors to risk: log relative hazards of screen-detected and interval cancer."""
