"""Modes of detection are compared with what the two estimates share taken into account."""

from __future__ import annotations

import numpy as np
import pandas as pd

from forescreen.evaluation.measures import Notes, Sample, concordance, odds_ratio_per_sd
from forescreen.evaluation.modes import Judged, mode_comparisons
from forescreen.evaluation.plan import EvaluationPlan
from forescreen.evaluation.run import evaluate
from forescreen.statistics.discrimination import case_type_auc_difference
from tests.evaluation.builders import build_members

PLAN = EvaluationPlan(fractions=(0.2,), n_resamples=20)
EXACT = 1e-12


def test_unmatched_modes_share_their_controls_and_the_covariance_counts() -> None:
    members, scores, _ = build_members(matched=False)
    results = evaluate(members, scores, plan=PLAN, matched=False)
    (row,) = [r for r in results["mode_comparisons"] if r["model"] == "image"]
    held_out = members[members["split"] == "held-out"].merge(scores, on="exam_id")
    expected = case_type_auc_difference(
        held_out["score_screen_detected"].to_numpy(),
        held_out["score_interval"].to_numpy(),
        case_a=(held_out["outcome"] == "screen-detected").to_numpy(),
        case_b=(held_out["outcome"] == "interval").to_numpy(),
    )
    main = {r["case_type"]: r["concordance"] for r in results["main"] if r["model"] == "image"}
    errors = [main[t]["standard_error"] for t in ("screen-detected", "interval")]
    assert abs(row["difference"]["value"] - expected.value) < EXACT
    assert abs(row["difference"]["standard_error"] - expected.standard_error) < EXACT
    assert row["difference"]["standard_error"] < np.hypot(*errors), "as if the controls were not shared"


def test_matched_modes_with_sets_of_their_own_are_independent() -> None:
    members, scores, _ = build_members()
    results = evaluate(members, scores, plan=PLAN, matched=True)
    (row,) = [r for r in results["mode_comparisons"] if r["model"] == "image"]
    main = {r["case_type"]: r["concordance"] for r in results["main"] if r["model"] == "image"}
    errors = [main[t]["standard_error"] for t in ("screen-detected", "interval")]
    assert abs(row["difference"]["standard_error"] - np.hypot(*errors)) < EXACT


def test_sets_of_both_modes_that_share_a_woman_are_not_compared() -> None:
    members, scores, _ = build_members()
    rows = {t: np.asarray(members["case_type"] == t) for t in ("screen-detected", "interval")}
    controls = members["role"] == "control"
    twice = members.index[rows["screen-detected"] & controls][0]
    members.loc[members.index[rows["interval"] & controls][0], "woman_id"] = members["woman_id"][twice]
    predictions = {"image": scores["score_interval"].to_numpy()}
    modes = [Judged(rows[t], predictions) for t in ("screen-detected", "interval")]
    notes = Notes()
    assert mode_comparisons(members, *modes, matched=True, notes=notes) == []
    assert "1 women are in sets of both" in notes.texts[0]


def test_several_exams_of_a_woman_are_no_new_evidence() -> None:
    members, scores, _ = build_members(matched=False, n_screen=60, n_interval=0)
    score = scores["score_screen_detected"].to_numpy()
    once = Sample.of(members, "screen-detected", matched=False)
    assert once.women is None
    again = Sample.of(pd.concat([members, members]), "screen-detected", matched=False)
    assert again.women is not None
    for measure in (concordance, odds_ratio_per_sd):
        single, double = measure(once, score), measure(again, np.tile(score, 2))
        assert abs(double.value - single.value) < 0.02
        assert 0.9 < double.standard_error / single.standard_error < 1.1, "not divided by the root of 2"
