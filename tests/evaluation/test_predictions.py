"""Every format of prediction files is read as what it is, and what would be misread is refused by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forescreen.errors import ConfigError, InputError
from forescreen.evaluation.comparison_plan import ModelColumns
from forescreen.evaluation.predictions import ANY, Claim, Predictions, read_predictions


def read(
    folder: Path, text: str, *, key: tuple[str, ...] = ("exam_id",), **models: ModelColumns
) -> tuple[Predictions, ...]:
    path = folder / "model.csv"
    path.write_text(text)
    return read_predictions(path, name="model", key=key, models=models)


def test_mirai_files_are_read_by_the_exam_of_their_joint_key(tmp_path: Path) -> None:
    (model,) = read(tmp_path, "patient_exam_id,1_year_risk,2_year_risk\np1\te1,0.01,0.02\np2\te2,0.03,0.05\n")
    assert model.ids.tolist() == ["e1", "e2"]
    assert model.horizons_years == (1.0, 2.0)
    assert model.values[Claim(horizon_years=2.0, kind="risk")].tolist() == [0.02, 0.05]


def test_mirai_files_are_read_by_patient_and_exam_where_both_make_the_key(tmp_path: Path) -> None:
    (model,) = read(tmp_path, "patient_exam_id,1_year_risk\np1\te1,0.01\n", key=("patient_id", "exam_id"))
    assert model.ids.tolist() == ["p1\te1"]


def test_our_scores_by_mode_give_a_score_of_any_cancer_too(tmp_path: Path) -> None:
    (model,) = read(tmp_path, "exam_id,score_screen_detected,score_interval,n_views\ne1,0.5,-0.5,4\n")
    assert model.values[Claim()][0] == pytest.approx(np.logaddexp(0.5, -0.5), abs=1e-12)
    assert model.claim("interval", None) == (Claim(case_type="interval"), False)


def test_a_wide_table_holds_a_score_of_each_model_and_no_other_numbers(tmp_path: Path) -> None:
    models = read(tmp_path, "exam_id,age,vendor_a,vendor_b,site\ne1,50,0.3,7,X\ne2,60,0.1,9,Y\n")
    assert [m.key for m in models] == ["vendor_a", "vendor_b"]
    assert models[1].values[Claim()].tolist() == [7.0, 9.0]


def test_a_long_table_holds_several_models_below_each_other(tmp_path: Path) -> None:
    models = read(tmp_path, "model,exam_id,score\nA,e1,1\nA,e2,2\nB,e1,5\n")
    assert {m.key: m.ids.tolist() for m in models} == {"A": ["e1", "e2"], "B": ["e1"]}


def test_columns_of_any_name_are_read_as_the_plan_says(tmp_path: Path) -> None:
    spec = ModelColumns(kind="risk", columns={"2": "p2"}, interval={"2": "ic2"}, label="Vendor")
    (model,) = read(tmp_path, "exam_id,p2,ic2\ne1,0.2,0.05\n", model=spec)
    assert model.label == "Vendor"
    assert model.claim("interval", 2.0) == (Claim(case_type="interval", horizon_years=2.0, kind="risk"), True)
    assert model.claim(ANY, 2.0) == (Claim(horizon_years=2.0, kind="risk"), True)


def test_risks_by_mode_add_up_to_the_risk_of_any_cancer(tmp_path: Path) -> None:
    spec = ModelColumns(kind="risk", screen_detected={"2": "sd"}, interval={"2": "ic"})
    (model,) = read(tmp_path, "exam_id,sd,ic\ne1,0.2,0.05\n", model=spec)
    assert model.values[Claim(horizon_years=2.0, kind="risk")][0] == pytest.approx(0.25, abs=1e-12)


def test_a_risk_of_another_horizon_or_of_any_cancer_ranks_but_is_no_risk_of_this(tmp_path: Path) -> None:
    (model,) = read(tmp_path, "exam_id,1_year_risk,5_year_risk\ne1,0.01,0.04\n")
    assert model.claim("interval", 5.0) == (Claim(horizon_years=5.0, kind="risk"), False)
    assert model.claim(ANY, 3.0) == (Claim(horizon_years=5.0, kind="risk"), False)
    assert model.claim(ANY, 5.0) == (Claim(horizon_years=5.0, kind="risk"), True)
    assert model.claim("cancer", 1.0) == (Claim(horizon_years=1.0, kind="risk"), True)


def test_empty_cells_are_no_predictions_and_are_kept_as_nan(tmp_path: Path) -> None:
    (model,) = read(tmp_path, "exam_id,score\ne1,\ne2,NaN\ne3,0.4\n")
    assert np.isnan(model.values[Claim()]).tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam_id,score\n", "a header only"),
        ("exam,score\ne1,1\n", "exam_id"),
        ("exam_id,score\ne1,1\ne1,2\n", "same key again in 2 rows (2, 3"),
        ("exam_id,score\n,1\n", "a key in every row"),
        ("exam_id,score\ne1,high\n", "something else in 1 row (2"),
        ("exam_id,score\ne1,inf\n", "something else in 1 row (2"),
        ("exam_id,1_year_risk\ne1,0.2\ne2,1.7\n", "risks from 0 to 1"),
        ("exam_id,1_year_risk\ne1,12\ne2,1.7\n", "Divide percentages by 100"),
        ("exam_id,risk\ne1,-3\n", 'call them "score"'),
        ("exam_id,1_year_risk,2_year_risk\ne1,0.2,0.1\n", "2-year risk below the 1-year risk in 1 row (2"),
        ("exam_id,score,score\ne1,1,2\n", "each column once"),
        ("exam_id,score\ne1,1,2\n", "a CSV file"),
        ("", "a CSV file"),
    ],
)
def test_files_that_would_be_misread_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert message in str(refused.value)


def test_a_file_without_a_prediction_says_which_columns_are_known(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"N_year_risk.*\[models\.model\]"):
        read(tmp_path, "exam_id,comment\ne1,fine\n")


def test_a_column_that_the_plan_names_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a column 'p9'"):
        read(tmp_path, "exam_id,p2\ne1,0.2\n", model=ModelColumns(columns={"2": "p9"}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam_id,va,vb\ne1,1,2\ne2,3,failed\n", "something else in 1 row (3"),
        ("exam_id,5_year_risk,5_YEAR_RISK\ne1,0.1,0.2\n", "each column once"),
        ("exam_id;score\ne1;1\n", "separated by commas"),
        ("exam_id,score\ne1,0,5\n", "decimal commas"),
    ],
)
def test_faults_that_would_lose_a_model_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read(tmp_path, text)
    assert message in str(refused.value)


def test_an_empty_cell_of_one_model_in_a_wide_table_is_no_prediction(tmp_path: Path) -> None:
    _, second = read(tmp_path, "exam_id,va,vb\ne1,1,2\ne2,3,n/a\n")
    assert np.isnan(second.values[Claim()]).tolist() == [False, True]


def test_numbers_that_travel_with_predictions_are_no_models(tmp_path: Path) -> None:
    models = read(
        tmp_path, ",exam_id,study_date,n_images,bmi,va\n0,e1,20100101,4,22,1\n1,e2,20100101,4,23,2\n"
    )
    assert [m.key for m in models] == ["va"]


def test_the_plan_says_which_columns_of_a_wide_table_are_models(tmp_path: Path) -> None:
    models = read(
        tmp_path, "exam_id,va,vb,extra\ne1,0.1,2,9\n", va=ModelColumns(kind="risk"), vb=ModelColumns()
    )
    assert [(m.key, next(iter(m.values)).kind) for m in models] == [("va", "risk"), ("vb", "score")]


def test_risk_and_score_in_one_file_need_the_plan(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="one column, risk or score"):
        read(tmp_path, "exam_id,risk,score\ne1,0.1,3\n")


def test_risks_of_the_modes_that_add_up_to_more_than_one_are_refused(tmp_path: Path) -> None:
    spec = ModelColumns(kind="risk", screen_detected={"2": "sd"}, interval={"2": "ic"})
    with pytest.raises(InputError, match="add up to at most 1"):
        read(tmp_path, "exam_id,sd,ic\ne1,0.7,0.6\n", model=spec)


def test_names_that_a_spreadsheet_would_run_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="begins with a letter"):
        read(tmp_path, "model,exam_id,score\n=cmd(),e1,1\n")
