"""Models are compared on identical women, in every design, and whatever is not used is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import ConfigError, InputError, TooFewEventsError
from forescreen.evaluation.checklist import checklist
from forescreen.evaluation.compare import compare, with_checklist
from forescreen.evaluation.comparison_plan import ComparisonPlan, ComparisonSettings, OutcomeColumns
from forescreen.evaluation.outcomes import Outcomes, outcomes_of
from forescreen.evaluation.predictions import Claim, Predictions
from forescreen.files import plain
from forescreen.statistics.discrimination import auc
from forescreen.statistics.matched import matched_concordance
from forescreen.statistics.time_auc import cumulative_dynamic_auc
from forescreen.statistics.triage import UnitCosts
from tests.evaluation.builders import build_members
from tests.evaluation.comparison_builders import build_cohort, yearly_risks

PLAN = ComparisonPlan(evaluation=ComparisonSettings(n_resamples=60, fractions=(0.05, 0.10, 0.20)))


def outcomes_from(table: pd.DataFrame, columns: OutcomeColumns | None = None) -> Outcomes:
    text = table.drop(columns="latent", errors="ignore").astype(str).fillna("")
    return outcomes_of(text, columns or OutcomeColumns(), where="outcomes.csv")


def model_of(table: pd.DataFrame, key: str = "model") -> Predictions:
    values = {
        Claim(horizon_years=float(c[0]), kind="risk"): table[c].to_numpy(float)
        for c in table.columns
        if c.endswith("_year_risk")
    }
    if "score" in table:
        values = {Claim(): table["score"].to_numpy(float)}
    return Predictions(
        key=key,
        label=key.upper(),
        description="",
        file=f"{key}.csv",
        format="test",
        ids=table["exam_id"].to_numpy(dtype=object),
        values=values,
    )


def settings(**given: Any) -> ComparisonPlan:
    return replace(PLAN, evaluation=replace(PLAN.evaluation, **given))


def pick(rows: list[dict[str, Any]], **wanted: object) -> dict[str, Any]:
    (row,) = [r for r in rows if all(r.get(k) == v for k, v in wanted.items())]
    return row


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    return build_cohort(2500)


@pytest.fixture(scope="module")
def compared(cohort: pd.DataFrame) -> dict[str, Any]:
    good, poor = yearly_risks(cohort, noise=0.5), yearly_risks(cohort, noise=4, seed=8, factor=2.0)
    score = pd.DataFrame({"exam_id": cohort["exam_id"], "score": 3 * cohort["latent"]})
    models = (model_of(good, "good"), model_of(poor, "poor"), model_of(score, "scored"))
    return with_checklist({"forescreen": "test", **compare(outcomes_from(cohort), models, PLAN)})


def test_a_cohort_with_times_is_judged_at_every_horizon(
    cohort: pd.DataFrame, compared: dict[str, Any]
) -> None:
    assert compared["case_types"] == ["screen-detected", "interval", "any"]
    assert compared["study"]["horizons_years"] == [1.0, 2.0, 3.0, 4.0, 5.0]
    good = yearly_risks(cohort, noise=0.5)
    event = (cohort["outcome"] != "none").to_numpy().astype(np.int64)
    for years in (2, 5):
        wanted = cumulative_dynamic_auc(
            good[f"{years}_year_risk"].to_numpy(), cohort["time_years"].to_numpy(), event, horizon=years
        )
        row = pick(compared["horizons"], model="good", case_type="any", horizon_years=float(years))
        assert row["auc"]["value"] == pytest.approx(wanted.value, abs=1e-12)
        assert row["auc"]["standard_error"] == pytest.approx(wanted.standard_error, abs=1e-12)
    main = pick(compared["main"], model="good", case_type="any")
    assert main["concordance"]["value"] == row["auc"]["value"]


def test_the_planted_order_of_the_models_comes_out(compared: dict[str, Any]) -> None:
    values = {r["model"]: r["concordance"]["value"] for r in compared["main"] if r["case_type"] == "any"}
    assert values["scored"] > values["good"] > values["poor"] > 0.5
    apart = pick(compared["comparisons"], model_a="good", model_b="poor", case_type="any")["difference"]
    assert apart["lower"] > 0
    captured = pick(compared["capture"], model="good", case_type="any", fraction=0.1)
    assert captured["capture"]["value"] > 0.2
    assert captured["selected_per_cancer"]["value"] == pytest.approx(1 / captured["ppv"]["value"], abs=1e-12)
    difference = pick(
        compared["head_to_head_differences"],
        model_a="good",
        model_b="poor",
        case_type="any",
        metric="capture",
    )["difference"]
    poor = pick(compared["capture"], model="poor", case_type="any", fraction=0.1)
    assert difference["value"] == pytest.approx(
        captured["capture"]["value"] - poor["capture"]["value"], abs=1e-12
    )


def test_calibration_is_of_risks_only_and_finds_the_planted_factor(compared: dict[str, Any]) -> None:
    rows = {r["model"]: r for r in compared["calibration"] if r["case_type"] == "any"}
    assert set(rows) == {"good", "poor"}, "a score is not a risk"
    assert rows["poor"]["observed_expected"]["upper"] < 0.9, "its risks are twice too high"
    assert len(rows["good"]["curve"]["risk"]) == len(rows["good"]["curve"]["observed"])
    assert sum(g["n"] for g in rows["good"]["groups"]) == rows["good"]["n"]
    assert {r["case_type"] for r in compared["calibration"]} == {"any"}, "risks of any cancer only"
    decision = pick(compared["decision"], model="good", case_type="any")
    assert decision["thresholds"][0] == 0
    assert decision["net_benefit"][0] == pytest.approx(decision["treat_all"][0], abs=1e-12)


def test_small_cells_are_suppressed_and_their_counts_cannot_be_told_from_the_total(
    cohort: pd.DataFrame,
) -> None:
    few = cohort.copy()
    few["machine"] = np.where(np.arange(len(few)) < 40, "rare", few["machine"])
    model = model_of(yearly_risks(few, noise=1))
    found = compare(outcomes_from(few), (model,), settings(subgroups=("machine",), suppress_below=30))
    for section in ("subgroups", "calibration_subgroups"):
        cells = [r for r in found[section] if r["case_type"] == "any"]
        hidden = [r for r in cells if r["suppressed"]]
        assert {"rare"} < {r["level"] for r in hidden}, "one more is hidden with a single small cell"
        for row in hidden:
            assert row.get("n_sets") is None
            assert row.get("n_events") is None


def test_small_counts_are_hidden_in_table_one_too(cohort: pd.DataFrame) -> None:
    few = cohort.copy()
    few["machine"] = np.where(np.arange(len(few)) < 400, "rare", few["machine"])
    found = compare(outcomes_from(few), (model_of(yearly_risks(few, noise=1)),), settings(suppress_below=30))
    rows = {r["level"]: r["values"] for r in found["table1"]["rows"] if r["label"] == "Machine"}
    cases = (few["outcome"] == "interval") & (few["machine"] == "rare")
    assert 0 < cases.sum() < 30
    column = [c["label"] for c in found["table1"]["columns"]].index("Interval")
    assert rows["rare"][column] == "few"
    assert [v[column] for v in rows.values()].count("few") == 2
    for section in ("subgroups", "calibration_subgroups"):
        hidden = {
            (r["case_type"], r["level"])
            for r in found[section]
            if r["variable"] == "machine" and r["suppressed"]
        }
        kinds = {r["case_type"] for r in found[section]}
        assert {kind for kind, level in hidden if level == "rare"} == kinds, "the kinds add up: all or none"


def test_all_models_are_judged_on_identical_exams_and_the_rest_is_counted(cohort: pd.DataFrame) -> None:
    first = yearly_risks(cohort, noise=1).iloc[10:]
    second = yearly_risks(cohort, noise=2).iloc[:-5].copy()
    second.loc[20:22, "5_year_risk"] = np.nan
    strangers = second.iloc[:3].assign(exam_id=["X1", "X2", "X3"])
    models = (model_of(first, "a"), model_of(pd.concat([second, strangers]), "b"))
    found = compare(outcomes_from(cohort), models, PLAN)
    left = {e["what"]: e["n"] for e in found["exclusions"]}
    assert left == {
        "exams without a prediction of a": 10,
        "exams without a prediction of b": 5,
        "exams with an empty prediction of b": 3,
        "predictions of b for unknown exams": 3,
    }
    assert found["study"]["n_exams"] == len(cohort) - 18


def test_matched_sets_are_judged_within_sets() -> None:
    members, scores, _ = build_members()
    model = Predictions(
        key="ours",
        label="Ours",
        description="",
        file="scores.csv",
        format="forescreen scores",
        ids=scores["exam_id"].to_numpy(dtype=object),
        values={
            Claim(case_type="screen-detected"): scores["score_screen_detected"].to_numpy(float),
            Claim(case_type="interval"): scores["score_interval"].to_numpy(float),
            Claim(): scores["score_interval"].to_numpy(float),
        },
    )
    outcomes = outcomes_from(members)
    found = compare(outcomes, (model,), PLAN)
    judged = members["split"].eq("held-out") & members["case_type"].eq("interval")
    wanted = matched_concordance(
        scores["score_interval"].to_numpy(float)[judged],
        members["outcome"].eq("interval").to_numpy()[judged],
        sets=members["set_id"].to_numpy(dtype=str)[judged],
    )
    row = pick(found["main"], case_type="interval", model="ours")
    assert row["concordance"]["value"] == pytest.approx(wanted.value, abs=1e-12)
    assert found["judged"] == "held-out"
    assert found["study"]["design"] == "matched"
    assert found["mode_comparisons"], "sets of the two modes share no women"
    assert "horizons" not in found


def test_a_matched_sample_without_weights_gets_no_predictive_values() -> None:
    members, scores, _ = build_members()
    table = scores.assign(score=scores["score_interval"])
    found = compare(outcomes_from(members.drop(columns="weight")), (model_of(table),), PLAN)
    assert found["capture"] == []
    assert any("need sampling weights" in note for note in found["notes"])
    assert "score is not a risk" in found["calibration_absent"]


def test_clinical_models_are_fitted_on_development_members_when_the_plan_names_factors() -> None:
    members, scores, _ = build_members(n_screen=240, n_interval=150)
    table = scores.assign(score=scores["score_interval"])
    found = compare(
        outcomes_from(members), (model_of(table),), settings(factors=("density", "family_history"))
    )
    clinical = pick(found["main"], model="clinical", case_type="interval")["concordance"]
    assert clinical["value"] > 0.55, "density drives interval cancers here"
    with pytest.raises(ConfigError, match="development"):
        compare(
            outcomes_from(members.drop(columns=["split", "fold"])),
            (model_of(table),),
            settings(factors=("density",)),
        )


def test_weights_make_a_case_cohort_sample_the_population_again(cohort: pd.DataFrame) -> None:
    rng = np.random.default_rng(5)
    kept = (cohort["outcome"] != "none").to_numpy() | (rng.random(len(cohort)) < 0.3)
    sample = cohort[kept].assign(weight=np.where(cohort["outcome"] != "none", 1.0, 1 / 0.3)[kept])
    model = model_of(yearly_risks(cohort, noise=0.5))
    whole = compare(outcomes_from(cohort), (model,), PLAN)
    part = compare(outcomes_from(sample), (model,), PLAN)
    assert part["study"]["design"] == "case-cohort"
    for section, figure, tolerance in (
        ("main", "concordance", 0.03),
        ("calibration", "observed_expected", 0.12),
    ):
        a = pick(whole[section], case_type="any", model="model")[figure]["value"]
        b = pick(part[section], case_type="any", model="model")[figure]["value"]
        assert b == pytest.approx(a, abs=tolerance)


def test_outcomes_without_times_are_a_plain_comparison() -> None:
    cohort = build_cohort(800).drop(columns="time_years")
    score = pd.DataFrame({"exam_id": cohort["exam_id"], "score": cohort["latent"]})
    found = compare(outcomes_from(cohort), (model_of(score),), PLAN)
    case = (cohort["outcome"] == "interval").to_numpy()
    rows = case | (cohort["outcome"] == "none").to_numpy()
    wanted = auc(cohort["latent"].to_numpy()[rows], case[rows])
    row = pick(found["main"], case_type="interval")
    assert row["concordance"]["value"] == pytest.approx(wanted.value, abs=1e-12)
    assert "horizons" not in found


def test_women_with_several_exams_are_the_independent_units() -> None:
    once, twice = build_cohort(700, exams_per_woman=1), build_cohort(700, exams_per_woman=2)
    rows = []
    for cohort in (once, twice):
        score = pd.DataFrame({"exam_id": cohort["exam_id"], "score": cohort["latent"]})
        found = compare(outcomes_from(cohort), (model_of(score),), PLAN)
        rows.append(pick(found["main"], case_type="any")["concordance"])
    assert rows[1]["value"] == pytest.approx(rows[0]["value"], abs=1e-12)
    assert rows[1]["standard_error"] == pytest.approx(rows[0]["standard_error"], rel=1e-6)


def test_a_horizon_that_the_plan_names_must_lie_within_the_follow_up(cohort: pd.DataFrame) -> None:
    model = model_of(yearly_risks(cohort, noise=1))
    with pytest.raises(ConfigError, match=r"9 years: 0 exams are followed beyond it, the longest"):
        compare(outcomes_from(cohort), (model,), settings(horizons_years=(2.0, 9.0)))


def test_a_horizon_that_only_predictions_have_is_left_out_and_counted(cohort: pd.DataFrame) -> None:
    short = cohort[cohort["time_years"] < 4.5]
    found = compare(outcomes_from(short), (model_of(yearly_risks(short, noise=1)),), PLAN)
    assert found["study"]["horizons_years"] == [1.0, 2.0, 3.0, 4.0]
    assert any(e["what"] == "the horizon of 5 years" for e in found["exclusions"])


def test_cancers_found_soon_after_the_exam_can_be_left_out(cohort: pd.DataFrame) -> None:
    model = model_of(yearly_risks(cohort, noise=1))
    found = compare(outcomes_from(cohort), (model,), settings(min_months_before_diagnosis=6.0))
    soon = (cohort["outcome"] != "none") & (cohort["time_years"] * 12 < 6)
    left = [e for e in found["exclusions"] if "within 6 months" in e["what"]]
    assert [e["n"] for e in left] == [int(soon.sum())]


def test_costs_and_prevalence_of_the_plan_are_used(cohort: pd.DataFrame) -> None:
    plan = replace(settings(imaging_sensitivity=0.5), costs=UnitCosts(supplemental_exam=300.0))
    found = compare(outcomes_from(cohort), (model_of(yearly_risks(cohort, noise=1)),), plan)
    row = pick(found["capture"], case_type="any", fraction=0.1)
    assert row["cost_per_additional_cancer"]["value"] == pytest.approx(
        300 / (0.5 * row["ppv"]["value"]), rel=1e-9
    )


def test_results_are_plain_and_the_same_in_every_run(cohort: pd.DataFrame, compared: dict[str, Any]) -> None:
    text = json.dumps(plain(compared), allow_nan=False, sort_keys=True)
    assert "W0000" not in text
    assert "E0000" not in text
    good, poor = yearly_risks(cohort, noise=0.5), yearly_risks(cohort, noise=4, seed=8, factor=2.0)
    score = pd.DataFrame({"exam_id": cohort["exam_id"], "score": 3 * cohort["latent"]})
    models = (model_of(good, "good"), model_of(poor, "poor"), model_of(score, "scored"))
    shuffled = cohort.sample(frac=1, random_state=1)
    again = compare(outcomes_from(shuffled), models, PLAN, threads=2)
    for row in again["main"]:
        before = pick(compared["main"], model=row["model"], case_type=row["case_type"])
        assert row["concordance"]["value"] == pytest.approx(before["concordance"]["value"], abs=1e-12)
    twice = compare(outcomes_from(cohort), models, PLAN, threads=2)
    assert twice["capture"] == compared["capture"]


def test_the_checklist_is_in_order_and_invents_nothing(compared: dict[str, Any]) -> None:
    rows = checklist(compared)
    numbers = [int("".join(c for c in row["item"] if c.isdigit())) for row in rows]
    assert numbers == sorted(numbers)
    assert set(numbers) == set(range(1, 28))
    by_item = {row["item"]: row for row in rows}
    assert by_item["17"]["status"] == "open"
    assert by_item["12e"]["status"] == "filled"
    assert "2\u202f500 exams" in by_item["21"]["text"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"design": "matched"}, "a set_id for the design 'matched'"),
        ({"design": "case-cohort"}, "sampling weights for the design"),
    ],
)
def test_a_design_that_the_columns_contradict_is_refused(
    cohort: pd.DataFrame, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as refused:
        compare(outcomes_from(cohort), (model_of(yearly_risks(cohort, noise=1)),), settings(**change))
    assert message in str(refused.value)


def test_predictions_of_other_exams_altogether_are_refused(cohort: pd.DataFrame) -> None:
    other = yearly_risks(cohort, noise=1).assign(exam_id=lambda t: "Z" + t["exam_id"])
    with pytest.raises(InputError, match="none of 2500 keys of model"):
        compare(outcomes_from(cohort), (model_of(other),), PLAN)


def test_an_evaluation_without_a_cancer_says_so(cohort: pd.DataFrame) -> None:
    healthy = cohort[cohort["outcome"] == "none"]
    with pytest.raises(TooFewEventsError, match="cancers with every prediction"):
        compare(outcomes_from(healthy), (model_of(yearly_risks(healthy, noise=1)),), PLAN)


def test_two_models_of_one_name_are_refused(cohort: pd.DataFrame) -> None:
    model = model_of(yearly_risks(cohort, noise=1))
    with pytest.raises(InputError, match="twice: model"):
        compare(outcomes_from(cohort), (model, model), PLAN)


def test_a_sample_of_cases_and_controls_gets_no_predictive_values_times_or_not(cohort: pd.DataFrame) -> None:
    ill = (cohort["outcome"] != "none").to_numpy()
    sample = cohort[ill | (np.arange(len(cohort)) % 8 == 0)]
    model = model_of(yearly_risks(cohort, noise=1))
    found = compare(outcomes_from(sample), (model,), PLAN)
    assert found["study"]["design"] == "case-control"
    assert found["capture"] == found["calibration"] == found["decision"] == []
    assert "horizons" not in found
    share = float(ill.mean())
    weighted = compare(outcomes_from(sample), (model,), settings(design="case-control", prevalence=share))
    whole = compare(outcomes_from(cohort.drop(columns="time_years")), (model,), PLAN)
    for kind in ("interval", "any"):
        a = pick(whole["capture"], case_type=kind, fraction=0.2)["ppv"]["value"]
        b = pick(weighted["capture"], case_type=kind, fraction=0.2)["ppv"]["value"]
        assert b == pytest.approx(a, rel=0.25), f"{kind}: the sample becomes the population again"


def test_sets_that_share_women_are_correlated() -> None:
    members, scores, _ = build_members()
    model = model_of(scores.assign(score=scores["score_interval"]))
    once = compare(outcomes_from(members), (model,), PLAN)
    copies = pd.concat([members.assign(set_id=members["set_id"] + f"-{i}") for i in range(5)])
    often = compare(outcomes_from(copies), (model,), PLAN)
    for figure in ("concordance", "odds_ratio"):
        a = pick(once["main"], case_type="interval")[figure]
        b = pick(often["main"], case_type="interval")[figure]
        # The control SD, in whose unit the odds ratio is, has another divisor with more rows.
        assert b["value"] == pytest.approx(a["value"], rel=1e-9 if figure == "concordance" else 0.02)
        assert b["standard_error"] > 0.85 * a["standard_error"], "copies of sets say nothing new"
    assert often["study"]["n_cases"] == once["study"]["n_cases"], "exams are counted once"


def test_equal_risks_are_told_and_do_not_break_the_rest(cohort: pd.DataFrame) -> None:
    flat = yearly_risks(cohort, noise=1)
    for year in range(1, 6):
        flat[f"{year}_year_risk"] = 0.01 * year
    models = (model_of(flat, "flat"), model_of(yearly_risks(cohort, noise=1), "other"))
    found = compare(outcomes_from(cohort), models, PLAN)
    assert pick(found["main"], model="flat", case_type="any")["concordance"]["value"] == 0.5
    assert pick(found["main"], model="flat", case_type="any")["odds_ratio"] is None
    assert any("scores that differ among controls" in note for note in found["notes"])


def test_a_risk_without_a_horizon_must_say_by_when(cohort: pd.DataFrame) -> None:
    risks = yearly_risks(cohort, noise=1)
    model = replace(model_of(risks), values={Claim(kind="risk"): risks["5_year_risk"].to_numpy(float)})
    with pytest.raises(ConfigError, match="by when is the column risk a risk"):
        compare(outcomes_from(cohort), (model,), PLAN)
    found = compare(outcomes_from(cohort), (model,), settings(main_horizon_years=5.0))
    assert pick(found["calibration"], case_type="any")["observed_expected"]["value"] > 0.7


@pytest.mark.parametrize(("n", "timed"), [(1, False), (9, False), (9, True)])
def test_too_few_cancers_are_an_error_that_says_how_many_are_needed(
    cohort: pd.DataFrame, n: int, timed: bool
) -> None:
    ill = cohort.index[cohort["outcome"] == "interval"][:n]
    few = pd.concat([cohort.loc[ill], cohort[cohort["outcome"] == "none"]])
    if not timed:
        few = few.drop(columns="time_years")
    with pytest.raises((TooFewEventsError, ConfigError)) as refused:
        compare(outcomes_from(few), (model_of(yearly_risks(cohort, noise=1)),), PLAN)
    assert "10" in str(refused.value)


def test_subgroups_that_name_women_are_refused_and_unknown_ones_told(cohort: pd.DataFrame) -> None:
    model = model_of(yearly_risks(cohort, noise=1))
    with pytest.raises(ConfigError, match="levels that name nobody"):
        compare(outcomes_from(cohort), (model,), settings(subgroups=("woman_id",)))
    found = compare(outcomes_from(cohort), (model,), settings(subgroups=("density", "etnicity")))
    assert "Subgroup etnicity: the outcomes have no such column." in found["notes"]


def test_deaths_compete_and_stand_in_table_one(cohort: pd.DataFrame) -> None:
    dying = cohort.copy()
    gone = (np.arange(len(dying)) % 17 == 0) & (dying["outcome"] == "none").to_numpy()
    dying.loc[gone, "outcome"] = "death"
    found = compare(outcomes_from(dying), (model_of(yearly_risks(dying, noise=1)),), PLAN)
    columns = {c["label"]: c["n"] for c in found["table1"]["columns"]}
    assert columns["Died without cancer"] == int(gone.sum())
    assert sum(columns.values()) == len(dying)


def test_leaving_out_early_cancers_needs_times(cohort: pd.DataFrame) -> None:
    model = model_of(yearly_risks(cohort, noise=1))
    with pytest.raises(ConfigError, match="times of the cancers"):
        compare(
            outcomes_from(cohort.drop(columns="time_years")),
            (model,),
            settings(min_months_before_diagnosis=6.0),
        )


def test_whole_years_leave_out_every_cancer_that_may_be_too_early() -> None:
    cohort = build_cohort(2000)
    ill = (cohort["outcome"] != "none").to_numpy()
    years = np.floor(cohort["time_years"]).astype(int)
    mirai = pd.DataFrame(
        {
            "exam_id": cohort["exam_id"],
            "patient_id": cohort["woman_id"],
            "years_to_cancer": np.where(ill, years, 100),
            "years_to_last_followup": years,
        }
    )
    model = model_of(yearly_risks(cohort, noise=1))
    found = compare(outcomes_from(mirai), (model,), settings(min_months_before_diagnosis=6.0))
    (left,) = [e for e in found["exclusions"] if "within 6 months" in e["what"]]
    assert left["n"] == int((ill & (years == 0)).sum())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": -1}, "seed from 0"),
        ({"n_resamples": 10**9}, "n_resamples from 20"),
        ({"fractions": (0.1, 0.1)}, "fractions that differ"),
        ({"age_bands": (70, 50)}, "ascending"),
        ({"min_months_before_diagnosis": float("inf")}, "from 0 to 1200"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(**change)
