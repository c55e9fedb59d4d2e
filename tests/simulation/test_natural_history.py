"""The exact recursion against reference numbers, and the Monte Carlo against the recursion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import ConfigError
from forescreen.simulation.clinical_risk import clinical_risk
from forescreen.simulation.natural_history import (
    NaturalHistory,
    draw_courses_constant,
    mean_delay_years,
    mode_probabilities,
    screen_sensitivity,
)
from forescreen.simulation.population import draw_population
from forescreen.simulation.published import incidence_at

from .registry_builders import STUDY_YEARS, build_screened

REFERENCE = 1e-9
SCREENS = (20.0, 22.0, 24.0, 26.0, 28.0)

# Three-state progressive model, onset .003, sojourn 2.5 years, sensitivity .8, screens at 20 .. 28,
# end 30. From the closed-form solution, computed independently of this code and confirmed by a Monte
# Carlo of 4 million women.
THREE_STATE_SCREEN = [
    0.005691258867242395,
    0.003612520212528367,
    0.003407161998717902,
    0.003370267574542287,
    0.003348622589604541,
]
THREE_STATE_INTERVAL = [
    0.051121392831698254,
    0.002540833743780002,
    0.002244146035147887,
    0.0022054252991680068,
    0.002189959105044492,
    0.002176654402581968,
]
THREE_STATE_UNDIAGNOSED = 0.9180917573399439
# Two stages of mean 1.2 and 1.6 years, sensitivities .45 and .9, the rest as above.
TWO_STAGE_SCREEN = [
    0.005633922248500803,
    0.0038740595660483297,
    0.0037357347265016367,
    0.0037032638472536674,
    0.003680111807135715,
]
TWO_STAGE_INTERVAL = [
    0.05027425206719305,
    0.002109927573989867,
    0.0019038758464445804,
    0.0018774798905322188,
    0.001864835540274834,
    0.0018535373973868063,
]


def test_one_stage_gives_the_reference_three_state_probabilities() -> None:
    modes = mode_probabilities(0.003, [1 / 2.5], sensitivities=[0.8], screen_times=SCREENS, end=30)
    np.testing.assert_allclose(modes.screen_detected, THREE_STATE_SCREEN, rtol=REFERENCE)
    np.testing.assert_allclose(modes.interval, THREE_STATE_INTERVAL, rtol=REFERENCE)
    assert modes.undiagnosed == pytest.approx(THREE_STATE_UNDIAGNOSED, rel=REFERENCE)


def test_two_stages_give_the_reference_phase_type_probabilities() -> None:
    modes = mode_probabilities(
        0.003, [1 / 1.2, 1 / 1.6], sensitivities=[0.45, 0.9], screen_times=SCREENS, end=30
    )
    np.testing.assert_allclose(modes.screen_detected, TWO_STAGE_SCREEN, rtol=REFERENCE)
    np.testing.assert_allclose(modes.interval, TWO_STAGE_INTERVAL, rtol=REFERENCE)


@settings(max_examples=25, deadline=None)
@given(
    onset=st.floats(1e-5, 0.05),
    sojourns=st.lists(st.floats(0.2, 8.0), min_size=1, max_size=4),
    sensitivity=st.floats(0.0, 1.0),
    interval=st.floats(0.5, 4.0),
)
def test_every_woman_ends_somewhere(
    onset: float, sojourns: list[float], sensitivity: float, interval: float
) -> None:
    times = [interval * k for k in range(1, 6)]
    modes = mode_probabilities(
        onset,
        [1 / years for years in sojourns],
        sensitivities=[sensitivity] * len(sojourns),
        screen_times=times,
        end=6 * interval,
    )
    total = modes.screen_detected.sum() + modes.interval.sum() + modes.undiagnosed
    assert total == pytest.approx(1.0, abs=1e-12)
    assert modes.screen_detected.min() >= 0
    assert modes.interval.min() >= -1e-15


def test_the_recursion_does_not_break_where_onset_and_leaving_rate_are_equal() -> None:
    equal = mode_probabilities(0.4, [0.4], sensitivities=[0.8], screen_times=[2.0], end=4.0)
    near = mode_probabilities(0.4, [0.4 + 1e-7], sensitivities=[0.8], screen_times=[2.0], end=4.0)
    np.testing.assert_allclose(equal.screen_detected, near.screen_detected, rtol=1e-6)


def test_simulated_courses_follow_the_closed_form() -> None:
    """Monte Carlo with the functions of the simulation, at constant onset, against the recursion."""
    n = 400_000
    config = NaturalHistory(sojourn_years=(1.2, 1.6), sensitivity=(0.45, 0.9), in_situ_share=0.0)
    generator = np.random.default_rng(11)
    courses = draw_courses_constant(n, 0.03, config, generator)
    expected = mode_probabilities(
        0.03, [1 / 1.2, 1 / 1.6], sensitivities=[0.45, 0.9], screen_times=SCREENS, end=30
    )
    found = np.zeros(n, dtype=bool)
    counts = []
    for time in SCREENS:
        women = np.flatnonzero(~found)
        stage = courses.stage_at(women, np.full(len(women), time))
        chance = screen_sensitivity(stage, courses.in_situ[women], np.zeros(len(women)), config=config)
        hit = generator.random(len(women)) < chance
        counts.append(int(hit.sum()))
        found[women[hit]] = True
    for k, count in enumerate(counts):
        mean = n * expected.screen_detected[k]
        assert abs(count - mean) < 4 * np.sqrt(mean), f"screen {k}"
    surfaced = ~found & (courses.surfacing_age > SCREENS[0]) & (courses.surfacing_age <= 30)
    mean = n * expected.interval[1:].sum()
    assert abs(surfaced.sum() - mean) < 4 * np.sqrt(mean)


def test_the_delay_to_diagnosis_is_the_sojourn_without_screens_and_short_with_many() -> None:
    rates, sensitivities = [1 / 1.1, 1 / 1.7], [0.45, 0.93]
    assert mean_delay_years(rates, sensitivities, 500.0) == pytest.approx(2.8, abs=0.02)
    assert mean_delay_years(rates, sensitivities, 0.02) < 0.1
    assert mean_delay_years(rates, [0.0, 0.0], 2.0) == pytest.approx(2.8, rel=1e-9)


def test_sensitivity_falls_with_density_and_rises_with_stage() -> None:
    config = NaturalHistory()
    score = np.array([-2.0, 0.0, 2.0])
    invasive = np.zeros(3, dtype=bool)
    early = screen_sensitivity(np.ones(3, dtype=int), invasive, score, config=config)
    late = screen_sensitivity(np.full(3, 2), invasive, score, config=config)
    assert (np.diff(early) < 0).all()
    assert (np.diff(late) < 0).all()
    assert (late > early).all()
    assert late[1] == pytest.approx(config.sensitivity[1], rel=1e-12)
    for stage in (0, 3):  # none, or surfaced already
        absent = screen_sensitivity(np.full(3, stage), invasive, score, config=config)
        assert (absent == 0).all()


def test_clinical_factors_alone_discriminate_as_questionnaires_do() -> None:
    """Concordance within an age about 0.58 to 0.62: the range of questionnaire models without density."""
    women = draw_population(50_000, STUDY_YEARS, np.random.default_rng(12))
    risk = clinical_risk(women)
    values = []
    for age in (45.0, 55.0, 65.0):
        log_risk = risk.at_age(women, age)
        order = np.argsort(log_risk)
        weight = np.exp(log_risk[order])
        values.append(float(np.arange(len(order)) @ weight / (len(order) * weight.sum())))
    assert 0.57 < min(values) < max(values) < 0.64
    assert np.mean(values) == pytest.approx(0.605, abs=0.02)


def test_simulated_incidence_is_the_published_incidence() -> None:
    """Invasive cancers per person-year of women without cancer, by ages of screening, SEER 21."""
    simulated = build_screened()
    history = simulated.screened.histories
    age0 = simulated.population.age_at_start
    known = (history.diagnosis_years > history.entry_years) & (history.entry_years < STUDY_YEARS)
    stop = np.minimum.reduce([np.full(len(age0), STUDY_YEARS), history.death_years, history.diagnosis_years])
    diagnosed = known & (history.diagnosis_years <= np.minimum(STUDY_YEARS, history.death_years))
    diagnosed &= ~simulated.courses.in_situ
    age = age0 + history.diagnosis_years
    observed_all = expected_all = 0.0
    for start in range(40, 75, 5):
        years = np.clip(
            np.minimum(stop, start + 5 - age0) - np.maximum(history.entry_years, start - age0), 0, None
        )
        observed = np.sum(diagnosed & (age >= start) & (age < start + 5))
        expected = years[known].sum() * incidence_at(np.linspace(start, start + 5, 51)).mean()
        # 12 %: about 3 standard errors of the smallest band, plus lead time around the first screens.
        assert observed / expected == pytest.approx(1.0, abs=0.12), f"ages {start} to {start + 4}"
        observed_all += observed
        expected_all += expected
    assert observed_all / expected_all == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sensitivity": (0.5,)}, "one sensitivity per preclinical stage"),
        ({"sojourn_years": (0.0, 1.0)}, "sojourn times above 0"),
        ({"sensitivity": (0.5, 1.2)}, "sensitivities between 0 and 1"),
        ({"in_situ_share": 1.0}, "in-situ share"),
    ],
)
def test_impossible_natural_histories_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NaturalHistory(**settings)  # type: ignore[arg-type]
