"""Do screen-detected and interval cancers have the same associations, where nobody was matched?

In: covariates, case marks, type of each case. Out: `MultinomialFit` with log odds ratios of each type against
the controls, their joint covariance, and tests that the types have the same. Matched sets need
`forescreen.statistics.case_types` instead. Covariates that the sampling depends on (age) belong in the model.
[Begg1984]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from ..errors import InputError
from ..records import Estimate
from .association import odds_ratio_estimate
from .inference import ChiSquareTest, chi_square_test, holm_adjusted, null_p, wald_interval
from .multinomial_likelihood import KindDesign, kind_design, maximise, row_scores
from .rows import label_codes, same_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class MultinomialFit:
    """Log odds ratios of each type of case against the controls.

    `covariance` is ordered type by type, in each the intercept and then the covariates. `common` are the
    slopes of the model in which all types share them; nan in `log_likelihood_common` where that model was
    not fitted (separate regressions have no joint likelihood).
    """

    types: tuple[str, ...]
    names: tuple[str, ...]
    intercepts: Float[np.ndarray, "type"]
    coefficients: Float[np.ndarray, "type covariate"]
    covariance: Float[np.ndarray, "parameter parameter"]
    common: Float[np.ndarray, "covariate"]
    log_likelihood: float
    log_likelihood_common: float
    log_likelihood_null: float  # intercepts only
    control_sd: Float[np.ndarray, "covariate"]
    n: int
    n_cases: tuple[int, ...]  # of each type
    method: str

    @property
    def standard_errors(self) -> Float[np.ndarray, "type covariate"]:
        """Standard errors of the coefficients."""
        return np.asarray(np.sqrt(np.diag(self.covariance)).reshape(len(self.types), -1)[:, 1:])

    @property
    def intercept_standard_errors(self) -> Float[np.ndarray, "type"]:
        """Standard errors of the intercepts."""
        return np.asarray(np.sqrt(np.diag(self.covariance)).reshape(len(self.types), -1)[:, 0])

    @property
    def slope_covariance(self) -> Float[np.ndarray, "slope slope"]:
        """Covariance of the coefficients alone, type by type."""
        slopes = np.arange(self.covariance.shape[0]) % (len(self.names) + 1) > 0
        return self.covariance[np.ix_(slopes, slopes)]

    @property
    def heterogeneity_wald_test(self) -> ChiSquareTest:
        """Wald test that all types have the same coefficients; intercepts may differ."""
        n_types, p = self.coefficients.shape
        contrast = np.kron(np.eye(n_types)[1:] - np.eye(n_types)[:1], np.eye(p))
        apart = contrast @ self.coefficients.ravel()
        spread = contrast @ self.slope_covariance @ contrast.T
        return chi_square_test(float(apart @ np.linalg.solve(spread, apart)), apart.size)

    @property
    def heterogeneity_lr_test(self) -> ChiSquareTest:
        """Likelihood-ratio test that all types have the same coefficients; intercepts may differ."""
        if not np.isfinite(self.log_likelihood_common):
            raise InputError(
                expected="a joint likelihood",
                found=self.method,
                where="heterogeneity_lr_test",
                remedy="Use heterogeneity_wald_test, or multinomial_logistic without clusters",
            )
        return chi_square_test(
            2 * (self.log_likelihood - self.log_likelihood_common), (len(self.types) - 1) * len(self.names)
        )

    def odds_ratio(
        self, case_type: str, name: str, per: float | int = 1.0, *, level: float = 0.95
    ) -> Estimate:
        """Odds ratio of one type of case against controls per `per` units, Wald on the log scale."""
        at, column = _place(case_type, self.types, "case_type"), _place(name, self.names, "name")
        return odds_ratio_estimate(
            float(self.coefficients[at, column]) * per,
            float(self.standard_errors[at, column]) * abs(per),
            n=self.n,
            n_events=self.n_cases[at],
            method=self.method,
            level=level,
        )

    def differences(self, type_a: str, type_b: str, *, level: float = 0.95) -> tuple[Estimate, ...]:
        """Log odds ratio of type a minus that of type b, which is that of a against b, for each covariate.

        The p value is that of the single covariate; a note carries the one adjusted for the number of
        covariates by Holm's rule [Holm1979].
        """
        a, b = _place(type_a, self.types, "type_a"), _place(type_b, self.types, "type_b")
        p, V = len(self.names), self.slope_covariance
        own, other = slice(a * p, (a + 1) * p), slice(b * p, (b + 1) * p)
        value = self.coefficients[a] - self.coefficients[b]
        se = np.sqrt(np.diag(V[own, own] + V[other, other] - V[own, other] - V[other, own]))
        p_values = np.array([null_p(float(v), float(s)) for v, s in zip(value, se, strict=True)])
        adjusted = holm_adjusted(p_values)
        intervals = [wald_interval(float(v), float(s), level) for v, s in zip(value, se, strict=True)]
        return tuple(
            Estimate(
                value=float(value[i]),
                lower=intervals[i].lower,
                upper=intervals[i].upper,
                n=self.n,
                n_events=self.n_cases[a] + self.n_cases[b],
                method=f"difference of log odds ratios of {name}, {type_a} minus {type_b}, Wald",
                standard_error=float(se[i]),
                p_value=float(p_values[i]),
                level=level,
                notes=(f"Holm-adjusted p {adjusted[i]:.4g}",),
            )
            for i, name in enumerate(self.names)
        )


def multinomial_logistic(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    case_type: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
    cluster: Shaped[np.ndarray, "row"] | None = None,
) -> MultinomialFit:
    """Log odds ratios of each type of case against unmatched controls, by multinomial logistic regression.

    P(type t | x) = exp(α_t + x·β_t)/(1 + Σ_s exp(α_s + x·β_s)), controls the baseline, by Newton's method.
    X: covariates in their own units, finite (drop or impute missing ones first). case_type: label of every
    case, read on case rows only; types come out in sorted order. cluster: the woman of each row where she
    has several; the covariance is then the sandwich by woman.

    Raises TooFewEventsError with fewer than 2 types, or fewer than 2 cases of a type or controls; InputError
    for missing or collinear covariates and where a covariate separates a type from the controls.
    """
    data = kind_design(X, case, case_type=case_type, names=names)
    own, shared = maximise(data, np.eye(data.n_types * data.width)), maximise(data, data.shared_slopes)
    covariance = np.linalg.inv(own.information)
    method, shared_likelihood = "multinomial logistic regression", shared.log_likelihood
    if cluster is not None:
        meat = _meat(row_scores(data, own.parameters), cluster)
        covariance = covariance @ meat @ covariance
        method, shared_likelihood = f"{method}, robust by cluster", np.nan
    return _fit(
        data,
        names,
        own.parameters,
        covariance,
        common=shared.parameters[data.n_types :] / data.scale,
        log_likelihoods=(own.log_likelihood, float(shared_likelihood), data.null_log_likelihood),
        method=method,
    )


def separate_logistic(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    case_type: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
    cluster: Shaped[np.ndarray, "row"] | None = None,
) -> MultinomialFit:
    """The same log odds ratios by one ordinary logistic regression of each type with the controls [Begg1984].

    Consistent, and slightly less efficient than `multinomial_logistic`. The types share their controls, so
    the joint covariance is the sandwich of the stacked scores, by row or by woman (`cluster`); it is robust
    in its diagonal blocks too. There is no joint likelihood: test heterogeneity by Wald. Arguments and errors
    as for `multinomial_logistic`; the log-likelihoods are sums over the regressions.
    """
    data = kind_design(X, case, case_type=case_type, names=names)
    q = data.width
    n_parameters = data.n_types * q
    parameters, bread = np.zeros(n_parameters), np.zeros((n_parameters, n_parameters))
    scores = np.zeros((X.shape[0], n_parameters))
    value = null = 0.0
    for t in range(data.n_types):
        part, block = data.only(t), slice(t * q, (t + 1) * q)
        fit = maximise(part, np.eye(q))
        parameters[block], bread[block, block] = fit.parameters, np.linalg.inv(fit.information)
        scores[(data.kind == t) | (data.kind == data.n_types), block] = row_scores(part, fit.parameters)
        value, null = value + fit.log_likelihood, null + part.null_log_likelihood
    return _fit(
        data,
        names,
        parameters,
        bread @ _meat(scores, cluster) @ bread,
        common=np.full(q - 1, np.nan),
        log_likelihoods=(value, np.nan, null),
        method="separate logistic regressions, " + ("sandwich" if cluster is None else "robust by cluster"),
    )


def _fit(
    data: KindDesign,
    names: tuple[str, ...],
    parameters: Float[np.ndarray, "parameter"],
    covariance: Float[np.ndarray, "parameter parameter"],
    *,
    common: Float[np.ndarray, "covariate"],
    log_likelihoods: tuple[float, float, float],
    method: str,
) -> MultinomialFit:
    """The result in the caller's units."""
    back = data.to_natural
    natural = (back @ parameters).reshape(data.n_types, data.width)
    own, shared, null = log_likelihoods
    controls = data.design[data.kind == data.n_types, 1:]
    return MultinomialFit(
        types=data.types,
        names=names,
        intercepts=natural[:, 0],
        coefficients=natural[:, 1:],
        covariance=back @ covariance @ back.T,
        common=common,
        log_likelihood=own,
        log_likelihood_common=shared,
        log_likelihood_null=null,
        control_sd=np.std(controls, axis=0, ddof=1) * data.scale,
        n=data.kind.size,
        n_cases=tuple(data.counts[:-1].tolist()),
        method=method,
    )


def _meat(
    scores: Float[np.ndarray, "row parameter"], cluster: Shaped[np.ndarray, "row"] | None
) -> Float[np.ndarray, "parameter parameter"]:
    """Σ U U' over rows, or over the women of the rows."""
    if cluster is None:
        return np.asarray(scores.T @ scores)
    same_rows(scores.shape[0], cluster, "cluster")
    codes = label_codes(cluster, "cluster")
    sums = np.column_stack([np.bincount(codes, weights=column) for column in scores.T])
    return np.asarray(sums.T @ sums)


def _place(label: str, labels: tuple[str, ...], what: str) -> int:
    if label not in labels:
        raise InputError(expected=f"one of {', '.join(labels)}", found=label, where=what)
    return labels.index(label)
