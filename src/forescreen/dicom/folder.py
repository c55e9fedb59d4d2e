"""A folder of files becomes exams that can be loaded, and refusals with their reasons.

In: a folder, an archive or a DICOMDIR (`walk`). Out: `FolderIndex`: each file is either one of the
mammograms of one exam or one Refusal, never both and never neither. Only headers are read;
`load_mammogram` reads and converts the pixels of one image later. `index_folder` is for what fits in
memory; large archives go through the same steps with a catalogue on disk (`catalogue`, `ingestion.run`).

What makes an exam and which of several images of a view is used: `assemble`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..errors import DicomError, unexpected
from ..identity import Pseudonyms
from ..processes import Lost, guarded_pairs
from ..progress import Track, silent
from ..records import Acquisition, Laterality, Mammogram, Refusal, View
from .assemble import Found, find
from .catalogue import Catalogue
from .findings import intent_of
from .gate import Decision, judge
from .pixels import PROFILE, present
from .policy import Policy
from .read import read_header, read_pixels
from .stored import Stored
from .syntaxes import codec_of
from .tags import Header
from .twins import difference
from .walk import Located, locate, walk

#: An image whose values differ by less, stored or shown, has no contrast.
MIN_STORED_RANGE = 16
MIN_SHOWN_RANGE = 0.05
#: Part of the picture at the brightest value above which the flag `saturated` is set.
MAX_SATURATED = 0.25
#: A header takes a millisecond; a slow share may take this long to give one.
HEADER_SECONDS = 60.0
#: A header of any mammogram fits, a deflated data set too.
HEADER_BYTES = 4 << 30
#: Headers per message to a worker.
CHUNK = 64

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class MammogramFile:
    """One accepted image, not yet loaded."""

    path: Path | Located
    file: str  # its name in reports
    header: Header
    laterality: Laterality
    view: View
    spacing_mm: tuple[float, float] | None
    spacing_source: str
    flags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ExamFiles:
    """The images of one woman on one visit, one per laterality and view, in the order of STANDARD_VIEWS."""

    woman_id: str
    exam_id: str
    exam_date: str  # ISO 8601, "" where unknown
    machine: str
    mammograms: tuple[MammogramFile, ...]
    missing: tuple[str, ...] = ()  # standard views without an image: "R MLO"


@dataclass(frozen=True, kw_only=True)
class FolderIndex:
    """What a folder holds: exams sorted by exam_id, refusals sorted by file."""

    exams: tuple[ExamFiles, ...]
    refusals: tuple[Refusal, ...]
    n_files: int


def index_folder(
    folder: Path,
    *,
    pseudonyms: Pseudonyms,
    policy: Policy = Policy(),  # noqa: B008  frozen
    apart_from: frozenset[str] = frozenset(),
    workers: int = 1,
    track: Track = silent,
) -> FolderIndex:
    """Exams and refusals of all files below `folder`; bad files are refusals, never errors.

    Files are named as they are, also with a key. Files of the names `apart_from` directly in `folder` are
    no part of the archive and are not counted. Raises DicomError as `walk` does.
    """
    files = [(located, located.label) for located in walk(folder, apart_from=apart_from)]
    return index_files(files, pseudonyms=pseudonyms, policy=policy, workers=workers, track=track)


def index_files(
    files: Sequence[tuple[Path | Located, str]],
    *,
    pseudonyms: Pseudonyms,
    policy: Policy = Policy(),  # noqa: B008  frozen
    workers: int = 1,
    track: Track = silent,
) -> FolderIndex:
    """Exams and refusals of files, each with its name in reports."""
    headers = read_headers([file for file, _ in files], workers=workers, track=track)
    return index_headers(files, headers, pseudonyms=pseudonyms, policy=policy)


def read_headers(
    files: Sequence[Path | Located], *, workers: int = 1, track: Track = silent
) -> list[Header | DicomError]:
    """The header of each file, or the error that says why there is none."""
    placed = [_from_anywhere(file) for file in files]
    found = _read(
        header_or_error,
        enumerate(placed),
        len(placed),
        workers=workers if workers > 1 and len(placed) > 1 else 0,
        track=track,
    )
    return [_lost(header) if isinstance(header, Lost) else header for _, header in found]


def index_headers(
    files: Sequence[tuple[Path | Located, str]],
    read: Sequence[Header | DicomError],
    *,
    pseudonyms: Pseudonyms,
    policy: Policy = Policy(),  # noqa: B008  frozen
) -> FolderIndex:
    """The same for files whose headers were read."""
    placed = [(_from_anywhere(file), name) for file, name in files]
    names = {located.label: name for located, name in placed}
    by_place = {_place(located): header for (located, _), header in zip(placed, read, strict=True)}
    with Catalogue(None, Path()) as catalogue:
        catalogue.take_stock(located for located, _ in placed)
        headers: dict[int, Header] = {}

        def answers() -> Iterator[tuple[int, Found]]:
            for number, located in catalogue.pending():
                header = by_place[_place(located)]
                if isinstance(header, Header):
                    headers[number] = header
                yield number, find(header, policy, pseudonyms)

        catalogue.note(answers())
        compare_twins(catalogue, workers=0)
        catalogue.assemble(names.__getitem__, policy=policy)
        exams = [
            ExamFiles(
                woman_id=exam.woman_id,
                exam_id=exam.exam_id,
                exam_date=exam.exam_date,
                machine=exam.machine,
                mammograms=tuple(
                    mammogram_file(
                        view.located,
                        names[view.located.label],
                        headers[view.number],
                        policy,
                        (*view.found.flags, *exam.flags),
                    )
                    for view in exam.views
                ),
                missing=exam.missing,
            )
            for exam in catalogue.exams()
        ]
        refusals = [refusal for _, refusal in catalogue.refusals(names.__getitem__)]
        return FolderIndex(
            exams=tuple(sorted(exams, key=lambda exam: (exam.exam_id, exam.mammograms[0].file))),
            refusals=tuple(sorted(refusals, key=lambda refusal: refusal.file)),
            n_files=catalogue.n_files(),
        )


def _from_anywhere(file: Path | Located) -> Located:
    """The same file, placed below no folder, so that files of several sources stand side by side."""
    located = file if isinstance(file, Located) else locate(file)
    return replace(located, root=".", relative=located.path.as_posix())


def _place(located: Located) -> tuple[str, str, int]:
    return located.relative, located.member, located.offset


def source_root(source: Path) -> Path:
    """The folder below which the files of a source lie: itself, or that of an archive, DICOMDIR or file."""
    return source if source.is_dir() else source.parent


def catalogue_headers(
    catalogue: Catalogue, *, policy: Policy, pseudonyms: Pseudonyms, workers: int, track: Track = silent
) -> None:
    """Read every header that the catalogue does not know yet, in guarded processes (0: in this one)."""
    found = _read(
        partial(_find, policy, pseudonyms),
        catalogue.pending(),
        catalogue.n_pending(),
        workers=workers,
        track=track,
    )
    catalogue.note(
        (number, find(_lost(it), policy, pseudonyms) if isinstance(it, Lost) else it) for number, it in found
    )


def compare_twins(catalogue: Catalogue, *, workers: int, track: Track = silent) -> None:
    """Compare the pixels of files that claim to be the same object, where it was not done yet."""
    pairs = catalogue.unknown_twins()
    found = guarded_pairs(
        _difference,
        pairs,
        workers=workers,
        chunk=1,
        seconds=lambda _: 2 * HEADER_SECONDS,
        headroom_bytes=HEADER_BYTES,
    )
    words = ((pair, ", not compared" if isinstance(it, Lost) else it) for pair, it in found)
    catalogue.note_twins(track(words, "comparing copies"))


def header_or_error(located: Located) -> Header | DicomError:
    """The header of one file, or the error that says why there is none; a fault of ours is one too."""
    try:
        return read_header(located)
    except DicomError as error:
        return error
    except MemoryError:
        raise
    except Exception as error:
        return unexpected(error)


def mammogram_file(
    path: Path | Located, file: str, header: Header, policy: Policy, flags: tuple[str, ...]
) -> MammogramFile:
    """An image whose header the policy accepts, under its name for reports, with the flags it was given.

    Raises DicomError with the first reason where the policy refuses it.
    """
    decision = judge(header, policy)
    if decision.reasons:
        reason = decision.reasons[0]
        raise DicomError(reason.code, expected=reason.expected, found=reason.found, remedy=reason.remedy)
    return placed_file(path, file, header, decision, flags)


def placed_file(
    path: Path | Located, file: str, header: Header, decision: Decision, flags: tuple[str, ...]
) -> MammogramFile:
    """An image under the side, view and spacing of the gate's decision, which must tell side and view."""
    assert decision.laterality is not None
    assert decision.view is not None
    return MammogramFile(
        path=path,
        file=file,
        header=header,
        laterality=decision.laterality,
        view=decision.view,
        spacing_mm=decision.spacing.mm,
        spacing_source=decision.spacing.source,
        flags=flags,
    )


def load_mammogram(file: MammogramFile) -> Mammogram:
    """The pixels of one indexed image, decoded and converted by the profile "forescreen-v1".

    Raises DicomError with the code when the pixels cannot be decoded, or have no contrast.
    """
    return present_mammogram(file, load_stored(file))


def load_stored(file: MammogramFile) -> Stored:
    """The stored pixel values of one indexed image; errors of `read_pixels` name the file."""
    try:
        return read_pixels(file.path, file.header)
    except DicomError as error:
        raise _named(error, file) from error


def present_mammogram(file: MammogramFile, stored: Stored) -> Mammogram:
    """An image whose stored values are at hand, as `load_mammogram` gives it."""
    header = file.header
    try:
        presented = present(stored, header.grayscale)
        flags = (*file.flags, *_pixel_flags(stored, presented.pixels))
    except DicomError as error:
        raise _named(error, file) from error
    return Mammogram(
        pixels=presented.pixels,
        laterality=file.laterality,
        view=file.view,
        spacing_mm=file.spacing_mm,
        acquisition=Acquisition(
            profile=PROFILE,
            manufacturer=header.manufacturer,
            model=header.model,
            software=header.software,
            transfer_syntax=header.transfer_syntax,
            photometric=header.grayscale.photometric,
            intent=intent_of(header),
            voi=presented.voi,
            spacing_source=file.spacing_source,
            codec=codec_of(header.transfer_syntax),
            pixels_sha256=hashlib.sha256(stored.astype("<u2", copy=False).data).hexdigest(),
        ),
        flags=flags,
    )


def _named(error: DicomError, file: MammogramFile) -> DicomError:
    return DicomError(
        error.code, expected=error.expected, found=error.found, where=file.file, remedy=error.remedy
    )


def _pixel_flags(stored: np.ndarray, shown: np.ndarray) -> tuple[str, ...]:
    # Copies: what lies side by side is gone through three times as fast, and twice.
    sample, stored_sample = (np.ascontiguousarray(values[::4, ::4]) for values in (shown, stored))
    sampled_range = int(stored_sample.max()) - int(stored_sample.min())
    shown_range = float(sample.max() - sample.min())
    if sampled_range < MIN_STORED_RANGE or shown_range < MIN_SHOWN_RANGE:
        stored_range = int(stored.max()) - int(stored.min())
        if stored_range < MIN_STORED_RANGE or shown_range < MIN_SHOWN_RANGE:
            raise DicomError(
                "low_dynamic_range",
                expected="an image with contrast",
                found=f"a range of {stored_range} stored values, {shown_range:.3f} of the grey scale",
            )
    return ("saturated",) if np.count_nonzero(sample >= 0.999) > MAX_SATURATED * sample.size else ()


def _read(
    function: Callable[[Located], R],
    files: Iterable[tuple[int, Located]],
    n_files: int,
    *,
    workers: int,
    track: Track,
) -> Iterator[tuple[int, R | Lost]]:
    found = guarded_pairs(
        function,
        files,
        workers=workers,
        chunk=CHUNK,
        seconds=lambda _: HEADER_SECONDS,
        headroom_bytes=HEADER_BYTES,
    )
    yield from track(found, "reading headers", n_files)


def _find(policy: Policy, pseudonyms: Pseudonyms, located: Located) -> Found:
    """Header pass of one file; runs in the workers."""
    try:
        return find(header_or_error(located), policy, pseudonyms)
    except Exception as error:
        return find(unexpected(error), policy, pseudonyms)


def _difference(pair: tuple[Located, Located]) -> str:
    return difference(*pair)


def _lost(lost: Lost) -> DicomError:
    return DicomError(lost.code, expected=lost.expected, found=lost.found)
