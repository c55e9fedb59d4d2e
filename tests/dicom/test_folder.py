"""A folder with good and bad files becomes exams and refusals; no file is lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from forescreen.dicom.folder import FolderIndex, index_folder, load_mammogram
from forescreen.dicom.gate import CODES, Policy
from forescreen.dicom.policy import load_policy
from forescreen.errors import DicomError
from forescreen.identity import AS_GIVEN, Pseudonyms

from .builders import (
    EXPLICIT_LITTLE,
    JPEG_LOSSLESS,
    PROCESSING_CLASS,
    REPORT_CLASS,
    build_mammogram,
    build_pixels,
    build_view,
    save,
)

T = TypeVar("T")
VIEWS = [("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]


def save_view(
    folder: Path,
    name: str,
    side: str = "L",
    view: str = "CC",
    *,
    number: int = 1,
    changes: dict[str, Any] | None = None,
    pixels: np.ndarray | None = None,
    syntax: str = EXPLICIT_LITTLE,
) -> Path:
    ds = build_mammogram(pixels, laterality=side, view=view, number=number, changes=changes)
    return save(folder / name, ds, syntax=syntax)


def save_exam(folder: Path, *, first: int = 1, changes: dict[str, Any] | None = None) -> None:
    for i, (side, view) in enumerate(VIEWS):
        save_view(folder, f"{side}{view}.dcm", side, view, number=first + i, changes=changes)


def test_files_that_are_no_part_of_the_archive_are_not_counted(tmp_path: Path) -> None:
    save_exam(tmp_path / "exam")
    for place in (tmp_path, tmp_path / "exam"):
        (place / "account.json").write_text("{}")
    found = index_folder(tmp_path, pseudonyms=AS_GIVEN, apart_from=frozenset({"account.json"}))
    assert found.n_files == 5
    assert [refusal.file for refusal in found.refusals] == ["exam/account.json"]


def index(folder: Path, policy: Policy = Policy(), workers: int = 1) -> FolderIndex:  # noqa: B008
    found = index_folder(folder, pseudonyms=AS_GIVEN, policy=policy, workers=workers)
    n_used = sum(len(exam.mammograms) for exam in found.exams)
    assert n_used + len(found.refusals) == found.n_files  # nothing is dropped silently
    assert all(set(refusal.codes) <= set(CODES) for refusal in found.refusals)
    assert all(refusal.code == refusal.codes[0] for refusal in found.refusals)
    return found


def codes(found: FolderIndex) -> dict[str, str]:
    return {refusal.file: refusal.code for refusal in found.refusals}


def test_four_views_make_one_exam_in_the_standard_order(tmp_path: Path) -> None:
    save_exam(tmp_path)
    found = index(tmp_path)
    (exam,) = found.exams
    assert (exam.woman_id, exam.exam_id, exam.exam_date) == ("W0001", "A0001", "2021-03-14")
    assert exam.machine == "Maker Model 1"
    assert [(m.laterality, m.view) for m in exam.mammograms] == VIEWS
    assert [m.file for m in exam.mammograms] == ["LCC.dcm", "LMLO.dcm", "RCC.dcm", "RMLO.dcm"]
    assert found.refusals == ()


def test_bad_files_are_refused_and_good_ones_kept(tmp_path: Path) -> None:
    save_exam(tmp_path / "exam")
    bad = tmp_path / "exam" / "bad"
    whole = save_view(bad, "cut.dcm", number=20)
    whole.write_bytes(whole.read_bytes()[:-1000])
    (bad / "empty.dcm").write_bytes(b"")
    (bad / "notes.txt").write_text("seen by the radiologist\n" * 20)
    save_view(bad, "report.dcm", number=21, changes={"SOPClassUID": REPORT_CLASS, "PixelData": None})
    save_view(bad, "raw.dcm", number=22, changes={"PresentationIntentType": "FOR PROCESSING"})
    (bad / "dangling.dcm").symlink_to(tmp_path / "nowhere")
    found = index(tmp_path)
    assert len(found.exams) == 1
    assert codes(found) == {
        "exam/bad/cut.dcm": "truncated_file",
        "exam/bad/dangling.dcm": "unreadable_file",
        "exam/bad/empty.dcm": "truncated_file",
        "exam/bad/notes.txt": "not_dicom",
        "exam/bad/raw.dcm": "intent_for_processing",
        "exam/bad/report.dcm": "non_image_object",
    }
    for refusal in found.refusals:
        for secret in ("W0001", "A0001", "Doe", str(tmp_path)):
            assert secret not in refusal.message


def test_an_empty_folder_has_no_exam_and_a_missing_one_is_an_error(tmp_path: Path) -> None:
    assert index(tmp_path) == FolderIndex(exams=(), refusals=(), n_files=0)
    with pytest.raises(DicomError, match="no such folder") as caught:
        index(tmp_path / "missing")
    assert caught.value.code == "unreadable_file"


def test_the_same_instance_twice_is_one_image(tmp_path: Path) -> None:
    save_view(tmp_path, "b/copy.dcm")
    save_view(tmp_path, "a/first.dcm")
    found = index(tmp_path)
    assert [m.file for m in found.exams[0].mammograms] == ["a/first.dcm"]
    assert codes(found) == {"b/copy.dcm": "duplicate_instance"}


def test_the_raw_image_of_an_exposure_names_its_processed_partner(tmp_path: Path) -> None:
    raw = {"SOPClassUID": PROCESSING_CLASS, "PresentationIntentType": "FOR PROCESSING"}
    save_view(tmp_path, "shown.dcm", number=1)
    save_view(tmp_path, "raw.dcm", number=1, changes=raw | {"SOPInstanceUID": "1.2.3"})
    save_view(tmp_path, "lone.dcm", number=2, changes=raw)
    messages = {refusal.file: refusal.message for refusal in index(tmp_path).refusals}
    assert "shown.dcm is the processed image of the same exposure" in messages["raw.dcm"]
    assert "shown.dcm" not in messages["lone.dcm"]


def test_of_repeats_the_newest_is_used(tmp_path: Path) -> None:
    save_view(tmp_path, "z_old.dcm", number=1)  # acquired 10:01
    save_view(tmp_path, "a_new.dcm", number=9)  # acquired 10:09
    save_view(tmp_path, "m_mid.dcm", number=5)
    found = index(tmp_path)
    assert [m.file for m in found.exams[0].mammograms] == ["a_new.dcm"]
    assert codes(found) == {"z_old.dcm": "duplicate_view_older", "m_mid.dcm": "duplicate_view_older"}
    assert "used a_new.dcm" in found.refusals[0].message


def test_implant_displaced_goes_before_newer_and_whole_before_partial(tmp_path: Path) -> None:
    displaced = {
        "BreastImplantPresent": "YES",
        "ViewCodeSequence": build_view("399162004", modifiers=("399209000",)),
    }
    save_view(tmp_path, "displaced.dcm", number=1, changes=displaced)
    save_view(tmp_path, "full.dcm", number=9, changes={"BreastImplantPresent": "YES"})
    save_view(tmp_path, "tile.dcm", "R", number=8, changes={"PartialView": "YES"})
    save_view(tmp_path, "whole.dcm", "R", number=7)
    found = index(tmp_path, load_policy("implants"))
    assert [m.file for m in found.exams[0].mammograms] == ["displaced.dcm", "whole.dcm"]
    assert codes(found) == {"full.dcm": "duplicate_view_older", "tile.dcm": "duplicate_view_older"}


def test_different_patients_under_one_accession_are_all_refused(tmp_path: Path) -> None:
    save_view(tmp_path, "one.dcm", "L")
    save_view(tmp_path, "two.dcm", "R", number=2, changes={"PatientID": "W0002"})
    save_exam(tmp_path / "other", first=10, changes={"AccessionNumber": "A0002"})
    found = index(tmp_path)
    assert [exam.exam_id for exam in found.exams] == ["A0002"]
    assert codes(found) == {"one.dcm": "patient_mismatch", "two.dcm": "patient_mismatch"}
    assert "W0002" not in found.refusals[1].message


def test_studies_of_one_exam_are_not_mixed(tmp_path: Path) -> None:
    save_exam(tmp_path / "main")
    save_view(tmp_path, "add_on.dcm", "L", "CC", number=30, changes={"StudyInstanceUID": "1.2.3"})
    found = index(tmp_path)
    assert len(found.exams[0].mammograms) == 4
    assert codes(found) == {"add_on.dcm": "study_mismatch"}


@pytest.mark.parametrize("date", ["20210314", ""])
def test_without_accession_number_patient_and_day_make_the_exam(tmp_path: Path, date: str) -> None:
    changes = {"AccessionNumber": "", "StudyDate": date, "AcquisitionDate": "", "ContentDate": ""}
    save_exam(tmp_path / "a", changes=changes)
    later = {"StudyDate": "20230320" if date else "", "StudyInstanceUID": "1.2.4"}
    save_exam(tmp_path / "b", first=10, changes=changes | later)
    ids = [exam.exam_id for exam in index(tmp_path).exams]
    if date:
        assert ids == ["W0001-2021-03-14", "W0001-2023-03-20"]
    else:
        assert ids == ["1.2.4", "1.2.826.0.1.3680043.10.99.1000"]


def test_machines_that_differ_within_an_exam_are_flagged(tmp_path: Path) -> None:
    save_exam(tmp_path)
    save_view(tmp_path, "RMLO.dcm", "R", "MLO", number=4, changes={"ManufacturerModelName": "Model 2"})
    (exam,) = index(tmp_path).exams
    assert exam.machine == "Maker Model 1"
    assert all("mixed_vendors_in_exam" in m.flags for m in exam.mammograms)


def test_a_key_turns_numbers_into_pseudonyms(tmp_path: Path) -> None:
    save_exam(tmp_path)
    key = Pseudonyms(key=b"k" * 32)
    (exam,) = index_folder(tmp_path, pseudonyms=key).exams
    assert (exam.woman_id, exam.exam_id) == (key.woman("W0001"), key.exam("A0001"))
    assert "W0001" not in repr(exam)


def test_two_processes_find_what_one_finds(tmp_path: Path) -> None:
    save_exam(tmp_path)
    (tmp_path / "notes.txt").write_text("text" * 50)
    assert repr(index(tmp_path, workers=2)) == repr(index(tmp_path))


def test_progress_goes_over_every_file(tmp_path: Path) -> None:
    save_exam(tmp_path)
    seen: list[tuple[str, int | None, int]] = []

    def track(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        everything = list(items)
        seen.append((label, total, len(everything)))
        return everything

    index_folder(tmp_path, pseudonyms=AS_GIVEN, track=track)
    assert seen == [("reading headers", 4, 4)]


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_loaded_mammogram_says_how_it_was_made(tmp_path: Path, photometric: str) -> None:
    pixels = build_pixels()
    save(tmp_path / "a.dcm", build_mammogram(pixels, photometric=photometric), syntax=JPEG_LOSSLESS)
    (file,) = index(tmp_path).exams[0].mammograms
    mammogram = load_mammogram(file)
    made = mammogram.acquisition
    assert (made.profile, made.voi, made.spacing_source) == (
        "forescreen-v1",
        "window:0 LINEAR",
        "PixelSpacing",
    )
    assert (made.transfer_syntax, made.photometric) == (JPEG_LOSSLESS, photometric)
    assert (made.manufacturer, made.model, made.intent) == ("Maker", "Model 1", "FOR PRESENTATION")
    assert made.pixels_sha256 == hashlib.sha256(pixels.astype("<u2").tobytes()).hexdigest()
    expected = pixels / 4095.0  # window 2048/4096, LINEAR: 0 -> 0, 4095 -> 1
    np.testing.assert_allclose(
        mammogram.pixels, 1 - expected if photometric == "MONOCHROME1" else expected, atol=1e-6
    )


def test_pixels_that_cannot_be_decoded_raise_with_code_and_file(tmp_path: Path) -> None:
    path = save_view(tmp_path, "sub/a.dcm", syntax=JPEG_LOSSLESS)
    data = path.read_bytes()
    at = data.index(b"\xff\xd8")
    path.write_bytes(data[:at] + bytes(200) + data[at + 200 :])
    (file,) = index(tmp_path).exams[0].mammograms
    with pytest.raises(DicomError, match=r"^sub/a\.dcm: ") as caught:
        load_mammogram(file)
    assert caught.value.code == "undecodable_pixels"


def test_an_image_without_contrast_is_refused_when_loaded(tmp_path: Path) -> None:
    flat = np.full((300, 260), 2000, dtype=np.uint16)
    flat[0, 0] = 2010
    save_view(tmp_path, "a.dcm", pixels=flat)
    (file,) = index(tmp_path).exams[0].mammograms
    with pytest.raises(DicomError, match="range of 10 stored values") as caught:
        load_mammogram(file)
    assert caught.value.code == "low_dynamic_range"


def test_a_mostly_white_image_is_flagged_as_saturated(tmp_path: Path) -> None:
    pixels = build_pixels()
    pixels[:150] = 4095
    save_view(tmp_path, "a.dcm", pixels=pixels)
    (file,) = index(tmp_path).exams[0].mammograms
    assert load_mammogram(file).flags == ("saturated",)
