"""Exams become tensors: the breast found, turned, resampled in millimetres, normalised and kept.

Modules, each using only those before it: geometry · air · plausibility · breast · orient · pectoral ·
density · volumetric · intensity · prepare · store · surroundings.
numpy, scipy and pillow only, so that ingestion workers start fast and stay small.
"""
