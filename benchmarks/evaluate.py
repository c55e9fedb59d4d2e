"""The whole `forescreen evaluate` on 112 621 women × 4 models, files to page, as a command of its own.

JSON: {"seconds", "peak_megabytes", "start_seconds"}; the last is the time until a wrong file is refused.
"""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.programme import write_programme

COMMAND = [sys.executable, "-c", "from forescreen.cli import main; main()", "evaluate"]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        predictions = write_programme(folder)
        arguments = [x for one in predictions for x in ("--predictions", one)]
        started = time.perf_counter()
        subprocess.run(
            [*COMMAND, *arguments, "--outcomes", str(folder / "outcomes.csv"), "--out", str(folder / "out")],
            check=True,
            capture_output=True,
        )
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        (folder / "wrong.csv").write_text("exam_id\n")
        starts = []
        for _ in range(5):
            started = time.perf_counter()
            subprocess.run(
                [*COMMAND, "--predictions", str(folder / "wrong.csv"), "--outcomes", "x", "--out", "y"],
                capture_output=True,
            )
            starts.append(time.perf_counter() - started)
    print(
        json.dumps({"seconds": seconds, "peak_megabytes": peak, "start_seconds": statistics.median(starts)})
    )


if __name__ == "__main__":
    main()
