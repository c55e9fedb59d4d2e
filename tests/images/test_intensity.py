from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import ExamError
from forescreen.images.intensity import PROFILES, Normalisation, find_anchors, normalisation_of


@settings(max_examples=20, deadline=None)
@given(gain=st.floats(0.3, 1.0), offset=st.floats(0.0, 0.5), seed=st.integers(0, 50))
def test_gain_and_offset_of_a_machine_cancel(gain: float, offset: float, seed: int) -> None:
    values = np.random.default_rng(seed).random(5000, dtype=np.float32)
    other = (values * gain + offset).astype(np.float32)
    ours = find_anchors(values, "forescreen-v1").apply(values)
    theirs = find_anchors(other, "forescreen-v1").apply(other)
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_one_saturated_marker_does_not_move_the_scale() -> None:
    values = np.random.default_rng(1).random(10_000, dtype=np.float32) * 0.5
    marked = values.copy()
    marked[:10] = 50.0
    before, after = find_anchors(values, "forescreen-v1"), find_anchors(marked, "forescreen-v1")
    assert after.upper == pytest.approx(before.upper, abs=0.001)


def test_a_flat_breast_is_not_stretched_into_noise() -> None:
    values = (0.5 + 0.001 * np.random.default_rng(1).standard_normal(5000)).astype(np.float32)
    assert np.ptp(find_anchors(values, "forescreen-v1").apply(values)) < 0.1


def test_rules_go_by_profile_whatever_its_version() -> None:
    assert normalisation_of("forescreen-v3") is PROFILES["forescreen"]
    assert normalisation_of("picture") is PROFILES["picture"]
    assert normalisation_of("another-v1") == Normalisation()


def test_a_breast_of_one_value_is_refused() -> None:
    with pytest.raises(ExamError, match="normalisation: expected contrast within the breast"):
        find_anchors(np.full(100, 0.5, np.float32), "forescreen-v1")
    with pytest.raises(ExamError, match="expected breast pixels, found none"):
        find_anchors(np.zeros(0, np.float32), "forescreen-v1")
