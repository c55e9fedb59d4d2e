"""Clinical models beside other people's predictions, where the outcomes have a development part.

In: outcomes with clinical factors, and for regressions the columns split (and fold); the plan's lists of
factors and of published models. Out: the predictions, with those of a regression on the factors, of one on
factors and forescreen's own image score, and of the published models added to them. Regressions are fitted on
development exams only, by mode of detection, as in the study; published models are not fitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..clinical.covariates import available_factors, design
from ..errors import ConfigError, InputError
from .comparison_plan import ComparisonPlan
from .measures import Notes
from .outcome_times import CANCERS
from .outcomes import Outcomes
from .predictions import Claim, Predictions
from .predictors import groups, regression_score, stack
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
    covariates = design(members, available_factors(members, factors))
    if not covariates.columns:
        raise ConfigError(
            expected=f"one of the factors {', '.join(factors)} in the outcomes",
            found="none",
            where="[evaluation] factors",
        )
    clinical: dict[Claim, Float[np.ndarray, "row"]] = {}
    combined: dict[Claim, Float[np.ndarray, "row"]] = {}
    image = next((p for p in predictions if p.format == "forescreen scores"), None)
    for case_type in (kind for kind in CANCERS if (table["outcome"] == kind).any()):
        arms = [(clinical, covariates.X, covariates.names)]
        if image is not None:
            arms.append((combined, *_with_image(image, table, case_type, covariates.X, covariates.names)))
        for target, X, names in arms:
            try:
                target[Claim(case_type=case_type)] = regression_score(
                    members,
                    X,
                    names=names,
                    case_type=case_type,
                    matched=outcomes.matched,
                    train_groups=groups(members),
                )
            except InputError as error:
                notes.add(f"Clinical regression, {case_type}: {error}")
    words = ", ".join(dict.fromkeys(c.factor.replace("_", " ") for c in covariates.columns))
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
    claims: dict[str, dict[Claim, Float[np.ndarray, "row"]]] = {}
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
            claims.setdefault(model.key, {})[claim] = model.risk
    return tuple(
        _predictions(key, model.label, model.description, PUBLISHED, table, claims[key])
        for key, model in first.items()
    )


def _members(table: pd.DataFrame) -> pd.DataFrame:
    """The outcomes in the columns that regressions need."""
    members = table.rename(columns={"key": "exam_id"})
    if "fold" not in members:
        members["fold"] = np.nan
    return members


def _with_image(
    image: Predictions,
    table: pd.DataFrame,
    case_type: str,
    X: Float[np.ndarray, "row covariate"],
    names: tuple[str, ...],
) -> tuple[Float[np.ndarray, "row covariate"], tuple[str, ...]]:
    found = image.claim(case_type, None)
    assert found is not None
    place = pd.Index(image.ids).get_indexer(pd.Index(table["key"]))
    score = np.where(place >= 0, image.values[found[0]][np.maximum(place, 0)], np.nan)
    return np.concatenate([stack(score), X], axis=1), ("image score", *names)


def _predictions(
    key: str,
    label: str,
    description: str,
    form: str,
    table: pd.DataFrame,
    values: dict[Claim, Float[np.ndarray, "row"]],
) -> Predictions:
    # The same exam has the same covariates wherever it stands.
    once = ~table["key"].duplicated().to_numpy()
    return Predictions(
        key=key,
        label=label,
        description=description,
        file=form,
        format=form,
        ids=table["key"].to_numpy(dtype=object)[once],
        values={claim: v[once] for claim, v in values.items()},
    )
