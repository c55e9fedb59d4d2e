"""The private list of a de-identified folder: which old file and numbers became which new ones.

It lies in a folder beside the key, never in the output, and only its owner reads it (mode 600). It is
also what an interrupted run continues from. SQLite, because a million files need neither memory nor a
rewrite; a CSV for a person is written at the end.
"""

from __future__ import annotations

import csv
import io
import json
import os
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path

from ..errors import InterruptedStageError
from ..files import write_private


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One file after its worker: where its cleaned object waits, or why there is none."""

    path: str
    size: int
    mtime_ns: int
    partial: str = ""  # temporary file below OUT
    target: str = ""
    code: str = ""
    words: str = ""
    flags: tuple[str, ...] = ()
    actions: str = "{}"
    woman: str = ""
    exam: str = ""
    days_back: int = 0
    patient_id: str = ""
    accession: str = ""
    study_uid: str = ""
    sop_instance_uid: str = ""


_COLUMNS = tuple(name for name in Outcome.__dataclass_fields__ if name != "partial")


def open_list(path: Path, made_from: dict[str, object]) -> sqlite3.Connection:
    """The private list, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)
    names = sqlite3.connect(path)
    names.execute("CREATE TABLE IF NOT EXISTS made_from (settings TEXT)")
    names.execute(f"CREATE TABLE IF NOT EXISTS files ({', '.join(_COLUMNS)}, PRIMARY KEY (path))")
    names.execute("CREATE INDEX IF NOT EXISTS by_target ON files (target)")
    settings = json.dumps(made_from, sort_keys=True)
    before = names.execute("SELECT settings FROM made_from").fetchone()
    if before is None:
        names.execute("INSERT INTO made_from VALUES (?)", (settings,))
        names.commit()
    elif before[0] != settings:
        names.close()
        raise InterruptedStageError(
            f"{path.name}: the output folder was made with other options, another key or another version of "
            "the profile. Choose another output folder, or remove it and the private list to start again."
        )
    return names


def is_done(names: sqlite3.Connection, out: Path, *, path: str, size: int, mtime_ns: int) -> bool:
    """Whether an unchanged file was settled before, and what it became is still there."""
    row = names.execute("SELECT size, mtime_ns, code, target FROM files WHERE path = ?", (path,)).fetchone()
    if row is None or (row[0], row[1]) != (size, mtime_ns):
        return False
    return bool(row[2]) or (out / row[3]).is_file()


def settle(names: sqlite3.Connection, out: Path, outcome: Outcome) -> None:
    """Move a cleaned object to its place, or drop it where another file was the same object."""
    row = asdict(outcome) | {"flags": ";".join(outcome.flags)}
    if outcome.partial:
        twin = names.execute(
            "SELECT 1 FROM files WHERE target = ? AND path != ?", (outcome.target, outcome.path)
        ).fetchone()
        if twin:
            (out / outcome.partial).unlink()
            row |= {"target": "", "flags": "", "actions": "{}", "code": "duplicate_instance"}
            row["words"] = "expected each object once, found the same object as another file"
        else:
            target = out / outcome.target
            target.parent.mkdir(parents=True, exist_ok=True)
            (out / outcome.partial).replace(target)
    places = ", ".join("?" * len(_COLUMNS))
    names.execute(f"INSERT OR REPLACE INTO files VALUES ({places})", [row[name] for name in _COLUMNS])
    if names.total_changes % 100 == 0:
        names.commit()


def write_listing(names: sqlite3.Connection, path: Path) -> None:
    """The private list as a table for a person."""
    shown = [name for name in _COLUMNS if name not in ("actions", "mtime_ns", "size")]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(shown)
    table.writerows(names.execute(f"SELECT {', '.join(shown)} FROM files ORDER BY path"))
    write_private(path, text.getvalue())
