"""Files that are whole or absent: atomic writing, fingerprints, JSON and CSV.

Everything forescreen leaves on disk goes through here, so that a process killed at any moment leaves
either the old file or the new one. The temporary file lies beside its target (same file system) and
has the suffix `.partial`; the next run of a stage removes what a killed one left (`remove_leftovers`).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from .errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_NEW_FILE = os.O_CREAT | os.O_WRONLY | os.O_TRUNC | getattr(os, "O_BINARY", 0)


@contextmanager
def atomic_write(path: Path, *, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A binary stream whose content replaces `path` only when the block ends without an error.

    `mode` holds from the first byte on, less the process's umask: 0o600 is for the owner's eyes only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, _NEW_FILE, mode)
        with open(descriptor, "wb") as stream:  # noqa: PTH123
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote below `folder`."""
    for leftover in folder.rglob("*.partial"):
        leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_write(path) as stream:
        stream.write(text.encode())


def write_private(path: Path, text: str) -> None:
    """Write UTF-8 text atomically into a file that only its owner can read, at no moment anybody else."""
    with atomic_write(path, mode=0o600) as stream:
        stream.write(text.encode())


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically; numbers that are not finite become null, dataclasses and enums plain."""
    write_text(path, json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV atomically (UTF-8, no index, dates as ISO 8601, floats in full)."""
    write_text(path, table.to_csv(index=False, date_format="%Y-%m-%d", lineterminator="\n"))


def write_with(path: Path, writer: Callable[[BinaryIO], None]) -> None:
    """Write atomically what `writer` puts into the stream (numpy.save, parquet, safetensors)."""
    with atomic_write(path) as stream:
        writer(stream)


def plain(value: object) -> Any:
    """A value made of JSON types only."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(plain(k)): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return plain(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"cannot write {type(value).__name__} as JSON")


def fingerprint(*values: object) -> str:
    """Sixteen hex digits that change when any of the values changes (SHA-256 of canonical JSON)."""
    canonical = json.dumps(plain(list(values)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def folder_listing(folder: Path) -> str:
    """Fingerprint of a folder's files by name and size, at any depth. Raises InputError without a folder."""
    if not folder.is_dir():
        raise InputError(expected="a folder of files", found="no such folder", where=str(folder))
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return fingerprint([(str(p.relative_to(folder)), p.stat().st_size) for p in files])


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
