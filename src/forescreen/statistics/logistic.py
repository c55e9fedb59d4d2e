"""Ordinary logistic regression, for designs without matched sets.

In: covariates and a case indicator. Out: coefficients (intercept first), covariance, log-likelihood, by
Newton's method with step halving. Matched sets need `forescreen.statistics.association` instead: an
ordinary logistic model ignores the matching and biases the odds ratios to the null [Breslow1980].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from ..errors import InputError, TooFewEventsError
from .rows import positive_weights


@dataclass(frozen=True, eq=False)
class LogisticFit:
    """Maximum-likelihood fit; `coefficients` and `covariance` have the intercept in place 0."""

    names: tuple[str, ...]
    coefficients: Float[np.ndarray, "parameter"]
    covariance: Float[np.ndarray, "parameter parameter"]
    log_likelihood: float
    n: int
    n_events: int

    def linear_predictor(self, X: Float[np.ndarray, "row covariate"]) -> Float[np.ndarray, "row"]:
        """Log odds of each row, intercept included."""
        return np.asarray(self.coefficients[0] + X @ self.coefficients[1:])


def logistic_regression(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    names: tuple[str, ...],
    ridge: float = 0.0,
    cluster: Shaped[np.ndarray, "row"] | None = None,
    weights: Float[np.ndarray, "row"] | None = None,
) -> LogisticFit:
    """Log odds ratios of an ordinary logistic model with intercept.

    `ridge` adds ½·ridge·β² per slope (not the intercept), 0 for maximum likelihood. `weights` are sampling
    weights (inverse sampling fractions). With `weights` or `cluster` (the woman of each row) the covariance
    is the sandwich, by row or by cluster. Rows with NaN are not accepted. Raises TooFewEventsError with
    fewer than two cases or controls, InputError on NaN or on perfect separation.
    """
    if not np.isfinite(X).all():
        raise InputError(
            expected="finite covariates",
            found=f"{int((~np.isfinite(X)).any(axis=1).sum())} incomplete rows",
            where="logistic_regression",
            remedy="Drop or impute them first",
        )
    n_cases = int(case.sum())
    if min(n_cases, len(case) - n_cases) < 2:
        raise TooFewEventsError("a logistic regression", found=min(n_cases, len(case) - n_cases), needed=2)
    w = positive_weights(weights, len(case))
    design = np.column_stack([np.ones(len(X)), X])
    penalty = np.full(design.shape[1], ridge)
    penalty[0] = 0.0
    beta = np.zeros(design.shape[1])
    beta[0] = np.log(w[case].sum() / w[~case].sum())
    value = _objective(design, case, beta, penalty, w)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(design @ beta)))
        gradient = design.T @ (w * (case - p)) - penalty * beta
        information = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
        try:
            step = np.linalg.solve(information, gradient)
        except np.linalg.LinAlgError:
            raise _separated() from None
        while (new := _objective(design, case, beta + step, penalty, w)) < value - 1e-12 * abs(value):
            step = step / 2
        beta, value = beta + step, new
        if np.abs(step).max() < 1e-10:
            break
    if np.abs(beta).max() > 30:
        raise _separated()
    p = 1 / (1 + np.exp(-(design @ beta)))
    information = (design * (w * p * (1 - p))[:, None]).T @ design + np.diag(penalty)
    covariance = np.linalg.inv(information)
    if cluster is not None or weights is not None:
        scores = design * (w * (case - p))[:, None]
        if cluster is not None:
            codes = np.unique(cluster, return_inverse=True)[1]
            scores = np.column_stack([np.bincount(codes, weights=column) for column in scores.T])
        covariance = covariance @ scores.T @ scores @ covariance
    return LogisticFit(
        names=names,
        coefficients=beta,
        covariance=covariance,
        log_likelihood=_objective(design, case, beta, np.zeros_like(penalty), w),
        n=len(case),
        n_events=n_cases,
    )


def _objective(
    design: Float[np.ndarray, "row parameter"],
    case: Bool[np.ndarray, "row"],
    beta: Float[np.ndarray, "parameter"],
    penalty: Float[np.ndarray, "parameter"],
    weights: Float[np.ndarray, "row"],
) -> float:
    eta = design @ beta
    likelihood = float(weights[case] @ eta[case] - weights @ np.logaddexp(0.0, eta))
    return likelihood - 0.5 * float(np.sum(penalty * beta**2))


def _separated() -> InputError:
    return InputError(
        expected="cases and controls that overlap in the covariates",
        found="a covariate (or a combination) that separates them",
        where="logistic_regression",
        remedy="Leave that covariate out, merge its levels, or give a ridge",
    )
