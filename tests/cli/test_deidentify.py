"""The command: what it says, where it writes, how it ends."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from forescreen.cli.app import app

from ..ingestion.test_deidentify import build_folder
from ..ingestion.test_registry import build_tables
from ..planted import in_bytes, search

RUNNER = CliRunner()


def run(*arguments: str | Path) -> tuple[int, str]:
    done = RUNNER.invoke(app, ["deidentify", *(str(a) for a in arguments)])
    return done.exit_code, done.output


def test_the_command_tells_what_it_did_and_names_nobody(tmp_path: Path) -> None:
    build_folder(tmp_path / "in")
    build_tables(tmp_path / "tables")
    code, said = run(
        tmp_path / "in", "--out", tmp_path / "out", "--tables", tmp_path / "tables", "--workers", "1"
    )
    assert code == 0
    assert "n written        3" in said
    assert "private" in said
    assert in_bytes(said.encode()) == []
    assert search(tmp_path / "out") == []
    assert (tmp_path / "out" / "registry" / "women.csv").is_file()
    assert (tmp_path / "pseudonym.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "private" / "out-deidentified.csv").stat().st_mode & 0o077 == 0


def test_a_key_elsewhere_takes_the_private_list_along(tmp_path: Path) -> None:
    build_folder(tmp_path / "in")
    code, _ = run(
        tmp_path / "in", "--out", tmp_path / "out", "--key", tmp_path / "safe" / "my.key", "--workers", "1"
    )
    assert code == 0
    assert (tmp_path / "safe" / "private" / "out-deidentified.sqlite").is_file()
    assert not (tmp_path / "pseudonym.key").exists()


def test_a_key_inside_of_the_output_is_refused(tmp_path: Path) -> None:
    build_folder(tmp_path / "in")
    code, said = run(tmp_path / "in", "--out", tmp_path / "out", "--key", tmp_path / "out" / "my.key")
    assert code == 2
    assert "expected a key outside of the output folder" in said
    assert not (tmp_path / "out" / "my.key").exists()


def test_a_source_without_mammograms_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "Quixandra.txt").write_text("x")
    code, said = run(tmp_path / "in", "--out", tmp_path / "out", "--workers", "1")
    assert code == 2
    assert "all refused (not_dicom 1)" in said
    assert in_bytes(said.encode()) == []
