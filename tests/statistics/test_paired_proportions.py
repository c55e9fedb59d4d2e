from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.inference import normal_quantile
from forescreen.statistics.paired_proportions import (
    PairedTable,
    corrected_mcnemar_test,
    discordant_odds_ratio,
    exact_mcnemar_p,
    mcnemar_test,
    non_inferiority_test,
    paired_difference,
    paired_table,
    tango_interval,
)
from forescreen.statistics.proportions import wilson_interval

from .builders import EXACT, SAME_ALGORITHM, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "paired_proportions.json")["values"]

counts = st.integers(0, 40)


def build_table(both: int, only_a: int, only_b: int, neither: int) -> PairedTable:
    return PairedTable(both=both, only_a=only_a, only_b=only_b, neither=neither)


def table_of(row: dict[str, int]) -> PairedTable:
    return build_table(row["both"], row["only_a"], row["only_b"], row["neither"])


def score_statistic(table: PairedTable, delta: float) -> float:
    """T(δ) with the constrained likelihood maximised by search instead of in closed form."""
    n, b, c = table.n, table.only_a, table.only_b

    def minus_log_likelihood(q: float) -> float:
        parts = ((b, q + delta), (c, q), (n - b - c, 1 - 2 * q - delta))
        return -sum(count * math.log(p) for count, p in parts if count)

    lowest, highest = max(0.0, -delta), (1 - delta) / 2
    found = optimize.minimize_scalar(
        minus_log_likelihood, bounds=(lowest, highest), method="bounded", options={"xatol": 1e-13}
    )
    return float((b - c - n * delta) / math.sqrt(n * (2 * found.x + delta - delta**2)))


@pytest.mark.parametrize("row", REFERENCE["mcnemar"])
def test_against_r_mcnemar(row) -> None:  # type: ignore[no-untyped-def]
    table = table_of(row)
    plain, corrected = mcnemar_test(table), corrected_mcnemar_test(table)
    assert (plain.statistic, plain.p_value) == pytest.approx((row["chi2"], row["p"]), rel=EXACT)
    assert (corrected.statistic, corrected.p_value) == pytest.approx(
        (row["chi2_corrected"], row["p_corrected"]), rel=EXACT
    )
    assert exact_mcnemar_p(table) == pytest.approx(row["p_exact"], rel=EXACT)
    ratio = discordant_odds_ratio(table)
    assert (ratio.lower, ratio.upper) == pytest.approx(tuple(row["odds"]), rel=SAME_ALGORITHM)
    assert ratio.value == row["only_a"] / row["only_b"]


@pytest.mark.parametrize("row", REFERENCE["tango"])
def test_against_r_and_a_printed_example_tango(row) -> None:  # type: ignore[no-untyped-def]
    ours = tango_interval(table_of(row), row["level"])
    assert (ours.lower, ours.upper) == pytest.approx((row["lower"], row["upper"]), abs=row["half_unit"])


@pytest.mark.parametrize(
    "table", [build_table(43, 4, 9, 20), build_table(5, 30, 11, 2), build_table(0, 3, 1, 9)]
)
def test_limits_solve_the_score_equation_with_the_likelihood_maximised_by_search(table: PairedTable) -> None:
    ours = tango_interval(table)
    z = normal_quantile(0.95)
    assert score_statistic(table, ours.lower) == pytest.approx(z, abs=1e-6)
    assert score_statistic(table, ours.upper) == pytest.approx(-z, abs=1e-6)


def test_without_discordant_women_the_limits_are_those_of_wilson_for_none() -> None:
    # nδ² = z² δ(1−δ), so δ = z²/(n + z²): the upper limit of 0 of n [Wilson1927]
    ours = tango_interval(build_table(20, 0, 0, 30))
    expected = wilson_interval(0, 50).upper
    assert (ours.lower, ours.upper) == pytest.approx((-expected, expected), abs=EXACT)


def test_wholly_discordant_women_reach_the_end() -> None:
    ours = tango_interval(build_table(0, 50, 0, 0))
    assert ours.upper == 1.0
    assert ours.lower == pytest.approx(1 - 2 * wilson_interval(0, 50).upper, abs=EXACT)


@settings(max_examples=50, deadline=None)
@given(both=counts, only_a=counts, only_b=counts, neither=counts)
def test_swapping_the_answers_mirrors_everything(both: int, only_a: int, only_b: int, neither: int) -> None:
    table = build_table(both + 1, only_a, only_b, neither)
    swapped = build_table(both + 1, only_b, only_a, neither)
    one, other = paired_difference(table), paired_difference(swapped)
    assert (other.value, other.lower, other.upper) == pytest.approx(
        (-one.value, -one.upper, -one.lower), abs=1e-11
    )
    assert other.p_value == one.p_value
    assert exact_mcnemar_p(table) == exact_mcnemar_p(swapped)
    assert -1 <= one.lower <= one.value <= one.upper <= 1
    # Only the sum of the concordant counts matters; yes and no may be exchanged.
    moved = build_table(0, only_a, only_b, both + 1 + neither)
    assert tango_interval(moved) == tango_interval(table)


@settings(max_examples=50, deadline=None)
@given(both=counts, only_a=counts, only_b=counts, neither=counts)
def test_the_interval_excludes_zero_when_mcnemar_rejects_and_minus_the_margin_when_not_inferior(
    both: int, only_a: int, only_b: int, neither: int
) -> None:
    table = build_table(both + 1, only_a, only_b, neither)
    ours = paired_difference(table)
    assert (ours.p_value < 0.05) == (ours.lower > 0 or ours.upper < 0)
    test = non_inferiority_test(table, margin=0.07)
    assert test.non_inferior == (ours.lower > -0.07)
    assert non_inferiority_test(table, margin=0.2).p_value <= test.p_value


def test_non_inferiority_follows_the_score_statistic_at_the_margin() -> None:
    # Four discordant women each way among 100
    table = build_table(60, 4, 4, 32)
    ours = non_inferiority_test(table, margin=0.1)
    assert ours.z == pytest.approx(score_statistic(table, -0.1), abs=1e-6)
    assert ours.p_value == pytest.approx(0.5 * math.erfc(ours.z / math.sqrt(2)), rel=1e-12)
    assert ours.non_inferior
    assert not non_inferiority_test(table, margin=0.02).non_inferior
    # 0.09 loss does not pass a margin of 0.1 with 11 losses in 100
    assert not non_inferiority_test(build_table(60, 1, 10, 29), margin=0.1).non_inferior


def test_a_table_is_counted_from_the_rows_in_any_order() -> None:
    a = np.array([True, True, False, False, True])
    b = np.array([True, False, True, False, False])
    assert paired_table(a, b) == build_table(1, 2, 1, 1)
    order = np.random.default_rng(0).permutation(5)
    assert paired_table(a[order], b[order]) == paired_table(a, b)


def test_the_exact_p_is_the_sum_of_the_binomial_tail() -> None:
    # 2·(1 + 9 + 36)/2⁹
    assert exact_mcnemar_p(build_table(5, 2, 7, 5)) == pytest.approx(2 * 46 / 512, abs=EXACT)
    assert exact_mcnemar_p(build_table(5, 3, 3, 5)) == 1.0
    assert exact_mcnemar_p(build_table(5, 0, 0, 5)) == 1.0


def test_odds_of_one_empty_count_are_infinite_or_zero_with_a_finite_other_limit() -> None:
    up, down = discordant_odds_ratio(build_table(5, 6, 0, 5)), discordant_odds_ratio(build_table(5, 0, 6, 5))
    assert (up.value, up.upper) == (math.inf, math.inf)
    # Clopper-Pearson limit of 6 of 6
    share = 0.025 ** (1 / 6)
    assert up.lower == pytest.approx(share / (1 - share), rel=1e-12)
    assert (down.value, down.lower) == (0.0, 0.0)
    assert down.upper == pytest.approx(1 / up.lower, rel=1e-12)


def test_nothing_discordant_bad_counts_and_bad_margins_are_refused() -> None:
    concordant = build_table(5, 0, 0, 5)
    for test in (mcnemar_test, corrected_mcnemar_test, discordant_odds_ratio):
        with pytest.raises(TooFewEventsError, match="answers differ") as caught:
            test(concordant)  # type: ignore[operator]
        assert (caught.value.n_found, caught.value.n_needed) == (0, 1)
    assert paired_difference(concordant).p_value == 1.0
    with pytest.raises(InputError, match="four counts"):
        build_table(1, -1, 0, 0)
    with pytest.raises(InputError, match="four counts"):
        build_table(0, 0, 0, 0)
    for margin in (0.0, 1.0, math.nan):
        with pytest.raises(InputError, match=r"a margin in \(0, 1\)"):
            non_inferiority_test(concordant, margin=margin)
    with pytest.raises(InputError, match="confidence level"):
        tango_interval(concordant, 1.0)
