"""Clinical risk factors as columns of a regression: coding, units, reference levels.

In: a table of members with the factor columns (bmi, family_history, density, ...). Out: a `Design`, one
column per coefficient, NaN where a factor is unknown. The coding follows the case–control study of the
same women [Kerlikowske2018] and the BCSC models: body-mass index per 5 kg/m², first-degree family
history, previous biopsy, parity with age at first birth, age at menarche, menopause and hormone
therapy, BI-RADS density with "scattered" (b) as the reference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float

from ..errors import FactorError

if TYPE_CHECKING:
    import pandas as pd

#: Factors of the clinical model, density last, in the order in which tables show them.
CLINICAL_FACTORS: tuple[str, ...] = (
    "bmi",
    "family_history",
    "breast_biopsy",
    "first_birth",
    "menarche_age",
    "menopause",
    "hormone_therapy",
    "density",
)


@dataclass(frozen=True)
class Column:
    """One coefficient: a name for tables, the unit of its odds ratio, and its factor."""

    name: str
    unit: str
    factor: str


@dataclass(frozen=True, eq=False)
class Design:
    """Covariates of a regression; `X` has one row per member and one column per `columns`."""

    X: Float[np.ndarray, "member column"]
    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def complete(self) -> np.ndarray:
        """True for members without an unknown factor."""
        return np.asarray(np.isfinite(self.X).all(axis=1))


def design(members: pd.DataFrame, factors: tuple[str, ...]) -> Design:
    """Covariates of `factors` for every member, NaN where unknown.

    Columns that do not vary among the members are left out: they carry no odds ratio.
    Raises FactorError for an unknown factor name, a missing table column or a value outside its coding.
    """
    columns: list[Column] = []
    values: list[np.ndarray] = []
    for factor in factors:
        if factor not in _CODINGS:
            raise FactorError(
                expected=f"a factor among {', '.join(sorted(_CODINGS))}",
                found=factor,
                where="clinical factors",
            )
        for column, covariate in _CODINGS[factor](members):
            known = covariate[np.isfinite(covariate)]
            if known.size and np.ptp(known) > 0:
                columns.append(column)
                values.append(covariate)
    matrix = np.column_stack(values) if values else np.empty((len(members), 0))
    return Design(X=matrix, columns=tuple(columns))


def available_factors(members: pd.DataFrame, factors: tuple[str, ...]) -> tuple[str, ...]:
    """Those of `factors` whose columns exist and hold at least one known value."""
    found = []
    for factor in factors:
        source = "parity" if factor == "first_birth" else factor
        if source in members.columns and members[source].notna().any():
            found.append(factor)
    return tuple(found)


def with_unknown_levels(covariates: Design, *, reference: Bool[np.ndarray, "member"]) -> Design:
    """The covariates without an unknown value: "unknown" becomes a level of its factor, after all columns.

    An unknown number stands at the mean of the `reference` members (those that models are fitted on), an
    unknown level at its reference; the coefficient of the new column says how such women differ from those.
    Every member gets a score, the right thing where factors will be unknown for the same reasons; odds ratios
    of the factors are biased by it [Sisk2023].
    """
    X = covariates.X.copy()
    columns = list(covariates.columns)
    levels: list[np.ndarray] = []
    for factor in dict.fromkeys(column.factor for column in covariates.columns):
        places = [i for i, column in enumerate(covariates.columns) if column.factor == factor]
        unknown = np.isnan(X[:, places]).any(axis=1)
        if not unknown.any():
            continue
        for i in places:
            known = np.isfinite(X[:, i])
            yes_no = bool(np.isin(X[known, i], (0.0, 1.0)).all())
            fitted = X[known & reference, i]
            X[~known, i] = 0.0 if yes_no or not fitted.size else float(fitted.mean())
        name = f"{factor.replace('_', ' ')} unknown"
        columns.append(Column(name, "vs the reference", factor))
        levels.append(unknown.astype(float))
    return Design(X=np.column_stack([X, *levels]), columns=tuple(columns))


def unknown_by_factor(
    members: pd.DataFrame, factors: tuple[str, ...]
) -> dict[str, Bool[np.ndarray, "member"]]:
    """Of each factor, the members whose covariates it leaves unknown. Raises FactorError as `design` does."""
    return {
        factor: np.isnan(np.column_stack([values for _, values in _CODINGS[factor](members)])).any(axis=1)
        for factor in factors
    }


Coded = list[tuple[Column, np.ndarray]]


def _number(members: pd.DataFrame, name: str, low: float, high: float) -> np.ndarray:
    if name not in members.columns:
        raise FactorError(expected=f"a column {name!r}", found="none", where="members table")
    values = np.array(members[name], dtype=float)
    outside = np.isfinite(values) & ((values < low) | (values > high))
    if outside.any():
        raise FactorError(
            expected=f"{name} in [{low:g}, {high:g}]",
            found=f"{values[outside][0]:g}",
            where=f"members table, row {int(np.flatnonzero(outside)[0]) + 1}",
            remedy="Correct it or leave it empty",
        )
    return values


def _level(members: pd.DataFrame, name: str, levels: tuple[str, ...]) -> np.ndarray:
    if name not in members.columns:
        raise FactorError(expected=f"a column {name!r}", found="none", where="members table")
    series = members[name]
    known = series.notna().to_numpy() & (series.astype(str) != "").to_numpy()
    text = series.astype(str).to_numpy()
    wrong = known & ~np.isin(text, levels)
    if wrong.any():
        raise FactorError(
            expected=f"{name} one of {', '.join(levels)}",
            found=text[wrong][0],
            where=f"members table, row {int(np.flatnonzero(wrong)[0]) + 1}",
        )
    code = np.full(len(series), np.nan)
    for position, level in enumerate(levels):
        code[known & (text == level)] = position
    return code


def _indicator(code: np.ndarray, position: int) -> np.ndarray:
    return np.where(np.isnan(code), np.nan, code == position)


def _bmi(members: pd.DataFrame) -> Coded:
    return [(Column("BMI", "per 5 kg/m²", "bmi"), _number(members, "bmi", 10, 90) / 5)]


def _yes_no(name: str, label: str) -> Callable[[pd.DataFrame], Coded]:
    def coded(members: pd.DataFrame) -> Coded:
        return [(Column(label, "yes vs no", name), _number(members, name, 0, 1))]

    return coded


def _first_birth(members: pd.DataFrame) -> Coded:
    parity = _number(members, "parity", 0, 25)
    age = _number(members, "first_birth_age", 10, 60)
    none = np.where(np.isnan(parity), np.nan, parity == 0)
    late = np.where(parity == 0, 0.0, np.where(np.isnan(age), np.nan, age >= 30))
    return [
        (Column("Nulliparous", "vs first birth before 30", "first_birth"), none),
        (Column("First birth at 30 or later", "vs before 30", "first_birth"), late),
    ]


def _menarche(members: pd.DataFrame) -> Coded:
    return [(Column("Age at menarche", "per year", "menarche_age"), _number(members, "menarche_age", 7, 22))]


def _menopause(members: pd.DataFrame) -> Coded:
    code = _level(members, "menopause", ("pre", "post"))
    return [(Column("Postmenopausal", "vs premenopausal", "menopause"), code)]


def _density(members: pd.DataFrame) -> Coded:
    code = _level(members, "density", ("a", "b", "c", "d"))
    labels = {0: "a, almost entirely fatty", 2: "c, heterogeneously dense", 3: "d, extremely dense"}
    return [
        (Column(f"BI-RADS density {label}", "vs b, scattered", "density"), _indicator(code, position))
        for position, label in labels.items()
    ]


def percent_density_name(members: pd.DataFrame) -> str:
    """ "Percent density", with the method where `density_method` names one. Raises FactorError for two
    methods: their numbers are on different scales."""
    methods = set(members["density_method"].dropna()) - {""} if "density_method" in members else set()
    if len(methods) > 1:
        raise FactorError(
            expected="percent density by one method",
            found=", ".join(sorted(map(str, methods))),
            where="members table, column density_method",
        )
    return "Percent density" + "".join(f" ({method})" for method in methods)


def _percent_density(members: pd.DataFrame) -> Coded:
    return [
        (
            Column(percent_density_name(members), "per 10 percentage points", "percent_density"),
            _number(members, "percent_density", 0, 100) / 10,
        )
    ]


def _age(members: pd.DataFrame) -> Coded:
    return [(Column("Age", "per 10 years", "age"), _number(members, "age", 15, 110) / 10)]


_CODINGS: dict[str, Callable[[pd.DataFrame], Coded]] = {
    "age": _age,
    "bmi": _bmi,
    "family_history": _yes_no("family_history", "First-degree family history"),
    "breast_biopsy": _yes_no("breast_biopsy", "Previous breast biopsy"),
    "first_birth": _first_birth,
    "menarche_age": _menarche,
    "menopause": _menopause,
    "hormone_therapy": _yes_no("hormone_therapy", "Hormone therapy"),
    "density": _density,
    "percent_density": _percent_density,
}

#: Every factor that has a coding.
FACTORS: tuple[str, ...] = tuple(_CODINGS)
