"""All commands of `forescreen`, their options, and nothing else: the work is loaded when called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Breast-cancer risk from screening mammograms, by mode of detection. Research software, "
    "not a medical device.",
)

Out = Annotated[Path, typer.Option("--out", help="Folder for the results; the same folder continues.")]
Workers = Annotated[int, typer.Option(help="Processes for image work; 0 = all cores.", min=0)]
Device = Annotated[str, typer.Option(help="cpu, cuda, mps, or auto.")]
Policy = Annotated[
    str, typer.Option(help="What is accepted: a name of docs/reference/intake-policy.md, or a TOML file.")
]
Config = Annotated[Path, typer.Argument(help="A study file, see docs/reference/study.md.")]


def main() -> None:
    """Entry point of the console script."""
    # Threads that wait actively take the cores from each other on a shared machine (ten times slower
    # there, no faster elsewhere); OpenMP reads this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app()


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Show the version and leave.")] = False,
) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def simulate(
    out: Out,
    women: Annotated[int, typer.Option(help="Women in the registry.", min=1)] = 200_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 1,
    mammograms: Annotated[
        Path | None,
        typer.Option(help="Also render the exams listed in this CSV (column exam_id) into OUT/mammograms."),
    ] = None,
    binning: Annotated[int, typer.Option(help="Detector pixels binned n × n; 1 = full matrix.", min=1)] = 4,
    workers: Workers = 0,
) -> None:
    """Simulate a screening registry with known truth, and DICOM mammograms of chosen exams."""
    from .simulate import run

    run(out=out, n_women=women, seed=seed, mammograms=mammograms, binning=binning, workers=workers)


@app.command()
def ingest(
    source: Annotated[
        Path, typer.Argument(help="A folder of DICOM files, an archive or DICOMDIR, or a CSV of images.")
    ],
    out: Out,
    rows: Annotated[int, typer.Option(help="Canvas rows.", min=8)] = 128,
    columns: Annotated[int, typer.Option(help="Canvas columns.", min=8)] = 104,
    spacing_mm: Annotated[float, typer.Option(help="Canvas pixel, mm.", min=0.05)] = 2.0,
    policy: Policy = "screening",
    identity: Annotated[
        str, typer.Option(help="pseudonym: keyed pseudonyms (OUT/../pseudonym.key); study-numbers: as given.")
    ] = "pseudonym",
    workers: Workers = 0,
) -> None:
    """Put mammograms into a training store; what cannot be used is listed in refused.csv."""
    from .ingest import run

    run(
        source=source,
        out=out,
        rows=rows,
        columns=columns,
        spacing_mm=spacing_mm,
        policy=policy,
        identity=identity,
        workers=workers,
    )


@app.command()
def inspect(
    paths: Annotated[list[Path], typer.Argument(help="DICOM files, or folders of them.", metavar="PATH...")],
    policy: Policy = "screening",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
    headers_only: Annotated[bool, typer.Option("--headers-only", help="Do not read the pixels.")] = False,
    workers: Workers = 0,
) -> None:
    """Tell what each file is and what intake would do with it; nothing is written.

    Exit code 0: all usable; 1: something refused; 2: nothing to inspect.
    """
    from .inspect import run

    run(paths=tuple(paths), policy=policy, as_json=as_json, headers_only=headers_only, workers=workers)


@app.command()
def export(
    source: Annotated[Path, typer.Argument(help="A DICOM file, a folder of them, an archive or a DICOMDIR.")],
    out: Out,
    profile: Annotated[
        str, typer.Option(help="Whose conversion: forescreen, mirai-dcmtk, ... (docs/reference/profiles.md).")
    ] = "forescreen",
    policy: Policy = "screening",
    left: Annotated[
        bool,
        typer.Option("--left/--as-stored", help="Mirror pictures so that the chest wall is on the left."),
    ] = False,
    identity: Annotated[str, typer.Option(help="pseudonym or study-numbers.")] = "pseudonym",
    workers: Workers = 0,
) -> None:
    """Write mammograms as the PNGs that a named conversion makes of them, each with its derivation."""
    from .export import run

    run(
        source=source,
        out=out,
        profile=profile,
        policy=policy,
        left=left,
        identity=identity,
        workers=workers,
    )


@app.command()
def deidentify(
    source: Annotated[Path, typer.Argument(help="A folder of DICOM files, at any depth.")],
    out: Out,
    key: Annotated[
        Path | None, typer.Option(help="Key of the pseudonyms; default OUT/../pseudonym.key, made if absent.")
    ] = None,
    blank_outside_breast: Annotated[
        bool, typer.Option("--blank-outside-breast", help="Blank everything around the breast.")
    ] = False,
    keep_dates: Annotated[
        bool, typer.Option("--keep-dates", help="Leave dates as they are; default: moved per woman.")
    ] = False,
    tables: Annotated[
        Path | None, typer.Option(help="Registry tables to de-identify under the same key, too.")
    ] = None,
    workers: Workers = 0,
) -> None:
    """Copy mammograms without identity: pseudonyms, moved dates, nothing but what is known to be safe."""
    from .deidentify import run

    run(
        source=source,
        out=out,
        key=key,
        blank_outside_breast=blank_outside_breast,
        keep_dates=keep_dates,
        tables=tables,
        workers=workers,
    )


@app.command()
def density(
    source: Annotated[Path, typer.Argument(help="An image store, or a folder of DICOM files.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the table: density.csv.")],
    identity: Annotated[
        str, typer.Option(help="With a folder: pseudonym (OUT/../pseudonym.key) or study-numbers.")
    ] = "pseudonym",
    workers: Workers = 0,
) -> None:
    """Measure breast density: by area on presentation images, by volume on raw ones."""
    from .density import run

    run(source=source, out=out, identity=identity, workers=workers)


@app.command()
def cohort(
    registry: Annotated[Path, typer.Argument(help="Folder with women.csv, exams.csv, cancers.csv.")],
    out: Out,
    config: Annotated[Path | None, typer.Option(help="A study file whose [cohort] is used.")] = None,
    store: Annotated[Path | None, typer.Option(help="Only exams with mammograms in this store.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same sets.")] = 1,
    identity: Annotated[str, typer.Option(help="pseudonym or study-numbers.")] = "pseudonym",
) -> None:
    """Turn registry tables into outcomes, matched sets and splits, with the flow diagram."""
    from .cohort import run

    run(registry=registry, out=out, config=config, store=store, seed=seed, identity=identity)


@app.command()
def train(
    cohort: Annotated[Path, typer.Argument(help="Folder of the cohort command (members.csv).")],
    store: Annotated[Path, typer.Option(help="Image store of the ingest command.")],
    out: Out,
    recipe: Annotated[str, typer.Option(help="demo, default or paper.")] = "default",
    seed: Annotated[int, typer.Option(help="Same seed, same parameters (same machine).")] = 1,
    device: Device = "auto",
) -> None:
    """Train image models of risk by mode of detection; continues where it was stopped."""
    from .train import run

    run(cohort=cohort, store=store, out=out, recipe=recipe, seed=seed, device=device)


@app.command()
def score(
    model: Annotated[Path, typer.Argument(help="Folder of the train command.")],
    out: Out,
    store: Annotated[Path | None, typer.Option(help="Image store to score.")] = None,
    dicom: Annotated[Path | None, typer.Option(help="Or a folder of DICOM files.")] = None,
    policy: Policy = "screening",
    identity: Annotated[str, typer.Option(help="With --dicom: pseudonym or study-numbers.")] = "pseudonym",
    device: Device = "auto",
    workers: Workers = 0,
) -> None:
    """Score exams and rank them into a worklist for a second reader."""
    from .score import run

    run(
        model=model,
        out=out,
        store=store,
        dicom=dicom,
        policy=policy,
        identity=identity,
        device=device,
        workers=workers,
    )


@app.command()
def calibrate(
    scores: Annotated[Path, typer.Argument(help="scores.csv of the score command.")],
    rates: Annotated[
        Path, typer.Option(help="Rates by age and mode: a CSV, or a folder of registry tables to count in.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Where to write the risks: risks.csv.")],
    reference: Annotated[
        Path | None,
        typer.Option(help="Scores of a sample of the population, or a store of its exams; default: SCORES."),
    ] = None,
    exams: Annotated[
        Path | None,
        typer.Option(help="Ages (and sampling weights): a CSV with exam_id, age, or registry tables."),
    ] = None,
    sets: Annotated[
        Path | None, typer.Option(help="members.csv with matched sets, in which to estimate the slope.")
    ] = None,
    slope: Annotated[
        str | None,
        typer.Option(help="Slope of the score: one number, or one per mode (screen-detected,interval)."),
    ] = None,
    horizon: Annotated[str, typer.Option(help="Years, separated by commas.")] = "1,2,5",
    trained_in: Annotated[str, typer.Option(help="The population the score was trained in, in words.")] = "",
    plan: Annotated[
        Path | None, typer.Option(help="plan.toml whose [registry] says how cancers were detected.")
    ] = None,
) -> None:
    """Turn scores into absolute risks by mode of detection in a population whose rates are given."""
    from .calibrate import run

    run(
        scores=scores,
        rates=rates,
        reference=reference,
        exams=exams,
        sets=sets,
        slope=slope,
        horizon=horizon,
        trained_in=trained_in,
        plan=plan,
        out=out,
    )


@app.command()
def evaluate(
    predictions: Annotated[
        list[str],
        typer.Option(help="A model's predictions: file.csv or NAME=file.csv; give it once per file."),
    ],
    outcomes: Annotated[
        Path,
        typer.Option(help="Outcomes: a CSV of exams, a cohort folder, or a folder of registry tables."),
    ],
    out: Out,
    plan: Annotated[
        Path | None, typer.Option(help="plan.toml: what is measured, and what columns mean.")
    ] = None,
) -> None:
    """Compare any models' predictions with outcomes, on identical women, and write the report."""
    from .evaluate import run

    run(predictions=tuple(predictions), outcomes=outcomes, plan=plan, out=out)


@app.command()
def risk(
    source: Annotated[
        Path,
        typer.Argument(
            help="A CSV with a row per woman, a folder with women.csv and exams.csv, or a BCRA frame."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Where to write the table: risks.csv.")],
    model: Annotated[
        str, typer.Option(help="Published models, separated by commas (docs/reference/clinical.md).")
    ] = "bcrat",
    horizon: Annotated[
        float | None, typer.Option(help="Years; default 5, or T2 - T1 of a BCRA frame.")
    ] = None,
    format: Annotated[str, typer.Option(help="auto, factors, registry or bcra.")] = "auto",
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="ROW_OR_ID",
            help="Show how one woman's risk came about and draw it beside OUT; the header is row 1.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
) -> None:
    """Compute women's risks by published clinical models; a reason for every risk that is not given.

    Exit code 0: all computed; 1: some refused; 2: nothing could be done.
    """
    from .risk import run

    run(
        source=source,
        models=model,
        horizon_years=horizon,
        out=out,
        format=format,
        explain=explain,
        as_json=as_json,
    )


@app.command()
def study(
    config: Config,
    out: Annotated[Path | None, typer.Option("--out", help="Folder; default out/<name>.")] = None,
    device: Device = "auto",
    workers: Workers = 0,
) -> None:
    """Run or continue the whole study and write its report."""
    from .study import run

    run(config_file=config, out=out, device=device, workers=workers)
