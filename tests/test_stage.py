"""A stage is run once with the same settings, continued when it was killed, and refused with others."""

from __future__ import annotations

from pathlib import Path

import pytest

from forescreen.errors import InterruptedStageError
from forescreen.stage import Stage


def test_a_killed_stage_continues_without_what_was_half_written(tmp_path: Path) -> None:
    stage = Stage("images", tmp_path / "images", {"seed": 1})
    assert stage.begin()
    (tmp_path / "images" / "exam").mkdir()
    whole = tmp_path / "images" / "exam" / "LCC.dcm"
    whole.write_bytes(b"whole")
    whole.with_name("LCC.dcm.4711.partial").write_bytes(b"ha")
    assert stage.begin()
    assert list((tmp_path / "images" / "exam").iterdir()) == [whole]


def test_a_finished_stage_has_nothing_to_do_and_keeps_its_account(tmp_path: Path) -> None:
    stage = Stage("images", tmp_path / "images", {"seed": 1})
    assert stage.begin()
    stage.finish({"n": 4}, started=0.0)
    assert not stage.begin()
    assert stage.summary() == {"n": 4}


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    assert Stage("images", tmp_path, {"seed": 1, "n": 2}).begin()
    with pytest.raises(InterruptedStageError, match=r"differing: seed\)"):
        Stage("images", tmp_path, {"seed": 2, "n": 2}).begin()
