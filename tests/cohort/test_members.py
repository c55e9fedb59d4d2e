from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from forescreen.cohort.members import COLUMNS, Cohort, read_cohort, select_cohort, write_cohort
from forescreen.cohort.registry import RegistryTables, registry_tables
from forescreen.cohort.settings import CohortConfig
from forescreen.errors import CohortError, TooFewEventsError

from .builders import build_tables, random_registry

DESIGNS: list[dict[str, Any]] = [
    {},
    {"ratio": 1, "match_on": ("race",), "max_control_uses": 2, "allow_later_cases": True},
    {"max_cases": {"interval": 8}, "interval_window_months": 24, "held_out": 0.0},
    {"design": "unmatched", "exam_per_woman": "random"},
    {"design": "unmatched", "allow_later_cases": True},
    {"design": "cohort", "exam_per_woman": "first"},
    {"design": "cohort", "exam_per_woman": "all"},
]


@lru_cache(maxsize=8)  # tables are never changed
def random_tables(seed: int, **settings: Any) -> RegistryTables:
    women, exams, cancers = random_registry(np.random.default_rng(seed), **settings)
    return registry_tables(women, exams, cancers=cancers)


def check_flow(cohort: Cohort) -> None:
    """In each branch the previous number minus the excluded is the next; the last box are the members."""
    before: dict[str, Any] = {}
    for step in cohort.flow:
        if step.branch in before:
            previous = before[step.branch]
            name = f"n_{step.unit}"
            gone = sum(exclusion.n for exclusion in step.excluded)
            assert getattr(previous, name) - gone == getattr(step, name), step
        else:
            assert not step.excluded
        assert all(exclusion.n > 0 for exclusion in step.excluded)
        before[step.branch] = step
    assert before["members"].n_exams == len(cohort.members)
    assert before["members"].n_women == cohort.members["woman_id"].nunique()
    if "controls" in before:
        assert before["cases"].n_exams + before["controls"].n_exams == len(cohort.members)
    else:
        assert before["cohort"].n_exams == len(cohort.members)


@pytest.mark.parametrize("design", DESIGNS)
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_every_design_keeps_the_rules_on_random_registries(design: dict[str, Any], seed: int) -> None:
    config = CohortConfig(n_folds=2, **design)
    tables = random_tables(seed, n_women=250, incidence=0.35)
    try:
        cohort = select_cohort(tables, config, seed=seed)
    except TooFewEventsError:  # a small random registry may hold too few cancers of a type: that is said
        reject()
    members = cohort.members
    check_flow(cohort)
    # Nobody is split.
    part = members["fold"].fillna(-1)
    assert (part.groupby(members["woman_id"]).nunique() == 1).all()
    if config.design == "matched":
        assert (part.groupby(members["set_id"]).nunique() == 1).all()
    # No index exam after or within six months before the diagnosis.
    first = tables.cancers.drop_duplicates("woman_id").set_index("woman_id")["diagnosis_date"]
    diagnosis = members["woman_id"].map(first)
    gap = (diagnosis - members["exam_date"]).dt.days
    case = members["role"] == "case"
    assert (gap[case] >= 6 * 30.4375).all()
    assert (gap[case] <= 60 * 30.4375).all()
    assert not (gap[~case] < 24 * 30.4375).any()
    np.testing.assert_allclose(members.loc[case, "months_to_diagnosis"], gap[case] / 30.4375, atol=6e-4)
    # Roles, outcomes and weights agree.
    assert (case == (members["outcome"] != "none")).all()
    assert members["months_to_diagnosis"].isna().equals(~case)
    assert (members["weight"] > 0).all()
    assert list(members.columns) == list(COLUMNS)


@pytest.mark.parametrize("design", DESIGNS)
def test_the_order_of_rows_in_the_files_changes_nothing(design: dict[str, Any]) -> None:
    config = CohortConfig(n_folds=2, **design)
    women, exams, cancers = random_registry(np.random.default_rng(3))
    first = select_cohort(registry_tables(women, exams, cancers=cancers), config, seed=5)
    mixed = select_cohort(
        registry_tables(
            women.sample(frac=1, random_state=1),
            exams.sample(frac=1, random_state=2),
            cancers=cancers.sample(frac=1, random_state=3),
        ),
        config,
        seed=5,
    )
    pd.testing.assert_frame_equal(first.members, mixed.members)
    assert first.flow == mixed.flow


@pytest.mark.parametrize("design", DESIGNS)
def test_a_written_cohort_is_read_back_equal_and_byte_for_byte(
    design: dict[str, Any], tmp_path: Path
) -> None:
    cohort = select_cohort(random_tables(4), CohortConfig(n_folds=2, **design), seed=1)
    write_cohort(cohort, tmp_path / "a")
    read = read_cohort(tmp_path / "a")
    pd.testing.assert_frame_equal(cohort.members, read.members)
    assert cohort.flow == read.flow
    write_cohort(read, tmp_path / "b")
    assert (tmp_path / "a" / "members.csv").read_bytes() == (tmp_path / "b" / "members.csv").read_bytes()


def test_controls_agree_with_their_case_in_what_is_matched() -> None:
    members = select_cohort(random_tables(8, n_women=800), CohortConfig(), seed=1).members
    cases = members[members["role"] == "case"].set_index("set_id")
    controls = members[members["role"] == "control"]
    own = cases.loc[controls["set_id"]].reset_index(drop=True)
    controls = controls.reset_index(drop=True)
    assert len(controls) > 100
    for name in ("race", "site", "machine"):
        assert (controls[name] == own[name]).all()
    assert ((controls["age"] - own["age"]).abs() <= 2.001).all()
    assert ((controls["exam_date"] - own["exam_date"]).dt.days.abs() <= 365).all()
    assert (controls["case_type"] == own["outcome"]).all()
    assert not controls["woman_id"].duplicated().any()
    assert members.groupby("set_id").size().between(2, 3).all()


def test_another_seed_draws_other_controls() -> None:
    tables = random_tables(8, n_women=800)
    first, other = (select_cohort(tables, CohortConfig(), seed=seed).members for seed in (1, 2))
    assert set(first["exam_id"]) != set(other["exam_id"])
    ill = [set(members.loc[members["role"] == "case", "exam_id"]) for members in (first, other)]
    assert len(ill[0] & ill[1]) > 0.9 * len(ill[0])  # cases differ only where no control was left


def test_weights_stand_for_the_population() -> None:
    tables = random_tables(9, n_women=800)
    config = CohortConfig(max_cases={"interval": 20})
    for design in ("matched", "unmatched"):
        cohort = select_cohort(
            tables,
            CohortConfig(design=design, max_cases={"interval": 20}),
            seed=1,  # type: ignore[arg-type]
        )
        steps = {step.step: step for step in cohort.flow}
        members = cohort.members
        total = members.groupby("role")["weight"].sum()
        assert total["control"] == pytest.approx(steps["Candidate exams of controls"].n_women, rel=1e-5)
        assert total["case"] == pytest.approx(steps["Cases with an index exam"].n_women, rel=1e-5)
        assert (members["outcome"] == "interval").sum() <= config.limit("interval")  # type: ignore[operator]


def test_only_exams_with_images_are_members() -> None:
    tables = random_tables(10, n_women=800)
    available = frozenset(tables.exams["exam_id"].iloc[::2])
    cohort = select_cohort(tables, CohortConfig(n_folds=2), available_exams=available, seed=1)
    check_flow(cohort)
    assert set(cohort.members["exam_id"]) <= available


def test_contradictory_rows_that_were_set_aside_are_in_the_flow() -> None:
    women, exams, cancers = random_registry(np.random.default_rng(12))
    ill = cancers["woman_id"].iloc[0]
    women.loc[women["woman_id"] == ill, "birth_date"] = "2021-01-01"
    exams.loc[0, "woman_id"] = "stranger"
    tables = registry_tables(women, exams, cancers=cancers, contradictions="set aside")
    cohort = select_cohort(tables, CohortConfig(n_folds=2), seed=1)
    check_flow(cohort)
    said = {exclusion.reason for step in cohort.flow for exclusion in step.excluded}
    assert {
        "exam of a woman who is not in women.csv",
        "exam of a woman with contradictory rows",
        "unknown women or contradictory rows",
    } <= said
    assert cohort.flow[0].n_women == len(women)


def test_a_missing_column_to_match_on_is_named() -> None:
    women, exams, cancers = random_registry(np.random.default_rng(1), n_women=50)
    tables = registry_tables(women, exams.drop(columns=["machine", "site"]), cancers=cancers)
    with pytest.raises(CohortError, match="no site, no machine") as caught:
        select_cohort(tables, CohortConfig(), seed=1)
    assert "leave it out of match_on" in caught.value.remedy


@pytest.mark.parametrize("design", ["matched", "unmatched", "cohort"])
def test_a_registry_without_cancers_has_too_few_events(design: Any) -> None:
    tables = build_tables([{"woman_id": "w"}], [{"woman_id": "w", "exam_date": "2010-01-01"}], [])
    with pytest.raises(TooFewEventsError) as caught:
        select_cohort(tables, CohortConfig(design=design), seed=1)
    assert (caught.value.n_found, caught.value.n_needed) == (0, 1)


@pytest.mark.parametrize(
    ("design", "said"), [("matched", "matched sets with at least one control"), ("unmatched", "controls")]
)
def test_cases_without_any_control_are_too_few_events(design: Any, said: str) -> None:
    tables = build_tables(
        [{"woman_id": "w"}],
        [{"woman_id": "w", "exam_date": "2010-01-01"}],
        [{"woman_id": "w", "diagnosis_date": "2010-09-01"}],
    )
    with pytest.raises(TooFewEventsError, match=said):
        select_cohort(tables, CohortConfig(design=design), seed=1)


def test_a_few_sets_cannot_be_dealt_into_folds() -> None:
    with pytest.raises(TooFewEventsError, match="in the held-out part and each of 50 folds"):
        select_cohort(random_tables(3, n_women=200), CohortConfig(n_folds=50), seed=1)


def test_members_without_their_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text("woman_id,exam_id\nw,e\n")
    with pytest.raises(CohortError, match=r"members.csv: .*no set_id"):
        read_cohort(tmp_path)
