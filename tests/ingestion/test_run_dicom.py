from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.dicom.exams import read_exam
from forescreen.dicom.gate import Policy
from forescreen.errors import InputError
from forescreen.identity import Pseudonyms
from forescreen.images.geometry import Geometry
from forescreen.images.prepare import prepare
from forescreen.images.store import Store
from forescreen.ingestion.run import ingest_dicom

from .builders import build_dicom, content_of

SMALL = Geometry(32, 26, 8.0)


def refusals(store: Path) -> dict[str, str]:
    codes: dict[str, str] = pd.read_csv(store / "refused.csv").set_index("file")["code"].to_dict()
    return codes


def test_a_folder_of_dicom_becomes_a_store(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    summary = ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    store = Store.open(tmp_path / "store")
    assert (summary.n_files, summary.n_stored, summary.n_exams) == (8, 8, 2)
    assert store.exam_ids == ("e0", "e1")
    row = store.manifest.iloc[0]
    assert (row["woman_id"], row["exam_date"], row["file"]) == ("w-e0", "2015-03-31", "e0/LCC.dcm")
    assert (row["manufacturer"], row["model"], row["spacing_source"]) == ("MAKER", "M1", "PixelSpacing")
    assert row["row_spacing_mm"] == pytest.approx(0.5)
    assert store.manifest["laterality_agrees"].all()


def test_the_store_holds_what_the_three_lines_give(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    ingest_dicom(folder, tmp_path / "store")
    tensor = prepare(read_exam(folder))
    assert np.array_equal(Store.open(tmp_path / "store").exam("e0").images, tensor.images)


def test_every_file_of_a_messy_folder_is_stored_or_refused(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    (folder / "notes.txt").write_text("no image")
    truncated = folder / "e0" / "RCC.dcm"
    truncated.write_bytes(truncated.read_bytes()[:5000])
    shutil.copy(folder / "e1" / "LCC.dcm", folder / "again.dcm")
    summary = ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    assert summary.n_files == summary.n_stored + summary.n_refused == 10
    codes = refusals(tmp_path / "store")
    assert codes["notes.txt"] == "not_dicom"
    assert codes["e0/RCC.dcm"] == "truncated_file"
    assert "duplicate_instance" in codes.values()
    assert len(codes) == 3


def test_only_the_exams_asked_for_are_stored_and_the_others_counted(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    summary = ingest_dicom(folder, tmp_path / "store", geometry=SMALL, only_exams=frozenset({"e1"}))
    assert Store.open(tmp_path / "store").exam_ids == ("e1",)
    assert (summary.n_files, summary.n_stored, summary.n_not_asked, summary.n_refused) == (8, 4, 4, 0)


def test_two_workers_make_the_same_bytes_as_one(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    ingest_dicom(folder, tmp_path / "one", geometry=SMALL)
    ingest_dicom(folder, tmp_path / "two", geometry=SMALL, workers=2)
    assert content_of(tmp_path / "one") == content_of(tmp_path / "two")


def test_a_finished_store_is_recognised(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    first = ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    before = content_of(tmp_path / "store")
    assert ingest_dicom(folder, tmp_path / "store", geometry=SMALL) == first
    assert content_of(tmp_path / "store") == before


def test_with_a_key_the_store_names_nobody(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    key = Pseudonyms(key=b"0123456789abcdef")
    ingest_dicom(folder, tmp_path / "store", geometry=SMALL, pseudonyms=key)
    assert Store.open(tmp_path / "store").exam_ids == (key.exam("e0"),)
    assert b"w-e0" not in b"".join(content_of(tmp_path / "store").values())


def test_a_folder_without_a_usable_mammogram_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no image")
    with pytest.raises(InputError, match=r"1 files, all refused \(not_dicom: 1\)"):
        ingest_dicom(tmp_path / "in", tmp_path / "store")


def test_real_samples_lead_to_what_they_must(shared: Path, tmp_path: Path) -> None:
    """dicom.md §15: GH133 is accepted, the others are refused, the films pass under the film policy."""
    summary = ingest_dicom(shared / "data/dicom", tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert summary.n_stored == 1
    assert store.manifest["file"].tolist() == ["fo-dicom/GH133.dcm"]
    assert store.manifest["flipped"].tolist() == [True]
    assert store.manifest["laterality_agrees"].tolist() == [True]
    # Breast of 30.4 % of 3062 x 2394 pixels of 0.0941 mm: measured on the mask, looked at as a picture.
    area_mm2 = float((store.view(0) > 0).sum()) * 4
    assert area_mm2 == pytest.approx(0.304 * 3062 * 2394 * 0.0941**2, rel=0.02)

    films = tmp_path / "films"
    films.mkdir()
    shutil.copy(shared / "data/dicom/nema_wg04/MG1_J2KI.dcm", films)
    ingest_dicom(films, tmp_path / "film_store", policy=Policy(digitised_film=True))
    film = Store.open(tmp_path / "film_store")
    flags = film.manifest["flags"][0].split(";")
    assert "pixel_spacing_missing" in flags
    assert film.manifest["flipped"].tolist() == [False]
    # The breast fills 53 % of the film; label, black bar and white frame are outside.
    assert float((film.view(0) > 0).mean()) == pytest.approx(0.53 * 3064 / 4664 * 128 / 104, rel=0.05)
