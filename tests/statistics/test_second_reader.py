from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.paired_proportions import mcnemar_test, paired_table
from forescreen.statistics.proportions import wilson_interval
from forescreen.statistics.second_reader import (
    accuracy,
    accuracy_change,
    decision_referral,
    reader_or_model,
    threshold_at_sensitivity,
    threshold_at_specificity,
)

from .builders import EXACT


def build_readings(seed: int = 0, n: int = 500) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Recorded recalls, scores, cancers, women."""
    rng = np.random.default_rng(seed)
    case = rng.permutation(n) < 50
    recalled = rng.random(n) < np.where(case, 0.7, 0.05)
    return recalled, np.round(rng.normal(size=n) + 1.5 * case, 1), case, rng.integers(0, n // 2, size=n)


YES_NO = np.array([True, True, False, False])


def test_either_of_reader_and_model_or_the_arbitration_where_they_disagree() -> None:
    score = np.array([2.0, 1.0, 2.0, 1.0])
    assert reader_or_model(YES_NO, score, threshold=2.0).tolist() == [True, True, True, False]
    for consensus in (True, False):
        decided = reader_or_model(YES_NO, score, threshold=2.0, arbitration=np.full(4, consensus))
        assert decided.tolist() == [True, consensus, consensus, False]


def test_referral_leaves_the_middle_to_the_reader() -> None:
    recalled = np.array([True, True, False, False, True])
    score = np.array([0.0, 1.0, 1.9, 2.0, 3.0])
    ours = decision_referral(recalled, score, negative_below=1.0, positive_from=2.0)
    assert ours.recalled.tolist() == [False, True, False, True, True]
    assert ours.read.tolist() == [False, True, True, False, False]
    assert ours.share_triaged == pytest.approx(0.6, abs=EXACT)
    untouched = decision_referral(recalled, score, negative_below=-math.inf, positive_from=math.inf)
    assert np.array_equal(untouched.recalled, recalled)
    assert untouched.share_triaged == 0


def test_a_hand_computed_accuracy() -> None:
    # 3 of 4 cancers and 1 of 6 others recalled
    case = np.arange(10) < 4
    recalled = np.isin(np.arange(10), [0, 1, 2, 9])
    ours = accuracy(recalled, case)
    assert ours.predictive_value is not None
    found = [
        e.value
        for e in (
            ours.sensitivity,
            ours.specificity,
            ours.recall_rate,
            ours.detection_rate,
            ours.predictive_value,
        )
    ]
    assert found == pytest.approx([3 / 4, 5 / 6, 4 / 10, 3 / 10, 3 / 4], abs=EXACT)
    assert ours.sensitivity.lower == pytest.approx(wilson_interval(3, 4).lower, abs=EXACT)
    assert accuracy(np.zeros(10, dtype=bool), case).predictive_value is None


def test_change_is_the_difference_of_the_accuracies_and_mcnemars_test() -> None:
    recalled, score, case, _ = build_readings()
    decided = reader_or_model(recalled, score, threshold=2.0)
    before, after = accuracy(recalled, case), accuracy(decided, case)
    ours = accuracy_change(decided, recalled, case)
    for name in ("sensitivity", "specificity", "recall_rate"):
        assert getattr(ours, name).value == pytest.approx(
            getattr(after, name).value - getattr(before, name).value, abs=EXACT
        )
    assert (ours.n_gained, ours.n_lost) == (int((decided & ~recalled & case).sum()), 0)
    assert ours.sensitivity.p_value == pytest.approx(
        mcnemar_test(paired_table(decided[case], recalled[case])).p_value, abs=EXACT
    )
    # A second reader without arbitration adds recalls only.
    assert ours.sensitivity.value > 0 > ours.specificity.value


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_does_not_matter_and_copies_are_weights(seed: int) -> None:
    recalled, score, case, woman = build_readings(seed, n=200)
    decided = decision_referral(recalled, score, negative_below=-0.5, positive_from=2.0).recalled
    order = np.random.default_rng(seed).permutation(200)
    one = accuracy_change(decided, recalled, case, cluster=woman)
    other = accuracy_change(decided[order], recalled[order], case[order], cluster=woman[order])
    copies = np.random.default_rng(seed).integers(1, 3, size=200)
    rows = np.repeat(np.arange(200), copies)
    weighted = accuracy(decided, case, weights=copies.astype(float))
    copied = accuracy(decided[rows], case[rows], cluster=rows)
    for name in ("sensitivity", "specificity", "recall_rate"):
        a, b = getattr(one, name), getattr(other, name)
        assert (a.value, a.lower, a.upper) == pytest.approx((b.value, b.lower, b.upper), abs=EXACT)
        a, b = getattr(weighted, name), getattr(copied, name)
        assert (a.value, a.lower, a.upper) == pytest.approx((b.value, b.lower, b.upper), abs=EXACT)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), target=st.floats(0.01, 0.99), weighted=st.booleans())
def test_thresholds_reach_their_target_and_their_neighbours_do_not(
    seed: int, target: float, weighted: bool
) -> None:
    _, score, case, _ = build_readings(seed, n=120)
    weights = np.random.default_rng(seed).uniform(0.5, 3, size=120) if weighted else np.ones(120)

    def share(marks: np.ndarray, among: np.ndarray) -> float:
        return float(weights[marks & among].sum() / weights[among].sum())

    t = threshold_at_specificity(score, case, specificity=target, weights=weights)
    assert share(score < t, ~case) >= target - EXACT
    lower = score[score < t]
    assert lower.size == 0 or share(score < lower.max(), ~case) < target + EXACT
    t = threshold_at_sensitivity(score, case, sensitivity=target, weights=weights)
    assert share(score >= t, case) >= target - EXACT
    higher = score[case & (score > t)]
    assert higher.size == 0 or share(score >= higher.min(), case) < target + EXACT


def test_a_specificity_beyond_the_ties_lies_above_all_scores() -> None:
    score, case = np.array([0.0, 1.0, 1.0, 1.0]), np.array([False, False, False, True])
    t = threshold_at_specificity(score, case, specificity=0.5)
    assert t > 1.0
    assert not np.any(score >= t)


def test_bad_requests_are_refused() -> None:
    recalled, score, case, _ = build_readings()
    with pytest.raises(InputError, match=r"negative_below <= positive_from, found 2\.0 and 1\.0"):
        decision_referral(recalled, score, negative_below=2.0, positive_from=1.0)
    with pytest.raises(InputError, match="negative_below <= positive_from"):
        decision_referral(recalled, score, negative_below=math.nan, positive_from=1.0)
    with pytest.raises(InputError, match="a finite threshold"):
        reader_or_model(recalled, score, threshold=math.inf)
    with pytest.raises(InputError, match="a finite score"):
        reader_or_model(recalled, np.where(case, np.nan, score), threshold=1.0)
    with pytest.raises(InputError, match=r"a specificity in \(0, 1\)"):
        threshold_at_specificity(score, case, specificity=1.0)
    with pytest.raises(TooFewEventsError, match="a threshold at a sensitivity"):
        threshold_at_sensitivity(score, np.zeros(500, dtype=bool), sensitivity=0.9)
    with pytest.raises(TooFewEventsError) as caught:
        accuracy(recalled, np.arange(500) == 0)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
