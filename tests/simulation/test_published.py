"""The tables of published numbers."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest

from forescreen.simulation.published import (
    SOURCE_MARK,
    exam_ages,
    incidence_at,
    published_shares,
    published_table,
    source_of,
)

TABLES = sorted(
    item.name.removesuffix(".csv")
    for item in (files("forescreen.simulation") / "tables").iterdir()
    if item.name.endswith(".csv")
)


@pytest.mark.parametrize("name", TABLES)
def test_every_table_begins_with_its_source(name: str) -> None:
    first = (files("forescreen.simulation") / "tables" / f"{name}.csv").read_text("utf-8").splitlines()[0]
    assert first.startswith(SOURCE_MARK)
    assert len(source_of(name)) > 20
    assert not published_table(name).empty
    assert not published_table(name).isna().any().any()


def test_incidence_is_the_published_rate_in_the_middle_of_a_band() -> None:
    # SEER 21, 2018-2022: 242.0 per 100 000 at 50-54, 342.0 at 60-64.
    np.testing.assert_allclose(incidence_at(np.array([52.5, 62.5])), [242.0e-5, 342.0e-5], rtol=1e-12)


def test_exam_ages_keep_the_published_shares_of_the_age_bands() -> None:
    ages, share = exam_ages()
    printed = published_shares("age")
    total = sum(printed.values())
    for start, end in ((40, 50), (50, 60), (60, 70), (70, 75)):
        inside = share[(ages >= start) & (ages < end)].sum()
        assert inside == pytest.approx(printed[str(start)] / total, abs=1e-12)
