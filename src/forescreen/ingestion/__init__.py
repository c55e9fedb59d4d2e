"""Files become a training store: DICOM folders and tables of pictures, resumable, nothing dropped silently.

Modules in the order of ARCHITECTURE.md, each using only those above it.
"""
