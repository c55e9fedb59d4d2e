"""Archives as places where files lie: .zip, .tar, .tar.gz and .tgz, read in place and never unpacked to disk.

In: the path of an archive. Out: its members, one after the other, and each member as an open stream.
Nothing in an archive is trusted: no name leads anywhere, because nothing is written; links, devices and
archives inside archives are refused; members, their number and what they grow to are limited before they
are read. A compressed tar has no index, so its plain content goes to an unnamed temporary file that ends
with the process.

Source: APPNOTE.TXT 6.3 (zip), section 4.3; POSIX.1-2001 pax and GNU tar as read by `tarfile`.
"""

from __future__ import annotations

import atexit
import gzip
import io
import os
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

from ..errors import DicomError

#: A full-detector mammogram has 60 MB, a tomosynthesis volume up to 2 GB.
MAX_MEMBER_BYTES = 4 << 30
MAX_MEMBERS = 250_000
#: Bytes of a zip's index (`MAX_MEMBERS` entries of some 130 bytes): it is read as a whole.
MAX_INDEX_BYTES = 32 << 20
#: An archive may grow to this without question, and beyond it to MAX_GROWTH times its own size.
FREE_BYTES = 1 << 30
MAX_GROWTH = 200
#: Names and other notes in a tar are never longer.
_MAX_NOTE_BYTES = 16 << 20
#: Archives kept open by one process.
_KEPT_OPEN = 3

_SUFFIXES = {".zip": "zip", ".tar": "tar", ".tar.gz": "tar.gz", ".tgz": "tar.gz"}
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,  # zipfile: encrypted
    NotImplementedError,  # zipfile: compression
    ValueError,
    struct.error,
)


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an archive: its name there, where it begins, and why it is not read."""

    name: str
    offset: int
    size: int
    problem: DicomError | None = None


def archive_kind(name: str) -> str:
    """ "zip", "tar" or "tar.gz" by the suffix of a file name, "" for other files."""
    lower = name.lower()
    return next((kind for suffix, kind in _SUFFIXES.items() if lower.endswith(suffix)), "")


def members(path: Path, kind: str) -> Iterator[Member]:
    """The files in an archive, in its own order; folders are no files.

    Raises DicomError `archive_unreadable` or `archive_too_large`, perhaps after the first members.
    """
    try:
        yield from _told_apart(_zip_members(path) if kind == "zip" else _tar_members(path, kind))
    except DicomError:
        raise
    except _DAMAGE as error:
        raise _unreadable(error) from error


def open_member(path: Path, kind: str, member: Member) -> BinaryIO:
    """One member as a seekable stream. Raises DicomError `archive_unreadable`, and so do its reads."""
    raw: io.RawIOBase
    try:
        if kind == "zip":
            archive, by_offset = _zip(path)
            raw = _ZipMember(archive, by_offset[member.offset])
        elif kind == "tar":
            raw = _Window(path.open("rb", buffering=0), member.offset, member.size)
        else:
            plain = _inflated(path)
            raw = _Window(os.fdopen(os.dup(plain.fileno()), "rb", buffering=0), member.offset, member.size)
    except KeyError as error:
        raise _unreadable(error) from error
    except _DAMAGE as error:
        raise _unreadable(error) from error
    return io.BufferedReader(raw, 1 << 16)


def _zip_members(path: Path) -> Iterator[Member]:
    archive, by_offset = _zip(path)
    infos = archive.infolist()
    if len(by_offset) < len(infos):
        raise DicomError(
            "archive_unreadable",
            expected="each member of a zip in its own place",
            found="members that overlap",
        )
    _check_growth(len(infos), sum(info.file_size for info in infos), path.stat().st_size)
    for info in infos:
        if info.is_dir():
            continue
        # Unix modes stand in the upper half of the external attributes; 0 where another system wrote it.
        mode = info.external_attr >> 16
        special = bool(mode) and stat.S_IFMT(mode) not in (0, stat.S_IFREG)
        yield _judged(info.filename, info.header_offset, info.file_size, special=special)


def _tar_members(path: Path, kind: str) -> Iterator[Member]:
    size = path.stat().st_size
    n, total = 0, 0
    with path.open("rb") if kind == "tar" else _inflated(path, duplicate=True) as plain:
        plain.seek(0)
        with tarfile.open(fileobj=_Careful(plain), mode="r:") as archive:  # type: ignore[call-overload]
            while (info := archive.next()) is not None:
                archive.members = []  # it would keep them all
                if info.isdir():
                    continue
                n, total = n + 1, total + info.size
                _check_growth(n, total, size)
                special = not info.isreg() or info.issparse()
                yield _judged(info.name, info.offset_data, info.size, special=special)
            # A damaged header ends the archive for tarfile as a whole block of zeros does.
            plain.seek(archive.offset)
            block = plain.read(tarfile.BLOCKSIZE)
            if len(block) < tarfile.BLOCKSIZE or block.strip(b"\0"):
                raise tarfile.ReadError("no end of archive")


def _told_apart(found: Iterator[Member]) -> Iterator[Member]:
    """Members under names of their own: an archive may hold one name twice, reports may not.

    Of the names only their hashes are kept.
    """
    copies: dict[int, int] = {}
    for member in found:
        name, n = member.name, copies.get(hash(member.name), 0)
        while hash(name) in copies:
            n += 1
            name = f"{member.name} ({n + 1})"
        copies[hash(member.name)] = n
        copies.setdefault(hash(name), 0)
        yield member if name == member.name else replace(member, name=name)


def _judged(name: str, offset: int, size: int, *, special: bool) -> Member:
    problem = None
    if special:
        problem = DicomError(
            "archive_member_unsafe", expected="a regular file", found="a link, a device or a sparse file"
        )
    elif _leads_out(name):
        problem = DicomError(
            "archive_member_unsafe", expected="a name inside the archive", found="one that leads elsewhere"
        )
    elif archive_kind(name):
        problem = DicomError(
            "archive_nested",
            expected="files in an archive",
            found="another archive",
            remedy="Take it out and put it beside the other one",
        )
    elif size > MAX_MEMBER_BYTES:
        problem = DicomError(
            "archive_member_too_large",
            expected=f"at most {MAX_MEMBER_BYTES >> 30} GiB",
            found=f"{size / (1 << 30):.1f} GiB",
        )
    return Member(name, offset, size, problem)


def _leads_out(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or parts[0] == "" or parts[0].endswith(":")


def _check_growth(n_members: int, total: int, size: int) -> None:
    if n_members > MAX_MEMBERS:
        raise DicomError("archive_too_large", expected=f"at most {MAX_MEMBERS} members", found="more")
    if total > max(FREE_BYTES, MAX_GROWTH * size):
        raise DicomError(
            "archive_too_large",
            expected=f"content of at most {MAX_GROWTH} times the archive's size",
            found=f"{total / max(size, 1):.0f} times",
        )


class _Kept:
    """The archives that this process keeps open, the oldest closed first. One thread uses it."""

    def __init__(self) -> None:
        self.files: OrderedDict[tuple[str, int, int], Any] = OrderedDict()
        atexit.register(self.close)

    def get(self, path: Path, open_it: Any) -> Any:
        about = path.stat()
        key = (str(path), about.st_size, about.st_mtime_ns)
        if key not in self.files:
            self.files[key] = open_it(path)
            while len(self.files) > _KEPT_OPEN:
                self._close(self.files.popitem(last=False)[1])
        self.files.move_to_end(key)
        return self.files[key]

    def close(self) -> None:
        while self.files:
            self._close(self.files.popitem()[1])

    @staticmethod
    def _close(kept: Any) -> None:
        (kept[0] if isinstance(kept, tuple) else kept).close()


_KEPT = _Kept()


def _zip(path: Path) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    kept: tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]] = _KEPT.get(path, _open_zip)
    return kept


def _open_zip(path: Path) -> tuple[zipfile.ZipFile, dict[int, zipfile.ZipInfo]]:
    if _index_bytes(path) > MAX_INDEX_BYTES:
        raise DicomError("archive_too_large", expected=f"at most {MAX_MEMBERS} members", found="more")
    archive = zipfile.ZipFile(path)
    return archive, {info.header_offset: info for info in archive.infolist()}


def _index_bytes(path: Path) -> int:
    """Size of the central directory, APPNOTE 4.3.14 to 4.3.16; 0 where there is none."""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - (1 << 16) - 42))
        tail = stream.read()
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            return 0
        length: int = struct.unpack_from("<L", tail, at + 12)[0]
        locator = tail.rfind(b"PK\x06\x07", 0, at)
        if length == 0xFFFFFFFF and locator >= 0:
            stream.seek(struct.unpack_from("<Q", tail, locator + 8)[0])
            record = stream.read(48)
            if record[:4] == b"PK\x06\x06" and len(record) == 48:
                length = struct.unpack_from("<Q", record, 40)[0]
    return length


def _inflated(path: Path, *, duplicate: bool = False) -> Any:
    plain = _KEPT.get(path, _inflate)
    return os.fdopen(os.dup(plain.fileno()), "rb") if duplicate else plain


def _inflate(path: Path) -> IO[bytes]:
    """The plain tar of a compressed one, in a temporary file without a name."""
    limit = max(FREE_BYTES, MAX_GROWTH * path.stat().st_size)
    plain = tempfile.TemporaryFile()  # noqa: SIM115  (kept open by _KEPT)
    try:
        with gzip.open(path, "rb") as stream:
            while block := stream.read(1 << 20):
                plain.write(block)
                if plain.tell() > limit:
                    _check_growth(0, plain.tell(), path.stat().st_size)
        plain.flush()
    except BaseException:
        plain.close()
        raise
    return plain


class _Careful:
    """A file for `tarfile` that gives no more at once than any honest tar asks for."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.name = ""
        self.mode = "rb"

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _MAX_NOTE_BYTES:
            raise tarfile.ReadError("a name of many megabytes")
        return self.file.read(size)

    def seek(self, position: int, whence: int = 0) -> int:
        return self.file.seek(position, whence)

    def tell(self) -> int:
        return self.file.tell()


class _Window(io.RawIOBase):
    """`size` bytes of a file from `start`, as a file of its own."""

    def __init__(self, file: io.FileIO, start: int, size: int) -> None:
        self.file, self.start, self.size = file, start, size
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.position = max(0, offset + (0, self.position, self.size)[whence])
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: Any, /) -> int:
        wanted = max(0, min(len(buffer), self.size - self.position))
        n = self._read(memoryview(buffer)[:wanted]) if wanted else 0
        self.position += n
        return n

    def close(self) -> None:
        if not self.closed:
            self.file.close()
        super().close()

    def _read(self, view: memoryview) -> int:
        self.file.seek(self.start + self.position)
        return self.file.readinto(view) or 0


class _ZipMember(_Window):
    """A member of a zip: reads forward, begins anew to go back, knows its size without reading."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self.archive, self.info = archive, info
        super().__init__(archive.open(info), 0, info.file_size)  # type: ignore[arg-type]

    def _read(self, view: memoryview) -> int:
        try:
            if self.file.tell() > self.position:
                self.file.close()
                self.file = self.archive.open(self.info)  # type: ignore[assignment]
            while (gap := self.position - self.file.tell()) > 0:
                if not self.file.read(min(gap, 1 << 20)):
                    raise EOFError
            return self.file.readinto(view) or 0
        except _DAMAGE as error:
            raise _unreadable(error) from error


def _unreadable(error: Exception) -> DicomError:
    if isinstance(error, RuntimeError) and "ncrypted" in str(error):
        found = "an encrypted one"
    elif isinstance(error, NotImplementedError):
        found = "a compression that is not known here"
    else:
        found = f"a damaged one ({type(error).__name__})"
    return DicomError(
        "archive_unreadable",
        expected="a whole zip, tar or tar.gz",
        found=found,
        remedy="Unpack it with the program that made it, and give the folder",
    )
