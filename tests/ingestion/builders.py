"""Folders of pictures with their tables, and folders of DICOM objects, built in code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from forescreen.dicom.description import Description, Equipment, GreyScale, Window
from forescreen.dicom.encode import EXPLICIT_LITTLE_ENDIAN
from forescreen.dicom.write import derived_uid, write_mammogram
from forescreen.records import STANDARD_VIEWS, Laterality, View
from tests.images.builders import build_breast


def write_picture(path: Path, *, seed: int = 0, chest_wall: str = "left", rows: int = 208) -> None:
    """A 16-bit PNG (or a PGM, by the suffix) of one breast."""
    pixels, _ = build_breast(rows=rows, columns=rows * 10 // 13, chest_wall=chest_wall, seed=seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((pixels * 65535).astype(np.uint16)).save(path)


def build_pictures(folder: Path, *, n_exams: int = 3, **columns: object) -> Path:
    """`n_exams` exams of four 16-bit PNGs and their CSV; returns the path of the CSV."""
    rows = []
    for exam in range(n_exams):
        for slot, (side, view) in enumerate(STANDARD_VIEWS):
            name = f"pictures/e{exam}_{side}{view}.png"
            chest_wall = "left" if side == "L" else "right"
            write_picture(folder / name, seed=4 * exam + slot, chest_wall=chest_wall)
            rows.append(
                {
                    "patient_id": f"p{exam}",
                    "exam_id": f"e{exam}",
                    "laterality": str(side),
                    "view": str(view),
                    "file_path": name,
                    "years_to_cancer": 100,
                    "years_to_last_followup": 6,
                    "split_group": "train",
                    "row_spacing_mm": 1.0,
                    **columns,
                }
            )
    return write_table(folder / "images.csv", pd.DataFrame(rows))


def write_table(path: Path, table: pd.DataFrame) -> Path:
    """The table as CSV."""
    table.to_csv(path, index=False)
    return path


def edit_table(path: Path, row: int, **changes: object) -> Path:
    """The CSV with values of one row (0 is the first after the header) replaced."""
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    for column, value in changes.items():
        table.loc[row, column] = str(value)
    return write_table(path, table)


def content_of(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by relative path."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()
    }


def build_dicom(folder: Path, *, n_exams: int = 2, rows: int = 416, spacing_mm: float = 0.5) -> Path:
    """`n_exams` exams of four For Presentation objects each, by `forescreen.dicom.write`."""
    for exam in range(n_exams):
        for slot, (side, view) in enumerate(STANDARD_VIEWS):
            chest_wall = "left" if side == "L" else "right"
            pixels, _ = build_breast(
                rows=rows, columns=rows * 10 // 13, chest_wall=chest_wall, seed=4 * exam + slot
            )
            stored = np.round(pixels * 3000).astype(np.uint16)
            path = folder / f"e{exam}" / f"{side}{view}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_mammogram(path, stored, build_description(f"e{exam}", side, view, spacing_mm))
    return folder


def build_description(exam_id: str, side: Laterality, view: View, spacing_mm: float) -> Description:
    """What the header says about one view."""
    return Description(
        sop_instance_uid=derived_uid(exam_id, side, view),
        series_instance_uid=derived_uid(exam_id, "series"),
        study_instance_uid=derived_uid(exam_id, "study"),
        woman_id=f"w-{exam_id}",
        exam_id=exam_id,
        exam_date="2015-03-31",
        time="101500",
        laterality=side,
        view=view,
        spacing_mm=spacing_mm,
        equipment=Equipment(manufacturer="MAKER", model="M1", serial_number="1", software="1.0"),
        grey=GreyScale(
            photometric="MONOCHROME2",
            bits_stored=12,
            sign=-1,
            windows=(Window(center=1500, width=3000),),
            padding=0,
        ),
        transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
        age_years=55,
        birth_date="1960-01-01",
    )
