"""One DICOM file: its header without the pixels, then its pixels without the header.

The header pass reads a few kilobytes and knows where the pixels lie; the pixel pass reads exactly
those bytes. Both raise DicomError and nothing else.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import DicomError
from .elements import DEFLATED, data_set_start, inflated, read_elements
from .pixels import Stored, decode
from .tags import Header, parse_header
from .values import WANTED


def read_header(path: Path) -> Header:
    """The header of one file. Raises DicomError `unreadable_file`, `not_dicom`, `truncated_file` or
    `malformed_header`.
    """
    try:
        with path.open("rb") as stream:
            header = parse_header(read_elements(stream, WANTED))
    except OSError as error:
        raise _unreadable(error) from error
    if not header.sop_class:
        raise DicomError("not_dicom", expected="a DICOM object with a SOP class", found="none")
    return header


def read_pixels(path: Path, header: Header) -> Stored:
    """Stored pixel values of the file that `header` was read from.

    Raises DicomError `unreadable_file`, `no_pixel_data`, `truncated_file`,
    `unsupported_transfer_syntax` or `undecodable_pixels`.
    """
    if header.pixel_data is None:
        raise DicomError("no_pixel_data", expected="pixel data", found="none")
    try:
        with path.open("rb") as file:
            stream = file
            if header.transfer_syntax == DEFLATED:
                data_set_start(file)
                stream = inflated(file)  # type: ignore[assignment]
            parts = []
            for offset, length in header.pixel_data.parts:
                stream.seek(offset)
                part = stream.read(length)
                if len(part) < length:
                    raise DicomError(
                        "truncated_file",
                        expected=f"{length} bytes of pixel data",
                        found=str(len(part)),
                        remedy="The file has changed since its header was read: read the folder again",
                    )
                parts.append(part)
    except OSError as error:
        raise _unreadable(error) from error
    return decode(parts[0] if len(parts) == 1 else b"".join(parts), header)


def _unreadable(error: OSError) -> DicomError:
    return DicomError(
        "unreadable_file",
        expected="a file that can be read",
        found=error.strerror or type(error).__name__,
        remedy="Check the file's permissions and its disk",
    )
