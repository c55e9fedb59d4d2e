"""One woman's risk taken apart."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.clinical.explanation import explain, missing, taken, value_text
from forescreen.clinical.women import Problem, Women, from_levels
from tests.clinical.small_model import SMALL_MODEL

EXACT = 1e-12


def build_women() -> Women:
    women = from_levels(3, age=[50, 52, 75], density=["b", "d", "d"], family_history=["no", None, None])
    problems = [Problem(row=0, code="wrong", factors=("density",), message="the density is impossible")]
    return Women(n=3, values=women.values, problems=problems)


def test_a_risk_is_told_by_factor_and_by_year() -> None:
    told = explain(build_women(), 1, model=SMALL_MODEL, horizon_years=4.0)
    assert told.reasons == ()
    assert abs(told.risk - 0.06) < EXACT  # 1 % a year × 1.5
    np.testing.assert_allclose(told.years, [1, 2, 3, 4])
    np.testing.assert_allclose(told.risk_by_year, [0.015, 0.03, 0.045, 0.06], atol=EXACT)
    np.testing.assert_allclose(told.average_by_year, [0.01, 0.02, 0.03, 0.04], atol=EXACT)
    by_factor = {line.factor: line for line in told.lines}
    density = by_factor["breast density (BI-RADS)"]
    assert (density.value, density.used, round(density.relative_risk, 12)) == ("d", "as given", 1.5)
    family = by_factor["family history of breast cancer"]
    assert (family.value, family.used, family.assumed) == ("", "no family history", True)
    assert by_factor["age"].value == "52 years"
    assert np.isnan(by_factor["age"].relative_risk)
    assert told.flags == ("the density is d", "unknown factors were assumed as the model says")


def test_a_horizon_that_is_no_whole_number_ends_the_years() -> None:
    told = explain(build_women(), 1, model=SMALL_MODEL, horizon_years=2.5)
    np.testing.assert_allclose(told.years, [1, 2, 2.5])


def test_no_risk_is_explained_by_its_reasons() -> None:
    told = explain(build_women(), 2, model=SMALL_MODEL, horizon_years=5.0)
    assert np.isnan(told.risk)
    assert told.reasons == (
        "the age is outside the ages for which the model was made: from 40, below 70 years",
    )
    told = explain(build_women(), 0, model=SMALL_MODEL, horizon_years=5.0)
    assert told.reasons == ("the density is impossible",)
    assert len(told.years) == 0


def test_a_horizon_beyond_the_model_shows_the_years_that_it_answers() -> None:
    told = explain(build_women(), 1, model=SMALL_MODEL, horizon_years=12.0)
    assert np.isnan(told.risk)
    assert told.reasons == ("the horizon is not one that the model answers: 1 to 10 years",)


@pytest.mark.parametrize(
    ("factor", "answers", "expected"),
    [
        ("first_birth_age", {"parity": 0}, False),
        ("first_birth_age", {"parity": 2}, True),
        ("menopause_age", {"menopause": "pre"}, False),
        ("menopause_age", {}, True),
        ("hormone_therapy_type", {"hormone_therapy": "never"}, False),
        ("hormone_therapy_type", {"hormone_therapy": "current"}, True),
        ("atypical_hyperplasia", {"n_biopsies": 0}, False),
        ("atypical_hyperplasia", {"n_biopsies": 2}, True),
        ("bmi", {"bmi": 25}, False),
        ("weight_kg", {"bmi": 25}, False),
        ("weight_kg", {}, True),
        ("birth_ages", {"parity": 2, "first_birth_age": 24}, False),
        ("family_history", {"n_relatives": 0}, False),
    ],
)
def test_what_she_cannot_have_or_is_known_otherwise_is_not_missing(
    factor: str, answers: dict[str, float | str], expected: bool
) -> None:
    woman = from_levels(1, **{name: [value] for name, value in answers.items()})
    assert missing(woman, factor).tolist() == [expected]


def test_values_are_told_with_their_units() -> None:
    women = from_levels(1, bmi=[24.25], race=["white"], parity=[2])
    births = Women(n=1, values={**women.values, "birth_ages": np.array([[24.0, 27.0, np.nan]])})
    told = [value_text(births, name, 0) for name in ("bmi", "race", "parity", "birth_ages", "density")]
    assert told == ["24.25 kg/m²", "white", "2", "24/27", ""]


def test_rows_are_taken_with_their_problems() -> None:
    chosen = taken(build_women(), np.array([2, 0, 0]))
    assert chosen.number("age").tolist() == [75, 50, 50]
    assert [problem.row for problem in chosen.problems] == [1, 2]
