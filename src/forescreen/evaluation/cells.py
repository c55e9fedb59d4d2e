"""Cells of a table as text become numbers and dates, or an error that names column and rows."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..cohort.columns import rows_of
from ..errors import InputError

#: Ages and times beyond this are in another unit.
LONGEST_YEARS = 120.0


def numbers_in(cells: pd.Series, name: str, where: str) -> pd.Series:
    """The cells as floats, nan where empty; an age lies between 0 and 120."""
    text = cells.str.strip()
    empty = text.str.lower().isin(["", "na", "nan", "null", "."])
    numbers = pd.to_numeric(text, errors="coerce")
    bad = ((numbers.isna() & ~empty) | np.isinf(numbers)).to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected=f"numbers in {name}, or empty cells where unknown",
            found=f"something else in {rows_of(bad)}",
            where=where,
        )
    if name == "age":
        outside = ((numbers < 0) | (numbers > LONGEST_YEARS)).to_numpy(dtype=bool)
        if outside.any():
            raise InputError(
                expected="ages from 0 to 120 years",
                found=f"others in {rows_of(outside)}",
                where=where,
            )
    return numbers.astype(float)


def dates_in(cells: pd.Series, name: str, where: str) -> pd.Series:
    """The cells as dates, NaT where empty; only YYYY-MM-DD is read."""
    text = cells.str.strip()
    iso = text.str.fullmatch(r"\d{4}-\d{2}-\d{2}").to_numpy(dtype=bool)
    dates = pd.to_datetime(text.where(iso), format="%Y-%m-%d", errors="coerce").astype("datetime64[s]")
    bad = dates.isna().to_numpy() & (text != "").to_numpy(dtype=bool)
    if bad.any():
        raise InputError(
            expected=f"{name} as YYYY-MM-DD, or empty", found=f"something else in {rows_of(bad)}", where=where
        )
    return dates
