"""What follows from other answers: done here once for all models, and recorded.

In: women as they answered, and the problems of their rows. Out: the same with unknown factors filled in where
they follow by definition; what need not be true is assumed by models, not here. What would be derived from
a cell that is wrong stays unknown, and the problem is a problem of the derived factor, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from .contradictions import body_mass_index
from .factors import FACTORS
from .women import Problem, Women


@dataclass(frozen=True, kw_only=True, eq=False)
class Derived:
    """One derivation: the factor, those it came from, how, and whose."""

    factor: str
    sources: tuple[str, ...]
    how: str
    women: Bool[np.ndarray, "woman"]


@dataclass(frozen=True)
class _Rule:
    factor: str
    sources: tuple[str, ...]
    how: str
    value: Callable[[Women], np.ndarray]  # NaN or -1 where nothing follows


def derive(
    women: Women, problems: Sequence[Problem]
) -> tuple[dict[str, np.ndarray], tuple[Derived, ...], list[Problem]]:
    """The complete values, what was derived, and the problems, each with all factors that it reaches."""
    reach: dict[str, list[tuple[str, Bool[np.ndarray, "woman"]]]] = {}
    derived = []
    for rule in _RULES:
        unknown = ~women.known(rule.factor)
        for source in rule.sources:
            reach.setdefault(source, []).append((rule.factor, unknown))
        value = rule.value(women)
        is_known = np.isfinite(value) if FACTORS[rule.factor].is_number else value >= 0
        if rule.factor == "birth_ages":
            is_known = is_known.any(axis=1)
        filled = unknown & is_known
        if not filled.any():
            continue
        women = Women(n=women.n, values={**women.values, rule.factor: _merge(women, rule, value, filled)})
        derived.append(Derived(factor=rule.factor, sources=rule.sources, how=rule.how, women=filled))
    women, derived = _without_biopsy(women, derived)
    return dict(women.values), tuple(derived), [_reaching(problem, reach) for problem in problems]


def _without_biopsy(women: Women, derived: list[Derived]) -> tuple[Women, list[Derived]]:
    """No atypical hyperplasia where no biopsy could show it is no finding: the factor does not apply."""
    name = "atypical_hyperplasia"
    none = (women.number("n_biopsies") == 0) & women.has(name, "no")
    if not none.any():
        return women, derived
    values = {**women.values, name: np.where(none, -1, women.level(name)).astype(np.int8)}
    how = "does not apply without a biopsy; the answer no is left out"
    record = Derived(factor=name, sources=("n_biopsies",), how=how, women=none)
    return Women(n=women.n, values=values), [*derived, record]


def _reaching(problem: Problem, reach: dict[str, list[tuple[str, Bool[np.ndarray, "woman"]]]]) -> Problem:
    factors = list(problem.factors)
    for source in factors:  # grows: what is derived from the derived is reached, too
        for factor, unknown in reach.get(source, ()):
            if factor not in factors and unknown[problem.row]:
                factors.append(factor)
    if len(factors) == len(problem.factors):
        return problem
    return Problem(row=problem.row, code=problem.code, factors=tuple(factors), message=problem.message)


def _merge(women: Women, rule: _Rule, value: np.ndarray, filled: Bool[np.ndarray, "woman"]) -> np.ndarray:
    if rule.factor == "birth_ages":
        births = women.births()
        if not births.shape[1]:
            births = np.full((women.n, 1), np.nan)
        births = births.copy()
        births[filled, 0] = value[filled, 0]
        return births
    given = women.number(rule.factor) if FACTORS[rule.factor].is_number else women.level(rule.factor)
    return np.where(filled, value, given).astype(given.dtype)


def _count_as_answer(count: str) -> Callable[[Women], np.ndarray]:
    def value(women: Women) -> np.ndarray:
        n = women.number(count)
        return np.where(np.isnan(n), -1, np.where(n > 0, 1, 0))

    return value


def _answer_as_count(answer: str, level: str, n: float) -> Callable[[Women], np.ndarray]:
    return lambda women: np.where(women.has(answer, level), n, np.nan)


def _level_where(
    factor: str, level: str, holds: Callable[[Women], np.ndarray]
) -> Callable[[Women], np.ndarray]:
    place = FACTORS[factor].levels.index(level)
    return lambda women: np.where(holds(women), place, -1)


def _n_births(women: Women) -> np.ndarray:
    n = np.isfinite(women.births()).sum(axis=1)
    return np.where(n > 0, n, np.nan)


def _first_birth(women: Women) -> np.ndarray:
    births = women.births()
    return births[:, 0] if births.shape[1] else np.full(women.n, np.nan)


def _only_birth(women: Women) -> np.ndarray:
    return np.where(women.number("parity") == 1, women.number("first_birth_age"), np.nan)[:, None]


#: In order: later ones may use what earlier ones found.
_RULES = (
    _Rule("bmi", ("height_cm", "weight_kg"), "weight_kg / (height_cm / 100)²", body_mass_index),
    _Rule("parity", ("birth_ages",), "the number of birth_ages", _n_births),
    _Rule("first_birth_age", ("birth_ages",), "the first of birth_ages", _first_birth),
    _Rule("birth_ages", ("parity", "first_birth_age"), "the only birth is the first", _only_birth),
    _Rule(
        "family_history", ("n_relatives",), "whether n_relatives is above 0", _count_as_answer("n_relatives")
    ),
    _Rule(
        "n_relatives",
        ("family_history",),
        "0 where family_history is no",
        _answer_as_count("family_history", "no", 0.0),
    ),
    _Rule("breast_biopsy", ("n_biopsies",), "whether n_biopsies is above 0", _count_as_answer("n_biopsies")),
    _Rule(
        "breast_biopsy",
        ("atypical_hyperplasia",),
        "yes where atypical_hyperplasia, which only a biopsy shows",
        _level_where("breast_biopsy", "yes", lambda women: women.has("atypical_hyperplasia", "yes")),
    ),
    _Rule(
        "n_biopsies",
        ("breast_biopsy",),
        "0 where breast_biopsy is no",
        _answer_as_count("breast_biopsy", "no", 0.0),
    ),
    _Rule(
        "benign_breast_disease",
        ("atypical_hyperplasia",),
        "yes where atypical_hyperplasia",
        _level_where("benign_breast_disease", "yes", lambda women: women.has("atypical_hyperplasia", "yes")),
    ),
    _Rule(
        "menopause",
        ("menopause_age", "menopause_type"),
        "post where there is a menopause_age or menopause_type",
        _level_where(
            "menopause",
            "post",
            lambda women: women.known("menopause_age") | women.known("menopause_type"),
        ),
    ),
)
