"""Pairs of an event and a row watched for longer, compared by score: the sums behind concordance indices.

In: score, time, event marks, weights of rows and of events. Out: `PairSums`: for every row, the weight of its
partners of lower, higher and the same score. A pair is an event at T_i and a row with T_j > T_i, or T_j = T_i
without event. Such pairs are prefixes of the events in order of time: a prefix is cut into blocks of powers
of two, in which the events are sorted by score, so that all pairs are summed in O((n + events) log² events).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int


@dataclass(frozen=True, kw_only=True, eq=False)
class PairSums:
    """Summed weights of the partners of each row, by score.

    `as_event` concern the rows with a counted event and their later partners (sums of row weights),
    `as_later` any row and the events before it (sums of event weights). `concordant` is where the earlier
    event scores higher.
    """

    as_event_concordant: Float[np.ndarray, "event"]
    as_event_tied: Float[np.ndarray, "event"]
    as_event_all: Float[np.ndarray, "event"]
    as_later_concordant: Float[np.ndarray, "row"]
    as_later_tied: Float[np.ndarray, "row"]
    as_later_all: Float[np.ndarray, "row"]
    event_rows: Int[np.ndarray, "event"]  # rows of the counted events, in order of time


def earlier_events(
    time: Float[np.ndarray, "row"], event: Bool[np.ndarray, "row"], event_time: Float[np.ndarray, "event"]
) -> Int[np.ndarray, "row"]:
    """Number of the events (ascending times) that a row was watched for longer than."""
    return np.where(
        event,
        np.searchsorted(event_time, time, side="left"),
        np.searchsorted(event_time, time, side="right"),
    )


def pair_sums(
    score: Float[np.ndarray, "row"],
    time: Float[np.ndarray, "row"],
    event: Bool[np.ndarray, "row"],
    *,
    counted: Bool[np.ndarray, "row"],
    row_weights: Float[np.ndarray, "row"],
    event_weights: Float[np.ndarray, "row"],
) -> PairSums:
    """Sums over all pairs of a `counted` event and a later row; every counted row has an event."""
    event_rows = np.flatnonzero(counted)
    event_rows = event_rows[np.argsort(time[event_rows], kind="stable")]
    n_events = event_rows.size
    n_before = earlier_events(time, event, time[event_rows])
    rank = np.unique(score, return_inverse=True)[1].astype(np.int64)
    weight = event_weights[event_rows]

    # Rows in order of score: what is looked up block by block then lies close together.
    by_rank = np.argsort(rank, kind="stable")
    row_rank, row_before, row_weight = rank[by_rank], n_before[by_rank], row_weights[by_rank]
    later = np.zeros((2, score.size))
    own = np.zeros((2, n_events))
    beyond = int(row_rank[-1]) + 1
    for level in range(n_events.bit_length()):
        size = 1 << level
        n_blocks = -(-n_events // size)
        block_rank = np.full(n_blocks * size, beyond, dtype=np.int64)
        block_rank[:n_events] = rank[event_rows]
        order = np.argsort(block_rank.reshape(n_blocks, size), axis=1, kind="stable")
        place = (order + size * np.arange(n_blocks)[:, None]).ravel()
        block = np.repeat(np.arange(n_blocks), size)
        key = block_rank[place] + block * (beyond + 1)
        filled = place < n_events
        ladder = np.zeros(key.size)
        ladder[filled] = weight[place[filled]]
        ladder = np.cumsum(ladder.reshape(n_blocks, size), axis=1)
        ladder = np.concatenate([np.zeros((n_blocks, 1)), ladder], axis=1)

        using = np.flatnonzero(row_before & size)
        used_block = (row_before[using] >> (level + 1)) << 1
        sought = row_rank[using] + used_block * (beyond + 1)
        # Slots of a block: 0 … size, how many of its events are below (or not above) the row.
        low = np.searchsorted(key, sought, side="left") - used_block * size
        high = np.searchsorted(key, sought, side="right") - used_block * size
        below, up_to, total = ladder[used_block, low], ladder[used_block, high], ladder[used_block, -1]
        later[0, using] += total - up_to
        later[1, using] += up_to - below

        slots = n_blocks * (size + 1)
        entered = used_block * (size + 1)
        w = row_weight[using]
        from_high = np.bincount(entered + high, weights=w, minlength=slots).reshape(n_blocks, size + 1)
        from_low = np.bincount(entered + low, weights=w, minlength=slots).reshape(n_blocks, size + 1)
        strictly = np.cumsum(from_high, axis=1)[:, :size].ravel()
        at_most = np.cumsum(from_low, axis=1)[:, :size].ravel()
        own[0, place[filled]] += strictly[filled]
        own[1, place[filled]] += (at_most - strictly)[filled]

    as_later = np.empty_like(later)
    as_later[:, by_rank] = later
    all_before = np.concatenate([[0.0], np.cumsum(weight)])
    rows_by_count = np.bincount(n_before, weights=row_weights, minlength=n_events + 1)
    all_later = np.cumsum(rows_by_count[::-1])[::-1]
    return PairSums(
        as_event_concordant=own[0],
        as_event_tied=own[1],
        as_event_all=all_later[1:],
        as_later_concordant=as_later[0],
        as_later_tied=as_later[1],
        as_later_all=all_before[n_before],
        event_rows=event_rows,
    )
