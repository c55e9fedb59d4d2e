"""The objects that the fuzzer mutates: small mammograms, accepted as they are, one per way of storing pixels.

All are built in code. They are 160 x 144 pixels of 0.4 mm: just large enough for the gate's size limits,
small enough for a hundred thousand of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imagecodecs
import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from tests.dicom import builders
from tests.dicom.builders import build_lut, build_mammogram, build_pixels, save

ROWS, COLUMNS = 160, 144
SPACING = {"PixelSpacing": [0.4, 0.4]}


@dataclass(frozen=True)
class Seed:
    """One object of the corpus: its name and the bytes of its file."""

    name: str
    content: bytes
    lossy: bool = False


@lru_cache(maxsize=1)
def corpus() -> tuple[Seed, ...]:
    """Every seed, in a fixed order."""
    with tempfile.TemporaryDirectory() as name:
        return tuple(_seeds(Path(name)))


def _seeds(folder: Path) -> Iterator[Seed]:
    syntaxes = {
        "implicit": builders.IMPLICIT_LITTLE,
        "explicit": builders.EXPLICIT_LITTLE,
        "deflated": builders.DEFLATED,
        "big-endian": builders.EXPLICIT_BIG,
        "rle": builders.RLE,
        "jpeg-lossless": builders.JPEG_LOSSLESS,
        "jpeg-ls": builders.JPEG_LS,
        "jpeg-2000": builders.JPEG_2000,
        "htj2k": builders.HTJ2K,
    }
    for name, syntax in syntaxes.items():
        yield _file(folder, name, _object(), syntax)
    extended = _object(LossyImageCompression="01")
    yield _file(folder, "jpeg-extended", extended, builders.JPEG_EXTENDED, lossy=True)
    baseline = build_mammogram(build_pixels(rows=ROWS, columns=COLUMNS, bits=8), bits=8, changes=SPACING)
    yield _file(folder, "jpeg-baseline", baseline, builders.JPEG_BASELINE, lossy=True)
    yield _file(folder, "bare", _object(), builders.EXPLICIT_LITTLE, preamble=False)
    yield _file(folder, "bytes", _object(bits=8), builders.EXPLICIT_LITTLE)
    yield _file(folder, "inverted", _object(photometric="MONOCHROME1"), builders.EXPLICIT_LITTLE)
    table = np.linspace(0, 4095, 3000).astype(np.uint16)
    luts = Sequence([build_lut(table, 100, 12), build_lut(table[::-1].copy(), 100, 12, "HARDER")])
    yield _file(folder, "voi-lut", _object(VOILUTSequence=luts), builders.EXPLICIT_LITTLE)
    sigmoid = _object(VOILUTFunction="SIGMOID", WindowCenter=[2000, 2100], WindowWidth=[900, 700])
    yield _file(folder, "sigmoid", sigmoid, builders.JPEG_LOSSLESS)
    modality = Sequence([build_lut(np.arange(4096, dtype=np.uint16), 0, 12)])
    yield _file(
        folder,
        "modality-lut",
        _object(ModalityLUTSequence=modality, RescaleSlope=None, RescaleIntercept=None),
        builders.IMPLICIT_LITTLE,
    )
    padded = _object(PixelPaddingValue=0, PixelPaddingRangeLimit=30, WindowCenter=None, WindowWidth=None)
    yield _file(folder, "padded", padded, builders.RLE)
    yield _file(folder, "fragments", _in_fragments(), builders.JPEG_2000)
    yield _file(folder, "nested", _nested(), builders.EXPLICIT_LITTLE)


def _object(bits: int = 12, photometric: str = "MONOCHROME2", **changes: object) -> Dataset:
    pixels = build_pixels(rows=ROWS, columns=COLUMNS, bits=bits)
    return build_mammogram(pixels, bits=bits, photometric=photometric, changes=SPACING | changes)


def _nested() -> Dataset:
    """Sequences within sequences, private elements and an overlay beside the image."""
    ds = _object()
    inner = ds
    for depth in range(6):
        item = Dataset()
        item.CodeMeaning = f"depth {depth}"
        inner.add(DataElement(0x00081140, "SQ", Sequence([item])))
        inner = item
    block = ds.private_block(0x0019, "A MAKER", create=True)
    block.add_new(0x01, "UN", b"\xfe\xff\x00\xe0" * 40)
    block.add_new(0x02, "OB", bytes(range(256)))
    ds.add(DataElement(0x60000010, "US", ROWS))
    ds.add(DataElement(0x60000011, "US", COLUMNS))
    ds.add(DataElement(0x60000050, "SS", [-25, 3000]))
    ds.add(DataElement(0x60000100, "US", 1))
    ds.add(DataElement(0x60000102, "US", 0))
    ds.add(DataElement(0x60003000, "OW", b"\x55" * (ROWS * COLUMNS // 8)))
    return ds


def _in_fragments() -> Dataset:
    ds = _object()
    pixels = np.frombuffer(ds.PixelData, "<u2").reshape(ROWS, COLUMNS)
    stream = imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)
    ds.PixelData = encapsulate([stream], fragments_per_frame=3)
    return ds


def _file(
    folder: Path, name: str, ds: Dataset, syntax: str, *, preamble: bool = True, lossy: bool = False
) -> Seed:
    path = folder / f"{name}.dcm"
    if name == "fragments":
        encoded = ds.PixelData
        save(path, _object(), syntax=syntax)
        whole = path.read_bytes()
        return Seed(name, whole[: whole.rindex(b"\xe0\x7f\x10\x00") + 12] + encoded + _END, lossy)
    save(path, ds, syntax=syntax, preamble=preamble)
    return Seed(name, path.read_bytes(), lossy)


_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
