"""A table of answers as women: columns recognised, cells read, contradictions found, the derivable derived.

In: a CSV of our factors, one row per woman, or a registry's women.csv and exams.csv. Out: `Women` in the
order of the rows, with everything that is wrong per row, and what was done with every column. A wrong row
keeps its place; a wrong cell becomes unknown.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import FactorError
from ..text_table import read_text_table, rows_of
from .cells import distinct, plain_words, read_factor
from .contradictions import contradictions
from .derived import Derived, derive
from .external import ExternalColumn, assess_column, external_columns
from .factors import FACTORS
from .model import Assessment
from .women import Problem, Women

DAYS_PER_YEAR = 365.25

#: Columns that name a row; they are passed through and never read.
IDS = ("id", "woman_id", "exam_id")

#: Other columns of our registry tables: known, and of no use here.
_KNOWN = (
    "birth_date",
    "exam_date",
    "death_date",
    "follow_up_end",
    "purpose",
    "assessment",
    "machine",
    "site",
    "percent_density",
)

#: Columns in another unit, whose numbers would be wrong under our name: name -> (ours, how to convert).
_OTHER_UNITS = {
    **dict.fromkeys(
        ("weight_lb", "weight_lbs", "weight_pounds"), ("weight_kg", "multiply pounds by 0.45359237")
    ),
    "weight_st": ("weight_kg", "multiply stone by 6.35029318"),
    "weight_g": ("weight_kg", "divide grams by 1000"),
    **dict.fromkeys(("height_in", "height_inches"), ("height_cm", "multiply inches by 2.54")),
    **dict.fromkeys(("height_ft", "height_feet"), ("height_cm", "multiply feet by 30.48")),
    **dict.fromkeys(("height_m", "height_metres", "height_meters"), ("height_cm", "multiply metres by 100")),
    "height_dm": ("height_cm", "multiply decimetres by 10"),
    "height_mm": ("height_cm", "divide millimetres by 10"),
    "age_months": ("age", "divide months by 12"),
    "age_days": ("age", "divide days by 365.25"),
    "alcohol_g_per_week": ("alcohol_g_per_day", "divide grams a week by 7"),
    **dict.fromkeys(
        ("alcohol_drinks_per_week", "drinks_per_week"),
        ("alcohol_g_per_day", "multiply drinks a week by 2 (a US drink is 14 g)"),
    ),
    **dict.fromkeys(
        ("alcohol_units_per_week", "units_per_week"),
        ("alcohol_g_per_day", "multiply units a week by 8 / 7 (a UK unit is 8 g)"),
    ),
}

#: What people call our factors; a hint, never a reading.
_ALSO_CALLED = {
    "height": "height_cm",
    "weight": "weight_kg",
    "ethnicity": "race",
    "menarche": "menarche_age",
    "births": "parity",
    "children": "parity",
    "age first birth": "first_birth_age",
    "age at first birth": "first_birth_age",
    "relatives": "n_relatives",
    "biopsies": "n_biopsies",
    "biopsy": "breast_biopsy",
    "hrt": "hormone_therapy",
    "birads": "density",
    "birads density": "density",
    "alcohol": "alcohol_g_per_day",
    "menopausal status": "menopause",
}

#: A column of kilograms whose median body-mass index is above is one of pounds. Patients of obesity
#: clinics have medians of about 45 kg/m²; European women in pounds would have 55.
_MEDIAN_BMI, _MEDIAN_WEIGHT_KG, _ENOUGH = 50.0, 130.0, 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Questionnaire:
    """Women in the order of the table, and what was made of its columns.

    `ids` are the columns that name a row, for output only. `ignored` are columns that no factor has, with the
    factor that may be meant, or "". `derived` tells which values were not given but follow from others.
    """

    women: Women
    ids: Mapping[str, np.ndarray] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    external: tuple[tuple[ExternalColumn, Assessment], ...] = ()  # risks that other programs computed
    derived: tuple[Derived, ...] = ()


def read_questionnaire(path: Path) -> Questionnaire:
    """The women of a CSV (UTF-8, comma-separated, a header of factor names); see `questionnaire`.

    Raises FactorError, also for a file that is absent, empty or ragged.
    """
    if not path.is_file():
        raise FactorError(expected="a CSV of women", found="no such file", where=str(path))
    return questionnaire(read_text_table(path, error=FactorError), where=path.name)


def read_registry_women(folder: Path) -> Questionnaire:
    """The exams of a registry folder, a row each in the order of exams.csv, with the answers of their women.

    A column that both tables have is taken from exams.csv. Not accepted: a woman twice in women.csv. An exam
    of a woman who is not in women.csv has a problem, woman_unknown. Raises FactorError.
    """
    tables = {}
    for name, needed in (("women.csv", "birth_date"), ("exams.csv", "exam_date")):
        path = folder / name
        if not path.is_file():
            raise FactorError(expected="women.csv and exams.csv", found=f"no {name}", where=str(folder))
        tables[name] = read_text_table(path, error=FactorError)
        lacking = [column for column in ("woman_id", needed) if column not in tables[name].columns]
        if lacking:
            raise FactorError(expected="woman_id, " + needed, found=f"no {', '.join(lacking)}", where=name)
    women, exams = tables["women.csv"], tables["exams.csv"]
    again = women["woman_id"].duplicated(keep=False).to_numpy()
    if again.any():
        raise FactorError(
            expected="each woman_id once", found=f"repeated in {rows_of(again)}", where="women.csv"
        )
    row = pd.Index(women["woman_id"]).get_indexer(pd.Index(exams["woman_id"]))
    of_women = {
        name: pd.Series(women[name].array.take(row, allow_fill=True))
        for name in women.columns
        if name not in exams.columns
    }
    joined = questionnaire(exams.assign(**of_women), where=folder.name)
    strangers = [
        Problem(
            row=int(place), code="woman_unknown", factors=("age",), message="the woman is not in women.csv"
        )
        for place in np.flatnonzero(row < 0)
    ]
    problems = sorted([*joined.women.problems, *strangers], key=lambda problem: problem.row)
    return Questionnaire(
        women=Women(n=joined.women.n, values=joined.women.values, problems=tuple(problems)),
        ids=joined.ids,
        ignored=joined.ignored,
        derived=joined.derived,
        external=joined.external,
    )


def questionnaire(table: pd.DataFrame, *, where: str) -> Questionnaire:
    """Women from a table whose cells are text, one row each, under the names, units and levels of `factors`.

    Names are compared without case, hyphens or spaces. The age may come as birth_date and exam_date. Never
    accepted: no rows, no factor at all, a factor twice, columns in other units (weight_lb), a weight column
    that as a whole is in pounds, birth_date without exam_date or age. Raises FactorError. Everything else
    is a problem of its row: see `cells`, `contradictions` and, for dates, not_a_date and age_contradicts.
    """
    table = table.reset_index(drop=True)
    named = _by_name(table, where)
    if not len(table):
        raise FactorError(expected="a row for every woman", found="a header only", where=where)
    values: dict[str, np.ndarray] = {}
    problems: list[Problem] = []
    for name, column in named.items():
        if name in FACTORS:
            read = read_factor(name, table[column])
            values[name] = read.values
            problems += read.problems
    if "birth_date" in named:
        values["age"], found = _age(table, named, given=values.get("age"), where=where)
        problems += found
    answers = Women(n=len(table), values=values)
    _check_pounds(answers, where)
    problems += contradictions(answers)
    complete, derived, problems = derive(answers, problems)
    others = external_columns(name for name in map(str, table.columns) if name not in named.values())
    return Questionnaire(
        women=Women(
            n=len(table), values=complete, problems=tuple(sorted(problems, key=lambda each: each.row))
        ),
        ids={
            name: table[named[name]].astype(str).fillna("").to_numpy(dtype=object)
            for name in IDS
            if name in named
        },
        ignored={
            name: meant
            for name, meant in _ignored(table, named).items()
            if name not in {column.name for column in others}
        },
        derived=derived,
        external=tuple((column, assess_column(column, table[column.name].tolist())) for column in others),
    )


def _by_name(table: pd.DataFrame, where: str) -> dict[str, str]:
    """Our name of every column that we know -> its name in the table."""
    wanted = {plain_words(name): name for name in (*FACTORS, *IDS, *_KNOWN)}
    other_units = {plain_words(name): ours for name, ours in _OTHER_UNITS.items()}
    named: dict[str, str] = {}
    for column in map(str, table.columns):
        words = plain_words(column)
        if words in other_units:
            ours, convert = other_units[words]
            raise FactorError(
                expected=f"the column {ours}",
                found=f"the column {column}, in another unit",
                where=where,
                remedy=f"Convert it: {convert}, and call it {ours}",
            )
        name = wanted.get(words)
        if name in named:
            raise FactorError(
                expected="each column once", found=f"twice: {named[name]}, {column}", where=where
            )
        if name is not None:
            named[name] = column
    if not any(name in FACTORS or name == "birth_date" for name in named):
        single = len(table.columns) == 1 and any(mark in str(table.columns[0]) for mark in ";\t|")
        raise FactorError(
            expected="columns called as our factors: age, race, parity, bmi …",
            found="none of them",
            where=where,
            remedy="The columns seem to be separated by something else than commas"
            if single
            else "Names, units and levels are listed in docs/reference/clinical.md",
        )
    return named


def _ignored(table: pd.DataFrame, named: Mapping[str, str]) -> dict[str, str]:
    """Columns that nothing reads, each with the factor that may be meant."""
    free = {plain_words(name): name for name in FACTORS if name not in named}
    hints = {}
    for column in map(str, table.columns):
        if column in named.values():
            continue
        words = plain_words(column)
        near = difflib.get_close_matches(words, list(free), n=1, cutoff=0.75)
        meant = _ALSO_CALLED.get(words, free[near[0]] if near else "")
        hints[column] = "" if meant in named else meant
    return hints


def _age(
    table: pd.DataFrame, named: Mapping[str, str], *, given: np.ndarray | None, where: str
) -> tuple[np.ndarray, list[Problem]]:
    """The age on the day of the exam in years, where `given` has none; and problems of the dates."""
    if "exam_date" not in named:
        if given is not None:
            return given, []
        raise FactorError(
            expected="age, or birth_date with exam_date",
            found="birth_date alone",
            where=where,
            remedy="An age is on a day: add the column exam_date, YYYY-MM-DD",
        )
    days, problems = {}, []
    for name in ("birth_date", "exam_date"):
        texts, codes = distinct(table[named[name]])
        cells = pd.Series(texts, dtype=object)
        iso = cells.where(cells.str.fullmatch(r"\d{4}-\d{2}-\d{2}"))
        dates = pd.to_datetime(iso, format="%Y-%m-%d", errors="coerce").to_numpy(dtype="datetime64[D]")
        days[name] = dates[codes]
        for row in np.flatnonzero(((cells != "").to_numpy(dtype=bool) & np.isnat(dates))[codes]):
            message = f"{name} is no date YYYY-MM-DD"
            problems.append(Problem(row=int(row), code="not_a_date", factors=("age",), message=message))
    passed = days["exam_date"] - days["birth_date"]
    years = np.where(np.isnat(passed), np.nan, passed.astype(float)) / DAYS_PER_YEAR
    age = FACTORS["age"]
    outside = (years < age.lower) | (years > age.upper)
    apart = np.zeros(len(table), dtype=bool)
    if given is not None:
        apart = np.abs(np.floor(years) - np.floor(given)) > 1
    for mask, code, message in (
        (outside, "out_of_range", f"the dates give an age not within {age.lower:g} to {age.upper:g} years"),
        (apart & ~outside, "age_contradicts", "age is more than a year from what the dates give"),
    ):
        problems += [
            Problem(row=int(row), code=code, factors=("age",), message=message)
            for row in np.flatnonzero(mask)
        ]
    years = np.where(outside, np.nan, years)
    return (years if given is None else np.where(np.isnan(given), years, given)), problems


def _check_pounds(women: Women, where: str) -> None:
    """A whole column of pounds has plausible kilograms in every row; together they are not."""
    weight, height = women.number("weight_kg"), women.number("height_cm")
    bmi = weight / (height / 100) ** 2
    for value, limit, what in (
        (bmi, _MEDIAN_BMI, "weight_kg / (height_cm / 100)² with a median of {:.0f} kg/m²"),
        (weight, _MEDIAN_WEIGHT_KG, "weight_kg with a median of {:.0f}"),
    ):
        known = value[np.isfinite(value)]
        if len(known) >= _ENOUGH and np.median(known) > limit:
            raise FactorError(
                expected="weight_kg in kilograms",
                found=what.format(np.median(known)),
                where=where,
                remedy="It looks like pounds. Convert the column: multiply by 0.45359237",
            )
