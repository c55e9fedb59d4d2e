"""The walker over data elements, held against pydicom's reader as an independent oracle."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from forescreen.dicom.elements import Element, read_elements
from forescreen.dicom.read import read_header
from forescreen.dicom.values import WANTED
from forescreen.errors import DicomError

from .builders import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    JPEG_LOSSLESS,
    build_lut,
    build_mammogram,
    build_pixels,
    save,
)

HEADER_CODES = {"not_dicom", "truncated_file", "malformed_header"}
SYNTAXES = [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED, JPEG_LOSSLESS]


def build_rich() -> Dataset:
    """An object with nested, empty, private and undefined-length sequences."""
    ds = build_mammogram(build_pixels(rows=20, columns=16))
    ds.VOILUTSequence = Sequence([build_lut(build_pixels(rows=1, columns=64)[0], 100, 12)])
    ds.AnatomicRegionSequence = Sequence([Dataset()])
    ds.ReferencedImageSequence = Sequence()
    ds["ViewCodeSequence"].value.is_undefined_length = True
    ds["ViewCodeSequence"].value[0].is_undefined_length_sequence_item = True
    block = ds.private_block(0x0019, "MAKER", create=True)
    block.add_new(0x01, "SQ", Sequence([build_lut(build_pixels(rows=1, columns=64)[0], 0, 12)]))
    block.add_new(0x02, "OB", b"\x01\x02\xfe\xff\x00\xe0\x00\x00")
    ds.PatientName = "Müller^Åsa"
    ds.SpecificCharacterSet = "ISO_IR 100"
    return ds


def assert_same(ours: dict[int, Element], theirs: Dataset) -> int:
    """Every element we kept has the bytes pydicom has; returns how many were compared."""
    n = 0
    # Sequences last: to look into one, pydicom converts the elements that tell how to read it.
    for tag, element in sorted(ours.items(), key=lambda pair: pair[1].vr == "SQ"):
        raw = theirs.get_item(tag)
        if element.vr == "SQ":
            items = theirs[tag].value
            assert len(items) == len(element.items)
            n += sum(assert_same(mine, his) for mine, his in zip(element.items, items, strict=True))
        else:
            assert raw is not None
            value = raw.value or b""  # pydicom has converted the character set, and nothing else
            assert element.value == (value.encode() if isinstance(value, str) else value), hex(tag)
            n += 1
    return n


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_kept_value_has_the_bytes_that_pydicom_reads(tmp_path: Path, syntax: str) -> None:
    path = save(tmp_path / "a.dcm", build_rich(), syntax=syntax)
    with path.open("rb") as stream:
        found = read_elements(stream, WANTED)
    theirs = pydicom.dcmread(path)
    assert assert_same(found.by_tag, theirs) > 40
    assert set(found.by_tag) == {tag for tag in WANTED if tag in theirs}
    assert found.transfer_syntax == syntax
    assert found.pixel_data is not None
    assert found.pixel_data.encapsulated == (syntax == JPEG_LOSSLESS)


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG])
def test_a_data_set_without_preamble_tells_its_encoding_itself(tmp_path: Path, syntax: str) -> None:
    path = save(tmp_path / "a.dcm", build_rich(), syntax=syntax, preamble=False)
    with path.open("rb") as stream:
        found = read_elements(stream, WANTED)
    assert found.transfer_syntax == syntax
    assert read_header(path).grayscale.bits_stored == 12


def test_an_unknown_vr_sequence_with_explicit_content_does_not_derail_the_rest(tmp_path: Path) -> None:
    # Seen in the field: UN of undefined length should hold implicit VR and holds explicit VR.
    path = save(tmp_path / "a.dcm", build_rich())
    data = bytearray(path.read_bytes())
    at = data.index(struct.pack("<HH2s", 0x0054, 0x0220, b"SQ"))
    data[at + 4 : at + 6] = b"UN"
    path.write_bytes(bytes(data))
    header = read_header(path)
    assert [code.value for code in header.view_codes] == ["399162004"]
    assert header.pixel_data is not None


@pytest.mark.parametrize(
    "content", [b"", b"DICM", b"<html>not an image</html>" * 20, b"\x89PNG\r\n\x1a\n" * 40]
)
def test_other_formats_are_not_dicom_and_nothing_is_truncated(tmp_path: Path, content: bytes) -> None:
    expected = "truncated_file" if not content else "not_dicom"
    with pytest.raises(DicomError) as caught:
        read_elements(io.BytesIO(content), WANTED)
    assert caught.value.code == expected


def test_a_file_cut_anywhere_before_its_end_is_truncated(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.dcm", build_rich()).read_bytes()
    codes = set()
    complete_ends = 0
    for end in range(140, len(whole), 7):
        try:
            found = read_elements(io.BytesIO(whole[:end]), WANTED)
            complete_ends += found.pixel_data is None  # cut exactly between two elements
            assert found.pixel_data is None
        except DicomError as error:
            codes.add(error.code)
    assert codes == {"truncated_file"}
    assert complete_ends < 20


def test_encapsulated_pixel_data_without_its_delimiter_is_truncated(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.dcm", build_rich(), syntax=JPEG_LOSSLESS).read_bytes()
    with pytest.raises(DicomError, match="complete file") as caught:
        read_elements(io.BytesIO(whole[:-8]), WANTED)
    assert caught.value.code == "truncated_file"


def test_endless_nesting_is_malformed() -> None:
    item = struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    nested = struct.pack("<HH2sHL", 0x0008, 0x1115, b"SQ", 0, 0xFFFFFFFF) + item
    with pytest.raises(DicomError, match="nested") as caught:
        read_elements(io.BytesIO(b"\0" * 128 + b"DICM" + nested * 5000), WANTED)
    assert caught.value.code == "malformed_header"


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_headers_give_a_header_or_a_dicom_error_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    base = tmp_path_factory.getbasetemp() / "rich.dcm"
    if not base.exists():
        save(base, build_rich())
    damaged = bytearray(base.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(128, len(damaged) - 700))] = data.draw(st.integers(0, 255))
    path = base.with_name("damaged.dcm")
    path.write_bytes(bytes(damaged))
    try:
        outcome = read_header(path).sop_class
    except DicomError as error:
        outcome = error.code if error.code in HEADER_CODES else ""
    assert outcome


def build_hostile(body: bytes) -> io.BytesIO:
    """A data set of explicit VR without pixel data that ends with `body`."""
    first = struct.pack("<HH2sH", 0x0008, 0x0016, b"UI", 26) + b"1.2.840.10008.5.1.4.1.1.1\0"
    return io.BytesIO(b"\0" * 128 + b"DICM" + first + body)


@pytest.mark.parametrize("keyword", [0x00540220, 0x00081115])  # a sequence that is read, and one that is not
def test_a_million_empty_items_are_malformed(keyword: int) -> None:
    head = struct.pack("<HH2sHL", keyword >> 16, keyword & 0xFFFF, b"SQ", 0, 0xFFFFFFFF)
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 1_000_000
    with pytest.raises(DicomError, match="more than 500000 elements") as caught:
        read_elements(build_hostile(head + items), WANTED)
    assert caught.value.code == "malformed_header"


def test_a_million_fragments_are_malformed() -> None:
    head = struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 1_000_000
    with pytest.raises(DicomError, match="fragments") as caught:
        read_elements(build_hostile(head + items), WANTED)
    assert caught.value.code == "malformed_header"


def test_values_of_a_size_that_no_header_has_are_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forescreen.dicom.elements.MAX_KEPT_BYTES", 1000)
    lut = struct.pack("<HH2sHL", 0x0028, 0x3006, b"OW", 0, 2000) + b"\0" * 2000
    with pytest.raises(DicomError, match="values of more than") as caught:
        read_elements(build_hostile(lut), WANTED)
    assert caught.value.code == "malformed_header"
    assert 0x00283006 not in read_elements(build_hostile(lut), WANTED - {0x00283006}).by_tag


def test_lengths_beyond_the_file_are_truncated() -> None:
    for tag, vr in ((0x00283006, b"OW"), (0x00081115, b"SQ"), (0x7FE00010, b"OW")):
        element = struct.pack("<HH2sHL", tag >> 16, tag & 0xFFFF, vr, 0, 0xFFFFFFF0) + b"\0" * 20
        with pytest.raises(DicomError, match="expected") as caught:
            read_elements(build_hostile(element), WANTED)
        assert caught.value.code == "truncated_file"


@pytest.mark.parametrize(
    ("syntax", "vr"), [(EXPLICIT_LITTLE, "OW"), (IMPLICIT_LITTLE, ""), (JPEG_LOSSLESS, "OB")]
)
def test_the_vr_of_the_pixels_is_told_where_there_is_one(tmp_path: Path, syntax: str, vr: str) -> None:
    header = read_header(save(tmp_path / "a.dcm", build_rich(), syntax=syntax))
    assert header.pixel_data is not None
    assert header.pixel_data.vr == vr
