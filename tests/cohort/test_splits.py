from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.cohort.splits import components, split_members
from forescreen.errors import CohortError, TooFewEventsError


def split(
    unit: Any, woman: Any, kind: Any, *, held_out: float = 0.26, n_folds: int = 5, seed: int = 1
) -> Any:
    kind = np.asarray(kind, dtype=object)
    return split_members(
        np.asarray(unit),
        np.asarray(woman),
        kind=kind,
        events=sorted({name for name in kind if name != "none"}),
        held_out=held_out,
        n_folds=n_folds,
        generator=np.random.default_rng(seed),
    )


def test_sets_that_share_a_woman_are_one_component() -> None:
    # Sets 0 and 2 share woman 5, sets 2 and 3 share woman 8.
    found = components(np.array([0, 0, 1, 1, 2, 2, 3, 3]), np.array([1, 5, 2, 6, 5, 8, 8, 9]))
    assert len(set(found[[0, 1, 4, 5, 6, 7]])) == 1
    assert len(set(found)) == 2


@settings(max_examples=40, deadline=None)
@given(
    n_sets=st.integers(60, 120),
    n_women=st.integers(1500, 9000),
    held_out=st.sampled_from([0.0, 0.26, 0.5]),
    seed=st.integers(0, 10**6),
)
def test_no_set_and_no_woman_is_split(n_sets: int, n_women: int, held_out: float, seed: int) -> None:
    generator = np.random.default_rng(seed)
    unit = np.repeat(np.arange(n_sets), 3)
    woman = generator.integers(0, n_women, len(unit))
    kind = np.repeat(np.where(np.arange(n_sets) % 4 == 0, "interval", "screen-detected"), 3)
    found = split(unit, woman, kind, held_out=held_out, n_folds=3, seed=seed)
    for group in (unit, woman):
        for value in np.unique(group):
            assert len(np.unique(found.fold[group == value])) == 1
    assert ((found.fold == -1) == (found.split == "held-out")).all()
    assert (held_out > 0) == (found.fold == -1).any()


@pytest.mark.parametrize(("n_interval", "n_screen"), [(351, 1609), (20, 30), (7, 500)])
def test_each_type_has_its_share_in_the_held_out_part_and_in_each_fold(
    n_interval: int, n_screen: int
) -> None:
    n = n_interval + n_screen
    kind = np.array(["interval"] * n_interval + ["screen-detected"] * n_screen, dtype=object)
    found = split(np.arange(n), np.arange(n), kind)
    for name, size in (("interval", n_interval), ("screen-detected", n_screen)):
        own = found.fold[kind == name]
        assert abs((own == -1).sum() - 0.26 * size) <= 0.5 + 1e-9
        in_fold = np.bincount(own[own >= 0], minlength=5)
        assert in_fold.max() - in_fold.min() <= 1


def test_without_a_held_out_part_all_is_cross_validated() -> None:
    found = split(np.arange(50), np.arange(50), ["interval"] * 50, held_out=0.0)
    assert set(found.split) == {"development"}
    assert set(found.fold) == set(range(5))


@pytest.mark.parametrize(("n", "held_out", "needed"), [(4, 0.0, 5), (6, 0.26, 7), (1, 0.26, 7)])
def test_too_few_events_are_told_with_their_number(n: int, held_out: float, needed: int) -> None:
    kind = ["interval"] * n + ["none"] * 100
    with pytest.raises(TooFewEventsError, match=r"interval in .*each of 5 folds") as caught:
        split(np.arange(n + 100), np.arange(n + 100), kind, held_out=held_out)
    assert (caught.value.n_found, caught.value.n_needed) == (n, needed)
    enough = ["interval"] * needed + ["none"] * 100
    split(np.arange(needed + 100), np.arange(needed + 100), enough, held_out=held_out)


def test_sets_that_all_share_a_woman_cannot_be_split_and_it_says_why() -> None:
    with pytest.raises(CohortError, match="50 sets that share women and so make 1 groups"):
        split(np.repeat(np.arange(50), 2), np.tile([0, 1], 50), ["interval"] * 100)


def test_the_same_seed_gives_the_same_split_and_another_another() -> None:
    arguments = (np.arange(100), np.arange(100), ["interval"] * 100)
    first, again, other = split(*arguments), split(*arguments), split(*arguments, seed=2)
    assert (first.fold == again.fold).all()
    assert (first.fold != other.fold).any()
