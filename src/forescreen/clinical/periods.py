"""Risk over an interval in which the model may change at an age; relative risks may be known only in part.

In: for each period its baseline hazards, and for every woman what is known of her relative risk there. Out:
risks. A woman of whom factors are unknown has a distribution of relative risks, and her risk is its mean.

    exact:  P(a, c) + S(a, c) P(c, b),   S the chance to reach the cut age c alive and without the event
    icare:  P(a, c) + (1 − P(a, c)) P(c, b)

The second is what iCARE computes [Choudhury2020]: women who die before the cut count as if they lived on, so
that it overstates risks across the cut, by 1 to 2 in 100 from 40 to 60.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from .absolute import Hazards, Step, absolute_risk
from .log_linear import Column, LogLinear, Scores, partial_scores
from .reference import RelativeRisks, Rules, gauss_rule, relative_risks, score_classes

Mode = Literal["exact", "icare"]
_Some = Float[np.ndarray, "some"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """What is known of every woman's relative risk: log r = offset + an atom of her rule.

    `rule` is her row of `rules`, −1 where her relative risk is known: then log r = offset.
    """

    offset: Float[np.ndarray, "woman"]
    rule: Int[np.ndarray, "woman"]
    rules: Rules

    def of(self, women: Int[np.ndarray, "some"]) -> Known:
        """The same of some women."""
        return Known(offset=self.offset[women], rule=self.rule[women], rules=self.rules)

    @property
    def log_mean(self) -> Float[np.ndarray, "woman"]:
        """Logarithm of the mean relative risk."""
        unknown = self.rule >= 0
        total = self.offset.copy()
        total[unknown] += np.log(self.rules.mean)[self.rule[unknown]]
        return total


@dataclass(frozen=True, kw_only=True, eq=False)
class Period:
    """One model while it holds: baseline hazards, and the relative risks of all women in it."""

    baseline: Hazards
    known: Known


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """A reference sample in coded columns of its model: over whom unknown factors are averaged."""

    model: LogLinear
    columns: Mapping[str, Column]
    complete: Float[np.ndarray, "reference"]
    weight: Float[np.ndarray, "reference"]

    @property
    def population(self) -> RelativeRisks:
        """The relative risks in it."""
        return relative_risks(self.complete, self.weight)


def whole_period_risk(
    start: Float[np.ndarray, "woman"],
    end: Float[np.ndarray, "woman"],
    *,
    period: Period,
    mode: Mode = "exact",
) -> Float[np.ndarray, "woman"]:
    """Risk from start to end under one model. Errors as for `absolute_risk`."""

    def risk(log_risk: _Some, women: Int[np.ndarray, "some"]) -> _Some:
        steps = [Step(from_age=float(period.baseline.edges[0]), log_relative_risk=log_risk)]
        return absolute_risk(start[women], end[women], baseline=period.baseline, steps=steps, mode=mode)

    return _mean(risk, period.known)


def split_risk(
    start: Float[np.ndarray, "woman"],
    end: Float[np.ndarray, "woman"],
    *,
    cut_age: float | Float[np.ndarray, "woman"],
    before: Period,
    after: Period,
    mode: Mode = "exact",
) -> Float[np.ndarray, "woman"]:
    """Risk from start to end under one model until the cut age and another from it on.

    Where an unknown factor is averaged over in both periods, it is so in each by itself; that a woman of high
    risk before the cut has one after it is left out there, at most 3 in 1000 of the risk of 20 years. Errors
    as for `absolute_risk`. References: [Choudhury2020].
    """
    cut = np.broadcast_to(np.asarray(cut_age, dtype=float), start.shape)
    risk = np.where(np.isnan(start) | np.isnan(end), np.nan, 0.0)
    early, late = np.flatnonzero(start < cut), np.flatnonzero(end > cut)
    reached = np.ones(start.size)
    if early.size:
        known = Period(baseline=before.baseline, known=before.known.of(early))
        from_age, to_age = start[early], np.minimum(end, cut)[early]
        risk[early] = whole_period_risk(from_age, to_age, period=known, mode=mode)
        reached[early] = 1 - risk[early] if mode == "icare" else _survival(from_age, to_age, known)
    if late.size:
        known = Period(baseline=after.baseline, known=after.known.of(late))
        from_age = np.maximum(start, cut)[late]
        risk[late] += reached[late] * whole_period_risk(from_age, end[late], period=known, mode=mode)
    return risk


def known_from_sample(sample: Sample, found: Scores) -> tuple[Known, Float[np.ndarray, "woman"]]:
    """Women placed in a reference sample as iCARE does, and their linear predictors.

    A woman with unknown columns has the relative risks of the reference women whose score of the same terms
    is in the same hundredth (`score_classes`); with no term known, of them all. Her linear predictor is their
    mean.
    """
    rule = np.full(found.observed.size, -1)
    linear = found.observed.copy()
    offset = found.observed.copy()
    rules: list[Rules] = []
    n_rules = 0
    incomplete = np.flatnonzero(~found.complete)
    bits = found.unknown[incomplete] @ (1 << np.arange(len(found.columns), dtype=np.int64))
    for pattern in np.unique(bits).tolist():
        women = incomplete[bits == pattern]
        unknown = [column for k, column in enumerate(found.columns) if pattern >> k & 1]
        if all(set(term.columns) & set(unknown) for term in sample.model.terms):
            everybody = Rules.of([gauss_rule(sample.population)])
            rules.append(everybody)
            rule[women] = n_rules
            linear[women] = np.average(sample.complete, weights=sample.weight)
        else:
            partial = partial_scores(sample.model, sample.columns, unknown)
            classes = score_classes(partial, sample.complete, sample.weight)
            place = classes.place(found.observed[women])
            rules.append(classes.rules)
            rule[women] = n_rules + place
            linear[women] = classes.mean_log[place]
        offset[women] = 0.0
        n_rules += rules[-1].weight.shape[0]
    return Known(offset=offset, rule=rule, rules=_together(rules)), linear


def _together(rules: list[Rules]) -> Rules:
    distributions = [
        RelativeRisks(log_relative_risk=log_risk, weight=weight)
        for some in rules
        for log_risk, weight in zip(some.log_relative_risk, some.weight, strict=True)
    ]
    return Rules.of(distributions)


def _survival(
    start: Float[np.ndarray, "woman"], end: Float[np.ndarray, "woman"], period: Period
) -> Float[np.ndarray, "woman"]:
    """Chance to be alive and without the event at the end."""
    edges, years = period.baseline.edges, np.diff(period.baseline.edges)
    event, competing = (
        np.interp(end, edges, cumulated) - np.interp(start, edges, cumulated)
        for cumulated in (
            np.concatenate(([0.0], np.cumsum(hazard * years)))
            for hazard in (period.baseline.event, period.baseline.competing)
        )
    )

    def chance(log_risk: _Some, women: Int[np.ndarray, "some"]) -> _Some:
        return np.asarray(np.exp(-(event[women] * np.exp(log_risk) + competing[women])))

    return _mean(chance, period.known)


def _mean(
    quantity: Callable[[_Some, Int[np.ndarray, "some"]], _Some],
    known: Known,
) -> Float[np.ndarray, "woman"]:
    """The quantity at every woman's relative risk, or its mean over her distribution."""
    result = np.zeros(known.offset.size)
    whole = np.flatnonzero(known.rule < 0)
    result[whole] = quantity(known.offset[whole], whole)
    part = np.flatnonzero(known.rule >= 0)
    if part.size:
        rule = known.rule[part]
        for atom in range(known.rules.weight.shape[1]):
            log_risk = known.offset[part] + known.rules.log_relative_risk[rule, atom]
            result[part] += known.rules.weight[rule, atom] * quantity(log_risk, part)
    return result
