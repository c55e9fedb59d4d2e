from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.discrimination import auc_difference
from forescreen.statistics.reclassification import reclassification

from .builders import EXACT, read_columns, read_reference
from .test_calibration import build_risks

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "reclassification.json")["values"]


def simulated(shared: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = read_columns(shared / "data" / "statistics" / "metrics" / "calibration_sim.csv")
    return table["p"].astype(float), table["p2"].astype(float), table["y"] == "1"


def test_against_r_improve_prob(shared: Path) -> None:
    old, new, case = simulated(shared)
    ours, wanted = reclassification(old, new, case), REFERENCE["continuous"]
    for name, estimate in (
        ("nri", ours.nri),
        ("cases", ours.nri_cases),
        ("controls", ours.nri_controls),
        ("idi", ours.idi),
    ):
        assert (estimate.value, estimate.standard_error) == pytest.approx(
            (wanted[name], wanted[f"{name}_se"]), abs=EXACT
        )
    assert ours.nri.value / ours.nri.standard_error == pytest.approx(wanted["nri_z"], abs=EXACT)
    in_categories, wanted = reclassification(old, new, case, cuts=(0.1, 0.2)).nri, REFERENCE["categorical"]
    assert (in_categories.value, in_categories.standard_error) == pytest.approx(
        (wanted["nri"], wanted["nri_se"]), abs=EXACT
    )


def test_they_contradict_each_other_while_discrimination_fell(shared: Path) -> None:
    # The new risks are the old ones with noise, recalibrated: AUC 0.70366 → 0.67916. NRI is "significantly"
    # worse, IDI "significantly" better.
    old, new, case = simulated(shared)
    ours = reclassification(old, new, case)
    assert ours.nri.value < 0 < ours.idi.value
    assert max(ours.nri.p_value, ours.idi.p_value) < 0.025
    change = auc_difference(new, old, case)
    assert change.upper < 0
    assert change.value == pytest.approx(REFERENCE["auc"][1] - REFERENCE["auc"][0], abs=EXACT)
    assert "not a proper score" in ours.idi.notes[0]


def test_inflating_every_risk_of_a_good_model_looks_like_an_improvement() -> None:
    # Calibrated risks, doubled: same order, same AUC, worse calibration, IDI up
    risk, case = build_risks(3, n=3000, mean=-3.0)
    inflated = np.minimum(2 * risk, 1.0)
    ours = reclassification(risk, inflated, case)
    assert ours.idi.lower > 0
    assert np.mean((inflated - case) ** 2) > np.mean((risk - case) ** 2)


def test_a_hand_computed_table() -> None:
    # Cases: one up, one down, one up → 1/3; controls: one down, one same → 1/2
    old = np.array([0.1, 0.4, 0.2, 0.3, 0.2])
    new = np.array([0.2, 0.3, 0.5, 0.1, 0.2])
    case = np.array([True, True, True, False, False])
    ours = reclassification(old, new, case)
    assert (ours.nri_cases.value, ours.nri_controls.value) == pytest.approx((1 / 3, 1 / 2), abs=EXACT)
    assert ours.nri_cases.standard_error**2 == pytest.approx((1 - 1 / 9) / 3, abs=EXACT)
    assert ours.idi.value == pytest.approx((0.1 - 0.1 + 0.3) / 3 + 0.2 / 2, abs=EXACT)
    # With a cut at 0.3 the second case stays: 0.4 and 0.3 are both above it
    assert reclassification(old, new, case, cuts=(0.3,)).nri_cases.value == pytest.approx(1 / 3, abs=EXACT)
    back = reclassification(new, old, case)
    assert (back.nri.value, back.idi.value) == pytest.approx((-ours.nri.value, -ours.idi.value), abs=EXACT)


def test_scores_cuts_and_few_events_are_refused() -> None:
    risk, case = build_risks()
    with pytest.raises(InputError, match="new risk: expected absolute probabilities"):
        reclassification(risk, risk * 10, case)
    for cuts in ((0.2, 0.1), (0.0,), (0.1, 0.1)):
        with pytest.raises(InputError, match="ascending cuts"):
            reclassification(risk, risk, case, cuts=cuts)
    with pytest.raises(TooFewEventsError, match="reclassification, found 1"):
        reclassification(risk, risk, np.arange(200) == 1)
