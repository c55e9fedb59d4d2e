"""Prediction files of any model: who was predicted, and what each number claims to be.

In: a CSV in one of the formats below. Out: `Predictions`, one for each model in the file, every number
checked and every row that cannot be used counted.

    patient_exam_id, 1_year_risk, 2_year_risk, …            yearly risks (Mirai's prediction file)
    exam_id, 1_year_risk, …                                 the same under our key; by mode of detection
                                                            also 1_year_risk_screen_detected, …_interval
    exam_id, score_screen_detected, score_interval          scores by mode of detection (forescreen)
    exam_id, risk   |   exam_id, score                      one risk or one score
    exam_id, vendor_a, vendor_b, …                          a score of each of several models
    model, exam_id, risk or score                           several models below each other

Other columns need a section [models.NAME] in the plan. Column names are read in any case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from ..cohort.columns import rows_of
from ..errors import ConfigError, InputError
from ..records import Outcome
from .comparison_plan import ModelColumns
from .tables_in import read_text_table, without_names

#: Any breast cancer, whatever its mode of detection.
ANY = "any"

_YEARLY = re.compile(r"^(\d+(?:\.\d+)?)_year_risk(?:_(screen_detected|interval))?$")
_MODE_COLUMNS = {
    "score_screen_detected": Outcome.SCREEN_DETECTED.value,
    "score_interval": Outcome.INTERVAL.value,
}
#: Cells that mean "no prediction".
_EMPTY = ("", "na", "nan", "n/a", "null", "none", ".")
#: Columns of forescreen's own score files that say something about a score and are none.
_NO_SCORES = frozenset({"n_views", "n_members", "spread", "score_screen_detected_sd", "score_interval_sd"})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a column of predictions says: cancer of which kind, by when, and whether it is a risk."""

    case_type: str = ANY
    horizon_years: float | None = None
    kind: Literal["risk", "score"] = "score"


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """One model's predictions, one row per key; nan where the file has an empty cell."""

    key: str
    label: str
    description: str
    file: str
    format: str
    ids: Shaped[np.ndarray, "row"]
    values: Mapping[Claim, Float[np.ndarray, "row"]]
    # Where unknown factors were drawn several times: the scores of which `values` are the means.
    imputed: Mapping[Claim, Float[np.ndarray, "imputation row"]] = field(default_factory=dict)

    @property
    def horizons_years(self) -> tuple[float, ...]:
        """Horizons of its risks or scores, ascending."""
        return tuple(sorted({c.horizon_years for c in self.values if c.horizon_years is not None}))

    def claim(self, case_type: str, horizon_years: float | None) -> tuple[Claim, bool] | None:
        """The column that speaks about this cancer by this horizon, and whether it is a risk of just that.

        Preferred: the mode itself, then any cancer; the horizon itself, then the nearest later one, then the
        latest. A column of another mode or horizon ranks women but is no risk of this outcome. None where
        the model says nothing.
        """
        own = [c for c in self.values if c.case_type == case_type] or [
            c for c in self.values if c.case_type == ANY
        ]
        if not own:
            return None
        best = min(own, key=lambda c: _distance(c.horizon_years, horizon_years))
        same_horizon = best.horizon_years is None or best.horizon_years == horizon_years
        same_type = best.case_type == case_type or (
            best.case_type == ANY and case_type == Outcome.CANCER.value
        )
        return best, best.kind == "risk" and same_horizon and same_type


def _distance(own: float | None, wanted: float | None) -> tuple[int, float]:
    if own is None:
        return (1, 0.0)
    if wanted is None or own < wanted:
        return (2, -own)
    return (0, own - wanted)


def read_predictions(
    path: Path, *, name: str, key: tuple[str, ...], models: Mapping[str, ModelColumns]
) -> tuple[Predictions, ...]:
    """All models in one file. `name` is the key of a single model; `key` names the exam's columns.

    Raises InputError for a file that is no table, lacks its key, names an exam twice, or has cells that are
    not numbers, infinite numbers, risks outside [0, 1] or yearly risks that fall; ConfigError where the
    columns are not known and the plan does not name them.
    """
    table = read_text_table(path)
    if table.empty:
        raise InputError(expected="at least one prediction", found="a header only", where=path.name)
    lower = {str(c).strip().lower(): str(c) for c in table.columns}
    if "model" in lower and name not in models:
        names = table[lower["model"]].str.strip()
        if (names == "").any():
            raise InputError(
                expected="a model in every row",
                found=f"empty cells in {rows_of(np.asarray(names == ''))}",
                where=path.name,
            )
        rest = table.drop(columns=lower["model"])
        parts = [
            _one_file(rest[names == model], path, str(model), key, models) for model in dict.fromkeys(names)
        ]
        return tuple(p for part in parts for p in part)
    return _one_file(table, path, name, key, models)


def _one_file(
    table: pd.DataFrame, path: Path, name: str, key: tuple[str, ...], models: Mapping[str, ModelColumns]
) -> tuple[Predictions, ...]:
    spec = models.get(name)
    ids, key_columns = _ids(table, spec.key if spec is not None and spec.key else key, path.name)
    lower = {str(c).strip().lower(): str(c) for c in table.columns if str(c) not in key_columns}
    if spec is not None and (spec.columns or spec.screen_detected or spec.interval):
        wanted = _named(spec, set(table.columns), f"{path.name} [models.{name}]")
        return (_model(table, path, name, ids, wanted, spec, "columns of the plan"),)
    yearly = {c: m for c in lower if (m := _YEARLY.match(c))}
    if yearly:
        claims = {
            Claim(
                case_type=_MODE_COLUMNS[f"score_{m[2]}"] if m[2] else ANY,
                horizon_years=float(m[1]),
                kind="risk",
            ): lower[c]
            for c, m in yearly.items()
        }
        return (_model(table, path, name, ids, claims, spec, "yearly risks"),)
    if set(_MODE_COLUMNS) <= set(lower):
        claims = {Claim(case_type=mode): lower[c] for c, mode in _MODE_COLUMNS.items()}
        return (_model(table, path, name, ids, claims, spec, "forescreen scores"),)
    if "risk" in lower and "score" in lower:
        raise ConfigError(
            expected="one column, risk or score",
            found="both",
            where=path.name,
            remedy=f"Say which in [models.{name}] of the plan",
        )
    if "risk" in lower:
        return (_model(table, path, name, ids, {Claim(kind="risk"): lower["risk"]}, spec, "risk"),)
    if "score" in lower:
        kind = spec.kind if spec is not None else "score"
        return (_model(table, path, name, ids, {Claim(kind=kind): lower["score"]}, spec, "score"),)
    planned = [c for c in lower.values() if c in models]
    columns = planned or [c for low, c in lower.items() if not _travels_with(low) and _is_numeric(table[c])]
    if not columns:
        raise ConfigError(
            expected="a column risk, score, N_year_risk, score_screen_detected and score_interval, or a "
            "numeric column for each model",
            found=without_names(table.columns, ("risk", "score")),
            where=path.name,
            remedy=f"Name the columns in [models.{name}] of the plan",
        )
    return tuple(
        _model(
            table,
            path,
            c,
            ids,
            {Claim(kind=models[c].kind if c in models else "score"): c},
            models.get(c),
            "one score per model",
        )
        for c in columns
    )


def _travels_with(name: str) -> bool:
    """Whether a column accompanies predictions and is none: an index, a date, a count, a woman's number."""
    return (
        not name
        or name in _NO_SCORES
        or name in _COMMON
        or name.startswith(("unnamed", "n_", "index"))
        or name.endswith(("_id", "_date", "date", "_index"))
    )


#: Numeric columns that travel with predictions and are not predictions.
_COMMON = frozenset(
    [
        "id",
        "age",
        "year",
        "fold",
        "split",
        "outcome",
        "label",
        "target",
        "cancer",
        "density",
        "birads",
        "bmi",
        "weight",
        "time_years",
        "years_to_cancer",
        "years_to_last_followup",
        "laterality",
        "side",
        "view",
        "site",
        "machine",
    ]
)


def _ids(
    table: pd.DataFrame, key: tuple[str, ...], where: str
) -> tuple[Shaped[np.ndarray, "row"], tuple[str, ...]]:
    """The key of each row as one text, and the columns it was made of."""
    lower = {str(c).strip().lower(): str(c) for c in table.columns}
    if all(k.lower() in lower for k in key):
        columns = tuple(lower[k.lower()] for k in key)
        joined = table[columns[0]].str.strip()
        for column in columns[1:]:
            joined = joined + "\t" + table[column].str.strip()
    elif "patient_exam_id" in lower:
        columns = (lower["patient_exam_id"],)
        # Mirai writes "<patient>\t<exam>"; with one key column the exam alone is meant.
        joined = table[columns[0]].str.strip()
        if len(key) == 1:
            joined = joined.str.rsplit("\t", n=1).str[-1]
    else:
        raise InputError(
            expected=f"the column {' and '.join(key)} (or patient_exam_id)",
            found=without_names(table.columns, (*key, "patient_exam_id")),
            where=where,
            remedy="Rename the column, or name it as key in the plan",
        )
    ids = joined.to_numpy(dtype=object)
    empty = np.array([not part.strip() for part in ids], dtype=bool)
    if empty.any():
        raise InputError(expected="a key in every row", found=f"none in {rows_of(empty)}", where=where)
    repeated = joined.duplicated(keep=False).to_numpy()
    if repeated.any():
        raise InputError(
            expected="one prediction for each exam",
            found=f"the same key again in {rows_of(repeated)}",
            where=where,
            remedy="Give one row per exam, or name more columns as key in the plan (a side, a model)",
        )
    return ids, columns


def _named(spec: ModelColumns, present: set[str], where: str) -> dict[Claim, str]:
    claims: dict[Claim, str] = {}
    for case_type, mapping in (
        (ANY, spec.columns),
        (Outcome.SCREEN_DETECTED.value, spec.screen_detected),
        (Outcome.INTERVAL.value, spec.interval),
    ):
        for years, column in mapping.items():
            if column not in present:
                raise ConfigError(
                    expected=f"a column {column!r}", found=without_names(present, (column,)), where=where
                )
            horizon = float(years) if years else None
            claims[Claim(case_type=case_type, horizon_years=horizon, kind=spec.kind)] = column
    return claims


def _model(
    table: pd.DataFrame,
    path: Path,
    name: str,
    ids: Shaped[np.ndarray, "row"],
    claims: Mapping[Claim, str],
    spec: ModelColumns | None,
    form: str,
) -> Predictions:
    if not name or not (name[0].isalnum() or name[0] == "_"):
        raise ConfigError(
            expected="a model's name that begins with a letter or a digit", found=repr(name), where=path.name
        )
    values = {
        claim: _numbers(table[column], claim.kind, f"{path.name}, column {column}")
        for claim, column in claims.items()
    }
    _check_rising(values, path.name)
    scores = {c.case_type: v for c, v in values.items() if c.horizon_years is None and c.kind == "score"}
    if ANY not in scores and set(scores) == set(_MODE_COLUMNS.values()):
        # Log hazards by mode of detection: their sum ranks women by any cancer.
        values[Claim()] = np.logaddexp(*scores.values())
    for horizon in {c.horizon_years for c in values}:
        modes = [
            values.get(Claim(case_type=m, horizon_years=horizon, kind="risk")) for m in _MODE_COLUMNS.values()
        ]
        whole = Claim(horizon_years=horizon, kind="risk")
        if whole not in values and modes[0] is not None and modes[1] is not None:
            values[whole] = modes[0] + modes[1]
            beyond = values[whole] > 1 + 1e-12
            if beyond.any():
                raise InputError(
                    expected="risks of the two modes of detection that add up to at most 1",
                    found=f"more in {rows_of(beyond)}",
                    where=f"{path.name}, {name}",
                )
            values[whole] = np.minimum(values[whole], 1.0)
    return Predictions(
        key=name,
        label=(spec.label if spec is not None else "") or name,
        description=spec.description if spec is not None else "",
        file=path.name,
        format=form,
        ids=ids,
        values=values,
    )


def _numbers(cells: pd.Series, kind: str, where: str) -> Float[np.ndarray, "row"]:
    """The cells as numbers, nan where empty.

    Raises InputError for words, infinities and risks outside [0, 1].
    """
    text = cells.str.strip()
    empty = text.str.lower().isin(_EMPTY).to_numpy()
    numbers = pd.to_numeric(text, errors="coerce").to_numpy(dtype=np.float64)
    bad = ~np.isfinite(numbers) & ~empty
    if bad.any():
        raise InputError(
            expected="finite numbers, or empty cells where there is no prediction",
            found=f"something else in {rows_of(bad)}",
            where=where,
        )
    outside = (numbers < 0) | (numbers > 1)
    if kind == "risk" and outside.any():
        low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
        per_cent = low >= 0 and 1 < high <= 100
        raise InputError(
            expected="risks from 0 to 1",
            found=f"values from {low:.4g} to {high:.4g}, outside in {rows_of(outside)}",
            where=where,
            remedy="Divide percentages by 100" if per_cent else 'If these are scores, call them "score"',
        )
    numbers = np.where(empty, np.nan, numbers)
    return numbers


def _check_rising(values: Mapping[Claim, Float[np.ndarray, "row"]], where: str) -> None:
    """Cumulative risks of one kind of cancer must not fall from one horizon to a later one."""
    for case_type in {c.case_type for c in values}:
        yearly = sorted(
            (c for c in values if c.case_type == case_type and c.kind == "risk" and c.horizon_years),
            key=lambda c: c.horizon_years or 0.0,
        )
        for early, late in pairwise(yearly):
            falling: Bool[np.ndarray, "row"] = values[late] < values[early] - 1e-9
            if falling.any():
                raise InputError(
                    expected="risks that do not fall as years pass (they are cumulative)",
                    found=f"a {late.horizon_years:g}-year risk below the {early.horizon_years:g}-year "
                    "risk in "
                    f"{rows_of(falling)}",
                    where=where,
                    remedy="Add yearly risks up, or swap columns that are in the wrong order",
                )


def _is_numeric(cells: pd.Series) -> bool:
    text = cells.str.strip()
    known = text[~text.str.lower().isin(_EMPTY)]
    # One number makes it a column of numbers: a word among them is then an error, not another kind of column.
    return bool(len(known)) and bool(pd.to_numeric(known, errors="coerce").notna().any())
