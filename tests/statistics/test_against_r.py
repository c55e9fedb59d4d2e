"""Every estimator against R on made-up tables of our own: these tests run everywhere.

Expected numbers: tests/reference/r_owned.json, made by `make reference`; origin, versions and licence stand
in it.
"""

from __future__ import annotations

import pytest

from tests.reference.comparisons import Comparison, comparisons, reference

ALL = list(comparisons())


def test_the_reference_says_where_its_numbers_come_from() -> None:
    assert {"origin", "versions", "licence", "values"} == set(reference())
    assert "survival" in reference()["versions"]


@pytest.mark.parametrize("one", ALL, ids=lambda c: f"{c.estimator}: {c.quantity}")
def test_against_r_on_our_own_tables(one: Comparison) -> None:
    assert len(one.ours) == len(one.theirs) > 0
    assert one.difference <= one.tolerance, f"{one.ours} against {one.theirs} of {one.program}"


def test_against_r_covers_every_module_that_has_a_counterpart_there() -> None:
    modules = (
        "association case_types matched discrimination survival time_auc brier concordance hazards fine_gray "
        "calibration calibration_line calibration_curve proportions paired_proportions reclassification "
        "imputation"
    )
    assert set(modules.split()) <= {c.estimator for c in ALL}
