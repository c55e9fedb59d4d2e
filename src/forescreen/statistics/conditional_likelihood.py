"""The exact conditional likelihood of matched sets, its derivatives, and its maximum.

In: designs of sets (one design vector per member and kind of case). Out: log-likelihood, score of every
set, information; the maximum by Newton's method, with Firth's penalty if asked; whether a maximum exists.

Given how many cases of each kind a set has, the chance that they are the members they are is
    L = Π_cases w / E,   E = Σ over all ways to choose as many members of each kind of the product of their w,
with w = exp(design · β). E follows from adding one member after the other: the recursion of [Gail1981], here
for any number of kinds (colours), carrying first and second derivatives. One kind gives conditional logistic
regression, two give sets with a screen-detected and an interval case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float, Int, Num
from scipy import linalg

from .sets import MatchedSets

#: Sets whose second derivatives are carried at once: about 4 MB per state stays near the cache.
_CHUNK_DOUBLES = 1 << 19
#: Newton decrement U' I⁻¹ U at which the last step is taken; convergence is quadratic.
_DECREMENT = 1e-14
_MAX_ITERATIONS = 200
#: A fitted log weight difference so large may mean that no finite maximum exists; worth an exact check.
_SUSPICIOUS_DIFFERENCE = 12.0
_COMPLEX_STEP = 1e-30


@dataclass(frozen=True, kw_only=True, eq=False)
class SetGroup:
    """Sets with the same number of members and of cases of each kind; cases first, kind by kind."""

    design: Float[np.ndarray, "set member kind parameter"]
    n_cases: tuple[int, ...]  # of each kind
    position: Int[np.ndarray, "set"]  # number of each set among all sets


@dataclass(frozen=True, kw_only=True, eq=False)
class SetDesigns:
    """All sets, grouped by shape."""

    groups: tuple[SetGroup, ...]
    n_sets: int
    n_parameters: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Derivatives:
    """Log-likelihood at one point, with the score of every set and the summed information."""

    log_likelihood: float
    set_scores: Float[np.ndarray, "set parameter"]
    information: Float[np.ndarray, "parameter parameter"]

    @property
    def score(self) -> Float[np.ndarray, "parameter"]:
        """Gradient of the log-likelihood."""
        return np.asarray(self.set_scores.sum(axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class Maximum:
    """Where the (penalised) likelihood is highest; `converged` is false where Newton's method gave up."""

    parameters: Float[np.ndarray, "parameter"]
    derivatives: Derivatives
    objective: float  # log-likelihood, with the penalty where one was asked for
    n_iterations: int
    converged: bool


def one_kind(rows: Float[np.ndarray, "member covariate"], matched: MatchedSets) -> SetDesigns:
    """Designs of ordinary conditional logistic regression; `rows` follow `matched.order`."""
    return group_designs(rows[:, None, :], matched, matched.n_cases[:, None])


def group_designs(
    rows: Float[np.ndarray, "member kind parameter"],
    matched: MatchedSets,
    n_cases: Int[np.ndarray, "set kind"],
) -> SetDesigns:
    """Sets grouped by shape; within a set the members must come kind by kind, controls last.

    Kinds of which a shape has no case are left out of its recursion. Rows are centred within their set,
    which leaves the likelihood as it is and keeps the information free of cancellation.
    """
    shapes, shape_of_set = np.unique(
        np.column_stack([matched.n_members, n_cases]), axis=0, return_inverse=True
    )
    groups = []
    for number, shape in enumerate(shapes.tolist()):
        position = np.flatnonzero(shape_of_set.ravel() == number)
        members = matched.first[position][:, None] + np.arange(shape[0])
        kinds = [kind for kind, count in enumerate(shape[1:]) if count]
        design = rows[members][:, :, kinds, :]
        groups.append(
            SetGroup(
                design=design - design.mean(axis=1, keepdims=True),
                n_cases=tuple(shape[1 + kind] for kind in kinds),
                position=position,
            )
        )
    return SetDesigns(groups=tuple(groups), n_sets=matched.n_sets, n_parameters=rows.shape[2])


def derivatives(designs: SetDesigns, parameters: Float[np.ndarray, "parameter"]) -> Derivatives:
    """Log-likelihood, score by set and information at `parameters`."""
    log_likelihood = 0.0
    set_scores = np.zeros((designs.n_sets, designs.n_parameters))
    information = np.zeros((designs.n_parameters, designs.n_parameters))
    for group in _chunks(designs.groups):
        log_l, scores, info = _group_derivatives(group, parameters)
        log_likelihood += float(log_l.real)
        set_scores[group.position] = scores
        information += info
    return Derivatives(log_likelihood=log_likelihood, set_scores=set_scores, information=information)


def _chunks(groups: Sequence[SetGroup]) -> Iterator[SetGroup]:
    for group in groups:
        n_parameters = group.design.shape[3]
        per_set = n_parameters * max(group.design.shape[1], n_parameters)
        size = max(1, _CHUNK_DOUBLES // per_set)
        for start in range(0, group.position.size, size):
            part = slice(start, start + size)
            yield SetGroup(design=group.design[part], n_cases=group.n_cases, position=group.position[part])


def _group_derivatives(
    group: SetGroup, parameters: Num[np.ndarray, "parameter"]
) -> tuple[complex | float, np.ndarray, np.ndarray]:
    """Summed log-likelihood, score of each set, summed information; complex parameters are allowed."""
    if group.n_cases == (1,):
        return _one_case(group.design[:, :, 0, :], parameters)
    return _several_cases(group.design, group.n_cases, parameters)


def _one_case(
    design: Float[np.ndarray, "set member parameter"], parameters: Num[np.ndarray, "parameter"]
) -> tuple[complex | float, np.ndarray, np.ndarray]:
    """1:m sets: E = Σ w, a multinomial logit; the case is the first member."""
    predictor = design @ parameters
    predictor = predictor - predictor.real.max(axis=1, keepdims=True)
    weights = np.exp(predictor)
    total = weights.sum(axis=1)
    share = weights / total[:, None]
    mean = np.matmul(share[:, None, :], design)[:, 0, :]
    centred = (design - mean[:, None, :]).reshape(-1, design.shape[2])
    information = (centred * share.reshape(-1, 1)).T @ centred
    return (predictor[:, 0] - np.log(total)).sum(), design[:, 0, :] - mean, information


def _several_cases(
    design: Float[np.ndarray, "set member kind parameter"],
    n_cases: tuple[int, ...],
    parameters: Num[np.ndarray, "parameter"],
) -> tuple[complex | float, np.ndarray, np.ndarray]:
    """The recursion of [Gail1981], member by member, over states (cases of each kind placed so far)."""
    n_sets, n_members, _, n_parameters = design.shape
    n_total = sum(n_cases)
    predictor = design @ parameters
    # The largest weight of each kind becomes 1; the shift cancels between Π_cases w and E.
    predictor = predictor - predictor.real.max(axis=1, keepdims=True)
    weights = np.exp(predictor)
    states = list(product(*(range(count + 1) for count in n_cases)))
    number = {state: i for i, state in enumerate(states)}
    total = np.zeros((len(states), n_sets), dtype=weights.dtype)
    total[0] = 1.0
    first = np.zeros((len(states), n_sets, n_parameters), dtype=weights.dtype)
    second = np.zeros((len(states), n_sets, n_parameters, n_parameters), dtype=weights.dtype)
    for j in range(n_members):
        # Descending, so that the states with one case fewer still hold their values before member j.
        for state in reversed(states):
            placed = sum(state)
            # States that cannot be reached yet, or from which the full number cannot be reached any more.
            if not max(1, n_total - (n_members - 1 - j)) <= placed <= j + 1:
                continue
            r = number[state]
            for kind in range(len(n_cases)):
                if state[kind] == 0:
                    continue
                q = number[(*state[:kind], state[kind] - 1, *state[kind + 1 :])]
                w, x = weights[:, j, kind], design[:, j, kind, :]
                # D2 + x D1' + D1 x' + x x' B, the last three as outer + outer'
                outer = x[:, :, None] * (first[q] + 0.5 * total[q][:, None] * x)[:, None, :]
                second[r] += w[:, None, None] * (second[q] + outer + outer.transpose(0, 2, 1))
                first[r] += w[:, None] * (first[q] + total[q][:, None] * x)
                total[r] += w * total[q]
    denominator = total[-1]
    mean = first[-1] / denominator[:, None]
    information = np.einsum("sab,s->ab", second[-1], 1 / denominator) - mean.T @ mean
    chosen = np.zeros((n_sets, n_parameters))
    log_numerator = np.zeros(n_sets, dtype=weights.dtype)
    member = 0
    for kind, count in enumerate(n_cases):
        chosen += design[:, member : member + count, kind, :].sum(axis=1)
        log_numerator += predictor[:, member : member + count, kind].sum(axis=1)
        member += count
    return (log_numerator - np.log(denominator)).sum(), chosen - mean, information


def maximise(
    designs: SetDesigns,
    *,
    firth: bool = False,
    start: Float[np.ndarray, "parameter"] | None = None,
    held: int | None = None,
) -> Maximum:
    """Newton's method with step halving, from zero unless `start` is given; `held` keeps one parameter there.

    With `firth`, maximises log L + ½ log|I| [Firth1993, Heinze2010] by Fisher scoring; the derivative of the
    information is taken by complex step [Squire1998], exact to rounding.
    """
    parameters = np.zeros(designs.n_parameters) if start is None else start.astype(np.float64)
    with np.errstate(all="ignore"):  # trial steps may overflow; they are recognised and halved
        current = derivatives(designs, parameters)
        objective = _objective(current, firth)
        for iteration in range(1, _MAX_ITERATIONS + 1):
            score = current.score + (_penalty_score(designs, parameters, current) if firth else 0.0)
            step = _newton_step(current.information, score, held)
            if step is None:
                return Maximum(
                    parameters=parameters,
                    derivatives=current,
                    objective=objective,
                    n_iterations=iteration,
                    converged=False,
                )
            decrement = float(score @ step)
            # The penalised problem converges linearly: there the tolerance itself is the error.
            done = decrement < (_DECREMENT**2 if firth else _DECREMENT)
            tolerance = 1e-12 * (1 + abs(objective))
            for halvings in range(40):
                trial = parameters + step / 2**halvings
                candidate = derivatives(designs, trial)
                gain = _objective(candidate, firth) - objective
                if np.isfinite(gain) and gain >= -tolerance:
                    break
            else:
                break
            parameters, current = trial, candidate
            objective = _objective(current, firth)
            if done:
                return Maximum(
                    parameters=parameters,
                    derivatives=current,
                    objective=objective,
                    n_iterations=iteration,
                    converged=True,
                )
    return Maximum(
        parameters=parameters,
        derivatives=current,
        objective=objective,
        n_iterations=_MAX_ITERATIONS,
        converged=False,
    )


def _objective(at: Derivatives, firth: bool) -> float:
    if not firth:
        return at.log_likelihood
    sign, log_determinant = np.linalg.slogdet(at.information)
    return at.log_likelihood + 0.5 * float(log_determinant) if sign > 0 else float("-inf")


def _newton_step(
    information: Float[np.ndarray, "parameter parameter"],
    score: Float[np.ndarray, "parameter"],
    held: int | None,
) -> Float[np.ndarray, "parameter"] | None:
    free = np.arange(score.size) != (-1 if held is None else held)
    step = np.zeros(score.size)
    if free.any():
        try:
            step[free] = linalg.cho_solve(linalg.cho_factor(information[np.ix_(free, free)]), score[free])
        except (linalg.LinAlgError, ValueError):
            return None  # not positive definite, or not finite: the caller tells why
    return step


def _penalty_score(
    designs: SetDesigns, parameters: Float[np.ndarray, "parameter"], current: Derivatives
) -> Float[np.ndarray, "parameter"]:
    """½ tr(I⁻¹ ∂I/∂β_r) for each parameter."""
    inverse = np.linalg.pinv(current.information, hermitian=True)
    gradient = np.zeros(designs.n_parameters)
    for r in range(designs.n_parameters):
        shifted = parameters.astype(np.complex128)
        shifted[r] += 1j * _COMPLEX_STEP
        slope = np.zeros_like(inverse)
        for group in _chunks(designs.groups):
            slope += _group_derivatives(group, shifted)[2].imag / _COMPLEX_STEP
        gradient[r] = 0.5 * float(np.sum(inverse * slope))
    return gradient


def largest_fitted_difference(designs: SetDesigns, parameters: Float[np.ndarray, "parameter"]) -> float:
    """Largest difference of log weights between members of a set; beyond 30 or so the fit is at infinity."""
    spread = [np.ptp(group.design @ parameters, axis=1).max() for group in designs.groups]
    return float(max(spread))


def separating_direction(designs: SetDesigns, fitted: Maximum) -> Float[np.ndarray, "parameter"] | None:
    """A direction in which the likelihood rises for ever, or None where its maximum is finite.

    For sets with one kind of case. Exact, by linear programming [Konis2007]: the maximum is at infinity if
    and only if some combination of the covariates never ranks a case below a control of its set, and
    somewhere above. Asked only where the fit looks suspicious (not converged, or fitted differences beyond
    12 on the log scale).
    """
    if fitted.converged and largest_fitted_difference(designs, fitted.parameters) < _SUSPICIOUS_DIFFERENCE:
        return None
    from scipy import optimize  # half a second to load, and few fits come here

    n = designs.n_parameters
    pairs = []
    for group in designs.groups:
        cases, controls = np.split(group.design[:, :, 0, :], [group.n_cases[0]], axis=1)
        pairs.append((cases[:, :, None, :] - controls[:, None, :, :]).reshape(-1, n))
    differences = np.concatenate(pairs)
    scale = np.max(np.abs(differences), axis=0)
    scaled = differences / np.where(scale > 0, scale, 1.0)
    answer = optimize.linprog(
        -scaled.mean(axis=0), A_ub=-scaled, b_ub=np.zeros(scaled.shape[0]), bounds=(-1, 1), method="highs"
    )
    if answer.status != 0 or float(np.max(scaled @ answer.x)) < 1e-6:
        return None
    return np.asarray(answer.x / np.where(scale > 0, scale, 1.0))
