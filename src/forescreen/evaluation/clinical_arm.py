"""Clinical models beside other people's predictions, where the outcomes have a development part.

In: outcomes with the columns split (and fold) and clinical factors, the plan's list of factors. Out: the
predictions, with those of a regression on the factors, and of one on factors and forescreen's own image
score, added to them. They are fitted on development exams only, by mode of detection, as in the study.
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

CLINICAL, COMBINED = "clinical regression", "combined regression"


def clinical_predictions(
    outcomes: Outcomes, predictions: Sequence[Predictions], plan: ComparisonPlan, notes: Notes
) -> tuple[Predictions, ...]:
    """The predictions, and clinical and combined regressions if the plan names factors.

    Raises ConfigError where the plan asks for them and the outcomes have no development part or no such
    factor.
    """
    factors = plan.evaluation.factors
    if not factors:
        return tuple(predictions)
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
    return (*predictions, *(p for p in added if p.values))


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
