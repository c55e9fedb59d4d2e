"""Rosner–Colditz 1996: incidence of breast cancer from menarche, births and menopause, as a function of age.

In: `Women` with their ages at menarche, menopause and every birth; a horizon in years. Out: `Assessment`, and
the incidence itself. With t0 menarche, tm menopause, t1 first birth, t* = min(t, tm), the birth index
b = Σ (t* − age at birth), m and b1 = 1 for postmenopausal and parous women [Rosner1996]:

    ln I(t) = −9.687 + .048 t0 + .081 (t* − t0) + .050 (t − tm) m + .013 (t1 − t0) b1
              − .0036 b − .00020 b (t − tm) m                        cases per woman-year

so that ln I is linear in age on either side of menopause, and its integral has a closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import ClassVar

import numpy as np
from jaxtyping import Bool, Float

from ..errors import ConfigError
from .coefficients import rows_of
from .eligibility import Eligibility, concluded, eligibility
from .model import Assessment, Terms, Use
from .rates import Rates
from .women import Women

#: Menopause of women who are premenopausal: a median age of natural menopause, not from the paper.
EXPECTED_MENOPAUSE_AGE = 51.0
#: Age by which every horizon must end, and the oldest age of the women behind the coefficients (m).
LAST_AGE, LAST_AGE_OF_DATA = 80.0, 70.0
#: Age at menarche of the woman that `terms` compares with.
REFERENCE_MENARCHE_AGE = 13.0

_USES = (
    Use(factor="age", required=True),
    Use(factor="menarche_age", required=True),
    Use(factor="menopause", required=True),
    Use(factor="menopause_age", required_of="postmenopausal women"),
    Use(factor="parity", required=True),
    Use(factor="birth_ages", required_of="women with births; of one birth first_birth_age will do"),
    Use(factor="first_birth_age"),
)
_USED = tuple(use.factor for use in _USES)
_NOTES = (
    "The coefficients are those of US nurses, 1976 to 1990, through a transcription that nobody has compared "
    "with the printed page yet; incidence has changed since.",
)
_NO_DEATHS = "Deaths from other causes are not taken into account: 1 − exp(−cumulative incidence)."
_ALL_DEATHS = "The competing mortality is that of all causes, breast cancer among them."

#: Nodes of the quadrature in one piece: with pieces this short, more do not change the 12th digit.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(6)
_LONGEST_PIECE_YEARS = 5.0
#: Women that are worked on at once: their columns stay in the cache of a core.
_BLOCK_WOMEN = 1 << 15


@dataclass(frozen=True, kw_only=True)
class Rosner1996:
    """The model of [Rosner1996] as absolute risk.

    `mortality` gives the deaths that compete (its incidence is not used); without it none do. A
    premenopausal woman becomes postmenopausal at `expected_menopause_age`, or at once if she is older; at
    that moment her incidence does not jump, only its slope changes. Raises ConfigError for an expected age
    that is not from 40 to 60.
    """

    mortality: Rates | None = None
    expected_menopause_age: float = EXPECTED_MENOPAUSE_AGE

    name: ClassVar[str] = "rosner1996"
    title: ClassVar[str] = "Rosner–Colditz 1996"
    version: ClassVar[str] = "Rosner 1996, as transcribed"
    references: ClassVar[tuple[str, ...]] = ("Rosner1996",)
    uses: ClassVar[tuple[Use, ...]] = _USES
    ages: ClassVar[tuple[float, float]] = (30.0, 75.0)
    horizons_years: ClassVar[tuple[float, float]] = (1.0, 50.0)
    populations: ClassVar[tuple[str, ...]] = ()
    event: ClassVar[str] = "breast cancer"
    codes: ClassVar[Mapping[str, str]] = {
        "births_incomplete": "ages are known of fewer births than there were",
        "menopause_expected": "a menopause was assumed within the horizon",
        "beyond_data": f"the horizon passes age {LAST_AGE_OF_DATA:g}, the oldest of the women of the study",
    }

    def __post_init__(self) -> None:
        if not 40 <= self.expected_menopause_age <= 60:
            raise ConfigError(
                expected="an age at menopause from 40 to 60",
                found=f"{self.expected_menopause_age:g}",
                where="expected_menopause_age of rosner1996",
            )

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        """Risk over the horizon; no births after the start, no average woman, no limits.

        Raises FactorError for horizons of another length than the women; whoever cannot be answered has a
        reason [Rosner1996].
        """
        eligible = self._eligible(women, horizon_years)
        answered = eligible.answered
        start = np.where(answered, women.number("age"), 50.0)
        end = start + np.where(answered, eligible.horizon_years, 0.0)
        course = _course(women, answered, self.expected_menopause_age)
        risk = (
            -np.expm1(-cumulative_incidence(course, start, end))
            if self.mortality is None
            else _in_blocks(course, start, end, self.mortality)
        )
        deaths = _NO_DEATHS if self.mortality is None else f"Competing mortality: {self.mortality.name}."
        all_causes = self.mortality is not None and self.mortality.mortality_of == "all causes"
        return concluded(
            self,
            eligible,
            risk,
            flags={
                "menopause_expected": women.has("menopause", "pre") & (end > course.menopause_age),
                "beyond_data": end > LAST_AGE_OF_DATA,
            },
            notes=(*_NOTES, deaths, *((_ALL_DEATHS,) if all_causes else ())),
        )

    def terms(self, women: Women) -> Terms:
        """Log incidence now, relative to a childless, premenopausal woman of her age with menarche at 13."""
        answered = self._eligible(women, self.horizons_years[0]).answered
        age = np.where(answered, women.number("age"), 50.0)
        course = _course(women, answered, self.expected_menopause_age)
        actual = log_incidence(course, age)
        childless = replace(
            course, n_births=0 * age, birth_age_sum=0 * age, first_birth_age=course.menarche_age
        )
        premenopausal = replace(childless, menopause_age=age)
        reference = replace(
            premenopausal,
            menarche_age=0 * age + REFERENCE_MENARCHE_AGE,
            first_birth_age=0 * age + REFERENCE_MENARCHE_AGE,
        )
        steps = [log_incidence(one, age) for one in (reference, premenopausal, childless)]
        parts = np.column_stack([steps[1] - steps[0], steps[2] - steps[1], actual - steps[2]])
        return Terms(
            factors=("menarche_age", "menopause_age", "birth_ages"),
            log_relative_risk=np.where(answered[:, None], parts, np.nan),
        )

    def _eligible(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Eligibility:
        eligible = eligibility(self, women, horizon_years)
        age, post = women.number("age"), women.has("menopause", "post")
        parity, n_known = women.number("parity"), _n_known_births(women)
        last = LAST_AGE if self.mortality is None else min(LAST_AGE, float(self.mortality.edges[-1]))
        early = np.zeros(women.n, dtype=bool) if self.mortality is None else age < self.mortality.edges[0]
        return eligible.also(
            age_outside=early,
            horizon_past_end=age + eligible.horizon_years > last,
            factor_unknown=(post & ~women.known("menopause_age")) | ((parity > 0) & (n_known == 0)),
            births_incomplete=(n_known > 0) & (n_known < parity),
            factors_contradict=women.troubled(_USED) | _contradicts(women),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Course:
    """What the incidence of every woman depends on, besides age: ages at menarche, menopause and first birth
    (that of menarche where there was none), number of births and sum of the ages at them."""

    menarche_age: Float[np.ndarray, "woman"]
    menopause_age: Float[np.ndarray, "woman"]
    first_birth_age: Float[np.ndarray, "woman"]
    n_births: Float[np.ndarray, "woman"]
    birth_age_sum: Float[np.ndarray, "woman"]


def annual_incidence(women: Women) -> Float[np.ndarray, "woman"]:
    """Cases per woman-year at every woman's age, at any age after menarche; NaN where a factor is missing.

    A premenopausal woman is so at her age, however old. References: [Rosner1996].
    """
    known = np.isfinite(women.number("age")) & women.known("menarche_age") & women.known("menopause")
    known &= ~women.has("menopause", "post") | women.known("menopause_age")
    known &= _n_known_births(women) == women.number("parity")
    age = np.where(known, women.number("age"), 50.0)
    return np.where(known, np.exp(log_incidence(_course(women, known, 0.0), age)), np.nan)


def log_incidence(course: Course, age: Float[np.ndarray, "woman"]) -> Float[np.ndarray, "woman"]:
    """ln I at these ages, with the births that there have been by now."""
    k = _coefficients()
    before = np.minimum(age, course.menopause_age)
    after = np.maximum(age - course.menopause_age, 0.0)
    birth_index = course.n_births * before - course.birth_age_sum
    value = (
        k["constant"]
        + k["before_menarche"] * course.menarche_age
        + k["menarche_to_menopause"] * (before - course.menarche_age)
        + k["after_menopause"] * after
        + k["before_first_birth"] * (course.first_birth_age - course.menarche_age)
        + (k["birth_index"] + k["birth_index_after_menopause"] * after) * birth_index
    )
    return np.asarray(value)


def cumulative_incidence(
    course: Course, start: Float[np.ndarray, "woman"], end: Float[np.ndarray, "woman"]
) -> Float[np.ndarray, "woman"]:
    """∫ I between two ages: of an exponential of a line on either side of menopause, in closed form."""
    middle = np.clip(course.menopause_age, start, end)
    pre, post = _slopes(course)
    total = np.zeros(start.size)
    for low, high, slope in ((start, middle, pre), (middle, end, post)):
        years = high - low
        total += np.exp(log_incidence(course, low)) * years * _mean_growth(slope * years)
    return total


def _mean_growth(growth: Float[np.ndarray, "woman"]) -> Float[np.ndarray, "woman"]:
    """(exp(x) − 1) / x, which is 1 at 0."""
    divisor = np.where(growth == 0, 1.0, growth)
    return np.where(growth == 0, 1.0, np.expm1(growth) / divisor)


def _risk_beside_deaths(
    course: Course, start: Float[np.ndarray, "woman"], end: Float[np.ndarray, "woman"], rates: Rates
) -> Float[np.ndarray, "woman"]:
    """∫ I(t) exp(−∫ I − ∫ mortality) dt, by Gauss–Legendre between ages at which a rate or slope changes."""
    risk, passed = np.zeros(start.size), np.zeros(start.size)
    slopes = _slopes(course)
    edges = np.union1d(rates.edges, np.arange(rates.edges[0], rates.edges[-1], _LONGEST_PIECE_YEARS))
    deaths_in = rates.mortality[np.searchsorted(rates.edges, edges[:-1], side="right") - 1]
    for low, high, deaths in zip(edges[:-1], edges[1:], deaths_in, strict=True):
        middle = np.clip(course.menopause_age, low, high)
        for first, last, slope in ((low, middle, slopes[0]), (middle, high, slopes[1])):
            piece_start, piece_end = np.maximum(first, start), np.minimum(last, end)
            here = np.flatnonzero(piece_end > piece_start)
            if here.size == 0:
                continue
            years, growth = (piece_end - piece_start)[here], slope[here]
            incidence = np.exp(log_incidence(course, piece_start)[here])
            survival = np.exp(-passed[here])
            for node, weight in zip((1 + _NODES) / 2, _WEIGHTS / 2, strict=True):
                time = node * years
                lost = incidence * time * _mean_growth(growth * time) + deaths * time
                risk[here] += weight * years * incidence * survival * np.exp(growth * time - lost)
            passed[here] += incidence * years * _mean_growth(growth * years) + deaths * years
    return risk


def _in_blocks(
    course: Course, start: Float[np.ndarray, "woman"], end: Float[np.ndarray, "woman"], rates: Rates
) -> Float[np.ndarray, "woman"]:
    risk = np.zeros(start.size)
    for begin in range(0, start.size, _BLOCK_WOMEN):
        block = slice(begin, begin + _BLOCK_WOMEN)
        part = Course(**{column.name: getattr(course, column.name)[block] for column in fields(course)})
        risk[block] = _risk_beside_deaths(part, start[block], end[block], rates)
    return risk


def _slopes(course: Course) -> tuple[Float[np.ndarray, "woman"], Float[np.ndarray, "woman"]]:
    """By how much ln I rises per year before and after menopause."""
    k = _coefficients()
    index = course.n_births * course.menopause_age - course.birth_age_sum
    return (
        k["menarche_to_menopause"] + k["birth_index"] * course.n_births,
        k["after_menopause"] + k["birth_index_after_menopause"] * index,
    )


def _course(women: Women, answered: Bool[np.ndarray, "woman"], expected_menopause_age: float) -> Course:
    """The course of women who can be answered; an arbitrary one for the others."""
    age = np.where(answered, women.number("age"), 50.0)
    menarche = np.where(answered, women.number("menarche_age"), REFERENCE_MENARCHE_AGE)
    expected = np.maximum(age, expected_menopause_age)
    births, parous = _birth_ages(women), answered & (women.number("parity") > 0)
    known = np.isfinite(births) & parous[:, None]
    first = np.min(births, axis=1, initial=np.inf, where=known)
    return Course(
        menarche_age=menarche,
        menopause_age=np.where(
            answered & women.has("menopause", "post"), women.number("menopause_age"), expected
        ),
        first_birth_age=np.where(parous, first, menarche),
        n_births=known.sum(axis=1).astype(float),
        birth_age_sum=np.sum(births, axis=1, where=known),
    )


def _birth_ages(women: Women) -> Float[np.ndarray, "woman birth"]:
    """Ages at all births; of a woman with one birth, the age at her first where no list is known."""
    births = women.births()
    if births.shape[1] == 0:
        births = np.full((women.n, 1), np.nan)
    single = (women.number("parity") == 1) & ~np.isfinite(births).any(axis=1)
    return np.column_stack([np.where(single, women.number("first_birth_age"), births[:, 0]), births[:, 1:]])


def _n_known_births(women: Women) -> Float[np.ndarray, "woman"]:
    return np.asarray(np.isfinite(_birth_ages(women)).sum(axis=1), dtype=float)


def _contradicts(women: Women) -> Bool[np.ndarray, "woman"]:
    """Ages in an order that cannot be, more births than births, a menopause of premenopausal women."""
    age, menarche = women.number("age"), women.number("menarche_age")
    menopause, post = women.number("menopause_age"), women.has("menopause", "post")
    births, parity = _birth_ages(women), women.number("parity")
    any_birth = np.isfinite(births)
    first = np.min(births, axis=1, initial=np.inf, where=any_birth)
    last = np.max(births, axis=1, initial=-np.inf, where=any_birth)
    told = women.number("first_birth_age")
    return np.asarray(
        (menarche > age)
        | (women.has("menopause", "pre") & np.isfinite(menopause))
        | (post & ((menopause > age) | (menopause <= menarche) | (last > menopause)))
        | (last > age)
        | (first < menarche)
        | (any_birth.sum(axis=1) > parity)
        | ((parity == 0) & np.isfinite(told))
        # A list in whole years and a first age with decimals may differ by less than a year.
        | (any_birth.any(axis=1) & (np.abs(first - told) >= 1))
    )


@cache
def _coefficients() -> Mapping[str, float]:
    return {row["term"]: float(row["coefficient"]) for row in rows_of("rosner1996_coefficients")}


#: The model as it is offered: no competing deaths.
ROSNER_1996 = Rosner1996()
