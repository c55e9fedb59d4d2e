"""Metrics of a ranking or of risks, as small records that read them from sums of weights.

In: `RankSums`, the weights of rows and of cases above and at the levels that divide a ranking, for many
resamples at once. Out: one number per resample. The records are values: two with the same settings are equal.
`given_cases` marks metrics conditional on who is a case; the others depend on how common cases are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from forescreen.errors import InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class RankSums:
    """Sums of weight of one model in each resample, at the levels that divide its ranking, highest first."""

    levels: Float[np.ndarray, "level"]  # distinct scores of cases, and thresholds
    above: Float[np.ndarray, "level resample"]  # weight of the rows strictly above the level
    tied: Float[np.ndarray, "level resample"]  # weight of the rows at the level
    cases_above: Float[np.ndarray, "level resample"]
    cases_tied: Float[np.ndarray, "level resample"]
    weight: Float[np.ndarray, "resample"]  # of all rows
    cases: Float[np.ndarray, "resample"]  # weight of all cases
    squared_error: Float[np.ndarray, "resample"]  # Σ weight (risk − case)²
    expected: Float[np.ndarray, "resample"]  # Σ weight · risk

    def at_least(
        self, threshold: float
    ) -> tuple[Float[np.ndarray, "resample"], Float[np.ndarray, "resample"]]:
        """Weight of the rows and of the cases whose score is `threshold` or more; it is one of the levels."""
        at = int(np.flatnonzero(self.levels == threshold)[0])
        return self.above[at] + self.tied[at], self.cases_above[at] + self.cases_tied[at]

    def captured(self, fraction: float) -> Float[np.ndarray, "resample"]:
        """Weight of the cases in the top `fraction`; rows tied at its edge share what is left evenly."""
        left = np.clip(fraction * self.weight - self.above, 0.0, self.tied)
        share = np.divide(left, self.tied, out=np.zeros_like(left), where=self.tied > 0)
        return np.asarray(np.einsum("lr,lr->r", share, self.cases_tied))


@dataclass(frozen=True)
class Auc:
    """Chance that a random case scores higher than a random row that is none; a tie counts one half."""

    needs_risks: ClassVar[bool] = False
    given_cases: ClassVar[bool] = True
    label: ClassVar[str] = "AUC"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """1 − Σ_levels cases tied (others above + ½ others tied)/(cases · others)."""
        better = sums.above - sums.cases_above + 0.5 * (sums.tied - sums.cases_tied)
        lost = np.einsum("lr,lr->r", sums.cases_tied, better)
        return 1 - _ratio(lost, sums.cases * (sums.weight - sums.cases))


@dataclass(frozen=True)
class Capture:
    """Share of the cases in the top `fraction` of the population by score, as `triage.capture`."""

    fraction: float
    needs_risks: ClassVar[bool] = False
    given_cases: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_share(self.fraction, "fraction")

    @property
    def label(self) -> str:
        """Name for tables."""
        return f"capture by the top {100 * self.fraction:g} %"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """Cases captured/cases."""
        return _ratio(sums.captured(self.fraction), sums.cases)


@dataclass(frozen=True)
class PredictiveValue:
    """Share of cases among the top `fraction` of the population, as `triage.positive_predictive_value`."""

    fraction: float
    needs_risks: ClassVar[bool] = False
    given_cases: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_share(self.fraction, "fraction")

    @property
    def label(self) -> str:
        """Name for tables."""
        return f"predictive value of the top {100 * self.fraction:g} %"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """Cases captured/(fraction · weight)."""
        return _ratio(sums.captured(self.fraction), self.fraction * sums.weight)


@dataclass(frozen=True)
class Sensitivity:
    """Share of the cases whose score is `threshold` or more."""

    threshold: float
    needs_risks: ClassVar[bool] = False
    given_cases: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_finite(self.threshold)

    @property
    def label(self) -> str:
        """Name for tables."""
        return f"sensitivity at {self.threshold:g}"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """Cases at or above/cases."""
        return _ratio(sums.at_least(self.threshold)[1], sums.cases)


@dataclass(frozen=True)
class Specificity:
    """Share of the rows that are no cases whose score is below `threshold`."""

    threshold: float
    needs_risks: ClassVar[bool] = False
    given_cases: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_finite(self.threshold)

    @property
    def label(self) -> str:
        """Name for tables."""
        return f"specificity at {self.threshold:g}"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """1 − others at or above/others."""
        flagged, true = sums.at_least(self.threshold)
        return 1 - _ratio(flagged - true, sums.weight - sums.cases)


@dataclass(frozen=True)
class Brier:
    """Mean squared distance of the risk from the case mark (1 or 0): smaller is better [Brier1950]."""

    needs_risks: ClassVar[bool] = True
    given_cases: ClassVar[bool] = False
    label: ClassVar[str] = "Brier score"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """Σ weight (risk − case)²/Σ weight."""
        return _ratio(sums.squared_error, sums.weight)


@dataclass(frozen=True)
class ObservedExpected:
    """Cases observed over cases expected, the sum of the risks: 1 is calibration in the large."""

    needs_risks: ClassVar[bool] = True
    given_cases: ClassVar[bool] = False
    label: ClassVar[str] = "observed/expected"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """Σ weight · case/Σ weight · risk."""
        return _ratio(sums.cases, sums.expected)


@dataclass(frozen=True)
class NetBenefit:
    """True less weighed false positives per row when risks of `threshold` or more are acted on [Vickers2006].

    The rows must be the population, or weighted to be it.
    """

    threshold: float
    needs_risks: ClassVar[bool] = True
    given_cases: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check_share(self.threshold, "threshold")

    @property
    def label(self) -> str:
        """Name for tables."""
        return f"net benefit at {100 * self.threshold:g} %"

    def of(self, sums: RankSums) -> Float[np.ndarray, "resample"]:
        """(TP − FP t/(1 − t))/n."""
        flagged, true = sums.at_least(self.threshold)
        odds = self.threshold / (1 - self.threshold)
        return _ratio(true - (flagged - true) * odds, sums.weight)


Metric = (
    Auc | Capture | PredictiveValue | Sensitivity | Specificity | Brier | ObservedExpected | NetBenefit
)  # fmt: skip


def _check_share(value: float, what: str) -> None:
    if not 0 < value < 1:
        raise InputError(expected=f"a {what} in (0, 1)", found=str(value), where=what)


def _check_finite(threshold: float) -> None:
    if not math.isfinite(threshold):
        raise InputError(expected="a finite threshold", found=str(threshold), where="threshold")


def _ratio(
    top: Float[np.ndarray, "resample"], bottom: Float[np.ndarray, "resample"]
) -> Float[np.ndarray, "resample"]:
    """top/bottom, nan where the bottom is 0."""
    return np.asarray(np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0))
