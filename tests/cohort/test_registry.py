from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.cohort.registry import days, read_registry, registry_tables
from forescreen.errors import CohortError
from forescreen.identity import Pseudonyms

from .builders import build_cancers, build_exams, build_tables, build_women, random_registry

W = {"woman_id": "patient-4711"}
E = {"woman_id": "patient-4711", "exam_date": "2010-01-01"}
C = {"woman_id": "patient-4711", "diagnosis_date": "2011-01-01"}
OTHER = [{"woman_id": "b"}, {"woman_id": "c"}]

CONTRADICTIONS = [
    (W | {"death_date": "1949-01-01"}, None, None, "women.csv: death before birth"),
    (W | {"follow_up_end": "1949-01-01"}, None, None, "women.csv: end of follow-up before birth"),
    (W | {"parity": "0"}, None, None, "women.csv: age at first birth although parity is 0"),
    (W, E | {"exam_date": "1949-12-31"}, None, "exams.csv: exam before birth"),
    (W | {"death_date": "2009-12-31"}, E, None, "exams.csv: exam after death"),
    (W, E | {"woman_id": "stranger"}, None, "exams.csv: exam of a woman who is not in women.csv"),
    (W, None, C | {"diagnosis_date": "1949-12-31"}, "cancers.csv: cancer before birth"),
    (W | {"death_date": "2010-12-31"}, None, C, "cancers.csv: cancer after death"),
    (W, None, C | {"woman_id": "stranger"}, "cancers.csv: cancer of a woman who is not in women.csv"),
]


def tables_with(woman: dict[str, str], exam: dict[str, str] | None, cancer: dict[str, str] | None) -> tuple:
    return (
        build_women(*OTHER, woman),
        build_exams({"woman_id": "b", "exam_date": "2010-05-05"}, *([exam] if exam else [])),
        build_cancers(*([cancer] if cancer else [])),
    )


@pytest.mark.parametrize(("woman", "exam", "cancer", "said"), CONTRADICTIONS)
def test_contradictions_are_refused_with_their_rows_and_without_the_woman(
    woman: dict[str, str], exam: dict[str, str] | None, cancer: dict[str, str] | None, said: str
) -> None:
    women, exams, cancers = tables_with(woman, exam, cancer)
    with pytest.raises(CohortError) as caught:
        registry_tables(women, exams, cancers=cancers)
    row = {"women.csv": 4, "exams.csv": 3, "cancers.csv": 2}[said.split(":")[0]]
    assert f"{said} in 1 row ({row}; the header is row 1)" in caught.value.found
    assert "4711" not in str(caught.value)


@pytest.mark.parametrize(("woman", "exam", "cancer", "said"), CONTRADICTIONS)
def test_contradictions_can_be_set_aside_and_are_counted(
    woman: dict[str, str], exam: dict[str, str] | None, cancer: dict[str, str] | None, said: str
) -> None:
    women, exams, cancers = tables_with(woman, exam, cancer)
    tables = registry_tables(women, exams, cancers=cancers, contradictions="set aside")
    assert [(f"{s.table}: {s.reason}", s.n_rows) for s in tables.set_aside] == [(said, 1)]
    assert list(tables.women["woman_id"]) == ["b", "c", *([W["woman_id"]] if "not in" in said else [])]
    assert (len(tables.exams), len(tables.cancers)) == (1, 0)
    assert tables.n_women_read == 3


def test_all_contradictions_are_told_at_once() -> None:
    women, exams, cancers = tables_with(
        W, E | {"exam_date": "1949-12-31"}, C | {"diagnosis_date": "1949-12-31"}
    )
    with pytest.raises(CohortError, match=r"exam before birth.*cancer before birth"):
        registry_tables(women, exams, cancers=cancers)


def test_a_registry_of_contradictions_only_is_an_error() -> None:
    with pytest.raises(CohortError, match="women without contradictions, found none is left"):
        registry_tables(
            build_women(W | {"death_date": "1949-01-01"}),
            build_exams(E | {"exam_date": "1948-01-01"}),
            cancers=build_cancers(),
            contradictions="set aside",
        )


def test_numbers_that_became_floats_are_recognised() -> None:
    with pytest.raises(CohortError, match=r"Some woman_id end in \.0"):
        build_tables([{"woman_id": "12"}], [{"woman_id": "12.0", "exam_date": "2010-01-01"}], [])


def test_a_woman_twice_is_refused() -> None:
    with pytest.raises(CohortError, match=r"each woman_id once, found repeated in 2 rows \(2, 4;"):
        build_tables([W, {"woman_id": "b"}, W], [E], [])


def test_an_exam_twice_is_refused() -> None:
    with pytest.raises(CohortError, match=r"exams.csv: expected each exam_id once, found repeated in 2 rows"):
        build_tables([W], [E, E], [])


def test_tables_with_a_header_only_are_refused_but_for_cancers() -> None:
    with pytest.raises(CohortError, match=r"women.csv: expected at least one row below the header"):
        build_tables([], [E], [])
    with pytest.raises(CohortError, match=r"exams.csv: expected at least one row below the header"):
        build_tables([W], [], [])
    assert build_tables([W], [E], []).cancers.empty


def test_files_with_a_header_only_are_read_as_empty(tmp_path: Path) -> None:
    build_women(W).to_csv(tmp_path / "women.csv", index=False)
    build_exams().to_csv(tmp_path / "exams.csv", index=False)
    build_cancers().to_csv(tmp_path / "cancers.csv", index=False)
    with pytest.raises(CohortError, match=r"exams.csv: expected at least one row"):
        read_registry(tmp_path)
    build_exams(E).to_csv(tmp_path / "exams.csv", index=False)
    assert len(read_registry(tmp_path).exams) == 1


def test_pseudonyms_replace_every_number_and_keep_women_together() -> None:
    women, exams, cancers = random_registry(np.random.default_rng(5), n_women=30)
    key = Pseudonyms(key=b"a secret of this test")
    tables = registry_tables(women, exams, cancers=cancers, pseudonyms=key)
    assert set(tables.women["woman_id"]) == {key.woman(n) for n in women["woman_id"]}
    assert set(tables.exams["exam_id"]) == {key.exam(n) for n in exams["exam_id"]}
    for table in (tables.exams, tables.cancers):
        owner = tables.women["woman_id"].to_numpy()[table["woman"].to_numpy()]
        assert (owner == table["woman_id"]).all()
    plain = registry_tables(women, exams, cancers=cancers)
    assert sorted(plain.exams["exam_date"]) == sorted(tables.exams["exam_date"])


def test_the_order_of_rows_in_the_files_is_forgotten() -> None:
    women, exams, cancers = random_registry(np.random.default_rng(6), n_women=50)
    twin = exams.assign(exam_id=exams["exam_id"] + "-again")  # two exams of a woman on one day
    exams = pd.concat([exams, twin], ignore_index=True)
    first = registry_tables(women, exams, cancers=cancers)
    mixed = registry_tables(
        women.sample(frac=1, random_state=1),
        exams.sample(frac=1, random_state=2),
        cancers=cancers.sample(frac=1, random_state=3),
    )
    pd.testing.assert_frame_equal(first.women, mixed.women)
    pd.testing.assert_frame_equal(first.exams, mixed.exams)
    pd.testing.assert_frame_equal(first.cancers, mixed.cancers)


def test_days_count_from_1970_and_mark_the_unknown() -> None:
    assert list(days(pd.Series(pd.to_datetime(["1970-01-02", None])), missing=-1)) == [1, -1]
