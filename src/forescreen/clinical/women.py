"""Women with their clinical factors, as columns; what is wrong with a row stands beside it.

In: typed columns. Out: `Women`, which every model takes. A row that contradicts itself is not dropped and
not mended: it keeps its place, and its reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import FactorError
from .factors import FACTORS


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Why a row cannot be trusted: the row (counted from 0), a code, the factor, and a sentence.

    `factor` names the column that is wrong; a model that does not use it may go on.
    """

    row: int
    code: str
    factors: tuple[str, ...]
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Women:
    """`n` women in a fixed order.

    `values` holds numbers as float with NaN for unknown; levels as their place in `Factor.levels`, -1 for
    unknown; `birth_ages` as float of shape (woman, birth), NaN after the last birth and unknown where all are
    NaN. A factor that is absent is unknown for all. Raises FactorError for an unknown factor and a column of
    another length. Ranges are for readers, who tell them by row; a reader of another program's file keeps
    what that program accepts (BCRA: menarche at 5).
    """

    n: int
    values: Mapping[str, np.ndarray]
    problems: Sequence[Problem] = field(default=())

    def __post_init__(self) -> None:
        for name, column in self.values.items():
            if name not in FACTORS:
                raise FactorError(
                    expected="a factor of forescreen.clinical.factors", found=name, where="clinical factors"
                )
            if column.shape[0] != self.n:
                raise FactorError(
                    expected=f"{self.n} values", found=f"shape {column.shape}", where=f"factor {name}"
                )

    def number(self, name: str) -> Float[np.ndarray, "woman"]:
        """A number of every woman, NaN where unknown."""
        if not FACTORS[name].is_number or name == "birth_ages":
            raise FactorError(expected="a factor that is a number", found=name, where="clinical factors")
        column = self.values.get(name)
        return np.full(self.n, np.nan) if column is None else np.asarray(column, dtype=float)

    def level(self, name: str) -> Int[np.ndarray, "woman"]:
        """The place of every woman's level in `FACTORS[name].levels`, -1 where unknown."""
        if FACTORS[name].is_number:
            raise FactorError(expected="a factor with levels", found=name, where="clinical factors")
        column = self.values.get(name)
        return np.full(self.n, -1, dtype=np.int8) if column is None else np.asarray(column)

    def has(self, name: str, *levels: str) -> Bool[np.ndarray, "woman"]:
        """Women whose level is one of `levels`; unknown is none of them."""
        places = [FACTORS[name].levels.index(level) for level in levels]
        return np.isin(self.level(name), places)

    def births(self) -> Float[np.ndarray, "woman birth"]:
        """Ages at all births, NaN after the last; shape (woman, 0) where nobody's are known."""
        column = self.values.get("birth_ages")
        return np.full((self.n, 0), np.nan) if column is None else np.asarray(column, dtype=float)

    def known(self, name: str) -> Bool[np.ndarray, "woman"]:
        """Women whose factor is known."""
        if name == "birth_ages":
            return np.asarray(np.isfinite(self.births()).any(axis=1))
        if FACTORS[name].is_number:
            return np.asarray(np.isfinite(self.number(name)))
        return np.asarray(self.level(name) >= 0)

    def troubled(self, factors: Sequence[str]) -> Bool[np.ndarray, "woman"]:
        """Women with a problem in one of these factors."""
        mask = np.zeros(self.n, dtype=bool)
        used = set(factors)
        rows = [problem.row for problem in self.problems if used & set(problem.factors)]
        mask[rows] = True
        return mask


def from_levels(n: int, **columns: Sequence[float | str | None]) -> Women:
    """Women from plain values: numbers, names of levels, None for unknown. For tests and examples."""
    values: dict[str, np.ndarray] = {}
    for name, cells in columns.items():
        factor = FACTORS.get(name)
        if factor is None or name == "birth_ages":
            raise FactorError(expected="a factor with one value", found=name, where="clinical factors")
        if factor.is_number:
            values[name] = np.array([np.nan if cell is None else float(cell) for cell in cells])
        else:
            places = [-1 if cell is None else factor.levels.index(str(cell)) for cell in cells]
            values[name] = np.array(places, dtype=np.int8)
    return Women(n=n, values=values)
