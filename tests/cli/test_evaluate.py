"""`forescreen evaluate`, as a registry runs it: files in, a page and tables out, and what was left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forescreen.cli.app import app
from tests.evaluation.comparison_builders import build_cohort, registry_tables, write_tables, yearly_risks

RUNNER = CliRunner()
PLAN = "[evaluation]\nn_resamples = 40\nfractions = [0.1]\n"


def evaluate(*arguments: str | Path) -> str:
    done = RUNNER.invoke(app, ["evaluate", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def refuse(*arguments: str | Path) -> str:
    done = RUNNER.invoke(app, ["evaluate", *map(str, arguments)])
    assert done.exit_code == 2, done.output
    *before, error = done.output.split("error: ")
    assert before in ([""], [f"reading {before[0].removeprefix('reading ')}"]), done.output
    assert "Traceback" not in done.output
    return " ".join(error.split())


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("programme")
    cohort = build_cohort(1200)
    paths = write_tables(
        folder,
        outcomes=cohort,
        vendor_a=yearly_risks(cohort, noise=0.5).iloc[5:],
        vendor_b=yearly_risks(cohort, noise=3, seed=2),
    )
    paths["plan"] = folder / "plan.toml"
    paths["plan"].write_text(PLAN)
    return paths


def test_two_vendors_are_compared_and_what_was_left_out_is_told(
    files: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = evaluate(
        *("--predictions", files["vendor_a"], "--predictions", f"Other={files['vendor_b']}"),
        *("--outcomes", files["outcomes"], "--plan", files["plan"], "--out", out),
    )
    assert "left out: 5 exams without a prediction of vendor_a" in said
    results = json.loads((out / "results.json").read_text())
    assert [m["key"] for m in results["models"]] == ["vendor_a", "Other"]
    roles = {entry["role"]: entry for entry in results["inputs"]}
    assert set(roles) == {"predictions", "outcomes", "plan"}
    assert all(len(entry["sha256"]) == 64 for entry in results["inputs"])
    page = (out / "report.html").read_text()
    assert "vendor_a" in page
    assert (out / "tables" / "main.csv").is_file()
    everything = page + (out / "results.json").read_text()
    everything += "".join(p.read_text() for p in (out / "tables").glob("*.csv"))
    assert "W00001" not in everything
    assert "E00001" not in everything


def test_registry_tables_serve_as_outcomes(tmp_path: Path) -> None:
    exams = registry_tables(tmp_path / "registry")
    scores = tmp_path / "scores.csv"
    scores.write_text("exam_id,score\n" + "".join(f"{e},{i % 17}\n" for i, e in enumerate(exams)))
    (tmp_path / "plan.toml").write_text(PLAN + "horizons_years = [1.0, 3.0]\n")
    evaluate(
        *("--predictions", scores, "--outcomes", tmp_path / "registry", "--plan", tmp_path / "plan.toml"),
        *("--out", tmp_path / "out"),
    )
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert results["flow"][0]["step"] == "Registry"
    assert results["study"]["horizons_years"] == [1.0, 3.0]
    assert results["study"]["clustered"]


def test_it_never_loads_torch_nor_pydicom(files: dict[str, Path], tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from forescreen.cli.evaluate import run; "
        f"run(predictions=({str(files['vendor_a'])!r},), outcomes=Path({str(files['outcomes'])!r}), "
        f"plan=Path({str(files['plan'])!r}), out=Path({str(tmp_path / 'out')!r})); "
        "print([m for m in ('torch', 'pydicom', 'monai', 'statsmodels') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_the_library_behind_it_loads_nothing_heavy() -> None:
    code = (
        "import sys; import forescreen.evaluation.compare; "
        "print([m for m in ('torch', 'matplotlib', 'scipy.stats', 'scipy.optimize') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("predictions", "outcomes", "message"),
    [
        ("exam_id,score\ne1,0.5\n", None, "--outcomes: expected an existing file or folder"),
        (None, "exam_id,outcome\ne1,none\n", "an existing file"),
        ("exam_id,score\ne1,0.5\n", "exam_id,outcome\ne1,maybe\n", "1 row (2"),
        ("exam_id,score\nx,0.5\n", "exam_id,outcome\ne1,cancer\ne2,none\n", "none of 1 keys of model"),
        ("exam_id,score\ne1,0.5\ne1,0.5\n", "exam_id,outcome\ne1,none\n", "one prediction for each exam"),
        ("exam_id,score\ne1,0.5\n", "exam_id,outcome\ne1,none\n", "at least 1 events for an evaluation"),
    ],
)
def test_bad_files_are_refused_in_one_paragraph(
    tmp_path: Path, predictions: str | None, outcomes: str | None, message: str
) -> None:
    for name, text in (("model.csv", predictions), ("outcomes.csv", outcomes)):
        if text is not None:
            (tmp_path / name).write_text(text)
    said = refuse(
        *("--predictions", tmp_path / "model.csv", "--outcomes", tmp_path / "outcomes.csv"),
        *("--out", tmp_path / "out"),
    )
    assert message in said
    assert not (tmp_path / "out").exists(), "nothing is written before everything was read"


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ("[evaluation]\nfraction = [0.1]\n", "Did you mean 'fractions'?"),
        ("[evaluations]\n", "Did you mean 'evaluation'?"),
        ("[evaluation]\nfractions = [1.5]\n", "fractions in (0, 1)"),
        ("[evaluation]\nhorizons_years = [-1.0]\n", "horizons above 0"),
        ("[evaluation]\nsubgroups = 3\n", "a valid subgroups"),
        ("[outcomes]\nkey = []\n", "one or more different columns"),
        ('[models.vendor_a]\ncolumns = { "five" = "x" }\n', "horizons in years"),
        ("not toml", "valid TOML"),
    ],
)
def test_bad_plans_are_refused_by_section_and_key(
    files: dict[str, Path], tmp_path: Path, plan: str, message: str
) -> None:
    (tmp_path / "plan.toml").write_text(plan)
    said = refuse(
        *("--predictions", files["vendor_a"], "--outcomes", files["outcomes"]),
        *("--plan", tmp_path / "plan.toml", "--out", tmp_path / "out"),
    )
    assert message in said
