"""`forescreen simulate`: a registry with known truth, and mammograms of chosen exams."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(*, out: Path, n_women: int, seed: int, mammograms: Path | None, binning: int, workers: int) -> None:
    """Simulate into `out/registry`; with `mammograms` render those exams into `out/mammograms`."""
    with friendly():
        from ..files import plain
        from ..simulation.registry import SimulationConfig, simulate_registry
        from ..stage import Stage

        track = make_track()
        config = SimulationConfig(n_women=n_women, seed=seed)
        stage = Stage("registry", out / "registry", {"simulation": plain(config)})
        if stage.begin():
            started = time.monotonic()
            summary = plain(simulate_registry(config, stage.folder, track=track))
            stage.finish(summary, started=started)
            summarise("simulated registry", summary, seconds=time.monotonic() - started)
        else:
            summarise("simulated registry, finished before", stage.summary())
        if mammograms is not None:
            from ..evaluation.tables_in import read_columns
            from ..simulation.mammograms import RenderConfig, render_exams

            exams = tuple(dict.fromkeys(read_columns(mammograms, ("exam_id",))["exam_id"].dropna()))
            started = time.monotonic()
            n_processes = workers or default_workers()
            rendered = render_exams(
                stage.folder,
                exams,
                out / "mammograms",
                config=RenderConfig(binning=binning, seed=seed),
                workers=n_processes,
                track=track,
            )
            rate = rendered.images_per_second / n_processes
            summarise(
                "rendered mammograms",
                {**plain(rendered), "images_per_s_per_core": rate},
                seconds=time.monotonic() - started,
            )
        say(f"registry  {show_path(stage.folder)}")
