"""The first of the three lines: a folder becomes an exam."""

from __future__ import annotations

from pathlib import Path

import pytest

from forescreen.dicom.exams import read_exam
from forescreen.errors import ExamError

from .builders import build_mammogram, save
from .test_folder import VIEWS, save_exam


def test_a_folder_of_one_visit_becomes_an_exam(tmp_path: Path) -> None:
    save_exam(tmp_path)
    (tmp_path / "readme.txt").write_text("not an image" * 20)
    exam = read_exam(str(tmp_path))
    assert (exam.woman_id, exam.exam_id, exam.exam_date) == ("W0001", "A0001", "2021-03-14")
    assert [(m.laterality, m.view) for m in exam.mammograms] == VIEWS
    assert all(m.pixels.shape == (300, 260) for m in exam.mammograms)
    assert all(m.spacing_mm == (0.3, 0.3) for m in exam.mammograms)


def test_two_visits_are_not_one_exam(tmp_path: Path) -> None:
    save_exam(tmp_path / "a")
    save_exam(tmp_path / "b", first=10, changes={"AccessionNumber": "A0002"})
    with pytest.raises(ExamError, match="expected one exam, found 2 exams"):
        read_exam(tmp_path)


def test_a_folder_without_usable_images_says_what_was_wrong(tmp_path: Path) -> None:
    save(tmp_path / "a.dcm", build_mammogram(changes={"Modality": "CT"}))
    with pytest.raises(ExamError, match=r"1 files, none usable \(not_mammography_modality 1\)"):
        read_exam(tmp_path)
