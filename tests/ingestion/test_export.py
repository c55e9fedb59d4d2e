"""Export: DICOM in, a peer's PNGs and their derivations out; killed, continued, keyed, mirrored."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from forescreen.dicom.derivation import Derivation
from forescreen.dicom.folder import index_folder
from forescreen.dicom.overlays import read_overlays
from forescreen.dicom.profiles import PROFILES, convert, find_profile
from forescreen.dicom.read import read_header, read_pixels
from forescreen.errors import InputError, InterruptedStageError
from forescreen.files import read_json
from forescreen.identity import AS_GIVEN, Pseudonyms
from forescreen.ingestion.export import Hanging, export_dicom
from forescreen.simulation.mammograms import RenderConfig, render_exams
from tests.dicom.builders import EXPLICIT_LITTLE, JPEG_LOSSLESS, build_mammogram, save
from tests.dicom.dcmtk_corpus import DCMJ2PNM, rendered
from tests.simulation.phantom_builders import build_registry_folder

from .builders import build_dicom, content_of

MIRAI = find_profile("mirai-dcmtk")
KEYED = Pseudonyms(key=b"0123456789abcdef")
MACHINES = ("S1-alpha", "S1-beta", "S1-gamma", "S1-delta")


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.array(opened)


def table(out: Path) -> pd.DataFrame:
    return pd.read_csv(out / "derivations.csv", keep_default_na=False)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One exam of each of the four simulated machines, small."""
    folder = tmp_path_factory.mktemp("phantoms")
    exams = build_registry_folder(folder / "registry", MACHINES)
    config = RenderConfig(binning=12, seed=1, awkward_share=0.0)
    render_exams(folder / "registry", exams, folder / "mammograms", config=config)
    return folder / "mammograms"


def test_each_view_becomes_a_16_bit_png_with_its_derivation(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    summary = export_dicom(folder, tmp_path / "out", profile=MIRAI)
    assert (summary.n_files, summary.n_pictures, summary.n_refused, summary.n_exams) == (8, 8, 0, 2)
    assert summary.by_voi == {"min-max LINEAR": 8}
    names = sorted(p.name for p in (tmp_path / "out" / "images").glob("*.png"))
    assert names[:4] == ["e0_LCC.png", "e0_LMLO.png", "e0_RCC.png", "e0_RMLO.png"]
    path = folder / "e0" / "LCC.dcm"
    header = read_header(path)
    stored = read_pixels(path, header)
    shown = picture(tmp_path / "out" / "images" / "e0_LCC.png")
    assert np.array_equal(shown, convert(MIRAI, stored, header).pixels)
    row = table(tmp_path / "out").iloc[0]
    assert (row["image"], row["file"], row["woman_id"]) == ("images/e0_LCC.png", "e0/LCC.dcm", "w-e0")
    assert (row["profile"], row["voi"], row["codec"]) == ("mirai-dcmtk-v1", "min-max LINEAR", "none")
    assert row["pixels_sha256"] == hashlib.sha256(shown.astype("<u2").tobytes()).hexdigest()
    assert row["stored_sha256"] == hashlib.sha256(stored.astype("<u2").tobytes()).hexdigest()
    assert (row["row_spacing_mm"], row["spacing_source"]) == (0.5, "PixelSpacing")
    assert (row["stored_min"], row["stored_max"]) == (int(stored.min()), int(stored.max()))
    assert (row["bits"], row["rows"], row["columns"]) == (16, *shown.shape)


def test_the_record_beside_a_picture_is_its_row(tmp_path: Path) -> None:
    export_dicom(build_dicom(tmp_path / "in", n_exams=1), tmp_path / "out", profile=MIRAI)
    record = read_json(tmp_path / "out" / "images" / "e0_RMLO.json")
    row = table(tmp_path / "out").set_index("image").loc["images/e0_RMLO.png"]
    assert {f.name for f in fields(Derivation)} < set(record)
    assert record["pixels_sha256"] == row["pixels_sha256"]
    assert record["flags"] == [flag for flag in row["flags"].split(";") if flag]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda p: p.name)
def test_every_profile_can_be_exported(profile: object, tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1, rows=208, spacing_mm=1.0)
    summary = export_dicom(folder, tmp_path / "out", profile=profile)  # type: ignore[arg-type]
    assert summary.n_pictures == 4
    bits = set(table(tmp_path / "out")["bits"])
    assert bits == ({8} if summary.profile == "kaggle-8bit-v1" else {16})


def test_left_mirrors_right_breasts_and_tells_it(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    export_dicom(folder, tmp_path / "stored", profile=MIRAI)
    summary = export_dicom(folder, tmp_path / "left", profile=MIRAI, hanging=Hanging.LEFT)
    assert summary.n_flipped == 2
    rows = table(tmp_path / "left").set_index("image")
    assert rows["flipped"].tolist() == [False, False, True, True]
    assert rows["chest_wall"].tolist() == ["left", "left", "right", "right"]
    assert set(rows["laterality_agrees"]) == {True}
    for name, row in rows.iterrows():
        before, after = picture(tmp_path / "stored" / str(name)), picture(tmp_path / "left" / str(name))
        assert np.array_equal(after, before[:, ::-1] if row["flipped"] else before)
        assert row["pixels_sha256"] == hashlib.sha256(after.astype("<u2").tobytes()).hexdigest()


def test_every_file_is_a_picture_or_a_refusal(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    (folder / "notes.txt").write_text("no image")
    truncated = folder / "e0" / "RCC.dcm"
    truncated.write_bytes(truncated.read_bytes()[:5000])
    flat = build_mammogram(np.full((300, 260), 9, dtype=np.uint16), changes={"AccessionNumber": "flat"})
    save(folder / "flat.dcm", flat)
    summary = export_dicom(folder, tmp_path / "out", profile=MIRAI)
    assert (summary.n_files, summary.n_pictures, summary.n_refused) == (10, 7, 3)
    refused = pd.read_csv(tmp_path / "out" / "refused.csv").set_index("file")["code"].to_dict()
    assert refused == {
        "e0/RCC.dcm": "truncated_file",
        "flat.dcm": "low_dynamic_range",
        "notes.txt": "not_dicom",
    }


def test_a_single_file_is_exported_by_the_same_names(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    export_dicom(folder, tmp_path / "all", profile=MIRAI)
    summary = export_dicom(folder / "e0" / "LMLO.dcm", tmp_path / "one", profile=MIRAI)
    assert (summary.n_files, summary.n_pictures) == (1, 1)
    name = "images/e0_LMLO.png"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()


def test_a_single_file_that_is_refused_gives_its_reason(tmp_path: Path) -> None:
    path = save(tmp_path / "a.dcm", build_mammogram(changes={"Modality": "CT"}))
    with pytest.raises(InputError, match=r"all refused \(not_mammography_modality: 1\)"):
        export_dicom(path, tmp_path / "out", profile=MIRAI)
    assert pd.read_csv(tmp_path / "out" / "refused.csv")["code"].tolist() == ["not_mammography_modality"]


def test_two_workers_make_the_same_bytes_as_one(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    export_dicom(folder, tmp_path / "one", profile=MIRAI)
    export_dicom(folder, tmp_path / "two", profile=MIRAI, workers=2)
    one, two = content_of(tmp_path / "one"), content_of(tmp_path / "two")
    assert {k: v for k, v in one.items() if k != "stage.json"} == {
        k: v for k, v in two.items() if k != "stage.json"
    }


def test_an_interrupted_export_goes_on_where_it_was(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in")
    whole = export_dicom(folder, tmp_path / "whole", profile=MIRAI)
    out = tmp_path / "out"

    def stop_after_three(items: object, label: str, total: int | None = None) -> object:
        for i, item in enumerate(items):  # type: ignore[call-overload]
            if label == "pictures" and i == 3:
                raise KeyboardInterrupt
            yield item

    with pytest.raises(KeyboardInterrupt):
        export_dicom(folder, out, profile=MIRAI, track=stop_after_three)  # type: ignore[arg-type]
    assert len(list(out.glob("images/*.json"))) == 4
    times = {p: p.stat().st_mtime_ns for p in out.glob("images/*.json")}
    assert not (out / "derivations.csv").exists()
    assert export_dicom(folder, out, profile=MIRAI) == whole
    assert all(p.stat().st_mtime_ns == before for p, before in times.items())
    assert (out / "derivations.csv").read_bytes() == (tmp_path / "whole" / "derivations.csv").read_bytes()


def test_a_finished_export_does_nothing_and_another_profile_is_refused(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    first = export_dicom(folder, tmp_path / "out", profile=MIRAI)
    before = content_of(tmp_path / "out")
    assert export_dicom(folder, tmp_path / "out", profile=MIRAI) == first
    assert content_of(tmp_path / "out") == before
    with pytest.raises(InterruptedStageError, match="differing: profile"):
        export_dicom(folder, tmp_path / "out", profile=find_profile("nyu"))


def test_with_a_key_the_folder_names_nobody(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    shutil.copy(folder / "e0" / "LCC.dcm", folder / "e0" / "Doe-Jane.dcm")
    (folder / "Doe-Jane.txt").write_text("no image")
    export_dicom(folder, tmp_path / "out" / "pictures", profile=MIRAI, pseudonyms=KEYED)
    names = sorted(p.name for p in (tmp_path / "out" / "pictures" / "images").glob("*.png"))
    assert names[0] == f"{KEYED.exam('e0')}_LCC.png"
    everything = b"".join(content_of(tmp_path / "out" / "pictures").values())
    for planted in (b"w-e0", b"Doe", b"LMLO.dcm", b"1960-01-01"):
        assert planted not in everything
    private = tmp_path / "out" / "private" / "pictures-files.csv"
    assert private.stat().st_mode & 0o077 == 0
    listed = pd.read_csv(private, keep_default_na=False).set_index("file")
    assert listed.loc["Doe-Jane.txt", "code"] == "not_dicom"
    assert listed.loc["e0/RCC.dcm", "label"] in set(table(tmp_path / "out" / "pictures")["file"])


def test_an_exam_number_that_is_no_file_name_gets_another(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.dcm", build_mammogram(changes={"AccessionNumber": "../7 / 8"}))
    export_dicom(tmp_path / "in", tmp_path / "out", profile=MIRAI)
    (path,) = (tmp_path / "out" / "images").glob("*.png")
    assert path.name.startswith("exam-")
    assert table(tmp_path / "out")["exam_id"].tolist() == ["../7 / 8"]


def test_the_codec_of_a_compressed_image_is_recorded(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.dcm", build_mammogram(), syntax=JPEG_LOSSLESS)
    export_dicom(tmp_path / "in", tmp_path / "out", profile=MIRAI)
    row = table(tmp_path / "out").iloc[0]
    assert row["codec"].startswith("libjpeg-turbo ")
    assert row["transfer_syntax"] == JPEG_LOSSLESS


@pytest.mark.parametrize("source", ["nothing", "empty"])
def test_without_a_source_there_is_an_error(source: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no such path" if source == "nothing" else "an empty folder"):
        export_dicom(tmp_path / source, tmp_path / "out", profile=MIRAI)


def test_all_four_machines_are_exported_by_all_profiles_or_refused_in_words(
    phantoms: Path, tmp_path: Path
) -> None:
    counts = {
        profile.name: export_dicom(phantoms, tmp_path / profile.name, profile=profile).n_pictures
        for profile in PROFILES
    }
    assert counts.pop("ark-pydicom") == 8  # beta and delta have several windows: the peer stops
    assert set(counts.values()) == {16}
    refused = pd.read_csv(tmp_path / "ark-pydicom" / "refused.csv")
    assert set(refused["code"]) == {"voi_invalid"}
    assert refused["message"].str.contains("on which this peer stops").all()


@pytest.mark.skipif(DCMJ2PNM is None, reason="needs dcmj2pnm of DCMTK")
def test_no_pixel_of_the_four_machines_differs_from_dcmtk(phantoms: Path, tmp_path: Path) -> None:
    """Uncompressed first: dcmj2pnm reads no JPEG-LS."""
    index = index_folder(phantoms, pseudonyms=AS_GIVEN)
    files = [mammogram for exam in index.exams for mammogram in exam.mammograms]
    assert len({file.header.grayscale.photometric for file in files}) == 2
    for file in files:
        path = _uncompressed(file.path, tmp_path / "a.dcm")
        header = read_header(path)
        stored = read_pixels(path, header)
        assert np.array_equal(stored, read_pixels(file.path, file.header))
        for name, more in (("mirai-dcmtk", ["--min-max-window", "--grayscale"]), ("brest", [])):
            mine = convert(find_profile(name), stored, header, overlays=read_overlays(path))
            theirs = rendered(path, more)
            assert theirs is not None
            assert int(np.count_nonzero(mine.pixels != theirs)) == 0, (file.file, name)


def _uncompressed(source: Path, target: Path) -> Path:
    import pydicom

    with source.open("rb") as stream:
        ds = pydicom.dcmread(stream)
    ds.PixelData = read_pixels(source, read_header(source)).astype("<u2").tobytes()
    ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OW", False
    return save(target, ds, syntax=EXPLICIT_LITTLE)
