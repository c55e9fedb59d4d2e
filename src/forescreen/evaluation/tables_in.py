"""The tables that an evaluation reads: members and scores, checked before anything is computed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..errors import InputError
from ..records import Outcome

_TEXT = {"set_id": str, "woman_id": str, "exam_id": str, "case_type": str, "outcome": str, "split": str}
_MEMBER_COLUMNS = ("woman_id", "exam_id", "outcome")


def read_members(path: Path) -> pd.DataFrame:
    """A members table as the cohort stage writes it; designs without sets may leave set columns out.

    Raises InputError naming the column or the row that is wrong.
    """
    table = _read(path, _MEMBER_COLUMNS)
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
            where=f"{path.name}, row {int(wrong.to_numpy().argmax()) + 2}",
        )
    return table


def read_scores(path: Path) -> pd.DataFrame:
    """Scores of exams: exam_id, score_screen_detected, score_interval, one row per exam."""
    table = _read(path, ("exam_id", "score_screen_detected", "score_interval"))
    if table["exam_id"].duplicated().any():
        raise InputError(
            expected="one row per exam",
            found=f"{int(table['exam_id'].duplicated().sum())} repeated exams",
            where=path.name,
        )
    for column in ("score_screen_detected", "score_interval"):
        numbers = pd.to_numeric(table[column], errors="coerce")
        bad = numbers.isna() & table[column].notna()
        if bad.any():
            raise InputError(
                expected=f"numbers in {column}",
                found=repr(table.loc[bad, column].iloc[0]),
                where=f"{path.name}, row {int(bad.to_numpy().argmax()) + 2}",
            )
        table[column] = numbers
    return table


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    if not path.is_file():
        raise InputError(expected="a CSV file", found="no such file", where=str(path))
    try:
        table = pd.read_csv(path, dtype=_TEXT)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise InputError(expected="a CSV file (UTF-8)", found=str(error), where=path.name) from error
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
