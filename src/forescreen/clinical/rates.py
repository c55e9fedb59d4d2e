"""Age-specific rates of a population: incidence of breast cancer, and deaths that compete with it.

In: a csv file, ours or a user's. Out: `Rates`, piecewise constant by age, with their provenance. Built in are
the rates of BCRAT (twelve groups) [Gail1989, Gail2007, Matsuno2011, Banegas2017], those of iCARE-Lit by
single year of age [Choudhury2020], and SEER 2018–2022 with the mortality of 2022 [SEER2024, SSA2022].

A file has header lines `# name: value` (all optional: name, population, years, source, event, mortality_of),
then columns: `age` for single years, or `age_from` and `age_to` (the edge, not the last age: 50,55 is 50 to
under 55), and `incidence` and `mortality` per woman-year, or with `_per_100000`. Our own files in
`tables/rates` are examples.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..errors import InputError

#: Built-in rates by name.
RATES: tuple[str, ...] = (
    "bcrat-white",
    "bcrat-black",
    "bcrat-hispanic-us-born",
    "bcrat-other",
    "bcrat-hispanic-foreign-born",
    "bcrat-chinese",
    "bcrat-japanese",
    "bcrat-filipino",
    "bcrat-hawaiian",
    "bcrat-pacific-islander",
    "bcrat-other-asian",
    "bcrat-average-white",
    "icare-lit",
    "seer-2018-2022",
)

MORTALITY_OF = ("other causes", "all causes")
_HEADERS = ("name", "population", "years", "source", "event", "mortality_of")
_AGES = (("age",), ("age_from", "age_to"))
_SCALES = {"": 1.0, "_per_100000": 1e5}
_OLDEST = 130.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Rates:
    """Rates of one population, constant between the edges, per woman-year.

    `mortality` is of the deaths that compete: of "other causes", or of "all causes" where breast cancer
    deaths were not taken out. Raises InputError for edges that do not rise and for rates that are negative,
    not finite, or above 1 per woman-year.
    """

    name: str
    population: str
    years: str
    source: str
    event: str  # "invasive breast cancer", "invasive or in situ"
    edges: Float[np.ndarray, "edge"]  # ages in years
    incidence: Float[np.ndarray, "piece"]
    mortality: Float[np.ndarray, "piece"]
    mortality_of: str

    def __post_init__(self) -> None:
        where = f"rates {self.name}"
        if self.mortality_of not in MORTALITY_OF:
            raise InputError(
                expected=f"mortality_of {' or '.join(MORTALITY_OF)}", found=self.mortality_of, where=where
            )
        n = self.incidence.size
        if n == 0 or self.mortality.size != n or self.edges.size != n + 1:
            raise InputError(
                expected="one incidence and one mortality between each two edges",
                found=f"{self.edges.size} edges, {n} incidences, {self.mortality.size} mortalities",
                where=where,
            )
        if not (np.isfinite(self.edges).all() and (np.diff(self.edges) > 0).all() and self.edges[0] >= 0):
            raise InputError(expected="ages that rise from 0 or more", found="others", where=where)
        for quantity in ("incidence", "mortality"):
            values = getattr(self, quantity)
            wrong = ~((values >= 0) & (values <= 1))
            if wrong.any():
                piece = int(np.flatnonzero(wrong)[0])
                raise InputError(
                    expected=f"{quantity} from 0 to 1 per woman-year",
                    found=f"{values[piece]:g} from age {self.edges[piece]:g}",
                    where=where,
                )
        for column in (self.edges, self.incidence, self.mortality):
            column.flags.writeable = False  # built-in rates are shared by all callers


@cache
def built_in_rates(name: str) -> Rates:
    """The built-in rates of that name. Raises InputError, with the names, where there are none."""
    if name not in RATES:
        raise InputError(
            expected=f"rates among {', '.join(RATES)}",
            found=name,
            where="built-in rates",
            remedy="Rates of your own are read from a csv file",
        )
    place = files("forescreen.clinical").joinpath("tables", "rates", f"{name}.csv")
    return _parse(place.read_text(encoding="utf-8"), name, f"{name}.csv")


def read_rates(path: Path) -> Rates:
    """Rates from a csv file of the form told above; comma-separated, UTF-8.

    Not accepted, with the row in the message: rates that are missing, negative, not numbers or above 1 per
    woman-year; ages that fall, overlap or leave a gap; columns that are missing or unknown. Where the header
    does not say of what the mortality is, it is taken to be of all causes. Raises InputError.
    """
    where = path.name
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(expected="a csv file of rates", found="no such file", where=str(path)) from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            expected="a csv file of rates in UTF-8", found=type(error).__name__, where=str(path)
        ) from error
    return _parse(text, path.stem, where)


def _parse(text: str, name: str, where: str) -> Rates:
    header: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#"):
            key, colon, value = line[1:].partition(":")
            if colon and key.strip() in _HEADERS:
                header.setdefault(key.strip(), value.strip())
        elif line.strip(" \t,"):
            lines.append((number, line))
    if len(lines) < 2:
        raise InputError(
            expected="a line of column names and rows of rates", found=f"{len(lines)} lines", where=where
        )
    rows = [[cell.strip() for cell in row] for row in csv.reader([line for _, line in lines])]
    columns = _columns(rows[0], where)
    numbers = np.array(
        [
            _numbers(row, columns, rows[0], f"{where}, row {i} (line {line})")
            for i, (row, (line, _)) in enumerate(zip(rows[1:], lines[1:], strict=True), start=1)
        ]
    )
    edges = _edges(numbers[:, 0], numbers[:, 1], [line for line, _ in lines[1:]], where)
    return Rates(
        name=header.get("name", name),
        population=header.get("population", "not stated"),
        years=header.get("years", "not stated"),
        source=header.get("source", "not stated"),
        event=header.get("event", "not stated"),
        edges=edges,
        incidence=numbers[:, 2].copy(),
        mortality=numbers[:, 3].copy(),
        mortality_of=header.get("mortality_of", "all causes"),
    )


@dataclass(frozen=True)
class _Columns:
    """Places of the columns in the file, and what the rates are divided by."""

    ages: tuple[int, ...]
    rates: tuple[int, int]
    scales: tuple[float, float]


def _columns(names: Sequence[str], where: str) -> _Columns:
    accepted = {*_AGES[0], *_AGES[1], *(f"{q}{u}" for q in ("incidence", "mortality") for u in _SCALES)}
    wrong = [name for name in names if name not in accepted or names.count(name) > 1]
    ages = [found for found in _AGES if set(found) <= set(names)]
    rates = [
        [(f"{quantity}{unit}", scale) for unit, scale in _SCALES.items() if f"{quantity}{unit}" in names]
        for quantity in ("incidence", "mortality")
    ]
    if wrong or len(ages) != 1 or len(names) != len(ages[0]) + 2 or any(len(one) != 1 for one in rates):
        raise InputError(
            expected="columns age (or age_from and age_to), incidence or incidence_per_100000, mortality or "
            "mortality_per_100000, each once",
            found=", ".join(names),
            where=where,
            remedy="Separate columns by commas, and name the unit",
        )
    (incidence, per_incidence), (mortality, per_mortality) = rates[0][0], rates[1][0]
    return _Columns(
        ages=tuple(names.index(name) for name in ages[0]),
        rates=(names.index(incidence), names.index(mortality)),
        scales=(per_incidence, per_mortality),
    )


def _numbers(row: Sequence[str], columns: _Columns, names: Sequence[str], where: str) -> tuple[float, ...]:
    """(from, to, incidence, mortality) of one row, per woman-year."""
    if len(row) != len(names):
        raise InputError(
            expected=f"{len(names)} values", found=str(len(row)), where=where, remedy="Decimals have a point"
        )
    ages = [_number(row[place], names[place], where, 0.0, _OLDEST) for place in columns.ages]
    if len(ages) == 1:
        if not ages[0].is_integer():
            raise InputError(
                expected="age in whole years",
                found=row[columns.ages[0]],
                where=where,
                remedy="Other pieces are told by age_from and age_to",
            )
        ages.append(ages[0] + 1)
    elif ages[1] <= ages[0]:
        raise InputError(expected="age_to above age_from", found=f"{ages[0]:g} to {ages[1]:g}", where=where)
    rates = [
        _number(row[place], names[place], where, 0.0, scale) / scale
        for place, scale in zip(columns.rates, columns.scales, strict=True)
    ]
    return (*ages, *rates)


def _number(cell: str, name: str, where: str, low: float, high: float) -> float:
    try:
        value = float(cell) if "_" not in cell else math.nan
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        unit = "age in years" if name.startswith("age") else name
        raise InputError(expected=f"{unit} from {low:g} to {high:g}", found=cell or "nothing", where=where)
    return value


def _edges(
    start: Float[np.ndarray, "piece"], end: Float[np.ndarray, "piece"], lines: Sequence[int], where: str
) -> Float[np.ndarray, "edge"]:
    broken = np.flatnonzero(start[1:] != end[:-1])
    if broken.size:
        row = int(broken[0]) + 1
        kind = (
            "a gap"
            if start[row] > end[row - 1]
            else "an overlap"
            if start[row] > start[row - 1]
            else "ages that fall"
        )
        raise InputError(
            expected=f"a row from age {end[row - 1]:g}",
            found=f"{kind}: from age {start[row]:g}",
            where=f"{where}, row {row + 1} (line {lines[row]})",
            remedy="age_to is the edge, not the last age: 50,55 and then 55,60",
        )
    return np.append(start, end[-1])
