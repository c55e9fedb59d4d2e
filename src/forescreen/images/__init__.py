"""Exams become tensors: the breast found, turned, resampled in millimetres, normalised and kept.

Modules, each using only those above it: geometry · breast · orient · pectoral · intensity · prepare · store.
numpy, scipy and pillow only, so that ingestion workers start fast and stay small.
"""
