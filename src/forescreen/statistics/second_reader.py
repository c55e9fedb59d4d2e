"""A model beside the reader: what recorded readings would have become, and what that does to screening.

In: recorded recalls, a model's scores, cancers. Out: decisions (one yes/no per exam) of a way of reading, and
their accuracy, alone or against the recorded ones, as `Estimate`s. Thresholds are chosen on other data than
those they are judged on [Leibig2022]. Readers who see the model's answer may change their own; recorded
readings cannot tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from ..errors import InputError
from ..records import Estimate
from .clustered_proportions import clustered_difference, clustered_proportion
from .rows import cases_and_controls, finite_scores, positive_weights, same_rows


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Accuracy of yes/no decisions. `sensitivity` is of the decisions for the cancers that were given."""

    sensitivity: Estimate
    specificity: Estimate
    recall_rate: Estimate
    detection_rate: Estimate  # recalled cancers per exam
    predictive_value: Estimate | None  # None where nobody is recalled


@dataclass(frozen=True, kw_only=True)
class AccuracyChange:
    """Accuracy of one way of deciding minus that of another, on the same exams."""

    sensitivity: Estimate
    specificity: Estimate
    recall_rate: Estimate
    n_gained: int  # cancers that only the first recalls
    n_lost: int  # cancers that only the second recalls


@dataclass(frozen=True, kw_only=True, eq=False)
class Referral:
    """Decisions where the model decides at both ends and refers the rest to the reader."""

    recalled: Bool[np.ndarray, "row"]
    read: Bool[np.ndarray, "row"]  # exams that the reader still decides
    share_triaged: float  # unweighted share that the model decides


def reader_or_model(
    recalled: Bool[np.ndarray, "row"],
    score: Float[np.ndarray, "row"],
    *,
    threshold: float,
    arbitration: Bool[np.ndarray, "row"] | None = None,
) -> Bool[np.ndarray, "row"]:
    """Recalls when the model, at scores of `threshold` or more, is the second reader.

    recalled: by the first reader. arbitration: the recorded consensus of every exam, which decides where
    reader and model disagree; without it either of them suffices. Raises InputError for missing scores.
    """
    flagged = finite_scores(score, recalled.size) >= _finite(threshold, "threshold")
    if arbitration is None:
        return recalled | flagged
    same_rows(recalled.size, arbitration, "arbitration")
    return np.where(recalled == flagged, recalled, arbitration)


def decision_referral(
    recalled: Bool[np.ndarray, "row"],
    score: Float[np.ndarray, "row"],
    *,
    negative_below: float,
    positive_from: float,
) -> Referral:
    """Normal triage and safety net: the model decides below one and from another threshold [Leibig2022].

    Exams below `negative_below` are not recalled, those at `positive_from` or more are, and the reader's
    recorded decision stands between. An infinite threshold leaves that end to the reader. Raises InputError
    for missing scores or thresholds in the wrong order.
    """
    values = finite_scores(score, recalled.size)
    if not negative_below <= positive_from:
        raise InputError(
            expected="negative_below <= positive_from",
            found=f"{negative_below} and {positive_from}",
            where="decision_referral",
        )
    read = (values >= negative_below) & (values < positive_from)
    decided = values >= positive_from
    return Referral(
        recalled=np.where(read, recalled, decided), read=read, share_triaged=float(1 - np.mean(read))
    )


def threshold_at_specificity(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    specificity: float,
    weights: Float[np.ndarray, "row"] | None = None,
) -> float:
    """Lowest score at which at least `specificity` of the rows without cancer lie below.

    Use it with "threshold or more"; where the highest scores are tied too often it lies just above them. For
    the validation data, not those that are judged. Raises InputError for a specificity outside (0, 1).
    """
    values, w = _validated(score, case, weights, specificity, "specificity")
    order = np.argsort(values[~case], kind="stable")
    ascending, cumulative = values[~case][order], np.cumsum(w[~case][order])
    # Candidates are the scores themselves: the share below a score is that of the rows before its tie.
    candidates = np.unique(values)
    before = np.searchsorted(ascending, candidates, side="left")
    below = np.concatenate([[0.0], cumulative])[before] / cumulative[-1]
    enough = np.flatnonzero(below >= specificity)
    return float(candidates[enough[0]]) if enough.size else math.nextafter(float(candidates[-1]), math.inf)


def threshold_at_sensitivity(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sensitivity: float,
    weights: Float[np.ndarray, "row"] | None = None,
) -> float:
    """Highest score at which at least `sensitivity` of the cancers have it or more. Otherwise as above."""
    values, w = _validated(score, case, weights, sensitivity, "sensitivity")
    candidates, level = np.unique(values[case], return_inverse=True)
    tied = np.bincount(level, weights=w[case])
    at_least = np.cumsum(tied[::-1])[::-1] / tied.sum()
    return float(candidates[np.flatnonzero(at_least >= sensitivity)[-1]])


def accuracy(
    recalled: Bool[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Accuracy:
    """Sensitivity, specificity, recall rate, detection rate and predictive value of decisions.

    case: exams with a cancer, found by readers or, better, also in the interval until the next round: with
    only the cancers that the readers found, the readers' own sensitivity is 1 by construction.
    weights: to the screened population; without them rows must be it for recall, detection and predictive
    value. cluster: the woman of each row. Raises TooFewEventsError with fewer than 2 cancers or rows without.
    """
    same_rows(recalled.size, case, "case")
    cases_and_controls(case, "the accuracy of decisions")
    everyone = np.ones(case.size, dtype=bool)

    def share(success: Bool[np.ndarray, "row"], among: Bool[np.ndarray, "row"], quantity: str) -> Estimate:
        return clustered_proportion(
            success, among=among, quantity=quantity, weights=weights, cluster=cluster, level=level
        )

    return Accuracy(
        sensitivity=share(recalled, case, "sensitivity"),
        specificity=share(~recalled, ~case, "specificity"),
        recall_rate=share(recalled, everyone, "recall rate"),
        detection_rate=share(recalled & case, everyone, "cancers detected per exam"),
        predictive_value=share(case, recalled, "predictive value of a recall") if recalled.any() else None,
    )


def accuracy_change(
    recalled: Bool[np.ndarray, "row"],
    instead_of: Bool[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> AccuracyChange:
    """Change of sensitivity, specificity and recall rate when `recalled` replaces `instead_of`, paired.

    Positive means that `recalled` has more. For a test of non-inferiority give both decisions of the cancers
    (or of the others) to `paired_proportions`. Arguments and errors as for `accuracy`.
    """
    same_rows(recalled.size, case, "case")
    same_rows(recalled.size, instead_of, "instead_of")
    cases_and_controls(case, "the accuracy of decisions")

    def change(
        a: Bool[np.ndarray, "row"], b: Bool[np.ndarray, "row"], among: Bool[np.ndarray, "row"], what: str
    ) -> Estimate:
        return clustered_difference(
            a, b, among=among, quantity=what, weights=weights, cluster=cluster, level=level
        )

    return AccuracyChange(
        sensitivity=change(recalled, instead_of, case, "change of sensitivity"),
        specificity=change(~recalled, ~instead_of, ~case, "change of specificity"),
        recall_rate=change(recalled, instead_of, np.ones(case.size, dtype=bool), "change of recall rate"),
        n_gained=int(np.count_nonzero(recalled & ~instead_of & case)),
        n_lost=int(np.count_nonzero(~recalled & instead_of & case)),
    )


def _validated(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    weights: Float[np.ndarray, "row"] | None,
    target: float,
    what: str,
) -> tuple[Float[np.ndarray, "row"], Float[np.ndarray, "row"]]:
    if not 0 < target < 1:
        raise InputError(expected=f"a {what} in (0, 1)", found=str(target), where=what)
    cases_and_controls(case, f"a threshold at a {what}", needed=1)
    return finite_scores(score, case.size), positive_weights(weights, case.size)


def _finite(threshold: float, what: str) -> float:
    if not math.isfinite(threshold):
        raise InputError(expected="a finite threshold", found=str(threshold), where=what)
    return threshold
