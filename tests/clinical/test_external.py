"""Risks of other programs are taken as they are, with a unit that somebody said, or refused by row."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.external import (
    CODES,
    EXTERNAL_MODELS,
    ExternalColumn,
    external_columns,
    read_canrisk,
    read_risks,
)
from forescreen.errors import ConfigError, FactorError, InputError


def build_column(unit: str = "percent") -> ExternalColumn:
    return external_columns([f"tyrer_cuzick_10y_{unit}"])[0]


def build_canrisk(**changes: object) -> dict[str, object]:
    """The shape of CanRisk's result file; the numbers are invented."""
    result = {
        "family_id": "F",
        "cancer_risks": [
            {"age": age, "breast cancer risk": {"decimal": risk, "percent": round(100 * risk, 1)}}
            for age, risk in [(51, 0.0031), (55, 0.0162), (60, 0.0337), (80, 0.0991)]
        ],
        "baseline_cancer_risks": [
            {"age": age, "breast cancer risk": {"decimal": risk}} for age, risk in [(55, 0.0125), (60, 0.027)]
        ],
        "ten_yr_cancer_risk": [{"age": 50, "breast cancer risk": {"decimal": 0.5, "percent": 50.0}}],
        "mutation_probabilties": [],
    }
    return {"version": "x", "pedigree_result": [{**result, **changes}]}


def write(folder: Path, content: object) -> Path:
    path = folder / "canrisk.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "model", "years", "unit"),
    [
        ("tyrer_cuzick_5y_percent", "tyrer-cuzick", 5, "percent"),
        ("IBIS_10y_fraction", "tyrer-cuzick", 10, "fraction"),
        ("canrisk_5y (%)", "canrisk", 5, "percent"),
        ("boadicea_10y%", "canrisk", 10, "percent"),
        ("bcsc_v3_5y_percent", "bcsc-v3", 5, "percent"),
        ("bcsc-v2_5y_fraction", "bcsc-v2", 5, "fraction"),
    ],
)
def test_a_name_says_model_horizon_and_unit(name: str, model: str, years: int, unit: str) -> None:
    (column,) = external_columns(["woman_id", name, "density", "canrisk_version"])
    assert (column.name, column.model, column.horizon_years, column.unit) == (name, model, years, unit)
    assert column.title == EXTERNAL_MODELS[model]


def test_a_unit_may_be_declared_beside_the_name() -> None:
    (column,) = external_columns(["canrisk_5y"], units={"canrisk_5y": "fraction"})
    assert column.unit == "fraction"


def test_a_unit_is_never_guessed() -> None:
    with pytest.raises(
        ConfigError, match="column canrisk_5y: expected a unit, percent or fraction, found none"
    ):
        external_columns(["canrisk_5y"])


def test_a_declared_unit_that_the_name_contradicts_is_refused() -> None:
    with pytest.raises(ConfigError, match="the unit that the name says, percent, found fraction"):
        external_columns(["canrisk_5y (%)"], units={"canrisk_5y (%)": "fraction"})


def test_a_declaration_of_no_unit_or_no_column_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected percent or fraction, found per mille"):
        external_columns(["canrisk_5y"], units={"canrisk_5y": "per mille"})  # type: ignore[dict-item]
    with pytest.raises(ConfigError, match="found 1 of other columns"):
        external_columns(["canrisk_5y_percent"], units={"canrisk_10y": "percent"})


@pytest.mark.parametrize("name", ["canrisk_5yr", "tyrer_cuzick_10y_pct", "bcsc_v3_5"])
def test_a_name_that_is_nearly_right_is_not_passed_over(name: str) -> None:
    with pytest.raises(ConfigError, match="expected <model>_<years>y, then _percent or _fraction"):
        external_columns(["woman_id", name])


@pytest.mark.parametrize("years", [0, 81])
def test_a_horizon_of_no_years_or_beyond_a_life_is_refused(years: int) -> None:
    with pytest.raises(ConfigError, match=f"a horizon from 1 to 80 years, found {years}"):
        external_columns([f"canrisk_{years}y_percent"])


def test_percent_becomes_a_fraction_and_a_gap_has_a_reason() -> None:
    answer = read_risks(build_column(), ["3.5", "", "2.25%", None, 100])
    np.testing.assert_array_equal(answer.risk, [0.035, np.nan, 0.0225, np.nan, 1.0])
    np.testing.assert_array_equal(answer.reasons["not_computed"], [False, True, False, True, False])
    np.testing.assert_array_equal(answer.horizon_years, [10.0] * 5)
    assert np.isnan([answer.average, answer.lower, answer.upper]).all()
    assert answer.model == "tyrer-cuzick"
    assert set(answer.reasons) <= set(CODES)


def test_fractions_stay_as_they_are_from_numbers_and_from_text() -> None:
    numbers = read_risks(build_column("fraction"), np.array([0.02, np.nan, 1.0]))  # type: ignore[arg-type]
    text = read_risks(build_column("fraction"), ["0.02", "NA", "1"])
    series = read_risks(build_column("fraction"), pd.Series([0.02, None, 1.0]))  # type: ignore[arg-type]
    for answer in (numbers, text, series):
        np.testing.assert_array_equal(answer.risk, [0.02, np.nan, 1.0])


@pytest.mark.parametrize("cells", [["0.02", "1.3"], np.array([0.02, 1.3])])
def test_a_fraction_above_one_is_an_error_with_its_row(cells: list[object]) -> None:
    with pytest.raises(
        FactorError, match=r"row 3: expected risks from 0 to 1 in fraction, found 1\.3"
    ) as error:
        read_risks(build_column("fraction"), cells)
    assert error.value.remedy == "Declare the column as percent"


@pytest.mark.parametrize(("cell", "message"), [("-1", "found -1"), ("101", "found 101"), ("inf", "a number")])
def test_percent_outside_0_to_100_is_an_error(cell: str, message: str) -> None:
    with pytest.raises(FactorError, match=f"row 2.*{message}"):
        read_risks(build_column(), [cell, "2"])


@pytest.mark.parametrize("cell", ["high", "3,5", "1_0", "0.02 %%"])
def test_what_is_no_number_is_an_error_that_does_not_repeat_it(cell: str) -> None:
    with pytest.raises(FactorError, match="row 2: expected a number") as error:
        read_risks(build_column(), [cell])
    assert cell not in str(error.value)


def test_infinite_numbers_are_refused() -> None:
    with pytest.raises(FactorError, match="found inf"):
        read_risks(build_column(), np.array([np.inf]))  # type: ignore[arg-type]


def test_a_percent_sign_in_a_column_of_fractions_is_an_error() -> None:
    with pytest.raises(FactorError, match="a fraction without a % sign"):
        read_risks(build_column("fraction"), ["0.5%"])


def test_percent_that_looks_like_fractions_is_told() -> None:
    answer = read_risks(build_column(), [f"0.0{i}" for i in range(1, 10)] * 2)
    assert "is its unit a fraction?" in answer.notes[-1]
    assert len(read_risks(build_column(), ["0.03", "3.1"] * 9).notes) == 1


def test_canrisk_gives_the_risk_from_her_age_over_the_horizon(tmp_path: Path) -> None:
    path = write(tmp_path, build_canrisk())
    answer = read_canrisk(path, age_years=50, horizon_years=10)
    # Not the 0.5 of ten_yr_cancer_risk: that is from 40 to 50, of whatever age she is.
    assert (answer.risk[0], answer.average[0]) == (0.0337, 0.027)
    assert not answer.reasons
    assert read_canrisk(path, age_years=50, horizon_years=5).risk[0] == 0.0162


def test_canrisk_without_a_risk_at_that_age_is_a_reason(tmp_path: Path) -> None:
    answer = read_canrisk(write(tmp_path, build_canrisk()), age_years=50, horizon_years=7)
    assert np.isnan(answer.risk[0])
    assert answer.reasons["horizon_outside"].tolist() == [True]


@pytest.mark.parametrize("age_years", [51, 60, 40])
def test_canrisk_of_another_age_is_refused(tmp_path: Path, age_years: float) -> None:
    with pytest.raises(InputError, match=f"found age {age_years}, horizon 5, first age 51"):
        read_canrisk(write(tmp_path, build_canrisk()), age_years=age_years, horizon_years=5)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ([], "JSON of another kind"),
        ({"pedigree_result": 1}, "JSON of another kind"),
        ({"pedigree_result": []}, "0 women"),
        ({"pedigree_result": [{}, {}]}, "2 women"),
        ({"pedigree_result": [{}]}, "no cancer_risks"),
        (build_canrisk(cancer_risks={}), "something else"),
        (build_canrisk(cancer_risks=[{"age": 51}]), "something else"),
        (build_canrisk(cancer_risks=[{"age": 51, "breast cancer risk": {"decimal": 3.1}}]), "something else"),
        (
            build_canrisk(
                cancer_risks=[{"age": 51, "breast cancer risk": {"decimal": 0.031, "percent": 31}}]
            ),
            "something else",
        ),
    ],
)
def test_files_that_are_not_of_canrisk_are_refused(tmp_path: Path, content: object, found: str) -> None:
    with pytest.raises(InputError, match=f"found {found}"):
        read_canrisk(write(tmp_path, content), age_years=50, horizon_years=5)


def test_a_canrisk_file_that_is_absent_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_canrisk(tmp_path / "absent.json", age_years=50, horizon_years=5)
    path = tmp_path / "canrisk.json"
    path.write_text("##CanRisk 2.0", encoding="utf-8")
    with pytest.raises(InputError, match="no JSON"):
        read_canrisk(path, age_years=50, horizon_years=5)
