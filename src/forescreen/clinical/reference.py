"""The reference population: how relative risks are spread in it, and the baseline hazard that follows.

In: log relative risks of a sample of women with weights, population rates. Out: `RelativeRisks` (a few atoms
that stand for the sample), baseline `Hazards`, classes of a partial score. A population rate is the mean over
the women still at risk, λ_pop(t) = λ0(t) E[r | at risk at t], and women of high risk leave first: with H the
cumulated baseline hazard, λ0 = λ_pop / E(t), E(t) = Σ w r e^{−rH(t)} / Σ w e^{−rH(t)}. The sample stands for
the population at the first age of the rates. [Choudhury2020]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from ..errors import InputError
from .absolute import Hazards
from .rates import Rates

#: iCARE stops its iteration when E(t) changes by less than this, summed over ages.
_ICARE_CHANGE = 1e-3
_N_CLASSES = 100
_NO_MORE_ATOMS = 1e-13  # of the largest relative risk
_NO_WEIGHT = 1e-20
_BASELINE_ATOMS = 16  # E(t) is the same to rounding, and quick
#: Atoms of the rules that stand for the women of one class, or for unknown factors: 9 moments are exact, and
#: a risk is nearly a polynomial of low degree in the relative risk.
RULE_ATOMS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class RelativeRisks:
    """A distribution of relative risks: atoms on the log scale, weights above 0 that sum to 1."""

    log_relative_risk: Float[np.ndarray, "atom"]
    weight: Float[np.ndarray, "atom"]

    @property
    def mean(self) -> float:
        """Mean relative risk."""
        return float(self.weight @ np.exp(self.log_relative_risk))

    @property
    def mean_log(self) -> float:
        """Mean of the log relative risk."""
        return float(self.weight @ self.log_relative_risk)

    @property
    def attributable_fraction(self) -> float:
        """1 − 1/E[r]: the share of cases that would not be if all women had relative risk 1 [Gail1989]."""
        return 1 - 1 / self.mean


def relative_risks(
    log_relative_risk: Float[np.ndarray, "woman"], weight: Float[np.ndarray, "woman"] | None = None
) -> RelativeRisks:
    """The distribution in a reference sample, women of equal relative risk joined.

    `weight` (sampling weights of any scale, >= 0) is 1 each by default. Raises InputError for an empty
    sample, log relative risks that are not finite, weights that are negative, not finite or all 0.
    """
    weights = np.ones(log_relative_risk.size) if weight is None else np.asarray(weight, dtype=float)
    if weights.size != log_relative_risk.size or log_relative_risk.size == 0:
        raise InputError(
            expected="a weight for every woman of the reference sample, at least one woman",
            found=f"{log_relative_risk.size} women, {weights.size} weights",
            where="reference sample",
        )
    n_unknown = int(np.count_nonzero(~np.isfinite(log_relative_risk)))
    if n_unknown:
        raise InputError(
            expected="women whose factors are all known",
            found=f"{n_unknown} women without a relative risk",
            where="reference sample",
            remedy="Leave them out or impute their factors first",
        )
    if not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() <= 0:
        raise InputError(
            expected="weights of 0 or more, some above", found="others", where="reference sample, weights"
        )
    atoms, place = np.unique(log_relative_risk, return_inverse=True)
    total = np.bincount(place, weights=weights, minlength=atoms.size)
    kept = total > 0
    return RelativeRisks(log_relative_risk=atoms[kept], weight=total[kept] / total.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Rules:
    """Several small distributions of relative risks with as many atoms each; atoms of weight 0 fill up."""

    log_relative_risk: Float[np.ndarray, "rule atom"]
    weight: Float[np.ndarray, "rule atom"]

    @property
    def mean(self) -> Float[np.ndarray, "rule"]:
        """Mean relative risk of each."""
        return np.asarray((self.weight * np.exp(self.log_relative_risk)).sum(axis=1))

    @staticmethod
    def of(distributions: Sequence[RelativeRisks]) -> Rules:
        """The distributions side by side, as they are."""
        width = max((one.weight.size for one in distributions), default=1)
        log_risk, weight = np.zeros((len(distributions), width)), np.zeros((len(distributions), width))
        for row, one in enumerate(distributions):
            log_risk[row, : one.weight.size] = one.log_relative_risk
            log_risk[row, one.weight.size :] = one.log_relative_risk[-1]
            weight[row, : one.weight.size] = one.weight
        return Rules(log_relative_risk=log_risk, weight=weight)


def gauss_rule(population: RelativeRisks, n_atoms: int = RULE_ATOMS) -> RelativeRisks:
    """At most `n_atoms` atoms with the same mean of every polynomial in r up to degree 2 n_atoms − 1.

    The Gauss rule of the distribution [Golub1969]; functions like e^{−rH} with small H are reproduced to
    rounding. A distribution with no more atoms is returned as it is. Raises InputError for n_atoms < 1.
    """
    if n_atoms < 1:
        raise InputError(expected="at least 1 atom", found=str(n_atoms), where="n_atoms")
    if population.weight.size <= n_atoms:
        return population
    rules = gauss_rules(population.log_relative_risk[None], population.weight[None], n_atoms)
    kept = rules.weight[0] > 0
    return RelativeRisks(log_relative_risk=rules.log_relative_risk[0, kept], weight=rules.weight[0, kept])


def gauss_rules(
    log_relative_risk: Float[np.ndarray, "rule atom"],
    weight: Float[np.ndarray, "rule atom"],
    n_atoms: int = RULE_ATOMS,
) -> Rules:
    """Gauss rules of several distributions at once; weights >= 0 of any scale, some above 0 in each row.

    Nodes and weights are eigenvalues and squared first components of eigenvectors of the Jacobi matrix, which
    Lanczos' iteration on the atoms finds, fully reorthogonalised.
    """
    top = np.where(weight > 0, log_relative_risk, -np.inf).max(axis=1, keepdims=True)
    x = np.where(weight > 0, np.exp(log_relative_risk - top), 0.0)
    share = weight / weight.sum(axis=1, keepdims=True)
    n = x.shape[0]
    basis = np.zeros((n, n_atoms, x.shape[1]))
    basis[:, 0] = np.sqrt(share)
    jacobi = np.zeros((n, n_atoms, n_atoms))
    for k in range(n_atoms):
        step = x * basis[:, k]
        jacobi[:, k, k] = np.einsum("ra,ra->r", basis[:, k], step)
        if k + 1 == n_atoms:
            break
        known = basis[:, : k + 1]
        for _ in range(2):  # twice is enough
            step = step - np.einsum("rka,rk->ra", known, np.einsum("rka,ra->rk", known, step))
        length = np.sqrt(np.einsum("ra,ra->r", step, step))
        length[length < _NO_MORE_ATOMS] = 0.0
        basis[:, k + 1] = step / np.where(length > 0, length, np.inf)[:, None]
        jacobi[:, k, k + 1] = jacobi[:, k + 1, k] = length
    nodes, vectors = np.linalg.eigh(jacobi)
    found = vectors[:, 0] ** 2
    lowest = np.where(weight > 0, x, 1.0).min(axis=1, keepdims=True)
    # Where a distribution has fewer atoms, the rest of the matrix is empty: weight 0, at any place.
    inside = (nodes >= lowest * (1 - 1e-9)) & (found > _NO_WEIGHT)
    found = np.where(inside, found, 0.0)
    return Rules(
        log_relative_risk=np.log(np.where(inside, nodes, 1.0)) + top,
        weight=found / found.sum(axis=1, keepdims=True),
    )


def independent_product(parts: Sequence[Rules], *, n_atoms: int = RULE_ATOMS) -> Rules:
    """Rule by rule, the distribution of the product of independent relative risks; at least one part."""
    log_risk, weight = parts[0].log_relative_risk, parts[0].weight
    for part in parts[1:]:
        shape = (weight.shape[0], weight.shape[1] * part.weight.shape[1])
        log_risk = (log_risk[:, :, None] + part.log_relative_risk[:, None, :]).reshape(shape)
        weight = (weight[:, :, None] * part.weight[:, None, :]).reshape(shape)
        if weight.shape[1] > n_atoms:
            rules = gauss_rules(log_risk, weight, n_atoms)
            log_risk, weight = rules.log_relative_risk, rules.weight
    return Rules(log_relative_risk=log_risk, weight=weight)


def baseline_hazards(
    rates: Rates, population: RelativeRisks, *, mode: Literal["exact", "icare"] = "exact"
) -> Hazards:
    """Hazards at relative risk 1 in a population with these rates and relative risks.

    exact: the cumulated baseline hazard H at every edge is the root of Σ w e^{−rH} = e^{−Λ}, with Λ the
    cumulated population incidence: without competing deaths the mean risk over the population is then exactly
    the population's, over every piece. icare: by whole years, E(t) started at the mean relative risk and
    iterated as in iCARE until Σ_t |ΔE| < 1e-3, with the hazards of the years before t in place of the
    integral.

    Raises InputError where mode icare meets edges that are not whole years. References: [Choudhury2020].
    """
    population = gauss_rule(population, _BASELINE_ATOMS)
    if mode == "icare":
        return _icare_hazards(rates, population)
    cumulated = np.concatenate(([0.0], np.cumsum(rates.incidence * np.diff(rates.edges))))
    baseline = _invert(cumulated, population)
    event = np.maximum(np.diff(baseline), 0.0) / np.diff(rates.edges)
    return Hazards(edges=rates.edges, event=event, competing=rates.mortality)


def _invert(cumulated: Float[np.ndarray, "edge"], population: RelativeRisks) -> Float[np.ndarray, "edge"]:
    """H with log Σ w e^{−rH} = −Λ: Newton from below on a convex falling function, so it never overshoots."""
    risk = np.exp(population.log_relative_risk)
    mean = float(population.weight @ risk)
    hazard = cumulated / mean
    for _ in range(100):
        at_risk = population.weight * np.exp(-np.multiply.outer(hazard, risk))
        total = at_risk.sum(axis=1)
        step = (np.log(total) + cumulated) * total / (at_risk @ risk)
        hazard = hazard + step
        if np.all(np.abs(step) <= 1e-14 * hazard):
            break
    return np.asarray(hazard)


def _icare_hazards(rates: Rates, population: RelativeRisks) -> Hazards:
    if np.any(rates.edges != np.round(rates.edges)):
        raise InputError(
            expected="rates by whole years of age for mode icare", found="others", where=f"rates {rates.name}"
        )
    edges = np.arange(rates.edges[0], rates.edges[-1] + 1)
    piece = np.searchsorted(rates.edges, edges[:-1], side="right") - 1
    incidence, mortality = rates.incidence[piece], rates.mortality[piece]
    risk = np.exp(population.log_relative_risk)
    mean = np.full(incidence.size, population.mean)
    change = np.inf
    while change >= _ICARE_CHANGE:
        before = np.concatenate(([0.0], np.cumsum(incidence / mean)[:-1]))
        at_risk = population.weight * np.exp(-np.multiply.outer(before, risk))
        new = (at_risk @ risk) / at_risk.sum(axis=1)
        change = float(np.abs(new - mean).sum())
        mean = new
    return Hazards(edges=edges, event=incidence / mean, competing=mortality)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoreClasses:
    """Classes of neighbouring partial scores in a reference sample, and the relative risks of their women.

    A woman of whom only a part of the score is known is averaged over the women of her class. `rules` are
    Gauss rules of their complete relative risks; `mean_log` the weighted means of their complete scores.
    """

    cuts: Float[np.ndarray, "cut"]
    rules: Rules
    mean_log: Float[np.ndarray, "class"]

    def place(self, partial: Float[np.ndarray, "woman"]) -> Int[np.ndarray, "woman"]:
        """The class of each partial score; scores below all of the sample belong to the lowest."""
        found = np.searchsorted(self.cuts, partial, side="right") - 1
        return np.clip(found, 0, self.mean_log.size - 1)


def score_classes(
    partial: Float[np.ndarray, "woman"],
    complete: Float[np.ndarray, "woman"],
    weight: Float[np.ndarray, "woman"] | None = None,
) -> ScoreClasses:
    """iCARE's classes of a partial score in a reference sample: hundredths, cut points rounded down.

    `partial` is the sum of the terms that are known of the women asked about, `complete` of all, both of the
    reference women. Cut points are the unweighted quantiles 0, 1 %, … 100 %, rounded down to as many decimals
    as there are powers of ten from 10 to 10^16 in 1/(0.001 · their standard deviation); equal ones are
    joined; a class is closed on the left, and the last is open above. Over a class the women count by weight.
    A class that rounding left empty takes its neighbours on both sides until it holds somebody.
    [Choudhury2020]
    """
    weights = np.ones(partial.size) if weight is None else weight
    cuts = np.quantile(partial, np.arange(_N_CLASSES + 1) / _N_CLASSES)
    decimals = np.count_nonzero(1 / (1e-3 * max(float(np.std(cuts)), 1e-12)) >= 10.0 ** np.arange(1, 17))
    cuts = np.unique(np.floor(cuts * 10.0**decimals) / 10.0**decimals)
    place = np.searchsorted(cuts, partial, side="right") - 1
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(cuts.size + 1))
    rules, means = [], np.zeros(cuts.size)
    for k in range(cuts.size):
        low, high = k, k + 1
        while not weights[order[bounds[low] : bounds[high]]].sum() > 0:
            low, high = max(low - 1, 0), min(high + 1, cuts.size)
        women = order[bounds[low] : bounds[high]]
        rules.append(gauss_rule(relative_risks(complete[women], weights[women])))
        means[k] = np.average(complete[women], weights=weights[women])
    return ScoreClasses(cuts=cuts, rules=Rules.of(rules), mean_log=means)
