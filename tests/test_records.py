"""Records are validated on creation; errors say what to do and survive other processes."""

from __future__ import annotations

import inspect
import math
import pickle

import numpy as np
import pytest

from forescreen import errors
from forescreen.errors import DicomError, ExamError, ForescreenError, InputError, TooFewEventsError
from forescreen.records import (
    Acquisition,
    Density,
    Exam,
    Laterality,
    Mammogram,
    Score,
    View,
    exam_density,
)


def build_mammogram(view: View = View.CC, **changes: object) -> Mammogram:
    values: dict[str, object] = {
        "pixels": np.zeros((4, 3), np.float32),
        "laterality": Laterality.LEFT,
        "view": view,
        "spacing_mm": (0.1, 0.1),
        "acquisition": Acquisition(profile="forescreen-v1"),
    }
    return Mammogram(**{**values, **changes})  # type: ignore[arg-type]


def test_an_exam_has_one_mammogram_per_laterality_and_view() -> None:
    with pytest.raises(ExamError, match="one mammogram per laterality and view"):
        Exam(woman_id="w", exam_id="e", mammograms=(build_mammogram(), build_mammogram()))


def test_an_exam_without_mammograms_is_refused() -> None:
    with pytest.raises(ExamError, match="at least one mammogram"):
        Exam(woman_id="w", exam_id="e", mammograms=())


def test_spacing_outside_the_possible_is_refused() -> None:
    with pytest.raises(ExamError, match="pixel spacing"):
        build_mammogram(spacing_mm=(0.0, 0.1))


def test_a_score_is_finite_and_any_cancer_sums_the_hazards() -> None:
    score = Score(screen_detected=math.log(2.0), interval=math.log(3.0))
    assert score.any_cancer == pytest.approx(math.log(5.0), abs=1e-12)
    with pytest.raises(InputError, match="finite scores"):
        Score(screen_detected=math.nan, interval=0.0)


@pytest.mark.parametrize(
    "error",
    [
        DicomError(
            "truncated_file", expected="a whole file", found="half of it", where="a.dcm", remedy="Copy it"
        ),
        TooFewEventsError("matched concordance", found=1, needed=2),
        InputError(expected="a", found="b"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_an_error_keeps_message_and_attributes_across_processes(error: InputError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.__dict__ == error.__dict__


def test_the_docstring_draws_every_error_of_the_tree() -> None:
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, ForescreenError):
            assert name in (errors.__doc__ or "")


def build_density(percent: float, **changes: object) -> Density:
    values: dict[str, object] = {"method": "area-v1", "percent": float(percent), "unit": "cm2"}
    return Density(**(values | changes))  # type: ignore[arg-type]


def test_density_of_an_exam_is_the_mean_of_its_sides() -> None:
    left, right = Laterality.LEFT, Laterality.RIGHT
    views = [
        (left, build_density(10, dense=4.0, breast=40.0)),
        (left, build_density(20, dense=6.0, breast=30.0, flags=("pectoral_not_found",))),
        (right, build_density(35, dense=7.0, breast=20.0)),
    ]
    found = exam_density(views)
    assert found.left is not None
    assert (found.left.percent, found.left.dense) == (15, 5)
    assert found.both.percent == 25
    assert found.both.flags == ("pectoral_not_found",)
    assert found.n_views == 3
    assert exam_density(views[2:]).left is None


def test_densities_of_two_methods_are_not_averaged() -> None:
    views = [(Laterality.LEFT, build_density(10)), (Laterality.LEFT, build_density(9, method="registry"))]
    with pytest.raises(ExamError, match="views measured by one method, found area-v1, registry"):
        exam_density(views)
    with pytest.raises(ExamError, match="found no view"):
        exam_density([])


@pytest.mark.parametrize("percent", [-1.0, 100.5, float("nan")])
def test_a_density_lies_between_0_and_100(percent: float) -> None:
    with pytest.raises(ExamError, match="expected a density of 0 to 100 %"):
        build_density(percent)
