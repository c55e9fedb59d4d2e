"""Cells of a questionnaire as one factor: text in; numbers or levels out, and what is wrong with which row.

Work is done once per distinct text, not per row. A cell that cannot be meant becomes unknown and a problem of
its row. Units are never guessed: a value that is plausible only in another unit is named, with how to
convert it. Messages quote numbers of factors, never words, which may be anything in a shifted table.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..text_table import EMPTY_CELLS
from .factors import FACTORS, Factor
from .women import Problem

#: Words of questionnaires for "not known", besides those of tables.
UNKNOWN_WORDS = frozenset(text.casefold() for text in (*EMPTY_CELLS, "unknown", "not known", "missing"))

#: Most births that a cell may list.
_MOST_BIRTHS = 25

#: Distinct wrong levels that are compared with the right ones: a column of free text would take minutes.
_MOST_HINTS = 200

#: Values that are plausible in another unit only: factor -> (from, below, unit, factor to ours). One inch is
#: 2.54 cm, one pound 0.45359237 kg, one stone 14 pounds, by definition (1959).
OTHER_UNITS: dict[str, tuple[tuple[float, float, str, float], ...]] = {
    "height_cm": (
        (1.2, 2.2, "metres", 100.0),
        (3.9, 7.3, "feet", 30.48),
        (12.0, 22.0, "decimetres", 10.0),
        (47.0, 87.0, "inches", 2.54),
        (1200.0, 2200.0, "millimetres", 0.1),
    ),
    "weight_kg": ((4.7, 30.0, "stone", 6.35029318), (300.0, 662.0, "pounds", 0.45359237)),
}

#: How units are written behind a number: pattern -> (name, what makes it ours by factor).
_WRITTEN: tuple[tuple[str, str, dict[str, float]], ...] = (
    (r"lbs?|pounds?", "pounds", {"weight_kg": 0.45359237}),
    (r"st|stones?", "stone", {"weight_kg": 6.35029318}),
    (r"kgs?|kilos?|kilograms?", "kilograms", {"weight_kg": 1.0}),
    (r"in|inch|inches|\"|''|″", "inches", {"height_cm": 2.54}),
    (r"ft|feet|foot|'|′", "feet", {"height_cm": 30.48}),
    (r"cms?|centimet(?:re|er)s?", "centimetres", {"height_cm": 1.0}),
    (r"m|met(?:re|er)s?", "metres", {"height_cm": 100.0}),
    (r"dm|decimet(?:re|er)s?", "decimetres", {"height_cm": 10.0}),
    (r"mm", "millimetres", {"height_cm": 0.1}),
    (r"kg\s*/\s*m(?:2|²|\^2)", "kg/m²", {"bmi": 1.0}),
    (r"g\s*/\s*d(?:ay)?|g|grams?", "grams", {"alcohol_g_per_day": 1.0}),
    (r"y|yrs?|years?|years old", "years", {}),
)
_NUMBER_AND_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(\D.*)")


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadFactor:
    """One factor of every row as `Women` holds it, and the problems of its cells."""

    values: np.ndarray
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class _Fault:
    """What is wrong with a text."""

    code: str
    message: str


def read_factor(name: str, cells: pd.Series) -> ReadFactor:
    """The factor `name` from its cells of text: see `Women` for how each kind is held.

    Codes of problems: not_a_number, not_whole, out_of_range, wrong_unit, no_such_level, bad_births.
    """
    factor = FACTORS[name]
    if factor.is_number and name != "birth_ages":
        values, faults, codes = _numbers(cells, factor)
    else:
        texts, codes = distinct(cells)
        values, faults = _births(texts) if name == "birth_ages" else _levels(texts, factor)
    return ReadFactor(values=values[codes], problems=tuple(_by_row(faults, codes, name)))


def distinct(cells: pd.Series) -> tuple[list[str], np.ndarray]:
    """The distinct texts of a column, stripped, "" for unknown and last, and the place of every row's."""
    kinds = _kinds(cells)
    # Code -1, no cell, is the last.
    return [*(_known(text) for text in kinds.cat.categories), ""], kinds.cat.codes.to_numpy()


def _kinds(cells: pd.Series) -> pd.Series:
    return cells if isinstance(cells.dtype, pd.CategoricalDtype) else cells.astype("category")


def _known(cell: object) -> str:
    text = str(cell).strip()
    return "" if text.casefold() in UNKNOWN_WORDS else text


def plain_words(text: str) -> str:
    """A level or a column as it is compared: any case, spaces for hyphens and underscores."""
    return " ".join(re.sub(r"[-_\s]+", " ", text.casefold()).split())


def _by_row(faults: dict[int, _Fault], codes: np.ndarray, name: str) -> Iterator[Problem]:
    if not faults:
        return
    n_texts = int(codes.max(initial=-1)) + 2
    bad = np.zeros(n_texts, dtype=bool)
    bad[list(faults)] = True
    for row in np.flatnonzero(bad[codes]):
        fault = faults[int(codes[row])]
        yield Problem(row=int(row), code=fault.code, factors=(name,), message=fault.message)


def _numbers(cells: pd.Series, factor: Factor) -> tuple[np.ndarray, dict[int, _Fault], np.ndarray]:
    kinds = _kinds(cells)
    # Numbers are tried before anything is done to a text: a column may have a million distinct ones.
    numbers = pd.to_numeric(pd.Series(kinds.cat.categories), errors="coerce").to_numpy(dtype=float)
    inside = (numbers >= factor.lower) & (numbers <= factor.upper)
    if factor.whole:
        inside &= numbers == np.floor(numbers)
    faults: dict[int, _Fault] = {}
    for place in np.flatnonzero(~inside):
        text = _known(kinds.cat.categories[int(place)])
        if text:
            faults[int(place)] = _number_fault(text, float(numbers[place]), factor)
    values = np.append(np.where(inside, numbers, np.nan), np.nan)  # code -1, no cell, is the last
    return values, faults, kinds.cat.codes.to_numpy()


def _number_fault(text: str, number: float, factor: Factor) -> _Fault:
    name, unit = factor.name, f" {factor.unit}" if factor.unit else ""
    if math.isnan(number):
        return _text_fault(text, name)
    for lowest, below, other, to_ours in OTHER_UNITS.get(name, ()):
        if lowest <= number < below:
            return _Fault(
                "wrong_unit",
                f"{name} {number:g} looks like {other}; convert to{unit}: × {to_ours:g} "
                f"gives {number * to_ours:.4g}",
            )
    if factor.whole and factor.lower <= number <= factor.upper:
        return _Fault("not_whole", f"{name} is a count, {number:g} is not whole")
    return _Fault(
        "out_of_range",
        f"{name} {number:g} is not within {factor.lower:g} to {factor.upper:g}{unit}; "
        "leave the cell empty where it is unknown",
    )


def _text_fault(text: str, name: str) -> _Fault:
    parts = _NUMBER_AND_UNIT.fullmatch(text)
    if parts is not None:
        amount, written = float(parts[1].replace(",", ".")), parts[2].strip().casefold()
        for pattern, unit, to_ours in _WRITTEN:
            if not re.fullmatch(rf"(?:{pattern})\.?", written):
                continue
            if to_ours.get(name, 0.0) in (0.0, 1.0):
                return _Fault("not_a_number", f"{name} is not a plain number; write it without its unit")
            return _Fault(
                "wrong_unit",
                f"{name} is in {unit}; convert: × {to_ours[name]:g} gives {amount * to_ours[name]:.4g}",
            )
        if re.match(r"(?:ft|feet|foot|'|′).*\d", written):  # 5'6"
            return _Fault("wrong_unit", f"{name} is in feet and inches; convert: 12 inches a foot, × 2.54")
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return _Fault("not_a_number", f"{name} has a decimal comma; write a point")
    return _Fault("not_a_number", f"{name} is not a number; leave the cell empty where it is unknown")


def _levels(texts: list[str], factor: Factor) -> tuple[np.ndarray, dict[int, _Fault]]:
    places = {plain_words(level): place for place, level in enumerate(factor.levels)}
    places |= {plain_words(other): factor.levels.index(level) for other, level in factor.aliases}
    # "1.0" is what a spreadsheet or pandas makes of the code 1 when a cell in its column is empty.
    places |= {f"{code}.0": place for code, place in places.items() if code.isdigit()}
    values = np.full(len(texts), -1, dtype=np.int8)
    faults: dict[int, _Fault] = {}
    for place, text in enumerate(texts):
        if not text:
            continue
        found = places.get(plain_words(text))
        if found is None:
            near = []
            if len(faults) < _MOST_HINTS:
                near = difflib.get_close_matches(plain_words(text), list(places), n=1, cutoff=0.7)
            hint = f"; is {factor.levels[places[near[0]]]!r} meant?" if near else ""
            faults[place] = _Fault(
                "no_such_level", f"{factor.name} is none of {', '.join(factor.levels)}{hint}"
            )
        else:
            values[place] = found
    return values, faults


def _births(texts: list[str]) -> tuple[np.ndarray, dict[int, _Fault]]:
    factor = FACTORS["birth_ages"]
    lists: list[list[float]] = []
    faults: dict[int, _Fault] = {}
    for place, text in enumerate(texts):
        try:
            ages = [float(part) for part in text.split("/")] if text else []
        except ValueError:
            ages = []
            faults[place] = _Fault("bad_births", "birth_ages are not ages separated by /, as in 24/27")
        if len(ages) > _MOST_BIRTHS or not all(factor.lower <= age <= factor.upper for age in ages):
            ages = []
            faults[place] = _Fault(
                "bad_births",
                f"birth_ages are not at most {_MOST_BIRTHS} ages within {factor.lower:g} to "
                f"{factor.upper:g} years",
            )
        lists.append(ages)
    values = np.full((len(texts), max(map(len, lists), default=0)), np.nan)
    for place, ages in enumerate(lists):
        values[place, : len(ages)] = ages
    return values, faults
