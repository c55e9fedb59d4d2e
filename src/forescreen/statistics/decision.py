"""Decision curves: what selecting women by a risk threshold gains over selecting all of them, or none.

In: risk, case mark, thresholds, and woman, weight or prevalence where they matter. Out: `DecisionCurve`. Net
benefit counts true positives, less false positives at the exchange rate that the threshold itself states: who
acts at 2 % accepts 49 needless interventions for one cancer. [Vickers2006]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import sparse

from ..errors import InputError
from ..progress import silent
from .bootstrap import in_blocks, independent_units, resample_seeds, unit_multiplicities
from .inference import normal_quantile
from .risks import RiskRows

#: Resamples held at once.
_BLOCK = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class DecisionCurve:
    """Net benefit of selecting at each threshold; all quantities per person, times 1000 for 1000 women.

    Selecting nobody has a net benefit of 0. nan where follow-up does not tell, and for interventions avoided
    at a threshold of 0.
    """

    thresholds: Float[np.ndarray, "threshold"]
    net_benefit: Float[np.ndarray, "threshold"]  # harm subtracted
    lower: Float[np.ndarray, "threshold"] | None  # of the net benefit; None: not asked for
    upper: Float[np.ndarray, "threshold"] | None
    treat_all: Float[np.ndarray, "threshold"]  # net benefit of selecting everybody
    selected: Float[np.ndarray, "threshold"]  # share with risk >= threshold
    true_positives: Float[np.ndarray, "threshold"]
    false_positives: Float[np.ndarray, "threshold"]
    prevalence: float
    harm: float
    n: int
    n_events: int
    method: str
    level: float

    @property
    def interventions_avoided(self) -> Float[np.ndarray, "threshold"]:
        """Interventions saved against selecting all without missing more cancers, (NB − NB_all)(1 − t)/t."""
        t = self.thresholds
        odds = np.divide(1 - t, t, out=np.full_like(t, np.nan), where=t > 0)
        return np.asarray((self.net_benefit - self.treat_all) * odds)

    @property
    def standardised(self) -> Float[np.ndarray, "threshold"]:
        """Net benefit over the prevalence: 1 for perfect selection."""
        return np.asarray(self.net_benefit / self.prevalence)


def net_benefit(
    risk: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    thresholds: Float[np.ndarray, "threshold"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    prevalence: float | None = None,
    harm: float = 0.0,
    n_resamples: int = 0,
    seed: int = 0,
    level: float = 0.95,
) -> DecisionCurve:
    """Net benefit TP/n − FP/n · t/(1−t) of selecting the rows with risk >= t, at each threshold t.

    risk: absolute probabilities in [0, 1]; scores are refused. thresholds: in [0, 1), any order. weights
    (>= 0): sampling weights, or those of `survival_calibration.outcome_by_horizon`. cluster: the woman of
    each row. prevalence π, in (0, 1), for cases and controls sampled separately: π TPR − (1−π) FPR t/(1−t);
    without it the rows (weighted) must be a population. harm: of the test itself, in units of a true
    positive, subtracted.

    Limits: ± z·se of the linearised mean, summed by woman; with `n_resamples` the percentile bootstrap of
    women instead, stratified by having a case where the prevalence is given. Thresholds are taken as chosen
    beforehand: the limits hold for each alone. Raises InputError for risks or thresholds out of range,
    TooFewEventsError with fewer than 2 cases or controls.
    """
    rows = RiskRows.of(risk, case, weights=weights, cluster=cluster)
    rows.need("net benefit", 2, 2)
    t = thresholds_checked(thresholds)
    if prevalence is not None and not 0 < prevalence < 1:
        raise InputError(expected="a prevalence in (0, 1)", found=str(prevalence), where="net_benefit")
    ladder = _Ladder.of(rows.risk, t)
    n_steps = t.size + 1
    masses = [
        np.bincount(ladder.step, weights=rows.weights * group, minlength=n_steps)[None, :]
        for group in (rows.case, ~rows.case)
    ]
    share, tp, fp = (part[0] for part in ladder.shares(masses[0], masses[1], prevalence))
    odds = t / (1 - t)
    value = tp - fp * odds - harm
    if n_resamples:
        lower, upper = _percentiles(rows, ladder, odds, prevalence, n_resamples, seed, level)
        interval = f"percentile bootstrap, {n_resamples} resamples, seed {seed}"
    else:
        margin = normal_quantile(level) * _standard_errors(rows, t, odds, prevalence)
        lower, upper = value + harm - margin, value + harm + margin
        interval = "Wald" if rows.plain else f"{rows.robust}, Wald"
    known = float(share) if prevalence is None else prevalence
    return DecisionCurve(
        thresholds=t,
        net_benefit=value,
        lower=lower - harm,
        upper=upper - harm,
        treat_all=known - (1 - known) * odds,
        selected=tp + fp,
        true_positives=tp,
        false_positives=fp,
        prevalence=known,
        harm=harm,
        n=rows.n_units,
        n_events=rows.n_events,
        method=f"net benefit, {'population' if prevalence is None else 'prevalence given'}, {interval}",
        level=level,
    )


def thresholds_checked(thresholds: Float[np.ndarray, "threshold"]) -> Float[np.ndarray, "threshold"]:
    """Thresholds in double precision; an error unless there is one and all lie in [0, 1)."""
    values = np.asarray(thresholds, dtype=np.float64)
    n_bad = int(np.count_nonzero(~((values >= 0) & (values < 1))))
    if n_bad or values.size == 0:
        raise InputError(
            expected="thresholds in [0, 1)",
            found=f"{n_bad} of {values.size} otherwise" if values.size else "none",
            where="thresholds",
            remedy="A threshold is a risk at which one would act",
        )
    return values


@dataclass(frozen=True, kw_only=True, eq=False)
class _Ladder:
    """Between which thresholds each row lies."""

    step: Int[np.ndarray, "row"]  # number of thresholds that are at most the risk
    rank: Int[np.ndarray, "threshold"]  # place of each threshold, as given, among the ascending ones

    @staticmethod
    def of(risk: Float[np.ndarray, "row"], thresholds: Float[np.ndarray, "threshold"]) -> _Ladder:
        ascending = np.sort(thresholds)
        return _Ladder(
            step=np.searchsorted(ascending, risk, side="right"),
            rank=np.searchsorted(ascending, thresholds, side="right"),
        )

    def shares(
        self,
        cases: Float[np.ndarray, "resample step"],
        controls: Float[np.ndarray, "resample step"],
        prevalence: float | None,
    ) -> tuple[
        Float[np.ndarray, "resample"],
        Float[np.ndarray, "resample threshold"],
        Float[np.ndarray, "resample threshold"],
    ]:
        """Share of cases, and true and false positives per person, from the mass on each step."""
        above = [np.cumsum(mass[:, ::-1], axis=1)[:, ::-1] for mass in (cases, controls)]
        n_cases, n_controls = (mass[:, :1] for mass in above)
        true, false = (mass[:, self.rank] for mass in above)
        share = n_cases / (n_cases + n_controls)
        if prevalence is None:
            total = n_cases + n_controls
            return share[:, 0], true / total, false / total
        return share[:, 0], prevalence * true / n_cases, (1 - prevalence) * false / n_controls


def _standard_errors(
    rows: RiskRows,
    thresholds: Float[np.ndarray, "threshold"],
    odds: Float[np.ndarray, "threshold"],
    prevalence: float | None,
) -> Float[np.ndarray, "threshold"]:
    w = rows.weights
    variances = []
    for t, exchange in zip(thresholds.tolist(), odds.tolist(), strict=True):
        selected = rows.risk >= t
        if prevalence is None:
            gain = selected * np.where(rows.case, 1.0, -exchange)
            influence = w * (gain - np.average(gain, weights=w)) / w.sum()
        else:
            influence = np.empty_like(w)
            for group, scale in ((rows.case, prevalence), (~rows.case, -(1 - prevalence) * exchange)):
                own = selected[group]
                rate = np.average(own, weights=w[group])
                influence[group] = scale * w[group] * (own - rate) / w[group].sum()
        variances.append(rows.variance(influence))
    return np.asarray(np.sqrt(np.array(variances)))


def _percentiles(
    rows: RiskRows,
    ladder: _Ladder,
    odds: Float[np.ndarray, "threshold"],
    prevalence: float | None,
    n_resamples: int,
    seed: int,
    level: float,
) -> tuple[Float[np.ndarray, "threshold"], Float[np.ndarray, "threshold"]]:
    strata = None
    if prevalence is not None:
        strata = (np.bincount(rows.units, weights=rows.case) > 0)[rows.units]
    who = independent_units(rows.units, strata)
    shape = (odds.size + 1, who.n)
    by_unit = [
        sparse.csr_array((rows.weights[group], (ladder.step[group], who.of_row[group])), shape=shape)
        for group in (rows.case, ~rows.case)
    ]

    def evaluate(seeds: Sequence[np.random.SeedSequence]) -> Float[np.ndarray, "resample threshold"]:
        counts = unit_multiplicities(who, seeds).T.astype(np.float64)
        cases, controls = (np.asarray(part @ counts).T for part in by_unit)
        _, true, false = ladder.shares(cases, controls, prevalence)
        return np.asarray(true - false * odds)

    seeds = resample_seeds(seed, n_resamples)
    replicates = np.concatenate(in_blocks(evaluate, seeds, block=_BLOCK, threads=1, track=silent))
    lower, upper = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return lower, upper
