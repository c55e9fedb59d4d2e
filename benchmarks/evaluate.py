"""The whole `forescreen evaluate` on 112 621 women × 4 models, files to page, as a command of its own.

JSON: {"seconds", "peak_megabytes", "start_seconds", "refusal_seconds"}: until the command says what it reads,
and until it has refused a file without predictions.
"""

from __future__ import annotations

import json
import os
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
        starts, refusals = [], []
        for _ in range(5):
            started = time.perf_counter()
            with subprocess.Popen(
                [
                    *COMMAND,
                    *("--predictions", str(folder / "wrong.csv")),
                    *("--outcomes", name, "--out", name),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            ) as process:
                assert process.stdout is not None
                process.stdout.readline()
                starts.append(time.perf_counter() - started)
            refusals.append(time.perf_counter() - started)
    found = {"seconds": seconds, "peak_megabytes": peak}
    found |= {"start_seconds": statistics.median(starts), "refusal_seconds": statistics.median(refusals)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
