"""The number that stops training, against the concordance of the statistics part."""

from __future__ import annotations

import numpy as np
import pytest

from forescreen.statistics.discrimination import auc
from forescreen.statistics.matched import matched_concordance
from forescreen.training.dataset import read_rows
from forescreen.training.validation import stopping_concordance

from .builders import build_study

EXACT = 1e-12


def test_it_is_the_matched_concordance_of_both_modes_weighted_by_cases() -> None:
    study = build_study(60, 2, rows=8, columns=8)
    rows = read_rows(study.members)
    scores = np.random.default_rng(1).standard_normal((180, 2)).round(1)  # with ties
    expected = 0.0
    for mode, column in (("screen-detected", 0), ("interval", 1)):
        own = (study.members["case_type"] == mode).to_numpy()
        found = matched_concordance(scores[own, column], rows.outcome[own] > 0, sets=rows.set_index[own])
        expected += found.value * found.n / 60
    assert stopping_concordance(rows, np.arange(180), scores) == pytest.approx(expected, abs=EXACT)


def test_without_sets_it_is_the_auc_against_all_controls() -> None:
    study = build_study(40, 2, rows=8, columns=8, interval_share=0.0)
    rows = read_rows(study.members.assign(set_id=""))
    scores = np.random.default_rng(1).standard_normal((120, 2))
    expected = auc(scores[:, 0], rows.outcome > 0).value
    assert stopping_concordance(rows, np.arange(120), scores) == pytest.approx(expected, abs=EXACT)


def test_a_fold_without_cases_says_nothing() -> None:
    study = build_study(10, 2, rows=8, columns=8)
    rows = read_rows(study.members)
    controls = np.flatnonzero(rows.outcome == 0)
    assert stopping_concordance(rows, controls, np.zeros((len(controls), 2))) == 0.5
