"""The picture is held against its header: side, polarity, breast, contrast. Nothing is repaired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forescreen.dicom.folder import MammogramFile, index_files
from forescreen.dicom.policy import Limits, Policy, load_policy
from forescreen.dicom.reasons import Action
from forescreen.identity import AS_GIVEN
from forescreen.images.orient import Side
from forescreen.ingestion.examine import Examined, air_is_bright, examine
from forescreen.records import Refusal
from tests.dicom.builders import build_mammogram, save
from tests.dicom.machines import MACHINES, build_object, build_stored
from tests.images.builders import build_breast, build_film, build_muscled

SCREENING = Policy()


def build_file(
    folder: Path,
    *,
    side: str = "L",
    chest_wall: str = "left",
    orientation: list[str] | None = None,
    picture: np.ndarray | None = None,
    changes: dict[str, Any] | None = None,
    policy: Policy = SCREENING,
) -> MammogramFile:
    pixels = build_breast(chest_wall=chest_wall)[0] if picture is None else picture
    stored = np.round(np.clip(pixels, 0, 1) * 4095).astype(np.uint16)
    more = {"PatientOrientation": orientation, **(changes or {})}
    path = save(folder / "a.dcm", build_mammogram(stored, laterality=side, changes=more))
    (exam,) = index_files([(path, "a.dcm")], pseudonyms=AS_GIVEN, policy=policy).exams
    return exam.mammograms[0]


def accepted(file: MammogramFile, policy: Policy = SCREENING) -> Examined:
    found = examine(file, policy)
    assert isinstance(found, Examined), found
    assert found.mammogram.flags[: len(file.flags)] == file.flags
    return found


def refused(file: MammogramFile, policy: Policy = SCREENING) -> Refusal:
    found = examine(file, policy)
    assert isinstance(found, Refusal)
    assert found.code == found.codes[0]
    return found


@pytest.mark.parametrize(
    ("side", "orientation", "chest_wall"),
    [
        ("L", None, "left"),
        ("R", None, "right"),
        ("L", ["A", "R"], "left"),
        ("R", ["P", "L"], "right"),
        ("L", ["P", "R"], "right"),  # hung the other way round, and the header says so
        ("R", ["A", "L"], "left"),
    ],
)
def test_a_breast_that_lies_as_its_header_says_passes(
    tmp_path: Path, side: str, orientation: list[str] | None, chest_wall: str
) -> None:
    found = accepted(build_file(tmp_path, side=side, orientation=orientation, chest_wall=chest_wall))
    assert found.mammogram.flags == ()
    assert found.orientation.chest_wall is Side(chest_wall)
    assert 0.2 < found.region.share < 0.7


@pytest.mark.parametrize(
    ("side", "orientation", "chest_wall"),
    [
        ("L", None, "right"),
        ("R", None, "left"),
        ("L", ["A", "R"], "right"),
        ("R", ["P", "L"], "left"),
        ("L", ["P", "L"], "right"),  # all but the label says that this is a right breast
        ("R", ["A", "R"], "left"),
    ],
)
def test_a_breast_that_lies_as_the_other_would_is_refused(
    tmp_path: Path, side: str, orientation: list[str] | None, chest_wall: str
) -> None:
    file = build_file(tmp_path, side=side, orientation=orientation, chest_wall=chest_wall)
    found = refused(file)
    assert found.code == "laterality_conflict_pixels"
    assert f"found it on the {chest_wall}" in found.message
    flagging = Policy(actions={"laterality_conflict_pixels": Action.FLAG})
    image = accepted(file, flagging).mammogram
    assert image.flags[-1] == "laterality_conflict_pixels"
    assert str(image.laterality) == side  # nothing is repaired


def test_a_wrong_patient_orientation_alone_is_flagged(tmp_path: Path) -> None:
    found = accepted(build_file(tmp_path, side="R", orientation=["A", "L"], chest_wall="right"))
    assert found.mammogram.flags == ("orientation_conflict_pixels",)
    assert "as PatientOrientation says" in found.flagged[0].expected


def test_an_inverted_picture_is_refused(tmp_path: Path) -> None:
    inverted = 1.0 - build_breast()[0]
    file = build_file(tmp_path, picture=inverted)
    found = refused(file)
    assert found.code == "photometric_conflict_pixels"
    assert "found bright air" in found.message
    flagging = Policy(actions={"photometric_conflict_pixels": Action.FLAG})
    image = accepted(file, flagging)
    assert "photometric_conflict_pixels" in image.mammogram.flags
    assert image.orientation.chest_wall is Side.LEFT
    assert image.mammogram.pixels.max() > 0.9  # and it stays as it is


@pytest.mark.parametrize("machine", [m for m in MACHINES if not m.refused], ids=lambda m: str(m.number))
def test_a_photometric_interpretation_that_lies_is_seen_unless_air_is_padding(
    tmp_path: Path, machine: Any
) -> None:
    stored, _ = build_stored(machine, shrink=8)
    other = {"MONOCHROME1": "MONOCHROME2", "MONOCHROME2": "MONOCHROME1"}[machine.photometric]
    ds = build_object(machine, stored, shrink=8)
    path = save(tmp_path / "right.dcm", ds)
    files = index_files([(path, path.name)], pseudonyms=AS_GIVEN).exams[0].mammograms
    assert accepted(files[0]).mammogram.flags == machine.flags
    ds.PhotometricInterpretation = other
    ds.PresentationLUTShape = {"MONOCHROME1": "INVERSE"}.get(other, "IDENTITY")
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        ds.pop(keyword, None)
    path = save(tmp_path / "wrong.dcm", ds)
    files = index_files([(path, path.name)], pseudonyms=AS_GIVEN).exams[0].mammograms
    assert refused(files[0]).code == "photometric_conflict_pixels"


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("chest_wall", ["left", "right"])
def test_dark_air_is_never_taken_for_bright(seed: int, chest_wall: str) -> None:
    digital, _ = build_breast(seed=seed, chest_wall=chest_wall)
    film, _ = build_film(seed=seed)
    saturated = np.where(digital > 0, 1.0, 0.0)
    for picture in (digital, film, saturated, digital + 0.05, np.clip(3 * digital, 0, 1)):
        assert not air_is_bright(picture.astype(np.float32))


def test_an_image_without_a_breast_is_refused(tmp_path: Path) -> None:
    specks = np.zeros((416, 320), np.float32)
    specks[20:30, 20:30] = 1.0
    found = refused(build_file(tmp_path, picture=specks))
    assert found.code == "breast_not_found"


def test_an_image_without_contrast_is_refused_with_the_flags_of_its_header(tmp_path: Path) -> None:
    flat = np.full((416, 320), 0.5, np.float32)
    found = refused(build_file(tmp_path, picture=flat, changes={"PatientAge": None}))
    assert found.codes == ("low_dynamic_range", "age_missing")


def test_the_limit_of_saturation_is_the_policys(tmp_path: Path) -> None:
    bright = np.clip(2.5 * build_breast()[0], 0, 1)
    share = float((bright[::4, ::4] >= 0.999).mean())
    assert 0.05 < share < 0.6
    file = build_file(tmp_path, picture=bright)
    strict = Policy(limits=Limits(max_saturated=share / 2))
    lax = Policy(limits=Limits(max_saturated=share + 0.05))
    assert "saturated" in accepted(file, strict).mammogram.flags
    assert "saturated" not in accepted(file, lax).mammogram.flags
    never = Policy(actions={"saturated": Action.REFUSE}, limits=Limits(max_saturated=share / 2))
    assert refused(file, never).code == "saturated"


def test_a_breast_that_looks_alike_on_both_sides_is_flagged(tmp_path: Path) -> None:
    row, column = np.mgrid[-1:1:416j, -1:1:320j]
    disc = np.where(row**2 + column**2 < 0.4, 0.6 + 0.1 * np.cos(9 * row) * np.sin(8 * column), 0.0)
    file = build_file(tmp_path, picture=disc.astype(np.float32))
    assert accepted(file).mammogram.flags == ("chest_wall_uncertain", "breast_uncertain")


def test_an_uncertain_outline_is_refused_where_the_policy_says_so(tmp_path: Path) -> None:
    row, column = np.mgrid[-1:1:416j, -1:1:320j]
    disc = np.where(row**2 + column**2 < 0.4, 0.6 + 0.1 * np.cos(9 * row) * np.sin(8 * column), 0.0)
    file = build_file(tmp_path, picture=disc.astype(np.float32))
    never = Policy(actions={"breast_uncertain": Action.REFUSE})
    assert refused(file, never).code == "breast_uncertain"


def test_a_large_bright_muscle_is_not_taken_for_air(tmp_path: Path) -> None:
    found = accepted(build_file(tmp_path, picture=build_muscled()[0]))
    assert found.mammogram.flags == ()
    assert found.orientation.chest_wall is Side.LEFT


def test_a_breast_of_one_grey_is_refused_for_its_contrast(tmp_path: Path) -> None:
    row, column = np.mgrid[-1:1:1248j, 0:1:960j]
    flat = np.where(row**4 / 0.95 + (column / 0.75) ** 4 < 1, 0.7, 0.0).astype(np.float32)
    spacing = {"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1]}
    found = refused(build_file(tmp_path, picture=flat, changes=spacing))
    assert found.code == "low_dynamic_range"
    assert "expected contrast within the breast, found one value" in found.message


def test_messages_of_the_pixels_name_no_woman(tmp_path: Path) -> None:
    message = refused(build_file(tmp_path, chest_wall="right")).message
    for secret in ("W0001", "A0001", "Doe", str(tmp_path)):
        assert secret not in message


def test_the_real_screening_image_passes_and_the_film_under_its_policy(shared: Path) -> None:
    policy = load_policy("digitised-film")
    folder = shared / "data" / "dicom"
    names = ("fo-dicom/GH133.dcm", "nema_wg04/MG1_J2KI.dcm", "nema_wg04/MG1_JPLY_fixedSe63.dcm")
    for name in names:
        index = index_files([(folder / name, name)], pseudonyms=AS_GIVEN, policy=policy)
        found = accepted(index.exams[0].mammograms[0], policy)
        assert found.orientation.agrees
        assert not {"laterality_conflict_pixels", "chest_wall_uncertain"} & set(found.mammogram.flags)
