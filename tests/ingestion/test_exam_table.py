"""One row per exam: what is missing, what came before, whether sides may have been swapped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from forescreen.ingestion.exam_table import ExamCounts, ViewOutcome, write_exam_table
from forescreen.records import STANDARD_VIEWS


def build(exam: str, woman: str = "w", date: str = "2015-03-31", **changes: Any) -> list[ViewOutcome]:
    """Four stored views of an exam; `changes` by "LCC" and so on."""
    views = []
    for side, view in STANDARD_VIEWS:
        usual: dict[str, Any] = {
            "woman_id": woman, "exam_id": exam, "exam_date": date, "machine": "M", "laterality": side.value,
            "view": view.value, "is_stored": True, "contradicts": False, "flags": (),
        }  # fmt: skip
        views.append(ViewOutcome(**(usual | changes.get(f"{side}{view}", {}))))
    return views


def write(path: Path, *exams: list[ViewOutcome]) -> tuple[pd.DataFrame, ExamCounts]:
    counts = write_exam_table(path / "exams.parquet", [view for exam in exams for view in exam])
    return pd.read_parquet(path / "exams.parquet"), counts


def test_an_exam_names_its_missing_views_and_keeps_the_order_of_the_images(tmp_path: Path) -> None:
    refused = {"is_stored": False, "flags": ("undecodable_pixels",)}
    table, _ = write(tmp_path, build("z"), build("a", LCC=refused, RMLO=refused))
    assert table["exam_id"].tolist() == ["z", "a"]
    assert table["n_views"].tolist() == [4, 2]
    assert table["missing"].tolist() == ["", "L CC;R MLO"]
    assert table["machine"].tolist() == ["M", "M"]


def test_the_prior_is_the_last_exam_of_the_same_woman_on_an_earlier_day(tmp_path: Path) -> None:
    table, counts = write(
        tmp_path,
        build("c", date="2019-04-01"),
        build("a", date="2015-03-31"),
        build("other", woman="x", date="2016-01-01"),
        build("b", date="2017-03-31"),
        build("b2", date="2017-03-31"),
        build("undated", date=""),
        build("nobody", woman="", date="2018-01-01"),
    )
    rows = table.set_index("exam_id")
    assert rows["prior_exam_id"].fillna("").to_dict() == {
        "c": "b2", "a": "", "other": "", "b": "a", "b2": "a", "undated": "", "nobody": ""
    }  # fmt: skip
    days = rows["days_since_prior"]
    assert (days["b"], days["b2"], days["c"]) == (731, 731, 731)
    assert days.isna().sum() == 4
    assert counts == ExamCounts(n_exams=7, n_women=3, n_with_prior=3, exam_flags={})


def test_an_exam_without_a_stored_image_is_told_and_is_nobodys_prior(tmp_path: Path) -> None:
    gone = {f"{side}{view}": {"is_stored": False} for side, view in STANDARD_VIEWS}
    table, counts = write(tmp_path, build("a", date="2015-03-31", **gone), build("b", date="2017-03-31"))
    assert table["n_views"].tolist() == [0, 4]
    assert table["prior_exam_id"].isna().all()
    assert (counts.n_exams, counts.n_women) == (1, 1)


def test_a_swap_is_suspected_when_an_image_of_either_side_contradicts_its_label(tmp_path: Path) -> None:
    wrong = {"contradicts": True}
    refused = {"contradicts": True, "is_stored": False}
    mixed = {"flags": ("mixed_vendors_in_exam",)}
    table, counts = write(
        tmp_path,
        build("one side", LCC=wrong, LMLO=wrong),
        build("both", LCC=wrong, RMLO=refused),
        build("mixed", LCC=wrong | mixed, RCC=wrong),
    )
    assert table["flags"].tolist() == [
        "",
        "laterality_swap_suspected",
        "mixed_vendors_in_exam;laterality_swap_suspected",
    ]
    assert counts.exam_flags == {"laterality_swap_suspected": 2, "mixed_vendors_in_exam": 1}


def test_exams_of_a_number_that_stands_for_two_women_are_nobodys_priors(tmp_path: Path) -> None:
    doubt = {f"{side}{view}": {"flags": ("patient_ambiguous",)} for side, view in STANDARD_VIEWS}
    table, counts = write(
        tmp_path, build("a", date="2015-03-31", **doubt), build("b", date="2017-03-31", **doubt)
    )
    assert table["flags"].tolist() == ["patient_ambiguous"] * 2
    assert table["prior_exam_id"].isna().all()
    assert (counts.n_with_prior, counts.exam_flags) == (0, {"patient_ambiguous": 2})


def test_no_exams_make_an_empty_table(tmp_path: Path) -> None:
    table, counts = write(tmp_path)
    assert table.empty
    assert "prior_exam_id" in table
    assert counts.n_exams == 0
