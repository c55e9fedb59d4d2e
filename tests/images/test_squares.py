"""Widening and narrowing are those of scipy's general filters, to the pixel."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from forescreen.images.squares import narrowed, widened


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(0, 25),
    st.floats(0.01, 0.99),
)
def test_squares_are_those_of_scipy_also_where_they_are_larger_than_the_picture(
    seed: int, shape: tuple[int, int], half: int, share: float
) -> None:
    mask = np.random.default_rng(seed).random(shape) < share
    size = 2 * half + 1
    for mode in ("reflect", "nearest"):
        np.testing.assert_array_equal(widened(mask, half), ndimage.maximum_filter(mask, size, mode=mode))
        np.testing.assert_array_equal(narrowed(mask, half), ndimage.minimum_filter(mask, size, mode=mode))
    inside = ndimage.minimum_filter(mask, size, mode="constant", cval=0)
    np.testing.assert_array_equal(narrowed(mask, half, beyond=False), inside)
