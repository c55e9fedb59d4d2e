"""Everything below a source is found once, in folders, archives and DICOMDIRs; nothing leads elsewhere."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from forescreen.dicom import archives
from forescreen.dicom.read import read_header, read_pixels
from forescreen.dicom.walk import Located, printable, walk
from forescreen.errors import DicomError

from .builders import JPEG_LOSSLESS, apply, build_mammogram, save

KINDS = ("zip", "tar", "tar.gz", "tgz")


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """An archive of the kind that the suffix tells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def labels(source: Path) -> list[str]:
    return sorted(located.label for located in walk(source))


def content(located: Located) -> bytes:
    with located.open() as stream:
        return stream.read()


def problems(source: Path) -> dict[str, str]:
    return {located.label: located.problem.code for located in walk(source) if located.problem}


def test_a_folder_is_walked_in_depth_and_each_file_found_once(tmp_path: Path) -> None:
    for name in ("a.dcm", "sub/b.dcm", "sub/deep/er/c.dcm", "sub/empty/.keep"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"1234")
    assert labels(tmp_path) == ["a.dcm", "sub/b.dcm", "sub/deep/er/c.dcm", "sub/empty/.keep"]
    found = {located.label: located for located in walk(tmp_path)}
    assert found["sub/b.dcm"].size == 4
    assert found["sub/b.dcm"].mtime_ns == (tmp_path / "sub/b.dcm").stat().st_mtime_ns
    assert content(found["sub/b.dcm"]) == b"1234"


def test_links_devices_and_closed_folders_are_problems_and_loops_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.dcm").write_bytes(b"x")
    (tmp_path / "file").symlink_to(tmp_path / "real" / "a.dcm")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert labels(tmp_path) == ["dangling", "file", "loop", "pipe", "real/a.dcm"]
    assert problems(tmp_path) == dict.fromkeys(("dangling", "loop", "pipe"), "unreadable_file")
    (refused,) = [located for located in walk(tmp_path) if located.label == "loop"]
    with pytest.raises(DicomError, match="found a link to a folder, which is not followed"):
        refused.open()


def test_folders_nested_beyond_reason_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "/".join(["d"] * 102)).mkdir(parents=True)
    ((label, code),) = problems(tmp_path).items()
    assert (label.count("d/"), code) == (101, "unreadable_file")


def test_a_missing_source_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(DicomError, match="no such folder"):
        walk(tmp_path / "nowhere")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inside", [True, False])
def test_a_mammogram_in_an_archive_reads_as_the_file_does(tmp_path: Path, kind: str, inside: bool) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(), syntax=JPEG_LOSSLESS)
    other = save(tmp_path / "b.dcm", build_mammogram(laterality="R", number=2))
    content = {"x/a.dcm": path.read_bytes(), "x/b.dcm": other.read_bytes()}
    archive = pack(tmp_path / "in" / f"exam.{kind}", content)
    found = {located.label: located for located in walk(archive.parent if inside else archive)}
    assert sorted(found) == [f"exam.{kind}/x/a.dcm", f"exam.{kind}/x/b.dcm"]
    for name, plain in (("a", path), ("b", other)):
        located = found[f"exam.{kind}/x/{name}.dcm"]
        header = read_header(located)
        assert header == read_header(plain)
        assert (read_pixels(located, header) == read_pixels(plain, header)).all()
        assert located.size == plain.stat().st_size


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_members_can_be_read_in_any_order_and_again(tmp_path: Path, kind: str) -> None:
    content = {f"m{i}": bytes([i]) * 70_000 + os.urandom(9) for i in range(4)}
    located = sorted(walk(pack(tmp_path / f"a.{kind}", content)), key=lambda found: found.label, reverse=True)
    for found in located:
        with found.open() as stream:
            stream.seek(-9, 2)
            tail = stream.read()
            assert stream.read(1) == b""
            stream.seek(0)
            assert stream.read() == content[found.member]
            assert tail == content[found.member][-9:]


def test_more_archives_than_are_kept_open_can_be_read_side_by_side(tmp_path: Path) -> None:
    for i in range(5):
        pack(tmp_path / f"{i}.tar.gz", {"m": bytes([i])})
        pack(tmp_path / f"{i}.zip", {"m": bytes([i])})
    streams = [(located, located.open()) for located in walk(tmp_path)]
    for located, stream in streams:
        with stream:
            assert stream.read() == bytes([int(located.relative[0])])
    assert len(streams) == 10


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_names_that_lead_out_and_archives_in_archives_are_not_read(tmp_path: Path, kind: str) -> None:
    content = dict.fromkeys(("../out.dcm", "/etc/x", "a/../../y", "c:\\z", "in.zip", "b.TAR.GZ", "ok"), b"x")
    archive = pack(tmp_path / f"a.{kind}", content)
    found = {located.member: located.problem for located in walk(archive)}
    codes = {name: problem.code if problem else "" for name, problem in found.items()}
    unsafe = dict.fromkeys(("../out.dcm", "a/../../y"), "archive_member_unsafe")
    assert codes["ok"] == ""
    assert codes["in.zip"] == codes["b.TAR.GZ"] == "archive_nested"
    assert unsafe.items() <= codes.items()
    assert sum(code == "archive_member_unsafe" for code in codes.values()) == 4
    assert list(tmp_path.iterdir()) == [archive]


def test_links_and_devices_in_archives_are_not_followed(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in (("s", tarfile.SYMTYPE), ("h", tarfile.LNKTYPE), ("f", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        link = zipfile.ZipInfo("s")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.mkdir("folder") if hasattr(archive, "mkdir") else archive.writestr("folder/", b"")
    assert problems(tmp_path) == dict.fromkeys(
        ("a.tar/s", "a.tar/h", "a.tar/f", "b.zip/s"), "archive_member_unsafe"
    )
    assert len(labels(tmp_path)) == 4


def test_a_damaged_archive_gives_what_comes_before_the_damage(tmp_path: Path) -> None:
    whole = pack(tmp_path / "whole.tar", {"a": b"a" * 600, "b": b"b" * 600}).read_bytes()
    (tmp_path / "whole.tar").unlink()
    (tmp_path / "broken.tar").write_bytes(whole[:1536] + b"\xff" * 512 + whole[2048:])
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    (tmp_path / "no.tgz").write_bytes(gzip.compress(whole)[:-30])
    (tmp_path / "empty.tar.gz").write_bytes(b"")
    assert problems(tmp_path) == dict.fromkeys(
        ("broken.tar", "no.zip", "no.tgz", "empty.tar.gz"), "archive_unreadable"
    )
    assert "broken.tar/a" in labels(tmp_path)


def test_an_encrypted_or_damaged_member_says_so_when_it_is_read(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"m": os.urandom(3000)})
    data = bytearray(path.read_bytes())
    encrypted = data.copy()
    encrypted[6] |= 1
    encrypted[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(encrypted)
    (located,) = walk(path)
    with pytest.raises(DicomError, match="found an encrypted one"):
        content(located)
    data[200:210] = bytes(10)
    other = tmp_path / "b.zip"
    other.write_bytes(data)
    (located,) = walk(other)
    with located.open() as stream, pytest.raises(DicomError, match="found a damaged one") as caught:
        stream.read()
    assert caught.value.code == "archive_unreadable"


def test_bombs_are_refused_before_they_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 3)
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 1 << 19)
    for kind in ("zip", "tar.gz"):
        pack(tmp_path / f"grows.{kind}", {"zeros": bytes(1 << 22)})
        pack(tmp_path / f"many.{kind}", {f"{i}": b"x" for i in range(4)})
        pack(tmp_path / f"large.{kind}", {"m": os.urandom(1 << 17) * 5})
    found = problems(tmp_path)
    for kind in ("zip", "tar.gz"):
        assert found[f"grows.{kind}"] == "archive_too_large"
        assert found[f"many.{kind}"] == "archive_too_large"
        assert found[f"large.{kind}/m"] == "archive_member_too_large"


def test_a_zip_whose_index_is_absurd_is_refused_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_INDEX_BYTES", 300)
    pack(tmp_path / "a.zip", {f"{i}": b"x" for i in range(9)})
    assert problems(tmp_path) == {"a.zip": "archive_too_large"}


def build_media(folder: Path, *files: str) -> Path:
    """A DICOMDIR of mammograms with these file IDs (PS3.3 F.3: only the records of images)."""
    records = []
    for i, file in enumerate(files):
        save(folder / file.replace("\\", "/"), build_mammogram(laterality="LR"[i % 2], number=i + 1))
        record = Dataset()
        record.DirectoryRecordType = "IMAGE"
        apply(record, {"ReferencedFileID": file.split("\\")})
        records.append(record)
    patient = Dataset()
    patient.DirectoryRecordType, patient.PatientName = "PATIENT", "Doe^Jane"
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    ds.DirectoryRecordSequence = Sequence([patient, *records])
    return save(folder / "DICOMDIR", ds)


def test_a_dicomdir_gives_the_files_it_lists_and_names_the_missing(tmp_path: Path) -> None:
    directory = build_media(tmp_path, "IMAGES\\I1", "IMAGES\\I2")
    (tmp_path / "UNLISTED").write_bytes(b"x")
    assert labels(directory) == ["IMAGES/I1", "IMAGES/I2"]
    (tmp_path / "IMAGES" / "I1").unlink()
    assert problems(directory) == {"IMAGES/I1": "file_missing"}
    assert labels(tmp_path) == ["DICOMDIR", "IMAGES/I2", "UNLISTED"]  # in a folder it is one file of many


def test_names_of_a_dicomdir_may_have_become_lower_case(tmp_path: Path) -> None:
    directory = build_media(tmp_path, "IMAGES\\I1")
    (tmp_path / "images").mkdir()
    (tmp_path / "IMAGES" / "I1").rename(tmp_path / "images" / "i1")
    assert labels(directory) == ["images/i1"]


@pytest.mark.parametrize("file", ["..\\OUT", "A\\..\\..\\OUT", "A/../../OUT", "C:\\OUT"])
def test_a_dicomdir_cannot_lead_out_of_its_folder(tmp_path: Path, file: str) -> None:
    directory = build_media(tmp_path / "media", file)
    assert list(problems(directory).values()) == ["archive_member_unsafe"]


def test_a_dicomdir_that_is_none_is_an_error_at_once(tmp_path: Path) -> None:
    for content in (b"no directory" * 20, save(tmp_path / "a.dcm", build_mammogram()).read_bytes()):
        (tmp_path / "DICOMDIR").write_bytes(content)
        with pytest.raises(DicomError) as caught:
            walk(tmp_path / "DICOMDIR")
        assert caught.value.code == "not_dicom"


def test_names_that_are_not_printable_are_escaped_in_labels_and_still_open(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/new\nline\xff.dcm"
    with open(raw, "wb") as stream:  # noqa: PTH123  bytes
        stream.write(b"x")
    (located,) = walk(tmp_path)
    assert located.label == r"new\nline\xff.dcm"
    assert content(located) == b"x"
    assert printable("Müller.dcm") == "Müller.dcm"


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    (tmp_path / "a.dcm").write_bytes(b"x")
    (located,) = walk(tmp_path / "a.dcm")
    assert located == Located(
        root=str(tmp_path), relative="a.dcm", size=1, mtime_ns=(tmp_path / "a.dcm").stat().st_mtime_ns
    )
    with pytest.raises(ValueError, match="expected mode 'rb'"):
        located.open("wb")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_members_of_one_name_have_labels_of_their_own(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    names = ["x.dcm", "x.dcm (2)", "x.dcm", "y.dcm", "x.dcm"]
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for i, name in enumerate(names):
                archive.writestr(name, str(i))
    else:
        with tarfile.open(path, "w") as tar:
            for i, name in enumerate(names):
                info = tarfile.TarInfo(name)
                info.size = 1
                tar.addfile(info, io.BytesIO(str(i).encode()))
    assert {located.label: content(located) for located in walk(path)} == {
        f"a.{kind}/x.dcm": b"0",
        f"a.{kind}/x.dcm (2)": b"1",
        f"a.{kind}/x.dcm (3)": b"2",
        f"a.{kind}/y.dcm": b"3",
        f"a.{kind}/x.dcm (4)": b"4",
    }
