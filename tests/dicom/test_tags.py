"""Header values, tolerant of what archives hold."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from forescreen.dicom.read import read_header
from forescreen.dicom.values import Window

from .builders import EXPLICIT_BIG, IMPLICIT_LITTLE, build_lut, build_mammogram, build_pixels, save

SMALL = build_pixels(rows=8, columns=6)


def test_an_ordinary_header_is_read_in_full(tmp_path: Path) -> None:
    ds = build_mammogram(SMALL, laterality="R", view="MLO", number=3)
    header = read_header(save(tmp_path / "a.dcm", ds))
    assert (header.patient_id, header.accession, header.study_date) == ("W0001", "A0001", "2021-03-14")
    assert (header.modality, header.intent, header.image_type) == (
        "MG",
        "FOR PRESENTATION",
        ("ORIGINAL", "PRIMARY"),
    )
    assert (header.rows, header.columns, header.n_frames, header.samples_per_pixel) == (8, 6, 1, 1)
    assert (header.pixel_spacing, header.imager_spacing, header.magnification) == ((0.3, 0.3), None, None)
    assert (header.image_laterality, header.view_position, header.orientation) == ("R", "MLO", ("A", "FL"))
    assert header.software == "1.0\\2.0"
    assert header.acquired == "20210314100300"
    assert header.age_years == 57.0
    grey = header.grayscale
    assert (grey.bits_allocated, grey.bits_stored, grey.high_bit, grey.signed) == (16, 12, 11, False)
    assert (grey.windows, grey.voi_luts, grey.voi_function) == ((Window(2048.0, 4096.0),), (), "")
    assert (grey.slope, grey.intercept, grey.padding) == (1.0, 0.0, None)


@pytest.mark.parametrize(
    ("age", "birth", "years"),
    [
        ("000Y", "00000000", 0.0),
        ("006M", "", 0.5),
        ("", "19630314", 58.0),
        ("unknown", "", None),
        ("\u00b357Y", "", None),  # a digit to Python, not a number
        ("", "19631399", None),
    ],
)
def test_ages_come_from_the_age_then_from_the_dates(
    tmp_path: Path, age: str, birth: str, years: float | None
) -> None:
    ds = build_mammogram(SMALL, changes={"PatientAge": age, "PatientBirthDate": birth})
    found = read_header(save(tmp_path / "a.dcm", ds)).age_years
    assert found == (None if years is None else pytest.approx(years, abs=0.01))


def test_values_that_break_their_own_rules_become_absent_not_errors(tmp_path: Path) -> None:
    changes = {
        "PixelSpacing": "0.07",
        "ImagerPixelSpacing": "-1\\0.07",
        "EstimatedRadiographicMagnificationFactor": "about 1",
        "StudyDate": "2021-03",
        "AcquisitionDate": "",
        "ContentDate": "",
        "WindowCenter": "2000\\x",
        "WindowWidth": "400",
        "AccessionNumber": "A" * 70,
        "NumberOfFrames": "",
    }
    header = read_header(save(tmp_path / "a.dcm", build_mammogram(SMALL, changes=changes)))
    assert (header.pixel_spacing, header.imager_spacing, header.magnification) == (None, None, None)
    assert (header.study_date, header.acquired, header.n_frames) == ("", "", 1)
    assert header.grayscale.windows == (Window(2000.0, 400.0), None)
    assert header.accession == "A" * 70


@pytest.mark.parametrize("charset", [None, "ISO_IR 192", "ISO 2022 IR 6", "NO SUCH SET"])
def test_text_survives_any_character_set(tmp_path: Path, charset: str | None) -> None:
    ds = build_mammogram(SMALL)
    path = save(tmp_path / "a.dcm", ds)
    data = path.read_bytes()
    raw = "Mäker".encode("utf-8" if charset == "ISO_IR 192" else "latin-1").ljust(6)
    name = (charset or "").ljust(14).encode()
    element = b"\x08\x00\x05\x00CS" + len(name).to_bytes(2, "little") + name
    at = data.index(b"\x08\x00\x08\x00CS")
    data = data[:at] + element + data[at:]
    data = data.replace(b"LO\x06\x00Maker ", b"LO\x06\x00" + raw)
    path.write_bytes(data)
    assert read_header(path).manufacturer == "Mäker"


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_BIG])
def test_binary_values_are_read_in_their_byte_order(tmp_path: Path, syntax: str) -> None:
    changes = {"PixelPaddingValue": 3300, "PixelPaddingRangeLimit": 2852}
    ds = build_mammogram(SMALL, changes=changes)
    ds.VOILUTSequence = Sequence([build_lut(SMALL[0], 625, 12)])
    grey = read_header(save(tmp_path / "a.dcm", ds, syntax=syntax)).grayscale
    assert grey.padding == (2852, 3300)
    table = grey.voi_luts[0]
    assert table is not None
    assert (table.n_entries, table.first_mapped, table.bits) == (6, 625, 12)
    assert table.data == SMALL[0].astype("<u2").tobytes()


def test_a_lut_whose_data_do_not_fit_its_descriptor_is_marked(tmp_path: Path) -> None:
    ds = build_mammogram(SMALL)
    item = build_lut(SMALL[0], 0, 12)
    item.LUTDescriptor = [99, 0, 12]
    ds.VOILUTSequence = Sequence([item])
    assert read_header(save(tmp_path / "a.dcm", ds)).grayscale.voi_luts == (None,)


def test_a_lut_of_zero_entries_has_65536(tmp_path: Path) -> None:
    ds = build_mammogram(SMALL)
    ds.VOILUTSequence = Sequence([build_lut(build_pixels(rows=1, columns=65536, bits=16)[0], 0, 16)])
    table = read_header(save(tmp_path / "a.dcm", ds)).grayscale.voi_luts[0]
    assert table is not None
    assert table.n_entries == 65536


def test_the_side_in_functional_groups_is_found(tmp_path: Path) -> None:
    anatomy, group = Dataset(), Dataset()
    anatomy.FrameLaterality = "L"
    group.FrameAnatomySequence = Sequence([anatomy])
    ds = build_mammogram(SMALL, changes={"ImageLaterality": None})
    ds.SharedFunctionalGroupsSequence = Sequence([group])
    assert read_header(save(tmp_path / "a.dcm", ds)).frame_laterality == "L"


def test_repr_of_a_header_names_no_woman(tmp_path: Path) -> None:
    text = repr(read_header(save(tmp_path / "a.dcm", build_mammogram(SMALL))))
    assert "W0001" not in text
    assert "A0001" not in text
    assert "Doe" not in text
