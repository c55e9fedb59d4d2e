"""Predictions meet outcomes: the exams on which all models are compared, and what was left out.

In: outcomes, predictions of one or more models, the plan. Out: `Joined`, one row per exam (and set) that
has an outcome and a prediction of every model, so that all comparisons are made on identical women.
Whatever was read and is not used stands in `left_out`, with its number and the reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import ConfigError, InputError, TooFewEventsError
from ..records import Outcome
from .comparison_plan import ComparisonPlan
from .outcome_times import CANCERS
from .outcomes import LeftOut, Outcomes, outcomes_of
from .predictions import ANY, Claim, Predictions
from .registry_outcomes import registry_outcomes
from .tables_in import read_text_table

_MONTHS = 12.0


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedModel:
    """One model on the joined rows."""

    predictions: Predictions
    values: Mapping[Claim, Float[np.ndarray, "row"]]
    imputed: Mapping[Claim, Float[np.ndarray, "imputation row"]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Joined:
    """Exams with an outcome and a prediction of every model. `judged` is "held-out" or "all"."""

    outcomes: Outcomes
    table: pd.DataFrame
    models: tuple[JoinedModel, ...]
    judged: str
    left_out: tuple[LeftOut, ...]
    case_types: tuple[str, ...]


def read_outcomes(path: Path, plan: ComparisonPlan) -> Outcomes:
    """Outcomes from a CSV of exams, from a folder of the cohort stage, or from registry tables.

    Raises InputError (CohortError for registry tables) naming column and rows where something is missing,
    repeated, unknown or contradictory.
    """
    if path.is_dir() and (path / "women.csv").is_file():
        return registry_outcomes(path, plan)
    if path.is_dir():
        if not (path / "members.csv").is_file():
            raise InputError(
                expected="women.csv, exams.csv and cancers.csv, or members.csv",
                found=f"none of them in the folder {path.name}",
                where="--outcomes",
            )
        path = path / "members.csv"
    return outcomes_of(read_text_table(path), plan.outcomes, where=path.name)


def join(outcomes: Outcomes, models: Sequence[Predictions], plan: ComparisonPlan) -> Joined:
    """The rows that every model has scored.

    Raises InputError where a model shares no exam with the outcomes.
    """
    _check_models(models)
    table = outcomes.table
    left_out = list(outcomes.left_out)
    unit = _plural(outcomes.unit)
    kept = np.ones(len(table), dtype=bool)

    def leave(what: str, rows: Bool[np.ndarray, "row"], reason: str, remedy: str = "") -> None:
        n = int(table.loc[kept & rows, "key"].nunique())
        if n:
            left_out.append(LeftOut(what=what, n=n, unit=unit, reason=reason, remedy=remedy))
        kept[rows] = False

    judged = "all"
    if "split" in table and (table["split"] == "held-out").any():
        judged = "held-out"
        leave(
            f"{unit} of the development part",
            (table["split"] != "held-out").to_numpy(dtype=bool),
            "models were fitted on them; only held-out ones are judged",
        )
    leave(
        f"{unit} without an outcome",
        (table["outcome"] == "").to_numpy(dtype=bool),
        "the outcome is not known",
    )
    soon = _soon(outcomes, plan.evaluation.min_months_before_diagnosis)
    leave(
        f"{unit} before a cancer found within {plan.evaluation.min_months_before_diagnosis:g} months",
        soon,
        "min_months_before_diagnosis of the plan: detection is not risk",
    )
    joined = []
    index = pd.Index(table["key"])
    for model in models:
        place = pd.Index(model.ids).get_indexer(index)
        found = place >= 0
        if not found.any():
            raise InputError(
                expected="predictions of the exams in the outcomes",
                found=f"none of {len(model.ids)} keys of {model.key} among {index.nunique()} {unit}",
                where=model.file,
                remedy="Use the same exam_id in both files, or name the columns that make the key in the "
                "plan",
            )
        others = ~pd.Index(model.ids).isin(index)
        ineligible = others & pd.Index(model.ids).isin(outcomes.known_otherwise)
        for rows, whose, reason in (
            (ineligible, f"{unit} that are not eligible", "see the flow: not a negative screen at risk"),
            (others & ~ineligible, f"unknown {unit}", "there is no such key in the outcomes"),
        ):
            if rows.any():
                left_out.append(
                    LeftOut(
                        what=f"predictions of {model.key} for {whose}",
                        n=int(rows.sum()),
                        unit="predictions",
                        reason=reason,
                    )
                )
        values = {
            claim: np.where(found, column[np.maximum(place, 0)], np.nan)
            for claim, column in model.values.items()
        }
        finite = np.logical_and.reduce([np.isfinite(v) for v in values.values()])
        leave(
            f"{unit} without a prediction of {model.key}",
            ~found,
            "the model did not score them; all models are compared on identical women",
            "Score them, or take them out of the outcomes knowingly: missing scores are rarely random",
        )
        leave(
            f"{unit} with an empty prediction of {model.key}",
            ~finite,
            "an empty cell (or NaN) is no prediction",
        )
        imputed = {claim: drawn[:, np.maximum(place, 0)] for claim, drawn in model.imputed.items()}
        joined.append(JoinedModel(predictions=model, values=values, imputed=imputed))
    if outcomes.matched:
        _leave_broken_sets(table, kept, left_out)
    if not kept.any():
        raise InputError(
            expected="exams with an outcome and a prediction of every model"
            + (", in sets with a case and a control" if outcomes.matched else ""),
            found="none: " + "; ".join(f"{left.n} {left.what}" for left in left_out),
            where="evaluation",
        )
    rows = np.flatnonzero(kept)
    chosen = table.iloc[rows].reset_index(drop=True)
    return Joined(
        outcomes=outcomes,
        table=chosen,
        models=tuple(
            JoinedModel(
                predictions=m.predictions,
                values={claim: v[rows] for claim, v in m.values.items()},
                imputed={claim: v[:, rows] for claim, v in m.imputed.items()},
            )
            for m in joined
        ),
        judged=judged,
        left_out=tuple(left_out),
        case_types=_case_types_of(chosen),
    )


def _soon(outcomes: Outcomes, months: float) -> Bool[np.ndarray, "row"]:
    """Cancers that may have been found sooner after the exam than this; ConfigError without times."""
    table = outcomes.table
    ill = table["outcome"].isin(CANCERS).to_numpy()
    if not months:
        return np.zeros(len(table), dtype=bool)
    after = table["time_years"].to_numpy(dtype=float) * _MONTHS
    if "months_to_diagnosis" in table and not outcomes.timed:
        after = pd.to_numeric(table["months_to_diagnosis"], errors="coerce").to_numpy(dtype=float)
    if not np.isfinite(after[ill]).all():
        raise ConfigError(
            expected="times of the cancers in the outcomes, for min_months_before_diagnosis",
            found="outcomes without them",
            where="[evaluation]",
            remedy="Give time_years, dates, years_to_cancer or months_to_diagnosis, or leave the key out",
        )
    earliest = after - table["slack_years"].to_numpy(dtype=float) * _MONTHS
    return np.asarray(ill & (earliest < months))


def _check_models(models: Sequence[Predictions]) -> None:
    if not models:
        raise InputError(expected="predictions of at least one model", found="none", where="--predictions")
    keys = [m.key for m in models]
    twice = sorted({k for k in keys if keys.count(k) > 1})
    if twice:
        raise InputError(
            expected="a name of its own for each model",
            found=f"twice: {', '.join(twice)}",
            where="--predictions",
            remedy="Give names: --predictions vendor_a=file.csv --predictions vendor_b=other.csv",
        )


def _leave_broken_sets(table: pd.DataFrame, kept: Bool[np.ndarray, "row"], left_out: list[LeftOut]) -> None:
    """Take out the sets that have lost their case or all their controls, and rows that belong to none."""
    case = table["outcome"].isin(CANCERS).to_numpy()
    sets = table["set_id"].to_numpy(dtype=object)
    none = kept & (sets == "")
    whole = np.intersect1d(sets[kept & case].astype(str), sets[kept & ~case].astype(str))
    broken = kept & ~np.isin(sets.astype(str), whole) & ~none
    for rows, what, reason in (
        (none, "exams that belong to no set", "the design is matched"),
        (broken, "sets without a case or without a control", "they say nothing about a difference"),
    ):
        n = (
            int(np.count_nonzero(rows))
            if what.startswith("exams")
            else len(np.unique(sets[rows].astype(str)))
        )
        if n:
            unit = "exams" if what.startswith("exams") else "sets"
            left_out.append(LeftOut(what=what, n=n, unit=unit, reason=reason))
        kept[rows] = False


def _case_types_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The kinds of cancer that can be told apart, and any cancer where there is more than one kind."""
    present = [kind for kind in CANCERS if (table["outcome"] == kind).any()]
    if not present:
        raise TooFewEventsError("an evaluation", found=0, needed=1, where="cancers with every prediction")
    if present == [Outcome.CANCER.value]:
        return (Outcome.CANCER.value,)
    modes = tuple(kind for kind in present if kind != Outcome.CANCER.value)
    return modes if len(present) == 1 else (*modes, ANY)


def _plural(unit: str) -> str:
    return {"woman": "women"}.get(unit, f"{unit}s")
