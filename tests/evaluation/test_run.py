"""The evaluation finds a planted effect, judges nobody by what was fitted on her, counts the left out."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import InputError
from forescreen.evaluation.plan import EvaluationPlan, PeerTable
from forescreen.evaluation.predictors import groups
from forescreen.evaluation.run import evaluate
from forescreen.files import plain
from tests.evaluation.builders import build_members

PLAN = EvaluationPlan(fractions=(0.05, 0.2), n_resamples=50)
ORACLE = PeerTable(
    key="oracle", label="Oracle", file="oracle.csv", columns=("trait", "density_z"), truth=True
)


def figure(results: dict[str, Any], model: str, case_type: str) -> dict[str, Any]:
    (row,) = [r for r in results["main"] if (r["model"], r["case_type"]) == (model, case_type)]
    return row


def test_the_planted_pattern_comes_out() -> None:
    members, scores, truth = build_members(n_screen=400, n_interval=240)
    results = evaluate(members, scores, plan=PLAN, matched=True, peers=((ORACLE, truth),))
    image = figure(results, "image", "screen-detected")
    assert image["concordance"]["lower"] > 0.6
    assert image["odds_ratio"]["lower"] > 1.3
    clinical = figure(results, "clinical", "screen-detected")["concordance"]["value"]
    assert abs(clinical - 0.5) < 0.1, "density does nothing for screen-detected cancers here"
    assert figure(results, "clinical", "interval")["concordance"]["lower"] > 0.52
    assert (
        figure(results, "oracle", "screen-detected")["concordance"]["value"] > image["concordance"]["value"]
    )
    density = {(r["factor"], r["case_type"]): r["odds_ratio"]["value"] for r in results["factor_odds_ratios"]}
    assert density["Percent density", "interval"] > 1.5 > 1.25 > density["Percent density", "screen-detected"]
    assert {m["key"]: m["kind"] for m in results["models"]} == {
        "image": "image",
        "clinical": "clinical",
        "combined": "combined",
        "oracle": "truth",
    }
    json.dumps(plain(results), allow_nan=False)


def test_all_models_are_judged_on_identical_members_and_the_left_out_are_counted() -> None:
    members, scores, _ = build_members()
    held_out = members.index[members["split"] == "held-out"]
    members.loc[held_out[:5], "density"] = np.nan
    results = evaluate(members, scores, plan=PLAN, matched=True)
    for case_type in ("screen-detected", "interval"):
        sizes = {(r["n_sets"], r["n_members"]) for r in results["main"] if r["case_type"] == case_type}
        assert len(sizes) == 1
    assert any("left out of every comparison" in note for note in results["notes"])


def test_held_out_outcomes_do_not_touch_what_is_fitted() -> None:
    members, scores, _ = build_members()
    first = evaluate(members, scores, plan=PLAN, matched=True)
    # Swap case and control in every held-out set: concordances turn over exactly, C -> 1 - C.
    held_out = members["split"] == "held-out"
    members.loc[held_out & (members["role"] == "control"), "weight"] = 150.0
    swapped = members.copy()
    for _, rows in members[held_out].groupby("set_id"):
        case = rows.index[rows["role"] == "case"][0]
        controls = rows.index[rows["role"] == "control"]
        swapped = swapped.drop(controls[1:])
        swapped.loc[case, ["role", "outcome"]] = ["control", "none"]
        swapped.loc[controls[0], ["role", "outcome"]] = ["case", rows.loc[case, "outcome"]]
    pairs = members.drop(
        [i for _, r in members[held_out].groupby("set_id") for i in r.index[r["role"] == "control"][1:]]
    )
    a = figure(evaluate(pairs, scores, plan=PLAN, matched=True), "clinical", "screen-detected")
    b = figure(evaluate(swapped, scores, plan=PLAN, matched=True), "clinical", "screen-detected")
    assert a["concordance"]["value"] == pytest.approx(1 - b["concordance"]["value"], abs=1e-12)
    assert first["main"]


def test_shuffled_outcomes_give_a_concordance_of_one_half() -> None:
    members, scores, _ = build_members(n_screen=400, n_interval=200)
    rng = np.random.default_rng(5)
    shuffled = members.copy()
    for _, rows in members.groupby("set_id"):
        order = rng.permutation(len(rows))
        for column in ("role", "outcome", "weight"):
            shuffled.loc[rows.index, column] = rows[column].to_numpy()[order]
    results = evaluate(shuffled, scores, plan=PLAN, matched=True)
    for model in ("image", "clinical", "combined"):
        c = figure(results, model, "screen-detected")["concordance"]
        assert abs(c["value"] - 0.5) < 3.3 * c["standard_error"]


def test_an_unmatched_design_is_judged_by_auc() -> None:
    members, scores, _ = build_members(matched=False)
    results = evaluate(members, scores, plan=PLAN, matched=False)
    assert figure(results, "image", "screen-detected")["concordance"]["value"] > 0.6
    assert figure(results, "combined", "interval")["n_sets"] == int(
        ((members["outcome"] == "interval") & (members["split"] == "held-out")).sum()
    )


def test_without_held_out_members_every_fold_is_predicted_from_the_others() -> None:
    members, scores, _ = build_members()
    members["split"] = "development"
    members["fold"] = members["set_id"].str[1:].astype(int) % 3
    masks = groups(members)
    assert len(masks) == 3
    assert all(not (fit & predict).any() for fit, predict in masks)
    assert np.logical_or.reduce([predict for _, predict in masks]).all()
    results = evaluate(members, scores, plan=PLAN, matched=True)
    assert figure(results, "combined", "screen-detected")["n_sets"] == 120
    assert results["judged"] == "cross-validated"


def test_too_few_sets_are_a_note_not_a_figure() -> None:
    members, scores, _ = build_members(n_screen=90, n_interval=9)
    results = evaluate(members, scores, plan=PLAN, matched=True)
    assert not [r for r in results["main"] if r["case_type"] == "interval"]
    assert any(note.startswith("interval:") for note in results["notes"])


def test_small_subgroups_are_suppressed_with_their_count() -> None:
    members, scores, _ = build_members()
    results = evaluate(members, scores, plan=PLAN, matched=True)
    for row in results["subgroups"]:
        assert row["suppressed"] == (row["n_sets"] is None)
        assert row["suppressed"] or row["n_sets"] >= PLAN.suppress_below
        assert (row["concordance"] is None) == row["suppressed"]


def test_members_without_a_cancer_are_refused() -> None:
    members, scores, _ = build_members()
    with pytest.raises(InputError, match="at least one cancer"):
        evaluate(members.assign(outcome="none"), scores, plan=PLAN, matched=True)


def test_a_peer_with_repeated_exams_is_refused() -> None:
    members, scores, truth = build_members()
    with pytest.raises(InputError, match="1 repeated exams"):
        evaluate(
            members,
            scores,
            plan=PLAN,
            matched=True,
            peers=((ORACLE, pd.concat([truth, truth.iloc[:1]])),),
        )


def test_a_score_that_only_knows_the_machine_or_site_is_worth_nothing_in_matched_sets() -> None:
    members, scores, _ = build_members()
    machine = members.set_index("exam_id")["machine"].map({"S1-alpha": 0.0, "S1-beta": 5.0})
    for column in ("score_screen_detected", "score_interval"):
        scores[column] = scores["exam_id"].map(machine)
    results = evaluate(members, scores, plan=PLAN, matched=True)
    assert figure(results, "image", "screen-detected")["concordance"]["value"] == 0.5
    assert figure(results, "image", "screen-detected")["odds_ratio"] is None


def test_a_density_subgroup_compares_women_of_the_same_density() -> None:
    members, scores, _ = build_members(n_screen=300)
    results = evaluate(
        members, scores, plan=EvaluationPlan(n_resamples=50, subgroups=("density", "age")), matched=True
    )
    judged = members[(members["split"] == "held-out") & (members["case_type"] == "screen-detected")]
    same = judged[judged["density"] == "c"].groupby("set_id")["role"].nunique()
    (row,) = [
        r
        for r in results["subgroups"]
        if (r["level"], r["model"], r["case_type"]) == ("c", "image", "screen-detected")
    ]
    assert row["n_sets"] == int((same == 2).sum())
    ages = [r["level"] for r in results["subgroups"] if r["variable"] == "age" and r["model"] == "image"]
    assert ages[0] < ages[1] or ages[0].startswith("under")
