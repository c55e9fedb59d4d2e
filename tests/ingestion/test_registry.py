"""Registry tables under the key of the images."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from forescreen.cohort.registry import read_registry
from forescreen.errors import CohortError
from forescreen.identity import Pseudonyms
from forescreen.ingestion.registry import deidentify_tables

KEYED = Pseudonyms(key=b"k" * 32)


def build_tables(folder: Path) -> Path:
    folder.mkdir()
    (folder / "women.csv").write_text(
        "woman_id,birth_date,name,parity,follow_up_end\n"
        "8604121937,1960-04-12,Quixandra,2,2024-12-31\n"
        "W2,1955-01-31,Zuckerwatte,0,2020-02-29\n"
    )
    (folder / "exams.csv").write_text(
        "exam_id,woman_id,exam_date,purpose,assessment,site\n"
        "ACC-1,8604121937,2021-03-14,screening,1,Kreiskrankenhaus\n"
        "ACC-2,8604121937,2023-03-15,screening,0,Kreiskrankenhaus\n"
        "ACC-3,W2,2019-06-01,screening,2,Elsewhere\n"
    )
    (folder / "cancers.csv").write_text(
        "woman_id,diagnosis_date,behaviour,size_mm\n8604121937,2023-04-01,invasive,12.5\n"
    )
    return folder


def test_tables_keep_intervals_and_codes_and_lose_names(tmp_path: Path) -> None:
    rows = deidentify_tables(build_tables(tmp_path / "in"), tmp_path / "out", pseudonyms=KEYED)
    assert rows == {"women.csv": 2, "exams.csv": 3, "cancers.csv": 1}
    text = "".join((tmp_path / "out" / name).read_text() for name in rows)
    for planted in (
        "8604121937",
        "Quixandra",
        "Kreiskrankenhaus",
        "ACC-1",
        "1960-04-12",
        "2021-03-14",
        "name",
    ):
        assert planted not in text
    before = read_registry(tmp_path / "in", pseudonyms=KEYED)
    after = read_registry(tmp_path / "out")
    assert list(before.women["woman_id"]) == list(after.women["woman_id"])
    assert list(before.exams["exam_id"]) == list(after.exams["exam_id"])
    assert list(before.women["parity"]) == list(after.women["parity"])
    assert before.exams["site"].nunique() == after.exams["site"].nunique() == 2
    for table, column in (("exams", "exam_date"), ("cancers", "diagnosis_date")):
        ages = [
            getattr(tables, table)[column].to_numpy()
            - tables.women["birth_date"].to_numpy()[getattr(tables, table)["woman"]]
            for tables in (before, after)
        ]
        assert (ages[0] == ages[1]).all()
    moved = (before.exams["exam_date"] - after.exams["exam_date"]).dt.days
    assert moved.between(1, 365).all()
    assert moved.groupby(before.exams["woman_id"]).nunique().max() == 1


def test_dates_move_as_those_of_the_images_do(tmp_path: Path) -> None:
    deidentify_tables(build_tables(tmp_path / "in"), tmp_path / "out", pseudonyms=KEYED)
    women = pd.read_csv(tmp_path / "out" / "women.csv", dtype=str).set_index("woman_id")
    born = pd.Timestamp(women.loc[KEYED.woman("8604121937"), "birth_date"])
    assert (pd.Timestamp("1960-04-12") - born).days == KEYED.days_back("8604121937")


def test_kept_dates_stay(tmp_path: Path) -> None:
    deidentify_tables(build_tables(tmp_path / "in"), tmp_path / "out", pseudonyms=KEYED, keep_dates=True)
    assert "2021-03-14" in (tmp_path / "out" / "exams.csv").read_text()


def test_a_table_that_is_refused_writes_none(tmp_path: Path) -> None:
    folder = build_tables(tmp_path / "in")
    (folder / "cancers.csv").write_text("woman_id\nW2\n")
    with pytest.raises(CohortError, match="no diagnosis_date"):
        deidentify_tables(folder, tmp_path / "out", pseudonyms=KEYED)
    assert not (tmp_path / "out").exists()
