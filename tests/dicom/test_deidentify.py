"""One object without identity: nothing of hers is left, and all that research needs is."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import config
from pydicom.datadict import DicomDictionary
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_fragments, parse_basic_offsets
from pydicom.sequence import Sequence

from forescreen.dicom.attributes import PROFILE, RULES
from forescreen.dicom.deidentify import Deidentified, deidentify, write_deidentified
from forescreen.dicom.elements import read_elements
from forescreen.dicom.folder import index_folder
from forescreen.dicom.gate import Policy, judge
from forescreen.dicom.guard import REFUSALS
from forescreen.dicom.pixels import present
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.tags import Header
from forescreen.dicom.values import tag_of
from forescreen.errors import ConfigError, DicomError
from forescreen.identity import AS_GIVEN, Pseudonyms

from ..planted import BIRTH_DATE, NAMES, build_planted, in_bytes, save_planted
from .builders import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    HTJ2K,
    IMPLICIT_LITTLE,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    PROCESSING_CLASS,
    REPORT_CLASS,
    RLE,
    SECONDARY_CAPTURE_CLASS,
    TOMOSYNTHESIS_CLASS,
    build_mammogram,
    build_pixels,
    build_view,
    save,
)

KEYED = Pseudonyms(key=b"k" * 32)
SYNTAXES = [
    IMPLICIT_LITTLE,
    EXPLICIT_LITTLE,
    EXPLICIT_BIG,
    DEFLATED,
    RLE,
    JPEG_LOSSLESS,
    JPEG_LS,
    JPEG_2000,
    HTJ2K,
]
#: What intake must read as before; the rest is who and when, or words, or compared apart.
SAME = {field.name for field in fields(Header)} - {
    "patient_id",
    "accession",
    "study_uid",
    "series_uid",
    "sop_instance_uid",
    "study_date",
    "acquired",
    "series_number",
    "manufacturer",
    "model",
    "software",
    "study_description",
    "series_description",
    "protocol",
    "derivation",
    "processing",
    "paddle",
    "body_part",
    "image_type",
    "concatenation_uid",
    "pixel_data",
    "grayscale",
}


def clean(path: Path, out: Path, pseudonyms: Pseudonyms = KEYED, *, keep_dates: bool = False) -> Deidentified:
    with path.open("rb") as stream:
        found = deidentify(stream, pseudonyms, keep_dates=keep_dates)
        target = io.BytesIO()
        write_deidentified(stream, target, found)
    out.write_bytes(target.getvalue())
    return found


def cleaned(
    ds: Dataset, tmp_path: Path, *, syntax: str = EXPLICIT_LITTLE, keep_dates: bool = False
) -> Dataset:
    clean(save(tmp_path / "in.dcm", ds, syntax=syntax), tmp_path / "out.dcm", keep_dates=keep_dates)
    return pydicom.dcmread(tmp_path / "out.dcm")


def tags_of(ds: Dataset) -> set[int]:
    """All tags of a data set, those in items too."""
    found = {int(element.tag) for element in ds}
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                found |= tags_of(item)
    return found


def encode_any(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR", b"OD", b"OF", b"OL", b"OV", b"SV", b"UV"):
        return struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def item(content: bytes) -> bytes:
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content


def raw_object(
    values: Mapping[int, tuple[bytes, bytes]],
    nested: Mapping[int, list[dict[int, tuple[bytes, bytes]]]] | None = None,
) -> bytes:
    """A mammogram of 4 x 4 pixels with elements as they come: no writer would pass these values."""
    needed = {
        0x00080016: (b"UI", b"1.2.840.10008.5.1.4.1.1.1.2\0"),
        0x00080060: (b"CS", b"MG"),
        0x00280002: (b"US", b"\1\0"),
        0x00280004: (b"CS", b"MONOCHROME2 "),
        0x00280010: (b"US", b"\4\0"),
        0x00280011: (b"US", b"\4\0"),
        0x00280100: (b"US", b"\x10\0"),
    }
    encoded = {tag: encode_any(tag, *pair) for tag, pair in {**values, **needed}.items()}
    for tag, items in (nested or {}).items():
        content = b"".join(item(b"".join(encode_any(t, *each[t]) for t in sorted(each))) for each in items)
        encoded[tag] = encode_any(tag, b"SQ", content)
    body = b"".join(encoded[tag] for tag in sorted(encoded))
    data = b"\0" * 128 + b"DICM" + encode_any(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0") + body
    return data + encode_any(0x7FE00010, b"OW", bytes(32))


def clean_bytes(data: bytes) -> bytes:
    stream, target = io.BytesIO(data), io.BytesIO()
    write_deidentified(stream, target, deidentify(stream, KEYED))
    return target.getvalue()


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_nothing_planted_is_left_and_the_picture_is_the_same(tmp_path: Path, syntax: str) -> None:
    path = save_planted(tmp_path / "in.dcm", build_planted(), syntax=syntax)
    assert len(in_bytes(path.read_bytes())) > 20 or syntax == DEFLATED
    clean(path, tmp_path / "out.dcm")
    elements = (tmp_path / "out.dcm").read_bytes()
    assert in_bytes(elements) == []
    before, after = read_header(path), read_header(tmp_path / "out.dcm")
    assert {name for name in SAME if getattr(before, name) != getattr(after, name)} == set()
    assert before.grayscale == after.grayscale  # names of windows and tables do not compare
    assert judge(before, Policy()).codes == judge(after, Policy()).codes
    assert judge(before, Policy()).spacing == judge(after, Policy()).spacing
    stored = read_pixels(path, before)
    assert np.array_equal(stored, read_pixels(tmp_path / "out.dcm", after))
    assert np.array_equal(present(stored, before.grayscale).pixels, present(stored, after.grayscale).pixels)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_names_of_all_scripts_are_gone(tmp_path: Path, name: str) -> None:
    path = save_planted(tmp_path / "in.dcm", build_planted(name=name))
    clean(path, tmp_path / "out.dcm")
    assert in_bytes((tmp_path / "out.dcm").read_bytes()) == []


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_native_pixel_bytes_are_those_of_the_file(tmp_path: Path, syntax: str) -> None:
    ds = build_mammogram()
    path = save(tmp_path / "in.dcm", ds, syntax=syntax)
    clean(path, tmp_path / "out.dcm")
    assert pydicom.dcmread(tmp_path / "out.dcm").PixelData == pydicom.dcmread(path).PixelData


@pytest.mark.parametrize("syntax", [RLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, HTJ2K])
def test_encapsulation_is_that_of_the_file(tmp_path: Path, syntax: str) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(), syntax=syntax)
    clean(path, tmp_path / "out.dcm")
    assert pydicom.dcmread(tmp_path / "out.dcm").PixelData == pydicom.dcmread(path).PixelData


def test_only_attributes_with_a_rule_are_left_and_the_file_is_conformant(tmp_path: Path) -> None:
    clean(save_planted(tmp_path / "in.dcm", build_planted()), tmp_path / "out.dcm")
    ds = pydicom.dcmread(tmp_path / "out.dcm")
    added = {0x00120062, 0x00120063, 0x00120064, 0x00280303, 0x7FE00010}
    assert tags_of(ds) <= set(RULES) | added
    assert ds.preamble == b"\0" * 128
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    assert ds.file_meta.MediaStorageSOPClassUID == ds.SOPClassUID
    assert {int(element.tag) for element in ds.file_meta} == {
        0x00020000,
        0x00020001,
        0x00020002,
        0x00020003,
        0x00020010,
        0x00020012,
        0x00020013,
    }
    pydicom.dcmwrite(io.BytesIO(), ds, enforce_file_format=True)
    for element in ds.iterall():  # each value satisfies its own VR
        DataElement(element.tag, element.VR, element.value, validation_mode=config.RAISE)


def test_the_object_says_what_was_done(tmp_path: Path) -> None:
    ds = cleaned(build_mammogram(), tmp_path)
    assert ds.PatientIdentityRemoved == "YES"
    assert ds.DeidentificationMethod == f"{PROFILE} {KEYED.mark}"
    codes = [(item.CodeValue, item.CodingSchemeDesignator) for item in ds.DeidentificationMethodCodeSequence]
    assert codes == [("113100", "DCM"), ("113105", "DCM"), ("113108", "DCM"), ("113107", "DCM")]
    assert ds.LongitudinalTemporalInformationModified == "MODIFIED"


def test_kept_dates_are_said_to_be_kept(tmp_path: Path) -> None:
    ds = cleaned(build_mammogram(), tmp_path, keep_dates=True)
    assert (ds.StudyDate, ds.LongitudinalTemporalInformationModified) == ("20210314", "UNMODIFIED")
    assert ds.DeidentificationMethodCodeSequence[-1].CodeValue == "113106"


def test_women_and_exams_have_the_pseudonyms_of_ingestion(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for number, changes in enumerate(
        (
            {},
            {"AccessionNumber": "A0002", "StudyDate": "20220314"},
            {"AccessionNumber": None, "StudyDate": "20230314"},
            {"AccessionNumber": "", "StudyDate": None, "AcquisitionDate": None},
            {"PatientID": " W0002 ", "AccessionNumber": "A0003"},
        )
    ):
        ds = build_mammogram(number=number + 1, changes=changes)
        clean(save(tmp_path / "a" / f"{number}.dcm", ds), tmp_path / "b" / f"{number}.dcm")
    direct = index_folder(tmp_path / "a", pseudonyms=KEYED).exams
    later = index_folder(tmp_path / "b", pseudonyms=AS_GIVEN).exams
    assert [(e.woman_id, e.exam_id) for e in direct] == [(e.woman_id, e.exam_id) for e in later]
    assert len(direct) == 5


def test_intervals_between_exams_of_one_woman_stay_and_days_move_by_1_to_365(tmp_path: Path) -> None:
    first = cleaned(build_mammogram(changes={"StudyDate": "20200229"}), tmp_path)
    second = cleaned(build_mammogram(changes={"StudyDate": "20220301"}), tmp_path)
    other = cleaned(build_mammogram(changes={"StudyDate": "20200229", "PatientID": "W2"}), tmp_path)
    days = {k: np.datetime64(f"{v[:4]}-{v[4:6]}-{v[6:]}") for k, v in
            {"a": first.StudyDate, "b": second.StudyDate, "c": other.StudyDate}.items()}  # fmt: skip
    assert days["b"] - days["a"] == np.datetime64("2022-03-01") - np.datetime64("2020-02-29")
    moved = (np.datetime64("2020-02-29") - days["a"]).astype(int)
    assert 1 <= moved <= 365
    assert days["c"] != days["a"]
    assert first.AcquisitionTime == "100100"  # the time of day stays


def test_references_between_objects_stay_whole(tmp_path: Path) -> None:
    raw = build_mammogram(
        number=7, changes={"SOPClassUID": PROCESSING_CLASS, "PresentationIntentType": "FOR PROCESSING"}
    )
    shown = build_mammogram(number=8)
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = raw.SOPClassUID, raw.SOPInstanceUID
    shown.SourceImageSequence = Sequence([item])
    a, b = cleaned(raw, tmp_path), cleaned(shown, tmp_path)
    assert b.SourceImageSequence[0].ReferencedSOPInstanceUID == a.SOPInstanceUID
    assert b.SourceImageSequence[0].ReferencedSOPClassUID == PROCESSING_CLASS
    assert a.StudyInstanceUID == b.StudyInstanceUID != raw.StudyInstanceUID
    assert a.SOPInstanceUID.startswith("2.25.")
    assert len(a.SOPInstanceUID) <= 64


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        ("057Y", "057Y"),
        ("089Y", "089Y"),
        ("090Y", "090Y"),
        ("103Y", "090Y"),
        ("006M", "006M"),
        ("000Y", "000Y"),
    ],
)
def test_ages_from_90_years_on_are_one_class(tmp_path: Path, age: str, expected: str) -> None:
    assert cleaned(build_mammogram(changes={"PatientAge": age}), tmp_path).PatientAge == expected


def test_an_age_that_only_the_birth_date_tells_is_written(tmp_path: Path) -> None:
    ds = cleaned(build_mammogram(changes={"PatientAge": None, "PatientBirthDate": BIRTH_DATE}), tmp_path)
    assert (ds.PatientAge, ds.PatientBirthDate) == ("060Y", "")


@pytest.mark.parametrize("broken", [b"Doe^J", b"Y057", b"0x7Y", b"", b"57"])
def test_an_age_that_is_none_is_left_out(broken: bytes) -> None:
    assert b"AS" not in clean_bytes(raw_object({0x00101010: (b"AS", broken)}))[132:-40] or not broken


def test_an_age_of_two_digits_is_written_with_three() -> None:
    assert b"AS\4\x00057Y" in clean_bytes(raw_object({0x00101010: (b"AS", b"57Y")}))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"SOPClassUID": REPORT_CLASS, "PixelData": None}, "non_image_object"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.11.1", "PixelData": None}, "non_image_object"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1"}, "non_image_object"),
        ({"SOPClassUID": SECONDARY_CAPTURE_CLASS}, "secondary_capture"),
        ({"SOPClassUID": "1.2.3.4"}, "unsupported_sop_class"),
        ({"Modality": "CR"}, "not_mammography_modality"),
        ({"PixelData": None}, "no_pixel_data"),
        ({"BurnedInAnnotation": "YES"}, "burned_in_annotation"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, "colour_image"),
        ({"Rows": 5000}, "truncated_file"),
        ({"BitsAllocated": 32}, "undecodable_pixels"),
        ({"Rows": 0}, "undecodable_pixels"),
    ],
)
def test_what_may_show_who_she_is_is_refused(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(changes=changes))
    with path.open("rb") as stream, pytest.raises(DicomError) as caught:
        deidentify(stream, KEYED)
    assert caught.value.code == code
    assert code in REFUSALS
    assert "expected" in str(caught.value)


def test_overlays_inside_the_pixel_cells_are_refused(tmp_path: Path) -> None:
    ds = build_mammogram()
    ds.add(DataElement(0x60000102, "US", 12))
    path = save(tmp_path / "in.dcm", ds)
    with path.open("rb") as stream, pytest.raises(DicomError, match="OverlayBitPosition"):
        deidentify(stream, KEYED)


def test_an_unknown_or_private_transfer_syntax_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(), syntax=EXPLICIT_LITTLE)
    data = path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
    with pytest.raises(DicomError, match="a syntax of the standard"):
        deidentify(io.BytesIO(data), KEYED)


def test_a_second_pass_under_the_same_key_is_refused_and_under_another_changes_only_identity(
    tmp_path: Path,
) -> None:
    clean(save(tmp_path / "in.dcm", build_mammogram()), tmp_path / "once.dcm")
    with (
        (tmp_path / "once.dcm").open("rb") as stream,
        pytest.raises(DicomError, match="of this profile and key"),
    ):
        deidentify(stream, KEYED)
    clean(tmp_path / "once.dcm", tmp_path / "twice.dcm", Pseudonyms(key=b"other key, also long"))
    once, twice = pydicom.dcmread(tmp_path / "once.dcm"), pydicom.dcmread(tmp_path / "twice.dcm")
    differing = {element.keyword for element in once if twice.get(element.tag) != element}
    assert tags_of(once) == tags_of(twice)
    assert differing == {
        "SOPInstanceUID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "PatientID",
        "AccessionNumber",
        "StudyDate",
        "AcquisitionDate",
        "DeidentificationMethod",
    }


def test_without_a_key_nothing_is_done(tmp_path: Path) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram())
    with path.open("rb") as stream, pytest.raises(ConfigError, match="a pseudonym key"):
        deidentify(stream, AS_GIVEN)


def test_surplus_behind_native_pixels_is_cut_off(tmp_path: Path) -> None:
    ds = build_mammogram()
    length = len(ds.PixelData)
    ds.PixelData += b"Quixandra "
    assert len(cleaned(ds, tmp_path).PixelData) == length


def test_a_table_longer_than_its_descriptor_says_is_left_out(tmp_path: Path) -> None:
    ds = build_planted()
    ds.VOILUTSequence[0].LUTData += b"Quixandra "
    path = save(tmp_path / "in.dcm", ds)
    clean(path, tmp_path / "out.dcm")
    assert b"Quixandra" not in (tmp_path / "out.dcm").read_bytes()
    assert "LUTData" not in pydicom.dcmread(tmp_path / "out.dcm").VOILUTSequence[0]


@pytest.mark.parametrize(
    ("keyword", "value", "expected"),
    [
        ("KVP", "29 Quixandra", ""),
        ("KVP", " 29.50 ", "29.50"),
        ("KVP", "NaN", ""),
        ("WindowCenter", "2000\\Quixandra\\-1e3", "2000\\\\-1e3"),
        ("PixelSpacing", "0.065238095238095238\\0.0652", "0.0652380952381\\0.0652"),
        ("InstanceNumber", "8604121937", ""),
        ("InstanceNumber", "12345", ""),
        ("InstanceNumber", "123456", "123456"),
        ("KVP", "8604121937", ""),
        ("ExposureInuAs", "12345", ""),
        ("BodyPartThickness", "12345.0", ""),
        ("Exposure", "4.0", "4"),
        ("Exposure", "4.5", ""),
    ],
)
def test_numbers_that_are_none_or_hers_do_not_pass(keyword: str, value: str, expected: str) -> None:
    tag = tag_of(keyword)
    data = raw_object(
        {
            tag: (RULES[tag].vr.encode(), value.encode()),
            0x00100020: (b"LO", b"8604121937"),
            0x00200010: (b"SH", b"12345"),
        }
    )
    found = read_elements(io.BytesIO(clean_bytes(data)), frozenset({tag})).by_tag[tag]
    assert found.value.decode().strip() == expected


def test_a_view_that_is_unknown_stays_an_unknown_view(tmp_path: Path) -> None:
    changes = {
        "ViewPosition": "Quixandra",
        "ViewCodeSequence": DataElement(0x00540220, "SQ", build_view("Q-77", "99X")),
    }
    path = save(tmp_path / "in.dcm", build_mammogram(changes=changes))
    clean(path, tmp_path / "out.dcm")
    before, after = (judge(read_header(p), Policy()) for p in (path, tmp_path / "out.dcm"))
    assert before.codes == after.codes
    assert "view_not_standard" in after.codes
    item = pydicom.dcmread(tmp_path / "out.dcm").ViewCodeSequence[0]
    assert (item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning) == ("OTHER", "99OTHER", "other")


@pytest.mark.parametrize(
    ("series", "paddle", "model"),
    [
        ("L CC C-View", "", "Selenia Dimensions"),
        ("L CC Jane's C-ViewX", "", "Selenia Dimensions"),
        ("", "SPOT10CM", "Mammomat"),
        ("", "MAG1_8", "Mammomat"),
        ("", "", "FDR-3000AWS"),
    ],
)
def test_the_gate_decides_as_before_where_words_decide(
    tmp_path: Path, series: str, paddle: str, model: str
) -> None:
    changes = {
        "SeriesDescription": series,
        "PaddleDescription": paddle,
        "ManufacturerModelName": model,
        "ImageType": ["DERIVED", "PRIMARY"],
    }
    path = save(tmp_path / "in.dcm", build_mammogram(changes=changes))
    clean(path, tmp_path / "out.dcm")
    before, after = (judge(read_header(p), Policy()).codes for p in (path, tmp_path / "out.dcm"))
    assert before == after
    assert before


def test_a_phantom_that_only_its_name_tells_stays_a_phantom(tmp_path: Path) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(changes={"PatientName": "Physics^QA"}))
    clean(path, tmp_path / "out.dcm")
    assert "quality_control" in judge(read_header(tmp_path / "out.dcm"), Policy()).codes


def test_big_endian_numbers_and_tables_stay_numbers(tmp_path: Path) -> None:
    path = save_planted(tmp_path / "in.dcm", build_planted(), syntax=EXPLICIT_BIG)
    clean(path, tmp_path / "out.dcm")
    ds = pydicom.dcmread(tmp_path / "out.dcm")
    assert (ds.Rows, ds.Columns, ds.VOILUTSequence[0].LUTDescriptor) == (300, 260, [4096, 0, 12])
    assert np.frombuffer(ds.VOILUTSequence[0].LUTData, ">u2")[:5].tolist() == [0, 1, 2, 3, 4]


def test_eight_bit_big_endian_bytes_keep_their_vr(tmp_path: Path) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(build_pixels(bits=8), bits=8), syntax=EXPLICIT_LITTLE)
    clean(path, tmp_path / "out.dcm")
    assert pydicom.dcmread(tmp_path / "out.dcm")["PixelData"].VR == pydicom.dcmread(path)["PixelData"].VR


def test_a_file_without_preamble_and_meta_gets_both(tmp_path: Path) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(), syntax=IMPLICIT_LITTLE, preamble=False)
    clean(path, tmp_path / "out.dcm")
    assert pydicom.dcmread(tmp_path / "out.dcm").file_meta.TransferSyntaxUID == IMPLICIT_LITTLE


def test_several_frames_keep_their_offset_table_and_fragments(tmp_path: Path) -> None:
    ds = build_mammogram(
        build_pixels(rows=40, columns=30),
        changes={"NumberOfFrames": 3, "SOPClassUID": TOMOSYNTHESIS_CLASS},
    )
    frames = [imagecodecs.jpegls_encode(build_pixels(rows=40, columns=30, seed=s)) for s in range(3)]
    path = tmp_path / "in.dcm"
    save(path, ds, syntax=JPEG_LS)
    stored = pydicom.dcmread(path)
    stored.PixelData = encapsulate(frames, fragments_per_frame=2, has_bot=True)
    stored.save_as(path)
    clean(path, tmp_path / "out.dcm")
    after = pydicom.dcmread(tmp_path / "out.dcm")
    assert after.PixelData == stored.PixelData
    assert len(parse_basic_offsets(after.PixelData)) == 3
    assert len(list(generate_fragments(after.PixelData))) == 7  # the table, then two for each frame


def test_an_offset_table_that_is_none_is_not_passed_on(tmp_path: Path) -> None:
    path = save(tmp_path / "in.dcm", build_mammogram(), syntax=JPEG_LS)
    data = path.read_bytes()
    at = data.index(b"\xfe\xff\x00\xe0\x04\x00\x00\x00")
    path.write_bytes(data[: at + 8] + b"Zoe!" + data[at + 12 :])
    clean(path, tmp_path / "out.dcm")
    assert b"Zoe!" not in (tmp_path / "out.dcm").read_bytes()
    assert np.array_equal(
        read_pixels(path, read_header(path)),
        read_pixels(tmp_path / "out.dcm", read_header(tmp_path / "out.dcm")),
    )


TEXT_VRS = frozenset(
    {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}
)
#: Without these an object is refused.
NEEDED = frozenset(
    {"SOPClassUID", "Modality", "PhotometricInterpretation", "NumberOfFrames", "SpecificCharacterSet"}
)
TOKEN = "Quixandra8604121937"


def test_a_token_in_every_text_attribute_of_the_dictionary_is_gone() -> None:
    values = {
        tag: (vr.encode(), TOKEN.encode())
        for tag, (vr, _, _, _, keyword) in DicomDictionary.items()
        if vr in TEXT_VRS and keyword not in NEEDED and 0x0008 <= tag >> 16 < 0x7FE0
    }
    data = raw_object(values)
    assert data.count(TOKEN.encode()) > 2500
    after = clean_bytes(data)
    assert b"quixandra" not in after.lower()
    assert b"8604121937" not in after


VRS = [
    name.encode()
    for name in (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT", "OB", "OW", "PN"),
        *("SH", "SL", "SS", "ST", "TM", "UC", "UI", "UL", "UN", "US", "UT"),
    )
]
tags = st.one_of(
    st.sampled_from(sorted(tag for tag, rule in RULES.items() if rule.vr != "SQ")),
    st.integers(0x00080000, 0x7FDFFFFF),
).filter(lambda tag: tag not in NEEDED_TAGS)
NEEDED_TAGS = {
    0x00080016,
    0x00080060,
    0x00280002,
    0x00280004,
    0x00280008,
    0x00280010,
    0x00280011,
    0x00280100,
    0x00280301,
}
planted = st.sampled_from(
    [
        b"QUIXANDRA",
        b"Quixandra^Zoe",
        b"8604121937 QUIXANDRA",
        b"\x1b$BQUIXANDRA",
        b"CC\\QUIXANDRA",
        b"QUIXANDRA_MLO 1.0",
        "Zoë QUIXANDRA".encode(),
    ]
)
leaves = st.dictionaries(tags, st.tuples(st.sampled_from(VRS), planted), max_size=8)
containers = st.sampled_from(
    [*sorted(tag for tag, rule in RULES.items() if rule.vr == "SQ"), 0x00081140, 0x00191001]
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(leaves, st.dictionaries(containers, st.lists(leaves, max_size=3), max_size=4))
def test_no_planted_text_survives_in_random_data_sets(
    flat: dict[int, tuple[bytes, bytes]], nested: dict[int, list[dict[int, tuple[bytes, bytes]]]]
) -> None:
    try:
        after = clean_bytes(raw_object({tag: flat[tag] for tag in flat if tag not in nested}, nested))
    except DicomError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.code in REFUSALS
        assert "QUIXANDRA" not in str(refusal).upper()
        return
    assert b"QUIXANDRA" not in after.upper()
    assert b"8604121937" not in after
    ds = pydicom.dcmread(io.BytesIO(after))
    assert ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID
    list(ds.iterall())  # every value can be read


SAMPLES = [
    "fo-dicom/GH133.dcm",
    "fo-dicom/OutOfBoundsOverlay.dcm",
    "openrem/MG-Im-GE-SenDS-scaled.dcm",
    "medcognetics/jpeg2k_3d.dcm",
]


@pytest.mark.needs_shared
@pytest.mark.parametrize("sample", SAMPLES)
def test_real_objects_keep_decision_and_pixels(shared: Path, tmp_path: Path, sample: str) -> None:
    path = shared / "data" / "dicom" / sample
    found = clean(path, tmp_path / "out.dcm")
    before, after = found.header, read_header(tmp_path / "out.dcm")
    assert judge(before, Policy()).codes == judge(after, Policy()).codes
    if before.n_frames == 1:
        assert np.array_equal(read_pixels(path, before), read_pixels(tmp_path / "out.dcm", after))
    original, ds = pydicom.dcmread(path), pydicom.dcmread(tmp_path / "out.dcm")
    after_bytes = (tmp_path / "out.dcm").read_bytes()[: -len(ds.PixelData)]
    for keyword in ("PatientName", "InstitutionName", "InstitutionAddress", "StudyID", "StudyInstanceUID"):
        value = str(original.get(keyword, ""))
        if len(value) >= 4:
            assert in_bytes(after_bytes, [value]) == []
