"""What docs/accuracy.md says of the clinical models is asserted here."""

from __future__ import annotations

import pytest

from forescreen.clinical.catalogue import MODELS
from tests.reference.clinical_comparisons import SAME_ALGORITHM, ClinicalComparison, clinical_comparisons


@pytest.mark.parametrize("one", clinical_comparisons(), ids=lambda one: f"{one.model}: {one.quantity}")
def test_a_model_gives_the_published_numbers(one: ClinicalComparison) -> None:
    assert len(one.ours) == len(one.expected) > 0
    assert one.difference < SAME_ALGORITHM


def test_every_model_is_compared() -> None:
    assert {one.model for one in clinical_comparisons()} == set(MODELS)
