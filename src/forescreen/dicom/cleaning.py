"""The data elements of one object, each kept, replaced or left out as its rule says.

In: data elements as bytes (`elements`). Out: clean data elements in little endian, and how many of each
kind there were. A value that breaks its own rules is left out or emptied, never passed on: what is not
a number where a number belongs may be a name.

Source: PS3.5 6.2 (value representations); PS3.15 annex E.
"""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import dictionary_has_tag

from ..identity import Pseudonyms
from .attributes import RULES, Action, Rule, clean_text
from .dates import clean_time, shift_date, shift_datetime
from .elements import Element
from .tags import Header
from .values import tag_of
from .vocabulary import OTHER, meaning_of

#: A clean data set: elements by tag, values in little endian.
Clean = dict[int, Element]

#: Ages from this one on are one class: 45 CFR 164.514(b)(2)(i)(C).
OLDEST_YEARS = 90
#: Counts and measures stay below; letters taken for a number of four bytes do not.
LARGEST = 1 << 24
#: A decimal string has at most so many letters (PS3.5 table 6.2-1).
LONGEST_DECIMAL = 16

#: Bytes per number of the binary VRs; AT is a pair.
NUMBER_BYTES = {"US": 2, "SS": 2, "OW": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8}
# Letters of text VRs that are cleaned to words (PS3.5 table 6.2-1).
_LONGEST = {"CS": 16, "SH": 16, "LO": 64, "ST": 1024}
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", flags=re.ASCII)
_AGE = re.compile(r"\d{3}[DWMY]", flags=re.ASCII | re.IGNORECASE)
_PATIENT_AGE = tag_of("PatientAge")
_DESCRIPTOR = tag_of("LUTDescriptor")
_CODE_VALUE = tag_of("CodeValue")


@dataclass(kw_only=True)
class Cleaner:
    """Cleans the data set of one object; `actions` counts what became of its attributes."""

    pseudonyms: Pseudonyms
    header: Header  # of the original
    exam: str  # the exam's pseudonym
    days_back: int
    her_numbers: frozenset[str]  # runs of five digits and more in her numbers and dates
    actions: Counter[str] = field(default_factory=Counter)

    def clean(self, by_tag: Mapping[int, Element], *, depth: int = 0) -> Clean:
        """The elements of a data set or of an item that have a rule, cleaned."""
        signed = self.header.grayscale.signed
        cleaned: Clean = {}
        for tag, element in by_tag.items():
            rule = RULES.get(tag)
            if rule is None:
                continue
            made = self._element(rule, element, by_tag, signed=signed, depth=depth)
            self.actions[rule.action.value if made is not None else "left out"] += 1
            if made is not None:
                cleaned[tag] = made
        return cleaned

    def _element(
        self, rule: Rule, element: Element, siblings: Mapping[int, Element], *, signed: bool, depth: int
    ) -> Element | None:
        if rule.action is Action.EMPTY:
            return None if depth else Element(rule.vr)
        if rule.action is Action.ITEMS:
            if element.vr != "SQ":
                return None
            return Element("SQ", items=tuple(self.clean(item, depth=depth + 1) for item in element.items))
        if element.vr == "SQ":
            return None
        if rule.action is Action.TABLE:
            return self._table(element, siblings)
        vr = rule.vr.replace("US or SS", "SS" if signed else "US")
        if rule.action is Action.NUMBER and vr in NUMBER_BYTES:
            return self._binary(rule, vr, element)
        if element.vr in NUMBER_BYTES:
            return None  # numbers where text belongs
        texts = [part.strip("\0 \t\r\n") for part in element.value.decode("latin-1").split("\\")]
        made = [self._text(rule, text, siblings) for text in texts[: rule.most_values]]
        if not any(made) and any(texts) and rule.action not in (Action.NUMBER, Action.WORDS):
            return None
        return Element(vr, "\\".join(made).encode("ascii"))

    def _text(self, rule: Rule, text: str, siblings: Mapping[int, Element]) -> str:
        """One component of a text value; ASCII."""
        action = rule.action
        if action is Action.NUMBER:
            return self._number(rule, text)
        if not text:
            return ""
        if action is Action.TERMS:
            assert rule.terms is not None
            return text if rule.terms.fullmatch(text) else OTHER
        if action in (Action.WORDS, Action.VERSIONS):
            return clean_text(rule.keyword, text)[: _LONGEST[rule.vr]].rstrip()
        if action is Action.UID:
            return self.pseudonyms.uid(text)
        if action is Action.STANDARD_UID:
            return text if text in UID_dictionary else self.pseudonyms.uid(text)
        if action is Action.DATE:
            return shift_date(text, self.days_back)
        if action is Action.DATETIME:
            return shift_datetime(text, self.days_back)
        if action is Action.TIME:
            return clean_time(text)
        if action is Action.AGE:
            return clean_age(text)
        if action is Action.WOMAN:
            return self.pseudonyms.woman(self.header.patient_id)
        if action is Action.EXAM:
            return self.exam
        if action is Action.DEVICE:
            return self.pseudonyms.device(text)
        if action is Action.CODE:
            return text.upper() if meaning_of(text) is not None else OTHER
        if action is Action.SCHEME:
            assert rule.terms is not None
            return text.upper() if rule.terms.fullmatch(text) else f"99{OTHER}"
        assert action is Action.MEANING, action
        code = siblings.get(_CODE_VALUE)
        return (code and meaning_of(code.value.decode("latin-1"))) or OTHER.lower()

    def _number(self, rule: Rule, text: str) -> str:
        """A decimal or integer string, at most as long as its VR may be; "" for anything else."""
        if not _DECIMAL.fullmatch(text):
            return ""
        if any(digits in self.her_numbers for digits in re.findall(r"\d{5,}", text)):
            return ""  # whatever it is called, it is a number of hers
        value = float(text)
        if not math.isfinite(value):
            return ""
        if rule.vr == "IS":
            return str(int(value)) if value == int(value) and abs(value) < 2**31 else ""
        if len(text) <= LONGEST_DECIMAL:
            return text
        # The most digits that fit: sixteen letters with sign, point and exponent.
        return next(short for n in range(15, 0, -1) if len(short := f"{value:.{n}g}") <= LONGEST_DECIMAL)

    def _binary(self, rule: Rule, vr: str, element: Element) -> Element | None:
        size = NUMBER_BYTES[vr]
        if element.vr in ("IS", "DS"):  # a writer that took text for a number
            text = self._number(rule, element.value.decode("latin-1").strip("\0 "))
            whole = vr in ("US", "SS") and text.lstrip("+-").isdigit() and -32768 <= int(text) < 65536
            return Element(vr, struct.pack("<l", int(text))[:2]) if whole else None
        kinds = ("US", "SS", "US or SS") if vr in ("US", "SS") else (vr,)
        if element.vr not in kinds or len(element.value) % size:
            return None
        value = element.value[: (4 if vr == "AT" else size) * rule.most_values]
        if self.header.big_endian:
            value = swapped(value, size)
        return _without_text(rule, vr, value)

    def _table(self, element: Element, siblings: Mapping[int, Element]) -> Element | None:
        """A look-up table whose length is that of its descriptor: nothing else hides in it."""
        descriptor = siblings.get(_DESCRIPTOR)
        if descriptor is None or len(descriptor.value) < 6:
            return None
        n_entries = struct.unpack_from(">H" if self.header.big_endian else "<H", descriptor.value)[0] or 65536
        value = element.value
        if len(value) == 2 * n_entries:
            return Element("OW", swapped(value, 2) if self.header.big_endian else value)
        if len(value) in (n_entries, n_entries + 1):  # packed bytes: the odd one is padding
            return Element("OW", value[:n_entries] + b"\0" * (n_entries % 2))
        return None

    def added(self, clean: Clean, methods: Mapping[str, str], *, profile: str, dates: str) -> Clean:
        """What every clean object has beside the elements of `clean`, or instead of them."""
        header = self.header
        texts = {
            "AccessionNumber": self.exam,
            "PatientID": self.pseudonyms.woman(header.patient_id),
            "SOPClassUID": header.sop_class,
            "PatientIdentityRemoved": "YES",
            "DeidentificationMethod": profile,
            "LongitudinalTemporalInformationModified": dates,
        }
        if header.age_years is not None and _PATIENT_AGE not in clean:  # told by the birth date
            texts["PatientAge"] = clean_age(f"{min(max(int(header.age_years), 0), 999):03d}Y")
        if header.is_physics:
            texts["QualityControlImage"] = "YES"  # the patient's name said so, and is gone
        made = {tag: Element(rule.vr) for tag, rule in RULES.items() if rule.action is Action.EMPTY}
        for keyword, text in texts.items():
            made[tag_of(keyword)] = Element(_VRS[keyword], text.encode("ascii"))
        made[tag_of("DeidentificationMethodCodeSequence")] = Element(
            "SQ", items=tuple(_code(value, meaning) for value, meaning in methods.items())
        )
        return made


_VRS = {
    "AccessionNumber": "SH",
    "PatientID": "LO",
    "SOPClassUID": "UI",
    "PatientIdentityRemoved": "CS",
    "DeidentificationMethod": "LO",
    "LongitudinalTemporalInformationModified": "CS",
    "PatientAge": "AS",
    "QualityControlImage": "CS",
}


def _without_text(rule: Rule, vr: str, value: bytes) -> Element | None:
    """Little-endian numbers that cannot spell a text: four letters are a number beyond LARGEST."""
    if vr == "UL" and any(number >= LARGEST for number in struct.unpack(f"<{len(value) // 4}L", value)):
        return None
    if vr == "AT":
        group, number = struct.unpack("<HH", value[:4]) if len(value) >= 4 else (0, 0)
        return Element(vr, value[:4]) if dictionary_has_tag(group << 16 | number) else None
    if vr == "FD":  # eight letters do not survive rounding
        numbers = struct.unpack(f"<{len(value) // 8}d", value)
        if not all(math.isfinite(x) and abs(x) < LARGEST for x in numbers):
            return None
        return Element(vr, struct.pack(f"<{len(numbers)}d", *(float(f"{x:.9g}") for x in numbers)))
    if rule.tag == _DESCRIPTOR and not (len(value) == 6 and value[4] <= 16 and value[5] == 0):
        return None
    return Element(vr, value)


def clean_age(text: str) -> str:
    """An AS value; ages from 90 years on become 090Y; "" for anything else."""
    if not _AGE.fullmatch(text):
        return ""
    years = int(text[:3]) / {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}[text[3].upper()]
    return f"{OLDEST_YEARS:03d}Y" if years >= OLDEST_YEARS else text.upper()


def encode(clean: Clean, *, explicit: bool, big_endian: bool) -> bytes:
    """The bytes of a clean data set or item, elements in the order of tags, lengths defined."""
    return b"".join(
        _encoded(tag, clean[tag], explicit=explicit, big_endian=big_endian) for tag in sorted(clean)
    )


def swapped(value: bytes, size: int) -> bytes:
    """Numbers of `size` bytes in the other byte order."""
    return b"".join(value[i : i + size][::-1] for i in range(0, len(value), size))


def _encoded(tag: int, element: Element, *, explicit: bool, big_endian: bool) -> bytes:
    order = ">" if big_endian else "<"
    if element.vr == "SQ":
        items = [encode(item, explicit=explicit, big_endian=big_endian) for item in element.items]
        value = b"".join(struct.pack(f"{order}HHL", 0xFFFE, 0xE000, len(item)) + item for item in items)
    else:
        value = element.value
        if big_endian and element.vr in NUMBER_BYTES:
            value = swapped(value, NUMBER_BYTES[element.vr])
        value += (b"\0" if element.vr in ("UI", "OB", "OW") else b" ") * (len(value) % 2)
    group, number = tag >> 16, tag & 0xFFFF
    if not explicit:
        return struct.pack(f"{order}HHL", group, number, len(value)) + value
    name = element.vr.encode()
    if element.vr in ("SQ", "OB", "OW", "UT", "UN"):
        return struct.pack(f"{order}HH2sHL", group, number, name, 0, len(value)) + value
    return struct.pack(f"{order}HH2sH", group, number, name, len(value)) + value


def _code(value: str, meaning: str) -> Clean:
    texts = {
        "CodeValue": ("SH", value),
        "CodingSchemeDesignator": ("SH", "DCM"),
        "CodeMeaning": ("LO", meaning),
    }
    return {tag_of(keyword): Element(vr, text.encode()) for keyword, (vr, text) in texts.items()}
