"""Ten public objects of real machines and phantoms, and what each must lead to.

Expected pixel facts were measured with other decoders (pydicom with pylibjpeg and gdcm). The objects
are not part of the project; the tests skip where they are absent.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

from forescreen.dicom.elements import read_elements
from forescreen.dicom.folder import index_folder, load_mammogram
from forescreen.dicom.gate import judge
from forescreen.dicom.pixels import present
from forescreen.dicom.policy import Policy, load_policy
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.values import WANTED
from forescreen.identity import AS_GIVEN
from forescreen.ingestion.inspection import inspect
from forescreen.records import Laterality, View

from .test_elements import assert_same

pytestmark = pytest.mark.needs_shared

FILM = {"secondary_capture", "not_mammography_modality", "lossy_compression", "pixel_spacing_missing"}
REFUSED = {
    "fo-dicom/OutOfBoundsOverlay.dcm": ("stereo_biopsy", set()),
    "nema_wg04/MG1_J2KI.dcm": ("secondary_capture", FILM),
    "nema_wg04/MG1_JPLY_fixedSe63.dcm": ("secondary_capture", FILM),
    "openrem/MG-Im-GE_Seno_1_ForProcessing.dcm": (
        "intent_for_processing",
        {"image_too_small", "pixel_spacing_conflict"},
    ),
    "openrem/MG-Im-GE-SenDS-scaled.dcm": (
        "intent_for_processing",
        {"image_too_small", "pixel_spacing_conflict"},
    ),
    "openrem/MG-Im-GE_Seno_1_ForPresentation.dcm": ("image_too_small", set()),
    "openrem/MG-Im-GE_Seno_2_ForPresentation.dcm": ("image_too_small", set()),
    "openrem/MG-Im-Hologic-PropProj.dcm": ("no_pixel_data", {"secondary_capture", "quality_control"}),
    "medcognetics/jpeg2k_3d.dcm": ("tomosynthesis_volume", set()),
}
DECODED = [
    # file, shape, minimum, maximum, mean, mean's tolerance, first hex digits of the SHA-256
    ("fo-dicom/GH133.dcm", (3062, 2394), 0, 3471, 750.0009, 5e-5, "cc9e4d5b757bb6ae"),
    ("fo-dicom/OutOfBoundsOverlay.dcm", (788, 1318), 27, 4091, 1101.3014, 5e-5, "32ceae3b3310f6e8"),
    ("nema_wg04/MG1_J2KI.dcm", (4664, 3064), 0, 4095, 1610.84, 0.005, ""),
    # 12-bit JPEG is lossy: decoders differ in rounding, 1610.89 here and 1610.92 elsewhere.
    ("nema_wg04/MG1_JPLY_fixedSe63.dcm", (4664, 3064), 0, 4095, 1610.92, 0.05, ""),
]


@pytest.fixture
def samples(shared: Path) -> Path:
    folder = shared / "data" / "dicom"
    if not folder.is_dir():
        pytest.skip(f"needs {folder.name}")
    return folder


def test_every_object_leads_to_what_it_must(samples: Path) -> None:
    found = index_folder(samples, pseudonyms=AS_GIVEN)
    refusals = {refusal.file: refusal for refusal in found.refusals if refusal.code != "not_dicom"}
    assert set(refusals) == set(REFUSED)
    for file, (code, others) in REFUSED.items():
        assert refusals[file].code == code
        assert others <= set(refusals[file].codes), file
    (exam,) = found.exams
    (image,) = exam.mammograms
    assert image.file == "fo-dicom/GH133.dcm"
    assert (image.laterality, image.view) == (Laterality.RIGHT, View.MLO)
    assert set(image.flags) == {"pixel_spacing_from_imager", "age_implausible"}
    assert image.spacing_mm == pytest.approx((0.09409090909091, 0.09409090909091))


def test_film_passes_under_the_film_policy_with_its_flags(samples: Path) -> None:
    header = read_header(samples / "nema_wg04" / "MG1_J2KI.dcm")
    decision = judge(header, load_policy("digitised-film"))
    assert (decision.reasons, set(decision.flags)) == ((), FILM)
    assert (decision.laterality, decision.view) == (Laterality.LEFT, View.MLO)
    assert decision.spacing.mm is None


@pytest.mark.parametrize(("file", "shape", "low", "high", "mean", "tolerance", "digest"), DECODED)
def test_decoded_pixels_are_those_of_other_decoders(
    samples: Path,
    file: str,
    shape: tuple[int, int],
    low: int,
    high: int,
    mean: float,
    tolerance: float,
    digest: str,
) -> None:
    header = read_header(samples / file)
    pixels = read_pixels(samples / file, header)
    assert (pixels.shape, pixels.min(), pixels.max()) == (shape, low, high)
    assert pixels.mean() == pytest.approx(mean, abs=tolerance)
    assert hashlib.sha256(pixels.astype("<u2").tobytes()).hexdigest().startswith(digest)


def test_two_lossy_codings_of_one_film_agree(samples: Path) -> None:
    # Known: correlation .99990, mean absolute difference 13.2 of 4095. Every 7th pixel is enough here.
    one, two = (
        read_pixels(path, read_header(path))[::7, ::7].astype(float)
        for path in sorted((samples / "nema_wg04").glob("*.dcm"))
    )
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.9998
    assert np.abs(one - two).mean() == pytest.approx(13.2, abs=0.3)


def test_the_luts_of_a_ge_machine_are_its_sigmoid_windows(samples: Path) -> None:
    # Known means in 12-bit output: LUT 331.376 / 236.822 / 443.122, SIGMOID 331.394 / 236.825 / 443.280.
    path = samples / "fo-dicom" / "GH133.dcm"
    header = read_header(path)
    pixels = read_pixels(path, header)
    grey = header.grayscale
    for i, (by_lut, by_window) in enumerate([(331.376, 331.394), (236.822, 236.825), (443.122, 443.280)]):
        lut = replace(grey, voi_luts=grey.voi_luts[i : i + 1], padding=None)
        window = replace(grey, voi_luts=(), windows=grey.windows[i : i + 1], padding=None)
        assert present(pixels, lut).pixels.mean(dtype=float) * 4095 == pytest.approx(by_lut, abs=0.001)
        assert present(pixels, window).pixels.mean(dtype=float) * 4095 == pytest.approx(by_window, abs=0.001)


def test_a_real_screening_image_loads_with_padding_at_zero(samples: Path) -> None:
    found = index_folder(samples / "fo-dicom", pseudonyms=AS_GIVEN)
    mammogram = load_mammogram(found.exams[0].mammograms[0])
    assert mammogram.acquisition.voi == "lut:0"
    quarter = mammogram.pixels.shape[1] // 4
    assert not mammogram.pixels[:, :quarter].any()  # chest wall on the right, background on the left
    assert mammogram.pixels[:, -quarter:].mean() > 0.1


def test_header_values_are_those_that_pydicom_reads(samples: Path) -> None:
    for path in sorted(samples.rglob("*.dcm")):
        with path.open("rb") as stream:
            ours = read_elements(stream, WANTED)
        assert assert_same(ours.by_tag, pydicom.dcmread(path)) > 25, path.name


def test_functional_groups_and_foreign_letters_survive(samples: Path) -> None:
    volume = read_header(samples / "medcognetics" / "jpeg2k_3d.dcm")
    assert (volume.frame_laterality, volume.n_frames) == ("L", 4)
    scaled = read_header(samples / "openrem" / "MG-Im-GE-SenDS-scaled.dcm")
    assert scaled.patient_id == "ABCD1234"
    assert scaled.age_years == pytest.approx(1 / 365.25)


def test_one_exposure_in_two_intents_has_one_acquisition_time(samples: Path) -> None:
    raw = read_header(samples / "openrem" / "MG-Im-GE_Seno_1_ForProcessing.dcm")
    processed = read_header(samples / "openrem" / "MG-Im-GE_Seno_1_ForPresentation.dcm")
    other = read_header(samples / "openrem" / "MG-Im-GE_Seno_2_ForPresentation.dcm")
    assert raw.exposure == processed.exposure
    assert raw.exposure != other.exposure


def test_inspection_tells_the_same_and_what_each_object_is(samples: Path) -> None:
    found = inspect([samples], Policy())
    kinds = {one.file: one.kind for one in found.files if one.verdict != "skip"}
    assert kinds == {
        "fo-dicom/GH133.dcm": "mammogram",
        "fo-dicom/OutOfBoundsOverlay.dcm": "stereotactic image",
        "medcognetics/jpeg2k_3d.dcm": "tomosynthesis volume",
        "nema_wg04/MG1_J2KI.dcm": "digitised film or capture",
        "nema_wg04/MG1_JPLY_fixedSe63.dcm": "digitised film or capture",
        "openrem/MG-Im-GE-SenDS-scaled.dcm": "raw mammogram",
        "openrem/MG-Im-GE_Seno_1_ForPresentation.dcm": "mammogram",
        "openrem/MG-Im-GE_Seno_1_ForProcessing.dcm": "raw mammogram",
        "openrem/MG-Im-GE_Seno_2_ForPresentation.dcm": "mammogram",
        "openrem/MG-Im-Hologic-PropProj.dcm": "quality control image",
    }
    by_name = {one.file: one for one in found.files}
    for file, (code, others) in REFUSED.items():
        codes = [note.code for note in (*by_name[file].reasons, *by_name[file].flags)]
        assert (by_name[file].verdict, codes[0]) == ("refuse", code)
        assert others <= set(codes)
    accepted = by_name["fo-dicom/GH133.dcm"]
    assert accepted.verdict == "flag"
    assert {note.code for note in accepted.flags} == {"pixel_spacing_from_imager", "age_implausible"}
    assert found.exams[0].missing == ("L CC", "L MLO", "R CC")
    assert found.exit_code == 1
