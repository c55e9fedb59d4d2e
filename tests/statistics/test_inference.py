from __future__ import annotations

import math

import numpy as np
import pytest

from forescreen.errors import InputError
from forescreen.statistics.inference import (
    chi_square_test,
    holm_adjusted,
    logit_interval,
    normal_quantile,
    null_p,
    two_sided_p,
    wald_interval,
)

from .builders import EXACT


def test_quantile_and_p_value_are_inverse() -> None:
    assert normal_quantile(0.95) == pytest.approx(1.959963984540054, abs=EXACT)
    assert two_sided_p(-normal_quantile(0.9)) == pytest.approx(0.1, abs=EXACT)
    assert two_sided_p(30.0) == pytest.approx(9.8134278e-198, rel=1e-7)  # 2 Φ(−30), no underflow to 0


def test_intervals_contain_their_value_symmetrically_on_their_scale() -> None:
    wald = wald_interval(0.7, 0.05, 0.95)
    assert (wald.lower + wald.upper) / 2 == pytest.approx(0.7, abs=EXACT)
    logit = logit_interval(0.95, 0.04, 0.95)
    odds = [p / (1 - p) for p in (logit.lower, 0.95, logit.upper)]
    assert odds[0] * odds[2] == pytest.approx(odds[1] ** 2, rel=1e-12)
    assert logit.upper < 1


def test_chi_square_of_one_degree_is_the_squared_normal() -> None:
    assert chi_square_test(1.7**2, 1).p_value == pytest.approx(two_sided_p(1.7), abs=EXACT)
    assert chi_square_test(-1e-15, 3).p_value == 1.0


def test_null_p_without_spread() -> None:
    assert null_p(0.0, 0.0) == 1.0
    assert math.isnan(null_p(0.2, 0.0))


def test_holm_steps_down() -> None:
    # Sorted .01, .02, .03 → .03, .04, .04 (monotone); order is kept
    assert holm_adjusted(np.array([0.03, 0.01, 0.02])) == pytest.approx(np.array([0.04, 0.03, 0.04]))
    assert holm_adjusted(np.array([0.9, 0.8])) == pytest.approx(np.array([1.0, 1.0]))


def test_levels_outside_zero_to_one_are_refused() -> None:
    with pytest.raises(InputError, match="confidence level"):
        normal_quantile(95.0)
