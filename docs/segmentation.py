"""Write the table of perturbed mammograms: `python docs/segmentation.py docs/segmentation.md [MIAS] [DDSM]`.

Every perturbation of `tests/images/perturbations.py` is done to phantoms, to the same phantoms as scanned
films, and, where their folders are given, to every fourth film of mini-MIAS and every second of the DDSM
films with tissue masks. A row tells the median and the least Dice, how many regions had a Dice below 0.90,
and how many of these came without a warning.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.images.builders import build_phantom_picture
from tests.images.perturbations import PERTURBATIONS, Picture

from forescreen.errors import ExamError
from forescreen.images.breast import find_breast

N_PHANTOMS = 24


def phantoms() -> Iterator[Picture]:
    for number in range(N_PHANTOMS):
        yield build_phantom_picture(number)


def films_of_phantoms() -> Iterator[Picture]:
    """Air of 4 to 8 % with noise and a slope."""
    for number, (pixels, mask) in enumerate(phantoms()):
        generator = np.random.default_rng(100 + number)
        slope = 0.02 * np.linspace(0, 1, pixels.shape[0])[:, None]
        noise = 0.01 * generator.standard_normal(pixels.shape)
        film = 0.9 * pixels + 0.04 + 0.04 * generator.random() + slope + noise
        yield np.clip(film, 0, 1).astype(np.float32), mask


def scanned(films: Path, masks: Path, *, every: int, background: int) -> Iterator[Picture]:
    for path in sorted(films.glob("*.png"))[::every]:
        (mask,) = masks.glob(f"{path.stem}*")
        film = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255
        yield film, np.asarray(Image.open(mask).convert("L")) != background


def row(name: str, pictures: list[Picture]) -> str:
    values, low, silent, warned = [], 0, 0, 0
    for number, (pixels, mask) in enumerate(pictures):
        changed, true = PERTURBATIONS[name](pixels, mask, np.random.default_rng(number))
        try:
            region = find_breast(np.ascontiguousarray(changed, dtype=np.float32))
            found, warning = region.at_full_size(), bool(region.warnings)
        except ExamError:
            found, warning = np.zeros_like(true), True
        values.append(2.0 * float((found & true).sum()) / float(found.sum() + true.sum()))
        warned += warning
        low += values[-1] < 0.9
        silent += values[-1] < 0.9 and not warning
    return f"{np.median(values):.3f} / {min(values):.3f} / {low}, {silent} / {warned}"


def main(page: Path, mias: Path | None = None, ddsm: Path | None = None) -> None:
    sets = {
        f"{N_PHANTOMS} phantoms": list(phantoms()),
        f"{N_PHANTOMS} phantoms as film": list(films_of_phantoms()),
    }
    if mias is not None:
        found = list(scanned(mias / "films", mias / "breast_mask", every=4, background=0))
        sets[f"{len(found)} mini-MIAS films"] = found
    if ddsm is not None:
        found = list(scanned(ddsm / "films", ddsm / "tissue_masks", every=2, background=64))
        sets[f"{len(found)} DDSM films"] = found
    lines = [
        "# Perturbed mammograms",
        "",
        "Written by `python docs/segmentation.py`. Each cell: median Dice / least Dice / regions below 0.90,",
        "of these without a warning / regions with a warning.",
        "",
        f"| | {' | '.join(sets)} |",
        f"|---|{'---|' * len(sets)}",
    ]
    for name in PERTURBATIONS:
        cells = " | ".join(row(name, pictures) for pictures in sets.values())
        lines.append(f"| {name} | {cells} |")
    page.write_text("\n".join([*lines, ""]))


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3, 4):
        sys.exit(__doc__)
    main(*(Path(argument) for argument in sys.argv[1:]))
