from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.clustered_proportions import clustered_difference, clustered_proportion
from forescreen.statistics.paired_proportions import paired_difference, paired_table
from forescreen.statistics.proportions import proportion, wilson_interval

from .builders import EXACT

seeds = st.integers(0, 10_000)


def build_answers(seed: int = 0, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two yes/no answers, the rows that count, and women with one to several rows."""
    rng = np.random.default_rng(seed)
    woman = rng.integers(0, n // 2, size=n)
    liking = rng.normal(size=n // 2)[woman]
    a, b = liking + rng.normal(size=n) > 0.5, liking + rng.normal(size=n) > 0.8
    return a, b, rng.random(n) < 0.7, woman


def test_independent_rows_give_plain_wilson() -> None:
    a, _, among, _ = build_answers()
    plain = proportion(int(a[among].sum()), int(among.sum()))
    for weights, cluster in ((None, None), (np.full(120, 3.0), None), (None, np.arange(120))):
        ours = clustered_proportion(a, among=among, quantity="recall", weights=weights, cluster=cluster)
        assert (ours.value, ours.lower, ours.upper) == (plain.value, plain.lower, plain.upper)
        assert ours.method == "recall, Wilson"


def test_variance_by_woman_is_that_of_a_ratio_of_sums() -> None:
    # m/(m − 1) Σ (y_u − p n_u)²/n², woman by woman
    a, _, among, woman = build_answers()
    ours = clustered_proportion(a, among=among, quantity="recall", cluster=woman)
    p, n, m = a[among].mean(), among.sum(), np.unique(woman[among]).size
    squares = sum(
        (a[among & (woman == u)].sum() - p * (among & (woman == u)).sum()) ** 2
        for u in np.unique(woman[among])
    )
    variance = m / (m - 1) * squares / n**2
    assert ours.standard_error**2 == pytest.approx(variance, abs=EXACT)
    effective = p * (1 - p) / variance
    wilson = wilson_interval(p * effective, effective)
    assert (ours.lower, ours.upper) == pytest.approx((wilson.lower, wilson.upper), abs=EXACT)
    assert (ours.n, ours.n_events) == (m, int(a[among].sum()))


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_copies_of_a_woman_add_nothing_and_weights_are_copies(seed: int) -> None:
    a, b, among, _ = build_answers(seed, n=40)
    woman = np.arange(40)
    copies = np.random.default_rng(seed).integers(1, 4, size=40)
    rows = np.repeat(woman, copies)
    weighted = clustered_proportion(a, among=among, quantity="x", weights=copies.astype(float))
    copied = clustered_proportion(a[rows], among=among[rows], quantity="x", cluster=rows)
    assert (weighted.value, weighted.lower, weighted.upper) == pytest.approx(
        (copied.value, copied.lower, copied.upper), abs=EXACT
    )
    one = clustered_difference(a, b, among=among, quantity="x", weights=copies.astype(float))
    other = clustered_difference(a[rows], b[rows], among=among[rows], quantity="x", cluster=rows)
    assert (one.value, one.standard_error) == pytest.approx((other.value, other.standard_error), abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_no_and_yes_mirror_each_other(seed: int) -> None:
    a, b, among, woman = build_answers(seed)
    yes = clustered_proportion(a, among=among, quantity="x", cluster=woman)
    no = clustered_proportion(~a, among=among, quantity="x", cluster=woman)
    assert (no.value, no.lower, no.upper) == pytest.approx(
        (1 - yes.value, 1 - yes.upper, 1 - yes.lower), abs=EXACT
    )
    there = clustered_difference(a, b, among=among, quantity="x", cluster=woman)
    back = clustered_difference(b, a, among=among, quantity="x", cluster=woman)
    assert (back.value, back.lower, back.p_value) == pytest.approx(
        (-there.value, -there.upper, there.p_value), abs=EXACT
    )


def test_no_success_counts_women_not_rows() -> None:
    none = np.zeros(60, dtype=bool)
    ours = clustered_proportion(none, among=~none, quantity="x", cluster=np.arange(60) // 3)
    expected = wilson_interval(0, 20)
    assert (ours.value, ours.lower) == (0.0, 0.0)
    assert ours.upper == pytest.approx(expected.upper, abs=EXACT)


def test_shares_of_tied_rows_count_in_part() -> None:
    part = np.array([1.0, 0.5, 0.5, 0.0])
    ours = clustered_proportion(part, among=np.ones(4, dtype=bool), quantity="x")
    assert ours.value == pytest.approx(0.5, abs=EXACT)
    assert ours.lower == pytest.approx(wilson_interval(2, 4).lower, abs=EXACT)


def test_differences_of_independent_rows_are_tangos() -> None:
    a, b, among, _ = build_answers()
    tango = paired_difference(paired_table(a[among], b[among]))
    ours = clustered_difference(a, b, among=among, quantity="x")
    assert (ours.value, ours.lower, ours.upper, ours.p_value) == (
        tango.value,
        tango.lower,
        tango.upper,
        tango.p_value,
    )


def test_clustered_difference_is_the_mean_difference_with_walds_interval() -> None:
    a, b, among, woman = build_answers()
    ours = clustered_difference(a, b, among=among, quantity="x", cluster=woman)
    apart = (a.astype(float) - b)[among]
    assert ours.value == pytest.approx(apart.mean(), abs=EXACT)
    by_woman = np.bincount(woman[among], weights=apart - apart.mean(), minlength=60)
    m = np.unique(woman[among]).size
    assert ours.standard_error == pytest.approx(
        math.sqrt(m / (m - 1) * np.sum(by_woman**2)) / among.sum(), abs=EXACT
    )
    assert ours.upper - ours.value == pytest.approx(1.959963984540054 * ours.standard_error, abs=EXACT)


def test_answers_that_agree_keep_an_interval() -> None:
    a, _, among, woman = build_answers()
    ours = clustered_difference(a, a, among=among, quantity="x", cluster=woman)
    assert (ours.value, ours.p_value) == (0.0, 1.0)
    assert ours.lower < 0 < ours.upper


def test_nothing_to_count_and_impossible_shares_are_refused() -> None:
    a, b, among, _ = build_answers()
    with pytest.raises(TooFewEventsError, match="at least 1 events for recall"):
        clustered_proportion(a, among=np.zeros(120, dtype=bool), quantity="recall")
    with pytest.raises(TooFewEventsError, match="at least 1 events for recall"):
        clustered_difference(a, b, among=np.zeros(120, dtype=bool), quantity="recall")
    with pytest.raises(TooFewEventsError, match="women") as caught:
        clustered_proportion(a, among=among, quantity="recall", cluster=np.zeros(120, dtype=int))
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(InputError, match=r"shares in \[0, 1\]"):
        clustered_proportion(np.full(120, 1.5), among=among, quantity="recall")
