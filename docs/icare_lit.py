"""Make the summaries of iCARE-Lit's reference populations from py-icare's files, and say how good they are.

    python docs/icare_lit.py FOLDER [--write]

FOLDER holds, from the repository jeyabbalas/py-icare (MIT): data/iCARE-Lit/reference_covariate_data_ge50.csv,
and of tests/r_reference icare_lit_covariate_only_lt50.json, icare_lit_covariate_only_ge50.json,
icare_lit_split_interval.json and icare_lit_query_lt50.csv, by these names. With --write the tables
icare_lit_relative_risks.csv and icare_lit_factors.csv are written; without it, the shipped ones are compared.
docs/methods/icare-lit.md explains what is done.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from forescreen.clinical.absolute import Step, absolute_risk
from forescreen.clinical.icare_files import read_reference
from forescreen.clinical.icare_lit_columns import coefficients
from forescreen.clinical.rates import built_in_rates
from forescreen.clinical.reference import RelativeRisks, baseline_hazards, gauss_rule, relative_risks

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "src" / "forescreen" / "clinical" / "tables"
RATES = built_in_rates("icare-lit")
ATOMS_FROM_50 = 8
ATOMS_UNDER_50 = 3
HEIGHT_ATOMS = 6
SOURCE = "iCARE-Lit as in py-icare 1.3.0 (MIT) [Choudhury2020]"


def risks(population: RelativeRisks, log_risk: np.ndarray, start: int, years: int) -> np.ndarray:
    n = log_risk.size
    return absolute_risk(
        np.full(n, float(start)),
        np.full(n, float(start + years)),
        baseline=baseline_hazards(RATES, population, mode="icare"),
        steps=[Step(from_age=float(RATES.edges[0]), log_relative_risk=log_risk)],
        mode="icare",
    )


def under_50(golden: dict) -> RelativeRisks:
    """Three atoms within the published range that give the 50 published risks, mean and sd in the sample.

    Risks to 40 to 50 depend on the reference sample through E(t) at ten ages only, and so on its first
    moments; mean and sd of the risk in the sample add two more equations. Five numbers are fitted to 52.
    """
    summary, log_risk = golden["reference_risk_summary"], np.array(golden["linear_predictors"])
    published = np.array(golden["risks"])

    def made(theta: np.ndarray) -> RelativeRisks:
        weight = np.exp(np.concatenate(([0.0], theta[ATOMS_UNDER_50:])))
        return RelativeRisks(log_relative_risk=theta[:ATOMS_UNDER_50], weight=weight / weight.sum())

    def residuals(theta: np.ndarray) -> np.ndarray:
        population = made(theta)
        own = risks(population, population.log_relative_risk, 40, 10)
        mean = float(population.weight @ own)
        sd = np.sqrt(population.weight @ (own - mean) ** 2 * summary["n"] / (summary["n"] - 1))
        found = risks(population, log_risk, 40, 10)
        parts = [found / published - 1, [mean / summary["mean"] - 1, sd / summary["sd"] - 1]]
        return np.concatenate(parts) * 1e11  # rounding of the published numbers

    # Lowest and highest relative risk of the sample, from its lowest and highest risk, at a mean near 15.3.
    grid = np.linspace(0.5, 6, 5501)
    spread = np.log(1 + 0.5**2)
    z = np.linspace(-5, 5, 2001)
    normal = relative_risks(np.log(15.3) - spread / 2 + np.sqrt(spread) * z, np.exp(-(z**2) / 2))
    on_grid = risks(normal, grid, 40, 10)
    low, high = (float(np.interp(summary[edge], on_grid, grid)) for edge in ("min", "max"))
    begin = gauss_rule(normal, ATOMS_UNDER_50)
    theta = np.concatenate(
        [
            np.clip(begin.log_relative_risk, low + 0.05, high - 0.02),
            np.log(begin.weight[1:] / begin.weight[0]),
        ]
    )
    n_free = ATOMS_UNDER_50 - 1
    bounds = (
        np.r_[np.full(ATOMS_UNDER_50, low), np.full(n_free, -20.0)],
        np.r_[np.full(ATOMS_UNDER_50, high), np.full(n_free, 20.0)],
    )
    fit = least_squares(
        residuals,
        theta,
        bounds=bounds,
        jac="3-point",
        x_scale="jac",
        xtol=1e-15,
        ftol=1e-15,
        gtol=1e-15,
        max_nfev=2000,
    )
    return made(fit.x)


def shares(folder: Path) -> list[tuple[str, str, str, float]]:
    """Part, block, levels, weight: counted in the sample from 50, two blocks in the 50 published profiles."""
    with (folder / "reference_covariate_data_ge50.csv").open(encoding="utf-8") as file:
        older = list(csv.DictReader(file))
    with (folder / "icare_lit_query_lt50.csv").open(encoding="utf-8") as file:
        younger = list(csv.DictReader(file))
    blocks = [
        ("both", "age_at_menarche", older),
        ("both", "parity age_first_birth", older),
        ("both", "alcohol_intake", older),
        ("both", "bbd", older),
        ("both", "famhist", older),
        ("from 50", "oc_ever", older),
        ("from 50", "age_at_menopause", older),
        ("from 50", "hrt hrt_type bmi_curc", older),
        ("under 50", "oc_ever oc_current", younger),
        ("under 50", "bmi_curc", younger),
    ]
    found = []
    for part, block, rows in blocks:
        counts = Counter(
            tuple(
                (name, row[name])
                for name in block.split()
                if not (name == "age_first_birth" and row["parity"] == "0")  # coded as the reference there
            )
            for row in rows
        )
        for pairs, count in sorted(counts.items()):
            levels = "; ".join(f"{name}: {level}" for name, level in pairs)
            found.append((part, block, levels, count / len(rows)))
    slope = next(t.coefficient for t in coefficients("from 50").terms if t.name == "height")
    heights = gauss_rule(
        relative_risks(slope * np.array([float(row["height"]) for row in older])), HEIGHT_ATOMS
    )
    for log_risk, weight in zip(heights.log_relative_risk, heights.weight, strict=True):
        found.append(("both", "height", f"height: {float(log_risk / slope)!r}", float(weight)))
    return found


def write(younger: RelativeRisks, older: RelativeRisks, rows: list[tuple[str, str, str, float]]) -> None:
    with (TABLES / "icare_lit_relative_risks.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            f"# source: {SOURCE}: from 50, Gauss rule of the reference sample\n# of 14 090 women; under 50, "
            "fitted to published results of R iCARE 1.38; made by docs/icare_lit.py\n"
        )
        file.write("part,log_relative_risk,weight\n")
        for part, population in (("under 50", younger), ("from 50", older)):
            for log_risk, weight in zip(population.log_relative_risk, population.weight, strict=True):
                file.write(f"{part},{float(log_risk)!r},{float(weight)!r}\n")
    with (TABLES / "icare_lit_factors.csv").open("w", encoding="utf-8", newline="\n") as file:
        file.write(
            f"# source: {SOURCE}: shares in the reference sample from 50; under 50,\n# oral contraceptives "
            "and body mass in 50 published profiles; height (dm) as atoms of a Gauss rule; "
            "made by docs/icare_lit.py\n"
        )
        file.write("part,block,levels,weight\n")
        for part, block, levels, weight in rows:
            file.write(f"{part},{block},{levels},{weight!r}\n")


def difference(found: np.ndarray, published: list[float]) -> float:
    return float(np.abs(found / np.array(published) - 1).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    young, old, split = (
        json.loads((options.folder / f"icare_lit_{name}.json").read_text())
        for name in ("covariate_only_lt50", "covariate_only_ge50", "split_interval")
    )
    sample = read_reference(coefficients("from 50"), options.folder / "reference_covariate_data_ge50.csv")
    older, younger = gauss_rule(sample.population, ATOMS_FROM_50), under_50(young)
    if options.write:
        write(younger, older, shares(options.folder))

    log_risk = np.array(old["linear_predictors"])
    whole = risks(sample.population, log_risk, 50, 20)
    rows = [
        ("from 50: whole sample, 50 published risks", difference(whole, old["risks"])),
        (f"from 50: {ATOMS_FROM_50} atoms", difference(risks(older, log_risk, 50, 20), old["risks"])),
    ]
    for n_atoms in (2, 3, 4, 5, 6, 8, 12):
        found = risks(gauss_rule(sample.population, n_atoms), log_risk, 50, 20)
        rows.append((f"from 50: {n_atoms} atoms against the whole sample", difference(found, whole.tolist())))
    early = risks(younger, np.array(young["linear_predictors"]), 40, 10)
    late = risks(older, log_risk, 50, 10)
    own = risks(younger, younger.log_relative_risk, 40, 10)
    n, summary = young["reference_risk_summary"]["n"], young["reference_risk_summary"]
    mean = float(younger.weight @ own)
    sd = float(np.sqrt(younger.weight @ (own - mean) ** 2 * n / (n - 1)))
    rows += [
        (f"under 50: {ATOMS_UNDER_50} atoms, 50 published risks", difference(early, young["risks"])),
        ("under 50: mean risk in the sample", abs(mean / summary["mean"] - 1)),
        ("under 50: sd of the risk in the sample", abs(sd / summary["sd"] - 1)),
        ("split at 50: 50 published risks", difference(early + (1 - early) * late, split["risks"])),
    ]
    for text, value in rows:
        print(f"{value:8.1e}  {text}")
    print("atoms under 50:", np.exp(younger.log_relative_risk), younger.weight)
    print("means:", younger.mean, older.mean)


if __name__ == "__main__":
    main()
