"""Unknown factors: drawn for inference with the outcome, for scores without it, or a level of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.covariates import available_factors, design
from forescreen.errors import ConfigError, InputError
from forescreen.evaluation.compare import compare
from forescreen.evaluation.comparison_plan import ComparisonPlan, ComparisonSettings, read_plan
from forescreen.evaluation.imputed import completed_members, covariates
from forescreen.evaluation.missing import missing_account
from forescreen.evaluation.plan import EvaluationPlan
from forescreen.evaluation.predictors import groups
from forescreen.evaluation.run import evaluate
from forescreen.files import plain
from tests.evaluation.builders import build_members
from tests.evaluation.test_compare import model_of, outcomes_from

FACTORS = ("bmi", "family_history", "first_birth", "density")
METHODS = ("multiple imputation", "indicator")


def plan(missing: str, **more: Any) -> EvaluationPlan:
    given = {"factors": FACTORS, "fractions": (0.1,), "subgroups": (), "n_resamples": 20, "n_imputations": 3}
    return EvaluationPlan(**(given | {"missing": missing} | more))


def build_incomplete(share: float = 0.15, **more: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The planted members, each factor unknown of this share of them, completely at random."""
    members, scores, _ = build_members(**more)
    rng = np.random.default_rng(9)
    for name in ("bmi", "family_history", "parity", "first_birth_age", "density", "percent_density"):
        members.loc[rng.random(len(members)) < share, name] = np.nan
    return members, scores


def row_of(results: dict[str, Any], model: str, case_type: str) -> dict[str, Any]:
    (row,) = [r for r in results["main"] if (r["model"], r["case_type"]) == (model, case_type)]
    return row


@pytest.fixture(scope="module")
def incomplete() -> tuple[pd.DataFrame, pd.DataFrame]:
    return build_incomplete()


@pytest.fixture(scope="module")
def imputed(incomplete: tuple[pd.DataFrame, pd.DataFrame]) -> dict[str, Any]:
    return evaluate(*incomplete, plan=plan("multiple imputation"), matched=True)


@pytest.mark.parametrize("missing", METHODS)
def test_nobody_is_left_out_for_an_unknown_factor(
    incomplete: tuple[pd.DataFrame, pd.DataFrame], imputed: dict[str, Any], missing: str
) -> None:
    members = incomplete[0]
    results = imputed
    if missing == "indicator":
        results = evaluate(*incomplete, plan=plan(missing), matched=True)
    complete = evaluate(*incomplete, plan=plan("complete"), matched=True)
    for case_type in ("screen-detected", "interval"):
        judged = (members["split"] == "held-out") & (members["case_type"] == case_type)
        for model in ("image", "clinical", "combined"):
            assert row_of(results, model, case_type)["n_members"] == judged.sum()
        left = [r["n_members"] for r in complete["main"] if r["case_type"] == case_type]
        assert all(n < 0.8 * judged.sum() for n in left), "interval has too few sets left for any figure"
    assert not any("left out of every comparison" in note for note in results["notes"])
    json.dumps(plain(results), allow_nan=False)


def test_figures_of_models_with_drawn_factors_are_pooled_and_others_are_not(imputed: dict[str, Any]) -> None:
    for model, pooled in (("image", False), ("clinical", True), ("combined", True)):
        row = row_of(imputed, model, "screen-detected")
        assert ("3 imputations pooled on the logit scale" in row["concordance"]["method"]) == pooled
        assert ("3 imputations pooled on the log scale" in row["odds_ratio"]["method"]) == pooled
    pairs = {(r["model_a"], r["model_b"]): r["difference"]["method"] for r in imputed["comparisons"]}
    assert all("3 imputations pooled" in method for method in pairs.values()), "each has a clinical model"
    for row in imputed["factor_odds_ratios"]:
        assert "3 imputations pooled on the log scale" in row["odds_ratio"]["method"]
        assert 0 <= row["fraction_missing"] < 1
    names = {(r["factor"], r["case_type"]): r["odds_ratio"] for r in imputed["factor_odds_ratios"]}
    assert names["Percent density", "interval"]["lower"] > 1, "planted, and still found"


def test_the_same_seed_gives_the_same_results_and_another_seed_others(
    incomplete: tuple[pd.DataFrame, pd.DataFrame], imputed: dict[str, Any]
) -> None:
    again = evaluate(*incomplete, plan=plan("multiple imputation"), matched=True)
    assert json.dumps(plain(again)) == json.dumps(plain(imputed))
    other = evaluate(*incomplete, plan=plan("multiple imputation"), matched=True, seed=2)
    a, b = (row_of(r, "clinical", "interval")["concordance"]["value"] for r in (imputed, other))
    assert a != b


@pytest.mark.parametrize("missing", METHODS)
def test_where_nothing_is_unknown_every_method_gives_the_figures_of_complete_cases(missing: str) -> None:
    members, scores, _ = build_members()
    found, complete = (
        evaluate(members, scores, plan=plan(method), matched=True) for method in (missing, "complete")
    )
    assert found["main"] == complete["main"]
    assert found["factor_odds_ratios"] == complete["factor_odds_ratios"]
    assert found["missing"]["n_incomplete"] == 0
    assert found["missing"]["n_imputations"] is None


@pytest.mark.parametrize("missing", METHODS)
@pytest.mark.parametrize("matched", [True, False])
def test_held_out_outcomes_do_not_touch_held_out_predictions(missing: str, matched: bool) -> None:
    members, _ = build_incomplete(matched=matched)
    held_out = np.flatnonzero(members["split"] == "held-out")
    permuted = members.copy()
    order = np.random.default_rng(2).permutation(held_out)
    for column in ("outcome", "role", "case_type", "months_to_diagnosis", "set_id"):
        permuted.loc[held_out, column] = members.loc[order, column].to_numpy()

    def predicted(table: pd.DataFrame) -> np.ndarray:
        found = covariates(
            table, FACTORS, missing=missing, n_imputations=2, train_groups=groups(table), seed=1
        )
        return found.scores(table, case_type="screen-detected", matched=matched)[:, held_out]

    first = predicted(members)
    assert np.isfinite(first).all(), "every woman gets a score"
    np.testing.assert_array_equal(first, predicted(permuted))


@pytest.mark.parametrize("missing", METHODS)
def test_held_out_factors_do_not_touch_what_is_fitted(missing: str) -> None:
    members, _ = build_incomplete()
    held_out = (members["split"] == "held-out").to_numpy()
    others = members.copy()
    others.loc[held_out, "bmi"] = 40.0  # all of them known, and heavy

    def fitted_on(table: pd.DataFrame) -> np.ndarray:
        found = covariates(
            table, FACTORS, missing=missing, n_imputations=2, train_groups=groups(table), seed=1
        )
        X = [matrix[~held_out] for matrix in found.groups[0][1]]
        return np.concatenate(X)

    np.testing.assert_array_equal(fitted_on(members), fitted_on(others))


def test_without_held_out_members_each_fold_is_drawn_from_the_others() -> None:
    members, _ = build_incomplete()
    members["split"] = "development"
    members["fold"] = members["set_id"].str[1:].astype(int) % 3
    members["bmi"] = np.where(members["bmi"].notna(), 20.0 + members["fold"], np.nan)  # tells its fold
    found = covariates(
        members,
        ("bmi",),
        missing="multiple imputation",
        n_imputations=2,
        train_groups=groups(members),
        seed=1,
    )
    unknown = members["bmi"].isna().to_numpy()
    for (_, predicted_for), matrices in found.groups:
        fold = members.loc[predicted_for, "fold"].iloc[0]
        drawn = np.concatenate([5 * X[unknown & predicted_for, 0] for X in matrices])
        assert 20.0 + fold not in set(np.round(drawn, 6))


def test_copies_for_inference_know_the_outcome_and_the_set() -> None:
    members, _, _ = build_members(n_screen=300, n_interval=0)
    case = members["outcome"] != "none"
    of_set = members.groupby("set_id").ngroup().to_numpy()
    rng = np.random.default_rng(3)
    # Known to be high of cases, and shared by the set: nothing else tells it.
    members["bmi"] = 25 + 6 * case + (of_set % 5) + rng.normal(size=len(members)) * 0.1
    truth = members["bmi"].copy()
    members.loc[rng.random(len(members)) < 0.2, "bmi"] = np.nan
    unknown = members["bmi"].isna()
    (copy, _) = completed_members(members, ("bmi",), matched=True, n_imputations=2, seed=1)
    drawn = copy["bmi"]
    assert (drawn[unknown & case].mean() - drawn[unknown & ~case].mean()) == pytest.approx(6, abs=0.6)
    residual = drawn[unknown] - 6 * case[unknown]
    assert np.corrcoef(residual, truth[unknown] - 6 * case[unknown])[0, 1] > 0.5, (
        "the mean of the set entered"
    )
    pd.testing.assert_series_equal(drawn[~unknown], members["bmi"][~unknown])
    pd.testing.assert_frame_equal(copy.drop(columns="bmi"), members.drop(columns="bmi"))


def test_completed_members_have_every_factor_in_its_coding() -> None:
    members, _ = build_incomplete()
    copies = completed_members(members, FACTORS, matched=True, n_imputations=2, seed=1)
    assert len(copies) == 2
    for copy in copies:
        assert design(copy, FACTORS).complete.all(), "a value outside its coding would have been an error"
        age_tells = members["parity"].isna() & members["first_birth_age"].notna()
        assert (copy.loc[age_tells, "parity"] == 1).all(), "who has an age at first birth has given birth"
        childless = copy["parity"] == 0
        assert copy.loc[childless & members["first_birth_age"].isna(), "first_birth_age"].isna().all()
    complete, _, _ = build_members()
    assert completed_members(complete, FACTORS, matched=True, n_imputations=2, seed=1) == ()


def test_a_questionnaire_that_is_missing_as_a_whole_is_one_level_not_an_error() -> None:
    members, _, _ = build_members()
    rng = np.random.default_rng(4)
    members.loc[rng.random(len(members)) < 0.2, ["bmi", "family_history", "parity", "first_birth_age"]] = (
        np.nan
    )
    found = covariates(
        members, FACTORS, missing="indicator", n_imputations=2, train_groups=groups(members), seed=1
    )
    assert found.spare == ("bmi unknown", "family history unknown", "first birth unknown")
    held_out = (members["split"] == "held-out").to_numpy()
    for matched in (True, False):
        table = members if matched else members.assign(set_id="", case_type="")
        score = found.scores(table, case_type="screen-detected", matched=matched)
        assert np.isfinite(score[0, held_out]).all()


def test_a_plan_with_an_unknown_method_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    for make in (EvaluationPlan, ComparisonSettings):
        with pytest.raises(ConfigError, match=r"'complete', 'multiple imputation', 'indicator'.*'mice'"):
            make(missing="mice")
        with pytest.raises(ConfigError, match="n_imputations from 2"):
            make(n_imputations=1)
    file = tmp_path / "plan.toml"
    file.write_text('[evaluation]\nmissing = "drop"\n')
    with pytest.raises(ConfigError, match=r"missing one of 'complete'.*found 'drop'"):
        read_plan(file)


def test_a_factor_known_of_too_few_to_be_drawn_is_refused(
    incomplete: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    members, scores = incomplete
    few = members.assign(bmi=members["bmi"].where(members.index < 5))
    with pytest.raises(InputError, match=r"bmi known of at least 20 women"):
        evaluate(few, scores, plan=plan("multiple imputation"), matched=True)


def test_the_account_counts_every_factor_by_outcome_and_the_sets_that_complete_cases_lose(
    incomplete: tuple[pd.DataFrame, pd.DataFrame], imputed: dict[str, Any]
) -> None:
    members = incomplete[0]
    account = imputed["missing"]
    assert (account["method"], account["n_imputations"], account["n"]) == (
        "multiple imputation",
        3,
        len(members),
    )
    counts = {f["factor"]: f["n_unknown"] for f in account["factors"]}
    assert tuple(counts) == (*FACTORS, "percent_density")
    assert [c["label"] for c in account["columns"]] == ["Controls", "Screen-detected", "Interval"]
    by_hand = [int(members.loc[members["outcome"] == o, "bmi"].isna().sum()) for o in ("none", "interval")]
    assert [counts["bmi"][0], counts["bmi"][2]] == by_hand
    complete = design(members, FACTORS).complete
    assert account["n_incomplete"] == int((~complete).sum())
    kept = members[complete]
    case = kept["outcome"] != "none"
    whole = set(kept.loc[case, "set_id"]) & set(kept.loc[~case, "set_id"])
    assert account["n_sets_lost"] == members["set_id"].nunique() - len(whole) > 0


def test_small_counts_of_unknown_factors_are_not_shown() -> None:
    members, _, _ = build_members()
    members.loc[members.index[members["outcome"] == "interval"][:4], "bmi"] = np.nan
    account = missing_account(
        members, ("bmi", "density"), method="complete", n_imputations=2, matched=True, suppress_below=10
    )
    counts = {f["factor"]: f["n_unknown"] for f in account["factors"]}
    assert counts["bmi"] == [0, 0, None]
    assert account["n_incomplete"] is None
    assert account["n_sets_lost"] is None


@pytest.mark.parametrize("missing", METHODS)
def test_anyones_predictions_are_compared_with_clinical_models_of_all_women(missing: str) -> None:
    members, scores = build_incomplete(n_screen=150, n_interval=90)
    model = model_of(
        pd.DataFrame({"exam_id": scores["exam_id"], "score": scores["score_screen_detected"].to_numpy()})
    )
    settings = ComparisonSettings(
        n_resamples=20, fractions=(0.1,), factors=FACTORS, n_imputations=3, missing=missing, subgroups=()
    )
    text = members.drop(columns=["weight", "exam_date"], errors="ignore")
    for name in text:
        text[name] = text[name].astype(object).where(text[name].notna(), "")
    found = compare(outcomes_from(text), (model,), ComparisonPlan(evaluation=settings))
    assert found["missing"]["method"] == missing
    assert [f["factor"] for f in found["missing"]["factors"]] == list(FACTORS)
    held_out = members[members["split"] == "held-out"]
    for case_type in ("screen-detected", "interval"):
        (clinical,) = [r for r in found["main"] if (r["model"], r["case_type"]) == ("clinical", case_type)]
        assert clinical["n_members"] == int((held_out["case_type"] == case_type).sum())
        assert ("imputations pooled" in clinical["concordance"]["method"]) == (missing != "indicator")
    complete = compare(
        outcomes_from(text), (model,), ComparisonPlan(evaluation=replace(settings, missing="complete"))
    )
    assert complete["study"]["n_exams"] < found["study"]["n_exams"] == len(held_out)


def test_the_planted_factors_are_available() -> None:
    members, _ = build_incomplete()
    assert available_factors(members, FACTORS) == FACTORS


def test_dates_and_sites_of_any_number_are_a_few_columns_beside() -> None:
    members, _ = build_incomplete()
    n = len(members)
    members["exam_date"] = pd.date_range("2012-01-01", periods=n).strftime("%Y-%m-%d").to_numpy()
    members.loc[3, "exam_date"] = ""
    members["site"] = [f"S{i // 2}" for i in range(n)]  # two women each: none is a level
    first, second = (
        completed_members(members, ("bmi",), matched=True, n_imputations=2, seed=1) for _ in range(2)
    )
    assert first[0]["bmi"].notna().all()
    pd.testing.assert_frame_equal(first[1], second[1])
