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
    assert COMMANDS == [
        "calibrate",
        "cohort",
        "deidentify",
        "density",
        "evaluate",
        "export",
        "ingest",
        "inspect",
        "risk",
        "score",
        "simulate",
        "study",
        "train",
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str) -> None:
    done = RUNNER.invoke(app, [command, "--help"])
    assert done.exit_code == 0
    assert ("--out" in done.output) == (command != "inspect")  # which writes nothing


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


def test_an_unknown_identity_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert "pseudonym or study-numbers" in refuse(
        "ingest", tmp_path / "images", "--out", tmp_path / "store", "--identity", "names"
    )


@pytest.mark.parametrize("command", ["ingest", "score", "inspect"])
def test_an_unknown_policy_is_refused_with_those_there_are(tmp_path: Path, command: str) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.txt").write_text("no mammogram")
    (tmp_path / "model").mkdir()
    arguments: dict[str, list[str | Path]] = {
        "ingest": [tmp_path / "images", "--out", tmp_path / "store"],
        "score": [tmp_path / "model", "--dicom", tmp_path / "images", "--out", tmp_path / "out"],
        "inspect": [tmp_path / "images"],
    }
    said = refuse(command, *arguments[command], "--policy", "lenient")
    assert "screening, digitised-film" in said
    assert not (tmp_path / "store").exists()


def test_a_policy_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("patient_id\n")
    said = refuse("ingest", tmp_path / "images.csv", "--out", tmp_path / "store", "--policy", "implants")
    assert "a table of pictures" in said
    said = refuse("score", tmp_path, "--store", tmp_path, "--out", tmp_path / "out", "--policy", "implants")
    assert "--policy with --store" in said


def test_help_is_quick_because_nothing_heavy_is_loaded() -> None:
    code = (
        "import sys; from forescreen.cli.app import app; "
        "print(sorted(m for m in ('numpy', 'pandas', 'scipy', 'torch', 'matplotlib') if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("text", ["", "exam_id\n", "exam\ne\n"])
def test_a_list_of_exams_to_render_that_lists_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "exams.csv").write_text(text)
    arguments = ["simulate", "--women", "20", "--out", str(tmp_path / "out")]
    done = RUNNER.invoke(app, [*arguments, "--mammograms", str(tmp_path / "exams.csv")])
    assert done.exit_code == 2
    assert "error: exams.csv: expected" in done.output


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.txt").write_text("no mammogram")
    (tmp_path / "store").write_text("in the way")
    said = refuse("ingest", tmp_path / "images", "--out", tmp_path / "store", "--identity", "study-numbers")
    assert "that can be read or written" in said
    assert (tmp_path / "store").read_text() == "in the way"


def test_a_key_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "pseudonym.key").write_bytes(b"\xff\xfe")
    assert "pseudonym key" in refuse("ingest", tmp_path / "images", "--out", tmp_path / "store")


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    said = refuse("train", tmp_path, "--store", tmp_path, "--out", tmp_path / "model", "--recipe", "best")
    assert "demo, default, paper" in said


def test_an_image_table_that_names_a_column_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text(
        "patient_id,exam_id,laterality,view,file_path,exam_id\n1,2,L,CC,a.png,3\n"
    )
    assert "twice: exam_id" in refuse("ingest", tmp_path / "images.csv", "--out", tmp_path / "store")


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text('[study]\nname = "x"\n[simulation]\n')
    said = refuse("study", tmp_path / "study.toml", "--out", tmp_path / "out", "--device", "abacus")
    assert "--device cpu" in said
    assert not (tmp_path / "out").exists()
