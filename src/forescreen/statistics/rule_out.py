"""Exams at the low end of the ranking that nobody reads: what is saved, and which cancers are missed.

In: scores, case marks and recorded recalls of screened exams, or the counts of a publication. Out: `RuleOut`
with `Estimate`s. Give the cancers that readers found (screen-detected) to learn what is lost against reading
them, the net miss; give all cancers, with those that readers missed as well, for the gross one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped

from ..errors import InputError, TooFewEventsError
from ..records import Estimate
from .clustered_proportions import clustered_proportion
from .inference import wald_interval
from .proportions import proportion
from .rows import finite_scores, positive_weights, same_rows
from .triage import top_fraction

CountInterval = Literal["Wilson", "Wald"]


@dataclass(frozen=True, kw_only=True)
class RuleOut:
    """What follows when exams below a threshold are not read; the counts are weighted if rows are."""

    share: Estimate  # of the exams that is not read: the workload saved if all exams get as many reads
    missed: Estimate  # share of the cancers among them: 1 − sensitivity of being read
    false_omission: Estimate  # cancers per exam that is not read
    false_positives_avoided: Estimate | None  # share of the recorded false positives among them
    n_exams: float | int
    n_not_read: float | int
    n_missed: float | int
    n_false_positives_avoided: float | int | None


def rule_out(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    below: float,
    false_positive: Bool[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> RuleOut:
    """Exams whose score is below a threshold that was fixed beforehand are not read.

    The rows are the screened population, or weighted to be it. case: the cancers that count as missed.
    false_positive: exams that were recalled without a cancer. cluster: the woman of each row.
    Intervals: Wilson's, with `weights` or `cluster` at the effective number of rows.

    Raises InputError for missing scores or a threshold that is not finite, or false positives that are
    cases; TooFewEventsError where nothing lies below, or there are no cancers or no false positives at all.
    """
    values = finite_scores(score, case.size)
    if not math.isfinite(below):
        raise InputError(expected="a finite threshold", found=str(below), where="below")
    return _rule_out((values < below).astype(np.float64), case, false_positive, weights, cluster, level)


def rule_out_lowest(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    fraction: float,
    false_positive: Bool[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> RuleOut:
    """The lowest `fraction` of the population is not read; rows tied at its edge are left out in part.

    The threshold is taken as known, so the interval of `share` is that of a threshold set elsewhere.
    Otherwise as `rule_out`.
    """
    share = top_fraction(-finite_scores(score, case.size), fraction=fraction, weights=weights).share
    return _rule_out(share, case, false_positive, weights, cluster, level)


def rule_out_counts(
    *,
    n_exams: int,
    n_not_read: int,
    n_cancers: int,
    n_missed: int,
    n_false_positives: int | None = None,
    n_false_positives_avoided: int | None = None,
    interval: CountInterval = "Wilson",
    level: float = 0.95,
) -> RuleOut:
    """The same from the counts of a publication, exams taken as independent.

    interval: Wilson's, or the Wald interval that some publications print, which has no width at 0 and is too
    narrow near it. Raises InputError for counts that contradict each other.
    """
    if (n_false_positives is None) != (n_false_positives_avoided is None):
        raise InputError(
            expected="false positives and how many of them are avoided, or neither",
            found="one of them",
            where="rule_out_counts",
        )
    if n_missed > n_not_read:
        raise InputError(
            expected="at most as many cancers missed as exams not read",
            found=f"{n_missed} of {n_not_read}",
            where="rule_out_counts",
        )
    avoided = None
    if n_false_positives is not None and n_false_positives_avoided is not None:
        avoided = _counted(
            "false positives avoided", n_false_positives_avoided, n_false_positives, interval, level
        )
    return RuleOut(
        share=_counted("exams not read", n_not_read, n_exams, interval, level),
        missed=_counted("cancers missed", n_missed, n_cancers, interval, level),
        false_omission=_counted("cancers per exam not read", n_missed, n_not_read, interval, level),
        false_positives_avoided=avoided,
        n_exams=n_exams,
        n_not_read=n_not_read,
        n_missed=n_missed,
        n_false_positives_avoided=n_false_positives_avoided,
    )


def workload_saved(
    result: RuleOut, *, reads_per_exam: float | int = 2.0, reads_instead: float | int = 0.0
) -> Estimate:
    """Number of reads saved: exams ruled out · (reads per exam − reads that they still get).

    reads_per_exam: of every exam today, arbitration included: 2 in double reading without it, 2.06 where 6 %
    are arbitrated. reads_instead: 0 when ruled-out exams are not read, 1 when one reader keeps them.
    The share of the workload is value/(n_exams · reads_per_exam). The limits are those of `share`.
    """
    if not (math.isfinite(reads_per_exam) and 0 <= reads_instead < reads_per_exam):
        raise InputError(
            expected="0 <= reads_instead < reads_per_exam",
            found=f"{reads_instead} and {reads_per_exam}",
            where="workload_saved",
        )
    factor = result.n_exams * (reads_per_exam - reads_instead)
    return Estimate(
        value=factor * result.share.value,
        lower=factor * result.share.lower,
        upper=factor * result.share.upper,
        n=result.share.n,
        n_events=result.share.n_events,
        method=f"reads saved, {reads_per_exam:g} − {reads_instead:g} per exam, from {result.share.method}",
        standard_error=factor * result.share.standard_error,
        level=result.share.level,
    )


def _rule_out(
    not_read: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    false_positive: Bool[np.ndarray, "row"] | None,
    weights: Float[np.ndarray, "row"] | None,
    cluster: Shaped[np.ndarray, "row"] | None,
    level: float,
) -> RuleOut:
    w = positive_weights(weights, case.size)

    def share(
        part: Float[np.ndarray, "row"],
        among: Bool[np.ndarray, "row"],
        quantity: str,
        sampling: Float[np.ndarray, "row"] | None,
    ) -> Estimate:
        return clustered_proportion(
            part, among=among, quantity=quantity, weights=sampling, cluster=cluster, level=level
        )

    if not case.any():
        raise TooFewEventsError("cancers missed", found=0, needed=1, where="cancers")
    below = not_read > 0
    if not below.any():
        raise TooFewEventsError("a rule-out", found=0, needed=1, where="exams below the threshold")
    # Rows that are left out in part weigh as much as the part, which is a weight only where it is not 1.
    partial = weights is not None or bool(np.any(not_read[below] < 1))
    avoided = n_avoided = None
    if false_positive is not None:
        same_rows(case.size, false_positive, "false_positive")
        n_both = int(np.count_nonzero(case & false_positive))
        if n_both:
            raise InputError(
                expected="false positives without cancer", found=f"{n_both} rows with", where="false_positive"
            )
        avoided = share(not_read, false_positive, "false positives avoided", weights)
        n_avoided = float(w[false_positive] @ not_read[false_positive])
    return RuleOut(
        share=share(not_read, np.ones(case.size, dtype=bool), "exams not read", weights),
        missed=share(not_read, case, "cancers missed", weights),
        false_omission=share(
            case.astype(np.float64),
            below,
            "cancers per exam not read",
            w * np.where(below, not_read, 1.0) if partial else None,
        ),
        false_positives_avoided=avoided,
        n_exams=float(w.sum()),
        n_not_read=float(w @ not_read),
        n_missed=float(w[case] @ not_read[case]),
        n_false_positives_avoided=n_avoided,
    )


def _counted(quantity: str, successes: int, n: int, interval: CountInterval, level: float) -> Estimate:
    if n < 1:
        raise TooFewEventsError(quantity, found=n, needed=1)
    found = proportion(successes, n, level=level)
    limits = wald_interval(found.value, found.standard_error, level) if interval == "Wald" else found
    return Estimate(
        value=found.value,
        lower=max(0.0, limits.lower),
        upper=min(1.0, limits.upper),
        n=n,
        n_events=successes,
        method=f"{quantity}, {interval}",
        standard_error=found.standard_error,
        level=level,
    )
