"""Rates are counted as a registrar would; scores become risks, with a card that says what they rest on."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.transport import SLOPE_WARNING, transport_warning
from forescreen.errors import InputError
from forescreen.evaluation.comparison_plan import OutcomeColumns
from forescreen.evaluation.outcomes import Outcomes, outcomes_of
from forescreen.evaluation.population_rates import MIN_YEARS, rates_of
from forescreen.evaluation.predictions import ANY, Claim, read_predictions
from forescreen.evaluation.recalibration import (
    NO_AGES_WARNING,
    given_slopes,
    read_exam_facts,
    recalibrate,
    slopes_in_sets,
)
from tests.clinical.test_transport import build_rates
from tests.evaluation.builders import build_members

NAMES: dict[str, Any] = {
    "name": "made up",
    "population": "a town",
    "years": "2020",
    "source": "a test",
    "age_width": 5.0,
}


def outcomes_from(table: pd.DataFrame) -> Outcomes:
    cells = pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)
    return outcomes_of(cells, OutcomeColumns(), where="outcomes.csv")


def test_events_over_years_at_risk_by_age_and_time_since_the_exam() -> None:
    # 1000 exams at 48: 1.5 years each, half a year of it... in the second year; 300 at 49: two years.
    table = pd.DataFrame(
        {
            "exam_id": [f"E{i}" for i in range(1300)],
            "woman_id": [f"W{i}" for i in range(1300)],
            "outcome": ["interval"] * 2
            + ["cancer"]
            + ["none"] * 997
            + ["screen-detected"] * 6
            + ["none"] * 294,
            "time_years": [0.5, 1.5, 1.5] + [1.5] * 997 + [1.25] * 6 + [2.0] * 294,
            "age": [48.0] * 1000 + [49.0] * 300,
        }
    )
    rates = rates_of(outcomes_from(table), periods_years=(1, 2), **NAMES)
    assert rates.edges.tolist() == [45, 50, 55]
    assert rates.since_years.tolist() == [0, 1, 2]
    # First year, under 50: 999 + 0.5 of the women of 48, 300 of those of 49.
    assert rates.interval[0, 0] == pytest.approx(1 / (999.5 + 300))
    # Second year: women of 48 are under 50 until 1.5 years, those of 49 are 50 from the first birthday on.
    assert rates.interval[1, 0] == pytest.approx(1 / (999 * 0.5))
    assert rates.other[1, 0] == pytest.approx(1 / (999 * 0.5))
    assert rates.screen_detected[1, 1] == pytest.approx(6 / (6 * 0.25 + 294))
    assert rates.competing.sum() == 0


def test_weights_count_and_thin_cells_take_the_rate_of_their_age() -> None:
    table = pd.DataFrame(
        {
            "exam_id": [f"E{i}" for i in range(400)],
            "woman_id": [f"W{i}" for i in range(400)],
            "outcome": ["interval"] * 4 + ["none"] * 396,
            "time_years": [1.05] * 4 + [1.1] * 396,
            "age": 52.0,
            "weight": [1.0] * 4 + [10.0] * 396,
        }
    )
    second_year = 4 * 0.05 + 3960 * 0.1
    assert second_year > MIN_YEARS
    rates = rates_of(outcomes_from(table), periods_years=(1, 2), **NAMES)
    assert rates.interval[:, 0] == pytest.approx([0, 4 / second_year])
    # Weights of nearly 1: the second year has 40 years at risk, and the rate of both years is taken.
    thin = rates_of(outcomes_from(table.assign(weight=[2.0] + [1.0] * 399)), periods_years=(1, 2), **NAMES)
    assert thin.interval[0, 0] == 0
    assert thin.interval[1, 0] == pytest.approx(5 / (5 * 1.05 + 396 * 1.1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"outcome": "none"}, "cancers with a mode of detection"),
        ({"set_id": "S1", "outcome": "interval"}, "matched sets"),
        ({"time_years": None}, "no times"),
    ],
)
def test_outcomes_that_have_no_rates_are_refused(change: dict[str, object], says: str) -> None:
    table = pd.DataFrame(
        {"exam_id": ["A", "B"], "woman_id": ["1", "2"], "outcome": ["interval", "none"],
         "time_years": [1.0, 2.0], "age": [50.0, 51.0]}
    )  # fmt: skip
    for name, value in change.items():
        if value is None:
            table = table.drop(columns=name)
        else:
            table[name] = value
    with pytest.raises(InputError) as caught:
        rates_of(outcomes_from(table), periods_years=(1,), **NAMES)
    assert says in str(caught.value)


def test_the_slope_of_a_score_that_is_too_steep_is_found_in_its_sets() -> None:
    members, scores, truth = build_members(n_screen=900, n_interval=500)
    plain = scores.assign(score_screen_detected=truth["trait"], score_interval=truth["trait"])
    steep = plain.assign(score_screen_detected=truth["trait"] * 2, score_interval=truth["trait"] * 4)
    one, two = slopes_in_sets(plain, members), slopes_in_sets(steep, members)
    assert one[0].lower < 1.0 < one[0].upper  # the planted log odds ratio per unit
    assert two[0].value == pytest.approx(one[0].value / 2, rel=1e-6)
    assert two[1].value == pytest.approx(one[1].value / 4, rel=1e-6)
    assert one[0].n_sets == 600  # two thirds are development sets


def test_unmatched_members_have_no_slope() -> None:
    members, scores, _ = build_members(matched=False)
    with pytest.raises(InputError, match="matched sets of screen-detected cancers"):
        slopes_in_sets(scores, members)


def build_scored(n: int = 4_000, seed: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "exam_id": [f"E{i}" for i in range(n)],
            "score_screen_detected": rng.normal(size=n),
            "score_interval": rng.normal(size=n),
            "age": rng.uniform(42, 62, n),
        }
    )


def test_risks_and_card_say_everything_and_evaluate_reads_them(tmp_path: Path) -> None:
    scored = build_scored()
    scored.loc[0, "score_interval"] = np.nan
    scored.loc[1, "age"] = np.nan
    scored.loc[2, "age"] = 30.0
    made = recalibrate(
        scored,
        build_scored(seed=5),
        build_rates(),
        slopes=given_slopes(1, 1),
        horizons_years=(1, 2),
        trained_in="a city",
    )
    assert made.table["reason"].tolist()[:4] == ["score_missing", "age_unknown", "age_outside", ""]
    assert {row["code"]: row["n"] for row in made.card["refused"]} == {
        "score_missing": 1, "age_unknown": 1, "age_outside": 1,
    }  # fmt: skip
    assert made.card["warnings"][:2] == [transport_warning("a city", build_rates()), SLOPE_WARNING]
    assert made.card["reference"]["n_exams"] == 4_000
    assert all(abs(row["ratio"] - 1) < 1e-3 for row in made.card["check"])
    assert {(row["mode"], row["horizon_years"]) for row in made.card["check"]} == {
        (mode, years) for mode in ("screen_detected", "interval", "any_cancer") for years in (1.0, 2.0)
    }
    made.table.to_csv(tmp_path / "risks.csv", index=False)
    (read,) = read_predictions(tmp_path / "risks.csv", name="ours", key=("exam_id",), models={})
    assert set(read.values) == {
        Claim(case_type=kind, horizon_years=years, kind="risk")
        for kind in (ANY, "screen-detected", "interval")
        for years in (1.0, 2.0)
    }
    assert read.claim("interval", 2.0) == (Claim(case_type="interval", horizon_years=2.0, kind="risk"), True)


def test_a_reference_without_ages_is_warned_of_and_one_of_cases_and_controls_refused() -> None:
    reference = build_scored(seed=5).assign(age=np.nan)
    slopes = given_slopes(0.8, 0.9)
    made = recalibrate(build_scored(), reference, build_rates(), slopes=slopes, horizons_years=(1,))
    assert NO_AGES_WARNING in made.card["warnings"]
    assert SLOPE_WARNING not in made.card["warnings"]
    cases = build_scored(seed=5).assign(outcome=["interval", "none"] * 2_000)
    with pytest.raises(InputError, match="cancers after 50% of its exams, and no weights"):
        recalibrate(build_scored(), cases, build_rates(), slopes=slopes, horizons_years=(1,))
    recalibrate(build_scored(), cases.assign(weight=2.0), build_rates(), slopes=slopes, horizons_years=(1,))


def test_an_exam_in_two_sets_has_the_sum_of_its_weights(tmp_path: Path) -> None:
    path = tmp_path / "members.csv"
    path.write_text("exam_id,age,weight,outcome\n7,50,2.5,none\n7,50,1.5,none\n8,51,1,interval\n")
    facts = read_exam_facts(path).set_index("exam_id")
    assert facts["weight"].to_dict() == {"7": 4.0, "8": 1.0}
    path.write_text("exam_id,age,weight\n7,fifty,2\n")
    with pytest.raises(InputError, match=r"members.csv, row 2"):
        read_exam_facts(path)
