from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
import pytest

from forescreen.dicom.exams import read_exam
from forescreen.dicom.folder import index_folder
from forescreen.dicom.policy import load_policy
from forescreen.dicom.walk import is_dicom_source
from forescreen.dicom.write import derived_uid, write_mammogram
from forescreen.errors import InputError, InterruptedStageError
from forescreen.identity import Pseudonyms
from forescreen.images.geometry import Geometry
from forescreen.images.prepare import prepare
from forescreen.images.store import Store
from forescreen.ingestion.run import ingest_dicom
from forescreen.records import STANDARD_VIEWS
from tests.dicom.test_walk import build_media, pack
from tests.images.builders import build_breast

from .builders import build_description, build_dicom, content_of

T = TypeVar("T")
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


def test_with_a_key_store_and_words_name_nobody_and_the_private_listing_leads_back(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in" / "Doe^Jane", n_exams=1).parent
    (folder / "Doe^Jane" / "Doe.txt").write_text("a letter" * 40)
    broken = folder / "Doe^Jane" / "e0" / "LCC.dcm"
    shutil.copy(broken, folder / "Doe-copy.dcm")
    broken.write_bytes(broken.read_bytes()[:-1000])
    labels: list[str] = []

    def track(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        labels.append(label)
        return items

    key = Pseudonyms(key=b"0123456789abcdef")
    ingest_dicom(folder, tmp_path / "store", geometry=SMALL, pseudonyms=key, track=track)
    assert Store.open(tmp_path / "store").exam_ids == (key.exam("e0"),)
    refused = pd.read_csv(tmp_path / "store" / "refused.csv")
    everything = b"".join(content_of(tmp_path / "store").values())
    for table in ("manifest", "exams"):  # compressed on disk
        everything += pd.read_parquet(tmp_path / "store" / f"{table}.parquet").to_csv().encode()
    for secret in (b"w-e0", b"Doe", b"Jane", b"LCC.dcm", derived_uid("e0", "L", "CC").encode()):
        assert secret not in everything
        assert not [label for label in labels if secret.decode() in label]
    listing = tmp_path / "private" / "store-files.csv"
    assert stat.S_IMODE(listing.stat().st_mode) == 0o600
    private = pd.read_csv(listing, keep_default_na=False).set_index("label")
    assert len(private) == 6
    assert set(private.loc[refused["file"], "file"]) == {"Doe^Jane/Doe.txt", "Doe^Jane/e0/LCC.dcm"}
    assert dict(zip(private["file"], private["code"], strict=True))["Doe^Jane/Doe.txt"] == "not_dicom"
    stored = Store.open(tmp_path / "store").manifest["file"]
    assert "Doe-copy.dcm" in set(private.loc[stored, "file"])


def test_with_study_numbers_files_are_named_as_they_are(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    (folder / "notes.txt").write_text("no image" * 40)
    ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    assert refusals(tmp_path / "store") == {"notes.txt": "not_dicom"}
    assert not (tmp_path / "private" / "store-files.csv").exists()


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_archives_become_the_store_that_their_files_become(tmp_path: Path, kind: str) -> None:
    folder = build_dicom(tmp_path / "in")
    ingest_dicom(folder, tmp_path / "plain", geometry=SMALL)
    packed = tmp_path / "packed"
    for exam in ("e0", "e1"):
        files = {f"{exam}/{p.name}": p.read_bytes() for p in sorted((folder / exam).iterdir())}
        pack(packed / f"{exam}.{kind}", files)
    summary = ingest_dicom(packed, tmp_path / "store", geometry=SMALL, workers=2)
    assert (summary.n_stored, summary.n_refused) == (8, 0)
    store, plain = Store.open(tmp_path / "store"), Store.open(tmp_path / "plain")
    assert store.manifest["file"].tolist() == [
        f"{file.split('/')[0]}.{kind}/{file}" for file in plain.manifest["file"]
    ]
    assert (store.manifest["source_sha256"] == plain.manifest["source_sha256"]).all()
    one = ingest_dicom(packed / f"e1.{kind}", tmp_path / "one", geometry=SMALL)
    assert (one.n_files, one.n_stored) == (4, 4)
    assert is_dicom_source(packed / f"e1.{kind}")


def test_bad_archives_and_bad_members_are_refused_one_by_one(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    pack(folder / "a.zip", {"in.tar": b"x", "../up.dcm": b"x", "letter.txt": b"a letter" * 40})
    (folder / "b.tgz").write_bytes(b"no archive")
    summary = ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    assert summary.n_stored == 4
    assert refusals(tmp_path / "store") == {
        "a.zip/../up.dcm": "archive_member_unsafe",
        "a.zip/in.tar": "archive_nested",
        "a.zip/letter.txt": "not_dicom",
        "b.tgz": "archive_unreadable",
    }


def test_a_dicomdir_as_source_reads_what_it_lists(tmp_path: Path) -> None:
    build_media(tmp_path / "media", "IMAGES\\I1", "IMAGES\\I2", "IMAGES\\I3")
    shutil.copy(tmp_path / "media" / "IMAGES" / "I1", tmp_path / "media" / "IMAGES" / "UNLISTED")
    (tmp_path / "media" / "IMAGES" / "I3").unlink()
    assert is_dicom_source(tmp_path / "media" / "DICOMDIR")
    index = index_folder(tmp_path / "media" / "DICOMDIR", pseudonyms=Pseudonyms(key=None))
    assert (index.n_files, len(index.exams[0].mammograms)) == (3, 2)
    assert [(refusal.file, refusal.code) for refusal in index.refusals] == [("IMAGES/I3", "file_missing")]
    whole = index_folder(tmp_path / "media", pseudonyms=Pseudonyms(key=None))
    assert {refusal.file: refusal.code for refusal in whole.refusals} == {
        "DICOMDIR": "non_image_object",
        "IMAGES/UNLISTED": "duplicate_instance",
    }


def test_a_source_that_has_grown_is_not_mixed_into_the_store_and_the_difference_is_told(
    tmp_path: Path,
) -> None:
    folder = build_dicom(tmp_path / "in")
    ingest_dicom(folder / "e0", tmp_path / "store", geometry=SMALL)
    shutil.copytree(folder / "e1", folder / "e0" / "e1")
    (folder / "e0" / "LCC.dcm").unlink()
    for _ in range(2):
        with pytest.raises(
            InterruptedStageError, match=r"4 files are new in the source, 0 have changed and 1"
        ):
            ingest_dicom(folder / "e0", tmp_path / "store", geometry=SMALL)
    assert Store.open(tmp_path / "store").exam_ids == ("e0",)


def test_a_touched_file_is_read_again_and_the_store_stays(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    first = ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    os.utime(folder / "e0" / "LCC.dcm", ns=(1, 1))
    assert ingest_dicom(folder, tmp_path / "store", geometry=SMALL) == first


def test_exams_of_one_woman_are_linked_and_swapped_sides_flagged(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for exam, date in (("e0", "2015-03-31"), ("e1", "2017-04-02")):
        for side, view in STANDARD_VIEWS:
            swapped = exam == "e1" and view == "CC"
            chest_wall = "left" if (side == "L") != swapped else "right"
            pixels, _ = build_breast(rows=416, columns=320, chest_wall=chest_wall, seed=1)
            description = replace(build_description(exam, side, view, 0.5), woman_id="w", exam_date=date)
            path = folder / exam / f"{side}{view}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mammogram(path, np.round(pixels * 3000).astype(np.uint16), description)
    summary = ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    exams = pd.read_parquet(tmp_path / "store" / "exams.parquet").set_index("exam_id")
    assert exams["prior_exam_id"]["e1"] == "e0"
    assert exams["days_since_prior"]["e1"] == 733
    assert exams["flags"].to_dict() == {"e0": "", "e1": "laterality_swap_suspected"}
    assert (summary.n_women, summary.n_exams, summary.n_with_prior) == (1, 2, 1)


INGEST = """
import os, sys, time
from pathlib import Path
from forescreen.dicom import folder
from forescreen.images.geometry import Geometry
from forescreen.ingestion import run
read = folder.read_header
def slow(located):
    time.sleep(0.05)
    return read(located)
folder.read_header = slow
from forescreen.dicom import catalogue
catalogue.BATCH = 2
run.ingest_dicom(Path(sys.argv[1]), Path(sys.argv[2]), geometry=Geometry(32, 26, 8.0))
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_ends_in_the_header_pass_continues_to_the_same_bytes(tmp_path: Path, end: int) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=4)
    (folder / "notes.txt").write_text("no image" * 40)
    whole = ingest_dicom(folder, tmp_path / "whole", geometry=SMALL)
    store, path = tmp_path / "store", tmp_path / "private" / "store.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", INGEST, str(folder), str(store)], stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while n_read(path) < 4 and child.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(end)
    assert child.wait() != 0
    assert 4 <= n_read(path) < 17
    assert ingest_dicom(folder, store, geometry=SMALL) == whole
    assert content_of(store) == content_of(tmp_path / "whole")


def n_read(catalogue: Path) -> int:
    if not catalogue.exists():
        return 0
    tables = sqlite3.connect(catalogue)
    try:
        n: int = tables.execute("SELECT count(*) FROM files WHERE state != 0").fetchone()[0]
    except sqlite3.Error:
        n = 0
    finally:
        tables.close()
    return n


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
    ingest_dicom(films, tmp_path / "film_store", policy=load_policy("digitised-film"))
    film = Store.open(tmp_path / "film_store")
    flags = film.manifest["flags"][0].split(";")
    assert "pixel_spacing_missing" in flags
    assert film.manifest["flipped"].tolist() == [False]
    # The breast fills 53 % of the film; label, black bar and white frame are outside.
    assert float((film.view(0) > 0).mean()) == pytest.approx(0.53 * 3064 / 4664 * 128 / 104, rel=0.05)
