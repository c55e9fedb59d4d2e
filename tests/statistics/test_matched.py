from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate
from forescreen.statistics.association import conditional_logistic
from forescreen.statistics.matched import (
    concordance_trend,
    independent_difference,
    matched_concordance,
    matched_concordance_bootstrap,
    matched_concordance_difference,
    set_percentile_roc,
)
from forescreen.statistics.sets import informative_sets, within_set_concordance

from .builders import (
    EXACT,
    SAME_ALGORITHM,
    Matched,
    build_matched,
    enumerated_concordance,
    read_columns,
    read_reference,
)

seeds = st.integers(0, 10_000)


def build_pairs(k: list[float], controls: int = 1) -> Matched:
    """1:m sets with the concordances `k`, each a multiple of ½ (m = 1) or of 1/m."""
    X, case, sets = [], [], []
    for label, concordance in enumerate(k):
        below = math.floor(concordance * controls)
        tied = round(2 * (concordance * controls - below))
        others = [-1.0] * below + [0.0] * tied + [1.0] * (controls - below - tied)
        X += [0.0, *others]
        case += [True] + [False] * controls
        sets += [label] * (controls + 1)
    return Matched(X=np.array(X)[:, None], case=np.array(case), sets=np.array(sets))


@pytest.fixture
def reference(shared: Path):  # type: ignore[no-untyped-def]
    folder = shared / "data" / "statistics" / "matched"
    table = read_columns(folder / "sim_matched_concordance.csv")
    return table, read_reference(folder / "matched_concordance_reference.json")


def test_concordance_of_each_set_equals_the_reference(reference) -> None:  # type: ignore[no-untyped-def]
    table, expected = reference
    matched = informative_sets(table["case"] == "1", sets=table["set"].astype(int))
    for name in ("A", "B"):
        ours = within_set_concordance(table[f"score{name}"].astype(float), matched)
        assert ours == pytest.approx(np.array(expected[f"k_{name}"]), abs=EXACT)


def test_matched_concordance_equals_the_reference(reference) -> None:  # type: ignore[no-untyped-def]
    table, expected = reference
    case, sets = table["case"] == "1", table["set"]
    for name in ("A", "B"):
        score = table[f"score{name}"].astype(float)
        ours = matched_concordance(score, case, sets=sets)
        numbers = expected["equal_weight"][name]
        assert ours.value == pytest.approx(numbers["C"], abs=EXACT)
        assert ours.standard_error == pytest.approx(numbers["se"], abs=EXACT)
        assert (ours.lower, ours.upper) == pytest.approx((numbers["lo"], numbers["hi"]), abs=EXACT)
        assert (ours.n, ours.n_events) == (150, 150)
        pairs = matched_concordance(score, case, sets=sets, weights="pairs")
        assert pairs.value == pytest.approx(expected["pooled_pairs"][name], abs=EXACT)


def test_pair_weighted_variance_is_a_quarter_of_the_clustered_variance_of_r(reference) -> None:  # type: ignore[no-untyped-def]
    # R counts each pair through both members (R 4.2.2); ours has n/(n − 1) besides.
    table, expected = reference
    ours = matched_concordance(
        table["scoreA"].astype(float), table["case"] == "1", sets=table["set"], weights="pairs"
    )
    assert ours.standard_error**2 * 149 / 150 == pytest.approx(
        expected["pooled_pairs"]["A_var_cluster"] / 4, abs=1e-12
    )


def test_paired_difference_equals_the_reference(reference) -> None:  # type: ignore[no-untyped-def]
    table, expected = reference
    a, b = table["scoreA"].astype(float), table["scoreB"].astype(float)
    case, sets = table["case"] == "1", table["set"]
    ours = matched_concordance_difference(a, b, case, sets=sets)
    assert ours.value == pytest.approx(expected["equal_weight"]["diff"], abs=EXACT)
    assert ours.standard_error == pytest.approx(expected["equal_weight"]["diff_se"], abs=EXACT)
    # R 4.2.2
    assert ours.value / ours.standard_error == pytest.approx(-0.547835292416, abs=1e-12)
    assert ours.p_value == pytest.approx(0.583805, abs=5e-7)
    pairs = matched_concordance_difference(a, b, case, sets=sets, weights="pairs")
    # The reference is without n/(n − 1)
    assert pairs.standard_error * math.sqrt(149 / 150) == pytest.approx(
        expected["pooled_pairs"]["diff_se"], abs=EXACT
    )


def test_difference_between_types_of_case_equals_the_reference(reference) -> None:  # type: ignore[no-untyped-def]
    # R 4.2.2
    table, _ = reference
    score, case = table["scoreA"].astype(float), table["case"] == "1"
    by_type = {}
    for kind in ("SD", "IC"):
        rows = table["type"] == kind
        by_type[kind] = matched_concordance(score[rows], case[rows], sets=table["set"][rows])
    assert (by_type["SD"].n, by_type["IC"].n) == (109, 41)
    assert by_type["SD"].value == pytest.approx(0.639143730887, abs=1e-12)
    assert by_type["SD"].standard_error == pytest.approx(0.0339348380212, abs=1e-12)
    assert by_type["IC"].value == pytest.approx(0.621951219512, abs=1e-12)
    assert by_type["IC"].standard_error == pytest.approx(0.0629622177335, abs=1e-12)
    ours = independent_difference(by_type["SD"], by_type["IC"])
    assert ours.value / ours.standard_error == pytest.approx(0.240370929765, abs=1e-11)
    assert ours.n == 150


def test_concordance_after_conditional_logistic_regression_equals_the_reference(shared: Path) -> None:
    # R 4.2.2: infert, linear predictor of spontaneous + induced
    table = read_columns(shared / "data" / "statistics" / "matched" / "infert.csv")
    X = np.column_stack([table["spontaneous"].astype(float), table["induced"].astype(float)])
    case, sets = table["case"] == "1", table["stratum"]
    fit = conditional_logistic(X, case, sets=sets, names=("spontaneous", "induced"))
    ours = matched_concordance(fit.linear_predictor(X), case, sets=sets)
    assert ours.value == pytest.approx(0.774096385542, abs=1e-12)
    assert ours.standard_error == pytest.approx(0.0339114489402, abs=1e-12)


def test_a_hand_computed_table() -> None:
    # k = 1, ½, 0, 1: mean 0.625, variance of k 0.229166…, n = 4, logit interval below 50 sets
    data = build_pairs([1.0, 0.5, 0.0, 1.0])
    ours = matched_concordance(data.score, data.case, sets=data.sets)
    se = math.sqrt((2 * 0.375**2 + 0.125**2 + 0.625**2) / 3 / 4)
    assert (ours.value, ours.standard_error) == pytest.approx((0.625, se), abs=EXACT)
    half = 1.959963984540054 * se / (0.625 * 0.375)
    limits = [1 / (1 + math.exp(-(math.log(0.625 / 0.375) + s * half))) for s in (-1, 1)]
    assert [ours.lower, ours.upper] == pytest.approx(limits, abs=EXACT)
    assert "logit" in ours.method


def test_pair_weights_count_a_set_by_its_controls() -> None:
    one, three = build_pairs([0.0] * 2), build_pairs([1.0] * 2, controls=3)
    data = Matched(
        X=np.concatenate([one.X, three.X]),
        case=np.concatenate([one.case, three.case]),
        sets=np.concatenate([one.sets, three.sets + 10]),
    )
    ours = matched_concordance(data.score, data.case, sets=data.sets, weights="pairs")
    assert ours.value == 0.75
    # √(4/3 · (2·0.75² + 2·9·0.25²))/8
    assert ours.standard_error == pytest.approx(math.sqrt(4 / 3 * (2 * 0.5625 + 18 * 0.0625)) / 8, abs=EXACT)


def test_interval_is_wald_in_the_middle_and_logit_at_the_end() -> None:
    middle, end = build_pairs([1.0, 1.0, 0.0] * 20), build_pairs([1.0] * 55 + [0.0] * 5)
    assert matched_concordance(middle.score, middle.case, sets=middle.sets).method.endswith("Wald")
    ours = matched_concordance(end.score, end.case, sets=end.sets)
    assert ours.method.endswith("logit-Wald")
    assert ours.upper < 1


def test_all_sets_concordant_have_the_exact_binomial_limit() -> None:
    data = build_pairs([1.0] * 20)
    ours = matched_concordance(data.score, data.case, sets=data.sets)
    assert (ours.value, ours.upper) == (1.0, 1.0)
    assert ours.lower == pytest.approx(0.025 ** (1 / 20), abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_ranks_equal_the_comparison_of_all_pairs_with_ties(seed: int) -> None:
    data = build_matched(seed=seed, cases=(1, 2, 3), controls=(2, 1, 4), n_sets=9, decimals=0)
    expected = enumerated_concordance(data.score, data)
    matched = informative_sets(data.case, sets=data.sets)
    assert within_set_concordance(data.score, matched) == pytest.approx(
        np.array(list(expected.values())), abs=EXACT
    )


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_row_order_monotone_transforms_and_swapped_roles(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = build_matched(seed=seed, cases=(1, 2), n_sets=12, decimals=1)
    ours = matched_concordance(data.score, data.case, sets=data.sets)
    order = rng.permutation(data.case.size)
    moved = matched_concordance(np.exp(data.score[order]) * 3, data.case[order], sets=data.sets[order])
    assert moved == ours
    swapped = matched_concordance(data.score, ~data.case, sets=data.sets)
    assert swapped.value == pytest.approx(1 - ours.value, abs=EXACT)
    assert (swapped.lower, swapped.upper) == pytest.approx((1 - ours.upper, 1 - ours.lower), abs=EXACT)
    assert swapped.p_value == pytest.approx(ours.p_value, abs=SAME_ALGORITHM)


def test_adding_a_constant_to_a_set_changes_nothing() -> None:
    data = build_matched(n_sets=12, decimals=0)
    shifted = data.score + 100.0 * data.sets
    assert matched_concordance(shifted, data.case, sets=data.sets) == matched_concordance(
        data.score, data.case, sets=data.sets
    )


def test_a_score_compared_with_itself_does_not_differ() -> None:
    data = build_matched()
    ours = matched_concordance_difference(data.score, data.score, data.case, sets=data.sets)
    assert (ours.value, ours.standard_error, ours.p_value) == (0.0, 0.0, 1.0)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
@example(seed=118)  # votes of 1/11 and 1/22, whose sums round to a fall of 1e-16
@example(seed=581)
def test_area_under_the_adjusted_roc_curve_is_the_concordance(seed: int) -> None:
    data = build_matched(seed=seed, cases=(1, 2), controls=(3, 1, 4), n_sets=11, decimals=0)
    curve = set_percentile_roc(data.score, data.case, sets=data.sets)
    assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(curve.auc.value, abs=EXACT)
    assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)
    assert np.all(np.diff(curve.fpr) >= 0)
    assert np.all(np.diff(curve.tpr) >= 0)


def test_adjusted_roc_curve_of_a_hand_computed_table() -> None:
    # Two controls per case; above them both, above one, tied with one and below the other
    data = build_pairs([1.0, 0.5, 0.25], controls=2)
    curve = set_percentile_roc(data.score, data.case, sets=data.sets)
    # The third case is tied with one control and below one: uniform from ½ to 1
    assert curve.fpr == pytest.approx(np.array([0, 0, 0.5, 0.5, 1]))
    assert curve.tpr == pytest.approx(np.array([0, 1 / 3, 1 / 3, 2 / 3, 1]))


def test_bootstrap_of_sets_agrees_with_the_standard_error_and_repeats_itself() -> None:
    data = build_matched(n_sets=200)
    wald = matched_concordance(data.score, data.case, sets=data.sets)
    ours = matched_concordance_bootstrap(data.score, data.case, sets=data.sets, seed=3)
    assert ours.value == pytest.approx(wald.value, abs=EXACT)
    # 2000 resamples give a standard error with relative error 1/√4000
    assert ours.standard_error == pytest.approx(wald.standard_error, rel=0.08)
    assert ours == matched_concordance_bootstrap(data.score, data.case, sets=data.sets, seed=3)
    assert ours != matched_concordance_bootstrap(data.score, data.case, sets=data.sets, seed=4)


def test_trend_over_a_factor_is_the_regression_of_the_concordances() -> None:
    # k = 0, ½, 1 at ages 50, 60, 70, twice, and 1 at 50: slope by least squares
    k, age = [0.0, 0.5, 1.0, 0.0, 0.5, 1.0, 1.0], np.array([50.0, 60, 70, 50, 60, 70, 50])
    data = build_pairs(k)
    ours = concordance_trend(data.score, data.case, sets=data.sets, factor=np.repeat(age, 2))
    design = np.column_stack([np.ones(7), age])
    beta = np.linalg.lstsq(design, np.array(k), rcond=None)[0]
    inverse = np.linalg.inv(design.T @ design)
    leverage = np.einsum("ij,jk,ik->i", design, inverse, design)
    scaled = design * ((np.array(k) - design @ beta) / (1 - leverage))[:, None]
    assert ours.value == pytest.approx(beta[1], abs=EXACT)
    assert ours.standard_error == pytest.approx(
        np.sqrt((inverse @ scaled.T @ scaled @ inverse)[1, 1]), abs=EXACT
    )


def test_dropped_sets_are_told() -> None:
    data = build_matched(n_sets=10)
    lonely = Matched(
        X=np.concatenate([data.X, np.zeros((3, 2))]),
        case=np.concatenate([data.case, [False, False, True]]),
        sets=np.concatenate([data.sets, [98, 98, 99]]),
    )
    ours = matched_concordance(lonely.score, lonely.case, sets=lonely.sets)
    assert ours.notes == ("1 sets without a case dropped", "1 sets without a control dropped")
    assert ours.value == matched_concordance(data.score, data.case, sets=data.sets).value


def test_one_set_missing_scores_and_unknown_weights_are_refused() -> None:
    one = build_matched(n_sets=1)
    with pytest.raises(TooFewEventsError) as caught:
        matched_concordance(one.score, one.case, sets=one.sets)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    data = build_matched(n_sets=4)
    score = data.score.copy()
    score[:2] = np.nan
    with pytest.raises(InputError, match="2 of 11 rows"):
        matched_concordance(score, data.case, sets=data.sets)
    with pytest.raises(InputError, match="varies between sets"):
        concordance_trend(data.score, data.case, sets=data.sets, factor=np.ones(11))


def test_independent_difference_needs_standard_errors_of_one_scale_and_level() -> None:
    a = Estimate(value=0.7, lower=0.6, upper=0.8, n=9, n_events=4, method="AUC", standard_error=0.03)
    b = replace(a, value=0.6, standard_error=0.04)
    ours = independent_difference(a, b)
    assert (ours.value, ours.standard_error) == pytest.approx((0.1, 0.05))
    assert ours.p_value == pytest.approx(0.04550026389635842, abs=EXACT)  # 2 Φ(−2)
    with pytest.raises(InputError, match="standard errors"):
        independent_difference(a, replace(b, standard_error=math.nan))
    with pytest.raises(InputError, match="one level"):
        independent_difference(a, replace(b, level=0.9))
    with pytest.raises(InputError, match="scale of the values"):
        independent_difference(a, replace(b, method="odds ratio, Wald on the log scale"))


def test_copies_of_sets_say_nothing_new_when_their_women_are_told() -> None:
    data = build_matched(seed=4, n_sets=60)
    women = np.arange(data.case.size)
    once = matched_concordance(data.score, data.case, sets=data.sets, cluster=women)
    assert once.standard_error == matched_concordance(data.score, data.case, sets=data.sets).standard_error
    n = 7
    often = matched_concordance(
        np.tile(data.score, n),
        np.tile(data.case, n),
        sets=np.concatenate([data.sets + 1000 * i for i in range(n)]),
        cluster=np.tile(women, n),
    )
    assert often.value == pytest.approx(once.value, abs=EXACT)
    # All pairs of copies are linked: the sum of squares grows by n², the squared total weight too.
    correction = np.sqrt((60 * n / (60 * n - 1)) / (60 / 59))
    assert often.standard_error == pytest.approx(once.standard_error * correction, rel=EXACT)
