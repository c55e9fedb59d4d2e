from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.cohort.columns import CANCERS, EXAMS, WOMEN, Column, read_table, rows_of, typed
from forescreen.errors import CohortError

from .builders import build_cancers, build_exams, build_women

TWO_WOMEN = ({"woman_id": "007"}, {"woman_id": "8"})


def written(folder: Path, text: str | bytes, name: str = "women.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_identifiers_stay_text_through_a_file(tmp_path: Path) -> None:
    path = tmp_path / "women.csv"
    build_women(*TWO_WOMEN).to_csv(path, index=False)
    assert list(typed(read_table(path), WOMEN, where="women.csv")["woman_id"]) == ["007", "8"]


def test_a_file_and_its_table_of_text_give_the_same(tmp_path: Path) -> None:
    women = build_women(*TWO_WOMEN, {"woman_id": "9", "race": "NA", "parity": "", "first_birth_age": "."})
    path = tmp_path / "women.csv"
    women.to_csv(path, index=False)
    pd.testing.assert_frame_equal(
        typed(read_table(path), WOMEN, where="women.csv"), typed(women, WOMEN, where="women.csv")
    )


def test_cells_for_not_known_become_missing() -> None:
    women = typed(
        build_women({"woman_id": "NA", "race": "NA", "parity": " ", "death_date": "."}),
        WOMEN,
        where="women.csv",
    )
    row = women.iloc[0]
    assert row["woman_id"] == "NA"  # an identifier may look like that
    assert pd.isna(row["race"])
    assert np.isnan(row["parity"])
    assert pd.isna(row["death_date"])


def test_codes_are_read_in_any_case_and_as_spreadsheets_write_them() -> None:
    exams = typed(
        build_exams(
            {
                "woman_id": "w",
                "exam_date": "2010-01-01",
                "assessment": "2.0",
                "density": "B",
                "purpose": "Screening",
            }
        ),
        EXAMS,
        where="exams.csv",
    )
    assert list(exams.loc[0, ["assessment", "density", "purpose"]]) == ["2", "b", "screening"]


def test_missing_columns_are_named_with_the_names_they_may_have_had() -> None:
    women = build_women(*TWO_WOMEN).rename(columns={"woman_id": "WomanID", "birth_date": "birthdate"})
    with pytest.raises(CohortError) as caught:
        typed(women, WOMEN, where="women.csv")
    assert "no woman_id, no birth_date among" in caught.value.found
    assert caught.value.remedy == "Is 'womanid' meant as 'woman_id'? is 'birthdate' meant as 'birth_date'?"
    assert caught.value.where == "women.csv"


def test_a_file_separated_by_semicolons_is_recognised(tmp_path: Path) -> None:
    path = written(tmp_path, "woman_id;birth_date;follow_up_end\n1;1950-01-01;2020-01-01\n")
    with pytest.raises(CohortError, match="separated by something else than commas"):
        typed(read_table(path), WOMEN, where="women.csv")


@pytest.mark.parametrize(
    "cell", ["1950-02-30", "01.02.1950", "1950-1-2", "50-01-01", "1050-01-01", "unknown"]
)
def test_a_date_that_is_none_is_refused_with_its_row_and_without_its_text(cell: str) -> None:
    women = build_women({"woman_id": "a"}, {"woman_id": "b", "birth_date": cell})
    with pytest.raises(CohortError) as caught:
        typed(women, WOMEN, where="women.csv")
    assert "birth_date as YYYY-MM-DD" in caught.value.expected
    assert "1 row (3; the header is row 1)" in caught.value.found
    assert cell not in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        (WOMEN, {"race": "Martian"}, "race to be one of White, .* found 'Martian' in 1 row"),
        (WOMEN, {"family_history": "2"}, "family_history to be one of 0, 1"),
        (WOMEN, {"menarche_age": "99"}, "menarche_age from 6 to 25"),
        (WOMEN, {"menarche_age": "nine"}, "menarche_age from 6 to 25"),
        (WOMEN, {"follow_up_end": ""}, "follow_up_end in every row"),
        (WOMEN, {"woman_id": "  "}, "woman_id in every row"),
        (EXAMS, {"assessment": "7"}, "assessment to be one of 0, 1, 2, 3, 4, 5, 6, or empty, found '7'"),
        (EXAMS, {"density": "e"}, "density to be one of a, b, c, d"),
        (EXAMS, {"purpose": ""}, "purpose in every row"),
        (EXAMS, {"bmi": "inf"}, "bmi from 10 to 90"),
        (EXAMS, {"percent_density": "-1"}, "percent_density from 0 to 100"),
        (CANCERS, {"behaviour": "benign"}, "behaviour to be one of invasive, in situ, found 'benign'"),
        (CANCERS, {"grade": "4"}, "grade to be one of 1, 2, 3"),
    ],
)
def test_impossible_cells_are_refused_with_column_and_row(
    columns: tuple[Column, ...], row: dict[str, str], said: str
) -> None:
    builders = {
        id(WOMEN): lambda: build_women({"woman_id": "w"} | row),
        id(EXAMS): lambda: build_exams({"woman_id": "w", "exam_date": "2010-01-01"} | row),
        id(CANCERS): lambda: build_cancers({"woman_id": "w", "diagnosis_date": "2010-01-01"} | row),
    }
    with pytest.raises(CohortError, match=said):
        typed(builders[id(columns)](), columns, where="table")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a header line"),
        ("woman_id,birth_date,woman_id\n", "twice: woman_id"),
        ("woman_id,birth_date\n1,1950-01-01,7\n2,1950-01-01,8\n", "another length"),
        ("woman_id,birth_date\n1,1950-01-01\n2,1950-01-01,8\n", "another length"),
        ("woman_id,birth_date\n1,J\xfcrgen\n".encode("latin-1"), "UTF-8"),
    ],
)
def test_damaged_files_are_refused(tmp_path: Path, text: str | bytes, said: str) -> None:
    with pytest.raises(CohortError, match=said):
        read_table(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"expected a file women.csv, found none"):
        read_table(tmp_path / "women.csv")


def test_rows_that_end_early_have_missing_cells(tmp_path: Path) -> None:
    path = written(tmp_path, "woman_id,birth_date,follow_up_end,race\n1,1950-01-01,2020-01-01\n")
    assert pd.isna(typed(read_table(path), WOMEN, where="women.csv").loc[0, "race"])


def test_a_mark_of_byte_order_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = written(tmp_path, b"\xef\xbb\xbfwoman_id,birth_date,follow_up_end\n1,1950-01-01,2020-01-01\n")
    assert typed(read_table(path), WOMEN, where="women.csv").loc[0, "woman_id"] == "1"


def test_many_rows_are_counted_and_the_first_are_shown() -> None:
    assert rows_of(np.ones(12, dtype=bool)) == "12 rows (2, 3, 4, 5, 6, 7, 8, 9, …; the header is row 1)"
