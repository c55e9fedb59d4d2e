"""Clinical models beside other people's predictions, where the outcomes have a development part.

In: outcomes with clinical factors, and for regressions the columns split (and fold); the plan's lists of
factors and of published models. Out: the predictions, with those of a regression on the factors, of one on
factors and forescreen's own image score, and of the published models added to them. Regressions are fitted on
development exams only, by mode of detection, as in the study; published models are not fitted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..clinical.covariates import available_factors
from ..errors import ConfigError, InputError
from .comparison_plan import ComparisonPlan
from .imputed import covariates
from .measures import Notes
from .missing import missing_account
from .outcome_times import CANCERS
from .outcomes import Outcomes
from .predictions import Claim, Predictions
from .predictors import groups
from .published_arm import HORIZON_YEARS, Published, published_models

#: Horizons where neither plan nor predictions name one.
DEFAULT_YEARS = (1.0, 2.0, 3.0, 4.0, 5.0)

CLINICAL, COMBINED, PUBLISHED = "clinical regression", "combined regression", "published model"


def clinical_predictions(
    outcomes: Outcomes, predictions: Sequence[Predictions], plan: ComparisonPlan, notes: Notes
) -> tuple[Predictions, ...]:
    """The predictions, clinical and combined regressions if the plan names factors, and published models if
    it names them.

    Raises ConfigError where the plan asks for regressions and the outcomes have no development part or no
    such factor.
    """
    published = _published(outcomes, predictions, plan, notes)
    factors = plan.evaluation.factors
    if not factors:
        return (*predictions, *published)
    table = outcomes.table
    if "split" not in table or not (table["split"] == "development").any():
        raise ConfigError(
            expected="outcomes with a column split and exams of the part development, to fit factors on",
            found="none",
            where="[evaluation] factors",
            remedy="Leave factors out, or give the members.csv of the cohort command",
        )
    members = _members(table)
    available = available_factors(members, factors)
    settings = plan.evaluation
    regressed = covariates(
        members,
        available,
        missing=settings.missing,
        n_imputations=settings.n_imputations,
        train_groups=groups(members),
        seed=settings.seed,
    )
    if not regressed.names:
        raise ConfigError(
            expected=f"one of the factors {', '.join(factors)} in the outcomes",
            found="none",
            where="[evaluation] factors",
        )
    clinical: dict[Claim, Float[np.ndarray, "imputation row"]] = {}
    combined: dict[Claim, Float[np.ndarray, "imputation row"]] = {}
    image = next((p for p in predictions if p.format == "forescreen scores"), None)
    for case_type in (kind for kind in CANCERS if (table["outcome"] == kind).any()):
        arms = [(clinical, None)] + ([(combined, _image_score(image, table, case_type))] if image else [])
        for target, score in arms:
            try:
                target[Claim(case_type=case_type)] = regressed.scores(
                    members, case_type=case_type, matched=outcomes.matched, image=score
                )
            except InputError as error:
                notes.add(f"Clinical regression, {case_type}: {error}")
    words = regressed.in_words
    kind = "Conditional logistic regression" if outcomes.matched else "Logistic regression"
    added = [
        _predictions("clinical", "Clinical factors", f"{kind} on {words}", CLINICAL, table, clinical),
        _predictions(
            "combined",
            "Image + clinical",
            f"{kind} on the image score and {words}",
            COMBINED,
            table,
            combined,
        ),
    ]
    return (*predictions, *(p for p in added if p.values), *published)


def _published(
    outcomes: Outcomes, predictions: Sequence[Predictions], plan: ComparisonPlan, notes: Notes
) -> tuple[Predictions, ...]:
    """Published models' risks of any cancer by the horizons that plan and predictions have, as far as the
    models answer them; a model of another horizon ranks women and is no risk."""
    settings, table = plan.evaluation, outcomes.table
    if not settings.clinical_models:
        return ()
    judged = np.ones(len(table), dtype=bool)
    if "split" in table and (table["split"] == "held-out").any():
        judged = (table["split"] == "held-out").to_numpy(dtype=bool)
    horizons = {*settings.horizons_years, *filter(None, [settings.main_horizon_years])}
    if not horizons:
        predicted = {h for p in predictions for h in p.horizons_years}
        horizons = predicted or (set(DEFAULT_YEARS) if outcomes.timed else {HORIZON_YEARS})
    claims: dict[str, dict[Claim, Float[np.ndarray, "imputation row"]]] = {}
    first: dict[str, Published] = {}
    for years in sorted(horizons):
        found = published_models(
            table,
            settings.clinical_models,
            race_as=settings.race_as,
            judged=judged,
            notes=notes,
            horizon_years=years,
        )
        for model in found:
            first.setdefault(model.key, model)
            claim = Claim(horizon_years=model.horizon_years, kind="risk")
            claims.setdefault(model.key, {})[claim] = model.risk[None, :]
    return tuple(
        _predictions(key, model.label, model.description, PUBLISHED, table, claims[key])
        for key, model in first.items()
    )


def missing_factors(
    outcomes: Outcomes, plan: ComparisonPlan, *, hidden: Mapping[str, set[str]]
) -> dict[str, Any] | None:
    """How much of the factors is missing and what was done about it; None where the plan names no factors."""
    settings = plan.evaluation
    if not settings.factors:
        return None
    known = outcomes.table[outcomes.table["outcome"] != ""]
    members = _members(known[~known["key"].duplicated()] if not outcomes.matched else known)
    return missing_account(
        members,
        available_factors(members, settings.factors),
        method=settings.missing,
        n_imputations=settings.n_imputations,
        matched=outcomes.matched,
        suppress_below=settings.suppress_below,
        hidden=hidden,
    )


def _members(table: pd.DataFrame) -> pd.DataFrame:
    """The outcomes in the columns that regressions need."""
    members = table.rename(columns={"key": "exam_id"})
    if "fold" not in members:
        members["fold"] = np.nan
    return members


def _image_score(image: Predictions, table: pd.DataFrame, case_type: str) -> Float[np.ndarray, "row"]:
    found = image.claim(case_type, None)
    assert found is not None
    place = pd.Index(image.ids).get_indexer(pd.Index(table["key"]))
    return np.where(place >= 0, image.values[found[0]][np.maximum(place, 0)], np.nan)


def _predictions(
    key: str,
    label: str,
    description: str,
    form: str,
    table: pd.DataFrame,
    values: dict[Claim, Float[np.ndarray, "imputation row"]],
) -> Predictions:
    # The same exam has the same covariates wherever it stands (drawn ones are those of its first row).
    once = ~table["key"].duplicated().to_numpy()
    return Predictions(
        key=key,
        label=label,
        description=description,
        file=form,
        format=form,
        ids=table["key"].to_numpy(dtype=object)[once],
        values={claim: v[:, once].mean(axis=0) for claim, v in values.items()},
        imputed={claim: v[:, once] for claim, v in values.items() if len(v) > 1},
    )
