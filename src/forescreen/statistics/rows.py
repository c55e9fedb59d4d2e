"""Columns of one table, row by row: what every statistic asks of its scores, marks and labels.

In: arrays as the caller has them. Out: plain arrays of known type, or an `InputError` that says how
many rows are wrong.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from forescreen.errors import InputError, TooFewEventsError


def finite_scores(
    score: Shaped[np.ndarray, "..."], n_rows: int, what: str = "score"
) -> Float[np.ndarray, "row"]:
    """Scores in double precision; a missing or infinite score is an error, never skipped silently."""
    values = np.asarray(score, dtype=np.float64)
    same_rows(n_rows, values, what)
    n_bad = int(np.count_nonzero(~np.isfinite(values)))
    if n_bad:
        raise InputError(
            expected=f"a finite {what} in every row",
            found=f"{n_bad} of {values.size} rows missing or infinite",
            where=what,
            remedy="Choose the rows that all models have scored before comparing models",
        )
    return values


def same_rows(n_rows: int, column: Shaped[np.ndarray, "..."], what: str) -> None:
    """An error unless the column has one entry per row."""
    if column.shape != (n_rows,):
        raise InputError(expected=f"{n_rows} rows", found=f"shape {column.shape}", where=what)


def label_codes(labels: Shaped[np.ndarray, "row"], what: str) -> Int[np.ndarray, "row"]:
    """Labels as 0, 1, … in sorted order of the labels; missing and empty labels are an error."""
    if labels.dtype.kind in "OUST":
        missing = np.array([_is_missing(x) for x in labels.tolist()], dtype=bool)
    elif labels.dtype.kind == "f":
        missing = ~np.isfinite(labels)
    else:
        missing = np.zeros(labels.shape, dtype=bool)
    n_missing = int(np.count_nonzero(missing))
    if n_missing:
        raise InputError(
            expected=f"a {what} in every row",
            found=f"{n_missing} of {labels.size} rows without",
            where=what,
            remedy="Leave out the rows that belong to none",
        )
    plain = labels.astype(str) if labels.dtype.kind in "OT" else labels
    codes: Int[np.ndarray, "row"] = np.unique(plain, return_inverse=True)[1].astype(np.int64)
    return codes


def positive_weights(weights: Float[np.ndarray, "row"] | None, n_rows: int) -> Float[np.ndarray, "row"]:
    """Sampling weights in double precision, 1 where none are given; all must be finite and positive."""
    if weights is None:
        return np.ones(n_rows)
    values = np.asarray(weights, dtype=np.float64)
    same_rows(n_rows, values, "weight")
    n_bad = int(np.count_nonzero(~(np.isfinite(values) & (values > 0))))
    if n_bad:
        raise InputError(
            expected="finite positive sampling weights",
            found=f"{n_bad} of {n_rows} rows otherwise",
            where="weight",
        )
    return values


def cases_and_controls(case: Bool[np.ndarray, "row"], quantity: str, *, needed: int = 2) -> tuple[int, int]:
    """Numbers of cases and controls; too few of either is an error."""
    n_cases = int(np.count_nonzero(case))
    n_controls = case.size - n_cases
    if n_cases < needed:
        raise TooFewEventsError(quantity, found=n_cases, needed=needed, where="cases")
    if n_controls < needed:
        raise TooFewEventsError(quantity, found=n_controls, needed=needed, where="controls")
    return n_cases, n_controls


def _is_missing(label: object) -> bool:
    # None, nan and the NA of table libraries in object columns (comparing NA gives NA); "" in text columns.
    if label is None or isinstance(label, str):
        return not label
    unequal: object = label != label
    return not isinstance(unequal, bool | np.bool_) or bool(unequal)
