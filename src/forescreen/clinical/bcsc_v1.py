"""BCSC version 1: five-year risk of invasive breast cancer from age, race, density, family history, biopsy.

In: `Women`; five years, the only horizon it has. Out: `Assessment`. Incidence and mortality are smooth
functions of age, one per race; density, first-degree family history and a previous biopsy multiply the risk.
Source: [Tice2008], whose constants stand in `tables/bcsc_v1_*.csv`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import ConfigError
from .coefficients import numbers_of, rows_of
from .eligibility import Eligibility, concluded, eligibility
from .factors import ASIAN, FACTORS, HISPANIC
from .histories import biopsies, relatives
from .model import Assessment, Terms, Use
from .women import Women

AsianMortality = Literal["corrected", "as transcribed"]

#: Levels of race of each of the paper's four populations.
POPULATIONS: dict[str, tuple[str, ...]] = {
    "white": ("white",),
    "black": ("black",),
    "asian": ASIAN,
    "hispanic": HISPANIC,
}
HORIZON_YEARS = 5.0

_USES = (
    Use(factor="age", required=True),
    Use(factor="race", required=True),
    Use(factor="density", assumed="average density: neither the density adjustment nor a hazard ratio"),
    Use(factor="family_history", assumed="average family history, where n_relatives is unknown too"),
    Use(factor="n_relatives", assumed="as family_history says"),
    Use(factor="breast_biopsy", assumed="average history, where n_biopsies is unknown too"),
    Use(factor="n_biopsies", assumed="as breast_biopsy says"),
)
_USED = tuple(use.factor for use in _USES)

_CORRECTED_NOTE = (
    "The published mortality constant of Asian women is used divided by ten: as transcribed (0.01333534) it "
    "says that 10 % of them die per year at age 70. Nobody has compared it with the printed page yet."
)
_TRANSCRIBED_NOTE = (
    "The mortality constant of Asian women is used as transcribed (0.01333534), which says that 10 % of them "
    "die per year at age 70 and gives risks that are too low; the default divides it by ten."
)


@dataclass(frozen=True, kw_only=True)
class BcscV1:
    """The model of [Tice2008]. `asian_mortality` tells which mortality constant Asian women get.

    Raises ConfigError for another `asian_mortality`.
    """

    asian_mortality: AsianMortality = "corrected"

    name: ClassVar[str] = "bcsc-v1"
    title: ClassVar[str] = "BCSC v1 (Tice 2008)"
    version: ClassVar[str] = "Tice 2008, appendix, as transcribed"
    references: ClassVar[tuple[str, ...]] = ("Tice2008",)
    uses: ClassVar[tuple[Use, ...]] = _USES
    ages: ClassVar[tuple[float, float]] = (35.0, 85.0)
    horizons_years: ClassVar[tuple[float, float]] = (HORIZON_YEARS, HORIZON_YEARS)
    populations: ClassVar[tuple[str, ...]] = tuple(
        level for level in FACTORS["race"].levels if any(level in levels for levels in POPULATIONS.values())
    )
    event: ClassVar[str] = "invasive breast cancer"
    codes: ClassVar[Mapping[str, str]] = {
        "survival_below_zero": "the transcribed mortality leaves fewer than no women after five years",
        "asian_mortality_corrected": "the mortality constant of Asian women was divided by ten",
        "asian_mortality_transcribed": "the mortality constant of Asian women is implausibly high",
        "density_unknown": "the density is unknown: the risk is that of women of average density",
        "age_beyond_table": "the age is beyond 74, where the paper's table of risks ends",
    }

    def __post_init__(self) -> None:
        if self.asian_mortality not in get_args(AsianMortality):
            raise ConfigError(
                expected=f"one of {', '.join(get_args(AsianMortality))}",
                found=str(self.asian_mortality),
                where="asian_mortality of bcsc-v1",
            )

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        """Five-year risk; `average` is that of all women of the same age and race.

        Ages may be fractional: rates are taken at age, age + 1 … age + 4 as they are, age bands at the age.
        No limits: their covariance is not published. Raises FactorError for horizons of another length
        than the women; whoever cannot be answered has a reason [Tice2008].
        """
        population = _population(women)
        average = five_years(women.number("age"), population, self.asian_mortality)
        eligible = self._eligible(women, horizon_years, average.surviving)
        log_relative_risk = _log_relative_risks(women, population)
        asian = population == list(POPULATIONS).index("asian")
        corrected = self.asian_mortality == "corrected"
        unknown_density = ~women.known("density")
        assumed = unknown_density | ~relatives(women).known | ~biopsies(women).known
        return concluded(
            self,
            eligible,
            average.risk * np.exp(log_relative_risk.sum(axis=1)),
            average=average.risk,
            flags={
                "factors_assumed": assumed,
                "density_unknown": unknown_density,
                "asian_mortality_corrected" if corrected else "asian_mortality_transcribed": asian,
                "age_beyond_table": women.number("age") >= 75,
            },
            notes=(_CORRECTED_NOTE if corrected else _TRANSCRIBED_NOTE,),
        )

    def terms(self, women: Women) -> Terms:
        """Logarithms of what multiplies the risk of the average woman of the same age and race.

        The density term holds the adjustment from all women to those of BI-RADS b, too.
        """
        population = _population(women)
        surviving = five_years(women.number("age"), population, self.asian_mortality).surviving
        answered = self._eligible(women, HORIZON_YEARS, surviving).answered
        terms = np.where(answered[:, None], _log_relative_risks(women, population), np.nan)
        return Terms(factors=("density", "family_history", "breast_biopsy"), log_relative_risk=terms)

    def _eligible(
        self,
        women: Women,
        horizon_years: Float[np.ndarray, "woman"] | float,
        surviving: Float[np.ndarray, "woman"],
    ) -> Eligibility:
        contradict = women.troubled(_USED) | relatives(women).contradicts | biopsies(women).contradicts
        return eligibility(self, women, horizon_years).also(
            factors_contradict=contradict, survival_below_zero=surviving < 0
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FiveYears:
    """Risk within five years, and the share that is alive and free of cancer at their end."""

    risk: Float[np.ndarray, "woman"]
    surviving: Float[np.ndarray, "woman"]


def five_years(
    age: Float[np.ndarray, "woman"],
    population: Int[np.ndarray, "woman"],
    asian_mortality: AsianMortality = "corrected",
) -> FiveYears:
    """All women of this age and population (place in `POPULATIONS`; -1 is none, and NaN).

    The recursion is the published one: each year takes I(x) % of the women still at risk as cases, and then
    subtracts I(x) % + D(x) % of those who were there *at the start*, not of those still there.
    """
    a, b, c, d, n, m = numbers_of("bcsc_v1_rates", ("a", "b", "c", "d", "n", "m")).T
    if asian_mortality == "corrected":
        n = n / np.where(np.array(list(POPULATIONS)) == "asian", 10.0, 1.0)
    at_risk = np.where(population >= 0, 1.0, np.nan)
    risk = np.zeros(len(age))
    for year in range(5):
        x = age + year
        incidence = ((a[population] * x + b[population]) * x + c[population]) * x + d[population]
        deaths = n[population] * np.exp(m[population] * x)
        risk = risk + incidence / 100 * at_risk
        at_risk = at_risk - (incidence + deaths) / 100
    return FiveYears(risk=risk, surviving=at_risk)


def _population(women: Women) -> Int[np.ndarray, "woman"]:
    """The place of every woman's population in `POPULATIONS`, -1 for others and unknown."""
    found = np.full(women.n, -1)
    for place, levels in enumerate(POPULATIONS.values()):
        found[women.has("race", *levels)] = place
    return found


def _log_relative_risks(
    women: Women, population: Int[np.ndarray, "woman"]
) -> Float[np.ndarray, "woman term"]:
    age = women.number("age")
    bands = ("35", "45", "55", "65", "75")
    adjustment = numbers_of("bcsc_v1_density_adjustment", bands)
    band = np.clip(np.searchsorted([float(band) for band in bands], age, side="right") - 1, 0, len(bands) - 1)
    old = age >= 65
    density = women.level("density")
    ratios = np.array([_hazard_ratio("density", level, old) for level in FACTORS["density"].levels])
    density_ratio = adjustment[population, band] * ratios[density, np.arange(women.n)]
    family, biopsy = relatives(women), biopsies(women)
    return np.column_stack(
        [
            np.log(np.where(density >= 0, density_ratio, 1.0)),
            _yes_no("family_history", family.yes, family.no, old),
            _yes_no("breast_biopsy", biopsy.yes, biopsy.no, old),
        ]
    )


def _yes_no(
    factor: str, yes: Bool[np.ndarray, "woman"], no: Bool[np.ndarray, "woman"], old: Bool[np.ndarray, "woman"]
) -> Float[np.ndarray, "woman"]:
    ratio = np.where(
        yes, _hazard_ratio(factor, "yes", old), np.where(no, _hazard_ratio(factor, "no", old), 1.0)
    )
    return np.log(ratio)


def _hazard_ratio(factor: str, level: str, old: Bool[np.ndarray, "woman"]) -> Float[np.ndarray, "woman"]:
    row = next(r for r in rows_of("bcsc_v1_hazard_ratios") if (r["factor"], r["level"]) == (factor, level))
    return np.where(old, float(row["from_65"]), float(row["from_35"]))


#: The model as it is offered: plausible mortality for Asian women.
BCSC_V1 = BcscV1()
