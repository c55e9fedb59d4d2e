from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.errors import InputError, TooFewEventsError
from forescreen.statistics.proportions import proportion, wilson_interval
from forescreen.statistics.rule_out import rule_out, rule_out_counts, rule_out_lowest, workload_saved
from forescreen.statistics.triage import capture

from .builders import EXACT, read_reference

VALUES = read_reference(Path(__file__).parents[1] / "reference" / "triage.json")["values"]


def build_screens(seed: int = 0, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    case = rng.permutation(n) < 30
    score = np.round(rng.normal(size=n) + 1.2 * case, 1)
    return score, case, ~case & (rng.random(n) < 0.05 + 0.05 * (score > 0))


@pytest.mark.parametrize("row", VALUES["rule_out_wald"])
def test_published_counts_give_the_published_wald_intervals(row: dict[str, object]) -> None:
    # Eur Radiol 2021;31:1687, percentages printed to one decimal
    counts = {name: value for name, value in row.items() if name.startswith("n_")}
    ours = rule_out_counts(**counts, interval="Wald")  # type: ignore[arg-type]
    for estimate, key in (
        (ours.share, "share_percent"),
        (ours.missed, "missed_percent"),
        (ours.false_positives_avoided, "false_positives_percent"),
    ):
        if row[key] is not None:
            assert estimate is not None
            printed = [100 * estimate.value, 100 * estimate.lower, 100 * estimate.upper]
            assert printed == pytest.approx(row[key], abs=0.05)


@pytest.mark.parametrize("row", VALUES["interval_cancers_wilson"])
def test_against_r_wilson_intervals_of_published_counts(row: dict[str, object]) -> None:
    # Eur Radiol 2021;31:5940; R prop.test(correct = FALSE)
    ours = proportion(row["successes"], row["n"])  # type: ignore[arg-type]
    assert (ours.lower, ours.upper) == pytest.approx(row["r"], abs=EXACT)
    printed = [100 * ours.value, 100 * ours.lower, 100 * ours.upper]
    assert printed == pytest.approx(row["percent"], abs=row["half_unit"])


def test_no_cancer_missed_has_a_wilson_limit_and_no_wald_limit() -> None:
    counts = {"n_exams": 9581, "n_not_read": 1829, "n_cancers": 68, "n_missed": 0}
    wilson, wald = rule_out_counts(**counts), rule_out_counts(**counts, interval="Wald")
    assert (wald.missed.lower, wald.missed.upper) == (0.0, 0.0)
    # z²/(n + z²) for 0 of 68
    z2 = 1.959963984540054**2
    assert wilson.missed.upper == pytest.approx(z2 / (68 + z2), abs=EXACT)
    assert wilson.false_positives_avoided is None


def test_a_hand_computed_rule_out() -> None:
    # Scores 0 … 9; cancers at 9, 7, 1; false positives at 8, 2, 0; below 3: three exams
    score = np.arange(10.0)
    ours = rule_out(score, np.isin(score, [9, 7, 1]), below=3.0, false_positive=np.isin(score, [8, 2, 0]))
    assert ours.share.value == pytest.approx(0.3, abs=EXACT)
    assert ours.missed.value == pytest.approx(1 / 3, abs=EXACT)
    assert ours.false_omission.value == pytest.approx(1 / 3, abs=EXACT)
    assert ours.false_positives_avoided is not None
    assert ours.false_positives_avoided.value == pytest.approx(2 / 3, abs=EXACT)
    assert (ours.n_exams, ours.n_not_read, ours.n_missed, ours.n_false_positives_avoided) == (10, 3, 1, 2)
    wilson = wilson_interval(1, 3)
    assert (ours.missed.lower, ours.missed.upper) == pytest.approx((wilson.lower, wilson.upper), abs=EXACT)


def test_rows_and_their_counts_give_the_same() -> None:
    score, case, false_positive = build_screens()
    ours = rule_out(score, case, below=-0.25, false_positive=false_positive)
    below = score < -0.25
    counted = rule_out_counts(
        n_exams=400,
        n_not_read=int(below.sum()),
        n_cancers=30,
        n_missed=int((below & case).sum()),
        n_false_positives=int(false_positive.sum()),
        n_false_positives_avoided=int((below & false_positive).sum()),
    )
    for name in ("share", "missed", "false_omission", "false_positives_avoided"):
        one, other = getattr(ours, name), getattr(counted, name)
        assert (one.value, one.lower, one.upper) == pytest.approx(
            (other.value, other.lower, other.upper), abs=EXACT
        )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), fraction=st.floats(0.05, 0.95))
def test_the_lowest_share_misses_what_the_highest_does_not_capture(seed: int, fraction: float) -> None:
    score, case, _ = build_screens(seed)
    ours = rule_out_lowest(score, case, fraction=fraction)
    assert ours.share.value == pytest.approx(fraction, abs=EXACT)
    assert ours.n_not_read == pytest.approx(400 * fraction, abs=1e-9)
    assert ours.missed.value == pytest.approx(
        1 - capture(score, case, fraction=1 - fraction).value, abs=1e-10
    )
    assert ours.false_omission.value == pytest.approx(ours.n_missed / ours.n_not_read, abs=1e-10)


def test_weights_and_women_enter_value_and_width() -> None:
    score, case, false_positive = build_screens()
    weights = np.random.default_rng(1).integers(1, 4, size=400)
    rows = np.repeat(np.arange(400), weights)
    weighted = rule_out(score, case, below=0.0, false_positive=false_positive, weights=weights.astype(float))
    copied = rule_out(score[rows], case[rows], below=0.0, false_positive=false_positive[rows], cluster=rows)
    for name in ("share", "missed", "false_omission", "false_positives_avoided"):
        one, other = getattr(weighted, name), getattr(copied, name)
        assert (one.value, one.lower, one.upper) == pytest.approx(
            (other.value, other.lower, other.upper), abs=EXACT
        )
    assert weighted.n_missed == pytest.approx(copied.n_missed, abs=1e-9)


def test_reads_saved() -> None:
    # 5082 of 9581 exams, double reading: 10 164 reads; kept by one reader: 5082
    ours = rule_out_counts(n_exams=9581, n_not_read=5082, n_cancers=68, n_missed=7)
    saved = workload_saved(ours)
    assert saved.value == pytest.approx(10_164, abs=1e-8)
    assert saved.lower == pytest.approx(2 * 9581 * ours.share.lower, abs=1e-8)
    assert workload_saved(ours, reads_instead=1).value == pytest.approx(5082, abs=1e-8)
    assert workload_saved(ours, reads_per_exam=2.06).value == pytest.approx(2.06 * 5082, abs=1e-8)
    with pytest.raises(InputError, match="0 <= reads_instead < reads_per_exam"):
        workload_saved(ours, reads_instead=2)


def test_rule_outs_that_make_no_sense_are_refused() -> None:
    score, case, false_positive = build_screens()
    with pytest.raises(TooFewEventsError, match="exams below the threshold"):
        rule_out(score, case, below=-99.0)
    with pytest.raises(TooFewEventsError, match="cancers missed") as caught:
        rule_out(score, np.zeros(400, dtype=bool), below=0.0)
    assert (caught.value.n_found, caught.value.n_needed) == (0, 1)
    with pytest.raises(TooFewEventsError, match="false positives avoided"):
        rule_out(score, case, below=0.0, false_positive=np.zeros(400, dtype=bool))
    with pytest.raises(InputError, match="false positives without cancer, found 30 rows with"):
        rule_out(score, case, below=0.0, false_positive=false_positive | case)
    with pytest.raises(InputError, match="a finite threshold"):
        rule_out(score, case, below=math.nan)
    with pytest.raises(InputError, match="a finite score"):
        rule_out(np.where(case, np.nan, score), case, below=0.0)
    with pytest.raises(InputError, match=r"a fraction in \(0, 1\)"):
        rule_out_lowest(score, case, fraction=1.0)
    with pytest.raises(InputError, match="or neither, found one of them"):
        rule_out_counts(n_exams=10, n_not_read=3, n_cancers=2, n_missed=1, n_false_positives=2)
    with pytest.raises(InputError, match="found 4 of 3"):
        rule_out_counts(n_exams=10, n_not_read=3, n_cancers=5, n_missed=4)
