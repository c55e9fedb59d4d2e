"""The page says in words which method was used and how much was missing, and invents nothing."""

from __future__ import annotations

import pytest

from forescreen.report.missing import account, missing

from .builders import build_missing, build_results


def words(method: str) -> str:
    return "\n".join(lead + text for lead, text in account(build_results(missing=build_missing(method))))


def test_complete_cases_say_what_they_cost() -> None:
    text = words("complete")
    assert text.startswith("Complete cases. Women with an unknown factor were left out")
    assert "781 of 5 880 women (13 %) have at least one unknown factor" in text.replace("\u202f", " ")
    assert "complete cases lose 241 of 1 960 matched sets (12 %)" in text.replace("\u202f", " ")


def test_multiple_imputation_says_how_often_and_what_the_draws_knew() -> None:
    section = build_missing("multiple imputation")
    ratios = [row | {"fraction_missing": 0.124} for row in build_results()["factor_odds_ratios"]]
    ratios[3]["fraction_missing"] = 0.31
    found = dict(account(build_results(missing=section, factor_odds_ratios=ratios)))
    assert "drawn 20 times" in found["Multiple imputation. "]
    assert "would have lost 241" in found["How much. "]
    assert "at most 31 % is missing (First-degree family history, interval cancer)" in found["Odds ratios. "]
    assert "no outcome" in found["Scores. "]
    assert "missing at random" in found["What is assumed. "]


def test_an_indicator_leaves_odds_ratios_to_complete_cases() -> None:
    text = words("indicator")
    assert "nobody is without a score" in text
    assert "Odds ratios. A level “unknown” biases odds ratios" in text


@pytest.mark.parametrize("method", ["complete", "multiple imputation", "indicator"])
def test_where_nothing_is_missing_no_method_is_praised(method: str) -> None:
    section = build_missing(method) | {"n_incomplete": 0}
    ((lead, text),) = account({"missing": section})
    assert lead == "Nothing is missing. "
    assert "Every factor is known of all" in text


def test_an_unknown_method_or_no_factors_say_nothing() -> None:
    assert account({}) == []
    assert account({"missing": build_missing("mice")}) == []
    assert account({"missing": build_missing() | {"factors": []}}) == []


def test_counts_that_are_suppressed_are_few_and_say_why() -> None:
    section = build_missing()
    section["factors"][0]["n_unknown"] = [412, 143, None]
    table = missing({"missing": section})
    assert table is not None
    assert [cell.text for cell in table.rows[0].cells] == [
        "Body-mass index",
        "412 (11 %)",
        "143 (8.9 %)",
        "few",
    ]
    assert table.notes[0].startswith("few: cell too small")
    assert table.records[2] == {
        "factor": "Body-mass index",
        "outcome": "Interval",
        "n": 351,
        "n_unknown": None,
    }
