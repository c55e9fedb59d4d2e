"""The second half of the gate: what the pixels of an accepted image say about it.

In: a file that passed by its header, and the policy. Out: `Examined`, the mammogram with all its flags,
its breast and the side of its chest wall; or a `Refusal`. Nothing is repaired: a picture that is mirrored,
inverted or of the other breast is refused or flagged, as the policy says.

The chest wall is expected where PatientOrientation puts it: rows that run towards anterior (A) begin at
the chest wall, rows towards posterior (P) end there. Without a row direction, and where the whole
PatientOrientation is that of the other breast, the hanging custom is expected (`images.orient.CUSTOM`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from ..dicom.findings import Finding, may_be_film
from ..dicom.folder import MammogramFile, load_stored, present_mammogram
from ..dicom.policy import Policy
from ..dicom.reasons import ORDER, Action
from ..dicom.stored import Stored
from ..dicom.tags import Header
from ..dicom.view_findings import lies_as_other_breast
from ..errors import DicomError, ExamError
from ..images.breast import WARNINGS, BreastRegion, find_breast
from ..images.intensity import Anchors
from ..images.orient import CUSTOM, Orientation, Side, find_chest_wall
from ..images.prepare import breast_anchors
from ..records import Laterality, Mammogram, Refusal

#: By the clock, one image may take this long in a guarded process, and so much memory: the largest
#: mammograms take 1 GB from file to canvas.
IMAGE_SECONDS = 180.0
IMAGE_BYTES = 4 << 30
#: Presentation values from here on count as the brightest one.
BRIGHTEST = 0.999
#: Depth of the strips at the left and right edge in which air is looked for, share of the width.
_STRIP = 0.02
#: Bright air: half-width of its grey, least share of the picture, largest share that is brighter still.
_AIR_WIDTH, _AIR_SHARE, _BRIGHTER_SHARE = 0.03, 0.15, 0.02


@dataclass(frozen=True, kw_only=True, eq=False)
class Examined:
    """One image that passed. `mammogram.flags` holds all flags, `flagged` those of the pixels in words."""

    mammogram: Mammogram
    region: BreastRegion
    orientation: Orientation
    anchors: Anchors
    flagged: tuple[Finding, ...]


def examine(file: MammogramFile, policy: Policy) -> Examined | Refusal:
    """Load one image, find its breast, and hold the picture against its header. Runs in workers."""
    try:
        stored = load_stored(file)
    except DicomError as error:
        return unusable(file, error)
    return examine_stored(file, stored, policy)


def examine_stored(file: MammogramFile, stored: Stored, policy: Policy) -> Examined | Refusal:
    """The same for an image whose stored pixel values are at hand."""
    try:
        mammogram = present_mammogram(file, stored)
    except DicomError as error:
        return unusable(file, error)
    film = may_be_film(file.header)
    findings = _picture_findings(mammogram.pixels, policy)
    actions = [policy.action(finding.code, film=film) for finding in findings]
    inverted = any(finding.code == "photometric_conflict_pixels" for finding in findings)
    if inverted and Action.REFUSE in actions:
        return _refusal(file, findings, actions)  # in an inverted picture no breast is looked for
    try:
        region = find_breast(1.0 - mammogram.pixels if inverted else mammogram.pixels, bright_air=False)
    except ExamError as error:
        found = Finding("breast_not_found", "a breast in the image", error.found)
        return _refusal(file, [*findings, found], [*actions, Action.REFUSE])
    try:
        anchors = breast_anchors(mammogram, region)
    except ExamError as error:
        flat = Finding("low_dynamic_range", error.expected, error.found)
        return _refusal(file, [*findings, flat], [*actions, Action.REFUSE])
    orientation = find_chest_wall(region.mask, mammogram.laterality)
    doubts = [Finding(code, "an outline beyond doubt", WARNINGS[code]) for code in region.warnings]
    for finding in [*side_findings(file.header, mammogram.laterality, orientation), *doubts]:
        findings.append(finding)
        actions.append(policy.action(finding.code, film=film))
    if Action.REFUSE in actions:
        return _refusal(file, findings, actions)
    flagged = tuple(f for f, action in zip(findings, actions, strict=True) if action is Action.FLAG)
    kept = [flag for flag in mammogram.flags if flag != "saturated"]  # the policy's limit holds
    flags = tuple(dict.fromkeys([*kept, *(finding.code for finding in flagged)]))
    return Examined(
        mammogram=replace(mammogram, flags=flags),
        region=region,
        orientation=orientation,
        anchors=anchors,
        flagged=flagged,
    )


def unusable(file: MammogramFile, error: DicomError) -> Refusal:
    """The refusal of an image whose pixels cannot be used."""
    return Refusal(file=file.file, code=error.code, codes=(error.code, *file.flags), message=str(error))


def expected_side(header: Header, laterality: Laterality) -> Side:
    """Where the chest wall lies in the stored picture if the header is right."""
    row = header.orientation[0][:1] if header.orientation else ""
    if row not in ("A", "P") or lies_as_other_breast(header, laterality):
        return CUSTOM[laterality]
    return Side.LEFT if row == "A" else Side.RIGHT


def side_findings(header: Header, laterality: Laterality, orientation: Orientation) -> list[Finding]:
    """What the side of the chest wall says about the header; nothing where it is as expected."""
    expected = expected_side(header, laterality)
    if orientation.agrees is None:
        found = f"a difference of {orientation.margin:.2f} between its edges"
        return [Finding("chest_wall_uncertain", "a breast with one straight edge", found)]
    if orientation.chest_wall is expected:
        return []
    found = f"it on the {orientation.chest_wall}"
    if orientation.chest_wall is CUSTOM[laterality]:
        wanted = f"the chest wall on the {expected} as PatientOrientation says"
        return [Finding("orientation_conflict_pixels", wanted, found)]
    return [Finding("laterality_conflict_pixels", f"the chest wall on the {expected}", found)]


def _picture_findings(pixels: Float[np.ndarray, "row column"], policy: Policy) -> list[Finding]:
    sample = pixels[::4, ::4]
    findings = []
    share = float((sample >= BRIGHTEST).mean())
    if share > policy.limits.max_saturated:
        wanted = f"at most {policy.limits.max_saturated:.0%} of the picture at its brightest"
        findings.append(Finding("saturated", wanted, f"{share:.0%}"))
    if air_is_bright(sample):
        findings.append(Finding("photometric_conflict_pixels", "dark air around the breast", "bright air"))
    return findings


def air_is_bright(pixels: Float[np.ndarray, "row column"]) -> bool:
    """Whether the picture has to be inverted: the smoother of its side edges is as bright as anything in it.

    True only where it is certain. Where the air is padding (0), polarity does not show there.
    """
    depth = max(2, round(_STRIP * pixels.shape[1]))
    strips = [strip[strip > 0] for strip in (pixels[:, :depth], pixels[:, -depth:])]
    levels = [np.percentile(s, [10, 50, 90]) if s.size > depth else np.zeros(3) for s in strips]
    spreads = [float(level[2] - level[0]) for level in levels]
    air = int(spreads[1] < spreads[0])
    if spreads[air] >= 0.5 * spreads[1 - air]:
        return False  # neither edge is the air
    grey = float(levels[air][1])
    like_air = float((np.abs(pixels - grey) <= _AIR_WIDTH).mean())
    brighter = float((pixels > grey + _AIR_WIDTH).mean())
    return grey > 0.5 and like_air >= _AIR_SHARE and brighter <= _BRIGHTER_SHARE


def _refusal(file: MammogramFile, findings: list[Finding], actions: list[Action]) -> Refusal:
    """The findings that refuse in the order of the table, then what is flagged."""
    refusing = [f for f, action in zip(findings, actions, strict=True) if action is Action.REFUSE]
    refusing.sort(key=lambda finding: ORDER[finding.code])
    flags = [f.code for f, action in zip(findings, actions, strict=True) if action is Action.FLAG]
    codes = tuple(dict.fromkeys([*(f.code for f in refusing), *file.flags, *flags]))
    return Refusal(
        file=file.file, code=codes[0], codes=codes, message="; ".join(str(finding) for finding in refusing)
    )
