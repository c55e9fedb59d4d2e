from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.bootstrap import (
    bootstrap,
    bootstrap_bca,
    bootstrap_columns,
    independent_units,
    percentile_limits,
    resample_seeds,
    unit_multiplicities,
)

from .builders import EXACT, read_reference

REFERENCE = Path(__file__).parents[1] / "reference" / "triage.json"

VALUES = np.random.default_rng(0).normal(size=80)


def weighted_mean(counts: np.ndarray) -> np.ndarray:
    return np.asarray(counts @ VALUES / counts.sum(axis=1))


def test_bootstrap_of_a_mean_has_its_standard_error() -> None:
    ours = bootstrap(weighted_mean, np.arange(80), seed=1, n_resamples=4000)
    # The bootstrap variance of a mean is the plug-in variance over n; relative error 1/√8000
    assert ours.standard_error == pytest.approx(VALUES.std() / np.sqrt(80), rel=0.05)
    assert ours.lower < VALUES.mean() < ours.upper
    assert (ours.n_units, ours.n_undefined) == (80, 0)
    assert np.quantile(ours.replicates, 0.025) == pytest.approx(ours.lower, abs=1e-14)


def test_rows_of_a_unit_are_drawn_together() -> None:
    units = np.repeat(np.arange(20), 4)

    def spread_within_units(counts: np.ndarray) -> np.ndarray:
        return np.ptp(counts.reshape(-1, 20, 4), axis=2).max(axis=1)

    ours = bootstrap(spread_within_units, units, seed=1, n_resamples=50)
    assert np.all(ours.replicates == 0)


def test_every_stratum_keeps_its_number_of_units() -> None:
    strata = np.where(np.arange(80) < 7, "interval", "screen-detected")

    def drawn_interval(counts: np.ndarray) -> np.ndarray:
        return np.asarray(counts[:, :7].sum(axis=1))

    ours = bootstrap(drawn_interval, np.arange(80), seed=1, strata=strata, n_resamples=50)
    assert np.all(ours.replicates == 7)
    loose = bootstrap(drawn_interval, np.arange(80), seed=1, n_resamples=50)
    assert np.ptp(loose.replicates) > 0


def test_same_seed_same_resamples_and_units_may_have_names() -> None:
    names = np.array([f"woman {i:03d}" for i in range(80)], dtype=object)
    one = bootstrap(weighted_mean, np.arange(80), seed=7, n_resamples=30)
    other = bootstrap(weighted_mean, names, seed=np.random.default_rng(7), n_resamples=30)
    assert np.array_equal(one.replicates, other.replicates)
    assert not np.array_equal(
        one.replicates, bootstrap(weighted_mean, names, seed=8, n_resamples=30).replicates
    )


def test_chunks_do_not_change_the_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bootstrap(weighted_mean, np.arange(80), seed=7, n_resamples=33)
    monkeypatch.setattr("forescreen.statistics.bootstrap._CHUNK_ENTRIES", 400)
    parts = bootstrap(weighted_mean, np.arange(80), seed=7, n_resamples=33)
    assert parts.replicates == pytest.approx(whole.replicates, abs=1e-14)
    threaded = bootstrap(weighted_mean, np.arange(80), seed=7, n_resamples=33, threads=2)
    assert np.array_equal(threaded.replicates, parts.replicates)
    # Each resample has its own seed: a shorter run is the beginning of a longer one.
    short = bootstrap(weighted_mean, np.arange(80), seed=7, n_resamples=10)
    assert short.replicates == pytest.approx(whole.replicates[:10], abs=1e-14)


def test_columns_see_the_same_resamples() -> None:
    def both(counts: np.ndarray) -> np.ndarray:
        return np.stack([weighted_mean(counts), 2 * weighted_mean(counts) + 1], axis=1)

    first, second = bootstrap_columns(both, np.arange(80), seed=7, n_resamples=40)
    alone = bootstrap(weighted_mean, np.arange(80), seed=7, n_resamples=40)
    assert np.array_equal(first.replicates, alone.replicates)
    assert (first.lower, first.upper) == (alone.lower, alone.upper)
    assert second.replicates == pytest.approx(2 * alone.replicates + 1, abs=EXACT)
    assert second.standard_error == pytest.approx(2 * alone.standard_error, abs=EXACT)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_multiplicities_do_not_depend_on_the_order_of_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    woman = rng.integers(0, 12, size=30)
    stratum = woman % 3
    order = rng.permutation(30)
    seeds = resample_seeds(seed, 4)
    counts = [
        unit_multiplicities(who, seeds)[:, who.of_row]
        for who in (independent_units(woman, stratum), independent_units(woman[order], stratum[order]))
    ]
    assert np.array_equal(counts[0][:, order], counts[1])
    # Every stratum keeps its number of units.
    who = independent_units(woman, stratum)
    assert who.stratum_sizes == tuple(int(np.unique(woman[stratum == s]).size) for s in np.unique(stratum))
    ends = np.cumsum(who.stratum_sizes)
    sums = [part.sum(axis=1) for part in np.split(unit_multiplicities(who, seeds), ends[:-1], axis=1)]
    assert [set(part.tolist()) for part in sums] == [{n} for n in who.stratum_sizes]


# [Efron1993, §14.2]: 26 children, test A of the spatial data; the quantity is Σ(x − x̄)²/n
SPATIAL_A = np.array(
    [48, 36, 20, 29, 42, 42, 20, 42, 22, 41, 45, 14, 6, 0, 33, 28, 34, 4, 32, 24, 47, 41, 24, 26, 30, 41.0]
)


def plug_in_variance(counts: np.ndarray) -> np.ndarray:
    total = counts.sum(axis=1)
    return np.asarray(counts @ SPATIAL_A**2 / total - (counts @ SPATIAL_A / total) ** 2)


def test_against_r_acceleration_and_the_published_limits_of_a_variance() -> None:
    expected = read_reference(REFERENCE)["values"]["spatial_variance"]
    ours = bootstrap_bca(plug_in_variance, np.arange(26), seed=1, n_resamples=4000, level=0.9)
    assert ours.value == pytest.approx(expected["value"], abs=EXACT)
    assert ours.acceleration == pytest.approx(expected["acceleration"], abs=EXACT)
    assert round(ours.acceleration, 3) == expected["acceleration_printed"]
    # Two bootstraps of thousands of resamples each: their ends differ by a few units
    assert (ours.lower, ours.upper) == pytest.approx(expected["bca_90_printed"], abs=6.0)
    assert ours.method == "BCa"


def test_bca_limits_are_the_corrected_quantiles_of_the_replicates() -> None:
    ours = bootstrap_bca(plug_in_variance, np.arange(26), seed=2, n_resamples=500)
    plain = bootstrap(plug_in_variance, np.arange(26), seed=2, n_resamples=500)
    assert np.array_equal(ours.replicates, plain.replicates)
    z0 = special.ndtri(np.mean(ours.replicates < ours.value))
    assert ours.bias == pytest.approx(z0, abs=EXACT)
    z = z0 + special.ndtri([0.025, 0.975])
    places = special.ndtr(z0 + z / (1 - ours.acceleration * z))
    assert (ours.lower, ours.upper) == pytest.approx(np.quantile(ours.replicates, places), abs=EXACT)
    assert ours.lower > plain.lower  # the plug-in variance is biased downwards
    assert ours.upper > plain.upper


def test_acceleration_of_a_mean_and_of_a_difference_of_two_means() -> None:
    # Influence x − x̄: skewness/(6 √n); of two samples Σ(d/n)³/(6 (Σ(d/n)²)^1.5), the second with its sign
    values = np.random.default_rng(3).exponential(size=80)
    first = np.arange(80) < 30

    def mean(counts: np.ndarray) -> np.ndarray:
        return np.asarray(counts @ values / counts.sum(axis=1))

    def difference(counts: np.ndarray) -> np.ndarray:
        a, b = counts * first, counts * ~first
        return np.asarray(a @ values / a.sum(axis=1) - b @ values / b.sum(axis=1))

    d = values - values.mean()
    assert bootstrap_bca(mean, np.arange(80), seed=1, n_resamples=100).acceleration == pytest.approx(
        np.sum(d**3) / (6 * np.sum(d**2) ** 1.5), abs=EXACT
    )
    d = np.where(first, (values - values[first].mean()) / 30, -(values - values[~first].mean()) / 50)
    ours = bootstrap_bca(difference, np.arange(80), strata=first, seed=1, n_resamples=100)
    assert ours.acceleration == pytest.approx(np.sum(d**3) / (6 * np.sum(d**2) ** 1.5), abs=EXACT)


def test_groups_of_units_give_the_acceleration_of_single_units(monkeypatch: pytest.MonkeyPatch) -> None:
    # Skewed values, so that a is far from 0; groups sum influences, and estimate the same a with noise
    values = np.random.default_rng(3).exponential(size=400) ** 2

    def mean(counts: np.ndarray) -> np.ndarray:
        return np.asarray(counts @ values / counts.sum(axis=1))

    single = bootstrap_bca(mean, np.arange(400), seed=1, n_resamples=100).acceleration
    monkeypatch.setattr("forescreen.statistics.bootstrap._JACKKNIFE_GROUPS", 150)
    grouped = bootstrap_bca(mean, np.arange(400), seed=1, n_resamples=100).acceleration
    assert single > 0.02
    assert grouped == pytest.approx(single, rel=0.25)
    assert grouped != single


def test_bca_of_a_statistic_beyond_its_replicates_is_refused() -> None:
    def mean_of_extremes(counts: np.ndarray) -> np.ndarray:
        present = np.where(counts > 0, VALUES, -np.inf)
        return np.asarray(present.max(axis=1) + (counts.max(axis=1) <= 1))

    with pytest.raises(InputError, match="replicates on both sides of the value, found 100 % below"):
        bootstrap_bca(mean_of_extremes, np.arange(80), seed=1, n_resamples=50)

    def undefined_without_row_0(counts: np.ndarray) -> np.ndarray:
        return np.where((counts[:, 0] > 0) | (counts.max(axis=1) > 1.5), weighted_mean(counts), np.nan)

    with pytest.raises(InputError, match="1 units without which it is not"):
        bootstrap_bca(undefined_without_row_0, np.arange(80), seed=1, n_resamples=50)


def test_percentiles_leave_out_what_is_undefined() -> None:
    replicates = np.append(np.arange(99.0), np.nan)
    lower, upper, spread = percentile_limits(replicates, 0.9)
    assert (lower, upper) == pytest.approx((4.9, 93.1), abs=EXACT)
    assert spread == pytest.approx(np.std(np.arange(99), ddof=1), abs=EXACT)
    with pytest.raises(InputError, match="a confidence level"):
        percentile_limits(replicates, 1.0)


def test_a_statistic_that_is_often_undefined_is_refused() -> None:
    def undefined_without_row_0(counts: np.ndarray) -> np.ndarray:
        return np.where(counts[:, 0] > 0, 1.0, np.nan)

    with pytest.raises(TooFewEventsError, match="resamples in which the statistic is defined"):
        bootstrap(undefined_without_row_0, np.arange(80), seed=1, n_resamples=100)


def test_a_unit_in_two_strata_and_a_single_unit_are_refused() -> None:
    with pytest.raises(InputError, match="one stratum per unit"):
        bootstrap(weighted_mean, np.arange(80) // 2, seed=1, strata=np.arange(80) % 2)
    with pytest.raises(TooFewEventsError, match="units"):
        bootstrap(weighted_mean, np.zeros(80, dtype=int), seed=1)
    with pytest.raises(InputError, match="2 resamples"):
        bootstrap(weighted_mean, np.arange(80), seed=1, n_resamples=1)
    with pytest.raises(InputError, match="at least one thread"):
        bootstrap(weighted_mean, np.arange(80), seed=1, n_resamples=5, threads=0)
