"""`forescreen calibrate`: scores + rates of a population → risks.csv, with a card that says how."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import friendly, say, show_path, spare_inputs, summarise

if TYPE_CHECKING:
    import pandas as pd

    from ..clinical.mode_rates import ModeRates


def run(
    *,
    scores: Path,
    rates: Path,
    reference: Path | None,
    exams: Path | None,
    sets: Path | None,
    slope: str | None,
    horizon: str,
    trained_in: str,
    plan: Path | None,
    out: Path,
) -> None:
    """Give every scored exam its risk by mode of detection in the population of the rates."""
    with friendly(continues=False):
        from ..errors import ConfigError

        horizons = _horizons(horizon)
        if sets is not None and slope is not None:
            raise ConfigError(expected="--sets or --slope", found="both", where="command line")
        spare_inputs(out, scores, rates, reference, exams, sets, plan)
        if out.suffix != ".csv":
            raise ConfigError(expected="--out a file risks.csv", found=out.name, where="command line")
        from .. import __version__
        from ..evaluation.recalibration import (
            exams_in_store,
            given_slopes,
            read_scored,
            recalibrate,
            slopes_in_sets,
        )
        from ..evaluation.tables_in import read_members, read_scores
        from ..files import file_sha256, write_csv, write_json

        started = time.monotonic()
        population, from_rates, eligible = _rates(rates, horizons, plan, out)
        facts = _facts(exams) if exams is not None else from_rates
        scored = read_scored(scores, facts)
        if reference is None:
            sample = scored if eligible is None else scored[scored["exam_id"].isin(eligible)]
        elif reference.is_dir():
            sample = exams_in_store(scored, reference)
        else:
            sample = read_scored(reference, facts)
        slopes = given_slopes(*_slopes(slope))
        if sets is not None:
            slopes = slopes_in_sets(read_scores(scores), read_members(sets))
        made = recalibrate(
            scored,
            sample,
            population,
            slopes=slopes,
            horizons_years=horizons,
            trained_in=trained_in,
            reference_is_scored=reference is None,
        )
        card = {
            "forescreen": __version__,
            **made.card,
            "inputs": [
                {"role": role, "name": path.name, "sha256": file_sha256(path)}
                for role, path in (
                    ("scores", scores), ("rates", rates), ("reference", reference), ("exams", exams),
                    ("sets", sets), ("plan", plan),
                )
                if path is not None and path.is_file()
            ],
        }  # fmt: skip
        write_csv(out, made.table)
        write_json(out.with_suffix(".json"), card)  # last: with it the risks are whole
        refused = {row["code"].replace("_", " "): row["n"] for row in card["refused"]}
        summarise(
            "calibrated",
            {
                "exams": card["n_exams"],
                "without a risk": refused or "none",
                "reference": card["reference"]["n_exams"],
                "slope": {s.mode.replace("_", "-"): s.value for s in slopes},
                **{
                    f"mean {row['mode'].replace('_', ' ')}, {row['horizon_years']:g} years": (
                        f"{row['mean_risk']:.3%} (rates alone {row['population_risk']:.3%})"
                    )
                    for row in card["check"]
                },
            },
            seconds=time.monotonic() - started,
        )
        for warning in card["warnings"]:
            say(f"warning: {warning}")
        say(f"risks     {show_path(out)}, how they were made: {show_path(out.with_suffix('.json'))}")


def _horizons(text: str) -> tuple[float, ...]:
    from ..errors import ConfigError

    try:
        horizons = tuple(float(part) for part in text.split(","))
    except ValueError:
        horizons = ()
    if not horizons or not all(0 < h <= 50 for h in horizons):
        raise ConfigError(
            expected="--horizon in years, such as 1,2,5", found=repr(text), where="command line"
        )
    return horizons


def _slopes(text: str | None) -> tuple[float, float]:
    """One slope for both modes, or one each, screen-detected first; 1 where nobody says."""
    from ..errors import ConfigError

    try:
        values = [float(part) for part in (text or "1").split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ConfigError(
            expected="--slope as one number, or two (screen-detected, interval)",
            found=repr(text),
            where="command line",
        )
    return values[0], values[-1]


def _rates(
    path: Path, horizons: tuple[float, ...], plan: Path | None, out: Path
) -> tuple[ModeRates, pd.DataFrame | None, frozenset[str] | None]:
    """Rates from a table, or counted in registry tables and written beside the risks; then also the ages of
    the registry's exams and the exams after which the rates were counted."""
    from ..clinical.mode_rates import read_mode_rates, write_mode_rates

    if not path.is_dir():
        return read_mode_rates(path), None, None
    from ..cohort.registry import read_registry
    from ..evaluation.comparison_plan import ComparisonPlan, read_plan
    from ..evaluation.population_rates import rates_of
    from ..evaluation.recalibration import exams_of_tables
    from ..evaluation.registry_outcomes import outcomes_of_tables

    tables = read_registry(path)
    settings = read_plan(plan) if plan is not None else ComparisonPlan()
    years = tables.exams["exam_date"].dt.year
    place = "/".join(path.resolve().parts[-2:])
    outcomes = outcomes_of_tables(tables, settings, source=path.name)
    counted = rates_of(
        outcomes,
        periods_years=horizons,
        name=path.name,
        population=f"women after a negative screening exam in the tables of {place}",
        years=f"{years.min()}-{years.max()}",
        source="counted in its tables by forescreen calibrate",
    )
    table = out.with_name(f"{out.stem}.rates.csv")
    write_mode_rates(table, counted)
    say(f"rates     {show_path(table)}")
    return counted, exams_of_tables(tables), frozenset(outcomes.table["key"])


def _facts(path: Path) -> pd.DataFrame:
    from ..evaluation.recalibration import exams_of_tables, read_exam_facts

    if not path.is_dir():
        return read_exam_facts(path)
    from ..cohort.registry import read_registry

    return exams_of_tables(read_registry(path))
