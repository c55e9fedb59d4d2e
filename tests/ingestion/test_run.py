from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from forescreen.errors import InputError, InterruptedStageError
from forescreen.files import plain
from forescreen.identity import AS_GIVEN, Pseudonyms
from forescreen.images.geometry import Geometry
from forescreen.images.store import Store
from forescreen.ingestion import shards
from forescreen.ingestion.pictures import Picture, load_picture
from forescreen.ingestion.run import ingest_dicom, ingest_table
from forescreen.ingestion.table import pictures_of, read_image_table
from forescreen.progress import silent
from forescreen.records import Mammogram, Refusal

from .builders import build_pictures, content_of, edit_table, write_picture

SMALL = Geometry(32, 26, 8.0)


def test_a_table_of_pictures_becomes_a_store(tmp_path: Path) -> None:
    summary = ingest_table(build_pictures(tmp_path), tmp_path / "store", geometry=SMALL)
    store = Store.open(tmp_path / "store")
    assert store.exam_ids == ("e0", "e1", "e2")
    assert (summary.n_files, summary.n_stored, summary.n_refused) == (12, 12, 0)
    assert (summary.n_exams, summary.n_women, summary.flags) == (3, 3, {})
    assert store.manifest["flipped"].tolist() == [False, False, True, True] * 3
    assert set(store.manifest["profile"]) == {"picture-v1"}
    assert store.exam("e1").present.all()
    assert pd.read_csv(tmp_path / "store" / "refused.csv").empty
    assert not (tmp_path / "store" / "parts").exists()
    assert plain(summary)["n_stored"] == 12


def test_every_row_is_stored_or_refused(tmp_path: Path) -> None:
    csv = build_pictures(tmp_path)
    (tmp_path / "pictures/e0_LCC.png").unlink()
    (tmp_path / "pictures/e1_LCC.png").write_bytes(b"no picture")
    Image.fromarray(np.tile(np.arange(80, dtype=np.uint8), (100, 1)) // 40 * 255).save(
        tmp_path / "pictures/e1_RCC.png"
    )
    specks = np.zeros((256, 256), np.uint16)
    specks[::32, ::32] = np.arange(64).reshape(8, 8) * 1000
    Image.fromarray(specks).save(tmp_path / "pictures/e2_RCC.png")
    edit_table(csv, 5, view="XCCL")
    summary = ingest_table(csv, tmp_path / "store", geometry=SMALL)
    refused = pd.read_csv(tmp_path / "store" / "refused.csv").set_index("file")["code"].to_dict()
    assert refused == {
        "pictures/e0_LCC.png": "file_missing",
        "pictures/e1_LCC.png": "not_a_picture",
        "pictures/e1_LMLO.png": "view_not_standard",
        "pictures/e1_RCC.png": "low_dynamic_range",
        "pictures/e2_RCC.png": "breast_not_found",
    }
    assert summary.n_files == summary.n_stored + summary.n_refused == 12
    assert summary.refused_by_code == dict.fromkeys(sorted(refused.values()), 1)
    assert Store.open(tmp_path / "store").exam("e1").present.tolist() == [False, False, False, True]


def test_a_finished_store_is_not_made_again_and_tells_the_same(tmp_path: Path) -> None:
    csv = build_pictures(tmp_path, n_exams=1)
    first = ingest_table(csv, tmp_path / "store", geometry=SMALL)
    before = content_of(tmp_path / "store")
    (tmp_path / "store" / "pixels-00000.npy").touch()
    assert ingest_table(csv, tmp_path / "store", geometry=SMALL) == first
    assert content_of(tmp_path / "store") == before


def test_with_a_key_nothing_in_the_store_names_a_woman_or_a_file(tmp_path: Path) -> None:
    csv = build_pictures(tmp_path, n_exams=1)
    edit = pd.read_csv(csv).assign(patient_id="secret", exam_id="hidden")
    edit.to_csv(csv, index=False)
    key = Pseudonyms(key=b"0123456789abcdef")
    ingest_table(csv, tmp_path / "store", geometry=SMALL, pseudonyms=key)
    store = Store.open(tmp_path / "store")
    assert store.exam_ids == (key.exam("hidden"),)
    assert set(store.manifest["woman_id"]) == {key.woman("secret")}
    everything = b"".join(content_of(tmp_path / "store").values())
    for word in (b"secret", b"hidden", b"e0_LCC"):
        assert word not in everything


def test_other_settings_do_not_overwrite_a_store(tmp_path: Path) -> None:
    csv = build_pictures(tmp_path, n_exams=1)
    ingest_table(csv, tmp_path / "store", geometry=SMALL)
    with pytest.raises(InterruptedStageError, match="made from other images or settings"):
        ingest_table(csv, tmp_path / "store", geometry=Geometry(64, 52, 4.0))
    write_picture(tmp_path / "pictures/e0_LCC.png", seed=99)
    with pytest.raises(InterruptedStageError, match="made from other images or settings"):
        ingest_table(csv, tmp_path / "store", geometry=SMALL)


def test_a_table_without_a_usable_picture_is_an_error_that_counts_reasons(tmp_path: Path) -> None:
    csv = build_pictures(tmp_path, n_exams=1)
    for picture in (tmp_path / "pictures").iterdir():
        picture.unlink()
    with pytest.raises(InputError, match=r"4 files, all refused \(file_missing: 4\)"):
        ingest_table(csv, tmp_path / "store", geometry=SMALL)
    assert len(pd.read_csv(tmp_path / "store" / "refused.csv")) == 4


def test_an_empty_or_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected a folder of DICOM files, found an empty folder"):
        ingest_dicom(tmp_path / "empty", tmp_path / "store", geometry=SMALL)
    with pytest.raises(InputError, match="found no such folder"):
        ingest_dicom(tmp_path / "nowhere", tmp_path / "store", geometry=SMALL)


def test_a_file_that_kills_its_process_is_refused_alone(tmp_path: Path) -> None:
    """Whatever the number of workers, the others are stored and the result is the same."""
    csv = build_pictures(tmp_path, n_exams=2)
    read = ingest_table(csv, tmp_path / "plain", geometry=SMALL)
    assert read.n_stored == 8
    for workers in (1, 2):
        store = tmp_path / f"store{workers}"
        summary = fill(csv, store, workers=workers)
        assert (summary.n_stored, summary.n_refused) == (6, 2)
        assert summary.refused_by_code == {"decoder_crashed": 1, "out_of_memory": 1}
    assert content_of(tmp_path / "store1") == content_of(tmp_path / "store2")
    message = pd.read_csv(tmp_path / "store1" / "refused.csv")["message"][0]
    assert message == "expected a file that can be worked on, found one that cannot (signal SIGSEGV)"
    missing = pd.read_parquet(tmp_path / "store1" / "exams.parquet")["missing"].tolist()
    assert missing == ["L MLO;R CC", ""]


def fill(csv: Path, store: Path, *, workers: int) -> shards.IngestSummary:
    """As `ingest_table`, with a loader that dies of two files."""
    kept, _ = pictures_of(read_image_table(csv, pseudonyms=AS_GIVEN), csv)
    sources = [
        shards.Source(
            woman_id=woman, exam_id=exam, exam_date=day, laterality=picture.laterality.value,
            view=picture.view.value, file=picture.file, size_bytes=1, payload=picture,
        )
        for woman, exam, day, picture in kept
    ]  # fmt: skip
    return shards.fill_store(
        sources, store, load=load_or_die, geometry=SMALL, plan={}, refusals=[], n_files=8,
        n_not_asked=0, workers=workers, track=silent,
    )  # fmt: skip


def load_or_die(picture: Picture) -> Mammogram | Refusal:
    if picture.file.endswith("e0_LMLO.png"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if picture.file.endswith("e0_RCC.png"):
        raise MemoryError
    return load_picture(picture)


def test_a_fault_of_the_program_is_a_refusal_that_quotes_nothing(tmp_path: Path) -> None:
    csv = build_pictures(tmp_path, n_exams=1)
    (tmp_path / "pictures/e0_LCC.png").chmod(0o644)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "prepare_mammogram", raise_secret)
        with pytest.raises(InputError, match=r"all refused \(unexpected_error: 4\)"):
            ingest_table(csv, tmp_path / "store", geometry=SMALL)
    message = pd.read_csv(tmp_path / "store" / "refused.csv")["message"][0]
    assert "a fault of the program, ZeroDivisionError at shards.py:" in message
    assert "secret" not in message


def raise_secret(*_: object) -> None:
    raise ZeroDivisionError("secret")


INGEST = """
import sys, time
from pathlib import Path
from forescreen.images.geometry import Geometry
from forescreen.ingestion import run, shards
load = run.load_picture
def slow(picture):
    time.sleep(0.02)
    return load(picture)
run.load_picture = slow
shards.fill_store.__kwdefaults__["shard_size"] = 4
run.ingest_table(Path(sys.argv[1]), Path(sys.argv[2]), geometry=Geometry(32, 26, 8.0))
"""


def test_a_run_killed_at_any_moment_continues_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = build_pictures(tmp_path, n_exams=5)
    (tmp_path / "pictures/e3_RMLO.png").write_bytes(b"no picture")
    monkeypatch.setitem(shards.fill_store.__kwdefaults__, "shard_size", 4)
    uninterrupted = ingest_table(csv, tmp_path / "whole", geometry=SMALL)

    store = tmp_path / "store"
    kept: list[int] = []
    for kill_after_parts in (1, 3):
        child = subprocess.Popen([sys.executable, "-c", INGEST, str(csv), str(store)])
        deadline = time.monotonic() + 60
        while len(list((store / "parts").glob("*.json"))) < kill_after_parts and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
        kept.append(len(list((store / "parts").glob("*.json"))))
        with pytest.raises(InputError, match="expected a finished image store"):
            Store.open(store)
    (store / f"pixels-00004.npy.{os.getpid()}.partial").write_bytes(b"half a shard")
    first_shard = (store / "pixels-00000.npy").stat().st_mtime_ns

    assert ingest_table(csv, store, geometry=SMALL) == uninterrupted
    assert kept[0] >= 1
    assert kept[1] >= 3
    assert (store / "pixels-00000.npy").stat().st_mtime_ns == first_shard
    assert content_of(store) == content_of(tmp_path / "whole")


def test_workers_leave_with_a_killed_parent(tmp_path: Path) -> None:
    """Without a watch they wait for work for ever."""
    child = subprocess.Popen(
        [sys.executable, "-c", POOL], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert child.stdout is not None
    worker = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 20
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        state = Path(f"/proc/{process}/stat")
        return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")
    except (ProcessLookupError, FileNotFoundError):
        return False


POOL = """
import os, time
from forescreen.processes import worker_pool
if __name__ == "__main__":
    pool = worker_pool(1)
    print(pool.submit(os.getpid).result(), flush=True)
    time.sleep(60)
"""
