"""Files are whole or absent."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.files import (
    atomic_write,
    file_sha256,
    fingerprint,
    plain,
    read_json,
    remove_leftovers,
    write_csv,
    write_json,
    write_private,
)
from forescreen.records import Estimate, Outcome


def test_an_error_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})
    with pytest.raises(RuntimeError, match="half-way"), atomic_write(target) as stream:
        stream.write(b"{")
        raise RuntimeError("half-way")
    assert read_json(target) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_process_killed_while_writing_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_json(target, {"old": 1})
    code = (
        "import sys, time; from pathlib import Path; from forescreen.files import atomic_write\n"
        f"with atomic_write(Path({str(target)!r})) as s:\n"
        "    s.write(b'{'); s.flush(); print('writing', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "writing"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert read_json(target) == {"old": 1}


def test_numbers_that_are_not_finite_become_null_and_enums_their_values(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"x": np.float64("nan"), "y": Outcome.INTERVAL, "z": np.arange(2)})
    assert read_json(tmp_path / "a.json") == {"x": None, "y": "interval", "z": [0, 1]}


def test_an_estimate_is_written_with_plain_values() -> None:
    estimate = Estimate(value=0.6, lower=0.5, upper=0.7, n=10, n_events=4, method="m")
    assert plain(estimate)["standard_error"] is None
    assert estimate.as_dict()["standard_error"] is None


def test_a_fingerprint_changes_with_any_value_and_not_with_key_order() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_the_same_table_gives_the_same_bytes(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [0.1, 1 / 3], "day": pd.to_datetime(["2010-01-02", None])})
    write_csv(tmp_path / "a.csv", table)
    write_csv(tmp_path / "b.csv", table)
    assert file_sha256(tmp_path / "a.csv") == file_sha256(tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_text() == "x,day\n0.1,2010-01-02\n0.3333333333333333,\n"


def test_a_stage_is_not_run_twice_and_refuses_other_settings(tmp_path: Path) -> None:
    from forescreen.errors import InterruptedStageError
    from forescreen.stage import Stage

    stage = Stage("cohort", tmp_path / "cohort", {"ratio": 2})
    assert stage.begin()
    assert stage.begin(), "an unfinished stage continues"
    stage.finish({"sets": 3}, started=time.monotonic())
    assert not stage.begin()
    assert stage.summary() == {"sets": 3}
    with pytest.raises(InterruptedStageError, match="differing: ratio"):
        Stage("cohort", tmp_path / "cohort", {"ratio": 3}).begin()


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    whole = tmp_path / "a" / "b.dcm"
    write_json(whole, {})
    (tmp_path / "a" / "b.dcm.4711.partial").write_bytes(b"half")
    remove_leftovers(tmp_path)
    assert [p.name for p in (tmp_path / "a").iterdir()] == ["b.dcm"]
    remove_leftovers(tmp_path / "nowhere")


def test_two_processes_never_work_in_one_stage_folder(tmp_path: Path) -> None:
    from forescreen.errors import InterruptedStageError
    from forescreen.stage import Stage

    code = (
        "import time; from pathlib import Path; from forescreen.stage import Stage\n"
        f"Stage('s', Path({str(tmp_path / 's')!r}), {{}}).begin()\n"
        "print('working', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "working"
    stage = Stage("s", tmp_path / "s", {})
    with pytest.raises(InterruptedStageError, match="another process is working"):
        stage.begin()
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert stage.begin(), "the lock ends with its process, however it ends"


def test_private_text_is_private_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a.csv"
    write_private(path, "one")
    write_private(path, "zwölf")
    assert path.read_text(encoding="utf-8") == "zwölf"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["a.csv"]
