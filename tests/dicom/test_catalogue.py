"""The catalogue knows every file, forgets what is gone, reads nothing twice, and streams what it knows."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forescreen.dicom import folder as folder_module
from forescreen.dicom.catalogue import Catalogue, Stock
from forescreen.dicom.folder import catalogue_headers, compare_twins
from forescreen.dicom.policy import Policy
from forescreen.dicom.reasons import Action
from forescreen.dicom.walk import Located, walk
from forescreen.identity import AS_GIVEN, Pseudonyms

from .builders import PROCESSING_CLASS, build_pixels
from .test_folder import save_exam, save_view


def read(catalogue: Catalogue, source: Path, pseudonyms: Pseudonyms = AS_GIVEN, workers: int = 0) -> Stock:
    stock = catalogue.take_stock(walk(source))
    catalogue_headers(catalogue, policy=Policy(), pseudonyms=pseudonyms, workers=workers)
    compare_twins(catalogue, workers=workers)
    catalogue.assemble(pseudonyms.file)
    return stock


def content(catalogue: Catalogue) -> tuple[object, ...]:
    """All that it tells, without numbers of rows."""
    exams = [
        (exam.exam_id, exam.missing, [(view.located, view.found) for view in exam.views])
        for exam in catalogue.exams()
    ]
    return exams, list(catalogue.refusals(str)), list(catalogue.labels())


def test_what_is_known_of_an_unchanged_file_is_kept_and_what_is_gone_forgotten(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_exam(source)
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        assert read(catalogue, source) == Stock(n_files=4, n_new=4, n_changed=0, n_gone=0)
        catalogue.mark_used()
    (source / "LCC.dcm").unlink()
    (source / "LMLO.dcm").write_bytes(b"another")
    (source / "new.txt").write_text("text")
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        changed = Stock(n_files=4, n_new=1, n_changed=1, n_gone=1)
        assert catalogue.take_stock(walk(source)) == changed
        assert [located.label for _, located in catalogue.pending()] == ["LMLO.dcm", "new.txt"]
        catalogue_headers(catalogue, policy=Policy(), pseudonyms=AS_GIVEN, workers=0)
        assert catalogue.n_pending() == 0
        assert catalogue.since_used() == changed
        catalogue.assemble(str)
        (exam,) = catalogue.exams()
        assert exam.missing == ("L CC", "L MLO")
        assert catalogue.take_stock(walk(source)) == Stock(n_files=4, n_new=0, n_changed=0, n_gone=0)
        assert catalogue.since_used() == changed


def test_a_header_pass_that_was_interrupted_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    save_exam(source)
    (source / "notes.txt").write_text("text" * 50)
    seen: list[str] = []
    real = folder_module.read_header

    def reads(located: Located):  # type: ignore[no-untyped-def]
        if len(seen) == 2:
            raise KeyboardInterrupt
        seen.append(located.label)
        return real(located)

    monkeypatch.setattr(folder_module, "read_header", reads)
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue, pytest.raises(KeyboardInterrupt):
        read(catalogue, source)
    seen.extend(["", ""])
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        read(catalogue, source)
        resumed = content(catalogue)
    assert sorted(filter(None, seen)) == ["LCC.dcm", "LMLO.dcm", "RCC.dcm", "RMLO.dcm", "notes.txt"]
    monkeypatch.undo()
    with Catalogue(None, source) as catalogue:
        read(catalogue, source)
        assert content(catalogue) == resumed


def test_an_interrupted_walk_forgets_nothing(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_exam(source)

    def cut_short() -> Iterator[Located]:
        yield next(iter(walk(source)))
        raise KeyboardInterrupt

    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        read(catalogue, source)
        with pytest.raises(KeyboardInterrupt):
            catalogue.take_stock(cut_short())
        assert catalogue.n_files() == 4
        (source / "LCC.dcm").unlink()
        assert catalogue.take_stock(walk(source)).n_gone == 1
        assert catalogue.n_pending() == 0


def test_processes_find_what_one_finds(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_exam(source / "a")
    save_view(source, "b/copy.dcm", number=1)
    (source / "notes.txt").write_text("text" * 50)
    found = []
    for workers in (0, 2):
        with Catalogue(None, source) as catalogue:
            read(catalogue, source, workers=workers)
            found.append(content(catalogue))
    assert found[0] == found[1]


def test_other_rules_read_every_header_again(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_exam(source)
    with Catalogue(tmp_path / "c.sqlite", source, made_from="one") as catalogue:
        read(catalogue, source)
    with Catalogue(tmp_path / "c.sqlite", source, made_from="one") as catalogue:
        assert catalogue.n_pending() == 0
    with Catalogue(tmp_path / "c.sqlite", source, made_from="other") as catalogue:
        assert catalogue.n_pending() == 4


@pytest.mark.parametrize("damage", ["noise", "another layout", "another format"])
def test_a_catalogue_that_cannot_be_used_is_made_anew(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "c.sqlite"
    if damage == "noise":
        path.write_bytes(b"noise" * 500)
    else:
        tables = sqlite3.connect(path)
        if damage == "another layout":
            tables.execute("CREATE TABLE files (id INTEGER PRIMARY KEY)")
        else:
            tables.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT)")
            tables.execute("INSERT INTO about VALUES ('format', '0')")
        tables.commit()
        tables.close()
    save_exam(tmp_path / "in")
    with Catalogue(path, tmp_path / "in") as catalogue:
        assert read(catalogue, tmp_path / "in").n_new == 4
        assert len(list(catalogue.exams())) == 1


def test_only_its_owner_reads_it_and_with_a_key_it_holds_no_number(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_exam(source)
    key = Pseudonyms(key=b"k" * 32)
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        read(catalogue, source, key)
        (exam,) = catalogue.exams()
    assert (exam.woman_id, exam.exam_id) == (key.woman("W0001"), key.exam("A0001"))
    assert stat.S_IMODE(os.stat(tmp_path / "c.sqlite").st_mode) == 0o600  # noqa: PTH116
    everything = (tmp_path / "c.sqlite").read_bytes()
    for secret in (b"W0001", b"A0001", b"Doe", b"1.2.826.0.1.3680043"):
        assert secret not in everything


def test_names_that_are_no_text_are_kept_apart(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_view(source, "a.dcm")
    raw = os.fsencode(source)
    os.rename(raw + b"/a.dcm", raw + b"/\xff.dcm")  # noqa: PTH104
    save_view(source, r"\xff.dcm", "R", number=2)
    with Catalogue(None, source) as catalogue:
        read(catalogue, source)
        (exam,) = catalogue.exams()
        assert [view.located.label for view in exam.views] == [r"\xff.dcm"] * 2
        assert len({view.located.path for view in exam.views}) == 2


def test_the_same_object_with_other_pixels_says_so(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_view(source, "a.dcm")
    save_view(source, "b.dcm")
    save_view(source, "c.dcm", pixels=build_pixels(seed=8))
    save_view(source, "d.dcm", syntax="1.2.840.10008.1.2.4.70")
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        read(catalogue, source)
        messages = {located.label: refusal.message for located, refusal in catalogue.refusals(str)}
        assert messages == {
            "b.dcm": "duplicate_instance: the same object as a.dcm",
            "c.dcm": "duplicate_instance: the same SOP Instance UID as a.dcm, with other pixel bytes",
            "d.dcm": "duplicate_instance: the same object as a.dcm, in another transfer syntax",
        }
        assert list(catalogue.unknown_twins()) == []
    save_view(source, "a.dcm", pixels=build_pixels(seed=8))
    os.utime(source / "a.dcm", ns=(1, 1))
    with Catalogue(tmp_path / "c.sqlite", source) as catalogue:
        read(catalogue, source)
        messages = {located.label: refusal.message for located, refusal in catalogue.refusals(str)}
        assert messages["b.dcm"].endswith("with other pixel bytes")
        assert messages["c.dcm"] == "duplicate_instance: the same object as a.dcm"


def test_the_object_of_another_patient_says_so(tmp_path: Path) -> None:
    other = {"PatientID": "W0002", "AccessionNumber": "A0002"}
    save_view(tmp_path, "a.dcm")
    save_view(tmp_path, "b.dcm", changes=other)
    save_view(tmp_path, "c.dcm", changes=other, pixels=build_pixels(seed=8))
    save_view(tmp_path, "d.dcm", changes={"IssuerOfPatientID": "Elsewhere"})
    with Catalogue(None, tmp_path) as catalogue:
        read(catalogue, tmp_path)
        messages = {located.label: refusal.message for located, refusal in catalogue.refusals(str)}
    same = "duplicate_instance: the same SOP Instance UID as a.dcm, of another patient"
    assert messages == {
        "b.dcm": same,
        "c.dcm": f"{same}, with other pixel bytes",
        "d.dcm": "duplicate_instance: the same object as a.dcm",  # only one of them names an issuer
    }


#: Two women under one number: their headers say so in several ways.
ANNE = {"PatientID": "100", "PatientName": "Alpha^Anne", "PatientBirthDate": "19640101", "PatientAge": None}
BETTY = {"PatientID": "100", "PatientName": "Beta^Betty", "PatientBirthDate": "19510730", "PatientAge": None}


@pytest.mark.parametrize("accession", ["A0001", None])
@pytest.mark.parametrize(
    "different",
    [
        {"PatientBirthDate": "19510730"},
        {"PatientSex": "M"},
        {"IssuerOfPatientID": "HospB"},
        {"PatientName": "Beta^Betty", "PatientBirthDate": "19510730", "IssuerOfPatientID": "HospB"},
    ],
    ids=lambda changes: "+".join(changes),
)
@pytest.mark.parametrize("key", [None, b"k" * 32])
def test_two_women_under_one_number_make_no_exam(
    tmp_path: Path, different: dict[str, Any], accession: str | None, key: bytes | None
) -> None:
    anne = ANNE | {"AccessionNumber": accession, "IssuerOfPatientID": "HospA", "PatientSex": "F"}
    save_view(tmp_path, "a.dcm", "L", number=1, changes=anne)
    save_view(tmp_path, "b.dcm", "R", number=2, changes=anne | different)
    with Catalogue(None, tmp_path) as catalogue:
        read(catalogue, tmp_path, Pseudonyms(key=key))
        refusals = [refusal for _, refusal in catalogue.refusals(str)]
        assert [refusal.code for refusal in refusals] == ["patient_mismatch"] * 2
        assert list(catalogue.exams()) == []
    for secret in ("Alpha", "Beta", "Hosp", "1964", "1951", "19510730"):
        assert not any(secret in refusal.message for refusal in refusals)


def test_exams_of_a_number_that_stands_for_two_women_are_flagged(tmp_path: Path) -> None:
    source, database = tmp_path / "in", tmp_path / "c.sqlite"
    for name, changes, day in (("a", ANNE, "20190314"), ("b", BETTY, "20210314"), ("c", {}, "20210314")):
        dated = {"AccessionNumber": name, "StudyDate": day, "AcquisitionDate": day}
        save_view(source, f"{name}.dcm", number=ord(name), changes=dated | changes)
    with Catalogue(database, source) as catalogue:
        read(catalogue, source)
        flags = {exam.exam_id: exam.flags for exam in catalogue.exams()}
        assert flags == {"a": ("patient_ambiguous",), "b": ("patient_ambiguous",), "c": ()}
    stored = database.read_bytes()
    assert not any(word in stored for word in (b"Alpha", b"Beta", b"19640101", b"1964-01-01"))
    save_view(source, "b.dcm", number=99, changes=BETTY | {"PatientBirthDate": "19640101"})
    with Catalogue(database, source) as catalogue:  # corrected: another name alone is no other woman
        read(catalogue, source)
        assert {exam.flags for exam in catalogue.exams()} == {()}


def test_a_filler_is_no_birth_date(tmp_path: Path) -> None:
    for i, born in enumerate(("19640101", "19000101", "00000000", "")):
        changes = ANNE | {"PatientBirthDate": born, "AccessionNumber": "A"}
        save_view(tmp_path, f"{i}.dcm", "LR"[i % 2], number=i + 1, changes=changes)
    with Catalogue(None, tmp_path) as catalogue:
        read(catalogue, tmp_path)
        (exam,) = catalogue.exams()
        assert exam.flags == ()


def test_the_raw_image_names_its_partner_as_reports_name_it(tmp_path: Path) -> None:
    source = tmp_path / "in"
    raw = {
        "SOPClassUID": PROCESSING_CLASS,
        "PresentationIntentType": "FOR PROCESSING",
        "SOPInstanceUID": "1.2.3",
    }
    save_view(source, "Doe_raw.dcm", changes=raw)
    save_view(source, "Doe_shown.dcm")
    key = Pseudonyms(key=b"k" * 32)
    with Catalogue(None, source) as catalogue:
        read(catalogue, source, key)
        ((_, refusal),) = catalogue.refusals(key.file)
    assert refusal.file == key.file("Doe_raw.dcm")
    assert f"{key.file('Doe_shown.dcm')} is the processed image of the same exposure" in refusal.message
    assert "Doe" not in refusal.message


@pytest.mark.parametrize("n_slices", [4, 5])
def test_single_frame_slices_of_a_volume_are_seen_in_the_company_of_their_series(
    tmp_path: Path, n_slices: int
) -> None:
    for i in range(n_slices):
        save_view(tmp_path, f"s{i}.dcm", number=i + 1, changes={"AcquisitionTime": "101500"})
    save_view(tmp_path, "RCC.dcm", "R", number=30)
    with Catalogue(None, tmp_path) as catalogue:
        read(catalogue, tmp_path)
        codes = [refusal.code for _, refusal in catalogue.refusals(str)]
        (exam,) = catalogue.exams()
        if n_slices < 5:
            assert codes == ["duplicate_view_older"] * 3
            return
        assert codes == ["tomosynthesis_slice"] * 5
        assert exam.missing == ("L CC", "L MLO", "R MLO")
        catalogue.assemble(str, policy=Policy(actions={"tomosynthesis_slice": Action.FLAG}))
        (exam,) = catalogue.exams()
        assert [view.found.flags for view in exam.views] == [("tomosynthesis_slice",), ()]
