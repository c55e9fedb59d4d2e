"""Words and codes that cannot name anybody: what a text may keep when it is cleaned.

In: free text as a header holds it. Out: the same text with every word left out that is not in
`tables/words.csv`, or a code with its standard meaning (`tables/codes.csv`). Both tables are closed: a
name that nobody thought of is a word that is not in them.

Source: PS3.15 E.3.5 (Clean Descriptors Option); the tables name their own sources.
"""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import resources

#: What stands where something was said that is not in the vocabulary.
OTHER = "OTHER"

# Separators stay where words on both sides do; everything else belongs to a word.
_WORD = re.compile(r"[^\s_/,;:()\[\]+&|=^]+", flags=re.ASCII)
_SEPARATORS = r"[\s_/,;:()\[\]+&|=^]"
_GAP = re.compile(rf"{_SEPARATORS}*\0(?:{_SEPARATORS}|\0)*", flags=re.ASCII)
# Numbers of versions (2.1.7, VB60, v3): groups of at most three digits, so that dates of four-digit years,
# telephone numbers and hospital numbers are none.
_VERSION = re.compile(r"(V[A-Z]?)?\d{1,3}(\.\d{1,3}){0,5}[A-Z]?", flags=re.ASCII | re.IGNORECASE)


def clean_words(text: str, kinds: frozenset[str], *, versions: bool = False) -> str:
    """`text` without the words that are not in the vocabulary; "OTHER" when none of some is left.

    `kinds` are those of `tables/words.csv` whose words may stay. `versions` also lets numbers of versions
    pass (1.4.0.7, VB60): for the machine and its software only.
    """
    if not text.strip("\0 "):
        return ""

    def kept(match: re.Match[str]) -> str:
        word = match.group()
        stem = _stem(word, kinds)
        if stem is None and versions and _VERSION.fullmatch(word):
            return word
        return stem or "\0"

    marked = _WORD.sub(kept, text.replace("\0", " "))
    # A dropped word takes the separators beside it along; those between two kept words stay.
    parts = [part for part in _GAP.split(marked) if part]
    return " ".join(parts).strip(" _/,;:()[]+&|=^\t\r\n\v\f") or OTHER


def meaning_of(code: str) -> str | None:
    """The standard meaning of a code value, None for one that is not in the table."""
    return _codes().get(code.strip("\0 ").upper())


def _stem(word: str, kinds: frozenset[str]) -> str | None:
    """The word itself where it is in the vocabulary, the fixed part of a pattern, or None."""
    capital = word.upper()
    if not word.isascii():
        return None
    for kind in sorted(kinds):
        plain, patterns = _words()[kind]
        if capital in plain:
            return word
        stem = next((stem for stem, pattern in patterns if pattern.fullmatch(capital)), None)
        if stem is not None:
            return stem
    return None


@cache
def _words() -> dict[str, tuple[frozenset[str], tuple[tuple[str, re.Pattern[str]], ...]]]:
    """By kind: the plain words, and the patterns with what stays of a word that fits one."""
    return {row["kind"]: _one_kind(row["words"].split()) for row in table_rows("words.csv")}


def _one_kind(words: list[str]) -> tuple[frozenset[str], tuple[tuple[str, re.Pattern[str]], ...]]:
    patterns = []
    for word in words:
        if "*" in word:
            stem = word.strip("*")
            head, tail = ".*" * word.startswith("*"), ".*" * word.endswith("*")
            patterns.append((stem, re.compile(head + re.escape(stem) + tail, flags=re.DOTALL)))
    return frozenset(word for word in words if "*" not in word), tuple(patterns)


@cache
def _codes() -> dict[str, str]:
    return {row["value"]: row["meaning"] for row in table_rows("codes.csv")}


def table_rows(name: str) -> list[dict[str, str]]:
    """The rows of one of this book's tables; lines that begin with # tell their source."""
    text = resources.files(__package__).joinpath("tables", name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
