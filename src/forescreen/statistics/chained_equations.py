"""Unknown covariates drawn from what is known, several times: multiple imputation by chained equations.

In: covariates with unknown values (nan), complete columns beside them, marks of the rows that equations may
be fitted on. Out: m completed copies. Every variable has an equation in all others; its unknown values are
drawn by predictive mean matching: each becomes the value of a woman whose predicted value is near, so that
a draw is always a value that occurs. In matched sets the means of the other members of the set stand in every
equation [Seaman2015]. The estimates from the copies are pooled in `imputation`. [Buuren2011]

What the equations hold decides what the copies are for: odds ratios need the outcome among the columns
beside; predictions must not have it, and are fitted on development rows alone (`fit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Shaped

from ..errors import InputError
from .rows import label_codes

#: Rounds through all variables before a copy is taken; chains of clinical factors mix in a few.
N_CYCLES = 10
#: Nearest rows of which one gives its value, as in mice [Buuren2011].
N_DONORS = 5
#: Fewer known values than this cannot carry an equation.
LEAST_KNOWN = 20
#: Relative ridge of the equations, against columns that determine each other (that of mice).
_RIDGE = 1e-5


@dataclass(frozen=True, kw_only=True, eq=False)
class Variable:
    """One covariate, nan where unknown.

    `levels` are the codes of a variable that is no number: the others see it as indicators of all but the
    first, while its own equation takes the codes as an order. `only_if` names a 0/1 variable before it
    without which it has no value (an age at first birth without a birth).
    """

    name: str
    values: Float[np.ndarray, "row"]
    levels: tuple[float, ...] = ()
    only_if: str = ""


def chained_imputations(
    variables: Sequence[Variable],
    *,
    beside: Float[np.ndarray, "row column"],
    fit: Bool[np.ndarray, "row"],
    sets: Shaped[np.ndarray, "row"] | None = None,
    n_imputations: int,
    seed: int,
    n_cycles: int = N_CYCLES,
    n_donors: int = N_DONORS,
) -> Float[np.ndarray, "imputation row variable"]:
    """The variables completed `n_imputations` times; nan only where `only_if` says that there is no value.

    beside: complete columns that every equation has: matching variables, and the outcome where the copies are
    for inference. fit: rows whose known values fit the equations and are given to others; the other rows
    only receive, and change nothing in the rows that are fitted on. sets: matched sets, whose other members'
    means enter the equations; None leaves them out. Same seed, same copies; the first of more copies are
    those of fewer.

    Assumes that whether a value is unknown depends on what is known only (missing at random), and equations
    that are linear in the other variables. Raises InputError for unknown values beside, fewer than two
    imputations, or a variable that fewer than 20 fitted rows know.
    """
    _check(variables, beside, fit, n_imputations)
    completed = np.stack([variable.values for variable in variables], axis=-1)
    result = np.repeat(completed[None], n_imputations, axis=0)
    of_set = None if sets is None else label_codes(sets, "set")
    for i in range(n_imputations):
        # Rows outside `fit` have a stream of their own: who is predicted does not touch what is fitted.
        streams = np.random.default_rng([seed, i, 0]), np.random.default_rng([seed, i, 1])
        _Chain(variables, beside, fit, of_set, streams, n_donors).run(result[i], n_cycles)
    return result


class _Chain:
    """One imputation in the making.

    `columns` is what equations choose from, kept in step with the current values: 1, the columns beside,
    every variable as the others see it, and the means of these over the other members of the set.
    """

    def __init__(
        self,
        variables: Sequence[Variable],
        beside: Float[np.ndarray, "row column"],
        fit: Bool[np.ndarray, "row"],
        of_set: Shaped[np.ndarray, "row"] | None,
        streams: tuple[np.random.Generator, np.random.Generator],
        n_donors: int,
    ) -> None:
        self.variables = variables
        self.place = {variable.name: j for j, variable in enumerate(variables)}
        self.fit, self.of_set = fit, of_set
        self.streams, self.n_donors = streams, n_donors
        self.known = [np.isfinite(v.values) for v in variables]
        inside = [v.values[fit & known] for v, known in zip(variables, self.known, strict=True)]
        self.scale = [(float(x.mean()), float(x.std()) or 1.0) for x in inside]
        centre, spread = beside[fit].mean(axis=0), beside[fit].std(axis=0)
        units = (beside - centre) / np.where(spread > 0, spread, 1.0)
        widths = [max(len(v.levels) - 1, 1) for v in variables]
        ends = 1 + beside.shape[1] + np.cumsum([0, *widths])
        n = int(ends[-1])
        self.block = [slice(int(i), int(j)) for i, j in pairwise(ends)]
        self.n_own = n - int(ends[0])
        total = n + (0 if of_set is None else self.n_own)
        self.columns = np.zeros((len(fit), total))
        self.columns[:, 0] = 1.0
        self.columns[:, 1 : int(ends[0])] = units

    def run(self, current: Float[np.ndarray, "row variable"], n_cycles: int) -> None:
        incomplete = [j for j, v in enumerate(self.variables) if wanting(v, self.variables).any()]
        for j in range(len(self.variables)):
            if j in incomplete:  # to begin with: values of any row
                donors = self.variables[j].values[self.fit & self.known[j]]
                for rows, stream in self._receivers(current, j):
                    current[rows, j] = stream.choice(donors, size=rows.size)
            self._show(current, j)
        alone = len(incomplete) == 1 and self.of_set is None  # nothing that a second round could change
        for _ in range(1 if alone else n_cycles):
            for j in incomplete:
                self._draw(current, j)
                self._show(current, j)

    def _draw(self, current: Float[np.ndarray, "row variable"], j: int) -> None:
        """New values where the variable is unknown, from its equation in everything else."""
        name, rows = self.variables[j].name, np.flatnonzero(self.fit & self.known[j])
        used = np.ones(self.columns.shape[1], dtype=bool)
        for variable, block in zip(self.variables, self.block, strict=True):
            used[block] = variable.name != name and variable.only_if != name
        y, stream = self.variables[j].values[rows], self.streams[0]
        fitted = self.columns[rows]
        posterior = _posterior(fitted, y, used, stream)
        donors = _Donors(fitted @ posterior.mean, y, stream)
        for receivers, own in self._receivers(current, j):
            wanted = self.columns[receivers] @ posterior.drawn
            current[receivers, j] = donors.give(wanted, self.n_donors, own)
        if self.variables[j].only_if:
            current[~self._applies(current, j), j] = np.nan

    def _show(self, current: Float[np.ndarray, "row variable"], j: int) -> None:
        """A variable as others see it: indicators of levels, or standard units; 0 where it has no value."""
        values, levels, block = current[:, j], self.variables[j].levels, self.block[j]
        if levels:
            self.columns[:, block] = np.stack([values == level for level in levels[1:]], axis=1)
        else:
            mean, spread = self.scale[j]
            self.columns[:, block.start] = np.nan_to_num((values - mean) / spread)
        if self.of_set is not None:
            others = slice(block.start + self.n_own, block.stop + self.n_own)
            self.columns[:, others] = means_of_others(self.columns[:, block], self.of_set)

    def _applies(self, current: Float[np.ndarray, "row variable"], j: int) -> Bool[np.ndarray, "row"]:
        condition = self.variables[j].only_if
        if not condition:
            return np.ones(len(current), dtype=bool)
        return np.asarray(current[:, self.place[condition]] == 1)

    def _receivers(
        self, current: Float[np.ndarray, "row variable"], j: int
    ) -> list[tuple[Shaped[np.ndarray, "receiver"], np.random.Generator]]:
        """Rows whose value is drawn, those that are fitted on and the others, each with its stream."""
        unknown = ~self.known[j] & self._applies(current, j)
        return [
            (np.flatnonzero(unknown & self.fit), self.streams[0]),
            (np.flatnonzero(unknown & ~self.fit), self.streams[1]),
        ]


@dataclass(frozen=True, eq=False)
class _Posterior:
    """Coefficients of one equation: their mean, and one draw; 0 for columns that it does not use."""

    mean: Float[np.ndarray, "column"]
    drawn: Float[np.ndarray, "column"]


def _posterior(
    X: Float[np.ndarray, "row column"],
    y: Float[np.ndarray, "row"],
    used: Bool[np.ndarray, "column"],
    stream: np.random.Generator,
) -> _Posterior:
    """Normal regression of y on the used columns (the first of them 1) with flat priors [Rubin1987]."""
    n, p = len(y), int(used.sum())
    gram = (X.T @ X)[np.ix_(used, used)]
    gram[np.arange(1, p), np.arange(1, p)] += _RIDGE * n
    level = y.mean()
    mean, drawn = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    mean[used] = np.linalg.solve(gram, (X.T @ (y - level))[used])
    mean[0] += level
    residual = float(np.sum((y - X @ mean) ** 2))
    sigma = np.sqrt(residual / stream.chisquare(max(n - p, 1)))
    noise = np.linalg.solve(np.linalg.cholesky(gram).T, stream.standard_normal(p))
    drawn[used] = mean[used] + sigma * noise
    return _Posterior(mean=mean, drawn=drawn)


class _Donors:
    """Rows with a known value, sorted by predicted value; equal predictions in random order."""

    def __init__(
        self,
        predicted: Float[np.ndarray, "donor"],
        values: Float[np.ndarray, "donor"],
        stream: np.random.Generator,
    ) -> None:
        shuffled = stream.permutation(predicted.size)
        order = shuffled[np.argsort(predicted[shuffled], kind="stable")]
        self.predicted, self.values = predicted[order], values[order]

    def give(
        self, wanted: Float[np.ndarray, "receiver"], n_donors: int, stream: np.random.Generator
    ) -> Float[np.ndarray, "receiver"]:
        """For each receiver the value of one of the `n_donors` nearest, all equally likely."""
        n = self.values.size
        k = min(n_donors, n)
        left = np.searchsorted(self.predicted, wanted, side="left")
        right = np.searchsorted(self.predicted, wanted, side="right")
        # Anywhere among equal predictions, so that all of them give.
        at = left + (stream.random(wanted.size) * (right - left + 1)).astype(np.int64)
        width = min(2 * k, n)
        window = np.clip(at - k, 0, n - width)[:, None] + np.arange(width)
        apart = np.abs(self.predicted[window] - wanted[:, None])
        nearest = np.argpartition(apart, k - 1, axis=1)[:, :k]
        one = stream.integers(k, size=wanted.size)
        rows = np.arange(wanted.size)
        return np.asarray(self.values[window[rows, nearest[rows, one]]])


def wanting(variable: Variable, variables: Sequence[Variable]) -> Bool[np.ndarray, "row"]:
    """Rows in which the variable is unknown and may have a value: its condition is 1, or unknown too."""
    unknown = ~np.isfinite(variable.values)
    for condition in variables:
        if condition.name == variable.only_if:
            unknown &= condition.values != 0
    return np.asarray(unknown)


def means_of_others(
    columns: Float[np.ndarray, "row column"], of_set: Shaped[np.ndarray, "row"]
) -> Float[np.ndarray, "row column"]:
    """The mean of each column over the other members of the row's set; the mean of all rows where she is
    alone. `of_set` numbers the sets from 0."""
    size = np.bincount(of_set)[of_set]
    totals = np.stack([np.bincount(of_set, weights=column) for column in columns.T], axis=1)
    others = (totals[of_set] - columns) / np.maximum(size - 1, 1)[:, None]
    return np.asarray(np.where((size > 1)[:, None], others, columns.mean(axis=0)))


def _check(
    variables: Sequence[Variable],
    beside: Float[np.ndarray, "row column"],
    fit: Bool[np.ndarray, "row"],
    n_imputations: int,
) -> None:
    if n_imputations < 2:
        raise InputError(expected="at least 2 imputations", found=str(n_imputations), where="n_imputations")
    if not np.isfinite(beside).all():
        raise InputError(
            expected="complete columns beside the variables",
            found=f"{int((~np.isfinite(beside)).any(axis=1).sum())} incomplete rows",
            where="imputation",
        )
    for variable in variables:
        n_known = int(np.count_nonzero(np.isfinite(variable.values) & fit))
        if n_known < LEAST_KNOWN and wanting(variable, variables).any():
            raise InputError(
                expected=f"{variable.name.replace('_', ' ')} known of at least {LEAST_KNOWN} women that "
                "are fitted on",
                found=str(n_known),
                where="imputation",
                remedy='Leave the factor out of the plan, or choose missing = "indicator"',
            )
