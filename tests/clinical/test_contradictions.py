"""Answers that exclude each other, one rule after the other; and answers that only look as if they did."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.clinical.contradictions import contradictions
from forescreen.clinical.factors import FACTORS
from forescreen.clinical.women import Women, from_levels


def build_woman(births: tuple[float, ...] = (), **answers: float | str) -> Women:
    woman = from_levels(1, **{name: [value] for name, value in answers.items()})
    if not births:
        return woman
    return Women(n=1, values={**woman.values, "birth_ages": np.array([births], dtype=float)})


CONTRADICTIONS = [
    ("first_birth_after_age", {"age": 40, "first_birth_age": 41}),
    ("menarche_after_age", {"age": 15, "menarche_age": 16}),
    ("menopause_after_age", {"age": 48, "menopause_age": 50}),
    ("birth_after_age", {"age": 40, "births": (24, 41)}),
    ("first_birth_before_menarche", {"menarche_age": 13, "first_birth_age": 12}),
    ("birth_before_menarche", {"menarche_age": 13, "births": (12, 20)}),
    ("menopause_before_menarche", {"menarche_age": 25, "menopause_age": 25 - 0.5}),
    ("premenopausal_with_menopause", {"menopause": "pre", "menopause_age": 50}),
    ("premenopausal_with_menopause", {"menopause": "pre", "menopause_type": "surgical"}),
    ("no_births_but_first", {"parity": 0, "first_birth_age": 24}),
    ("parity_and_births_differ", {"parity": 0, "births": (24,)}),
    ("parity_and_births_differ", {"parity": 3, "births": (24, 27)}),
    ("births_not_rising", {"births": (27, 24)}),
    ("first_birth_differs", {"first_birth_age": 25, "births": (24, 27)}),
    ("family_history_contradicts", {"n_relatives": 0, "family_history": "yes"}),
    ("family_history_contradicts", {"n_relatives": 2, "family_history": "no"}),
    ("breast_biopsy_contradicts", {"n_biopsies": 0, "breast_biopsy": "yes"}),
    ("breast_biopsy_contradicts", {"n_biopsies": 1, "breast_biopsy": "no"}),
    ("hyperplasia_without_biopsy", {"n_biopsies": 0, "atypical_hyperplasia": "yes"}),
    ("hyperplasia_without_biopsy", {"breast_biopsy": "no", "atypical_hyperplasia": "yes"}),
    ("hormone_type_without_hormones", {"hormone_therapy": "never", "hormone_therapy_type": "combined"}),
    # 64 kg / (1.6 m)² = 25
    ("bmi_contradicts", {"height_cm": 160, "weight_kg": 64, "bmi": 25.6}),
    ("wrong_unit", {"height_cm": 160, "weight_kg": 141, "bmi": 25}),
]

CONSISTENT = [
    {"age": 40, "first_birth_age": 40},
    {"age": 40, "first_birth_age": 40.5},  # the age may be told in completed years
    {"menarche_age": 13, "first_birth_age": 13},
    {"parity": 2, "births": (24, 24), "first_birth_age": 24},  # twins
    {"parity": 0},
    {"n_relatives": 0, "family_history": "no"},
    {"n_biopsies": 0, "atypical_hyperplasia": "no"},
    {"atypical_hyperplasia": "yes"},  # of biopsies of unknown number
    {"menopause": "post", "menopause_age": 50, "age": 50},
    {"hormone_therapy": "current", "hormone_therapy_type": "combined"},
    {"height_cm": 160, "weight_kg": 64, "bmi": 25.4},
    {"height_cm": 160, "bmi": 40},
]


@pytest.mark.parametrize(("code", "answers"), CONTRADICTIONS)
def test_answers_that_exclude_each_other_are_a_problem_that_names_them(
    code: str, answers: dict[str, float]
) -> None:
    (problem,) = contradictions(build_woman(**answers))
    assert problem.code == code
    named = {"birth_ages" if name == "births" else name for name in answers}
    assert named <= set(problem.factors) <= set(FACTORS)


@pytest.mark.parametrize("answers", CONSISTENT)
def test_answers_that_can_be_true_together_are_none(answers: dict[str, float]) -> None:
    assert contradictions(build_woman(**answers)) == ()


def test_unknown_contradicts_nothing() -> None:
    assert contradictions(Women(n=3, values={})) == ()


def test_problems_are_told_of_their_rows_in_order() -> None:
    women = from_levels(
        3, age=[40, 40, 40], menarche_age=[12, None, 50], first_birth_age=[41, 20, None], bmi=[25, 25, 25]
    )
    assert [(p.row, p.code) for p in contradictions(women)] == [
        (0, "first_birth_after_age"),
        (2, "menarche_after_age"),
    ]


def test_pounds_are_recognised_by_the_factor_and_other_differences_are_not() -> None:
    # 64 kg / (1.6 m)² = 25; 64 kg are 141.1 lb
    for weight, code in ((141.1, "wrong_unit"), (138.0, "wrong_unit"), (130.0, "bmi_contradicts")):
        (problem,) = contradictions(build_woman(height_cm=160, weight_kg=weight, bmi=25))
        assert problem.code == code
