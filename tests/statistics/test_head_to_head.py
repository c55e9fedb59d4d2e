from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.bootstrap import independent_units, resample_seeds, unit_multiplicities
from forescreen.statistics.discrimination import auc
from forescreen.statistics.head_to_head import (
    Auc,
    Brier,
    Capture,
    HeadToHead,
    Metric,
    NetBenefit,
    ObservedExpected,
    PredictiveValue,
    Sensitivity,
    Specificity,
    head_to_head,
)
from forescreen.statistics.triage import capture, positive_predictive_value

from .builders import EXACT

ALL: tuple[Metric, ...] = (
    Auc(),
    Capture(0.1),
    Capture(0.33),
    PredictiveValue(0.1),
    Sensitivity(0.3),
    Specificity(0.3),
    Brier(),
    ObservedExpected(),
    NetBenefit(0.3),
    NetBenefit(0.017),
)
GIVEN_CASES = (0, 1, 2, 4, 5)


def build_rows(
    seed: int = 0, n: int = 60, n_models: int = 2, decimals: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Risks of models with many ties, case marks, and women with one to several rows."""
    rng = np.random.default_rng(seed)
    case = rng.permutation(n) < n // 4
    units = rng.integers(0, n // 2, size=n)
    base = rng.normal(size=n) + case
    scores = [1 / (1 + np.exp(1 - base - k * rng.normal(size=n))) for k in range(n_models)]
    return np.round(np.array(scores), decimals), case, units


def plain(metric: Metric, score: np.ndarray, case: np.ndarray) -> float:
    """The definition of each metric, row by row, without weights."""
    n = case.size
    if isinstance(metric, Auc):
        difference = score[case][:, None] - score[~case][None, :]
        return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
    if isinstance(metric, Capture):
        return capture(score, case, fraction=metric.fraction).value
    if isinstance(metric, PredictiveValue):
        return positive_predictive_value(score, case, fraction=metric.fraction).value
    if isinstance(metric, Sensitivity):
        return float(np.mean(score[case] >= metric.threshold))
    if isinstance(metric, Specificity):
        return float(np.mean(score[~case] < metric.threshold))
    if isinstance(metric, Brier):
        return float(np.mean((score - case) ** 2))
    if isinstance(metric, ObservedExpected):
        return float(case.sum() / score.sum())
    flagged = score >= metric.threshold
    odds = metric.threshold / (1 - metric.threshold)
    return float(np.sum(flagged & case) / n - np.sum(flagged & ~case) / n * odds)


def compare(
    scores: np.ndarray, case: np.ndarray, units: np.ndarray, metrics: tuple[Metric, ...] = ALL, n: int = 40
) -> HeadToHead:
    return head_to_head(scores, case, units=units, metrics=metrics, seed=3, n_resamples=n)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_every_value_is_its_plain_definition(seed: int) -> None:
    scores, case, units = build_rows(seed)
    ours = compare(scores, case, units, n=2)
    for model in range(2):
        for at, metric in enumerate(ALL):
            assert ours.values[model, at] == pytest.approx(plain(metric, scores[model], case), abs=EXACT)


@pytest.mark.parametrize("decimals", [1, 12])
def test_every_replicate_is_the_plain_definition_on_copied_rows(decimals: int) -> None:
    scores, case, units = build_rows(5, decimals=decimals)
    ours = compare(scores, case, units, n=12)
    has_case = np.isin(units, units[case])
    for strata, chosen in (
        (has_case, GIVEN_CASES),
        (None, tuple(set(range(len(ALL))) - set(GIVEN_CASES))),
    ):
        # The unstratified draw numbers the women as the stratified one does: without cases first.
        who = independent_units(units, has_case)
        drawn = who if strata is not None else replace(who, stratum_sizes=(who.n,))
        counts = unit_multiplicities(drawn, resample_seeds(3, 12))[:, who.of_row]
        for resample, copies in enumerate(counts):
            for model in range(2):
                rows, marks = np.repeat(scores[model], copies), np.repeat(case, copies)
                for at in chosen:
                    assert ours.replicates[resample, model, at] == pytest.approx(
                        plain(ALL[at], rows, marks), abs=EXACT
                    )


def test_estimate_and_difference_are_percentiles_of_the_replicates() -> None:
    scores, case, units = build_rows(1)
    ours = compare(scores, case, units, n=400)
    for at, metric in enumerate(ALL):
        one, both = ours.estimate(1, metric), ours.difference(0, 1, metric)
        column = ours.replicates[:, :, at]
        assert one.value == ours.values[1, at]
        assert (one.lower, one.upper) == pytest.approx(np.quantile(column[:, 1], [0.025, 0.975]), abs=EXACT)
        paired = column[:, 0] - column[:, 1]
        assert both.value == pytest.approx(ours.values[0, at] - ours.values[1, at], abs=EXACT)
        assert (both.lower, both.upper) == pytest.approx(np.quantile(paired, [0.025, 0.975]), abs=EXACT)
        z = both.value / np.std(paired, ddof=1)
        assert both.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=EXACT)
        assert math.isnan(one.p_value)
    assert (one.n, one.n_events) == (np.unique(units).size, 15)
    assert one.notes == ("400 resamples, seed 3",)
    assert one.method.endswith("percentile bootstrap of women")


def test_threads_and_blocks_do_not_change_a_digit(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, case, units = build_rows(2)
    whole = compare(scores, case, units, n=50)
    threaded = head_to_head(scores, case, units=units, metrics=ALL, seed=3, n_resamples=50, threads=3)
    assert np.array_equal(whole.replicates, threaded.replicates)
    monkeypatch.setattr("forescreen.statistics.head_to_head._BLOCK_RESAMPLES", (1, 7))
    assert np.array_equal(whole.replicates, compare(scores, case, units, n=50).replicates)
    # Every resample has its own seed: a longer run begins with the shorter one.
    assert np.array_equal(whole.replicates[:20], compare(scores, case, units, n=20).replicates)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_and_names_of_women_do_not_matter(seed: int) -> None:
    scores, case, units = build_rows(seed)
    ours = compare(scores, case, units, n=5)
    order = np.random.default_rng(seed).permutation(case.size)
    names = np.array([f"woman {u:03d}" for u in units])
    moved = compare(scores[:, order], case[order], names[order], n=5)
    assert moved.replicates == pytest.approx(ours.replicates, abs=EXACT)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_weight_two_is_the_row_twice(seed: int) -> None:
    scores, case, units = build_rows(seed)
    weights = np.random.default_rng(seed).integers(1, 4, size=case.size)
    ours = head_to_head(
        scores, case, units=units, weights=weights.astype(float), metrics=ALL, seed=3, n_resamples=5
    )
    copied = compare(
        np.repeat(scores, weights, axis=1), np.repeat(case, weights), np.repeat(units, weights), n=5
    )
    assert ours.replicates == pytest.approx(copied.replicates, abs=EXACT)
    assert ours.values == pytest.approx(copied.values, abs=EXACT)


def test_monotone_transforms_keep_the_ranking_metrics() -> None:
    scores, case, units = build_rows(4)
    metrics = (Auc(), Capture(0.2), PredictiveValue(0.2))
    ours = compare(scores, case, units, metrics)
    moved = compare(scores**3, case, units, metrics)
    assert np.array_equal(ours.replicates, moved.replicates)


def test_a_model_against_itself_differs_by_nothing() -> None:
    scores, case, units = build_rows(4)
    ours = compare(np.stack([scores[0], scores[0]]), case, units)
    for metric in ALL:
        both = ours.difference(0, 1, metric)
        assert (both.value, both.lower, both.upper, both.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_standard_errors_agree_with_the_formulas() -> None:
    # 2000 independent women: DeLong for the AUC; √O/E for observed/expected, as cases are rare (O ~ Poisson)
    rng = np.random.default_rng(0)
    case = np.arange(2000) < 100
    score = 1 / (1 + np.exp(4 - 0.8 * (rng.normal(size=2000) + case)))
    ours = compare(score[None, :], case, np.arange(2000), (Auc(), ObservedExpected(), Brier()), n=1500)
    assert ours.estimate(0, Auc()).standard_error == pytest.approx(auc(score, case).standard_error, rel=0.08)
    ratio = ours.estimate(0, ObservedExpected())
    assert ratio.standard_error == pytest.approx(ratio.value / 10, rel=0.1)
    squared = (score - case) ** 2
    assert ours.estimate(0, Brier()).standard_error == pytest.approx(
        np.std(squared) / math.sqrt(2000), rel=0.08
    )
    assert ours.estimate(0, Auc()).method.endswith("of rows")


def test_the_number_of_cases_is_kept_for_metrics_given_cases_and_drawn_for_the_others() -> None:
    # All risks equal: observed/expected is proportional to the number of women with a case.
    case = np.arange(200) < 40
    risk = np.full((1, 200), 0.2)
    loose = compare(risk, case, np.arange(200), (ObservedExpected(),), n=300)
    # Binomial variance of the number of cases: 200 · 0.2 · 0.8, over 40
    assert loose.estimate(0, ObservedExpected()).standard_error == pytest.approx(math.sqrt(32) / 40, rel=0.12)
    kept = head_to_head(
        risk,
        case,
        units=np.arange(200),
        metrics=(ObservedExpected(),),
        strata=np.where(case, "cancer", "none"),
        seed=3,
        n_resamples=50,
    )
    assert np.ptp(kept.replicates) == pytest.approx(0.0, abs=EXACT)


def test_scores_passed_as_risks_are_refused_and_may_be_declared() -> None:
    scores, case, units = build_rows(0)
    mixed = np.stack([scores[0], 10 * scores[1] - 5])
    with pytest.raises(InputError, match=r"risk of model 1: expected absolute risks in \[0, 1\]") as caught:
        compare(mixed, case, units, (Auc(), Brier()))
    assert "from -5 to" in caught.value.found
    assert compare(mixed, case, units, (Auc(),)).estimate(1, Auc()).value > 0.5
    ours = head_to_head(
        mixed,
        case,
        units=units,
        metrics=(Auc(), Brier()),
        gives_risks=(True, False),
        seed=1,
        n_resamples=40,
    )
    assert ours.estimate(1, Auc()).value > 0.5
    assert ours.estimate(0, Brier()).value == pytest.approx(np.mean((scores[0] - case) ** 2), abs=EXACT)
    assert np.all(np.isnan(ours.values[1, 1]))
    for asked in (lambda: ours.estimate(1, Brier()), lambda: ours.difference(0, 1, Brier())):
        with pytest.raises(InputError, match="a model that gives absolute risks, found scores of model 1"):
            asked()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_scores_name_the_model(bad: float) -> None:
    scores, case, units = build_rows(0)
    scores[1, 7] = bad
    with pytest.raises(InputError, match="score of model 1: expected a finite") as caught:
        compare(scores, case, units, (Auc(),))
    assert caught.value.found == "1 of 60 rows missing or infinite"


def test_too_few_women_with_a_case_say_how_many_are_needed() -> None:
    scores, _, _ = build_rows(0)
    case = np.arange(60) < 3
    with pytest.raises(TooFewEventsError, match="women with a case") as caught:
        compare(scores, case, np.maximum(np.arange(60), 2))  # three rows of one woman
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)
    with pytest.raises(TooFewEventsError, match="cases") as caught:
        compare(scores, np.arange(60) < 1, np.arange(60))
    assert (caught.value.n_found, caught.value.n_needed) == (1, 2)


def test_requests_that_make_no_sense_are_refused() -> None:
    scores, case, units = build_rows(0)
    with pytest.raises(InputError, match="one or more different metrics"):
        compare(scores, case, units, (Auc(), Auc()))
    with pytest.raises(InputError, match="one or more different metrics"):
        compare(scores, case, units, ())
    with pytest.raises(InputError, match="2 models, 1 answers"):
        head_to_head(scores, case, units=units, metrics=(Auc(),), gives_risks=(True,), seed=1)
    with pytest.raises(InputError, match="at least one thread"):
        head_to_head(scores, case, units=units, metrics=(Auc(),), seed=1, n_resamples=5, threads=0)
    ours = compare(scores, case, units, (Auc(),))
    with pytest.raises(InputError, match="one of AUC, found Brier score"):
        ours.estimate(0, Brier())
    with pytest.raises(InputError, match="a model from 0 to 1"):
        ours.estimate(2, Auc())
    for metric in (Capture, PredictiveValue, NetBenefit):
        with pytest.raises(InputError, match=r"in \(0, 1\)"):
            metric(1.0)
    for metric in (Sensitivity, Specificity):
        with pytest.raises(InputError, match="a finite threshold"):
            metric(math.nan)


def test_a_metric_that_is_undefined_says_so() -> None:
    scores, case, units = build_rows(0)
    ours = compare(np.zeros_like(scores), case, units, (ObservedExpected(), Brier()))
    with pytest.raises(TooFewEventsError, match="observed/expected, which is undefined here"):
        ours.estimate(0, ObservedExpected())
    assert ours.estimate(0, Brier()).value == pytest.approx(case.mean(), abs=EXACT)


def test_more_cases_than_others_and_an_odd_number_of_resamples() -> None:
    scores, case, units = build_rows(6)
    ours = compare(scores, ~case, units, (Auc(),), n=11)
    assert ours.replicates.shape == (11, 2, 1)
    assert ours.values[0, 0] == pytest.approx(
        1 - compare(scores, case, units, (Auc(),)).values[0, 0], abs=EXACT
    )
