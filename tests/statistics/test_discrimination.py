from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.discrimination import auc, auc_difference, case_type_auc_difference, roc_curve

from .builders import EXACT, SAME_ALGORITHM, read_columns, read_reference

seeds = st.integers(0, 10_000)


def build_scores(seed: int = 0, n: int = 60, decimals: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two correlated scores with ties, and case marks."""
    rng = np.random.default_rng(seed)
    case = np.arange(n) < n // 3
    shared_part = rng.normal(size=n) + 0.6 * case
    scores = [np.round(shared_part + rng.normal(size=n), decimals) for _ in range(2)]
    order = rng.permutation(n)
    return scores[0][order], scores[1][order], case[order]


def placements(score: np.ndarray, case: np.ndarray) -> np.ndarray:
    """1, ½, 0 for each case (rows) and control (columns)."""
    difference = score[case][:, None] - score[~case][None, :]
    return (difference > 0) + 0.5 * (difference == 0)


def test_auc_and_delong_equal_proc(shared: Path) -> None:
    # R pROC 1.18 on its data set aSAH, metrics_R_reference.json
    folder = shared / "data" / "statistics" / "metrics"
    table, expected = (
        read_columns(folder / "aSAH.csv"),
        read_reference(folder / "metrics_R_reference.json")["aSAH"],
    )
    case = table["outcome"] == "Poor"
    markers = [table[name].astype(float) for name in ("s100b", "ndka", "wfns")]
    for i, marker in enumerate(markers):
        ours = auc(marker, case)
        assert ours.value == pytest.approx(expected["auc"][i], abs=SAME_ALGORITHM)
        assert ours.standard_error**2 == pytest.approx(expected["var"][i], abs=SAME_ALGORITHM)
        assert (ours.lower, ours.upper) == pytest.approx(
            (expected["ci"][i][0], expected["ci"][i][2]), abs=SAME_ALGORITHM
        )
    for other, z, p in ((1, "Z12", "p12"), (2, "Z13", "p13")):
        ours = auc_difference(markers[0], markers[other], case)
        assert ours.value / ours.standard_error == pytest.approx(expected[z], abs=SAME_ALGORITHM)
        assert ours.p_value == pytest.approx(expected[p], abs=SAME_ALGORITHM)


def test_auc_of_a_published_score_equals_the_published_value(shared: Path) -> None:
    # lejeunel/breast-cancer-cmmd, published_metrics.csv: 0.7008529441989518
    folder = shared / "data" / "cmmd"
    table = read_columns(folder / "scores_374_breasts.csv")
    score, case = table["pred_type"].astype(float), table["tgt_type"].astype(float) == 1
    ours = auc(score, case, cluster=table["patient_id"])
    assert ours.value == pytest.approx(0.7008529441989518, abs=EXACT)
    assert (ours.n, ours.n_events) == (368, 263)
    # 6 of 368 women have both breasts: near DeLong's, not equal to it
    plain = auc(score, case).standard_error
    assert ours.standard_error == pytest.approx(plain, rel=0.05)
    assert ours.standard_error != pytest.approx(plain, rel=1e-4)


def test_a_hand_computed_table() -> None:
    # Cases 3, 1; controls 2, 1, 0: placements of the cases 1, 0.5 → (1+1+1 + 0+½+1)/6 = 0.75
    score, case = np.array([3.0, 1, 2, 1, 0]), np.array([True, True, False, False, False])
    ours = auc(score, case)
    assert ours.value == 0.75
    # V10 = 1, ½: variance ⅛; V01 = ½, ¾, 1: variance 1/16
    assert ours.standard_error**2 == pytest.approx(1 / 8 / 2 + 1 / 16 / 3, abs=EXACT)
    assert (ours.n, ours.n_events) == (5, 2)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_ranks_equal_the_comparison_of_all_pairs(seed: int) -> None:
    a, b, case = build_scores(seed)
    psi_a, psi_b = placements(a, case), placements(b, case)
    ours = auc(a, case)
    assert ours.value == pytest.approx(psi_a.mean(), abs=EXACT)
    v10, v01 = psi_a.mean(axis=1), psi_a.mean(axis=0)
    variance = np.var(v10, ddof=1) / v10.size + np.var(v01, ddof=1) / v01.size
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    d10, d01 = (psi_a - psi_b).mean(axis=1), (psi_a - psi_b).mean(axis=0)
    variance = np.var(d10, ddof=1) / d10.size + np.var(d01, ddof=1) / d01.size
    assert auc_difference(a, b, case).standard_error ** 2 == pytest.approx(variance, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_row_order_monotone_transforms_and_swapped_roles(seed: int) -> None:
    score, _, case = build_scores(seed)
    ours = auc(score, case)
    order = np.random.default_rng(seed).permutation(case.size)
    moved = auc(np.exp(score[order] / 4), case[order])
    assert (moved.value, moved.standard_error) == pytest.approx((ours.value, ours.standard_error), abs=EXACT)
    swapped = auc(score, ~case)
    assert swapped.value == pytest.approx(1 - ours.value, abs=EXACT)
    assert swapped.standard_error == pytest.approx(ours.standard_error, abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice(seed: int) -> None:
    score, _, case = build_scores(seed, n=30)
    weights = np.random.default_rng(seed).integers(1, 4, size=30)
    ours = auc(score, case, weights=weights.astype(float))
    repeated = auc(np.repeat(score, weights), np.repeat(case, weights))
    assert ours.value == pytest.approx(repeated.value, abs=EXACT)
    # In the variance copies are one woman each: those of the cluster, up to the factors n/(n − 1)
    clustered = auc(
        np.repeat(score, weights), np.repeat(case, weights), cluster=np.repeat(np.arange(30), weights)
    )
    assert ours.standard_error == pytest.approx(clustered.standard_error, abs=EXACT)


def test_equal_weights_and_single_rows_as_clusters_give_delong() -> None:
    score, _, case = build_scores()
    plain = auc(score, case).standard_error
    assert auc(score, case, weights=np.full(60, 7.0)).standard_error == pytest.approx(plain, abs=EXACT)
    # n/(n − 1) of the women, not of the rows: the same when every row is a woman
    assert auc(score, case, cluster=np.arange(60)).standard_error == pytest.approx(plain, abs=EXACT)


def test_clustered_variance_is_obuchowskis_formula() -> None:
    # [Obuchowski1997], written out woman by woman
    score, _, case = build_scores(n=40)
    woman = np.arange(40) // 3
    psi = placements(score, case)
    area, m, n = psi.mean(), int(case.sum()), int((~case).sum())
    X, Y = psi.mean(axis=1), psi.mean(axis=0)
    s10 = s01 = s11 = 0.0
    for w in np.unique(woman):
        own_cases, own_controls = X[woman[case] == w], Y[woman[~case] == w]
        x, y = own_cases.sum() - own_cases.size * area, own_controls.sum() - own_controls.size * area
        s10, s01, s11 = s10 + x * x, s01 + y * y, s11 + x * y
    i, i10, i01 = np.unique(woman).size, np.unique(woman[case]).size, np.unique(woman[~case]).size
    variance = (
        i10 / ((i10 - 1) * m) * s10 / m + i01 / ((i01 - 1) * n) * s01 / n + 2 * i / (i - 1) * s11 / (m * n)
    )
    ours = auc(score, case, cluster=woman)
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    assert ours.n == i
    assert "Obuchowski" in ours.method


def test_case_types_with_shared_controls_follow_the_covariance_formula() -> None:
    # [DeLong1988] placements, S10_a/n_a + S10_b/n_b + (S01_aa + S01_bb − 2 S01_ab)/n_0
    score, other, _ = build_scores(n=60)
    kind = np.random.default_rng(2).integers(0, 3, size=60)
    case_a, case_b, control = kind == 1, kind == 2, kind == 0
    areas, s10, v01 = [], [], []
    for values, cases in ((score, case_a), (other, case_b)):
        used = cases | control
        psi = placements(values[used], cases[used])
        areas.append(psi.mean())
        s10.append(np.var(psi.mean(axis=1), ddof=1) / psi.shape[0])
        v01.append(psi.mean(axis=0))
    s01 = np.cov(np.array(v01), ddof=1)
    variance = sum(s10) + (s01[0, 0] + s01[1, 1] - 2 * s01[0, 1]) / control.sum()
    ours = case_type_auc_difference(score, other, case_a=case_a, case_b=case_b)
    assert ours.value == pytest.approx(areas[0] - areas[1], abs=EXACT)
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    assert ours.n_events == int(case_a.sum() + case_b.sum())


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_area_under_the_curve_is_the_auc(seed: int) -> None:
    score, _, case = build_scores(seed)
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=60)
    for w in (None, weights):
        curve = roc_curve(score, case, weights=w)
        assert np.trapezoid(curve.tpr, curve.fpr) == pytest.approx(curve.auc.value, abs=EXACT)
        assert (curve.fpr[0], curve.tpr[0], curve.fpr[-1], curve.tpr[-1]) == (0, 0, 1, 1)


def test_a_thinned_curve_keeps_its_ends_and_its_shape() -> None:
    score, _, case = build_scores(n=3000, decimals=6)
    curve = roc_curve(score, case)
    thin = curve.thinned(101)
    assert thin.fpr.size <= 101
    assert (thin.fpr[0], thin.tpr[0], thin.fpr[-1], thin.tpr[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(thin.tpr, thin.fpr) == pytest.approx(curve.auc.value, abs=2e-3)
    assert thin.thinned(101) is thin


def test_complete_separation_has_the_exact_limit_of_disjoint_pairs() -> None:
    score = np.arange(15.0)
    ours = auc(score, score >= 10)
    assert (ours.value, ours.upper, ours.standard_error) == (1.0, 1.0, 0.0)
    assert ours.lower == pytest.approx(0.025 ** (1 / 5), abs=EXACT)  # 5 cases
    assert auc(-score, score >= 10).upper == pytest.approx(1 - 0.025 ** (1 / 5), abs=EXACT)


def test_too_few_cases_controls_or_women_are_told_with_their_number() -> None:
    score = np.arange(6.0)
    with pytest.raises(TooFewEventsError, match="cases") as caught:
        auc(score, score > 4)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(TooFewEventsError, match="controls"):
        auc(score, score > 0)
    with pytest.raises(TooFewEventsError, match="women with a case"):
        auc(score, score > 3, cluster=np.array([0, 1, 2, 3, 4, 4]))


def test_missing_scores_wrong_weights_and_double_types_are_refused() -> None:
    score, other, case = build_scores()
    broken = score.copy()
    broken[[3, 5]] = math.nan
    with pytest.raises(InputError, match="2 of 60 rows"):
        auc(broken, case)
    weights = np.ones(60)
    weights[7] = 0.0
    with pytest.raises(InputError, match="1 of 60 rows"):
        auc(score, case, weights=weights)
    with pytest.raises(InputError, match="rows of both types"):
        case_type_auc_difference(score, other, case_a=case, case_b=case)
