"""Mammograms from DICOM into a store, per second on one core, and beside bare decoding of the same files.

JSON: images_per_s_per_core, fraction_of_bare_decoding, images_per_s_bare_decoding, by_stage_ms. Phantoms
binned 4 x 4 (832 x 640 pixels for a detector of 3328 x 2560). Bare decoding reads the file and decodes its
stored pixels, and does nothing with them. Both are measured in each round, in processor seconds (other
programs on the machine do not count); medians of the rounds.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd

from forescreen.dicom.folder import MammogramFile, index_folder, load_mammogram
from forescreen.dicom.read import read_header, read_pixels
from forescreen.identity import AS_GIVEN
from forescreen.images.geometry import Geometry
from forescreen.images.prepare import prepare_mammogram
from forescreen.ingestion.run import ingest_dicom
from forescreen.simulation.mammograms import RenderConfig, render_exams
from forescreen.simulation.registry import SimulationConfig, simulate_registry

N_EXAMS_PER_MACHINE = 4
ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_registry(SimulationConfig(n_women=500, seed=1), folder / "registry")
        exams = pd.read_csv(folder / "registry" / "exams.csv", dtype=str)
        chosen = exams.groupby("machine").head(N_EXAMS_PER_MACHINE)["exam_id"].tolist()
        config = RenderConfig(binning=4, seed=1, awkward_share=0.0)
        render_exams(folder / "registry", chosen, folder / "mammograms", config=config)
        index = index_folder(folder / "mammograms", pseudonyms=AS_GIVEN)
        files = [mammogram for exam in index.exams for mammogram in exam.mammograms]
        ingest(folder)  # the first pays for imports
        whole, bare, stages = [], [], []
        for _ in range(ROUNDS):
            whole.append(ingest(folder))
            bare.append(decode(files))
            stages.append(by_stage(files))
    n = len(files)
    figures = {
        "images_per_s_per_core": n / statistics.median(whole),
        "fraction_of_bare_decoding": statistics.median(b / w for b, w in zip(bare, whole, strict=True)),
        "images_per_s_bare_decoding": n / statistics.median(bare),
        "by_stage_ms": {k: round(1e3 * statistics.median(s[k] for s in stages) / n, 2) for k in stages[0]},
    }
    print(json.dumps(figures))


def ingest(folder: Path) -> float:
    """Seconds for the whole folder, headers and writing included."""
    started = time.process_time()
    ingest_dicom(folder / "mammograms", folder / "store")
    seconds = time.process_time() - started
    shutil.rmtree(folder / "store")
    return seconds


def decode(files: list[MammogramFile]) -> float:
    """Seconds to read and decode the stored pixels of the same files."""
    started = time.process_time()
    for file in files:
        read_pixels(file.path, read_header(file.path))
    return time.process_time() - started


def by_stage(files: list[MammogramFile]) -> dict[str, float]:
    """Seconds of each step, where the time goes."""
    spent = {"header": 0.0, "decode and present": 0.0, "prepare": 0.0}
    for file in files:
        t0 = time.process_time()
        read_header(file.path)
        t1 = time.process_time()
        mammogram = load_mammogram(file)
        t2 = time.process_time()
        prepare_mammogram(mammogram, Geometry())
        t3 = time.process_time()
        spent["header"] += t1 - t0
        spent["decode and present"] += t2 - t1
        spent["prepare"] += t3 - t2
    return spent


if __name__ == "__main__":
    main()
