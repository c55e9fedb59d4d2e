"""Area under the ROC curve adjusted for covariates: how well a score tells cases from women alike.

In: score, case mark, and the strata or covariates to adjust for. Out: `Estimate`. Each case is placed in the
distribution of the controls like her, and the places are averaged: what age, machine or density do to the
score of cases and controls alike is not counted as discrimination. Within matched sets, where the set itself
is the stratum, use `forescreen.statistics.matched`. [Janes2009, Pepe2004]
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .bootstrap import bootstrap
from .inference import Interval, logit_interval, null_p, wald_interval
from .proportions import exact_binomial_interval
from .rows import cases_and_controls, finite_scores, label_codes, positive_weights, same_rows

#: Beyond this area a Wald interval on the plain scale is not trusted, as for the matched concordance.
_LOGIT_ABOVE = 0.85

#: Scale model: stop at a step of the log variances below this; the next one would be its square.
_SCALE_TOLERANCE = 1e-7
_SCALE_ITERATIONS = 100


def stratified_auc(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    strata: Shaped[np.ndarray, "row"],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Mean share of the controls of her own stratum below a case, ties one half [Janes2009].

    Equal to Σ_s (cases of s/cases) AUC_s, so that the strata count by their cases. strata: label of each row
    (age band, machine), not missing. Strata without a case or with fewer than 2 controls are dropped, counted
    in `notes`.
    Variance: that of the case places, plus within each stratum that of the control places, which for one
    stratum is DeLong's [DeLong1988]; with `weights` (inverse sampling fractions) that of the weighted
    statistic, with `cluster` (the woman of each row) sums of the linearised statistic by woman. Wald
    interval, on the logit scale beyond 0.85 or below 0.15. p value against 0.5.

    Raises InputError for missing scores or strata; TooFewEventsError with fewer than 2 cases in the strata
    that are left.
    """
    values = finite_scores(score, case.size)
    same_rows(case.size, strata, "stratum")
    w = positive_weights(weights, case.size)
    cases_and_controls(case, "adjusted AUC")
    codes = label_codes(strata, "stratum")
    used, notes = _usable(codes, case)
    cases_and_controls(case[used], "adjusted AUC, in strata with two controls")
    area, influence = _stratified(values[used], case[used], codes[used], w[used])
    if cluster is None:
        units, variance = int(np.count_nonzero(used)), _row_variance(influence, case[used], codes[used])
    else:
        same_rows(case.size, cluster, "cluster")
        women = label_codes(cluster[used], "cluster")
        sums = np.bincount(women, weights=influence)
        units = sums.size
        if units < 2:
            raise TooFewEventsError("adjusted AUC by cluster", found=units, needed=2, where="women")
        variance = units / (units - 1) * float(sums @ sums)
    se = math.sqrt(variance)
    interval = _interval(area, se, level)
    if area in (0.0, 1.0):
        # Disjoint pairs of a case and a control of one stratum are independent, and all are concordant.
        pairs = _disjoint_pairs(codes[used], case[used])
        pairs = pairs if cluster is None else min(pairs, max(1, units // 2))
        interval = exact_binomial_interval(pairs if area else 0, pairs, level)
    kind = "by cluster" if cluster is not None else "DeLong within strata"
    return Estimate(
        value=area,
        lower=interval.lower,
        upper=interval.upper,
        n=units,
        n_events=int(np.count_nonzero(case[used])),
        method=f"stratified AUC, {kind}{', weighted' if weights is not None else ''}, {interval.method}",
        standard_error=se,
        p_value=null_p(area - 0.5, se),
        level=level,
        notes=notes,
    )


def covariate_adjusted_auc(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    covariates: Float[np.ndarray, "row covariate"],
    seed: int | np.random.Generator,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    threads: int = 1,
) -> Estimate:
    """Mean place of the cases among the controls of like covariates, by residuals of controls [Janes2009].

    Among the controls score = μ(z) + σ(z) ε with μ and log σ linear in the covariates and ε of any
    distribution: μ by least squares, σ² by the likelihood of normal residuals [Harvey1976].
    The answer is the AUC of the standardised residuals of all rows; right where location and scale are all
    that the covariates change in the controls. Give powers or splines of age as columns where a line will
    not do. Without columns it is the plain AUC.
    covariates: finite, in any unit. Interval: percentile bootstrap of rows, or of women (`cluster`), in which
    the models are fitted anew, cases and controls (women with and without a case) keeping their numbers.

    Raises InputError for missing values and for covariates that are constant or collinear in the controls;
    TooFewEventsError with fewer than 2 cases or fewer controls than 5 per covariate.
    """
    values = finite_scores(score, case.size)
    z = _standardised(covariates, case)
    w = positive_weights(weights, case.size)
    cases_and_controls(case, "adjusted AUC", needed=2)
    n_controls, needed = int(np.count_nonzero(~case)), 5 * (z.shape[1] - 1)
    if n_controls < needed:
        raise TooFewEventsError("adjusted AUC", found=n_controls, needed=needed, where="controls")
    units = np.arange(case.size) if cluster is None else cluster
    same_rows(case.size, units, "cluster")
    women = label_codes(units, "cluster")
    with_case = np.bincount(women, weights=case.astype(np.float64))[women] > 0
    drawn = bootstrap(
        lambda counts: np.array([_residual_auc(values, case, z, w * count) for count in counts]),
        women,
        seed=seed,
        strata=with_case,
        n_resamples=n_resamples,
        level=level,
        threads=threads,
    )
    area = _residual_auc(values, case, z, w)
    return Estimate(
        value=area,
        lower=drawn.lower,
        upper=drawn.upper,
        n=drawn.n_units,
        n_events=int(np.count_nonzero(case)),
        method="AUC of location-scale residuals of the controls"
        + (", weighted" if weights is not None else "")
        + f", percentile bootstrap of {'rows' if cluster is None else 'women'} ({n_resamples})",
        standard_error=drawn.standard_error,
        p_value=null_p(area - 0.5, drawn.standard_error),
        level=level,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Order:
    """One group of rows sorted by stratum and score, with running weights, to place others in."""

    key: Int[np.ndarray, "member"]
    running: Float[np.ndarray, "sum"]
    stride: int

    @staticmethod
    def of(
        codes: Int[np.ndarray, "member"],
        rank: Int[np.ndarray, "member"],
        w: Float[np.ndarray, "member"],
        stride: int,
    ) -> _Order:
        key = codes * stride + rank
        order = np.argsort(key, kind="stable")
        return _Order(key=key[order], running=np.concatenate([[0.0], np.cumsum(w[order])]), stride=stride)

    def share_below(
        self, codes: Int[np.ndarray, "other"], rank: Int[np.ndarray, "other"]
    ) -> Float[np.ndarray, "other"]:
        """Weighted share of the group in the same stratum below each row, ties one half."""
        place = codes * self.stride + rank
        start, end = (
            self.running[np.searchsorted(self.key, (codes + up) * self.stride, side="left")] for up in (0, 1)
        )
        low, high = (self.running[np.searchsorted(self.key, place, side=side)] for side in ("left", "right"))
        return np.asarray((0.5 * (low + high) - start) / (end - start))


def _usable(
    codes: Int[np.ndarray, "row"], case: Bool[np.ndarray, "row"]
) -> tuple[Bool[np.ndarray, "row"], tuple[str, ...]]:
    n_strata = int(codes.max()) + 1
    cases = np.bincount(codes[case], minlength=n_strata)
    controls = np.bincount(codes[~case], minlength=n_strata)
    used = (cases > 0) & (controls > 1)
    parts = (
        (int(np.count_nonzero(cases == 0)), "strata without a case dropped"),
        (int(np.count_nonzero((cases > 0) & (controls < 2))), "strata with fewer than 2 controls dropped"),
        (int(cases[~used].sum()), "cases in dropped strata"),
    )
    return used[codes], tuple(f"{n} {text}" for n, text in parts if n)


def _stratified(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    codes: Int[np.ndarray, "row"],
    w: Float[np.ndarray, "row"],
) -> tuple[float, Float[np.ndarray, "row"]]:
    """The adjusted area, and the share of each row in its linearisation."""
    rank = np.unique(score, return_inverse=True)[1].astype(np.int64)
    stride = int(rank.max()) + 2
    n_strata = int(codes.max()) + 1
    place = _Order.of(codes[~case], rank[~case], w[~case], stride).share_below(codes[case], rank[case])
    above = 1 - _Order.of(codes[case], rank[case], w[case], stride).share_below(codes[~case], rank[~case])
    w_case, w_control = w[case], w[~case]
    area = float(np.average(place, weights=w_case))
    case_weight = np.bincount(codes[case], weights=w_case, minlength=n_strata)
    with np.errstate(invalid="ignore", divide="ignore"):
        # Strata that were dropped have neither, and no rows to ask for them.
        own_area = np.bincount(codes[case], weights=w_case * place, minlength=n_strata) / case_weight
        share = (
            case_weight / case_weight.sum() / np.bincount(codes[~case], weights=w_control, minlength=n_strata)
        )
    influence = np.empty(score.size)
    influence[case] = w_case * (place - area) / w_case.sum()
    influence[~case] = w_control * share[codes[~case]] * (above - own_area[codes[~case]])
    return area, influence


def _row_variance(
    influence: Float[np.ndarray, "row"], case: Bool[np.ndarray, "row"], codes: Int[np.ndarray, "row"]
) -> float:
    """Σ n/(n−1) influence², over the cases and over the controls of each stratum."""
    n_cases = int(np.count_nonzero(case))
    squares = influence**2
    controls = np.bincount(codes[~case])
    present = controls > 1
    within = np.bincount(codes[~case], weights=squares[~case])[present]
    return float(
        n_cases / (n_cases - 1) * squares[case].sum()
        + np.sum(controls[present] / (controls[present] - 1) * within)
    )


def _disjoint_pairs(codes: Int[np.ndarray, "row"], case: Bool[np.ndarray, "row"]) -> int:
    n_strata = int(codes.max()) + 1
    cases, controls = (np.bincount(codes[group], minlength=n_strata) for group in (case, ~case))
    return int(np.minimum(cases, controls).sum())


def _interval(area: float, se: float, level: float) -> Interval:
    if 0 < area < 1 and max(area, 1 - area) > _LOGIT_ABOVE:
        return logit_interval(area, se, level)
    plain = wald_interval(area, se, level)
    return Interval(lower=max(0.0, plain.lower), upper=min(1.0, plain.upper), method=plain.method)


def _standardised(
    covariates: Float[np.ndarray, "row covariate"], case: Bool[np.ndarray, "row"]
) -> Float[np.ndarray, "row column"]:
    """A leading 1 and the covariates with mean 0 and variance 1 in the controls, checked."""
    z = np.asarray(covariates, dtype=np.float64)
    if z.ndim != 2:
        raise InputError(expected="one row per woman", found=f"shape {z.shape}", where="covariates")
    same_rows(case.size, z[:, 0] if z.shape[1] else np.empty(z.shape[0]), "covariates")
    n_bad = int(np.count_nonzero(~np.isfinite(z).all(axis=1)))
    if n_bad:
        raise InputError(
            expected="finite covariates",
            found=f"{n_bad} of {case.size} rows otherwise",
            where="covariates",
            remedy="Drop or impute them first",
        )
    if z.shape[1] and not case.all():
        mean, sd = z[~case].mean(axis=0), z[~case].std(axis=0)
        if np.any(sd <= 1e-12 * np.max(np.abs(z), axis=0)):
            raise InputError(
                expected="covariates that vary among the controls", found="a constant", where="covariates"
            )
        z = (z - mean) / sd
        correlation = z[~case].T @ z[~case] / np.count_nonzero(~case)
        if float(np.linalg.eigvalsh(correlation)[0]) < 1e-9:
            raise InputError(
                expected="covariates that are not collinear", found="a combination", where="covariates"
            )
    return np.column_stack([np.ones(case.size), z])


def _residual_auc(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    z: Float[np.ndarray, "row column"],
    w: Float[np.ndarray, "row"],
) -> float:
    """AUC of the standardised residuals; nan where the models cannot be fitted to these multiplicities."""
    is_case, is_control = np.flatnonzero(case), np.flatnonzero(~case)
    z_control, w_control = z[is_control], w[is_control]
    location = _least_squares(z_control, score[is_control], w_control)
    if location is None:
        return math.nan
    residual = score - _linear(z, location)
    if z.shape[1] > 1:
        log_variance = _log_variance(z_control, residual[is_control] ** 2, w_control)
        if log_variance is None:
            return math.nan
        residual *= np.exp(-0.5 * _linear(z, log_variance))
    # Cases are few: sort them, and find the controls among them.
    order = np.argsort(residual[is_case], kind="stable")
    cases, w_case = residual[is_case][order], w[is_case][order]
    above = w_case.sum() - np.concatenate([[0.0], np.cumsum(w_case)])
    controls = residual[is_control]
    high, low = (above[np.searchsorted(cases, controls, side=side)] for side in ("left", "right"))
    total = float(w_case.sum() * w_control.sum())
    return float(w_control @ (0.5 * (low + high))) / total if total > 0 else math.nan


def _least_squares(
    z: Float[np.ndarray, "member column"], y: Float[np.ndarray, "member"], w: Float[np.ndarray, "member"]
) -> Float[np.ndarray, "column"] | None:
    try:
        return np.asarray(np.linalg.solve((z * w[:, None]).T @ z, (z * w[:, None]).T @ y))
    except np.linalg.LinAlgError:
        return None


def _linear(
    z: Float[np.ndarray, "row column"], coefficients: Float[np.ndarray, "column"]
) -> Float[np.ndarray, "row"]:
    """z · coefficients, in the same order of sums for every row, so that equal rows stay tied."""
    total = np.zeros(z.shape[0])
    for column, coefficient in zip(z.T, coefficients, strict=True):
        total += column * coefficient
    return total


def _log_variance(
    z: Float[np.ndarray, "member column"], square: Float[np.ndarray, "member"], w: Float[np.ndarray, "member"]
) -> Float[np.ndarray, "column"] | None:
    """Coefficients γ of log σ² = z γ that minimise the convex Σ w (z γ + r² exp(−z γ)), by Newton."""
    mean = float(np.average(square, weights=w))
    if not mean > 0:
        return None
    gamma: Float[np.ndarray, "column"] = np.zeros(z.shape[1])
    gamma[0] = math.log(mean)
    relative = square / mean
    value = float(w @ (gamma[0] + relative))
    for _ in range(_SCALE_ITERATIONS):
        score = z.T @ (w * (relative - 1))
        try:
            step = np.linalg.solve((z * (w * relative)[:, None]).T @ z, score)
        except np.linalg.LinAlgError:
            return None
        for halvings in range(30):
            trial = gamma + step / 2**halvings
            predictor = z @ trial
            relative = square * np.exp(-predictor)
            objective = float(w @ (predictor + relative))
            if objective <= value + 1e-12 * abs(value):
                break
        gamma, value = trial, objective
        if float(np.max(np.abs(step))) < _SCALE_TOLERANCE:
            return gamma
    return None
