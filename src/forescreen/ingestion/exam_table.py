"""exams.parquet of a store: which views each exam has and lacks, and which exam of that woman came before.

In: what became of each image, exam by exam, as a stream. Out: one row per exam, in the same order: exam_id,
woman_id, exam_date, machine, n_views, missing ("R MLO;R CC"), prior_exam_id, days_since_prior, flags. An
exam whose images were all refused has a row with n_views 0, so that its flags are seen; it is nobody's
prior. A prior is the last exam of an earlier day; exams without date or woman, and those whose patient number
stands for several women, have none and are none. Rows are linked
in a temporary table on disk: nothing grows in memory with the number of exams.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..dicom.assemble import MIXED, RENAMED
from ..dicom.catalogue import SEVERAL_WOMEN
from ..files import atomic_write
from ..records import STANDARD_VIEWS

#: Flags of an image that are those of its exam.
EXAM_FLAGS = (MIXED, RENAMED, SEVERAL_WOMEN)
SWAP = "laterality_swap_suspected"

_COLUMNS = {
    "exam_id": pa.string(),
    "woman_id": pa.string(),
    "exam_date": pa.string(),
    "machine": pa.string(),
    "n_views": pa.int32(),
    "missing": pa.string(),
    "prior_exam_id": pa.string(),
    "days_since_prior": pa.int32(),
    "flags": pa.string(),
}
_SCHEMA = pa.schema(list(_COLUMNS.items()))
#: Rows per row group.
_GROUP = 16_384


@dataclass(frozen=True, kw_only=True)
class ViewOutcome:
    """What became of one image of an exam."""

    woman_id: str
    exam_id: str
    exam_date: str
    machine: str
    laterality: str
    view: str
    is_stored: bool
    contradicts: bool  # its chest wall lies on the side that is usual for the other breast
    flags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExamCounts:
    """Exams and women with at least one stored image, exams with each flag, and exams with a prior."""

    n_exams: int
    n_women: int
    n_with_prior: int
    exam_flags: dict[str, int]


def write_exam_table(path: Path, outcomes: Iterable[ViewOutcome]) -> ExamCounts:
    """The table at `path`, whole or absent. Images of one exam come side by side."""
    tables = sqlite3.connect("")
    try:
        columns = (
            "exam_id, woman_id, exam_date, machine, n_views, missing, flags, prior_exam_id, days_since_prior"
        )
        tables.execute(f"CREATE TABLE exams (number INTEGER PRIMARY KEY, {columns})")
        statement = "INSERT INTO exams VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
        exams = groupby(outcomes, key=lambda outcome: outcome.exam_id)
        tables.executemany(statement, (_row(list(group)) for _, group in exams))
        tables.execute("CREATE INDEX by_woman ON exams (woman_id, exam_date, exam_id)")
        tables.executemany(
            "UPDATE exams SET prior_exam_id = ?, days_since_prior = ? WHERE number = ?", _priors(tables)
        )
        with atomic_write(path) as stream, pq.ParquetWriter(stream, _SCHEMA) as out:
            rows = tables.execute(f"SELECT {', '.join(_COLUMNS)} FROM exams ORDER BY number")
            while block := rows.fetchmany(_GROUP):
                out.write_table(pa.table(list(map(list, zip(*block, strict=True))), schema=_SCHEMA))
        return _count(tables)
    finally:
        tables.close()


def _row(views: list[ViewOutcome]) -> tuple[Any, ...]:
    first = views[0]
    stored = {(view.laterality, view.view) for view in views if view.is_stored}
    missing = [f"{side} {view}" for side, view in STANDARD_VIEWS if (str(side), str(view)) not in stored]
    flags = [flag for flag in EXAM_FLAGS if any(flag in view.flags for view in views)]
    if {view.laterality for view in views if view.contradicts} == {"L", "R"}:
        flags.append(SWAP)
    return (
        first.exam_id,
        first.woman_id,
        first.exam_date,
        first.machine,
        len(stored),
        ";".join(missing),
        ";".join(flags),
    )


def _priors(tables: sqlite3.Connection) -> Iterator[tuple[str, int, int]]:
    """(prior exam, days since, number of the exam) for each exam that has one."""
    rows = tables.execute(
        "SELECT woman_id, exam_date, exam_id, number FROM exams "
        "WHERE n_views > 0 AND woman_id != '' AND exam_date != '' "
        f"AND instr(flags, '{SEVERAL_WOMEN}') = 0 ORDER BY woman_id, exam_date, exam_id"
    )
    for _, exams in groupby(rows, key=lambda row: row[0]):
        prior: tuple[str, datetime.date] | None = None
        for day, same_day in groupby(exams, key=lambda row: row[1]):
            date = datetime.date.fromisoformat(day)
            last = ""
            for _, _, exam_id, number in same_day:
                if prior is not None:
                    yield prior[0], (date - prior[1]).days, number
                last = exam_id
            prior = (last, date)


def _count(tables: sqlite3.Connection) -> ExamCounts:
    def number(what: str) -> int:
        n: int = tables.execute(f"SELECT {what} FROM exams WHERE n_views > 0").fetchone()[0]
        return n

    flags: dict[str, int] = {}
    for joined, n in tables.execute("SELECT flags, count(*) FROM exams WHERE flags != '' GROUP BY flags"):
        for flag in joined.split(";"):
            flags[flag] = flags.get(flag, 0) + n
    return ExamCounts(
        n_exams=number("count(DISTINCT exam_id)"),
        n_women=number("count(DISTINCT woman_id)"),
        n_with_prior=number("count(prior_exam_id)"),
        exam_flags=dict(sorted(flags.items())),
    )
