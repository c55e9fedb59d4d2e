"""Who is in the top x per cent of the screened population, how many cancers they hold, and what it costs.

In: scores of a population (or of a sample with weights that make it one), case marks. Out: `Selection`,
`Estimate`. A matched sample without weights is not a population: its thresholds and predictive values mean
nothing. Several models on the same rows: `head_to_head`. The low end of the ranking: `rule_out`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import special

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate

from .head_to_head import head_to_head
from .proportions import wilson_interval
from .rank_metrics import Capture, PredictiveValue
from .rows import finite_scores, label_codes, positive_weights, same_rows

#: A part of the population smaller than this is a rounding error, not a selected row.
_NO_SHARE = 1e-13


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The highest-scoring share of a population: all above the threshold, and a part of those at it."""

    threshold: float
    tie_share: float  # part of the weight at the threshold that is selected, in (0, 1]
    share: Float[np.ndarray, "row"]  # part of each row that is selected: 1, tie_share or 0


@dataclass(frozen=True, kw_only=True)
class UnitCosts:
    """What imaging a selected woman costs, in one currency and year, undiscounted; 0 where nothing is paid.

    The two rates say how many of the women imaged are assessed and biopsied, where the numbers are not known.
    """

    supplemental_exam: float  # per selected woman: MRI, ultrasound, contrast mammography
    assessment: float = 0.0  # per woman recalled after it
    biopsy: float = 0.0
    reading: float = 0.0  # per read of a mammogram that is saved
    recall_rate: float = 0.0  # of the women imaged, in [0, 1]
    biopsy_rate: float = 0.0
    currency: str = ""

    def __post_init__(self) -> None:
        for name in ("supplemental_exam", "assessment", "biopsy", "reading"):
            _check_amount(getattr(self, name), name)
        for name in ("recall_rate", "biopsy_rate"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(expected="a rate in [0, 1]", found=str(getattr(self, name)), where=name)


def top_fraction(
    score: Float[np.ndarray, "row"], *, fraction: float, weights: Float[np.ndarray, "row"] | None = None
) -> Selection:
    """The top `fraction` of the weighted population; rows tied at the threshold share what is left evenly.

    The selected weight is exactly fraction · Σ weights, whatever the ties. `fraction` lies in (0, 1).
    """
    _check_fraction(fraction)
    values = finite_scores(score, score.size)
    w = positive_weights(weights, values.size)
    levels, level = np.unique(-values, return_inverse=True)  # from the highest score down
    tied = np.bincount(level, weights=w)
    cumulative = np.cumsum(tied)
    left = np.clip(fraction * cumulative[-1] - (cumulative - tied), 0.0, tied)
    part = np.where(left > _NO_SHARE * cumulative[-1], left / tied, 0.0)
    last = int(np.flatnonzero(part)[-1])
    return Selection(threshold=float(-levels[last]), tie_share=float(part[last]), share=part[level])


def capture(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    fraction: float,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    seed: int = 0,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Share of the cancers that lie in the top `fraction` of the population by score.

    The rows are the population: all negative screens, with and without later cancer. Chance gives `fraction`.
    Interval: Wilson's for independent unweighted rows, which takes the threshold as known; with `weights` or
    `cluster` (the woman of each row) the percentile bootstrap of women, stratified by having a cancer, with
    the threshold found anew each time.

    Raises InputError for missing scores or a fraction outside (0, 1), TooFewEventsError with fewer than
    2 cancers (or, for the bootstrap, 2 women with one, or 2 rows without).
    """
    metric = Capture(fraction)
    return _share_estimate(metric, score, case, weights, cluster, seed, n_resamples, level)


def positive_predictive_value(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    fraction: float,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    seed: int = 0,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Share of cancers among the top `fraction` of the population by score.

    `cancers_per_1000` and `number_needed_to_image` read the same number otherwise. Arguments, interval and
    errors as for `capture`, but the bootstrap also draws how many women have a cancer, because predictive
    values depend on it. Without weights the rows must be the population, never a case-control sample.
    """
    metric = PredictiveValue(fraction)
    return _share_estimate(metric, score, case, weights, cluster, seed, n_resamples, level)


def capture_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    fraction: float,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    seed: int = 0,
    n_resamples: int = 2000,
    level: float = 0.95,
) -> Estimate:
    """Capture of score a minus capture of score b, each with its own threshold, on the same resamples.

    Arguments and errors as for `capture`; the p value is that of value/bootstrap standard error.
    """
    metric = Capture(fraction)
    a, b = finite_scores(score_a, case.size, "score a"), finite_scores(score_b, case.size, "score b")
    return head_to_head(
        np.stack([a, b]),
        case,
        units=np.arange(case.size) if cluster is None else cluster,
        metrics=(metric,),
        seed=seed,
        weights=weights,
        n_resamples=n_resamples,
        level=level,
    ).difference(0, 1, metric)


def cancers_per_1000(predictive_value: Estimate) -> Estimate:
    """Cancers per 1000 selected women: 1000 · predictive value, interval included."""
    return Estimate(
        value=1000 * predictive_value.value,
        lower=1000 * predictive_value.lower,
        upper=1000 * predictive_value.upper,
        n=predictive_value.n,
        n_events=predictive_value.n_events,
        method=f"cancers per 1000 selected, from {predictive_value.method}",
        standard_error=1000 * predictive_value.standard_error,
        level=predictive_value.level,
        notes=predictive_value.notes,
    )


def number_needed_to_image(predictive_value: Estimate) -> Estimate:
    """Women selected for one of them to have a cancer: 1/predictive value, limits exchanged.

    The upper limit is infinite where the lower limit of the predictive value is 0; the standard error is by
    the delta method. Raises TooFewEventsError where no cancer was selected.
    """
    value = predictive_value.value
    if not value > 0:
        raise TooFewEventsError("a number needed to image", found=0, needed=1, where="selected cancers")
    return Estimate(
        value=1 / value,
        lower=1 / predictive_value.upper,
        upper=1 / predictive_value.lower if predictive_value.lower > 0 else math.inf,
        n=predictive_value.n,
        n_events=predictive_value.n_events,
        method=f"number needed to image, from {predictive_value.method}",
        standard_error=predictive_value.standard_error / value**2,
        level=predictive_value.level,
        notes=predictive_value.notes,
    )


def cost_per_additional_cancer(
    *,
    costs: UnitCosts,
    n_selected: float | int,
    additional_cancers: float | int,
    n_recalled: float | int | None = None,
    n_biopsies: float | int | None = None,
    reads_saved: float | int = 0.0,
    level: float = 0.95,
) -> Estimate:
    """Cost of finding one more cancer by imaging selected women.

    (n_selected · exam + n_recalled · assessment + n_biopsies · biopsy − reads_saved · reading)/additional
    cancers, undiscounted. Negative where the reads saved pay for the imaging.
    additional_cancers: those that imaging finds and screening had not; a predictive value counts the cancers
    that are there, and imaging finds fewer. n_recalled and n_biopsies: by default the rates of `costs` times
    n_selected.
    The interval is that of the additional cancers as a Poisson count [Garwood1936], all else taken as known;
    vary the costs to see what else matters. Raises InputError for a negative number, TooFewEventsError
    without additional cancers.
    """
    recalled = costs.recall_rate * n_selected if n_recalled is None else n_recalled
    biopsies = costs.biopsy_rate * n_selected if n_biopsies is None else n_biopsies
    counts = {
        "n_selected": n_selected,
        "n_recalled": recalled,
        "n_biopsies": biopsies,
        "reads_saved": reads_saved,
        "additional_cancers": additional_cancers,
    }
    for name, count in counts.items():
        _check_amount(count, name)
    if additional_cancers == 0:
        raise TooFewEventsError("a cost per additional cancer", found=0, needed=1, where="additional cancers")
    total = (
        n_selected * costs.supplemental_exam
        + recalled * costs.assessment
        + biopsies * costs.biopsy
        - reads_saved * costs.reading
    )
    tail = (1 - level) / 2
    fewest = float(special.gammaincinv(additional_cancers, tail))
    most = float(special.gammainccinv(additional_cancers + 1, tail))
    limits = sorted((total / fewest if fewest > 0 else math.copysign(math.inf, total), total / most))
    return Estimate(
        value=total / additional_cancers,
        lower=limits[0],
        upper=limits[1],
        n=round(n_selected),
        n_events=round(additional_cancers),
        method="cost per additional cancer, exact Poisson limits of the cancers",
        level=level,
        notes=(
            f"cost {total:g} {costs.currency}".rstrip(),
            f"{n_selected:g} imaged, {recalled:g} recalled, {biopsies:g} biopsied",
            f"{reads_saved:g} reads saved",
        ),
    )


def _share_estimate(
    metric: Capture | PredictiveValue,
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    weights: Float[np.ndarray, "row"] | None,
    cluster: Shaped[np.ndarray, "row"] | None,
    seed: int,
    n_resamples: int,
    level: float,
) -> Estimate:
    values = finite_scores(score, case.size)
    n_cases = int(np.count_nonzero(case))
    if n_cases < 2:
        raise TooFewEventsError("the top fraction of a population", found=n_cases, needed=2, where="cases")
    units = np.arange(case.size)
    if cluster is not None:
        same_rows(case.size, cluster, "cluster")
        units = label_codes(cluster, "cluster")
    if weights is not None or int(units.max()) + 1 < case.size:
        return head_to_head(
            values[None, :],
            case,
            units=units,
            metrics=(metric,),
            seed=seed,
            weights=weights,
            n_resamples=n_resamples,
            level=level,
        ).estimate(0, metric)
    captured = float(top_fraction(values, fraction=metric.fraction).share[case].sum())
    # Of all cases, or of all selected; ties make the captured and the selected number fractional.
    of = n_cases if isinstance(metric, Capture) else metric.fraction * case.size
    value = min(captured / of, 1.0)
    interval = wilson_interval(value * of, of, level)
    return Estimate(
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        n=case.size,
        n_events=n_cases,
        method=f"{metric.label}, Wilson",
        standard_error=math.sqrt(value * (1 - value) / of),
        level=level,
    )


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise InputError(expected="a fraction in (0, 1)", found=str(fraction), where="fraction")


def _check_amount(amount: float | int, what: str) -> None:
    if not (math.isfinite(amount) and amount >= 0):
        raise InputError(expected="a number >= 0", found=str(amount), where=what)
