from __future__ import annotations

import numpy as np
import pytest

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.bootstrap import bootstrap

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
