"""One DICOM file: its header without the pixels, then its pixels without the header.

The header pass reads a few kilobytes and knows where the pixels lie; the pixel pass reads exactly
those bytes. Both raise DicomError and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..errors import DicomError
from .elements import DEFLATED, data_set_start, inflated, read_elements
from .stored import Stored, decode, description_problem, frame_bytes
from .syntaxes import NATIVE
from .tags import Header, parse_header
from .values import WANTED
from .walk import Located


def read_header(path: Path | Located) -> Header:
    """The header of one file. Raises DicomError `unreadable_file`, `not_dicom`, `truncated_file` or
    `malformed_header`.
    """
    try:
        with path.open("rb") as stream:
            header = parse_header(read_elements(stream, WANTED))
    except OSError as error:
        raise unreadable(error) from error
    if not header.sop_class:
        raise DicomError("not_dicom", expected="a DICOM object with a SOP class", found="none")
    return header


def read_pixels(path: Path | Located, header: Header, *, frame: int = 0) -> Stored:
    """Stored pixel values of one frame of the file that `header` was read from: uint16, or int16 if signed.

    Raises DicomError `unreadable_file`, `no_pixel_data`, `truncated_file`,
    `unsupported_transfer_syntax` or `undecodable_pixels`.
    """
    if header.pixel_data is None:
        raise DicomError("no_pixel_data", expected="pixel data", found="none")
    if description_problem(header):
        return decode(b"", header)  # raises, before anything is read
    if not 0 <= frame < header.n_frames:
        raise DicomError(
            "undecodable_pixels", expected=f"frame {frame} counted from 0", found=f"{header.n_frames} frames"
        )
    try:
        with path.open("rb") as file:
            stream: BinaryIO = file
            if header.transfer_syntax == DEFLATED:
                data_set_start(file)
                stream = inflated(file)
            parts = [_read(stream, *part) for part in _parts_of_frame(stream, header, frame)]
    except OSError as error:
        raise unreadable(error) from error
    return decode(parts[0] if len(parts) == 1 else b"".join(parts), header)


def _parts_of_frame(stream: BinaryIO, header: Header, frame: int) -> list[tuple[int, int]]:
    """Offsets and lengths of the bytes of one frame."""
    assert header.pixel_data is not None
    parts = header.pixel_data.parts
    if header.transfer_syntax in NATIVE:
        (start, length), size = parts[0], frame_bytes(header)
        # No more than the frame, but the padding byte that words in big-endian order may need.
        return [(start + frame * size, min(size + size % 2, max(length - frame * size, 0)))]
    if header.n_frames == 1:
        return list(parts)
    if len(parts) != header.n_frames:
        # Several fragments a frame: a stream begins with SOI or SOC (PS3.5 A.4).
        starts = [i for i, (at, _) in enumerate(parts) if _read(stream, at, 2) in (b"\xff\xd8", b"\xff\x4f")]
        if len(starts) != header.n_frames or starts[0] != 0:
            raise DicomError(
                "undecodable_pixels",
                expected=f"{header.n_frames} frames",
                found=f"{len(parts)} fragments, of which {len(starts)} begin one",
            )
        return list(parts[starts[frame] : [*starts, len(parts)][frame + 1]])
    return [parts[frame]]


def _read(stream: BinaryIO, offset: int, length: int) -> bytes:
    stream.seek(offset)
    part = stream.read(length)
    if len(part) < length:
        raise DicomError(
            "truncated_file",
            expected=f"{length} bytes of pixel data",
            found=str(len(part)),
            remedy="The file has changed since its header was read: read the folder again",
        )
    return part


def unreadable(error: OSError) -> DicomError:
    """The refusal of a file that the operating system does not give."""
    return DicomError(
        "unreadable_file",
        expected="a file that can be read",
        found=error.strerror or type(error).__name__,
        remedy="Check the file's permissions and its disk",
    )
