"""The files that a DICOMDIR lists: the directory object of a CD, a DVD or a memory stick.

In: the path of a DICOMDIR. Out: the file of each of its records, as name parts below its folder. Nothing
else of its records is read: what a file is, its own header tells.

Source: PS3.3 F.3 (basic directory information object), PS3.10 section 8 (file IDs), PS3.12 (media).
"""

from __future__ import annotations

from pathlib import Path

from ..errors import DicomError
from .elements import read_elements

#: DirectoryRecordSequence and ReferencedFileID.
_RECORDS, _FILE_ID = 0x00041220, 0x00041500


def is_directory(path: Path) -> bool:
    """True for a file with the name that PS3.10 8.6 reserves for a directory object."""
    return path.name.upper() == "DICOMDIR"


def listed_files(path: Path) -> tuple[tuple[str, ...], ...]:
    """The name parts of each file that the directory lists, in its order, each once.

    Raises DicomError with the codes of `read_elements`, and `not_dicom` for another object.
    """
    try:
        with path.open("rb") as stream:
            elements = read_elements(stream, frozenset({_RECORDS, _FILE_ID}))
    except OSError as error:
        raise DicomError(
            "unreadable_file",
            expected="a DICOMDIR that can be read",
            found=error.strerror or type(error).__name__,
        ) from error
    if _RECORDS not in elements.by_tag:
        raise DicomError("not_dicom", expected="a DICOMDIR with directory records", found="none")
    listed: dict[tuple[str, ...], None] = {}
    for record in elements.by_tag[_RECORDS].items:
        if _FILE_ID in record:
            text = record[_FILE_ID].value.decode("utf-8", "surrogateescape")
            parts = tuple(part.strip(" \0") for part in text.split("\\"))
            if any(parts):
                listed[parts] = None
    return tuple(listed)


def find_listed(folder: Path, parts: tuple[str, ...]) -> Path | None:
    """The file of a record below `folder`, None where it is missing.

    Names on media are upper case; mounted or copied they may be lower case. Raises DicomError
    `archive_member_unsafe` for parts that lead out of the folder.
    """
    if any(part in ("", ".", "..") or "/" in part or ":" in part for part in parts):
        raise DicomError(
            "archive_member_unsafe", expected="a file below the DICOMDIR", found="a name that leads elsewhere"
        )
    for spelled in (parts, tuple(p.lower() for p in parts), tuple(p.upper() for p in parts)):
        path = folder.joinpath(*spelled)
        if path.is_file():
            return path
    return None
