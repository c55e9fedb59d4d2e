"""What files are and what intake would do with them, for a person or a script; nothing is written.

In: DICOM files and folders, and a policy. Out: an `Inspection`: each file with what it is, the verdict and
its reasons, the exams that would be made, and what is missing in them. It names files, and no woman:
neither names, numbers and dates, nor UIDs; exams are numbered as they come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ..dicom.findings import Finding, intent_of, is_synthetic, may_be_film, non_image_kind
from ..dicom.folder import ExamFiles, FolderIndex, MammogramFile, index_headers, read_headers
from ..dicom.gate import Decision, find, judge, series_findings
from ..dicom.origin_findings import machine_of
from ..dicom.pixels import VOI_FUNCTIONS
from ..dicom.policy import Policy
from ..dicom.reasons import BY_CODE, Action
from ..dicom.tags import Grayscale, Header
from ..dicom.terms import EXPLANATIONS, PHOTOMETRICS, told, told_uid
from ..dicom.views import told_position
from ..dicom.walk import Located, is_dicom_source, locate, walk
from ..errors import DicomError, InputError
from ..identity import AS_GIVEN
from ..processes import Lost, guarded_pairs
from ..progress import Track, silent
from ..records import STANDARD_VIEWS, Refusal
from .examine import IMAGE_SECONDS, examine

#: Name and version of the JSON document.
FORMAT = "forescreen inspection 1"


Verdict = Literal["accept", "flag", "refuse", "skip"]
#: Codes of files that hold no image: listed, neither used nor counted as refused.
SKIPPED = frozenset({"not_dicom", "non_image_object"})

_UID = "1.2.840.10008.1.2"
#: Names of transfer syntaxes (PS3.6 table A-1), shortened.
SYNTAXES = {
    _UID: "implicit little endian",
    f"{_UID}.1": "explicit little endian",
    f"{_UID}.1.99": "deflated",
    f"{_UID}.2": "explicit big endian",
    f"{_UID}.5": "RLE",
    f"{_UID}.4.50": "JPEG baseline",
    f"{_UID}.4.51": "JPEG extended",
    f"{_UID}.4.57": "JPEG lossless",
    f"{_UID}.4.70": "JPEG lossless SV1",
    f"{_UID}.4.80": "JPEG-LS",
    f"{_UID}.4.81": "JPEG-LS near-lossless",
    f"{_UID}.4.90": "JPEG 2000 lossless",
    f"{_UID}.4.91": "JPEG 2000",
    f"{_UID}.4.201": "HTJ2K lossless",
    f"{_UID}.4.202": "HTJ2K RPCL lossless",
    f"{_UID}.4.203": "HTJ2K",
}
#: What an object is, by the first of its findings in this order.
_KINDS = {
    "tomosynthesis_volume": "tomosynthesis volume",
    "tomosynthesis_projection": "tomosynthesis projection",
    "tomosynthesis_slice": "tomosynthesis slice",
    "quality_control": "quality control image",
    "stereo_biopsy": "stereotactic image",
    "specimen": "specimen",
    "contrast_recombined": "contrast-enhanced image",
    "contrast_low_energy": "low-energy image",
    "colour_image": "colour image",
    "computed_radiography": "storage phosphor image",
    "unsupported_sop_class": "other image",
}


@dataclass(frozen=True, kw_only=True)
class Note:
    """One reason or flag: its code, what was found, and what to do."""

    code: str
    words: str  # "expected ..., found ..."
    remedy: str


@dataclass(frozen=True, kw_only=True)
class InspectedFile:
    """One file. Empty texts and None: the header does not say, or there is none."""

    file: str
    verdict: Verdict
    kind: str
    machine: str = ""
    side: str = ""
    view: str = ""
    rows: int | None = None
    columns: int | None = None
    bits: int | None = None
    photometric: str = ""
    spacing_mm: tuple[float, float] | None = None
    spacing_source: str = ""
    syntax: str = ""
    lossy: bool = False
    intent: str = ""
    voi: str = ""
    reasons: tuple[Note, ...] = ()
    flags: tuple[Note, ...] = ()
    exam: int | None = None  # running number


@dataclass(frozen=True, kw_only=True)
class InspectedExam:
    """One exam as intake would make it: the file of each standard view, "" where the view is missing."""

    exam: int
    machine: str
    views: dict[str, str]  # "L CC" -> file
    missing: tuple[str, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """All files in the order of their names, and the exams."""

    policy: str
    headers_only: bool
    files: tuple[InspectedFile, ...]
    exams: tuple[InspectedExam, ...]

    def count(self, *verdicts: Verdict) -> int:
        """Files with one of the verdicts."""
        return sum(file.verdict in verdicts for file in self.files)

    @property
    def by_code(self) -> dict[str, int]:
        """Files per code, reasons and flags together, the most frequent first."""
        codes = Counter(n.code for file in self.files for n in (*file.reasons, *file.flags))
        return dict(sorted(codes.items(), key=lambda item: (-item[1], item[0])))

    @property
    def exit_code(self) -> int:
        """0: all images usable; 1: some are refused; 2: no DICOM object at all."""
        if all(any(note.code == "not_dicom" for note in file.reasons) for file in self.files):
            return 2
        return 1 if self.count("refuse") else 0

    def as_dict(self) -> dict[str, Any]:
        """The JSON document (docs/reference/inspect.md)."""
        return {
            "format": FORMAT,
            "policy": self.policy,
            "headers_only": self.headers_only,
            "files": [asdict(file) for file in self.files],
            "exams": [asdict(exam) for exam in self.exams],
            "counts": {
                "files": len(self.files),
                "accepted": self.count("accept", "flag"),
                "accepted_with_flags": self.count("flag"),
                "refused": self.count("refuse"),
                "skipped": self.count("skip"),
            },
            "by_code": self.by_code,
            "exit_code": self.exit_code,
        }


def inspect(
    paths: Sequence[Path],
    policy: Policy,
    *,
    headers_only: bool = False,
    workers: int = 1,
    track: Track = silent,
) -> Inspection:
    """What the files, and all files below the folders, are; headers first, then the pixels of what passed.

    Raises InputError for a path that does not exist, and where there is no file at all.
    """
    files = list_files(paths)
    headers = read_headers([located for located, _ in files], workers=workers, track=track)
    in_series = iter(series_findings([header for header in headers if isinstance(header, Header)]))
    index = index_headers(files, headers, pseudonyms=AS_GIVEN, policy=policy)
    exams = sorted(index.exams, key=lambda exam: exam.mammograms[0].file)
    numbers = {m.file: i for i, exam in enumerate(exams, 1) for m in exam.mammograms}
    refusals = {refusal.file: refusal for refusal in index.refusals}
    looks = {} if headers_only else _look_at_all(index, policy, workers, track)
    inspected = []
    for (_, file), header in zip(files, headers, strict=True):
        if isinstance(header, DicomError):
            inspected.append(_unread(file, header))
            continue
        decision = judge(header, policy, next(in_series))
        about = _about(file, header, decision, policy)
        inspected.append(
            _with_verdict(
                about,
                decision,
                refusals.get(file),
                looks.get(file),
                numbers.get(file),
                partial(_refuses, policy, may_be_film(header)),
            )
        )
    by_name = {one.file: one for one in inspected}
    return Inspection(
        policy=policy.name,
        headers_only=headers_only,
        files=tuple(inspected),
        exams=tuple(_exam(i, exam, by_name) for i, exam in enumerate(exams, 1)),
    )


def list_files(paths: Sequence[Path]) -> list[tuple[Located, str]]:
    """Every file with its name in the report: as given, or relative to the folder it was found in."""
    found: dict[tuple[Path, str, int], tuple[Located, str]] = {}
    for path in paths:
        if not path.exists():
            raise InputError(
                expected="a DICOM file or a folder of them", found="no such path", where=str(path)
            )
        if is_dicom_source(path):
            prefix = f"{path.name}/" if len(paths) > 1 and path.is_dir() and path.name else ""
            for located in sorted(walk(path), key=lambda located: located.label):
                place = (located.path, located.member, located.offset)
                found.setdefault(place, (located, prefix + located.label))
        else:
            located = locate(path)
            found.setdefault((located.path, "", -1), (located, path.name if len(paths) == 1 else str(path)))
    if not found:
        raise InputError(expected="DICOM files", found="no file at all", where=", ".join(map(str, paths)))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Look:
    """What the pixels of one image said; small, for it comes from a worker."""

    refusal: Refusal | None
    flagged: tuple[Finding, ...] = ()


def _look_at_all(index: FolderIndex, policy: Policy, workers: int, track: Track) -> dict[str, _Look]:
    files = [mammogram for exam in index.exams for mammogram in exam.mammograms]
    found = guarded_pairs(
        partial(_look_at, policy),
        ((file, file) for file in files),
        workers=workers if workers > 1 and len(files) > 1 else 0,
        chunk=1,
        seconds=lambda _: IMAGE_SECONDS,
    )
    looks = {}
    for file, look in track(found, "reading pixels", len(files)):
        if isinstance(look, Lost):
            refusal = Refusal(file=file.file, code=look.code, codes=(look.code,), message=look.message)
            look = _Look(refusal)
        looks[file.file] = look
    return looks


def _look_at(policy: Policy, file: MammogramFile) -> _Look:
    found = examine(file, policy)
    return _Look(found) if isinstance(found, Refusal) else _Look(None, found.flagged)


def _unread(file: str, error: DicomError) -> InspectedFile:
    note = Note(
        code=error.code,
        words=f"expected {error.expected}, found {error.found}",
        remedy=BY_CODE[error.code].remedy,
    )
    if error.code in SKIPPED:
        return InspectedFile(file=file, verdict="skip", kind="not DICOM", reasons=(note,))
    return InspectedFile(file=file, verdict="refuse", kind="unreadable", reasons=(note,))


def _about(file: str, header: Header, decision: Decision, policy: Policy) -> InspectedFile:
    """What the object is, before any verdict."""
    codes = {finding.code for finding in find(header, policy)}
    codes |= {finding.code for finding in (*decision.reasons, *decision.flagged)}
    photometric = header.grayscale.photometric
    return InspectedFile(
        file=file,
        verdict="accept",
        kind=_kind(header, codes),
        machine=machine_of(header),
        side=str(decision.laterality or ""),
        view=str(decision.view or told_position(header.view_position)),
        rows=header.rows,
        columns=header.columns,
        bits=header.grayscale.bits_stored,
        photometric=told(photometric, PHOTOMETRICS) if photometric else "",
        spacing_mm=decision.spacing.mm,
        spacing_source=decision.spacing.source,
        syntax=SYNTAXES.get(header.transfer_syntax) or told_uid(header.transfer_syntax),
        lossy="lossy_compression" in codes,
        intent=intent_of(header),
        voi="" if header.pixel_data is None else _voi(header.grayscale),
    )


def _kind(header: Header, codes: set[str]) -> str:
    no_image = non_image_kind(header.sop_class)
    if no_image:
        return no_image
    special = next((kind for code, kind in _KINDS.items() if code in codes), "")
    if special:
        return special
    if "secondary_capture" in codes:
        return "digitised film or capture" if may_be_film(header) else "secondary capture"
    if is_synthetic(header):
        return "synthetic 2D image"
    if intent_of(header) == "FOR PROCESSING":
        return "raw mammogram"
    return "mammogram" if header.modality == "MG" else "other image"


def _voi(grey: Grayscale) -> str:
    """The VOI that the conversion profile would apply."""
    if grey.voi_luts:
        name = grey.voi_luts[0].explanation if grey.voi_luts[0] is not None else ""
        return f"LUT {name if name.upper() in EXPLANATIONS else 1} of {len(grey.voi_luts)}"
    if grey.windows:
        return f"window 1 of {len(grey.windows)}, {told(grey.voi_function or 'LINEAR', VOI_FUNCTIONS)}"
    return "minimum to maximum"


def _with_verdict(
    about: InspectedFile,
    decision: Decision,
    refusal: Refusal | None,
    look: _Look | None,
    exam: int | None,
    refuses: Callable[[str], bool],
) -> InspectedFile:
    """`refuses`: whether a code refuses this object under the policy."""
    flags = tuple(_note(finding) for finding in decision.flagged)
    if decision.reasons:
        reasons = tuple(_note(finding) for finding in decision.reasons)
        if refusal is not None and ";" in refusal.message.removeprefix(decision.message):
            partner = refusal.message.removeprefix(decision.message).lstrip("; ")
            reasons = (replace(reasons[0], words=f"{reasons[0].words}; {partner}"), *reasons[1:])
        verdict: Verdict = "skip" if decision.codes[0] in SKIPPED else "refuse"
        return replace(about, verdict=verdict, reasons=reasons, flags=flags)
    if look is not None and look.refusal is not None:
        refusal, exam = look.refusal, None
    if refusal is not None:
        reasons, more = _notes(refusal, flags, refuses)
        return replace(about, verdict="refuse", reasons=reasons, flags=(*flags, *more))
    flags = (*flags, *(_note(finding) for finding in (look.flagged if look else ())))
    return replace(about, verdict="flag" if flags else "accept", flags=flags, exam=exam)


def _refuses(policy: Policy, film: bool, code: str) -> bool:
    return policy.action(code, film=film) is Action.REFUSE


def _note(finding: Finding) -> Note:
    return Note(
        code=finding.code,
        words=f"expected {finding.expected}, found {finding.found}",
        remedy=BY_CODE[finding.code].remedy,
    )


def _notes(
    refusal: Refusal, flags: tuple[Note, ...], refuses: Callable[[str], bool]
) -> tuple[tuple[Note, ...], tuple[Note, ...]]:
    """Reasons and further flags of a refusal that came after the header; its words stand with the first."""
    known = {flag.code for flag in flags}
    words = refusal.message.removeprefix(f"{refusal.file}: ").removeprefix(f"{refusal.code}: ")
    notes = [
        Note(
            code=code,
            words=words if code == refusal.code else BY_CODE[code].meaning,
            remedy=BY_CODE[code].remedy,
        )
        for code in refusal.codes
        if code not in known
    ]
    is_reason = [note.code == refusal.code or refuses(note.code) for note in notes]
    return (
        tuple(note for note, is_one in zip(notes, is_reason, strict=True) if is_one),
        tuple(note for note, is_one in zip(notes, is_reason, strict=True) if not is_one),
    )


def _exam(number: int, exam: ExamFiles, by_name: dict[str, InspectedFile]) -> InspectedExam:
    used = {f"{m.laterality} {m.view}": m.file for m in exam.mammograms if by_name[m.file].exam == number}
    slots = [f"{side} {view}" for side, view in STANDARD_VIEWS]
    swapped = {
        str(m.laterality)
        for m in exam.mammograms
        for note in (*by_name[m.file].reasons, *by_name[m.file].flags)
        if note.code == "laterality_conflict_pixels"
    }
    flags = dict.fromkeys(flag for m in exam.mammograms for flag in m.flags if BY_CODE[flag].stage == "exam")
    if len(swapped) == 2:
        flags["laterality_swap_suspected"] = None
    return InspectedExam(
        exam=number,
        machine=exam.machine,
        views={slot: used.get(slot, "") for slot in slots},
        missing=tuple(slot for slot in slots if slot not in used),
        flags=tuple(flags),
    )
