"""Risks that other programs computed: columns of a table, or the result file of CanRisk.

In: a column of numbers with its model, horizon and unit; or CanRisk's JSON of one woman. Out: the same
`Assessment` that every model gives. Tyrer–Cuzick, CanRisk/BOADICEA and the later BCSC models are not computed
here: their licences or unpublished coefficients do not allow it (docs/methods/external-models.md). Their own
programs are asked, and what they say is brought along.

A column is named `<model>_<years>y`, and says its unit: `tyrer_cuzick_10y_percent`, `bcsc_v3_5y (%)`,
`canrisk_5y_fraction`, or `canrisk_5y` with the unit declared. The unit is never guessed from the numbers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float

from ..errors import ConfigError, FactorError, InputError
from .model import Assessment

Unit = Literal["percent", "fraction"]

#: Models whose results are accepted: their names, as in `Assessment.model`, and titles.
EXTERNAL_MODELS: dict[str, str] = {
    "tyrer-cuzick": "Tyrer–Cuzick (IBIS)",
    "canrisk": "CanRisk (BOADICEA)",
    "bcsc-v2": "BCSC v2",
    "bcsc-v3": "BCSC v3",
    "brcapro": "BRCAPRO",
}
_SPELLINGS = {
    **{name.replace("-", "_"): name for name in EXTERNAL_MODELS},
    "ibis": "tyrer-cuzick",
    "boadicea": "canrisk",
}
#: Reasons of external assessments, in words.
CODES = {
    "not_computed": "the other program gave no risk",
    "not_a_risk": "the cell is no number, or none that is a risk in the unit of its column",
}

_LONGEST_YEARS = 80
_FIRST_AGE_WITHIN_YEARS = 5
_MODEL_AND_YEARS = rf"(?P<model>{'|'.join(_SPELLINGS)})_(?P<years>[0-9]{{1,2}})y"
_UNIT = r"_?(?P<unit>percent|fraction)| ?\(?(?P<sign>%)\)?"
_NAME = re.compile(f"{_MODEL_AND_YEARS}(?:{_UNIT})?", flags=re.IGNORECASE)
_BEGINS = re.compile(rf"({'|'.join(_SPELLINGS)})_[0-9]", flags=re.IGNORECASE)
_BREAST = "breast cancer risk"


@dataclass(frozen=True, kw_only=True)
class ExternalColumn:
    """A column of another program's risks: its name in the table, whose they are, horizon and unit."""

    name: str
    model: str
    horizon_years: float
    unit: Unit

    @property
    def title(self) -> str:
        return EXTERNAL_MODELS[self.model]


def external_columns(names: Iterable[str], *, units: dict[str, Unit] | None = None) -> list[ExternalColumn]:
    """Those of a table's columns that are external risks, in the order of the table.

    `units` declares the unit of columns that do not say it in their names. Raises ConfigError for a unit
    that neither says, for one that the name contradicts, for one that is no unit, for a declaration of a
    column that is not there, and for a name that begins like one of these and goes on otherwise
    (`canrisk_5yr`).
    """
    declared = dict(units or {})
    found = []
    for name in names:
        plain = name.strip().replace("-", "_")
        match = _NAME.fullmatch(plain)
        if match is None and _BEGINS.match(plain):
            raise ConfigError(
                expected="<model>_<years>y, then _percent or _fraction",
                found=name,
                where="columns of external risks",
            )
        if match is not None:
            unit = _unit(name, match, declared.pop(name, None))
            found.append(
                ExternalColumn(
                    name=name,
                    model=_SPELLINGS[match["model"].lower()],
                    horizon_years=_years(name, int(match["years"])),
                    unit=unit,
                )
            )
    for column in found:
        claim = (column.model, column.horizon_years)
        twins = dict.fromkeys(c.name for c in found if (c.model, c.horizon_years) == claim)
        if len(twins) > 1:
            raise ConfigError(
                expected="each model and horizon once",
                found=f"twice: {', '.join(twins)}",
                where="columns of external risks",
                remedy="Leave all but one out",
            )
    if declared:
        raise ConfigError(
            expected="units of columns named <model>_<years>y, with a model of " + ", ".join(_SPELLINGS),
            found=f"{len(declared)} of other columns",
            where="units of external risks",
        )
    return found


def read_risks(column: ExternalColumn, cells: Sequence[object]) -> Assessment:
    """The assessment in a column: numbers, text of numbers (a % sign allowed in percent), empty for none.

    `average`, `lower`, `upper` are NaN. Raises FactorError, with the row as a spreadsheet counts (the header
    is row 1), for cells that are no numbers, negative, above 100 percent or above 1 as a fraction, and for
    a % sign in a column of fractions.
    """
    scale = 100.0 if column.unit == "percent" else 1.0
    values = np.asarray(cells)
    if values.dtype.kind not in "fiu":
        values = np.array([_cell(cell, column, row) for row, cell in enumerate(cells, start=2)])
    values = values.astype(float)
    wrong = np.flatnonzero((values < 0) | (values > scale))
    if wrong.size:
        raise FactorError(
            expected=f"risks from 0 to {scale:g} in {column.unit}",
            found=f"{values[wrong[0]]:g}",
            where=f"column {column.name}, row {wrong[0] + 2}",
            remedy="Declare the column as percent" if column.unit == "fraction" else "",
        )
    notes = [f"Computed by another program, taken as it is: {column.title}."]
    if column.unit == "percent" and np.isfinite(values).sum() >= 10 and np.nanmax(values) < 0.5:
        notes.append(f"No risk of column {column.name} reaches 0.5 percent: is its unit a fraction?")
    return _assessment(column.model, column.horizon_years, values / scale, None, tuple(notes))


def assess_column(column: ExternalColumn, cells: Sequence[object]) -> Assessment:
    """As `read_risks`, but a cell that is no risk is its own reason, `not_a_risk`; the others go on."""
    kept: list[object] = []
    wrong = np.zeros(len(cells), dtype=bool)
    answers: dict[object, bool] = {}
    for row, cell in enumerate(cells):
        if cell not in answers:
            try:
                read_risks(column, [cell])
                answers[cell] = True
            except FactorError:
                answers[cell] = False
        wrong[row] = not answers[cell]
        kept.append(cell if answers[cell] else None)
    found = read_risks(column, kept)
    if not wrong.any():
        return found
    reasons = {code: mask & ~wrong for code, mask in found.reasons.items()}
    return replace(
        found, reasons={code: m for code, m in {**reasons, "not_a_risk": wrong}.items() if m.any()}
    )


def read_canrisk(path: Path, *, age_years: float, horizon_years: float) -> Assessment:
    """One woman's risk from the result file of CanRisk, from her age over the horizon.

    The file holds risks from her age to later ages (`cancer_risks`); it does not say her age, so that is
    asked. Its `ten_yr_cancer_risk` is *not* the next ten years but from 40 to 50, and `lifetime_cancer_risk`
    from 20 to 80: neither is read. `average` is the risk of the population at her age
    (`baseline_cancer_risks`). `horizon_outside` where the file has no risk at that age; nothing is
    interpolated. Raises InputError for a file that is absent, not JSON, not CanRisk's, or of several women.
    """
    result = _pedigree_result(path)
    end = age_years + horizon_years
    risks = _by_age(result, "cancer_risks", path)
    average = _by_age(result, "baseline_cancer_risks", path) if "baseline_cancer_risks" in result else {}
    first = min(risks, default=math.nan)
    # The first age of the file is the next birthday, or little later: another age is another woman's.
    if not (horizon_years > 0 and 0 < first - age_years <= _FIRST_AGE_WITHIN_YEARS):
        raise InputError(
            expected="her age, just below the first age of the file, and a horizon above 0",
            found=f"age {age_years:g}, horizon {horizon_years:g}, first age {first:g}",
            where=path.name,
        )
    values = np.array([risks.get(end, np.nan)])
    note = f"Computed by another program, taken as it is: {EXTERNAL_MODELS['canrisk']}."
    reason = "horizon_outside" if end not in risks else "not_computed"
    return _assessment(
        "canrisk", horizon_years, values, np.array([average.get(end, np.nan)]), (note,), reason=reason
    )


def _assessment(
    model: str,
    horizon_years: float,
    risk: Float[np.ndarray, "woman"],
    average: Float[np.ndarray, "woman"] | None,
    notes: tuple[str, ...],
    *,
    reason: str = "not_computed",
) -> Assessment:
    none = np.isnan(risk)
    nothing = np.full(risk.size, np.nan)
    return Assessment(
        model=model,
        horizon_years=np.full(risk.size, float(horizon_years)),
        risk=risk,
        average=nothing if average is None else np.where(none, np.nan, average),
        lower=nothing.copy(),
        upper=nothing.copy(),
        reasons={reason: none} if none.any() else {},
        notes=notes,
    )


def _unit(name: str, match: re.Match[str], declared: Unit | None) -> Unit:
    told = "percent" if match["sign"] else (match["unit"] or "").lower()
    if declared is not None and declared not in get_args(Unit):
        raise ConfigError(expected="percent or fraction", found=str(declared), where=f"unit of column {name}")
    if told and declared and told != declared:
        raise ConfigError(
            expected=f"the unit that the name says, {told}", found=declared, where=f"unit of column {name}"
        )
    unit = told or declared
    if unit is None or unit == "":
        raise ConfigError(
            expected="a unit, percent or fraction",
            found="none",
            where=f"column {name}",
            remedy=f"Name it {name}_percent or {name}_fraction, or declare its unit; it is never guessed",
        )
    return "percent" if unit == "percent" else "fraction"


def _years(name: str, years: int) -> float:
    if not 1 <= years <= _LONGEST_YEARS:
        raise ConfigError(
            expected=f"a horizon from 1 to {_LONGEST_YEARS} years", found=str(years), where=f"column {name}"
        )
    return float(years)


def _cell(cell: object, column: ExternalColumn, row: int) -> float:
    text = "" if cell is None else str(cell).strip()
    if text.lower() in ("", "nan", "na", "<na>", "none"):
        return math.nan
    where = f"column {column.name}, row {row}"
    if text.endswith("%") and column.unit != "percent":
        raise FactorError(expected="a fraction without a % sign", found="a % sign", where=where)
    try:
        value = float(text.removesuffix("%")) if "_" not in text else math.inf
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        raise FactorError(
            expected="a number, or nothing where there is no risk",
            found="something else",
            where=where,
            remedy="Decimals have a point",
        )
    return value


def _pedigree_result(path: Path) -> dict[str, Any]:
    expected = "a result file of CanRisk with one woman (pedigree_result)"
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(expected=expected, found="no such file", where=str(path)) from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            expected=expected, found=f"no JSON: {type(error).__name__}", where=path.name
        ) from error
    results = content.get("pedigree_result") if isinstance(content, dict) else None
    if not isinstance(results, list) or not all(isinstance(result, dict) for result in results):
        raise InputError(expected=expected, found="JSON of another kind", where=path.name)
    if len(results) != 1:
        raise InputError(expected=expected, found=f"{len(results)} women", where=path.name)
    result = results[0]
    if "cancer_risks" not in result:
        raise InputError(
            expected=expected,
            found="no cancer_risks",
            where=path.name,
            remedy="CanRisk leaves them out of women it gives no risk for",
        )
    return dict(result)


def _by_age(result: dict[str, Any], key: str, path: Path) -> dict[float, float]:
    """Risks as fractions by age; the file has them as a fraction (decimal) and as rounded percent."""
    expected = f"{key}: a list of age and {_BREAST}, decimal from 0 to 1 and percent of the same"
    wrong = InputError(expected=expected, found="something else", where=path.name)
    entries = result[key]
    if not isinstance(entries, list):
        raise wrong
    risks: dict[float, float] = {}
    for entry in entries:
        try:
            age, told = float(entry["age"]), entry[_BREAST]
            risk = float(told["decimal"])
            percent = float(told.get("percent", 100 * risk))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise wrong from error
        # The file rounds percent to one decimal; another place of the point is another unit.
        if not (0 <= risk <= 1 and abs(100 * risk - percent) <= 0.0501):
            raise wrong
        risks[age] = risk
    return risks
