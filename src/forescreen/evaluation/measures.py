"""One name per measure, whatever the design: matched sets or independent women.

The evaluation asks for "concordance" or "odds ratio per control SD"; this module turns to the matched
estimators where members come in sets, and to AUC and ordinary logistic regression where they do not.
A measure that the data cannot support is None, with the reason collected in `Notes`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from ..errors import InputError
from ..records import Estimate
from ..statistics.association import odds_ratio_per_control_sd
from ..statistics.discrimination import RocCurve, auc, auc_difference, roc_curve
from ..statistics.logistic import logistic_regression
from ..statistics.matched import matched_concordance, matched_concordance_difference, set_percentile_roc


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


@dataclass(frozen=True, eq=False)
class Sample:
    """Who is compared: cases of one type with their controls. `sets` is None when unmatched.

    `women` are the independent units of an unmatched sample in which women occur with several exams.
    """

    case: Bool[np.ndarray, "member"]
    sets: Shaped[np.ndarray, "member"] | None
    women: Shaped[np.ndarray, "member"] | None = None

    @staticmethod
    def of(members: pd.DataFrame, case_type: str, *, matched: bool) -> Sample:
        """The sample that these members are, all of the case type's sets or cases and controls."""
        return Sample(
            case=np.asarray(members["outcome"] == case_type),
            sets=members["set_id"].to_numpy() if matched else None,
            women=None if matched else repeated_women(members),
        )

    @property
    def n_sets(self) -> int:
        """Matched sets, or cases when unmatched: the number that limits precision."""
        return int(self.case.sum()) if self.sets is None else len(np.unique(self.sets))


Scores = Float[np.ndarray, "member"]


def repeated_women(members: pd.DataFrame) -> Shaped[np.ndarray, "member"] | None:
    """The woman of each row where some woman has several rows, else None: rows are independent."""
    women = members["woman_id"]
    return women.to_numpy() if women.duplicated().any() else None


def concordance(sample: Sample, score: Scores) -> Estimate:
    """Probability that a case scores above her control: matched C, or AUC when unmatched."""
    if sample.sets is None:
        return auc(score, sample.case, cluster=sample.women)
    return matched_concordance(score, sample.case, sets=sample.sets)


def concordance_difference(sample: Sample, a: Scores, b: Scores) -> Estimate:
    """Paired difference of the concordances of two scores on the same members."""
    if sample.sets is None:
        return auc_difference(a, b, sample.case, cluster=sample.women)
    return matched_concordance_difference(a, b, sample.case, sets=sample.sets)


def odds_ratio_per_sd(sample: Sample, score: Scores) -> Estimate:
    """Odds ratio per standard deviation of the score among controls."""
    if sample.sets is not None:
        return odds_ratio_per_control_sd(score, sample.case, sets=sample.sets)
    sd = float(np.std(score[~sample.case], ddof=1))
    fit = logistic_regression(score[:, None] / sd, sample.case, names=("score",), cluster=sample.women)
    beta, se = float(fit.coefficients[1]), math.sqrt(float(fit.covariance[1, 1]))
    return Estimate(
        value=math.exp(beta),
        lower=math.exp(beta - 1.959963984540054 * se),
        upper=math.exp(beta + 1.959963984540054 * se),
        n=fit.n,
        n_events=fit.n_events,
        method="logistic regression, per SD among controls, Wald"
        + ("" if sample.women is None else " with robust errors by woman"),
        standard_error=se,
        p_value=math.erfc(abs(beta / se) / math.sqrt(2)),
    )


def roc(sample: Sample, score: Scores) -> RocCurve:
    """ROC curve; with sets, of the cases' percentiles among their own controls."""
    if sample.sets is None:
        return roc_curve(score, sample.case, cluster=sample.women)
    return set_percentile_roc(score, sample.case, sets=sample.sets)
