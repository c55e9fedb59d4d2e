"""Which projection of which breast an image is, as its header says.

In: a Header. Out: `ViewReading`: base view, side, modifiers, and what contradicts itself. The coded
view is authoritative; ViewPosition stands in where no code is given; what a description says in words is
read apart, for the gate to use or not. Nothing is repaired (ML is not MLO, a side is never guessed).

Source: PS3.16 CID 4014 (views) and CID 4015 (view modifiers), with the SNOMED CT codes and the retired
SNOMED-RT codes that archives still hold; PS3.3 C.8.11.7 (mammography image module).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from ..records import Laterality
from .tags import Header
from .terms import UNKNOWN
from .values import Code

T = TypeVar("T")


class BaseView(StrEnum):
    """CID 4014: the projections."""

    ML = "ML"
    MLO = "MLO"
    LM = "LM"
    LMO = "LMO"
    CC = "CC"
    FB = "FB"
    SIO = "SIO"
    ISO = "ISO"
    XCCL = "XCCL"
    XCCM = "XCCM"
    SPECIMEN = "specimen"


class Modifier(StrEnum):
    """CID 4015: what is special about a projection."""

    CLEAVAGE = "CV"
    AXILLARY_TAIL = "AT"
    ROLLED_LATERAL = "RL"
    ROLLED_MEDIAL = "RM"
    ROLLED_INFERIOR = "RI"
    ROLLED_SUPERIOR = "RS"
    IMPLANT_DISPLACED = "ID"
    MAGNIFICATION = "M"
    SPOT_COMPRESSION = "S"
    TANGENTIAL = "TAN"
    NIPPLE_IN_PROFILE = "NP"
    ANTERIOR_COMPRESSION = "AC"
    INFRAMAMMARY_FOLD = "IMF"
    AXILLARY_TISSUE = "AX"


#: PS3.16 CID 4014: SNOMED CT code, then retired SNOMED-RT codes.
VIEW_CODES: dict[str, BaseView] = {
    code: view
    for view, codes in {
        BaseView.ML: ("399260004", "R-10224"),
        BaseView.MLO: ("399368009", "R-10226"),
        BaseView.LM: ("399352003", "R-10228"),
        BaseView.LMO: ("399099002", "R-10230"),
        BaseView.CC: ("399162004", "R-10242"),
        BaseView.FB: ("399196006", "R-10244"),
        BaseView.SIO: ("399188001", "R-102D0"),
        BaseView.ISO: ("441555000", "R-40AAA"),
        BaseView.XCCL: ("399192008", "R-1024A", "Y-X1770"),
        BaseView.XCCM: ("399101009", "R-1024B", "Y-X1771"),
        BaseView.SPECIMEN: ("127457009", "G-8310"),
    }.items()
    for code in codes
}

#: PS3.16 CID 4015: SNOMED CT code, then retired SNOMED-RT code.
MODIFIER_CODES: dict[str, Modifier] = {
    code: modifier
    for modifier, codes in {
        Modifier.CLEAVAGE: ("399161006", "R-102D2"),
        Modifier.AXILLARY_TAIL: ("399011000", "R-102D1"),
        Modifier.ROLLED_LATERAL: ("399197002", "R-102D3"),
        Modifier.ROLLED_MEDIAL: ("399226006", "R-102D4"),
        Modifier.ROLLED_INFERIOR: ("414493004", "R-102CA"),
        Modifier.ROLLED_SUPERIOR: ("415670009", "R-102C9"),
        Modifier.IMPLANT_DISPLACED: ("399209000", "R-102D5"),
        Modifier.MAGNIFICATION: ("399163009", "R-102D6"),
        Modifier.SPOT_COMPRESSION: ("399055006", "R-102D7"),
        Modifier.TANGENTIAL: ("399110001", "R-102C2"),
        Modifier.NIPPLE_IN_PROFILE: ("442581004", "R-40AB3"),
        Modifier.ANTERIOR_COMPRESSION: ("441752004", "P2-00161"),
        Modifier.INFRAMAMMARY_FOLD: ("442593008", "R-40ABE"),
        Modifier.AXILLARY_TISSUE: ("442580003", "R-40AB2"),
    }.items()
    for code in codes
}

#: Designators under which these codes are found; the empty one is tolerated.
SCHEMES = frozenset({"SCT", "SRT", "SNM3", "99SDM", ""})

_POSITIONS: dict[str, BaseView] = {view.value.upper(): view for view in BaseView}
_POSITION_MODIFIERS = {
    "AT": Modifier.AXILLARY_TAIL,
    "CV": Modifier.CLEAVAGE,
    "SPOT": Modifier.SPOT_COMPRESSION,
    "SPT": Modifier.SPOT_COMPRESSION,
    "MAG": Modifier.MAGNIFICATION,
}
#: Words that some glue to the projection: CCMAG, MLO SPOT, CCID.
_GLUED = ("MAGNIFICATION", "MAGN", "MAG", "SPOT", "SPT", "TAN", "ROLLED", "ID", "RL", "RM", "RI", "RS")
_SIDES = {"L": Laterality.LEFT, "LEFT": Laterality.LEFT, "R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT}
_BOTH = frozenset({"B", "BOTH", "BILATERAL"})
_NO_SIDES = frozenset({"U", "N", "UNPAIRED"})
#: Other values of ViewPosition that may be told (PS3.3 C.8.11.7, C.8.11.5): anything else may be a name.
_OTHER_POSITIONS = frozenset(
    {"XCC", "FLATFIELD", "FLAT FIELD", "AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO"}
)
_OTHER_SCHEMES = frozenset({"DCM", "UCUM", "LN", "FMA", "RADLEX", "UMLS", "ACR", "SNM"})

#: Words of a description that name a projection, a side, or both ("RMLO").
_VIEW_WORDS: dict[str, BaseView] = {v.value.upper(): v for v in BaseView if v is not BaseView.SPECIMEN}
_SIDE_WORDS = {**_SIDES, "LT": Laterality.LEFT, "RT": Laterality.RIGHT}
_JOINED_WORDS = {
    f"{side}{view.value}": (_SIDES[side], view)
    for side in ("L", "R")
    for view in (BaseView.CC, BaseView.MLO, BaseView.XCCL, BaseView.XCCM)
}
_SPECIAL_WORDS = frozenset(
    {
        "SPOT",
        "SPT",
        "MAG",
        "MAGN",
        "MAGNIFICATION",
        "ROLLED",
        "TAN",
        "TANGENTIAL",
        "STEREO",
        "BIOPSY",
        "SPECIMEN",
    }
)


_TELLABLE = frozenset(_POSITIONS) | frozenset(_POSITION_MODIFIERS) | _OTHER_POSITIONS


@dataclass(frozen=True, slots=True)
class Described:
    """What descriptions say in words; None where they say nothing, or several things."""

    view: BaseView | None
    laterality: Laterality | None
    special: str  # a word that speaks of more than a plain view: SPOT, MAG, ...


@dataclass(frozen=True, slots=True)
class ViewReading:
    """View and side of one image; None where the header does not say, or contradicts itself."""

    view: BaseView | None
    view_text: str  # what was found, for messages
    view_conflict: bool
    view_unknown: bool  # something is said, but not one of CID 4014
    view_stated: BaseView | None  # of contradicting ones the coded, else ViewPosition
    code_unknown: bool  # a view code that is not understood
    code_text: str  # its scheme in words, for messages
    position_special: str  # a word glued to the projection in ViewPosition: MAG, SPOT, ...
    scheme_foreign: bool  # a value of CID 4014 under another scheme, borne out by ViewPosition
    laterality: Laterality | None
    laterality_text: str
    laterality_conflict: bool
    laterality_stated: Laterality | None  # of contradicting ones the most specific
    laterality_both: bool  # "both" is said beside a side
    modifiers: frozenset[Modifier]
    modifier_unknown: bool
    paddle_modifiers: frozenset[Modifier]  # those of `modifiers` that only the paddle's name tells
    processing: Described  # AcquisitionDeviceProcessingDescription and -Code
    description: Described  # SeriesDescription and ProtocolName


def read_view(header: Header) -> ViewReading:
    """Base view, side and modifiers of one image from codes, ViewPosition, the paddle's name and words."""
    position = header.view_position
    # ViewPosition has one value (PS3.3 C.8.11.1); several are several statements.
    positions = tuple(dict.fromkeys(([position] if position else []) + list(header.more_positions)))
    positioned = next((_POSITIONS[text] for text in positions if text in _POSITIONS), None)
    coded: list[BaseView] = []
    modifiers: set[Modifier] = set()
    unknown_schemes: list[str] = []
    unknown_modifier = scheme_foreign = False
    for code in header.view_codes:
        view = _look_up(VIEW_CODES, code)
        modifier = _look_up(MODIFIER_CODES, code)  # some writers put modifiers beside the view
        if view is not None:
            coded.append(view)
        elif modifier is not None:
            modifiers.add(modifier)
        elif positioned is not None and VIEW_CODES.get(code.value) is positioned:
            coded.append(positioned)
            scheme_foreign = True
        elif code.value:
            unknown_schemes.append(code.scheme)
    for nested in (*(m for code in header.view_codes for m in code.modifiers), *header.view_modifiers):
        found = _look_up(MODIFIER_CODES, nested)
        if found is not None:
            modifiers.add(found)
        elif nested.value:
            unknown_modifier = True
    modifiers.update(_POSITION_MODIFIERS[text] for text in positions if text in _POSITION_MODIFIERS)
    not_read = [text for text in positions if text not in _POSITIONS and text not in _POSITION_MODIFIERS]
    position_unknown = bool(not_read) and positioned is None
    by_paddle = _paddle_modifiers(header.paddle) - modifiers
    views = {*coded, *(_POSITIONS[text] for text in positions if text in _POSITIONS)}
    told = [text if text in _TELLABLE else UNKNOWN for text in positions]
    laterality, stated, side_text, side_conflict, both = _read_side(header)
    return ViewReading(
        view=next(iter(views)) if len(views) == 1 else None,
        view_text="/".join([*(view.value for view in coded), *told]),
        view_conflict=len(views) > 1 or (positioned is not None and bool(not_read) and not coded),
        view_unknown=bool(unknown_schemes) or (position_unknown and not coded),
        view_stated=coded[0] if coded else positioned,
        code_unknown=bool(unknown_schemes),
        code_text=_scheme_in_words(unknown_schemes[0]) if unknown_schemes else "",
        position_special=next(filter(None, map(_glued, not_read)), ""),
        scheme_foreign=scheme_foreign,
        laterality=laterality,
        laterality_text=side_text,
        laterality_conflict=side_conflict,
        laterality_stated=stated,
        laterality_both=both,
        modifiers=frozenset(modifiers | by_paddle),
        modifier_unknown=unknown_modifier,
        paddle_modifiers=frozenset(by_paddle),
        processing=read_words(header.processing, header.processing_code),
        description=read_words(header.series_description, header.protocol),
    )


def read_words(*texts: str) -> Described:
    """The one view and the one side that descriptions name as words: "R MLO", "LCC", "Mammo-MLO-L"."""
    views: set[BaseView] = set()
    sides: set[Laterality] = set()
    special = ""
    for word in re.findall(r"[A-Z]+", " ".join(texts).upper()):
        if word in _JOINED_WORDS:
            side, view = _JOINED_WORDS[word]
            sides.add(side)
            views.add(view)
        elif word in _VIEW_WORDS:
            views.add(_VIEW_WORDS[word])
        elif word in _SIDE_WORDS:
            sides.add(_SIDE_WORDS[word])
        elif word in _SPECIAL_WORDS:
            special = special or word
    return Described(
        view=next(iter(views)) if len(views) == 1 else None,
        laterality=next(iter(sides)) if len(sides) == 1 else None,
        special=special,
    )


def told_position(position: str) -> str:
    """ViewPosition where it is a known term, "" otherwise."""
    return position if position in _TELLABLE else ""


def _glued(position: str) -> str:
    """The word that stands glued to a projection, "" where none does."""
    for word in _GLUED:
        if position.endswith(word) and position.removesuffix(word).rstrip(" _-/") in _POSITIONS:
            return word
    return ""


def _scheme_in_words(scheme: str) -> str:
    if not scheme:
        return "no scheme"
    return f"the scheme {scheme}" if scheme in SCHEMES | _OTHER_SCHEMES else "an unknown scheme"


def _look_up(table: dict[str, T], code: Code) -> T | None:
    return table.get(code.value) if code.scheme in SCHEMES else None


def _paddle_modifiers(paddle: str) -> set[Modifier]:
    """Spot and magnification paddles by their names (free text: SPOT, SPT, MAG as words or beginnings)."""
    words = paddle.replace("_", " ").replace("-", " ").replace("/", " ").split()
    found = set()
    if any(word.startswith(("SPOT", "SPT")) for word in words):
        found.add(Modifier.SPOT_COMPRESSION)
    if any(word.startswith("MAG") for word in words):
        found.add(Modifier.MAGNIFICATION)
    return found


def _read_side(header: Header) -> tuple[Laterality | None, Laterality | None, str, bool, bool]:
    """ImageLaterality, then Laterality, then FrameLaterality; two different sides are a conflict.

    The side, the most specific one of contradicting sides, the words, whether they contradict each other,
    and whether both sides are said beside one.
    """
    said = [x for x in (header.image_laterality, header.laterality, header.frame_laterality) if x]
    sides = [_SIDES[x] for x in said if x in _SIDES]
    conflict = len(set(sides)) > 1
    # An image of both breasts (B) is no side; B of the series beside the side of the image is no conflict.
    first_is_side = bool(said) and said[0] in _SIDES
    side = sides[0] if len(set(sides)) == 1 and first_is_side else None
    stated = sides[0] if first_is_side else None
    both = side is not None and any(x in _BOTH for x in said)
    told = [x if x in _SIDES or x in _BOTH or x in _NO_SIDES else UNKNOWN for x in said]
    return side, stated, "/".join(told), conflict, both
