"""`forescreen export` as a person types it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from forescreen.cli.app import app
from tests.ingestion.builders import build_dicom

RUNNER = CliRunner()


def run(*arguments: object) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["export", *map(str, arguments)])
    return done.exit_code, done.output


def test_a_folder_is_exported_and_told(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    code, said = run(folder, "--out", tmp_path / "out", "--profile", "mirai-dcmtk", "--left", "--workers", 1)
    assert code == 0, said
    assert "exported" in said
    assert "mirai-dcmtk-v1" in said
    assert "min-max LINEAR 4" in said
    assert len(list((tmp_path / "out" / "images").glob("*.png"))) == 4
    assert (tmp_path / "pseudonym.key").exists()
    assert (tmp_path / "private" / "out-files.csv").exists()


def test_a_second_run_says_the_same(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    arguments = (folder, "--out", tmp_path / "out", "--identity", "study-numbers", "--workers", 1)
    first, second = run(*arguments), run(*arguments)
    assert first[0] == second[0] == 0
    assert first[1].splitlines()[1:] == second[1].splitlines()[1:]


def test_an_unknown_profile_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    code, said = run(tmp_path / "in", "--out", tmp_path / "out", "--profile", "mirai")
    assert code == 2
    assert "mirai-dcmtk, mirai-pydicom, oncodata" in said
    assert not (tmp_path / "out").exists()


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    code, said = run(tmp_path / "in", "--out", tmp_path / "out", "--policy", "everything")
    assert code == 2
    assert "screening" in said


def test_an_output_among_the_sources_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    before = sorted(folder.rglob("*"))
    for out in (folder, folder / "out"):
        code, said = run(folder, "--out", out)
        assert code == 2
        assert "expected an output folder outside of the source" in said
    assert sorted(folder.rglob("*")) == before


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    code, said = run(tmp_path / "nothing", "--out", tmp_path / "out")
    assert code == 2
    assert "no such path" in said
