"""Do screen-detected and interval cancers have the same associations? Odds ratios by type of case.

In: covariates, case marks, type of each case, set labels. Out: `CaseTypeFit` with coefficients by type, their
joint covariance, and tests that they are equal. Sets with one type of case factorise into one conditional
logistic regression per type; sets with several types are joined by the two-colour form of the recursion, in
which a set contributes Π_cases w_type / Σ over all ways to choose as many members of each type.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from forescreen.errors import InputError, TooFewEventsError
from forescreen.records import Estimate

from .association import odds_ratio_estimate, within_set_scale
from .conditional_likelihood import (
    Maximum,
    SetDesigns,
    derivatives,
    group_designs,
    largest_fitted_difference,
    maximise,
)
from .inference import ChiSquareTest, chi_square_test, holm_adjusted, null_p, wald_interval
from .rows import label_codes, same_rows
from .sets import DroppedSets, MatchedSets, informative_sets

#: exp(-30) is below the rounding of any likelihood: a fitted difference so large lies at infinity.
_INFINITE_DIFFERENCE = 30.0


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseTypeFit:
    """Log odds ratios of each type of case against controls of the same set.

    `covariance` is ordered type by type, covariates within; between types it is 0 where every set has cases
    of one type. `common` are the coefficients of the model in which all types share them.
    """

    types: tuple[str, ...]
    names: tuple[str, ...]
    coefficients: Float[np.ndarray, "type covariate"]
    covariance: Float[np.ndarray, "parameter parameter"]
    common: Float[np.ndarray, "covariate"]
    log_likelihood: float
    log_likelihood_common: float
    log_likelihood_null: float
    control_sd: Float[np.ndarray, "covariate"]
    n_sets: int
    n_cases: tuple[int, ...]  # of each type
    dropped: DroppedSets

    @property
    def standard_errors(self) -> Float[np.ndarray, "type covariate"]:
        """Standard errors of the coefficients."""
        return np.sqrt(np.diag(self.covariance)).reshape(self.coefficients.shape)

    @property
    def heterogeneity_lr_test(self) -> ChiSquareTest:
        """Likelihood-ratio test that all types have the same coefficients."""
        return chi_square_test(
            2 * (self.log_likelihood - self.log_likelihood_common),
            (len(self.types) - 1) * len(self.names),
        )

    @property
    def heterogeneity_wald_test(self) -> ChiSquareTest:
        """Wald test that all types have the same coefficients."""
        p = len(self.names)
        contrast = np.kron(np.eye(len(self.types))[1:] - np.eye(len(self.types))[:1], np.eye(p))
        apart = contrast @ self.coefficients.ravel()
        spread = contrast @ self.covariance @ contrast.T
        return chi_square_test(float(apart @ np.linalg.solve(spread, apart)), apart.size)

    def odds_ratio(
        self, case_type: str, name: str, per: float | int = 1.0, *, level: float = 0.95
    ) -> Estimate:
        """Odds ratio of one type of case per `per` units of a covariate, Wald on the log scale."""
        at, column = self._type(case_type), self._name(name)
        return odds_ratio_estimate(
            float(self.coefficients[at, column]) * per,
            float(self.standard_errors[at, column]) * abs(per),
            n=self.n_sets,
            n_events=self.n_cases[at],
            method="conditional logistic regression by type of case",
            level=level,
            notes=self.dropped.notes(),
        )

    def differences(self, type_a: str, type_b: str, *, level: float = 0.95) -> tuple[Estimate, ...]:
        """Log odds ratio of type a minus that of type b, for each covariate in the order of `names`.

        The p value is that of the single covariate; a note carries the one adjusted for the number of
        covariates by Holm's rule [Holm1979].
        """
        a, b, p = self._type(type_a), self._type(type_b), len(self.names)
        value = self.coefficients[a] - self.coefficients[b]
        own, other = slice(a * p, (a + 1) * p), slice(b * p, (b + 1) * p)
        V = self.covariance
        se = np.sqrt(np.diag(V[own, own] + V[other, other] - V[own, other] - V[other, own]))
        p_values = np.array([null_p(float(v), float(s)) for v, s in zip(value, se, strict=True)])
        adjusted = holm_adjusted(p_values)
        intervals = [wald_interval(float(v), float(s), level) for v, s in zip(value, se, strict=True)]
        return tuple(
            Estimate(
                value=float(value[i]),
                lower=intervals[i].lower,
                upper=intervals[i].upper,
                n=self.n_sets,
                n_events=self.n_cases[a] + self.n_cases[b],
                method=f"difference of log odds ratios of {name}, {type_a} minus {type_b}, Wald",
                standard_error=float(se[i]),
                p_value=float(p_values[i]),
                level=level,
                notes=(f"Holm-adjusted p {adjusted[i]:.4g}",),
            )
            for i, name in enumerate(self.names)
        )

    def _type(self, case_type: str) -> int:
        if case_type not in self.types:
            raise InputError(expected=f"one of {', '.join(self.types)}", found=case_type, where="case_type")
        return self.types.index(case_type)

    def _name(self, name: str) -> int:
        if name not in self.names:
            raise InputError(expected=f"one of {', '.join(self.names)}", found=name, where="name")
        return self.names.index(name)


def case_type_logistic(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    case_type: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
) -> CaseTypeFit:
    """Log odds ratios within matched sets for each type of case, and tests that they are equal.

    case_type: label of every case (read on case rows only, so a column that repeats the set's type on its
    controls will do); types come out in sorted order. A set may have cases of one type or of several. Rows
    with missing covariates are dropped, then sets without a case or a control, counted in `dropped`.

    Raises TooFewEventsError with fewer than 2 cases of a type or fewer than 2 types; InputError when a
    covariate does not vary within sets, or when the maximum lies at infinity (fit the types one by one
    with `association.conditional_logistic`, which then uses Firth's penalty).
    """
    if X.ndim != 2 or X.shape[1] != len(names) or not names:
        raise InputError(
            expected=f"one name per column, {len(names)}", found=f"shape {X.shape}", where="names"
        )
    same_rows(X.shape[0], case, "case")
    same_rows(X.shape[0], case_type, "case_type")
    values = np.asarray(X, dtype=np.float64)
    n_infinite = int(np.count_nonzero(np.isinf(values)))
    if n_infinite:
        raise InputError(expected="finite covariates", found=f"{n_infinite} infinite values", where="X")
    complete = np.asarray(~np.isnan(values).any(axis=1))
    matched = informative_sets(case, sets=sets, complete=complete, quantity="odds ratios by type of case")
    matched, kind, types = _by_kind(matched, case, case_type)
    n_types, p = len(types), len(names)
    set_of_member = matched.set_of_member
    n_cases = np.zeros((matched.n_sets, n_types), dtype=np.int64)
    np.add.at(n_cases, (set_of_member[kind < n_types], kind[kind < n_types]), 1)
    per_type = n_cases.sum(axis=0)
    for name, found in zip(types, per_type.tolist(), strict=True):
        if found < 2:
            raise TooFewEventsError("odds ratios by type of case", found=found, needed=2, where=name)
    rows = values[matched.order]
    scale = within_set_scale(rows, matched, names)
    rows_scaled = rows / scale
    blocks = np.zeros((rows.shape[0], n_types, n_types * p))
    for t in range(n_types):
        blocks[:, t, t * p : (t + 1) * p] = rows_scaled
    designs = group_designs(blocks, matched, n_cases)
    shared = group_designs(np.repeat(rows_scaled[:, None, :], n_types, axis=1), matched, n_cases)
    own, common = _finite_maximum(designs), _finite_maximum(shared)
    unit = np.tile(scale, n_types)
    return CaseTypeFit(
        types=types,
        names=names,
        coefficients=(own.parameters / unit).reshape(n_types, p),
        covariance=np.linalg.inv(own.derivatives.information) / np.outer(unit, unit),
        common=common.parameters / scale,
        log_likelihood=own.objective,
        log_likelihood_common=common.objective,
        log_likelihood_null=derivatives(designs, np.zeros(n_types * p)).log_likelihood,
        control_sd=np.std(rows[kind == n_types], axis=0, ddof=1),
        n_sets=matched.n_sets,
        n_cases=tuple(per_type.tolist()),
        dropped=matched.dropped,
    )


def _by_kind(
    matched: MatchedSets, case: Bool[np.ndarray, "row"], case_type: Shaped[np.ndarray, "row"]
) -> tuple[MatchedSets, Int[np.ndarray, "member"], tuple[str, ...]]:
    """Members of each set sorted by type of case, controls last; their kind, and the names of the types."""
    is_case = case[matched.order]
    labels = case_type[matched.order][is_case]
    codes = label_codes(labels, "type of case")
    types = tuple(str(labels[codes == code][0]) for code in range(int(codes.max()) + 1))
    if len(types) < 2:
        raise TooFewEventsError("a comparison of types of case", found=len(types), needed=2, where="types")
    kind = np.full(matched.order.size, len(types), dtype=np.int64)
    kind[is_case] = codes
    by_kind = np.lexsort((kind, matched.set_of_member))
    ordered = MatchedSets(
        order=matched.order[by_kind],
        first=matched.first,
        n_members=matched.n_members,
        n_cases=matched.n_cases,
        dropped=matched.dropped,
    )
    return ordered, kind[by_kind], types


def _finite_maximum(designs: SetDesigns) -> Maximum:
    fit = maximise(designs)
    if not fit.converged or largest_fitted_difference(designs, fit.parameters) > _INFINITE_DIFFERENCE:
        raise InputError(
            expected="a likelihood with a finite maximum",
            found=f"none after {fit.n_iterations} iterations",
            where="odds ratios by type of case",
            remedy="Covariates are collinear or separate cases from controls: fit each type by itself",
        )
    return fit
