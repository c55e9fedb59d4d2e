"""`forescreen calibrate` on a simulated registry: risks that its outcomes confirm, and a card that warns."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from forescreen.cli.app import app
from forescreen.evaluation.comparison_plan import ComparisonPlan
from forescreen.evaluation.registry_outcomes import registry_outcomes
from forescreen.simulation.oracle import export_oracle
from forescreen.simulation.registry import SimulationConfig, simulate_registry
from forescreen.statistics.survival_calibration import survival_observed_expected

RUNNER = CliRunner()
CODES = {"none": 0, "screen-detected": 1, "interval": 2, "cancer": 3, "death": 4}
RATES = "# source: a test\n# population: a town\n# years: 2020\n"
RATES += "age_from,age_to,incidence_screen_detected,incidence_interval,mortality\n40,85,0.002,0.001,0.005\n"


def calibrate(*arguments: str | Path) -> str:
    done = RUNNER.invoke(app, ["calibrate", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def refuse(*arguments: str | Path) -> str:
    done = RUNNER.invoke(app, ["calibrate", *map(str, arguments)])
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    return " ".join(done.output.split())


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry, and the scores that a reader of trait and density would give all exams."""
    folder = tmp_path_factory.mktemp("programme") / "registry"
    simulate_registry(SimulationConfig(n_women=12_000, seed=21), folder)
    export_oracle(folder, folder / "oracle.csv")
    oracle = pd.read_csv(folder / "oracle.csv", dtype={"exam_id": str})
    scores = pd.DataFrame(
        {
            "exam_id": oracle["exam_id"],
            "score_screen_detected": 0.8 * oracle["trait"] + 0.2 * oracle["density_z"],
            "score_interval": 0.8 * oracle["trait"] + 0.6 * oracle["density_z"],
        }
    )
    scores.to_csv(folder.parent / "scores.csv", index=False)
    return folder


def test_the_average_risk_of_a_registry_is_what_happened_in_it(registry: Path, tmp_path: Path) -> None:
    out = tmp_path / "risks.csv"
    said = calibrate(registry.parent / "scores.csv", "--rates", registry, "--horizon", "1,2", "--out", out)
    assert "warning: The score was trained in a population that is not stated" in said
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["warning"] in " ".join(said.split())
    risks = pd.read_csv(out, dtype={"exam_id": str}).set_index("exam_id")
    table = registry_outcomes(registry, ComparisonPlan()).table
    own = risks.loc[table["key"]]
    code = table["outcome"].map(CODES).to_numpy()
    known = own["2_year_risk"].notna().to_numpy()
    for number, mode in ((1, "screen_detected"), (2, "interval")):
        swapped = np.where(code == number, 1, np.where(code == 1, number, code))
        found = survival_observed_expected(
            own[f"2_year_risk_{mode}"].to_numpy()[known],
            table["time_years"].to_numpy()[known],
            swapped[known],
            horizon=2,
            cluster=table["woman_id"].to_numpy()[known],
        )
        assert found.n_events > 20
        assert found.value == pytest.approx(1, abs=0.03)  # counted in these exams: no sampling error
    assert (risks["2_year_risk"] >= risks["1_year_risk"]).loc[own.index[known]].all()
    # The rates lie beside the risks and give the same ones again.
    again = tmp_path / "again.csv"
    calibrate(
        *(registry.parent / "scores.csv", "--rates", tmp_path / "risks.rates.csv", "--exams", registry),
        *("--horizon", "1,2", "--out", again),
    )
    # All exams are the reference sample now, positive screens among them: nearly the same.
    other = pd.read_csv(again, dtype={"exam_id": str}).set_index("exam_id")
    both = risks["2_year_risk"].notna() & other["2_year_risk"].notna()
    assert np.abs(np.log(risks["2_year_risk"] / other["2_year_risk"])[both]).max() < 0.05


def test_sets_give_the_slope_and_members_the_ages(registry: Path, tmp_path: Path) -> None:
    done = RUNNER.invoke(
        app, ["cohort", str(registry), "--out", str(tmp_path / "cohort"), "--identity", "study-numbers"]
    )
    assert done.exit_code == 0, done.output
    rates = tmp_path / "rates.csv"
    rates.write_text(RATES)
    members = tmp_path / "cohort" / "members.csv"
    out = tmp_path / "risks.csv"
    calibrate(
        *(registry.parent / "scores.csv", "--rates", rates, "--exams", members, "--sets", members),
        *("--trained-in", "the same registry", "--out", out),
    )
    card = json.loads(out.with_suffix(".json").read_text())
    assert [slope["source"] for slope in card["slopes"]] == [
        "conditional logistic regression in matched sets"
    ] * 2
    assert card["slopes"][0]["lower"] > 0.2
    assert not any("slope of the score is taken as 1" in warning for warning in card["warnings"])
    assert card["reference"]["weighted"]
    assert {row["role"] for row in card["inputs"]} == {"scores", "rates", "exams", "sets"}
    risks = pd.read_csv(out, dtype={"exam_id": str})
    assert list(risks.columns[:3]) == ["exam_id", "age", "1_year_risk"]
    assert (risks["reason"] == "age_unknown").sum() == len(risks) - risks["age"].notna().sum()


def test_what_cannot_be_calibrated_is_refused_in_one_paragraph(registry: Path, tmp_path: Path) -> None:
    rates = tmp_path / "rates.csv"
    rates.write_text(RATES)
    scores, out = registry.parent / "scores.csv", tmp_path / "risks.csv"
    base = (scores, "--rates", rates, "--out", out)
    assert "such as 1,2,5" in refuse(*base, "--horizon", "soon")
    assert "found both" in refuse(*base, "--slope", "1", "--sets", scores)
    assert "one number, or two" in refuse(*base, "--slope", "1,2,3")
    assert "no such file" in refuse(scores, "--rates", tmp_path / "none.csv", "--out", out)
    assert "a file risks.csv" in refuse(scores, "--rates", rates, "--out", tmp_path)
    rates.write_text(RATES.replace("# source: a test\n", ""))
    assert "no source" in refuse(*base, "--exams", registry)
    assert not out.exists()
