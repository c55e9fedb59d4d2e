"""What became of every exam: the outcomes table of an evaluation, in one canonical form.

In: a CSV with one row per exam, a `members.csv` of the cohort stage, or a folder of registry tables. Out:
`Outcomes`, a table with `key`, `woman_id`, `outcome`, `time_years` (nan where times are not known), `set_id`,
`case_type`, `weight`, and whatever subgroups need; with an account of what was left out.

Outcomes are none, screen-detected, interval, cancer (mode of detection not known) and death (a competing
event). Times are years from the exam to the diagnosis or death, or for outcome none to the end of
follow-up. Three ways to state them:

    time_years
    exam_date, diagnosis_date, follow_up_end [, death_date]
    years_to_cancer, years_to_last_followup     Mirai's columns; 100 years mean never

Whole years are read as Mirai writes them, truncated: 0 years to cancer is a cancer within the first year,
and 3 years of follow-up are at least three.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from ..cohort.columns import rows_of
from ..errors import InputError
from ..records import Outcome
from .cells import numbers_in
from .comparison_plan import OutcomeColumns
from .outcome_times import CANCERS, DEATH, slack_years, times_of
from .tables_in import without_names

#: Other words for outcomes that need no codes in the plan.
_WORDS = {
    "": "",  # not known: left out and counted
    "na": "",
    "nan": "",
    "unknown": "",
    "0": "none",
    "1": "cancer",
    "false": "none",
    "true": "cancer",
    "no": "none",
    "yes": "cancer",
    "none": "none",
    "no cancer": "none",
    "control": "none",
    "screen-detected": "screen-detected",
    "screen detected": "screen-detected",
    "screen_detected": "screen-detected",
    "sd": "screen-detected",
    "interval": "interval",
    "ic": "interval",
    "cancer": "cancer",
    "death": DEATH,
}

#: Names that are known in any case.
_KNOWN = (
    "exam_id",
    "woman_id",
    "patient_id",
    "outcome",
    "time_years",
    "weight",
    "set_id",
    "case_type",
    "split",
    "exam_date",
    "diagnosis_date",
    "death_date",
    "follow_up_end",
    "years_to_cancer",
    "years_to_last_followup",
    "density",
    "race",
    "site",
    "machine",
    "months_to_diagnosis",
)
#: Parts of a study, ours and Mirai's words.
_SPLITS = {"held-out": "held-out", "test": "held-out", "development": "development", "train": "development",
           "dev": "development", "": ""}  # fmt: skip
#: More different values than this are not shown in a message: they may be numbers of women.
_FEW_VALUES = 12

#: Columns that are numbers where they are present.
_NUMBERS = ("age", "bmi", "percent_density", "fold", "menarche_age", "parity", "first_birth_age",
            "family_history", "breast_biopsy", "hormone_therapy")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Something that was read and not used: what, how many, why, and what to do about it."""

    what: str
    n: int
    unit: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """Exams with their outcomes; `timed` where times to events and censoring are known."""

    table: pd.DataFrame
    timed: bool
    weighted: bool
    matched: bool
    clustered: bool  # some woman has several rows
    unit: str
    source: str
    left_out: tuple[LeftOut, ...] = ()
    known_otherwise: frozenset[str] = frozenset()  # keys of exams that are known and not eligible
    notes: tuple[str, ...] = ()
    flow: tuple[dict[str, Any], ...] = field(default=())


def outcomes_of(cells: pd.DataFrame, columns: OutcomeColumns, *, where: str) -> Outcomes:
    """Outcomes from a table of text cells, one row per exam (per exam and set in matched data).

    Raises InputError naming column and rows where something is missing, repeated, unknown or contradictory.
    """
    if cells.empty:
        raise InputError(expected="at least one exam", found="a header only", where=where)
    cells = _in_known_case(cells, columns)
    notes: list[str] = []
    table = pd.DataFrame({"key": _key(cells, columns, where)})
    table["woman_id"] = _women(cells, columns, where, notes)
    given = _given_outcome(cells, columns, where)
    time, from_times = times_of(cells, columns, given, where, notes)
    outcome = from_times if from_times is not None else given
    if outcome is None:
        raise InputError(
            expected=f"a column {columns.outcome}, or years_to_cancer, or diagnosis_date",
            found=without_names(cells.columns, (columns.outcome, "years_to_cancer", "diagnosis_date")),
            where=where,
            remedy="Name the column of outcomes in [outcomes] of the plan",
        )
    table["outcome"] = outcome
    table["time_years"] = np.nan if time is None else time
    # Whole years are truncated: the cancer may be this much earlier than the end of its year.
    table["slack_years"] = slack_years(cells, outcome)
    table["set_id"] = cells[columns.set].str.strip() if columns.set in cells else ""
    table["case_type"] = _case_types(cells, table)
    weighted = columns.weight in cells
    table["weight"] = _weights(cells[columns.weight], where) if weighted else 1.0
    for name in cells.columns:
        if name not in table.columns and name not in (columns.outcome, columns.set, columns.weight):
            table[name] = (
                numbers_in(cells[name], name, where) if name in _NUMBERS else cells[name].str.strip()
            )
    if "split" in table:
        table["split"] = _split(table["split"], where)
    _check_keys(table, bool((table["set_id"] != "").any()), where)
    return Outcomes(
        table=table,
        timed=time is not None,
        weighted=weighted and bool(np.ptp(table["weight"]) > 0),
        matched=bool((table["set_id"] != "").any()),
        clustered=bool(table["woman_id"].duplicated().any()),
        unit=columns.unit,
        source=where,
        notes=tuple(notes),
    )


def _key(cells: pd.DataFrame, columns: OutcomeColumns, where: str) -> pd.Series:
    absent = [name for name in columns.key if name not in cells]
    if absent:
        raise InputError(
            expected=f"the column {' and '.join(columns.key)}",
            found=f"no {', '.join(absent)} among {without_names(cells.columns, columns.key)}",
            where=where,
            remedy="Rename the column, or name it as key in [outcomes] of the plan",
        )
    joined = cells[columns.key[0]].str.strip()
    empty = (joined == "").to_numpy(dtype=bool)
    for name in columns.key[1:]:
        empty = empty | (cells[name].str.strip() == "").to_numpy(dtype=bool)
        joined = joined + "\t" + cells[name].str.strip()
    if empty.any():
        raise InputError(expected="a key in every row", found=f"none in {rows_of(empty)}", where=where)
    return joined


def _women(cells: pd.DataFrame, columns: OutcomeColumns, where: str, notes: list[str]) -> pd.Series:
    name = columns.woman or next((c for c in ("woman_id", "patient_id") if c in cells), "")
    if columns.woman and columns.woman not in cells:
        raise InputError(
            expected=f"the column {columns.woman}",
            found=without_names(cells.columns, (columns.woman,)),
            where=where,
        )
    if not name:
        notes.append(
            "The outcomes name no women (woman_id): every row is taken as another woman, and intervals "
            "are too "
            "narrow if women occur with several rows."
        )
        return pd.Series([f"row-{i}" for i in range(len(cells))], index=cells.index)
    women = cells[name].str.strip()
    empty = (women == "").to_numpy(dtype=bool)
    if empty.any():
        raise InputError(
            expected=f"{name} in every row", found=f"empty cells in {rows_of(empty)}", where=where
        )
    return women


def _given_outcome(cells: pd.DataFrame, columns: OutcomeColumns, where: str) -> pd.Series | None:
    if columns.outcome not in cells:
        return None
    text = cells[columns.outcome].str.strip()
    codes = {str(code).lower(): str(value).lower() for code, value in columns.codes.items()}
    meaning = {**_WORDS, **{code: _WORDS.get(value, value) for code, value in codes.items()}}
    distinct = {value: meaning.get(str(value).lower()) for value in text.unique()}
    known = {*CANCERS, Outcome.NONE.value, DEATH, ""}
    bad = text.map({value: word not in known for value, word in distinct.items()}).to_numpy(dtype=bool)
    if bad.any():
        strange = sorted({str(v)[:20] for v in text[bad]})
        shown = (
            ", ".join(map(repr, strange)) if len(strange) <= _FEW_VALUES else f"{len(strange)} other values"
        )
        raise InputError(
            expected="outcome one of none, screen-detected, interval, cancer, death (or 0 and 1), empty "
            "if unknown",
            found=f"{shown} in {rows_of(bad)}",
            where=where,
            remedy='Say what they mean in the plan: [outcomes] codes = { "code" = "interval" }',
        )
    return text.map(distinct)


def _case_types(cells: pd.DataFrame, table: pd.DataFrame) -> pd.Series:
    """The kind of case of each set, by row; "" without sets or where a set has several."""
    if "case_type" in cells:
        return cells["case_type"].str.strip()
    if not (table["set_id"] != "").any():
        return pd.Series("", index=table.index)
    is_case = table["outcome"].isin(CANCERS)
    kinds = table[is_case & (table["set_id"] != "")].groupby("set_id")["outcome"].agg(["min", "max"])
    one = kinds.loc[kinds["min"] == kinds["max"], "min"]
    return table["set_id"].map(one).fillna("")


def _weights(cells: pd.Series, where: str) -> pd.Series:
    weights = numbers_in(cells, "weight", where)
    bad = ~(np.isfinite(weights) & (weights > 0)).to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected="a positive sampling weight in every row",
            found=f"something else in {rows_of(bad)}",
            where=where,
            remedy="A weight is 1 / the share of such women that were sampled",
        )
    return weights


def _in_known_case(cells: pd.DataFrame, columns: OutcomeColumns) -> pd.DataFrame:
    """Columns whose name is known but for capitals, under the known name."""
    wanted = {
        name.lower(): name
        for name in (
            *_KNOWN,
            *_NUMBERS,
            *columns.key,
            columns.outcome,
            columns.time,
            columns.weight,
            columns.set,
        )
    }
    return cells.rename(
        columns={
            c: wanted[str(c).lower()]
            for c in cells.columns
            if str(c).lower() in wanted and wanted[str(c).lower()] not in cells
        }
    )


def _split(cells: pd.Series, where: str) -> pd.Series:
    words = cells.str.lower()
    bad = ~words.isin(list(_SPLITS)).to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected="split one of development, held-out (or train, dev, test)",
            found=f"something else in {rows_of(bad)}",
            where=where,
        )
    return words.map(_SPLITS)


def _check_keys(table: pd.DataFrame, matched: bool, where: str) -> None:
    """One row per exam; in matched sets an exam may be in several sets, but once in each."""
    repeated = table.duplicated(["key", "set_id"] if matched else ["key"], keep=False).to_numpy(dtype=bool)
    if repeated.any():
        raise InputError(
            expected="each exam once" + (" in a set" if matched else ""),
            found=f"the same key again in {rows_of(repeated)}",
            where=where,
            remedy="Keep one row per exam, or name more columns as key in [outcomes] of the plan",
        )
