from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.association import conditional_logistic
from forescreen.statistics.case_types import case_type_logistic

from .builders import (
    EXACT,
    OTHER_ALGORITHM,
    SAME_ALGORITHM,
    Matched,
    build_matched,
    enumerated_two_type_log_likelihood,
    gradient,
    read_columns,
    read_reference,
)


def build_both_types(n_sets: int = 15) -> tuple[Matched, np.ndarray]:
    """Sets with one or two cases of each type and two or three controls."""
    data = build_matched(n_sets=n_sets, cases=(2, 3, 2), controls=(2, 1, 3), seed=4)
    kind = np.where(data.case, 0, 2)
    for label in range(n_sets):
        kind[np.flatnonzero((data.sets == label) & data.case)[-1]] = 1
    return data, kind


def fit(data: Matched, kind: np.ndarray):  # type: ignore[no-untyped-def]
    return case_type_logistic(
        data.X,
        data.case,
        sets=data.sets,
        case_type=np.array(["interval", "screen-detected", "none"])[kind],
        names=("x0", "x1"),
    )


def test_sets_with_both_types_equal_the_reference(shared: Path) -> None:
    # polytomous_reference.json: likelihood maximised by R optim, hence OTHER_ALGORITHM
    folder = shared / "data" / "statistics" / "matched"
    table = read_columns(folder / "sim_polytomous_sets.csv")
    expected = read_reference(folder / "polytomous_reference.json")
    X = np.column_stack([table["x1"].astype(float), table["x2"].astype(float)])
    kind = np.array(["control", "1 SD", "2 IC"])[table["type"].astype(int)]
    ours = case_type_logistic(X, table["type"] != "0", sets=table["set"], case_type=kind, names=("x1", "x2"))
    assert ours.types == ("1 SD", "2 IC")
    assert ours.n_cases == (200, 200)
    joint = expected["joint"]
    assert ours.coefficients.ravel() == pytest.approx(np.array(joint["est"]), abs=OTHER_ALGORITHM / 1000)
    assert ours.covariance == pytest.approx(np.array(joint["vcov"]), abs=OTHER_ALGORITHM / 100)
    assert ours.log_likelihood == pytest.approx(joint["ll"], abs=SAME_ALGORITHM)
    assert ours.log_likelihood_null == pytest.approx(joint["ll0"], abs=SAME_ALGORITHM)
    assert ours.log_likelihood_common == pytest.approx(expected["common"]["ll"], abs=SAME_ALGORITHM)
    assert ours.common == pytest.approx(np.array(expected["common"]["est"]), abs=OTHER_ALGORITHM / 1000)
    test = ours.heterogeneity_lr_test
    assert (test.statistic, test.degrees_of_freedom) == (
        pytest.approx(expected["common"]["LRT"], abs=1e-8),
        2,
    )
    assert ours.heterogeneity_wald_test.statistic == pytest.approx(expected["wald"], rel=OTHER_ALGORITHM)


def test_sets_with_one_type_each_equal_the_stacked_regression_of_r(shared: Path) -> None:
    folder = shared / "data" / "statistics" / "matched"
    table = read_columns(folder / "sim_matched_concordance.csv")
    expected = read_reference(folder / "matched_concordance_reference.json")["clogit"]
    score = table["scoreA"].astype(float)
    ours = case_type_logistic(
        score[:, None], table["case"] == "1", sets=table["set"], case_type=table["type"], names=("A",)
    )
    sd = ours.control_sd[0]
    for row, kind in enumerate(ours.types):
        assert ours.coefficients[row, 0] * sd == pytest.approx(expected[kind][0], abs=SAME_ALGORITHM)
        assert ours.standard_errors[row, 0] * sd == pytest.approx(expected[kind][1], abs=SAME_ALGORITHM)
    assert ours.common[0] * sd == pytest.approx(expected["pooled"][0], abs=SAME_ALGORITHM)
    assert ours.log_likelihood_common == pytest.approx(expected["pooled"][2], abs=SAME_ALGORITHM)
    assert ours.heterogeneity_lr_test.statistic == pytest.approx(expected["LRT_het"], abs=SAME_ALGORITHM)
    # R 4.2.2
    assert ours.heterogeneity_wald_test.statistic == pytest.approx(0.0123882428805, abs=SAME_ALGORITHM)


def test_likelihood_and_covariance_equal_the_enumeration_of_all_assignments() -> None:
    data, kind = build_both_types()
    ours = fit(data, kind)

    def enumerated(beta: np.ndarray) -> float:
        return enumerated_two_type_log_likelihood(data, kind, beta.reshape(2, 2))

    at = ours.coefficients.ravel()
    assert ours.log_likelihood == pytest.approx(enumerated(at), abs=EXACT * 100)
    assert ours.log_likelihood_null == pytest.approx(enumerated(np.zeros(4)), abs=EXACT * 100)
    assert ours.log_likelihood_common == pytest.approx(enumerated(np.tile(ours.common, 2)), abs=EXACT * 100)
    assert gradient(enumerated, at) == pytest.approx(np.zeros(4), abs=1e-7)
    numeric = -gradient(lambda b: gradient(enumerated, b, 1e-4), at, 1e-4)
    assert np.linalg.inv(ours.covariance) == pytest.approx(numeric, abs=OTHER_ALGORITHM)


def test_types_in_sets_of_their_own_factorise() -> None:
    data = build_matched(n_sets=30, cases=(1, 2), controls=(2, 3))
    kind = np.where(data.case, data.sets % 2, 2)
    ours = fit(data, kind)
    for row in range(2):
        rows = data.sets % 2 == row
        alone = conditional_logistic(data.X[rows], data.case[rows], sets=data.sets[rows], names=("x0", "x1"))
        assert ours.coefficients[row] == pytest.approx(alone.coefficients, abs=SAME_ALGORITHM)
        block = ours.covariance[2 * row : 2 * row + 2, 2 * row : 2 * row + 2]
        assert block == pytest.approx(alone.covariance, abs=SAME_ALGORITHM)
        ratio, reference = ours.odds_ratio(ours.types[row], "x1"), alone.odds_ratio("x1")
        assert (ratio.value, ratio.upper) == pytest.approx((reference.value, reference.upper))
    assert ours.covariance[:2, 2:] == pytest.approx(np.zeros((2, 2)), abs=EXACT)


def test_differences_change_sign_with_the_order_of_types_and_carry_adjusted_p_values() -> None:
    ours = fit(*build_both_types())
    ab = ours.differences("interval", "screen-detected")
    ba = ours.differences("screen-detected", "interval")
    assert [d.value for d in ab] == pytest.approx([-d.value for d in ba])
    assert [d.value for d in ab] == pytest.approx(list(ours.coefficients[0] - ours.coefficients[1]))
    assert all("Holm" in d.notes[0] for d in ab)
    contrast = np.kron([1.0, -1.0], np.eye(2)[0])
    assert ab[0].standard_error == pytest.approx(np.sqrt(contrast @ ours.covariance @ contrast))


def test_one_type_alone_is_too_few_types() -> None:
    data = build_matched(n_sets=10)
    with pytest.raises(TooFewEventsError, match="types"):
        fit(data, np.where(data.case, 0, 2))


def test_one_case_of_a_type_is_too_few_events() -> None:
    data = build_matched(n_sets=10)
    kind = np.where(data.case, 0, 2)
    kind[0] = 1
    with pytest.raises(TooFewEventsError, match="screen-detected"):
        fit(data, kind)


def test_separated_types_are_refused_with_the_remedy() -> None:
    data = build_matched(n_sets=20, controls=(2,))
    kind = np.where(data.case, data.sets % 2, 2)
    X = data.X.copy()
    X[:, 0] = np.where(kind == 0, 1.0, 0.0) + np.where(kind == 1, 0.1, 0.0) * data.X[:, 1]
    with pytest.raises(InputError, match="fit each type by itself"):
        fit(replace(data, X=X), kind)


def test_unknown_types_and_names_are_refused() -> None:
    ours = fit(*build_both_types())
    with pytest.raises(InputError, match="one of interval, screen-detected"):
        ours.odds_ratio("cancer", "x0")
    with pytest.raises(InputError, match="one of x0, x1"):
        ours.odds_ratio("interval", "age")
