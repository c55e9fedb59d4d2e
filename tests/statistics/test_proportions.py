from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from forescreen.errors import InputError
from forescreen.statistics.proportions import (
    exact_binomial_interval,
    exact_poisson_interval,
    observed_over_expected,
    proportion,
    wilson_interval,
)

from .builders import EXACT


# Lång et al., Eur Radiol 2021;31:5940: interval cancers detectable by AI, of 429 (and grave ones of 35)
@pytest.mark.parametrize(
    ("successes", "n", "percent"),
    [
        (83, 429, (19.3, 15.9, 23.4)),
        (48, 429, (11.2, 8.5, 14.5)),
        (20, 429, (4.7, 3.0, 7.1)),
        (8, 35, (23, 12, 39)),
    ],
)
def test_wilson_equals_published_intervals(
    successes: int, n: int, percent: tuple[float, float, float]
) -> None:
    ours = proportion(successes, n)
    half_a_digit = 0.05 if n == 429 else 0.5
    assert (100 * ours.value, 100 * ours.lower, 100 * ours.upper) == pytest.approx(percent, abs=half_a_digit)
    assert (ours.n, ours.n_events) == (n, successes)


# R 4.2.2
@pytest.mark.parametrize(
    ("count", "lower", "upper"),
    [
        (0, 0.0, 3.688879454),
        (1, 0.02531780798, 5.571643391),
        (5, 1.62348639, 11.66833208),
        (20, 12.21651959, 30.8883779),
        (100, 81.36399125, 121.6267938),
    ],
)
def test_exact_poisson_limits_equal_r(count: int, lower: float, upper: float) -> None:
    ours = exact_poisson_interval(count)
    assert (ours.lower, ours.upper) == pytest.approx((lower, upper), rel=1e-9)


def test_observed_over_expected_equals_r() -> None:
    # R 4.2.2: O 372, E 209.3203229
    ours = observed_over_expected(372, 209.3203229)
    assert (ours.value, ours.lower, ours.upper) == pytest.approx(
        (1.777180519, 1.601151096, 1.967277985), abs=1e-9
    )
    assert ours.n_events == 372


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 500), share=st.floats(0, 1))
def test_intervals_equal_scipy_and_mirror(n: int, share: float) -> None:
    successes = round(share * n)
    ours, test = wilson_interval(successes, n), stats.binomtest(successes, n)
    expected = test.proportion_ci(method="wilson")
    assert (ours.lower, ours.upper) == pytest.approx((expected.low, expected.high), abs=EXACT)
    exact, expected = exact_binomial_interval(successes, n), test.proportion_ci(method="exact")
    assert (exact.lower, exact.upper) == pytest.approx((expected.low, expected.high), abs=1e-9)
    mirrored = wilson_interval(n - successes, n)
    assert (1 - mirrored.upper, 1 - mirrored.lower) == pytest.approx((ours.lower, ours.upper), abs=EXACT)


def test_nothing_and_everything_have_limits_on_one_side() -> None:
    none, every = wilson_interval(0, 20), wilson_interval(20, 20)
    assert (none.lower, every.upper) == (0.0, 1.0)
    assert 0.1 < none.upper < 0.2
    assert none.upper == pytest.approx(1 - every.lower, abs=EXACT)


def test_impossible_counts_are_refused() -> None:
    for successes, n in ((5, 4), (-1, 4), (0, 0)):
        with pytest.raises(InputError, match=f"{successes} of {n}"):
            proportion(successes, n)
    with pytest.raises(InputError, match="a count >= 0"):
        exact_poisson_interval(-1)
    with pytest.raises(InputError, match="positive expected"):
        observed_over_expected(3, 0.0)
