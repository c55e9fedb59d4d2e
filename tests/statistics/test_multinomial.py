from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.logistic import logistic_regression
from forescreen.statistics.multinomial import MultinomialFit, multinomial_logistic, separate_logistic

from .builders import EXACT, SAME_ALGORITHM, gradient, read_columns, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "multinomial.json")["values"]

#: Kinds of the built data: control, interval, screen-detected
KINDS = np.array(["none", "interval", "screen-detected"])

Data = tuple[np.ndarray, np.ndarray]  # covariates, kind


def build_unmatched(seed: int = 0, n: int = 240, n_covariates: int = 2) -> Data:
    rng = np.random.default_rng(seed)
    kind = np.repeat([0, 1, 2], [n // 2, n // 4, n - n // 2 - n // 4])
    X = rng.normal(size=(n, n_covariates)) + 0.4 * kind[:, None] * np.arange(1, n_covariates + 1)
    order = rng.permutation(n)
    return X[order], kind[order]


def fit(data: Data, function=multinomial_logistic, **options) -> MultinomialFit:  # type: ignore[no-untyped-def]
    X, kind = data
    names = tuple(f"x{i}" for i in range(X.shape[1]))
    answer: MultinomialFit = function(X, kind > 0, case_type=KINDS[kind], names=names, **options)
    return answer


@pytest.fixture
def polytomous(shared: Path) -> Data:
    table = read_columns(shared / "data" / "statistics" / "matched" / "sim_polytomous_sets.csv")
    X = np.column_stack([table["x1"].astype(float), table["x2"].astype(float)])
    return X, table["type"].astype(int)


def parameters_of(ours: MultinomialFit) -> np.ndarray:
    return np.column_stack([ours.intercepts, ours.coefficients]).ravel()


def test_against_r_multinomial_regression(polytomous: Data) -> None:
    ours = fit(polytomous)
    assert ours.types == ("interval", "screen-detected")
    assert parameters_of(ours) == pytest.approx(np.array(REFERENCE["parameters"]), abs=SAME_ALGORITHM)
    errors = np.column_stack([ours.intercept_standard_errors, ours.standard_errors]).ravel()
    assert errors == pytest.approx(np.array(REFERENCE["standard_errors"]), abs=SAME_ALGORITHM)
    assert ours.log_likelihood == pytest.approx(REFERENCE["log_likelihood"], abs=SAME_ALGORITHM)
    assert ours.log_likelihood_common == pytest.approx(REFERENCE["log_likelihood_common"], abs=SAME_ALGORITHM)
    assert ours.common == pytest.approx(np.array(REFERENCE["common"]), abs=SAME_ALGORITHM)
    assert ours.heterogeneity_wald_test.statistic == pytest.approx(REFERENCE["wald"], abs=SAME_ALGORITHM)
    test = ours.heterogeneity_lr_test
    assert test.statistic == pytest.approx(REFERENCE["likelihood_ratio"], abs=SAME_ALGORITHM)
    assert test.degrees_of_freedom == 2


def test_against_r_recorded_fit(polytomous: Data, shared: Path) -> None:
    # polytomous_reference.json; its standard errors are those of the iteration before the last
    recorded = read_reference(shared / "data" / "statistics" / "matched" / "polytomous_reference.json")
    ours = fit(polytomous)
    table = np.array(recorded["multinom"])
    estimates = np.concatenate([ours.intercepts, ours.coefficients.T.ravel()])
    errors = np.concatenate([ours.intercept_standard_errors, ours.standard_errors.T.ravel()])
    assert estimates == pytest.approx(table[:, 0], abs=SAME_ALGORITHM)
    assert errors == pytest.approx(table[:, 1], abs=5e-7)
    assert estimates / errors == pytest.approx(table[:, 2], abs=5e-5)
    assert ours.log_likelihood == pytest.approx(recorded["multinom_ll"], abs=SAME_ALGORITHM)
    p_values = [ours.odds_ratio(t, x).p_value for x in ours.names for t in ours.types]
    assert p_values == pytest.approx(table[2:, 3], rel=1e-3, abs=0)


def test_against_r_separate_regressions_and_clusters(polytomous: Data, shared: Path) -> None:
    expected = REFERENCE["separate"]
    ours = fit(polytomous, separate_logistic)
    assert parameters_of(ours) == pytest.approx(np.array(expected["parameters"]), abs=SAME_ALGORITHM)
    errors = np.column_stack([ours.intercept_standard_errors, ours.standard_errors]).ravel()
    assert errors == pytest.approx(np.array(expected["sandwich"]), abs=SAME_ALGORITHM)
    assert ours.heterogeneity_wald_test.statistic == pytest.approx(expected["wald"], abs=SAME_ALGORITHM)
    assert ours.log_likelihood == pytest.approx(expected["log_likelihood"], abs=SAME_ALGORITHM)
    table = read_columns(shared / "data" / "statistics" / "matched" / "sim_polytomous_sets.csv")
    clustered = fit(polytomous, cluster=table["set"])
    errors = np.column_stack([clustered.intercept_standard_errors, clustered.standard_errors]).ravel()
    assert errors == pytest.approx(np.array(REFERENCE["robust_by_set"]), abs=SAME_ALGORITHM)


def test_one_binary_covariate_has_the_odds_ratios_of_the_table() -> None:
    # Exposed of all: controls 20 of 50, interval 12 of 20, screen-detected 9 of 30
    exposed = [(0, 20, 50), (1, 12, 20), (2, 9, 30)]
    x = np.concatenate([np.repeat([1.0, 0.0], [yes, n - yes]) for _, yes, n in exposed])
    kind = np.concatenate([np.full(n, k) for k, _, n in exposed])
    for function in (multinomial_logistic, separate_logistic):
        ours = fit((x[:, None], kind), function)
        assert ours.coefficients.ravel() == pytest.approx(
            np.array([math.log(12 * 30 / (8 * 20)), math.log(9 * 30 / (21 * 20))]), abs=SAME_ALGORITHM
        )
        assert ours.standard_errors.ravel() == pytest.approx(
            np.sqrt([1 / 12 + 1 / 8 + 1 / 20 + 1 / 30, 1 / 9 + 1 / 21 + 1 / 20 + 1 / 30]), abs=SAME_ALGORITHM
        )
        # The controls are shared: their part is the covariance, and leaves the comparison of the types.
        assert ours.slope_covariance[0, 1] == pytest.approx(1 / 20 + 1 / 30, abs=SAME_ALGORITHM)
        apart = ours.differences("interval", "screen-detected")[0]
        assert apart.value == pytest.approx(math.log(12 * 21 / (8 * 9)), abs=SAME_ALGORITHM)
        assert apart.standard_error == pytest.approx(
            math.sqrt(1 / 12 + 1 / 8 + 1 / 9 + 1 / 21), abs=SAME_ALGORITHM
        )
        assert ours.heterogeneity_wald_test.statistic == pytest.approx(
            (apart.value / apart.standard_error) ** 2, abs=SAME_ALGORITHM
        )


def test_likelihood_and_covariance_are_those_of_the_definition() -> None:
    X, kind = data = build_unmatched(n=90)
    ours = fit(data)

    def likelihood(parameters: np.ndarray) -> float:
        total = 0.0
        for x, k in zip(X, kind, strict=True):
            eta = [0.0, *(parameters.reshape(2, 3) @ np.array([1.0, *x]))]
            total += eta[k] - math.log(sum(math.exp(e) for e in eta))
        return total

    at = parameters_of(ours)
    assert ours.log_likelihood == pytest.approx(likelihood(at), abs=1e-10)
    assert gradient(likelihood, at) == pytest.approx(np.zeros(6), abs=1e-7)
    numeric = -gradient(lambda b: gradient(likelihood, b, 1e-4), at, 1e-4)
    assert np.linalg.inv(ours.covariance) == pytest.approx(numeric, rel=1e-4, abs=1e-4)
    shares = np.bincount(kind) / 90
    assert ours.log_likelihood_null == pytest.approx(float(np.sum(90 * shares * np.log(shares))), abs=1e-10)


def test_separate_regressions_are_the_ordinary_ones() -> None:
    X, kind = data = build_unmatched()
    ours = fit(data, separate_logistic)
    for row, k in enumerate((1, 2)):
        used = (kind == 0) | (kind == k)
        alone = logistic_regression(
            X[used], kind[used] == k, names=("x0", "x1"), cluster=np.flatnonzero(used)
        )
        assert parameters_of(ours)[3 * row : 3 * row + 3] == pytest.approx(alone.coefficients, abs=1e-8)
        block = ours.covariance[3 * row : 3 * row + 3, 3 * row : 3 * row + 3]
        assert block == pytest.approx(alone.covariance, abs=1e-8)
    with pytest.raises(InputError, match="a joint likelihood, found separate logistic"):
        _ = ours.heterogeneity_lr_test


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-1000, 1000), scale=st.floats(0.001, 1000))
def test_order_of_rows_and_units_of_covariates_do_not_matter(seed: int, shift: float, scale: float) -> None:
    X, kind = data = build_unmatched(seed, n=60)
    order = np.random.default_rng(seed).permutation(60)
    changed = X[order] * np.array([scale, 1.0]) + np.array([0.0, shift])
    one, other = fit(data), fit((changed, kind[order]))
    assert other.coefficients * np.array([scale, 1.0]) == pytest.approx(one.coefficients, rel=1e-7, abs=1e-8)
    assert other.standard_errors * np.array([scale, 1.0]) == pytest.approx(one.standard_errors, rel=1e-7)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=1e-8)
    assert other.heterogeneity_wald_test.statistic == pytest.approx(
        one.heterogeneity_wald_test.statistic, rel=1e-7, abs=1e-8
    )


def test_rows_twice_halve_the_covariance_and_clusters_of_copies_undo_it() -> None:
    X, kind = data = build_unmatched(n=80)
    twice = (np.concatenate([X, X]), np.concatenate([kind, kind]))
    one, other = fit(data), fit(twice)
    assert other.coefficients == pytest.approx(one.coefficients, abs=SAME_ALGORITHM)
    assert other.covariance == pytest.approx(one.covariance / 2, abs=SAME_ALGORITHM)
    assert other.log_likelihood == pytest.approx(2 * one.log_likelihood, rel=EXACT)
    women = np.arange(80)
    for function in (multinomial_logistic, separate_logistic):
        single = fit(data, function, cluster=women)
        copied = fit(twice, function, cluster=np.concatenate([women, women]))
        assert copied.covariance == pytest.approx(single.covariance, abs=SAME_ALGORITHM)
        assert "robust by cluster" in copied.odds_ratio("interval", "x0").method


def test_a_type_against_another_does_not_depend_on_the_baseline() -> None:
    # Exchanging controls and interval cancers: log odds against the other baseline are differences
    X, kind = data = build_unmatched()
    swapped = fit((X, np.array([1, 0, 2])[kind]))
    ours = fit(data)
    assert swapped.coefficients[0] == pytest.approx(-ours.coefficients[0], abs=SAME_ALGORITHM)
    assert swapped.coefficients[1] == pytest.approx(
        ours.coefficients[1] - ours.coefficients[0], abs=SAME_ALGORITHM
    )
    assert swapped.log_likelihood == pytest.approx(ours.log_likelihood, abs=SAME_ALGORITHM)


def test_odds_ratios_and_differences_are_estimates() -> None:
    ours = fit(build_unmatched())
    ratio = ours.odds_ratio("interval", "x1", per=float(ours.control_sd[1]))
    log = ours.coefficients[0, 1] * ours.control_sd[1]
    assert (ratio.value, ratio.standard_error) == pytest.approx(
        (math.exp(log), ours.standard_errors[0, 1] * ours.control_sd[1]), rel=EXACT
    )
    assert (ratio.n, ratio.n_events) == (240, 60)
    ab = ours.differences("interval", "screen-detected")
    ba = ours.differences("screen-detected", "interval")
    assert [d.value for d in ab] == pytest.approx([-d.value for d in ba])
    assert all("Holm" in d.notes[0] for d in ab)
    assert ab[0].n_events == 120


def test_what_the_data_cannot_say_is_refused() -> None:
    X, kind = build_unmatched(n=80)
    with pytest.raises(TooFewEventsError, match="types") as caught:
        fit((X, np.minimum(kind, 1)))
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(TooFewEventsError, match="types"):
        fit((X, np.zeros(80, dtype=int)))
    single = np.where(kind == 2, 0, kind)
    single[0] = 2
    with pytest.raises(TooFewEventsError, match="screen-detected"):
        fit((X, single))
    separated = X.copy()
    separated[:, 0] = np.where(kind == 2, 5.0, 0.0) + 0.1 * X[:, 1]
    for function in (multinomial_logistic, separate_logistic):
        with pytest.raises(InputError, match="separates a type of case"):
            fit((separated, kind), function)
    with pytest.raises(InputError, match="x0, x2"):
        fit((np.column_stack([X, X[:, 0] * 2 + 1]), kind))
    with pytest.raises(InputError, match="x1 constant"):
        fit((np.column_stack([X[:, 0], np.full(80, 3.3)]), kind))
    broken = X.copy()
    broken[[3, 7], 0] = math.nan
    with pytest.raises(InputError, match="2 of 80 rows"):
        fit((broken, kind))
    with pytest.raises(InputError, match="one name per column"):
        multinomial_logistic(X, kind > 0, case_type=KINDS[kind], names=("a",))
    ours = fit((X, kind))
    with pytest.raises(InputError, match="one of interval, screen-detected"):
        ours.odds_ratio("cancer", "x0")
    with pytest.raises(InputError, match="one of x0, x1"):
        ours.odds_ratio("interval", "age")
    with pytest.raises(InputError, match="a joint likelihood"):
        _ = fit((X, kind), cluster=np.arange(80)).heterogeneity_lr_test
