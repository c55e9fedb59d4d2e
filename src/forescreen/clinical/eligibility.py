"""Whom a model answers for: the reasons that follow from what the model says of itself, and the answer.

In: a model with its ages, horizons, populations and uses; women; a horizon. Out: `Eligibility`, the reasons
why not for every woman, and `concluded`, the `Assessment` in which exactly those women have no risk. A model
adds reasons of its own with `also`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..errors import FactorError
from .model import Assessment, ClinicalModel
from .women import Women

Masks = Mapping[str, Bool[np.ndarray, "woman"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Eligibility:
    """One horizon per woman, and the women to whom each reason applies; a woman may have several."""

    horizon_years: Float[np.ndarray, "woman"]
    reasons: Masks

    @property
    def answered(self) -> Bool[np.ndarray, "woman"]:
        """Women without a reason."""
        return ~any_of(self.reasons, len(self.horizon_years))

    def also(self, **reasons: Bool[np.ndarray, "woman"]) -> Eligibility:
        """The same with more reasons; those of a code that is there already are joined."""
        merged = dict(self.reasons)
        for code, women in reasons.items():
            merged[code] = merged[code] | women if code in merged else women
        return Eligibility(horizon_years=self.horizon_years, reasons=merged)


def eligibility(
    model: ClinicalModel, women: Women, horizon_years: Float[np.ndarray, "woman"] | float
) -> Eligibility:
    """Reasons from the model's ages, horizons, populations and required factors.

    `horizon_years` is one number for all women or one each; NaN and numbers the model does not answer are
    reasons, not errors. Contradictions (`factors_contradict`) are not among them: which factors matter can
    depend on the woman, so the model says it with `women.troubled`. Raises FactorError for horizons of
    another length than the women.
    """
    horizon = _one_each(horizon_years, women.n)
    age = women.number("age")
    first, last = model.ages
    shortest, longest = model.horizons_years
    required = [use.factor for use in model.uses if use.required]
    unknown = np.zeros(women.n, dtype=bool)
    for factor in required:
        if factor not in ("age", "race"):
            unknown |= ~women.known(factor)
    reasons = {
        "age_unknown": np.isnan(age),
        "age_outside": (age < first) | (age >= last),
        "horizon_outside": ~((horizon >= shortest) & (horizon <= longest)),
        "factor_unknown": unknown,
    }
    if "race" in required:
        reasons["population_unknown"] = ~women.known("race")
    if model.populations:
        reasons["population_outside"] = women.known("race") & ~women.has("race", *model.populations)
    return Eligibility(horizon_years=horizon, reasons=reasons)


def concluded(
    model: ClinicalModel,
    eligible: Eligibility,
    risk: Float[np.ndarray, "woman"],
    *,
    average: Float[np.ndarray, "woman"] | None = None,
    lower: Float[np.ndarray, "woman"] | None = None,
    upper: Float[np.ndarray, "woman"] | None = None,
    flags: Masks | None = None,
    notes: tuple[str, ...] = (),
) -> Assessment:
    """The answer: NaN for women with a reason; codes that hold for nobody are left out, and flags of women
    without a risk are too."""
    answered = eligible.answered

    def kept(values: Float[np.ndarray, "woman"] | None) -> Float[np.ndarray, "woman"]:
        return np.full(len(answered), np.nan) if values is None else np.where(answered, values, np.nan)

    return Assessment(
        model=model.name,
        horizon_years=eligible.horizon_years,
        risk=kept(risk),
        average=kept(average),
        lower=kept(lower),
        upper=kept(upper),
        reasons=holding(eligible.reasons),
        flags=holding({code: women & answered for code, women in (flags or {}).items()}),
        notes=notes,
    )


def holding(masks: Masks) -> dict[str, Bool[np.ndarray, "woman"]]:
    """The codes that hold for anybody."""
    return {code: women for code, women in masks.items() if women.any()}


def any_of(masks: Masks, n: int) -> Bool[np.ndarray, "woman"]:
    """Which of `n` women any of the codes holds for."""
    found = np.zeros(n, dtype=bool)
    for women in masks.values():
        found |= women
    return found


def _one_each(horizon_years: Float[np.ndarray, "woman"] | float, n: int) -> Float[np.ndarray, "woman"]:
    horizon = np.asarray(horizon_years, dtype=float)
    if horizon.ndim == 0:
        return np.full(n, float(horizon))
    if horizon.shape != (n,):
        raise FactorError(
            expected=f"one horizon, or {n} of them", found=f"shape {horizon.shape}", where="horizon_years"
        )
    return horizon
