from __future__ import annotations

import math

import pytest
from scipy import stats

from forescreen.errors import InputError
from forescreen.statistics.binormal import (
    concordance_from_odds_ratio,
    odds_ratio_from_concordance,
    parametric_concordance,
    set_concordance_variance,
    sets_needed,
)

from .builders import EXACT

# Printed numbers: recomputed with R 4.2.2


@pytest.mark.parametrize(
    ("concordance", "odds_ratio"),
    [(0.60, 1.431), (0.62, 1.540), (0.64, 1.660), (0.66, 1.792), (0.71, 2.187), (0.72, 2.280)],
)
def test_odds_ratio_of_a_concordance(concordance: float, odds_ratio: float) -> None:
    assert odds_ratio_from_concordance(concordance) == pytest.approx(odds_ratio, abs=5e-4)
    assert concordance_from_odds_ratio(odds_ratio_from_concordance(concordance)) == pytest.approx(
        concordance, abs=EXACT
    )


@pytest.mark.parametrize(
    ("odds_ratio", "concordance"), [(1.25, 0.5627), (1.48, 0.6092), (1.50, 0.6128), (2.00, 0.6880)]
)
def test_concordance_of_an_odds_ratio(odds_ratio: float, concordance: float) -> None:
    assert concordance_from_odds_ratio(odds_ratio) == pytest.approx(concordance, abs=5e-5)


@pytest.mark.parametrize(
    ("concordance", "variances"),
    [(0.64, (0.2304, 0.1528, 0.1269, 0.1140, 0.0907)), (0.70, (0.2100, 0.1384, 0.1145, 0.1026, 0.0811))],
)
def test_variance_of_the_concordance_of_a_set(concordance: float, variances: tuple[float, ...]) -> None:
    # One unit of the last printed digit: .1140 is printed for .11394660 (checked by the next test)
    for controls, variance in zip((1, 2, 3, 4, 10), variances, strict=True):
        assert set_concordance_variance(concordance, controls) == pytest.approx(variance, abs=1e-4)


@pytest.mark.parametrize("concordance", [0.3, 0.64, 0.95])
def test_chance_to_exceed_two_controls_is_a_bivariate_normal_one(concordance: float) -> None:
    z = stats.norm.ppf(concordance)
    q = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([z, z])
    expected = concordance * (1 - concordance) / 4 + 3 / 4 * (q - concordance**2)
    assert set_concordance_variance(concordance, 4) == pytest.approx(expected, abs=1e-9)


def test_number_of_sets_for_a_half_width() -> None:
    assert sets_needed(0.66, 2, half_width=0.03) == 634


def test_without_effect_the_variance_of_a_large_set_is_that_of_a_uniform_percentile() -> None:
    # A = ½: 1/4 m⁻¹ + (m−1)/m · 1/12
    assert set_concordance_variance(0.5, 4) == pytest.approx(1 / 16 + 3 / 4 / 12, abs=1e-11)


def test_parametric_concordance_and_its_standard_error() -> None:
    ours = parametric_concordance(0.5, 0.1, sd=1.2, n=100, n_events=100)
    z = 0.5 * 1.2 / math.sqrt(2)
    assert ours.value == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))), abs=EXACT)
    # delta method, by difference
    up, down = (parametric_concordance(0.5 + s, 0.1, sd=1.2, n=9, n_events=9).value for s in (1e-6, -1e-6))
    assert ours.standard_error == pytest.approx(0.1 * (up - down) / 2e-6, rel=1e-8)
    assert ours.p_value == pytest.approx(5.733031437583869e-07, rel=1e-9)  # 2 Φ(−5)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"a concordance in \(0, 1\)"):
        odds_ratio_from_concordance(1.0)
    with pytest.raises(InputError, match="positive odds ratio"):
        concordance_from_odds_ratio(0.0)
    with pytest.raises(InputError, match="one control per case"):
        set_concordance_variance(0.7, 0)
    with pytest.raises(InputError, match="half-width"):
        sets_needed(0.7, 1, half_width=0.0)
    with pytest.raises(InputError, match="positive standard deviation"):
        parametric_concordance(0.5, 0.1, sd=0.0, n=9, n_events=9)
