"""The whole study as a user runs it: one command, killed half-way, run again, and a report to open."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from forescreen.evaluation.plan import EvaluationPlan

ROOT = Path(__file__).resolve().parents[2]

STUDY = """
[study]
name = "tiny"
seed = 3
[simulation]
n_women = 9000
[mammograms]
binning = 8
awkward_share = 0.1
[cohort]
max_cases = { "screen-detected" = 40, "interval" = 14 }
n_folds = 2
[training]
recipe = "demo"
epochs = 2
[evaluation]
minimum_sets = 3
n_resamples = 50
"""
PUBLISHED = """
clinical_models = ["bcrat", "icare-lit", "barlow2006"]
race_as = { Asian = "other asian", Hispanic = "hispanic us-born" }
"""


def forescreen(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from forescreen.cli import main; main()", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished tiny study that was killed with SIGKILL twice on its way."""
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(STUDY + PUBLISHED)
    command = [sys.executable, "-c", "from forescreen.cli import main; main()", "study"]
    command += [str(folder / "study.toml"), "--out", str(folder / "out"), "--workers", "1", "--device", "cpu"]
    for stage in ("mammograms", "model"):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 240
        while not (folder / "out" / stage / "stage.json").exists() and process.poll() is None:
            assert time.monotonic() < until, f"the stage {stage} was never reached"
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    yield folder
    shutil.rmtree(folder)


def test_a_killed_study_continues_to_its_report(finished: Path) -> None:
    out = finished / "out"
    assert "not a medical device" in (out / "report.html").read_text().lower()
    results = json.loads((out / "results.json").read_text())
    assert [m["key"] for m in results["models"]] == [
        "image", "clinical", "combined", "bcrat", "icare-lit", "barlow2006", "oracle",
    ]  # fmt: skip
    for label in ("BCRAT (Gail)", "iCARE-Lit", "Barlow 2006"):
        assert label in (out / "report.html").read_text()
    assert results["n_images"] > 500
    assert (out / "tables").is_dir()
    assert not list(out.rglob("*.partial"))


def test_every_exam_with_a_score_is_on_the_worklist_in_order(finished: Path) -> None:
    worklist = pd.read_csv(finished / "out" / "scores" / "worklist.csv")
    assert worklist["rank"].tolist() == list(range(1, len(worklist) + 1))
    members = pd.read_csv(finished / "out" / "members" / "members.csv")
    assert set(worklist["exam_id"]) == set(members.loc[members["split"] == "held-out", "exam_id"])


def test_awkward_files_are_refused_with_a_reason_and_nothing_is_lost(finished: Path) -> None:
    out = finished / "out"
    files = [p for p in (out / "mammograms").rglob("*") if p.is_file() and p.name != "stage.json"]
    refused = pd.read_csv(out / "store" / "refused.csv")
    stored = pd.read_parquet(out / "store" / "manifest.parquet")
    assert len(refused) > 0
    assert refused["code"].notna().all()
    assert len(files) == len(stored) + len(refused)


def test_a_finished_study_is_not_run_again_and_other_settings_are_refused(finished: Path) -> None:
    before = (finished / "out" / "evaluation" / "results.json").read_bytes()
    again = forescreen(
        "study", str(finished / "study.toml"), "--out", str(finished / "out"), "--workers", "1"
    )
    assert again.returncode == 0, again.stderr
    assert "model: finished before" in again.stdout
    assert (finished / "out" / "evaluation" / "results.json").read_bytes() == before
    other = finished / "other.toml"
    other.write_text(STUDY.replace("seed = 3", "seed = 4"))
    refused = forescreen("study", str(other), "--out", str(finished / "out"))
    assert refused.returncode == 2
    assert "other settings or inputs" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_three_lines_of_the_readme_run(finished: Path) -> None:
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.S)
    assert block is not None
    exam = next(p for p in sorted((finished / "out" / "mammograms").iterdir()) if p.is_dir())
    code = (
        block.group(1)
        .replace("folder/of/dicom", str(exam))
        .replace('"model"', repr(str(finished / "out" / "model")))
    )
    names: dict[str, object] = {}
    exec(code, names)
    from forescreen.records import Score

    assert isinstance(names["score"], Score)


def test_new_exams_are_scored_and_ranked_from_dicom(finished: Path) -> None:
    folder = finished / "new"
    exams = [p for p in sorted((finished / "out" / "mammograms").iterdir()) if p.is_dir()][:3]
    for exam in exams:
        shutil.copytree(exam, folder / exam.name)
    (folder / "broken.dcm").write_bytes(b"not a mammogram")
    done = forescreen(
        "score", str(finished / "out" / "model"), "--dicom", str(folder), "--out", str(finished / "scored")
    )
    assert done.returncode == 0, done.stderr
    worklist = pd.read_csv(finished / "scored" / "worklist.csv")
    assert len(worklist) == 3
    written = "".join(p.read_text() for p in (finished / "scored").glob("*.csv"))
    women = pd.read_csv(finished / "out" / "registry" / "women.csv")["woman_id"].head(200)
    assert not [w for w in women if w in written], "pseudonyms are the default"
    assert "broken.dcm" not in (finished / "scored" / "store" / "refused.csv").read_text()
    assert "broken.dcm" in (finished / "scored" / "private" / "store-files.csv").read_text()


def test_the_evaluation_command_gives_the_same_figures_without_torch(finished: Path) -> None:
    out = finished / "out"
    plan = finished / "plan.toml"
    factors = ", ".join(f'"{name}"' for name in EvaluationPlan().factors)
    plan.write_text(f"[evaluation]\nfactors = [{factors}]\nminimum_events = 3\nn_resamples = 20\n{PUBLISHED}")
    done = forescreen(
        "evaluate",
        "--predictions",
        f"image={out / 'scores' / 'scores.csv'}",
        "--outcomes",
        str(out / "members"),
        "--plan",
        str(plan),
        "--out",
        str(finished / "evaluated"),
    )
    assert done.returncode == 0, done.stderr
    ours = json.loads((finished / "evaluated" / "results.json").read_text())
    whole = json.loads((out / "results.json").read_text())
    pick = {(r["model"], r["case_type"]): r["concordance"] for r in whole["main"]}
    compared = 0
    for row in ours["main"]:
        if (
            row["model"] in ("image", "clinical", "bcrat", "icare-lit", "barlow2006")
            and (row["model"], row["case_type"]) in pick
        ):
            assert row["n_sets"] >= 3
            assert row["concordance"] == pick[row["model"], row["case_type"]]
            compared += 1
    assert compared >= 5
