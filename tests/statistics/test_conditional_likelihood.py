from __future__ import annotations

import math

import numpy as np
import pytest

from forescreen.statistics.conditional_likelihood import derivatives, maximise, one_kind, separating_direction
from forescreen.statistics.sets import informative_sets

from .builders import (
    EXACT,
    SAME_ALGORITHM,
    Matched,
    build_matched,
    enumerated_log_likelihood,
    gradient,
    pairs_of_one_binary_covariate,
)


def designs_of(data: Matched):  # type: ignore[no-untyped-def]
    matched = informative_sets(data.case, sets=data.sets)
    return one_kind(data.X[matched.order], matched)


SHAPES = [((1,), (1, 2, 3)), ((2,), (3,)), ((1, 2, 3), (2, 1, 4)), ((3,), (1,))]


@pytest.mark.parametrize(("cases", "controls"), SHAPES)
def test_likelihood_equals_the_enumeration_of_all_choices_of_cases(
    cases: tuple[int, ...], controls: tuple[int, ...]
) -> None:
    data = build_matched(cases=cases, controls=controls, n_sets=9)
    for beta in (np.zeros(2), np.array([0.7, -1.3])):
        ours = derivatives(designs_of(data), beta).log_likelihood
        assert ours == pytest.approx(enumerated_log_likelihood(data, beta), abs=EXACT * 100)


def test_likelihood_at_zero_is_minus_the_log_number_of_choices() -> None:
    data = build_matched(cases=(1, 2, 3), controls=(2, 1, 4), n_sets=3)
    # 1 of 3, 2 of 3, 3 of 7
    expected = -math.log(math.comb(3, 1) * math.comb(3, 2) * math.comb(7, 3))
    assert derivatives(designs_of(data), np.zeros(2)).log_likelihood == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize(("cases", "controls"), SHAPES)
def test_score_and_information_are_the_derivatives(cases: tuple[int, ...], controls: tuple[int, ...]) -> None:
    designs = designs_of(build_matched(cases=cases, controls=controls, n_sets=9, n_covariates=3))
    beta = np.array([0.4, -0.9, 1.1])
    at = derivatives(designs, beta)
    numeric_score = gradient(lambda b: derivatives(designs, b).log_likelihood, beta)
    numeric_information = -gradient(lambda b: derivatives(designs, b).score, beta)
    assert at.score == pytest.approx(numeric_score, abs=1e-8)
    assert at.information == pytest.approx(numeric_information, abs=1e-8)


def test_a_large_set_with_many_cases_does_not_overflow() -> None:
    data = build_matched(cases=(60,), controls=(140,), n_sets=2, n_covariates=1)
    at = derivatives(designs_of(data), np.array([2.0]))
    assert math.isfinite(at.log_likelihood)
    assert at.information[0, 0] > 0


def test_maximum_has_no_slope() -> None:
    fit = maximise(designs_of(build_matched(cases=(1, 2), controls=(3, 2), n_sets=30)))
    assert fit.converged
    assert np.abs(fit.derivatives.score).max() < SAME_ALGORITHM


def test_firth_maximum_is_that_of_the_penalised_likelihood() -> None:
    designs = designs_of(build_matched(cases=(1, 2), controls=(3, 2), n_sets=12))
    fit = maximise(designs, firth=True)

    def penalised(beta: np.ndarray) -> float:
        at = derivatives(designs, beta)
        return at.log_likelihood + 0.5 * float(np.linalg.slogdet(at.information)[1])

    assert fit.converged
    assert fit.objective == pytest.approx(penalised(fit.parameters), abs=EXACT)
    assert np.abs(gradient(penalised, fit.parameters)).max() < 1e-8


@pytest.mark.parametrize(("only_case", "only_control"), [(7, 0), (5, 2), (0, 4)])
def test_firth_for_pairs_adds_one_half_to_each_kind_of_discordant_pair(
    only_case: int, only_control: int
) -> None:
    # ½ log I is Jeffreys' prior of a binomial: log((n10 + ½)/(n01 + ½))
    data = pairs_of_one_binary_covariate(only_case=only_case, only_control=only_control, both=3)
    fit = maximise(designs_of(data), firth=True)
    expected = math.log((only_case + 0.5) / (only_control + 0.5))
    assert fit.parameters[0] == pytest.approx(expected, abs=SAME_ALGORITHM)


def test_a_combination_that_separates_is_found_although_no_single_covariate_does() -> None:
    rng = np.random.default_rng(1)
    data = build_matched(n_sets=15, controls=(2,), effect=0.0, seed=1)
    X = data.X.copy()
    # The sum of both decides, each alone does not.
    X[:, 1] = -X[:, 0] + np.where(data.case, 1.0, 0.0) + 0.1 * rng.random(data.case.size)
    separated = Matched(X=X, case=data.case, sets=data.sets)
    designs = designs_of(separated)
    direction = separating_direction(designs, maximise(designs))
    assert direction is not None
    assert direction[0] > 0
    assert direction[1] > 0
    for column in range(2):
        alone = designs_of(Matched(X=X[:, [column]], case=data.case, sets=data.sets))
        assert separating_direction(alone, maximise(alone)) is None


def test_a_strong_covariate_that_overlaps_is_not_called_separated() -> None:
    # 40 pairs in favour by a wide margin, one pair against by a narrow one: a finite but large maximum.
    x = np.column_stack([np.full(41, 30.0), np.zeros(41)])
    x[-1] = [0.0, 0.001]
    data = Matched(X=x.reshape(-1, 1), case=np.tile([True, False], 41), sets=np.repeat(np.arange(41), 2))
    designs = designs_of(data)
    fit = maximise(designs)
    assert separating_direction(designs, fit) is None
