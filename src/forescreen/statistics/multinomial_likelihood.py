"""Multinomial logistic likelihood of unmatched cases by type, and its maximum.

In: covariates, case marks, types of the cases. Out: `KindDesign` (standardised covariates and the kind of
each row), `Maximum` with parameters in its units, scores by row. P(type t | x) = exp(η_t)/(1 + Σ_s exp(η_s)),
η_t = α_t + x·β_t, controls the baseline; concave, so Newton's method with step halving finds the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import linalg, special

from ..errors import InputError, TooFewEventsError
from .rows import label_codes, same_rows

_MAX_ITERATIONS = 60

#: Newton decrement at which the log-likelihood is right to rounding: the next step squares it.
_DECREMENT = 1e-9

#: exp(-30) is below the rounding of any likelihood: fitted log odds so large lie at infinity.
_INFINITE_PREDICTOR = 30.0

#: Share of its first information that a direction keeps at a finite maximum; at infinity none is left.
_VANISHED = 1e-7

#: Smallest eigenvalue of the correlation of the covariates that is not called collinear.
_COLLINEAR = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class KindDesign:
    """Standardised covariates behind a leading 1, and the kind of each row; controls have the last kind.

    Parameters are ordered type by type, in each the intercept and then the slopes.
    """

    design: Float[np.ndarray, "row column"]
    kind: Int[np.ndarray, "row"]
    types: tuple[str, ...]
    centre: Float[np.ndarray, "covariate"]
    scale: Float[np.ndarray, "covariate"]

    @property
    def n_types(self) -> int:
        """Number of types of case."""
        return len(self.types)

    @property
    def width(self) -> int:
        """Parameters of one type: intercept and slopes."""
        return int(self.design.shape[1])

    @property
    def counts(self) -> Int[np.ndarray, "kind"]:
        """Rows of each type, then controls."""
        return np.bincount(self.kind, minlength=self.n_types + 1)

    @property
    def null_log_likelihood(self) -> float:
        """Log-likelihood of the shares of the types alone."""
        return float(np.sum(special.xlogy(self.counts, self.counts / self.kind.size)))

    @property
    def to_natural(self) -> Float[np.ndarray, "parameter parameter"]:
        """Matrix from parameters of the standardised covariates to those of the caller's."""
        one = np.eye(self.width)
        one[0, 1:] = -self.centre / self.scale
        one[1:, 1:] /= self.scale[:, None]
        return np.kron(np.eye(self.n_types), one)

    @property
    def shared_slopes(self) -> Float[np.ndarray, "parameter free"]:
        """Matrix from (one intercept per type, slopes that all types share) to the parameters."""
        mapping = np.zeros((self.n_types * self.width, self.n_types + self.width - 1))
        for t in range(self.n_types):
            mapping[t * self.width, t] = 1.0
            mapping[t * self.width + 1 : (t + 1) * self.width, self.n_types :] = np.eye(self.width - 1)
        return mapping

    def only(self, t: int) -> KindDesign:
        """The cases of one type, and the controls."""
        rows = (self.kind == t) | (self.kind == self.n_types)
        return KindDesign(
            design=self.design[rows],
            kind=np.where(self.kind[rows] == t, 0, 1),
            types=self.types[t : t + 1],
            centre=self.centre,
            scale=self.scale,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximum:
    """Free parameters at the maximum, their information and the log-likelihood there."""

    parameters: Float[np.ndarray, "free"]
    information: Float[np.ndarray, "free free"]
    log_likelihood: float


def kind_design(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    case_type: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
) -> KindDesign:
    """Check the covariates and count the types; errors as in `multinomial.multinomial_logistic`."""
    if X.ndim != 2 or X.shape[1] != len(names) or not names:
        raise InputError(
            expected=f"one name per column, {len(names)}", found=f"shape {X.shape}", where="names"
        )
    same_rows(X.shape[0], case, "case")
    same_rows(X.shape[0], case_type, "case_type")
    values = np.asarray(X, dtype=np.float64)
    n_bad = int(np.count_nonzero(~np.isfinite(values).all(axis=1)))
    if n_bad:
        raise InputError(
            expected="finite covariates",
            found=f"{n_bad} of {X.shape[0]} rows otherwise",
            where="X",
            remedy="Drop or impute them first",
        )
    kind, types = _kinds(case, case_type)
    centre, scale = values.mean(axis=0), values.std(axis=0)
    magnitude = np.max(np.abs(values), axis=0)
    flat = [n for n, s, m in zip(names, scale, magnitude, strict=True) if s <= 1e-12 * m]
    if flat:
        raise InputError(expected="covariates that vary", found=f"{', '.join(flat)} constant", where="X")
    standard = (values - centre) / scale
    eigenvalues, vectors = np.linalg.eigh(standard.T @ standard / X.shape[0])
    if eigenvalues[0] < _COLLINEAR:
        involved = [n for n, v in zip(names, vectors[:, 0], strict=True) if abs(v) > 1e-3]
        raise InputError(
            expected="covariates that are not collinear",
            found=f"a combination of {', '.join(involved)} that does not vary",
            where="X",
            remedy="Leave one of them out",
        )
    design = np.column_stack([np.ones(X.shape[0]), standard])
    return KindDesign(design=design, kind=kind, types=types, centre=centre, scale=scale)


def _kinds(
    case: Bool[np.ndarray, "row"], case_type: Shaped[np.ndarray, "row"]
) -> tuple[Int[np.ndarray, "row"], tuple[str, ...]]:
    labels = case_type[case]
    codes = label_codes(labels, "type of case")
    types = tuple(str(labels[codes == code][0]) for code in range(int(codes.max(initial=-1)) + 1))
    if len(types) < 2:
        raise TooFewEventsError("a comparison of types of case", found=len(types), needed=2, where="types")
    kind = np.full(case.size, len(types), dtype=np.int64)
    kind[case] = codes
    counts = np.bincount(kind, minlength=len(types) + 1)
    for name, found in zip((*types, "controls"), counts.tolist(), strict=True):
        if found < 2:
            raise TooFewEventsError("odds ratios by type of case", found=found, needed=2, where=name)
    return kind, types


def maximise(data: KindDesign, mapping: Float[np.ndarray, "parameter free"]) -> Maximum:
    """Maximum over parameters = mapping · free, from the shares of the types.

    Raises InputError where the maximum lies at infinity, because covariates separate a type of case.
    """
    start = np.zeros((data.n_types, data.width))
    start[:, 0] = np.log(data.counts[:-1] / data.counts[-1])
    # The start has no slopes: every mapping that keeps the intercepts can express it.
    free = np.asarray(np.linalg.lstsq(mapping, start.ravel(), rcond=None)[0])
    value, p, _ = _evaluate(data, mapping @ free)
    at_start = mapping.T @ _information(data, p) @ mapping
    for _ in range(_MAX_ITERATIONS):
        score = mapping.T @ (_residuals(data, p).T @ data.design).ravel()
        information = mapping.T @ _information(data, p) @ mapping
        try:
            step = linalg.cho_solve(linalg.cho_factor(information), score)
        except (linalg.LinAlgError, ValueError):
            break  # not positive definite or not finite: at infinity
        for halvings in range(40):
            trial = free + step / 2**halvings
            candidate, p, largest = _evaluate(data, mapping @ trial)
            if candidate >= value - 1e-12 * (1 + abs(value)):
                break
        free, value = trial, candidate
        if largest > _INFINITE_PREDICTOR:
            break
        if float(score @ step) < _DECREMENT:
            information = mapping.T @ _information(data, p) @ mapping
            if float(linalg.eigh(information, at_start, eigvals_only=True)[0]) < _VANISHED:
                break
            return Maximum(parameters=free, information=information, log_likelihood=value)
    raise InputError(
        expected="cases and controls that overlap in the covariates",
        found="a covariate (or a combination) that separates a type of case from the others",
        where="multinomial logistic regression",
        remedy="Leave that covariate out, or merge its levels",
    )


def row_scores(
    data: KindDesign, parameters: Float[np.ndarray, "parameter"]
) -> Float[np.ndarray, "row parameter"]:
    """Derivative of each row's log-likelihood."""
    residual = _residuals(data, _evaluate(data, parameters)[1])
    return np.asarray((residual[:, :, None] * data.design[:, None, :]).reshape(data.kind.size, -1))


def _evaluate(
    data: KindDesign, parameters: Float[np.ndarray, "parameter"]
) -> tuple[float, Float[np.ndarray, "row type"], float]:
    """Log-likelihood, probabilities of the types, and the largest fitted log odds."""
    predictor = data.design @ parameters.reshape(data.n_types, data.width).T
    highest = np.maximum(predictor.max(axis=1), 0.0)  # 0: the controls
    shares = np.exp(predictor - highest[:, None])
    total = shares.sum(axis=1) + np.exp(-highest)
    is_case = data.kind < data.n_types
    own = predictor[is_case, data.kind[is_case]]
    value = float(own.sum() - np.sum(highest + np.log(total)))
    return value, shares / total[:, None], float(np.max(np.abs(predictor)))


def _residuals(data: KindDesign, p: Float[np.ndarray, "row type"]) -> Float[np.ndarray, "row type"]:
    return np.asarray((data.kind[:, None] == np.arange(data.n_types)) - p)


def _information(
    data: KindDesign, p: Float[np.ndarray, "row type"]
) -> Float[np.ndarray, "parameter parameter"]:
    """Blocks X' diag(p_s (1{s=t} − p_t)) X."""
    X, q = data.design, data.width
    information = np.zeros((data.n_types * q, data.n_types * q))
    for s in range(data.n_types):
        for t in range(s, data.n_types):
            block = X.T @ (X * (p[:, s] * (float(s == t) - p[:, t]))[:, None])
            information[s * q : (s + 1) * q, t * q : (t + 1) * q] = block
            information[t * q : (t + 1) * q, s * q : (s + 1) * q] = block
    return information
