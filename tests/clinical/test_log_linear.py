"""Terms are read from their names as py-icare writes them; unknown cells make terms unknown, not 0."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.log_linear import coded_column, parse_terms, partial_scores, scores
from forescreen.errors import ConfigError, FactorError

EXACT = 1e-12
ROUNDED_COEFFICIENTS = 2e-7  # BPC3's are published with 7 digits, up to 12 of them in a sum

HRT = "C(hrt, levels=['never', 'current', 'former'])"
BMI = "C(bmi, levels=['<25', '25-30', '>=30'])"
COEFFICIENTS = {
    f"{HRT}[T.current]": 0.8,
    f"{HRT}[T.former]": 0.1,
    f"{BMI}[T.25-30]": 0.2,
    f"{BMI}[T.>=30]": 0.3,
    f"{HRT}[T.current]:{BMI}[T.25-30]": -0.15,
    "hrt_type": -0.3,
    f"hrt_type:{BMI}[T.>=30]": -0.05,
    "height": 0.157,
}


def score_of(coefficients: dict[str, float], **cells: list[object]) -> np.ndarray:
    model = parse_terms(coefficients)
    return scores(model, {c: coded_column(model, c, v) for c, v in cells.items()}).observed


def test_indicators_numbers_and_their_products_add_up() -> None:
    found = score_of(
        COEFFICIENTS,
        hrt=["never", "current", "former", "current"],
        bmi=["<25", "25-30", ">=30", ">=30"],
        hrt_type=["0", "0", "0", "1"],
        height=["16.5", "17", "16", "16"],
    )
    height = 0.157 * np.array([16.5, 17, 16, 16])
    others = [0, 0.8 + 0.2 - 0.15, 0.1 + 0.3, 0.8 + 0.3 - 0.3 - 0.05]
    np.testing.assert_allclose(found, height + others, rtol=EXACT)


def test_a_colon_a_bracket_and_a_quote_within_a_level_are_no_syntax() -> None:
    found = score_of(
        {"C(x, levels=['a:b', 'c, (d', 'e\"f'])[T.c, (d]:y": 2.0}, x=["c, (d", "a:b"], y=[1.5, 1.5]
    )
    np.testing.assert_allclose(found, [3.0, 0.0], rtol=EXACT)


def test_a_column_of_another_alphabet_is_quoted() -> None:
    np.testing.assert_allclose(score_of({"Q('family.history')": 0.5}, **{"family.history": [1, 0]}), [0.5, 0])


@pytest.mark.parametrize("cell", ["13", 13, 13.0, "13.0", " 13 "])
def test_a_level_that_is_a_number_may_be_written_as_one(cell: object) -> None:
    found = score_of({"C(age, levels=['12', '13', '>=14'])[T.13]": 1.0}, age=[cell])
    np.testing.assert_array_equal(found, [1.0])


@pytest.mark.parametrize("cell", ["", None, float("nan"), "NA", "NaN", "."])
def test_empty_cells_are_unknown_and_not_the_reference_level(cell: object) -> None:
    model = parse_terms(COEFFICIENTS)
    columns = {
        "hrt": coded_column(model, "hrt", ["never"]),
        "bmi": coded_column(model, "bmi", [cell]),
        "hrt_type": coded_column(model, "hrt_type", ["1"]),
        "height": coded_column(model, "height", [16.0]),
    }
    found = scores(model, columns)
    assert not found.complete[0]
    assert [c for c, unknown in zip(found.columns, found.unknown[0], strict=True) if unknown] == ["bmi"]
    assert found.observed[0] == pytest.approx(-0.3 + 0.157 * 16, abs=EXACT), "interactions with it are out"


def test_a_word_that_looks_unknown_but_is_a_level_is_that_level() -> None:
    found = score_of({"C(alcohol, levels=['None', 'some'])[T.some]": 0.4}, alcohol=["None", "some"])
    np.testing.assert_array_equal(found, [0, 0.4])


def test_a_partial_score_leaves_out_every_term_that_reads_an_unknown_column() -> None:
    model = parse_terms(COEFFICIENTS)
    columns = {
        "hrt": coded_column(model, "hrt", ["current"]),
        "bmi": coded_column(model, "bmi", ["25-30"]),
        "hrt_type": coded_column(model, "hrt_type", ["1"]),
        "height": coded_column(model, "height", [16.0]),
    }
    assert partial_scores(model, columns, ["bmi"])[0] == pytest.approx(0.8 - 0.3 + 0.157 * 16, abs=EXACT)


def test_a_column_that_is_absent_is_unknown_of_all() -> None:
    model = parse_terms({"a": 1.0, "b": 2.0})
    found = scores(model, {"a": np.array([3.0, 4.0])})
    np.testing.assert_array_equal(found.unknown, [[False, True]] * 2)
    np.testing.assert_array_equal(found.observed, [3, 4])


def test_levels_that_no_name_lists_are_given() -> None:
    model = parse_terms({"smoking[T.ever]": 0.1}, levels={"smoking": ["ever", "never"]})
    found = scores(model, {"smoking": coded_column(model, "smoking", ["never", "ever"])})
    np.testing.assert_array_equal(found.observed, [0, 0.1])
    with pytest.raises(
        ConfigError, match="term smoking: expected the levels of smoking, its reference level"
    ):
        parse_terms({"smoking[T.ever]": 0.1})


@pytest.mark.parametrize(
    ("coefficients", "message"),
    [
        ({}, "at least one term"),
        ({"a": float("nan")}, "term a: expected a finite coefficient"),
        ({"a": "0.5"}, "finite coefficient"),
        ({"Intercept": -3.0}, "term Intercept: expected a column"),
        ({"np.log(a)": 1.0}, "Compute other functions of columns first"),
        ({"a + b": 1.0}, "Compute other functions"),
        ({"a:": 1.0}, "expected a column"),
        ({"C(a, levels=['x', 'y'])[T.z]": 1.0}, "a level among x, y, found z"),
        ({"C(a, levels=['x', 'x'])[T.x]": 1.0}, "two or more different levels"),
        ({"C(a, levels=names)[T.x]": 1.0}, "plain texts or numbers"),
        ({"C(a, Treatment('x'))[T.y]": 1.0}, r"C\(column, levels"),
        ({"C(a)": 1.0}, r"C\(column, levels"),
        ({"C(a, levels=[0, 1])[T.1]": 1.0, "C(a, levels=[1, 0])[T.0]": 1.0}, "one list of levels of a"),
        ({"a": 1.0, "C(a, levels=[0, 1])[T.1]": 1.0}, "one use"),
    ],
)
def test_names_that_are_not_understood_are_refused(coefficients: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_terms(coefficients)


def test_cells_that_are_none_of_the_levels_are_refused_by_row() -> None:
    model = parse_terms(COEFFICIENTS)
    with pytest.raises(FactorError, match=r"profiles, row 2: expected bmi one of <25, 25-30, >=30, found 31"):
        coded_column(model, "bmi", ["<25", "31"])
    with pytest.raises(FactorError, match=r"row 1: expected height as a number, found tall"):
        coded_column(model, "height", ["tall"])
    with pytest.raises(FactorError, match="found inf"):
        coded_column(model, "height", [float("inf")])


@pytest.mark.parametrize(
    ("folder", "names", "expected", "tolerance"),
    [
        (
            "bpc3",
            ("breast_cancer_model_log_odds_ratios.json", "query_covariate_profile.csv"),
            "expected_covariate_only.json",
            ROUNDED_COEFFICIENTS,
        ),
        (
            "icare_lit_ge50",
            ("model_log_odds_ratios_ge50.json", "query_profiles_ge50.csv"),
            "expected_covariate_only_ge50.json",
            EXACT,
        ),
    ],
)
def test_against_r_icare_linear_predictors(
    shared: Path, folder: str, names: tuple[str, str], expected: str, tolerance: float
) -> None:
    import pandas as pd

    place = shared / "data" / "statistics" / "icare" / folder
    model = parse_terms(json.loads((place / names[0]).read_text()))
    table = pd.read_csv(place / names[1], dtype=str)
    found = scores(model, {c: coded_column(model, c, table[c].tolist()) for c in model.columns})
    assert found.complete.all()
    r = json.loads((place / expected).read_text())["linear_predictors"]
    np.testing.assert_allclose(found.observed, r, rtol=0, atol=tolerance)
