"""The breast as a picture: what is true of the woman must be true of her phantom."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError
from forescreen.records import STANDARD_VIEWS, Laterality, View
from forescreen.simulation.fields import GRID_COLUMNS, GRID_ROWS
from forescreen.simulation.phantom import build_phantom

from .phantom_builders import build_subject, explained, seen, texture_at_2_mm

N_EXAMS = 60


@settings(max_examples=25, deadline=None)
@given(
    dense_fraction=st.floats(0, 1),
    trait=st.floats(-4, 4),
    bmi=st.floats(14, 70),
    woman=st.integers(0, 10**6),
)
def test_the_dense_fraction_averaged_over_the_views_is_true(
    dense_fraction: float, trait: float, bmi: float, woman: int
) -> None:
    subject = build_subject(dense_fraction=dense_fraction, trait=trait, bmi=bmi, woman_id=str(woman))
    measured = [build_phantom(subject, *view).dense_fraction for view in STANDARD_VIEWS]
    assert abs(np.mean(measured) - dense_fraction) < 0.02


@settings(max_examples=25, deadline=None)
@given(bmi=st.floats(14, 70), woman=st.integers(0, 10**6))
def test_every_breast_lies_on_the_smallest_detector(bmi: float, woman: int) -> None:
    subject = build_subject(bmi=bmi, woman_id=str(woman))
    for laterality, view in STANDARD_VIEWS:
        phantom = build_phantom(subject, laterality, view)
        rows, columns = phantom.tissue.shape
        assert rows <= GRID_ROWS
        assert columns < GRID_COLUMNS


def test_hardly_any_large_breast_reaches_beyond_the_detector() -> None:
    # As in screening: about 3 in 1000 phantoms of heavy women are cut at an edge that should show skin.
    cut = 0
    for woman in range(150):
        subject = build_subject(bmi=38.0, woman_id=str(woman))
        depths = [build_phantom(subject, Laterality.LEFT, view).depth_mm for view in View]
        cut += any((depth[:, -1] > 0).any() or (depth[-1] > 0).any() for depth in depths)
    assert cut <= 4


def test_denser_means_brighter() -> None:
    means = []
    for fraction in (0.05, 0.3, 0.7):
        picture = seen(build_subject(dense_fraction=fraction), Laterality.LEFT, View.CC)
        means.append(picture[picture > 0].mean())
    assert means[0] < means[1] - 0.03 < means[2] - 0.06


def test_a_heavier_woman_has_a_larger_breast() -> None:
    areas = [
        build_phantom(build_subject(bmi=bmi), Laterality.LEFT, View.CC).breast.sum() for bmi in (19, 27, 38)
    ]
    assert areas[0] * 1.15 < areas[1]
    assert areas[1] * 1.15 < areas[2]


def test_muscle_shows_in_the_oblique_view_alone_and_at_its_upper_chest_wall() -> None:
    subject = build_subject(dense_fraction=0.05)
    cc = build_phantom(subject, Laterality.LEFT, View.CC)
    mlo = build_phantom(subject, Laterality.LEFT, View.MLO)
    assert np.array_equal(cc.breast, cc.depth_mm > 0)
    muscle = (mlo.depth_mm > 0) & ~mlo.breast
    assert muscle[0, 0]
    assert not muscle[-1].any()
    assert not muscle[:, -10:].any()
    assert mlo.tissue[muscle].mean() > mlo.tissue[mlo.breast].mean() + 0.2


def test_the_edge_is_thinner_than_the_middle() -> None:
    subject = build_subject(dense_fraction=0.0)
    phantom = build_phantom(subject, Laterality.LEFT, View.CC)
    picture = seen(subject, Laterality.LEFT, View.CC, spacing_mm=0.75)[: phantom.tissue.shape[0]]
    middle = picture.shape[0] // 2
    row = picture[middle - 25]
    edge = np.flatnonzero(row > 0)[-1]
    assert row[edge - 8 : edge - 3].mean() < 0.8 * row[10:30].mean()


def test_a_woman_looks_like_herself_at_her_next_exam() -> None:
    first = build_subject(exam_id="E1", dense_fraction=0.30)
    later = build_subject(exam_id="E2", dense_fraction=0.27)
    other = build_subject(woman_id="W2", exam_id="E3", dense_fraction=0.30)
    maps = [build_phantom(s, Laterality.LEFT, View.CC).dense for s in (first, later, other)]
    rows, columns = (min(m.shape[axis] for m in maps) for axis in (0, 1))
    same, different = (
        np.corrcoef(maps[0][:rows, :columns].ravel(), m[:rows, :columns].ravel())[0, 1] for m in maps[1:]
    )
    assert same > 0.6
    assert different < same - 0.25


def test_left_and_right_are_alike_but_not_the_same() -> None:
    subject = build_subject(dense_fraction=0.3)
    left, right = (build_phantom(subject, side, View.CC).dense for side in Laterality)
    rows, columns = (min(left.shape[axis], right.shape[axis]) for axis in (0, 1))
    alike = np.corrcoef(left[:rows, :columns].ravel(), right[:rows, :columns].ravel())[0, 1]
    assert 0.2 < alike < 0.9


def test_the_trait_moves_neither_density_nor_size_nor_mean_grey() -> None:
    for woman in range(6):
        low, high = (build_subject(woman_id=str(woman), trait=trait) for trait in (-2.0, 2.0))
        density, grey = [], []
        for subject in (low, high):
            phantoms = [build_phantom(subject, *view) for view in STANDARD_VIEWS]
            density.append(np.mean([p.dense_fraction for p in phantoms]))
            views = [seen(subject, *view, spacing_mm=0.75) for view in STANDARD_VIEWS]
            grey.append(np.mean([v[v > 0].mean() for v in views]))
        for view in STANDARD_VIEWS:
            assert np.array_equal(build_phantom(low, *view).breast, build_phantom(high, *view).breast)
        assert abs(density[0] - density[1]) < 0.002
        assert abs(grey[0] - grey[1]) < 0.012, "the trait shows as brightness"


def test_the_trait_makes_the_sides_differ() -> None:
    def difference(trait: float) -> float:
        gaps = []
        for woman in range(12):
            subject = build_subject(woman_id=str(woman), trait=trait, dense_fraction=0.3)
            left, right = (build_phantom(subject, side, View.CC).dense_fraction for side in Laterality)
            gaps.append(abs(left - right))
        return float(np.mean(gaps))

    assert 0.005 < difference(-1.5) < difference(1.5) < 0.12


def test_simple_texture_statistics_at_2_mm_tell_the_trait_and_density_does_not() -> None:
    generator = np.random.default_rng(5)
    trait = generator.standard_normal(N_EXAMS)
    fraction = np.clip(generator.beta(1.6, 4.0, N_EXAMS), 0.02, 0.85)
    bmi = np.clip(generator.normal(27, 5, N_EXAMS), 17, 45)
    features = np.array(
        [
            texture_at_2_mm(
                build_subject(seed=3, woman_id=str(i), exam_id=f"E{i}", bmi=b, dense_fraction=f, trait=t)
            )
            for i, (b, f, t) in enumerate(zip(bmi, fraction, trait, strict=True))
        ]
    )
    density = np.column_stack([fraction, np.sqrt(fraction), bmi])
    assert explained(features, trait) > 0.5
    assert explained(density, trait) < 0.1
    # What density leaves unexplained in trait and texture alike still goes together.
    design = np.column_stack([np.ones(N_EXAMS), density])
    residual = np.eye(N_EXAMS) - design @ np.linalg.pinv(design)
    assert explained(residual @ features, residual @ trait) > 0.5


def test_the_same_subject_gives_the_same_phantom() -> None:
    once, again = (build_phantom(build_subject(), Laterality.RIGHT, View.MLO) for _ in range(2))
    assert once.tissue.tobytes() == again.tissue.tobytes()


@pytest.mark.parametrize("changes", [{"dense_fraction": 1.2}, {"bmi": 0.0}, {"trait": float("nan")}])
def test_impossible_subjects_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected dense fraction in 0"):
        build_subject(**changes)
