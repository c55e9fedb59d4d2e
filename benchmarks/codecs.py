"""Decoders that could be used for each compressed syntax, in megabytes of pixels per second of one core.

    python -m benchmarks.codecs

The phantom of `read_dicom` (3328 x 2560, 12 bits) and noise on a slope. Each decoder's pixels are held
against those of the picture. "half a stream" is what it does with a stream that ends at half and has an end
marker: it refuses, hands out an image, or ends the process (tried in a process of its own).
pylibjpeg-openjpeg is measured where it is installed; the package does not need it. The table is that of
docs/reference/dicom.md.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np

from .read_dicom import build_picture, builders, jpeg, jpeg_2000

ROUNDS = 3

Encoder = Callable[[np.ndarray], bytes]
ENCODERS: dict[str, Encoder] = {
    "JPEG extended": jpeg(level=95, bitspersample=12),
    "JPEG lossless SV1": jpeg(lossless=True, predictor=1, bitspersample=12),
    "JPEG lossless P14": lambda pixels: bytes(imagecodecs.ljpeg_encode(pixels, bitspersample=12)),
    "JPEG-LS": lambda pixels: bytes(imagecodecs.jpegls_encode(pixels)),
    "JPEG 2000": jpeg_2000(level=0, reversible=True),
    "HTJ2K": lambda pixels: bytes(imagecodecs.htj2k_encode(pixels)),
}
CANDIDATES = {
    "JPEG extended": ("jpeg8",),
    "JPEG lossless SV1": ("jpeg8", "ljpeg", "jpegsof3"),
    "JPEG lossless P14": ("jpeg8", "ljpeg", "jpegsof3"),
    "JPEG-LS": ("jpegls",),
    "JPEG 2000": ("jpeg2k", "pylibjpeg"),
    "HTJ2K": ("jpeg2k", "htj2k", "pylibjpeg"),
}


def decoder(name: str) -> Callable[[bytes], np.ndarray]:
    """By name of imagecodecs, or "pylibjpeg"."""
    if name == "pylibjpeg":
        from openjpeg import decode  # type: ignore[import-not-found]  # not a dependency

        return lambda data: np.asarray(decode(data))
    function: Callable[[bytes], np.ndarray] = getattr(imagecodecs, f"{name}_decode")
    return function


def megabytes_per_second(name: str, data: bytes, pixels: np.ndarray, *, exact: bool) -> float:
    """Median of rounds, in processor time. Raises AssertionError for other pixels."""
    decode, times = decoder(name), []
    for _ in range(ROUNDS):
        started = time.process_time()
        found = decode(data)
        times.append(time.process_time() - started)
    assert not exact or np.array_equal(found.reshape(pixels.shape), pixels), name
    return round(pixels.nbytes / 1e6 / statistics.median(times))


def with_half_a_stream(name: str, data: bytes) -> str:
    """What it does with the first half and an end marker."""
    code = (
        "import sys; from benchmarks.codecs import decoder\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "try: decoder(sys.argv[2])(data)\n"
        "except Exception: sys.exit(3)\n"
    )
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data[: len(data) // 2] + b"\xff\xd9")
        done = subprocess.run([sys.executable, "-c", code, file.name, name], capture_output=True)
    return {0: "hands out an image", 3: "refuses"}.get(done.returncode, "ends the process")


def main() -> None:
    pictures = {"phantom": build_picture(), "noise": builders.build_pixels(rows=3328, columns=2560)}
    rows = []
    for syntax, candidates in CANDIDATES.items():
        streams = {name: ENCODERS[syntax](pixels) for name, pixels in pictures.items()}
        for name in candidates:
            try:
                decoder(name)
            except ImportError:
                print(f"{name} is not installed", file=sys.stderr)
                continue
            rates = {
                picture: megabytes_per_second(name, data, pictures[picture], exact=syntax != "JPEG extended")
                for picture, data in streams.items()
            }
            half = with_half_a_stream(name, streams["phantom"])
            rows.append({"syntax": syntax, "decoder": name, **rates, "half a stream": half})
            print(rows[-1], file=sys.stderr)
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
