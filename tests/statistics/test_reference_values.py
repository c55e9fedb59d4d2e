"""Recorded numbers that belong to no single module, or that ask one module a question of another."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from forescreen.statistics.association import ConditionalFit, conditional_logistic
from forescreen.statistics.binormal import parametric_concordance
from forescreen.statistics.case_types import CaseTypeFit, case_type_logistic
from forescreen.statistics.discrimination import auc, auc_difference
from forescreen.statistics.matched import matched_concordance

from .builders import EXACT, SAME_ALGORITHM, indicator, read_columns, read_reference

REFERENCE = read_reference(Path(__file__).parents[1] / "reference" / "matched.json")["values"]

#: R stops its iterations at a relative change of 1e-9 of the log-likelihood.
R_STOPS_EARLY = 1e-8

Table = dict[str, np.ndarray]


@pytest.fixture
def matched_folder(shared: Path) -> Path:
    return shared / "data" / "statistics" / "matched"


def infert_fit(folder: Path) -> tuple[ConditionalFit, np.ndarray, np.ndarray, np.ndarray]:
    table = read_columns(folder / "infert.csv")
    X = np.column_stack([table["spontaneous"].astype(float), table["induced"].astype(float)])
    case, sets = table["case"] == "1", table["stratum"]
    return conditional_logistic(X, case, sets=sets, names=("spontaneous", "induced")), X, case, sets


def bdendo_terms(table: Table, terms: list[str]) -> np.ndarray:
    """Columns by their names; `a*b` is a product, age groups are indicators."""
    columns = {name: indicator(table[name], "Yes") for name in ("gall", "hyp", "ob", "est")}
    columns["age"] = table["age"].astype(float)
    columns |= {group: (table["age3"] == group).astype(float) for group in ("65-74", "75+")}
    columns["age group"] = columns["65-74"] + 2 * columns["75+"]
    return np.column_stack([np.prod([columns[part] for part in term.split("*")], axis=0) for term in terms])


def bdendo_fit(folder: Path, file: str, terms: list[str]) -> ConditionalFit:
    table = read_columns(folder / f"{file}.csv")
    X = bdendo_terms(table, terms)
    return conditional_logistic(X, table["d"] == "1", sets=table["set"], names=tuple(terms))


# Conditional logistic regression


@pytest.mark.parametrize("name", ["infert", "bdendo"])
def test_against_r_robust_covariance_by_set(matched_folder: Path, name: str) -> None:
    # For 1:m sets R's Cox model with cluster = set is the same likelihood and the same sandwich
    expected = REFERENCE["robust"][name]
    ours = (
        infert_fit(matched_folder)[0]
        if name == "infert"
        else bdendo_fit(matched_folder, "bdendo", ["gall", "hyp"])
    )
    assert ours.coefficients == pytest.approx(np.array(expected["coef"]), abs=R_STOPS_EARLY)
    assert ours.covariance == pytest.approx(np.array(expected["naive"]), abs=R_STOPS_EARLY)
    assert ours.robust_covariance == pytest.approx(np.array(expected["robust"]), abs=R_STOPS_EARLY)


@pytest.mark.parametrize("key", ["infert_approx", "infert_efron"])
def test_against_r_one_case_per_set_is_a_cox_stratum_under_any_rule_for_ties(
    matched_folder: Path, key: str
) -> None:
    ours = infert_fit(matched_folder)[0]
    expected = read_reference(matched_folder / "clogit_R_reference.json")[key]
    assert ours.coefficients == pytest.approx(np.array(list(expected["coef"].values())), abs=R_STOPS_EARLY)
    assert ours.covariance == pytest.approx(np.array(expected["vcov"]), abs=R_STOPS_EARLY)
    assert ours.log_likelihood == pytest.approx(expected["loglik"][1], abs=SAME_ALGORITHM)


@pytest.mark.parametrize("key", ["nm_efron", "nm_breslow"])
def test_against_r_rules_for_ties_pull_sets_with_several_cases_to_the_null(
    matched_folder: Path, key: str
) -> None:
    # They are not the likelihood that is fitted here: 0.942 exact, 0.669 Efron, 0.569 Breslow
    table = read_columns(matched_folder / "sim_n_m.csv")
    X = np.column_stack([table["x1"].astype(float), table["x2"].astype(float)])
    ours = conditional_logistic(X, table["y"] == "1", sets=table["set"], names=("x1", "x2"))
    wrong = read_reference(matched_folder / "clogit_R_reference.json")[key]["coef"]["x1"]
    assert wrong < 0.75 * ours.coefficients[0]


def test_against_r_estrogens_by_age_group_and_the_published_table(matched_folder: Path) -> None:
    # Breslow & Day 1980, table 7.5: EST + EST × AGE3
    expected = REFERENCE["est_by_age"]
    ours = bdendo_fit(matched_folder, "bdendo", ["est", "est*age group"])
    assert ours.coefficients == pytest.approx(np.array(expected["coef"]), abs=R_STOPS_EARLY)
    assert ours.standard_errors == pytest.approx(np.array(expected["se"]), abs=R_STOPS_EARLY)
    assert [-2 * ours.log_likelihood_null, -2 * ours.log_likelihood] == pytest.approx(
        expected["minus_two_log_likelihood"], abs=SAME_ALGORITHM
    )
    printed = expected["printed"]
    assert ours.coefficients == pytest.approx(np.array(printed["coef"]), abs=5e-4)
    assert ours.standard_errors == pytest.approx(np.array(printed["se"]), abs=5e-4)
    alone = bdendo_fit(matched_folder, "bdendo", ["est"])
    assert 2 * (ours.log_likelihood - alone.log_likelihood) == pytest.approx(printed["interaction"], abs=5e-3)


@pytest.mark.parametrize(
    ("file", "row"), [(file, row) for file, rows in REFERENCE["printed_models"].items() for row in rows]
)
def test_models_printed_in_teaching_material(matched_folder: Path, file: str, row) -> None:  # type: ignore[no-untyped-def]
    ours = bdendo_fit(matched_folder, file, row["terms"])
    ratios = [ours.odds_ratio(term) for term in row["terms"]]
    # Three decimals, of which some were made from rounded coefficients
    assert [r.value for r in ratios] == pytest.approx(row["odds_ratios"], abs=1.1e-3, rel=3e-4)
    assert ours.log_likelihood == pytest.approx(row["log_likelihood"], abs=5.1e-4)
    for ratio, limits in zip(ratios, row["limits"], strict=False):
        assert [ratio.lower, ratio.upper] == pytest.approx(limits, abs=1.1e-3, rel=3e-4)


# Matched concordance

MODELS = {
    "bdendo_gall_hyp": ("bdendo", ["gall", "hyp"]),
    "bdendo_full": ("bdendo", ["gall", "hyp", "ob", "est"]),
    "bdendo11": ("bdendo11", ["gall", "hyp"]),
    "bdendo11e": ("bdendo11", ["est"]),
}


@pytest.mark.parametrize("key", REFERENCE["concordance_of_models"])
def test_against_r_concordance_of_a_model_counts_every_pair(matched_folder: Path, key: str) -> None:
    if key == "infert_exact":
        fit, X, case, sets = infert_fit(matched_folder)
    elif key == "nm_exact":
        table = read_columns(matched_folder / "sim_n_m.csv")
        X = np.column_stack([table["x1"].astype(float), table["x2"].astype(float)])
        case, sets = table["y"] == "1", table["set"]
        fit = conditional_logistic(X, case, sets=sets, names=("x1", "x2"))
    else:
        file, terms = MODELS[key]
        table = read_columns(matched_folder / f"{file}.csv")
        X = bdendo_terms(table, terms)
        complete = ~np.isnan(X).any(axis=1)
        X, case, sets = X[complete], (table["d"] == "1")[complete], table["set"][complete]
        fit = conditional_logistic(X, case, sets=sets, names=tuple(terms))
    # Rounding must not part equal linear predictors.
    ours = matched_concordance(np.round(fit.linear_predictor(X), 9), case, sets=sets, weights="pairs")
    assert ours.value == pytest.approx(REFERENCE["concordance_of_models"][key], abs=EXACT)


def test_parametric_concordance_agrees_with_the_share_of_concordant_pairs(matched_folder: Path) -> None:
    # Both estimate one quantity where the score is normal within sets; the parametric one is more precise
    table = read_columns(matched_folder / "sim_matched_concordance.csv")
    score, case, sets = table["scoreA"].astype(float), table["case"] == "1", table["set"]
    fit = conditional_logistic(score[:, None], case, sets=sets, names=("A",))
    labels = np.unique(sets, return_inverse=True)[1]
    controls = ~case
    mean = np.bincount(labels[controls], weights=score[controls]) / np.bincount(labels[controls])
    several = np.bincount(labels[controls])[labels] > 1
    apart = (score - mean[labels])[controls & several]
    freedom = apart.size - np.unique(labels[controls & several]).size
    ours = parametric_concordance(
        float(fit.coefficients[0]),
        float(fit.standard_errors[0]),
        sd=float(np.sqrt(apart @ apart / freedom)),
        n=fit.n_sets,
        n_events=fit.n_cases,
    )
    counted = matched_concordance(score, case, sets=sets)
    assert abs(ours.value - counted.value) < 2 * counted.standard_error
    assert ours.standard_error < 1.05 * counted.standard_error
    # Within sets controls vary with unit variance, which is how the scores were made
    assert ours.value == pytest.approx(0.5 * (1 + math.erf(float(fit.coefficients[0]) / 2)), abs=0.02)


@pytest.mark.parametrize(
    ("m", "spread", "error"), [(1, 0.02730, 0.02725), (2, 0.02230, 0.02217), (4, 0.01933, 0.01912)]
)
def test_simulated_sets_repeat_the_recorded_spread_and_standard_error(
    m: int, spread: float, error: float
) -> None:
    # R, 4000 repetitions of 300 sets, truth Φ(0.6/√2) = 0.66431; here 300 repetitions
    rng = np.random.default_rng(m)
    case, sets = np.tile(np.arange(m + 1) == 0, 300), np.repeat(np.arange(300), m + 1)
    values, errors, unmatched = [], [], []
    for _ in range(300):
        score = rng.normal(size=case.size) + rng.normal(size=300)[sets] + 0.6 * case
        ours = matched_concordance(score, case, sets=sets)
        values.append(ours.value)
        errors.append(ours.standard_error)
        unmatched.append(auc(score, case).value)
    truth = 0.5 * (1 + math.erf(0.6 / 2))
    assert truth == pytest.approx(0.66431, abs=5e-6)
    assert np.mean(values) == pytest.approx(truth, abs=4 * spread / math.sqrt(300))
    assert np.mean(errors) == pytest.approx(error, rel=0.01)
    # A standard deviation of 300 values has a relative error of 1/√600
    assert np.std(values) == pytest.approx(spread, rel=4 / math.sqrt(600))
    # Ignoring the matching: Φ(0.6/√(2 (1 + 1))) = 0.618
    assert np.mean(unmatched) == pytest.approx(0.5 * (1 + math.erf(0.6 / 2 / math.sqrt(2))), abs=0.006)


# Types of case


def polytomous(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    table = read_columns(folder / "sim_polytomous_sets.csv")
    X = np.column_stack([table["x1"].astype(float), table["x2"].astype(float)])
    return X, table["type"], table["set"]


def test_against_r_both_types_in_every_set(matched_folder: Path) -> None:
    X, kind, sets = polytomous(matched_folder)
    ours: CaseTypeFit = case_type_logistic(X, kind != "0", sets=sets, case_type=kind, names=("x1", "x2"))
    expected = REFERENCE["both_types"]
    assert ours.coefficients.ravel() == pytest.approx(np.array(expected["coef"]), abs=SAME_ALGORITHM)
    assert ours.covariance == pytest.approx(np.array(expected["covariance"]), abs=SAME_ALGORITHM)
    assert ours.common == pytest.approx(np.array(expected["common"]), abs=SAME_ALGORITHM)
    assert [ours.log_likelihood, ours.log_likelihood_null, ours.log_likelihood_common] == pytest.approx(
        [expected["log_likelihood"], expected["null"], expected["common_log_likelihood"]], abs=SAME_ALGORITHM
    )
    assert ours.heterogeneity_lr_test.statistic == pytest.approx(
        expected["likelihood_ratio"], abs=SAME_ALGORITHM
    )
    # The recorded 24.03384 comes from a numerical Hessian; this one is 24.03408
    assert ours.heterogeneity_wald_test.statistic == pytest.approx(expected["wald"], abs=R_STOPS_EARLY)


@pytest.mark.parametrize("label", ["1", "2", "2 against 1"])
def test_against_r_each_type_alone_and_case_against_case(matched_folder: Path, label: str) -> None:
    X, kind, sets = polytomous(matched_folder)
    used = kind != "0" if "against" in label else (kind == "0") | (kind == label)
    ours = conditional_logistic(X[used], kind[used] == label[0], sets=sets[used], names=("x1", "x2"))
    expected = REFERENCE["separate_types"][label]
    assert ours.coefficients == pytest.approx(np.array(expected["coef"]), abs=R_STOPS_EARLY)
    assert ours.standard_errors == pytest.approx(np.array(expected["se"]), abs=R_STOPS_EARLY)


def test_against_r_both_types_pooled_per_control_sd(matched_folder: Path) -> None:
    table = read_columns(matched_folder / "sim_matched_concordance.csv")
    score, case = table["scoreA"].astype(float), table["case"] == "1"
    ours = conditional_logistic(score[:, None], case, sets=table["set"], names=("A",))
    sd = float(np.std(score[~case], ddof=1))
    expected = REFERENCE["pooled_per_sd"]
    assert ours.coefficients[0] * sd == pytest.approx(expected["coef"], abs=SAME_ALGORITHM)
    assert ours.standard_errors[0] * sd == pytest.approx(expected["se"], abs=SAME_ALGORITHM)
    assert [ours.log_likelihood_null, ours.log_likelihood] == pytest.approx(
        expected["loglik"], abs=SAME_ALGORITHM
    )


# Unmatched AUC


def test_against_r_covariances_of_correlated_areas(shared: Path) -> None:
    # cov = (var a + var b − var(a − b))/2
    table = read_columns(shared / "data" / "statistics" / "metrics" / "aSAH.csv")
    case = table["outcome"] == "Poor"
    for names, covariance in REFERENCE["asah_covariances"].items():
        a, b = (table[name].astype(float) for name in names.split())
        variances = [auc(x, case).standard_error ** 2 for x in (a, b)]
        apart = auc_difference(a, b, case).standard_error ** 2
        assert (sum(variances) - apart) / 2 == pytest.approx(covariance, abs=EXACT)
