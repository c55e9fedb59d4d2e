"""Write docs/accuracy.md: `make accuracy`.

Alone: `python docs/accuracy.py`, after `python -m benchmarks.coverage`. Every number on the page is computed
here or read from a file that a command of this repository wrote: our estimates and R's on the made-up tables,
the differences, the coverages, the origin of further reference values.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.reference.clinical_comparisons import clinical_comparisons  # noqa: E402
from tests.reference.comparisons import comparisons, reference  # noqa: E402

COVERAGE = ROOT / "out" / "coverage" / "results.json"


def number(x: float) -> str:
    """Ten significant digits, as many as a reader wants to compare."""
    return f"{x:.10g}"


def against_r() -> list[str]:
    """One row per quantity: first number of each program and the largest difference of all of them."""
    rows = [
        "| module | quantity | R | forescreen | R's number | numbers | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in comparisons():
        rows.append(
            f"| `{one.estimator}` | {one.quantity} | {one.program} | {number(one.ours[0])} "
            f"| {number(one.theirs[0])} | {len(one.ours)} | {one.difference:.0e} |"
        )
    return rows


def clinical() -> list[str]:
    """One row per quantity of a clinical model: first number of each side, largest relative difference."""
    rows = [
        "| model | quantity | origin | forescreen | expected | numbers | largest relative difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in clinical_comparisons():
        rows.append(
            f"| `{one.model}` | {one.quantity} | {one.origin} | {number(list(one.ours)[0])} "
            f"| {number(list(one.expected)[0])} | {len(one.ours)} | {one.difference:.0e} |"
        )
    return rows


CLINICAL = [
    "## Clinical risk models",
    "",
    "Published models beside the numbers that they must give (`tests/clinical/test_clinical_comparisons.py` "
    "asserts 1e-9). What the models assume, and where they were validated: [methods](methods/bcrat.md).",
    "",
]


def coverage() -> list[str]:
    """Coverage of intervals that no reference program gives."""
    found = json.loads(COVERAGE.read_text())
    rows = [
        "| interval | design | truth | mean estimate | coverage, % | replications |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        rows.append(
            f"| {one['name']} | {one['design']} | {one['truth']:.4f} | {one['mean']:.4f} "
            f"| {one['coverage_percent']:.1f} | {one['replications']} |"
        )
    return rows


def tests_reading(name: str) -> list[str]:
    """Tests named test_against_… in the test files that name a reference file."""
    found = []
    folders = [ROOT / "tests" / "statistics", ROOT / "tests" / "clinical"]
    for path in sorted(path for folder in folders for path in folder.glob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if f"{name}.json" in text or f'"{name}"' in text:
            found += [
                node.name
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef) and node.name.startswith("test_against_")
            ]
    return found


def further() -> list[str]:
    """Reference numbers whose input tables are not part of the project."""
    rows = ["| file | origin | versions | tests that read it |", "|---|---|---|---|"]
    for path in sorted((ROOT / "tests" / "reference").glob("*.json")):
        if path.stem == "r_owned":
            continue
        data = json.loads(path.read_text())
        if "versions" not in data:  # hashes of pictures, not numbers
            continue
        rows.append(
            f"| `tests/reference/{path.name}` | {_cell(data['origin'])} | {_cell(data['versions'])} "
            f"| {len(tests_reading(path.stem))} |"
        )
    return rows


def _cell(text: object) -> str:
    return str(text).replace("|", "/").replace("\n", " ")


def page() -> str:
    found = reference()
    lines = [
        "# Accuracy",
        "",
        "Written by `make accuracy` (`docs/accuracy.py`); no number is typed by hand. The tests in "
        "`tests/statistics` "
        "assert what this page shows.",
        "",
        "## Against R, on tables that everybody has",
        "",
        f"Tables: `tests/reference/inputs` (made up, full of ties). R's numbers: `make reference`, with "
        f"{found['versions']}. Differences are absolute, relative where numbers exceed 1; 1e-8 is the "
        "limit in the "
        "tests.",
        "",
        *against_r(),
        "",
        "## Against R and published tables, on data that are not part of the project",
        "",
        "Published studies, packages' example data and simulations. Where the tables are absent these "
        "tests skip; the "
        "expected numbers, with origin and licence, are in the repository.",
        "",
        *further(),
        "",
        *CLINICAL,
        *clinical(),
        "",
        "## Coverage of intervals without a reference program",
        "",
        "Share of simulated data sets whose 95 % interval holds the truth (`make accuracy`, or `python -m "
        "benchmarks.coverage`); 95 ± 1.5 is asked for. The standard error of a coverage is 0.34 with 4 000 "
        "replications.",
        "",
        *coverage(),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    (ROOT / "docs" / "accuracy.md").write_text(page(), encoding="utf-8")
