"""When: years from the exam to the event or to the end of follow-up, from any of the ways to state them.

In: outcomes as text cells, the outcome where it is given. Out: the time of every row, and the outcome that
the times tell. Contradictions are errors that name the rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..cohort.columns import rows_of
from ..errors import InputError
from ..records import Outcome
from .cells import LONGEST_YEARS, dates_in, numbers_in
from .comparison_plan import OutcomeColumns

DEATH = "death"
CANCERS = (Outcome.SCREEN_DETECTED.value, Outcome.INTERVAL.value, Outcome.CANCER.value)

#: Mirai's number for "never".
_NEVER_YEARS = 100.0
_DAYS_PER_YEAR = 365.25


def times_of(
    cells: pd.DataFrame, columns: OutcomeColumns, given: pd.Series | None, where: str, notes: list[str]
) -> tuple[Float[np.ndarray, "row"] | None, pd.Series | None]:
    """Years to event or censoring, and the outcome where the times tell it; None where there are none."""
    if columns.time in cells:
        time = numbers_in(cells[columns.time], columns.time, where).to_numpy(dtype=float)
        _check_times(time, columns.time, where)
        return time, None
    for pair, others in (
        (("years_to_cancer", "years_to_last_followup"), ()),
        (("diagnosis_date", "follow_up_end"), ("exam_date",)),
    ):
        present = [name for name in (*pair, *others) if name in cells]
        if any(name in cells for name in pair) and len(present) < len(pair) + len(others):
            raise InputError(
                expected=f"the columns {', '.join((*pair, *others))} together",
                found=f"only {', '.join(present)}",
                where=where,
                remedy="Correct the names of the columns, or leave all of them out",
            )
    if "years_to_cancer" in cells:
        return _mirai_times(cells, given, where, notes)
    if "follow_up_end" in cells:
        return _dated_times(cells, given, where, notes)
    return None, None


def _mirai_times(
    cells: pd.DataFrame, given: pd.Series | None, where: str, notes: list[str]
) -> tuple[Float[np.ndarray, "row"], pd.Series]:
    cancer, follow_up = (
        numbers_in(cells[name], name, where).to_numpy(dtype=float)
        for name in ("years_to_cancer", "years_to_last_followup")
    )
    cancer = np.where(np.isnan(cancer), _NEVER_YEARS, cancer)
    ill = cancer < _NEVER_YEARS
    _check_times(np.where(ill, cancer, follow_up), "years_to_cancer and years_to_last_followup", where)
    used = np.where(ill, cancer, follow_up)
    whole = used == np.round(used)
    if 0.5 < whole.mean() < 1:
        raise InputError(
            expected="whole years in every row, or exact years in every row",
            found=f"mostly whole years, and others in {rows_of(~whole)}",
            where=where,
            remedy="Whole years are read as truncated, exact ones as they are; a table holds one kind",
        )
    if whole.all():
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
    cells: pd.DataFrame, given: pd.Series | None, where: str, notes: list[str]
) -> tuple[Float[np.ndarray, "row"], pd.Series | None]:
    dates = {
        name: dates_in(cells[name], name, where) if name in cells else pd.Series(pd.NaT, index=cells.index)
        for name in ("exam_date", "diagnosis_date", "death_date", "follow_up_end")
    }
    exam, end = (dates[name].to_numpy(dtype="M8[s]") for name in ("exam_date", "follow_up_end"))
    diagnosis, death = (dates[name].to_numpy(dtype="M8[s]") for name in ("diagnosis_date", "death_date"))
    said = np.zeros(len(cells), bool) if given is None else given.isin(CANCERS).to_numpy()
    said_dead = np.zeros(len(cells), bool) if given is None else (given == DEATH).to_numpy()
    with_diagnosis = ~np.isnat(diagnosis)
    for wrong, expected, remedy in (
        (np.isnat(exam) | np.isnat(end), "exam_date and follow_up_end in every row", ""),
        (
            said & ~with_diagnosis,
            "a diagnosis_date in every row whose outcome is a cancer",
            "Leave the outcome empty where the date is not known: the exam is then left out and counted",
        ),
        (
            np.zeros(len(cells), bool)
            if given is None
            else with_diagnosis & ~said & (given != "").to_numpy(),
            "an outcome that is a cancer in every row with a diagnosis_date",
            "",
        ),
        (with_diagnosis & (death < diagnosis), "a death_date on or after the diagnosis_date", ""),
        (
            (end < exam) | (diagnosis < exam) | (death < exam),
            "diagnosis, death and the end of follow-up on or after the exam",
            "Leave out exams after the diagnosis, or correct the dates",
        ),
    ):
        if wrong.any():
            raise InputError(
                expected=expected, found=f"otherwise in {rows_of(wrong)}", where=where, remedy=remedy
            )
    ill = with_diagnosis & (diagnosis <= end)
    died = ~ill & (said_dead | (death <= end))
    later = int(np.count_nonzero(with_diagnosis & ~ill))
    if later:
        notes.append(f"{later} cancers were found after the end of follow-up: they are no events yet.")
    stop = np.where(ill, diagnosis, np.where(died & (death <= end), death, end))
    time = (stop - exam).astype("timedelta64[D]").astype(float) / _DAYS_PER_YEAR
    mode = np.full(len(cells), Outcome.CANCER.value, dtype=object)
    if given is not None:
        mode = np.where(said, given.to_numpy(dtype=object), mode)
    outcome = np.where(ill, mode, np.where(died, DEATH, Outcome.NONE.value)).astype(object)
    if given is not None:
        outcome[(given == "").to_numpy() & ~ill] = ""
    return time, pd.Series(outcome, index=cells.index)


def slack_years(cells: pd.DataFrame, outcome: pd.Series) -> Float[np.ndarray, "row"]:
    """1 for a cancer in whole years, 0 for exact times."""
    if "years_to_cancer" not in cells or "time_years" in cells:
        return np.zeros(len(cells))
    years = pd.to_numeric(cells["years_to_cancer"].str.strip(), errors="coerce").to_numpy(dtype=float)
    known = years[np.isfinite(years)]
    whole = bool(len(known)) and bool(np.all(known == np.round(known)))
    return np.where(outcome.isin(CANCERS).to_numpy(), float(whole), 0.0)


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
    if time.max(initial=0.0) > LONGEST_YEARS:
        raise InputError(
            expected=f"{what} in years",
            found=f"numbers up to {time.max():.0f}",
            where=where,
            remedy="Divide days by 365.25, months by 12",
        )
