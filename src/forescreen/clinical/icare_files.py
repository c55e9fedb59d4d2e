"""py-icare's input files as they are: coefficients, reference sample, rates, profiles → risks.

In: json of log odds ratios by name of term; csv of a reference sample and of profiles, in the same columns;
csv of rates, `age,rate` or `start_age,end_age,rate` (a rate of an age group is divided by its years, as
py-icare does); for two models split at an age the second set. Out: `FileRisks`. The formula file is not
needed: the names tell it. Genetic variants (SNPs) are not read. [Choudhury2020]
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from ..errors import ConfigError, FactorError, InputError
from .log_linear import UNKNOWN_CELLS, Column, LogLinear, coded_column, parse_terms, scores
from .periods import Mode, Period, Sample, known_from_sample, split_risk, whole_period_risk
from .rates import Rates
from .reference import baseline_hazards

_Table = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """One model: log odds ratios (json), a reference sample (csv), its column of weights if it has one."""

    coefficients: Path
    reference: Path
    weight_column: str | None = None


@dataclass(frozen=True, kw_only=True)
class RateFiles:
    """Incidence of the event, and mortality from all that competes (None: nothing does), csv by age."""

    incidence: Path
    mortality: Path | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class FileRisks:
    """Risk and linear predictor of every profile, in the order of the file.

    Where factors are unknown, the linear predictor is the mean over the reference women she is averaged over.
    `averaged` marks those profiles. The second linear predictor is that of the model after the cut.
    """

    risk: Float[np.ndarray, "profile"]
    linear_predictor: Float[np.ndarray, "profile"]
    linear_predictor_after: Float[np.ndarray, "profile"] | None
    averaged: np.ndarray


def read_sample(files: ModelFiles) -> Sample:
    """The model and its reference sample.

    Not accepted, with the column and the row in the message: unknown cells, levels that the names of the
    terms do not list, weights that are not numbers of 0 or more, a column that is missing. Levels that no
    name lists are taken from the sample. Raises ConfigError for the json, FactorError and InputError for the
    csv.
    """
    coefficients = _read_json(files.coefficients)
    table = _read_table(files.reference)
    levels = {column: sorted(set(cells) - UNKNOWN_CELLS) for column, cells in table.items()}
    return _sample(parse_terms(coefficients, levels=levels), table, files.reference, files.weight_column)


def read_reference(model: LogLinear, path: Path, *, weight_column: str | None = None) -> Sample:
    """A reference sample of a known model, csv with the model's columns. Errors as for `read_sample`."""
    return _sample(model, _read_table(path), path, weight_column)


def _sample(model: LogLinear, table: _Table, path: Path, weight_column: str | None) -> Sample:
    columns = _coded(model, table, path)
    found = scores(model, columns)
    if not found.complete.all():
        row = int(np.argmax(~found.complete))
        column = found.columns[int(np.argmax(found.unknown[row]))]
        raise FactorError(
            expected="a reference sample without unknown cells",
            found=f"{int(np.count_nonzero(~found.complete))} incomplete rows",
            where=f"{path.name}, row {row + 1}, {column}",
            remedy="Leave these women out or impute their factors first",
        )
    weight = _weights(table, path, weight_column)
    return Sample(model=model, columns=columns, complete=found.observed, weight=weight)


def read_rate_files(files: RateFiles) -> Rates:
    """Rates by single year over the ages of the incidence; mortality 0 at ages that its file lacks.

    Raises InputError for columns of other names, ages that leave gaps or are not whole, and rates out of
    range.
    """
    from_age, incidence = _read_rates(files.incidence)
    mortality = np.zeros(incidence.size)
    if files.mortality is not None:
        first, values = _read_rates(files.mortality)
        for place in range(incidence.size):
            if 0 <= from_age + place - first < values.size:
                mortality[place] = values[from_age + place - first]
    return Rates(
        name=files.incidence.stem,
        population="as in the file",
        years="as in the file",
        source=files.incidence.name,
        event="as in the file",
        edges=np.arange(from_age, from_age + incidence.size + 1, dtype=float),
        incidence=incidence,
        mortality=mortality,
        mortality_of="all causes",
    )


def risks_from_files(
    profiles: Path,
    model: ModelFiles,
    *,
    rates: RateFiles,
    start_age: float | Sequence[float],
    years: float | Sequence[float],
    cut_age: float | Sequence[float] | None = None,
    model_after: ModelFiles | None = None,
    profiles_after: Path | None = None,
    mode: Mode = "exact",
) -> FileRisks:
    """Risks of the profiles of a csv from `start_age` over so many `years` (one number for all or one each).

    With `cut_age` the first model holds until that age and `model_after` (or the same one) from it on, for
    the profiles of `profiles_after` (or the same ones), row by row. Profiles may have unknown cells: their
    risk is the mean over reference women with the same hundredth of the score of what is known.
    `mode="icare"` repeats iCARE's numbers, `exact` integrates; the difference is about half a year's hazard,
    more across a cut.

    Raises ConfigError, FactorError and InputError as `read_sample` and `read_rate_files` do; InputError for
    two tables of different length and for ages that the rates do not cover.
    """
    population = read_rate_files(rates)
    before, linear, averaged = _period(model, profiles, population, mode)
    start = _per_profile(start_age, linear.size, "start_age")
    end = start + _per_profile(years, linear.size, "years")
    _check_covered(rates, start, end)
    if cut_age is None:
        if model_after is not None or profiles_after is not None:
            raise InputError(
                expected="a cut age with a second model or second profiles", found="none", where="cut_age"
            )
        risk = whole_period_risk(start, end, period=before, mode=mode)
        return FileRisks(risk=risk, linear_predictor=linear, linear_predictor_after=None, averaged=averaged)
    second = profiles_after or profiles
    after, linear_after, averaged_after = _period(model_after or model, second, population, mode)
    if linear_after.size != linear.size:
        raise InputError(
            expected=f"{linear.size} profiles, as before the cut",
            found=str(linear_after.size),
            where=second.name,
        )
    cut = _per_profile(cut_age, linear.size, "cut_age")
    risk = split_risk(start, end, cut_age=cut, before=before, after=after, mode=mode)
    return FileRisks(
        risk=risk,
        linear_predictor=linear,
        linear_predictor_after=linear_after,
        averaged=np.asarray((averaged & (start < cut)) | (averaged_after & (end > cut))),
    )


def _period(
    files: ModelFiles, profiles: Path, rates: Rates, mode: Mode
) -> tuple[Period, Float[np.ndarray, "profile"], np.ndarray]:
    sample = read_sample(files)
    found = scores(sample.model, _coded(sample.model, _read_table(profiles), profiles))
    known, linear = known_from_sample(sample, found)
    baseline = baseline_hazards(rates, sample.population, mode=mode)
    return Period(baseline=baseline, known=known), linear, ~found.complete


def _coded(model: LogLinear, table: _Table, path: Path) -> dict[str, Column]:
    missing = [column for column in model.columns if column not in table]
    if missing:
        raise InputError(
            expected=f"columns {', '.join(model.columns)}",
            found=f"no {', '.join(missing)}",
            where=path.name,
        )
    return {column: coded_column(model, column, table[column], where=path.name) for column in model.columns}


def _weights(table: _Table, path: Path, column: str | None) -> Float[np.ndarray, "reference"]:
    if column is None:
        return np.ones(len(next(iter(table.values()))))
    where = f"{path.name}, {column}"
    if column not in table:
        raise InputError(expected="a column of weights", found="no such column", where=where)
    try:
        weights = np.array(table[column], dtype=float)
    except ValueError:
        weights = np.full(1, np.nan)
    if not (np.isfinite(weights) & (weights >= 0)).all() or weights.sum() <= 0:
        raise InputError(expected="weights of 0 or more, some above", found="others", where=where)
    return np.asarray(weights)


def _read_json(path: Path) -> dict[str, float]:
    try:
        found = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise ConfigError(
            expected="a json file", found=f"line {error.lineno}: {error.msg}", where=path.name
        ) from error
    if not isinstance(found, dict):
        raise ConfigError(
            expected="log odds ratios by name of term", found=type(found).__name__, where=path.name
        )
    return found


def _read_table(path: Path) -> _Table:
    """Cells as text by column, so that "13", "<20" and 0 stay what they are."""
    rows = [row for row in csv.reader(io.StringIO(_read_text(path)), skipinitialspace=True) if row]
    names = [name.strip() for name in rows[0]] if rows else []
    if len(rows) < 2 or len(set(names)) < len(names):
        found = "no rows" if len(rows) < 2 else "a column twice"
        raise InputError(expected="rows, and every column once", found=found, where=path.name)
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(names):
            raise InputError(
                expected=f"{len(names)} cells, as in the header",
                found=str(len(row)),
                where=f"{path.name}, row {number}",
            )
    columns = zip(*rows[1:], strict=True)
    return {name: [cell.strip() for cell in cells] for name, cells in zip(names, columns, strict=True)}


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(expected="a file in UTF-8", found=type(error).__name__, where=path.name) from error


def _read_rates(path: Path) -> tuple[int, Float[np.ndarray, "year"]]:
    """First age and the rate of every year of age from it on."""
    table = _read_table(path)
    names = [("age", "rate"), ("start_age", "end_age", "rate")]
    columns = next((some for some in names if set(some) == set(table)), None)
    if columns is None:
        raise InputError(
            expected="columns age, rate or start_age, end_age, rate", found=", ".join(table), where=path.name
        )
    # Ages without a rate are not covered.
    known = [row for row, cell in enumerate(table["rate"]) if cell not in UNKNOWN_CELLS]
    if not known:
        raise InputError(expected="rates", found="none", where=path.name)
    try:
        numbers = {name: np.array([float(table[name][row]) for row in known]) for name in columns}
    except ValueError as error:
        raise InputError(expected="numbers in every cell", found=str(error), where=path.name) from error
    low, rate = numbers[columns[0]], numbers["rate"]
    high = numbers["end_age"] if len(columns) == 3 else low + 1
    order = np.argsort(low, kind="stable")
    low, high, rate = low[order], high[order], rate[order]
    whole = np.isfinite(low) & (low == np.round(low)) & (high == np.round(high)) & (high > low)
    wrong = ~whole
    wrong[1:] |= low[1:] != high[:-1]
    if wrong.any():
        row = int(order[int(np.argmax(wrong))])
        raise InputError(
            expected="whole years of age without gaps and overlaps",
            found=f"age {numbers[columns[0]][row]:g}",
            where=f"{path.name}, row {known[row] + 1}",
        )
    width = (high - low).astype(int)
    return int(low[0]), np.repeat(rate / width, width)


def _per_profile(value: float | Sequence[float], n: int, where: str) -> Float[np.ndarray, "profile"]:
    given = np.asarray(value, dtype=float)
    if given.shape not in {(), (1,), (n,)} or not np.isfinite(given).all():
        raise InputError(
            expected=f"one finite number for all or one for each of {n} profiles",
            found=f"shape {given.shape}",
            where=where,
        )
    return np.array(np.broadcast_to(given, (n,)))


def _check_covered(
    rates: RateFiles, start: Float[np.ndarray, "profile"], end: Float[np.ndarray, "profile"]
) -> None:
    for path in filter(None, (rates.incidence, rates.mortality)):
        first, values = _read_rates(path)
        n = int(np.count_nonzero(~((start >= first) & (end <= first + values.size) & (end >= start))))
        if n:
            raise InputError(
                expected=f"ages from {first} to {first + values.size}, the end after the start",
                found=f"{n} profiles with others",
                where=path.name,
            )
