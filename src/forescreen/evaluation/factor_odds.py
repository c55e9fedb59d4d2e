"""What each clinical factor is worth, by mode of detection: adjusted odds ratios in all sets.

Association, not prediction: development and held-out sets together. Density that is strong for interval and
weak for screen-detected cancers is the signature of masking [Kerlikowske2018].
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..clinical.covariates import Column, Design, available_factors, design
from ..errors import InputError
from ..records import Outcome
from ..statistics.association import conditional_logistic
from .measures import Notes
from .predictors import rows_of


def factor_odds_ratios(
    members: pd.DataFrame, factors: Design, *, case_type: Outcome, notes: Notes
) -> list[dict[str, Any]]:
    """Adjusted odds ratios of the factors in all sets (association, not prediction)."""
    of_type = rows_of(members, case_type, matched=True)
    case = np.asarray(members["outcome"] == case_type)
    rows: list[dict[str, Any]] = []

    def fit(design_: Design, chosen: slice | list[int]) -> None:
        known = of_type & design_.complete
        if int((case & known).sum()) <= design_.X.shape[1] + 1:
            notes.add(f"{case_type}: too few sets for adjusted odds ratios of the factors.")
            return
        try:
            fitted = conditional_logistic(
                design_.X[known], case[known], sets=members["set_id"].to_numpy()[known], names=design_.names
            )
        except InputError as error:
            notes.add(f"Odds ratios of the factors, {case_type}: {error}")
            return
        picked = (
            design_.columns[chosen] if isinstance(chosen, slice) else [design_.columns[i] for i in chosen]
        )
        for column in picked:
            rows.append(
                {
                    "factor": column.name,
                    "case_type": case_type,
                    "odds_ratio": fitted.odds_ratio(column.name).as_dict(),
                    "unit": column.unit,
                }
            )

    if factors.columns:
        fit(factors, slice(None))
    if "percent_density" in members and members["percent_density"].notna().any():
        names = available_factors(members, ("percent_density", "bmi"))
        continuous = design(members, names)
        if not continuous.columns or continuous.columns[0].factor != "percent_density":
            return rows  # the same in all members
        controls = of_type & ~case & continuous.complete
        scaled = continuous.X.copy()
        scaled[:, 0] /= float(np.std(scaled[controls, 0], ddof=1))
        columns = list(continuous.columns)
        unit = "per control SD" + (", adjusted for BMI" if len(columns) > 1 else "")
        columns[0] = Column(columns[0].name, unit, columns[0].factor)
        fit(Design(X=scaled, columns=tuple(columns)), [0])
    return rows
