"""Odds ratios from matched sets: exact conditional logistic regression.

In: covariates, case marks, set labels. Out: `ConditionalFit` with coefficients, covariances, tests and odds
ratios, and what was left out. Sets may have any numbers of cases and controls; the likelihood is the exact
one [Gail1981], because Efron's and Breslow's approximations pull sets with several cases to the null.
[Breslow1980, ch. VII]
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import sparse

from forescreen.errors import InputError
from forescreen.records import Estimate

from .conditional_likelihood import (
    Derivatives,
    SetDesigns,
    derivatives,
    maximise,
    one_kind,
    separating_direction,
)
from .inference import ChiSquareTest, chi_square_test, normal_quantile, null_p
from .rows import finite_scores, label_codes, same_rows
from .sets import DroppedSets, MatchedSets, informative_sets

#: Smallest eigenvalue of the null information, scaled to a unit diagonal, that is not called collinear.
_COLLINEAR = 1e-9

Firth = Literal["if separated", "always", "never"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ConditionalFit:
    """Log odds ratios per unit of each covariate, within matched sets.

    `covariance` is the inverse information; `robust_covariance` the sandwich by set, or by cluster where
    clusters were given, and then the one that intervals use. With Firth's penalty the log-likelihoods are the
    penalised ones and `separated` names the covariates that made it necessary.
    """

    names: tuple[str, ...]
    coefficients: Float[np.ndarray, "covariate"]
    covariance: Float[np.ndarray, "covariate covariate"]
    robust_covariance: Float[np.ndarray, "covariate covariate"]
    log_likelihood: float
    log_likelihood_null: float
    score_statistic: float
    control_sd: Float[np.ndarray, "covariate"]  # standard deviation among the controls of the sets used
    n_sets: int
    n_cases: int
    n_controls: int
    dropped: DroppedSets
    method: str
    clustered: bool = False
    separated: tuple[str, ...] = ()
    n_iterations: int = 0

    @property
    def standard_errors(self) -> Float[np.ndarray, "covariate"]:
        """Standard errors of the coefficients from the information."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def robust_standard_errors(self) -> Float[np.ndarray, "covariate"]:
        """Standard errors of the coefficients from the sandwich."""
        return np.sqrt(np.diag(self.robust_covariance))

    @property
    def lr_test(self) -> ChiSquareTest:
        """Likelihood-ratio test that all coefficients are 0 (penalised where Firth's penalty was used)."""
        return chi_square_test(2 * (self.log_likelihood - self.log_likelihood_null), len(self.names))

    @property
    def wald_test(self) -> ChiSquareTest:
        """Wald test that all coefficients are 0."""
        b = self.coefficients
        return chi_square_test(float(b @ np.linalg.solve(self.covariance, b)), len(self.names))

    @property
    def score_test(self) -> ChiSquareTest:
        """Score test that all coefficients are 0; McNemar's test for pairs and one binary covariate."""
        return chi_square_test(self.score_statistic, len(self.names))

    def linear_predictor(self, X: Float[np.ndarray, "row covariate"]) -> Float[np.ndarray, "row"]:
        """X β. Comparable within a set only: the effects of the sets are not estimated."""
        if X.ndim != 2 or X.shape[1] != len(self.names):
            raise InputError(
                expected=f"{len(self.names)} columns ({', '.join(self.names)})",
                found=f"shape {X.shape}",
                where="X",
            )
        return np.asarray(np.asarray(X, dtype=np.float64) @ self.coefficients)

    def odds_ratio(self, name: str, per: float | int = 1.0, *, level: float = 0.95) -> Estimate:
        """Odds ratio per `per` units of a covariate, with its Wald interval on the log scale.

        `standard_error` is that of the log odds ratio; it is robust where clusters were given.
        """
        if name not in self.names:
            raise InputError(expected=f"one of {', '.join(self.names)}", found=name, where="odds_ratio")
        at = self.names.index(name)
        spread = self.robust_standard_errors if self.clustered else self.standard_errors
        return odds_ratio_estimate(
            float(self.coefficients[at]) * per,
            float(spread[at]) * abs(per),
            n=self.n_sets,
            n_events=self.n_cases,
            method=self.method + (", robust by cluster" if self.clustered else ""),
            level=level,
            notes=self.dropped.notes()
            + ((f"separated: {', '.join(self.separated)}",) if self.separated else ()),
        )


def conditional_logistic(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    firth: Firth = "if separated",
) -> ConditionalFit:
    """Log odds ratios within matched sets of any n:m, by exact conditional likelihood [Gail1981].

    X: covariates in their own units; rows with a missing value (nan) are dropped, then sets are checked
    again; sets without a case or without a control say nothing and are dropped. All of it is counted.
    sets: a label per row, not missing. names: one per column of X.
    cluster: the woman of each row, where she may be in several sets; intervals then come from a sandwich in
    which sets that share a woman are correlated.
    firth: where some combination of covariates separates cases from controls in all sets, the maximum lies at
    infinity; "if separated" then maximises Firth's penalised likelihood [Firth1993, Heinze2010] and says so.

    Raises TooFewEventsError with fewer than 2 informative sets; InputError when a covariate does not vary
    within sets (matching factors), covariates are collinear, or sets are separated and `firth` is "never".
    """
    prepared = prepare_sets(X, case, sets=sets, names=names)
    matched, rows, scale, designs = prepared.matched, prepared.rows, prepared.scale, prepared.designs
    if cluster is not None:
        same_rows(X.shape[0], cluster, "cluster")
    at_null = derivatives(designs, np.zeros(len(names)))
    _refuse_collinear(at_null, names)
    score_statistic = float(at_null.score @ np.linalg.solve(at_null.information, at_null.score))
    fit = maximise(designs, firth=firth == "always")
    separated: tuple[str, ...] = ()
    penalised = firth == "always"
    if not penalised:
        direction = separating_direction(designs, fit)
        if direction is not None:
            separated = tuple(n for n, d in zip(names, direction, strict=True) if abs(d) > 1e-6)
            if firth == "never":
                raise InputError(
                    expected="cases and controls that overlap",
                    found=f"sets separated by {', '.join(separated)}",
                    where="conditional logistic regression",
                    remedy='Use firth="if separated", or leave the covariate out',
                )
            fit, penalised = maximise(designs, firth=True), True
    if not fit.converged:
        raise InputError(
            expected="a likelihood with a maximum",
            found=f"no convergence after {fit.n_iterations} iterations",
            where="conditional logistic regression",
            remedy="Look for covariates that are nearly collinear or nearly constant within sets",
        )
    bread = np.linalg.inv(fit.derivatives.information)
    meat = _score_covariance(fit.derivatives.set_scores, matched, cluster)
    is_control = ~case[matched.order]
    return ConditionalFit(
        names=names,
        coefficients=fit.parameters / scale,
        covariance=bread / np.outer(scale, scale),
        robust_covariance=bread @ meat @ bread / np.outer(scale, scale),
        log_likelihood=fit.objective,
        log_likelihood_null=_null_objective(at_null, penalised),
        score_statistic=score_statistic,
        control_sd=np.std(rows[is_control], axis=0, ddof=1),
        n_sets=matched.n_sets,
        n_cases=int(matched.n_cases.sum()),
        n_controls=int(np.count_nonzero(is_control)),
        dropped=matched.dropped,
        method="conditional logistic regression, "
        + ("Firth penalised likelihood" if penalised else "exact likelihood"),
        clustered=cluster is not None,
        separated=separated,
        n_iterations=fit.n_iterations,
    )


def odds_ratio_per_control_sd(
    score: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    cluster: Shaped[np.ndarray, "row"] | None = None,
    level: float = 0.95,
) -> Estimate:
    """Odds ratio per standard deviation of the score among the controls of the informative sets.

    exp(β · SD), limits exp((β ± z se) · SD); the standard deviation is taken as known. cluster: the woman of
    each row, where she may be in several sets; the standard error is then the sandwich. Raises InputError for
    missing scores, TooFewEventsError with fewer than 2 informative sets.
    """
    values = finite_scores(score, case.size)
    fit = conditional_logistic(values[:, None], case, sets=sets, names=("score",), cluster=cluster)
    ratio = fit.odds_ratio("score", per=float(fit.control_sd[0]), level=level)
    return replace(ratio, notes=(f"control standard deviation {fit.control_sd[0]:.6g}", *ratio.notes))


def odds_ratio_estimate(
    log_ratio: float,
    standard_error: float,
    *,
    n: int,
    n_events: int,
    method: str,
    level: float,
    notes: tuple[str, ...] = (),
) -> Estimate:
    """Odds ratio from its logarithm, Wald limits on the log scale; `standard_error` is that of the log."""
    margin = normal_quantile(level) * standard_error
    return Estimate(
        value=_exp(log_ratio),
        lower=_exp(log_ratio - margin),
        upper=_exp(log_ratio + margin),
        n=n,
        n_events=n_events,
        method=f"{method}, Wald on the log scale",
        standard_error=standard_error,
        p_value=null_p(log_ratio, standard_error),
        level=level,
        notes=notes,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedSets:
    """Informative sets with their covariates in units of the within-set spread."""

    matched: MatchedSets
    rows: Float[np.ndarray, "member covariate"]  # in their own units, in the order of `matched`
    scale: Float[np.ndarray, "covariate"]
    designs: SetDesigns


def prepare_sets(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
) -> PreparedSets:
    """Check covariates, drop rows with missing ones, and build the designs of the sets that remain."""
    if X.ndim != 2 or X.shape[1] != len(names) or not names:
        raise InputError(
            expected=f"one name per column, {len(names)}", found=f"X of shape {X.shape}", where="names"
        )
    same_rows(X.shape[0], case, "case")
    values = np.asarray(X, dtype=np.float64)
    n_infinite = int(np.count_nonzero(np.isinf(values)))
    if n_infinite:
        raise InputError(expected="finite covariates", found=f"{n_infinite} infinite values", where="X")
    matched = informative_sets(
        case,
        sets=sets,
        complete=np.asarray(~np.isnan(values).any(axis=1)),
        quantity="conditional logistic regression",
    )
    rows = values[matched.order]
    scale = within_set_scale(rows, matched, names)
    return PreparedSets(matched=matched, rows=rows, scale=scale, designs=one_kind(rows / scale, matched))


def within_set_scale(
    rows: Float[np.ndarray, "member covariate"], matched: MatchedSets, names: tuple[str, ...]
) -> Float[np.ndarray, "covariate"]:
    """Root mean square deviation within sets: the units of the fit. A constant covariate is an error."""
    mean = np.add.reduceat(rows, matched.first, axis=0) / matched.n_members[:, None]
    deviation = rows - mean[matched.set_of_member]
    scale = np.sqrt(np.mean(deviation**2, axis=0))
    magnitude = np.max(np.abs(rows), axis=0)
    constant = tuple(n for n, s, m in zip(names, scale, magnitude, strict=True) if s <= 1e-12 * m)
    if constant:
        raise InputError(
            expected="covariates that vary within matched sets",
            found=f"{', '.join(constant)} constant in every set",
            where="X",
            remedy="Leave matching factors out: their effect cannot be estimated from matched sets",
        )
    return np.asarray(scale)


def _refuse_collinear(at_null: Derivatives, names: tuple[str, ...]) -> None:
    sd = np.sqrt(np.diag(at_null.information))
    values, vectors = np.linalg.eigh(at_null.information / np.outer(sd, sd))
    if values[0] < _COLLINEAR:
        involved = tuple(n for n, v in zip(names, vectors[:, 0], strict=True) if abs(v) > 1e-3)
        raise InputError(
            expected="covariates that are not collinear within sets",
            found=f"a combination of {', '.join(involved)} that does not vary",
            where="X",
            remedy="Leave one of them out",
        )


def _null_objective(at_null: Derivatives, penalised: bool) -> float:
    if not penalised:
        return at_null.log_likelihood
    # Penalised likelihood ratio [Heinze2010]: the penalty at 0 uses the information of the full model.
    return at_null.log_likelihood + 0.5 * float(np.linalg.slogdet(at_null.information)[1])


def _score_covariance(
    set_scores: Float[np.ndarray, "set covariate"],
    matched: MatchedSets,
    cluster: Shaped[np.ndarray, "row"] | None,
) -> Float[np.ndarray, "covariate covariate"]:
    """Σ U_s U_t' over all pairs of sets s, t that are the same or share a cluster.

    Independent sets give Σ U_s U_s'; clusters made of whole sets give the sum over clusters.
    """
    if cluster is None:
        return np.asarray(set_scores.T @ set_scores)
    codes = label_codes(cluster[matched.order], "cluster")
    membership = sparse.csr_array(
        (np.ones(codes.size), (matched.set_of_member, codes)), shape=(matched.n_sets, int(codes.max()) + 1)
    )
    linked = (membership @ membership.T).sign()
    meat = np.asarray(set_scores.T @ (linked @ set_scores))
    # Overlapping clusters can leave a small negative eigenvalue; 0 is the nearest valid covariance.
    values, vectors = np.linalg.eigh((meat + meat.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf
