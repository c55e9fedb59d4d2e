"""From a folder of DICOM files, or a table of pictures, to a training store.

Two passes: headers first (which files are standard mammograms, whose, of which exam), then pixels in
worker processes. Every file ends as one row of the manifest or of refused.csv. Kill it at any moment
and run it again: headers that were read and shards that were finished are kept, and the result is the same
to the byte. What the header pass knows lies in a catalogue on disk, so that a million files need no more
memory than ten.

With keyed pseudonyms the store names no file: labels stand for names, and a private listing beside the key
leads back (`listing`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from .. import __version__
from ..dicom.assemble import known_words
from ..dicom.catalogue import Catalogue, CataloguedExam, Stock, View
from ..dicom.folder import (
    catalogue_headers,
    compare_twins,
    mammogram_file,
    source_root,
)
from ..dicom.policy import Policy
from ..dicom.read import read_header
from ..dicom.walk import Located, walk
from ..errors import DicomError, InputError, InterruptedStageError
from ..files import file_sha256, fingerprint
from ..identity import AS_GIVEN, Pseudonyms
from ..images.geometry import Geometry
from ..progress import Track, silent
from ..records import Refusal
from ..stage import claim
from .examine import Examined, examine
from .listing import catalogue_path, listing_path, private_folder, write_listing
from .pictures import Picture, load_picture
from .places import keep_apart
from .shards import IngestSummary, Source, fill_store
from .table import pictures_of, read_image_table


@dataclass(frozen=True, kw_only=True)
class ChosenImage:
    """One image that its exam uses: where it lies, its name in the store, what its header said."""

    located: Located
    file: str
    laterality: str
    view: str
    flags: tuple[str, ...]


def ingest_dicom(
    source: Path,
    store_folder: Path,
    *,
    geometry: Geometry = Geometry(),  # noqa: B008 (frozen)
    pseudonyms: Pseudonyms = AS_GIVEN,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    only_exams: frozenset[str] | None = None,
    apart_from: frozenset[str] = frozenset(),
    private: Path | None = None,
    workers: int = 0,
    track: Track = silent,
) -> IngestSummary:
    """Ingest DICOM files: a folder at any depth, an archive, or what a DICOMDIR lists.

    `only_exams` are exam_ids after pseudonyms; `apart_from` names files in the folder itself that are no
    part of the archive. `private` is the folder of catalogue and listing (`listing.private_folder`). With
    `workers` 0 all is done in this process, where a codec that crashes ends it; guarded processes otherwise.

    Raises InputError for a source without files or without a usable mammogram, InterruptedStageError if
    `store_folder` holds another store, or one of this source as it was before.
    """
    if not source.exists():
        raise InputError(expected="a folder of DICOM files", found="no such folder", where=str(source))
    keep_apart(source, store_folder)
    private = private_folder(store_folder) if private is None else private
    claim(store_folder)
    made_from = fingerprint(__version__, asdict(policy), pseudonyms.file("a key"))
    shown = pseudonyms.file
    path = catalogue_path(private, store_folder)
    try:
        with Catalogue(path, source_root(source), made_from=made_from) as catalogue:
            stock = catalogue.take_stock(track(walk(source, apart_from=apart_from), "looking for files"))
            if stock.n_files == 0:
                raise InputError(
                    expected="a folder of DICOM files", found="an empty folder", where=str(source)
                )
            catalogue_headers(catalogue, policy=policy, pseudonyms=pseudonyms, workers=workers, track=track)
            compare_twins(catalogue, workers=workers, track=track)
            catalogue.assemble(shown, policy=policy)
            summary = _fill(
                catalogue,
                store_folder,
                geometry,
                policy,
                only_exams,
                shown,
                keyed=pseudonyms.key is not None,
                workers=workers,
                track=track,
            )
            if pseudonyms.key is not None:
                files = ((shown(label), label) for label in catalogue.labels())
                write_listing(listing_path(private, store_folder), files, store_folder / "refused.csv")
            return summary
    except sqlite3.Error as error:
        raise InputError(
            expected="a catalogue of the files that can be read and written",
            found=str(error),
            where=str(path),
            remedy="Check the space on the disk, or remove it: it is made anew",
        ) from error


def ingest_table(
    csv_path: Path,
    store_folder: Path,
    *,
    geometry: Geometry = Geometry(),  # noqa: B008 (frozen)
    pseudonyms: Pseudonyms = AS_GIVEN,
    private: Path | None = None,
    workers: int = 0,
    track: Track = silent,
) -> IngestSummary:
    """Ingest the pictures of a CSV in Mirai's columns (`forescreen.ingestion.table`); a row is a file.

    `private` and `workers` as for `ingest_dicom`. Raises InputError naming line and column for a bad table,
    or if no picture could be used, InterruptedStageError if `store_folder` holds another store.
    """
    private = private_folder(store_folder) if private is None else private
    table = read_image_table(csv_path, pseudonyms=pseudonyms)
    pictures, refusals = pictures_of(table, csv_path)
    shown = pseudonyms.file
    sources = [
        Source(
            woman_id=woman_id,
            exam_id=exam_id,
            exam_date=exam_date,
            laterality=picture.laterality.value,
            view=picture.view.value,
            file=shown(picture.file),
            size_bytes=_size(picture.path),
            payload=picture,
        )
        for woman_id, exam_id, exam_date, picture in _by_exam(pictures)
    ]
    summary = fill_store(
        sources,
        store_folder,
        load=load_picture,
        geometry=geometry,
        plan={"source": "table", "csv_sha256": file_sha256(csv_path)},
        refusals=[_renamed(refusal, shown) for refusal in refusals],
        n_files=len(table),
        n_not_asked=0,
        workers=workers,
        track=track,
    )
    if pseudonyms.key is not None:
        files = ((shown(file), file) for file in table["file_path"])
        write_listing(listing_path(private, store_folder), files, store_folder / "refused.csv")
    return summary


class _Sources:
    """The images of the catalogued exams that are asked for, gone through as often as wanted."""

    def __init__(
        self, catalogue: Catalogue, only_exams: frozenset[str] | None, shown: Callable[[str], str]
    ) -> None:
        self.catalogue, self.only_exams, self.shown = catalogue, only_exams, shown

    def __iter__(self) -> Iterator[Source[ChosenImage]]:
        for exam in self.catalogue.exams():
            if self.only_exams is None or exam.exam_id in self.only_exams:
                for view in exam.views:
                    yield _source(exam, view, self.shown)

    def n_not_asked(self) -> int:
        """Usable images of the other exams."""
        if self.only_exams is None:
            return 0
        others = (exam for exam in self.catalogue.exams() if exam.exam_id not in self.only_exams)
        return sum(len(exam.views) for exam in others)


class _Refusals:
    """The refusals of the header pass, gone through as often as wanted."""

    def __init__(self, catalogue: Catalogue, shown: Callable[[str], str]) -> None:
        self.catalogue, self.shown = catalogue, shown

    def __iter__(self) -> Iterator[Refusal]:
        return (refusal for _, refusal in self.catalogue.refusals(self.shown))


def _fill(
    catalogue: Catalogue,
    store_folder: Path,
    geometry: Geometry,
    policy: Policy,
    only_exams: frozenset[str] | None,
    shown: Callable[[str], str],
    *,
    keyed: bool,
    workers: int,
    track: Track,
) -> IngestSummary:
    """The pixel pass over a catalogue whose exams are assembled."""
    sources = _Sources(catalogue, only_exams, shown)
    try:
        summary = fill_store(
            sources,
            store_folder,
            load=partial(load_chosen, policy, keyed),
            geometry=geometry,
            plan={"source": "dicom", "policy": asdict(policy)},
            refusals=_Refusals(catalogue, shown),
            n_files=catalogue.n_files(),
            n_not_asked=sources.n_not_asked(),
            workers=workers,
            track=track,
        )
    except InterruptedStageError as error:
        raise InterruptedStageError(f"{error}{_what_changed(catalogue.since_used())}") from None
    except BaseException:
        catalogue.mark_used()
        raise
    catalogue.mark_used()
    return summary


def load_chosen(policy: Policy, keyed: bool, chosen: ChosenImage) -> Examined | Refusal:
    """A mammogram and its breast, or the reason why its pixels cannot be used; runs in the workers."""
    try:
        header = read_header(chosen.located)
        file = mammogram_file(chosen.located, chosen.file, header, policy, chosen.flags)
        if (file.laterality.value, file.view.value) != (chosen.laterality, chosen.view):
            raise DicomError(
                "unreadable_file",
                expected="the file as it was when the headers were read",
                found="another one",
                remedy="Ingest again when the folder is at rest",
            )
        found = examine(file, policy)
        return _without_names(found) if keyed and isinstance(found, Examined) else found
    except DicomError as error:
        return Refusal(file=chosen.file, code=error.code, codes=(error.code,), message=str(error))


def _without_names(found: Examined) -> Examined:
    """Maker and model as a store with a key may keep them."""
    made = found.mammogram.acquisition
    manufacturer, model = known_words(made.manufacturer, made.model)
    made = replace(made, manufacturer=manufacturer, model=model, software="")
    return replace(found, mammogram=replace(found.mammogram, acquisition=made))


def _source(exam: CataloguedExam, view: View, shown: Callable[[str], str]) -> Source[ChosenImage]:
    file = shown(view.located.label)
    return Source(
        woman_id=exam.woman_id,
        exam_id=exam.exam_id,
        exam_date=exam.exam_date,
        laterality=view.found.laterality,
        view=view.found.view,
        machine=exam.machine,
        file=file,
        size_bytes=view.located.size,
        payload=ChosenImage(
            located=view.located,
            file=file,
            laterality=view.found.laterality,
            view=view.found.view,
            flags=(*view.found.flags, *exam.flags),
        ),
    )


def _what_changed(stock: Stock | None) -> str:
    if stock is None or not (stock.n_new or stock.n_changed or stock.n_gone):
        return ""
    return (
        f" Since that store was begun {stock.n_new} files are new in the source, {stock.n_changed} have "
        f"changed and {stock.n_gone} are gone."
    )


def _renamed(refusal: Refusal, shown: Callable[[str], str]) -> Refusal:
    return Refusal(file=shown(refusal.file), code=refusal.code, codes=refusal.codes, message=refusal.message)


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
