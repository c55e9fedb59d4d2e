"""Who the women are: birth, race, BMI, history, reproductive factors, density deviate, latent trait.

In: how many, over how long a study. Out: `Population`, one array per attribute. Shares of race, family
history, biopsy, menopause and hormone therapy follow the screening exams of [Kerlikowske2019]; where
no published number is at hand (BMI, parity, ages at menarche and first birth) the constants below are
assumptions of a plausible American screening population and say so.

The *trait* is standard normal and independent of density and of every clinical factor: what it adds
to risk nobody can know from the tables, only from the image.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float, Int

from .published import exam_ages, published_shares

RACES = ("White", "Black", "Asian", "Hispanic", "Other")

#: BMI = BMI_FLOOR + exp(normal); assumed: about 2 % below 18.5, 39 % to 25, 33 % to 30, 26 % above.
BMI_FLOOR, BMI_LOG_MEAN, BMI_LOG_SD = 10.0, 2.79, 0.31
#: Shift of the BMI score by race in standard deviations. Assumed.
BMI_BY_RACE = {"White": 0.0, "Black": 0.6, "Asian": -0.7, "Hispanic": 0.3, "Other": 0.0}
#: Correlation of the density deviate with the BMI score; tuned to the shares of [Sprague2014] by BMI.
BMI_DENSITY_CORRELATION = -0.41

MENOPAUSE_MEAN_YEARS, MENOPAUSE_SD_YEARS = 50.4, 4.2  # assumed; gives the published share before menopause
HORMONE_USERS, HORMONE_MEAN_YEARS = 0.27, 9.0  # assumed; gives the published share of current users
PARITY_SHARES = (0.16, 0.17, 0.36, 0.19, 0.12)  # assumed: 0, 1, 2, 3, 4 children
FIRST_BIRTH_MEAN_YEARS, FIRST_BIRTH_SD_YEARS = 25.5, 5.2  # assumed
MENARCHE_MEAN_YEARS, MENARCHE_SD_YEARS = 12.6, 1.4  # assumed


@dataclass(frozen=True)
class Population:
    """One array element per woman. Ages in years; `age_at_start` is the age when the study begins."""

    age_at_start: Float[np.ndarray, " woman"]
    race: Int[np.ndarray, " woman"]  # index into RACES
    bmi: Float[np.ndarray, " woman"]  # kg/m², at the start
    family_history: Int[np.ndarray, " woman"]  # 0/1, first degree
    breast_biopsy: Int[np.ndarray, " woman"]  # 0/1, benign
    menarche_age: Int[np.ndarray, " woman"]
    parity: Int[np.ndarray, " woman"]
    first_birth_age: Int[np.ndarray, " woman"]  # 0 where parity is 0
    menopause_age: Float[np.ndarray, " woman"]
    hormone_stop_age: Float[np.ndarray, " woman"]  # 0 for women who never take hormones
    density_deviate: Float[np.ndarray, " woman"]  # standard normal among women of one age
    trait: Float[np.ndarray, " woman"]  # standard normal, seen only in images

    def __len__(self) -> int:
        return len(self.trait)

    def take(self, index: Int[np.ndarray, " chosen"]) -> Population:
        """The women at these positions, in this order."""
        return Population(*(getattr(self, field.name)[index] for field in fields(self)))

    def menopausal(
        self, woman: Int[np.ndarray, " n"], age_years: Float[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """1 where the woman is past her menopause at this age."""
        return np.asarray(age_years >= self.menopause_age[woman], dtype=np.int64)

    def on_hormones(
        self, woman: Int[np.ndarray, " n"], age_years: Float[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """1 where the woman takes menopausal hormones at this age."""
        past = age_years >= self.menopause_age[woman]
        return np.asarray(past & (age_years < self.hormone_stop_age[woman]), dtype=np.int64)


def draw_population(n_women: int, study_years: float, generator: np.random.Generator) -> Population:
    """Women who are 40 to 74 at some time of a study of this length.

    Their ages in the middle of the study follow the published ages at screening exams, carried on
    beyond 40 and 75 by half the study's length.
    """
    race = _choose(np.array([published_shares("race")[name] for name in RACES]), n_women, generator)
    shifts = np.array([BMI_BY_RACE[name] for name in RACES])[race]
    bmi_score = shifts + generator.standard_normal(n_women)
    bmi = np.clip(BMI_FLOOR + np.exp(BMI_LOG_MEAN + BMI_LOG_SD * bmi_score), 15.0, 60.0)
    standard_bmi = (bmi_score - shifts.mean()) / np.hypot(1.0, shifts.std())
    rho = BMI_DENSITY_CORRELATION
    deviate = rho * standard_bmi + np.sqrt(1 - rho**2) * generator.standard_normal(n_women)

    middle_age = _draw_middle_age(n_women, study_years, generator)
    family_share = published_shares("family_history")["1"]
    biopsy_share = published_shares("breast_biopsy")["1"]
    # Biopsies accumulate with age: twice as many at 70 as at 40, the published share at 55. Assumed.
    biopsy_chance = biopsy_share * np.clip(1 + (middle_age - 55.0) / 45.0, 0.5, 1.6)

    menarche = np.clip(
        np.rint(generator.normal(MENARCHE_MEAN_YEARS, MENARCHE_SD_YEARS, n_women)), 9, 17
    ).astype(np.int64)
    parity = _choose(np.array(PARITY_SHARES), n_women, generator)
    first_birth = np.clip(
        np.rint(generator.normal(FIRST_BIRTH_MEAN_YEARS, FIRST_BIRTH_SD_YEARS, n_women)),
        np.maximum(15, menarche + 1),
        39,
    ).astype(np.int64)
    menopause = np.clip(generator.normal(MENOPAUSE_MEAN_YEARS, MENOPAUSE_SD_YEARS, n_women), 36.0, 60.0)
    stop = menopause + generator.exponential(HORMONE_MEAN_YEARS, n_women)
    takes_hormones = generator.random(n_women) < HORMONE_USERS
    return Population(
        age_at_start=middle_age - study_years / 2,
        race=race,
        bmi=bmi,
        family_history=(generator.random(n_women) < family_share).astype(np.int64),
        breast_biopsy=(generator.random(n_women) < biopsy_chance).astype(np.int64),
        menarche_age=menarche,
        parity=parity,
        first_birth_age=np.where(parity > 0, first_birth, 0),
        menopause_age=menopause,
        hormone_stop_age=np.where(takes_hormones, stop, 0.0),
        density_deviate=deviate,
        trait=generator.standard_normal(n_women),
    )


def _draw_middle_age(n: int, study_years: float, generator: np.random.Generator) -> Float[np.ndarray, " n"]:
    ages, share = exam_ages()
    half = study_years / 2
    first, last = 40.0 - half, 75.0 + half
    grid = np.arange(first, last, 0.25)
    # Women beyond the edges are seen in a part of the study only. At the young edge, where all of them
    # are alive and free of cancer, fewer are needed; 0.4 reproduces the published share of ages 40-49.
    weight = np.interp(grid + 0.125, [first, *ages], [0.4 * share[0], *share])
    years = grid[generator.choice(len(grid), size=n, p=weight / weight.sum())] + 0.25 * generator.random(n)
    return np.clip(years, first, last - 1e-6)


def _choose(
    shares: Float[np.ndarray, " level"], n: int, generator: np.random.Generator
) -> Int[np.ndarray, " n"]:
    cumulative = np.cumsum(shares / shares.sum())
    return np.searchsorted(cumulative[:-1], generator.random(n), side="right").astype(np.int64)
