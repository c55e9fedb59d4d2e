"""The profiles of peers that call dcmj2pnm, against dcmj2pnm called as they call it.

The peers' rules are written here a second time, on pydicom's data set, as their programs have them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from forescreen.dicom.overlays import read_overlays
from forescreen.dicom.profiles import convert, find_profile
from forescreen.dicom.read import read_header, read_pixels
from forescreen.errors import DicomError

from .builders import build_lut, build_mammogram, save
from .dcmtk_corpus import DCMJ2PNM, rendered

needs_dcmtk = pytest.mark.skipif(DCMJ2PNM is None, reason="needs dcmj2pnm of DCMTK")

#: Decoded by dcmj2pnm itself; the others are written anew without compression first.
SAMPLES = (
    "fo-dicom/GH133.dcm",
    "fo-dicom/OutOfBoundsOverlay.dcm",
    "openrem/MG-Im-GE-SenDS-scaled.dcm",
    "openrem/MG-Im-GE_Seno_1_ForPresentation.dcm",
    "openrem/MG-Im-GE_Seno_1_ForProcessing.dcm",
    "openrem/MG-Im-GE_Seno_2_ForPresentation.dcm",
)
TRANSCODED = ("nema_wg04/MG1_J2KI.dcm", "nema_wg04/MG1_JPLY_fixedSe63.dcm")
PEERS = ("mirai-dcmtk", "oncodata", "paper", "brest")


def peer_options(peer: str, ds: Dataset) -> list[list[str]]:
    """The options of dcmj2pnm that the peer tries, one list after the other."""
    maker, series = str(ds.get("Manufacturer", "")), str(ds.get("SeriesDescription", ""))
    has_lut = len(ds.get("VOILUTSequence", [])) > 0
    c_view = ["+Ww", "540", "580"]
    if peer == "mirai-dcmtk":
        if "GE" in maker and has_lut:
            return [["--use-voi-lut", "1", "--grayscale"]]
        if "C-View" in series and has_lut:
            return [["--grayscale", *c_view]]
        return [["--min-max-window", "--grayscale"]]
    if peer == "oncodata":
        if "GE" in maker:
            return [["--use-voi-lut", "1"], ["--sigmoid-function", "--use-window", "1"]]
        return [c_view] if "C-View" in series else [["--min-max-window"]]
    return [["--min-max-window"]] if peer == "paper" else [[]]


def peers_picture(peer: str, path: Path) -> np.ndarray | None:
    for more in peer_options(peer, pydicom.dcmread(path, stop_before_pixels=True)):
        picture = rendered(path, more)
        if picture is not None:
            return picture
    return None


def n_differing(peer: str, path: Path) -> int:
    """Pixels that differ; both sides must make a picture, or neither."""
    header = read_header(path)
    theirs, mine, code = peers_picture(peer, path), None, ""
    try:
        mine = convert(find_profile(peer), read_pixels(path, header), header, overlays=read_overlays(path))
    except DicomError as error:
        code = error.code
    if code == "intent_for_processing":  # dcmj2pnm does not look at it; the publication did
        assert peer == "paper"
        return 0
    if mine is None or theirs is None:
        assert (mine, theirs, code) == (None, None, "voi_invalid")
        return 0
    return int(np.count_nonzero(theirs != mine.pixels))


@needs_dcmtk
@pytest.mark.needs_shared
@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", SAMPLES)
def test_no_pixel_of_a_real_object_differs(name: str, peer: str, shared: Path, tmp_path: Path) -> None:
    path = shutil.copy(shared / "data" / "dicom" / name, tmp_path / "a.dcm")
    assert n_differing(peer, Path(path)) == 0


@needs_dcmtk
@pytest.mark.needs_shared
@pytest.mark.parametrize("name", TRANSCODED)
def test_no_pixel_of_a_film_differs_once_its_stored_values_are_the_same(
    name: str, shared: Path, tmp_path: Path
) -> None:
    """dcmj2pnm reads no JPEG 2000, and its decoder of lossy JPEG rounds differently: same stored values.

    A strip of 400 rows: the compression of the whole film's PNG takes 10 s.
    """
    source = shared / "data" / "dicom" / name
    ds = pydicom.dcmread(source)
    strip = read_pixels(source, read_header(source))[2000:2400]
    ds.Rows, ds.PixelData = 400, strip.astype("<u2").tobytes()
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OW", False
    path = save(tmp_path / "a.dcm", ds)
    assert [n_differing(peer, path) for peer in ("mirai-dcmtk", "brest")] == [0, 0]


GREYS = {
    "a maker with GE and a LUT": {"Manufacturer": "GE MEDICAL SYSTEMS", "lut": True},
    "GE without a LUT": {"Manufacturer": "GE MEDICAL SYSTEMS", "VOILUTFunction": "SIGMOID"},
    "GE without LUT and window": {
        "Manufacturer": "GE HEALTHCARE",
        "WindowCenter": None,
        "WindowWidth": None,
    },
    "AGFA-GEVAERT": {"Manufacturer": "AGFA-GEVAERT", "lut": True},
    "C-View with a LUT": {"SeriesDescription": "L CC C-View", "lut": True},
    "C-View without a LUT": {"SeriesDescription": "L CC C-View"},
    "C-VIEW in capitals": {"SeriesDescription": "L CC C-VIEW", "lut": True},
    "another maker": {"lut": True, "VOILUTFunction": "SIGMOID"},
    "for processing": {"PresentationIntentType": "FOR PROCESSING"},
}


def build_case(name: str, photometric: str) -> Dataset:
    changes = dict(GREYS[name])
    with_lut = changes.pop("lut", False)
    ds = build_mammogram(photometric=photometric, changes=changes)
    if with_lut:
        ds.VOILUTSequence = Sequence([build_lut(np.arange(3000) * 4095 // 2999, 600, 12)])
    return ds


@needs_dcmtk
@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("name", GREYS)
def test_each_peers_choice_and_pixels_are_its_own(name: str, photometric: str, tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_case(name, photometric))
    assert [n_differing(peer, path) for peer in PEERS] == [0, 0, 0, 0]


@needs_dcmtk
def test_an_overlay_is_burnt_into_the_peers_picture(tmp_path: Path) -> None:
    ds = build_mammogram()
    for element, vr, value in (
        (0x0010, "US", 16),
        (0x0011, "US", 16),
        (0x0040, "CS", "G"),
        (0x0050, "SS", [5, 9]),
        (0x0100, "US", 1),
        (0x0102, "US", 0),
        (0x3000, "OW", b"\x0f\xf0" * 16),
    ):
        ds.add(DataElement(0x60000000 | element, vr, value))
    path = save(tmp_path / "a.dcm", ds)
    assert [n_differing(peer, path) for peer in PEERS] == [0, 0, 0, 0]
    header = read_header(path)
    made = convert(
        find_profile("mirai-dcmtk"), read_pixels(path, header), header, overlays=read_overlays(path)
    )
    assert "overlay planes drawn into the picture: 1" in made.notes


@pytest.mark.needs_shared
@pytest.mark.parametrize("peer", ["mirai-dcmtk", "mirai-pydicom"])
def test_an_exam_gives_mirais_own_input(peer: str, shared: Path) -> None:
    """Mean and standard deviation of the normalised input of the original program, all four views."""
    folder = shared / "data" / "mirai_random"
    expected = json.loads((folder / "expected.json").read_text())["runs"][peer]
    views = []
    for name in ("LCC", "RCC", "LMLO", "RMLO"):
        path = folder / "exam" / f"{name}.dcm"
        header = read_header(path)
        made = convert(find_profile(peer), read_pixels(path, header), header, overlays=read_overlays(path))
        whole = Image.fromarray(made.pixels.astype(np.int32))
        views.append(np.asarray(whole.resize((1664, 2048), Image.Resampling.BILINEAR), dtype=np.float64))
    exam = (np.stack(views) - 7047.99) / 12005.5
    assert exam.mean() == pytest.approx(expected["input_mean_after_normalisation"], abs=2e-6)
    assert exam.std(ddof=1) == pytest.approx(expected["input_std_after_normalisation"], abs=2e-6)
