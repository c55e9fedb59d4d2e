"""Images read per second of one core, for each transfer syntax, beside the bare decoder and beside dcmtk.

    python -m benchmarks.read_dicom

The picture is a phantom of 3328 x 2560 pixels and 12 bits (8 for JPEG baseline): three quarters air, as
screening images are. For each syntax, in processor time, medians of rounds in which all four take turns:

  bare    the codec on the stream in memory, and nothing else; for uncompressed files, reading the file
  load    `load_mammogram`: file to presentation values, with all checks and the SHA-256 of the stored values
  ours    load, then Pillow's bilinear resize to 1664 x 2048 (columns x rows)
  dcmtk   dcmj2pnm (dcml2pnm for JPEG-LS) `+on2 --min-max-window` to a 16-bit PNG, read and resized alike

JSON: for each syntax `images_per_s` (load), `of_bare` (load's speed as a fraction of bare), `over_dcmtk`
(ours, times as fast as dcmtk; only what dcmtk decodes, and only where it is installed), and the same
`of_bare` for a picture that is noise on a slope everywhere, which compresses badly and decodes slowly.
Headers per second stand beside pydicom's for the same tags.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
from PIL import Image
from tests.dicom import builders

from forescreen.dicom.encode import ENCODERS
from forescreen.dicom.folder import MammogramFile, index_folder, load_mammogram
from forescreen.dicom.read import read_header
from forescreen.dicom.values import KEYWORDS
from forescreen.identity import AS_GIVEN
from forescreen.processes import keep_freed_memory
from forescreen.records import Laterality, View
from forescreen.simulation.exposure import expose, stored_picture
from forescreen.simulation.fields import stream
from forescreen.simulation.phantom import Subject, build_phantom
from forescreen.simulation.vendors import VENDORS

ROUNDS = 7
SIZE = (1664, 2048)  # columns, rows


@dataclass(frozen=True, kw_only=True)
class Case:
    """One transfer syntax: how its stream is made, the bare way back, and dcmtk's program for it."""

    name: str
    syntax: str
    encode: Callable[[np.ndarray], bytes] | None
    decode: Callable[[bytes], object] | None
    program: str = "dcmj2pnm"
    bits: int = 12


def jpeg(**options: object) -> Callable[[np.ndarray], bytes]:
    """JPEG by libjpeg-turbo."""
    return lambda pixels: bytes(imagecodecs.jpeg8_encode(pixels, **options))


def jpeg_2000(**options: object) -> Callable[[np.ndarray], bytes]:
    """JPEG 2000 by OpenJPEG."""
    return lambda pixels: bytes(
        imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", bitspersample=12, numthreads=1, **options)
    )


def decode_rle(data: bytes) -> object:
    """Cells of 16 bits."""
    return imagecodecs.dicomrle_decode(data, "<u2")


def decode_jpeg_2000(data: bytes) -> object:
    """One thread: threads do not make a core faster."""
    return imagecodecs.jpeg2k_decode(data, numthreads=1)


CASES = (
    Case(name="implicit_le", syntax=builders.IMPLICIT_LITTLE, encode=None, decode=None),
    Case(name="explicit_le", syntax=builders.EXPLICIT_LITTLE, encode=None, decode=None),
    Case(name="explicit_be", syntax=builders.EXPLICIT_BIG, encode=None, decode=None),
    Case(name="deflated", syntax=builders.DEFLATED, encode=None, decode=None),
    Case(
        name="rle",
        syntax=builders.RLE,
        encode=lambda pixels: ENCODERS[builders.RLE](pixels, 12),
        decode=decode_rle,
    ),
    Case(
        name="jpeg_baseline",
        syntax=builders.JPEG_BASELINE,
        encode=jpeg(level=95, bitspersample=8),
        decode=imagecodecs.jpeg8_decode,
        bits=8,
    ),
    Case(
        name="jpeg_extended",
        syntax=builders.JPEG_EXTENDED,
        encode=jpeg(level=95, bitspersample=12),
        decode=imagecodecs.jpeg8_decode,
    ),
    Case(
        name="jpeg_lossless_p14",
        syntax=builders.JPEG_LOSSLESS_ANY,
        encode=lambda pixels: bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=12)),
        decode=imagecodecs.jpeg8_decode,
    ),
    Case(
        name="jpeg_lossless_sv1",
        syntax=builders.JPEG_LOSSLESS,
        encode=jpeg(lossless=True, predictor=1, bitspersample=12),
        decode=imagecodecs.jpeg8_decode,
    ),
    Case(
        name="jpeg_ls",
        syntax=builders.JPEG_LS,
        encode=lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
        decode=imagecodecs.jpegls_decode,
        program="dcml2pnm",
    ),
    Case(
        name="jpeg_ls_near",
        syntax=builders.JPEG_LS_NEAR,
        # The encoder declares 16 bits, so that values near 4095 could come back above it.
        encode=lambda pixels: bytes(imagecodecs.jpegls_encode(np.minimum(pixels, 4093), level=2)),
        decode=imagecodecs.jpegls_decode,
        program="dcml2pnm",
    ),
    Case(
        name="jpeg_2000",
        syntax=builders.JPEG_2000,
        encode=jpeg_2000(level=0, reversible=True),
        decode=decode_jpeg_2000,
        program="",
    ),
    Case(
        name="jpeg_2000_lossy",
        syntax=builders.JPEG_2000_LOSSY,
        encode=jpeg_2000(level=60, reversible=False),
        decode=decode_jpeg_2000,
        program="",
    ),
    Case(
        name="htj2k",
        syntax=builders.HTJ2K,
        encode=lambda pixels: bytes(imagecodecs.htj2k_encode(pixels)),
        decode=decode_jpeg_2000,
        program="",
    ),
)


def build_picture() -> np.ndarray:
    """A left MLO phantom as a machine of 3328 x 2560 stores it."""
    vendor = next(vendor for vendor in VENDORS.values() if vendor.full_matrix.rows == 3328)
    matrix = vendor.matrix(1)
    subject = Subject(seed=1, woman_id="W", exam_id="E", bmi=27.0, dense_fraction=0.3, trait=0.0)
    phantom = build_phantom(subject, Laterality.LEFT, View.MLO)
    exposure = expose(
        phantom,
        stream(1, "benchmark"),
        rows=matrix.rows,
        columns=matrix.columns,
        spacing_mm=matrix.spacing_mm,
        noise=vendor.noise,
    )
    return stored_picture(exposure, vendor, matrix, Laterality.LEFT, View.MLO, raw=False)


def write(folder: Path, case: Case, pixels: np.ndarray) -> tuple[Path, bytes]:
    """The object as a file, and its stream of pixels."""
    if case.bits == 8:
        pixels = (pixels >> 4).astype(np.uint8)
    ds = builders.build_mammogram(
        pixels, view="MLO", bits=case.bits, changes={"PixelSpacing": [0.07, 0.07], "PixelPaddingValue": 0}
    )
    path = folder / case.name / "a.dcm"
    if case.encode is None:
        return builders.save(path, ds, syntax=case.syntax), b""
    data = case.encode(pixels)
    return builders.save_frames(path, ds, [data], syntax=case.syntax), data


def processor_seconds(action: Callable[[], object]) -> float:
    """Of this process and of the programs it ran."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before = [resource.getrusage(kind) for kind in kinds]
    action()
    after = [resource.getrusage(kind) for kind in kinds]
    pairs = zip(after, before, strict=True)
    return sum(new.ru_utime + new.ru_stime - old.ru_utime - old.ru_stime for new, old in pairs)


def by_dcmtk(program: str, path: Path) -> np.ndarray:
    """What peers do: a 16-bit PNG by dcmtk, read and resized."""
    png = path.with_suffix(".png")
    subprocess.run([program, "+on2", "--min-max-window", path, png], check=True, capture_output=True)
    with Image.open(png) as picture:
        return resized(np.asarray(picture).astype(np.float32))


def resized(pixels: np.ndarray) -> np.ndarray:
    """By Pillow, bilinear, in single precision."""
    return np.asarray(Image.fromarray(pixels, "F").resize(SIZE, Image.Resampling.BILINEAR))


def bare_action(case: Case, path: Path, data: bytes) -> Callable[[], object]:
    """The least that has to be done for the pixels."""
    if case.decode is not None:
        decode = case.decode
        return lambda: decode(data)
    if case.syntax != builders.DEFLATED:
        return path.read_bytes
    content = path.read_bytes()
    start = 144 + int.from_bytes(content[140:144], "little")
    return lambda: zlib.decompress(content[start:], wbits=-15)


def measure(case: Case, folder: Path, pixels: np.ndarray, *, with_dcmtk: bool) -> dict[str, float]:
    """Median seconds of bare, load, ours and dcmtk."""
    path, data = write(folder, case, pixels)
    file: MammogramFile = index_folder(path.parent, pseudonyms=AS_GIVEN).exams[0].mammograms[0]
    actions: dict[str, Callable[[], object]] = {
        "bare": bare_action(case, path, data),
        "load": lambda: load_mammogram(file),
        "ours": lambda: resized(load_mammogram(file).pixels),
    }
    if with_dcmtk and case.program and shutil.which(case.program):
        actions["dcmtk"] = lambda: by_dcmtk(case.program, path)
    spent: dict[str, list[float]] = {name: [] for name in actions}
    for turn in range(ROUNDS + 1):
        for name, action in actions.items():
            if turn or name != "dcmtk":
                seconds = processor_seconds(action)
                if turn:  # the first pays for imports
                    spent[name].append(seconds)
    shutil.rmtree(path.parent)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def read_with_pydicom(path: Path) -> list[object]:
    """The values of our header by pydicom."""
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
    return [header.get(keyword) for keyword in KEYWORDS]


def headers(folder: Path, pixels: np.ndarray) -> dict[str, float]:
    """Headers per second, ours and pydicom's."""
    path, _ = write(folder, CASES[1], pixels)
    rates = {}
    for name, read in (("headers_per_s", read_header), ("headers_per_s_pydicom", read_with_pydicom)):
        turns = [processor_seconds(lambda read=read: [read(path) for _ in range(200)]) for _ in range(5)]  # type: ignore[misc]
        rates[name] = round(200 / statistics.median(turns))
    return rates


def main() -> None:
    keep_freed_memory()  # as every worker of ingestion does
    figures: dict[str, float] = {}
    phantom = build_picture()
    noise = builders.build_pixels(rows=3328, columns=2560)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for case in CASES:
            seconds = measure(case, folder, phantom, with_dcmtk=True)
            figures[f"{case.name}_images_per_s"] = round(1 / seconds["load"], 2)
            figures[f"{case.name}_of_bare"] = round(seconds["bare"] / seconds["load"], 3)
            if "dcmtk" in seconds:
                figures[f"{case.name}_over_dcmtk"] = round(seconds["dcmtk"] / seconds["ours"], 2)
            of_noise = measure(case, folder, noise, with_dcmtk=False)
            figures[f"{case.name}_of_bare_noise"] = round(of_noise["bare"] / of_noise["load"], 3)
            print(case.name, {k: round(1e3 * v, 1) for k, v in seconds.items()}, file=sys.stderr)
        figures |= headers(folder, phantom)
    if not shutil.which("dcmj2pnm"):
        print("dcmtk is not installed: no comparison with it", file=sys.stderr)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
