from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.calibration import (
    calibration_by_subgroup,
    calibration_groups,
    expected_observed,
    hosmer_lemeshow,
    observed_expected,
)
from forescreen.statistics.proportions import exact_poisson_interval, wilson_interval

from .builders import EXACT, SAME_ALGORITHM, read_columns, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "calibration.json")["values"]
seeds = st.integers(0, 10_000)


def build_risks(seed: int = 0, n: int = 200, mean: float = -1.5) -> tuple[np.ndarray, np.ndarray]:
    """Risks and cases drawn from them: perfectly calibrated."""
    rng = np.random.default_rng(seed)
    risk = special.expit(rng.normal(mean, 1.0, size=n))
    return risk, rng.random(n) < risk


def simulated(shared: Path) -> tuple[np.ndarray, np.ndarray]:
    table = read_columns(shared / "data" / "statistics" / "metrics" / "calibration_sim.csv")
    return table["p"].astype(float), table["y"] == "1"


def test_against_r_observed_expected_groups_and_hosmer_lemeshow(shared: Path) -> None:
    # R poisson.test, cut at quantile(p, 0:10/10), on calibration_sim.csv
    risk, case = simulated(shared)
    ours = observed_expected(risk, case)
    assert (ours.value, ours.lower, ours.upper) == pytest.approx(
        REFERENCE["observed_expected"], abs=SAME_ALGORITHM
    )
    assert (ours.n, ours.n_events) == (2000, 372)
    groups = calibration_groups(risk, case)
    wanted = REFERENCE["groups"]
    assert [g.n_events for g in groups] == wanted["observed"]
    assert [g.n for g in groups] == wanted["n"]
    assert [g.expected * g.n for g in groups] == pytest.approx(wanted["expected"], abs=SAME_ALGORITHM)
    statistic, validation, development = REFERENCE["hosmer_lemeshow"]
    external = hosmer_lemeshow(risk, case)
    assert external.statistic == pytest.approx(statistic, abs=SAME_ALGORITHM)
    assert (external.degrees_of_freedom, external.p_value) == (10, pytest.approx(validation, rel=1e-9))
    internal = hosmer_lemeshow(risk, case, data="development")
    assert (internal.degrees_of_freedom, internal.p_value) == (8, pytest.approx(development, rel=1e-9))


def test_expected_over_observed_has_the_log_normal_interval(shared: Path) -> None:
    # 372 observed, 209.3203229 expected: O/E · exp(±1.96/√O) = 1.605457–1.967271
    risk, case = simulated(shared)
    ours = expected_observed(risk, case)
    assert (1 / ours.value, 1 / ours.upper, 1 / ours.lower) == pytest.approx(
        (1.777180519, 1.605457, 1.967271), abs=1e-6
    )


def test_a_hand_computed_table() -> None:
    # O 2, E 0.1 + 0.2 + 0.3 + 0.4 = 1: O/E 2; weights 1 1 2 2: O 3, E 1.7
    risk, case = np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, False, True, False])
    ours = observed_expected(risk, case)
    exact = exact_poisson_interval(2)
    assert (ours.value, ours.lower, ours.upper) == pytest.approx((2.0, exact.lower, exact.upper), abs=EXACT)
    weights = np.array([1.0, 1, 2, 2])
    weighted = observed_expected(risk, case, weights=weights)
    assert weighted.value == pytest.approx(3 / 1.7, abs=EXACT)
    influence = weights * (case / 3 - risk / 1.7)
    relative = math.sqrt(4 / 3 * np.sum(influence**2))
    assert weighted.standard_error == pytest.approx(3 / 1.7 * relative, abs=EXACT)
    assert weighted.upper / weighted.value == pytest.approx(math.exp(1.959963984540054 * relative), abs=EXACT)
    assert "robust weighted" in weighted.method
    assert 1 / expected_observed(risk, case, weights=weights).value == pytest.approx(
        weighted.value, abs=EXACT
    )


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_and_order_does_not_matter(seed: int) -> None:
    risk, case = build_risks(seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=risk.size)
    order = np.random.default_rng(seed).permutation(risk.size)
    ours = observed_expected(risk[order], case[order], weights=weights[order].astype(float))
    repeated, cases = np.repeat(risk, weights), np.repeat(case, weights)
    woman = np.repeat(np.arange(risk.size), weights)
    again = observed_expected(repeated, cases, cluster=woman)
    assert ours.value == pytest.approx(observed_expected(repeated, cases).value, abs=EXACT)
    assert (ours.lower, ours.upper, ours.n) == pytest.approx((again.lower, again.upper, again.n), abs=EXACT)
    groups = calibration_groups(risk, case, weights=weights.astype(float))
    twice = calibration_groups(repeated, cases, cluster=woman)
    assert [g.expected for g in groups] == pytest.approx([g.expected for g in twice], abs=EXACT)
    assert [g.observed.lower for g in groups] == pytest.approx([g.observed.lower for g in twice], abs=1e-9)


def test_the_robust_interval_covers_the_truth_in_clustered_weighted_samples() -> None:
    # Women with 1 to 3 exams that share their fate, controls sampled at 20 %: 400 samples, nominal 95 %;
    # binomial standard error of the coverage 1.1 %
    rng = np.random.default_rng(5)
    covered = naive = 0
    for _ in range(400):
        n_exams = rng.integers(1, 4, size=1500)
        risk = special.expit(rng.normal(-2.5, 0.8, size=1500))
        case = rng.random(1500) < risk
        kept = case | (rng.random(1500) < 0.2)
        woman = np.repeat(np.arange(1500)[kept], n_exams[kept])
        weights = np.where(case, 1.0, 5.0)[woman]
        ours = observed_expected(risk[woman], case[woman], weights=weights, cluster=woman)
        covered += ours.lower < 1 < ours.upper
        plain = observed_expected(risk[woman], case[woman], weights=weights)
        naive += plain.lower < 1 < plain.upper
    assert 0.92 <= covered / 400 <= 0.98
    assert naive < covered


def test_a_single_cluster_per_row_and_equal_weights_agree() -> None:
    risk, case = build_risks(3)
    rows = observed_expected(risk, case, cluster=np.arange(200))
    equal = observed_expected(risk, case, weights=np.full(200, 3.0))
    assert (rows.lower, rows.upper) == pytest.approx((equal.lower, equal.upper), abs=EXACT)
    # the exact Poisson limits lie outside the binomial ones of a common outcome
    exact = observed_expected(risk, case)
    assert exact.lower < rows.lower < rows.upper < exact.upper


def test_groups_keep_equal_risks_together_and_have_wilson_limits() -> None:
    risk = np.repeat([0.1, 0.2, 0.3], [50, 30, 20])
    case = np.arange(100) % 10 == 0
    groups = calibration_groups(risk, case)
    assert [(g.lowest_risk, g.highest_risk, g.n) for g in groups] == [
        (0.1, 0.1, 50),
        (0.2, 0.2, 30),
        (0.3, 0.3, 20),
    ]
    wilson = wilson_interval(5, 50)
    assert (groups[0].observed.lower, groups[0].observed.upper) == (wilson.lower, wilson.upper)
    assert groups[0].observed_expected is not None
    assert groups[0].observed_expected.value == pytest.approx(1.0, abs=EXACT)
    # Equal weights: the variance is p(1 − p)/(n − 1), so that Wilson's n is 49
    weighted = calibration_groups(risk, case, weights=np.full(100, 2.0))
    assert weighted[0].observed.upper == pytest.approx(wilson_interval(4.9, 49).upper, abs=EXACT)


def test_a_group_without_cases_keeps_an_upper_limit() -> None:
    risk = np.repeat([0.1, 0.3], 50)
    case = np.arange(100) >= 60
    plain = calibration_groups(risk, case, n_groups=2)[0]
    assert (plain.observed.value, plain.observed.upper) == (0.0, wilson_interval(0, 50).upper)
    assert plain.observed_expected is not None
    assert plain.observed_expected.upper == pytest.approx(exact_poisson_interval(0).upper / 5, abs=EXACT)
    weighted = calibration_groups(risk, case, n_groups=2, weights=np.tile([1.0, 3.0], 50))[0]
    # Kish: (4 · 25)²/(10 · 25) = 40 rows of equal weight
    assert weighted.observed.upper == pytest.approx(wilson_interval(0, 40).upper, abs=EXACT)
    assert weighted.observed_expected is None


def test_subgroups_come_in_order_and_say_why_they_have_no_estimate() -> None:
    risk, case = build_risks(2)
    dense = np.where(np.arange(200) < 120, "dense", "fatty").astype(object)
    dense[-1] = "unknown"
    case[-1] = False
    found = calibration_by_subgroup(risk, case, subgroup=dense, cluster=np.arange(200))
    assert [s.label for s in found] == ["dense", "fatty", "unknown"]
    alone = observed_expected(risk[:120], case[:120], cluster=np.arange(120))
    assert found[0].observed_expected == alone
    assert found[0].expected == pytest.approx(risk[:120].sum(), abs=EXACT)
    assert (found[2].observed_expected, found[2].reason, found[2].n) == (None, "0 events, 2 needed", 1)
    plain = calibration_by_subgroup(risk, case, subgroup=dense)
    assert plain[2].observed_expected is not None
    assert plain[2].observed_expected.value == 0.0
    nothing = calibration_by_subgroup(np.where(dense == "fatty", 0.0, risk), case, subgroup=dense)
    assert nothing[1].reason == "nothing expected"


def test_hosmer_lemeshow_keeps_its_size_under_perfect_calibration() -> None:
    # 300 samples of perfectly calibrated risks: 5 % rejected, binomial standard error 1.3 %
    p_values = [hosmer_lemeshow(*build_risks(seed, n=1000, mean=-1.0)).p_value for seed in range(300)]
    assert 0.01 <= np.mean(np.array(p_values) < 0.05) <= 0.09


def test_scores_missing_risks_and_empty_expectations_are_refused() -> None:
    risk, case = build_risks()
    for function in (observed_expected, expected_observed, calibration_groups, hosmer_lemeshow):
        with pytest.raises(InputError, match="A score is not a risk"):
            function(risk * 10, case)
        with pytest.raises(InputError, match="200 of 200 rows missing or infinite"):
            function(np.full(200, math.nan), case)
    with pytest.raises(InputError, match="some risk above 0"):
        observed_expected(np.zeros(200), case)
    with pytest.raises(InputError, match="a certain outcome"):
        hosmer_lemeshow(np.where(risk < 0.3, 0.0, risk), case)
    with pytest.raises(InputError, match="at least 2 groups, found 1"):
        calibration_groups(risk, case, n_groups=1)
    with pytest.raises(InputError, match="a subgroup in every row"):
        calibration_by_subgroup(risk, case, subgroup=np.full(200, math.nan))


def test_too_few_events_are_told_with_their_number() -> None:
    risk, _ = build_risks()
    one = np.arange(200) == 4
    assert observed_expected(risk, one).n_events == 1  # exact limits need no more
    with pytest.raises(TooFewEventsError, match="with weights or clusters") as caught:
        observed_expected(risk, one, weights=np.ones(200))
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(TooFewEventsError, match="expected/observed"):
        expected_observed(risk, one)
