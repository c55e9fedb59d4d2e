"""Small objects over the grey scales that matter to a conversion, and what dcmj2pnm makes of them.

`python -m tests.dicom.dcmtk_corpus` writes tests/reference/dcmtk_profiles.json: for each object and option
the first 16 hex digits of the SHA-256 of dcmj2pnm's 16-bit pixels (little-endian). Pixels and tables are
integer sequences, so that the objects are the same with every version of numpy.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from forescreen.dicom.dcmtk_grey import GivenWindow, MinMax, NoVoi, StoredLut, StoredWindow, Voi

from .builders import build_lut, build_mammogram, save

REFERENCE = Path(__file__).resolve().parents[1] / "reference" / "dcmtk_profiles.json"
DCMJ2PNM = shutil.which("dcmj2pnm")
VOIS: dict[str, Voi] = {
    "none": NoVoi(),
    "min-max": MinMax(),
    "lut": StoredLut(0),
    "window": StoredWindow(0),
    "window sigmoid": StoredWindow(0, "SIGMOID"),
    "given": GivenWindow(540.0, 580.0),
}
_STEP = 30011  # a prime: consecutive multiples modulo a power of two visit all its values


@dataclass(frozen=True, eq=False)
class Case:
    """One object: its stored values, and its data set."""

    name: str
    pixels: np.ndarray
    data_set: Dataset


def cases() -> Iterator[Case]:
    """The objects, in a fixed order."""
    yield from _unsigned()
    yield from _signed()
    yield from _modality_luts()
    yield from _voi_luts()
    yield from _overlays()


def _unsigned() -> Iterator[Case]:
    rescales = ((1, 0), (2, -100), (0.5, 0.25), (None, None), (-1, 4095), (1.5, 10))
    shapes = ("IDENTITY", "INVERSE", None)
    places = product(("MONOCHROME1", "MONOCHROME2"), (8, 10, 12, 14, 16), shapes, ("SIGMOID", "LINEAR", None))
    for i, (photometric, bits, shape, function) in enumerate(places):
        slope, intercept = rescales[i % len(rescales)]
        side = (24, 112)[i % 2]  # 112 x 112 pixels of 10 bits take the path of large images
        changes = {
            "PresentationLUTShape": shape,
            "VOILUTFunction": function,
            "RescaleSlope": slope,
            "RescaleIntercept": intercept,
            "PixelPaddingValue": (None, 0, 3500)[i % 3] if bits > 10 else None,
            "WindowCenter": [0.4 * 2**bits, 500.5],
            "WindowWidth": [0.37 * 2**bits, 1.0],
        }
        pixels = _values(side, bits, low=i % 7)
        case = build_mammogram(pixels, bits=bits, photometric=photometric, changes=changes)
        case.VOILUTSequence = Sequence([_table(1000, 30 if bits == 8 else 300, 12)])
        name = f"{photometric} {bits} bits, shape {shape}, {function}, rescale {slope} {intercept}, {side}"
        yield Case(name, pixels, case)


def _signed() -> Iterator[Case]:
    rescales = ((1, 0), (1, 2048), (2, -7), (0.5, -0.3))
    for bits, (slope, intercept), photometric in product(
        (8, 12, 16), rescales, ("MONOCHROME1", "MONOCHROME2")
    ):
        side = 112 if bits == 8 else 24
        pixels = (_values(side, bits).astype(int) - (1 << bits - 1)).astype(np.int16)
        changes = {
            "PixelRepresentation": 1,
            "RescaleSlope": slope,
            "RescaleIntercept": intercept,
            "WindowCenter": -100,
            "WindowWidth": 1500,
        }
        case = build_mammogram(
            pixels.view(np.uint16) & ((1 << bits) - 1), bits=bits, photometric=photometric, changes=changes
        )
        table = _table(1000, 0, 12)
        table[0x00283002] = DataElement(0x00283002, "SS", [1000, -300, 12])
        case.VOILUTSequence = Sequence([table])
        yield Case(f"signed {photometric} {bits} bits, rescale {slope} {intercept}", pixels, case)


def _modality_luts() -> Iterator[Case]:
    shapes = ((12, 0, 4096), (16, 200, 3000), (10, 0, 4096))
    for (bits, first, n), photometric in product(shapes, ("MONOCHROME1", "MONOCHROME2")):
        pixels = _values(64, 12)
        item = _table(n, first, bits, falling=True)
        item.ModalityLUTType = "US"
        changes = {"RescaleSlope": None, "RescaleIntercept": None}
        case = build_mammogram(pixels, photometric=photometric, changes=changes)
        case.ModalityLUTSequence = Sequence([item])
        case.VOILUTSequence = Sequence([_table(1000, 300, 12)])
        yield Case(f"modality LUT {bits} bits from {first}, {photometric}", pixels, case)


def _voi_luts() -> Iterator[Case]:
    tables = {
        "one value": build_lut(np.full(500, 77), 3, 10),
        "beyond its bits": build_lut(np.arange(4000) * 5 // 4, 0, 12),
        "16 bits": _table(4096, 0, 16),
        "65536 entries": build_lut(np.arange(65536) // 16, 0, 12),
        "8 bits": build_lut(np.arange(256), 1000, 8),
        "one entry": build_lut(np.array([9]), 4, 12),
        "falling": _table(4096, 0, 12, falling=True),
    }
    for (words, table), photometric in product(tables.items(), ("MONOCHROME1", "MONOCHROME2")):
        pixels = _values(64, 12)
        case = build_mammogram(pixels, photometric=photometric)
        case.VOILUTSequence = Sequence([table])
        yield Case(f"VOI LUT {words}, {photometric}", pixels, case)


def _overlays() -> Iterator[Case]:
    origins = ((1, 1), (-5, -7), (50, 40), (704, 409))
    for kind, origin in product("GR", origins):
        pixels = _values(64, 12)
        case = build_mammogram(pixels)
        bits = (np.arange(33 * 21) * 7 % 5 < 2).astype(np.uint8)
        data = np.packbits(bits, bitorder="little").tobytes()
        for element, vr, value in (
            (0x0010, "US", 33),
            (0x0011, "US", 21),
            (0x0040, "CS", kind),
            (0x0050, "SS", list(origin)),
            (0x0100, "US", 1),
            (0x0102, "US", 0),
            (0x3000, "OW", data + b"\0" * (len(data) % 2)),
        ):
            case.add(DataElement(0x60000000 | element, vr, value))
        yield Case(f"overlay {kind} at {origin}", pixels, case)


def _values(side: int, bits: int, low: int = 0) -> np.ndarray:
    """Stored values over the whole range from `low` up, each neighbour far from the next."""
    span = (1 << bits) - low
    return (low + np.arange(side * side) * _STEP % span).astype(np.uint16).reshape(side, side)


def _table(n: int, first: int, bits: int, *, falling: bool = False) -> Dataset:
    """A curved table that rises (or falls) over the range of its bits."""
    at = np.arange(n)[::-1] if falling else np.arange(n)
    return build_lut(at * at * ((1 << bits) - 1) // (n - 1) ** 2, first, bits)


def options(voi: Voi) -> list[str]:
    """The options of dcmj2pnm that ask for a VOI."""
    match voi:
        case NoVoi():
            return []
        case MinMax():
            return ["--min-max-window"]
        case StoredLut(item):
            return ["--use-voi-lut", str(item + 1)]
        case StoredWindow(index, "SIGMOID"):
            return ["--sigmoid-function", "--use-window", str(index + 1)]
        case StoredWindow(index, _):
            return ["--use-window", str(index + 1)]
        case GivenWindow(center, width):
            return ["+Ww", f"{center:g}", f"{width:g}"]


def rendered(path: Path, more: list[str]) -> np.ndarray | None:
    """The pixels of `dcmj2pnm +on2 more` (not interlaced: faster); None where it stops with an error."""
    assert DCMJ2PNM is not None
    png = path.with_suffix(".png")
    png.unlink(missing_ok=True)
    done = subprocess.run(
        [DCMJ2PNM, "+on2", "-il", *more, str(path), str(png)], capture_output=True, check=False
    )
    if done.returncode or not png.exists():
        return None
    with Image.open(png) as picture:
        return np.array(picture).astype(np.uint16)


def digest(pixels: np.ndarray | None) -> str:
    """First 16 hex digits of the SHA-256 of 16-bit little-endian pixels; "" for no picture."""
    if pixels is None:
        return ""
    return hashlib.sha256(pixels.astype("<u2").tobytes()).hexdigest()[:16]


def dcmtk_version() -> str:
    """The version that dcmj2pnm states."""
    assert DCMJ2PNM is not None
    said = subprocess.run([DCMJ2PNM, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def main() -> None:
    digests: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in cases():
            path = save(Path(folder) / "a.dcm", case.data_set)
            digests[case.name] = {name: digest(rendered(path, options(voi))) for name, voi in VOIS.items()}
    origin = f"dcmj2pnm {dcmtk_version()}, options +on2 and those of tests/dicom/dcmtk_corpus.py"
    REFERENCE.write_text(json.dumps({"origin": origin, "sha256_16": digests}, indent=1) + "\n")


if __name__ == "__main__":
    main()
