"""Predictions meet outcomes: what is measured, on whom, and what came out."""
