"""The ranking of a population: who is in the top shares, who would not be read, and models head to head.

In: a population at a horizon and the score of every model on it. Out: rows of capture and predictive value,
of rule-out, of the head-to-head table, all from one bootstrap of women that all models share.
"""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from ..errors import InputError
from ..progress import Track
from ..records import Estimate
from ..statistics.head_to_head import (
    Brier,
    Capture,
    HeadToHead,
    Metric,
    NetBenefit,
    ObservedExpected,
    PredictiveValue,
    head_to_head,
)
from ..statistics.rule_out import rule_out_lowest
from ..statistics.triage import (
    UnitCosts,
    cancers_per_1000,
    cost_per_additional_cancer,
    number_needed_to_image,
)
from .at_horizon import AtHorizon
from .comparison_plan import ComparisonSettings
from .measures import Notes, Scores


def ranked(
    results: dict[str, Any],
    at: AtHorizon,
    scores: dict[str, Scores],
    *,
    risks: dict[str, Scores],
    settings: ComparisonSettings,
    costs: UnitCosts | None,
    notes: Notes,
    threads: int,
    track: Track,
) -> None:
    """Add capture, rule_out, head_to_head and cost rows of one kind of cancer.

    `scores` rank all joined rows; `risks` are those of the models that give absolute risks of this cancer
    by this horizon. Nothing is added where no population is known (matched or case-control samples without
    weights).
    """
    population = at.population
    if population is None:
        notes.add(
            f"{at.case_type}: a sample of cases and controls fixes the share of cases, so capture, "
            "predictive "
            "values, calibration and net benefit need sampling weights (or the prevalence, in the plan)."
        )
        return
    n_cases = int(np.count_nonzero(population.case))
    if n_cases < settings.minimum_events:
        return
    thresholds = settings.thresholds_by(at.horizon_years)
    metrics: tuple[Metric, ...] = (
        *(Capture(fraction) for fraction in settings.fractions),
        *(PredictiveValue(fraction) for fraction in settings.fractions),
    )
    if risks:
        metrics = (*metrics, Brier(), ObservedExpected(), *(NetBenefit(t) for t in thresholds))
    keys = list(scores)
    compared = head_to_head(
        np.stack([(risks.get(key, scores[key]))[population.rows] for key in keys]),
        population.case,
        units=population.women,
        metrics=metrics,
        seed=settings.seed,
        weights=population.weights_or_none,
        gives_risks=tuple(key in risks for key in keys),
        n_resamples=settings.n_resamples,
        threads=threads,
        track=track,
    )
    for model, key in enumerate(keys):
        _top_rows(results, at, compared, model, key, settings, costs, notes)
        _rule_out_rows(results, at, scores[key], key, settings, notes)
        for metric in metrics:
            if _in_table(metric, settings) and (key in risks or not metric.needs_risks):
                found = notes.attempt(f"{key}, {at.case_type}", partial(compared.estimate, model, metric))
                if found is not None:
                    results["head_to_head"].append(_row(at, metric, found) | {"model": key})
    for a, b in combinations(range(len(keys)), 2):
        for metric in metrics:
            both = keys[a] in risks and keys[b] in risks
            if _in_table(metric, settings) and (both or not metric.needs_risks):
                difference = notes.attempt(
                    f"{keys[a]} − {keys[b]}, {at.case_type}", partial(compared.difference, a, b, metric)
                )
                if difference is not None:
                    row = _row(at, metric, difference)
                    row["difference"] = row.pop("estimate")
                    results["head_to_head_differences"].append(row | {"model_a": keys[a], "model_b": keys[b]})


#: Key of each metric in the results.
_METRIC_KEYS = {
    Capture: "capture",
    PredictiveValue: "ppv",
    Brier: "brier",
    ObservedExpected: "observed_expected",
    NetBenefit: "net_benefit",
}


def _in_table(metric: Metric, settings: ComparisonSettings) -> bool:
    """One share of the ranking stands in the head-to-head table: the one nearest to 10 %."""
    if isinstance(metric, Capture | PredictiveValue):
        return metric.fraction == min(settings.fractions, key=lambda fraction: abs(fraction - 0.10))
    return True


def _row(at: AtHorizon, metric: Metric, found: Estimate) -> dict[str, Any]:
    return {
        "case_type": at.case_type,
        "metric": _METRIC_KEYS[type(metric)],
        "label": metric.label,
        "fraction": getattr(metric, "fraction", None),
        "threshold": getattr(metric, "threshold", None),
        "horizon_years": at.horizon_years,
        "estimate": found.as_dict(),
    }


def _top_rows(
    results: dict[str, Any],
    at: AtHorizon,
    compared: HeadToHead,
    model: int,
    key: str,
    settings: ComparisonSettings,
    costs: UnitCosts | None,
    notes: Notes,
) -> None:
    assert at.population is not None
    total = float(at.population.weights.sum())
    for fraction in settings.fractions:
        where = f"the top {100 * fraction:g} %, {key}, {at.case_type}"
        captured = notes.attempt(where, partial(compared.estimate, model, Capture(fraction)))
        ppv = notes.attempt(where, partial(compared.estimate, model, PredictiveValue(fraction)))
        if captured is None:
            continue
        row: dict[str, Any] = {
            "model": key,
            "case_type": at.case_type,
            "fraction": fraction,
            "capture": captured.as_dict(),
            "ppv": ppv.as_dict() if ppv else None,
        }
        if ppv is not None and ppv.value > 0:
            row["selected_per_cancer"] = number_needed_to_image(ppv).as_dict()
            row["cancers_per_1000"] = cancers_per_1000(ppv).as_dict()
            if costs is not None:
                selected = fraction * total
                row["cost_per_additional_cancer"] = cost_per_additional_cancer(
                    costs=costs,
                    n_selected=selected,
                    additional_cancers=settings.imaging_sensitivity * ppv.value * selected,
                ).as_dict()
        results["capture"].append(row)


def _rule_out_rows(
    results: dict[str, Any],
    at: AtHorizon,
    score: Scores,
    key: str,
    settings: ComparisonSettings,
    notes: Notes,
) -> None:
    population = at.population
    assert population is not None
    for share in settings.rule_out_shares:
        try:
            found = rule_out_lowest(
                score[population.rows],
                population.case,
                fraction=share,
                weights=population.weights_or_none,
                cluster=population.women_or_none,
            )
        except InputError as error:
            notes.add(f"the lowest {100 * share:g} %, {key}, {at.case_type}: {error}")
            continue
        results["rule_out"].append(
            {
                "model": key,
                "case_type": at.case_type,
                "share": share,
                "reads_saved": found.share.value,
                "missed": found.missed.as_dict(),
                "false_omission": found.false_omission.as_dict(),
                "n_missed": found.n_missed,
            }
        )
