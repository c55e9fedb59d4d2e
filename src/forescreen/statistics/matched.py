"""Concordance within matched sets: how often the case has the higher score among women alike.

In: score, case mark, set label. Out: `Estimate`, `RocCurve`. The set is the independent unit throughout.
[Brentnall2015, Janes2008]
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import sparse

from forescreen.errors import InputError
from forescreen.records import Estimate

from .bootstrap import bootstrap
from .discrimination import RocCurve
from .inference import Interval, logit_interval, null_p, wald_interval
from .proportions import exact_binomial_interval
from .rows import finite_scores, label_codes, same_rows
from .sets import MatchedSets, informative_sets, within_set_concordance

SetWeights = Literal["set", "pairs"]

#: Beyond this concordance, or with fewer sets, a Wald interval on the plain scale is not trusted.
_LOGIT_ABOVE = 0.85
_LOGIT_BELOW_SETS = 50


def matched_concordance(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: SetWeights = "set",
    level: float = 0.95,
) -> Estimate:
    """Chance that a case scores higher than a control of its own set; a tie counts one half [Brentnall2015].

    weights: "set" gives every set one vote, "pairs" every case-control pair. The variance is that between
    sets, n/(n−1) Σ w²(k − C)²/(Σ w)²; with `cluster` (the woman of each row, where she may be in several
    sets) the sum goes over all pairs of sets that share a woman. Wald interval; on the logit scale where
    the concordance is beyond 0.85 (or 0.15) or there are fewer than 50 sets; exact binomial where every set
    is concordant. p value against 0.5. A score fitted on the same sets is optimistic: fit on other sets, or
    by folds of whole sets.

    Raises InputError for missing scores or sets; TooFewEventsError with fewer than 2 informative sets.
    """
    matched = informative_sets(case, sets=sets, quantity="matched concordance")
    k = within_set_concordance(finite_scores(score, case.size), matched)
    value, se = _weighted_mean(k, _set_weights(matched, weights), _linked_sets(matched, cluster))
    interval = _concordance_interval(value, se, matched.n_sets, level)
    return Estimate(
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        n=matched.n_sets,
        n_events=int(matched.n_cases.sum()),
        method=f"matched concordance, {_weights_name(weights)}, {_cluster_name(cluster)}{interval.method}",
        standard_error=se,
        p_value=null_p(value - 0.5, se),
        level=level,
        notes=matched.dropped.notes(),
    )


def matched_concordance_bootstrap(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    seed: int | np.random.Generator,
    weights: SetWeights = "set",
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Matched concordance with the percentile interval of a bootstrap of whole sets. Otherwise as above."""
    matched = informative_sets(case, sets=sets, quantity="matched concordance")
    k = within_set_concordance(finite_scores(score, case.size), matched)
    w = _set_weights(matched, weights)
    drawn = bootstrap(
        lambda counts: (counts @ (w * k)) / (counts @ w),
        np.arange(matched.n_sets),
        seed=seed,
        n_resamples=n_resamples,
        level=level,
    )
    value = float(np.average(k, weights=w))
    return Estimate(
        value=value,
        lower=drawn.lower,
        upper=drawn.upper,
        n=matched.n_sets,
        n_events=int(matched.n_cases.sum()),
        method=f"matched concordance, {_weights_name(weights)}, percentile bootstrap of sets ({n_resamples})",
        standard_error=drawn.standard_error,
        p_value=null_p(value - 0.5, drawn.standard_error),
        level=level,
        notes=matched.dropped.notes(),
    )


def matched_concordance_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: SetWeights = "set",
    level: float = 0.95,
) -> Estimate:
    """Matched concordance of score a minus that of score b on the same sets, tested by the paired z.

    The standard error comes from the differences D = k_a − k_b within sets: for equal weights sd(D)/√n.
    Arguments and errors as for `matched_concordance`.
    """
    matched = informative_sets(case, sets=sets, quantity="difference of matched concordances")
    k_a = within_set_concordance(finite_scores(score_a, case.size, "score a"), matched)
    k_b = within_set_concordance(finite_scores(score_b, case.size, "score b"), matched)
    value, se = _weighted_mean(k_a - k_b, _set_weights(matched, weights), _linked_sets(matched, cluster))
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=max(-1.0, interval.lower),
        upper=min(1.0, interval.upper),
        n=matched.n_sets,
        n_events=int(matched.n_cases.sum()),
        method=f"paired difference of matched concordances, {_weights_name(weights)}, "
        f"{_cluster_name(cluster)}Wald",
        standard_error=se,
        p_value=null_p(value, se),
        level=level,
        notes=matched.dropped.notes(),
    )


def independent_difference(a: Estimate, b: Estimate) -> Estimate:
    """Difference a − b of two estimates from disjoint groups of women, on the scale of their standard errors.

    The variance is the sum of the two, which is right when no set and no woman contributes to both:
    screen-detected and interval cancers with one case per set and controls of their own. With shared
    controls use `discrimination.case_type_auc_difference`. Both standard errors must be on the scale of the
    values (concordances, AUCs); for odds ratios compare case types with `case_types`.

    Raises InputError when a standard error is missing or the levels differ.
    """
    if not (math.isfinite(a.standard_error) and math.isfinite(b.standard_error)):
        raise InputError(
            expected="two estimates with standard errors",
            found=f"{a.standard_error} and {b.standard_error}",
            where="independent_difference",
        )
    if a.level != b.level:
        raise InputError(
            expected="two estimates of one level",
            found=f"{a.level} and {b.level}",
            where="independent_difference",
        )
    if "log" in a.method.split() or "log" in b.method.split():
        raise InputError(
            expected="standard errors on the scale of the values",
            found=f"{a.method} and {b.method}",
            where="independent_difference",
            remedy="Compare odds ratios of case types with case_types.case_type_logistic",
        )
    value = a.value - b.value
    standard_error = math.hypot(a.standard_error, b.standard_error)
    interval = wald_interval(value, standard_error, a.level)
    return Estimate(
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        n=a.n + b.n,
        n_events=a.n_events + b.n_events,
        method=f"difference of independent estimates ({a.method}; {b.method}), Wald",
        standard_error=standard_error,
        p_value=null_p(value, standard_error),
        level=a.level,
    )


def set_percentile_roc(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    level: float = 0.95,
) -> RocCurve:
    """ROC curve adjusted for the matching: distribution of each case's percentile among its own controls.

    The share of cases (one vote per set) whose score exceeds all but a share t of the controls of their set
    [Janes2009]. A case tied with controls is spread evenly over the tie, so that the area under the curve
    is the matched concordance with equal weights. With m controls per case the curve can only turn at
    multiples of 1/m.
    """
    area = matched_concordance(score, case, sets=sets, level=level)
    matched = informative_sets(case, sets=sets, quantity="matched ROC curve")
    above, tied, n_controls, vote = _case_percentiles(finite_scores(score, case.size), matched)
    start, end = above / n_controls, (above + tied) / n_controls
    fpr = np.unique(np.concatenate([[0.0, 1.0], start, end]))
    # Jumps: cases without ties at their percentile. Slopes: tied cases, uniform from start to end.
    jump = np.zeros(fpr.size)
    slope_change = np.zeros(fpr.size)
    untied = tied == 0
    np.add.at(jump, np.searchsorted(fpr, start[untied]), vote[untied])
    rate = vote[~untied] * n_controls[~untied] / tied[~untied]
    np.add.at(slope_change, np.searchsorted(fpr, start[~untied]), rate)
    np.add.at(slope_change, np.searchsorted(fpr, end[~untied]), -rate)
    rise = np.cumsum(slope_change)[:-1] * np.diff(fpr)
    after_jump = np.cumsum(jump) + np.concatenate([[0.0], np.cumsum(rise)])
    tpr = np.column_stack([after_jump - jump, after_jump]).ravel()
    doubled = np.repeat(fpr, 2)
    turns = np.ones(doubled.size, dtype=bool)
    turns[1:] = (np.diff(doubled) > 0) | (np.diff(tpr) > 0)
    # Sums of votes miss 1, and each other, by rounding: a curve must not fall.
    curve = np.minimum(np.maximum.accumulate(tpr[turns]), 1.0)
    curve[-1] = 1.0
    return RocCurve(fpr=doubled[turns], tpr=curve, auc=area)


def concordance_trend(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    factor: Float[np.ndarray, "row"],
    level: float = 0.95,
) -> Estimate:
    """Change of the matched concordance per unit of a matching factor (age, year): is it constant?

    Least squares of the within-set concordance on the mean of the factor in the set, with the
    heteroscedasticity-robust HC3 standard error [MacKinnon1985]. Raises InputError when the factor is the
    same in all sets; otherwise as `matched_concordance`.
    """
    matched = informative_sets(case, sets=sets, quantity="trend of the matched concordance", needed=4)
    k = within_set_concordance(finite_scores(score, case.size), matched)
    same_rows(case.size, factor, "factor")
    values = finite_scores(factor, case.size, "factor")[matched.order]
    x = np.add.reduceat(values, matched.first) / matched.n_members
    deviation = x - x.mean()
    spread = float(deviation @ deviation)
    if not spread > 0:
        raise InputError(expected="a factor that varies between sets", found="one value", where="factor")
    slope = float(deviation @ k) / spread
    residual = k - k.mean() - slope * deviation
    leverage = 1 / k.size + deviation**2 / spread
    se = math.sqrt(float(np.sum((deviation * residual / (1 - leverage)) ** 2))) / spread
    interval = wald_interval(slope, se, level)
    return Estimate(
        value=slope,
        lower=interval.lower,
        upper=interval.upper,
        n=matched.n_sets,
        n_events=int(matched.n_cases.sum()),
        method="slope of the matched concordance, HC3, Wald",
        standard_error=se,
        p_value=null_p(slope, se),
        level=level,
        notes=matched.dropped.notes(),
    )


def _weights_name(weights: SetWeights) -> str:
    return "one vote per set" if weights == "set" else "one vote per pair"


def _set_weights(matched: MatchedSets, weights: SetWeights) -> Float[np.ndarray, "set"]:
    if weights == "set":
        return np.ones(matched.n_sets)
    if weights == "pairs":
        return np.asarray(matched.n_cases * (matched.n_members - matched.n_cases), dtype=np.float64)
    raise InputError(expected='"set" or "pairs"', found=str(weights), where="weights")


def _cluster_name(cluster: Shaped[np.ndarray, "row"] | None) -> str:
    return "" if cluster is None else "sets that share a woman correlated, "


def _linked_sets(matched: MatchedSets, cluster: Shaped[np.ndarray, "row"] | None) -> sparse.csr_array | None:
    """1 for every pair of sets that is the same or shares a woman; None where no set shares one."""
    if cluster is None:
        return None
    codes = label_codes(cluster[matched.order], "cluster")
    membership = sparse.csr_array(
        (np.ones(codes.size), (matched.set_of_member, codes)), shape=(matched.n_sets, int(codes.max()) + 1)
    )
    linked = (membership @ membership.T).sign()
    return linked if linked.nnz > matched.n_sets else None


def _weighted_mean(
    k: Float[np.ndarray, "set"],
    weights: Float[np.ndarray, "set"],
    linked: sparse.csr_array | None = None,
) -> tuple[float, float]:
    """Mean over sets and its standard error, √(n/(n−1) Σ w²(k − mean)²)/Σ w, or over pairs of linked sets."""
    total = float(weights.sum())
    value = float(weights @ k) / total
    apart = weights * (k - value)
    spread = float(apart @ apart)
    if linked is not None:
        # Overlapping clusters can leave a sum below 0, which is no variance.
        together = float(apart @ (linked @ apart))
        spread = together if together > 0 else spread
    return value, math.sqrt(k.size / (k.size - 1) * spread) / total


def _concordance_interval(value: float, se: float, n_sets: int, level: float) -> Interval:
    if value in (0.0, 1.0):
        # Every set is wholly concordant (or discordant): a lower limit for the chance of such a set.
        return exact_binomial_interval(n_sets if value else 0, n_sets, level)
    if max(value, 1 - value) > _LOGIT_ABOVE or n_sets < _LOGIT_BELOW_SETS:
        return logit_interval(value, se, level)
    return wald_interval(value, se, level)


def _case_percentiles(
    score: Float[np.ndarray, "row"], matched: MatchedSets
) -> tuple[
    Float[np.ndarray, "case"], Float[np.ndarray, "case"], Float[np.ndarray, "case"], Float[np.ndarray, "case"]
]:
    """For every case: controls of its set above it, tied with it, their number, and the vote of the case."""
    member_set = matched.set_of_member
    values = score[matched.order]
    is_case = np.arange(values.size) - matched.first[member_set] < matched.n_cases[member_set]
    # Ranks of the values turn (set, score) into one sortable key.
    rank = np.unique(values, return_inverse=True)[1]
    key = member_set * (int(rank.max()) + 1) + rank
    controls = np.sort(key[~is_case])
    n_controls = matched.n_members - matched.n_cases
    last = np.cumsum(n_controls)
    case_key, case_set = key[is_case], member_set[is_case]
    up_to = np.searchsorted(controls, case_key, side="right")
    below = np.searchsorted(controls, case_key, side="left")
    above = (last[case_set] - up_to).astype(np.float64)
    tied = (up_to - below).astype(np.float64)
    vote = 1.0 / (matched.n_sets * matched.n_cases[case_set])
    return above, tied, n_controls[case_set].astype(np.float64), vote
