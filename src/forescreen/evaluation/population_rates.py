"""Rates by age and mode of detection of a population whose exams and outcomes are known.

In: outcomes of exams with times and ages (registry tables, or any CSV of outcomes). Out: `ModeRates`: events
per year at risk after an exam, by attained age and years since the exam. Every exam opens a time at risk of
its own, so that the rates are those after an average exam of this population, and a woman with many exams
counts often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ..clinical.mode_rates import ModeRates
from ..errors import InputError
from ..records import Outcome
from .outcome_times import DEATH
from .outcomes import Outcomes

#: A cell with less time at risk takes the rate of its age over all periods; ages with less are cut off.
MIN_YEARS = 200.0
#: With bands of five years the youngest women, who come at the lower end of theirs, get the rates of older
#: ones: in a simulated registry 1.25 times what happened to those under 45; with two years, 1.08 times.
AGE_WIDTH = 2.0


def rates_of(
    outcomes: Outcomes,
    *,
    periods_years: Sequence[float],
    name: str,
    population: str,
    years: str,
    source: str,
    age_width: float = AGE_WIDTH,
) -> ModeRates:
    """Rates after the exams of `outcomes`, weighted where they are a sample with weights.

    `periods_years` are the ends of the periods since the exam, rising; time after the last is not used.
    Cancers of neither mode are `other`; deaths compete.

    Not accepted: outcomes without times or ages, matched sets (their shares of cancers are those of the
    design) and cancers of unknown mode alone. Raises InputError.
    """
    table = outcomes.table
    if not outcomes.timed or "age" not in table or outcomes.matched:
        raise InputError(
            expected="outcomes of a cohort, with times and a column age",
            found="matched sets" if outcomes.matched else "no times" if not outcomes.timed else "no ages",
            where=outcomes.source,
            remedy="Give registry tables, or a table of rates",
        )
    if not table["outcome"].isin([Outcome.SCREEN_DETECTED, Outcome.INTERVAL]).any():
        raise InputError(
            expected="cancers with a mode of detection", found="none", where=outcomes.source,
            remedy="No share of interval cancers is ever assumed",
        )  # fmt: skip
    known = (table["outcome"] != "").to_numpy() & np.isfinite(table["age"].to_numpy(dtype=float))
    table = table[known]
    age, weight = table["age"].to_numpy(dtype=float), table["weight"].to_numpy(dtype=float)
    since = np.array([0.0, *sorted({float(p) for p in periods_years})])
    time = table["time_years"].to_numpy(dtype=float)
    end = np.minimum(time, since[-1])
    lower = np.floor(age.min() / age_width) * age_width
    n_bands = int(np.floor(((age + end).max() - lower) / age_width)) + 1
    edges = lower + age_width * np.arange(n_bands + 1)
    at_risk = _time_at_risk(age, end, weight, since, edges)
    period = np.searchsorted(since, time, side="left") - 1  # a time of just two years is within two years
    period = np.clip(period, 0, None)
    band = np.searchsorted(edges, age + time, side="right") - 1
    within = time <= since[-1]

    def events(kind: str) -> Float[np.ndarray, "period band"]:
        rows = within & (table["outcome"] == kind).to_numpy()
        counts = np.zeros(at_risk.shape)
        np.add.at(counts, (period[rows], band[rows]), weight[rows])
        return counts

    kept = _inner(at_risk.sum(axis=0) >= MIN_YEARS)
    if kept.stop <= kept.start:
        raise InputError(
            expected=f"{MIN_YEARS:g} years at risk in some band of {age_width:g} years of age",
            found=f"{at_risk.sum(axis=0).max():.0f}", where=outcomes.source,
        )  # fmt: skip
    rates = {
        kind: _rate(events(kind)[:, kept], at_risk[:, kept])
        for kind in (Outcome.SCREEN_DETECTED, Outcome.INTERVAL, Outcome.CANCER, DEATH)
    }
    return ModeRates(
        name=name,
        population=population,
        years=years,
        source=source,
        edges=edges[kept.start : kept.stop + 1],
        since_years=since,
        screen_detected=rates[Outcome.SCREEN_DETECTED],
        interval=rates[Outcome.INTERVAL],
        other=rates[Outcome.CANCER],
        competing=rates[DEATH],
        competing_of="deaths without breast cancer",
    )


def _time_at_risk(
    age: Float[np.ndarray, "exam"],
    end: Float[np.ndarray, "exam"],
    weight: Float[np.ndarray, "exam"],
    since: Float[np.ndarray, "period+1"],
    edges: Float[np.ndarray, "band+1"],
) -> Float[np.ndarray, "period band"]:
    result = np.zeros((len(since) - 1, len(edges) - 1))
    for p in range(len(since) - 1):
        for b in range(len(edges) - 1):
            start = np.maximum(since[p], edges[b] - age)
            stop = np.minimum(np.minimum(since[p + 1], edges[b + 1] - age), end)
            result[p, b] = weight @ np.maximum(stop - start, 0)
    return result


def _inner(enough: np.ndarray) -> slice:
    """From the first to the last band with enough time at risk."""
    where = np.flatnonzero(enough)
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)


def _rate(
    events: Float[np.ndarray, "period band"], at_risk: Float[np.ndarray, "period band"]
) -> Float[np.ndarray, "period band"]:
    of_band = events.sum(axis=0) / np.maximum(at_risk.sum(axis=0), np.finfo(float).tiny)
    rate = np.divide(events, at_risk, out=np.zeros_like(events), where=at_risk > 0)
    return np.asarray(np.where(at_risk >= MIN_YEARS, rate, of_band))
