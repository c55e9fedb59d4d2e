from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import InputError, InterruptedStageError
from forescreen.files import read_json, write_json
from forescreen.images.geometry import Geometry
from forescreen.images.prepare import prepare, prepare_mammogram
from forescreen.images.store import Store, StoredView, StoreWriter
from forescreen.records import Exam, Refusal

from .builders import build_exam

SMALL = Geometry(32, 26, 8.0)


def build_rows(exam: Exam) -> list[tuple[StoredView, np.ndarray]]:
    rows = []
    for mammogram in exam.mammograms:
        view = prepare_mammogram(mammogram, SMALL)
        row = StoredView(
            woman_id=exam.woman_id, exam_id=exam.exam_id, exam_date="", laterality=mammogram.laterality,
            view=mammogram.view, row_spacing_mm=None, flipped=view.flipped,
            laterality_agrees=view.orientation.agrees, flags="", profile="forescreen-v1", voi="",
            manufacturer="", model="", transfer_syntax="", photometric="",
            spacing_source="", source_sha256="", file="a.dcm",
        )  # fmt: skip
        rows.append((row, view.pixels))
    return rows


def build_store(folder: Path, exams: list[Exam]) -> Store:
    writer = StoreWriter(folder, SMALL, plan={"source": "test"})
    for shard, exam in enumerate(exams):
        writer.write(shard, build_rows(exam), [])
    writer.finish(len(exams), [Refusal(file="b.dcm", code="not_dicom", codes=("not_dicom",), message="no")])
    return Store.open(folder)


def test_a_stored_exam_equals_the_prepared_exam_to_the_last_bit(tmp_path: Path) -> None:
    exams = [build_exam(exam_id="e1"), build_exam(exam_id="e2", views=("RCC", "LMLO"))]
    store = build_store(tmp_path, exams)
    assert store.exam_ids == ("e1", "e2")
    assert len(store) == 6
    for exam in exams:
        stored, fresh = store.exam(exam.exam_id), prepare(exam, SMALL)
        assert np.array_equal(stored.images, fresh.images)
        assert np.array_equal(stored.present, fresh.present)
        assert (stored.woman_id, stored.spacing_mm) == ("w1", 8.0)
    assert store.rows("e2").tolist() == [-1, 5, 4, -1]


def test_views_are_read_from_the_file_and_cannot_be_changed(tmp_path: Path) -> None:
    store = build_store(tmp_path, [build_exam()])
    view = store.view(2)
    assert view.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        view[0, 0] = 1


def test_a_store_travels_to_worker_processes(tmp_path: Path) -> None:
    store = build_store(tmp_path, [build_exam()])
    other = pickle.loads(pickle.dumps(store))
    assert np.array_equal(other.view(0), store.view(0))


def test_the_manifest_and_the_refusals_say_what_lies_there(tmp_path: Path) -> None:
    store = build_store(tmp_path, [build_exam()])
    assert store.manifest["laterality_agrees"].tolist() == [True] * 4
    assert store.manifest["index"].tolist() == [0, 1, 2, 3]
    refused = pd.read_csv(tmp_path / "refused.csv")
    assert refused.to_dict("records") == [
        {"file": "b.dcm", "code": "not_dicom", "codes": "not_dicom", "message": "no"}
    ]
    about = read_json(tmp_path / "geometry.json")
    assert (about["rows"], about["columns"], about["spacing_mm"]) == (32, 26, 8.0)
    assert (about["n_stored"], about["n_refused"]) == (4, 1)


def test_a_folder_of_another_plan_is_not_overwritten(tmp_path: Path) -> None:
    build_store(tmp_path, [build_exam()])
    with pytest.raises(InterruptedStageError, match="made from other images or settings"):
        StoreWriter(tmp_path, SMALL, plan={"source": "another"})


def test_an_unfinished_store_is_not_opened(tmp_path: Path) -> None:
    writer = StoreWriter(tmp_path, SMALL, plan={})
    writer.write(0, build_rows(build_exam()), [])
    with pytest.raises(InputError, match="expected a finished image store"):
        Store.open(tmp_path)
    with pytest.raises(InputError, match="found none"):
        Store.open(tmp_path / "nowhere")


def test_a_store_of_another_format_is_refused(tmp_path: Path) -> None:
    build_store(tmp_path, [build_exam()])
    about = read_json(tmp_path / "geometry.json")
    write_json(tmp_path / "geometry.json", about | {"format": 99})
    with pytest.raises(InputError, match="expected an image store of format 1, found format 99"):
        Store.open(tmp_path)


def test_an_exam_that_is_not_stored_is_named_by_remedy_only(tmp_path: Path) -> None:
    store = build_store(tmp_path, [build_exam()])
    with pytest.raises(InputError, match="without stored mammograms") as caught:
        store.rows("secret-number")
    assert "secret" not in str(caught.value)


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "pixels-00000.npy.77.partial").write_bytes(b"half")
    StoreWriter(tmp_path, SMALL, plan={})
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("name", ["geometry.json", "manifest.parquet"])
def test_a_damaged_store_is_refused(tmp_path: Path, name: str) -> None:
    build_store(tmp_path, [build_exam()])
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(InputError, match="damaged"):
        Store.open(tmp_path)


def test_damaged_pixels_are_refused_by_file(tmp_path: Path) -> None:
    store = build_store(tmp_path, [build_exam()])
    pixels = tmp_path / "pixels-00000.npy"
    pixels.write_bytes(pixels.read_bytes()[:200])
    with pytest.raises(InputError, match=r"pixels-00000\.npy: expected a whole image store"):
        store.view(0)
