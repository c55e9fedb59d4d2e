"""Scores of exams become risks in a population: what `forescreen calibrate` does with tables.

In: scores with ages, a reference sample of that population, its rates, sets for the slope. Out: a table of
risks by exam, horizon and mode, and a card that says from what they were made, what was refused and why they
must not be taken for validated ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..clinical.mode_rates import MODES, ModeRates
from ..clinical.transport import (
    CODES,
    SLOPE_WARNING,
    Baseline,
    ModeRisks,
    Reference,
    baseline,
    population_risks,
    risks_by_mode,
    transport_warning,
)
from ..cohort.eligibility import ages_years
from ..cohort.registry import RegistryTables
from ..errors import InputError
from ..files import plain
from ..records import Outcome
from ..statistics.association import conditional_logistic
from .outcome_times import CANCERS
from .tables_in import numbers_or_empty, read_columns, read_scores

_SCORES = tuple(f"score_{mode}" for mode in MODES)
_CASE_TYPES = (Outcome.SCREEN_DETECTED.value, Outcome.INTERVAL.value)
#: Where more of the reference exams precede a cancer, they are a sample of cases and controls.
_MOST_CANCERS = 0.2
#: Check of the arithmetic: mean risk of the reference sample over the population's.
_AVERAGE_TOLERANCE = 2e-3

NO_AGES_WARNING = (
    "The reference sample has no ages: the score's distribution is taken as the same at all ages, and what "
    "it knows of age counts twice, in the score and in the rates."
)
REFERENCE_IS_SCORED_WARNING = (
    "The exams to which risks are given are their own reference sample: they are taken as all exams of the "
    "population, or as a sample of it with the weights given."
)


@dataclass(frozen=True, kw_only=True)
class Slope:
    """Log odds ratio per unit of score, with where it comes from."""

    mode: str
    value: float
    lower: float
    upper: float
    source: str
    n_sets: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Recalibrated:
    """Risks by exam, and the card that belongs to them."""

    table: pd.DataFrame
    card: dict[str, Any]


def given_slopes(screen_detected: float, interval: float) -> tuple[Slope, Slope]:
    """Slopes as somebody says. Raises InputError where one is not finite."""
    if not np.isfinite([screen_detected, interval]).all():
        raise InputError(expected="finite slopes", found=f"{screen_detected}, {interval}", where="--slope")
    first, second = (
        Slope(mode=mode, value=value, lower=np.nan, upper=np.nan, source="given")
        for mode, value in zip(MODES, (screen_detected, interval), strict=True)
    )
    return first, second


def slopes_in_sets(scores: pd.DataFrame, members: pd.DataFrame) -> tuple[Slope, Slope]:
    """Conditional logistic regression of case against control on the score, by mode of detection.

    `members` as of the cohort stage; where they have a development part, its sets alone are used. The scores
    of these exams must come from networks that were not trained on them: otherwise the slope is too steep.
    Raises InputError where a mode has no set with a case, a control and their scores.
    """
    if (members["split"] == "development").any():
        members = members[members["split"] == "development"]
    joined = members.merge(scores[["exam_id", *_SCORES]], on="exam_id", how="inner")
    found = []
    for mode, column, kind in zip(MODES, _SCORES, _CASE_TYPES, strict=True):
        own = joined[(joined["case_type"] == kind) & (joined["set_id"] != "") & joined[column].notna()]
        case = (own["outcome"] == kind).to_numpy()
        if not case.any() or case.all():
            raise InputError(
                expected=f"matched sets of {kind} cancers whose exams have scores",
                found="none",
                where="sets for the slope",
                remedy="Give members.csv of a matched cohort and scores of its exams, or --slope",
            )
        fit = conditional_logistic(
            own[[column]].to_numpy(dtype=float), case, sets=own["set_id"].to_numpy(), names=(column,)
        )
        value, spread = float(fit.coefficients[0]), float(fit.standard_errors[0])
        found.append(
            Slope(
                mode=mode,
                value=value,
                lower=value - 1.96 * spread,
                upper=value + 1.96 * spread,
                source="conditional logistic regression in matched sets",
                n_sets=fit.n_sets,
            )
        )
    return found[0], found[1]


def recalibrate(
    scored: pd.DataFrame,
    reference: pd.DataFrame,
    rates: ModeRates,
    *,
    slopes: tuple[Slope, Slope],
    horizons_years: Sequence[float],
    trained_in: str = "",
    reference_is_scored: bool = False,
) -> Recalibrated:
    """Risks of the exams of `scored` in the population of `reference` and `rates`.

    Both tables have exam_id, score_screen_detected, score_interval and age (NaN where unknown); `reference`
    also weight (1 where absent). Reference exams without score, or without age where others have one, are
    left out and counted. Raises InputError where nothing is left of the reference sample.
    """
    sample, n_left_out = _reference(reference)
    own_slopes = (slopes[0].value, slopes[1].value)
    made = baseline(sample, rates, slopes=own_slopes, horizons_years=horizons_years)
    risks = risks_by_mode(
        scored[list(_SCORES)].to_numpy(dtype=float),
        scored["age"].to_numpy(dtype=float),
        baseline=made,
        horizons_years=horizons_years,
    )
    warnings = [transport_warning(trained_in, rates)]
    if all(slope.source == "given" and slope.value == 1 for slope in slopes):
        warnings.append(SLOPE_WARNING)
    if sample.age_years is None:
        warnings.append(NO_AGES_WARNING)
    if reference_is_scored:
        warnings.append(REFERENCE_IS_SCORED_WARNING)
    check = _check(sample, made, horizons_years)
    off = [row for row in check if abs(row["ratio"] - 1) > _AVERAGE_TOLERANCE]
    if off:
        warnings.append(
            "The mean risk of the reference sample is not that of the rates (see check): it is small, or "
            "score and age go together in a way that groups of age do not resolve."
        )
    card = {
        "kind": "recalibrated risks",
        "warning": warnings[0],
        "warnings": warnings,
        "trained_in": trained_in or "not stated",
        "rates": {
            key: getattr(rates, key) for key in ("name", "population", "years", "source", "competing_of")
        }
        | {"ages": [float(rates.edges[0]), float(rates.edges[-1])]},
        "slopes": [plain(slope) for slope in slopes],
        "reference": {
            "n_exams": made.n_reference,
            "n_left_out": n_left_out,
            "effective_n": float(sample.weight.sum() ** 2 / (sample.weight**2).sum()),
            "weighted": bool(np.ptp(sample.weight) > 0),
            "age_groups": [float(edge) for edge in made.age_edges] if sample.age_years is not None else [],
            "largest_standard_error_of_log_mean": float(made.standard_error.max()),
        },
        "horizons_years": list(risks.horizons_years),
        "n_exams": len(scored),
        "refused": [
            {"code": code, "n": int(mask.sum()), "meaning": CODES[code]}
            for code, mask in risks.reasons.items()
        ],
        "check": check,
    }
    return Recalibrated(table=_table(scored, risks), card=card)


def exams_of_tables(tables: RegistryTables) -> pd.DataFrame:
    """exam_id and age of every exam of a registry."""
    return pd.DataFrame({"exam_id": tables.exams["exam_id"].astype(str), "age": ages_years(tables)})


def read_exam_facts(path: Path) -> pd.DataFrame:
    """exam_id, age and, where the table has them, weight and outcome; one row per exam.

    An exam that stands in several sets has the sum of its weights. Raises InputError for words in place of
    numbers and weights that are not positive.
    """
    table = read_columns(path, ("exam_id", "age"))
    wanted = [name for name in ("age", "weight") if name in table]
    for name in wanted:
        table[name] = numbers_or_empty(table[name], name, path.name)
    if "weight" in table and not (table["weight"] > 0).all():
        raise InputError(expected="positive weights", found="others", where=f"{path.name}, column weight")
    columns = {"age": "first"} | {name: "first" for name in ("outcome",) if name in table}
    columns |= {"weight": "sum"} if "weight" in table else {}
    grouped: pd.DataFrame = table.groupby("exam_id", sort=False, as_index=False).agg(columns)
    return grouped


def read_scored(path: Path, facts: pd.DataFrame | None) -> pd.DataFrame:
    """Scores with age, and weight and outcome where they are known: from the file, else from `facts`."""
    table = read_scores(path)
    for name in ("age", "weight"):
        if name in table:
            table[name] = numbers_or_empty(table[name], name, path.name)
    if facts is not None:
        known = facts.set_index("exam_id")
        for name in known.columns:
            if name not in table:
                table[name] = table["exam_id"].map(known[name])
    if "age" not in table:
        table["age"] = np.nan
    return table


def exams_in_store(scored: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The scored exams that are in this image store: a population of which all exams are stored."""
    from ..images.store import Store  # brings pyarrow, which tables alone do not need

    kept = scored[scored["exam_id"].isin(Store.open(folder).exam_ids)]
    if kept.empty:
        raise InputError(expected="scores of the store's exams", found="none", where=str(folder))
    return kept


def _reference(table: pd.DataFrame) -> tuple[Reference, int]:
    with_ages = bool(table["age"].notna().any())
    usable = table[list(_SCORES)].notna().all(axis=1)
    if with_ages:
        usable &= table["age"].notna()
    weight = table["weight"] if "weight" in table else pd.Series(1.0, index=table.index)
    usable &= weight.notna()
    if "weight" not in table and "outcome" in table:
        share = float(table.loc[usable, "outcome"].isin(CANCERS).mean())
        if share > _MOST_CANCERS:
            raise InputError(
                expected="a reference sample that stands for the population",
                found=f"cancers after {share:.0%} of its exams, and no weights",
                where="reference sample",
                remedy="Give a column weight (1 / the share that was sampled), or leave the cases out",
            )
    kept = table[usable]
    return (
        Reference(
            log_hazard=kept[list(_SCORES)].to_numpy(dtype=float),
            weight=weight[usable].to_numpy(dtype=float),
            age_years=kept["age"].to_numpy(dtype=float) if with_ages else None,
        ),
        int((~usable).sum()),
    )


def _check(sample: Reference, made: Baseline, horizons_years: Sequence[float]) -> list[dict[str, Any]]:
    """Mean risk of the reference sample, and of women of these ages at the rates alone."""
    age = sample.age_years
    if age is None:  # as many at every age of the rates
        edges, longest = made.rates.edges, max(horizons_years)
        age = np.linspace(edges[0], max(edges[-1] - longest, edges[0]), len(sample.weight), endpoint=False)
    own = risks_by_mode(sample.log_hazard, age, baseline=made, horizons_years=horizons_years)
    inside = (age >= made.rates.edges[0]) & (age < made.rates.edges[-1])
    expected = population_risks(age[inside], made.rates, horizons_years=horizons_years)
    rows = []
    for mode in (*MODES, "any_cancer"):
        for place, years in enumerate(own.horizons_years):
            predicted = getattr(own, mode)[inside, place]
            average = getattr(expected, mode)[:, place]
            known = np.isfinite(predicted) & np.isfinite(average)
            if not known.any():
                continue
            weight = sample.weight[inside][known]
            mean, wanted = (float(np.average(v[known], weights=weight)) for v in (predicted, average))
            rows.append(
                {
                    "mode": mode,
                    "horizon_years": years,
                    "mean_risk": mean,
                    "population_risk": wanted,
                    "ratio": mean / wanted if wanted > 0 else 1.0,
                }
            )
    return rows


def _table(scored: pd.DataFrame, risks: ModeRisks) -> pd.DataFrame:
    columns: dict[str, Any] = {
        name: scored[name].to_numpy() for name in ("exam_id", "woman_id", "age") if name in scored
    }
    for place, years in enumerate(risks.horizons_years):
        values: tuple[tuple[str, Float[np.ndarray, "exam horizon"]], ...] = (
            ("", risks.any_cancer),
            ("_screen_detected", risks.screen_detected),
            ("_interval", risks.interval),
        )
        for suffix, value in values:
            columns[f"{years:g}_year_risk{suffix}"] = value[:, place]
    reason = np.full(len(scored), "", dtype=object)
    for code, mask in risks.reasons.items():
        reason[mask] = np.where(reason[mask] == "", code, reason[mask] + " " + code)
    columns["reason"] = reason
    return pd.DataFrame(columns)
