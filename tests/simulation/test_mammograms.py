"""From registry tables to DICOM files: what a user of the simulated archive relies on."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest

from forescreen.errors import CohortError, ConfigError
from forescreen.simulation.mammograms import (
    AWKWARD_KINDS,
    RenderConfig,
    awkward_kind,
    read_orders,
    render_exams,
)
from forescreen.simulation.vendors import VENDORS

from .phantom_builders import build_registry_folder, decoded, validator_errors

MACHINES = tuple(f"S1-{key}" for key in VENDORS)
PLAIN = RenderConfig(binning=8, seed=5, awkward_share=0.0)
VIEWS = ["LCC", "LMLO", "RCC", "RMLO"]
VALIDATOR = pytest.mark.skipif(
    shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed"
)


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_each_exam_has_four_views_that_say_who_when_which_and_that_they_are_simulated(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", MACHINES)
    summary = render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)
    assert summary.n_images_written == 16
    assert summary.n_exams == 4
    for number, exam in enumerate(exams):
        assert sorted(path.stem for path in (tmp_path / "images" / exam).iterdir()) == VIEWS
        vendor = list(VENDORS.values())[number]
        studies = set()
        for name in VIEWS:
            header = pydicom.dcmread(tmp_path / "images" / exam / f"{name}.dcm")
            assert header.PatientID == f"W{number:03d}"
            assert header.AccessionNumber == exam
            assert header.StudyDate == "20160302"
            assert header.PatientAge == "055Y"
            assert header.ImageLaterality + header.ViewPosition == name
            assert header.ViewCodeSequence[0].CodeMeaning.startswith(
                {"CC": "cranio", "MLO": "medio"}[header.ViewPosition]
            )
            assert header.PatientOrientation[0] == ("A" if name[0] == "L" else "P")
            assert header.PresentationIntentType == "FOR PRESENTATION"
            assert header.Manufacturer == f"forescreen phantom {vendor.key}"
            assert "SIMULATED" in header.ImageComments
            assert header.PhotometricInterpretation == vendor.grey.photometric
            assert ("PixelSpacing" in header) == vendor.pixel_spacing
            assert float(header.ImagerPixelSpacing[0]) == pytest.approx(8 * vendor.full_matrix.spacing_mm)
            assert header.file_meta.TransferSyntaxUID == vendor.transfer_syntax
            pixels = decoded((tmp_path / "images" / exam / f"{name}.dcm").read_bytes())
            assert pixels.shape == (header.Rows, header.Columns)
            wall, far = (pixels[:, 0], pixels[:, -1])
            if name[0] == "R":
                wall, far = far, wall
            assert (wall != vendor.background).mean() > 0.3
            assert (far == vendor.background).all()
            studies.add(header.StudyInstanceUID)
        assert len(studies) == 1


@VALIDATOR
@pytest.mark.parametrize("binning", [4, 8])
def test_the_validator_finds_no_error_in_any_machine_and_view(tmp_path: Path, binning: int) -> None:
    exams = build_registry_folder(tmp_path / "registry", MACHINES)
    config = RenderConfig(binning=binning, seed=5, awkward_share=0.0)
    render_exams(tmp_path / "registry", exams, tmp_path / "images", config=config)
    paths = sorted((tmp_path / "images").rglob("*.dcm"))
    assert len(paths) == 16
    assert {str(path): validator_errors(path) for path in paths if validator_errors(path)} == {}


def test_the_full_matrix_is_stored_at_binning_one(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", ("S1-beta",))
    config = RenderConfig(binning=1, seed=5, awkward_share=0.0)
    render_exams(tmp_path / "registry", exams, tmp_path / "images", config=config)
    header = pydicom.dcmread(tmp_path / "images" / exams[0] / "RMLO.dcm")
    assert (header.Rows, header.Columns) == (2294, 1914)
    assert float(header.ImagerPixelSpacing[0]) == 0.0941


def test_same_seed_same_bytes_with_one_worker_or_two_and_another_seed_others(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", MACHINES[:3])
    config = RenderConfig(binning=8, seed=5, awkward_share=1.0)
    render_exams(tmp_path / "registry", exams, tmp_path / "one", config=config)
    render_exams(tmp_path / "registry", exams[::-1], tmp_path / "two", config=config, workers=2)
    assert files_in(tmp_path / "one") == files_in(tmp_path / "two")
    other = RenderConfig(binning=8, seed=6, awkward_share=0.0)
    render_exams(tmp_path / "registry", exams[:1], tmp_path / "other", config=other)
    name = f"{exams[0]}/LCC.dcm"
    assert files_in(tmp_path / "one")[name] != files_in(tmp_path / "other")[name]


def test_files_that_are_there_are_left_alone_and_missing_ones_come_back_the_same(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", MACHINES[:2])
    render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)
    before = files_in(tmp_path / "images")
    (tmp_path / "images" / exams[1] / "RCC.dcm").unlink()
    kept = tmp_path / "images" / exams[0] / "LCC.dcm"
    stamp = kept.stat().st_mtime_ns
    again = render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)
    assert (again.n_images_written, again.n_files_present) == (1, 7)
    assert kept.stat().st_mtime_ns == stamp
    assert files_in(tmp_path / "images") == before


def test_awkward_files_stand_beside_the_four_views_and_only_the_truth_tells(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", ("S1-alpha",) * 24)
    config = RenderConfig(binning=16, seed=2, awkward_share=1.0)
    summary = render_exams(tmp_path / "registry", exams, tmp_path / "images", config=config)
    truth = pd.read_csv(tmp_path / "registry" / "truth" / "awkward.csv", dtype=str)
    assert summary.n_awkward_exams == len(truth) == 24
    assert set(truth["kind"]) == set(AWKWARD_KINDS)
    for exam, kind in zip(truth["exam_id"], truth["kind"], strict=True):
        folder = tmp_path / "images" / exam
        names = sorted(path.name for path in folder.iterdir())
        views = [name for name in names if name[:-4] in VIEWS]
        extra = folder / "EXTRA.dcm"
        assert len(views) == (3 if kind == "missing" else 4)
        if kind == "text":
            assert names[-1] == "notes.txt"
        elif kind == "truncated":
            header = pydicom.dcmread(extra, stop_before_pixels=True)
            twin = folder / f"{header.ImageLaterality}{header.ViewPosition}.dcm"
            assert 0.5 < extra.stat().st_size / twin.stat().st_size < 0.7
        elif kind != "missing":
            header = pydicom.dcmread(extra)
            ordinary = pydicom.dcmread(folder / views[0])
            assert header.StudyInstanceUID == ordinary.StudyInstanceUID
            assert header.SOPInstanceUID not in {
                pydicom.dcmread(folder / view).SOPInstanceUID for view in views
            }
            if kind == "spot":
                modifier = header.ViewCodeSequence[0].ViewModifierCodeSequence[0]
                assert modifier.CodeMeaning == "Spot Compression"
                assert float(header.EstimatedRadiographicMagnificationFactor) == 1.8
            elif kind == "processing":
                assert header.PresentationIntentType == "FOR PROCESSING"
                assert "WindowCenter" not in header
            else:
                twin_header = pydicom.dcmread(folder / f"{header.ImageLaterality}{header.ViewPosition}.dcm")
                assert header.AcquisitionTime < twin_header.AcquisitionTime, "the repeat is the newer one"


@VALIDATOR
def test_the_validator_finds_no_error_in_spot_and_processing_files_either(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", MACHINES * 5)
    config = RenderConfig(binning=16, seed=2, awkward_share=1.0)
    render_exams(tmp_path / "registry", exams, tmp_path / "images", config=config)
    truth = pd.read_csv(tmp_path / "registry" / "truth" / "awkward.csv", dtype=str)
    whole = truth[truth["kind"].isin(["spot", "processing", "repeat"])]["exam_id"]
    assert len(whole) >= 6
    for exam in whole:
        assert validator_errors(tmp_path / "images" / exam / "EXTRA.dcm") == []


def test_about_the_asked_share_of_exams_is_awkward_and_all_kinds_come(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", ("S1-alpha",) * 3000)
    orders = read_orders(tmp_path / "registry", exams)
    kinds = [awkward_kind(order, RenderConfig(awkward_share=0.1)) for order in orders]
    asked = [kind for kind in kinds if kind]
    assert 250 <= len(asked) <= 350  # binomial(3000, 0.1), 99.9 % of the time
    assert set(asked) == set(AWKWARD_KINDS)
    assert not any(awkward_kind(order, RenderConfig(awkward_share=0.0)) for order in orders)


def test_an_exam_that_the_registry_does_not_know_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    build_registry_folder(tmp_path / "registry")
    with pytest.raises(CohortError, match=r"exams\.csv: expected one row .*, found 1 exams without a row"):
        render_exams(tmp_path / "registry", ["E000", "E999"], tmp_path / "images", config=PLAIN)
    assert not (tmp_path / "images").exists()


def test_tables_without_truth_or_columns_are_refused(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry")
    (tmp_path / "registry" / "truth" / "exams.csv").unlink()
    with pytest.raises(CohortError, match=r"truth/exams\.csv: expected a table .* found no such file"):
        render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)
    pd.DataFrame({"exam_id": exams}).to_csv(tmp_path / "registry" / "truth" / "exams.csv", index=False)
    with pytest.raises(CohortError, match="dense_fraction"):
        render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)


def test_a_machine_without_a_vendor_is_refused(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", ("S1-alpha", "S1-omega"))
    with pytest.raises(ConfigError, match="found 'S1-omega'"):
        render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)
    assert not (tmp_path / "images").exists()


@pytest.mark.parametrize("changes", [{"binning": 0}, {"binning": 32}, {"awkward_share": 1.5}])
def test_settings_out_of_range_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=r"RenderConfig: expected binning in 1\.\.16"):
        RenderConfig(**changes)  # type: ignore[arg-type]


def test_the_noise_of_two_exams_of_one_woman_differs(tmp_path: Path) -> None:
    exams = build_registry_folder(tmp_path / "registry", ("S1-beta", "S1-beta"))
    table = pd.read_csv(tmp_path / "registry" / "exams.csv", dtype=str)
    table["woman_id"], table["bmi"] = "W000", "27"
    table.to_csv(tmp_path / "registry" / "exams.csv", index=False)
    render_exams(tmp_path / "registry", exams, tmp_path / "images", config=PLAIN)
    pictures = [decoded((tmp_path / "images" / exam / "LCC.dcm").read_bytes()) for exam in exams]
    assert not np.array_equal(*pictures)
