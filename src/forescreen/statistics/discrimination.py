"""Area under the ROC curve of unmatched data, with DeLong's variance, by woman where she has several rows.

In: score, case mark, and woman and sampling weight where they matter. Out: `Estimate`, `RocCurve`. Matched
sets need `forescreen.statistics.matched`: an AUC that ignores the matching is biased to 0.5 where the
matching factors relate to the score [Janes2008].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate

from .inference import logit_interval, null_p, wald_interval
from .proportions import exact_binomial_interval
from .rows import cases_and_controls, finite_scores, label_codes, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class RocCurve:
    """Vertices of a ROC curve from (0, 0) to (1, 1), joined by straight lines; tied scores make the slopes.

    The area by trapezoids is `auc.value`.
    """

    fpr: Float[np.ndarray, "vertex"]
    tpr: Float[np.ndarray, "vertex"]
    auc: Estimate

    def thinned(self, n_vertices: int = 201) -> RocCurve:
        """The same curve with at most `n_vertices` of its vertices, evenly spread along it, for drawing."""
        length = self.fpr + self.tpr
        if length.size <= n_vertices:
            return self
        kept = np.unique(np.searchsorted(length, np.linspace(0, length[-1], n_vertices)))
        return RocCurve(fpr=self.fpr[kept], tpr=self.tpr[kept], auc=self.auc)


def auc(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Chance that a random case scores higher than a random control; a tie counts one half.

    Variance: DeLong's [DeLong1988] from mid-ranks in O(n log n) [Sun2014]; with `cluster` (the woman of each
    row) Obuchowski's [Obuchowski1997]; with `weights` (inverse sampling fractions) the linearised variance of
    the weighted statistic, which for equal weights is DeLong's. Wald interval, cut at 0 and 1; with `cluster`
    on the logit scale with the t quantile for the women with a case (or with a control, if fewer) less one,
    because the plain one covers too little. p value against 0.5. At an AUC of exactly 0 or 1, where
    DeLong's variance is 0, the limit is the exact binomial one for min(cases, controls) pairs.

    Raises InputError for missing scores; TooFewEventsError with fewer than 2 cases or controls (or 2 women
    with either).
    """
    values = finite_scores(score, case.size)
    frame = _Frame.of(case, cluster, weights, "AUC")
    area, influence = _area(values, case, frame)
    se = math.sqrt(_variance(influence, case, frame))
    interval = wald_interval(area, se, level)
    if frame.units is not None and 0 < area < 1:
        # Few women with a case, several rows each: on the plain scale with z too many intervals miss.
        interval = logit_interval(area, se, level, degrees_of_freedom=frame.n_fewer - 1)
    lower, upper = max(0.0, interval.lower), min(1.0, interval.upper)
    notes: tuple[str, ...] = ()
    if area in (0.0, 1.0):
        # Disjoint pairs of a case and a control are independent, and all of them are concordant.
        exact = exact_binomial_interval(frame.n_disjoint_pairs if area else 0, frame.n_disjoint_pairs, level)
        lower, upper = exact.lower, exact.upper
        notes = ("complete separation: exact binomial limit of disjoint pairs",)
    return Estimate(
        value=area,
        lower=lower,
        upper=upper,
        n=frame.n_units,
        n_events=int(np.count_nonzero(case)),
        method=f"AUC, {frame.method}, {interval.method}",
        standard_error=se,
        p_value=null_p(area - 0.5, se),
        level=level,
        notes=notes,
    )


def auc_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """AUC of score a minus AUC of score b on the same rows, with the paired test of [DeLong1988].

    Arguments and errors as for `auc`.
    """
    frame = _Frame.of(case, cluster, weights, "AUC difference")
    area_a, influence_a = _area(finite_scores(score_a, case.size, "score a"), case, frame)
    area_b, influence_b = _area(finite_scores(score_b, case.size, "score b"), case, frame)
    variance = _variance(influence_a - influence_b, case, frame)
    return _difference(area_a - area_b, variance, frame, case, level, "paired AUC difference")


def case_type_auc_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    *,
    case_a: Bool[np.ndarray, "row"],
    case_b: Bool[np.ndarray, "row"],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """AUC of score a for cases of type a minus AUC of score b for cases of type b, with shared controls.

    Controls are the rows of neither type; both AUCs use all of them, and their covariance through them enters
    the variance: S10_a/n_a + S10_b/n_b + (S01_aa + S01_bb − 2 S01_ab)/n_0, placements as in [DeLong1988].
    Give the same score twice to ask whether one score discriminates the two types equally. For matched sets
    with one case each use `matched.independent_difference`.

    Raises InputError when a row is a case of both types; otherwise as `auc`.
    """
    same_rows(case_a.size, case_b, "case_b")
    n_both = int(np.count_nonzero(case_a & case_b))
    if n_both:
        raise InputError(
            expected="cases of one type each", found=f"{n_both} rows of both types", where="case_b"
        )
    case = case_a | case_b
    total = _Frame.of(case, cluster, weights, "AUC difference of case types")
    influence = np.zeros(case.size)
    areas = []
    for scores, kind, sign in ((score_a, case_a, 1.0), (score_b, case_b, -1.0)):
        values = finite_scores(scores, case.size)
        used = kind | ~case
        part = _Frame.of(kind[used], None if cluster is None else cluster[used], total.weights[used], "AUC")
        area, part_influence = _area(values[used], kind[used], part)
        influence[used] += sign * part_influence
        areas.append(area)
    groups = (case_a, case_b, ~case)
    variance = _grouped_variance(influence, groups, total)
    return _difference(areas[0] - areas[1], variance, total, case, level, "AUC difference of case types")


def roc_curve(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> RocCurve:
    """Share of cases against share of controls above each threshold, with the AUC. Arguments as for `auc`."""
    area = auc(score, case, cluster=cluster, weights=weights, level=level)
    values = finite_scores(score, case.size)
    w = positive_weights(weights, values.size)
    descending = np.argsort(-values, kind="stable")
    ordered = values[descending]
    last_of_tie = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), values.size - 1)
    shares = []
    for group in (~case, case):
        cumulative = np.cumsum(np.where(group[descending], w[descending], 0.0))[last_of_tie]
        shares.append(np.concatenate([[0.0], cumulative / cumulative[-1]]))
    return RocCurve(fpr=shares[0], tpr=shares[1], auc=area)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Frame:
    """Who the rows are: independent units and weights."""

    units: Int[np.ndarray, "row"] | None  # None: every row is a unit
    weights: Float[np.ndarray, "row"]
    weighted: bool
    n_units: int
    n_disjoint_pairs: int
    n_fewer: int  # units with a case, or with a control, whichever are fewer

    @staticmethod
    def of(
        case: Bool[np.ndarray, "row"],
        cluster: Shaped[np.ndarray, "row"] | None,
        weights: Float[np.ndarray, "row"] | None,
        quantity: str,
    ) -> _Frame:
        n_cases, n_controls = cases_and_controls(case, quantity)
        units, n_units = None, case.size
        if cluster is not None:
            same_rows(case.size, cluster, "cluster")
            units = label_codes(cluster, "cluster")
            n_units = int(units.max()) + 1
            n_cases, n_controls = (
                int(np.count_nonzero(np.bincount(units[group], minlength=n_units))) for group in (case, ~case)
            )
            for found, group in ((n_cases, "women with a case"), (n_controls, "women with a control")):
                if found < 2:
                    raise TooFewEventsError(f"{quantity} by cluster", found=found, needed=2, where=group)
        return _Frame(
            units=units,
            weights=positive_weights(weights, case.size),
            weighted=weights is not None,
            n_units=n_units,
            n_disjoint_pairs=min(n_cases, n_controls, max(1, n_units // 2)),
            n_fewer=min(n_cases, n_controls),
        )

    @property
    def method(self) -> str:
        """Name of the variance."""
        name = "DeLong" if self.units is None else "Obuchowski by cluster"
        return f"{name}, weighted" if self.weighted else name


def _area(
    score: Float[np.ndarray, "row"], case: Bool[np.ndarray, "row"], frame: _Frame
) -> tuple[float, Float[np.ndarray, "row"]]:
    """The (weighted) area, and the share of each row in its linearisation: w (placement − area)/Σ w."""
    placement = np.empty(score.size)
    if frame.weighted:
        _weighted_placements(score, case, frame.weights, placement)
    else:
        # Mid-ranks among all minus mid-ranks among one's own count the others below [Sun2014].
        rank = _mid_ranks(score)
        n_cases = int(np.count_nonzero(case))
        placement[case] = (rank[case] - _mid_ranks(score[case])) / (score.size - n_cases)
        placement[~case] = 1 - (rank[~case] - _mid_ranks(score[~case])) / n_cases
    influence = np.empty(score.size)
    # Placements of cases and of controls have the same mean, the area.
    area = float(np.average(placement[case], weights=frame.weights[case]))
    for group in (case, ~case):
        w = frame.weights[group]
        influence[group] = w * (placement[group] - area) / w.sum()
    return area, influence


def _mid_ranks(score: Float[np.ndarray, "row"]) -> Float[np.ndarray, "row"]:
    """Ranks from 1, tied rows share the mean of theirs.

    scipy.stats has them too, and takes a second to load.
    """
    order = np.argsort(score, kind="stable")
    ascending = score[order]
    begins = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]]))
    ends = np.append(begins[1:], score.size)
    ranks = np.empty(score.size)
    ranks[order] = np.repeat((begins + ends + 1) / 2, ends - begins)
    return ranks


def _weighted_placements(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    weights: Float[np.ndarray, "row"],
    placement: Float[np.ndarray, "row"],
) -> None:
    """Weighted share of the other group below each row, ties one half."""
    for group, sign in ((case, 1.0), (~case, -1.0)):
        order = np.argsort(score[~group], kind="stable")
        others = score[~group][order]
        below = np.concatenate([[0.0], np.cumsum(weights[~group][order])])
        low = below[np.searchsorted(others, score[group], side="left")]
        high = below[np.searchsorted(others, score[group], side="right")]
        share = 0.5 * (low + high) / below[-1]
        placement[group] = share if sign > 0 else 1 - share


def _variance(influence: Float[np.ndarray, "row"], case: Bool[np.ndarray, "row"], frame: _Frame) -> float:
    return _grouped_variance(influence, (case, ~case), frame)


def _grouped_variance(
    influence: Float[np.ndarray, "row"], groups: tuple[Bool[np.ndarray, "row"], ...], frame: _Frame
) -> float:
    """Σ over groups of n/(n−1) Σ influence², by unit, plus the covariance of groups within units.

    With equal weights: S10/m + S01/n of [DeLong1988], and + 2 S11/(mn) of [Obuchowski1997]. For sampling
    weights this is the two-phase variance with Poisson sampling: Σ φ²/π + Σ φ² (1−π)/π² = Σ (φ/π)².
    """
    variance = 0.0
    if frame.units is None:
        for group in groups:
            n = int(np.count_nonzero(group))
            variance += n / (n - 1) * float(np.sum(influence[group] ** 2))
        return variance
    sums = []
    for group in groups:
        total = np.bincount(frame.units[group], weights=influence[group], minlength=frame.n_units)
        n = int(np.count_nonzero(np.bincount(frame.units[group], minlength=frame.n_units)))
        variance += n / (n - 1) * float(np.sum(total**2))
        sums.append(total)
    for i, one in enumerate(sums):
        for other in sums[i + 1 :]:
            variance += 2 * frame.n_units / (frame.n_units - 1) * float(np.sum(one * other))
    return max(variance, 0.0)


def _difference(
    value: float, variance: float, frame: _Frame, case: Bool[np.ndarray, "row"], level: float, name: str
) -> Estimate:
    se = math.sqrt(max(variance, 0.0))
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=max(-1.0, interval.lower),
        upper=min(1.0, interval.upper),
        n=frame.n_units,
        n_events=int(np.count_nonzero(case)),
        method=f"{name}, {frame.method}, Wald",
        standard_error=se,
        p_value=null_p(value, se),
        level=level,
    )
