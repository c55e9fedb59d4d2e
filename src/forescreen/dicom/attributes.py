"""What a de-identified object keeps: one rule per attribute, everything else is removed.

Out: `RULES`, read from `tables/deidentify.csv`. An allow-list is the only list that also holds for what
nobody has thought of: private attributes, new ones, retired ones, curves and overlays.

Source: PS3.15 annex E (attribute confidentiality profiles), note 5 of E.1.1 on retaining only what is
known to be safe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from pydicom.datadict import dictionary_VM, dictionary_VR

from .values import tag_of
from .vocabulary import clean_words, table_rows

#: Name and version of the whole: the tables, the actions and the guard.
PROFILE = "forescreen-deidentify-v1"


class Action(StrEnum):
    """What becomes of the value of a kept attribute."""

    WOMAN = "woman"
    EXAM = "exam"
    DEVICE = "device"
    UID = "uid"
    STANDARD_UID = "standard-uid"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    AGE = "age"
    NUMBER = "number"
    TERMS = "terms"
    WORDS = "words"
    VERSIONS = "versions"
    CODE = "code"
    SCHEME = "scheme"
    MEANING = "meaning"
    TABLE = "table"
    ITEMS = "items"
    EMPTY = "empty"


#: Each action in words; the page docs/reference/deidentify.md is made of them.
ACTIONS: dict[Action, str] = {
    Action.WOMAN: "keyed pseudonym of the woman",
    Action.EXAM: "keyed pseudonym of the exam; written where it is absent, too",
    Action.DEVICE: "keyed pseudonym of the machine",
    Action.UID: "another UID, the same for the same one in all files (keyed, 2.25.…)",
    Action.STANDARD_UID: "kept if it is a UID of the standard, else another UID",
    Action.DATE: "shifted by the woman's number of days; removed if it is no date",
    Action.DATETIME: "shifted by the woman's number of days; removed if it is no date and time",
    Action.TIME: "time of day kept; removed if it is none",
    Action.AGE: "kept; 90 years and more become 090Y; computed from the birth date where absent",
    Action.NUMBER: "kept where it is a number; other components become empty",
    Action.TERMS: "kept where it is one of the terms; other components become OTHER",
    Action.WORDS: "words of these kinds of tables/words.csv kept, others dropped; OTHER if none is left",
    Action.VERSIONS: "as words, and numbers of versions",
    Action.CODE: "kept where it is in tables/codes.csv, else OTHER",
    Action.SCHEME: "kept where it is one of the terms, else 99OTHER",
    Action.MEANING: "written anew from the code",
    Action.TABLE: "kept where it is as long as its descriptor says",
    Action.ITEMS: "items cleaned by these same rules",
    Action.EMPTY: "present and empty",
}


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One kept attribute."""

    tag: int
    keyword: str
    action: Action
    terms: re.Pattern[str] | None  # actions TERMS and SCHEME
    kinds: frozenset[str]  # actions WORDS and VERSIONS: kinds of tables/words.csv
    listed: str  # terms or kinds as the table lists them
    ps315: str  # action of the basic profile in PS3.15 table E.1-1, "" where it is not listed
    reason: str
    vr: str  # of the data dictionary; "US or SS" where the pixels decide
    most_values: int  # of the data dictionary; 64 where it sets no limit


_OF_TERMS = (Action.TERMS, Action.SCHEME)


def _read_rules() -> dict[int, Rule]:
    rules = {}
    for row in table_rows("deidentify.csv"):
        tag = tag_of(row["keyword"])
        action, listed = Action(row["action"]), row["terms"]
        most = re.split(r"-", dictionary_VM(tag))[-1]
        rules[tag] = Rule(
            tag=tag,
            keyword=row["keyword"],
            action=action,
            terms=re.compile(listed, flags=re.IGNORECASE | re.ASCII) if action in _OF_TERMS else None,
            kinds=frozenset(listed.split()) if action in (Action.WORDS, Action.VERSIONS) else frozenset(),
            listed=listed,
            ps315=row["ps315"],
            reason=row["reason"],
            vr=dictionary_VR(tag),
            most_values=int(most) if most.isdigit() else 64,
        )
    return rules


#: The allow-list by tag, in the order of tags.
RULES: dict[int, Rule] = _read_rules()


def clean_text(keyword: str, text: str) -> str:
    """A text as the attribute `keyword` (actions WORDS and VERSIONS) may keep it: for whatever is written
    elsewhere of a header, such as the machine's name in a store.
    """
    rule = RULES[tag_of(keyword)]
    return clean_words(text, rule.kinds, versions=rule.action is Action.VERSIONS)
