"""The data set of a deflated file as a stream, inflated as it is read and never held as a whole.

In: an open file at the first byte after the file meta information. Out: a stream that reads, seeks and tells
like a file. A few kilobytes can inflate to gigabytes: what is skipped is thrown away, and more than
MAX_INFLATED_BYTES is an error.

Source: PS3.5 A.5 (deflated explicit VR little endian), RFC 1951.
"""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

from ..errors import DicomError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: A deflated data set that grows beyond this is taken for an attack: the largest image has 400 MB.
MAX_INFLATED_BYTES = 1 << 29
_CHUNK = 1 << 16


def inflated(stream: BinaryIO) -> io.BufferedReader:
    """The data set from the current position on. Reading raises DicomError `malformed_header` or
    `truncated_file`.
    """
    return io.BufferedReader(_Inflating(stream))


class _Inflating(io.RawIOBase):
    """Goes forward through the deflated bytes; going back means to begin again."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._start = stream.tell()
        self._length: int | None = None  # known once the end was seen
        self._position = 0
        self._rewind()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, target: WriteableBuffer) -> int:
        view = memoryview(target).cast("B")
        plain = self._next(len(view))
        view[: len(plain)] = plain
        return len(plain)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            while self._next(_CHUNK):
                pass
            assert self._length is not None
            offset += self._length
        elif whence == io.SEEK_CUR:
            offset += self._position
        if offset < self._position:
            self._rewind()
        while self._position < offset and self._next(min(offset - self._position, _CHUNK)):
            pass
        self._position = offset
        return offset

    def _rewind(self) -> None:
        self._stream.seek(self._start)
        self._engine = zlib.decompressobj(wbits=-15)
        self._position = 0

    def _next(self, most: int) -> bytes:
        """At most `most` of the bytes that follow; none at the end."""
        while not self._engine.eof and most:
            packed = self._engine.unconsumed_tail or self._stream.read(_CHUNK)
            if not packed:
                raise DicomError(
                    "truncated_file", expected="a complete deflated data set", found="its beginning"
                )
            try:
                plain = self._engine.decompress(packed, most)
            except zlib.error as error:
                raise _malformed(f"a deflated data set that does not inflate ({error})") from error
            if plain:
                self._position += len(plain)
                if self._position > MAX_INFLATED_BYTES:
                    raise _malformed(f"a deflated data set of more than {MAX_INFLATED_BYTES >> 20} MiB")
                return plain
        if self._engine.eof and self._length is None:
            self._length = self._position
        return b""


def _malformed(found: str) -> DicomError:
    return DicomError("malformed_header", expected="data elements as in PS3.5 section 7", found=found)
