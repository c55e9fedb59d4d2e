"""Maker, model and software of an image, without what may name a woman.

In: a Header. Out: `Machine`. People type names and numbers into any field, so a word stays only where it is
of the closed vocabulary (`vocabulary`), or where it is short, printable, without a long run of digits and
nothing of her own number, name, exam number and birth date. What does not stay becomes OTHER.

What is decided by maker and model (`is_synthetic`, profiles) reads the header itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from .attributes import RULES
from .tags import Header
from .values import iso_date, tag_of
from .vocabulary import clean_words

#: Longest word and value of a machine, and the run of digits from which on they are a person's number.
_LONGEST_WORD, _LONGEST_VALUE = 24, 256
_NUMBER = re.compile(r"\d{6}")
#: A part of her name or number inside of a word is none of chance from so many characters on.
_LEAST_INSIDE = 4
_VALUES = {"Manufacturer": "manufacturer", "ManufacturerModelName": "model", "SoftwareVersions": "software"}


@dataclass(frozen=True, slots=True)
class Machine:
    """What may be told of a machine; "" where the header does not say."""

    manufacturer: str
    model: str
    software: str

    @property
    def name(self) -> str:
        """Maker and model."""
        return " ".join(part for part in (self.manufacturer, self.model) if part)


def read_machine(header: Header) -> Machine:
    """Maker, model and software of the header's machine."""
    hers = frozenset(_hers(header))
    return Machine(*(_told(keyword, getattr(header, name), hers) for keyword, name in _VALUES.items()))


def _told(keyword: str, value: str, hers: frozenset[str]) -> str:
    kinds = RULES[tag_of(keyword)].kinds
    if len(value) > _LONGEST_VALUE or _bare(value) in hers:
        return clean_words(value, kinds)
    words = re.split(r"([\s\\]+)", value)
    kept = (
        word if i % 2 or _may_stay(word, hers) else clean_words(word, kinds) for i, word in enumerate(words)
    )
    return "".join(kept)


def _may_stay(word: str, hers: frozenset[str]) -> bool:
    bare = _bare(word)
    return (
        len(word) <= _LONGEST_WORD
        and word.isprintable()
        and not _NUMBER.search(word)
        and not any(bare == part or (len(part) >= _LEAST_INSIDE and part in bare) for part in hers)
    )


def _hers(header: Header) -> Iterator[str]:
    """Her number, the parts of her name, the exam's number, her birth date in its usual orders."""
    for text in (header.patient_id, header.accession, *re.split(r"[\s^=,]+", header.patient_name)):
        if _bare(text):
            yield _bare(text)
    born = iso_date(header.birth_date)
    if born:
        year, month, day = born.split("-")
        yield from (f"{year}{month}{day}", f"{day}{month}{year}", f"{month}{day}{year}")


def _bare(text: str) -> str:
    """Letters and digits in one case."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())
