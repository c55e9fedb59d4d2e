"""Every command explains itself, refuses bad input with one paragraph, and never shows a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forescreen.cli.app import app

RUNNER = CliRunner()
COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands if command.callback)


def test_the_stages_are_commands() -> None:
    assert COMMANDS == ["cohort", "evaluate", "ingest", "score", "simulate", "study", "train"]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    done = RUNNER.invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert "--out" in done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_without_arguments_says_what_is_missing(command: str) -> None:
    done = RUNNER.invoke(app, [command])
    assert done.exit_code == 2
    assert "Missing" in done.output or "Error" in done.output


def refuse(*arguments: str | Path) -> str:
    done = RUNNER.invoke(app, [str(a) for a in arguments])
    assert done.exit_code == 2, done.output
    assert done.output.startswith("error: expected") or ": expected" in done.output
    assert "Traceback" not in done.output
    return done.output


def test_an_empty_image_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert "empty folder" in refuse("ingest", tmp_path / "images", "--out", tmp_path / "store")


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    assert "no such path" in refuse("ingest", tmp_path / "nothing", "--out", tmp_path / "store")


def test_a_registry_without_its_tables_is_refused(tmp_path: Path) -> None:
    assert "women.csv" in refuse("cohort", tmp_path, "--out", tmp_path / "cohort")


def test_an_image_table_with_wrong_columns_names_them(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("patient,exam_id\n1,2\n")
    assert "patient_id" in refuse("ingest", tmp_path / "images.csv", "--out", tmp_path / "store")


def test_scores_without_their_column_are_refused(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text("woman_id,exam_id,outcome\nw,e,interval\n")
    (tmp_path / "scores.csv").write_text("exam_id,score\ne,0.5\n")
    said = refuse(
        "evaluate", tmp_path / "members.csv", "--scores", tmp_path / "scores.csv", "--out", tmp_path / "out"
    )
    assert "score_screen_detected" in said


def test_an_unknown_outcome_is_refused_by_row(tmp_path: Path) -> None:
    (tmp_path / "members.csv").write_text("woman_id,exam_id,outcome\nw,e,none\nx,f,maybe\n")
    said = refuse("evaluate", tmp_path / "members.csv", "--peer", "a=b.csv:c", "--out", tmp_path / "out")
    assert "row 3" in said or "--peer" in said


def test_an_unknown_identity_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert "pseudonym or study-numbers" in refuse(
        "ingest", tmp_path / "images", "--out", tmp_path / "store", "--identity", "names"
    )


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from forescreen.cli.app import app; "
        "print(sorted(m for m in ('numpy', 'pandas', 'scipy', 'torch', 'matplotlib') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
