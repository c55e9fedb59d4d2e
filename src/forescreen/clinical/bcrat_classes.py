"""How BCRAT classes women: group, number of biopsies, menarche, first birth, relatives; and whom it refuses.

In: women. Out: `Classes`, and from them the log relative risk in five terms. Coefficients and classes are in
tables/bcrat_coefficients.csv; the rules are those that the manual and the results of the R package BCRA 2.1.2
show [Gail1989, Gail2007, Matsuno2011, Banegas2017].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .coefficients import rows_of
from .eligibility import holding
from .factors import RACES
from .histories import BIOPSIES, RELATIVES, biopsies, relatives
from .women import Women

YOUNGEST, OLDEST = 20.0, 90.0

#: Log relative risk of a woman with biopsies whose hyperplasia is known: BCRA 2.1.2, R_Hyp.
_LOG_HYPERPLASIA = {"no": float(np.log(0.93)), "yes": float(np.log(1.82))}

#: Levels of race that are answered by another group's numbers, as the tool does, and those of no group.
_AS_OTHER = ("native american", "other")
TOO_COARSE = ("hispanic", "asian")

_WORDS = ("race", "rates", "average_rates")

#: Of births, which are no factor for black women, and of everybody.
_OF_BIRTHS = ("parity", "first_birth_age")
_OF_ALL = (
    "age",
    "race",
    *BIOPSIES,
    "atypical_hyperplasia",
    "menarche_age",
    *RELATIVES,
)

#: Where a factor of a row is told in a way that no category fits; set by readers as the code of a problem.
READER_CODES = {
    "value_missing": "a value is missing; unknown must be written as 99",
    "race_code": "the race code is none of 1 to 11",
    "hyperplasia_code": "the code of atypical hyperplasia is none of 0, 1, 99",
    "menarche_code": "the age at menarche is 0 or less",
    "first_birth_code": "the age at first birth is none, and neither 98 nor 99",
    "relatives_code": "the number of relatives is not 0, 1, or 2 to 98, and not 99",
}

TERMS = ("biopsies", "menarche", "first birth", "relatives", "first birth × relatives")


@dataclass(frozen=True)
class Group:
    """One row of tables/bcrat_coefficients.csv, which says what the columns are."""

    race: str
    biopsies: float
    menarche: float
    first_birth: float
    relatives: float
    biopsies_from_50: float
    first_birth_relatives: float
    f_below_50: float
    f_from_50: float
    most_biopsies: float
    most_menarche: float
    most_relatives: float
    first_birth_20: float
    first_birth_25: float
    first_birth_30: float
    nulliparous: float
    rates: str
    average_rates: str


@cache
def groups() -> tuple[Group, ...]:
    """All groups, in the order of the tool's race codes."""
    return tuple(_group(row) for row in rows_of("bcrat_coefficients"))


def _group(row: Mapping[str, str]) -> Group:
    cells: dict[str, Any] = {
        one.name: row[one.name] if one.name in _WORDS else float(row[one.name]) for one in fields(Group)
    }
    return Group(**cells)


#: Races in the order of the tool's codes 1 to 11; 4 is Native American, other and unknown.
GROUPS: tuple[str, ...] = tuple(group.race for group in groups())


@dataclass(frozen=True, eq=False)
class Classes:
    """Women as the tool classes them, and why not; group −1 where none fits."""

    group: Int[np.ndarray, "woman"]
    biopsies: Float[np.ndarray, "woman"]
    log_hyperplasia: Float[np.ndarray, "woman"]
    menarche: Float[np.ndarray, "woman"]
    first_birth: Float[np.ndarray, "woman"]
    relatives: Float[np.ndarray, "woman"]
    reasons: Mapping[str, Bool[np.ndarray, "woman"]]
    flags: Mapping[str, Bool[np.ndarray, "woman"]]

    def of_group(self, quantity: Callable[[Group], float]) -> Float[np.ndarray, "woman"]:
        """A number of every woman's group."""
        return _of_group(self.group, quantity)


def classes_of(women: Women) -> Classes:
    """Classes of every woman, and reasons for those whom the tool does not answer, whatever the horizon."""
    age = women.number("age")
    race = women.level("race")
    group = np.array([_position(level) for level in RACES] + [GROUPS.index("other")])[race]
    biopsied, related = biopsies(women), relatives(women)
    menarche, first_birth = women.number("menarche_age"), women.number("first_birth_age")
    nulliparous = women.number("parity") == 0
    tells_first_birth = _of_group(group, lambda one: one.nulliparous) > 0
    hyperplasia = women.level("atypical_hyperplasia")
    first_birth_wrong = {
        "first_birth_before_menarche": first_birth < menarche,
        "first_birth_after_age": first_birth > age,
        "first_birth_of_none": nulliparous & np.isfinite(first_birth),
    }
    reasons = {
        "age_unknown": np.isnan(age),
        "age_outside": (age < YOUNGEST) | (age >= OLDEST),
        "population_outside": women.has("race", *TOO_COARSE),
        "hyperplasia_without_biopsies": ~biopsied.yes & (hyperplasia >= 0),
        "menarche_after_age": menarche > age,
        **{code: wrong & tells_first_birth for code, wrong in first_birth_wrong.items()},
        **_told(women, tells_first_birth),
    }
    assumed = (
        ~biopsied.known
        | ~related.known
        | (biopsied.yes & (hyperplasia < 0))
        | (np.isnan(menarche) & (_of_group(group, lambda one: one.most_menarche) > 0))
        | (np.isnan(first_birth) & ~nulliparous & tells_first_birth)
    )
    log_hyperplasia = np.zeros(women.n)
    for level, log_risk in _LOG_HYPERPLASIA.items():
        log_hyperplasia[biopsied.yes & women.has("atypical_hyperplasia", level)] = log_risk
    return Classes(
        group=group,
        biopsies=np.minimum(_none_one_more(biopsied.count), _of_group(group, lambda one: one.most_biopsies)),
        log_hyperplasia=log_hyperplasia,
        menarche=np.minimum(
            0.0 + (menarche < 14) + (menarche < 12), _of_group(group, lambda one: one.most_menarche)
        ),
        first_birth=_first_birth(group, first_birth, nulliparous),
        relatives=np.minimum(_none_one_more(related.count), _of_group(group, lambda one: one.most_relatives)),
        reasons=holding(reasons),
        flags={
            "factors_assumed": assumed,
            "population_other": women.has("race", *_AS_OTHER),
            "population_unknown": race < 0,
            "one_biopsy_assumed": biopsied.at_least,
            "one_relative_assumed": related.at_least,
        },
    )


def _position(race: str) -> int:
    """Place of a level of race among the groups, −1 where it is too coarse."""
    return -1 if race in TOO_COARSE else GROUPS.index("other" if race in _AS_OTHER else race)


def _of_group(
    group: Int[np.ndarray, "woman"], quantity: Callable[[Group], float]
) -> Float[np.ndarray, "woman"]:
    """A number of every woman's group; where there is none, that of white women, who has a reason anyway."""
    numbers = np.array([quantity(one) for one in groups()] + [quantity(groups()[0])])
    return np.asarray(numbers[group])


def _none_one_more(count: Float[np.ndarray, "woman"]) -> Float[np.ndarray, "woman"]:
    """0, 1 or 2; unknown is 0."""
    return 0.0 + (count >= 1) + (count >= 2)


def _first_birth(
    group: Int[np.ndarray, "woman"],
    age: Float[np.ndarray, "woman"],
    nulliparous: Bool[np.ndarray, "woman"],
) -> Float[np.ndarray, "woman"]:
    classed = np.zeros(age.size)
    for low, quantity in (
        (20, lambda one: one.first_birth_20),
        (25, lambda one: one.first_birth_25),
        (30, lambda one: one.first_birth_30),
    ):
        classed = np.where(age >= low, _of_group(group, quantity), classed)
    return np.where(nulliparous, _of_group(group, lambda one: one.nulliparous), classed)


def _told(women: Women, tells_first_birth: Bool[np.ndarray, "woman"]) -> dict[str, Bool[np.ndarray, "woman"]]:
    """Problems that a reader found in the factors of the model, by code."""
    found: dict[str, np.ndarray] = {}
    for problem in women.problems:
        factors = set(problem.factors)
        if factors & {*_OF_ALL} or (factors & {*_OF_BIRTHS} and tells_first_birth[problem.row]):
            code = problem.code if problem.code in READER_CODES else "factors_contradict"
            found.setdefault(code, np.zeros(women.n, dtype=bool))[problem.row] = True
    return found


def terms_of(classes: Classes, *, from_50: Bool[np.ndarray, "woman"]) -> Float[np.ndarray, "woman term"]:
    """Log relative risk in the terms of `TERMS`; biopsies weigh otherwise from age 50 on."""
    biopsies = classes.of_group(lambda one: one.biopsies)
    biopsies = biopsies + np.where(from_50, classes.of_group(lambda one: one.biopsies_from_50), 0.0)
    return np.column_stack(
        [
            biopsies * classes.biopsies + classes.log_hyperplasia,
            classes.of_group(lambda one: one.menarche) * classes.menarche,
            classes.of_group(lambda one: one.first_birth) * classes.first_birth,
            classes.of_group(lambda one: one.relatives) * classes.relatives,
            classes.of_group(lambda one: one.first_birth_relatives) * classes.first_birth * classes.relatives,
        ]
    )


def log_relative_risks(
    classes: Classes,
) -> tuple[Float[np.ndarray, "woman"], Float[np.ndarray, "woman"]]:
    """Before and from age 50."""
    younger = terms_of(classes, from_50=np.zeros(classes.group.size, dtype=bool)).sum(axis=1)
    return younger, younger + classes.of_group(lambda one: one.biopsies_from_50) * classes.biopsies
