"""Outcomes are read from any of their forms, and contradictions are named by row."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from forescreen.errors import InputError
from forescreen.evaluation.comparison_plan import ComparisonPlan, OutcomeColumns
from forescreen.evaluation.joined import read_outcomes
from forescreen.evaluation.outcomes import Outcomes, outcomes_of
from tests.evaluation.comparison_builders import registry_tables


def read(text: str, columns: OutcomeColumns | None = None) -> Outcomes:
    cells = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    return outcomes_of(cells, columns or OutcomeColumns(), where="outcomes.csv")


def test_words_and_codes_become_outcomes() -> None:
    found = read("exam_id,outcome\na,0\nb,SD\nc,Interval\nd,none\ne,yes\n")
    assert found.table["outcome"].tolist() == ["none", "screen-detected", "interval", "none", "cancer"]
    assert not found.timed
    assert any("every row is taken as another woman" in note for note in found.notes)


def test_codes_of_the_plan_and_several_key_columns_are_used() -> None:
    columns = OutcomeColumns(
        key=("id", "side"), woman="id", outcome="class", codes={"M": "cancer", "B": "none"}, unit="breast"
    )
    found = read("id,side,class\n1,L,M\n1,R,B\n", columns)
    assert found.table["key"].tolist() == ["1\tL", "1\tR"]
    assert found.table["outcome"].tolist() == ["cancer", "none"]
    assert found.clustered


def test_whole_years_are_read_as_truncated() -> None:
    # A cancer 0 whole years away lies within the first year; 1 whole year of follow-up reaches beyond it.
    found = read("exam_id,years_to_cancer,years_to_last_followup\na,0,0\nb,100,1\nc,2,2\n")
    assert found.table["outcome"].tolist() == ["cancer", "none", "cancer"]
    assert found.table["time_years"].tolist() == [1.0, 1.5, 3.0]
    assert any("truncated" in note for note in found.notes)


def test_exact_years_are_taken_as_they_are() -> None:
    found = read("exam_id,years_to_cancer,years_to_last_followup\na,0.4,3\nb,100,2.7\n")
    assert found.table["time_years"].tolist() == [0.4, 2.7]


def test_dates_give_times_and_an_outcome_after_the_end_of_follow_up_is_none_yet() -> None:
    found = read(
        "exam_id,exam_date,diagnosis_date,death_date,follow_up_end,outcome\n"
        "a,2010-01-01,2011-01-01,,2015-01-01,interval\n"
        "b,2010-01-01,2016-01-01,,2015-01-01,screen-detected\n"
        "c,2010-01-01,,2012-01-01,2015-01-01,none\n"
    )
    assert found.table["outcome"].tolist() == ["interval", "none", "death"]
    assert found.table["time_years"].round(3).tolist() == [0.999, 4.999, 1.999]


def test_the_kind_of_a_set_is_that_of_its_case() -> None:
    found = read("exam_id,set_id,outcome\na,1,interval\nb,1,none\nc,2,screen-detected\nd,2,none\n")
    assert found.matched
    assert found.table["case_type"].tolist() == ["interval"] * 2 + ["screen-detected"] * 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam_id,outcome\n", "a header only"),
        ("exam,outcome\na,none\n", "no exam_id"),
        ("exam_id,result\na,none\n", "a column outcome"),
        ("exam_id,outcome\na,maybe\n", "'maybe' in 1 row (2"),
        ("exam_id,outcome\na,none\na,none\n", "each exam once"),
        ("exam_id,woman_id,outcome\na,,none\n", "woman_id in every row"),
        ("exam_id,outcome,time_years\na,none,-1\n", "years >= 0"),
        ("exam_id,outcome,time_years\na,none,\n", "years >= 0"),
        ("exam_id,outcome,weight\na,none,0\n", "positive sampling weight"),
        ("exam_id,outcome,age\na,none,old\n", "numbers in age"),
        (
            "exam_id,exam_date,follow_up_end,diagnosis_date\na,2010-01-01,2009-01-01,\n",
            "on or after the exam",
        ),
        ("exam_id,exam_date,follow_up_end,diagnosis_date\na,1.1.2010,2012-01-01,\n", "YYYY-MM-DD"),
        ("exam_id,years_to_cancer,years_to_last_followup,outcome\na,1,1,none\n", "contradiction"),
    ],
)
def test_tables_that_would_be_misread_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    assert message in str(refused.value)


def test_registry_tables_give_every_negative_screen_with_its_time(tmp_path: Path) -> None:
    negative = registry_tables(tmp_path / "registry")
    found = read_outcomes(tmp_path / "registry", ComparisonPlan())
    table = found.table.set_index("key")
    assert sorted(table.index) == sorted(negative)
    assert found.timed
    assert found.clustered
    assert set(table["outcome"]) == {"none", "screen-detected", "interval"}
    # A cancer of 2014-03-20 found by the screen of 2014-03-01 is 2.05 years after the negative screen.
    screen = table[table["outcome"] == "screen-detected"]
    assert screen["time_years"].round(2).unique().tolist() == [2.05]
    # An interval cancer of 2014-11-01: 2.67 years after the first screen, 0.67 after the second.
    interval = table[table["outcome"] == "interval"]
    assert sorted(interval["time_years"].round(2).unique().tolist()) == [0.67, 2.67]
    none = table[table["outcome"] == "none"]
    assert sorted(none["time_years"].round(2).unique().tolist()) == [5.83, 7.83]


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"women\.csv"):
        read_outcomes(tmp_path, ComparisonPlan())


DATED = "exam_id,exam_date,diagnosis_date,death_date,follow_up_end,outcome\n"


def test_a_cancer_without_its_date_never_becomes_a_control() -> None:
    with pytest.raises(
        InputError, match=r"a diagnosis_date in every row whose outcome is a cancer.*1 row \(2"
    ):
        read(DATED + "a,2010-01-01,,,2015-01-01,interval\n")


def test_a_death_is_a_competing_event_with_or_without_its_date() -> None:
    found = read(DATED + "a,2010-01-01,,,2015-01-01,death\nb,2010-01-01,,2011-01-01,2015-01-01,none\n")
    assert found.table["outcome"].tolist() == ["death", "death"]
    assert found.table["time_years"].round(2).tolist() == [5.0, 1.0]


def test_a_death_before_the_diagnosis_is_a_contradiction() -> None:
    with pytest.raises(InputError, match="death_date on or after the diagnosis_date"):
        read(DATED + "a,2010-01-01,2012-01-01,2011-01-01,2015-01-01,interval\n")


def test_an_unknown_outcome_stays_unknown() -> None:
    found = read(DATED + "a,2010-01-01,,,2015-01-01,\nb,2010-01-01,,,2015-01-01,none\n")
    assert found.table["outcome"].tolist() == ["", "none"]
    assert read("exam_id,outcome\na,NA\nb,\nc,1\n").table["outcome"].tolist() == ["", "", "cancer"]


def test_columns_are_known_in_any_case() -> None:
    found = read("Exam_ID,Woman_ID,Outcome,Set_ID,Weight\na,1,cancer,s,2\nb,2,none,s,3\n")
    assert found.matched
    assert found.weighted
    assert found.table["woman_id"].tolist() == ["1", "2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "exam_id,exam_date,diagnosis_date,followup_end,outcome\na,2010-01-01,,2012-01-01,none\n",
            "together",
        ),
        ("exam_id,years_to_cancer,outcome\na,1,cancer\n", "together"),
        ("exam_id,years_to_cancer,years_to_last_followup\na,1,1\nb,100,2\nc,100,2.5\n", "mostly whole years"),
        ("exam_id,outcome,time_years\na,none,900\n", "Divide days by 365.25"),
        ("exam_id,outcome,age\na,none,500\n", "ages from 0 to 120"),
        ("exam_id,outcome,split\na,none,tuning\n", "split one of"),
    ],
)
def test_what_would_silently_mean_something_else_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        read(text)
    assert message in str(refused.value)


def test_parts_of_a_study_are_known_in_the_words_of_mirai_too() -> None:
    found = read("exam_id,outcome,split\na,none,Test\nb,cancer,train\nc,none,Held-Out\n")
    assert found.table["split"].tolist() == ["held-out", "development", "held-out"]


def test_messages_repeat_neither_first_lines_that_are_no_header_nor_many_values() -> None:
    with pytest.raises(InputError) as refused:
        read("EX-SECRET-1,W-SECRET-1,none\nEX-SECRET-2,W-SECRET-2,none\n")
    assert "SECRET" not in str(refused.value)
    rows = "".join(f"e{i},W-SECRET-{i}\n" for i in range(40))
    with pytest.raises(InputError) as refused:
        read("exam_id,outcome\n" + rows)
    assert "SECRET" not in str(refused.value)
    assert "40 other values" in str(refused.value)
