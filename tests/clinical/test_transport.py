"""A score becomes a risk: the average meets the population's rates, whatever the score's origin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from forescreen.clinical.absolute import Hazards, Step, absolute_risk
from forescreen.clinical.mode_rates import ModeRates
from forescreen.clinical.transport import (
    MIN_REFERENCE,
    SLOPE_WARNING,
    Reference,
    baseline,
    population_risks,
    risks_by_mode,
    transport_warning,
)
from forescreen.errors import FactorError, InputError

EXACT = 1e-12
#: Relative, of the average over the reference sample against the population's.
AVERAGE = 1e-3
HORIZONS = (1.0, 2.0, 5.0)


def build_rates(*, interval: float = 1.0, periods: bool = True, other: float = 0.0) -> ModeRates:
    """Bands of ten years; within a year of a screen cancers surface, later a screen finds them."""
    shape = np.array([[0.0002, 0.0004, 0.0006], [0.002, 0.004, 0.006]])
    competing = np.array([[0.001, 0.003, 0.010], [0.001, 0.003, 0.010]])
    kept = slice(None) if periods else slice(0, 1)
    return ModeRates(
        name="made up",
        population="a town",
        years="2020",
        source="a test",
        edges=np.array([40.0, 50.0, 60.0, 70.0]),
        since_years=np.array([0.0, 1.0, 5.0]) if periods else np.array([0.0, math.inf]),
        screen_detected=shape[kept],
        interval=interval * shape[::-1][kept] / 2,
        other=other * np.ones((2, 3))[kept],
        competing=competing[kept],
    )


def build_population(n: int = 30_000, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(log hazards, ages): both scores vary by a factor of about ten and fall with age."""
    rng = np.random.default_rng(seed)
    age = rng.uniform(41, 64, n)
    shared = rng.normal(size=n)
    return np.column_stack([shared + 0.5 * rng.normal(size=n), 1.2 * shared]) - 0.03 * age[:, None], age


def test_the_average_risk_of_the_reference_sample_is_that_of_the_population() -> None:
    score, age = build_population()
    reference = Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age)
    made = baseline(reference, build_rates(), horizons_years=HORIZONS)
    risks = risks_by_mode(score, age, baseline=made, horizons_years=HORIZONS)
    expected = population_risks(age, build_rates(), horizons_years=HORIZONS)
    for mode in ("screen_detected", "interval", "any_cancer"):
        mean, wanted = getattr(risks, mode).mean(axis=0), getattr(expected, mode).mean(axis=0)
        assert np.abs(mean / wanted - 1).max() < AVERAGE
    # And so by age: the score falls with age, but only differences from women of the same age count.
    for lower, upper in ((41, 45), (45, 50), (50, 55), (55, 63)):
        own = (age >= lower) & (age < upper)
        ratio = risks.any_cancer[own].mean(axis=0) / expected.any_cancer[own].mean(axis=0)
        assert np.abs(ratio - 1).max() < AVERAGE


def test_women_at_high_risk_leave_and_the_mean_relative_hazard_falls() -> None:
    score, age = build_population()
    reference = Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age)
    made = baseline(reference, build_rates(), horizons_years=(5,))
    assert (made.mean_relative_hazard[:, :, -1] < made.mean_relative_hazard[:, :, 0]).all()


def test_cancers_of_neither_mode_belong_to_any_cancer_and_average_to_their_rate() -> None:
    score, age = build_population()
    rates, without = build_rates(other=0.001), build_rates()
    reference = Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age)
    made = baseline(reference, rates, horizons_years=HORIZONS)
    risks = risks_by_mode(score, age, baseline=made, horizons_years=HORIZONS)
    expected = population_risks(age, rates, horizons_years=HORIZONS)
    assert np.abs(risks.any_cancer.mean(axis=0) / expected.any_cancer.mean(axis=0) - 1).max() < AVERAGE
    other = risks.any_cancer - risks.screen_detected - risks.interval
    assert other.mean(axis=0) == pytest.approx(0.001 * np.array(HORIZONS), rel=0.03)  # less who are gone
    both = risks.screen_detected + risks.interval
    assert np.corrcoef(other[:, 0], both[:, 0])[0, 1] > 0.9
    assert np.array_equal(
        population_risks(age[:9], without, horizons_years=(1,)).any_cancer,
        population_risks(age[:9], without, horizons_years=(1,)).screen_detected
        + population_risks(age[:9], without, horizons_years=(1,)).interval,
    )


def test_two_kinds_of_women_follow_the_differential_equations() -> None:
    """Half of the women have ten times the hazard; their survival is integrated by scipy."""
    rates = build_rates(periods=False)
    score = np.log(np.tile([[1.0, 1.0], [10.0, 10.0]], (MIN_REFERENCE, 1)))
    age = np.full(len(score), 44.0)
    made = baseline(
        Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age), rates, horizons_years=(5,)
    )
    risks = risks_by_mode(score[:2], age[:2], baseline=made, horizons_years=(5,))
    e = np.array([1.0, 10.0])
    screen, interval, other = rates.screen_detected[0, 0], rates.interval[0, 0], rates.competing[0, 0]

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        free = y[:2]  # of both kinds, alive and without cancer
        mean = free @ e / free.sum()
        gone = [free * e * rate / mean for rate in (screen, interval)]
        return np.concatenate([-gone[0] - gone[1] - other * free, *gone])

    exact = solve_ivp(slope, (0, 5), np.array([1.0, 1, 0, 0, 0, 0]), rtol=1e-10, atol=1e-14).y[:, -1]
    assert risks.screen_detected[:, 0] == pytest.approx(exact[2:4], rel=1e-5)
    assert risks.interval[:, 0] == pytest.approx(exact[4:6], rel=1e-5)


def test_one_cause_without_differences_is_the_textbook_formula() -> None:
    """P = Σ h1/(h1 + h2) S (1 − e^{−(h1 + h2) Δ}) over the pieces 47.5–50 and 50–52.5."""
    risk = population_risks(np.array([47.5]), build_rates(interval=0, periods=False), horizons_years=(5,))
    free, expected = 1.0, 0.0
    for h1, h2 in ((0.0002, 0.001), (0.0004, 0.003)):
        gone = free * -math.expm1(-(h1 + h2) * 2.5)
        expected += h1 / (h1 + h2) * gone
        free -= gone
    assert risk.screen_detected[0, 0] == pytest.approx(expected, abs=EXACT)
    assert risk.interval[0, 0] == 0


def test_one_cause_of_women_who_differ_is_the_absolute_risk_of_one_cause() -> None:
    """With one mode, its λ0 and every woman's relative hazard given to `absolute.absolute_risk`."""
    score, age = build_population(4_000)
    rates = build_rates(interval=0, periods=False)
    made = baseline(
        Reference(log_hazard=score, weight=np.ones(len(age)), age_years=None), rates, horizons_years=(0.25,)
    )
    ours = risks_by_mode(score, age, baseline=made, horizons_years=(0.25,))
    mean = made.mean_relative_hazard[0, 0, 0]
    theirs = absolute_risk(
        age,
        age + 0.25,
        baseline=Hazards(
            edges=rates.edges, event=rates.screen_detected[0] / mean, competing=rates.competing[0]
        ),
        steps=[Step(from_age=40, log_relative_risk=score[:, 0] - made.centre[0])],
    )
    assert np.abs(ours.screen_detected[:, 0] - theirs).max() < EXACT
    assert ours.interval.max() == 0


def test_origin_of_the_score_and_unit_of_the_weights_do_not_matter() -> None:
    score, age = build_population(3_000)
    weight = np.random.default_rng(2).uniform(1, 50, len(age))
    results = []
    for shift, factor in ((0.0, 1.0), (37.0, 1e-3)):
        made = baseline(
            Reference(log_hazard=score + shift, weight=weight * factor, age_years=age),
            build_rates(),
            horizons_years=HORIZONS,
        )
        results.append(risks_by_mode(score + shift, age, baseline=made, horizons_years=HORIZONS).any_cancer)
    assert np.abs(results[0] - results[1]).max() < EXACT


def test_a_weight_of_two_is_the_row_twice() -> None:
    score, age = build_population(2_000)
    twice = np.arange(len(age)) % 3 == 0
    weighted = Reference(log_hazard=score, weight=1.0 + twice, age_years=None)
    repeated = Reference(
        log_hazard=np.concatenate([score, score[twice]]),
        weight=np.ones(len(age) + int(twice.sum())),
        age_years=None,
    )
    a, b = (
        risks_by_mode(
            score, age, baseline=baseline(r, build_rates(), horizons_years=(2,)), horizons_years=(2,)
        ).any_cancer
        for r in (weighted, repeated)
    )
    assert np.abs(a - b).max() < EXACT


def test_a_matched_sample_with_its_weights_gives_the_risks_of_the_whole_population() -> None:
    """Cases are over-sampled a hundredfold; inverse fractions undo it, leaving them as they are does not."""
    rng = np.random.default_rng(5)
    score, age = build_population(200_000, seed=3)
    case = rng.random(len(age)) < 0.005 * np.exp(score[:, 1] - score[:, 1].mean())
    taken = case | (rng.random(len(age)) < 0.02)
    whole = Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age)
    inverse = Reference(
        log_hazard=score[taken], weight=np.where(case, 1.0, 50.0)[taken], age_years=age[taken]
    )
    unweighted = Reference(log_hazard=score[taken], weight=np.ones(int(taken.sum())), age_years=age[taken])
    mean = [
        risks_by_mode(
            score, age, baseline=baseline(r, build_rates(), horizons_years=(2,)), horizons_years=(2,)
        ).interval.mean()
        for r in (whole, inverse, unweighted)
    ]
    assert mean[1] == pytest.approx(mean[0], rel=0.06)  # E of 4000 exams has a standard error of 3 %
    assert mean[2] < 0.9 * mean[0]


def test_a_steeper_score_needs_a_smaller_slope() -> None:
    score, age = build_population(3_000)
    reference = Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age)
    steep = Reference(log_hazard=score * [4, 2], weight=np.ones(len(age)), age_years=age)
    made = baseline(reference, build_rates(), horizons_years=(2,))
    corrected = baseline(steep, build_rates(), slopes=(0.25, 0.5), horizons_years=(2,))
    a = risks_by_mode(score, age, baseline=made, horizons_years=(2,))
    b = risks_by_mode(score * [4, 2], age, baseline=corrected, horizons_years=(2,))
    assert np.abs(a.any_cancer - b.any_cancer).max() < EXACT
    assert "slope of the score is taken as 1" in SLOPE_WARNING


def test_exams_without_a_risk_have_a_reason_and_only_they() -> None:
    score, age = build_population(3_000)
    made = baseline(
        Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age),
        build_rates(),
        horizons_years=HORIZONS,
    )
    asked = np.array([[0.0, 0], [np.nan, 0], [0, 0], [0, 0], [0, 0], [0, 0]])
    risks = risks_by_mode(
        asked, np.array([50.0, 50, np.nan, 39.9, 69.0, 63.9]), baseline=made, horizons_years=HORIZONS
    )
    assert {code: np.flatnonzero(mask).tolist() for code, mask in risks.reasons.items()} == {
        "score_missing": [1],
        "age_unknown": [2],
        "age_outside": [3],
        "age_outside_reference": [4],
    }
    assert np.isfinite(risks.any_cancer).all(axis=1).tolist() == [True, False, False, False, False, True]


def test_a_horizon_beyond_the_rates_is_missing_and_shorter_ones_are_given() -> None:
    score, age = build_population(3_000)
    made = baseline(
        Reference(log_hazard=score, weight=np.ones(len(age)), age_years=None),
        build_rates(),
        horizons_years=HORIZONS,
    )
    risks = risks_by_mode(np.zeros((1, 2)), np.array([67.5]), baseline=made, horizons_years=HORIZONS)
    assert np.isfinite(risks.any_cancer[0]).tolist() == [True, True, False]
    assert risks.reasons["horizon_past_end"].tolist() == [True]


def test_without_ages_the_reference_sample_stands_for_all_ages() -> None:
    score, _ = build_population(3_000)
    made = baseline(
        Reference(log_hazard=score, weight=np.ones(len(score)), age_years=None),
        build_rates(),
        horizons_years=(2,),
    )
    assert made.mean_relative_hazard.shape[1] == 1
    assert made.age_edges.tolist() == [40, 70]


def test_the_standard_error_of_the_reference_falls_with_its_size() -> None:
    small, large = (
        baseline(
            Reference(log_hazard=score, weight=np.ones(len(score)), age_years=None),
            build_rates(),
            horizons_years=(1,),
        )
        for score in (build_population(1_000)[0], build_population(100_000)[0])
    )
    assert large.standard_error.max() < small.standard_error.min() / 5


@pytest.mark.parametrize("horizons", [(), (0.0, 1.0), (6.0,)])
def test_horizons_that_the_rates_do_not_answer_are_refused(horizons: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="horizons above 0 and up to 5 years"):
        population_risks(np.array([50.0]), build_rates(), horizons_years=horizons)


def test_a_horizon_for_which_no_baseline_was_made_is_refused() -> None:
    score, age = build_population(1_000)
    made = baseline(
        Reference(log_hazard=score, weight=np.ones(len(age)), age_years=age),
        build_rates(),
        horizons_years=(5,),
    )
    with pytest.raises(InputError, match="for which the baseline was made"):
        risks_by_mode(score, age, baseline=made, horizons_years=(1.1,))


def test_a_reference_sample_that_is_empty_or_incomplete_is_refused() -> None:
    for score, weight in ((np.empty((0, 2)), np.empty(0)), (np.array([[0.0, np.nan]]), np.ones(1))):
        with pytest.raises(InputError, match="reference sample"):
            Reference(log_hazard=score, weight=weight, age_years=None)


def test_ages_outside_the_rates_have_no_population_risk() -> None:
    with pytest.raises(FactorError, match="ages from 40 to 70"):
        population_risks(np.array([39.0]), build_rates(), horizons_years=(1,))


def test_the_warning_names_both_populations_and_what_is_assumed() -> None:
    text = transport_warning("women of a city", build_rates())
    for part in ("women of a city", "a town", "2020", "a test", "assumed", "not validated"):
        assert part in text
    assert "not stated" in transport_warning("", build_rates())
