"""Deflated data sets as streams: the same bytes, in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.dicom import inflate
from forescreen.dicom.inflate import inflated
from forescreen.dicom.read import read_header, read_pixels
from forescreen.errors import DicomError

from .builders import DEFLATED, build_mammogram, build_pixels, save

PLAIN = np.random.default_rng(3).integers(0, 50, 300_000).astype(np.uint8).tobytes()


def deflate(plain: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-15)
    return engine.compress(plain) + engine.flush()


@given(st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 70_000)), max_size=6))
def test_any_walk_reads_the_bytes_of_the_plain_data_set(steps: list[tuple[int, int]]) -> None:
    ours, theirs = inflated(io.BytesIO(deflate(PLAIN))), io.BytesIO(PLAIN)
    for at, n in steps:
        assert ours.seek(at) == theirs.seek(at)
        assert ours.read(n) == theirs.read(n)
        assert ours.tell() == theirs.tell()
    assert ours.seek(0, 2) == len(PLAIN)
    assert ours.read(1) == b""
    assert ours.seek(-5, 2) == len(PLAIN) - 5
    assert ours.read() == PLAIN[-5:]


def test_bytes_before_the_data_set_are_left_alone() -> None:
    stream = io.BytesIO(b"meta" + deflate(b"data set"))
    stream.seek(4)
    assert inflated(stream).read() == b"data set"


def test_a_deflated_file_cut_short_is_truncated_and_damage_is_malformed(tmp_path: Path) -> None:
    whole = save(tmp_path / "a.dcm", build_mammogram(), syntax=DEFLATED).read_bytes()
    (tmp_path / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DicomError, match="complete deflated") as caught:
        read_header(tmp_path / "cut.dcm")
    assert caught.value.code == "truncated_file"
    start = read_start(whole)
    (tmp_path / "damaged.dcm").write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
    with pytest.raises(DicomError, match="does not inflate") as caught:
        read_header(tmp_path / "damaged.dcm")
    assert caught.value.code == "malformed_header"


def test_pixels_that_the_inflated_data_set_lacks_are_truncated(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(build_pixels(rows=40, columns=30)), syntax=DEFLATED)
    data = path.read_bytes()
    start = read_start(data)
    plain = zlib.decompress(data[start:], wbits=-15)
    path.write_bytes(data[:start] + deflate(plain[:-100]))
    with pytest.raises(DicomError, match="complete file") as caught:
        read_header(path)
    assert caught.value.code == "truncated_file"


def read_start(data: bytes) -> int:
    """Where the deflated data set begins: behind the group of the file meta information."""
    return 144 + int.from_bytes(data[140:144], "little")


def test_a_bomb_costs_no_memory_and_is_malformed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "MAX_INFLATED_BYTES", 40 << 20)
    path = save(tmp_path / "a.dcm", build_mammogram(build_pixels(rows=40, columns=30)), syntax=DEFLATED)
    data = path.read_bytes()
    start = read_start(data)
    plain = zlib.decompress(data[start:], wbits=-15)
    path.write_bytes(data[:start] + deflate(plain + b"\0" * (60 << 20)))
    tracemalloc.start()
    with pytest.raises(DicomError, match="more than 40 MiB") as caught:
        read_header(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "malformed_header"
    assert peak < 4 << 20


def test_pixels_of_a_deflated_file_are_those_of_the_plain_one(tmp_path: Path) -> None:
    pixels = build_pixels(rows=700, columns=500)
    path = save(tmp_path / "a.dcm", build_mammogram(pixels), syntax=DEFLATED)
    np.testing.assert_array_equal(read_pixels(path, read_header(path)), pixels)
