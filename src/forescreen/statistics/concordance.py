"""Concordance indices of follow-up data: does the woman with the higher score have the event first?

In: score, time, event code, woman and sampling weight where they matter. Out: `Estimate`,
`ConcordanceCounts`. Harrell's index counts every pair whose order is seen [Harrell1996]; it depends on how
long women are followed. Uno's weights each pair by the chance that its order could be seen, 1/G² with G of
the *censorings*, and does not [Uno2011]. Several published programs fit G to the events instead; what they
call Uno's index rises with short follow-up.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import TooFewEventsError
from ..records import Estimate
from .censoring import censoring_survival, follow_up_checked, horizon_checked
from .inference import null_p, wald_interval
from .ordered_pairs import PairSums, earlier_events, pair_sums
from .proportions import exact_binomial_interval
from .rows import finite_scores, label_codes, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True)
class ConcordanceCounts:
    """Pairs by what they say; with sampling weights the products of the two weights, summed.

    The first three make up the pairs that are compared: an event, and a row watched for longer.
    """

    concordant: float  # the earlier event has the higher score
    discordant: float
    tied_score: float
    tied_time: float  # two events at the same time, scores differ: not compared
    tied_both: float  # two events at the same time and score: not compared


def harrell_c(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Share of comparable pairs in which the earlier event has the higher score; tied scores count half
    [Harrell1996].

    Comparable: an event 1 at T_i (by the `horizon`, if one is given) and a row with T_j > T_i, or T_j = T_i
    without event 1. A competing event (2, 3 …) ends the time of its row as a censoring does: cause-specific
    concordance. It estimates a quantity that depends on the distribution of follow-up; to compare studies use
    `uno_c`.

    score: any finite number, higher = event earlier; a risk is one too. time >= 0 in any unit, `horizon` in
    the same. cluster: the woman of each row. weights: inverse sampling fractions. Standard error of the
    infinitesimal jackknife, √Σ over units (Σ rows weight · ∂C/∂weight)² [Therneau2024]. Wald interval cut at
    0 and 1; at exactly 0 or 1 the exact binomial limit of disjoint pairs. p against 0.5.

    Raises InputError for missing scores, times or codes, and a horizon beyond the follow-up;
    TooFewEventsError with fewer than 2 events by the horizon after which somebody is still watched.
    """
    pairs = _Pairs.of(time, event, horizon, cluster, weights, uno=False)
    return _index(finite_scores(score, pairs.time.size), pairs, level)


def uno_c(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Chance that of two women the one with the event first, by the horizon, has the higher score [Uno2011].

        C(h) = Σ_{i: event 1, T_i <= h} G(T_i−)⁻² Σ_{j comparable} [1{s_i > s_j} + ½ 1{s_i = s_j}]
               / Σ_i G(T_i−)⁻² #{j comparable}

    Pairs as in `harrell_c`. G is the Kaplan–Meier estimate of the censorings (`censoring_survival`): an event
    of any cause is an event for G, so that with competing events C(h) compares a woman who has event 1 at T_i
    with those free of every event then. Without `horizon` the last, heaviest weights count too; give one.
    Assumes censoring independent of event and score. The standard error takes G as known, as R's
    `concordance`.

    Arguments, standard error, interval and errors as for `harrell_c`.
    """
    pairs = _Pairs.of(time, event, horizon, cluster, weights, uno=True)
    return _index(finite_scores(score, pairs.time.size), pairs, level)


def harrell_c_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Harrell's index of score a minus that of score b on the same rows, by the paired infinitesimal
    jackknife.

    Arguments and errors as for `harrell_c`.
    """
    pairs = _Pairs.of(time, event, horizon, cluster, weights, uno=False)
    return _index_difference(score_a, score_b, pairs, level)


def uno_c_difference(
    score_a: Float[np.ndarray, "row"],
    score_b: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Uno's index of score a minus that of score b on the same rows, by the paired infinitesimal jackknife.

    Arguments and errors as for `uno_c`.
    """
    pairs = _Pairs.of(time, event, horizon, cluster, weights, uno=True)
    return _index_difference(score_a, score_b, pairs, level)


def concordance_counts(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Int[np.ndarray, "row"],
    *,
    horizon: float | int | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
) -> ConcordanceCounts:
    """Numbers of concordant, discordant and tied pairs behind Harrell's index; arguments as there."""
    pairs = _Pairs.of(time, event, horizon, None, weights, uno=False)
    values = finite_scores(score, pairs.time.size)
    sums = pairs.sums(values)
    w = pairs.event_weights[sums.event_rows]
    concordant, tied = float(w @ sums.as_event_concordant), float(w @ sums.as_event_tied)
    own, sampling = pairs.time[sums.event_rows], pairs.weights[sums.event_rows]
    same_time = np.unique(own, return_inverse=True)[1]
    rank = np.unique(values[sums.event_rows], return_inverse=True)[1]
    same_both = np.unique(same_time * (int(rank.max()) + 1) + rank, return_inverse=True)[1]
    tied_both = _pairs_within(same_both, sampling)
    return ConcordanceCounts(
        concordant=concordant,
        discordant=float(w @ sums.as_event_all) - concordant - tied,
        tied_score=tied,
        tied_time=_pairs_within(same_time, sampling) - tied_both,
        tied_both=tied_both,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pairs:
    """Checked follow-up: which events count, with what weight, and who the independent units are."""

    time: Float[np.ndarray, "row"]
    event: Bool[np.ndarray, "row"]
    counted: Bool[np.ndarray, "row"]  # events by the horizon
    weights: Float[np.ndarray, "row"]
    event_weights: Float[np.ndarray, "row"]  # with 1/G² for Uno's index
    units: Int[np.ndarray, "row"]
    n_units: int
    method: str

    @staticmethod
    def of(
        time: Float[np.ndarray, "row"],
        event: Int[np.ndarray, "row"],
        horizon: float | int | None,
        cluster: Shaped[np.ndarray, "row"] | None,
        weights: Float[np.ndarray, "row"] | None,
        *,
        uno: bool,
    ) -> _Pairs:
        times, codes = follow_up_checked(time, event)
        sampling = positive_weights(weights, times.size)
        counted = codes == 1
        if horizon is not None:
            counted = counted & (times <= horizon_checked(horizon, times))
        name = "Uno's C" if uno else "Harrell's C"
        _refuse_few(times, codes == 1, counted, name)
        event_weights = sampling
        if uno:
            event_weights = sampling.copy()
            uncensored = censoring_survival(times, codes, weights=weights)
            event_weights[counted] /= uncensored.before(times[counted]) ** 2
        units = np.arange(times.size)
        if cluster is not None:
            same_rows(times.size, cluster, "cluster")
            units = label_codes(cluster, "cluster")
        words = [name + ("" if horizon is None else f" to {horizon:g}"), "infinitesimal jackknife"]
        words += ["by cluster"] if cluster is not None else []
        words += ["weighted"] if weights is not None else []
        return _Pairs(
            time=times,
            event=codes == 1,
            counted=counted,
            weights=sampling,
            event_weights=event_weights,
            units=units,
            n_units=int(units.max()) + 1,
            method=", ".join(words),
        )

    @property
    def n_events(self) -> int:
        """Number of events that count."""
        return int(np.count_nonzero(self.counted))

    def sums(self, score: Float[np.ndarray, "row"]) -> PairSums:
        """The pairs, compared by score."""
        return pair_sums(
            score,
            self.time,
            self.event,
            counted=self.counted,
            row_weights=self.weights,
            event_weights=self.event_weights,
        )

    def concordance(self, score: Float[np.ndarray, "row"]) -> tuple[float, Float[np.ndarray, "row"]]:
        """The index, and weight · ∂C/∂weight of every row, with G as known."""
        sums = self.sums(score)
        w = self.event_weights[sums.event_rows]
        total = float(w @ sums.as_event_all)
        won = sums.as_event_concordant + 0.5 * sums.as_event_tied
        value = float(w @ won) / total
        if not np.any(won < sums.as_event_all) or not np.any(won > 0):
            value = float(np.any(won > 0))
        won_as_later = sums.as_later_concordant + 0.5 * sums.as_later_tied
        influence = self.weights * (won_as_later - value * sums.as_later_all)
        influence[sums.event_rows] += w * (won - value * sums.as_event_all)
        return value, influence / total

    def standard_error(self, influence: Float[np.ndarray, "row"]) -> float:
        """√Σ over units of the squared sum of influences."""
        return math.sqrt(float(np.sum(np.bincount(self.units, weights=influence) ** 2)))


def _index(score: Float[np.ndarray, "row"], pairs: _Pairs, level: float) -> Estimate:
    value, influence = pairs.concordance(score)
    se = pairs.standard_error(influence)
    interval = wald_interval(value, se, level)
    lower, upper = max(0.0, interval.lower), min(1.0, interval.upper)
    notes: tuple[str, ...] = ()
    if value in (0.0, 1.0):
        n = _disjoint_pairs(pairs)
        exact = exact_binomial_interval(n if value else 0, n, level)
        lower, upper = exact.lower, exact.upper
        notes = ("all pairs agree: exact binomial limit of disjoint pairs",)
    return Estimate(
        value=value,
        lower=lower,
        upper=upper,
        n=pairs.n_units,
        n_events=pairs.n_events,
        method=f"{pairs.method}, Wald",
        standard_error=se,
        p_value=null_p(value - 0.5, se),
        level=level,
        notes=notes,
    )


def _index_difference(
    score_a: Float[np.ndarray, "row"], score_b: Float[np.ndarray, "row"], pairs: _Pairs, level: float
) -> Estimate:
    n_rows = pairs.time.size
    value_a, influence_a = pairs.concordance(finite_scores(score_a, n_rows, "score a"))
    value_b, influence_b = pairs.concordance(finite_scores(score_b, n_rows, "score b"))
    value = value_a - value_b
    se = pairs.standard_error(influence_a - influence_b)
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=max(-1.0, interval.lower),
        upper=min(1.0, interval.upper),
        n=pairs.n_units,
        n_events=pairs.n_events,
        method=f"paired difference of {pairs.method}, Wald",
        standard_error=se,
        p_value=null_p(value, se),
        level=level,
    )


def _refuse_few(
    time: Float[np.ndarray, "row"],
    event: Bool[np.ndarray, "row"],
    counted: Bool[np.ndarray, "row"],
    quantity: str,
) -> None:
    """Two events at least must have somebody to be compared with."""
    event_time = np.sort(time[counted])
    reached = int(earlier_events(time, event, event_time).max()) if event_time.size else 0
    if reached < 2:
        raise TooFewEventsError(
            quantity,
            found=reached,
            needed=2,
            where="events by the horizon after which somebody is still watched",
        )


def _pairs_within(group: Int[np.ndarray, "event"], weights: Float[np.ndarray, "event"]) -> float:
    """Σ over pairs of one group of the products of their weights."""
    total = np.bincount(group, weights=weights)
    return float(np.sum(total**2) - np.sum(weights**2)) / 2


def _disjoint_pairs(pairs: _Pairs) -> int:
    """Comparable pairs that share no row, taken from the last time backwards; at most half the units."""
    times, step = np.unique(pairs.time, return_inverse=True)
    n_events = np.bincount(step[pairs.counted], minlength=times.size)
    n_others = np.bincount(step, minlength=times.size) - n_events
    free = made = 0
    for events, others in zip(n_events[::-1].tolist(), n_others[::-1].tolist(), strict=True):
        # Rows without a counted event: events beyond the horizon are all later than the last that counts.
        free += others
        paired = min(free, events)
        made += paired
        free += events - 2 * paired
    return max(1, min(made, pairs.n_units // 2))
