from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.statistics.ordered_pairs import earlier_events, pair_sums

from .builders import EXACT


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 40), decimals=st.integers(0, 3))
def test_sums_equal_the_comparison_of_all_pairs(seed: int, n: int, decimals: int) -> None:
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=n), decimals)
    time = np.round(rng.uniform(0, 3, size=n), decimals)
    event = rng.uniform(size=n) < 0.6
    counted = event & (rng.uniform(size=n) < 0.8)
    row_weights, event_weights = rng.uniform(0.5, 2, size=(2, n))
    if not counted.any():
        return
    ours = pair_sums(
        score, time, event, counted=counted, row_weights=row_weights, event_weights=event_weights
    )
    longer = (time[None, :] > time[:, None]) | ((time[None, :] == time[:, None]) & ~event[None, :])
    pairs = longer & counted[:, None]
    above, tied = score[:, None] > score[None, :], score[:, None] == score[None, :]
    rows = ours.event_rows
    assert np.array_equal(np.sort(rows), np.flatnonzero(counted))
    for mark, as_event, as_later in (
        (above, ours.as_event_concordant, ours.as_later_concordant),
        (tied, ours.as_event_tied, ours.as_later_tied),
        (np.ones((n, n), dtype=bool), ours.as_event_all, ours.as_later_all),
    ):
        assert as_event == pytest.approx(((pairs & mark) @ row_weights)[rows], abs=EXACT)
        assert as_later == pytest.approx(event_weights @ (pairs & mark), abs=EXACT)


def test_a_row_censored_at_the_time_of_an_event_was_watched_for_longer() -> None:
    time, event = np.array([1.0, 1.0, 1.0, 2.0]), np.array([True, True, False, True])
    assert earlier_events(time, event, time[event]).tolist() == [0, 0, 2, 2]
