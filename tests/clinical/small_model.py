"""A model small enough to be computed by hand, for tests of what is built on models.

One per cent a year, times 2 with a family history, times 1.5 in density d; ages 40 to 69, horizons 1 to 10.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from forescreen.clinical.model import Assessment, Terms, Use
from forescreen.clinical.women import Women


@dataclass(frozen=True, kw_only=True)
class SmallModel:
    name: ClassVar[str] = "small-model"
    title: ClassVar[str] = "Small model"
    version: ClassVar[str] = "1"
    references: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[tuple[Use, ...]] = (
        Use(factor="age", required=True),
        Use(factor="density", required=True),
        Use(factor="family_history", assumed="no family history"),
    )
    ages: ClassVar[tuple[float, float]] = (40.0, 70.0)
    horizons_years: ClassVar[tuple[float, float]] = (1.0, 10.0)
    populations: ClassVar[tuple[str, ...]] = ()
    event: ClassVar[str] = "breast cancer"
    codes: ClassVar[Mapping[str, str]] = {"dense": "the density is d"}

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        horizon = np.broadcast_to(np.asarray(horizon_years, dtype=float), (women.n,))
        age = women.number("age")
        reasons = {
            "age_unknown": np.isnan(age),
            "age_outside": (age < 40) | (age >= 70),
            "horizon_outside": ~((horizon >= 1) & (horizon <= 10)),
            "factor_unknown": ~women.known("density"),
            "factors_contradict": women.troubled([use.factor for use in self.uses]),
        }
        refused = np.any(list(reasons.values()), axis=0)
        ratio = np.exp(self._log_ratios(women).sum(axis=1))
        unknown = np.full(women.n, np.nan)
        return Assessment(
            model=self.name,
            horizon_years=horizon,
            risk=np.where(refused, np.nan, 0.01 * horizon * ratio),
            average=np.where(refused, np.nan, 0.01 * horizon),
            lower=unknown,
            upper=unknown,
            reasons=reasons,
            flags={
                "dense": women.has("density", "d") & ~refused,
                "factors_assumed": ~women.known("family_history") & ~refused,
            },
            notes=("made up for tests",),
        )

    def terms(self, women: Women) -> Terms:
        refused = np.isnan(self.assess(women, 5.0).risk)
        terms = np.where(refused[:, None], np.nan, self._log_ratios(women))
        return Terms(factors=("density", "family_history"), log_relative_risk=terms)

    def _log_ratios(self, women: Women) -> Float[np.ndarray, "woman term"]:
        dense = np.where(women.has("density", "d"), np.log(1.5), 0.0)
        family = np.where(women.has("family_history", "yes"), np.log(2.0), 0.0)
        return np.column_stack([dense, family])


SMALL_MODEL = SmallModel()
