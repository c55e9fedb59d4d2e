"""The tables of the catalogue: how they are laid out, and how records become rows and rows records.

In: a path. Out: an open SQLite connection whose tables exist; statements and conversions that `catalogue`
uses. Tuples of texts are joined by a character that no code or flag holds.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from .assemble import ONE_OF, Found
from .walk import Located

#: Layout of the tables; a catalogue of another layout is made anew.
FORMAT = 2

PENDING, ACCEPTED, REFUSED = 0, 1, 2
JOINT = "\x1f"
FOUND = tuple(f.name for f in fields(Found))
TEXTS = ("codes", "flags", "traits")  # tuples, joined
LOCATED = "f.path, f.member, f.offset, f.archive, f.size, f.mtime_ns"

TABLES = f"""
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS files (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL, member BLOB NOT NULL, offset INTEGER NOT NULL,
    archive TEXT NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    seen INTEGER NOT NULL, born INTEGER NOT NULL, since INTEGER NOT NULL, problem INTEGER NOT NULL,
    state INTEGER NOT NULL, {", ".join(f"{name} DEFAULT ''" for name in FOUND)},
    UNIQUE (path, member, offset));
CREATE INDEX IF NOT EXISTS by_state ON files (path, member, offset) WHERE state = {PENDING};
CREATE INDEX IF NOT EXISTS by_exam ON files (exam_key, path, member, offset) WHERE state = {ACCEPTED};
CREATE INDEX IF NOT EXISTS by_object ON files (sop) WHERE state = {ACCEPTED};
CREATE INDEX IF NOT EXISTS by_series ON files (series) WHERE state AND series != '';
CREATE INDEX IF NOT EXISTS by_exposure ON files (exposure) WHERE state = {ACCEPTED};
CREATE TABLE IF NOT EXISTS twins (
    first INTEGER, second INTEGER PRIMARY KEY, first_since INTEGER, second_since INTEGER, words TEXT);
CREATE TABLE IF NOT EXISTS ambiguous (woman_id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS exams (
    number INTEGER PRIMARY KEY, place BLOB, exam_id TEXT, woman_id TEXT, exam_date TEXT, machine TEXT,
    missing TEXT, flags TEXT);
CREATE INDEX IF NOT EXISTS by_place ON exams (place, exam_id, number);
CREATE TABLE IF NOT EXISTS chosen (file INTEGER PRIMARY KEY, exam INTEGER, slot INTEGER, flags TEXT);
CREATE INDEX IF NOT EXISTS by_number ON chosen (exam, slot);
CREATE TABLE IF NOT EXISTS passed_over (file INTEGER PRIMARY KEY, codes TEXT, message TEXT);
"""

SAME = "NOT problem AND NOT excluded.problem AND size = excluded.size AND mtime_ns = excluded.mtime_ns"

# Of the files with one SOP Instance UID the first by name is the object; the others are its twins.
TWINS = f"""
SELECT g.first, g.second, t.words, g.flags FROM (
    SELECT id AS second, flags, since,
        first_value(id) OVER same AS first, first_value(since) OVER same AS first_since
    FROM files WHERE state = {ACCEPTED} AND sop IN (
        SELECT sop FROM files WHERE state = {ACCEPTED} AND sop != '' GROUP BY sop HAVING count(*) > 1)
    WINDOW same AS (PARTITION BY sop ORDER BY path, member, offset)
) g LEFT JOIN twins t ON (t.first, t.second, t.first_since, t.second_since)
    = (g.first, g.second, g.first_since, g.since)
WHERE g.first != g.second
"""

# Patient numbers under which more than one woman is found: in sorted order on disk, whatever their number.
_SEVERAL = " OR ".join(f"count(DISTINCT nullif({name}, '')) > 1" for name in ONE_OF)
AMBIGUOUS = f"""
INSERT INTO ambiguous SELECT woman_id FROM files WHERE state = {ACCEPTED} AND woman_id != ''
GROUP BY woman_id HAVING {_SEVERAL}
"""


def open_tables(path: Path | None) -> sqlite3.Connection:
    """The tables; a file that holds none is made anew, because all that is in it can be read again."""
    for attempt in (1, 2):
        tables = sqlite3.connect(":memory:" if path is None else path)
        try:
            tables.execute("PRAGMA synchronous = OFF" if path is None else "PRAGMA synchronous = NORMAL")
            tables.executescript(TABLES)
        except sqlite3.DatabaseError as error:
            tables.close()
            other = not isinstance(error, sqlite3.OperationalError) or "no such column" in str(error)
            if path is None or attempt == 2 or not other:
                raise
            path.write_bytes(b"")
        else:
            return tables
    raise AssertionError


def row_of(located: Located) -> tuple[Any, ...]:
    problem: DicomError | None = located.problem
    return (
        os.fsencode(located.relative),
        os.fsencode(located.member),
        located.offset,
        located.archive,
        located.size,
        located.mtime_ns,
        problem is not None,
        PENDING if problem is None else REFUSED,
        "" if problem is None else problem.code,
        "" if problem is None else str(problem),
    )


def row_of_answer(answer: tuple[int, Found]) -> tuple[Any, ...]:
    number, found = answer
    values = [getattr(found, name) for name in FOUND]
    values = [JOINT.join(v) if name in TEXTS else v for name, v in zip(FOUND, values, strict=True)]
    return (REFUSED if found.codes else ACCEPTED, *values, number)


def found_of(row: Sequence[Any]) -> Found:
    values: dict[str, Any] = {
        name: split(value) if name in TEXTS else value for name, value in zip(FOUND, row, strict=True)
    }
    return Found(**values)


def split(joined: str) -> tuple[str, ...]:
    return tuple(joined.split(JOINT)) if joined else ()
