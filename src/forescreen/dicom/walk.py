"""Every file below a source, one after the other: a folder, an archive, a DICOMDIR or a single file.

In: a path. Out: `Located`, one per file or archive member, as a stream: neither the files nor their names
are held in memory, so that a folder of a million costs as much as one of ten. What cannot be read is
located too, with its problem, so that nothing is dropped in silence. The order is that of the file system:
who needs another sorts (`catalogue` does).
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import DicomError
from .archives import Member, archive_kind, members, open_member
from .directory import find_listed, is_directory, listed_files

#: Folders nested deeper than this are not followed.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """One file: where it lies, perhaps in an archive, and why it cannot be read if it cannot."""

    root: str  # the source, or its folder
    relative: str  # of the file or archive below root, with forward slashes
    size: int  # of the file or member, bytes; -1 where unknown
    mtime_ns: int  # of the file or archive
    archive: str = ""  # kind of archive: "zip", "tar", "tar.gz"
    member: str = ""  # its name in the archive
    offset: int = -1  # its place there
    problem: DicomError | None = None

    @property
    def path(self) -> Path:
        """The file or archive on disk."""
        return Path(self.root, self.relative)

    @property
    def label(self) -> str:
        """The name in reports: relative to the source, archive/member, in printable characters."""
        return printable(f"{self.relative}/{self.member}" if self.archive else self.relative)

    def open(self, mode: str = "rb") -> BinaryIO:
        """The content as a seekable stream. Raises OSError or DicomError; `mode` is "rb"."""
        if mode != "rb":
            raise ValueError(f"expected mode 'rb', found {mode!r}")
        if self.problem is not None:
            raise self.problem
        if not self.archive:
            return self.path.open("rb")
        return open_member(self.path, self.archive, Member(self.member, self.offset, self.size))


def walk(source: Path, *, apart_from: frozenset[str] = frozenset()) -> Iterator[Located]:
    """Every file of `source`, in no particular order, each once.

    `source` is a folder, searched in depth; an archive; a file named DICOMDIR, which gives the files that
    it lists; or a single file. Files of the names `apart_from` directly in a folder are left out. Links to
    files are followed, links to folders are problems. Raises DicomError `unreadable_file` when there is
    nothing of that name, and those of `listed_files` for a DICOMDIR that cannot be read.
    """
    if source.is_dir():
        return _folder(str(source), apart_from)
    if not source.exists():
        raise DicomError(
            "unreadable_file", expected="a folder of DICOM files", found="no such folder", where=source.name
        )
    if is_directory(source):
        return _listed(source, listed_files(source))
    return _file(str(source.parent), source.name, source.stat)


def is_dicom_source(source: Path) -> bool:
    """True for what holds files: a folder, an archive or a DICOMDIR."""
    return source.is_dir() or bool(archive_kind(source.name)) or is_directory(source)


def locate(path: Path) -> Located:
    """One file by its path, whatever it is; a problem where it is no regular file."""
    root, relative = str(path.parent), path.name
    try:
        found = path.stat()
    except OSError:
        return _problem(root, relative, "a link or device")
    if not stat.S_ISREG(found.st_mode):
        return _problem(root, relative, "a link or device")
    return Located(root=root, relative=relative, size=found.st_size, mtime_ns=found.st_mtime_ns)


def printable(name: str) -> str:
    """A file name that can be written anywhere: what is not printable, or not UTF-8, as an escape."""
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _folder(root: str, apart_from: frozenset[str]) -> Iterator[Located]:
    stack: list[tuple[str, Any]] = []  # prefix, and an open os.scandir

    def enter(prefix: str) -> Located | None:
        try:
            if len(stack) > MAX_DEPTH:
                raise OSError(0, f"folders nested more than {MAX_DEPTH} deep")
            stack.append((prefix, os.scandir(os.path.join(root, prefix))))  # noqa: PTH118
        except OSError as error:
            return _problem(root, prefix or ".", error.strerror or type(error).__name__)
        return None

    problem = enter("")
    if problem:
        yield problem
    try:
        while stack:
            prefix, entries = stack[-1]
            try:
                entry = next(entries, None)
            except OSError as error:
                yield _problem(root, prefix or ".", error.strerror or type(error).__name__)
                entry = None
            if entry is None:
                stack.pop()[1].close()
                continue
            if not prefix and entry.name in apart_from:
                continue
            relative = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                problem = enter(f"{relative}/")
                if problem:
                    yield problem
            elif _is_folder(entry):
                yield _problem(root, relative, "a link to a folder, which is not followed")
            else:
                yield from _file(root, relative, entry.stat)
    finally:
        for _, entries in stack:
            entries.close()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _file(root: str, relative: str, about: Callable[[], os.stat_result]) -> Iterator[Located]:
    """The file itself, or the members of an archive."""
    try:
        found = about()
    except OSError:
        yield _problem(root, relative, "a link or device")
        return
    if not stat.S_ISREG(found.st_mode):
        yield _problem(root, relative, "a link or device")
        return
    size, mtime_ns = found.st_size, found.st_mtime_ns
    kind = archive_kind(relative)
    if not kind:
        yield Located(root=root, relative=relative, size=size, mtime_ns=mtime_ns)
        return
    try:
        for member in members(Path(root, relative), kind):
            yield Located(
                root=root,
                relative=relative,
                size=member.size,
                mtime_ns=mtime_ns,
                archive=kind,
                member=member.name,
                offset=member.offset,
                problem=member.problem,
            )
    except DicomError as error:
        yield Located(root=root, relative=relative, size=size, mtime_ns=mtime_ns, problem=error)


def _listed(source: Path, listed: tuple[tuple[str, ...], ...]) -> Iterator[Located]:
    root = str(source.parent)
    for parts in listed:
        relative = "/".join(parts)
        try:
            path = find_listed(source.parent, parts)
        except DicomError as error:
            yield Located(root=root, relative=relative, size=-1, mtime_ns=0, problem=error)
            continue
        if path is None:
            missing = DicomError(
                "file_missing", expected="the file that the DICOMDIR lists", found="none of that name"
            )
            yield Located(root=root, relative=relative, size=-1, mtime_ns=0, problem=missing)
        else:
            yield from _file(root, path.relative_to(source.parent).as_posix(), path.stat)


def _problem(root: str, relative: str, found: str) -> Located:
    error = DicomError("unreadable_file", expected="a regular file", found=found)
    return Located(root=root, relative=relative, size=-1, mtime_ns=0, problem=error)
