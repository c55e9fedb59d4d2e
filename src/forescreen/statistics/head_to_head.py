"""Several models on identical rows and identical resamples: the engine of a comparison.

In: the scores or risks of every model for the same rows, case marks, the woman of each row, the metrics that
are asked for. Out: `HeadToHead`, from which every metric of every model, and every difference of two models,
is read as an `Estimate` with its percentile interval. [Efron1993]

Why it is fast. All metrics here are functions of sums of weights, and a sum over rows is linear in how often
each woman was drawn. Only the scores of the cases, and the thresholds that are asked for, divide the
ranking: rows between two such levels are never told apart. So each model becomes one sparse matrix, sums ×
women, and a block of resamples is one product with it; nothing is sorted or gathered again. Ties stay exact:
one half in the AUC, a fractional share at the edge of a top fraction.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import sparse

from forescreen.errors import InputError, TooFewEventsError
from forescreen.progress import Track, silent
from forescreen.records import Estimate

from .bootstrap import (
    Units,
    in_blocks,
    independent_units,
    percentile_limits,
    resample_seeds,
    unit_multiplicities,
)
from .inference import null_p
from .rank_metrics import (
    Auc,
    Brier,
    Capture,
    Metric,
    NetBenefit,
    ObservedExpected,
    PredictiveValue,
    RankSums,
    Sensitivity,
    Specificity,
)
from .rows import cases_and_controls, finite_scores, label_codes, positive_weights, same_rows

__all__ = [
    "Auc",
    "Brier",
    "Capture",
    "HeadToHead",
    "Metric",
    "NetBenefit",
    "ObservedExpected",
    "PredictiveValue",
    "Sensitivity",
    "Specificity",
    "head_to_head",
]

#: Multiplicities held at once by a thread: 2²¹ doubles are 16 MiB. A block has 8 to 64 resamples: with fewer
#: the sparse product reads its matrix too often.
_BLOCK_ENTRIES = 1 << 21
_BLOCK_RESAMPLES = (8, 64)


@dataclass(frozen=True, kw_only=True, eq=False)
class HeadToHead:
    """Metrics of several models on the same rows, in the data and in every resample.

    Entries are nan for metrics of absolute risk of a model that gives none. `replicates` keep the pairing:
    resample r of a metric holds the same women for all models.
    """

    metrics: tuple[Metric, ...]
    values: Float[np.ndarray, "model metric"]
    replicates: Float[np.ndarray, "resample model metric"]
    gives_risks: tuple[bool, ...]  # of each model
    n_units: int
    n_rows: int
    n_events: int
    level: float
    notes: tuple[str, ...]

    def estimate(self, model: int, metric: Metric) -> Estimate:
        """One metric of one model (by its index), with percentile limits.

        Raises InputError for a metric that was not measured, or one of risks for a model that gives none;
        TooFewEventsError where the metric is undefined in more than 5 % of the resamples.
        """
        at = self._place(metric, model)
        return self._estimate(
            float(self.values[model, at]), self.replicates[:, model, at], metric.label, test=False
        )

    def difference(self, model_a: int, model_b: int, metric: Metric) -> Estimate:
        """Metric of model a minus that of model b, paired on the same resamples, with percentile limits.

        The p value is that of value/standard deviation of the replicates, as a normal statistic. Errors as
        for `estimate`.
        """
        at = self._place(metric, model_a, model_b)
        return self._estimate(
            float(self.values[model_a, at] - self.values[model_b, at]),
            self.replicates[:, model_a, at] - self.replicates[:, model_b, at],
            f"difference of {metric.label}",
            test=True,
        )

    def _place(self, metric: Metric, *models: int) -> int:
        for model in models:
            if not 0 <= model < len(self.gives_risks):
                raise InputError(
                    expected=f"a model from 0 to {len(self.gives_risks) - 1}", found=str(model), where="model"
                )
            if metric.needs_risks and not self.gives_risks[model]:
                raise InputError(
                    expected="a model that gives absolute risks",
                    found=f"scores of model {model}",
                    where=metric.label,
                    remedy="Recalibrate the scores, or leave this quantity out",
                )
        if metric not in self.metrics:
            raise InputError(
                expected=f"one of {', '.join(m.label for m in self.metrics)}",
                found=metric.label,
                where="metric",
            )
        return self.metrics.index(metric)

    def _estimate(
        self, value: float, replicates: Float[np.ndarray, "resample"], label: str, *, test: bool
    ) -> Estimate:
        if not math.isfinite(value):
            raise TooFewEventsError(f"{label}, which is undefined here", found=0, needed=1)
        lower, upper, standard_error = percentile_limits(replicates, self.level)
        return Estimate(
            value=value,
            lower=lower,
            upper=upper,
            n=self.n_units,
            n_events=self.n_events,
            method=f"{label}, percentile bootstrap of {'women' if self.n_units < self.n_rows else 'rows'}",
            standard_error=standard_error,
            p_value=null_p(value, standard_error) if test else math.nan,
            level=self.level,
            notes=self.notes,
        )


def head_to_head(
    scores: Float[np.ndarray, "model row"],
    case: Bool[np.ndarray, "row"],
    *,
    units: Shaped[np.ndarray, "row"],
    metrics: tuple[Metric, ...],
    seed: int,
    weights: Float[np.ndarray, "row"] | None = None,
    strata: Shaped[np.ndarray, "row"] | None = None,
    gives_risks: tuple[bool, ...] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    threads: int = 1,
    track: Track = silent,
) -> HeadToHead:
    """Metrics of several models on identical rows, from one bootstrap of women that all of them share.

    scores: one row per model, finite; absolute risks in [0, 1] where a metric needs them.
    case: the outcome of each row; for risks by a horizon, a case by that horizon (follow-up complete).
    units: the woman of each row; all her rows are drawn together.
    weights: sampling weights, finite and positive; without them the rows count alike.
    strata: label of each row, constant within a woman; every stratum keeps its number of women, as in a
    sample drawn by stratum. By default the rows are a cohort: metrics given who is a case (AUC, capture,
    sensitivity, specificity) keep the number of women with a case; for those that depend on how common cases
    are (predictive value, Brier, observed/expected, net benefit) that number is drawn too, because it is a
    part of their uncertainty.
    gives_risks: for each model whether its numbers are absolute risks, by default all. For the others
    metrics of risk are left out, and asking for them is an error.
    threads: blocks of resamples computed at once; the results do not depend on it.

    Raises InputError for missing scores, risks outside [0, 1], repeated metrics; TooFewEventsError with fewer
    than 2 women with a case or 2 rows without.
    """
    risky = (True,) * scores.shape[0] if gives_risks is None else gives_risks
    _check_request(scores, risky, metrics)
    same_rows(scores.shape[1], case, "case")
    same_rows(case.size, units, "units")
    cases_and_controls(case, "a comparison of models")
    w = positive_weights(weights, case.size)
    codes = label_codes(units, "unit")
    woman_has_case = np.bincount(codes, weights=case) > 0
    n_with_case = int(np.count_nonzero(woman_has_case))
    if n_with_case < 2:
        raise TooFewEventsError(
            "a comparison of models", found=n_with_case, needed=2, where="women with a case"
        )
    draws = _draws(
        independent_units(codes, woman_has_case[codes] if strata is None else strata), metrics, strata
    )
    thresholds = np.array(
        [t for m in metrics if (t := getattr(m, "threshold", None)) is not None], dtype=float
    )
    rankings = [
        _Ranking.of(
            finite_scores(row, case.size, f"score of model {number}"), case, w, draws[0].units, thresholds
        )
        for number, row in enumerate(scores)
    ]

    def measured(
        seeds: Sequence[np.random.SeedSequence] | None,
    ) -> Float[np.ndarray, "resample model metric"]:
        n = 1 if seeds is None else len(seeds)
        answer = np.full((n, len(rankings), len(metrics)), np.nan)
        for draw in draws:
            if seeds is None:  # the data themselves
                counts = np.ones((draw.units.n, 1))
            else:
                counts = np.ascontiguousarray(unit_multiplicities(draw.units, seeds).T, dtype=np.float64)
            for model, ranking in enumerate(rankings):
                asked = [at for at in draw.metrics if risky[model] or not metrics[at].needs_risks]
                sums = ranking.rank_sums(counts, moments=any(metrics[at].needs_risks for at in asked))
                for at in asked:
                    answer[:, model, at] = metrics[at].of(sums)
        return answer

    values = measured(None)[0]
    largest = max(draws[0].units.n, *(ranking.sums.shape[0] for ranking in rankings))
    replicates = in_blocks(
        measured,
        resample_seeds(seed, n_resamples),
        block=int(np.clip(_BLOCK_ENTRIES // largest, *_BLOCK_RESAMPLES)),
        threads=threads,
        track=track,
    )
    return HeadToHead(
        metrics=metrics,
        values=values,
        replicates=np.concatenate(replicates),
        gives_risks=risky,
        n_units=draws[0].units.n,
        n_rows=case.size,
        n_events=int(np.count_nonzero(case)),
        level=level,
        notes=(f"{n_resamples} resamples, seed {seed}",),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Draw:
    """How women are drawn, and for which metrics (by index)."""

    units: Units
    metrics: tuple[int, ...]


def _draws(
    units: Units, metrics: tuple[Metric, ...], strata: Shaped[np.ndarray, "row"] | None
) -> tuple[_Draw, ...]:
    if strata is not None:
        return (_Draw(units=units, metrics=tuple(range(len(metrics)))),)
    whole = Units(of_row=units.of_row, stratum_sizes=(units.n,))  # the same numbers, in one stratum
    split = {
        given: tuple(at for at, metric in enumerate(metrics) if metric.given_cases == given)
        for given in (True, False)
    }
    return tuple(
        _Draw(units=units if given else whole, metrics=chosen) for given, chosen in split.items() if chosen
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ranking:
    """The sums of one model as sparse matrices over women, and the levels that they belong to."""

    levels: Float[np.ndarray, "level"]
    sums: sparse.csr_array  # [sum, unit]: per level those between, others tied, cases tied; then the rest
    moments: sparse.csr_array  # [2, unit]: squared error, risk

    @staticmethod
    def of(
        score: Float[np.ndarray, "row"],
        case: Bool[np.ndarray, "row"],
        weights: Float[np.ndarray, "row"],
        units: Units,
        thresholds: Float[np.ndarray, "threshold"],
    ) -> _Ranking:
        ascending = np.unique(np.concatenate([score[case], thresholds]))
        n = ascending.size
        above = n - np.searchsorted(ascending, score, side="right")  # levels above the row
        at_level = above < n - np.searchsorted(ascending, score, side="left")
        place = 3 * above + np.where(at_level, np.where(case, 2, 1), 0)
        sums = sparse.coo_array((weights, (place, units.of_row)), shape=(3 * n + 1, units.n))
        moments = [np.bincount(units.of_row, weights * x) for x in ((score - case) ** 2, score)]
        return _Ranking(
            levels=ascending[::-1], sums=sums.tocsr(), moments=sparse.csr_array(np.stack(moments))
        )

    def rank_sums(self, counts: Float[np.ndarray, "unit resample"], *, moments: bool) -> RankSums:
        sums = self.sums @ counts
        at = 3 * self.levels.size
        between, others_tied, cases_tied = (sums[k:at:3] for k in range(3))
        tied = others_tied + cases_tied
        down = np.cumsum(between + tied, axis=0)
        cases_down = np.cumsum(cases_tied, axis=0)
        # A sparse product, column by column in one order: the digits do not depend on the size of the block.
        squared_error, expected = self.moments @ counts if moments else np.full((2, counts.shape[1]), np.nan)
        return RankSums(
            levels=self.levels,
            above=down - tied,
            tied=tied,
            cases_above=cases_down - cases_tied,
            cases_tied=cases_tied,
            weight=down[-1] + sums[at],
            cases=cases_down[-1],
            squared_error=squared_error,
            expected=expected,
        )


def _check_request(
    scores: Float[np.ndarray, "model row"], gives_risks: tuple[bool, ...], metrics: tuple[Metric, ...]
) -> None:
    if scores.shape[0] < 1 or len(gives_risks) != scores.shape[0]:
        raise InputError(
            expected="one or more models, and for each whether it gives risks",
            found=f"{scores.shape[0]} models, {len(gives_risks)} answers",
            where="gives_risks",
        )
    if not metrics or len(set(metrics)) < len(metrics):
        raise InputError(expected="one or more different metrics", found=str(metrics), where="metrics")
    if not any(metric.needs_risks for metric in metrics):
        return
    for number, (row, risks) in enumerate(zip(scores, gives_risks, strict=True)):
        n_outside = int(np.count_nonzero((row < 0) | (row > 1))) if risks else 0
        if n_outside:
            raise InputError(
                expected="absolute risks in [0, 1]",
                found=f"{n_outside} of {row.size} rows outside, from {row.min():g} to {row.max():g}",
                where=f"risk of model {number}",
                remedy="Recalibrate the scores, or say in gives_risks that the model gives none",
            )
