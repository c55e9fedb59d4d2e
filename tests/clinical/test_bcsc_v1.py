"""BCSC version 1 against the published arithmetic and table of risks; what it says of Asian mortality."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.bcsc_v1 import BCSC_V1, POPULATIONS, BcscV1
from forescreen.clinical.coefficients import rows_of
from forescreen.clinical.women import Problem, Women, from_levels
from forescreen.errors import ConfigError, FactorError

EXACT = 1e-12

#: Origin: the published constants and recursion, computed by an independent program (864 risks; these are a
#: few of each race and age). Race, age, density, family history, biopsy, five-year risk.
COMPUTED = [
    ("white", 40, "a", None, None, 0.001986401668874071),
    ("white", 40, "d", "yes", "yes", 0.01805804731134654),
    ("white", 50, "b", None, None, 0.009433512230668635),
    ("white", 50, "b", "no", None, 0.00884863447236718),
    ("hispanic", 64, "d", "yes", "yes", 0.049736640175349955),
    ("hispanic", 65, "d", "yes", "yes", 0.039918087883144035),
    ("asian", 70, "b", None, None, 0.00937351978609377),
    ("asian", 70, "d", "yes", "yes", 0.029542439138590677),
]

#: Five-year risk in percent of white women by density: Table 5 of Tice et al. 2008, printed to 0.1.
TABLE_5 = {
    40: (0.2, 0.5, 0.7, 1.0),
    45: (0.4, 0.8, 1.2, 1.6),
    50: (0.5, 1.0, 1.6, 2.1),
    55: (0.7, 1.4, 2.2, 3.0),
    60: (0.8, 1.7, 2.6, 3.4),
    65: (1.3, 2.0, 2.9, 3.0),
    70: (1.4, 2.1, 3.1, 3.3),
}


def build_women(rows: list[tuple[str | None, float | None, str | None, str | None, str | None]]) -> Women:
    race, age, density, family, biopsy = zip(*rows, strict=True)
    return from_levels(
        len(rows), race=race, age=age, density=density, family_history=family, breast_biopsy=biopsy
    )


def test_risks_are_those_of_the_published_recursion() -> None:
    women = build_women([row[:5] for row in COMPUTED])
    risk = BcscV1(asian_mortality="as transcribed").assess(women, 5.0).risk
    np.testing.assert_allclose(risk, [row[5] for row in COMPUTED], rtol=0, atol=EXACT)


def test_all_864_computed_risks(shared: Path) -> None:
    path = shared / "data" / "statistics" / "clinical" / "bcsc_v1_tice2008.json"
    computed = json.loads(path.read_text(encoding="utf-8"))["computed"]
    told = {"None": None, "False": "no", "True": "yes"}
    rows = [
        (race, float(age), "abcd"[int(density) - 1], told[family[2:]], told[biopsy[2:]])
        for race, age, density, family, biopsy in (key.split("|") for key in computed)
    ]
    risk = BcscV1(asian_mortality="as transcribed").assess(build_women(rows), 5.0).risk
    assert len(risk) == 864
    np.testing.assert_allclose(risk, list(computed.values()), rtol=0, atol=EXACT)


def test_the_middle_of_each_age_band_gives_the_table_of_the_paper() -> None:
    rows = [("white", age + 2.0, density, None, None) for age in TABLE_5 for density in "abcd"]
    percent = 100 * BCSC_V1.assess(build_women(rows), 5.0).risk
    printed = np.array([cell for row in TABLE_5.values() for cell in row])
    ratio = percent / printed
    # Known of these constants: mean ratio 1.0015, range .927 to 1.209 (the table is rounded to 0.1).
    assert ratio.mean() == pytest.approx(1.0015, abs=5e-5)
    assert (ratio.min(), ratio.max()) == pytest.approx((0.927, 1.209), abs=5e-4)


def test_family_history_and_biopsy_at_50_are_near_the_paper() -> None:
    rows = [("white", 50.0, "b", family, biopsy) for family in ("no", "yes") for biopsy in ("no", "yes")]
    percent = 100 * BCSC_V1.assess(build_women(rows), 5.0).risk
    # Computed .802 1.323 1.243 2.051; Table 5 prints .9 1.4 1.4 2.2.
    np.testing.assert_allclose(percent, [0.802, 1.323, 1.243, 2.051], atol=5e-4)


def test_asian_mortality_is_divided_by_ten_and_everybody_is_told() -> None:
    women = build_women([("chinese", 70.0, "b", None, None), ("white", 70.0, "b", None, None)])
    answer = BCSC_V1.assess(women, 5.0)
    # Origin: the published recursion with 0.001333534 in place of 0.01333534.
    assert answer.risk[0] == pytest.approx(0.011827, abs=5e-7)
    np.testing.assert_array_equal(answer.flags["asian_mortality_corrected"], [True, False])
    assert "divided by ten" in answer.notes[0]
    transcribed = BcscV1(asian_mortality="as transcribed").assess(women, 5.0)
    np.testing.assert_array_equal(transcribed.flags["asian_mortality_transcribed"], [True, False])
    assert "too low" in transcribed.notes[0]
    assert transcribed.risk[1] == answer.risk[1]


def test_mortality_that_kills_more_women_than_there_are_gives_no_risk() -> None:
    women = build_women([("asian", 80.0, "b", None, None), ("asian", 70.0, "b", None, None)])
    answer = BcscV1(asian_mortality="as transcribed").assess(women, 5.0)
    np.testing.assert_array_equal(answer.reasons["survival_below_zero"], [True, False])
    np.testing.assert_array_equal(np.isnan(answer.risk), [True, False])


def test_another_asian_mortality_is_refused() -> None:
    with pytest.raises(ConfigError, match="one of corrected, as transcribed, found none"):
        BcscV1(asian_mortality="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("level", POPULATIONS["asian"])
def test_all_asian_levels_are_one_population(level: str) -> None:
    women = build_women([(level, 55.0, "c", "no", "no"), ("asian", 55.0, "c", "no", "no")])
    risk = BCSC_V1.assess(women, 5.0).risk
    assert risk[0] == risk[1]


def test_native_american_other_and_unknown_women_are_refused_with_the_reason() -> None:
    women = build_women([(race, 55.0, "c", "no", "no") for race in ("native american", "other", None)])
    answer = BCSC_V1.assess(women, 5.0)
    np.testing.assert_array_equal(answer.reasons["population_outside"], [True, True, False])
    np.testing.assert_array_equal(answer.reasons["population_unknown"], [False, False, True])


def test_unknown_density_is_average_density_and_flagged() -> None:
    women = build_women([("white", 50.0, None, None, None), ("white", 50.0, "b", None, None)])
    answer = BCSC_V1.assess(women, 5.0)
    assert answer.risk[0] == answer.average[0]
    assert answer.risk[1] == pytest.approx(0.7565 * answer.average[1], rel=EXACT), "the density adjustment"
    np.testing.assert_array_equal(answer.flags["density_unknown"], [True, False])


def test_ages_between_whole_years_lie_between_their_risks() -> None:
    women = build_women([("white", age, "b", None, None) for age in (50.0, 50.5, 51.0)])
    risk = BCSC_V1.assess(women, 5.0).risk
    assert risk[0] < risk[1] < risk[2]


@pytest.mark.parametrize(("age", "answered"), [(34.99, False), (35.0, True), (84.99, True), (85.0, False)])
def test_ages_from_35_to_84_are_answered(age: float, answered: bool) -> None:
    answer = BCSC_V1.assess(build_women([("white", age, "b", None, None)]), 5.0)
    assert np.isfinite(answer.risk[0]) == answered
    assert ("age_outside" in answer.reasons) != answered


def test_a_number_of_relatives_answers_the_question_of_family_history() -> None:
    counted = from_levels(2, race=["white"] * 2, age=[50, 50], n_relatives=[0, 2], n_biopsies=[3, 0])
    asked = from_levels(
        2, race=["white"] * 2, age=[50, 50], family_history=["no", "yes"], breast_biopsy=["yes", "no"]
    )
    np.testing.assert_array_equal(BCSC_V1.assess(counted, 5.0).risk, BCSC_V1.assess(asked, 5.0).risk)


def test_relatives_of_a_woman_without_family_history_contradict() -> None:
    women = from_levels(1, race=["white"], age=[50], n_relatives=[2], family_history=["no"])
    answer = BCSC_V1.assess(women, 5.0)
    assert answer.reasons["factors_contradict"].tolist() == [True]


def test_a_problem_of_a_factor_that_is_not_used_does_not_matter() -> None:
    plain = build_women([("white", 50.0, "b", "no", "no")])
    problem = Problem(row=0, code="bmi", factors=("bmi",), message="height and weight say another")
    women = Women(n=1, values=plain.values, problems=(problem,))
    assert np.isfinite(BCSC_V1.assess(women, 5.0).risk[0])


def test_only_five_years_are_answered() -> None:
    women = build_women([("white", 50.0, "b", "no", "no")] * 3)
    answer = BCSC_V1.assess(women, np.array([5.0, 10.0, np.nan]))
    np.testing.assert_array_equal(answer.reasons["horizon_outside"], [False, True, True])


def test_horizons_of_another_number_than_the_women_are_an_error() -> None:
    women = build_women([("white", 50.0, "b", "no", "no")] * 3)
    with pytest.raises(FactorError, match=r"expected one horizon, or 3 of them, found shape \(2,\)"):
        BCSC_V1.assess(women, np.array([5.0, 5.0]))


def test_tables_list_the_populations_in_the_order_of_the_code() -> None:
    for table in ("bcsc_v1_rates", "bcsc_v1_density_adjustment"):
        assert tuple(row["race"] for row in rows_of(table)) == tuple(POPULATIONS)


def test_the_terms_multiply_the_average_risk() -> None:
    women = build_women([("black", 66.0, "d", "yes", "no"), ("other", 66.0, "d", "yes", "no")])
    answer, terms = BCSC_V1.assess(women, 5.0), BCSC_V1.terms(women)
    factor = np.exp(terms.log_relative_risk.sum(axis=1))
    np.testing.assert_allclose(answer.risk, answer.average * factor, rtol=EXACT)
    # Origin: the printed hazard ratios: adjustment .9201, density d from 65 on 1.4499, 1.454 and .906.
    np.testing.assert_allclose(
        np.exp(terms.log_relative_risk[0]), [0.9201 * 1.4499, 1.454, 0.906], rtol=EXACT
    )
    assert np.isnan(terms.log_relative_risk[1]).all()
