"""One name per measure, whatever the design: matched sets, independent women, or women under follow-up.

The evaluation asks for "concordance" or "odds ratio per control SD"; this module turns to the matched
estimators where members come in sets, to AUC and ordinary logistic regression where they do not, and to the
time-dependent AUC where follow-up may end before the horizon. A measure that the data cannot support is None,
with the reason collected in `Notes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import InputError
from ..records import Estimate
from ..statistics.association import odds_ratio_per_control_sd
from ..statistics.discrimination import RocCurve, auc, auc_difference, roc_curve
from ..statistics.inference import normal_quantile, null_p
from ..statistics.logistic import logistic_regression
from ..statistics.matched import matched_concordance, matched_concordance_difference, set_percentile_roc
from ..statistics.rows import positive_weights
from ..statistics.time_auc import TimeAuc, time_auc


@dataclass
class Notes:
    """Reasons why figures are absent, each once, in order."""

    texts: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        if text not in self.texts:
            self.texts.append(text)

    def attempt(self, label: str, measure: Callable[[], Estimate]) -> Estimate | None:
        """The measure, or None and a note when the data cannot support it (too few events, no variation)."""
        try:
            return measure()
        except InputError as error:
            self.add(f"{label}: {error}")
            return None


@dataclass(frozen=True, kw_only=True, eq=False)
class FollowedUp:
    """Time to event or censoring, and codes: 0 censored, 1 the cancer in question, 2 what came before it."""

    time: Float[np.ndarray, "member"]
    event: Int[np.ndarray, "member"]
    horizon: float


@dataclass(frozen=True, eq=False)
class Sample:
    """Who is compared: cases of one type with their controls. `sets` is None when unmatched.

    `women` are given where women occur with several exams, or in several sets: they are the independent
    units. `weights` are inverse sampling fractions. With `follow_up` the cases are those by the horizon,
    and rows that are neither case nor control (censored before it, or of another cancer) may be among the
    members.
    """

    case: Bool[np.ndarray, "member"]
    sets: Shaped[np.ndarray, "member"] | None
    women: Shaped[np.ndarray, "member"] | None = None
    weights: Float[np.ndarray, "member"] | None = None
    follow_up: FollowedUp | None = None

    @staticmethod
    def of(members: pd.DataFrame, case_type: str, *, matched: bool) -> Sample:
        """The sample that these members are, all of the case type's sets or cases and controls."""
        return Sample(
            case=np.asarray(members["outcome"] == case_type),
            sets=members["set_id"].to_numpy() if matched else None,
            women=repeated_women(members),
        )

    @property
    def n_sets(self) -> int:
        """Matched sets, or cases when unmatched: the number that limits precision."""
        return int(self.case.sum()) if self.sets is None else len(np.unique(self.sets))

    def part(self, rows: Bool[np.ndarray, "member"]) -> Sample:
        """The sample of some members; sets are kept as they are."""
        follow_up = self.follow_up
        if follow_up is not None:
            follow_up = FollowedUp(
                time=follow_up.time[rows], event=follow_up.event[rows], horizon=follow_up.horizon
            )
        return Sample(
            case=self.case[rows],
            sets=None if self.sets is None else self.sets[rows],
            women=None if self.women is None else self.women[rows],
            weights=None if self.weights is None else self.weights[rows],
            follow_up=follow_up,
        )


Scores = Float[np.ndarray, "member"]


def repeated_women(members: pd.DataFrame) -> Shaped[np.ndarray, "member"] | None:
    """The woman of each row where some woman has several rows, else None: rows are independent."""
    women = members["woman_id"]
    return women.to_numpy() if women.duplicated().any() else None


def concordance(sample: Sample, score: Scores) -> Estimate:
    """Probability that a case scores above her control: matched C, AUC by the horizon, or AUC."""
    if sample.sets is not None:
        return matched_concordance(score, sample.case, sets=sample.sets, cluster=sample.women)
    if sample.follow_up is not None:
        return _area(sample, score).estimate(cluster=sample.women)
    return auc(score, sample.case, cluster=sample.women, weights=sample.weights)


def compared(
    sample: Sample, scores: dict[str, Scores], where: str, notes: Notes
) -> tuple[dict[str, Estimate | None], dict[tuple[str, str], Estimate | None]]:
    """Concordance of every score, and of every pair of scores the paired difference, first minus second.

    Under follow-up no area is computed twice: differences come from the influences of the areas.
    """
    areas: dict[str, TimeAuc] = {}
    singles: dict[str, Estimate | None] = {}
    for key, score in scores.items():
        if sample.follow_up is None:
            singles[key] = notes.attempt(f"{key}, {where}", partial(concordance, sample, score))
            continue
        singles[key] = None
        try:
            areas[key] = _area(sample, score)
        except InputError as error:
            notes.add(f"{key}, {where}: {error}")
        else:
            singles[key] = notes.attempt(
                f"{key}, {where}", partial(areas[key].estimate, cluster=sample.women)
            )
    pairs: dict[tuple[str, str], Estimate | None] = {}
    for a, b in combinations(scores, 2):
        measure: Callable[[], Estimate] = partial(concordance_difference, sample, scores[a], scores[b])
        if sample.follow_up is not None:
            if a not in areas or b not in areas:
                pairs[a, b] = None
                continue
            measure = partial(areas[a].minus, areas[b], cluster=sample.women)
        pairs[a, b] = notes.attempt(f"{a} − {b}, {where}", measure)
    return singles, pairs


def _area(sample: Sample, score: Scores) -> TimeAuc:
    assert sample.follow_up is not None
    return time_auc(
        score,
        sample.follow_up.time,
        sample.follow_up.event,
        horizon=sample.follow_up.horizon,
        weights=sample.weights,
    )


def concordance_difference(sample: Sample, a: Scores, b: Scores) -> Estimate:
    """Paired difference of the concordances of two scores on the same members."""
    if sample.sets is not None:
        return matched_concordance_difference(a, b, sample.case, sets=sample.sets, cluster=sample.women)
    if sample.follow_up is not None:
        return _area(sample, a).minus(_area(sample, b), cluster=sample.women)
    return auc_difference(a, b, sample.case, cluster=sample.women, weights=sample.weights)


def odds_ratio_per_sd(sample: Sample, score: Scores) -> Estimate:
    """Odds ratio per standard deviation of the score among controls. Not for samples with `follow_up`."""
    if sample.sets is not None:
        return odds_ratio_per_control_sd(score, sample.case, sets=sample.sets, cluster=sample.women)
    sd = control_sd(sample, score)
    if not sd > 1e-12 * float(np.max(np.abs(score))):
        raise InputError(expected="scores that differ among controls", found="one value", where="odds ratio")
    fit = logistic_regression(
        score[:, None] / sd, sample.case, names=("score",), cluster=sample.women, weights=sample.weights
    )
    beta, se = float(fit.coefficients[1]), math.sqrt(float(fit.covariance[1, 1]))
    margin = normal_quantile(0.95) * se
    robust = " with robust errors by woman" if sample.women is not None else ""
    return Estimate(
        value=math.exp(beta),
        lower=math.exp(beta - margin),
        upper=math.exp(beta + margin),
        n=fit.n,
        n_events=fit.n_events,
        method="logistic regression, per SD among controls, Wald"
        + (", weighted" if sample.weights is not None else "")
        + robust,
        standard_error=se,
        p_value=null_p(beta, se),
    )


def control_sd(sample: Sample, score: Scores) -> float:
    """Standard deviation of the score among controls, weighted where they are a weighted sample."""
    controls = score[~sample.case]
    if sample.weights is None:
        return float(np.std(controls, ddof=1))
    w = positive_weights(sample.weights, score.size)[~sample.case]
    mean = float(np.average(controls, weights=w))
    return math.sqrt(float(np.average((controls - mean) ** 2, weights=w)))


def roc(sample: Sample, score: Scores) -> RocCurve:
    """ROC curve; with sets, of the cases' percentiles among their own controls."""
    if sample.sets is None:
        return roc_curve(score, sample.case, cluster=sample.women, weights=sample.weights)
    return set_percentile_roc(score, sample.case, sets=sample.sets)
