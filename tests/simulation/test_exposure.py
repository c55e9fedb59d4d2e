"""A phantom on a detector, and the picture that a machine stores."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.records import STANDARD_VIEWS, Laterality, View
from forescreen.simulation.exposure import expose, stored_picture
from forescreen.simulation.fields import stream
from forescreen.simulation.phantom import build_phantom
from forescreen.simulation.vendors import VENDORS

from .phantom_builders import build_subject, seen


@pytest.mark.parametrize("view", View)
def test_pixel_size_changes_neither_area_nor_grey(view: View) -> None:
    areas, greys = [], []
    for spacing_mm in (0.25, 0.5, 0.8):
        picture = seen(build_subject(), Laterality.LEFT, view, spacing_mm)
        areas.append((picture > 0).sum() * spacing_mm**2)
        greys.append(picture[picture > 0].mean())
    assert np.ptp(areas) / areas[0] < 0.02
    assert np.ptp(greys) < 0.01


def test_noise_falls_with_pixel_size_and_comes_from_the_generator() -> None:
    phantom = build_phantom(build_subject(), Laterality.LEFT, View.CC)

    def shot(name: str, spacing_mm: float) -> np.ndarray:
        n = round(160 / spacing_mm)
        exposure = expose(phantom, stream(1, name), rows=n, columns=n, spacing_mm=spacing_mm)
        return exposure.levels.astype(float)

    assert np.array_equal(shot("a", 0.4), shot("a", 0.4))
    noise = [np.std((shot("a", mm) - shot("b", mm))[shot("a", mm) > 0]) for mm in (0.2, 0.4)]
    assert noise[0] / noise[1] == pytest.approx(2, rel=0.1)  # four times the photons, half the noise


@pytest.mark.parametrize("key", VENDORS)
@pytest.mark.parametrize(("laterality", "view"), STANDARD_VIEWS)
def test_the_chest_wall_of_a_right_breast_is_on_the_right(
    key: str, laterality: Laterality, view: View
) -> None:
    vendor = VENDORS[key]
    matrix = vendor.matrix(8)
    phantom = build_phantom(build_subject(bmi=45.0), laterality, view)
    exposure = expose(
        phantom, stream(1, "x"), rows=matrix.rows, columns=matrix.columns, spacing_mm=matrix.spacing_mm
    )
    stored = stored_picture(exposure, vendor, matrix, laterality, view, raw=False)
    assert stored.shape == (matrix.rows, matrix.columns)
    inside = stored != vendor.background
    if laterality is Laterality.RIGHT:
        inside = inside[:, ::-1]
    assert inside[:, 0].sum() > 0.3 * matrix.rows
    # The marker stands apart from the breast: an empty column between them in its rows.
    marked = inside[: round(20 / matrix.spacing_mm)]
    far = np.flatnonzero(marked.any(axis=0))[-1]
    assert far > marked.shape[1] - 6 / matrix.spacing_mm
    assert not marked.any(axis=0)[exposure.levels.shape[1] :].all()
    white = int(vendor.stored[-1])
    assert (stored == white).sum() > 10


def test_raw_pixels_have_no_marker_and_are_darkest_behind_dense_tissue() -> None:
    vendor = VENDORS["alpha"]
    matrix = vendor.matrix(8)
    exposure = expose(
        build_phantom(build_subject(), Laterality.LEFT, View.CC),
        stream(1, "x"),
        rows=matrix.rows,
        columns=matrix.columns,
        spacing_mm=matrix.spacing_mm,
    )
    raw = stored_picture(exposure, vendor, matrix, Laterality.LEFT, View.CC, raw=True)
    assert (raw[:, exposure.levels.shape[1] :] == raw.max()).all()
    rows = slice(exposure.first_row, exposure.first_row + exposure.levels.shape[0])
    breast = exposure.levels > 0
    counts = raw[rows, : breast.shape[1]][breast].astype(float)
    assert np.corrcoef(counts, exposure.levels[breast])[0, 1] < -0.95
