from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forescreen.cohort.matching import Candidates, Cases, MatchedControls, match
from forescreen.cohort.settings import CohortConfig


def build_cases(n: int = 1, **values: Any) -> Cases:
    """Cases of women 0..n-1, seen at age 60 on day 15000 and diagnosed a year later."""
    filled: dict[str, Any] = {
        "woman": np.arange(n),
        "date": np.full(n, 15000),
        "age": np.full(n, 60.0),
        "stratum": np.zeros(n, dtype=np.int64),
        "diagnosis": np.full(n, 15365),
        "sampled": np.ones(n, dtype=bool),
        "fraction": np.ones(n),
    }
    return Cases(**(filled | values))


def build_candidates(n: int, **values: Any) -> Candidates:
    """Exams of women 100..100+n-1 that match the cases of `build_cases`."""
    filled: dict[str, Any] = {
        "woman": 100 + np.arange(n),
        "date": np.full(n, 15000),
        "age": np.full(n, 60.0),
        "stratum": np.zeros(n, dtype=np.int64),
        "free_until": np.full(n, 18000),
    }
    return Candidates(**(filled | values))


def run(cases: Cases, candidates: Candidates, seed: int = 1, **settings: Any) -> MatchedControls:
    return match(
        cases,
        candidates,
        config=CohortConfig(**settings),
        n_women=1000,
        generator=np.random.default_rng(seed),
    )


@pytest.mark.parametrize(
    ("field", "inside", "outside"),
    [
        ("age", [58.0, 62.0], [57.99, 62.01]),
        ("date", [15000 - 365, 15000 + 365], [15000 - 366, 15000 + 366]),
        ("stratum", [0], [1]),
        ("free_until", [15365], [15364]),  # the day of the case's diagnosis
        ("woman", [101], [0]),  # the case herself
    ],
)
def test_a_control_lies_within_each_limit(field: str, inside: list[float], outside: list[float]) -> None:
    for value in inside:
        assert len(run(build_cases(), build_candidates(1, **{field: np.array([value])})).case) == 1, value
    for value in outside:
        assert len(run(build_cases(), build_candidates(1, **{field: np.array([value])})).case) == 0, value


def test_a_control_is_free_as_long_after_her_exam_as_the_case() -> None:
    # Her exam is 100 days later, so she has to be followed 100 days beyond the case's diagnosis.
    for free_until, n in ((15464, 0), (15465, 1)):
        late = build_candidates(1, date=np.array([15100]), free_until=np.array([free_until]))
        assert len(run(build_cases(), late).case) == n


def test_at_risk_is_what_a_search_of_every_pair_finds() -> None:
    generator = np.random.default_rng(7)

    def exams(n: int) -> dict[str, Any]:
        return {
            "woman": generator.integers(0, 200, n),
            "date": generator.integers(12000, 16000, n),
            "age": generator.uniform(40, 75, n),
            "stratum": generator.integers(0, 3, n),
        }

    candidates = Candidates(**exams(3000), free_until=generator.integers(14000, 18000, 3000))
    own = exams(60)
    cases = build_cases(60, **own, diagnosis=own["date"] + generator.integers(200, 1800, 60))
    settings = {"age_caliper_years": 1.5, "date_caliper_months": 20.0, "max_control_uses": 60}
    found = run(cases, candidates, **settings)
    for i in range(60):
        gap = cases.diagnosis[i] - cases.date[i]
        pairs = (
            (candidates.stratum == cases.stratum[i])
            & (np.abs(candidates.age - cases.age[i]) <= 1.5)
            & (np.abs(candidates.date - cases.date[i]) <= 20 * 30.4375)
            & (candidates.free_until >= np.maximum(cases.diagnosis[i], candidates.date + gap))
            & (candidates.woman != cases.woman[i])
        )
        assert found.n_at_risk[i] == len(np.unique(candidates.woman[pairs]))
        assert pairs[found.candidate[found.case == i]].all()


def test_of_a_drawn_woman_the_exam_nearest_in_date_is_taken() -> None:
    dates = np.array([15000 - 300, 15000 + 90, 15000 + 200])
    same_woman = build_candidates(3, woman=np.full(3, 100), date=dates)
    assert list(run(build_cases(), same_woman).candidate) == [1]


def test_a_woman_is_control_as_often_as_allowed() -> None:
    cases, one = build_cases(3), build_candidates(1)
    assert len(run(cases, one).case) == 1
    assert len(run(cases, one, max_control_uses=2).case) == 2


def test_fewer_controls_are_kept_and_none_leaves_the_case_without() -> None:
    cases = build_cases(2, stratum=np.array([0, 1]))
    found = run(cases, build_candidates(2, stratum=np.array([0, 7])), ratio=3)
    assert list(found.case) == [0]
    assert list(found.n_at_risk) == [1, 0]


def test_a_case_that_is_not_sampled_gets_no_set() -> None:
    cases = build_cases(2, sampled=np.array([True, False]), fraction=np.full(2, 0.5))
    assert set(run(cases, build_candidates(10)).case) == {0}


def test_women_are_drawn_with_equal_probability_whatever_their_number_of_exams() -> None:
    woman = np.array([100, 101, 101, 101, 101, 101, 101, 101, 101, 102])  # one with eight exams
    candidates = build_candidates(10, woman=woman)
    drawn = [
        int(woman[run(build_cases(), candidates, seed=seed, ratio=1).candidate[0]]) for seed in range(900)
    ]
    counts = np.bincount(drawn)[100:]
    assert np.abs(counts - 300).max() < 4 * np.sqrt(900 * (1 / 3) * (2 / 3))


def test_the_probability_of_never_being_drawn_is_that_of_a_simple_sample() -> None:
    found = run(build_cases(), build_candidates(8), ratio=2)
    np.testing.assert_allclose(np.exp(found.log_never_drawn[100:108]), 1 - 2 / 8, rtol=1e-12)
    assert not found.log_never_drawn[:100].any()
