"""Answers that contradict each other: women in, problems of their rows out.

Each rule compares what is known; unknown contradicts nothing. A problem names all factors that may be the
wrong one, the age too, so that no model that uses any of them gives a risk. Nothing is mended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .women import Problem, Women

#: How far a body-mass index may be from weight / height² (rounded heights and weights).
BMI_TOLERANCE = 0.02

#: A body-mass index computed from pounds taken as kilograms is that much too high, within 3 %.
_POUNDS_A_KILOGRAM, _UNIT_TOLERANCE = 2.20462262, 0.03


@dataclass(frozen=True)
class _Rule:
    code: str
    factors: tuple[str, ...]
    message: str
    broken: Bool[np.ndarray, "woman"]


def contradictions(women: Women) -> tuple[Problem, ...]:
    """The problems of all rows, sorted by row; those that `women` has already are not repeated."""
    found = [
        Problem(row=int(row), code=rule.code, factors=rule.factors, message=rule.message)
        for rule in (*_timeline(women), *_births(women), *_counts(women), *_menopause(women), *_size(women))
        for row in np.flatnonzero(rule.broken)
    ]
    return tuple(sorted(found, key=lambda problem: problem.row))


def body_mass_index(women: Women) -> Float[np.ndarray, "woman"]:
    """Weight / height², kg/m²; NaN where either is unknown."""
    return np.asarray(women.number("weight_kg") / (women.number("height_cm") / 100) ** 2)


def _timeline(women: Women) -> list[_Rule]:
    """What happened did not happen later than now, and in an order that is possible."""
    age, menarche = women.number("age"), women.number("menarche_age")
    first, menopause = women.number("first_birth_age"), women.number("menopause_age")
    births = women.births()
    last = np.full(women.n, np.nan)
    if births.shape[1]:
        last = np.fmax.reduce(births, axis=1)
    # Ages at events are completed years, or finer; the age now may be either.
    return [
        _Rule(
            f"{word}_after_age",
            (name, "age"),
            f"{name} is higher than the age",
            np.floor(then) > age,
        )
        for word, name, then in (
            ("menarche", "menarche_age", menarche),
            ("first_birth", "first_birth_age", first),
            ("birth", "birth_ages", last),
            ("menopause", "menopause_age", menopause),
        )
    ] + [
        _Rule(
            "first_birth_before_menarche",
            ("first_birth_age", "menarche_age"),
            "first_birth_age is lower than menarche_age",
            first < menarche,
        ),
        _Rule(
            "menopause_before_menarche",
            ("menopause_age", "menarche_age"),
            "menopause_age is lower than menarche_age",
            menopause < menarche,
        ),
    ]


def _births(women: Women) -> list[_Rule]:
    parity, first, births = women.number("parity"), women.number("first_birth_age"), women.births()
    listed = np.isfinite(births)
    n_listed = listed.sum(axis=1)
    falling = before = differs = np.zeros(women.n, dtype=bool)
    if births.shape[1]:
        # Twins have one age: equal ages are births, too.
        falling = np.asarray((np.diff(births, axis=1) < 0).any(axis=1))
        differs = np.asarray(np.isfinite(first) & listed[:, 0] & (births[:, 0] != first))
        before = births[:, 0] < women.number("menarche_age")
    none = parity == 0
    return [
        _Rule(
            "no_births_but_first",
            ("parity", "first_birth_age"),
            "parity is 0, but there is a first_birth_age",
            none & np.isfinite(first),
        ),
        _Rule(
            "parity_and_births_differ",
            ("parity", "birth_ages"),
            "birth_ages are not as many as parity",
            (n_listed > 0) & np.isfinite(parity) & (n_listed != parity),
        ),
        _Rule("births_not_rising", ("birth_ages",), "birth_ages do not rise", falling),
        _Rule(
            "first_birth_differs",
            ("first_birth_age", "birth_ages"),
            "first_birth_age is not the first of birth_ages",
            differs,
        ),
        _Rule(
            "birth_before_menarche",
            ("birth_ages", "menarche_age"),
            "the first of birth_ages is lower than menarche_age",
            before,
        ),
    ]


def _counts(women: Women) -> list[_Rule]:
    """Counts against the yes or no of the same thing."""
    rules = []
    for count, answer in (("n_relatives", "family_history"), ("n_biopsies", "breast_biopsy")):
        n = women.number(count)
        rules += [
            _Rule(
                f"{answer}_contradicts",
                (count, answer),
                f"{count} is 0, but {answer} is yes",
                (n == 0) & women.has(answer, "yes"),
            ),
            _Rule(
                f"{answer}_contradicts",
                (count, answer),
                f"{count} is above 0, but {answer} is no",
                (n > 0) & women.has(answer, "no"),
            ),
        ]
    without = (women.number("n_biopsies") == 0) | women.has("breast_biopsy", "no")
    rules.append(
        _Rule(
            "hyperplasia_without_biopsy",
            ("atypical_hyperplasia", "n_biopsies", "breast_biopsy"),
            "atypical_hyperplasia is yes, but there was no biopsy that could show it",
            women.has("atypical_hyperplasia", "yes") & without,
        )
    )
    return rules


def _menopause(women: Women) -> list[_Rule]:
    pre = women.has("menopause", "pre")
    return [
        _Rule(
            "premenopausal_with_menopause",
            ("menopause", "menopause_age"),
            "menopause is pre, but there is a menopause_age",
            pre & women.known("menopause_age"),
        ),
        _Rule(
            "premenopausal_with_menopause",
            ("menopause", "menopause_type"),
            "menopause is pre, but there is a menopause_type",
            pre & women.known("menopause_type"),
        ),
        _Rule(
            "hormone_type_without_hormones",
            ("hormone_therapy", "hormone_therapy_type"),
            "hormone_therapy is never, but there is a hormone_therapy_type",
            women.has("hormone_therapy", "never") & women.known("hormone_therapy_type"),
        ),
    ]


def _size(women: Women) -> list[_Rule]:
    ratio = body_mass_index(women) / women.number("bmi")
    pounds = np.abs(ratio / _POUNDS_A_KILOGRAM - 1) <= _UNIT_TOLERANCE
    apart = np.abs(ratio - 1) > BMI_TOLERANCE  # False where unknown
    all_three = ("bmi", "height_cm", "weight_kg")
    return [
        _Rule(
            "wrong_unit",
            all_three,
            "weight_kg looks like pounds, 2.2 times what bmi and height_cm say; convert to kg: × 0.453592",
            pounds,
        ),
        _Rule(
            "bmi_contradicts",
            all_three,
            f"bmi is not weight_kg / (height_cm / 100)² within {100 * BMI_TOLERANCE:g} %",
            apart & ~pounds,
        ),
    ]
