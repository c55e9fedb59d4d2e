"""DICOM files become exams: what a header says, whether an image is usable, and what its pixels mean.

The pages, from the bytes up: `elements` (bytes -> data elements), `tags` (elements -> Header), `views`
(coded view -> View and Laterality), `streams`, `codecs` and `stored` (bytes -> stored values), `pixels`
(the grey scale), `spacing` (millimetres per pixel), `gate` (accept, accept with flags, refuse with
reasons), `read` (one file), `folder` (a folder of files -> exams to load, refusals), `exams` (one
folder -> one Exam). `profiles` repeats the conversions of other programs, `derivation` records them.
`write` goes the other way.
"""
