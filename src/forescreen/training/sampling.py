"""Which rows train together: whole matched sets, every batch with its share of each case type.

Deterministic by seed and epoch, and independent of the order of rows within a set.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from .dataset import StudyRows


def epoch_batches(
    study: StudyRows,
    rows: Int[np.ndarray, " row"],
    *,
    sets_per_batch: int,
    seed: int,
    epoch: int,
) -> list[Int[np.ndarray, " row"]]:
    """Batches that hold each of `rows` once, in an order of their own for every epoch.

    Matched: a batch has about `sets_per_batch` sets. Unmatched: as many exams as hold that many cases
    on average, but at most 96. Case types are dealt evenly over the batches.
    """
    rng = np.random.default_rng([seed, epoch, 7])
    labels, unit = np.unique(study.set_index[rows], return_inverse=True)
    n_units = len(labels)
    kind = np.zeros(n_units, np.int64)
    np.maximum.at(kind, unit, study.outcome[rows])  # the case's mode; 0 for a lone control
    if study.matched:
        per_batch = sets_per_batch
    else:
        n_cases = max(1, int((kind > 0).sum()))
        per_batch = min(96, max(4, round(sets_per_batch * n_units / n_cases)))
    n_batches = max(1, round(n_units / per_batch))
    # Deal shuffled units of each kind in turn, starting where the kind before stopped.
    batch_of = np.empty(n_units, np.int64)
    shuffled = np.concatenate([rng.permutation(np.flatnonzero(kind == k)) for k in np.unique(kind)])
    batch_of[shuffled] = np.arange(n_units) % n_batches
    by_unit = np.argsort(unit, kind="stable")
    starts = np.searchsorted(unit[by_unit], np.arange(n_units + 1))
    batches = []
    for batch in rng.permutation(n_batches):
        units = rng.permutation(np.flatnonzero(batch_of == batch))
        batches.append(np.concatenate([rows[by_unit[starts[u] : starts[u + 1]]] for u in units]))
    return batches
