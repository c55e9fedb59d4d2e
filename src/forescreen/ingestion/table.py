"""A CSV of pictures in Mirai's columns: read, checked, and turned into rows that can be ingested.

Columns: patient_id, exam_id, laterality (R, L), view (CC, MLO), file_path (relative to the CSV's
folder, or absolute); optional years_to_cancer (0 = cancer on this mammogram, 100 = never),
years_to_last_followup, split_group (train, dev, test), row_spacing_mm (of square pixels), exam_date
(ISO 8601). Other columns are passed on as text. Fractions of years stay, where [Mirai] truncates them.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pandas as pd

from ..errors import InputError
from ..identity import Pseudonyms
from ..records import Laterality, Refusal, View
from .pictures import Picture

NEEDED = ("patient_id", "exam_id", "laterality", "view", "file_path")
OPTIONAL = ("years_to_cancer", "years_to_last_followup", "split_group", "row_spacing_mm", "exam_date")
SPLITS = ("train", "dev", "test")
#: Views that are mammographic (PS3.16 CID 4014 and 4015) and not standard: refused, not an error.
OTHER_VIEWS = ("ML", "LM", "LMO", "FB", "SIO", "ISO", "XCCL", "XCCM", "AT", "CV")

T = TypeVar("T")


def read_image_table(csv_path: Path, *, pseudonyms: Pseudonyms) -> pd.DataFrame:
    """The checked table, one row per picture, in the order of the file.

    Columns: `line` (of the file, the header is line 1), the needed ones, and the optional ones: absent
    numbers NaN, absent texts "". patient_id and exam_id are pseudonyms. Raises InputError
    naming line and column for a missing column, an empty or impossible value, or one exam of two women.
    """
    given = _read(csv_path)
    table = pd.DataFrame({"line": range(2, len(given) + 2)})

    def column(name: str, read: Callable[[str], T], expected: str) -> list[T]:
        return [
            _value(csv_path, line, name, text, read, expected)
            for line, text in zip(table["line"], given[name], strict=True)
        ]

    def optional(name: str, read: Callable[[str], T], expected: str, absent: T | None) -> list[T | None]:
        if name not in given:
            return [absent] * len(given)
        return column(name, lambda text: read(text) if text else absent, expected)

    table["patient_id"] = [pseudonyms.woman(v) for v in column("patient_id", _text, "a number or name")]
    table["exam_id"] = [pseudonyms.exam(v) for v in column("exam_id", _text, "a number or name")]
    table["laterality"] = column("laterality", lambda v: str(Laterality(v.upper())), "R or L")
    table["view"] = column("view", _view, "CC or MLO")
    table["file_path"] = column("file_path", _text, "a path")
    years = "years from 0 to 1000"
    for name in ("years_to_cancer", "years_to_last_followup"):
        table[name] = pd.Series(optional(name, _years, years, None), dtype="float64")
    table["split_group"] = optional("split_group", _split, "train, dev or test", "")
    spacing = optional("row_spacing_mm", _spacing, "millimetres between 0.02 and 2", None)
    table["row_spacing_mm"] = pd.Series(spacing, dtype="float64")
    table["exam_date"] = optional("exam_date", _date, "a date like 2015-03-31", "")
    for name in given.columns.difference([*NEEDED, *OPTIONAL, "line"], sort=False):
        table[name] = given[name].str.strip()
    _check_exams(csv_path, table)
    return table


def pictures_of(
    table: pd.DataFrame, csv_path: Path
) -> tuple[list[tuple[str, str, str, Picture]], list[Refusal]]:
    """What can be ingested, as (woman_id, exam_id, exam_date, picture), and the rows refused unread.

    Refused: views that are not standard, the second picture of one view of an exam (the first is kept,
    as [Mirai] does), and a file named by two rows.
    """
    kept: list[tuple[str, str, str, Picture]] = []
    refused: list[Refusal] = []
    slots: dict[tuple[str, str, str], int] = {}
    files: dict[str, int] = {}
    folder = csv_path.resolve().parent
    for row in table.to_dict("records"):
        slot = (row["exam_id"], row["laterality"], row["view"])
        file, line = row["file_path"], row["line"]
        code = message = ""
        if row["view"] in OTHER_VIEWS:
            code, message = "view_not_standard", f"line {line}: expected CC or MLO, found {row['view']}"
        elif file in files:
            code, message = "duplicate_instance", f"line {line}: the same file as line {files[file]}"
        elif slot in slots:
            code = "duplicate_view_older"
            message = f"line {line}: the same exam, side and view as line {slots[slot]}, which is kept"
        if code:
            refused.append(Refusal(file=file, code=code, codes=(code,), message=message))
            continue
        slots[slot] = files[file] = line
        spacing = row["row_spacing_mm"]
        picture = Picture(
            path=folder / file,
            file=file,
            laterality=Laterality(row["laterality"]),
            view=View(row["view"]),
            row_spacing_mm=None if math.isnan(spacing) else float(spacing),
        )
        kept.append((row["patient_id"], row["exam_id"], row["exam_date"], picture))
    return kept, refused


def _read(csv_path: Path) -> pd.DataFrame:
    try:
        # With the header as a row of cells, rows that are longer than it are errors and names stay as given.
        cells = pd.read_csv(csv_path, dtype=str, keep_default_na=False, encoding="utf-8-sig", header=None)
    except FileNotFoundError:
        raise InputError(expected="a CSV of images", found="no such file", where=str(csv_path)) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(
            expected="a CSV of images in UTF-8", found=f"{error}".strip(), where=str(csv_path)
        ) from None
    given = cells.iloc[1:].fillna("").reset_index(drop=True)
    given.columns = pd.Index([str(name).strip() for name in cells.iloc[0]])
    twice = sorted(set(given.columns[given.columns.duplicated()]))
    if twice:
        raise InputError(expected="each column once", found=f"twice: {', '.join(twice)}", where=str(csv_path))
    missing = [name for name in NEEDED if name not in given]
    if missing:
        raise InputError(
            expected=f"the columns {', '.join(NEEDED)}",
            found=f"no {', '.join(missing)}",
            where=str(csv_path),
            remedy=f"Optional columns are {', '.join(OPTIONAL)}",
        )
    if given.empty:
        raise InputError(expected="at least one row", found="a header only", where=str(csv_path))
    return given


def _value(csv_path: Path, line: int, name: str, text: object, read: Callable[[str], T], expected: str) -> T:
    text = str(text).strip()
    try:
        return read(text)
    except ValueError:
        hidden = name in ("patient_id", "exam_id")  # numbers of women never stand in messages
        found = "nothing" if not text else "something else" if hidden else repr(text)
        raise InputError(
            expected=expected, found=found, where=f"{csv_path.name}, line {line}, column {name}"
        ) from None


def _text(text: str) -> str:
    if not text:
        raise ValueError
    return text


def _view(text: str) -> str:
    view = text.upper()
    return view if view in OTHER_VIEWS else str(View(view))


def _years(text: str) -> float:
    years = float(text)
    if not 0 <= years <= 1000:
        raise ValueError
    return years


def _split(text: str) -> str:
    if text not in SPLITS:
        raise ValueError
    return text


def _spacing(text: str) -> float:
    spacing = float(text)
    if not 0.02 <= spacing <= 2:
        raise ValueError
    return spacing


def _date(text: str) -> str:
    return datetime.date.fromisoformat(text).isoformat()


def _check_exams(csv_path: Path, table: pd.DataFrame) -> None:
    """Everything that belongs to an exam is the same on all of its rows."""
    first = table.groupby("exam_id", sort=False)
    names = ("patient_id", "years_to_cancer", "years_to_last_followup", "split_group", "exam_date")
    for name in names:
        leading = first[name].transform("first").astype("string").fillna("")
        differs = table[name].astype("string").fillna("") != leading
        if name.startswith("years_"):
            differs &= table[name].notna()
        if differs.any():
            line = int(table.loc[differs, "line"].iloc[0])
            raise InputError(
                expected=f"one {name} per exam_id",
                found="another one than on an earlier line of the same exam",
                where=f"{csv_path.name}, line {line}, column {name}",
                remedy="Make exam_id unique across women and visits",
            )
