"""A folder without identity: resumable, whatever the number of workers, with a private list outside of it."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from forescreen.dicom.guard import REFUSALS
from forescreen.dicom.read import read_header, read_pixels
from forescreen.errors import ConfigError, InputError, InterruptedStageError
from forescreen.files import file_sha256
from forescreen.identity import Pseudonyms
from forescreen.ingestion import deidentify as module
from forescreen.ingestion.deidentify import FLAGS, DeidentifySummary, Options, deidentify_folder

from ..dicom.builders import (
    EXPLICIT_LITTLE,
    JPEG_2000,
    JPEG_LOSSLESS,
    JPEG_LS,
    RLE,
    TOMOSYNTHESIS_CLASS,
    build_mammogram,
    save,
)
from ..images.builders import build_breast
from ..images.test_surroundings import build_picture, write_on
from ..planted import NUMBERS, UIDS, build_planted, save_planted, search

KEYED = Pseudonyms(key=b"k" * 32)


def breast(side: str = "left") -> np.ndarray:
    pixels, _ = build_breast(chest_wall=side)
    return (pixels * 4095).astype(np.uint16)


def build_folder(folder: Path) -> Path:
    """Five files: three objects (one of them twice), a report of burned-in text, and a foreign file."""
    for number, (view, side) in enumerate((("CC", "L"), ("MLO", "L"), ("CC", "R")), start=1):
        pixels = breast("left" if side == "L" else "right")
        ds = build_planted(number=number, view=view, laterality=side, pixels=pixels)
        save_planted(folder / "Quixandra Zuckerwatte" / f"8604121937_{view}{side}.dcm", ds)
    shutil.copy(
        folder / "Quixandra Zuckerwatte" / "8604121937_CCL.dcm", folder / "Quixandra Zuckerwatte" / "z.dcm"
    )
    save(folder / "Stationella.dcm", build_mammogram(number=9, changes={"BurnedInAnnotation": "YES"}))
    (folder / "Befundtext.txt").write_text("Quixandra")
    return folder


def run(source: Path, out: Path, *, workers: int = 1, options: Options = Options()) -> DeidentifySummary:  # noqa: B008
    return deidentify_folder(
        source,
        out,
        pseudonyms=KEYED,
        private=out.parent / "private" / out.name,
        options=options,
        workers=workers,
    )


def content(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): file_sha256(p) for p in sorted(folder.rglob("*")) if p.is_file()
    }


def test_each_file_is_written_or_refused_with_a_reason(tmp_path: Path) -> None:
    summary = run(build_folder(tmp_path / "in"), tmp_path / "out")
    assert (summary.n_files, summary.n_written, summary.n_refused) == (6, 3, 3)
    assert (summary.n_women, summary.n_exams) == (1, 1)
    assert summary.refused_by_code == {"burned_in_annotation": 1, "duplicate_instance": 1, "not_dicom": 1}
    files = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(files) == 3
    for file in files:
        ds = pydicom.dcmread(file)
        assert file.relative_to(tmp_path / "out").parts == (
            ds.PatientID,
            ds.AccessionNumber,
            f"{ds.SOPInstanceUID}.dcm",
        )
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["summary"]["n_written"] == 3
    assert report["profile"] == "forescreen-deidentify-v1"
    assert report["attributes_by_action"]["woman"] == 3
    with (tmp_path / "out" / "refused.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert sorted(row["code"] for row in rows) == sorted(summary.refused_by_code)
    assert all(len(row["file"]) == 16 for row in rows)


def test_nothing_of_hers_is_in_the_output_and_the_private_list_leads_back(tmp_path: Path) -> None:
    source = build_folder(tmp_path / "in")
    run(source, tmp_path / "out")
    assert {found.text for found in search(source)} >= {*NUMBERS, *UIDS, "20210314"}
    assert search(tmp_path / "out") == []
    private = tmp_path / "private" / "out.csv"
    with private.open(newline="") as stream:
        rows = {row["path"]: row for row in csv.DictReader(stream)}
    row = rows["Quixandra Zuckerwatte/8604121937_CCL.dcm"]
    assert (row["patient_id"], row["accession"]) == ("8604121937", "ACC-55310872")
    assert (tmp_path / "out" / row["target"]).is_file()
    for file in (private, private.with_suffix(".sqlite")):
        assert file.stat().st_mode & 0o077 == 0
    assert private.parent.stat().st_mode & 0o077 == 0


def test_the_result_is_the_same_with_two_workers_and_again(tmp_path: Path) -> None:
    source = build_folder(tmp_path / "in")
    first = run(source, tmp_path / "a")
    second = run(source, tmp_path / "b", workers=2)
    assert first == second
    assert content(tmp_path / "a") == content(tmp_path / "b")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*.dcm")}
    assert run(source, tmp_path / "a") == first
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "a").rglob("*.dcm")} == times


def test_an_interrupted_run_continues_and_ends_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = build_folder(tmp_path / "in")
    run(source, tmp_path / "whole")
    settled: list[str] = []
    settle = module.settle

    def stop_at_the_third(names: object, out: Path, outcome: module.Outcome) -> None:
        if len(settled) == 3:
            raise KeyboardInterrupt
        settled.append(outcome.path)
        settle(names, out, outcome)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "settle", stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(source, tmp_path / "out")
    monkeypatch.undo()
    assert list((tmp_path / "out").glob("*.partial"))  # the file in work
    run(source, tmp_path / "out")
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_a_changed_file_is_done_again_and_a_lost_one_made_again(tmp_path: Path) -> None:
    source = build_folder(tmp_path / "in")
    run(source, tmp_path / "out")
    before = content(tmp_path / "out")
    next((tmp_path / "out").rglob("*.dcm")).unlink()
    save(
        source / "Stationella.dcm", build_mammogram(breast(), number=9, changes={"BurnedInAnnotation": "NO"})
    )
    summary = run(source, tmp_path / "out")
    assert summary.n_written == 4
    after = content(tmp_path / "out")
    assert {name: after[name] for name in before if name.endswith(".dcm")} == {
        name: digest for name, digest in before.items() if name.endswith(".dcm")
    }


def test_other_options_or_another_key_for_one_output_are_refused(tmp_path: Path) -> None:
    source = build_folder(tmp_path / "in")
    run(source, tmp_path / "out")
    with pytest.raises(InterruptedStageError, match="other options, another key"):
        run(source, tmp_path / "out", options=Options(keep_dates=True))


def test_places_inside_of_each_other_are_refused(tmp_path: Path) -> None:
    source = build_folder(tmp_path / "in")
    with pytest.raises(ConfigError, match="output folder outside of the source, found one inside of it"):
        run(source, source / "out")
    with pytest.raises(ConfigError, match="a source outside of the output folder"):
        run(source, tmp_path)
    with pytest.raises(InputError, match="SOURCE: expected a folder of DICOM files, found a file"):
        run(next(path for path in source.rglob("*") if path.is_file()), tmp_path / "out")
    with pytest.raises(ConfigError, match="a key in it"):
        deidentify_folder(source, tmp_path / "out", pseudonyms=KEYED, private=tmp_path / "out" / "p" / "x")


def test_a_source_without_mammograms_says_why(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="an empty folder"):
        run(tmp_path / "in", tmp_path / "out")
    (tmp_path / "in" / "a.txt").write_text("a")
    with pytest.raises(InputError, match="all refused \\(not_dicom 1\\)"):
        run(tmp_path / "in", tmp_path / "out2")
    with pytest.raises(InputError, match="no such folder"):
        run(tmp_path / "nothing", tmp_path / "out3")


def test_names_that_are_no_utf8_and_links_that_lead_nowhere_do_not_stop_the_rest(tmp_path: Path) -> None:
    source = build_folder(tmp_path / "in")
    odd = os.fsdecode(b"M\xfcller.dcm")
    save(source / odd, build_mammogram(breast(), number=12))
    (source / "link").symlink_to(tmp_path / "nowhere")
    summary = run(source, tmp_path / "out")
    assert summary.n_written == 4
    assert summary.refused_by_code["unreadable_file"] == 1
    assert "M\\xfcller.dcm" in (tmp_path / "private" / "out.csv").read_text()


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, JPEG_LOSSLESS, JPEG_LS, JPEG_2000, RLE])
def test_blanked_objects_hold_the_breast_and_nothing_else(tmp_path: Path, syntax: str) -> None:
    picture = write_on(build_picture(rows=800, columns=600), "DOE JANE", at=(380, 30), height=40)
    ds = build_mammogram((picture * 4095).astype(np.uint16), changes={"SoftwareVersions": "1.0"})
    path = save(tmp_path / "in" / "a.dcm", ds, syntax=syntax)
    run(tmp_path / "in", tmp_path / "out", options=Options(blank_outside_breast=True))
    (target,) = (tmp_path / "out").rglob("*.dcm")
    header = read_header(target)
    before, after = read_pixels(path, read_header(path)), read_pixels(target, header)
    assert header.transfer_syntax in (syntax, EXPLICIT_LITTLE)
    assert np.unique(after[:90, 380:]).tolist() == [0]
    assert np.unique(before[:90, 380:]).size > 1
    assert np.array_equal(after[300:500, :200], before[300:500, :200])
    assert (
        pydicom.dcmread(target).DerivationDescription == "Outside of the breast set to one background value"
    )
    assert json.loads((tmp_path / "out" / "report.json").read_text())["flagged"] == []


def test_letters_outside_of_the_breast_are_flagged_and_the_object_named(tmp_path: Path) -> None:
    picture = write_on(build_picture(rows=800, columns=600), "DOE JANE", at=(380, 30), height=40)
    save(tmp_path / "in" / "a.dcm", build_mammogram((picture * 4095).astype(np.uint16)))
    save(tmp_path / "in" / "b.dcm", build_mammogram(breast(), number=2))
    summary = run(tmp_path / "in", tmp_path / "out")
    assert summary.flags == {"text_outside_breast_suspected": 1}
    (flagged,) = json.loads((tmp_path / "out" / "report.json").read_text())["flagged"]
    assert (tmp_path / "out" / flagged["file"]).is_file()


def test_an_object_without_a_patient_number_is_flagged(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.dcm", build_mammogram(breast(), changes={"PatientID": ""}))
    assert run(tmp_path / "in", tmp_path / "out").flags == {"patient_id_missing": 1}
    assert (tmp_path / "out" / "unknown").is_dir()


def test_volumes_and_tiny_pictures_are_not_blanked_but_refused(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.dcm", build_mammogram(breast()))
    save(tmp_path / "in" / "b.dcm", build_mammogram(np.zeros((20, 20), np.uint16), number=2))
    frames = np.zeros((200, 100), np.uint16)
    changes = {"NumberOfFrames": 2, "Rows": 100, "SOPClassUID": TOMOSYNTHESIS_CLASS}
    save(tmp_path / "in" / "c.dcm", build_mammogram(frames, number=3, changes=changes))
    summary = run(tmp_path / "in", tmp_path / "out", options=Options(blank_outside_breast=True))
    assert summary.refused_by_code == {"breast_not_found": 2}


def test_codes_and_flags_have_words() -> None:
    assert all(REFUSALS.values())
    assert all(FLAGS.values())
