from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forescreen.cohort.image_table import members_from_image_table
from forescreen.cohort.members import read_cohort, write_cohort
from forescreen.cohort.settings import CohortConfig
from forescreen.errors import CohortError, TooFewEventsError
from forescreen.identity import Pseudonyms

PURE = CohortConfig(held_out=0.0, n_folds=3)


def build_image_table(n: int = 30, **columns: Any) -> pd.DataFrame:
    """Two images of one exam per woman: cancer after 1 to 4 years for every third, else followed 5 years."""
    exam = [i // 2 for i in range(2 * n)]
    table = {
        "patient_id": [f"p{e}" for e in exam],
        "exam_id": [f"e{e}" for e in exam],
        "laterality": ["L", "R"] * n,
        "years_to_cancer": [1 + e % 4 if e % 3 == 0 else 100 for e in exam],
        "years_to_last_followup": [5] * (2 * n),
    }
    return pd.DataFrame(table | columns)


def test_an_exam_is_one_member_with_its_outcome() -> None:
    cohort = members_from_image_table(build_image_table(), PURE, seed=1)
    members = cohort.members.set_index("exam_id")
    assert len(members) == 30
    assert members["outcome"].value_counts().to_dict() == {"none": 20, "cancer": 10}
    assert (members.loc["e3", "role"], members.loc["e3", "months_to_diagnosis"]) == ("case", 48.0)
    assert (members.loc["e1", "role"], members.loc["e1", "set_id"]) == ("control", "")
    assert set(members["split"]) == {"development"}
    assert [(step.n_women, step.n_exams) for step in cohort.flow] == [(30, 30), (30, 30), (30, 30)]


def test_what_does_not_fit_is_excluded_and_counted() -> None:
    table = build_image_table()
    table.loc[table["exam_id"] == "e0", "years_to_cancer"] = 0  # on the mammogram: detection
    table.loc[table["exam_id"] == "e1", "years_to_last_followup"] = 1
    table.loc[table["exam_id"] == "e3", "years_to_cancer"] = 5  # beyond five years: none
    cohort = members_from_image_table(table, PURE, seed=1)
    assert [(e.reason, e.n) for e in cohort.flow[1].excluded] == [
        ("cancer within 6 months after the exam", 1),
        ("less than 24 months of follow-up", 1),
    ]
    assert cohort.members.set_index("exam_id").loc["e3", "outcome"] == "none"
    detection = CohortConfig(held_out=0.0, n_folds=3, min_months_before_diagnosis=0)
    assert "e0" in set(members_from_image_table(table, detection, seed=1).members["exam_id"])


def test_a_table_of_visible_cancers_only_is_told_that_this_is_detection() -> None:
    table = build_image_table()
    table.loc[table["years_to_cancer"] < 100, "years_to_cancer"] = 0
    with pytest.raises(CohortError, match="10 exams with cancer, all earlier") as caught:
        members_from_image_table(table, PURE, seed=1)
    assert "min_months_before_diagnosis = 0" in caught.value.remedy


def test_modes_are_used_where_the_table_has_them() -> None:
    table = build_image_table(n=60)
    ill = table["years_to_cancer"] < 100
    number = table["exam_id"].str[1:].astype(int)
    table["mode"] = (
        pd.Series("interval", index=table.index).where(number % 2 == 0, "screen-detected").where(ill, "")
    )
    table.loc[number == 3, "mode"] = ""
    cohort = members_from_image_table(table, PURE, seed=1)
    assert cohort.members["outcome"].value_counts().to_dict() == {
        "none": 40,
        "interval": 10,
        "screen-detected": 9,
    }
    assert [(e.reason, e.n) for e in cohort.flow[1].excluded] == [("cancer without mode of detection", 1)]


def test_split_groups_are_kept() -> None:
    groups = ["train", "dev", "test"]
    exam = [i // 2 for i in range(60)]
    table = build_image_table(split_group=[groups[(e // 2) % 3] for e in exam])
    members = members_from_image_table(table, CohortConfig(n_folds=2), seed=1).members
    held_out = members["split"] == "held-out"
    assert set(members.loc[held_out, "exam_id"]) == {f"e{e}" for e in range(30) if (e // 2) % 3 == 2}
    assert members["fold"].isna().equals(held_out)


def test_a_woman_with_several_exams_is_in_one_fold() -> None:
    exam = [i // 2 for i in range(60)]
    table = build_image_table(patient_id=[f"p{e // 2}" for e in exam])
    members = members_from_image_table(table, PURE, seed=1).members
    assert (members.groupby("woman_id")["fold"].nunique() == 1).all()


def test_factors_and_dates_are_taken_over_and_survive_the_disk(tmp_path: Path) -> None:
    table = build_image_table(density="B", age=61.5, exam_date="2012-03-04", race="Asian")
    cohort = members_from_image_table(table, PURE, seed=1)
    row = cohort.members.iloc[0]
    assert (row["density"], row["age"], row["race"], row["exam_date"]) == (
        "b", 61.5, "Asian", pd.Timestamp("2012-03-04"),
    )  # fmt: skip
    write_cohort(cohort, tmp_path)
    pd.testing.assert_frame_equal(read_cohort(tmp_path).members, cohort.members)


def test_pseudonyms_replace_patients_and_exams() -> None:
    key = Pseudonyms(key=b"a secret of this test")
    members = members_from_image_table(build_image_table(), PURE, seed=1, pseudonyms=key).members
    assert set(members["woman_id"]) == {key.woman(f"p{i}") for i in range(30)}
    assert set(members["exam_id"]) == {key.exam(f"e{i}") for i in range(30)}


def test_the_order_of_rows_changes_nothing() -> None:
    table = build_image_table()
    first = members_from_image_table(table, PURE, seed=1).members
    mixed = members_from_image_table(table.sample(frac=1, random_state=2), PURE, seed=1).members
    pd.testing.assert_frame_equal(first, mixed)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"exam_id": ["e"] * 60}, "one patient_id per exam_id.*put patient and exam together"),
        ({"years_to_cancer": list(range(60))}, "one years_to_cancer per exam_id"),
        ({"years_to_cancer": [-1] * 60}, "years_to_cancer from 0 to 1000"),
        ({"years_to_cancer": [""] * 60}, "years_to_cancer in every row"),
        ({"split_group": ["train"] * 30 + ["testing"] * 30}, "split_group to be one of train, dev, test"),
        ({"split_group": ["test"] * 60}, "exams outside split_group test"),
        (
            {"patient_id": ["p"] * 60, "split_group": ["train"] * 30 + ["test"] * 30},
            "each woman either in test or not",
        ),
    ],
)
def test_tables_that_contradict_themselves_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(CohortError, match=said):
        members_from_image_table(build_image_table(**change), PURE, seed=1)


def test_missing_columns_are_named() -> None:
    table = build_image_table().rename(columns={"patient_id": "PatientID"})
    with pytest.raises(CohortError, match="no patient_id among"):
        members_from_image_table(table, PURE, seed=1)
    with pytest.raises(CohortError, match="at least one row"):
        members_from_image_table(table.iloc[:0], PURE, seed=1)


@pytest.mark.parametrize(("years", "said"), [(100, "a study of cancers"), (2, "a study with controls")])
def test_one_kind_only_is_too_few_events(years: int, said: str) -> None:
    with pytest.raises(TooFewEventsError, match=said):
        members_from_image_table(build_image_table(years_to_cancer=years), PURE, seed=1)
