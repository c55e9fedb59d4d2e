"""Headers read per second, and megabytes of pixels decoded and converted per second of one core.

    python -m benchmarks.read_dicom

One image of 3328 x 2560, 12 bits, smooth with noise. "load" is decoding, SHA-256, the grey scale and the
quality checks together; MB are of decoded 16-bit pixels.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pydicom
from tests.dicom import builders

from forescreen.dicom.folder import index_folder, load_mammogram
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.values import KEYWORDS
from forescreen.identity import AS_GIVEN

SYNTAXES = {
    "explicit LE": builders.EXPLICIT_LITTLE,
    "RLE": builders.RLE,
    "JPEG lossless": builders.JPEG_LOSSLESS,
    "JPEG-LS": builders.JPEG_LS,
    "JPEG 2000": builders.JPEG_2000,
    "HTJ2K": builders.HTJ2K,
}


def seconds(action: Callable[[], object], repeats: int = 5) -> float:
    """Median processor time of an action: other work on the machine counts little."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return statistics.median(times)


def read_with_pydicom(path: Path) -> list[object]:
    """The same values by pydicom."""
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
    return [header.get(keyword) for keyword in KEYWORDS]


def main() -> None:
    figures: dict[str, float] = {}
    pixels = builders.build_pixels(rows=3328, columns=2560)
    megabytes = pixels.nbytes / 1e6
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, syntax in SYNTAXES.items():
            path = builders.save(folder / label / "a.dcm", builders.build_mammogram(pixels), syntax=syntax)
            header = read_header(path)
            (file,) = index_folder(path.parent, pseudonyms=AS_GIVEN).exams[0].mammograms
            decoding = seconds(lambda path=path, header=header: read_pixels(path, header))  # type: ignore[misc]
            loading = seconds(lambda file=file: load_mammogram(file))  # type: ignore[misc]
            figures[f"{label}: decode MB/s"] = round(megabytes / decoding)
            figures[f"{label}: load MB/s"] = round(megabytes / loading)
        path = folder / "JPEG lossless" / "a.dcm"
        ours = seconds(lambda: [read_header(path) for _ in range(200)])
        theirs = seconds(lambda: [read_with_pydicom(path) for _ in range(200)])
        figures["headers/s"] = round(200 / ours)
        figures["headers/s with pydicom, the same tags"] = round(200 / theirs)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
