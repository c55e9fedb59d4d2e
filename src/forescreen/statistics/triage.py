"""Who is in the top x per cent of the screened population, and how many of the cancers they hold.

In: scores of a population (or of a sample with weights that make it one), case marks. Out: `Selection`,
`Estimate`. A matched sample without weights is not a population: its thresholds and predictive values mean
nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate

from .bootstrap import bootstrap
from .inference import null_p
from .proportions import wilson_interval
from .rows import finite_scores, label_codes, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """The highest-scoring share of a population: all above the threshold, and a part of those at it."""

    threshold: float
    tie_share: float  # part of the weight at the threshold that is selected, in (0, 1]
    share: Float[np.ndarray, "row"]  # part of each row that is selected: 1, tie_share or 0


def top_fraction(
    score: Float[np.ndarray, "row"], *, fraction: float, weights: Float[np.ndarray, "row"] | None = None
) -> Selection:
    """The top `fraction` of the weighted population; rows tied at the threshold share what is left evenly.

    The selected weight is exactly fraction · Σ weights, whatever the ties. `fraction` lies in (0, 1).
    """
    _check_fraction(fraction)
    values = finite_scores(score, score.size)
    w = positive_weights(weights, values.size)
    share = _Ladder.of(values).shares(w[None, :], fraction)[0]
    threshold = float(values[share > 0].min())
    return Selection(threshold=threshold, tie_share=float(share[values == threshold][0]), share=share)


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
    Interval: Wilson's for independent unweighted rows; with `weights` or `cluster` (the woman of each row)
    the percentile bootstrap of clusters, stratified by having a cancer, with the threshold found
    anew each time.

    Raises InputError for missing scores or a fraction outside (0, 1), TooFewEventsError with fewer than
    2 cancers.
    """
    return _share_estimate("capture", score, case, fraction, weights, cluster, seed, n_resamples, level)


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

    1000 · value are the cancers per 1000 selected women, 1/value the number selected per cancer.
    Arguments, interval and errors as for `capture`. Without weights the rows must be the population,
    never a case-control sample.
    """
    return _share_estimate("ppv", score, case, fraction, weights, cluster, seed, n_resamples, level)


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
    if cluster is not None:
        same_rows(case.size, cluster, "cluster")
    frame = _Population.of(case, fraction, weights, cluster)
    ladders = (
        _Ladder.of(finite_scores(score_a, case.size, "score a")),
        _Ladder.of(finite_scores(score_b, case.size, "score b")),
    )

    def difference(w: Float[np.ndarray, "resample row"]) -> Float[np.ndarray, "resample"]:
        first, second = (_captured(ladder, w, frame.case, fraction) for ladder in ladders)
        return np.asarray(first - second)

    return _bootstrapped("difference of captures", difference, frame, seed, n_resamples, level, test=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ladder:
    """Rows from the highest score down, and where the scores tied with each entry begin and end."""

    order: Int[np.ndarray, "row"] | None  # None where the rows come in this order already
    place: Int[np.ndarray, "row"]  # of each row on the ladder
    begin: Int[np.ndarray, "place"]  # first place of the tie
    end: Int[np.ndarray, "place"]  # first place after it

    @staticmethod
    def of(score: Float[np.ndarray, "row"]) -> _Ladder:
        order = np.argsort(-score, kind="stable")
        descending = score[order]
        begin = np.searchsorted(-descending, -descending, side="left")
        end = np.searchsorted(-descending, -descending, side="right")
        place = np.empty(score.size, dtype=np.int64)
        place[order] = np.arange(score.size)
        in_order = bool(np.all(order == np.arange(score.size)))
        return _Ladder(order=None if in_order else order, place=place, begin=begin, end=end)

    def shares(
        self,
        weights: Float[np.ndarray, "resample row"],
        fraction: float,
        rows: Bool[np.ndarray, "row"] | None = None,
    ) -> Float[np.ndarray, "resample chosen"]:
        """Selected part of each row, or of the chosen ones: what is left at its tie / weight of the tie."""
        down = weights if self.order is None else weights[:, self.order]
        cumulative = np.zeros((down.shape[0], down.shape[1] + 1))
        np.cumsum(down, axis=1, out=cumulative[:, 1:])
        wanted = fraction * cumulative[:, -1:]
        places = self.place if rows is None else self.place[rows]
        above = cumulative[:, self.begin[places]]
        tied = cumulative[:, self.end[places]] - above
        left = np.clip(wanted - above, 0.0, tied)
        return np.asarray(np.divide(left, tied, out=np.zeros_like(left), where=tied > 0))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Population:
    """Case marks, weights and independent units of the rows."""

    case: Bool[np.ndarray, "row"]
    weights: Float[np.ndarray, "row"]
    units: Int[np.ndarray, "row"]
    unit_has_case: Bool[np.ndarray, "row"]  # the woman of this row has a cancer
    n_units: int
    plain: bool  # independent rows of equal weight

    @staticmethod
    def of(
        case: Bool[np.ndarray, "row"],
        fraction: float,
        weights: Float[np.ndarray, "row"] | None,
        cluster: Shaped[np.ndarray, "row"] | None,
    ) -> _Population:
        _check_fraction(fraction)
        n_cases = int(np.count_nonzero(case))
        if n_cases < 2:
            raise TooFewEventsError(
                "the top fraction of a population", found=n_cases, needed=2, where="cases"
            )
        units = np.arange(case.size) if cluster is None else label_codes(cluster, "cluster")
        n_units = int(units.max()) + 1
        has_case = np.bincount(units, weights=case, minlength=n_units) > 0
        return _Population(
            case=case,
            weights=positive_weights(weights, case.size),
            units=units,
            unit_has_case=has_case[units],
            n_units=n_units,
            plain=weights is None and n_units == case.size,
        )


def _check_fraction(fraction: float) -> None:
    if not 0 < fraction < 1:
        raise InputError(expected="a fraction in (0, 1)", found=str(fraction), where="fraction")


def _captured(
    ladder: _Ladder,
    weights: Float[np.ndarray, "resample row"],
    case: Bool[np.ndarray, "row"],
    fraction: float,
) -> Float[np.ndarray, "resample"]:
    share = ladder.shares(weights, fraction, case)
    return np.asarray((share * weights[:, case]).sum(axis=1) / weights[:, case].sum(axis=1))


def _predictive(
    ladder: _Ladder,
    weights: Float[np.ndarray, "resample row"],
    case: Bool[np.ndarray, "row"],
    fraction: float,
) -> Float[np.ndarray, "resample"]:
    share = ladder.shares(weights, fraction, case)
    return np.asarray((share * weights[:, case]).sum(axis=1) / (fraction * weights.sum(axis=1)))


def _share_estimate(
    name: str,
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    fraction: float,
    weights: Float[np.ndarray, "row"] | None,
    cluster: Shaped[np.ndarray, "row"] | None,
    seed: int,
    n_resamples: int,
    level: float,
) -> Estimate:
    values = finite_scores(score, case.size)
    if cluster is not None:
        same_rows(case.size, cluster, "cluster")
    # Sorted once, so that no resample needs sorting.
    down = np.argsort(-values, kind="stable")
    frame = _Population.of(
        case[down],
        fraction,
        None if weights is None else positive_weights(weights, values.size)[down],
        None if cluster is None else cluster[down],
    )
    ladder = _Ladder.of(values[down])
    share = _captured if name == "capture" else _predictive
    label = f"{'capture by' if name == 'capture' else 'predictive value of'} the top {100 * fraction:g} %"
    if not frame.plain:
        return _bootstrapped(
            label, lambda w: share(ladder, w, frame.case, fraction), frame, seed, n_resamples, level
        )
    value = float(share(ladder, frame.weights[None, :], frame.case, fraction)[0])
    n_cases = int(np.count_nonzero(case))
    # Of all cases, or of all selected; ties make the captured and the selected number fractional.
    of = n_cases if name == "capture" else fraction * case.size
    interval = wilson_interval(min(value * of, of), of, level)
    return Estimate(
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        n=frame.n_units,
        n_events=n_cases,
        method=f"{label}, Wilson",
        standard_error=math.sqrt(max(value * (1 - value), 0.0) / of),
        level=level,
    )


def _bootstrapped(
    label: str,
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample"]],
    frame: _Population,
    seed: int,
    n_resamples: int,
    level: float,
    *,
    test: bool = False,
) -> Estimate:
    drawn = bootstrap(
        lambda counts: statistic(counts * frame.weights),
        frame.units,
        seed=seed,
        strata=frame.unit_has_case,
        n_resamples=n_resamples,
        level=level,
    )
    value = float(statistic(frame.weights[None, :])[0])
    return Estimate(
        value=value,
        lower=drawn.lower,
        upper=drawn.upper,
        n=frame.n_units,
        n_events=int(np.count_nonzero(frame.case)),
        method=f"{label}, percentile bootstrap of clusters",
        standard_error=drawn.standard_error,
        p_value=null_p(value, drawn.standard_error) if test else math.nan,
        level=level,
        notes=(f"{n_resamples} resamples, seed {seed}",),
    )
