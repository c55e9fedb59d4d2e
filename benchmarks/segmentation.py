"""Milliseconds of one core to find breast and pectoral muscle, on phantoms of 3328 x 2560 and 832 x 640.

    python -m benchmarks.segmentation

JSON: medians of processor time per image (other work on the machine counts little).
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from tests.images.builders import build_phantom_picture

from forescreen.images.breast import find_breast
from forescreen.images.orient import find_chest_wall
from forescreen.images.pectoral import find_pectoral
from forescreen.records import Laterality

N_PICTURES, ROUNDS = 8, 7


def milliseconds(action: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    figures: dict[str, float] = {}
    pictures = [build_phantom_picture(number)[0] for number in range(N_PICTURES)]
    for label, times in (("small", 2), ("full", 8)):
        breast, muscle = [], []
        for picture in pictures:
            pixels = np.repeat(np.repeat(picture, times, axis=0), times, axis=1)
            region = find_breast(pixels)
            side = find_chest_wall(region.mask, Laterality.LEFT).chest_wall
            breast.append(milliseconds(lambda p=pixels: find_breast(p)))  # type: ignore[misc]
            muscle.append(milliseconds(lambda p=pixels, r=region, s=side: find_pectoral(p, r, s)))  # type: ignore[misc]
        figures[f"breast_ms_{label}"] = round(statistics.median(breast), 1)
        figures[f"pectoral_ms_{label}"] = round(statistics.median(muscle), 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
