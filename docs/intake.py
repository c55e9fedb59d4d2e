"""Make the picture of docs/how-to/intake.md: `python docs/intake.py` writes docs/images/intake.png.

One oblique view from each of the four simulated machines, through the real pipeline: the stored pixels as they
lie in the file, the breast and its pectoral muscle as they were found, and what models get.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from forescreen.dicom.folder import MammogramFile, index_folder, load_mammogram
from forescreen.dicom.read import read_pixels
from forescreen.identity import AS_GIVEN
from forescreen.images.breast import find_breast
from forescreen.images.geometry import Geometry
from forescreen.images.orient import find_chest_wall
from forescreen.images.pectoral import find_pectoral
from forescreen.images.prepare import prepare_mammogram
from forescreen.records import Laterality, View
from forescreen.simulation.mammograms import RenderConfig, render_exams
from forescreen.simulation.registry import SimulationConfig, simulate_registry
from forescreen.simulation.vendors import VENDORS

matplotlib.use("Agg")
import matplotlib.pyplot as plt

HERE = Path(__file__).resolve().parent
CANVAS = Geometry(rows=512, columns=416, spacing_mm=0.5)
SYNTAX_NAMES = {
    "1.2.840.10008.1.2.1": "uncompressed",
    "1.2.840.10008.1.2.5": "RLE",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
}


def chosen_views(folder: Path) -> dict[str, MammogramFile]:
    """One MLO view of each machine: left of the first two, right of the others."""
    simulate_registry(SimulationConfig(n_women=400, seed=3), folder / "registry")
    exams = pd.read_csv(folder / "registry" / "exams.csv", dtype=str)
    exams["key"] = exams["machine"].str.rpartition("-")[2]
    first = exams.groupby("key").head(1).set_index("key")["exam_id"]
    config = RenderConfig(binning=2, seed=3, awkward_share=0.0)
    render_exams(folder / "registry", first.tolist(), folder / "mammograms", config=config)
    index = index_folder(folder / "mammograms", pseudonyms=AS_GIVEN)
    by_exam = {exam.exam_id: exam for exam in index.exams}
    found = {}
    for i, key in enumerate(VENDORS):
        side = Laterality.LEFT if i < 2 else Laterality.RIGHT
        exam = by_exam[first[key]]
        found[key] = next(m for m in exam.mammograms if (m.laterality, m.view) == (side, View.MLO))
    return found


def draw(views: dict[str, MammogramFile], out: Path) -> None:
    figure, axes = plt.subplots(3, len(views), figsize=(3.2 * len(views), 12.6), facecolor="white")
    for column, (key, file) in enumerate(views.items()):
        stored = read_pixels(file.path, file.header)
        shown = load_mammogram(file)
        region = find_breast(shown.pixels, bright_air=False)
        wall = find_chest_wall(region.mask, shown.laterality).chest_wall
        muscle = find_pectoral(shown.pixels, region, wall)
        prepared = prepare_mammogram(shown, CANVAS)
        header, grey = file.header, file.header.grayscale
        top, middle, bottom = axes[:, column]
        top.imshow(stored, cmap="gray", interpolation="antialiased")
        syntax = SYNTAX_NAMES[header.transfer_syntax]
        top.set_title(
            f"{key}: {shown.laterality} MLO, {header.rows} × {header.columns}\n"
            f"{grey.photometric}, {grey.bits_stored} bits, {syntax}",
            fontsize=9,
        )
        middle.imshow(shown.pixels, cmap="gray", interpolation="antialiased", vmin=0, vmax=1)
        edge = np.arange(region.mask.shape[1]) * region.factor, np.arange(region.mask.shape[0]) * region.factor
        middle.contour(*edge, region.mask, levels=[0.5], colors="#56b4e9", linewidths=1.2)
        if muscle.found:
            middle.contour(*edge, muscle.mask, levels=[0.5], colors="#e69f00", linewidths=1.2)
        middle.set_title(f"{shown.acquisition.voi}", fontsize=9)
        bottom.imshow(prepared.pixels, cmap="gray", interpolation="antialiased", vmin=0, vmax=65535)
        turned = "mirrored" if prepared.flipped else "not mirrored"
        bottom.set_title(f"{CANVAS.spacing_mm} mm pixels, {turned}", fontsize=9)
    for row, words in enumerate(("stored pixels", "breast and pectoral muscle", "what models get")):
        axes[row, 0].set_ylabel(words, fontsize=11)
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        for spine in axis.spines.values():
            spine.set_visible(False)
    figure.tight_layout()
    figure.savefig(out, dpi=75, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        draw(chosen_views(Path(name)), HERE / "images" / "intake.png")
