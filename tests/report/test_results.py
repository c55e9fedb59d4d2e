"""Reading results.json: what is missing, what is wrong, which models there are."""

from __future__ import annotations

from typing import Any

import pytest

from forescreen.errors import InputError
from forescreen.report.results import (
    LISTS,
    Model,
    at_longest,
    case_types,
    counterparts,
    difference_decimals,
    entries,
    interval,
    is_matched,
    judged,
    main_horizon,
    models,
    thresholds,
    units,
)

from .builders import build_estimate, build_results


@pytest.mark.parametrize("key", LISTS)
def test_a_missing_or_null_section_is_empty(key: str) -> None:
    assert entries({}, key) == []
    assert entries({key: None}, key) == []


@pytest.mark.parametrize("found", [5, {"a": 1}, ["text"], "text"])
def test_a_section_of_another_type_is_an_error_that_names_it(found: Any) -> None:
    with pytest.raises(InputError) as caught:
        entries({"main": found}, "main")
    assert caught.value.where == "results.json: main"
    assert caught.value.expected == "a list of objects"


@pytest.mark.parametrize("found", [None, {}, {"value": None}, {"value": float("nan")}, {"value": True}, 0.6])
def test_an_estimate_without_a_value_is_none(found: Any) -> None:
    assert interval(found) is None


def test_an_estimate_keeps_what_is_known_when_bounds_are_null() -> None:
    found = interval(build_estimate(0.6, lower=None, p_value=0.2))
    assert found is not None
    assert (found.value, found.lower, found.upper, found.p_value) == (0.6, None, 0.63, 0.2)


def test_a_model_that_only_appears_with_numbers_is_still_a_model() -> None:
    results = build_results(models=[])
    assert list(models(results)) == ["image", "clinical", "combined", "oracle"]
    assert models(results)["image"].kind == "peer"


def test_modes_that_the_list_forgets_come_last() -> None:
    assert case_types(build_results(case_types=["interval"])) == ["interval", "screen-detected"]


def test_a_design_that_is_not_stated_is_matched() -> None:
    assert is_matched({})
    assert not is_matched({"study": {"design": "cohort"}})


def test_a_published_row_goes_to_the_model_of_its_name_before_one_of_its_kind() -> None:
    def model(key: str) -> Model:
        return Model(key=key, label=key, kind="clinical", description="")

    known = {key: model(key) for key in ("without-density", "clinical")}
    theirs = [{"model": "clinical", "n": 1}]
    both = [{"model": "without-density"}, {"model": "clinical"}]
    assert counterparts(both, theirs, known) == {"clinical": theirs[0]}
    assert counterparts(both[:1], theirs, known) == {"without-density": theirs[0]}


def test_what_the_study_does_not_state_has_its_default() -> None:
    assert (judged({}), units({}), units({}, default="woman")) == ("held-out", "exams", "women")
    assert (main_horizon({}), thresholds({}), difference_decimals({})) == (None, [], 2)
    stated = {"study": {"unit": "breast", "main_horizon_years": 5, "thresholds": [0.017, None, "x"]}}
    assert (units(stated), main_horizon(stated), thresholds(stated)) == ("breasts", 5.0, [0.017])
    assert difference_decimals({"head_to_head": []}) == 3


def test_the_longest_horizon_is_that_of_each_mode() -> None:
    rows = [
        {"case_type": "any", "horizon_years": 2.0},
        {"case_type": "any", "horizon_years": 5.0},
        {"case_type": "interval", "horizon_years": 2.0},
        {"case_type": "cancer", "horizon_years": None},
    ]
    assert at_longest(rows) == rows[1:]
