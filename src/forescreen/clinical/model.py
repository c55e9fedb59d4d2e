"""What a published clinical model is: what it needs, whom it is for, and what it answers.

Every model is one file with one object that satisfies `ClinicalModel`. It takes `Women` and a horizon, and
returns an `Assessment`: a risk for every woman it may answer for, and a reason for every other one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float

from .women import Women

#: Reasons and flags that several models share, in words. Models add their own in `codes`.
SHARED_CODES = {
    "age_unknown": "the age is unknown",
    "age_outside": "the age is outside the ages for which the model was made",
    "horizon_outside": "the horizon is not one that the model answers",
    "horizon_past_end": "the horizon ends beyond the oldest age of the model",
    "population_outside": "the race or ethnicity is none for which the model was made",
    "population_unknown": "the race or ethnicity is unknown",
    "factor_unknown": "a factor is unknown without which the model gives no risk",
    "factors_contradict": "factors contradict each other; see the problems of the row",
    "factors_assumed": "unknown factors were assumed as the model says",
}


@dataclass(frozen=True, kw_only=True)
class Use:
    """One factor of a model: whether it must be known, and what is assumed where it is not."""

    factor: str
    required: bool = False
    required_of: str = ""  # of whom it must be known, where not of everybody: "postmenopausal women"
    assumed: str = ""  # a sentence; "" for required factors, and where nothing is assumed


@dataclass(frozen=True, kw_only=True, eq=False)
class Assessment:
    """Absolute risks in [0, 1]; NaN where there is a reason why not.

    `average` is the risk of an average woman of the same age (and population) over the same horizon, NaN
    where the model has none. `lower` and `upper` are 95 % limits from the covariance of the coefficients,
    NaN where it is not published. `reasons` and `flags` map a code to the women it holds for; every woman
    without a risk has a reason, and only they.
    """

    model: str
    horizon_years: Float[np.ndarray, "woman"]
    risk: Float[np.ndarray, "woman"]
    average: Float[np.ndarray, "woman"]
    lower: Float[np.ndarray, "woman"]
    upper: Float[np.ndarray, "woman"]
    reasons: Mapping[str, Bool[np.ndarray, "woman"]]
    flags: Mapping[str, Bool[np.ndarray, "woman"]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # warnings for the reader that hold for all


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """How the relative risk of every woman is made: its logarithm is the sum of the terms.

    `factors` names the terms; each is relative to the model's reference level. For models on another scale
    (log odds, log incidence) it is that scale's.
    """

    factors: tuple[str, ...]
    log_relative_risk: Float[np.ndarray, "woman term"]


class ClinicalModel(Protocol):
    """One published model. Instances are frozen; `assess` is a pure function of its arguments."""

    @property
    def name(self) -> str:
        """As on the command line: bcrat."""

    @property
    def title(self) -> str:
        """For tables and plots: BCRAT (Gail)."""

    @property
    def version(self) -> str:
        """Which published version, or date of the coefficients."""

    @property
    def references(self) -> tuple[str, ...]:
        """Keys of docs/references.md."""

    @property
    def uses(self) -> tuple[Use, ...]:
        """Factors in the order in which tables show them."""

    @property
    def ages(self) -> tuple[float, float]:
        """Ages at the start for which it answers: from (inclusive), to (exclusive)."""

    @property
    def horizons_years(self) -> tuple[float, float]:
        """Shortest and longest horizon, years; equal where there is only one."""

    @property
    def populations(self) -> tuple[str, ...]:
        """Levels of race that it knows; () where it does not tell women apart."""

    @property
    def event(self) -> str:
        """What the risk is of: "invasive breast cancer", ..."""

    @property
    def codes(self) -> Mapping[str, str]:
        """Its own reasons and flags in words."""

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        """Risk of every woman over the horizon (one for all, or one each)."""

    def terms(self, women: Women) -> Terms:
        """The relative risk in parts; NaN rows where `assess` gives no risk."""
