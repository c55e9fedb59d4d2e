"""Members and store to arrays and batches; splits that leak are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import CohortError
from forescreen.training.dataset import StudyImages, read_rows, store_fingerprint
from forescreen.training.sampling import epoch_batches

from .builders import FakeStudy, build_study

LARGE = 10**9


@pytest.fixture(scope="module")
def study() -> FakeStudy:
    return build_study(12, 1, rows=24, columns=16, missing_share=0.2, held_out_share=0.25)


def test_pixels_come_back_as_stored_whether_in_memory_or_read_when_needed(study: FakeStudy) -> None:
    rows = read_rows(study.members)
    kept = StudyImages(study.store, rows.exam_ids, budget_bytes=LARGE)
    read = StudyImages(study.store, rows.exam_ids, budget_bytes=0)
    assert kept.in_memory
    assert not read.in_memory
    some = np.array([3, 0, 7])
    for images in (kept, read):
        pixels, present = images.load(some)
        stored = study.store.pixels[some].astype(np.float32) / 65535
        assert np.array_equal(pixels.numpy(), stored)
        assert np.array_equal(present.numpy(), study.store.present[some])


def test_batches_read_ahead_come_in_order_and_whole(study: FakeStudy) -> None:
    rows = read_rows(study.members)
    images = StudyImages(study.store, rows.exam_ids, budget_bytes=0)
    plan = epoch_batches(rows, np.flatnonzero(rows.fold >= 0), sets_per_batch=2, seed=1, epoch=0)
    found = list(images.batches(rows, plan))
    assert [b.rows.tolist() for b in found] == [p.tolist() for p in plan]
    for batch in found:
        assert np.array_equal(batch.images.numpy(), images.load(rows.exam[batch.rows])[0].numpy())


def test_exams_that_a_run_must_not_see_are_never_read(study: FakeStudy) -> None:
    rows = read_rows(study.members)
    development = sorted(set(rows.exam[rows.fold >= 0].tolist()))
    study.store.reads.clear()
    images = StudyImages(study.store, rows.exam_ids, budget_bytes=LARGE, only=development)
    held_out = set(study.members.loc[study.members["split"] == "held-out", "exam_id"])
    assert held_out
    assert not held_out & set(study.store.reads)
    with pytest.raises(IndexError, match="must not see"):
        images.load(np.flatnonzero(~np.isin(np.arange(len(rows.exam_ids)), development))[:1])


def spoil(study: FakeStudy, column: str, row: int, value: object) -> pd.DataFrame:
    members = study.members.copy()
    members.loc[row, column] = value
    return members


def test_a_woman_or_a_set_on_both_sides_of_a_split_is_refused(study: FakeStudy) -> None:
    first = study.members.iloc[0]
    other = int(study.members.index[study.members["split"] != first["split"]][0])
    with pytest.raises(CohortError, match="every woman_id within one fold, found 1"):
        read_rows(spoil(study, "woman_id", other, first["woman_id"]))
    with pytest.raises(CohortError, match="every set_id within one fold, found 1"):
        read_rows(spoil(study, "set_id", other, first["set_id"]))


def test_wrong_tables_are_refused_with_what_is_wrong(study: FakeStudy) -> None:
    with pytest.raises(CohortError, match="no column fold"):
        read_rows(study.members.drop(columns="fold"))
    with pytest.raises(CohortError, match="found benign"):
        read_rows(spoil(study, "outcome", 0, "benign"))
    last = int(study.members.index[study.members["split"] == "development"][0])
    with pytest.raises(CohortError, match="1 rows without one"):
        read_rows(spoil(study, "fold", last, pd.NA))
    with pytest.raises(CohortError, match="1 rows without a set"):
        read_rows(spoil(study, "set_id", 0, ""))
    rows = read_rows(spoil(study, "exam_id", 0, "e999999"))
    with pytest.raises(CohortError, match="1 exams without"):
        StudyImages(study.store, rows.exam_ids, budget_bytes=LARGE)


def test_every_batch_holds_whole_sets_and_every_row_comes_once() -> None:
    rows = read_rows(build_study(40, 3, rows=8, columns=8).members)
    wanted = np.flatnonzero(rows.fold != 1)
    batches = epoch_batches(rows, wanted, sets_per_batch=8, seed=5, epoch=2)
    assert sorted(np.concatenate(batches).tolist()) == wanted.tolist()
    for batch in batches:
        for label in np.unique(rows.set_index[batch]):
            assert (rows.set_index[batch] == label).sum() == 3
    interval = [int((rows.outcome[batch] == 2).sum()) for batch in batches]
    assert max(interval) - min(interval) <= 1


def test_epochs_differ_and_repeat_themselves() -> None:
    rows = read_rows(build_study(20, 3, rows=8, columns=8).members)
    wanted = np.arange(len(rows.exam))

    def order(epoch: int) -> list[int]:
        batches = epoch_batches(rows, wanted, sets_per_batch=4, seed=5, epoch=epoch)
        return np.concatenate(batches).tolist()

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_unmatched_exams_are_dealt_with_their_share_of_cases() -> None:
    members = build_study(30, 3, rows=8, columns=8).members.assign(set_id="")
    rows = read_rows(members)
    assert not rows.matched
    batches = epoch_batches(rows, np.arange(90), sets_per_batch=10, seed=0, epoch=0)
    cases = [int((rows.outcome[batch] > 0).sum()) for batch in batches]
    assert sum(cases) == 30
    assert max(cases) - min(cases) <= 2


def test_another_image_is_another_store(study: FakeStudy) -> None:
    other = build_study(12, 1, rows=24, columns=16, missing_share=0.3, held_out_share=0.25)
    assert store_fingerprint(study.store) != store_fingerprint(other.store)
