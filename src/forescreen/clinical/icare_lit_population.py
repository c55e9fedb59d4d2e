"""The reference populations of iCARE-Lit as summaries: relative risks as a few atoms, factors as shares.

In: coded columns of women. Out: what is known of their relative risks. The atoms are Gauss rules: from 50, of
the sample that comes with the model; under 50, derived from published results. The shares of the levels
average over unknown factors; factors in different blocks are taken to be independent, those of one block are
kept together (births with the age at the first, hormone therapy with its type and body mass).
docs/methods/icare-lit.md tells how they were made and how well they do. [Choudhury2020]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from jaxtyping import Bool, Float, Int

from .coefficients import rows_of
from .icare_lit_columns import MENOPAUSE_LEVELS, Part, coefficients, columns_of, menopause_bounds
from .log_linear import Column, LogLinear, coded_column, scores
from .periods import Known, Sample
from .reference import RelativeRisks, Rules, gauss_rule, independent_product, relative_risks
from .women import Women

_KEY_BASE = 64  # more than the codes of any column, −25 to 6 and above


@dataclass(frozen=True, kw_only=True, eq=False)
class Block:
    """Factors that are kept together: the shares of their combinations, and the log relative risk of each.

    A column that says nothing in a combination (the age at first birth where there is none) is −1 in it.
    """

    model: LogLinear
    codes: Float[np.ndarray, "combination column"]
    weight: Float[np.ndarray, "combination"]
    log_relative_risk: Float[np.ndarray, "combination"]

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns."""
        return self.model.columns

    def possible(self, codes: Float[np.ndarray, "column"]) -> Bool[np.ndarray, "combination"]:
        """Combinations that agree with what is known of a woman; all where none does."""
        agree = np.ones(self.weight.size, dtype=bool)
        for k, (column, code) in enumerate(zip(self.columns, codes, strict=True)):
            if code >= 0:
                agree &= self.codes[:, k] == code
            elif column == "age_at_menopause":
                lowest, highest = menopause_bounds(int(code))
                levels = self.model.levels[column]
                allowed = [levels.index(level) for level in MENOPAUSE_LEVELS[lowest : highest + 1]]
                agree &= np.isin(self.codes[:, k], allowed)
        return agree if agree.any() else np.ones_like(agree)

    def given(self, codes: Float[np.ndarray, "column"]) -> RelativeRisks:
        """Relative risks of women of whom this is known."""
        possible = self.possible(codes)
        return relative_risks(self.log_relative_risk[possible], self.weight[possible])


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """One part of the model: relative risks in its population, and its factors in blocks."""

    relative_risks: RelativeRisks
    blocks: tuple[Block, ...]

    @property
    def shift(self) -> float:
        """Log of the population's mean relative risk over that of independent blocks."""
        return float(np.log(self.relative_risks.mean)) - sum(
            float(np.log(relative_risks(block.log_relative_risk, block.weight).mean)) for block in self.blocks
        )

    @property
    def variance(self) -> float:
        """Variance of the log relative risk over independent blocks."""
        return sum(_variance(relative_risks(block.log_relative_risk, block.weight)) for block in self.blocks)


@cache
def population(part: Part) -> Population:
    """The summary that comes with the package."""
    rows = [row for row in rows_of("icare_lit_relative_risks") if row["part"] == part]
    atoms = RelativeRisks(
        log_relative_risk=np.array([float(row["log_relative_risk"]) for row in rows]),
        weight=np.array([float(row["weight"]) for row in rows]),
    )
    cells: dict[tuple[str, ...], list[tuple[dict[str, str], float]]] = {}
    for row in rows_of("icare_lit_factors"):
        if row["part"] in (part, "both"):
            pairs = dict(pair.split(": ") for pair in row["levels"].split("; "))
            cells.setdefault(tuple(row["block"].split()), []).append((pairs, float(row["weight"])))
    return Population(
        relative_risks=atoms, blocks=tuple(_block(part, columns, rows) for columns, rows in cells.items())
    )


def sample_of(women: Women, part: Part, weight: Float[np.ndarray, "woman"] | None = None) -> Sample:
    """Women as a reference sample; those with unknown factors are left out."""
    model, columns = coefficients(part), columns_of(women, part)
    found = scores(model, columns)
    kept = found.complete
    weights = np.ones(women.n) if weight is None else np.asarray(weight, dtype=float)
    return Sample(
        model=model,
        columns={name: column[kept] for name, column in columns.items()},
        complete=found.observed[kept],
        weight=weights[kept],
    )


def known_from_shares(part: Part, columns: Mapping[str, Column]) -> Known:
    """Women's relative risks, unknown factors averaged over the shares of the summary.

    Of a block that is known in part, the combinations that agree with it are taken. Independence of blocks is
    not quite true: the difference it makes to the mean relative risk, of a woman of whom nothing is known, is
    made up for in proportion to the variance of what is unknown.
    """
    summary = population(part)
    n = next(iter(columns.values())).shape[0]
    offset = np.zeros(n)
    combined = np.zeros(n, dtype=np.int64)
    rules: list[Rules] = []
    spreads: list[np.ndarray] = []
    sizes: list[int] = []
    for block in summary.blocks:
        found = scores(block.model, columns)
        whole = found.complete
        offset += np.where(whole, found.observed, 0.0)
        place, distinct = _distinct(block, columns, ~whole)
        distributions = [block.given(codes) for codes in distinct]
        nothing = relative_risks(np.zeros(1))
        rules.append(Rules.of([nothing, *(gauss_rule(one) for one in distributions)]))
        spreads.append(np.array([0.0, *(_variance(one) for one in distributions)]))
        combined = combined * (len(distinct) + 1) + place
        sizes.append(len(distinct) + 1)
    kept = np.flatnonzero(combined)
    keys, rule = np.unique(combined[kept], return_inverse=True)
    places: list[np.ndarray] = []
    rest = keys
    for size in reversed(sizes):
        places.insert(0, rest % size)
        rest = rest // size
    parts = [
        Rules(log_relative_risk=one.log_relative_risk[place], weight=one.weight[place])
        for one, place in zip(rules, places, strict=True)
    ]
    spread = sum(one[place] for one, place in zip(spreads, places, strict=True))
    both = independent_product(parts)
    every = np.full(n, -1)
    every[kept] = rule
    shift = summary.shift * np.asarray(spread) / summary.variance
    return Known(
        offset=offset,
        rule=every,
        rules=Rules(log_relative_risk=both.log_relative_risk + shift[:, None], weight=both.weight),
    )


def _distinct(
    block: Block, columns: Mapping[str, Column], incomplete: Bool[np.ndarray, "woman"]
) -> tuple[Int[np.ndarray, "woman"], list[np.ndarray]]:
    """For incomplete women 1, 2, … by what is known of the block, 0 for the others; and what that is."""
    women = np.flatnonzero(incomplete)
    place = np.zeros(incomplete.size, dtype=np.int64)
    if women.size == 0:
        return place, []
    codes = np.stack([np.nan_to_num(columns[c][women], nan=-1.0) for c in block.columns], axis=1)
    key = np.zeros(women.size, dtype=np.int64)
    for column in codes.T:
        key = key * _KEY_BASE + (column + _KEY_BASE // 2).astype(np.int64)
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    place[women] = inverse + 1
    return place, list(codes[first])


def _block(part: Part, names: tuple[str, ...], rows: list[tuple[dict[str, str], float]]) -> Block:
    whole = coefficients(part)
    terms = tuple(term for term in whole.terms if set(term.columns) <= set(names))
    model = LogLinear(
        terms=terms, levels={name: whole.levels[name] for name in names if name in whole.levels}
    )
    columns = {
        name: coded_column(model, name, [pairs.get(name) for pairs, _ in rows], where="icare_lit_factors")
        for name in model.columns
    }
    return Block(
        model=model,
        codes=np.stack(
            [np.nan_to_num(columns[name].astype(float), nan=-1.0) for name in model.columns], axis=1
        ),
        weight=np.array([weight for _, weight in rows]),
        log_relative_risk=scores(model, columns).observed,
    )


def _variance(distribution: RelativeRisks) -> float:
    mean = distribution.mean_log
    return float(distribution.weight @ (distribution.log_relative_risk - mean) ** 2)
