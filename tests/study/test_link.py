"""Registry exams meet their mammograms by number, or by woman and date, and never by chance."""

from __future__ import annotations

import pandas as pd
import pytest

from forescreen.errors import CohortError
from forescreen.study.link import link_exams, with_image_density, with_images


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["exam_id", "woman_id", "exam_date"])


def test_equal_numbers_meet_first() -> None:
    exams = table(("A1", "W1", "2010-01-01"), ("A2", "W1", "2011-01-01"))
    assert link_exams(exams, table(("A1", "W9", "1999-01-01"))) == {"A1": "A1"}


def test_other_numbers_meet_by_woman_and_date() -> None:
    exams = table(("A1", "W1", "2010-01-01"), ("A2", "W2", "2010-01-01"))
    stored = table(("X", "W2", "2010-01-01"), ("X", "W2", "2010-01-01"))
    assert link_exams(exams, stored) == {"A2": "X"}


def test_two_exams_of_one_woman_on_one_day_are_not_guessed() -> None:
    exams = table(("A1", "W1", "2010-01-01"))
    stored = table(("X", "W1", "2010-01-01"), ("Y", "W1", "2010-01-01"))
    assert link_exams(exams, stored) == {}


def test_a_set_that_loses_its_case_or_all_controls_goes_whole_and_is_counted() -> None:
    members = pd.DataFrame(
        {
            "set_id": ["1", "1", "2", "2", "3", "3", "3"],
            "woman_id": list("abcdefg"),
            "exam_id": list("ABCDEFG"),
            "role": ["case", "control", "case", "control", "case", "control", "control"],
        }
    )
    kept, step = with_images(members, frozenset("BCEFG") - {"F"}, matched=True)
    assert sorted(kept["exam_id"]) == ["E", "G"]
    assert [e["n"] for e in step["excluded"]] == [3, 2]
    assert step["n_exams"] == len(members) - 3 - 2


def manifest(*rows: tuple[str, str, float | None]) -> pd.DataFrame:
    """A store's manifest as far as density goes: exam, side, percent."""
    return pd.DataFrame(
        [
            {
                "woman_id": "w",
                "exam_id": exam,
                "exam_date": "2010-01-01",
                "laterality": side,
                "view": "CC",
                "percent_density": percent,
                "dense_area_cm2": None,
                "breast_area_cm2": None,
                "density_method": "" if percent is None else "area-v1",
                "density_flags": "",
            }
            for exam, side, percent in rows
        ]
    )


def test_density_of_the_images_replaces_the_registrys_everywhere() -> None:
    members = pd.DataFrame({"exam_id": ["A", "B", "C"], "percent_density": [50.0, 60.0, 70.0]})
    stored = manifest(("A", "L", 10.0), ("A", "R", 20.0), ("B", "L", None))
    changed = with_image_density(members, stored)
    assert changed["percent_density"].iloc[0] == 15
    assert changed["percent_density"].iloc[1:].isna().all()
    assert changed["density_method"].iloc[0] == "area-v1"
    assert list(members["percent_density"]) == [50, 60, 70]


def test_a_store_without_density_cannot_give_it() -> None:
    members = pd.DataFrame({"exam_id": ["A"], "percent_density": [50.0]})
    with pytest.raises(CohortError, match="expected an image store with percent density"):
        with_image_density(members, manifest(("A", "L", None)))
