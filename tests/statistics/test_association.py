from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.association import ConditionalFit, conditional_logistic, odds_ratio_per_control_sd

from .builders import (
    EXACT,
    SAME_ALGORITHM,
    Matched,
    build_matched,
    indicator,
    pairs_of_one_binary_covariate,
    read_columns,
    read_reference,
)

#: R stops its iterations at a relative change of 1e-9 of the log-likelihood: its coefficients carry 1e-10.
R_STOPS_EARLY = 1e-8


def fit(data: Matched, **options) -> ConditionalFit:  # type: ignore[no-untyped-def]
    names = tuple(f"x{i}" for i in range(data.X.shape[1]))
    return conditional_logistic(data.X, data.case, sets=data.sets, names=names, **options)


# R survival 3.5-3 clogit(method = "exact"), in data/statistics/matched/clogit_R_reference.json:
# file, case column and its value, set column, columns (None: numeric), key of the reference
R_MODELS = [
    ("infert.csv", "case", "1", "stratum", ("spontaneous", "induced"), None, "infert_exact"),
    ("bdendo.csv", "d", "1", "set", ("gall", "hyp"), "Yes", "bdendo_gall_hyp"),
    ("bdendo.csv", "d", "1", "set", ("gall", "hyp", "ob", "est"), "Yes", "bdendo_full"),
    ("bdendo11.csv", "d", "1", "set", ("est",), "Yes", "bdendo11e"),
    ("bdendo11.csv", "d", "1", "set", ("gall", "hyp"), "Yes", "bdendo11"),
    ("sim_n_m.csv", "y", "1", "set", ("x1", "x2"), None, "nm_exact"),
]


@pytest.mark.parametrize(("file", "case", "yes", "sets", "names", "level", "key"), R_MODELS)
def test_fit_equals_r_clogit(
    shared: Path,
    file: str,
    case: str,
    yes: str,
    sets: str,
    names: tuple[str, ...],
    level: str | None,
    key: str,
) -> None:
    folder = shared / "data" / "statistics" / "matched"
    table, expected = read_columns(folder / file), read_reference(folder / "clogit_R_reference.json")[key]
    X = np.column_stack([indicator(table[n], level) if level else table[n].astype(float) for n in names])
    ours = conditional_logistic(X, table[case] == yes, sets=table[sets], names=names)
    assert ours.coefficients == pytest.approx(np.array(list(expected["coef"].values())), abs=R_STOPS_EARLY)
    assert ours.covariance == pytest.approx(np.array(expected["vcov"]), abs=R_STOPS_EARLY)
    assert ours.log_likelihood_null == pytest.approx(expected["loglik"][0], abs=SAME_ALGORITHM)
    assert ours.log_likelihood == pytest.approx(expected["loglik"][1], abs=SAME_ALGORITHM)
    assert ours.lr_test.statistic == pytest.approx(expected["lrt"][0], abs=SAME_ALGORITHM)
    assert ours.lr_test.degrees_of_freedom == expected["lrt"][1]
    assert ours.lr_test.p_value == pytest.approx(expected["lrt"][2], rel=SAME_ALGORITHM)
    assert ours.score_test.statistic == pytest.approx(expected["score"][0], abs=SAME_ALGORITHM)
    assert ours.wald_test.statistic == pytest.approx(expected["wald"][0], abs=0.005)  # R rounds it
    for name, limits in zip(names, expected["conf.int"], strict=True):
        ratio = ours.odds_ratio(name)
        assert (ratio.value, ratio.lower, ratio.upper) == pytest.approx(
            (limits[0], limits[2], limits[3]), rel=R_STOPS_EARLY
        )


def test_rows_with_missing_obesity_are_dropped_and_the_sets_checked_again(shared: Path) -> None:
    table = read_columns(shared / "data" / "statistics" / "matched" / "bdendo.csv")
    X = np.column_stack([indicator(table[n], "Yes") for n in ("gall", "ob")])
    ours = conditional_logistic(X, table["d"] == "1", sets=table["set"], names=("gall", "ob"))
    kept = ~np.isnan(X[:, 1])
    with_case = {s for s, d, k in zip(table["set"], table["d"], kept, strict=True) if k and d == "1"}
    with_control = {s for s, d, k in zip(table["set"], table["d"], kept, strict=True) if k and d == "0"}
    assert ours.dropped.rows_with_missing_values == np.count_nonzero(~kept) == 50
    assert ours.n_sets == len(with_case & with_control)
    assert ours.dropped.sets_without_case == 63 - len(with_case)
    assert any("50 rows" in note for note in ours.odds_ratio("gall").notes)


def test_endometrial_cancer_and_estrogens_equal_the_published_table(shared: Path) -> None:
    # Breslow & Day 1980, table 7.5 (2.074 ± 0.421, score 31.16); further digits from R 4.2.2
    table = read_columns(shared / "data" / "statistics" / "matched" / "bdendo.csv")
    ours = conditional_logistic(
        indicator(table["est"], "Yes")[:, None], table["d"] == "1", sets=table["set"], names=("est",)
    )
    assert ours.coefficients[0] == pytest.approx(2.0737606, abs=5e-8)
    assert ours.standard_errors[0] == pytest.approx(0.42082454, abs=5e-9)
    assert ours.score_test.statistic == pytest.approx(31.155629, abs=5e-7)
    assert -2 * ours.log_likelihood_null == pytest.approx(202.78918, abs=5e-6)
    assert -2 * ours.log_likelihood == pytest.approx(167.44318, abs=5e-6)


@pytest.mark.parametrize(
    ("file", "case", "yes", "numeric", "binary", "key"),
    [
        (
            "glow11m.csv",
            "fracture",
            "Yes",
            ("height", "weight"),
            (("priorfrac", "Yes"), ("premeno", "Yes"), ("momfrac", "Yes"), ("armassist", "Yes")),
            "glow11m",
        ),
        (
            "burn13m.csv",
            "death",
            "Dead",
            ("tbsa",),
            (("inh_inj", "Yes"), ("flame", "Yes"), ("gender", "Male")),
            "burn13m",
        ),
    ],
)
def test_fit_equals_r_on_published_matched_studies(
    shared: Path,
    file: str,
    case: str,
    yes: str,
    numeric: tuple[str, ...],
    binary: tuple[tuple[str, str], ...],
    key: str,
) -> None:
    folder = shared / "data" / "statistics" / "matched_case_control"
    table, expected = read_columns(folder / file), read_reference(folder / "EXPECTED.json")[key]["fit"]
    X = np.column_stack(
        [table[n].astype(float) for n in numeric] + [indicator(table[n], v) for n, v in binary]
    )
    names = numeric + tuple(n for n, _ in binary)
    ours = conditional_logistic(X, table[case] == yes, sets=table["pair"], names=names)
    assert ours.coefficients == pytest.approx(np.array(list(expected["coef"].values())), abs=R_STOPS_EARLY)
    assert ours.standard_errors == pytest.approx(np.array(list(expected["se"].values())), abs=R_STOPS_EARLY)
    assert [ours.log_likelihood_null, ours.log_likelihood] == pytest.approx(expected["loglik"], abs=1e-8)
    assert ours.separated == ()


def test_pairs_and_one_exposure_give_the_ratio_of_discordant_pairs_and_mcnemar() -> None:
    # bdendo11, estrogens: 29 and 3 discordant of 63 pairs; OR 29/3, McNemar 26²/32 (R 4.2.2)
    data = pairs_of_one_binary_covariate(only_case=29, only_control=3, both=27, neither=4)
    ours = fit(data)
    assert ours.coefficients[0] == pytest.approx(math.log(29 / 3), abs=EXACT)
    assert ours.standard_errors[0] == pytest.approx(math.sqrt(1 / 29 + 1 / 3), abs=SAME_ALGORITHM)
    assert ours.score_test.statistic == pytest.approx(26**2 / 32, abs=EXACT * 100)
    assert ours.log_likelihood_null == pytest.approx(-63 * math.log(2), abs=EXACT * 100)
    assert ours.log_likelihood == pytest.approx(-31.443695551337, abs=SAME_ALGORITHM)
    assert ours.lr_test.statistic == pytest.approx(24.4491536479, abs=SAME_ALGORITHM)


def test_odds_ratio_per_control_sd_equals_the_reference(shared: Path) -> None:
    # R 4.2.2: sim_n_m, x1 of the model x1 + x2, SD among controls 0.954516148056
    table = read_columns(shared / "data" / "statistics" / "matched" / "sim_n_m.csv")
    X = np.column_stack([table["x1"].astype(float), table["x2"].astype(float)])
    ours = conditional_logistic(X, table["y"] == "1", sets=table["set"], names=("x1", "x2"))
    assert ours.control_sd[0] == pytest.approx(0.954516148056, abs=1e-12)
    ratio = ours.odds_ratio("x1", per=float(ours.control_sd[0]))
    assert (ratio.value, ratio.lower, ratio.upper) == pytest.approx(
        (2.45657961, 1.77059916, 3.40832841), abs=5e-9
    )


def test_odds_ratio_per_control_sd_by_type_of_case_equals_r(shared: Path) -> None:
    # R clogit on scores per SD of all controls, matched_concordance_reference.json
    folder = shared / "data" / "statistics" / "matched"
    table = read_columns(folder / "sim_matched_concordance.csv")
    expected = read_reference(folder / "matched_concordance_reference.json")["clogit"]
    score, case = table["scoreA"].astype(float), table["case"] == "1"
    sd = float(np.std(score[~case], ddof=1))
    for kind in ("SD", "IC"):
        of_kind = table["type"] == kind
        ours = conditional_logistic(
            score[of_kind, None] / sd, case[of_kind], sets=table["set"][of_kind], names=("A",)
        )
        assert [ours.coefficients[0], ours.standard_errors[0], ours.log_likelihood] == pytest.approx(
            expected[kind], abs=R_STOPS_EARLY
        )


def test_odds_ratio_per_control_sd_does_not_depend_on_the_unit_of_the_score() -> None:
    data = build_matched(n_sets=40)
    one = odds_ratio_per_control_sd(data.score, data.case, sets=data.sets)
    other = odds_ratio_per_control_sd(1000 * data.score - 7, data.case, sets=data.sets)
    assert (other.value, other.lower, other.upper) == pytest.approx(
        (one.value, one.lower, one.upper), rel=1e-9
    )
    assert one.lower < one.value < one.upper
    assert one.n == one.n_events == 40


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_labels_and_set_constants_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = build_matched(seed=seed, cases=(1, 2), controls=(2, 3, 3), n_sets=25)
    order = rng.permutation(data.case.size)
    constants = rng.normal(size=(25, 2))[data.sets] * 5
    moved = Matched(X=(data.X + constants)[order], case=data.case[order], sets=1000 - 3 * data.sets[order])
    one, other = fit(data, firth="never"), fit(moved, firth="never")
    assert other.coefficients == pytest.approx(one.coefficients, abs=1e-8)
    assert other.covariance == pytest.approx(one.covariance, abs=1e-8)
    assert other.lr_test.statistic == pytest.approx(one.lr_test.statistic, abs=1e-8)


def test_twice_the_sets_halve_the_covariance() -> None:
    data = build_matched(cases=(1, 2), controls=(3,), n_sets=20)
    twice = Matched(
        X=np.concatenate([data.X, data.X]),
        case=np.concatenate([data.case, data.case]),
        sets=np.concatenate([data.sets, data.sets + 100]),
    )
    one, other = fit(data), fit(twice)
    assert other.coefficients == pytest.approx(one.coefficients, abs=SAME_ALGORITHM)
    assert other.covariance == pytest.approx(one.covariance / 2, abs=SAME_ALGORITHM)


def test_swapping_cases_and_controls_changes_only_the_sign() -> None:
    data = build_matched(cases=(1, 2), controls=(2, 3), n_sets=20)
    one, other = fit(data), fit(replace(data, case=~data.case))
    assert other.coefficients == pytest.approx(-one.coefficients, abs=SAME_ALGORITHM)
    assert other.log_likelihood == pytest.approx(one.log_likelihood, abs=SAME_ALGORITHM)


def test_robust_covariance_is_the_sandwich_of_set_scores() -> None:
    # Pairs with one exposure: I = N p(1−p); U of a pair is ±(1−p) or ∓p; N = 32, p = 29/32
    ours = fit(pairs_of_one_binary_covariate(only_case=29, only_control=3))
    p = 29 / 32
    meat = 29 * (1 - p) ** 2 + 3 * p**2
    assert ours.robust_covariance[0, 0] == pytest.approx(meat / (32 * p * (1 - p)) ** 2, abs=SAME_ALGORITHM)


def test_clusters_of_single_sets_change_nothing_and_clusters_of_copies_undo_the_copying() -> None:
    data = build_matched(n_sets=30)
    single = fit(data, cluster=data.sets)
    assert single.robust_covariance == pytest.approx(fit(data).robust_covariance, abs=EXACT)
    twice = Matched(
        X=np.concatenate([data.X, data.X]),
        case=np.concatenate([data.case, data.case]),
        sets=np.concatenate([data.sets, data.sets + 100]),
    )
    copied = fit(twice, cluster=np.concatenate([data.sets, data.sets]))
    assert copied.robust_covariance == pytest.approx(single.robust_covariance, abs=SAME_ALGORITHM)
    assert copied.odds_ratio("x0").standard_error == pytest.approx(single.robust_standard_errors[0])
    assert "robust by cluster" in copied.odds_ratio("x0").method


def test_a_woman_in_two_sets_correlates_just_these_two() -> None:
    data = build_matched(n_sets=12, controls=(2,))
    woman = np.arange(data.case.size)
    woman[4] = woman[1]  # a control of set 0 is a member of set 1 too
    ours = fit(data, cluster=woman)
    scores = np.array([_set_score(data, ours.coefficients, s) for s in range(12)])
    meat = scores.T @ scores + np.outer(scores[0], scores[1]) + np.outer(scores[1], scores[0])
    assert ours.robust_covariance == pytest.approx(
        ours.covariance @ meat @ ours.covariance, abs=SAME_ALGORITHM
    )


def _set_score(data: Matched, beta: np.ndarray, label: int) -> np.ndarray:
    rows = data.X[data.sets == label]
    weight = np.exp(rows @ beta)
    return np.asarray(rows[data.case[data.sets == label]].sum(axis=0) - weight @ rows / weight.sum())


def test_separated_sets_fall_back_to_firth_and_say_so() -> None:
    data = pairs_of_one_binary_covariate(only_case=7, only_control=0, both=2)
    ours = fit(data)
    assert ours.separated == ("x0",)
    assert ours.coefficients[0] == pytest.approx(math.log(7.5 / 0.5), abs=SAME_ALGORITHM)
    assert "Firth" in ours.method
    assert "separated: x0" in ours.odds_ratio("x0").notes
    # l*(b) − l*(0) with l* = log-likelihood + ½ log information; concordant pairs cancel
    p = 7.5 / 8
    gain = 7 * math.log(p) + 0.5 * math.log(7 * p * (1 - p)) - (7 * math.log(0.5) + 0.5 * math.log(7 / 4))
    assert ours.lr_test.statistic == pytest.approx(2 * gain, abs=SAME_ALGORITHM)


def test_separated_sets_are_refused_where_firth_is_not_wanted() -> None:
    data = pairs_of_one_binary_covariate(only_case=7, only_control=0)
    with pytest.raises(InputError, match="separated by x0"):
        fit(data, firth="never")


def test_firth_can_be_asked_for() -> None:
    ours = fit(pairs_of_one_binary_covariate(only_case=5, only_control=2), firth="always")
    assert ours.coefficients[0] == pytest.approx(math.log(5.5 / 2.5), abs=SAME_ALGORITHM)
    assert ours.separated == ()


def test_sets_without_case_or_control_are_counted_and_change_nothing() -> None:
    data = build_matched(n_sets=20)
    extra = Matched(
        X=np.concatenate([data.X, np.ones((5, 2))]),
        case=np.concatenate([data.case, [True, True, False, False, False]]),
        sets=np.concatenate([data.sets, [90, 90, 91, 91, 92]]),
    )
    one, other = fit(data), fit(extra)
    assert other.coefficients == pytest.approx(one.coefficients, abs=EXACT)
    assert (other.dropped.sets_without_control, other.dropped.sets_without_case) == (1, 2)
    assert other.dropped.rows_in_dropped_sets == 5


def test_linear_predictor_is_x_beta_and_checks_its_columns() -> None:
    data = build_matched(n_sets=20)
    ours = fit(data)
    assert ours.linear_predictor(data.X) == pytest.approx(data.X @ ours.coefficients)
    with pytest.raises(InputError, match="2 columns"):
        ours.linear_predictor(data.X[:, :1])
    with pytest.raises(InputError, match="one of x0, x1"):
        ours.odds_ratio("age")


def test_a_matching_factor_is_refused_by_name() -> None:
    data = build_matched(n_sets=20)
    constant = replace(data, X=np.column_stack([data.X[:, 0], data.sets.astype(float)]))
    with pytest.raises(InputError, match="x1 constant in every set"):
        fit(constant)


def test_collinear_covariates_are_refused_by_name() -> None:
    data = build_matched(n_sets=20)
    # Collinear within sets only: the difference of the two is a constant of the set.
    doubled = replace(data, X=np.column_stack([data.X, 2 * data.X[:, 0] + data.sets]))
    with pytest.raises(InputError, match="x0, x2"):
        fit(doubled)


def test_one_informative_set_is_too_few() -> None:
    data = build_matched(n_sets=1)
    with pytest.raises(TooFewEventsError) as caught:
        fit(data)
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)


def test_infinite_covariates_missing_scores_and_missing_sets_are_refused() -> None:
    data = build_matched(n_sets=5)
    X = data.X.copy()
    X[3, 1] = np.inf
    with pytest.raises(InputError, match="1 infinite"):
        fit(replace(data, X=X))
    X[3, 0] = np.nan
    with pytest.raises(InputError, match="1 of 14 rows missing"):
        odds_ratio_per_control_sd(X[:, 0], data.case, sets=data.sets)
    with pytest.raises(InputError, match="1 of 14 rows without"):
        labels = np.array([str(s) for s in data.sets], dtype=object)
        labels[2] = ""
        conditional_logistic(data.X, data.case, sets=labels, names=("a", "b"))
