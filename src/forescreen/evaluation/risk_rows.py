"""Absolute risks against what happened: calibration, overall accuracy, net benefit.

In: a population at a horizon, the risks of the models that give them. Out: rows of calibration, also by
subgroup, of Brier scores and of decision curves. Scores never come here: a score is not a risk.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..errors import InputError
from ..records import Estimate
from ..statistics.brier import BrierScore, binary_brier_score, brier_score
from ..statistics.calibration import calibration_groups, observed_expected
from ..statistics.calibration_curve import calibration_curve
from ..statistics.calibration_line import calibration_line
from ..statistics.decision import net_benefit
from .at_horizon import AtHorizon, Population
from .comparison_plan import ComparisonSettings
from .measures import Notes, Scores
from .subgroups import levels_in_order, subgroup_levels, suppressed_levels

#: Points of a calibration curve and of a decision curve that are kept.
_POINTS = 101
_THRESHOLDS = 41
_BINS = 40
#: Resamples behind the limits of ICI: enough for two digits, a second at 100 000 women.
_CURVE_RESAMPLES = 200


def risk_rows(
    results: dict[str, Any],
    table: pd.DataFrame,
    at: AtHorizon,
    risks: dict[str, Scores],
    *,
    settings: ComparisonSettings,
    hidden: Mapping[str, set[str]],
    notes: Notes,
) -> None:
    """Add calibration, calibration_subgroups, overall and decision rows of one kind of cancer."""
    population = at.population
    if population is None or int(np.count_nonzero(population.case)) < settings.minimum_events:
        return
    thresholds = _threshold_grid(population, risks, settings.thresholds_by(at.horizon_years))
    for key, risk in risks.items():
        own = risk[population.rows]
        where = f"{key}, {at.case_type}"
        results["calibration"].append(
            {"model": key, "case_type": at.case_type, "horizon_years": at.horizon_years}
            | _calibration(own, population, where, settings, notes)
        )
        results["calibration_subgroups"] += _by_subgroup(table, own, at, key, settings, hidden)
        overall = _overall(at, risk, own, where, notes)
        if overall is not None:
            results["overall"].append(
                {"model": key, "case_type": at.case_type, "horizon_years": at.horizon_years} | overall
            )
        results["decision"].append(
            {"model": key, "case_type": at.case_type, "horizon_years": at.horizon_years}
            | _decision(own, population, thresholds)
        )


def _calibration(
    risk: Float[np.ndarray, "known"],
    population: Population,
    where: str,
    settings: ComparisonSettings,
    notes: Notes,
) -> dict[str, Any]:
    given: dict[str, Any] = {"weights": population.weights_or_none, "cluster": population.women_or_none}
    ratio = notes.attempt(f"O/E, {where}", partial(observed_expected, risk, population.case, **given))
    found: dict[str, Any] = {
        "n": len(risk),
        "n_events": int(np.count_nonzero(population.case)),
        "observed_expected": ratio.as_dict() if ratio else None,
        "in_the_large": None,
        "slope": None,
    }
    try:
        line = calibration_line(risk, population.case, **given)
        found |= {"in_the_large": line.in_the_large.as_dict(), "slope": line.slope.as_dict()}
    except InputError as error:
        notes.add(f"Calibration slope, {where}: {error}")
    try:
        curve = calibration_curve(
            risk,
            population.case,
            n_resamples=min(settings.n_resamples, _CURVE_RESAMPLES),
            seed=settings.seed,
            **given,
        )
    except InputError as error:
        notes.add(f"Calibration curve, {where}: {error}")
    else:
        kept = np.unique(np.linspace(0, len(curve.risk) - 1, _POINTS).round().astype(int))
        found["curve"] = {
            name: np.round(getattr(curve, name)[kept], 8).tolist()
            for name in ("risk", "observed", "lower", "upper")
        }
        found |= {name: _plain(getattr(curve, name)) for name in ("ici", "e50", "e90", "emax")}
    found["histogram"] = _histogram(risk, population.weights)
    groups = calibration_groups(risk, population.case, **given)
    found["groups"] = [
        {"expected": g.expected, "observed": g.observed.as_dict(), "n": g.n, "n_events": g.n_events}
        for g in groups
    ]
    return found


def _histogram(
    risk: Float[np.ndarray, "known"], weights: Float[np.ndarray, "known"]
) -> dict[str, list[float]]:
    """Weighted shares of the population by risk, up to the 99th percentile, for the strip under the curve."""
    top = float(np.quantile(risk, 0.99))
    edges = np.linspace(0.0, top if top > 0 else 1.0, _BINS + 1)
    counts, _ = np.histogram(risk, bins=edges, weights=weights / weights.sum())
    return {"edges": np.round(edges, 8).tolist(), "counts": np.round(counts, 6).tolist()}


def _plain(found: object) -> object:
    return found.as_dict() if isinstance(found, Estimate) else found


def _by_subgroup(
    table: pd.DataFrame,
    risk: Float[np.ndarray, "known"],
    at: AtHorizon,
    key: str,
    settings: ComparisonSettings,
    also_hidden: Mapping[str, set[str]],
) -> list[dict[str, Any]]:
    population = at.population
    assert population is not None
    chosen = table.iloc[population.rows]
    rows: list[dict[str, Any]] = []
    for variable in settings.subgroups:
        level = subgroup_levels(chosen, variable, settings.age_bands)
        if level is None:
            continue
        inside = {
            value: np.asarray(level == value)
            for value in levels_in_order(level, variable, settings.age_bands)
        }
        events = {value: int(np.count_nonzero(population.case & mask)) for value, mask in inside.items()}
        hidden = suppressed_levels(events, settings.suppress_below, also=also_hidden.get(variable, set()))
        for value, mask in inside.items():
            figure = None
            if value not in hidden:
                figure = Notes().attempt(
                    value,
                    partial(
                        observed_expected,
                        risk[mask],
                        population.case[mask],
                        weights=population.weights[mask] if population.weighted else None,
                        cluster=population.women[mask] if population.clustered else None,
                    ),
                )
            rows.append(
                {
                    "model": key,
                    "case_type": at.case_type,
                    "horizon_years": at.horizon_years,
                    "variable": variable,
                    "level": value,
                    "n": None if value in hidden else int(mask.sum()),
                    "n_events": None if value in hidden else events[value],
                    "suppressed": value in hidden,
                    "observed_expected": figure.as_dict() if figure else None,
                }
            )
    return rows


def _overall(
    at: AtHorizon,
    risk: Scores,
    known: Float[np.ndarray, "known"],
    where: str,
    notes: Notes,
) -> dict[str, Any] | None:
    """Brier score of the model and of a model without information, and the scaled score (IPA)."""
    population, follow_up = at.population, at.sample.follow_up
    assert population is not None
    try:
        if follow_up is not None:
            found: BrierScore = brier_score(
                risk,
                follow_up.time,
                follow_up.event,
                horizon=follow_up.horizon,
                cluster=at.sample.women,
                weights=at.sample.weights,
            )
        else:
            found = binary_brier_score(
                known,
                population.case,
                cluster=population.women_or_none,
                weights=population.weights_or_none,
            )
    except InputError as error:
        notes.add(f"Brier score, {where}: {error}")
        return None
    return {
        "brier": found.model.as_dict(),
        "brier_null": found.null.as_dict(),
        "scaled_brier": found.scaled.as_dict(),
    }


def _threshold_grid(
    population: Population, risks: dict[str, Scores], decisions: tuple[float, ...]
) -> Float[np.ndarray, "threshold"]:
    """Thresholds from 0 to where nearly nobody is above, the planned ones among them."""
    highest = max((float(np.quantile(r[population.rows], 0.99)) for r in risks.values()), default=0.05)
    top = min(max(highest, 1.5 * max(decisions, default=0.0)), 0.95)
    return np.unique(np.concatenate([np.linspace(0, top, _THRESHOLDS), decisions]))


def _decision(
    risk: Float[np.ndarray, "known"], population: Population, thresholds: Float[np.ndarray, "threshold"]
) -> dict[str, Any]:
    curve = net_benefit(
        risk,
        population.case,
        thresholds,
        weights=population.weights_or_none,
        cluster=population.women_or_none,
    )
    return {
        "thresholds": np.round(thresholds, 8).tolist(),
        "net_benefit": curve.net_benefit.tolist(),
        "lower": None if curve.lower is None else curve.lower.tolist(),
        "upper": None if curve.upper is None else curve.upper.tolist(),
        "treat_all": curve.treat_all.tolist(),
        "interventions_avoided": [
            value if np.isfinite(value) else None for value in curve.interventions_avoided.tolist()
        ],
    }
