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
from jaxtyping import Bool, Float

from ..cohort.columns import rows_of
from ..errors import InputError
from ..records import Outcome
from .comparison_plan import OutcomeColumns

DEATH = "death"
CANCERS = (Outcome.SCREEN_DETECTED.value, Outcome.INTERVAL.value, Outcome.CANCER.value)

#: Other words for outcomes that need no codes in the plan.
_WORDS = {
    "": "",
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
#: Mirai's number for "never".
_NEVER_YEARS = 100.0
_DAYS_PER_YEAR = 365.25

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
    notes: tuple[str, ...] = ()
    flow: tuple[dict[str, Any], ...] = field(default=())


def outcomes_of(cells: pd.DataFrame, columns: OutcomeColumns, *, where: str) -> Outcomes:
    """Outcomes from a table of text cells, one row per exam (per exam and set in matched data).

    Raises InputError naming column and rows where something is missing, repeated, unknown or contradictory.
    """
    if cells.empty:
        raise InputError(expected="at least one exam", found="a header only", where=where)
    notes: list[str] = []
    table = pd.DataFrame({"key": _key(cells, columns, where)})
    table["woman_id"] = _women(cells, columns, where, notes)
    given = _given_outcome(cells, columns, where)
    time, from_times = _times(cells, columns, given, where, notes)
    outcome = from_times if from_times is not None else given
    if outcome is None:
        raise InputError(
            expected=f"a column {columns.outcome}, or years_to_cancer, or diagnosis_date",
            found=", ".join(map(str, cells.columns)),
            where=where,
            remedy="Name the column of outcomes in [outcomes] of the plan",
        )
    table["outcome"] = outcome
    table["time_years"] = np.nan if time is None else time
    table["set_id"] = cells[columns.set].str.strip() if columns.set in cells else ""
    table["case_type"] = _case_types(cells, table)
    weighted = columns.weight in cells
    table["weight"] = _weights(cells[columns.weight], where) if weighted else 1.0
    for name in cells.columns:
        if name not in table.columns and name not in (columns.outcome, columns.set, columns.weight):
            table[name] = _numbers(cells[name], name, where) if name in _NUMBERS else cells[name].str.strip()
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
            found=f"no {', '.join(absent)} among {', '.join(map(str, cells.columns))}",
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
            expected=f"the column {columns.woman}", found=", ".join(map(str, cells.columns)), where=where
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
    known = {*CANCERS, Outcome.NONE.value, DEATH}
    bad = text.map({value: word not in known for value, word in distinct.items()}).to_numpy(dtype=bool)
    if bad.any():
        strange = sorted({str(v)[:20] for v in text[bad]})[:6]
        raise InputError(
            expected="outcome one of none, screen-detected, interval, cancer, death (or 0 and 1)",
            found=f"{', '.join(map(repr, strange))} in {rows_of(bad)}",
            where=where,
            remedy='Say what they mean in the plan: [outcomes] codes = { "code" = "interval" }',
        )
    return text.map(distinct)


def _times(
    cells: pd.DataFrame, columns: OutcomeColumns, given: pd.Series | None, where: str, notes: list[str]
) -> tuple[Float[np.ndarray, "row"] | None, pd.Series | None]:
    """Years to event or censoring, and the outcome where the times tell it; None where there are none."""
    if columns.time in cells:
        time = _numbers(cells[columns.time], columns.time, where).to_numpy(dtype=float)
        _check_times(time, columns.time, where)
        return time, None
    if {"years_to_cancer", "years_to_last_followup"} <= set(cells.columns):
        return _mirai_times(cells, given, where, notes)
    if {"exam_date", "follow_up_end"} <= set(cells.columns):
        return _dated_times(cells, given, where)
    return None, None


def _mirai_times(
    cells: pd.DataFrame, given: pd.Series | None, where: str, notes: list[str]
) -> tuple[Float[np.ndarray, "row"], pd.Series]:
    cancer, follow_up = (
        _numbers(cells[name], name, where).to_numpy(dtype=float)
        for name in ("years_to_cancer", "years_to_last_followup")
    )
    cancer = np.where(np.isnan(cancer), _NEVER_YEARS, cancer)
    ill = cancer < _NEVER_YEARS
    _check_times(np.where(ill, cancer, follow_up), "years_to_cancer and years_to_last_followup", where)
    used = np.concatenate([cancer[ill], follow_up[~ill]])
    if np.all(used == np.round(used)):
        # A cancer k whole years away lies in year k + 1; k whole years of follow-up reach past its end.
        time = np.where(ill, cancer + 1, follow_up + 0.5)
        notes.append(
            "Years to cancer and to the last follow-up are whole numbers and read as truncated: 0 years is a "
            "cancer within the first year, 3 years of follow-up are at least three."
        )
    else:
        time = np.where(ill, cancer, follow_up)
    outcome = np.where(ill, Outcome.CANCER.value, Outcome.NONE.value).astype(object)
    if given is not None:
        known = given.isin(CANCERS).to_numpy()
        _check_agree(known, ill, "a cancer in the outcome and in years_to_cancer", where)
        outcome = given.to_numpy(dtype=object)
    return time, pd.Series(outcome, index=cells.index)


def _dated_times(
    cells: pd.DataFrame, given: pd.Series | None, where: str
) -> tuple[Float[np.ndarray, "row"], pd.Series | None]:
    dates = {
        name: _dates(cells[name], name, where) if name in cells else None
        for name in ("exam_date", "diagnosis_date", "death_date", "follow_up_end")
    }
    exam, end = dates["exam_date"], dates["follow_up_end"]
    assert exam is not None
    assert end is not None
    missing = np.asarray(exam.isna() | end.isna())
    if missing.any():
        raise InputError(
            expected="exam_date and follow_up_end in every row",
            found=f"empty cells in {rows_of(missing)}",
            where=where,
        )
    far = pd.Timestamp("2262-01-01")
    diagnosis = dates["diagnosis_date"].fillna(far) if dates["diagnosis_date"] is not None else far
    death = dates["death_date"].fillna(far) if dates["death_date"] is not None else far
    stop = np.minimum(end.to_numpy(), np.minimum(np.asarray(diagnosis, "M8[s]"), np.asarray(death, "M8[s]")))
    ill = np.asarray(diagnosis <= end) if dates["diagnosis_date"] is not None else np.zeros(len(cells), bool)
    died = ~ill & (np.asarray(death <= end) if dates["death_date"] is not None else False)
    time = (stop - exam.to_numpy()).astype("timedelta64[D]").astype(float) / _DAYS_PER_YEAR
    backwards = time < 0
    if backwards.any():
        raise InputError(
            expected="diagnosis, death and the end of follow-up on or after the exam",
            found=f"earlier dates in {rows_of(backwards)}",
            where=where,
            remedy="Leave out exams after the diagnosis, or correct the dates",
        )
    outcome = np.where(ill, Outcome.CANCER.value, np.where(died, DEATH, Outcome.NONE.value)).astype(object)
    if given is not None:
        said = given.isin(CANCERS).to_numpy()
        if dates["diagnosis_date"] is None:
            raise InputError(
                expected="diagnosis_date beside exam_date and follow_up_end",
                found="none: the time of a cancer is not known",
                where=where,
            )
        _check_agree(said & ill, ill, "a mode of detection for every diagnosis within follow-up", where)
        # A cancer after the end of follow-up is not an event yet.
        outcome = np.where(ill, given.to_numpy(dtype=object), outcome)
    return time, pd.Series(outcome, index=cells.index)


def _check_agree(a: Bool[np.ndarray, "row"], b: Bool[np.ndarray, "row"], what: str, where: str) -> None:
    differ = a != b
    if differ.any():
        raise InputError(expected=what, found=f"a contradiction in {rows_of(differ)}", where=where)


def _check_times(time: Float[np.ndarray, "row"], what: str, where: str) -> None:
    bad = ~(np.isfinite(time) & (time >= 0))
    if bad.any():
        raise InputError(
            expected=f"{what} as years >= 0 in every row",
            found=f"something else in {rows_of(bad)}",
            where=where,
        )


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
    weights = _numbers(cells, "weight", where)
    bad = ~(np.isfinite(weights) & (weights > 0)).to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected="a positive sampling weight in every row",
            found=f"something else in {rows_of(bad)}",
            where=where,
            remedy="A weight is 1 / the share of such women that were sampled",
        )
    return weights


def _numbers(cells: pd.Series, name: str, where: str) -> pd.Series:
    text = cells.str.strip()
    empty = text.str.lower().isin(["", "na", "nan", "null", "."])
    numbers = pd.to_numeric(text, errors="coerce")
    bad = ((numbers.isna() & ~empty) | np.isinf(numbers)).to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected=f"numbers in {name}, or empty cells where unknown",
            found=f"something else in {rows_of(bad)}",
            where=where,
        )
    return numbers.astype(float)


def _dates(cells: pd.Series, name: str, where: str) -> pd.Series:
    text = cells.str.strip()
    iso = text.str.fullmatch(r"\d{4}-\d{2}-\d{2}").to_numpy(dtype=bool)
    dates = pd.to_datetime(text.where(iso), format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    bad = dates.isna().to_numpy() & (text != "").to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected=f"{name} as YYYY-MM-DD, or empty", found=f"something else in {rows_of(bad)}", where=where
        )
    return dates


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
