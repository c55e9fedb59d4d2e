"""Predictions and outcomes become the figures of the study, all models on identical women.

In: members with outcomes, sets, splits and factors; the network's scores; peers' predictions. Out: a
dictionary of plain values, the body of `results.json` (its keys are listed in
`docs/reference/evaluation.md`). No torch, no images: any model's predictions can come in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..clinical.catalogue import model_named
from ..clinical.covariates import available_factors, design
from ..errors import InputError
from ..records import Outcome
from .factor_odds import factor_odds_ratios
from .imputed import Covariates, completed_members, covariates
from .measures import Notes, Sample, Scores
from .missing import missing_account
from .modes import Judged, mode_comparisons
from .plan import MULTIPLE_IMPUTATION, EvaluationPlan, PeerTable
from .predictors import ModelInfo, groups, image_score, rows_of
from .published_arm import Published, published_models
from .ranking import capture_table
from .sections import measure_sample
from .subgroups import subgroup_concordance
from .table_one import table_one
from .tables_in import numbers_or_empty

#: Lists of results that each case type adds to.
_SECTIONS = (
    "main",
    "comparisons",
    "mode_comparisons",
    "factor_odds_ratios",
    "roc",
    "capture",
    "distributions",
    "subgroups",
)


def evaluate(
    members: pd.DataFrame,
    scores: pd.DataFrame | None,
    *,
    plan: EvaluationPlan,
    matched: bool,
    peers: tuple[tuple[PeerTable, pd.DataFrame], ...] = (),
    seed: int = 1,
) -> dict[str, Any]:
    """All planned figures as plain values.

    `members` as written by the cohort stage; `scores` with exam_id, score_screen_detected and
    score_interval for development members (out-of-fold) and held-out members alike; None evaluates the
    clinical model and the peers alone. `peers` pairs a description with a table that has exam_id and
    its columns. Members without a score of every model are left out of all comparisons and counted in
    the notes; what becomes of unknown factors says the plan's `missing`, and `seed` draws them. Raises
    InputError when nobody can be compared.
    """
    notes = Notes()
    joined = _join(members, scores, peers, plan.clinical_models)
    case_types: list[Outcome] = [o for o in Outcome if o != Outcome.NONE and (joined["outcome"] == o).any()]
    if not case_types:
        raise InputError(
            expected="at least one cancer among the members",
            found="none",
            where="evaluation",
            remedy="Check the outcome column, or widen the cohort",
        )
    factor_names = plan.factors if matched else ("age", *plan.factors)
    available = available_factors(joined, factor_names)
    train_groups = groups(joined)
    factors = covariates(
        joined,
        available,
        missing=plan.missing,
        n_imputations=plan.n_imputations,
        train_groups=train_groups,
        seed=seed,
    )
    # Of percent density there are odds ratios only, and only in matched sets.
    also = available_factors(joined, ("percent_density",)) if matched else ()
    completed: tuple[pd.DataFrame, ...] = ()
    if matched and plan.missing == MULTIPLE_IMPUTATION:
        completed = completed_members(
            joined,
            tuple(dict.fromkeys((*available, *also))),
            matched=matched,
            n_imputations=plan.n_imputations,
            seed=seed,
        )
    judged = np.logical_or.reduce([predicted for _, predicted in train_groups])
    published = published_models(
        joined, plan.clinical_models, race_as=plan.race_as, judged=judged, notes=notes
    )
    models: dict[str, ModelInfo] = {}
    results: dict[str, Any] = {
        "case_types": [str(t) for t in case_types],
        "table1": table_one(joined),
        "missing": missing_account(
            joined,
            available,
            method=plan.missing,
            n_imputations=plan.n_imputations,
            matched=matched,
            also=also,
        ),
        "judged": "held-out" if (joined["split"] == "held-out").any() else "cross-validated",
        "published": _published(case_types),
        **{section: [] for section in _SECTIONS},
    }
    by_mode: dict[Outcome, Judged] = {}
    sizes: dict[str, int] = {}
    for case_type in case_types:
        predictions, imputed = _predictions(
            joined,
            scores is not None,
            factors,
            published,
            peers,
            case_type,
            matched,
            train_groups,
            models,
            notes,
        )
        chosen = _complete(joined, predictions, case_type, judged, matched, notes)
        table = joined[chosen]
        sample = Sample.of(table, case_type, matched=matched)
        sizes[case_type] = sample.n_sets
        if sample.n_sets < plan.minimum_sets:
            unit = "sets" if matched else "cases"
            notes.add(
                f"{case_type}: {sample.n_sets} {unit} with every score, {plan.minimum_sets} are needed; "
                "no figures."
            )
            continue
        by_mode[case_type] = Judged(chosen, predictions)
        judged_scores = {key: score[chosen] for key, score in predictions.items()}
        measure_sample(
            results,
            sample,
            judged_scores,
            case_type=case_type,
            notes=notes,
            imputed={key: score[:, chosen] for key, score in imputed.items()},
        )
        results["subgroups"] += subgroup_concordance(
            table,
            judged_scores,
            case_type=case_type,
            sample=sample,
            variables=plan.subgroups,
            age_bands=plan.age_bands,
            suppress_below=plan.suppress_below,
        )
        results["capture"] += capture_table(
            joined[judged],
            {k: s[judged] for k, s in predictions.items()},
            case_type=case_type,
            plan=plan,
            notes=notes,
        )
        if matched:
            results["factor_odds_ratios"] += factor_odds_ratios(
                joined, design(joined, available), case_type=case_type, notes=notes, completed=completed
            )
    screen, interval = by_mode.get(Outcome.SCREEN_DETECTED), by_mode.get(Outcome.INTERVAL)
    if screen is not None and interval is not None:
        results["mode_comparisons"] = mode_comparisons(joined, screen, interval, matched=matched, notes=notes)
    if matched and results["capture"] and len(models) > 1:
        notes.add(
            "Capture and predictive values rank all women: regressions on matched sets know nothing of the "
            "matching factors (age and what sets share), which would rank women of different sets."
        )
    results["models"] = [vars(info) for info in models.values()]
    results["n_sets"] = sizes
    results["notes"] = notes.texts
    return results


def concordance_lines(results: dict[str, Any]) -> dict[str, str]:
    """The dry account of an evaluation: the concordance of each model and mode, as text."""
    lines = {}
    for row in results["main"]:
        c = row["concordance"]
        text = f"C {c['value']:.3f} ({c['lower']:.3f}, {c['upper']:.3f})" if c else "too few events"
        lines[f"{row['model']}, {row['case_type']}"] = text
    return lines


def _join(
    members: pd.DataFrame,
    scores: pd.DataFrame | None,
    peers: tuple[tuple[PeerTable, pd.DataFrame], ...],
    clinical_models: tuple[str, ...],
) -> pd.DataFrame:
    joined = members.reset_index(drop=True)
    own = ["image", "clinical", "combined", *(model_named(name).name for name in clinical_models)]
    keys = [*own, *(peer.key for peer, _ in peers)]
    if len(set(keys)) < len(keys):
        raise InputError(
            expected=f"another key for each peer, none of {', '.join(own)}",
            found=", ".join(keys[len(own) :]),
            where="peers",
        )
    if scores is not None:
        if not joined["exam_id"].isin(scores["exam_id"]).any():
            raise InputError(
                expected="scores of the members' exams",
                found=f"none of {len(joined)} members has one",
                where="scores",
                remedy="Score the same exams, with the same --identity and pseudonym key",
            )
        wanted = ["exam_id", "score_screen_detected", "score_interval"]
        joined = joined.merge(scores[wanted], on="exam_id", how="left", validate="many_to_one")
    for peer, table in peers:
        absent = [c for c in ("exam_id", *peer.columns) if c not in table.columns]
        if absent:
            raise InputError(
                expected=f"columns exam_id, {', '.join(peer.columns)}",
                found=f"no {', '.join(absent)}",
                where=peer.file,
            )
        renamed = table[["exam_id", *peer.columns]].rename(
            columns={c: f"{peer.key}:{c}" for c in peer.columns}
        )
        if renamed["exam_id"].duplicated().any():
            raise InputError(
                expected="one row per exam",
                found=f"{int(renamed['exam_id'].duplicated().sum())} repeated exams",
                where=peer.file,
            )
        for column in renamed.columns[1:]:
            name = column.removeprefix(f"{peer.key}:")
            renamed[column] = numbers_or_empty(renamed[column], name, peer.file)
        joined = joined.merge(renamed, on="exam_id", how="left", validate="many_to_one")
    return joined


def _predictions(
    members: pd.DataFrame,
    with_image: bool,
    factors: Covariates,
    published: tuple[Published, ...],
    peers: tuple[tuple[PeerTable, pd.DataFrame], ...],
    case_type: str,
    matched: bool,
    train_groups: list[tuple[Bool[np.ndarray, "member"], Bool[np.ndarray, "member"]]],
    models: dict[str, ModelInfo],
    notes: Notes,
) -> tuple[dict[str, Scores], dict[str, Float[np.ndarray, "imputation member"]]]:
    """One score per model for every judged member, and of models with imputed factors the score in each
    imputation, of which the first is the mean; registers the models that exist."""

    def regress(key: str, score: Callable[[], Float[np.ndarray, "imputation member"]]) -> None:
        try:
            found = score()
        except InputError as error:  # too few events, or covariates that determine each other
            notes.add(f"{_LABELS.get(key, key)}, {case_type}: {error}")
            return
        predictions[key] = found.mean(axis=0)
        if len(found) > 1:
            imputed[key] = found

    predictions: dict[str, Scores] = {}
    imputed: dict[str, Float[np.ndarray, "imputation member"]] = {}
    kind = "conditional logistic regression" if matched else "logistic regression"
    of_factors = partial(factors.scores, members, case_type=case_type, matched=matched)
    if with_image:
        predictions["image"] = image_score(members, case_type)
        models["image"] = ModelInfo(
            "image", "Image score", "image", "Network on the screening mammograms alone"
        )
    if factors.names:
        regress("clinical", of_factors)
        models["clinical"] = ModelInfo(
            "clinical", "Clinical factors + density", "clinical", f"{kind} on {factors.in_words}"
        )
    if with_image and factors.names:
        regress("combined", partial(of_factors, image=predictions["image"]))
        models["combined"] = ModelInfo(
            "combined",
            "Image + clinical + density",
            "combined",
            f"{kind} on the image score and {factors.in_words}",
        )
    for model in published:
        predictions[model.key] = model.score
        models[model.key] = ModelInfo(model.key, model.label, "clinical", model.description)
    for peer, _ in peers:
        columns = members[[f"{peer.key}:{c}" for c in peer.columns]].to_numpy(float)
        if columns.shape[1] == 1:
            predictions[peer.key] = columns[:, 0]
        else:
            of_columns = Covariates(
                names=peer.columns, factors=(), groups=tuple((group, (columns,)) for group in train_groups)
            )
            regress(peer.key, partial(of_columns.scores, members, case_type=case_type, matched=matched))
        models[peer.key] = ModelInfo(
            peer.key, peer.label, "truth" if peer.truth else "peer", peer.description
        )
    return predictions, imputed


_LABELS = {"clinical": "Clinical factors + density", "combined": "Image + clinical + density"}


def _complete(
    members: pd.DataFrame,
    predictions: dict[str, Scores],
    case_type: str,
    judged: Bool[np.ndarray, "member"],
    matched: bool,
    notes: Notes,
) -> Bool[np.ndarray, "member"]:
    """Judged members of the case type with every score; sets that lose their case or all controls go."""
    of_type = rows_of(members, case_type, matched=matched) & judged
    finite = np.logical_and.reduce([np.isfinite(s) for s in predictions.values()])
    chosen = np.asarray(of_type & finite)
    if matched:
        table = members[chosen]
        is_case = table["outcome"] == case_type
        whole = set(table.loc[is_case, "set_id"]) & set(table.loc[~is_case, "set_id"])
        chosen &= np.asarray(members["set_id"].isin(whole))
        n_repeated = int(members.loc[chosen, "woman_id"].duplicated().sum())
        if n_repeated:
            notes.add(
                f"{case_type}: {n_repeated} members are women who are in another set already; sets that "
                "share a "
                "woman are taken as correlated."
            )
    left_out = int(of_type.sum() - chosen.sum())
    if left_out:
        n_sets = members.loc[of_type, "set_id"].nunique() - members.loc[chosen, "set_id"].nunique()
        sets = f" and {n_sets} whole sets" if matched and n_sets else ""
        notes.add(
            f"{case_type}: {left_out} of {int(of_type.sum())} judged exams{sets} are left out of every "
            "comparison because a factor or a score is unknown."
        )
    return chosen


def _published(case_types: list[Outcome]) -> list[dict[str, Any]]:
    """The 2021 article's main table, for the modes that this study has."""
    path = resources.files("forescreen.evaluation") / "tables" / "published_2021.csv"
    with path.open("rb") as stream:
        table = pd.read_csv(stream, comment="#")
    return [
        {
            "model": row["model"],
            "case_type": row["case_type"],
            "concordance": {"value": row["c"], "lower": row["c_lower"], "upper": row["c_upper"]},
            "odds_ratio": {"value": row["or"], "lower": row["or_lower"], "upper": row["or_upper"]},
            "odds_ratio_unit": row["or_unit"],
        }
        for row in table.to_dict("records")
        if row["case_type"] in case_types
    ]
