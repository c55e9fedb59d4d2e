from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError
from forescreen.statistics.smoothing import (
    loess_rows,
    lowess_rows,
    points_of,
    spaced_places,
    weighted_quantile,
)

from .builders import EXACT, SAME_ALGORITHM, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "calibration.json")["values"]["small"]
seeds = st.integers(0, 10_000)


def formula_rows() -> tuple[np.ndarray, np.ndarray]:
    """40 rows on 23 places, as in the R lines that made the reference: x = round((7i mod 23)^1.5/10, 1)."""
    i = np.arange(1, 41)
    return np.round(((i * 7) % 23) ** 1.5 / 10, 1), ((i * i) % 7 < 3).astype(float)


def build_rows(seed: int, n: int = 40, decimals: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return np.round(rng.beta(1, 4, size=n), decimals), rng.normal(size=n)


def loess_by_definition(x: np.ndarray, y: np.ndarray, at: float, span: float, degree: int) -> float:
    distance = np.abs(x - at)
    h = np.sort(distance)[math.floor(span * x.size + 1e-5) - 1]
    kernel = np.where(distance < h, (1 - (distance / h) ** 3) ** 3, 0.0)
    root = np.sqrt(kernel)
    design = np.vander(x - at, degree + 1, increasing=True)
    return float(np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0][0])


def test_against_r_loess_direct_and_lowess_with_ties() -> None:
    # R loess(z ~ x, span, degree, surface = "direct"), lowess(x, z, f, iter = 0, delta)
    x, y = formula_rows()
    points = points_of(x)
    mean = points.mean(y)
    for name, rows in (
        ("loess_60_2", loess_rows(points, points.x, span=0.6)),
        ("loess_35_1", loess_rows(points, points.x, span=0.35, degree=1)),
        ("lowess_50", lowess_rows(points, points.x, span=0.5)),
    ):
        assert (rows @ mean)[points.of_row] == pytest.approx(np.array(REFERENCE[name]), abs=EXACT)
    places = spaced_places(points, 0.8)
    joined = np.interp(x, places, lowess_rows(points, places, span=0.5) @ mean)
    assert joined == pytest.approx(np.array(REFERENCE["lowess_delta"]), abs=EXACT)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, span=st.floats(0.3, 1.0), degree=st.sampled_from([1, 2]))
def test_loess_is_the_local_least_squares_of_its_definition(seed: int, span: float, degree: int) -> None:
    x, y = build_rows(seed, decimals=6)
    points = points_of(x)
    ours = loess_rows(points, points.x, span=span, degree=1 if degree == 1 else 2) @ points.mean(y)
    expected = [loess_by_definition(x, y, at, span, degree) for at in points.x]
    assert ours == pytest.approx(np.array(expected), abs=1e-8)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_polynomial_of_the_degree_is_reproduced_and_rows_sum_to_one(seed: int) -> None:
    x, _ = build_rows(seed)
    points = points_of(x)
    rows = loess_rows(points, points.x, span=0.8)
    assert rows.sum(axis=1) == pytest.approx(np.ones(points.x.size), abs=EXACT)
    assert rows @ (3 - points.x + 2 * points.x**2) == pytest.approx(
        3 - points.x + 2 * points.x**2, abs=SAME_ALGORITHM
    )
    lines = lowess_rows(points, points.x, span=0.8)
    assert lines @ (3 - points.x) == pytest.approx(3 - points.x, abs=SAME_ALGORITHM)


@settings(max_examples=20, deadline=None)
@given(seed=seeds, span=st.floats(0.2, 1.0))
def test_mass_two_is_the_row_twice_and_order_does_not_matter(seed: int, span: float) -> None:
    x, y = build_rows(seed, decimals=1)
    mass = np.random.default_rng(seed).integers(1, 4, size=x.size)
    weighted = points_of(x, mass=mass.astype(float))
    order = np.random.default_rng(seed).permutation(int(mass.sum()))
    again, y_again = np.repeat(x, mass)[order], np.repeat(y, mass)[order]
    repeated = points_of(again)
    assert weighted.mean(y) == pytest.approx(repeated.mean(y_again), abs=EXACT)
    for smoother in (loess_rows, lowess_rows):
        one = smoother(weighted, weighted.x, span=span)
        assert one == pytest.approx(smoother(repeated, repeated.x, span=span), abs=SAME_ALGORITHM)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_only_the_proportions_of_fractional_masses_matter(seed: int) -> None:
    x, _ = build_rows(seed)
    mass = np.random.default_rng(seed).uniform(0.5, 3, size=x.size)
    one, other = points_of(x, mass=mass), points_of(x, mass=mass / 7)
    assert loess_rows(one, one.x) == pytest.approx(loess_rows(other, other.x), abs=SAME_ALGORITHM)


def test_half_of_all_rows_at_one_place_give_their_mean_there() -> None:
    # The nearest 40 % all lie at 0.2: h = 0, the curve at 0.2 is the mean of these rows
    x = np.array([0.2] * 5 + [0.1, 0.3, 0.4, 0.5, 0.6])
    y = np.array([1.0, 0, 1, 1, 0, 0, 0, 1, 1, 1])
    points = points_of(x)
    assert loess_rows(points, np.array([0.2]), span=0.4) @ points.mean(y) == pytest.approx([0.6], abs=EXACT)
    single = points_of(np.full(4, 0.3))
    assert loess_rows(single, single.x) == pytest.approx(np.ones((1, 1)), abs=EXACT)


def test_bins_move_the_curve_by_less_than_a_thousandth() -> None:
    rng = np.random.default_rng(3)
    risk = 1 / (1 + np.exp(-rng.normal(-4.5, 1.0, size=2500)))
    case = (rng.random(2500) < 1.3 * risk).astype(float)
    exact, bins = points_of(risk, most=10_000), points_of(risk, most=1000)
    assert (exact.binned, bins.binned) == (False, True)
    assert bins.x.size <= 2000
    assert (bins.x[0], bins.x[-1]) == (risk.min(), risk.max())
    whole = (loess_rows(exact, exact.x) @ exact.mean(case))[exact.of_row]
    binned = np.interp(risk, bins.x, loess_rows(bins, bins.x) @ bins.mean(case))
    assert np.abs(whole - binned).max() < 1e-3
    distances = [np.abs(curve - risk).mean() for curve in (whole, binned)]
    assert distances[0] == pytest.approx(distances[1], abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(seed=seeds)
def test_weighted_quantiles_of_counts_are_those_of_the_repeated_rows(seed: int) -> None:
    x, _ = build_rows(seed, decimals=1)
    mass = np.random.default_rng(seed).integers(1, 5, size=x.size)
    shares = np.array([0.0, 0.1, 0.33, 0.5, 0.9, 1.0])
    assert weighted_quantile(x, shares) == pytest.approx(np.quantile(x, shares), abs=EXACT)
    ours = weighted_quantile(x, shares, mass=mass.astype(float))
    assert ours == pytest.approx(np.quantile(np.repeat(x, mass), shares), abs=EXACT)
    scaled = weighted_quantile(x, shares, mass=np.full(x.size, 0.37))
    assert scaled == pytest.approx(np.quantile(x, shares), abs=SAME_ALGORITHM)


def test_places_are_the_farthest_within_the_gap() -> None:
    points = points_of(np.array([0.0, 0.1, 0.2, 0.9, 1.0]))
    assert spaced_places(points, 0.25).tolist() == [0.0, 0.2, 0.9, 1.0]


def test_spans_and_masses_that_mean_nothing_are_refused() -> None:
    x, _ = formula_rows()
    with pytest.raises(InputError, match=r"a span in \(0, 1\], found 1.2"):
        loess_rows(points_of(x), x, span=1.2)
    with pytest.raises(InputError, match="1 of them without"):
        points_of(x, mass=np.append(np.ones(39), 0.0))
    with pytest.raises(InputError, match="0 rows"):
        points_of(np.array([]))
    with pytest.raises(InputError, match="1 of 2 rows missing or infinite"):
        points_of(np.array([0.1, math.inf]))
