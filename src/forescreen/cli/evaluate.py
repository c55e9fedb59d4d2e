"""`forescreen evaluate`: any models' predictions + outcomes → results.json + report.html + tables."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(*, predictions: tuple[str, ...], outcomes: Path, plan: Path | None, out: Path) -> None:
    """Evaluate every model on identical women; never loads torch."""
    with friendly():
        from ..errors import ConfigError

        # What can be told without reading anything is told before the libraries are loaded.
        if not predictions:
            raise ConfigError(
                expected="--predictions file.csv at least once", found="none", where="command line"
            )
        files = [_named(text) for text in predictions]
        for option, path in (("--outcomes", outcomes), ("--plan", plan)):
            if path is not None and not path.exists():
                raise ConfigError(
                    expected="an existing file or folder", found=f"no {path}", where=f"command line, {option}"
                )
        say(f"reading {', '.join(name for name, _ in files)}; outcomes: {outcomes.name}")
        from .. import __version__
        from ..evaluation.compare import compare, with_checklist
        from ..evaluation.comparison_plan import ComparisonPlan, read_plan
        from ..evaluation.joined import read_outcomes
        from ..evaluation.predictions import read_predictions
        from ..evaluation.run import concordance_lines
        from ..files import file_sha256, folder_listing, write_json

        started = time.monotonic()
        given = read_plan(plan) if plan is not None else ComparisonPlan()
        models = tuple(
            model
            for name, path in files
            for model in read_predictions(path, name=name, key=given.outcomes.key, models=given.models)
        )
        truth = read_outcomes(outcomes, given)
        figures = compare(truth, models, given, threads=default_workers(), track=make_track())
        study = figures["study"]
        study["name"] = study["name"] or f"Evaluation of {', '.join(m['label'] for m in figures['models'])}"
        inputs = [
            {
                "role": "predictions",
                "name": path.name,
                "n_rows": next((len(m.ids) for m in models if m.file == path.name), 0),
                "sha256": file_sha256(path),
                "format": ", ".join(dict.fromkeys(m.format for m in models if m.file == path.name)),
                "models": [m.label for m in models if m.file == path.name],
            }
            for _, path in files
        ]
        inputs.append(
            {
                "role": "outcomes",
                "name": outcomes.name,
                "n_rows": len(truth.table),
                "sha256": folder_listing(outcomes) if outcomes.is_dir() else file_sha256(outcomes),
                "format": "registry tables" if truth.flow else "one row per exam",
                "models": [],
            }
        )
        if plan is not None:
            inputs.append(
                {
                    "role": "plan",
                    "name": plan.name,
                    "n_rows": None,
                    "sha256": file_sha256(plan),
                    "format": "TOML",
                    "models": [],
                }
            )
        results = with_checklist(
            {
                "forescreen": __version__,
                "provenance": {"forescreen": __version__, "seed": given.evaluation.seed},
                "inputs": inputs,
                **figures,
            }
        )
        from ..report.page import write_report  # brings matplotlib; nothing above needs it

        write_json(out / "results.json", results)
        page = write_report(results, out)
        summarise("evaluated", concordance_lines(results), seconds=time.monotonic() - started)
        for left in results["exclusions"]:
            say(f"left out: {left['n']} {left['what']}: {left['reason']}")
        for note in results["notes"]:
            say(f"note: {note}")
        say(f"report    {show_path(page)}")


def _named(text: str) -> tuple[str, Path]:
    """NAME=file.csv, or file.csv, whose stem is then the model's name."""
    from ..errors import ConfigError

    path = Path(text)
    name = path.stem
    if not path.is_file() and "=" in text:
        name, _, rest = text.partition("=")
        path = Path(rest)
    if not path.is_file() or not name.strip():
        raise ConfigError(
            expected="--predictions file.csv or --predictions NAME=file.csv, an existing file",
            found=repr(text),
            where="command line",
        )
    return name.strip(), path
