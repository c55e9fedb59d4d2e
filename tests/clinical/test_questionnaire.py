"""Tables as people have them: columns recognised, rows kept, and an error where the whole table is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.factors import FACTORS
from forescreen.clinical.questionnaire import Questionnaire, read_questionnaire, read_registry_women
from forescreen.errors import FactorError

EXACT = 1e-12


def read(tmp_path: Path, text: str) -> Questionnaire:
    path = tmp_path / "women.csv"
    path.write_text(text, encoding="utf-8")
    return read_questionnaire(path)


def refuse(tmp_path: Path, text: str) -> str:
    with pytest.raises(FactorError) as error:
        read(tmp_path, text)
    return str(error.value)


def test_rows_keep_their_order_and_a_wrong_row_its_place(tmp_path: Path) -> None:
    found = read(tmp_path, "id,age,bmi\n007,50,24\n008,old,25\n009,60,26\n")
    np.testing.assert_array_equal(found.women.number("age"), [50, np.nan, 60])
    np.testing.assert_array_equal(found.women.number("bmi"), [24, 25, 26])
    assert found.ids["id"].tolist() == ["007", "008", "009"]
    assert [(p.row, p.code, p.factors) for p in found.women.problems] == [(1, "not_a_number", ("age",))]


def test_columns_are_recognised_without_case_or_blanks(tmp_path: Path) -> None:
    found = read(tmp_path, "\ufeffAge, Family History ,First-Birth-Age\n50,1,24\n")
    assert found.women.has("family_history", "yes").tolist() == [True]
    assert found.women.number("first_birth_age").tolist() == [24]
    assert found.ignored == {}


def test_columns_that_nothing_reads_are_listed_with_what_may_be_meant(tmp_path: Path) -> None:
    found = read(tmp_path, "age,familly_history,height,shoe size,site,biopsies\n50,1,165,39,x,2\n")
    assert found.ignored == {
        "familly_history": "family_history",
        "height": "height_cm",
        "shoe size": "",
        "biopsies": "n_biopsies",
    }
    assert not found.women.known("family_history").any()


@pytest.mark.parametrize(
    ("column", "ours", "convert"),
    [
        ("weight_lb", "weight_kg", "0.45359237"),
        ("Height_In", "height_cm", "2.54"),
        ("height_m", "height_cm", "by 100"),
        ("age_months", "age", "by 12"),
        ("drinks_per_week", "alcohol_g_per_day", "14 g"),
    ],
)
def test_a_column_in_another_unit_is_refused_with_how_to_convert(
    tmp_path: Path, column: str, ours: str, convert: str
) -> None:
    message = refuse(tmp_path, f"id,race,{column}\n1,white,100\n")
    assert f"the column {ours}" in message
    assert convert in message


def test_a_column_of_pounds_is_recognised_as_a_whole_with_and_without_heights(tmp_path: Path) -> None:
    # 140 to 160 lb: 64 to 73 kg; as kilograms a body-mass index of 51 to 59 at 165 cm
    pounds = range(140, 160)
    rows = "".join(f"50,165,{weight}\n" for weight in pounds)
    assert "looks like pounds" in refuse(tmp_path, "age,height_cm,weight_kg\n" + rows)
    rows = "".join(f"50,{weight}\n" for weight in pounds)
    assert "looks like pounds" in refuse(tmp_path, "age,weight_kg\n" + rows)
    # women of an obesity clinic in kilograms
    rows = "".join(f"50,165,{weight}\n" for weight in range(110, 130))
    assert read(tmp_path, "age,height_cm,weight_kg\n" + rows).women.problems == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "a header line"),
        ("age,bmi\n", "a header only"),
        ("name,town\nx,y\n", "none of them"),
        ("age;bmi\n50;24\n", "something else than commas"),
        ("age,Age\n50,50\n", "twice: age, Age"),
        ("age,age\n50,50\n", "twice: age"),
        ("age,bmi\n50,24,25\n", "rows of another length"),
        ("birth_date,bmi\n1970-01-01,24\n", "exam_date"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in refuse(tmp_path, text)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FactorError, match="no such file"):
        read_questionnaire(tmp_path / "women.csv")


def test_an_age_follows_from_two_dates(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "birth_date,exam_date,age\n"
        "1970-01-01,2020-01-01,\n"
        "1970-01-01,,49\n"
        "01.02.1970,2020-01-01,\n"
        "1970-01-01,2020-01-01,40\n"
        "2019-01-01,2020-01-01,\n",
    )
    # 50 years are 18 262 days
    np.testing.assert_allclose(
        found.women.number("age"), [18262 / 365.25, 49, np.nan, 40, np.nan], rtol=EXACT
    )
    assert [(p.row, p.code) for p in found.women.problems] == [
        (2, "not_a_date"),
        (3, "age_contradicts"),
        (4, "out_of_range"),
    ]


def test_a_contradiction_is_found_in_what_was_answered(tmp_path: Path) -> None:
    found = read(tmp_path, "age,parity,first_birth_age\n50,0,24\n50,1,24\n")
    assert [(p.row, p.code) for p in found.women.problems] == [(0, "no_births_but_first")]


def write_registry(folder: Path) -> None:
    (folder / "women.csv").write_text(
        "woman_id,birth_date,race,family_history,parity,first_birth_age,follow_up_end\n"
        "w1,1960-01-01,White,1,0,,2024-01-01\n"
        "w2,1970-01-01,Asian,,2,24,2024-01-01\n"
    )
    (folder / "exams.csv").write_text(
        "exam_id,woman_id,exam_date,purpose,assessment,bmi,menopause,hormone_therapy,density\n"
        "e1,w2,2020-01-01,screening,1,24.1,pre,0,c\n"
        "e2,w1,2020-01-01,screening,1,31,post,1,a\n"
        "e3,w2,2022-01-01,screening,1,,pre,,d\n"
        "e4,w9,2022-01-01,screening,1,25,pre,,d\n"
    )


def test_exams_of_a_registry_have_the_answers_of_their_women(tmp_path: Path) -> None:
    write_registry(tmp_path)
    found = read_registry_women(tmp_path)
    assert found.ids["exam_id"].tolist() == ["e1", "e2", "e3", "e4"]
    assert found.ids["woman_id"].tolist() == ["w2", "w1", "w2", "w9"]
    women = found.women
    assert np.floor(women.number("age"))[:3].tolist() == [49, 60, 52]  # 18 262 days are 49.999 years
    assert women.has("race", "asian").tolist() == [True, False, True, False]
    np.testing.assert_array_equal(women.number("first_birth_age"), [24, np.nan, 24, np.nan])
    assert women.has("hormone_therapy", "current").tolist() == [False, True, False, False]
    assert women.level("density").tolist() == [2, 0, 3, 3]
    assert [(p.row, p.code) for p in women.problems] == [(3, "woman_unknown")]
    assert found.ignored == {}


def test_a_registry_that_lacks_a_table_or_names_a_woman_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FactorError, match=r"no women\.csv"):
        read_registry_women(tmp_path)
    write_registry(tmp_path)
    with (tmp_path / "women.csv").open("a") as stream:
        stream.write("w1,1960-01-01,White,1,0,,2024-01-01\n")
    with pytest.raises(FactorError, match="each woman_id once") as error:
        read_registry_women(tmp_path)
    assert "2 rows (2, 4" in str(error.value)
    assert "w1" not in str(error.value)


def test_every_factor_is_described_in_the_reference() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "reference" / "clinical.md"
    text = page.read_text(encoding="utf-8")
    for factor in FACTORS.values():
        assert f"| `{factor.name}` | {factor.meaning} |" in text
        assert ", ".join(factor.levels) in text
