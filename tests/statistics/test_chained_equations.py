"""Draws are values that occur, in the set and the logic they belong to; pooled odds ratios tell the truth."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.errors import InputError
from forescreen.statistics.association import conditional_logistic
from forescreen.statistics.chained_equations import Variable, chained_imputations, means_of_others
from forescreen.statistics.imputation import pooled_ratio

from .builders import EXACT

#: Log odds ratios of the simulated number and of the simulated 0/1 factor.
TRUTH = np.array([0.5, 0.7])
NAMES = ("number", "yes_no")


def build_sets(n_sets: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(set, age, factors, case) of sets 1:2 matched on age, the case drawn with the odds of TRUTH."""
    rng = np.random.default_rng(seed)
    sets = np.repeat(np.arange(n_sets), 3)
    age = np.repeat(rng.normal(size=n_sets), 3)
    number = 0.5 * age + rng.normal(size=sets.size)
    yes_no = (rng.random(sets.size) < 1 / (1 + np.exp(1.2 - 0.5 * number))).astype(float)
    X = np.column_stack([number, yes_no])
    chosen = ((X @ TRUTH).reshape(n_sets, 3) + rng.gumbel(size=(n_sets, 3))).argmax(axis=1)
    case = np.zeros((n_sets, 3), dtype=bool)
    case[np.arange(n_sets), chosen] = True
    return sets, age, X, case.ravel()


def hide(X: np.ndarray, case: np.ndarray, seed: int, *, cases: float, controls: float) -> np.ndarray:
    """X with one of the two factors unknown in these shares of cases and controls (half of them each)."""
    rng = np.random.default_rng([seed, 1])
    unknown = rng.random(len(X)) < np.where(case, cases, controls)
    which = rng.integers(2, size=len(X))
    hidden = X.copy()
    hidden[unknown, which[unknown]] = np.nan
    return hidden


def pooled(hidden: np.ndarray, sets: np.ndarray, age: np.ndarray, case: np.ndarray, m: int, seed: int):  # type: ignore[no-untyped-def]
    copies = chained_imputations(
        [Variable(name=n, values=column) for n, column in zip(NAMES, hidden.T, strict=True)],
        beside=np.column_stack([case, age]).astype(float),
        fit=np.ones(len(hidden), dtype=bool),
        sets=sets,
        n_imputations=m,
        seed=seed,
    )
    fits = [conditional_logistic(copy, case, sets=sets, names=NAMES) for copy in copies]
    return [pooled_ratio([f.odds_ratio(name) for f in fits], n_parameters=2) for name in NAMES]


def fitted(X: np.ndarray, sets: np.ndarray, case: np.ndarray) -> np.ndarray:
    return conditional_logistic(X, case, sets=sets, names=NAMES).coefficients


def test_missing_completely_at_random_agrees_with_the_complete_data_and_covers_the_truth() -> None:
    sets, age, X, case = build_sets(700, seed=1)
    found = pooled(hide(X, case, 1, cases=0.25, controls=0.25), sets, age, case, 20, seed=1)
    complete = conditional_logistic(X, case, sets=sets, names=NAMES)
    for estimate, truth, beta, se in zip(
        found, TRUTH, complete.coefficients, complete.standard_errors, strict=True
    ):
        assert np.log(estimate.lower) < truth < np.log(estimate.upper)
        assert abs(np.log(estimate.value) - beta) < 1.5 * se, "a quarter of the women lack one of two factors"
        assert se < estimate.standard_error < 1.35 * se, (
            "wider than complete data, narrower than a quarter less"
        )


def test_missing_by_outcome_biases_complete_cases_and_not_the_imputation() -> None:
    # The chance of an unknown 0/1 factor depends on outcome and on the number: at random given both.
    complete, imputed = [], []
    for seed in range(12):
        sets, age, X, case = build_sets(400, seed=100 + seed)
        rng = np.random.default_rng([seed, 2])
        unknown = rng.random(len(X)) < np.where(case, 0.1, 0.8 / (1 + np.exp(-2 * X[:, 0])))
        hidden = X.copy()
        hidden[unknown, 1] = np.nan
        truth = fitted(X, sets, case)
        complete.append(fitted(hidden, sets, case) - truth)
        copies = pooled(hidden, sets, age, case, 5, seed)
        imputed.append(np.log([e.value for e in copies]) - truth)
    bias = {k: np.mean(v, axis=0) for k, v in (("complete", complete), ("imputed", imputed))}
    error = {
        k: np.std(v, axis=0, ddof=1) / np.sqrt(12) for k, v in (("complete", complete), ("imputed", imputed))
    }
    assert abs(bias["complete"][0]) > 0.2, "women with a high number are lost among controls only"
    assert (np.abs(bias["imputed"]) < np.maximum(3 * error["imputed"], 0.02)).all()
    assert abs(bias["imputed"][0]) < 0.1 * abs(bias["complete"][0])


def test_draws_are_known_values_and_known_values_stay() -> None:
    rng = np.random.default_rng(3)
    age = rng.choice([20.0, 24.0, 31.0], size=300)
    level = rng.integers(4, size=300).astype(float)
    hidden_age, hidden_level = age.copy(), level.copy()
    hidden_age[:60], hidden_level[40:120] = np.nan, np.nan
    copies = chained_imputations(
        [
            Variable(name="age", values=hidden_age),
            Variable(name="level", values=hidden_level, levels=(0.0, 1.0, 2.0, 3.0)),
        ],
        beside=rng.normal(size=(300, 2)),
        fit=np.ones(300, dtype=bool),
        n_imputations=3,
        seed=1,
    )
    assert copies.shape == (3, 300, 2)
    assert set(np.unique(copies[:, :, 0])) <= {20.0, 24.0, 31.0}
    assert set(np.unique(copies[:, :, 1])) <= {0.0, 1.0, 2.0, 3.0}
    np.testing.assert_array_equal(copies[:, 60:, 0], np.repeat(age[None, 60:], 3, axis=0))
    assert (copies[0] != copies[1]).any()


def test_an_age_at_first_birth_is_drawn_for_mothers_only() -> None:
    rng = np.random.default_rng(4)
    mother = (rng.random(400) < 0.7).astype(float)
    age = np.where(mother == 1, rng.integers(18, 40, size=400).astype(float), np.nan)
    known = mother.copy()
    known[:100] = np.nan
    age[:130] = np.nan
    copies = chained_imputations(
        [Variable(name="mother", values=known), Variable(name="age", values=age, only_if="mother")],
        beside=rng.normal(size=(400, 1)),
        fit=np.ones(400, dtype=bool),
        n_imputations=4,
        seed=1,
    )
    np.testing.assert_array_equal(np.isnan(copies[:, :, 1]), copies[:, :, 0] == 0)
    assert np.isfinite(copies[:, :, 0]).all()


def test_the_same_seed_gives_the_same_copies_and_more_copies_begin_with_them() -> None:
    sets, age, X, case = build_sets(60, seed=5)
    hidden = hide(X, case, 5, cases=0.3, controls=0.3)
    variables = [Variable(name=n, values=c) for n, c in zip(NAMES, hidden.T, strict=True)]
    everyone = np.ones(len(X), dtype=bool)

    def drawn(m: int, seed: int) -> np.ndarray:
        return chained_imputations(
            variables, beside=age[:, None], fit=everyone, sets=sets, n_imputations=m, seed=seed
        )

    np.testing.assert_array_equal(drawn(3, 1), drawn(5, 1)[:3])
    assert (drawn(3, 1) != drawn(3, 2)).any()


def test_rows_that_are_not_fitted_on_change_nothing_in_those_that_are() -> None:
    sets, age, X, case = build_sets(100, seed=6)
    hidden = hide(X, case, 6, cases=0.3, controls=0.3)
    fit = sets % 2 == 0

    def drawn(values: np.ndarray) -> np.ndarray:
        return chained_imputations(
            [Variable(name=n, values=c) for n, c in zip(NAMES, values.T, strict=True)],
            beside=age[:, None],
            fit=fit,
            n_imputations=2,
            seed=1,
        )

    other = hidden.copy()
    other[~fit] = 5 * other[~fit] - 3  # other women altogether
    other[np.flatnonzero(~fit)[::3], 0] = np.nan
    first, second = drawn(hidden), drawn(other)
    np.testing.assert_array_equal(first[:, fit], second[:, fit])
    for j in range(2):  # and receive only what fitted rows give
        received = first[:, ~fit, j][:, np.isnan(hidden[~fit, j])]
        assert set(np.unique(received)) <= set(hidden[fit, j][np.isfinite(hidden[fit, j])])


def test_the_mean_of_the_other_members_is_without_her_own_value() -> None:
    columns = np.array([[1.0], [2.0], [6.0], [10.0]])
    means = means_of_others(columns, np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(means[:, 0], [4.0, 3.5, 1.5, 4.75], atol=EXACT)  # alone: of all rows


def test_what_the_other_members_of_the_set_have_is_used() -> None:
    # All that is known of an unknown value is that her set shares it.
    rng = np.random.default_rng(7)
    sets = np.repeat(np.arange(200), 3)
    value = np.repeat(rng.normal(size=200), 3) + 0.1 * rng.normal(size=600)
    hidden = value.copy()
    hidden[::6] = np.nan

    def apart(of_set: np.ndarray | None) -> float:
        (copy, _) = chained_imputations(
            [Variable(name="value", values=hidden)],
            beside=np.zeros((600, 1)),
            fit=np.ones(600, dtype=bool),
            sets=of_set,
            n_imputations=2,
            seed=1,
        )
        return float(np.corrcoef(copy[::6, 0], value[::6])[0, 1])

    assert apart(sets) > 0.9
    assert abs(apart(None)) < 0.3


def test_a_variable_that_few_know_is_refused_with_its_name() -> None:
    values = np.full(50, np.nan)
    values[:7] = 1.0
    with pytest.raises(InputError, match=r"menarche age known of at least 20 women .* found 7"):
        chained_imputations(
            [Variable(name="menarche_age", values=values)],
            beside=np.zeros((50, 1)),
            fit=np.ones(50, dtype=bool),
            n_imputations=2,
            seed=1,
        )


def test_unknown_values_beside_and_a_single_imputation_are_refused() -> None:
    one = [Variable(name="x", values=np.arange(30.0))]
    with pytest.raises(InputError, match="complete columns beside"):
        chained_imputations(
            one, beside=np.full((30, 1), np.nan), fit=np.ones(30, dtype=bool), n_imputations=2, seed=1
        )
    with pytest.raises(InputError, match="at least 2 imputations"):
        chained_imputations(
            one, beside=np.zeros((30, 1)), fit=np.ones(30, dtype=bool), n_imputations=1, seed=1
        )
