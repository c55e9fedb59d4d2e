"""BCRAT from women of our vocabulary: groups, fallbacks, flags, reasons, and how its risk behaves.

Its numbers are held against the R package in test_bcra_frame.py.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.clinical.absolute import Step, absolute_risk, population_hazards
from forescreen.clinical.bcrat import BCRAT
from forescreen.clinical.factors import FACTORS, RACES
from forescreen.clinical.model import SHARED_CODES, Assessment, ClinicalModel
from forescreen.clinical.rates import built_in_rates
from forescreen.clinical.women import Problem, Women, from_levels

EXACT = 1e-12

WOMAN: dict[str, float | str | None] = {
    "age": 45.0,
    "race": "white",
    "n_biopsies": 0,
    "menarche_age": 13,
    "parity": 2,
    "first_birth_age": 24,
    "n_relatives": 0,
}


def build_women(*changes: dict[str, float | str | None]) -> Women:
    rows = [WOMAN | change for change in changes]
    names = {name for row in rows for name in row}
    return from_levels(len(rows), **{name: [row.get(name) for row in rows] for name in names})


def assess(*changes: dict[str, float | str | None], years: float = 5.0) -> Assessment:
    return BCRAT.assess(build_women(*changes), years)


def codes_of(masks: object, row: int = 0) -> set[str]:
    return {code for code, mask in masks.items() if mask[row]}  # type: ignore[attr-defined]


def test_it_is_a_clinical_model_whose_factors_and_codes_are_told() -> None:
    model: ClinicalModel = BCRAT
    assert {use.factor for use in model.uses} <= set(FACTORS)
    assert all(use.required or use.assumed for use in model.uses)
    assert set(model.populations) == set(RACES) - {"asian", "hispanic"}
    assert model.ages == (20, 90)


def test_every_race_has_its_group_or_is_told_which_levels_to_use() -> None:
    found = assess(*({"race": race} for race in RACES))
    refused = {race for race, risk in zip(RACES, found.risk, strict=True) if np.isnan(risk)}
    assert refused == {"asian", "hispanic"}
    assert codes_of(found.reasons, RACES.index("asian")) == {"population_outside"}
    assert "hispanic us-born" in BCRAT.codes["population_outside"]
    white = found.risk[RACES.index("white")]
    assert found.risk[RACES.index("native american")] == found.risk[RACES.index("other")] == white
    others = [found.risk[RACES.index(race)] for race in RACES if race not in refused]
    assert len({float(risk) for risk in others}) == 10, "white, native american and other are one"


def test_native_american_other_and_unknown_race_are_flagged() -> None:
    found = assess({}, {"race": "native american"}, {"race": "other"}, {"race": None})
    np.testing.assert_array_equal(found.flags["population_other"], [False, True, True, False])
    np.testing.assert_array_equal(found.flags["population_unknown"], [False, False, False, True])
    np.testing.assert_array_equal(found.risk, np.full(4, found.risk[0]))


def test_where_numbers_are_unknown_yes_is_one_and_no_is_none() -> None:
    found = assess(
        {"n_relatives": 1, "n_biopsies": 1},
        {"n_relatives": None, "family_history": "yes", "n_biopsies": None, "breast_biopsy": "yes"},
        {},
        {"n_relatives": None, "family_history": "no", "n_biopsies": None, "breast_biopsy": "no"},
        {"n_relatives": 0, "family_history": "yes"},
    )
    assert found.risk[0] == found.risk[1] > found.risk[2] == found.risk[3] == found.risk[4]
    np.testing.assert_array_equal(found.flags["one_relative_assumed"], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(found.flags["one_biopsy_assumed"], [0, 1, 0, 0, 0])
    np.testing.assert_array_equal(
        found.flags["factors_assumed"], [1, 1, 0, 0, 0]
    )  # hyperplasia of the biopsies


def test_unknown_factors_are_assumed_as_the_tool_says_and_flagged() -> None:
    nothing = {
        "n_biopsies": None,
        "menarche_age": None,
        "parity": None,
        "first_birth_age": None,
        "n_relatives": None,
    }
    found = assess(nothing, {"menarche_age": 14, "first_birth_age": 19}, nothing | {"race": "black"})
    assert found.risk[0] == found.risk[1]
    np.testing.assert_array_equal(found.flags["factors_assumed"], [True, False, True])
    only_age = BCRAT.assess(from_levels(1, age=[45.0]), 5.0)
    assert only_age.risk[0] == found.risk[0]


@pytest.mark.parametrize(
    ("race", "factor"), [("black", "first_birth_age"), ("hispanic us-born", "menarche_age")]
)
def test_a_factor_that_a_group_does_not_use_is_not_missed(race: str, factor: str) -> None:
    found = assess({"race": race, factor: None}, {factor: None})
    np.testing.assert_array_equal(found.flags["factors_assumed"], [False, True])


def test_parity_0_is_nulliparous_and_parity_without_an_age_is_a_birth_before_20() -> None:
    terms = BCRAT.terms(
        build_women(
            {"parity": 0, "first_birth_age": None},
            {"first_birth_age": 27},
            {"parity": 3, "first_birth_age": None},
            {"first_birth_age": 18},
        )
    )
    birth = terms.log_relative_risk[:, terms.factors.index("first birth")]
    assert birth[0] == birth[1] > birth[2] == birth[3] == 0


def test_hyperplasia_counts_only_with_biopsies() -> None:
    found = BCRAT.terms(
        build_women(*({"n_biopsies": 1, "atypical_hyperplasia": level} for level in (None, "no", "yes")))
    )
    np.testing.assert_allclose(
        np.exp(found.log_relative_risk[:, 0] - found.log_relative_risk[0, 0]), [1, 0.93, 1.82], rtol=EXACT
    )


@pytest.mark.parametrize(
    ("change", "years", "code"),
    [
        ({"age": None}, 5, "age_unknown"),
        ({"age": 19.9, "first_birth_age": None}, 5, "age_outside"),
        ({"age": 90}, 5, "age_outside"),
        ({}, 0, "horizon_outside"),
        ({}, math.nan, "horizon_outside"),
        ({}, 45.1, "horizon_past_end"),
        ({}, math.inf, "horizon_past_end"),
        ({"race": "hispanic"}, 5, "population_outside"),
        ({"atypical_hyperplasia": "no"}, 5, "hyperplasia_without_biopsies"),
        ({"n_biopsies": None, "atypical_hyperplasia": "yes"}, 5, "hyperplasia_without_biopsies"),
        ({"age": 22, "menarche_age": 23, "first_birth_age": None}, 5, "menarche_after_age"),
        ({"first_birth_age": 12}, 5, "first_birth_before_menarche"),
        ({"first_birth_age": 46}, 5, "first_birth_after_age"),
        ({"parity": 0}, 5, "first_birth_of_none"),
    ],
)
def test_every_refusal_has_a_reason_of_its_own(change: dict[str, float], years: float, code: str) -> None:
    found = assess(change, {}, years=years)
    assert codes_of(found.reasons) == {code}
    assert np.isnan(found.risk[0])
    assert np.isnan(found.average[0])
    assert code in SHARED_CODES | dict(BCRAT.codes)
    assert not codes_of(found.flags), "flags are of answers"
    terms = BCRAT.terms(build_women(change)).log_relative_risk
    assert np.isnan(terms).all() == (not code.startswith("horizon"))


def test_every_woman_without_a_risk_has_a_reason_and_only_she() -> None:
    generator = np.random.default_rng(3)
    n = 5000
    women = Women(
        n=n,
        values={
            "age": generator.choice([np.nan, 18, 30.5, 49.99, 50, 70, 91], n),
            "race": generator.integers(-1, len(RACES), n).astype(np.int8),
            "menarche_age": generator.choice([np.nan, 9, 12, 60], n),
            "first_birth_age": generator.choice([np.nan, 11, 31], n),
            "n_biopsies": generator.choice([np.nan, 0, 1, 9], n),
            "atypical_hyperplasia": generator.integers(-1, 2, n).astype(np.int8),
        },
    )
    found = BCRAT.assess(women, generator.choice([np.nan, 0, 0.3, 5, 30], n))
    reasoned = np.any(list(found.reasons.values()), axis=0)
    np.testing.assert_array_equal(np.isnan(found.risk), reasoned)
    np.testing.assert_array_equal(np.isnan(found.average), reasoned)
    assert 0.05 < reasoned.mean() < 0.95
    assert np.isnan(found.lower).all()


def test_problems_of_its_factors_refuse_and_those_of_others_do_not() -> None:
    women = build_women({}, {}, {"race": "black"}, {})
    problems = tuple(
        Problem(row=row, code="out_of_range", factors=(factor,), message="")
        for row, factor in enumerate(("bmi", "menarche_age", "first_birth_age", "parity"))
    )
    found = BCRAT.assess(Women(n=4, values=women.values, problems=problems), 5.0)
    np.testing.assert_array_equal(found.reasons["factors_contradict"], [False, True, False, True])
    np.testing.assert_array_equal(np.isnan(found.risk), [False, True, False, True])


def test_the_terms_change_at_50_and_the_interaction_is_a_term_of_its_own() -> None:
    busy = {"n_biopsies": 2, "n_relatives": 1, "first_birth_age": 30}
    terms = BCRAT.terms(build_women(busy, busy | {"age": 50}, busy | {"age": 49.99}))
    assert terms.factors == ("biopsies", "menarche", "first birth", "relatives", "first birth × relatives")
    # BCRA 2.1.2, BrCa_beta, white: 2·.5292641686, 1·.0940103059, 3·.2186262218, .9583027845,
    # 3·1·−.1908113865; from 50 biopsies .5292641686 − .288042483.
    np.testing.assert_allclose(
        terms.log_relative_risk[0],
        [1.0585283372, 0.0940103059, 0.6558786654, 0.9583027845, -0.5724341595],
        rtol=EXACT,
    )
    assert terms.log_relative_risk[1, 0] == pytest.approx(0.4824433712, rel=EXACT)
    np.testing.assert_array_equal(terms.log_relative_risk[2], terms.log_relative_risk[0])


def test_at_relative_risk_1_and_f_1_the_risk_is_the_average() -> None:
    lowest = {"menarche_age": 14, "first_birth_age": 19}
    found = assess(lowest | {"race": "chinese"}, lowest | {"race": "white"}, years=30)
    for woman, (own, average) in enumerate((("chinese", "chinese"), ("white", "average-white"))):
        f_below_50, f_from_50 = ((0.47519806426735, 0.50316401683903), (0.5788413, 0.5788413))[woman]
        for rates, factors, expected in (
            (average, (1.0, 1.0), found.average[woman]),
            (own, (f_below_50, f_from_50), found.risk[woman]),
        ):
            steps = [
                Step(from_age=age, log_relative_risk=np.array([math.log(factor)]))
                for age, factor in zip((20, 50), factors, strict=True)
            ]
            hazards = population_hazards(built_in_rates(f"bcrat-{rates}"))
            risk = absolute_risk(np.array([45.0]), np.array([75.0]), baseline=hazards, steps=steps)
            assert expected == pytest.approx(risk[0], rel=EXACT)


def test_values_beyond_the_vocabulary_are_answered_as_the_tool_does() -> None:
    odd = {"menarche_age": 5, "n_biopsies": 60, "n_relatives": 60}
    assert assess(odd).risk[0] == assess({"menarche_age": 11, "n_biopsies": 2, "n_relatives": 2}).risk[0]


def test_no_women_are_no_trouble() -> None:
    assert BCRAT.assess(Women(n=0, values={}), 5.0).risk.shape == (0,)


races = st.sampled_from(BCRAT.populations)


@given(
    race=races,
    age=st.floats(35, 89),
    near=st.floats(0.01, 1),
    far=st.floats(0.01, 1),
    biopsies=st.integers(0, 3),
    relatives=st.integers(0, 3),
    menarche=st.integers(8, 18),
)
def test_risk_is_a_chance_and_grows_with_the_horizon(
    race: str, age: float, near: float, far: float, biopsies: int, relatives: int, menarche: int
) -> None:
    woman = {
        "race": race,
        "age": age,
        "n_biopsies": biopsies,
        "n_relatives": relatives,
        "menarche_age": menarche,
    }
    first, second = sorted((near * (90 - age), far * (90 - age)))
    found = BCRAT.assess(build_women(woman, woman), np.array([first, second]))
    assert 0 < found.risk[0] <= found.risk[1] < 1
    assert 0 < found.average[0] <= found.average[1] < 1


@given(race=races, age=st.floats(35, 84), relatives=st.integers(0, 1))
def test_a_relative_more_is_more_risk(race: str, age: float, relatives: int) -> None:
    woman = {"race": race, "age": age, "parity": 0, "first_birth_age": None}
    risk = assess(woman | {"n_relatives": 0}, woman | {"n_relatives": 1}).risk
    assert risk[0] < risk[1]
