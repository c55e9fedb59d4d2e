"""Which images make an exam: one per standard view, chosen by stated rules, the others with their reason.

In: the accepted images of one exam key as small records (`Found`, made from headers). Out: `Assembled`:
the exam with its missing views, and what was passed over and why. No pixels, no files and no identifiers:
numbers are pseudonyms before they come here.

An exam is all accepted images with one AccessionNumber; without one, of one patient on one day; without
a date, of one study. Preferences among several images of one view are rules in order, as
mammocat has them (docs/reference/dicom.md): the first rule that tells decides.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import DicomError
from ..identity import Pseudonyms
from ..records import STANDARD_VIEWS, Laterality, View
from .attributes import clean_text
from .findings import intent_of, is_synthetic
from .gate import judge, series_key
from .machine import read_machine
from .policy import Policy
from .tags import Header
from .values import iso_date
from .vocabulary import OTHER

#: Rules in order, when nobody states others.
PREFER = Policy().prefer
#: An exam that begins before midnight may end after it.
MAX_DAYS_APART = 1
#: Birth dates up to this one are fillers.
FILLER_BIRTH = "1900-12-31"
#: What a woman has one of, in words for several. PS3.3 C.7.1.1: a patient number is unique within its issuer.
ONE_OF = {"issuer": "issuers of one patient number", "birth": "birth dates", "sex": "sexes"}
#: Flags of an exam.
MIXED, RENAMED = "mixed_vendors_in_exam", "patient_name_differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file after its header was read: refused with codes and a message, or accepted with the rest.

    Patient, exam, study and object numbers are pseudonyms where there is a key, as given where not.
    """

    codes: tuple[str, ...] = ()  # what refuses, then flags; () where accepted
    message: str = ""
    exposure: str = ""  # equal for the raw and the processed image of one exposure
    woman_id: str = ""
    issuer: str = ""  # these three: traces (`identity`), "" where the header does not say
    birth: str = ""
    name: str = ""
    sex: str = ""  # F, M or ""
    exam_key: str = ""
    exam_id: str = ""
    exam_date: str = ""  # ISO 8601, "" where unknown
    study: str = ""
    sop: str = ""
    acquired: str = ""  # digits that sort
    instance: int = 0
    machine: str = ""
    intent: str = ""
    laterality: str = ""
    view: str = ""
    flags: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()  # what rules ask for: partial, implant-displaced, synthetic
    series: str = ""  # equal for images that may be slices of one volume; also of refused images


@dataclass(frozen=True, slots=True)
class Candidate:
    """An accepted image that may be chosen: its number for the caller, and its name for messages."""

    number: int
    file: str
    found: Found

    @property
    def slot(self) -> tuple[Laterality, View]:
        """Side and view."""
        return Laterality(self.found.laterality), View(self.found.view)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An accepted image that is not used."""

    number: int
    codes: tuple[str, ...]
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenExam:
    """The images of one woman on one visit, in the order of STANDARD_VIEWS."""

    woman_id: str
    exam_id: str
    exam_date: str
    machine: str
    chosen: tuple[Candidate, ...]
    missing: tuple[str, ...]  # "R MLO"
    flags: tuple[str, ...]  # of the exam; each image carries them too


@dataclass(frozen=True, slots=True)
class Assembled:
    """What became of one group."""

    exam: ChosenExam | None
    passed_over: tuple[PassedOver, ...]


#: Each rule as a value: higher is better.
_RULES: dict[str, Callable[[Found], bool | tuple[str, int]]] = {
    "for-presentation": lambda found: found.intent != "FOR PROCESSING",
    "for-processing": lambda found: found.intent == "FOR PROCESSING",
    "exposure": lambda found: "synthetic" not in found.traits,
    "synthetic": lambda found: "synthetic" in found.traits,
    "whole": lambda found: "partial" not in found.traits,
    "implant-displaced": lambda found: "implant-displaced" in found.traits,
    "newest": lambda found: (found.acquired, found.instance),
}
_WORDS = {
    "for-presentation": "which is for presentation",
    "for-processing": "which is for processing",
    "exposure": "which is an exposure and not synthetic",
    "synthetic": "which is synthetic",
    "whole": "which shows the whole breast",
    "implant-displaced": "which is implant-displaced",
    "newest": "which is newer",
}


def find(header: Header | DicomError, policy: Policy, pseudonyms: Pseudonyms) -> Found:
    """What the header of one file says, or the error that it gave, as the record that assembling needs."""
    if isinstance(header, DicomError):
        return Found(codes=(header.code,), message=str(header))
    decision = judge(header, policy)
    exposure = pseudonyms.file("\x1f".join(header.exposure))
    series = pseudonyms.file("\x1f".join(series_key(header)))
    if decision.reasons:
        return Found(codes=decision.codes, message=decision.message, exposure=exposure, series=series)
    traits = {
        "partial": header.partial_view,
        "implant-displaced": decision.implant_displaced,
        "synthetic": is_synthetic(header),
    }
    assert decision.laterality is not None
    assert decision.view is not None
    return Found(
        exposure=exposure,
        woman_id=pseudonyms.woman(header.patient_id),
        issuer=pseudonyms.trace(header.issuer.casefold()),
        birth=pseudonyms.trace(known_birth(header)),
        name=pseudonyms.trace(plain_name(header.patient_name)),
        sex=header.sex if header.sex in ("F", "M") else "",
        exam_key=pseudonyms.file("\x1f".join(_exam_key(header))),
        exam_id=pseudonyms.exam(exam_number(header)),
        exam_date=header.study_date,
        study=pseudonyms.file(header.study_uid),
        sop=pseudonyms.file(header.sop_instance_uid),
        acquired=header.acquired,
        instance=header.instance_number,
        machine=machine_name(header, pseudonyms),
        intent=intent_of(header),
        laterality=decision.laterality.value,
        view=decision.view.value,
        flags=decision.flags,
        traits=tuple(name for name, has in traits.items() if has),
        series=series,
    )


def known_birth(header: Header) -> str:
    """The birth date, ISO 8601; "" where there is none or a filler (00000000, 19000101)."""
    born = iso_date(header.birth_date)
    return born if born > FILLER_BIRTH else ""


def plain_name(name: str) -> str:
    """Family and given name (PS3.5 6.2, PN) without marks, accents and case: one for spellings of a name."""
    alphabetic = unicodedata.normalize("NFKD", name.split("=")[0].casefold())
    parts = re.split(r"[\^,\s]+", alphabetic.replace(",", "^"))
    letters = ("".join(letter for letter in part if letter.isalnum()) for part in parts)
    return " ".join([part for part in letters if part][:2])


def exam_number(header: Header) -> str:
    """What names an exam before its pseudonym: the accession number, else patient and day, else the study."""
    if header.accession:
        return header.accession
    if header.patient_id and header.study_date:
        return f"{header.patient_id}-{header.study_date}"
    return header.study_uid or header.sop_instance_uid


def machine_name(header: Header, pseudonyms: Pseudonyms) -> str:
    """Maker and model, as far as they may be told (`machine`). With a key only words of a closed vocabulary
    stay, for machines are named by people; what else there was is told apart by a keyed label."""
    machine = " ".join(part for part in (header.manufacturer, header.model) if part)
    if pseudonyms.key is None or not machine:
        return read_machine(header).name
    known = " ".join(filter(None, known_words(header.manufacturer, header.model)))
    return known if OTHER not in known else f"{known} {pseudonyms.site(machine)[:6]}"


def known_words(manufacturer: str, model: str) -> tuple[str, str]:
    """Maker and model without what is not in the closed vocabulary (docs/reference/deidentify.md)."""
    return clean_text("Manufacturer", manufacturer), clean_text("ManufacturerModelName", model)


def assemble(group: Sequence[Candidate], *, prefer: Sequence[str] = PREFER) -> Assembled:
    """The exam of one exam key. `group` holds each object once and is not empty; its order is no matter.

    Refused as a whole: several patients (by number, its issuer, birth date or sex), study dates more than a
    day apart. Of several studies the one with most views is used, then the newest. Then one image per view,
    by `prefer`.
    """
    problem = _mixed(group)
    if problem:
        code, words = problem
        return Assembled(None, tuple(_refuse(c, code, f"expected {words}") for c in group))
    study, others = _choose_study(group)
    chosen, repeats = _choose_views(study, prefer)
    machines = Counter(candidate.found.machine for candidate in chosen)
    names = {candidate.found.name for candidate in group if candidate.found.name}
    slots = {candidate.slot for candidate in chosen}
    first = chosen[0].found
    exam = ChosenExam(
        woman_id=first.woman_id,
        exam_id=first.exam_id,
        exam_date=min(candidate.found.exam_date for candidate in chosen),
        machine=min(machines, key=lambda name: (-machines[name], name)),
        chosen=tuple(chosen),
        missing=tuple(f"{side} {view}" for side, view in STANDARD_VIEWS if (side, view) not in slots),
        flags=(*[MIXED] * (len(machines) > 1), *[RENAMED] * (len(names) > 1)),
    )
    return Assembled(exam, (*others, *repeats))


def _exam_key(header: Header) -> tuple[str, ...]:
    if header.accession:
        return ("accession", header.accession)
    if header.patient_id and header.study_date:
        return ("day", header.patient_id, header.study_date)
    return ("study", header.patient_id, header.study_uid or header.sop_instance_uid)


def _mixed(group: Sequence[Candidate]) -> tuple[str, str] | None:
    patients = {candidate.found.woman_id for candidate in group}
    if len(patients) > 1:
        return "patient_mismatch", f"one patient, found {len(patients)} under one exam number"
    for field, words in ONE_OF.items():
        different = {getattr(candidate.found, field) for candidate in group} - {""}
        if len(different) > 1:
            return "patient_mismatch", f"one patient, found {len(different)} {words} under one exam number"
    dates = sorted(
        datetime.date.fromisoformat(candidate.found.exam_date)
        for candidate in group
        if candidate.found.exam_date
    )
    apart = (dates[-1] - dates[0]).days if dates else 0
    if apart > MAX_DAYS_APART:
        return "date_mismatch", f"one visit, found study dates {apart} days apart under one exam number"
    return None


def _choose_study(group: Sequence[Candidate]) -> tuple[list[Candidate], list[PassedOver]]:
    """Studies are never mixed: most views, then newest, then any fixed order."""
    studies: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in group:
        studies[candidate.found.study].append(candidate)

    def worth(study: str) -> tuple[int, str]:
        return len({c.slot for c in studies[study]}), max(c.found.acquired for c in studies[study])

    best = max(sorted(studies, reverse=True), key=worth)
    used = min(candidate.file for candidate in studies[best])
    words = f"expected images of one study, used that of {used}"
    others = [
        _refuse(candidate, "study_mismatch", words)
        for study, members in studies.items()
        for candidate in members
        if study != best
    ]
    return studies[best], others


def _choose_views(
    group: Sequence[Candidate], prefer: Sequence[str]
) -> tuple[list[Candidate], list[PassedOver]]:
    slots: dict[tuple[Laterality, View], list[Candidate]] = defaultdict(list)
    for candidate in group:
        slots[candidate.slot].append(candidate)
    chosen, passed_over = [], []
    for slot in STANDARD_VIEWS:
        if slot not in slots:
            continue
        best = max(
            slots[slot],
            key=lambda c: (*(_RULES[rule](c.found) for rule in prefer), c.found.sop, c.file),
        )
        chosen.append(best)
        for other in slots[slot]:
            if other is not best:
                words = f"expected one image of {slot[0]} {slot[1]}, used {best.file}"
                because = _because(best.found, other.found, prefer)
                passed_over.append(_refuse(other, "duplicate_view_older", words + because))
    return chosen, passed_over


def _because(best: Found, other: Found, prefer: Sequence[str]) -> str:
    for rule in prefer:
        if _RULES[rule](best) != _RULES[rule](other):
            return f", {_WORDS[rule]}"
    return ", which is as good"


def _refuse(candidate: Candidate, code: str, words: str) -> PassedOver:
    return PassedOver(candidate.number, (code, *candidate.found.flags), f"{code}: {words}")
