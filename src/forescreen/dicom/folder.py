"""A folder of files becomes exams that can be loaded, and refusals with their reasons.

In: a folder, searched in depth. Out: `FolderIndex`: each file is either one of the mammograms of one
exam or one Refusal, never both and never neither. Only headers are read; `load_mammogram` reads and
converts the pixels of one image later.

An exam is all accepted images with one AccessionNumber (without one: of one patient on one day). Per
laterality and view one image is kept: implant-displaced before full-field where both passed, then the
newest by acquisition time (rules of mammocat; docs/reference/dicom.md).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import DicomError
from ..identity import Pseudonyms
from ..processes import worker_pool
from ..progress import Track, silent
from ..records import STANDARD_VIEWS, Acquisition, Laterality, Mammogram, Refusal, View
from .gate import Decision, Policy, intent_of, judge
from .pixels import PROFILE, present
from .read import read_header, read_pixels
from .tags import Header

#: An image whose values differ by less, stored or shown, has no contrast.
MIN_STORED_RANGE = 16
MIN_SHOWN_RANGE = 0.05
#: Part of the picture at the brightest value above which the flag `saturated` is set.
MAX_SATURATED = 0.25


@dataclass(frozen=True, kw_only=True)
class MammogramFile:
    """One accepted image, not yet loaded."""

    path: Path
    file: str  # relative to the folder, with forward slashes
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


@dataclass(frozen=True, kw_only=True)
class FolderIndex:
    """What a folder holds: exams sorted by exam_id, refusals sorted by file."""

    exams: tuple[ExamFiles, ...]
    refusals: tuple[Refusal, ...]
    n_files: int


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An accepted header with its file."""

    path: Path
    file: str
    header: Header
    decision: Decision

    @property
    def slot(self) -> tuple[Laterality, View]:
        assert self.decision.laterality is not None
        assert self.decision.view is not None
        return self.decision.laterality, self.decision.view


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

    Files of the names `apart_from` directly in `folder` are no part of the archive and are not counted.
    Raises DicomError `unreadable_file` when `folder` is no folder.
    """
    if not folder.is_dir():
        raise DicomError(
            "unreadable_file",
            expected="a folder of DICOM files",
            found="no such folder" if not folder.exists() else "a file",
            where=folder.name,
        )
    ours = {folder / name for name in apart_from}
    paths = sorted(
        (p for p in folder.rglob("*") if p not in ours and not p.is_dir()), key=lambda p: p.as_posix()
    )
    refusals: list[Refusal] = []
    candidates: list[_Candidate] = []
    refused: list[_Candidate] = []
    for path, found in zip(paths, _headers(paths, workers, track), strict=True):
        file = path.relative_to(folder).as_posix()
        if isinstance(found, DicomError):
            refusals.append(Refusal(file=file, code=found.code, codes=(found.code,), message=str(found)))
            continue
        candidate = _Candidate(path, file, found, judge(found, policy))
        (refused if candidate.decision.reasons else candidates).append(candidate)
    processed = {candidate.header.exposure: candidate.file for candidate in candidates}
    refusals.extend(_refusal(candidate, processed) for candidate in refused)
    exams = []
    for group in _group(_first_instances(candidates, refusals)):
        exam = _make_exam(group, pseudonyms, refusals)
        if exam is not None:
            exams.append(exam)
    return FolderIndex(
        exams=tuple(sorted(exams, key=lambda exam: (exam.exam_id, exam.mammograms[0].file))),
        refusals=tuple(sorted(refusals, key=lambda refusal: refusal.file)),
        n_files=len(paths),
    )


def load_mammogram(file: MammogramFile) -> Mammogram:
    """The pixels of one indexed image, decoded and converted by the profile "forescreen-v1".

    Raises DicomError with the code when the pixels cannot be decoded, or have no contrast.
    """
    header = file.header
    try:
        stored = read_pixels(file.path, header)
        presented = present(stored, header.grayscale)
        flags = (*file.flags, *_pixel_flags(stored, presented.pixels))
    except DicomError as error:
        raise DicomError(
            error.code, expected=error.expected, found=error.found, where=file.file, remedy=error.remedy
        ) from error
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
            pixels_sha256=hashlib.sha256(stored.astype("<u2", copy=False).data).hexdigest(),
        ),
        flags=flags,
    )


def _pixel_flags(stored: np.ndarray, shown: np.ndarray) -> tuple[str, ...]:
    sample = shown[::4, ::4]
    stored_range = int(stored.max()) - int(stored.min())
    shown_range = float(sample.max() - sample.min())
    if stored_range < MIN_STORED_RANGE or shown_range < MIN_SHOWN_RANGE:
        raise DicomError(
            "low_dynamic_range",
            expected="an image with contrast",
            found=f"a range of {stored_range} stored values, {shown_range:.3f} of the grey scale",
        )
    return ("saturated",) if float((sample >= 0.999).mean()) > MAX_SATURATED else ()


def _refusal(candidate: _Candidate, processed: dict[tuple[str, ...], str]) -> Refusal:
    """The gate's reasons; for raw pixels also the processed image of the same exposure, if it is there."""
    decision = candidate.decision
    codes, message = decision.codes, decision.message
    partner = processed.get(candidate.header.exposure)
    if "intent_for_processing" in codes and partner:
        message = f"{message}; {partner} is the processed image of the same exposure"
    return Refusal(file=candidate.file, code=codes[0], codes=codes, message=message)


def _headers(paths: list[Path], workers: int, track: Track) -> Iterable[Header | DicomError]:
    label = "reading headers"
    if workers <= 1 or len(paths) < 2:
        yield from track(map(_header_or_error, paths), label, len(paths))
        return
    with worker_pool(workers) as pool:
        found = pool.map(_header_or_error, paths, chunksize=max(1, min(64, len(paths) // workers)))
        yield from track(found, label, len(paths))


def _header_or_error(path: Path) -> Header | DicomError:
    if not path.is_file():
        return DicomError("unreadable_file", expected="a regular file", found="a link or device")
    try:
        return read_header(path)
    except DicomError as error:
        return error


def _first_instances(candidates: list[_Candidate], refusals: list[Refusal]) -> list[_Candidate]:
    """One file per SOP instance: the first by name; the others are refused."""
    first: dict[str, _Candidate] = {}
    kept = []
    for candidate in candidates:
        uid = candidate.header.sop_instance_uid
        if uid and uid in first:
            refusals.append(_refuse(candidate, "duplicate_instance", f"the same object as {first[uid].file}"))
            continue
        first.setdefault(uid, candidate)
        kept.append(candidate)
    return kept


def _group(candidates: list[_Candidate]) -> list[list[_Candidate]]:
    groups: dict[tuple[str, ...], list[_Candidate]] = defaultdict(list)
    for candidate in candidates:
        groups[_exam_key(candidate.header)].append(candidate)
    return list(groups.values())


def _exam_key(header: Header) -> tuple[str, ...]:
    if header.accession:
        return ("accession", header.accession)
    if header.patient_id and header.study_date:
        return ("day", header.patient_id, header.study_date)
    return ("study", header.patient_id, header.study_uid or header.sop_instance_uid)


def _make_exam(group: list[_Candidate], pseudonyms: Pseudonyms, refusals: list[Refusal]) -> ExamFiles | None:
    patients = {candidate.header.patient_id for candidate in group}
    if len(patients) > 1:
        words = f"one patient, found {len(patients)} under one accession number"
        refusals.extend(_refuse(candidate, "patient_mismatch", words) for candidate in group)
        return None
    chosen = _choose_views(_choose_study(group, refusals), refusals)
    header = chosen[0].header
    machines = Counter(_machine(candidate.header) for candidate in chosen)
    mixed = ("mixed_vendors_in_exam",) if len(machines) > 1 else ()
    number = header.accession
    if not number:
        dated = header.patient_id and header.study_date
        number = f"{header.patient_id}-{header.study_date}" if dated else header.study_uid
    return ExamFiles(
        woman_id=pseudonyms.woman(header.patient_id),
        exam_id=pseudonyms.exam(number),
        exam_date=min(candidate.header.study_date for candidate in chosen),
        machine=min(machines, key=lambda name: (-machines[name], name)),
        mammograms=tuple(_mammogram_file(candidate, mixed) for candidate in chosen),
    )


def _mammogram_file(candidate: _Candidate, more_flags: tuple[str, ...]) -> MammogramFile:
    laterality, view = candidate.slot
    spacing = candidate.decision.spacing
    return MammogramFile(
        path=candidate.path,
        file=candidate.file,
        header=candidate.header,
        laterality=laterality,
        view=view,
        spacing_mm=spacing.mm,
        spacing_source=spacing.source,
        flags=candidate.decision.flags + more_flags,
    )


def _choose_study(group: list[_Candidate], refusals: list[Refusal]) -> list[_Candidate]:
    """Studies are never mixed: the one with most views is used, then the lowest StudyInstanceUID."""
    studies: dict[str, list[_Candidate]] = defaultdict(list)
    for candidate in group:
        studies[candidate.header.study_uid].append(candidate)
    best = min(studies, key=lambda uid: (-len({c.slot for c in studies[uid]}), uid))
    for uid, members in studies.items():
        if uid != best:
            refusals.extend(
                _refuse(c, "study_mismatch", f"images of one study, used that of {studies[best][0].file}")
                for c in members
            )
    return studies[best]


def _choose_views(group: list[_Candidate], refusals: list[Refusal]) -> list[_Candidate]:
    slots: dict[tuple[Laterality, View], list[_Candidate]] = defaultdict(list)
    for candidate in group:
        slots[candidate.slot].append(candidate)
    chosen = []
    for slot in STANDARD_VIEWS:
        repeats = sorted(slots.get(slot, []), key=_preference)
        if repeats:
            chosen.append(repeats[-1])
            words = f"one image of {slot[0]} {slot[1]}, used {repeats[-1].file}"
            refusals.extend(_refuse(older, "duplicate_view_older", words) for older in repeats[:-1])
    return chosen


def _preference(candidate: _Candidate) -> tuple[bool, bool, str, int, str]:
    """Highest is best: whole before partial view, implant-displaced, newest, then any fixed order."""
    header = candidate.header
    return (
        not header.partial_view,
        candidate.decision.implant_displaced,
        header.acquired,
        header.instance_number,
        header.sop_instance_uid,
    )


def _machine(header: Header) -> str:
    return " ".join(part for part in (header.manufacturer, header.model) if part)


def _refuse(candidate: _Candidate, code: str, words: str) -> Refusal:
    return Refusal(
        file=candidate.file,
        code=code,
        codes=(code, *candidate.decision.flags),
        message=f"{code}: expected {words}" if "found" in words or "used" in words else f"{code}: {words}",
    )
