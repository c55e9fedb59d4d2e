"""Writing mammograms: what is written must be read back, and what cannot be right is not written."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import config as pydicom_config

from forescreen.dicom.description import (
    FOR_PROCESSING,
    Description,
    Equipment,
    GreyScale,
    VoiLut,
    Window,
)
from forescreen.dicom.encode import ENCODERS, EXPLICIT_LITTLE_ENDIAN, RLE_LOSSLESS
from forescreen.dicom.write import derived_uid, encode_mammogram, write_mammogram
from forescreen.errors import InputError
from forescreen.records import Laterality, View

EQUIPMENT = Equipment(manufacturer="Maker", model="Model", serial_number="1", software="1.0")
GREY = GreyScale(
    photometric="MONOCHROME2", bits_stored=12, sign=-1, windows=(Window(center=2048, width=4096),), padding=0
)


def build_description(**changes: object) -> Description:
    plain = Description(
        sop_instance_uid=derived_uid("image"),
        series_instance_uid=derived_uid("series"),
        study_instance_uid=derived_uid("study"),
        woman_id="W1",
        exam_id="E1",
        exam_date="2019-02-28",
        time="101112",
        laterality=Laterality.LEFT,
        view=View.CC,
        spacing_mm=0.28,
        equipment=EQUIPMENT,
        grey=GREY,
        transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
        birth_date="1960-01-02",
        age_years=59,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def build_pixels(rows: int = 37, columns: int = 29, bits: int = 12, seed: int = 0) -> np.ndarray:
    pixels = np.random.default_rng(seed).integers(0, 2**bits, (rows, columns), dtype=np.uint16)
    pixels[:, columns // 2 :] = 0  # air: runs for RLE
    return pixels


def read(encoded: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(encoded))


DECODERS = {
    "1.2.840.10008.1.2.4.57": imagecodecs.ljpeg_decode,
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_decode,
    "1.2.840.10008.1.2.4.90": imagecodecs.jpeg2k_decode,
}


@pytest.mark.parametrize("syntax", ENCODERS)
@pytest.mark.parametrize("shape", [(37, 29), (64, 300), (2, 2)])
def test_pixels_come_back_from_every_transfer_syntax(syntax: str, shape: tuple[int, int]) -> None:
    pixels = build_pixels(*shape)
    data = read(encode_mammogram(pixels, build_description(transfer_syntax=syntax)))
    assert data.file_meta.TransferSyntaxUID == syntax
    if syntax in DECODERS:
        frame = next(pydicom.encaps.generate_frames(data.PixelData, number_of_frames=1))
        found = DECODERS[syntax](frame)
    else:
        found = data.pixel_array
    assert np.array_equal(found, pixels)


# pydicom wonders when noise takes as many bytes compressed as not: the pixels are right all the same.
@pytest.mark.filterwarnings("ignore:The number of bytes of compressed pixel data:UserWarning")
@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 40), columns=st.integers(1, 150), bits=st.integers(8, 16), seed=st.integers(0, 99))
def test_rle_of_any_shape_is_read_by_pydicom(rows: int, columns: int, bits: int, seed: int) -> None:
    grey = replace(GREY, bits_stored=bits)
    pixels = build_pixels(rows, columns, bits, seed)
    data = read(encode_mammogram(pixels, build_description(transfer_syntax=RLE_LOSSLESS, grey=grey)))
    assert np.array_equal(data.pixel_array.reshape(rows, columns), pixels)


def test_every_element_is_valid_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pydicom_config.settings, "reading_validation_mode", pydicom_config.RAISE)
    data = read(encode_mammogram(build_pixels(), build_description(comments="ä comment", institution="Sité")))
    tags = [int(element.tag) for element in data.iterall()]
    top = [int(element.tag) for element in data]
    assert len(tags) > 80
    assert top == sorted(top)
    assert data.ImageComments == "ä comment"
    assert data.InstitutionName == "Sité"
    assert data.PatientAge == "059Y"
    assert data.PatientName == ""


def test_right_oblique_views_say_so_everywhere() -> None:
    data = read(
        encode_mammogram(
            build_pixels(), build_description(laterality=Laterality.RIGHT, view=View.MLO, spacing_mm=0.07)
        )
    )
    assert data.ImageLaterality == "R"
    assert data.ViewPosition == "MLO"
    assert data.ViewCodeSequence[0].CodeValue == "399368009"  # PS3.16 CID 4014
    assert list(data.PatientOrientation) == ["P", "FL"]
    assert data.PositionerPrimaryAngle == -45
    assert [float(v) for v in data.PixelSpacing] == [0.07, 0.07]


def test_magnified_spot_views_divide_the_spacing_by_the_magnification() -> None:
    data = read(encode_mammogram(build_pixels(), build_description(spot=True, magnification=1.8)))
    assert float(data.PixelSpacing[0]) == pytest.approx(0.28 / 1.8)
    assert float(data.ImagerPixelSpacing[0]) == 0.28
    assert data.ViewCodeSequence[0].ViewModifierCodeSequence[0].CodeValue == "399055006"  # CID 4015


def test_windows_tables_and_padding_are_written_as_given() -> None:
    lut = VoiLut(first=5, bits=12, explanation="NORMAL", values=np.arange(7, dtype=np.uint16))
    grey = GreyScale(
        photometric="MONOCHROME1",
        bits_stored=16,
        sign=1,
        windows=(
            Window(center=10, width=20.5, explanation="A"),
            Window(center=11, width=21, explanation="B"),
        ),
        voi_function="SIGMOID",
        luts=(lut,),
        padding=3500,
    )
    data = read(encode_mammogram(build_pixels(), build_description(grey=grey)))
    assert [float(v) for v in data.WindowWidth] == [20.5, 21.0]
    assert list(data.WindowCenterWidthExplanation) == ["A", "B"]
    assert data.VOILUTFunction == "SIGMOID"
    assert data.PixelPaddingValue == 3500
    assert data.PresentationLUTShape == "INVERSE"
    assert list(data.VOILUTSequence[0].LUTDescriptor) == [7, 5, 12]
    assert np.array_equal(np.frombuffer(data.VOILUTSequence[0].LUTData, "<u2"), lut.values)


def test_raw_images_carry_no_window() -> None:
    data = read(encode_mammogram(build_pixels(), build_description(intent=FOR_PROCESSING)))
    assert data.SOPClassUID == "1.2.840.10008.5.1.4.1.1.1.2.1"
    assert data.PresentationIntentType == "FOR PROCESSING"
    assert "WindowCenter" not in data


def test_equal_arguments_give_equal_bytes_and_images_of_one_machine_keep_their_own_names() -> None:
    pixels = build_pixels()
    one, other = build_description(), build_description(exam_id="E2", sop_instance_uid=derived_uid("other"))
    assert encode_mammogram(pixels, one) == encode_mammogram(pixels, one)
    assert read(encode_mammogram(pixels, one)).AccessionNumber == "E1"
    assert read(encode_mammogram(pixels, other)).AccessionNumber == "E2"
    assert read(encode_mammogram(pixels, other)).file_meta.MediaStorageSOPInstanceUID == derived_uid("other")


def test_a_file_is_written_whole_and_nothing_else_stays(tmp_path: Path) -> None:
    write_mammogram(tmp_path / "new" / "a.dcm", build_pixels(), build_description())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.dcm"]
    assert pydicom.dcmread(tmp_path / "new" / "a.dcm").Modality == "MG"


@settings(max_examples=30, deadline=None)
@given(a=st.text("ab1\x1f", max_size=9), b=st.text("ab1", max_size=9))
def test_derived_uids_are_valid_and_belong_to_their_parts(a: str, b: str) -> None:
    uid = derived_uid(a, b)
    assert pydicom.uid.UID(uid).is_valid
    assert uid == derived_uid(a, b)
    assert uid != derived_uid(a + "x", b)
    assert uid != derived_uid(a, b, "")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transfer_syntax": "1.2.3"}, "a transfer syntax among .*found '1.2.3'"),
        ({"intent": "FOR FUN"}, "a presentation intent among .*found 'FOR FUN'"),
        ({"grey": replace(GREY, photometric="RGB")}, "MONOCHROME1, MONOCHROME2, found 'RGB'"),
        ({"grey": replace(GREY, bits_stored=11)}, "at most 11 bits, found the value 4"),
    ],
)
def test_what_cannot_be_written_is_refused(changes: dict[str, object], message: str) -> None:
    pixels = build_pixels()
    pixels[0, 0] = 4095
    with pytest.raises(InputError, match=message):
        encode_mammogram(pixels, build_description(**changes))


def test_an_over_long_number_is_refused_without_repeating_it() -> None:
    with pytest.raises(InputError, match=r"element \(0008,0050\): expected at most 16") as refused:
        encode_mammogram(build_pixels(), build_description(exam_id="A-SECRET-NUMBER-OF-A-WOMAN"))
    assert "SECRET" not in str(refused.value)


def test_pixels_of_another_kind_are_refused() -> None:
    with pytest.raises(InputError, match=r"two-dimensional uint16 array, found float64 \(37, 29\)"):
        encode_mammogram(build_pixels().astype(float), build_description())
