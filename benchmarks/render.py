"""Mammograms rendered as DICOM per second on one core. JSON: images_per_s_per_core_binning_{1,4,8}."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

import pandas as pd

from forescreen.simulation.mammograms import RenderConfig, render_exams
from forescreen.simulation.registry import SimulationConfig, simulate_registry


def main() -> None:
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate_registry(SimulationConfig(n_women=500, seed=1), folder / "registry")
        exams = pd.read_csv(folder / "registry" / "exams.csv", dtype=str)["exam_id"]
        for binning, n_exams in ((8, 24), (4, 12), (1, 4)):
            config = RenderConfig(binning=binning, seed=1, awkward_share=0.0)
            rates = []
            for repeat in range(4):
                chosen = tuple(exams[repeat * n_exams : (repeat + 1) * n_exams])
                started = time.perf_counter()
                render_exams(
                    folder / "registry", chosen, folder / f"b{binning}-{repeat}", config=config, workers=1
                )
                if repeat:  # the first pays for imports and tables
                    rates.append(4 * n_exams / (time.perf_counter() - started))
            figures[f"images_per_s_per_core_binning_{binning}"] = statistics.median(rates)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
