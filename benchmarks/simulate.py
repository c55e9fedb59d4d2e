"""Women per second of the simulated registry, its tables written. JSON: {"women_per_s", "seconds"}."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from forescreen.simulation.registry import SimulationConfig, simulate_registry


def main(n_women: int = 200_000, repeats: int = 3) -> None:
    seconds = []
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            simulate_registry(SimulationConfig(n_women=n_women, seed=repeat), Path(folder))
            seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    print(json.dumps({"women_per_s": n_women / median, "seconds": median, "n_women": n_women}))


if __name__ == "__main__":
    main()
