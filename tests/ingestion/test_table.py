from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from forescreen.errors import InputError
from forescreen.identity import AS_GIVEN, Pseudonyms
from forescreen.ingestion.table import pictures_of, read_image_table

from .builders import edit_table, write_table


def build_table(folder: Path, **columns: list[object]) -> Path:
    table = pd.DataFrame(
        {
            "patient_id": ["p1"] * 4 + ["p2"] * 2,
            "exam_id": ["e1"] * 4 + ["e2"] * 2,
            "laterality": ["L", "L", "R", "R", "L", "R"],
            "view": ["CC", "MLO", "CC", "MLO", "CC", "CC"],
            "file_path": [f"{i}.png" for i in range(6)],
        }
    )
    for name, values in columns.items():
        table[name] = values
    return write_table(folder / "images.csv", table)


def test_optional_columns_may_be_absent(tmp_path: Path) -> None:
    table = read_image_table(build_table(tmp_path), pseudonyms=AS_GIVEN)
    assert table["line"].tolist() == [2, 3, 4, 5, 6, 7]
    assert table["years_to_cancer"].isna().all()
    assert table["row_spacing_mm"].isna().all()
    assert table["split_group"].tolist() == [""] * 6


def test_fractions_of_years_and_columns_of_others_are_passed_on(tmp_path: Path) -> None:
    path = build_table(tmp_path, years_to_cancer=["1.9"] * 4 + ["100"] * 2, density=["a"] * 4 + ["c"] * 2)
    table = read_image_table(path, pseudonyms=AS_GIVEN)
    assert table["years_to_cancer"].tolist() == [1.9] * 4 + [100] * 2
    assert table["density"].tolist() == ["a"] * 4 + ["c"] * 2


def test_numbers_become_pseudonyms(tmp_path: Path) -> None:
    key = Pseudonyms(key=b"0123456789abcdef")
    table = read_image_table(build_table(tmp_path), pseudonyms=key)
    assert table["patient_id"].unique().tolist() == [key.woman("p1"), key.woman("p2")]
    assert table["exam_id"].unique().tolist() == [key.exam("e1"), key.exam("e2")]


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("laterality", "B", "column laterality: expected R or L, found 'B'"),
        ("view", "oblique", "column view: expected CC or MLO, found 'oblique'"),
        ("file_path", "", "column file_path: expected a path, found nothing"),
        ("patient_id", "", "column patient_id: expected a number or name, found nothing"),
        ("years_to_cancer", "-1", "column years_to_cancer: expected years from 0 to 1000, found '-1'"),
        ("years_to_cancer", "soon", "column years_to_cancer: expected years"),
        ("years_to_last_followup", "nan", "column years_to_last_followup: expected years"),
        ("split_group", "validation", "column split_group: expected train, dev or test, found 'validation'"),
        (
            "row_spacing_mm",
            "70",
            "column row_spacing_mm: expected millimetres between 0.02 and 2, found '70'",
        ),
        ("exam_date", "31.03.2015", "column exam_date: expected a date like 2015-03-31"),
    ],
)
def test_bad_values_are_named_by_line_and_column(tmp_path: Path, column: str, value: str, says: str) -> None:
    optional: dict[str, list[object]] = {
        "years_to_cancer": [""] * 6, "years_to_last_followup": [""] * 6, "split_group": [""] * 6,
        "row_spacing_mm": [""] * 6, "exam_date": [""] * 6,
    }  # fmt: skip
    path = edit_table(build_table(tmp_path, **optional), 3, **{column: value})
    with pytest.raises(InputError) as caught:
        read_image_table(path, pseudonyms=AS_GIVEN)
    assert f"images.csv, line 5, {says}" in str(caught.value)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = build_table(tmp_path)
    write_table(path, pd.read_csv(path).drop(columns=["view", "exam_id"]))
    with pytest.raises(InputError, match="found no exam_id, view"):
        read_image_table(path, pseudonyms=AS_GIVEN)


def test_one_exam_of_two_women_is_an_error_without_their_numbers(tmp_path: Path) -> None:
    path = edit_table(build_table(tmp_path), 2, patient_id="secret")
    with pytest.raises(InputError, match="line 4, column patient_id: expected one patient_id") as caught:
        read_image_table(path, pseudonyms=AS_GIVEN)
    assert "secret" not in str(caught.value)


def test_one_exam_with_two_outcomes_is_an_error(tmp_path: Path) -> None:
    path = build_table(tmp_path, years_to_cancer=[2, 2, 3, 2, 100, 100])
    with pytest.raises(InputError, match="line 4, column years_to_cancer: expected one years_to_cancer"):
        read_image_table(path, pseudonyms=AS_GIVEN)


def test_files_that_are_no_table_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_image_table(tmp_path / "none.csv", pseudonyms=AS_GIVEN)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match="expected a CSV of images in UTF-8"):
        read_image_table(tmp_path / "empty.csv", pseudonyms=AS_GIVEN)
    (tmp_path / "head.csv").write_text("patient_id,exam_id,laterality,view,file_path\n")
    with pytest.raises(InputError, match="found a header only"):
        read_image_table(tmp_path / "head.csv", pseudonyms=AS_GIVEN)
    (tmp_path / "binary.csv").write_bytes(b"\x89PNG\xff\xfe\x00")
    with pytest.raises(InputError, match="expected a CSV of images in UTF-8"):
        read_image_table(tmp_path / "binary.csv", pseudonyms=AS_GIVEN)


def test_views_and_repeats_that_models_do_not_take_are_refused(tmp_path: Path) -> None:
    path = edit_table(build_table(tmp_path), 1, view="ML")
    edit_table(path, 3, view="CC")
    edit_table(path, 5, file_path="4.png")
    kept, refused = pictures_of(read_image_table(path, pseudonyms=AS_GIVEN), path)
    assert [picture.file for _, _, _, picture in kept] == ["0.png", "2.png", "4.png"]
    assert [(r.file, r.code, r.message[:6]) for r in refused] == [
        ("1.png", "view_not_standard", "line 3"),
        ("3.png", "duplicate_view_older", "line 5"),
        ("4.png", "duplicate_instance", "line 7"),
    ]
