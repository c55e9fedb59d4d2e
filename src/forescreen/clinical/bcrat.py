"""BCRAT, the Breast Cancer Risk Assessment Tool of the US National Cancer Institute (Gail model), 11 groups.

In: women with race, age, biopsies, atypical hyperplasia, menarche, births, relatives; a horizon. Out: the
risk of invasive breast cancer, and that of an average woman of the group: white women [Gail1989,
Costantino1999], black women [Gail2007], Asian and Pacific Islander women [Matsuno2011], Hispanic women
[Banegas2017]. Numbers, rules and results are those of the R package BCRA 2.1.2. Incidence times
F = 1 − attributable risk [Bruzzi1985] is the baseline hazard; F and the relative risk change at age 50.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from .absolute import Step, absolute_risk, end_of, population_hazards, population_risk
from .bcrat_classes import (
    OLDEST,
    READER_CODES,
    TERMS,
    TOO_COARSE,
    YOUNGEST,
    classes_of,
    groups,
    log_relative_risks,
    terms_of,
)
from .eligibility import Eligibility, any_of, concluded
from .factors import RACES
from .model import Assessment, Terms, Use
from .rates import built_in_rates
from .women import Women

#: F and the weight of biopsies change here.
SECOND_STEP = 50.0

CODES: Mapping[str, str] = {
    "age_outside": "the age at the start is below 20 or not below 90",
    "horizon_outside": "the horizon is unknown or not above 0",
    "horizon_past_end": "the horizon ends after age 90",
    "population_outside": "the race is too coarse: use hispanic us-born or hispanic foreign-born; chinese, "
    "japanese, filipino, hawaiian, pacific islander or other asian",
    "hyperplasia_without_biopsies": "atypical hyperplasia is known, but there is no biopsy",
    "menarche_after_age": "menarche is after the age at the start",
    "first_birth_before_menarche": "the first birth is before menarche",
    "first_birth_after_age": "the first birth is after the age at the start",
    "first_birth_of_none": "there is an age at first birth, but no birth",
    **READER_CODES,
    "population_other": "Native American and other women are answered with the numbers of white women",
    "one_biopsy_assumed": "there was a biopsy, of unknown number: one was assumed",
    "one_relative_assumed": "there is a family history, of unknown number: one relative was assumed",
}


@dataclass(frozen=True)
class Bcrat:
    """The model; `BCRAT` is its instance."""

    name = "bcrat"
    title = "BCRAT (Gail)"
    version = "BCRA 2.1.2 (2020)"
    references = ("Gail1989", "Costantino1999", "Gail2007", "Matsuno2011", "Banegas2017")
    uses = (
        Use(factor="age", required=True),
        Use(
            factor="race",
            assumed="unknown race is answered as the tool does, with the numbers of white women",
        ),
        Use(factor="n_biopsies", assumed="no biopsy; one where breast_biopsy is yes"),
        Use(factor="breast_biopsy", assumed="used where n_biopsies is unknown; then none"),
        Use(factor="atypical_hyperplasia", assumed="relative risk 1, between no (0.93) and yes (1.82)"),
        Use(factor="menarche_age", assumed="14 or later"),
        Use(factor="parity", assumed="not nulliparous"),
        Use(factor="first_birth_age", assumed="before 20"),
        Use(factor="n_relatives", assumed="none; one where family_history is yes"),
        Use(factor="family_history", assumed="used where n_relatives is unknown; then none"),
    )
    ages = (YOUNGEST, OLDEST)
    horizons_years = (0.0, OLDEST - YOUNGEST)  # above 0, and to age 90 at most
    populations = tuple(race for race in RACES if race not in TOO_COARSE)
    event = "invasive breast cancer"
    codes = CODES

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        """Risk over any horizon that ends by age 90, one for all or one each; equal to the R package's.

        A woman has no risk, and one reason or more, where the tool has none: ages, horizons and races
        outside, hyperplasia known without biopsies, menarche after the age, a first birth before menarche or
        after the age (not for black women: their first birth is no factor). Unknown factors are assumed as
        `uses` says, and flagged.
        References: [Gail1989, Gail2007, Matsuno2011, Banegas2017].
        """
        horizon = np.broadcast_to(np.asarray(horizon_years, dtype=float), (women.n,)).copy()
        classes = classes_of(women)
        start = women.number("age")
        end = end_of(start, horizon, OLDEST)
        eligible = Eligibility(horizon_years=horizon, reasons=classes.reasons).also(
            horizon_outside=~(horizon > 0), horizon_past_end=(end > OLDEST) & (start < OLDEST)
        )
        answered = eligible.answered
        risk, average = np.full(women.n, np.nan), np.full(women.n, np.nan)
        younger, older = log_relative_risks(classes)
        for position, group in enumerate(groups()):
            rows = np.flatnonzero(answered & (classes.group == position))
            if rows.size:
                risk[rows] = absolute_risk(
                    start[rows],
                    end[rows],
                    baseline=population_hazards(built_in_rates(group.rates)),
                    steps=(
                        Step(from_age=YOUNGEST, log_relative_risk=younger[rows] + np.log(group.f_below_50)),
                        Step(from_age=SECOND_STEP, log_relative_risk=older[rows] + np.log(group.f_from_50)),
                    ),
                )
                average[rows] = population_risk(start[rows], end[rows], built_in_rates(group.average_rates))
        return concluded(self, eligible, risk, average=average, flags=classes.flags)

    def terms(self, women: Women) -> Terms:
        """Log relative risk in five terms, as it is at her age at the start (biopsies weigh less from 50 on).

        Biopsies hold hyperplasia. The product of first birth and relatives, which white women have, is a term
        of its own. NaN where `assess` gives no risk for any horizon.
        """
        classes = classes_of(women)
        terms = terms_of(classes, from_50=women.number("age") >= SECOND_STEP)
        terms[any_of(classes.reasons, women.n)] = np.nan
        return Terms(factors=TERMS, log_relative_risk=terms)


BCRAT: Final = Bcrat()
