"""`forescreen evaluate`: any models' predictions + outcomes → results.json + report.html + tables."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(*, predictions: tuple[str, ...], outcomes: Path, plan: Path | None, out: Path) -> None:
    """Evaluate every model on identical women; never loads torch."""
    with friendly(continues=False):
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
        from ..evaluation.comparison_plan import ComparisonPlan, read_plan
        from ..evaluation.joined import read_outcomes
        from ..evaluation.predictions import read_predictions
        from ..files import file_sha256, folder_listing, write_json

        started = time.monotonic()
        given = read_plan(plan) if plan is not None else ComparisonPlan()
        if out.exists() and not out.is_dir():
            raise ConfigError(expected="--out a folder", found=f"the file {out}", where="command line")
        by_file = [
            read_predictions(path, name=name, key=given.outcomes.key, models=given.models)
            for name, path in files
        ]
        models = tuple(model for found in by_file for model in found)
        unused = sorted(set(given.models) - {model.key for model in models})
        if unused:
            raise ConfigError(
                expected=f"[models.NAME] for models that were given: {', '.join(m.key for m in models)}",
                found=", ".join(unused),
                where=str(plan),
                remedy="A file's model is called as in --predictions NAME=file.csv, or as the file",
            )
        truth = read_outcomes(outcomes, given)
        # These bring the statistics; nothing above needs them.
        from ..evaluation.compare import compare, with_checklist
        from ..evaluation.run import concordance_lines

        figures = compare(truth, models, given, threads=default_workers(), track=make_track())
        study = figures["study"]
        study["name"] = study["name"] or f"Evaluation of {', '.join(m['label'] for m in figures['models'])}"
        inputs = [
            {
                "role": "predictions",
                "name": path.name,
                "n_rows": max(len(m.ids) for m in found),
                "sha256": file_sha256(path),
                "format": ", ".join(dict.fromkeys(m.format for m in found)),
                "models": [m.label for m in found],
            }
            for (_, path), found in zip(files, by_file, strict=True)
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

        page = write_report(results, out)
        write_json(out / "results.json", results)  # last: with it the folder is whole
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
