"""Published models stand beside the fitted regression: the same women, nothing fitted, the rest counted."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.catalogue import model_named
from forescreen.clinical.women import from_levels
from forescreen.errors import ConfigError
from forescreen.evaluation.clinical_arm import clinical_predictions
from forescreen.evaluation.comparison_plan import ComparisonPlan, ComparisonSettings, OutcomeColumns
from forescreen.evaluation.measures import Notes
from forescreen.evaluation.outcomes import Outcomes, outcomes_of
from forescreen.evaluation.plan import EvaluationPlan
from forescreen.evaluation.predictions import ANY, Claim
from forescreen.evaluation.published_arm import published_models, women_of
from forescreen.evaluation.run import evaluate
from forescreen.report.page import write_report
from tests.evaluation.builders import build_members
from tests.evaluation.comparison_builders import build_cohort

EXACT = 1e-12
MODELS = ("bcrat", "bcsc-v1", "barlow2006")
RACES = {"Asian": "other asian", "Hispanic": "hispanic us-born"}


def build_table(**columns: list[Any]) -> pd.DataFrame:
    return pd.DataFrame({"exam_id": [f"E{i}" for i in range(len(next(iter(columns.values()))))], **columns})


def published(table: pd.DataFrame, names: tuple[str, ...], **race_as: str) -> tuple[Any, Notes]:
    notes = Notes()
    judged = np.ones(len(table), dtype=bool)
    return published_models(table, names, race_as=race_as, judged=judged, notes=notes), notes


def test_columns_of_members_become_the_factors_of_the_model() -> None:
    table = build_table(
        age=[52.5, 61.0],
        race=["White", "Black"],
        family_history=[1.0, 0.0],
        breast_biopsy=[0.0, np.nan],
        menarche_age=[12.0, np.nan],
        parity=[0.0, 2.0],
        first_birth_age=[np.nan, 31.0],
        bmi=[24.5, np.nan],
        menopause=["pre", "post"],
        hormone_therapy=[0.0, 1.0],
        density=["c", ""],
    )
    ((bcrat, bcsc, barlow), _) = published(table, MODELS)
    women = from_levels(
        2,
        age=[52.5, 61.0],
        race=["white", "black"],
        family_history=["yes", "no"],
        breast_biopsy=["no", None],
        menarche_age=[12, None],
        parity=[0, 2],
        first_birth_age=[None, 31],
        bmi=[24.5, None],
        menopause=["pre", "post"],
        hormone_therapy=["not current", "current"],
        density=["c", None],
    )
    for one, horizon in ((bcrat, 5), (bcsc, 5), (barlow, 1)):
        expected = model_named(one.key).assess(women, horizon).risk
        assert one.horizon_years == horizon
        assert np.abs(one.risk - expected).max() < EXACT
        assert np.abs(one.score - np.log(expected / (1 - expected))).max() < 1e-9
    assert bcrat.label == "BCRAT (Gail)"
    assert "not fitted here" in bcrat.description


def test_who_gets_no_risk_is_counted_with_the_reason() -> None:
    table = build_table(age=[50.0, 95.0, 55.0, np.nan], race=["White", "White", "Asian", "White"])
    (_, notes) = published(table, ("bcrat",))
    (text,) = [note for note in notes.texts if "gives no risk for" in note]
    assert text.startswith("BCRAT (Gail) gives no risk for 3 of 4 judged exams: ")
    assert "the age at the start is below 20 or not below 90 (1)" in text
    assert "the race is too coarse" in text


def test_the_plan_says_how_a_coarse_race_is_read_and_the_notes_repeat_it() -> None:
    table = build_table(age=[50.0, 55.0], race=["White", "Asian"])
    ((bcrat,), notes) = published(table, ("bcrat",), asian="other asian")
    assert np.isfinite(bcrat.risk).all()
    assert any("asian as other asian" in note for note in notes.texts)


def test_a_model_that_answers_nobody_is_left_out_and_told() -> None:
    table = build_table(age=[50.0, 55.0], race=["Other", "Other"])
    (found, notes) = published(table, ("bcsc-v1",))
    assert found == ()
    assert any("gives nobody a risk" in note for note in notes.texts)


def test_a_cell_that_contradicts_another_is_a_problem_of_its_row() -> None:
    women = women_of(build_table(age=[40.0], parity=[1.0], first_birth_age=[45.0]), {}, where="test")
    assert {problem.row for problem in women.problems} == {0}


def test_the_study_shows_them_beside_the_regression_on_identical_women(tmp_path: Any) -> None:
    members, scores, _ = build_members()
    members.loc[members.index[members["split"] == "held-out"][:4], "race"] = "Other"  # bcsc-v1 refuses
    plan = EvaluationPlan(clinical_models=MODELS, race_as=RACES, n_resamples=50)
    results = evaluate(members, scores, plan=plan, matched=True)
    keys = [model["key"] for model in results["models"]]
    assert keys == ["image", "clinical", "combined", *MODELS]
    for kind in ("screen-detected", "interval"):
        rows = [row for row in results["main"] if row["case_type"] == kind]
        assert [row["model"] for row in rows] == keys
        assert len({(row["n_sets"], row["n_members"]) for row in rows}) == 1
        assert all(row["concordance"] for row in rows)
    compared = {frozenset((row["model_a"], row["model_b"])) for row in results["comparisons"]}
    assert frozenset(("clinical", "bcrat")) in compared
    assert any("BCSC" in note and "gives no risk for 4 of" in note for note in results["notes"])
    page = write_report(
        {"study": {"name": "x", "design": "matched", "data_kind": "registry"}, **results}, tmp_path
    )
    text = page.read_text(encoding="utf-8")
    for name in MODELS:
        assert text.count(model_named(name).title) > 3, name


def test_published_models_do_not_touch_the_other_models() -> None:
    members, scores, _ = build_members()
    alone, beside = (
        evaluate(
            members,
            scores,
            plan=EvaluationPlan(clinical_models=names, race_as=RACES, n_resamples=50),
            matched=True,
        )
        for names in ((), ("barlow2006",))
    )
    for row in alone["main"]:
        (same,) = [
            r for r in beside["main"] if (r["model"], r["case_type"]) == (row["model"], row["case_type"])
        ]
        assert same["concordance"] == row["concordance"]


def outcomes_from(table: pd.DataFrame) -> Outcomes:
    cells = pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)
    return outcomes_of(cells, OutcomeColumns(), where="outcomes.csv")


def test_evaluate_takes_them_as_risks_by_the_horizons_that_they_answer() -> None:
    cohort = build_cohort(300).drop(columns="latent")
    cohort["race"], cohort["menopause"] = "White", "post"
    plan = ComparisonPlan(
        evaluation=ComparisonSettings(clinical_models=MODELS, horizons_years=(1.0, 3.0), n_resamples=20)
    )
    found = {p.key: p for p in clinical_predictions(outcomes_from(cohort), (), plan, Notes())}
    assert set(found["bcrat"].values) == {Claim(case_type=ANY, horizon_years=h, kind="risk") for h in (1, 3)}
    assert found["bcsc-v1"].horizons_years == (5.0,)
    assert found["barlow2006"].horizons_years == (1.0,)
    assert {p.format for p in found.values()} == {"published model"}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"clinical_models": ("gial",)}, "Did you mean"),
        ({"clinical_models": ("tyrer-cuzick",)}, "research only"),
        ({"clinical_models": ("bcrat", "gail")}, "each model once"),
        ({"clinical_models": ("bcrat",), "race_as": {"Asian": "thai"}}, "levels of race"),
    ],
)
def test_models_and_races_that_do_not_exist_are_refused(settings: dict[str, Any], says: str) -> None:
    for kind in (EvaluationPlan, ComparisonSettings):
        with pytest.raises(ConfigError) as caught:
            kind(**settings)
        assert says in str(caught.value)


def test_a_peer_may_not_be_called_like_a_published_model() -> None:
    from forescreen.errors import InputError
    from forescreen.evaluation.plan import PeerTable

    members, scores, truth = build_members()
    peer = PeerTable(key="bcrat", label="Ours", file="x.csv", columns=("trait",))
    with pytest.raises(InputError, match="another key for each peer"):
        evaluate(
            members,
            scores,
            plan=EvaluationPlan(clinical_models=("bcrat",)),
            matched=True,
            peers=((peer, truth),),
        )
