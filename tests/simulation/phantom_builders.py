"""Subjects, small registries and what is measured on their pictures, for the tests of the phantoms."""

from __future__ import annotations

import io
import subprocess
from itertools import pairwise
from pathlib import Path

import imagecodecs
import numpy as np
import pandas as pd
import pydicom
from scipy.ndimage import binary_erosion, gaussian_filter

from forescreen.dicom.encode import (
    EXPLICIT_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)
from forescreen.records import STANDARD_VIEWS, Laterality, View
from forescreen.simulation.exposure import expose
from forescreen.simulation.fields import stream
from forescreen.simulation.phantom import Subject, build_phantom


def build_subject(**changes: object) -> Subject:
    values: dict[str, object] = {
        "seed": 1,
        "woman_id": "W1",
        "exam_id": "E1",
        "bmi": 26.0,
        "dense_fraction": 0.25,
        "trait": 0.0,
    }
    return Subject(**{**values, **changes})  # type: ignore[arg-type]


def build_registry_folder(
    folder: Path, machines: tuple[str, ...] = ("S1-alpha",), *, exam_date: str = "2016-03-02"
) -> list[str]:
    """Tables as the registry has them, one exam per machine; returns the exam ids."""
    (folder / "truth").mkdir(parents=True)
    n = len(machines)
    women = [f"W{i:03d}" for i in range(n)]
    exams = [f"E{i:03d}" for i in range(n)]
    generator = np.random.default_rng(4)
    pd.DataFrame({"woman_id": women, "birth_date": "1960-05-04", "race": "White"}).to_csv(
        folder / "women.csv", index=False
    )
    pd.DataFrame(
        {
            "exam_id": exams,
            "woman_id": women,
            "exam_date": exam_date,
            "machine": machines,
            "site": "S1",
            "bmi": generator.uniform(20, 36, n).round(1),
        }
    ).to_csv(folder / "exams.csv", index=False)
    pd.DataFrame({"woman_id": women, "trait": generator.standard_normal(n)}).to_csv(
        folder / "truth" / "women.csv", index=False
    )
    pd.DataFrame({"exam_id": exams, "dense_fraction": generator.uniform(0.05, 0.6, n)}).to_csv(
        folder / "truth" / "exams.csv", index=False
    )
    return exams


def seen(subject: Subject, laterality: Laterality, view: View, spacing_mm: float = 0.5) -> np.ndarray:
    """Presentation values of one view on a detector of 216 x 180 mm, 0 in air."""
    exposure = expose(
        build_phantom(subject, laterality, view),
        stream(subject.seed, subject.exam_id, laterality, view),
        rows=round(216 / spacing_mm),
        columns=round(180 / spacing_mm),
        spacing_mm=spacing_mm,
    )
    return exposure.levels / 4095


def texture_at_2_mm(subject: Subject) -> np.ndarray:
    """Simple texture statistics of an exam, on pictures area-averaged to pixels of 2 mm.

    The logarithms of the contrast between Gaussian scales of 0, 2, 4, 8 and 16 mm, in the breast and in its
    darker half, averaged over the four views.
    """
    rows = []
    for laterality, view in STANDARD_VIEWS:
        fine = seen(subject, laterality, view, spacing_mm=1.0)
        fine = fine[: fine.shape[0] // 2 * 2, : fine.shape[1] // 2 * 2]
        picture = fine.reshape(fine.shape[0] // 2, 2, fine.shape[1] // 2, 2).mean(axis=(1, 3))
        inside = binary_erosion(picture > 0.05, iterations=4)
        dark = inside & (picture < np.median(picture[inside]))
        scales = [gaussian_filter(picture, width) for width in (0, 1, 2, 4, 8)]
        bands = [finer - coarser for finer, coarser in pairwise(scales)]
        rows.append([np.log(np.std(band[where])) for where in (inside, dark) for band in bands])
    return np.mean(rows, axis=0)


def explained(features: np.ndarray, target: np.ndarray) -> float:
    """R squared of a linear regression, each exam predicted from the others (leave-one-out)."""
    design = np.column_stack([np.ones(len(target)), features])
    hat = design @ np.linalg.pinv(design)
    left_out = (target - hat @ target) / (1 - np.diag(hat))
    return float(1 - np.sum(left_out**2) / np.sum((target - target.mean()) ** 2))


def decoded(data: bytes) -> np.ndarray:
    """Stored pixels of a written object, by codecs named here and not by the writer's own code."""
    header = pydicom.dcmread(io.BytesIO(data))
    syntax = str(header.file_meta.TransferSyntaxUID)
    if syntax in (EXPLICIT_LITTLE_ENDIAN, RLE_LOSSLESS):
        return np.asarray(header.pixel_array)
    frame = next(pydicom.encaps.generate_frames(header.PixelData, number_of_frames=1))
    decode = {
        JPEG_LOSSLESS: imagecodecs.ljpeg_decode,
        JPEG_LS_LOSSLESS: imagecodecs.jpegls_decode,
        JPEG_2000_LOSSLESS: imagecodecs.jpeg2k_decode,
    }[syntax]
    return np.asarray(decode(frame))


def validator_errors(path: Path) -> list[str]:
    """The lines in which dciodvfy says Error."""
    run = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, check=False)
    said = run.stdout + run.stderr
    assert "MammographyImage" in said, f"dciodvfy did not recognise the object: {said}"
    return [line for line in said.splitlines() if "Error" in line]
