"""Breast density of a woman at an age: liability, BI-RADS category, dense fraction.

One number per woman, the *deviate* (standard normal among women of one age, correlated with BMI),
plus a mean that falls with age make the liability. A radiologist reads it with noise and cuts it into
a/b/c/d; the dense fraction is a smooth function of it without noise. The means and cut-points are
solved so that the shares of dense breasts by age [Sprague2014] and of a/b/c/d among screens
[Kerlikowske2019] come out. The two publications differ by about 5 percentage points in the share of
dense breasts; the simulated population lies half-way between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from .published import exam_ages, published_shares, published_table

CATEGORIES = ("a", "b", "c", "d")

#: Standard deviation of the radiologist's reading on the scale of the deviate. Assumed; it makes about
#: a quarter of repeated readings differ by one category.
READING_NOISE = 0.35

#: Dense fraction = LOWEST + (HIGHEST - LOWEST) * expit(FRACTION_CENTRE + FRACTION_SLOPE * liability).
#: Assumed: about 0.1 at the a/b border, 0.25 at b/c, 0.5 at c/d.
LOWEST_FRACTION, HIGHEST_FRACTION = 0.02, 0.85
FRACTION_CENTRE, FRACTION_SLOPE = -0.95, 1.0


@dataclass(frozen=True)
class DensityScale:
    """Liability by age and the cut-points between categories; the b/c border is at 0."""

    ages: Float[np.ndarray, " band"]  # years
    means: Float[np.ndarray, " band"]  # mean liability at these ages
    cuts: tuple[float, float, float]  # a|b, b|c, c|d
    centre: float  # mean liability over screening exams
    spread: float  # standard deviation over screening exams, reading noise not counted

    def mean_at(self, age_years: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Mean liability of women of this age."""
        return np.asarray(np.interp(age_years, self.ages, self.means))


@lru_cache(maxsize=1)
def density_scale() -> DensityScale:
    """The scale solved from the published tables."""
    table = published_table("dense_by_age")
    ages = (table["age_from"].to_numpy() + table["age_to"].to_numpy()) / 2
    read_sd = float(np.hypot(1.0, READING_NOISE))
    by_age = norm.ppf(table["percent"].to_numpy() / 100) * read_sd
    exam_age, share = exam_ages()
    target = published_shares("density")

    def below(cut: float, shift: float) -> float:
        mean = np.interp(exam_age, ages, by_age) + shift
        return float(share @ norm.cdf((cut - mean) / read_sd))

    printed = target["c"] + target["d"]
    implied = 1 - below(0.0, 0.0)
    shift = brentq(lambda s: 1 - below(0.0, s) - (printed + implied) / 2, -1.0, 1.0)
    fatty = brentq(lambda cut: below(cut, shift) - target["a"], -5.0, 0.0)
    extreme = brentq(lambda cut: 1 - below(cut, shift) - target["d"], 0.0, 5.0)
    mean = np.interp(exam_age, ages, by_age) + shift
    centre = float(share @ mean)
    spread = float(np.sqrt(1.0 + share @ (mean - centre) ** 2))
    return DensityScale(ages, by_age + shift, (float(fatty), 0.0, float(extreme)), centre, spread)


def density_score(
    deviate: Float[np.ndarray, " n"], age_years: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """True density as a standard score over the screening population, age included."""
    scale = density_scale()
    return np.asarray((scale.mean_at(age_years) + deviate - scale.centre) / scale.spread)


def dense_fraction(score: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """True share of the breast that is dense, 0.02 .. 0.85, of a density score."""
    scale = density_scale()
    liability = scale.centre + scale.spread * score
    share = expit(FRACTION_CENTRE + FRACTION_SLOPE * liability)
    return np.asarray(LOWEST_FRACTION + (HIGHEST_FRACTION - LOWEST_FRACTION) * share)


def read_category(score: Float[np.ndarray, " n"], generator: np.random.Generator) -> Int[np.ndarray, " n"]:
    """BI-RADS density as a radiologist reads it: index into CATEGORIES."""
    scale = density_scale()
    reading = scale.centre + scale.spread * score + READING_NOISE * generator.standard_normal(score.shape)
    return np.searchsorted(np.array(scale.cuts), reading).astype(np.int64)


def measure_percent(
    fraction: Float[np.ndarray, " n"],
    machine_shift: Float[np.ndarray, " n"],
    generator: np.random.Generator,
    *,
    noise: float = 0.25,
) -> Float[np.ndarray, " n"]:
    """Percent density (0..100) as software measures it: noise and a shift per machine, in logits."""
    logit = (
        np.log(fraction / (1 - fraction)) + machine_shift + noise * generator.standard_normal(fraction.shape)
    )
    return 100.0 * np.asarray(expit(logit))
