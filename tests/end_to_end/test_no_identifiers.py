"""Nothing that is written names a woman: planted identifiers are looked for in every byte.

`forescreen deidentify` and `forescreen ingest` run as processes of their own on files that hold made-up
names, numbers, dates, places and UIDs wherever an object can; what they leave and say is searched.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forescreen.images.store import Store
from forescreen.records import STANDARD_VIEWS

from ..images.builders import build_breast
from ..planted import DATES, NAMES, build_planted, in_bytes, planted_texts, save_planted, search

#: A store says when an exam was, in dates as they are: follow-up is counted from them. It never says
#: anything else of hers. `forescreen deidentify` moves them.
EXAM_DATES = frozenset(DATES[4:])
#: Files of a store that name maker and model of the machine.
MACHINES = ("manifest.parquet", "exams.parquet")


def build_archive(folder: Path) -> Path:
    """One exam of four views per script, in folders and files that are named after women."""
    for number, name in enumerate(sorted(NAMES)):
        for slot, (side, view) in enumerate(STANDARD_VIEWS):
            pixels, _ = build_breast(chest_wall="left" if side == "L" else "right", seed=slot)
            ds = build_planted(
                name=name,
                number=10 * number + slot,
                laterality=str(side),
                view=str(view),
                pixels=(pixels * 4095).astype(np.uint16),
            )
            ds.PatientID, ds.AccessionNumber = f"86041219{number}7", f"ACC-55310872{number}"
            ds.StudyInstanceUID += f".{number}"
            save_planted(folder / "Quixandra Zuckerwatte 8604121937" / name / f"Grünwäldchen{slot}.dcm", ds)
    (folder / "Befundtext Doktorowski.txt").write_text("Quixandra")
    return folder


TEXTS = [*planted_texts(), "86041219", "ACC-5531"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_archive(tmp_path_factory.mktemp("no_identifiers") / "in")


def forescreen(*arguments: str | Path) -> bytes:
    """Everything that the command says; it must end well."""
    code = "from forescreen.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *(str(a) for a in arguments)],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def deidentified(archive: Path) -> Path:
    out = archive.parent / "deidentified"
    said = forescreen("deidentify", archive, "--out", out, "--workers", "2")
    assert in_bytes(said, TEXTS) == []
    return out


@pytest.fixture(scope="module")
def store(archive: Path) -> Path:
    out = archive.parent / "store"
    said = forescreen("ingest", archive, "--out", out, "--workers", "1")
    assert in_bytes(said, TEXTS) == []
    return out


def test_the_search_finds_what_was_planted(archive: Path) -> None:
    found = {hit.text for hit in search(archive, TEXTS)}
    missing = set(TEXTS) - found - set(DATES)
    assert missing == set()


def test_a_deidentified_folder_holds_nothing_of_hers(deidentified: Path) -> None:
    assert search(deidentified, TEXTS) == []
    assert len(list(deidentified.rglob("*.dcm"))) == 4 * len(NAMES)


def test_the_pixels_and_settings_of_a_store_hold_nothing_of_hers(store: Path) -> None:
    hits = [hit for hit in search(store, TEXTS) if hit.text not in EXAM_DATES]
    assert [hit for hit in hits if hit.file not in ("refused.csv", *MACHINES)] == []


def test_the_machines_of_a_store_hold_nothing_of_hers(store: Path) -> None:
    hits = [hit for hit in search(store, TEXTS) if hit.text not in EXAM_DATES]
    assert [hit for hit in hits if hit.file in MACHINES] == []


def test_the_refusals_of_a_store_hold_nothing_of_hers(store: Path) -> None:
    hits = [hit for hit in search(store, TEXTS) if hit.text not in EXAM_DATES]
    assert [hit for hit in hits if hit.file == "refused.csv"] == []


def test_a_store_of_deidentified_files_is_the_store_of_the_files_without_her_dates(
    store: Path, deidentified: Path
) -> None:
    later = deidentified.parent / "store of deidentified"
    forescreen("ingest", deidentified, "--out", later, "--workers", "1", "--identity", "study-numbers")
    assert search(later, TEXTS) == []
    direct, again = Store.open(store), Store.open(later)
    assert direct.exam_ids == again.exam_ids
    key = ["woman_id", "exam_id", "laterality", "view"]
    a = direct.manifest.sort_values(key, ignore_index=True)
    b = again.manifest.sort_values(key, ignore_index=True)
    same = [*key, "source_sha256", "flags", "voi", "row_spacing_mm", "photometric", "transfer_syntax"]
    assert a[same].equals(b[same])
    for exam_id in direct.exam_ids:
        assert np.array_equal(direct.exam(exam_id).images, again.exam(exam_id).images)
