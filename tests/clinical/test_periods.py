"""Risk across an age at which the model changes, and of women whose relative risk is known only in part."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.clinical.absolute import Hazards, Step, absolute_risk
from forescreen.clinical.log_linear import parse_terms, scores
from forescreen.clinical.periods import (
    Known,
    Period,
    Sample,
    known_from_sample,
    split_risk,
    whole_period_risk,
)
from forescreen.clinical.reference import Rules, relative_risks

EXACT = 1e-12

EDGES = np.array([20.0, 45, 50, 60, 90])
HAZARDS = Hazards(
    edges=EDGES, event=np.array([1e-4, 5e-4, 1e-3, 2e-3]), competing=np.array([1e-3, 2e-3, 5e-3, 2e-2])
)
NO_RULES = Rules.of([])


def known(log_risk: list[float]) -> Known:
    return Known(offset=np.array(log_risk), rule=np.full(len(log_risk), -1), rules=NO_RULES)


def period(log_risk: list[float], factor: float = 1.0) -> Period:
    hazards = Hazards(edges=EDGES, event=HAZARDS.event * factor, competing=HAZARDS.competing)
    return Period(baseline=hazards, known=known(log_risk))


def test_one_model_split_is_the_same_as_whole() -> None:
    start, end = np.array([42.5, 50.0, 30.0, 49.9]), np.array([61.0, 70.0, 45.0, 50.0])
    same = period([0.3, 0.1, 0.5, 0.0])
    whole = whole_period_risk(start, end, period=same)
    split = split_risk(start, end, cut_age=50, before=same, after=same)
    np.testing.assert_allclose(split, whole, rtol=EXACT)


def test_a_change_of_the_relative_risk_is_a_step() -> None:
    start, end = np.array([42.5, 44.0]), np.array([61.0, 55.0])
    early, late = np.array([0.3, 1.0]), np.array([0.7, -1.0])
    split = split_risk(start, end, cut_age=50, before=period(early.tolist()), after=period(late.tolist()))
    steps = [Step(from_age=20, log_relative_risk=early), Step(from_age=50, log_relative_risk=late)]
    np.testing.assert_allclose(split, absolute_risk(start, end, baseline=HAZARDS, steps=steps), rtol=EXACT)


def test_mode_icare_lets_the_dead_live_on_across_the_cut() -> None:
    start, end, cut = np.array([40.0]), np.array([60.0]), np.array([50.0])
    before, after = period([0.3], 2.0), period([0.7])
    first = whole_period_risk(start, cut, period=before, mode="icare")
    second = whole_period_risk(cut, end, period=after, mode="icare")
    split = split_risk(start, end, cut_age=50, before=before, after=after, mode="icare")
    np.testing.assert_allclose(split, first + (1 - first) * second, rtol=EXACT)
    assert split > split_risk(start, end, cut_age=50, before=before, after=after)


def test_an_unknown_relative_risk_gives_the_mean_risk() -> None:
    start, end = np.array([40.0, 40.0]), np.array([60.0, 60.0])
    spread = relative_risks(np.array([-0.5, 0.2, 1.0]), np.array([1.0, 2, 1]))
    unknown = Known(offset=np.array([0.1, 0.4]), rule=np.array([0, -1]), rules=Rules.of([spread]))
    found = whole_period_risk(start, end, period=Period(baseline=HAZARDS, known=unknown))
    each = whole_period_risk(
        np.full(3, 40.0), np.full(3, 60.0), period=period((spread.log_relative_risk + 0.1).tolist())
    )
    assert found[0] == pytest.approx(spread.weight @ each, rel=EXACT)
    assert found[1] == pytest.approx(
        whole_period_risk(start[:1], end[:1], period=period([0.4]))[0], rel=EXACT
    )
    np.testing.assert_allclose(unknown.log_mean, [0.1 + np.log(spread.mean), 0.4], rtol=EXACT)


def test_a_longer_interval_never_has_a_smaller_risk() -> None:
    end = np.arange(41.0, 90.0)
    n = end.size
    risk = split_risk(np.full(n, 40.5), end, cut_age=50, before=period([0.8] * n), after=period([-0.2] * n))
    assert (np.diff(risk) > 0).all()
    assert (risk >= 0).all()
    assert (risk <= 1).all()


def test_unknown_ages_have_unknown_risks() -> None:
    risk = split_risk(
        np.array([np.nan, 40.0, 55.0]),
        np.array([60.0, np.nan, 60.0]),
        cut_age=50,
        before=period([0.0] * 3),
        after=period([0.0] * 3),
    )
    np.testing.assert_array_equal(np.isnan(risk), [True, True, False])


def build_sample() -> Sample:
    model = parse_terms({"a": 0.5, "b": 0.8, "a:c": 0.1})
    rng = np.random.default_rng(2)
    columns = {name: rng.integers(0, 4, 600).astype(float) for name in "abc"}
    return Sample(
        model=model,
        columns=columns,
        complete=scores(model, columns).observed,
        weight=rng.uniform(0.5, 1.5, 600),
    )


def test_women_are_averaged_over_those_of_the_same_partial_score() -> None:
    sample = build_sample()
    unknown = np.array([np.nan, np.nan, np.nan, 1.0])
    women = {"a": np.array([1.0, np.nan, 2.0, 1.0]), "b": unknown, "c": np.array([np.nan, np.nan, 1.0, 0.0])}
    found, linear = known_from_sample(sample, scores(sample.model, women))
    # First woman: b and c are unknown, which leaves the term a; the class of its value 0.5 is a = 1.
    like_her = sample.columns["a"] == 1
    weight = sample.weight
    assert linear[0] == pytest.approx(np.average(sample.complete[like_her], weights=weight[like_her]))
    assert found.log_mean[0] == pytest.approx(
        np.log(np.average(np.exp(sample.complete[like_her]), weights=weight[like_her]))
    )
    # Second: nothing is known, so that she is averaged over all.
    assert linear[1] == pytest.approx(np.average(sample.complete, weights=weight))
    # Third: the terms a and a:c, 1.2 in all.
    partial = 0.5 * sample.columns["a"] + 0.1 * sample.columns["a"] * sample.columns["c"]
    like_her = np.isclose(partial, 1.2)
    assert linear[2] == pytest.approx(np.average(sample.complete[like_her], weights=weight[like_her]))
    # Fourth: all is known.
    assert linear[3] == pytest.approx(0.5 + 0.8, abs=EXACT)
    assert found.rule[3] == -1
