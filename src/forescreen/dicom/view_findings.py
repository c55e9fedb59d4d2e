"""What is noteworthy about projection and side: what is missing, contradicts itself, or is no plain view.

In: a Header and its ViewReading. Out: `Finding`s. Every disagreement is one of them; none is repaired.

Source: PS3.3 C.8.11.7 (mammography image module), C.7.6.1.1.1 (patient orientation), PS3.16 CID 4014, 4015.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..records import Laterality
from .findings import Finding
from .phrases import OF_STUDY, phrase_in
from .policy import Limits
from .tags import Header
from .terms import told_orientation
from .views import BaseView, Described, Modifier, ViewReading

_STANDARD = (BaseView.CC, BaseView.MLO)
#: Angle of the tube from the vertical, degrees, beyond which a CC and below which an MLO is unusual.
MAX_CC_DEGREES, MIN_MLO_DEGREES = 20.0, 15.0
#: Row direction and medial direction of each breast by the hanging custom: A\\R or A\\FR for a left and
#: P\\L or P\\FL for a right breast.
_CUSTOM = {Laterality.LEFT: ("A", "R"), Laterality.RIGHT: ("P", "L")}


def view_findings(header: Header, reading: ViewReading) -> Iterator[Finding]:
    """The projection: said once, understood, and one of the two of screening."""
    said = reading.view_text or "none"
    if reading.view is BaseView.SPECIMEN or (
        reading.view_conflict and BaseView.SPECIMEN in reading.view_text
    ):
        yield Finding("specimen", "a view of a breast", "a specimen")
    elif reading.view_conflict:
        yield Finding("view_conflict", "one view", said)
    elif reading.view is None and not reading.view_unknown:
        yield _from_words(header, reading) or Finding("view_missing", "a view code or ViewPosition", said)
    elif reading.view not in _STANDARD:
        known = reading.view.value if reading.view is not None else said
        yield Finding("view_not_standard", "CC or MLO", "an unknown code" if known == "none" else known)
    if reading.code_unknown and reading.view is not None:
        found = f"a code of {reading.code_text}"
        yield Finding("view_code_unknown", "view codes of CID 4014 and 4015", found)
    if reading.scheme_foreign:
        yield Finding("view_code_scheme", "the scheme SCT or SRT", "another scheme")
    yield from _angle_findings(header, reading)
    yield from _word_findings(header, reading)


def from_words(header: Header, reading: ViewReading) -> tuple[Described, str]:
    """What stands in for a missing view or side: the processing description of a Fuji, else descriptions.

    Words that speak of more than a plain view (SPOT, MAG, ...) stand in for nothing.
    """
    nothing = Described(None, None, "")
    if _is_fuji(header) and reading.processing.view is not None and not reading.processing.special:
        return reading.processing, "view_from_processing"
    for words in (reading.processing, reading.description):
        if not words.special and (words.view is not None or words.laterality is not None):
            return words, "view_from_description"
    return nothing, ""


def _from_words(header: Header, reading: ViewReading) -> Finding | None:
    words, code = from_words(header, reading)
    if words.view not in _STANDARD:
        return None
    where = "processing description" if code == "view_from_processing" else "description"
    return Finding(code, "a view code or ViewPosition", f"{words.view} in the {where} only")


def _is_fuji(header: Header) -> bool:
    return "FUJI" in header.manufacturer.upper()


def _angle_findings(header: Header, reading: ViewReading) -> Iterator[Finding]:
    angle = header.technique.angle_degrees
    if angle is None:
        return
    turned = abs((angle + 180.0) % 360.0 - 180.0)  # 0 to 180, whatever the sign and the turn
    from_vertical = min(turned, 180.0 - turned)
    if reading.view is BaseView.CC and from_vertical > MAX_CC_DEGREES:
        yield Finding("view_angle_unusual", "a CC near 0 degrees", f"{angle:g} degrees")
    elif reading.view is BaseView.MLO and from_vertical < MIN_MLO_DEGREES:
        yield Finding("view_angle_unusual", "an oblique MLO", f"{angle:g} degrees")


def _word_findings(header: Header, reading: ViewReading) -> Iterator[Finding]:
    """Descriptions that name another view or side than the header, or more than a plain view."""
    for words in (reading.processing, reading.description):
        disagree = [
            f"{said} in words, {read} in the header"
            for said, read in ((words.view, reading.view), (words.laterality, reading.laterality))
            if said is not None and read is not None and said != read
        ]
        if words.special and not reading.modifiers:
            disagree.append(f"the word {words.special}")
        if disagree:
            yield Finding("description_conflict", "descriptions that fit the header", ", ".join(disagree))
    of_study = phrase_in(OF_STUDY, header.study_description)
    if of_study:
        found = f"the word {of_study} in the study's"
        yield Finding("description_conflict", "descriptions that fit the header", found)
    if reading.position_special and not reading.modifiers:
        found = f"ViewPosition with {reading.position_special}"
        yield Finding("description_conflict", "a plain view", found)


def side_findings(header: Header, reading: ViewReading) -> Iterator[Finding]:
    """The side: said once, and borne out by PatientOrientation."""
    said = reading.laterality_text or "none"
    if reading.laterality_conflict:
        yield Finding("laterality_conflict_header", "one side", said)
    elif reading.laterality is None:
        words, code = from_words(header, reading)
        if words.laterality is not None and not reading.laterality_text:
            yield Finding(code, "ImageLaterality", f"{words.laterality} in a description only")
        else:
            yield Finding("laterality_missing", "a side, L or R", said)
    if reading.laterality_both:
        yield Finding("laterality_bilateral", "one side", said)
    if reading.laterality is not None and lies_as_other_breast(header, reading.laterality):
        yield Finding(
            "laterality_conflict_orientation", "PatientOrientation of that breast", _orientation(header)
        )


def lies_as_other_breast(header: Header, laterality: Laterality) -> bool:
    """Whether row and column direction are both those of the other breast by the hanging custom.

    One of the two alone is a mirrored hanging, which says nothing about the side.
    """
    if len(header.orientation) < 2:
        return False
    along_row, down_column = header.orientation[:2]
    other = Laterality.RIGHT if laterality is Laterality.LEFT else Laterality.LEFT
    front, medial = _CUSTOM[other]
    sideways = [letter for letter in down_column if letter in "LR"]
    return along_row[:1] == front and sideways == [medial]


def orientation_findings(header: Header, reading: ViewReading) -> Iterator[Finding]:
    """Rows must run from head to foot, of a CC from lateral to medial; along a row towards front or back.

    A CC whose whole orientation is that of the other breast is a matter of the side, not of the picture.
    """
    if len(header.orientation) < 2 or not all(header.orientation[:2]):
        return
    along_row, down_column = header.orientation[:2]
    turned = along_row[0] not in "AP"
    upside_down = reading.view is BaseView.MLO and "H" in down_column
    if reading.view is BaseView.CC and reading.laterality is not None:
        # Rows of a CC run from lateral to medial: A\R for a left, P\L for a right breast (as `_CUSTOM`).
        lateral = [letter for letter in down_column if letter in "LR"] == [reading.laterality.value]
        upside_down = lateral and not lies_as_other_breast(header, reading.laterality)
    if turned or upside_down:
        wanted = "rows from front to back (A or P), the head or the lateral side up"
        yield Finding("orientation_unusual", wanted, _orientation(header))


def modifier_findings(header: Header, reading: ViewReading, limits: Limits) -> Iterator[Finding]:
    """Views that are more, or less, than the plain one; implants."""
    modifiers = reading.modifiers
    paddle = reading.paddle_modifiers
    if Modifier.SPOT_COMPRESSION in modifiers:
        by = " by the paddle, not by the code" if Modifier.SPOT_COMPRESSION in paddle else ""
        yield Finding("spot_compression", "a full-field view", f"spot compression{by}")
    factor = header.magnification
    if Modifier.MAGNIFICATION in modifiers or (factor is not None and factor > limits.max_magnification):
        by = " by the paddle, not by the code" if Modifier.MAGNIFICATION in paddle else ""
        yield Finding("magnification", "a contact view", f"magnification {factor or 'view'}{by}")
    others = modifiers - {Modifier.SPOT_COMPRESSION, Modifier.MAGNIFICATION, Modifier.IMPLANT_DISPLACED}
    if others or reading.modifier_unknown:
        found = ", ".join(sorted(others)) or "an unknown code"
        yield Finding("other_view_modifier", "a view without modifiers", found)
    if Modifier.IMPLANT_DISPLACED in modifiers:
        yield Finding("implant_displaced", "a plain view", "the implant displaced")
    elif header.implant:
        yield Finding("implant_present", "a breast without implant", "BreastImplantPresent YES")


def _orientation(header: Header) -> str:
    return told_orientation(header.orientation)
