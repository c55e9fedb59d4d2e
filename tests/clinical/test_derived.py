"""What follows from other answers, and how far a wrong cell reaches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forescreen.clinical.derived import derive
from forescreen.clinical.factors import FACTORS
from forescreen.clinical.women import Problem, Women, from_levels

EXACT = 1e-12


def build(births: tuple[float, ...] = (), **answers: float | str) -> Women:
    woman = from_levels(1, **{name: [value] for name, value in answers.items()})
    if not births:
        return woman
    return Women(n=1, values={**woman.values, "birth_ages": np.array([births], dtype=float)})


@pytest.mark.parametrize(
    ("answers", "factor", "expected"),
    [
        ({"height_cm": 160, "weight_kg": 64}, "bmi", 25.0),
        ({"n_relatives": 2}, "family_history", "yes"),
        ({"n_relatives": 0}, "family_history", "no"),
        ({"family_history": "no"}, "n_relatives", 0),
        ({"n_biopsies": 1}, "breast_biopsy", "yes"),
        ({"breast_biopsy": "no"}, "n_biopsies", 0),
        ({"atypical_hyperplasia": "yes"}, "breast_biopsy", "yes"),
        ({"atypical_hyperplasia": "yes"}, "benign_breast_disease", "yes"),
        ({"births": (24, 27)}, "parity", 2),
        ({"births": (24, 27)}, "first_birth_age", 24),
        ({"menopause_age": 50}, "menopause", "post"),
        ({"menopause_type": "surgical"}, "menopause", "post"),
    ],
)
def test_what_follows_is_filled_in_and_recorded(
    answers: dict[str, Any], factor: str, expected: float | str
) -> None:
    values, derived, _ = derive(build(**answers), [])
    woman = Women(n=1, values=values)
    if FACTORS[factor].is_number:
        assert abs(woman.number(factor)[0] - float(expected)) < EXACT
    else:
        assert woman.has(factor, str(expected))[0]
    (told,) = [each for each in derived if each.factor == factor]
    assert told.women.tolist() == [True]


@pytest.mark.parametrize(
    ("answers", "factor"),
    [
        ({"family_history": "yes"}, "n_relatives"),  # of how many, models assume, and say so
        ({"breast_biopsy": "yes"}, "n_biopsies"),
        ({"atypical_hyperplasia": "no"}, "breast_biopsy"),
        ({"first_birth_age": 24}, "parity"),
        ({"height_cm": 160}, "bmi"),
        ({"hormone_therapy": "current"}, "menopause"),
    ],
)
def test_what_need_not_be_true_is_not_derived(answers: dict[str, Any], factor: str) -> None:
    values, _, _ = derive(build(**answers), [])
    assert not Women(n=1, values=values).known(factor)[0]


def test_an_only_birth_is_the_first() -> None:
    women = from_levels(3, parity=[1, 2, 1], first_birth_age=[24, 24, None])
    values, _, _ = derive(women, [])
    np.testing.assert_array_equal(values["birth_ages"], [[24], [np.nan], [np.nan]])


def test_what_was_answered_stays_as_it_was_answered() -> None:
    women = from_levels(2, n_relatives=[2, 2], family_history=["no", None], bmi=[30, None])
    values, derived, _ = derive(women, [])
    assert values["family_history"].tolist() == [0, 1]
    assert [each.women.tolist() for each in derived] == [[False, True]]


def test_a_wrong_cell_reaches_what_would_have_been_derived_of_it() -> None:
    women = from_levels(2, bmi=[None, 25])
    problems = [
        Problem(row=row, code="wrong_unit", factors=("height_cm",), message="in metres") for row in (0, 1)
    ]
    _, _, reached = derive(women, problems)
    assert [problem.factors for problem in reached] == [("height_cm", "bmi"), ("height_cm",)]


def test_a_wrong_cell_reaches_the_derived_of_the_derived() -> None:
    problem = Problem(row=0, code="bad_births", factors=("birth_ages",), message="not ages")
    _, _, (reached,) = derive(Women(n=1, values={}), [problem])
    assert {"birth_ages", "parity", "first_birth_age"} <= set(reached.factors)


def test_no_hyperplasia_without_a_biopsy_is_no_finding() -> None:
    women = from_levels(3, n_biopsies=[0, 1, None], atypical_hyperplasia=["no", "no", "no"])
    values, derived, _ = derive(women, [])
    assert Women(n=3, values=values).known("atypical_hyperplasia").tolist() == [False, True, True]
    (told,) = [each for each in derived if each.factor == "atypical_hyperplasia"]
    assert told.women.tolist() == [True, False, False]
