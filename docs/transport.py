"""Write the record in docs/methods/transport.md: `python docs/transport.py out/transport` (a few minutes).

A score is made in one simulated registry (conditional logistic regression in matched sets, on the oracle's
trait and density) and carried into another one, of other women: `forescreen calibrate` with the second
registry's own rates, `forescreen evaluate` against its outcomes. Every number is read from what these write.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forescreen.evaluation.tables_in import read_members
from forescreen.files import read_json, write_csv, write_text
from forescreen.simulation.oracle import export_oracle
from forescreen.statistics.association import conditional_logistic

PAGE = Path(__file__).resolve().parent / "methods" / "transport.md"
BEGIN, END = "<!-- record: begin -->", "<!-- record: end -->"
N_WOMEN = 100_000
HORIZONS = (1, 2, 5)
#: A network's scores may be steeper than log odds: this much, for the matched sets to find out.
STEEPNESS = 1.7
FACTORS = ["trait", "density_z"]
KINDS = {"score_screen_detected": "screen-detected", "score_interval": "interval"}
PLAN = """[evaluation]
name = "Transported risks"
horizons_years = [1, 2, 5]
main_horizon_years = 2
subgroups = ["age"]
age_bands = [45, 50, 55, 60, 65, 70]
n_resamples = 20
"""


def forescreen(*arguments: object) -> str:
    """Run a command; what it said."""
    code = "from forescreen.cli.app import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def registry(folder: Path, seed: int) -> pd.DataFrame:
    """A simulated registry and what its oracle knows, by exam."""
    if not (folder / "oracle.csv").exists():
        forescreen("simulate", "--out", folder.parent, "--women", N_WOMEN, "--seed", seed)
        export_oracle(folder, folder / "oracle.csv")
    return pd.read_csv(folder / "oracle.csv", dtype={"exam_id": str})


def log_odds_ratios(oracle: pd.DataFrame, members: pd.DataFrame) -> dict[str, np.ndarray]:
    """Of case against control in the development sets, by mode of detection."""
    joined = members[members["split"] == "development"].merge(oracle, on="exam_id")
    found = {}
    for column, kind in KINDS.items():
        own = joined[joined["case_type"] == kind]
        case = (own["outcome"] == kind).to_numpy()
        sets = own["set_id"].to_numpy()
        X = own[FACTORS].to_numpy(dtype=float)
        found[column] = conditional_logistic(X, case, sets=sets, names=tuple(FACTORS)).coefficients
    return found


def scores(oracle: pd.DataFrame, coefficients: dict[str, np.ndarray], path: Path) -> None:
    """scores.csv of all exams, too steep on purpose."""
    table = oracle[["exam_id"]].copy()
    for column, values in coefficients.items():
        table[column] = STEEPNESS * (oracle[FACTORS].to_numpy(dtype=float) @ values)
    write_csv(path, table)


def run(folder: Path) -> list[str]:
    """The record, line by line."""
    home, away = folder / "home" / "registry", folder / "away" / "registry"
    here, there = registry(home, 11), registry(away, 12)
    if not (folder / "cohort" / "members.csv").exists():
        forescreen("cohort", home, "--out", folder / "cohort", "--identity", "study-numbers")
    members = folder / "cohort" / "members.csv"
    coefficients = log_odds_ratios(here, read_members(members))
    scores(here, coefficients, folder / "home_scores.csv")
    scores(there, coefficients, folder / "away_scores.csv")
    # The slope comes from sets on which the score was not made.
    held_out = folder / "held_out.csv"
    table = pd.read_csv(members, dtype=str, keep_default_na=False)
    write_csv(held_out, table[table["split"] == "held-out"])
    sloped = folder / "home_risks.csv"
    horizon = ",".join(map(str, HORIZONS))
    words = ("--trained-in", "the simulated registry home")
    forescreen(
        "calibrate", folder / "home_scores.csv", "--rates", home, "--sets", held_out, "--horizon", horizon,
        *words, "--out", sloped,
    )  # fmt: skip
    slopes = read_json(sloped.with_suffix(".json"))["slopes"]
    slope = ",".join(f"{s['value']:.6g}" for s in slopes)
    write_text(folder / "plan.toml", PLAN)
    lines = [
        f"Two simulated registries of {N_WOMEN:,} women each. The score was made in the first, in its "
        f"matched development sets, and multiplied by {STEEPNESS:g}; held-out sets find the slopes "
        + ", ".join(f"{s['value']:.3f} ({s['lower']:.3f}, {s['upper']:.3f}) {s['mode'].replace('_', '-')}"
                    for s in slopes)
        + f" (1/{STEEPNESS:g} = {1 / STEEPNESS:.3f}). Rates, reference sample and outcomes are the second's.",
    ]  # fmt: skip
    for name, given in (("sets", slope), ("one", "1")):
        risks = folder / f"risks_{name}.csv"
        forescreen(
            "calibrate", folder / "away_scores.csv", "--rates", away, "--slope", given, "--horizon", horizon,
            *words, "--out", risks,
        )  # fmt: skip
        out = folder / f"evaluation_{name}"
        forescreen(
            "evaluate", "--predictions", f"{name}={risks}", "--outcomes", away, "--plan",
            folder / "plan.toml", "--out", out,
        )  # fmt: skip
        lines += tables(
            read_json(out / "results.json"),
            "the slopes of the sets" if name == "sets" else "a slope of 1",
            whole=name == "sets",
        )
    return lines


def tables(results: dict[str, Any], title: str, *, whole: bool) -> list[str]:
    """Observed over expected, by tenth of risk and by age, of one evaluation."""
    lines = ["", f"**With {title}**, by two years:", ""]
    lines += ["| cancers | number | observed/expected | calibration slope |", "|---|---|---|---|"]
    for row in results["calibration"]:
        lines.append(
            f"| {row['case_type']} | {row['observed_expected']['n_events']:,} | "
            f"{estimate(row['observed_expected'])} | {estimate(row['slope'])} |"
        )
    if not whole:
        return lines
    lines += ["", "| tenth of risk | " + " | ".join(r["case_type"] for r in results["calibration"]) + " |"]
    lines += ["|---|" + "---|" * len(results["calibration"])]
    groups = [row["groups"] for row in results["calibration"]]
    for number, row in enumerate(zip(*groups, strict=False), start=1):
        cells = [f"{100 * g['expected']:.3f} → {estimate(g['observed'], 100, 3)}" for g in row]
        lines.append(f"| {number} | " + " | ".join(cells) + " |")
    lines += ["", "Mean predicted → observed risk by two years, %, with 95 % limits.", ""]
    kinds = [row["case_type"] for row in results["calibration"]]
    lines += ["| age | " + " | ".join(f"{kind}, observed/expected" for kind in kinds) + " |"]
    lines += ["|---|" + "---|" * len(kinds)]
    by_age: dict[str, dict[str, str]] = {}
    for row in results["calibration_subgroups"]:
        text = "fewer than 10" if row["suppressed"] else estimate(row["observed_expected"])
        by_age.setdefault(row["level"], {})[row["case_type"]] = text
    lines += [
        f"| {age} | " + " | ".join(own.get(k, "–") for k in kinds) + " |" for age, own in by_age.items()
    ]
    return lines


def estimate(figure: dict[str, Any] | None, factor: float = 1, digits: int = 2) -> str:
    """A figure with its interval."""
    if figure is None or figure.get("value") is None:
        return "–"
    value, lower, upper = (factor * figure[k] for k in ("value", "lower", "upper"))
    return f"{value:.{digits}f} ({lower:.{digits}f}, {upper:.{digits}f})"


def main(folder: Path) -> None:
    """Write the record between its marks on the page."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    write_text(PAGE, f"{before}{BEGIN}\n" + "\n".join(run(folder)) + f"\n{END}{after}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
