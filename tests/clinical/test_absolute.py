"""Absolute risk is that of the formula, at the edges too, and behaves as a chance must."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from forescreen.clinical.absolute import Hazards, Step, absolute_risk, population_hazards
from forescreen.clinical.rates import built_in_rates
from forescreen.errors import InputError

EXACT = 1e-12

HAZARDS = Hazards(
    edges=np.array([40.0, 45.0, 50.0, 60.0]),
    event=np.array([0.001, 0.002, 0.003]),
    competing=np.array([0.002, 0.004, 0.01]),
)


def one_risk(
    start: float, end: float, *log_risks: tuple[float, float], hazards: Hazards = HAZARDS, mode: str = "exact"
) -> float:
    steps = [Step(from_age=age, log_relative_risk=np.array([log])) for age, log in log_risks or ((0.0, 0.0),)]
    return float(
        absolute_risk(np.array([start]), np.array([end]), baseline=hazards, steps=steps, mode=mode)[0]
    )


def hazard_at(age: float, log: float = 0.0, hazards: Hazards = HAZARDS) -> tuple[float, float]:
    piece = min(int(np.searchsorted(hazards.edges, age, side="right")) - 1, hazards.event.size - 1)
    return hazards.event[piece] * math.exp(log), hazards.competing[piece]


def survival(start: float, end: float, log: float = 0.0) -> float:
    cumulative = 0.0
    for low, high in zip(HAZARDS.edges[:-1], HAZARDS.edges[1:], strict=True):
        years = max(0.0, min(end, high) - max(start, low))
        cumulative += sum(hazard_at(low, log)) * years
    return math.exp(-cumulative)


def test_one_piece_is_the_closed_formula() -> None:
    # λ/(λ+m)·(1 − exp(−(λ+m)·τ)) with λ = 0.001·2, m = 0.002, τ = 3.
    assert one_risk(41, 44, (0, math.log(2))) == pytest.approx(0.5 * -math.expm1(-0.012), rel=EXACT)


def test_pieces_are_split_at_edges_and_steps_and_ages_may_be_fractions() -> None:
    def integrand(age: float) -> float:
        log = 0.7 if age >= 47.5 else 0.2
        before = survival(41.3, min(age, 47.5), 0.2) * (survival(47.5, age, 0.7) if age > 47.5 else 1.0)
        return hazard_at(age, log)[0] * before

    breaks = [41.3, 45.0, 47.5, 50.0, 57.9]
    numeric = sum(quad(integrand, a, b, epsabs=0, epsrel=1e-12)[0] for a, b in pairwise(breaks))
    assert one_risk(41.3, 57.9, (40, 0.2), (47.5, 0.7)) == pytest.approx(numeric, rel=1e-10)


def test_a_step_at_an_edge_holds_from_there_and_one_beyond_the_end_never() -> None:
    assert one_risk(50, 55, (40, 5.0), (50, 0.0)) == one_risk(50, 55)
    assert one_risk(42, 50, (40, 0.5), (50, 3.0)) == one_risk(42, 50, (40, 0.5))
    assert one_risk(42, 50, (40, 0.5), (70, 3.0)) == one_risk(42, 50, (40, 0.5))


def test_hazards_of_zero_have_a_limit() -> None:
    nothing = Hazards(edges=np.array([40.0, 60.0]), event=np.zeros(1), competing=np.zeros(1))
    immortal = Hazards(edges=np.array([40.0, 60.0]), event=np.array([0.01]), competing=np.zeros(1))
    tiny = Hazards(edges=np.array([40.0, 60.0]), event=np.array([1e-18]), competing=np.array([1e-18]))
    assert one_risk(40, 60, hazards=nothing) == 0
    assert one_risk(40, 60, hazards=immortal) == pytest.approx(-math.expm1(-0.2), rel=EXACT)
    assert one_risk(40, 60, hazards=tiny) == pytest.approx(2e-17, rel=EXACT)
    assert one_risk(50, 50) == 0
    assert one_risk(40, 60, (40, -math.inf)) == 0


def test_mode_icare_is_its_left_riemann_sum() -> None:
    # Σ λ(t) r exp(−Σ_{u<t}), by hand: ages 44, 45 with λr = 0.002, 0.004 and m = 0.002, 0.004.
    assert one_risk(44, 46, (40, math.log(2)), mode="icare") == pytest.approx(
        0.002 + 0.004 * math.exp(-0.004), rel=EXACT
    )


def test_mode_exact_and_icare_differ_by_about_half_the_hazard() -> None:
    hazards = population_hazards(built_in_rates("icare-lit"))
    exact, icare = (one_risk(50, 70, hazards=hazards, mode=mode) for mode in ("exact", "icare"))
    assert 0 < icare / exact - 1 < 0.01


def test_unknown_relative_risks_and_ages_give_unknown_risks() -> None:
    ages = np.array([41.0, np.nan, 43.0, 44.0])
    logs = np.array([0.0, 0.0, np.nan, 0.0])
    risk = absolute_risk(
        ages, np.full(4, 50.0), baseline=HAZARDS, steps=[Step(from_age=0, log_relative_risk=logs)]
    )
    np.testing.assert_array_equal(np.isnan(risk), [False, True, True, False])


@pytest.mark.parametrize(
    ("start", "end", "mode", "message"),
    [
        (
            [39.9, 45],
            [50, 50],
            "exact",
            "expected a start at age 40 or later, found earlier ones for 1 of 2 women",
        ),
        ([45, 45], [60.1, 61], "exact", "expected an end by age 60, .*found later ones for 2 of 2 women"),
        ([45, 45], [44, 50], "exact", "expected an end after the start, found earlier ones for 1 of 2"),
        ([45, 45.5], [50, 50], "icare", "whole years for mode icare, found fractional ones for 1 of 2"),
    ],
)
def test_ages_that_the_rates_do_not_reach_are_refused(
    start: list[float], end: list[float], mode: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        absolute_risk(
            np.array(start, dtype=float),
            np.array(end, dtype=float),
            baseline=HAZARDS,
            steps=[Step(from_age=0, log_relative_risk=np.zeros(2))],
            mode=mode,
        )


def test_steps_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError, match="steps with rising ages, found none"):
        absolute_risk(np.array([45.0]), np.array([50.0]), baseline=HAZARDS, steps=[])
    with pytest.raises(InputError, match="steps with rising ages, found 50, 50"):
        one_risk(45, 50, (50, 0), (50, 0))
    with pytest.raises(InputError, match="a start at age 46 or later"):
        one_risk(45, 50, (46, 0))
    with pytest.raises(InputError, match="a finite relative risk, found infinite ones for 1 of 1"):
        one_risk(45, 50, (40, 800.0))
    with pytest.raises(InputError, match="of each of 2 women, found 1"):
        absolute_risk(
            np.full(2, 45.0),
            np.full(2, 50.0),
            baseline=HAZARDS,
            steps=[Step(from_age=0, log_relative_risk=np.zeros(1))],
        )


def test_hazards_are_checked() -> None:
    edges, good = np.array([40.0, 50.0]), np.array([0.1])
    with pytest.raises(InputError, match="expected hazards of 0 or more"):
        Hazards(edges=edges, event=np.array([-0.1]), competing=good)
    with pytest.raises(InputError, match="expected edges that rise"):
        Hazards(edges=edges[::-1].copy(), event=good, competing=good)
    with pytest.raises(InputError, match="2 edges, 1 and 2 hazards"):
        Hazards(edges=edges, event=good, competing=np.zeros(2))


def test_many_women_get_what_each_gets_alone() -> None:
    generator = np.random.default_rng(1)
    n = 70_000  # more than two blocks
    start = generator.uniform(40, 59, n)
    end = start + generator.uniform(0, 1, n) * (60 - start)
    logs = generator.normal(size=n)
    steps = [Step(from_age=40, log_relative_risk=logs), Step(from_age=50, log_relative_risk=logs / 2)]
    together = absolute_risk(start, end, baseline=HAZARDS, steps=steps)
    for woman in (0, 32_767, 32_768, n - 1):
        alone = one_risk(start[woman], end[woman], (40, logs[woman]), (50, logs[woman] / 2))
        assert together[woman] == pytest.approx(alone, rel=EXACT)


ages = st.floats(40, 60)
logs = st.floats(-4, 6)


@given(sorted_ages=st.lists(ages, min_size=3, max_size=3).map(sorted), log=logs)
def test_risk_is_a_chance_that_grows_and_adds_up(sorted_ages: list[float], log: float) -> None:
    a, b, c = sorted_ages
    near, far = one_risk(a, b, (40, log)), one_risk(a, c, (40, log))
    assert 0 <= near <= far <= 1
    assert far == pytest.approx(near + survival(a, b, log) * one_risk(b, c, (40, log)), rel=1e-10, abs=1e-14)


@given(start=ages, end=ages, log=logs)
def test_splitting_at_whole_ages_changes_nothing(start: float, end: float, log: float) -> None:
    start, end = min(start, end), max(start, end)
    yearly = np.arange(40.0, 61.0)
    piece = np.searchsorted(HAZARDS.edges, yearly[:-1], side="right") - 1
    split = Hazards(edges=yearly, event=HAZARDS.event[piece], competing=HAZARDS.competing[piece])
    assert one_risk(start, end, (40, log), hazards=split) == pytest.approx(
        one_risk(start, end, (40, log)), rel=EXACT, abs=1e-16
    )


@given(log=logs)
def test_more_competing_death_means_less_risk(log: float) -> None:
    deadlier = Hazards(edges=HAZARDS.edges, event=HAZARDS.event, competing=HAZARDS.competing * 3)
    assert one_risk(41, 59, (40, log), hazards=deadlier) < one_risk(41, 59, (40, log))
