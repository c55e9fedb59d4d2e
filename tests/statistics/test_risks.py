from __future__ import annotations

import math

import numpy as np
import pytest

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.risks import RiskRows, absolute_risks, weights_or_ones


def test_a_score_is_not_a_risk() -> None:
    with pytest.raises(InputError, match="A score is not a risk: recalibrate it first") as caught:
        absolute_risks(np.array([0.2, -1.3, 4.0, 1.0]), 4)
    assert "2 of 4 rows from -1.3 to 4" in caught.value.found


def test_missing_and_infinite_risks_are_told_with_their_number() -> None:
    with pytest.raises(InputError, match="2 of 3 rows missing or infinite"):
        absolute_risks(np.array([0.2, math.nan, math.inf]), 3)
    with pytest.raises(InputError, match="expected 4 rows"):
        absolute_risks(np.array([0.2]), 4)


def test_zero_and_one_are_risks() -> None:
    assert absolute_risks(np.array([0, 1]), 2).tolist() == [0.0, 1.0]


def test_rows_of_weight_zero_are_left_out_with_their_woman() -> None:
    rows = RiskRows.of(
        np.array([0.1, 0.2, 0.3, 0.4]),
        np.array([True, False, True, False]),
        weights=np.array([0.0, 1.0, 2.0, 1.0]),
        cluster=np.array(["a", "b", "c", "c"]),
    )
    assert rows.risk.tolist() == [0.2, 0.3, 0.4]
    assert (rows.n_units, rows.n_events, rows.plain) == (2, 1, False)
    assert rows.kept.tolist() == [False, True, True, True]
    # Woman c has 1 − 3 = −2, woman b 2: 2/(2 − 1) · (4 + 4)
    assert rows.variance(np.array([2.0, 1.0, -3.0])) == 16.0
    with pytest.raises(TooFewEventsError, match="at least 5 events for a curve, found 1"):
        rows.need("a curve", 5)


def test_weights_must_be_finite_not_negative_and_not_all_zero() -> None:
    with pytest.raises(InputError, match="2 of 3 rows otherwise"):
        weights_or_ones(np.array([1.0, -1.0, math.nan]), 3)
    with pytest.raises(InputError, match="only zeros"):
        weights_or_ones(np.zeros(3), 3)
    with pytest.raises(InputError, match="at least one row"):
        weights_or_ones(None, 0)
