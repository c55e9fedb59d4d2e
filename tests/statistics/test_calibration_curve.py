from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.calibration_curve import calibration_curve, validation_statistics
from forescreen.statistics.discrimination import auc
from forescreen.statistics.smoothing import loess_rows, points_of

from .builders import EXACT, OTHER_ALGORITHM, SAME_ALGORITHM, read_reference
from .test_calibration import build_risks, simulated

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "calibration.json")["values"]
NAMES = ("ici", "e50", "e90", "emax")
seeds = st.integers(0, 10_000)


def test_against_r_ici_of_direct_loess(shared: Path) -> None:
    # R loess(y ~ p, span = 0.75, degree = 2, surface = "direct"), |fitted − p|
    curve = calibration_curve(*simulated(shared))
    ours = [getattr(curve, name).value for name in NAMES]
    assert ours == pytest.approx(REFERENCE["ici"], abs=EXACT)
    assert (curve.n, curve.n_events, curve.notes) == (2000, 372, ())
    assert math.isnan(curve.ici.lower)


def test_against_r_val_prob(shared: Path) -> None:
    risk, case = simulated(shared)
    ours, wanted = validation_statistics(risk, case), REFERENCE["val_prob"]
    assert (
        ours.r2,
        ours.discrimination_index,
        ours.unreliability_index,
        ours.quality_index,
        ours.brier,
        ours.emax,
        ours.e90,
        ours.eavg,
        ours.spiegelhalter_z,
    ) == pytest.approx(
        [wanted[k] for k in ("R2", "D", "U", "Q", "Brier", "Emax", "E90", "Eavg", "S:z")], abs=EXACT
    )
    assert ours.spiegelhalter_p == pytest.approx(wanted["S:p"], rel=1e-9)
    assert ours.line.joint_test.statistic == pytest.approx(wanted["U:Chi-sq"], abs=SAME_ALGORITHM)
    # R somers2 counts all pairs; val.prob takes them from lrm, which groups risks into steps of 0.002
    assert ours.concordance == pytest.approx(REFERENCE["auc"], abs=EXACT)
    assert (ours.concordance, ours.dxy) == pytest.approx(
        (wanted["C (ROC)"], wanted["Dxy"]), abs=OTHER_ALGORITHM
    )


def test_the_drawn_curve_is_the_loess_with_its_sandwich_limits() -> None:
    risk, case = build_risks(4)
    curve = calibration_curve(risk, case, n_places=11)
    points = points_of(risk)
    smoother = loess_rows(points, curve.risk)
    at_rows = (loess_rows(points, points.x) @ points.mean(case.astype(float)))[points.of_row]
    by_row = smoother[:, points.of_row]  # risks differ: one row per point
    assert curve.observed == pytest.approx(np.clip(by_row @ case, 0, 1), abs=EXACT)
    se = np.sqrt(by_row**2 @ (case - at_rows) ** 2)
    assert curve.upper == pytest.approx(np.clip(by_row @ case + 1.959963984540054 * se, 0, 1), abs=EXACT)
    assert (curve.risk[0], curve.risk[-1]) == (risk.min(), risk.max())
    assert np.all(np.diff(curve.risk) > 0)
    assert np.all((curve.lower <= curve.observed) & (curve.observed <= curve.upper))


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_weight_two_is_the_row_twice_of_one_woman(seed: int) -> None:
    risk, case = build_risks(seed)
    weights = np.random.default_rng(seed).integers(0, 4, size=risk.size)
    weighted = calibration_curve(risk, case, weights=weights.astype(float))
    order = np.random.default_rng(seed).permutation(int(weights.sum()))
    woman = np.repeat(np.arange(risk.size), weights)[order]
    again = calibration_curve(np.repeat(risk, weights)[order], np.repeat(case, weights)[order], cluster=woman)
    for name in NAMES:
        assert getattr(weighted, name).value == pytest.approx(getattr(again, name).value, abs=SAME_ALGORITHM)
    assert weighted.risk == pytest.approx(again.risk, abs=EXACT)
    assert weighted.upper == pytest.approx(again.upper, abs=SAME_ALGORITHM)
    assert weighted.n == again.n == np.count_nonzero(weights)


def test_the_distance_of_risks_that_are_twice_too_high_is_found() -> None:
    risk, case = build_risks(7, n=20_000, mean=-2.5)
    curve = calibration_curve(np.minimum(2 * risk, 1.0), case)
    assert "bins" in curve.method
    # |risk − 2 risk| over the rows, up to the noise of the curve
    assert curve.ici.value == pytest.approx(risk.mean(), rel=0.06)
    middle = np.argmin(np.abs(curve.risk - 0.2))
    assert curve.lower[middle] < 0.1 < curve.upper[middle] < 0.2


def test_limits_of_the_curve_cover_the_diagonal_of_calibrated_risks() -> None:
    # 100 samples of 300, at the median of the risk: nominal 95 %, binomial standard error 2.2 %
    covered = 0
    for seed in range(100):
        risk, case = build_risks(seed, n=300)
        curve = calibration_curve(risk, case, n_places=2)
        covered += curve.lower[1] < curve.risk[1] < curve.upper[1]
    assert 0.88 <= covered / 100 <= 0.99


def test_resampled_limits_hold_the_value_and_follow_the_seed() -> None:
    risk, case = build_risks(8, n=300)
    poor = np.minimum(2 * risk, 1.0)
    one = calibration_curve(poor, case, n_resamples=100, seed=3)
    for name in NAMES:
        found = getattr(one, name)
        assert 0 <= found.lower < found.value < found.upper
        assert found.standard_error > 0
    assert one.ici == calibration_curve(poor, case, n_resamples=100, seed=3).ici
    assert one.ici.lower != calibration_curve(poor, case, n_resamples=100, seed=4).ici.lower
    # a woman with all her rows: ten copies of each row are no more than the row
    copies = calibration_curve(
        np.repeat(poor, 10),
        np.repeat(case, 10),
        cluster=np.repeat(np.arange(300), 10),
        n_resamples=200,
        seed=3,
    )
    assert copies.ici.upper == pytest.approx(one.ici.upper, rel=0.05)


def test_few_cases_are_noted_and_too_few_refused() -> None:
    risk, case = build_risks()
    assert "below 200 the curve is unstable" in calibration_curve(risk, case).notes[0]
    with pytest.raises(TooFewEventsError, match="a calibration curve, found 9") as caught:
        calibration_curve(risk, np.arange(200) < 9)
    assert caught.value.n_needed == 10
    with pytest.raises(TooFewEventsError, match="controls"):
        calibration_curve(risk, np.arange(200) < 195)


def test_scores_spans_and_places_that_mean_nothing_are_refused() -> None:
    risk, case = build_risks()
    with pytest.raises(InputError, match="A score is not a risk"):
        calibration_curve(risk - 0.5, case)
    with pytest.raises(InputError, match="a span in"):
        calibration_curve(risk, case, span=0.0)
    with pytest.raises(InputError, match="at least 2 places"):
        calibration_curve(risk, case, n_places=1)


def test_validation_statistics_of_small_risks_by_their_definitions() -> None:
    risk, case = build_risks(6)
    ours = validation_statistics(risk, case)
    assert ours.concordance == auc(risk, case).value
    assert ours.dxy == pytest.approx(2 * ours.concordance - 1, abs=EXACT)
    assert ours.brier == pytest.approx(np.mean((risk - case) ** 2), abs=EXACT)
    likelihood = np.sum(np.log(np.where(case, risk, 1 - risk)))
    share = case.mean()
    null = 200 * (share * math.log(share) + (1 - share) * math.log(1 - share))
    ratio = 2 * (likelihood - null)
    assert ours.discrimination_index == pytest.approx((ratio - 1) / 200, abs=EXACT)
    assert ours.r2 == pytest.approx((1 - math.exp(-ratio / 200)) / (1 - math.exp(2 * null / 200)), abs=EXACT)
    assert ours.spiegelhalter_p > 0.001  # calibrated
