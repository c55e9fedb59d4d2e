"""Density of exams, out of a store or straight from DICOM files, as one table.

In: a store's manifest, where ingestion has put the density of each view; or a folder, in which presentation
images are measured by area and raw ones (for processing) by volume. Out: a table with one row per view, side
and exam, or the reason why there is no number.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..dicom.assemble import exam_number
from ..dicom.folder import MammogramFile, index_folder, load_mammogram, placed_file
from ..dicom.gate import Policy, intent_of, judge
from ..dicom.read import read_header, read_pixels
from ..dicom.tags import Header
from ..errors import DicomError, ExamError, InputError
from ..identity import Pseudonyms
from ..images.breast import find_breast
from ..images.orient import find_chest_wall
from ..images.pectoral import find_pectoral
from ..images.prepare import view_density
from ..images.volumetric import RawImage, attenuation_of, exposure_of, measure_volume, shown
from ..processes import Lost, guarded_pairs
from ..progress import Track, silent
from ..records import Density, ExamDensity, Laterality, Refusal, View, exam_density
from .examine import IMAGE_BYTES, IMAGE_SECONDS

COLUMNS = ("exam_id", "woman_id", "exam_date", "level", "laterality", "view", "method", "percent", "dense",
           "breast", "unit", "n_views", "flags", "refused")  # fmt: skip
#: The one reason of the gate that makes a raw image a raw image, and not a bad one.
RAW_CODE = "intent_for_processing"


@dataclass(frozen=True, kw_only=True)
class ViewDensity:
    """One view and its density, or why it has none."""

    woman_id: str
    exam_id: str
    exam_date: str
    laterality: Laterality
    view: View
    density: Density | None
    refused: str = ""


def densities_of(manifest: pd.DataFrame) -> dict[str, ExamDensity]:
    """Density of each exam of a store; exams without a measured view are left out."""
    views: dict[str, list[tuple[Laterality, Density]]] = defaultdict(list)
    for one in _stored(manifest):
        if one.density is not None:
            views[one.exam_id].append((one.laterality, one.density))
    return {exam: exam_density(found) for exam, found in views.items()}


def store_table(manifest: pd.DataFrame) -> pd.DataFrame:
    """The table of a store. Raises InputError for one that was made before density was measured."""
    if "percent_density" not in manifest:
        raise InputError(
            expected="an image store with the column percent_density",
            found="none",
            where="manifest",
            remedy="Ingest the images again with this version",
        )
    return _table(_stored(manifest))


@dataclass(frozen=True, kw_only=True, eq=False)
class FolderDensity:
    """The table of a folder, and every file that is not in it: `refusals` and `used` name all its files."""

    table: pd.DataFrame
    refusals: tuple[Refusal, ...]
    used: tuple[str, ...]


def folder_table(
    folder: Path,
    *,
    pseudonyms: Pseudonyms,
    policy: Policy = Policy(),  # noqa: B008  frozen
    workers: int = 1,
    track: Track = silent,
) -> FolderDensity:
    """The table of a folder of DICOM files, presentation and raw images side by side and never averaged.

    Raises InputError when the folder holds neither.
    """
    index = index_folder(folder, pseudonyms=pseudonyms, policy=policy, workers=workers, track=track)
    tasks: list[_Task] = [
        _Task(woman_id=exam.woman_id, exam_id=exam.exam_id, exam_date=exam.exam_date, file=file)
        for exam in index.exams
        for file in exam.mammograms
    ]
    refused = []
    for refusal in index.refusals:
        raw = None
        if refusal.code == RAW_CODE:
            raw = _raw_task(folder / refusal.file, refusal.file, pseudonyms, policy)
        if raw is None:
            refused.append(refusal)
        else:
            tasks.append(raw)
    if not tasks:
        raise InputError(
            expected="mammograms for presentation or for processing",
            found=f"none among {index.n_files} files",
            where=str(folder),
        )
    found = guarded_pairs(
        _measure,
        ((task, task) for task in tasks),
        workers=workers if workers > 1 else 0,
        chunk=4,
        seconds=lambda _: IMAGE_SECONDS,
        headroom_bytes=IMAGE_BYTES,
    )
    views = []
    for task, view in track(found, "images", len(tasks)):
        if isinstance(view, Lost):
            view = task.result(None, f"{view.code}: {view.message}")
        views.append(view)
    used = tuple(task.file.file for task in tasks)
    return FolderDensity(table=_table(views), refusals=tuple(refused), used=used)


@dataclass(frozen=True, kw_only=True)
class _Task:
    woman_id: str
    exam_id: str
    exam_date: str
    file: MammogramFile

    def result(self, density: Density | None, refused: str) -> ViewDensity:
        return ViewDensity(
            woman_id=self.woman_id,
            exam_id=self.exam_id,
            exam_date=self.exam_date,
            laterality=self.file.laterality,
            view=self.file.view,
            density=density,
            refused=refused,
        )


def _raw_task(path: Path, name: str, pseudonyms: Pseudonyms, policy: Policy) -> _Task | None:
    """A raw image that the gate refuses for nothing else; None for any other file."""
    header = read_header(path)
    decision = judge(header, policy)
    if [reason.code for reason in decision.reasons] != [RAW_CODE]:
        return None
    return _Task(
        woman_id=pseudonyms.woman(header.patient_id),
        exam_id=pseudonyms.exam(exam_number(header)),
        exam_date=header.study_date,
        file=placed_file(path, name, header, decision, decision.flags),
    )


def _measure(task: _Task) -> ViewDensity:
    """One file measured by what it is; runs in the workers."""
    density: Density | None = None
    refused = ""
    try:
        if intent_of(task.file.header) == "FOR PROCESSING":
            density = raw_density(task.file)
        else:
            mammogram = load_mammogram(task.file)
            region = find_breast(mammogram.pixels, bright_air=False)
            side = find_chest_wall(region.mask, mammogram.laterality).chest_wall
            density = view_density(mammogram, region, side)
            if density is None:
                refused = "expected a breast with contrast, found too little of it"
    except DicomError as error:  # its message names the file, which may hold a name
        refused = f"{error.code}: expected {error.expected}, found {error.found}"
    except ExamError as error:
        refused = str(error)
    return task.result(density, refused)


def raw_density(file: MammogramFile) -> Density:
    """Volumetric density of a raw image. Raises DicomError for its pixels, ExamError for its header."""
    raw = raw_image(file.header, file.spacing_mm)
    attenuation = attenuation_of(raw)  # before the pixels are read: most refusals are the header's
    exposure = exposure_of(read_pixels(file.path, file.header), raw)
    picture = shown(exposure)
    region = find_breast(picture, bright_air=False)
    side = find_chest_wall(region.mask, file.laterality).chest_wall
    muscle, flags = np.zeros_like(region.mask), list[str]()
    if file.view is View.MLO:
        found = find_pectoral(picture, region, side)
        muscle = found.mask
        flags = [] if found.found else ["pectoral_not_found"]
    return measure_volume(
        exposure, region, muscle, side, raw=raw, attenuation=attenuation, flags=tuple(flags)
    ).density


def raw_image(header: Header, spacing_mm: tuple[float, float] | None) -> RawImage:
    """What volumetric density needs of a header."""
    technique = header.technique
    return RawImage(
        intent=intent_of(header),
        relationship=technique.relationship,
        sign=technique.sign,
        photometric=header.grayscale.photometric,
        kvp=technique.kvp,
        anode=technique.anode,
        filter_material=technique.filter_material,
        thickness_mm=technique.thickness_mm,
        spacing_mm=spacing_mm,
    )


def _stored(manifest: pd.DataFrame) -> list[ViewDensity]:
    views = []
    for row in manifest.to_dict("records"):
        density = None
        if row["density_method"]:
            density = Density(
                method=row["density_method"],
                percent=float(row["percent_density"]),
                dense=_number(row["dense_area_cm2"]),
                breast=_number(row["breast_area_cm2"]),
                unit="cm2",
                flags=tuple(flag for flag in row["density_flags"].split(";") if flag),
            )
        views.append(
            ViewDensity(
                woman_id=row["woman_id"],
                exam_id=row["exam_id"],
                exam_date=row["exam_date"],
                laterality=Laterality(row["laterality"]),
                view=View(row["view"]),
                density=density,
                refused="" if density else "expected a breast with contrast, found too little of it",
            )
        )
    return views


def _number(value: object) -> float:
    return math.nan if value is None else float(value)  # type: ignore[arg-type]


def _table(views: Sequence[ViewDensity]) -> pd.DataFrame:
    """Views, then sides and the exam of each method, exam by exam."""
    rows: list[dict[str, object]] = []
    exams: dict[str, list[ViewDensity]] = defaultdict(list)
    for view in views:
        exams[view.exam_id].append(view)
    for exam_id in sorted(exams):
        own = exams[exam_id]
        head = {"exam_id": exam_id, "woman_id": own[0].woman_id, "exam_date": own[0].exam_date}
        for one in own:
            place = {"level": "view", "laterality": str(one.laterality), "view": str(one.view), "n_views": 1}
            rows.append({**head, **place, **_columns(one.density), "refused": one.refused})
        for found in _by_method(own):
            of_side = [
                one.laterality for one in own if one.density and one.density.method == found.both.method
            ]
            for level, side, density in (
                ("side", "L", found.left),
                ("side", "R", found.right),
                ("exam", "", found.both),
            ):
                if density is not None:
                    n_views = sum(str(one) == side for one in of_side) if side else found.n_views
                    place = {"level": level, "laterality": side, "view": "", "n_views": n_views}
                    rows.append({**head, **place, **_columns(density), "refused": ""})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _by_method(views: Iterable[ViewDensity]) -> list[ExamDensity]:
    methods: dict[str, list[tuple[Laterality, Density]]] = defaultdict(list)
    for one in views:
        if one.density is not None:
            methods[one.density.method].append((one.laterality, one.density))
    return [exam_density(methods[method]) for method in sorted(methods)]


def _columns(density: Density | None) -> dict[str, object]:
    if density is None:
        return {"method": "", "percent": math.nan, "dense": math.nan, "breast": math.nan, "unit": ""}
    return {
        "method": density.method,
        "percent": round(density.percent, 2),
        "dense": round(density.dense, 2),
        "breast": round(density.breast, 2),
        "unit": density.unit,
        "flags": ";".join(density.flags),
    }
