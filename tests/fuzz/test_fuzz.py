"""A quick slice of `make fuzz`, in this process; the whole of it runs in processes that may die."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import corpus
from .mutations import MUTATIONS, Mutant, mutant
from .verdict import judge_object

#: The slice: other objects than the first of the recorded run.
SEED, COUNT = 20261125, 600


@pytest.mark.parametrize("seed", corpus(), ids=lambda seed: seed.name)
def test_every_seed_is_accepted_as_it_is(seed: object, tmp_path: Path) -> None:
    whole = Mutant(seed.name, "none", seed.content)  # type: ignore[attr-defined]
    assert judge_object(whole, tmp_path).kind == "accepted", judge_object(whole, tmp_path)


def test_no_mutant_of_the_slice_crashes_or_is_wrongly_accepted(tmp_path: Path) -> None:
    bad = []
    kinds = set()
    for number in range(COUNT):
        made = mutant(SEED, number)
        verdict = judge_object(made, tmp_path)
        kinds.add(verdict.kind)
        if verdict.kind not in ("accepted", "refused"):
            bad.append((number, made.seed, made.mutation, verdict))
    assert not bad
    assert kinds == {"accepted", "refused"}


def test_the_same_numbers_give_the_same_object() -> None:
    assert [mutant(3, i) for i in range(40)] == [mutant(3, i) for i in range(40)]
    assert len({mutant(3, i).content for i in range(40)}) > 35


def test_an_object_that_lies_must_be_refused_and_the_judge_sees_when_it_is_not(tmp_path: Path) -> None:
    whole = corpus()[1]
    assert judge_object(Mutant(whole.name, "lie", whole.content, must_refuse=True), tmp_path).kind == "wrong"


def test_every_mutation_says_what_it_does() -> None:
    assert all(function.__doc__ for function, _ in MUTATIONS.values())
