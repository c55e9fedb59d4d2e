"""Log relative risk of the women's clinical factors, from published tables.

In: a population. Out: `ClinicalRisk`. Family history, biopsy, menarche, parity and first birth act as in
iCARE-Lit below and from age 50 [Choudhury2020]; race, BMI and hormones as in the postmenopausal model,
adjusted for density, of [Barlow2006]. Density is not among them: it has its own effect on onset.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .population import RACES, Population
from .published import published_table


@dataclass(frozen=True)
class ClinicalRisk:
    """Log relative risk of clinical factors in three parts, because factors act at different ages."""

    below_50: Float[np.ndarray, " woman"]
    from_50: Float[np.ndarray, " woman"]
    postmenopausal: Float[np.ndarray, " woman"]  # added from the menopause on (BMI)
    hormones: float  # added while on menopausal hormones

    def at_age(self, population: Population, age_years: float) -> Float[np.ndarray, " woman"]:
        """Log relative risk of every woman at this age."""
        past = age_years >= population.menopause_age
        current = past & (age_years < population.hormone_stop_age)
        base = self.below_50 if age_years < 50 else self.from_50
        return np.asarray(base + past * self.postmenopausal + current * self.hormones)


def clinical_risk(population: Population) -> ClinicalRisk:
    """Log relative risks of each woman's factors, as published [Choudhury2020] [Barlow2006].

    Every factor's effect is taken as independent of the others'; density is not among them.
    """
    parts = []
    for column in ("below_50", "from_50"):
        parts.append(
            _effect("family_history", population.family_history, column)
            + _effect("breast_biopsy", population.breast_biopsy, column)
            + _effect("menarche_age", population.menarche_age, column)
            + _effect("parity", population.parity, column)
            + _effect("first_birth_age", population.first_birth_age, column)
            + _race_effect(population.race, column)
        )
    table = published_table("clinical_effects")
    hormones = table.loc[table["factor"] == "hormone_therapy_postmenopausal", "from_50"].iloc[0]
    bmi = _effect("bmi_postmenopausal", population.bmi, "from_50")
    return ClinicalRisk(parts[0], parts[1], bmi, float(hormones))


def _effect(factor: str, value: np.ndarray, column: str) -> Float[np.ndarray, " woman"]:
    """Effect of the highest level not above the value; below the first level, that of the first."""
    table = published_table("clinical_effects")
    rows = table[table["factor"] == factor]
    levels = rows["level"].astype(float).to_numpy()
    effects = rows[column].astype(float).to_numpy()
    if len(levels) == 1:  # yes/no: the reference is not listed
        return np.where(value >= levels[0], effects[0], 0.0)
    position = np.searchsorted(levels, value, side="right") - 1
    return np.asarray(effects[np.maximum(position, 0)])


def _race_effect(race: Int[np.ndarray, " woman"], column: str) -> Float[np.ndarray, " woman"]:
    table = published_table("clinical_effects")
    rows = table[table["factor"] == "race"].set_index("level")[column]
    return np.asarray(np.array([float(rows[name]) for name in RACES])[race])
