"""The tables that an evaluation reads: members and scores, checked before anything is computed."""

from __future__ import annotations

import csv
import difflib
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError
from ..records import Outcome

_TEXT = {"set_id": str, "woman_id": str, "exam_id": str, "case_type": str, "outcome": str, "split": str}
_NUMBERS = (
    "fold",
    "age",
    "weight",
    "bmi",
    "family_history",
    "breast_biopsy",
    "menarche_age",
    "parity",
    "first_birth_age",
    "hormone_therapy",
    "percent_density",
)
_MEMBER_COLUMNS = ("woman_id", "exam_id", "outcome")


def read_members(path: Path) -> pd.DataFrame:
    """A members table as the cohort stage writes it; designs without sets may leave set columns out.

    Raises InputError naming the column or the row that is wrong.
    """
    table = read_columns(path, _MEMBER_COLUMNS)
    for column, default in (("set_id", ""), ("case_type", ""), ("split", "held-out"), ("fold", None)):
        if column not in table:
            table[column] = default
    table["set_id"] = table["set_id"].fillna("")
    table["case_type"] = table["case_type"].fillna("")
    known = {str(o) for o in Outcome}
    wrong = ~table["outcome"].isin(known)
    if wrong.any():
        raise InputError(
            expected=f"outcome one of {', '.join(sorted(known))}",
            found=repr(table.loc[wrong, "outcome"].iloc[0]),
            where=f"{path.name}, row {_row(wrong)}",
        )
    _check_members(table, path.name)
    return table


def read_scores(path: Path) -> pd.DataFrame:
    """Scores of exams: exam_id, score_screen_detected, score_interval, one row per exam."""
    table = read_columns(path, ("exam_id", "score_screen_detected", "score_interval"))
    if table["exam_id"].duplicated().any():
        raise InputError(
            expected="one row per exam",
            found=f"{int(table['exam_id'].duplicated().sum())} repeated exams",
            where=path.name,
        )
    for column in ("score_screen_detected", "score_interval"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        bad = (numbers.isna() & table[column].notna()) | np.isinf(numbers)
        if bad.any():
            raise InputError(
                expected=f"numbers in {column}",
                found=repr(table.loc[bad, column].iloc[0]),
                where=f"{path.name}, row {_row(bad)}",
            )
        table[column] = numbers
    return table


def _check_members(table: pd.DataFrame, where: str) -> None:
    """What would otherwise be counted wrongly: repeated members, unknown parts, words for numbers."""
    parts = ("development", "held-out")
    wrong = ~table["split"].isin(parts)
    if wrong.any():
        raise InputError(
            expected=f"split one of {', '.join(parts)}",
            found=repr(table.loc[wrong, "split"].iloc[0]),
            where=f"{where}, row {_row(wrong)}",
        )
    unnamed = table["exam_id"].isna() | table["woman_id"].isna()
    if unnamed.any():
        raise InputError(
            expected="woman_id and exam_id in every row",
            found="an empty cell",
            where=f"{where}, row {_row(unnamed)}",
        )
    again = table.duplicated(["set_id", "exam_id"])
    if again.any():
        raise InputError(
            expected="each exam once in a set",
            found=f"{int(again.sum())} repeated rows",
            where=f"{where}, row {_row(again)}",
            remedy="Remove the repeated rows",
        )
    for column in _NUMBERS:
        if column not in table:
            continue
        table[column] = numbers_or_empty(table[column], column, where)


def numbers_or_empty(cells: pd.Series, name: str, where: str) -> pd.Series:
    """The cells as numbers, nan where empty. Raises InputError, with the row, for words and infinities."""
    numbers = pd.to_numeric(cells, errors="coerce")
    bad = (numbers.isna() & cells.notna()) | np.isinf(numbers)
    if bad.any():
        raise InputError(
            expected=f"numbers in {name}, or empty where unknown",
            found="something else",
            where=f"{where}, row {_row(bad)}",
        )
    return numbers


def _row(mask: pd.Series) -> int:
    """The first row of the mask as a spreadsheet counts: the header is row 1."""
    return int(mask.to_numpy().argmax()) + 2


def read_text_table(path: Path) -> pd.DataFrame:
    """A CSV with every cell as text, "" where empty; header names stripped.

    Raises InputError for a file that is absent, no CSV in UTF-8, ragged, or names a column twice.
    """
    table = _read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    table.columns = pd.Index([str(c).strip() for c in table.columns])
    # pandas renames the second of two equal names; the first line tells the truth.
    with path.open(encoding="utf-8-sig", newline="") as stream:
        header = [name.strip().lower() for name in next(csv.reader(stream), [])]
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(
            expected="each column once, in whatever case",
            found=f"{len(twice)} names twice (column {header.index(twice[0]) + 1} is the first)",
            where=path.name,
        )
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        raise InputError(
            expected="columns separated by commas",
            found="one column that holds semicolons, tabs or bars",
            where=path.name,
            remedy="Save the table as CSV with commas and a point in decimal numbers",
        )
    return table


def without_names(columns: Iterable[object], wanted: Sequence[str]) -> str:
    """How a table's columns are told in an error: only names near the wanted ones are repeated.

    A file without a header line has a woman's numbers in its place, which no message may repeat.
    """
    names = [str(c) for c in columns]
    near = [
        name
        for name in names
        if difflib.get_close_matches(name.lower(), [w.lower() for w in wanted], n=1, cutoff=0.7)
    ]
    similar = f", among them {', '.join(map(repr, near))}" if near else ""
    return f"{len(names)} columns of other names{similar} (is the first line the header?)"


def read_columns(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV that has these columns and at least one row; numbers of women and exams stay text.

    Raises InputError for a file that is absent, no CSV in UTF-8, ragged, or without a column or a row.
    """
    table = _read_csv(path, dtype=_TEXT, keep_default_na=True, encoding="utf-8")
    absent = [c for c in columns if c not in table.columns]
    if absent:
        raise InputError(
            expected=f"columns {', '.join(columns)}",
            found=f"no {', '.join(absent)} among {', '.join(map(str, table.columns))}",
            where=path.name,
        )
    if table.empty:
        raise InputError(expected="at least one row", found="a header only", where=path.name)
    return table


def _read_csv(path: Path, *, dtype: Any, keep_default_na: bool, encoding: str) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(expected="a CSV file", found="no such file", where=str(path))
    try:
        with warnings.catch_warnings():
            # pandas only warns when rows are longer than the header, and drops what is too much.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path, dtype=dtype, index_col=False, keep_default_na=keep_default_na, encoding=encoding
            )
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        UnicodeDecodeError,
    ) as error:
        ragged = "length" in str(error).lower() or "fields" in str(error).lower()
        raise InputError(
            expected="a CSV file (UTF-8)",
            found="rows of another length than the header" if ragged else str(error),
            where=path.name,
            remedy="Look for commas inside cells, decimal commas among them" if ragged else "",
        ) from error
