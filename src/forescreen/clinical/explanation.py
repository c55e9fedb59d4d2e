"""How one woman's risk came about: her answers, what the model made of each, and her risk year by year.

In: women, the row of one, a model and a horizon. Out: `Explanation`, for a table or a plot. Nothing is
computed here that the model does not say of itself.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .factors import FACTORS
from .model import ClinicalModel, Use
from .reasons import AND, in_words, sentences_of
from .women import Problem, Women

#: Names of factors for a row or a bar, where the meaning is too long for one.
_SHORT = {
    "age": "age",
    "race": "race or ethnicity",
    "menarche_age": "age at menarche",
    "first_birth_age": "age at first birth",
    "birth_ages": "ages at births",
    "n_relatives": "relatives with breast cancer",
    "family_history": "family history of breast cancer",
    "n_biopsies": "breast biopsies",
    "breast_biopsy": "breast biopsy",
    "atypical_hyperplasia": "atypical hyperplasia",
    "benign_breast_disease": "benign breast disease",
    "menopause_type": "kind of menopause",
    "hormone_therapy": "hormone therapy",
    "hormone_therapy_type": "kind of hormone therapy",
    "density": "breast density (BI-RADS)",
    "last_mammogram": "last mammogram",
}

#: Terms that models call otherwise than the factor that they are of.
_FACTOR_OF = {
    "biopsies": "n_biopsies",
    "menarche": "menarche_age",
    "first birth": "first_birth_age",
    "relatives": "n_relatives",
}

#: Factors that models use only where another is unknown.
_INSTEAD = {
    "birth_ages": "first_birth_age",
    "weight_kg": "bmi",
    "family_history": "n_relatives",
    "breast_biopsy": "n_biopsies",
}

#: What a woman has who cannot have the factor.
_NONE = {"first_birth_age": "no birth", "birth_ages": "no birth"}

#: Points of a year at which the risk by a horizon is asked.
_STEP_YEARS = 1.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One factor: her value, what the model took, its relative risk; NaN where the model has no such term."""

    factor: str
    value: str  # "" where unknown or where there cannot be one
    used: str
    relative_risk: float
    assumed: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """One woman by one model. Risks are in [0, 1], NaN where there are none: then `reasons` says why.

    `years` are the horizons at which `risk_by_year` and `average_by_year` stand: those up to the horizon that
    the model answers.
    """

    model: str
    title: str
    event: str
    age: float
    horizon_years: float
    risk: float
    average: float
    lower: float
    upper: float
    lines: tuple[Line, ...]
    years: Float[np.ndarray, "year"]
    risk_by_year: Float[np.ndarray, "year"]
    average_by_year: Float[np.ndarray, "year"]
    reasons: tuple[str, ...]
    flags: tuple[str, ...]
    notes: tuple[str, ...]


def explain(women: Women, row: int, *, model: ClinicalModel, horizon_years: float) -> Explanation:
    """The woman in `row` (counted from 0)."""
    shortest, longest = model.horizons_years
    whole = np.arange(_STEP_YEARS, min(horizon_years, longest), _STEP_YEARS)
    years = np.array([*whole[whole >= shortest], horizon_years])
    copies = taken(women, np.full(len(years), row))
    found = model.assess(copies, years)
    answered = np.isfinite(found.risk)
    answered[-1] |= bool(answered[:-1].any())  # the horizon itself may be none that the model answers
    return Explanation(
        model=model.name,
        title=model.title,
        event=model.event,
        age=float(women.number("age")[row]),
        horizon_years=horizon_years,
        risk=float(found.risk[-1]),
        average=float(found.average[-1]),
        lower=float(found.lower[-1]),
        upper=float(found.upper[-1]),
        lines=_lines(taken(women, np.array([row])), model),
        years=years[answered],
        risk_by_year=found.risk[answered],
        average_by_year=found.average[answered],
        reasons=tuple(filter(None, sentences_of(copies, model, found)[-1].split(AND))),
        flags=tuple(in_words(model, code) for code, mask in found.flags.items() if mask[-1]),
        notes=found.notes,
    )


def missing(women: Women, factor: str) -> Bool[np.ndarray, "woman"]:
    """Women of whom the factor is not known, nor what stands for it, though they may have one.

    A woman without a birth has no age at first birth; weight is not missing where the body-mass index is
    known.
    """
    unknown: Bool[np.ndarray, "woman"] = ~women.known(factor)
    if factor in _INSTEAD:
        unknown = unknown & ~women.known(_INSTEAD[factor])
    if factor in ("first_birth_age", "birth_ages"):
        unknown = unknown & ~(women.number("parity") == 0)
    elif factor in ("menopause_age", "menopause_type"):
        unknown = unknown & ~women.has("menopause", "pre")
    elif factor == "hormone_therapy_type":
        unknown = unknown & ~women.has("hormone_therapy", "never", "former", "not current")
    elif factor == "atypical_hyperplasia":
        unknown = unknown & ~((women.number("n_biopsies") == 0) | women.has("breast_biopsy", "no"))
    return unknown


def taken(women: Women, rows: Int[np.ndarray, "row"]) -> Women:
    """The women in these rows, in this order; a row may be taken more than once."""
    problems: list[Problem] = []
    wanted = set(rows.tolist())
    for problem in women.problems:
        if problem.row in wanted:
            problems += [
                Problem(row=int(place), code=problem.code, factors=problem.factors, message=problem.message)
                for place in np.flatnonzero(rows == problem.row)
            ]
    return Women(
        n=len(rows), values={name: column[rows] for name, column in women.values.items()}, problems=problems
    )


def value_text(women: Women, factor: str, row: int) -> str:
    """Her value with its unit, "" where unknown."""
    told = FACTORS[factor]
    if not women.known(factor)[row]:
        return ""
    if factor == "birth_ages":
        births = women.births()[row]
        return "/".join(f"{age:g}" for age in births[np.isfinite(births)])
    if not told.is_number:
        return told.levels[int(women.level(factor)[row])]
    unit = re.sub(r"(?<=m)2$", "²", told.unit)
    return f"{women.number(factor)[row]:.4g} {unit}".strip()


def label(factor: str) -> str:
    """A factor or a term in words, short enough for a row: "age at first birth"."""
    if factor in FACTORS:
        return _SHORT.get(factor, FACTORS[factor].meaning)
    return factor.replace("_", " ")


def _lines(woman: Women, model: ClinicalModel) -> tuple[Line, ...]:
    """Used factors in the model's order, each with the product of its terms; then terms of no one factor."""
    terms = model.terms(woman)
    logs: dict[str, float] = {}
    for name, value in zip(terms.factors, terms.log_relative_risk[0].tolist(), strict=True):
        factor = _FACTOR_OF.get(name, name)
        logs[factor] = logs.get(factor, 0.0) + value
    ratio = {name: math.exp(value) for name, value in logs.items()}
    lines = [_line(woman, use, ratio.get(use.factor, math.nan)) for use in model.uses]
    own = {use.factor for use in model.uses}
    lines += [
        Line(
            factor=label(name),
            value="",
            used="beyond each alone" if " × " in name else "",
            relative_risk=value,
            assumed=name.startswith("unknown"),
        )
        for name, value in ratio.items()
        if name not in own and not (name.startswith("unknown") and value == 1)  # nothing is unknown
    ]
    return tuple(lines)


def _line(woman: Women, use: Use, relative_risk: float) -> Line:
    value = value_text(woman, use.factor, 0)
    unknown = bool(missing(woman, use.factor)[0])
    if value:
        used = "as given"
    elif not unknown:
        used = _NONE.get(use.factor, "does not apply")
        if use.factor in _INSTEAD and woman.known(_INSTEAD[use.factor])[0]:
            used = "not needed"
    else:
        used = use.assumed or "no risk without it"
    return Line(
        factor=label(use.factor),
        value=value,
        used=used,
        relative_risk=relative_risk,
        assumed=unknown and not use.required,
    )
