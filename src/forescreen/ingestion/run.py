"""From a folder of DICOM files, or a table of pictures, to a training store.

Two passes: headers first (which files are standard mammograms, whose, of which exam), then pixels in
worker processes. Every file ends as one row of the manifest or of refused.csv. Kill it at any moment
and run it again: finished shards are kept, and the result is the same to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..dicom.folder import MammogramFile, index_folder, load_mammogram
from ..dicom.gate import Policy
from ..errors import DicomError, InputError
from ..files import file_sha256
from ..identity import AS_GIVEN, Pseudonyms
from ..images.geometry import Geometry
from ..progress import Track, silent
from ..records import Mammogram, Refusal
from .pictures import Picture, load_picture
from .shards import IngestSummary, Source, fill_store
from .table import pictures_of, read_image_table


def ingest_dicom(
    folder: Path,
    store_folder: Path,
    *,
    geometry: Geometry = Geometry(),  # noqa: B008 (frozen)
    pseudonyms: Pseudonyms = AS_GIVEN,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    only_exams: frozenset[str] | None = None,
    apart_from: frozenset[str] = frozenset(),
    workers: int = 1,
    track: Track = silent,
) -> IngestSummary:
    """Ingest a folder of DICOM files, at any depth. `only_exams` are exam_ids after pseudonyms;
    `apart_from` names files in the folder itself that are no part of the archive.

    Raises InputError for a folder without files or without a usable mammogram, InterruptedStageError
    if `store_folder` holds another store.
    """
    if not folder.is_dir():
        raise InputError(expected="a folder of DICOM files", found="no such folder", where=str(folder))
    index = index_folder(
        folder, pseudonyms=pseudonyms, policy=policy, apart_from=apart_from, workers=workers, track=track
    )
    if index.n_files == 0:
        raise InputError(expected="a folder of DICOM files", found="an empty folder", where=str(folder))
    wanted = [e for e in index.exams if only_exams is None or e.exam_id in only_exams]
    sources = [
        Source(
            woman_id=exam.woman_id,
            exam_id=exam.exam_id,
            exam_date=exam.exam_date,
            file=mammogram.file,
            size_bytes=_size(mammogram.path),
            payload=mammogram,
        )
        for exam in wanted
        for mammogram in exam.mammograms
    ]
    n_usable = sum(len(exam.mammograms) for exam in index.exams)
    return fill_store(
        sources,
        store_folder,
        load=_load_dicom,
        geometry=geometry,
        pseudonyms=pseudonyms,
        plan={"source": "dicom", "policy": asdict(policy)},
        refusals=index.refusals,
        n_files=index.n_files,
        n_not_asked=n_usable - len(sources),
        workers=workers,
        track=track,
    )


def ingest_table(
    csv_path: Path,
    store_folder: Path,
    *,
    geometry: Geometry = Geometry(),  # noqa: B008 (frozen)
    pseudonyms: Pseudonyms = AS_GIVEN,
    workers: int = 1,
    track: Track = silent,
) -> IngestSummary:
    """Ingest the pictures of a CSV in Mirai's columns (`forescreen.ingestion.table`); a row is a file.

    Raises InputError naming line and column for a bad table, or if no picture could be used,
    InterruptedStageError if `store_folder` holds another store.
    """
    table = read_image_table(csv_path, pseudonyms=pseudonyms)
    pictures, refusals = pictures_of(table, csv_path)
    sources = [
        Source(
            woman_id=woman_id,
            exam_id=exam_id,
            exam_date=exam_date,
            file=picture.file,
            size_bytes=_size(picture.path),
            payload=picture,
        )
        for woman_id, exam_id, exam_date, picture in _by_exam(pictures)
    ]
    return fill_store(
        sources,
        store_folder,
        load=load_picture,
        geometry=geometry,
        pseudonyms=pseudonyms,
        plan={"source": "table", "csv_sha256": file_sha256(csv_path)},
        refusals=refusals,
        n_files=len(table),
        n_not_asked=0,
        workers=workers,
        track=track,
    )


def _load_dicom(file: MammogramFile) -> Mammogram | Refusal:
    """A mammogram, or the reason why its pixels cannot be used; runs in the workers."""
    try:
        return load_mammogram(file)
    except DicomError as error:
        return Refusal(file=file.file, code=error.code, codes=(error.code,), message=str(error))


def _by_exam(
    pictures: Sequence[tuple[str, str, str, Picture]],
) -> list[tuple[str, str, str, Picture]]:
    """Pictures of one exam side by side, exams in the order in which they first occur."""
    place: dict[str, int] = {}
    for _, exam_id, _, _ in pictures:
        place.setdefault(exam_id, len(place))
    return sorted(pictures, key=lambda p: (place[p[1]], p[3].laterality, p[3].view))


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
