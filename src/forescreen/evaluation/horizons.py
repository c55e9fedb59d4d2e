"""By when: the horizons that predictions and follow-up allow, and discrimination at each of them.

In: joined rows with times, the plan. Out: the horizons that are used and those that are not, with the reason;
rows of AUC by horizon for every model, their paired differences, and concordance indices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..statistics.concordance import harrell_c, uno_c
from .at_horizon import AtHorizon, cases_of
from .clinical_arm import DEFAULT_YEARS, PUBLISHED
from .comparison_plan import ComparisonSettings
from .joined import Joined
from .measures import Notes, Sample, Scores, compared
from .outcomes import LeftOut
from .predictions import ANY, Claim


@dataclass(frozen=True, kw_only=True)
class Horizons:
    """Horizons in years that are used, ascending; `main` is that of the main results, None without times."""

    years: tuple[float, ...]
    main: float | None
    left_out: tuple[LeftOut, ...] = ()


def choose_horizons(joined: Joined, settings: ComparisonSettings, *, design: str) -> Horizons:
    """The horizons of an evaluation.

    Asked are those of the plan, else those of the predictions, else whole years to five. A horizon needs
    `minimum_events` cancers before it and as many exams still followed beyond it. One that the plan names
    and the follow-up does not allow is an error; one that only the predictions have is left out and reported.
    Without times, in matched sets and in samples of cases and controls there are no horizons. Raises
    ConfigError.
    """
    asked = bool(settings.horizons_years) or settings.main_horizon_years is not None
    if joined.outcomes.matched or design == "case-control":
        if asked:
            raise ConfigError(
                expected="a design in which exams are followed (cohort, case-cohort, nested case-control)",
                found=f"horizons with the design {design!r}",
                where="[evaluation] horizons_years",
                remedy="Leave horizons out, or give sampling weights",
            )
        return Horizons(years=(), main=None)
    if not joined.outcomes.timed:
        if asked:
            raise ConfigError(
                expected="times in the outcomes (time_years, or dates, or years_to_cancer) for "
                "horizons_years",
                found="outcomes without times",
                where="[evaluation]",
            )
        return Horizons(years=(), main=None)
    without = [m.predictions.label for m in joined.models if Claim(kind="risk") in m.values]
    if without and not asked:
        raise ConfigError(
            expected="main_horizon_years in the plan: by when is the column risk a risk?",
            found=f"risks of {', '.join(without)} without a horizon",
            where="[evaluation]",
            remedy="Or name the column N_year_risk",
        )
    # A published model that answers one year only does not decide by when all others are judged.
    own = [m.predictions for m in joined.models if m.predictions.format != PUBLISHED]
    predicted = sorted({h for predictions in own for h in predictions.horizons_years})
    planned = sorted({*settings.horizons_years, *filter(None, [settings.main_horizon_years])})
    time = joined.table["time_years"].to_numpy(dtype=float)
    ill = cases_of(joined.table, joined.case_types[-1] if ANY not in joined.case_types else ANY)
    used: list[float] = []
    left_out: list[LeftOut] = []
    for years in planned or predicted or DEFAULT_YEARS:
        n_beyond = int(np.count_nonzero(time > years))
        n_cases = int(np.count_nonzero(ill & (time <= years)))
        if min(n_beyond, n_cases) >= settings.minimum_events:
            used.append(float(years))
            continue
        longest = f"the longest follow-up is {time.max():.2f} years"
        reason = (
            f"{n_beyond} exams are followed beyond it, {longest}"
            if n_beyond < settings.minimum_events
            else f"{n_cases} cancers before it, {settings.minimum_events} are needed"
        )
        if years in planned:
            raise ConfigError(
                expected=f"a horizon within the follow-up, with {settings.minimum_events} cancers before "
                "it and "
                f"{settings.minimum_events} exams followed beyond it",
                found=f"{years:g} years: {reason}",
                where="[evaluation] horizons_years",
                remedy="Choose a shorter horizon, or longer follow-up",
            )
        left_out.append(LeftOut(what=f"the horizon of {years:g} years", n=1, unit="horizons", reason=reason))
    if not used:
        raise ConfigError(
            expected=f"a horizon with {settings.minimum_events} cancers before it and "
            f"{settings.minimum_events} exams followed beyond it",
            found="; ".join(f"{left.what}: {left.reason}" for left in left_out),
            where="evaluation",
            remedy="Name a shorter one as horizons_years in [evaluation] of the plan",
        )
    return Horizons(years=tuple(used), main=settings.main_horizon_years or used[-1], left_out=tuple(left_out))


def horizon_rows(
    results: dict[str, Any],
    at: AtHorizon,
    scores: dict[str, Scores],
    *,
    minimum_events: int,
    notes: Notes,
) -> None:
    """Add AUC and paired differences of one kind of cancer at one horizon."""
    sample, years = at.sample, at.horizon_years
    if sample.n_sets < minimum_events:
        notes.add(
            f"{at.case_type}, {years:g}-year horizon: {sample.n_sets} cancers, {minimum_events} are "
            "needed; no AUC."
        )
        return
    assert sample.follow_up is not None
    singles, pairs = compared(sample, scores, f"{at.case_type}, {years:g}-year horizon", notes)
    for key, found in singles.items():
        results["horizons"].append(
            {
                "model": key,
                "case_type": at.case_type,
                "horizon_years": years,
                "auc": found.as_dict() if found else None,
                "n_cases": sample.n_sets,
                "n_at_risk": int(np.count_nonzero(sample.follow_up.time > sample.follow_up.horizon)),
            }
        )
    for (a, b), difference in pairs.items():
        results["horizon_comparisons"].append(
            {
                "model_a": a,
                "model_b": b,
                "case_type": at.case_type,
                "horizon_years": years,
                "difference": difference.as_dict() if difference else None,
            }
        )


def c_index_rows(results: dict[str, Any], at: AtHorizon, scores: dict[str, Scores], *, notes: Notes) -> None:
    """Add Harrell's and Uno's concordance index up to the horizon."""
    follow_up = at.sample.follow_up
    if follow_up is None:
        return
    for key, score in scores.items():
        row: dict[str, Any] = {
            "model": key,
            "case_type": at.case_type,
            "horizon_years": at.horizon_years,
        }
        measures: tuple[tuple[str, Callable[..., Any]], ...] = (("harrell", harrell_c), ("uno", uno_c))
        for name, measure in measures:
            found = notes.attempt(
                f"{name}, {key}, {at.case_type}", partial(_c_index, measure, at.sample, score)
            )
            row[name] = found.as_dict() if found else None
        results["c_index"].append(row)


def _c_index(measure: Callable[..., Any], sample: Sample, score: Scores) -> Any:
    follow_up = sample.follow_up
    assert follow_up is not None
    return measure(
        score,
        follow_up.time,
        follow_up.event,
        horizon=follow_up.horizon,
        cluster=sample.women,
        weights=sample.weights,
    )
