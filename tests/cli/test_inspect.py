"""`forescreen inspect` as a person and a script meet it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from forescreen.cli.app import app
from tests.ingestion.test_inspection import save_exam, save_image

RUNNER = CliRunner()


def run(*arguments: str | Path, columns: int = 80) -> Any:
    return RUNNER.invoke(
        app, ["inspect", *map(str, arguments)], env={"COLUMNS": str(columns), "TERM": "dumb"}
    )


@pytest.mark.parametrize("columns", [80, 160])
def test_the_tables_fit_the_terminal_and_say_what_would_happen(tmp_path: Path, columns: int) -> None:
    save_exam(tmp_path)
    save_image(tmp_path / "flat.dcm", number=9, changes={"QualityControlImage": "YES"})
    done = run(tmp_path, "--workers", "1", columns=columns)
    assert done.exit_code == 1
    assert max(len(line.rstrip()) for line in done.output.splitlines()) <= columns
    words = " ".join(done.output.split())
    for expected in ("L CC", "quality_control", "accepted, exam 1", "5 files: 4 accepted, 1 refused; 1 exam"):
        assert expected in words
    for secret in ("W0001", "A0001", "Doe"):
        assert secret not in done.output


def test_everything_usable_leaves_with_0(tmp_path: Path) -> None:
    save_exam(tmp_path)
    assert run(tmp_path, "--workers", "1").exit_code == 0


def test_missing_views_are_named(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.dcm")
    assert "L MLO, R CC, R MLO" in " ".join(run(path, "--workers", "1").output.split())


def test_json_is_one_document(tmp_path: Path) -> None:
    save_image(tmp_path / "a.dcm", changes={"PatientAge": None})
    done = run(tmp_path, "--json", "--workers", "1")
    document = json.loads(done.stdout)
    assert (document["exit_code"], done.exit_code) == (0, 0)
    (file,) = document["files"]
    assert (file["verdict"], [note["code"] for note in file["flags"]]) == ("flag", ["age_missing"])


def test_headers_only_says_so(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.dcm", chest_wall="right")
    done = run(path, "--headers-only")
    assert done.exit_code == 0
    assert "pixels were not read" in " ".join(done.output.split())


def test_a_policy_changes_what_would_happen(tmp_path: Path) -> None:
    path = save_image(tmp_path / "a.dcm", changes={"BreastImplantPresent": "YES"})
    assert run(path, "--headers-only").exit_code == 1
    assert run(path, "--headers-only", "--policy", "implants").exit_code == 0
    own = tmp_path / "own.toml"
    own.write_text('[actions]\nimplant_present = "accept"\n')
    assert "policy own" in " ".join(run(path, "--headers-only", "--policy", own).output.split())


def test_what_cannot_be_inspected_leaves_with_2(tmp_path: Path) -> None:
    missing = run(tmp_path / "nowhere")
    assert (missing.exit_code, "no such path" in missing.output) == (2, True)
    (tmp_path / "notes.txt").write_text("no image " * 50)
    assert run(tmp_path).exit_code == 2
    unknown = run(tmp_path, "--policy", "lenient")
    assert (unknown.exit_code, "screening, digitised-film" in unknown.output) == (2, True)


def test_many_files_are_not_listed_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forescreen.cli.inspect.MANY", 3)
    save_exam(tmp_path)
    save_image(tmp_path / "flat.dcm", number=9, changes={"QualityControlImage": "YES"})
    output = " ".join(run(tmp_path, "--headers-only").output.split())
    assert "1 refused files of 5 are listed" in output
    assert "LCC.dcm" not in output
