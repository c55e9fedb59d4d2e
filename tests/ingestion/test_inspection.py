"""What each file is and what would happen to it, as records: nothing is lost, and no woman is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forescreen.dicom.policy import Limits, Policy, load_policy
from forescreen.errors import InputError
from forescreen.ingestion.inspection import Inspection, inspect, list_files
from tests.dicom.builders import (
    PROCESSING_CLASS,
    REPORT_CLASS,
    SECONDARY_CAPTURE_CLASS,
    TOMOSYNTHESIS_CLASS,
    build_mammogram,
    build_view,
    save,
)
from tests.images.builders import build_breast

SCREENING = Policy()


def save_image(
    path: Path,
    side: str = "L",
    view: str = "CC",
    *,
    number: int = 1,
    chest_wall: str = "",
    changes: dict[str, Any] | None = None,
) -> Path:
    wall = chest_wall or {"L": "left", "R": "right"}[side]
    stored = np.round(build_breast(chest_wall=wall, seed=number)[0] * 4095).astype(np.uint16)
    medial = {"L": "R", "R": "L"}[side]
    orientation = ["A" if side == "L" else "P", medial if view == "CC" else f"F{medial}"]
    more = {"PatientOrientation": orientation, **(changes or {})}
    return save(path, build_mammogram(stored, laterality=side, view=view, number=number, changes=more))


def save_exam(folder: Path, *, first: int = 1, chest_walls: dict[str, str] | None = None) -> None:
    for i, (side, view) in enumerate([("L", "CC"), ("L", "MLO"), ("R", "CC"), ("R", "MLO")]):
        wall = (chest_walls or {}).get(side, "")
        save_image(folder / f"{side}{view}.dcm", side, view, number=first + i, chest_wall=wall)


def verdicts(found: Inspection) -> dict[str, tuple[str, str]]:
    """File to verdict and first code."""
    return {
        one.file: (one.verdict, next((n.code for n in (*one.reasons, *one.flags)), "")) for one in found.files
    }


def test_four_views_are_one_exam_and_everything_is_usable(tmp_path: Path) -> None:
    save_exam(tmp_path)
    found = inspect([tmp_path], SCREENING)
    assert (found.exit_code, found.by_code, found.count("accept")) == (0, {}, 4)
    (exam,) = found.exams
    assert exam.views == {f"{s} {v}": f"{s}{v}.dcm" for s in "LR" for v in ("CC", "MLO")}
    assert exam.missing == ()
    one = found.files[0]
    assert (one.file, one.kind, one.side, one.view, one.exam) == ("LCC.dcm", "mammogram", "L", "CC", 1)
    assert (one.machine, one.rows, one.columns, one.bits) == ("Maker Model 1", 416, 320, 12)
    assert (one.spacing_mm, one.spacing_source) == ((0.3, 0.3), "PixelSpacing")
    assert (one.syntax, one.voi) == ("explicit little endian", "window 1 of 1, LINEAR")


def test_every_file_gets_a_verdict_with_its_reason(tmp_path: Path) -> None:
    save_exam(tmp_path)
    (tmp_path / "readme.txt").write_text("how to start the viewer\n" * 20)
    save_image(tmp_path / "report.dcm", number=10, changes={"SOPClassUID": REPORT_CLASS, "PixelData": None})
    raw = {
        "SOPClassUID": PROCESSING_CLASS,
        "PresentationIntentType": "FOR PROCESSING",
        "AcquisitionTime": "100100",
    }
    save_image(tmp_path / "raw.dcm", number=11, changes=raw)
    save_image(
        tmp_path / "volume.dcm", number=12, changes={"SOPClassUID": TOMOSYNTHESIS_CLASS, "NumberOfFrames": 2}
    )
    save_image(tmp_path / "capture.dcm", number=13, changes={"SOPClassUID": SECONDARY_CAPTURE_CLASS})
    save_image(tmp_path / "older.dcm", number=14, changes={"AcquisitionTime": "080000"})
    save_image(
        tmp_path / "spot.dcm",
        number=15,
        changes={"ViewCodeSequence": build_view("399162004", modifiers=("399055006",))},
    )
    whole = save_image(tmp_path / "cut.dcm", number=16)
    whole.write_bytes(whole.read_bytes()[:-1000])
    found = inspect([tmp_path], SCREENING)
    assert verdicts(found) == {
        "LCC.dcm": ("accept", ""),
        "LMLO.dcm": ("accept", ""),
        "RCC.dcm": ("accept", ""),
        "RMLO.dcm": ("accept", ""),
        "capture.dcm": ("refuse", "secondary_capture"),
        "cut.dcm": ("refuse", "truncated_file"),
        "older.dcm": ("refuse", "duplicate_view_older"),
        "raw.dcm": ("refuse", "intent_for_processing"),
        "readme.txt": ("skip", "not_dicom"),
        "report.dcm": ("skip", "non_image_object"),
        "spot.dcm": ("refuse", "spot_compression"),
        "volume.dcm": ("refuse", "tomosynthesis_volume"),
    }
    by_name = {one.file: one for one in found.files}
    assert "LCC.dcm" in by_name["older.dcm"].reasons[0].words
    assert "LCC.dcm is the processed image" in by_name["raw.dcm"].reasons[0].words
    assert by_name["volume.dcm"].kind == "tomosynthesis volume"
    assert by_name["report.dcm"].kind == "structured report"
    assert by_name["raw.dcm"].kind == "raw mammogram"
    assert found.exit_code == 1
    assert found.count("accept", "flag", "refuse", "skip") == len(found.files)


def test_non_images_alone_refuse_nothing_and_files_that_are_no_dicom_inspect_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no image " * 50)
    assert inspect([tmp_path], SCREENING).exit_code == 2
    save_image(tmp_path / "sr.dcm", changes={"SOPClassUID": REPORT_CLASS, "PixelData": None})
    assert inspect([tmp_path], SCREENING).exit_code == 0


def test_the_pixels_may_refuse_what_the_header_passed(tmp_path: Path) -> None:
    save_image(tmp_path / "a.dcm", chest_wall="right")
    found = inspect([tmp_path], SCREENING)
    assert verdicts(found) == {"a.dcm": ("refuse", "laterality_conflict_pixels")}
    assert found.exams[0].missing == ("L CC", "L MLO", "R CC", "R MLO")
    headers = inspect([tmp_path], SCREENING, headers_only=True)
    assert verdicts(headers) == {"a.dcm": ("accept", "")}
    flagged = inspect([tmp_path], load_policy("research"))
    assert verdicts(flagged) == {"a.dcm": ("flag", "laterality_conflict_pixels")}


def test_swapped_sides_are_suspected_when_both_sides_contradict(tmp_path: Path) -> None:
    save_exam(tmp_path, chest_walls={"L": "right", "R": "left"})
    assert inspect([tmp_path], SCREENING).exams[0].flags == ("laterality_swap_suspected",)
    save_exam(tmp_path, chest_walls={"L": "right"})
    assert inspect([tmp_path], SCREENING).exams[0].flags == ()


def test_files_from_several_places_make_one_exam(tmp_path: Path) -> None:
    save_exam(tmp_path / "one")
    files = sorted((tmp_path / "one").iterdir())
    assert inspect(files, SCREENING).exams[0].missing == ()
    names = [name for _, name in list_files([tmp_path / "one", files[0]])]
    assert names == [f"one/{path.name}" for path in files]  # a file given twice is one


def test_processes_find_the_same(tmp_path: Path) -> None:
    save_exam(tmp_path)
    save_image(tmp_path / "other.dcm", number=9, chest_wall="right", changes={"AccessionNumber": "A2"})
    assert inspect([tmp_path], SCREENING, workers=2) == inspect([tmp_path], SCREENING)


def test_the_document_names_no_woman(tmp_path: Path) -> None:
    save_exam(tmp_path)
    save_image(tmp_path / "x.dcm", number=9, changes={"Modality": "XX", "PatientBirthDate": "19631224"})
    document = inspect([tmp_path], SCREENING).as_dict()
    text = json.dumps(document, allow_nan=False)
    for secret in ("W0001", "A0001", "Doe", "Jane", "19631224", "1.2.826", "20210314", "2021-03-14"):
        assert secret not in text
    assert document["format"] == "forescreen inspection 1"
    assert document["counts"] == {
        "files": 5,
        "accepted": 4,
        "accepted_with_flags": 0,
        "refused": 1,
        "skipped": 0,
    }


def test_a_path_that_is_not_there_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such path"):
        inspect([tmp_path / "nowhere"], SCREENING)
    with pytest.raises(InputError, match="no file at all"):
        inspect([tmp_path], SCREENING)


def test_an_inverted_picture_is_refused_for_that_alone(tmp_path: Path) -> None:
    inverted = 1.0 - build_breast()[0]
    stored = np.round(inverted * 4095).astype(np.uint16)
    save(tmp_path / "a.dcm", build_mammogram(stored, changes={"PatientAge": None}))
    (file,) = inspect([tmp_path], Policy()).files
    assert [note.code for note in file.reasons] == ["photometric_conflict_pixels"]
    assert [note.code for note in file.flags] == ["age_missing"]
    assert all(note.words for note in (*file.reasons, *file.flags))


def test_flags_of_the_pixels_are_no_reasons_of_a_refusal(tmp_path: Path) -> None:
    bright = np.clip(3 * build_breast(chest_wall="right")[0], 0, 1)
    save(tmp_path / "a.dcm", build_mammogram(np.round(bright * 4095).astype(np.uint16)))
    (file,) = inspect([tmp_path], Policy(limits=Limits(max_saturated=0.01))).files
    assert [note.code for note in file.reasons] == ["laterality_conflict_pixels"]
    assert "saturated" in [note.code for note in file.flags]
    assert all(note.words for note in (*file.reasons, *file.flags))
