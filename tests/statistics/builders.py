"""Small data for tests of statistics, and slow definitions to hold the fast code against."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import dataclass
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

#: Arithmetic that is exact up to rounding.
EXACT = 1e-12
#: The same algorithm elsewhere (R, closed forms through an iteration).
SAME_ALGORITHM = 1e-9
#: Another algorithm for the same quantity (numerical optimiser, numerical derivative).
OTHER_ALGORITHM = 1e-4


@dataclass(frozen=True, kw_only=True)
class Matched:
    """Rows of matched sets."""

    X: Float[np.ndarray, "row covariate"]
    case: Bool[np.ndarray, "row"]
    sets: Int[np.ndarray, "row"]

    @property
    def score(self) -> Float[np.ndarray, "row"]:
        return self.X[:, 0]


def build_matched(
    *,
    seed: int = 0,
    n_sets: int = 20,
    cases: tuple[int, ...] = (1,),
    controls: tuple[int, ...] = (1, 2, 3),
    n_covariates: int = 2,
    effect: float = 0.5,
    decimals: int | None = None,
) -> Matched:
    """Sets of varying shape with a shift of `effect` in the cases; few `decimals` make ties."""
    rng = np.random.default_rng(seed)
    case, sets = [], []
    for number in range(n_sets):
        a, m = cases[number % len(cases)], controls[number % len(controls)]
        case += [True] * a + [False] * m
        sets += [number] * (a + m)
    marks = np.array(case)
    X = rng.normal(size=(marks.size, n_covariates)) + effect * marks[:, None]
    X += rng.normal(size=(n_sets, n_covariates))[np.array(sets)]
    if decimals is not None:
        X = np.round(X, decimals)
    return Matched(X=X, case=marks, sets=np.array(sets))


def pairs_of_one_binary_covariate(
    *, only_case: int, only_control: int, both: int = 0, neither: int = 0
) -> Matched:
    """1:1 pairs of an exposure, by who of the pair is exposed."""
    exposed: list[float] = []
    for n, pair in ((only_case, (1, 0)), (only_control, (0, 1)), (both, (1, 1)), (neither, (0, 0))):
        exposed += [float(x) for x in pair] * n
    n_pairs = len(exposed) // 2
    return Matched(
        X=np.array(exposed)[:, None],
        case=np.tile([True, False], n_pairs),
        sets=np.repeat(np.arange(n_pairs), 2),
    )


def enumerated_log_likelihood(data: Matched, beta: Float[np.ndarray, "covariate"]) -> float:
    """Exact conditional log-likelihood by writing out every choice of cases."""
    total = 0.0
    for label in np.unique(data.sets):
        rows = np.flatnonzero(data.sets == label)
        predictor = data.X[rows] @ beta
        chosen = data.case[rows]
        ways = [predictor[list(r)].sum() for r in combinations(range(rows.size), int(chosen.sum()))]
        total += predictor[chosen].sum() - math.log(sum(math.exp(w) for w in ways))
    return total


def enumerated_two_type_log_likelihood(
    data: Matched, kind: Int[np.ndarray, "row"], beta: Float[np.ndarray, "type covariate"]
) -> float:
    """The same with cases of types 0 and 1 (kind 2 is a control): every assignment of the marks."""
    total = 0.0
    for label in np.unique(data.sets):
        rows = np.flatnonzero(data.sets == label)
        marks = kind[rows].tolist()
        predictor = np.column_stack([data.X[rows] @ beta[0], data.X[rows] @ beta[1], np.zeros(rows.size)])
        ways = {
            way: math.exp(sum(predictor[i, mark] for i, mark in enumerate(way)))
            for way in set(permutations(marks))
        }
        total += math.log(ways[tuple(marks)] / sum(ways.values()))
    return total


def enumerated_concordance(score: Float[np.ndarray, "row"], data: Matched) -> dict[int, float]:
    """Within-set concordance of every set, pair by pair."""
    answer = {}
    for label in np.unique(data.sets).tolist():
        rows = data.sets == label
        cases, controls = score[rows & data.case], score[rows & ~data.case]
        wins = [float(c > j) + 0.5 * float(c == j) for c in cases for j in controls]
        answer[label] = sum(wins) / len(wins)
    return answer


def gradient(function: Any, at: Float[np.ndarray, "parameter"], step: float = 1e-5) -> np.ndarray:
    """Central differences."""
    slopes = []
    for i in range(at.size):
        up, down = at.copy(), at.copy()
        up[i] += step
        down[i] -= step
        slopes.append((np.asarray(function(up)) - np.asarray(function(down))) / (2 * step))
    return np.array(slopes)


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """Columns of a CSV as text."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def read_reference(path: Path) -> Any:
    """Expected numbers of a JSON file."""
    return json.loads(path.read_text())


def indicator(column: np.ndarray, value: str) -> Float[np.ndarray, "row"]:
    """1 where the text is `value`, nan where it is missing."""
    return np.where(np.isin(column, ["NA", ""]), np.nan, (column == value).astype(float))
