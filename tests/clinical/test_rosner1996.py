"""Rosner 1996: the published incidence, its integral against general quadrature, and who is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad

from forescreen.clinical.rates import Rates
from forescreen.clinical.rosner1996 import ROSNER_1996, Rosner1996, annual_incidence
from forescreen.clinical.women import Women
from forescreen.errors import ConfigError

EXACT = 1e-12
SAME_ALGORITHM = 1e-9

Row = tuple[float, float, float | None, tuple[float, ...]]  # age, menarche, menopause, births

#: Cases per 100 000 woman-years. Origin: the published formula, computed by an independent program.
VECTORS: list[tuple[Row, float]] = [
    ((45, 12, None, ()), 159.96026889164423),
    ((45, 12, None, (25,)), 176.2538816454644),
    ((60, 12, 50, ()), 395.4108950941125),
    ((60, 12, 50, (20, 23, 26)), 278.75282715144436),
    ((60, 12, 50, (35,)), 490.25490247243476),
    ((70, 10, 40, (35,)), 673.7946999085473),
]


def build_women(*rows: Row, **changes: list[float]) -> Women:
    births = np.full((len(rows), max([1, *(len(row[3]) for row in rows)])), np.nan)
    for i, row in enumerate(rows):
        births[i, : len(row[3])] = row[3]
    values = {
        "age": np.array([row[0] for row in rows], dtype=float),
        "menarche_age": np.array([row[1] for row in rows], dtype=float),
        "menopause": np.array([0 if row[2] is None else 1 for row in rows]),
        "menopause_age": np.array([np.nan if row[2] is None else row[2] for row in rows]),
        "parity": np.array([len(row[3]) for row in rows], dtype=float),
        "birth_ages": births,
    }
    return Women(n=len(rows), values={**values, **{name: np.array(v) for name, v in changes.items()}})


def incidence_at(age: float, menarche: float, menopause: float, births: tuple[float, ...]) -> float:
    """The published formula, written out for one woman."""
    t_star = min(age, menopause)
    after = max(age - menopause, 0.0)
    index = sum(t_star - birth for birth in births)
    first = (min(births) - menarche) if births else 0.0
    log = -9.687 + 0.048 * menarche + 0.081 * (t_star - menarche) + 0.050 * after + 0.013 * first
    return float(np.exp(log - 0.0036 * index - 0.00020 * index * after))


def build_rates(mortality: tuple[float, ...], edges: tuple[float, ...], of: str = "other causes") -> Rates:
    return Rates(
        name="invented",
        population="nobody",
        years="never",
        source="a test",
        event="breast cancer",
        edges=np.array(edges),
        incidence=np.zeros(len(mortality)),
        mortality=np.array(mortality),
        mortality_of=of,
    )


def test_incidences_are_those_of_the_published_formula() -> None:
    found = 1e5 * annual_incidence(build_women(*(row for row, _ in VECTORS)))
    np.testing.assert_allclose(found, [expected for _, expected in VECTORS], rtol=EXACT)


def test_the_vectors_here_are_those_of_the_test_data(shared: Path) -> None:
    path = shared / "data" / "statistics" / "clinical" / "rosner1996_test_vectors.json"
    vectors = json.loads(path.read_text(encoding="utf-8"))
    assert [((*v["inp"][:3], tuple(v["inp"][3])), v["annual_incidence_per_1e5"]) for v in vectors] == VECTORS


@pytest.mark.parametrize("row", [row for row, _ in VECTORS])
@pytest.mark.parametrize("horizon_years", [1.0, 7.5])
def test_risk_without_deaths_is_that_of_the_integrated_incidence(row: Row, horizon_years: float) -> None:
    age, menarche, menopause, births = row
    total, _ = quad(
        lambda t: incidence_at(t, menarche, menopause or 51.0, births),
        age,
        age + horizon_years,
        points=[51.0],
        epsabs=1e-15,
        epsrel=1e-13,
    )
    answer = ROSNER_1996.assess(build_women(row), horizon_years)
    assert answer.risk[0] == pytest.approx(-np.expm1(-total), rel=EXACT)
    assert "not taken into account" in answer.notes[-1]


@pytest.mark.parametrize("row", [row for row, _ in VECTORS[:5]])
def test_deaths_that_compete_are_integrated_too(row: Row) -> None:
    age, menarche, menopause, births = row
    edges, mortality = (20.0, 48.0, 51.5, 90.0), (0.002, 0.02, 0.1)

    def density(t: float) -> float:
        at_risk, _ = quad(
            lambda u: incidence_at(u, menarche, menopause or 51.0, births), age, t, points=[51.0]
        )
        years = [max(0.0, min(t, edges[i + 1]) - max(age, edges[i])) for i in range(3)]
        died = float(np.dot(mortality, years))
        return incidence_at(t, menarche, menopause or 51.0, births) * float(np.exp(-at_risk - died))

    expected, _ = quad(
        density, age, age + 15.0, points=[48.0, 51.0, 51.5], limit=200, epsabs=1e-14, epsrel=1e-12
    )
    model = Rosner1996(mortality=build_rates(mortality, edges))
    answer = model.assess(build_women(row), 15.0)
    assert answer.risk[0] == pytest.approx(expected, rel=SAME_ALGORITHM)
    assert answer.risk[0] < ROSNER_1996.assess(build_women(row), 15.0).risk[0]
    assert answer.notes[-1] == "Competing mortality: invented."


def test_a_rate_that_is_told_year_by_year_is_the_same_rate() -> None:
    women = build_women((30, 12, None, (22, 25)), (32, 11, 31, ()))
    whole = Rosner1996(mortality=build_rates((0.05,), (20.0, 90.0)))
    yearly = Rosner1996(mortality=build_rates((0.05,) * 70, tuple(np.arange(20.0, 91.0))))
    np.testing.assert_allclose(whole.assess(women, 48.0).risk, yearly.assess(women, 48.0).risk, rtol=EXACT)


def test_nobody_dying_is_the_same_as_no_mortality() -> None:
    women = build_women(*(row for row, _ in VECTORS[:5]))
    model = Rosner1996(mortality=build_rates((0.0, 0.0), (20.0, 47.0, 90.0)))
    np.testing.assert_allclose(
        model.assess(women, 19.5).risk, ROSNER_1996.assess(women, 19.5).risk, rtol=EXACT
    )


def test_mortality_of_all_causes_is_told() -> None:
    model = Rosner1996(mortality=build_rates((0.01,), (20.0, 90.0), "all causes"))
    assert "all causes" in model.assess(build_women(VECTORS[0][0]), 5.0).notes[-1]


def test_mortality_that_does_not_reach_the_women_is_a_reason() -> None:
    model = Rosner1996(mortality=build_rates((0.01,), (40.0, 60.0)))
    women = build_women((35, 12, None, ()), (45, 12, None, ()), (58, 12, 50, ()))
    answer = model.assess(women, 5.0)
    np.testing.assert_array_equal(answer.reasons["age_outside"], [True, False, False])
    np.testing.assert_array_equal(answer.reasons["horizon_past_end"], [False, False, True])


def test_a_premenopausal_woman_reaches_menopause_at_the_expected_age_and_is_flagged() -> None:
    women = build_women((49, 12, None, ()), (49, 12, None, ()), (53, 12, None, ()))
    answer = ROSNER_1996.assess(women, np.array([1.0, 10.0, 10.0]))
    np.testing.assert_array_equal(answer.flags["menopause_expected"], [False, True, True])
    later = Rosner1996(expected_menopause_age=56.0).assess(women, 10.0)
    assert later.risk[1] > answer.risk[1], "incidence rises faster before menopause"


def test_menopause_does_not_make_incidence_jump() -> None:
    women = build_women((51, 12, None, (24, 27)), (51, 12, 51, (24, 27)))
    incidence = annual_incidence(women)
    assert incidence[0] == incidence[1]
    risk = ROSNER_1996.assess(women, 10.0).risk
    assert risk[0] == risk[1]


def test_the_age_at_the_first_birth_will_do_for_one_birth() -> None:
    listed = build_women((55, 12, 50, (28,)))
    told = build_women((55, 12, 50, (28,)), birth_ages=[[np.nan]], first_birth_age=[28.0])
    assert ROSNER_1996.assess(told, 5.0).risk[0] == ROSNER_1996.assess(listed, 5.0).risk[0]


def test_births_without_ages_are_a_reason() -> None:
    women = build_women((55, 12, 50, (28,)), (55, 12, 50, ()), parity=[3.0, 2.0])
    answer = ROSNER_1996.assess(women, 5.0)
    np.testing.assert_array_equal(answer.reasons["births_incomplete"], [True, False])
    np.testing.assert_array_equal(answer.reasons["factor_unknown"], [False, True])
    assert np.isnan(annual_incidence(women)).all()


def test_a_menopause_without_age_is_a_reason() -> None:
    women = build_women((55, 12, 50, ()), menopause_age=[np.nan])
    assert ROSNER_1996.assess(women, 5.0).reasons["factor_unknown"].tolist() == [True]


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        ((55, 12, 57, ()), {}),
        ((55, 12, 50, (52,)), {}),
        ((55, 12, 50, (11,)), {}),
        ((45, 12, None, (46,)), {}),
        ((45, 12, None, ()), {"menopause_age": [44.0]}),
        ((45, 12, None, (25,)), {"parity": [0.0]}),
        ((45, 12, None, ()), {"first_birth_age": [25.0]}),
        ((45, 12, None, (25, 28)), {"first_birth_age": [28.0]}),
    ],
)
def test_ages_that_cannot_be_contradict(row: Row, changes: dict[str, list[float]]) -> None:
    answer = ROSNER_1996.assess(build_women(row, **changes), 5.0)
    assert answer.reasons["factors_contradict"].tolist() == [True]


def test_terms_and_the_reference_make_the_incidence() -> None:
    rows = [row for row, _ in VECTORS]
    terms = ROSNER_1996.terms(build_women(*rows[:5]))
    reference = np.array([incidence_at(row[0], 13.0, row[0], ()) for row in rows[:5]])
    found = 1e5 * reference * np.exp(terms.log_relative_risk.sum(axis=1))
    np.testing.assert_allclose(found, [expected for _, expected in VECTORS[:5]], rtol=EXACT)
    # Origin: the published coefficients: (.048 − .081)(12 − 13), and .050 − .081 for ten years.
    np.testing.assert_allclose(terms.log_relative_risk[2], [0.033, -0.31, 0.0], atol=EXACT)


def test_horizons_beyond_the_data_are_flagged_and_beyond_80_refused() -> None:
    women = build_women(*[(62, 12, 50, ())] * 3)
    answer = ROSNER_1996.assess(women, np.array([8.0, 18.0, 18.5]))
    np.testing.assert_array_equal(answer.flags["beyond_data"], [False, True, False])
    np.testing.assert_array_equal(answer.reasons["horizon_past_end"], [False, False, True])


def test_an_expected_menopause_at_30_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected an age at menopause from 40 to 60, found 30"):
        Rosner1996(expected_menopause_age=30.0)
