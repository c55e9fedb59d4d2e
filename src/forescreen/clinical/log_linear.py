"""Log-linear risk models: terms read from their names, and the linear predictors of women.

In: names as py-icare and patsy write them with a coefficient each, columns of cells. Out: `LogLinear`,
`Scores`. A term is a product of parts: the indicator of a level, `C(parity, levels=['0', '1', '2'])[T.1]`, or
a column as a number, `height`; parts are joined by `:`. The names tell columns, levels and reference levels,
so that no formula is needed. A term is unknown where any of its columns is, even if another part of it is 0:
so iCARE has it [Choudhury2020].
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import ConfigError, FactorError

#: Cells that mean unknown, where they are no level of the column: as in pandas.
UNKNOWN_CELLS = frozenset({"", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "."})


@dataclass(frozen=True, kw_only=True)
class Part:
    """A column as a number (level None), or the indicator of one of its levels."""

    column: str
    level: str | None = None


@dataclass(frozen=True, kw_only=True)
class Term:
    """A product of parts, and the change of the log relative risk that goes with it."""

    name: str
    parts: tuple[Part, ...]
    coefficient: float

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, each once."""
        return tuple(dict.fromkeys(part.column for part in self.parts))


@dataclass(frozen=True, kw_only=True)
class LogLinear:
    """A model: log relative risk = Σ coefficient · term; `levels` of columns, the reference level too.

    A column is either numbers or levels, in all of its terms.
    """

    terms: tuple[Term, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it reads, in the order of the terms."""
        return tuple(dict.fromkeys(column for term in self.terms for column in term.columns))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scores:
    """Linear predictors: `observed` is the sum of the terms that are known of each woman.

    `unknown` marks the columns that are unknown of her, in the order of the model's columns; where none is,
    `observed` is her linear predictor.
    """

    columns: tuple[str, ...]
    observed: Float[np.ndarray, "woman"]
    unknown: Bool[np.ndarray, "woman column"]

    @property
    def complete(self) -> Bool[np.ndarray, "woman"]:
        """Women of whom every term is known."""
        return np.asarray(~self.unknown.any(axis=1))


#: A column as the models read it: numbers with NaN, or places in the model's levels with −1 for unknown.
Column = Float[np.ndarray, "woman"] | Int[np.ndarray, "woman"]


def parse_terms(
    coefficients: Mapping[str, float], *, levels: Mapping[str, Sequence[str]] | None = None
) -> LogLinear:
    """The model that names of terms and their coefficients make.

    Understood are `column`, `Q('column')`, `column[T.level]`, `C(column)[T.level]`, `C(column,
    levels=[…])[T.level]`, and products of them with `:`. `levels` gives the levels of columns whose terms do
    not (the reference level is in no name). Other functions of columns, an intercept, levels that are not
    among the listed ones, two lists of levels or two uses of one column, and coefficients that are not finite
    raise ConfigError.
    """
    found: dict[str, tuple[str, ...] | None] = {}
    terms = []
    for name, value in coefficients.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
            raise _refused(name, "a finite coefficient", repr(value))
        parts = []
        for text in _split(name):
            part, listed = _part(text, name)
            parts.append(part)
            _note_levels(found, part, listed, name)
        terms.append(Term(name=name, parts=tuple(parts), coefficient=float(value)))
    if not terms:
        raise _refused("", "at least one term", "none")
    return LogLinear(terms=tuple(terms), levels=_complete_levels(found, terms, levels or {}))


def coded_column(
    model: LogLinear, column: str, cells: Sequence[object], *, where: str = "profiles"
) -> Column:
    """Cells of a table (text or numbers) as the model reads the column.

    Empty cells, NA and NaN are unknown. A cell is a level if the text is the same, or the number (13, 13.0
    and "13"). Raises FactorError, with the row counted from 1, for another level or a text where a number is
    due.
    """
    listed = model.levels.get(column)
    places: dict[object, int] = {}
    place = np.array([places.setdefault(cell, len(places)) for cell in cells], dtype=np.int64)
    codes = np.zeros(len(places), dtype=float if listed is None else np.int16)
    for k, cell in enumerate(places):
        text = _text(cell)
        if text in UNKNOWN_CELLS and text not in (listed or ()):
            codes[k] = np.nan if listed is None else -1
            continue
        value = _number(text) if listed is None else _level_place(text, listed)
        if value is None:
            kind = "as a number" if listed is None else f"one of {', '.join(listed)}"
            raise FactorError(
                expected=f"{column} {kind}",
                found=text,
                where=f"{where}, row {int(np.argmax(place == k)) + 1}",
                remedy="Leave the cell empty where it is unknown",
            )
        codes[k] = value
    return np.asarray(codes[place])


def scores(model: LogLinear, columns: Mapping[str, Column]) -> Scores:
    """The linear predictor of every woman, from coded columns; a column that is absent is unknown of all."""
    n = len(next(iter(columns.values()))) if columns else 0
    unknown = np.ones((n, len(model.columns)), dtype=bool)
    for k, column in enumerate(model.columns):
        values = columns.get(column)
        if values is not None:
            unknown[:, k] = values < 0 if column in model.levels else np.isnan(values)
    observed = np.zeros(n)
    for term in model.terms:
        observed += _contribution(model, term, columns, n)
    return Scores(columns=model.columns, observed=observed, unknown=unknown)


def contributions(model: LogLinear, columns: Mapping[str, Column]) -> Float[np.ndarray, "woman term"]:
    """Every term of every woman; 0 where a column of it is unknown."""
    n = len(next(iter(columns.values())))
    return np.stack([_contribution(model, term, columns, n) for term in model.terms], axis=1)


def partial_scores(
    model: LogLinear, columns: Mapping[str, Column], unknown: Sequence[str]
) -> Float[np.ndarray, "woman"]:
    """The sum of the terms that read none of the `unknown` columns."""
    n = len(next(iter(columns.values())))
    total = np.zeros(n)
    for term in model.terms:
        if not set(term.columns) & set(unknown):
            total += _contribution(model, term, columns, n)
    return total


def _contribution(
    model: LogLinear, term: Term, columns: Mapping[str, Column], n: int
) -> Float[np.ndarray, "woman"]:
    """coefficient · product of the parts; 0 where one of the columns is unknown."""
    if term.coefficient == 0 or any(column not in columns for column in term.columns):
        return np.zeros(n)
    value = np.full(n, term.coefficient)
    known = np.ones(n, dtype=bool)
    for part in term.parts:
        cells = columns[part.column]
        if part.level is None:
            value = value * cells
            known &= ~np.isnan(cells)
        else:
            value = value * (cells == model.levels[part.column].index(part.level))
            known &= cells >= 0
    return np.where(known, value, 0.0)


def _split(name: str) -> list[str]:
    """Parts between colons that stand outside of brackets, quotes and levels."""
    parts, depth, quote, start, place = [], 0, "", 0, 0
    while place < len(name):
        letter = name[place]
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter == "[" and depth == 0:  # a level, whatever it holds, to the bracket before : or the end
            end = re.compile(r"\](?=\s*(:|$))").search(name, place)
            place = end.start() if end else len(name)
        elif letter in "([":
            depth += 1
        elif letter in ")]":
            depth -= 1
        elif letter == ":" and depth == 0:
            parts.append(name[start:place])
            start = place + 1
        place += 1
    return [part.strip() for part in [*parts, name[start:]]]


_LEVEL = re.compile(r"^(?P<factor>.*[\w)'\"])\s*\[(?:T\.)?(?P<level>[^\[\]]*)\]$", flags=re.S)


def _part(text: str, name: str) -> tuple[Part, tuple[str, ...] | None]:
    found = _LEVEL.match(text)
    factor, level = (found["factor"], found["level"].strip()) if found else (text, None)
    try:
        tree = ast.parse(factor.strip(), mode="eval").body
    except SyntaxError as error:
        raise _refused(name, "a column, C(column, levels=[…])[T.level] or products of them", text) from error
    listed: tuple[str, ...] | None = None
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "C":
        if level is None or len(tree.args) != 1 or any(k.arg != "levels" for k in tree.keywords):
            raise _refused(name, "C(column, levels=[…])[T.level]", text)
        if tree.keywords:
            listed = _listed(tree.keywords[0].value, name)
        tree = tree.args[0]
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == "Q":
        tree = tree.args[0] if len(tree.args) == 1 else tree
    if isinstance(tree, ast.Constant) and isinstance(tree.value, str):
        column = tree.value
    elif isinstance(tree, ast.Name) and tree.id != "Intercept":
        column = tree.id
    else:
        remedy = "Compute other functions of columns first"
        raise _refused(name, "a column, or C(column, levels=[…])[T.level]", text, remedy)
    if listed is not None and level not in listed:
        raise _refused(name, f"a level among {', '.join(listed)}", str(level))
    return Part(column=column, level=level), listed


def _listed(tree: ast.expr, name: str) -> tuple[str, ...]:
    try:
        values = ast.literal_eval(tree)
    except ValueError as error:
        raise _refused(name, "levels=[…] as plain texts or numbers", ast.unparse(tree)) from error
    levels = tuple(str(value) for value in values) if isinstance(values, list | tuple) else ()
    if len(levels) < 2 or len(set(levels)) < len(levels):
        raise _refused(name, "a list of two or more different levels", ast.unparse(tree))
    return levels


def _note_levels(
    found: dict[str, tuple[str, ...] | None], part: Part, listed: tuple[str, ...] | None, name: str
) -> None:
    """Hold every use of a column against the others: numbers or levels, and one list of them."""
    here = () if part.level is None else listed  # () numbers, None levels that are not listed
    if part.column in found:
        before = found[part.column]
        if (before is not None and here is not None and before != here) or (before == ()) != (here == ()):
            raise _refused(name, f"one use and one list of levels of {part.column}", "two")
        here = here if before is None else before
    found[part.column] = here


def _complete_levels(
    found: Mapping[str, tuple[str, ...] | None],
    terms: Sequence[Term],
    given: Mapping[str, Sequence[str]],
) -> dict[str, tuple[str, ...]]:
    levels = {}
    for column, listed in found.items():
        if listed == ():
            continue
        used = [part.level for term in terms for part in term.parts if part.column == column]
        known = listed if listed is not None else tuple(given.get(column, ()))
        missing = [level for level in dict.fromkeys(used) if level not in known]
        if missing:
            raise _refused(
                column,
                f"the levels of {column}, its reference level among them",
                f"only {', '.join(str(level) for level in dict.fromkeys(used))}",
                "Write C(column, levels=[…]) in the names, or give the levels",
            )
        levels[column] = known
    return levels


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool | np.bool_):
        return str(int(cell))
    if isinstance(cell, float | np.floating):
        return "" if np.isnan(cell) else repr(float(cell))
    return str(cell).strip()


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def _level_place(text: str, levels: Sequence[str]) -> int | None:
    if text in levels:
        return list(levels).index(text)
    number = _number(text)
    if number is None:
        return None
    numbers = [_number(level) for level in levels]
    return numbers.index(number) if number in numbers else None


def _refused(name: str, expected: str, found: str, remedy: str = "") -> ConfigError:
    where = f"term {name}" if name else "terms"
    return ConfigError(expected=expected, found=found, where=where, remedy=remedy)
