"""Milliseconds of one core per profile for an image of 3062 x 2394 pixels of 12 bits, and for its PNG.

    python -m benchmarks.profiles

A smooth picture with noise, sigmoid window and VOI LUT, GE as its maker. Median processor time of five runs.
"""

from __future__ import annotations

import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from imagecodecs import png_encode
from PIL import Image
from pydicom.sequence import Sequence
from tests.dicom.builders import build_lut, build_mammogram, build_pixels, save

from forescreen.dicom.profiles import PROFILES, convert, find_profile, png_pixels
from forescreen.dicom.read import read_header, read_pixels


def milliseconds(action: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return round(1e3 * statistics.median(times), 1)


def pillow_png(picture: np.ndarray) -> int:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return len(stream.getvalue())


def main() -> None:
    changes = {"Manufacturer": "GE MEDICAL SYSTEMS", "VOILUTFunction": "SIGMOID"}
    built = build_mammogram(build_pixels(rows=3062, columns=2394), changes=changes)
    built.VOILUTSequence = Sequence([build_lut(np.arange(3447) * 4095 // 3446, 625, 12)])
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.dcm", built)
        header = read_header(path)
        stored = read_pixels(path, header)
    figures = {
        profile.name: milliseconds(lambda profile=profile: convert(profile, stored, header))  # type: ignore[misc]
        for profile in PROFILES
    }
    picture = png_pixels(convert(find_profile("mirai-dcmtk"), stored, header))
    figures["PNG, imagecodecs level 1"] = milliseconds(lambda: png_encode(picture, level=1))
    figures["PNG, Pillow level 1"] = milliseconds(lambda: pillow_png(picture))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
