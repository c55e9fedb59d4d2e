"""Barlow 2006: one-year risk of breast cancer after a screening mammogram, before and after menopause.

In: `Women`, one year, the only horizon it has. Out: `Assessment` with 95 % limits. Menopause chooses one of
two logistic models; each factor has a level of its own for "unknown", with its own coefficient. Source:
[Barlow2006], whose coefficients and covariances stand in `tables/barlow2006_*.csv`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from .coefficients import numbers_of, rows_of
from .eligibility import Eligibility, concluded, eligibility
from .factors import ASIAN, HISPANIC, RACES
from .histories import biopsies, relatives
from .model import Assessment, Terms, Use
from .women import Women

HORIZON_YEARS = 1.0
#: Standard errors on either side of the log odds: the rounded quantile of the published limits.
LIMITS = 1.96
PREMENOPAUSAL, POSTMENOPAUSAL = "premenopausal", "postmenopausal"
#: Ages at the mammogram of each part: from (inclusive), to (exclusive).
AGES = {PREMENOPAUSAL: (35.0, 55.0), POSTMENOPAUSAL: (45.0, 85.0)}

_UNKNOWN = "the paper's own coefficient of unknown"
_USES = (
    Use(factor="age", required=True),
    Use(factor="menopause", required=True),
    Use(factor="race", assumed=_UNKNOWN + ", for race and for Hispanic"),
    Use(factor="bmi", assumed=_UNKNOWN),
    Use(factor="parity", assumed=_UNKNOWN + ", where first_birth_age is unknown too"),
    Use(factor="first_birth_age", assumed=_UNKNOWN + ", where parity is not 0"),
    Use(factor="breast_biopsy", assumed=_UNKNOWN + ", where n_biopsies is unknown too"),
    Use(factor="n_biopsies", assumed="as breast_biopsy says"),
    Use(factor="n_relatives", assumed=_UNKNOWN + "; one, where family_history says yes"),
    Use(factor="family_history", assumed="as n_relatives says"),
    Use(factor="hormone_therapy", assumed=_UNKNOWN),
    Use(factor="menopause_type", assumed=_UNKNOWN),
    Use(factor="last_mammogram", assumed=_UNKNOWN),
    Use(factor="density", assumed=_UNKNOWN),
)
_POST_USED = tuple(use.factor for use in _USES)
_PRE_USED = (
    "age",
    "menopause",
    "breast_biopsy",
    "n_biopsies",
    "n_relatives",
    "family_history",
    "density",
)
_NOTES = (
    "Whether carcinoma in situ counts as an event of this model is not confirmed; nobody has compared its "
    "transcribed coefficients with the printed page yet.",
    "It over-predicted in a European validation (expected over observed cases 1.8 to 3.4).",
)


#: Levels of each factor as the tables name them; "unknown" stands last, so that its place is -1, too.
LEVELS: dict[str, tuple[str, ...]] = {
    "age": tuple(f"{first}-{first + 4}" for first in range(35, 85, 5)),
    "hispanic": ("no", "yes", "unknown"),
    "race": ("white", "asian", "black", "native american", "other", "unknown"),
    "bmi": ("under 25", "25-30", "30-35", "35 and over", "unknown"),
    "first_birth": ("under 30", "30 and over", "nulliparous", "unknown"),
    "biopsy": ("no", "yes", "unknown"),
    "relatives": ("0", "1", "2 and more", "unknown"),
    "hormone_therapy": ("no", "yes", "unknown"),
    "menopause_type": ("natural", "surgical", "unknown"),
    "last_mammogram": ("negative", "false positive", "unknown"),
    "density": ("a", "b", "c", "d", "unknown"),
}
#: Terms by the names of our vocabulary, and the factors of the paper in each.
_TERMS = {
    "age": ("age",),
    "race": ("hispanic", "race"),
    "bmi": ("bmi",),
    "first_birth_age": ("first_birth",),
    "breast_biopsy": ("biopsy",),
    "n_relatives": ("relatives",),
    "hormone_therapy": ("hormone_therapy",),
    "menopause_type": ("menopause_type",),
    "last_mammogram": ("last_mammogram",),
    "density": ("density",),
}
_RACE = {
    "asian": ASIAN,
    "black": ("black",),
    "native american": ("native american",),
    "other": ("other",),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One of the two logistic models.

    `log_odds` and `covariance` have the intercept first and, last, a coefficient that is exactly 0: that of
    reference levels. `places` finds the coefficient of every level of a factor of `LEVELS`.
    """

    log_odds: Float[np.ndarray, "coefficient"]
    covariance: Float[np.ndarray, "coefficient coefficient"]
    places: Mapping[str, Int[np.ndarray, "level"]]


@dataclass(frozen=True, kw_only=True)
class Barlow2006:
    """The model of [Barlow2006]."""

    name: ClassVar[str] = "barlow2006"
    title: ClassVar[str] = "Barlow 2006"
    version: ClassVar[str] = "Barlow 2006, as transcribed"
    references: ClassVar[tuple[str, ...]] = ("Barlow2006",)
    uses: ClassVar[tuple[Use, ...]] = _USES
    ages: ClassVar[tuple[float, float]] = (35.0, 85.0)
    horizons_years: ClassVar[tuple[float, float]] = (HORIZON_YEARS, HORIZON_YEARS)
    populations: ClassVar[tuple[str, ...]] = RACES
    event: ClassVar[str] = "breast cancer within a year of a screening mammogram"
    codes: ClassVar[Mapping[str, str]] = {
        "age_outside_menopause": "premenopausal women are answered from 35 to 54, others from 45 to 84",
        "relatives_at_least_one": "only whether a relative has it is known: counted as one relative",
    }

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        """One-year risk with 95 % limits: those of the log odds, from the covariance of the coefficients.

        The paper has no average woman: `average` is NaN. Raises FactorError for horizons of another length
        than the women; whoever cannot be answered has a reason [Barlow2006].
        """
        post, codes = women.has("menopause", "post"), _codes(women)
        log_odds, variance = np.full(women.n, np.nan), np.full(women.n, np.nan)
        assumed = np.zeros(women.n, dtype=bool)
        for name, chosen in ((PREMENOPAUSAL, ~post), (POSTMENOPAUSAL, post)):
            part = part_of(name)
            places = [part.places[factor][codes[factor][chosen]] for factor in part.places]
            log_odds[chosen] = part.log_odds[0] + sum(part.log_odds[place] for place in places)
            variance[chosen] = _variance(part.covariance, places)
            for factor in part.places:
                assumed[chosen] |= codes[factor][chosen] == -1
        half = LIMITS * np.sqrt(variance)
        return concluded(
            self,
            self._eligible(women, horizon_years),
            expit(log_odds),
            lower=expit(log_odds - half),
            upper=expit(log_odds + half),
            flags={"factors_assumed": assumed, "relatives_at_least_one": relatives(women).at_least},
            notes=_NOTES,
        )

    def terms(self, women: Women) -> Terms:
        """Log odds relative to a premenopausal woman with the reference level of every factor.

        The term of menopause is the difference of the two intercepts; factors that the premenopausal part
        does not have are 0 there.
        """
        post, codes = women.has("menopause", "post"), _codes(women)
        pre_part, post_part = part_of(PREMENOPAUSAL), part_of(POSTMENOPAUSAL)
        columns = [np.where(post, post_part.log_odds[0] - pre_part.log_odds[0], 0.0)]
        for factors in _TERMS.values():
            column = np.zeros(women.n)
            for part, chosen in ((pre_part, ~post), (post_part, post)):
                for factor in set(factors) & set(part.places):
                    column[chosen] += part.log_odds[part.places[factor][codes[factor][chosen]]]
            columns.append(column)
        answered = self._eligible(women, HORIZON_YEARS).answered
        return Terms(
            factors=("menopause", *_TERMS),
            log_relative_risk=np.where(answered[:, None], np.column_stack(columns), np.nan),
        )

    def _eligible(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Eligibility:
        age, post = women.number("age"), women.has("menopause", "post")
        outside = np.zeros(women.n, dtype=bool)
        for name, chosen in ((PREMENOPAUSAL, women.has("menopause", "pre")), (POSTMENOPAUSAL, post)):
            first, last = AGES[name]
            outside |= chosen & ((age < first) | (age >= last))
        childless = (women.number("parity") == 0) & women.known("first_birth_age")
        contradict = relatives(women).contradicts | biopsies(women).contradicts | (post & childless)
        contradict |= np.where(post, women.troubled(_POST_USED), women.troubled(_PRE_USED))
        return eligibility(self, women, horizon_years).also(
            age_outside_menopause=outside, factors_contradict=contradict
        )


@cache
def part_of(name: str) -> Part:
    """The coefficients of the premenopausal or postmenopausal part."""
    rows = [row for row in rows_of("barlow2006_log_odds") if row["part"] == name]
    header = tuple(rows_of(f"barlow2006_{name}_covariance")[0])
    log_odds = {"intercept": 0.0}
    for row in rows:
        level = f"{row['factor']}={row['level']}" if row["level"] else row["factor"]
        log_odds[level] = float(row["log_odds"])
    reference = len(header)
    covariance = np.zeros((reference + 1, reference + 1))
    covariance[:-1, :-1] = numbers_of(f"barlow2006_{name}_covariance", header)
    factors = {row["factor"] for row in rows if row["level"]}
    return Part(
        log_odds=np.array([log_odds[column] for column in header] + [0.0]),
        covariance=covariance,
        places={
            factor: np.array(
                [
                    header.index(f"{factor}={level}") if f"{factor}={level}" in header else reference
                    for level in levels
                ]
            )
            for factor, levels in LEVELS.items()
            if factor in factors
        },
    )


def _variance(
    covariance: Float[np.ndarray, "coefficient coefficient"], places: Sequence[Int[np.ndarray, "woman"]]
) -> Float[np.ndarray, "woman"]:
    """Variance of the sum of the intercept and one coefficient per factor, without a matrix per woman."""
    total = np.full(len(places[0]), covariance[0, 0])
    for i, place in enumerate(places):
        total += 2 * covariance[0, place] + covariance[place, place]
        for other in places[:i]:
            total += 2 * covariance[place, other]
    return total


def _codes(women: Women) -> dict[str, Int[np.ndarray, "woman"]]:
    """The place of every woman's level in `LEVELS`, -1 for unknown."""
    age, bmi = women.number("age"), women.number("bmi")
    parity, first_birth = women.number("parity"), women.number("first_birth_age")
    family, biopsy = relatives(women), biopsies(women)
    bands = np.nan_to_num((age - 35) // 5, nan=0)
    races = np.select([women.has("race", *levels) for levels in _RACE.values()], [1, 2, 3, 4], default=0)
    births = np.select([parity == 0, first_birth >= 30, first_birth < 30], [2, 1, 0], default=-1)
    return {
        "age": np.clip(bands, 0, len(LEVELS["age"]) - 1).astype(int),
        # A Hispanic woman of our vocabulary tells no race besides: she has the reference level of race.
        "hispanic": np.where(women.known("race"), women.has("race", *HISPANIC), -1),
        "race": np.where(women.known("race"), races, -1),
        "bmi": np.where(np.isnan(bmi), -1, np.searchsorted([25.0, 30.0, 35.0], bmi, side="right")),
        "first_birth": births,
        "biopsy": np.where(biopsy.known, biopsy.yes, -1),
        "relatives": np.where(family.known, np.minimum(np.nan_to_num(family.count), 2), -1).astype(int),
        "hormone_therapy": np.where(
            women.known("hormone_therapy"), women.has("hormone_therapy", "current"), -1
        ),
        "menopause_type": women.level("menopause_type"),
        "last_mammogram": women.level("last_mammogram"),
        "density": women.level("density"),
    }


#: The model as it is offered.
BARLOW_2006 = Barlow2006()
