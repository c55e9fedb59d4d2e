"""The scores that are compared: image, clinical factors with density, both, and peers.

Nothing here is fitted on the women it is judged on. Clinical and combined models are regressions
fitted on the development members and applied to the others; in a pure cross-validation each fold is
predicted from the other folds. The image score of a development member comes from networks that were
not trained on her (out-of-fold), so that the combined model does not mistake memory for signal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from ..clinical.covariates import Design
from ..errors import TooFewEventsError
from ..records import Outcome
from ..statistics.association import conditional_logistic
from ..statistics.logistic import logistic_regression

#: Shrinkage of unmatched clinical models, which have few cases per coefficient [LeCessie1992].
UNMATCHED_RIDGE = 1.0


@dataclass(frozen=True)
class ModelInfo:
    """A compared model: key and label for tables, kind for colours, one sentence for readers."""

    key: str
    label: str
    kind: str  # image | clinical | combined | truth | peer
    description: str


def image_score(members: pd.DataFrame, case_type: str) -> Float[np.ndarray, "member"]:
    """The network's score for one mode of detection; for cancers of unknown mode the sum of both hazards."""
    screen = members["score_screen_detected"].to_numpy(float)
    interval = members["score_interval"].to_numpy(float)
    if case_type == Outcome.SCREEN_DETECTED:
        return screen
    if case_type == Outcome.INTERVAL:
        return interval
    return np.asarray(np.logaddexp(screen, interval))


def rows_of(members: pd.DataFrame, case_type: str, *, matched: bool) -> Bool[np.ndarray, "member"]:
    """Members that speak about one case type: its sets, or its cases and all controls when unmatched."""
    if matched:
        return np.asarray(members["case_type"] == case_type)
    return np.asarray(members["outcome"].isin([case_type, Outcome.NONE]))


def regression_score(
    members: pd.DataFrame,
    covariates: Float[np.ndarray, "member covariate"],
    *,
    names: tuple[str, ...],
    case_type: str,
    matched: bool,
    train_groups: list[tuple[Bool[np.ndarray, "member"], Bool[np.ndarray, "member"]]],
    spare: tuple[str, ...] = (),
) -> Float[np.ndarray, "member"]:
    """Linear predictor of a regression, each member predicted from members that exclude her.

    `train_groups` are (fit on, predict for) masks, see `groups`. Covariates named in `spare` (levels for
    "unknown") are left out of a fit in which the others determine them. NaN for members with an unknown
    covariate and for those whom no group predicts. Raises TooFewEventsError when a fit has fewer than
    two cases or as many coefficients as cases.
    """
    of_type = rows_of(members, case_type, matched=matched)
    complete = np.isfinite(covariates).all(axis=1)
    case = np.asarray(members["outcome"] == case_type)
    result = np.full(len(members), np.nan)
    for fit_on, predict_for in train_groups:
        rows = fit_on & of_type & complete
        n_cases = int((case & rows).sum())
        # Columns that do not vary among the members fitted on carry no coefficient.
        varies = np.ptp(covariates[rows], axis=0) > 0 if rows.any() else np.zeros(len(names), dtype=bool)
        if spare:
            sets = members["set_id"].to_numpy()[rows] if matched else None
            varies &= ~_determined(covariates[rows], varies, np.isin(names, spare), sets)
        n_coefficients = int(varies.sum()) if spare else covariates.shape[1]
        needed = max(2, n_coefficients + 1)
        if n_cases < needed:
            raise TooFewEventsError(
                f"a regression with {n_coefficients} coefficients ({case_type})",
                found=n_cases,
                needed=needed,
            )
        kept = tuple(name for name, keep in zip(names, varies, strict=True) if keep)
        X, target = covariates[:, varies], predict_for & complete
        if matched:
            conditional = conditional_logistic(
                X[rows], case[rows], sets=members["set_id"].to_numpy()[rows], names=kept
            )
            result[target] = conditional.linear_predictor(X[target])
        else:
            scale = X[rows].std(axis=0)
            fit = logistic_regression(X[rows] / scale, case[rows], names=kept, ridge=UNMATCHED_RIDGE)
            result[target] = fit.linear_predictor(X[target] / scale)
    return result


def _determined(
    X: Float[np.ndarray, "row covariate"],
    varies: Bool[np.ndarray, "covariate"],
    spare: Bool[np.ndarray, "covariate"],
    sets: Shaped[np.ndarray, "row"] | None,
) -> Bool[np.ndarray, "covariate"]:
    """Spare columns that are sums of the columns before them: where a whole questionnaire is missing, all its
    factors are unknown together."""
    group = np.zeros(len(X), dtype=np.int64) if sets is None else np.unique(sets, return_inverse=True)[1]
    size = np.bincount(group)
    means = np.stack([np.bincount(group, weights=column) / size for column in X.T], axis=1)
    centred = X - means[group]  # within sets, where only differences within sets speak
    kept = list(np.flatnonzero(varies & ~spare))
    determined = np.zeros(len(varies), dtype=bool)
    for j in np.flatnonzero(varies & spare):
        basis, column = centred[:, kept], centred[:, j]
        rest = column - basis @ np.linalg.lstsq(basis, column, rcond=None)[0] if kept else column
        if np.linalg.norm(rest) <= 1e-8 * np.linalg.norm(X[:, j]):
            determined[j] = True
        else:
            kept.append(j)
    return determined


def groups(
    members: pd.DataFrame,
) -> list[tuple[Bool[np.ndarray, "member"], Bool[np.ndarray, "member"]]]:
    """(fit on, predict for) masks: development → held-out, or fold by fold when nothing is held out."""
    held_out = np.asarray(members["split"] == "held-out")
    if held_out.any():
        return [(~held_out, held_out)]
    fold = members["fold"].to_numpy(float)
    return [(fold != k, fold == k) for k in np.unique(fold[np.isfinite(fold)])]


def stack(*columns: Float[np.ndarray, "member"] | Design) -> Float[np.ndarray, "member covariate"]:
    """Covariates side by side."""
    parts = [c.X if isinstance(c, Design) else c[:, None] for c in columns]
    return np.concatenate(parts, axis=1)
