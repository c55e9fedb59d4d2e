"""Clinical factors are coded as the docs say, unknown stays unknown, nonsense is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.covariates import (
    CLINICAL_FACTORS,
    available_factors,
    design,
    unknown_by_factor,
    with_unknown_levels,
)
from forescreen.errors import FactorError


def build_table(**changes: object) -> pd.DataFrame:
    values: dict[str, object] = {
        "bmi": [22.5, 30.0, np.nan],
        "family_history": [0, 1, 0],
        "breast_biopsy": [0, 0, 1],
        "parity": [0, 2, 1],
        "first_birth_age": [np.nan, 24, 33],
        "menarche_age": [12, 13, 11],
        "menopause": ["pre", "post", "post"],
        "hormone_therapy": [0, 1, 0],
        "density": ["b", "d", None],
    }
    return pd.DataFrame({**values, **changes})


def test_each_factor_has_its_coding() -> None:
    coded = design(build_table(), CLINICAL_FACTORS)
    column = {c.name: coded.X[:, i] for i, c in enumerate(coded.columns)}
    np.testing.assert_array_equal(column["BMI"], [4.5, 6.0, np.nan])
    np.testing.assert_array_equal(column["Nulliparous"], [1, 0, 0])
    np.testing.assert_array_equal(column["First birth at 30 or later"], [0, 0, 1])
    np.testing.assert_array_equal(column["BI-RADS density d, extremely dense"], [0, 1, np.nan])
    assert "BI-RADS density a, almost entirely fatty" not in column, "nobody has it: no coefficient"
    np.testing.assert_array_equal(coded.complete, [True, True, False])


def test_a_value_outside_its_coding_is_refused_by_row() -> None:
    with pytest.raises(FactorError, match=r"row 2: expected density one of a, b, c, d, found 4"):
        design(build_table(density=["a", "4", "b"]), ("density",))
    with pytest.raises(FactorError, match=r"row 1: expected bmi in \[10, 90\], found 225"):
        design(build_table(bmi=[225.0, 30.0, 31.0]), ("bmi",))


def test_an_unknown_factor_is_refused_with_the_known_ones() -> None:
    with pytest.raises(FactorError, match="a factor among age, bmi"):
        design(build_table(), ("shoe_size",))


def test_factors_without_a_known_value_are_not_available() -> None:
    table = build_table(hormone_therapy=[np.nan] * 3).drop(columns="menarche_age")
    assert set(CLINICAL_FACTORS) - set(available_factors(table, CLINICAL_FACTORS)) == {
        "hormone_therapy",
        "menarche_age",
    }


def test_percent_density_names_the_method_that_measured_it() -> None:
    table = build_table(percent_density=[10.0, 30.0, np.nan])
    assert design(table, ("percent_density",)).names == ("Percent density",)
    measured = table.assign(density_method=["area-v1", "area-v1", np.nan])
    assert design(measured, ("percent_density",)).names == ("Percent density (area-v1)",)


def test_percent_densities_of_two_methods_are_not_one_factor() -> None:
    table = build_table(percent_density=[10.0, 30.0, 5.0], density_method=["area-v1", "registry", ""])
    with pytest.raises(FactorError, match="expected percent density by one method, found area-v1, registry"):
        design(table, ("percent_density",))


def test_an_unknown_level_stands_at_the_reference_and_has_a_column_of_its_own() -> None:
    members = pd.DataFrame(
        {"bmi": [20.0, 30.0, np.nan, 45.0], "density": ["b", "c", "a", ""], "family_history": [0, 1, 1, 0]}
    )
    plain = design(members, ("bmi", "density", "family_history"))
    reference = np.array([True, True, True, False])
    filled = with_unknown_levels(plain, reference=reference)
    assert filled.complete.all()
    assert filled.names == (*plain.names, "bmi unknown", "density unknown")
    np.testing.assert_allclose(filled.X[:, filled.names.index("BMI")], [4, 6, 5, 9], atol=1e-12)
    np.testing.assert_array_equal(filled.X[:, filled.names.index("bmi unknown")], [0, 0, 1, 0])
    assert filled.X[3, filled.names.index("BI-RADS density c, heterogeneously dense")] == 0
    known = np.isfinite(plain.X)
    np.testing.assert_array_equal(filled.X[:, : len(plain.columns)][known], plain.X[known])


def test_a_known_parity_without_the_age_at_first_birth_is_unknown() -> None:
    members = pd.DataFrame({"parity": [0, 2, 2, np.nan], "first_birth_age": [np.nan, 25, np.nan, 31]})
    unknown = unknown_by_factor(members, ("first_birth",))
    np.testing.assert_array_equal(unknown["first_birth"], [False, False, True, True])
