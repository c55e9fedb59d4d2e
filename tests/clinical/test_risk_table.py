"""The table of risks and its account, with a model that can be computed by hand."""

from __future__ import annotations

import numpy as np

from forescreen.clinical.risk_table import risk_table
from forescreen.clinical.women import Problem, Women, from_levels
from tests.clinical.small_model import SMALL_MODEL

EXACT = 1e-12


def build_women() -> Women:
    women = from_levels(
        6,
        age=[50, 75, 50, 50, None, 50],
        density=["d", "b", None, "a", None, "b"],
        family_history=["yes", "no", "no", "no", "no", None],
    )
    problems = [
        Problem(row=3, code="wrong", factors=("family_history",), message="the family is impossible"),
        Problem(row=0, code="wrong", factors=("bmi",), message="the bmi is impossible"),
    ]
    return Women(n=6, values=women.values, problems=problems)


def test_every_woman_has_a_risk_or_a_reason_and_only_they() -> None:
    table = risk_table(build_women(), [SMALL_MODEL], horizon_years=5.0).table
    assert table["row"].tolist() == [2, 3, 4, 5, 6, 7]
    # 1 % a year, × 2 for the family, × 1.5 for density d
    np.testing.assert_allclose(
        table["small_model_risk"], [0.15, np.nan, np.nan, np.nan, np.nan, 0.05], atol=EXACT
    )
    np.testing.assert_allclose(
        table["small_model_relative"], [3, np.nan, np.nan, np.nan, np.nan, 1], atol=EXACT
    )
    assert table["small_model_reason"].tolist() == [
        "",
        "age_outside",
        "factor_unknown",
        "factors_contradict",
        "age_unknown; factor_unknown",
        "",
    ]
    assert table["small_model_flags"].tolist() == ["dense", "", "", "", "", "factors_assumed"]


def test_reasons_name_the_factor_and_tell_the_contradiction() -> None:
    why = risk_table(build_women(), [SMALL_MODEL], horizon_years=5.0).table["small_model_why"]
    assert why[2] == "density is unknown, and the model gives no risk without it"
    assert why[3] == "the family is impossible"
    assert "the age is unknown" in why[4]
    assert "density is unknown" in why[4]


def test_a_problem_that_the_model_does_not_use_is_told_and_does_not_refuse() -> None:
    table = risk_table(build_women(), [SMALL_MODEL], horizon_years=5.0).table
    assert table["problems"][0] == "the bmi is impossible"
    assert np.isfinite(table["small_model_risk"][0])


def test_the_account_adds_up() -> None:
    found = risk_table(build_women(), [SMALL_MODEL], horizon_years=5.0)
    (account,) = found.accounts
    assert (account.n_women, account.n_risks) == (6, 2)
    assert {code: n for code, (_, n) in account.reasons.items()} == {
        "age_outside": 1,
        "factor_unknown": 2,
        "factors_contradict": 1,
        "age_unknown": 1,
    }
    assert account.assumed == {"family_history": ("no family history", 1)}
    assert account.median_risk == np.median([0.15, 0.05])
    assert account.notes == ("made up for tests",)
    assert found.complete.tolist() == [True, False, False, False, False, True]


def test_each_woman_may_have_a_horizon_of_her_own_and_ids_pass_through() -> None:
    women = from_levels(2, age=[50, 50], density=["b", "b"])
    found = risk_table(
        women, [SMALL_MODEL], horizon_years=np.array([1.0, 20.0]), ids={"id": np.array(["x", "y"])}
    )
    assert found.table["id"].tolist() == ["x", "y"]
    assert found.table["small_model_reason"].tolist() == ["", "horizon_outside"]
    assert abs(found.table["small_model_risk"][0] - 0.01) < EXACT


def test_many_women_have_what_few_have() -> None:
    few = build_women()
    rows = np.tile(np.arange(6), 50)
    many = Women(
        n=300,
        values={name: column[rows] for name, column in few.values.items()},
        problems=[
            Problem(row=p.row + 6 * i, code=p.code, factors=p.factors, message=p.message)
            for i in range(50)
            for p in few.problems
        ],
    )
    once = risk_table(few, [SMALL_MODEL], horizon_years=5.0).table.drop(columns="row")
    often = risk_table(many, [SMALL_MODEL], horizon_years=5.0).table.drop(columns="row")
    for i in (0, 17, 49):
        part = often.iloc[6 * i : 6 * (i + 1)].reset_index(drop=True)
        assert part.equals(once)
