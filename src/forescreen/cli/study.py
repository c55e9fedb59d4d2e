"""`forescreen study study.toml`: every stage, then the report."""

from __future__ import annotations

from pathlib import Path

from .terminal import choose_device, default_workers, friendly, make_track, say, show_path, summarise


def run(*, config_file: Path, out: Path | None, device: str, workers: int) -> None:
    """Run or continue a study and write `report.html`, `results.json` and `tables/` into its folder."""
    with friendly():
        from ..files import file_sha256, write_json
        from ..report.page import write_report
        from ..study.config import read_study
        from ..study.run import StudyRun

        config = read_study(config_file)
        folder = out if out is not None else Path("out") / config.study.name
        say(f"{config.study.name} → {show_path(folder)}  ({file_sha256(config_file)[:8]})")
        results = StudyRun(
            config=config,
            folder=folder,
            key_file=config_file.resolve().parent / "pseudonym.key",
            workers=workers or default_workers(),
            device=choose_device(device),
            track=make_track(),
            announce=lambda name, summary, seconds: summarise(name, summary, seconds=seconds),
        ).run()
        write_json(folder / "results.json", results)
        page = write_report(results, folder)
        for note in results["notes"]:
            say(f"note: {note}")
        say(f"worklist  {show_path(folder / 'scores' / 'worklist.csv')}")
        say(f"report    {show_path(page)}")
