"""Any models' predictions against outcomes: everything that `forescreen evaluate` reports.

In: outcomes, predictions, the plan. Out: a dictionary of plain values, the body of `results.json` (its keys
are listed in `docs/reference/evaluation.md`). No torch, no images: it is what a registry runs to compare
models of several vendors on the same women.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import special

from ..errors import ConfigError, InputError, TooFewEventsError
from ..progress import Track, silent
from ..records import Outcome
from .at_horizon import AtHorizon, at_horizon, cases_of
from .checklist import checklist
from .clinical_arm import clinical_predictions, missing_factors
from .comparison_plan import ComparisonPlan, ComparisonSettings
from .horizons import Horizons, c_index_rows, choose_horizons, horizon_rows
from .joined import Joined, JoinedModel, join
from .measures import Notes, Scores
from .modes import compare_modes
from .outcome_times import CANCERS
from .outcomes import Outcomes
from .predictions import Claim, Predictions
from .risk_rows import risk_rows
from .sections import measure_sample
from .subgroups import hidden_levels, subgroup_concordance
from .table_one import table_one
from .top_shares import ranked

#: A subgroup variable with more levels names women rather than groups.
_MOST_LEVELS = 50

_SECTIONS = (
    "main",
    "comparisons",
    "mode_comparisons",
    "roc",
    "capture",
    "rule_out",
    "head_to_head",
    "head_to_head_differences",
    "horizons",
    "horizon_comparisons",
    "c_index",
    "overall",
    "calibration",
    "calibration_subgroups",
    "decision",
    "distributions",
    "subgroups",
)


def compare(
    outcomes: Outcomes,
    predictions: Sequence[Predictions],
    plan: ComparisonPlan,
    *,
    threads: int = 1,
    track: Track = silent,
) -> dict[str, Any]:
    """All planned figures as plain values, every model on identical women.

    Raises InputError where nobody can be compared and ConfigError where the plan asks for what the data
    cannot give; a single figure that the data cannot support is absent, with the reason in the notes.
    """
    settings = plan.evaluation
    notes = Notes(list(outcomes.notes))
    joined = join(outcomes, clinical_predictions(outcomes, predictions, plan, notes), plan)
    design_name = _design(joined, plan, notes)
    horizons = choose_horizons(joined, settings, design=design_name)
    _check_subgroups(joined, settings, plan, notes)
    ready = _enough(joined, horizons, settings, design_name, notes)
    hidden = hidden_levels(
        [(joined.table[at.members], at.sample) for at in ready.values()],
        variables=settings.subgroups,
        age_bands=settings.age_bands,
        suppress_below=settings.suppress_below,
    )
    missing = missing_factors(outcomes, plan, hidden=hidden)
    results: dict[str, Any] = {
        "case_types": list(joined.case_types),
        "judged": joined.judged,
        "models": [_model_info(m) for m in joined.models],
        "table1": _table_one(joined.table, settings.suppress_below, hidden),
        **({} if missing is None else {"missing": missing}),
        **{section: [] for section in _SECTIONS},
    }
    by_mode: dict[str, tuple[AtHorizon, dict[str, Scores]]] = {}
    for case_type, at in ready.items():
        scores, risks = _predicted(joined, case_type, horizons.main, notes)
        if not scores:
            continue
        by_mode[case_type] = (at, scores)
        own = {key: score[at.members] for key, score in scores.items()}
        measure_sample(
            results,
            at.sample,
            own,
            case_type=case_type,
            notes=notes,
            binary=at.binary,
            binary_members=at.binary_members,
            imputed={
                key: drawn[:, at.members] for key, drawn in _imputed(joined, case_type, horizons.main).items()
            },
        )
        results["subgroups"] += subgroup_concordance(
            joined.table[at.members],
            own,
            case_type=case_type,
            sample=at.sample,
            variables=settings.subgroups,
            age_bands=settings.age_bands,
            suppress_below=settings.suppress_below,
            hidden=hidden,
        )
        ranked(
            results,
            at,
            scores,
            risks=risks,
            settings=settings,
            costs=plan.costs,
            notes=notes,
            threads=threads,
            track=track,
        )
        risk_rows(results, joined.table, at, risks, settings=settings, hidden=hidden, notes=notes)
        c_index_rows(results, at, scores, notes=notes)
        _each_horizon(results, joined, case_type, horizons, plan, at, notes)
    results["mode_comparisons"] = _mode_rows(joined, by_mode, notes)
    if not results["calibration"]:
        results["calibration_absent"] = _why_no_calibration(joined, results)
    if not horizons.years:  # sections that need times are absent, not empty
        for section in ("horizons", "horizon_comparisons", "c_index"):
            del results[section]
    results["study"] = _study(joined, plan, horizons, design_name)
    results["flow"] = list(outcomes.flow)
    results["exclusions"] = [asdict(left) for left in (*joined.left_out, *horizons.left_out)]
    results["notes"] = notes.texts
    return results


def with_checklist(results: dict[str, Any]) -> dict[str, Any]:
    """The results with the TRIPOD+AI checklist, filled from all that they hold by then."""
    return {**results, "checklist": checklist(results)}


def _enough(
    joined: Joined, horizons: Horizons, settings: ComparisonSettings, design: str, notes: Notes
) -> dict[str, AtHorizon]:
    """The kinds of cancer with enough events by the main horizon. TooFewEventsError where there is none."""
    ready: dict[str, AtHorizon] = {}
    most = 0
    unit = "sets" if joined.outcomes.matched else "cancers"
    for case_type in joined.case_types:
        at = at_horizon(joined, case_type, horizons.main, prevalence=settings.prevalence, design=design)
        n_controls = int(np.count_nonzero(~at.binary.case))
        if n_controls < 2:
            raise TooFewEventsError(
                "an evaluation", found=n_controls, needed=2, where=f"exams without cancer ({case_type})"
            )
        most = max(most, at.sample.n_sets)
        if at.sample.n_sets >= settings.minimum_events:
            ready[case_type] = at
            continue
        notes.add(
            f"{case_type}: {at.sample.n_sets} {unit}, {settings.minimum_events} are needed; no figures."
        )
    if not ready:
        raise TooFewEventsError(
            "an evaluation (minimum_events)", found=most, needed=settings.minimum_events, where=unit
        )
    return ready


def _check_subgroups(
    joined: Joined, settings: ComparisonSettings, plan: ComparisonPlan, notes: Notes
) -> None:
    """Subgroups that would name women, or that the table does not have. Raises ConfigError."""
    keys = {"key", "woman_id", "set_id", *plan.outcomes.key, plan.outcomes.woman}
    default = ComparisonSettings().subgroups
    for variable in settings.subgroups:
        if variable in joined.table and variable != "age":
            levels = joined.table[variable]
            if variable in keys or levels.nunique() > _MOST_LEVELS:
                raise ConfigError(
                    expected=f"subgroups with at most {_MOST_LEVELS} levels that name nobody",
                    found=f"{variable} with {levels.nunique()}",
                    where="[evaluation] subgroups",
                )
            if levels.dtype.kind == "f":
                notes.add(f"Subgroup {variable}: it is a number; give it as a category to see it.")
        elif variable not in joined.table and variable not in default:
            notes.add(f"Subgroup {variable}: the outcomes have no such column.")


def _each_horizon(
    results: dict[str, Any],
    joined: Joined,
    case_type: str,
    horizons: Horizons,
    plan: ComparisonPlan,
    main: AtHorizon,
    notes: Notes,
) -> None:
    for years in horizons.years:
        at = main
        if years != horizons.main:
            at = at_horizon(joined, case_type, years, prevalence=None, design="cohort")
        scores, _ = _predicted(joined, case_type, years, notes)
        horizon_rows(results, at, scores, minimum_events=plan.evaluation.minimum_events, notes=notes)


def _predicted(
    joined: Joined, case_type: str, horizon: float | None, notes: Notes
) -> tuple[dict[str, Scores], dict[str, Scores]]:
    """What ranks women for this cancer by this horizon, and the absolute risks among it, by model.

    Risks rank on the scale of their log odds, on which an odds ratio per standard deviation means something.
    """
    scores: dict[str, Scores] = {}
    risks: dict[str, Scores] = {}
    for model in joined.models:
        key = model.predictions.key
        found = model.predictions.claim(case_type, horizon)
        if found is None:
            notes.add(f"{key} predicts nothing about {case_type} cancers and is left out there.")
            continue
        claim, is_risk = found
        values = model.values[claim]
        if claim.kind == "risk":
            scores[key] = special.logit(np.clip(values, 1e-12, 1 - 1e-12))
        else:
            scores[key] = values
        if is_risk:
            risks[key] = values
        elif claim.horizon_years is not None and horizon is not None and claim.horizon_years != horizon:
            notes.add(
                f"{key} has no prediction by {horizon:g} years; that by {claim.horizon_years:g} years ranks "
                "women in its place."
            )
    return scores, risks


def _imputed(
    joined: Joined, case_type: str, horizon: float | None
) -> dict[str, Float[np.ndarray, "imputation row"]]:
    """The scores in every imputation of models with drawn factors, where they speak about this cancer."""
    found: dict[str, Float[np.ndarray, "imputation row"]] = {}
    for model in joined.models:
        claimed = model.predictions.claim(case_type, horizon)
        if claimed is not None and claimed[0] in model.imputed:
            found[model.predictions.key] = model.imputed[claimed[0]]
    return found


def _design(joined: Joined, plan: ComparisonPlan, notes: Notes) -> str:
    outcomes = joined.outcomes
    given = plan.evaluation.design
    if (given == "matched") != outcomes.matched and given:
        raise InputError(
            expected=f"{'a set_id for' if given == 'matched' else 'no set_id in'} the design {given!r}",
            found="a set_id" if outcomes.matched else "none",
            where="[evaluation] design",
            remedy="Name the column of sets as set in [outcomes], or correct the design",
        )
    if given in ("case-cohort", "nested case-control") and not outcomes.weighted:
        raise InputError(
            expected=f"sampling weights for the design {given!r}",
            found="none, or all equal",
            where="[evaluation] design",
            remedy="Give a column weight: 1 / the share of such exams that were sampled",
        )
    if given:
        return given
    if outcomes.matched:
        return "matched"
    if outcomes.weighted:
        return "case-cohort"
    share = float(np.mean(joined.table["outcome"].isin(CANCERS)))
    if share > 0.2:
        notes.add(
            f"Cancers are {share:.0%} of the exams: they are taken as a sample of cases and controls. Say "
            "design = "
            '"cohort" in the plan if they are a population.'
        )
        return "case-control"
    return "cohort"


def _mode_rows(
    joined: Joined, by_mode: dict[str, tuple[AtHorizon, dict[str, Scores]]], notes: Notes
) -> list[dict[str, Any]]:
    screen, interval = by_mode.get(Outcome.SCREEN_DETECTED), by_mode.get(Outcome.INTERVAL)
    if screen is None or interval is None:
        return []
    return compare_modes(joined, screen, interval, notes=notes)


def _table_one(table: pd.DataFrame, suppress_below: int, hidden: dict[str, set[str]]) -> dict[str, Any]:
    """Characteristics by outcome, as far as the outcomes table gives them; each exam once."""
    once: Bool[np.ndarray, "row"] = ~table["key"].duplicated().to_numpy()
    return table_one(table[once], suppress_below=suppress_below, hidden=hidden)


def _model_info(model: JoinedModel) -> dict[str, Any]:
    predictions = model.predictions
    claims = predictions.values
    risks = sorted({c.horizon_years for c in claims if c.kind == "risk" and c.horizon_years})
    output = "score"
    if risks:
        output = f"risk by {', '.join(f'{h:g}' for h in risks)} years"
    elif any(c.kind == "risk" for c in claims):
        output = "risk"
    if any(c.case_type != "any" for c in claims):
        output += " by mode of detection"
    return {
        "key": predictions.key,
        "label": predictions.label,
        "kind": _KINDS.get(predictions.format, "peer"),
        "description": predictions.description,
        "output": output,
        "file": predictions.file,
    }


_KINDS = {
    "forescreen scores": "image",
    "clinical regression": "clinical",
    "combined regression": "combined",
    "published model": "clinical",
}


def _study(joined: Joined, plan: ComparisonPlan, horizons: Horizons, design_name: str) -> dict[str, Any]:
    table, settings = joined.table, plan.evaluation
    n_cases = {
        kind: int(table.loc[cases_of(table, kind) & _by(table, horizons.main), "key"].nunique())
        for kind in joined.case_types
    }
    n_sets = n_cases
    if joined.outcomes.matched:
        n_sets = {
            kind: int(table.loc[cases_of(table, kind), "set_id"].nunique()) for kind in joined.case_types
        }
    study: dict[str, Any] = {
        "name": settings.name,
        "description": settings.description,
        "design": design_name,
        "data_kind": settings.data_kind,
        "n_sets": n_sets,
        "n_cases": n_cases,
        "n_exams": int(table["key"].nunique()),
        "n_women": int(table["woman_id"].nunique()),
        "unit": joined.outcomes.unit,
        "weighted": joined.outcomes.weighted,
        "clustered": joined.outcomes.clustered,
        "horizons_years": list(horizons.years),
        "main_horizon_years": horizons.main,
        "thresholds": list(settings.thresholds_by(horizons.main)),
    }
    if joined.outcomes.timed:
        time = table["time_years"].to_numpy(dtype=float)
        study["follow_up_years"] = {"median": float(np.median(time)), "longest": float(time.max())}
    return study


def _by(table: pd.DataFrame, horizon: float | None) -> Bool[np.ndarray, "row"]:
    if horizon is None:
        return np.ones(len(table), dtype=bool)
    return np.asarray(table["time_years"] <= horizon)


def _why_no_calibration(joined: Joined, results: dict[str, Any]) -> str:
    claims: list[Claim] = [c for m in joined.models for c in m.values]
    if not any(c.kind == "risk" for c in claims):
        return (
            "Calibration and net benefit are absent because the models give scores, and a score is not a "
            "risk: "
            "recalibrate it to a population first."
        )
    if not results["capture"]:
        return (
            "Calibration and net benefit are absent because the sample fixes the share of cancers: they need "
            "sampling weights."
        )
    return "Calibration is absent because no model gives a risk of these cancers by the main horizon."
