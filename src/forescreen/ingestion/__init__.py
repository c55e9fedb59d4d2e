"""Files become a training store: DICOM folders and tables of pictures, resumable, nothing dropped silently.

Modules, each using only those above it: pictures · table · shards · run.
"""
