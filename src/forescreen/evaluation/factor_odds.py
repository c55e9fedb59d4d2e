"""What each clinical factor is worth, by mode of detection: adjusted odds ratios in all sets.

Association, not prediction: development and held-out sets together. Density that is strong for interval and
weak for screen-detected cancers is the signature of masking [Kerlikowske2018].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..clinical.covariates import Column, Design, available_factors, design
from ..errors import InputError
from ..records import Outcome
from ..statistics.association import conditional_logistic
from ..statistics.imputation import pool, pooled_ratio
from .measures import Notes
from .predictors import rows_of


def factor_odds_ratios(
    members: pd.DataFrame,
    factors: Design,
    *,
    case_type: Outcome,
    notes: Notes,
    completed: Sequence[pd.DataFrame] = (),
) -> list[dict[str, Any]]:
    """Adjusted odds ratios of the factors in all sets (association, not prediction).

    `completed` are copies of the members with unknown factors drawn (`imputed.completed_members`): the odds
    ratios are then pooled over them. Without copies members with an unknown factor are left out.
    """
    of_type = rows_of(members, case_type, matched=True)
    case = np.asarray(members["outcome"] == case_type)
    sets = members["set_id"].to_numpy()
    rows: list[dict[str, Any]] = []

    def fit(designs: Sequence[Design], columns: Sequence[Column]) -> None:
        known = of_type & np.logical_and.reduce([design_.complete for design_ in designs])
        n_columns = designs[0].X.shape[1]
        if int((case & known).sum()) <= n_columns + 1:
            notes.add(f"{case_type}: too few sets for adjusted odds ratios of the factors.")
            return
        try:
            fits = [
                conditional_logistic(design_.X[known], case[known], sets=sets[known], names=design_.names)
                for design_ in designs
            ]
        except InputError as error:
            notes.add(f"Odds ratios of the factors, {case_type}: {error}")
            return
        for column in columns:
            found = [fitted.odds_ratio(column.name) for fitted in fits]
            row: dict[str, Any] = {
                "factor": column.name,
                "case_type": case_type,
                "odds_ratio": found[0].as_dict(),
                "unit": column.unit,
            }
            if len(found) > 1:
                row["odds_ratio"] = pooled_ratio(found, n_parameters=n_columns).as_dict()
                row["fraction_missing"] = pool(
                    np.log([e.value for e in found]),
                    np.array([e.standard_error for e in found]) ** 2,
                    n=found[0].n,
                    n_parameters=n_columns,
                ).fraction_missing
            rows.append(row)

    tables = completed or [members]
    if factors.columns:
        names = tuple(dict.fromkeys(column.factor for column in factors.columns))
        designs = [like(factors, table, names) for table in completed] or [factors]
        fit(designs, factors.columns)
    if "percent_density" in members and members["percent_density"].notna().any():
        names = available_factors(members, ("percent_density", "bmi"))
        continuous = design(members, names)
        if not continuous.columns or continuous.columns[0].factor != "percent_density":
            return rows  # the same in all members
        controls = of_type & ~case & (np.isfinite(continuous.X[:, 0]) if completed else continuous.complete)
        spread = float(np.std(continuous.X[controls, 0], ddof=1))
        unit = "per control SD" + (", adjusted for BMI" if len(continuous.columns) > 1 else "")
        first = Column(continuous.columns[0].name, unit, continuous.columns[0].factor)
        scale = np.array([spread, *[1.0] * (len(continuous.columns) - 1)])
        scaled = [
            Design(X=like(continuous, table, names).X / scale, columns=(first, *continuous.columns[1:]))
            for table in tables
        ]
        fit(scaled, [first])
    return rows


def like(plain: Design, table: pd.DataFrame, factors: tuple[str, ...]) -> Design:
    """The design of a completed table in the columns of the incomplete one."""
    full = design(table, factors)
    places = [full.names.index(name) for name in plain.names]
    return Design(X=full.X[:, places], columns=plain.columns)
