from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import InputError
from forescreen.statistics.rows import finite_scores, label_codes, positive_weights, same_rows


@pytest.mark.parametrize(
    "labels",
    [
        np.array([30, 10, 10, 20]),
        np.array(["c", "a", "a", "b"]),
        np.array(["c", "a", "a", "b"], dtype=object),
        np.array([3.0, 1.0, 1.0, 2.0]),
    ],
)
def test_labels_of_any_type_become_numbers_in_their_order(labels: np.ndarray) -> None:
    assert label_codes(labels, "set").tolist() == [2, 0, 0, 1]


@pytest.mark.parametrize(
    "labels",
    [
        np.array(["a", "", "b"]),
        np.array(["a", None, "b"], dtype=object),
        np.array(["a", float("nan"), "b"], dtype=object),
        np.array([1.0, np.nan, 2.0]),
        np.array(["a", pd.NA, "b"], dtype=object),
    ],
)
def test_missing_labels_are_counted_and_refused(labels: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"set: expected a set in every row, found 1 of 3 rows without"):
        label_codes(labels, "set")


def test_columns_of_other_length_are_refused() -> None:
    with pytest.raises(InputError, match=r"case: expected 3 rows, found shape \(4,\)"):
        same_rows(3, np.zeros(4), "case")
    with pytest.raises(InputError, match="score a: expected 3 rows"):
        finite_scores(np.zeros(4), 3, "score a")
    with pytest.raises(InputError, match="weight: expected 3 rows"):
        positive_weights(np.ones(4), 3)


def test_scores_are_widened_and_infinite_ones_counted() -> None:
    assert finite_scores(np.array([1, 2], dtype=np.float32), 2).dtype == np.float64
    with pytest.raises(InputError, match="2 of 3 rows"):
        finite_scores(np.array([1.0, np.inf, np.nan]), 3)
