from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.dicom.description import FOR_PROCESSING, Description, Equipment, GreyScale
from forescreen.dicom.write import derived_uid, write_mammogram
from forescreen.errors import InputError
from forescreen.identity import AS_GIVEN, Pseudonyms
from forescreen.images.geometry import Geometry
from forescreen.images.store import Store
from forescreen.ingestion.density import COLUMNS, densities_of, folder_table, store_table
from forescreen.ingestion.run import ingest_dicom
from forescreen.records import Laterality, View
from tests.images.raw_builders import build_raw

from .builders import build_description, build_dicom

SMALL = Geometry(32, 26, 8.0)
LINEAR = GreyScale(photometric="MONOCHROME1", bits_stored=14, sign=1, relationship="LIN")


def build_raw_file(path: Path, *, blob: float = 0.5, **changes: object) -> Path:
    """A raw left CC of exam e0 with known density (tests.images.raw_builders), 1 mm pixels, 28 kV, 50 mm."""
    exposure, *_ = build_raw(blob=blob, gain=16000.0)
    described: Description = replace(
        build_description("e0", Laterality.LEFT, View.CC, 1.0),
        sop_instance_uid=derived_uid("raw", path.name),
        intent=FOR_PROCESSING,
        grey=LINEAR,
        kvp=28,
        thickness_mm=50,
        **changes,  # type: ignore[arg-type]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_mammogram(path, np.rint(exposure).astype(np.uint16), described)
    return path


def rows(table: pd.DataFrame, level: str) -> pd.DataFrame:
    return table[table["level"] == level].reset_index(drop=True)


def test_a_store_tells_the_density_of_its_views_sides_and_exams(tmp_path: Path) -> None:
    ingest_dicom(build_dicom(tmp_path / "in"), tmp_path / "store", geometry=SMALL)
    manifest = Store.open(tmp_path / "store").manifest
    table = store_table(manifest)
    assert tuple(table.columns) == COLUMNS
    assert [len(rows(table, level)) for level in ("view", "side", "exam")] == [8, 4, 2]
    assert set(table["method"]) == {"area-v1"}
    assert (manifest.loc[manifest["view"] == "CC", "breast_area_cm2"] > 100).all()
    exam, views = rows(table, "exam").iloc[0], rows(table, "view").iloc[:4]
    assert list(rows(table, "side")["n_views"][:2]) == [2, 2]
    by_side = views.groupby("laterality")["percent"].mean()
    assert exam["percent"] == pytest.approx(by_side.mean(), abs=0.02)
    assert densities_of(manifest)["e0"].both.percent == pytest.approx(exam["percent"], abs=0.01)
    # Half an MLO without muscle: what was not found is told.
    assert "pectoral_not_found" in ";".join(manifest.loc[manifest["view"] == "MLO", "density_flags"])


def test_a_folder_gives_the_numbers_of_the_store_made_from_it(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    ingest_dicom(folder, tmp_path / "store", geometry=SMALL)
    from_store = store_table(Store.open(tmp_path / "store").manifest)
    from_folder = folder_table(folder, pseudonyms=AS_GIVEN).table
    pd.testing.assert_frame_equal(from_folder, from_store)


def test_a_raw_image_is_measured_by_volume_beside_the_others_and_not_averaged_with_them(
    tmp_path: Path,
) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    build_raw_file(folder / "raw.dcm")
    table = folder_table(folder, pseudonyms=AS_GIVEN).table
    exams = rows(table, "exam").set_index("method")
    assert list(exams.index) == ["area-v1", "volumetric-v1"]
    assert (exams["exam_id"] == "e0").all()
    assert list(exams["unit"]) == ["cm2", "cm3"]
    true = build_raw(blob=0.5)[2]
    # The toy beam is near W/Rh at 28 kV, not equal to it.
    assert exams.loc["volumetric-v1", "percent"] == pytest.approx(true, rel=0.35)


def test_denser_raw_images_are_denser(tmp_path: Path) -> None:
    percents = []
    for blob in (0.1, 0.4, 0.8):
        build_raw_file(tmp_path / f"{blob}" / "raw.dcm", blob=blob)
        table = folder_table(tmp_path / f"{blob}", pseudonyms=AS_GIVEN).table
        percents.append(float(rows(table, "exam")["percent"].iloc[0]))
    assert percents == sorted(percents)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kvp": 60}, "expected 22 to 38 kV for TUNGSTEN/RHODIUM, found 60 kV"),
        ({"thickness_mm": 300}, "expected a compressed thickness of 10 to 100 mm, found 300 mm"),
        ({"grey": replace(LINEAR, relationship="LOG")}, "expected pixels linear in exposure"),
        (
            {
                "equipment": Equipment(
                    manufacturer="M", model="M", serial_number="1", software="1", anode="COPPER"
                )
            },
            "found COPPER/RHODIUM",
        ),
    ],
)
def test_a_raw_image_that_physics_cannot_read_says_why(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    exposure, *_ = build_raw(gain=16000.0)
    described = replace(
        build_description("e0", Laterality.LEFT, View.CC, 1.0), intent=FOR_PROCESSING, grey=LINEAR
    )
    (tmp_path / "in").mkdir()
    write_mammogram(
        tmp_path / "in" / "raw.dcm",
        np.rint(exposure).astype(np.uint16),
        replace(described, **changes),  # type: ignore[arg-type]
    )
    row = folder_table(tmp_path / "in", pseudonyms=AS_GIVEN).table.iloc[0]
    assert words in row["refused"]
    assert row["method"] == ""


def test_with_a_key_neither_numbers_nor_file_names_are_told(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    build_raw_file(folder / "PLANTED^NAME.dcm")
    build_raw_file(folder / "PLANTED^SECOND.dcm", pixel_spacing=False)
    text = folder_table(folder, pseudonyms=Pseudonyms(b"k" * 32)).table.to_csv()
    assert "volumetric-v1" in text
    assert "PLANTED" not in text
    assert "w-e0" not in text


def test_every_file_of_a_folder_is_used_or_refused(tmp_path: Path) -> None:
    folder = build_dicom(tmp_path / "in", n_exams=1)
    (folder / "note.txt").write_text("no image")
    build_raw_file(folder / "raw.dcm")
    found = folder_table(folder, pseudonyms=AS_GIVEN)
    named = [*found.used, *(refusal.file for refusal in found.refusals)]
    files = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    assert sorted(named) == sorted(files)
    assert [(refusal.file, refusal.code) for refusal in found.refusals] == [("note.txt", "not_dicom")]


def test_a_folder_without_mammograms_is_refused(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("no image")
    with pytest.raises(
        InputError, match="expected mammograms for presentation or for processing, found none"
    ):
        folder_table(tmp_path, pseudonyms=AS_GIVEN)


def test_a_store_of_an_earlier_version_is_told_to_be_made_again() -> None:
    with pytest.raises(InputError, match="column percent_density, found none"):
        store_table(pd.DataFrame({"exam_id": ["e"]}))
