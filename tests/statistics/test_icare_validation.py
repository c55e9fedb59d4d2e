from __future__ import annotations

import numpy as np
import pytest

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.calibration import expected_observed, hosmer_lemeshow
from forescreen.statistics.discrimination import auc
from forescreen.statistics.icare_validation import icare_validation

from .builders import EXACT, SAME_ALGORITHM


def build_study() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Risk, case, score, sampling fraction of 600 women, by formula."""
    i = np.arange(600)
    score = np.sin(i * 1.7) * 1.2 + np.cos(i * 0.37) * 0.6
    risk = 1 / (1 + np.exp(1.4 - 0.8 * score))
    case = np.modf(i * 0.6180339887498949)[0] < 1 / (1 + np.exp(1.2 - 0.6 * score))
    fraction = np.where(case, 1.0, 0.25 + 0.5 * np.modf(i * 0.7548776662466927)[0])
    return risk, case, score, fraction


#: By the functions of py-icare 1.0.0 (MIT) on these women: as a cohort, and as a nested case-control study.
PY_ICARE = {
    "cohort": {
        "auc": (0.6759703703703703, 0.0006041679812223747, 0.627793906026628, 0.7241468347141127),
        "ratio": (0.8943896604851586, 0.7786398480272047, 1.027346425705673),
        "absolute": (11.381638311326412, 0.3285677661709032),
        "relative": (17.772273482916805, 0.037909398230150715),
    },
    "nested": {
        "auc": (0.6757730831124817, 0.0006227218625943232, 0.6268624676252242, 0.7246836985997392),
        "ratio": (1.646798195553731, 1.3993664461592017, 1.9379800797156561),
        "absolute": (53.00470286877345, 7.430995374591021e-08),
        "relative": (4.265666638073488, 0.8930731715033974),
    },
}


@pytest.mark.parametrize("design", ["cohort", "nested"])
def test_against_py_icare(design: str) -> None:
    risk, case, score, fraction = build_study()
    found = icare_validation(
        risk, case, score=score, sampling_fraction=fraction if design == "nested" else None
    )
    expected = PY_ICARE[design]
    area, ratio = found.auc, found.expected_observed
    assert area.standard_error is not None
    assert (area.value, area.standard_error**2, area.lower, area.upper) == pytest.approx(
        expected["auc"], rel=SAME_ALGORITHM
    )
    assert (ratio.value, ratio.lower, ratio.upper) == pytest.approx(expected["ratio"], rel=SAME_ALGORITHM)
    for test, name, degrees in ((found.absolute_risk, "absolute", 10), (found.relative_risk, "relative", 9)):
        assert (test.statistic, test.p_value) == pytest.approx(expected[name], rel=1e-7)
        assert test.degrees_of_freedom == degrees


def test_values_are_those_of_the_other_functions_and_only_variances_differ() -> None:
    risk, case, score, fraction = build_study()
    cohort = icare_validation(risk, case, score=score)
    assert cohort.auc.value == pytest.approx(auc(score, case).value, abs=EXACT)
    assert cohort.expected_observed.value == pytest.approx(expected_observed(risk, case).value, abs=EXACT)
    nested = icare_validation(risk, case, score=score, sampling_fraction=fraction)
    assert nested.auc.value == pytest.approx(auc(score, case, weights=1 / fraction).value, abs=EXACT)
    weighted = expected_observed(risk, case, weights=1 / fraction)
    assert nested.expected_observed.value == pytest.approx(weighted.value, abs=EXACT)
    # Hosmer and Lemeshow take the variance from the expected share, iCARE from the observed one.
    classical = hosmer_lemeshow(risk, case)
    assert classical.degrees_of_freedom == cohort.absolute_risk.degrees_of_freedom
    assert classical.statistic == pytest.approx(cohort.absolute_risk.statistic, rel=0.5)
    assert classical.statistic != cohort.absolute_risk.statistic


def test_relative_risks_do_not_see_a_common_factor_and_absolute_risks_do() -> None:
    risk, case, score, _ = build_study()
    once, half = (icare_validation(factor * risk, case, score=score) for factor in (1.0, 0.5))
    assert half.relative_risk.statistic == pytest.approx(once.relative_risk.statistic, rel=1e-9)
    assert half.absolute_risk.statistic > 2 * once.absolute_risk.statistic
    assert half.expected_observed.value == pytest.approx(once.expected_observed.value / 2, rel=EXACT)


def test_a_sample_of_everybody_is_the_cohort() -> None:
    risk, case, score, _ = build_study()
    cohort = icare_validation(risk, case, score=score)
    everybody = icare_validation(risk, case, score=score, sampling_fraction=np.ones(case.size))
    assert everybody.auc.standard_error == pytest.approx(cohort.auc.standard_error, rel=EXACT)
    assert everybody.expected_observed.lower == pytest.approx(cohort.expected_observed.lower, rel=EXACT)


def test_a_tie_counts_one_half() -> None:
    risk, case, score, _ = build_study()
    coarse = np.round(score, 1)
    pairs = coarse[case][:, None] - coarse[~case][None, :]
    by_hand = np.mean((pairs > 0) + 0.5 * (pairs == 0))
    assert (pairs == 0).any()
    assert icare_validation(risk, case, score=coarse).auc.value == pytest.approx(by_hand, abs=EXACT)


def test_what_it_cannot_answer_is_refused() -> None:
    risk, case, score, fraction = build_study()
    with pytest.raises(InputError, match="sampling fraction above 0 and up to 1"):
        icare_validation(risk, case, sampling_fraction=fraction * 2)
    with pytest.raises(InputError, match="absolute probabilities"):
        icare_validation(score, case)
    with pytest.raises(InputError, match="at least 2 groups"):
        icare_validation(risk, case, sampling_fraction=fraction, n_groups=1)
    with pytest.raises(TooFewEventsError, match="the group with fewest"):
        icare_validation(risk, case & (risk > np.median(risk)))
    with pytest.raises(TooFewEventsError):
        icare_validation(risk, np.zeros_like(case))
    with pytest.raises(InputError, match="two groups or more, each with cases, controls"):
        icare_validation(risk, case | (risk > np.quantile(risk, 0.9)))
