"""Whether a DICOM object may be used: accept, accept with flags, or refuse, each with its reasons.

In: a Header and a Policy. Out: a `Decision`. Only the header is judged here; what the pixels add
(undecodable, without contrast, on the wrong side) comes in `ingestion.examine`. Whatever is found is a
`Finding` with a code of `reasons`; what follows from it is the policy's. Words for a person say expected
and found and never quote what could name a woman.

The ordinary screening object passes: Digital Mammography X-Ray For Presentation, one frame, CC or MLO
of one breast, without view modifiers, with a physical pixel spacing.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..records import Laterality, View
from . import findings
from .findings import Finding, intent_of, may_be_film, non_image_kind
from .origin_findings import origin_findings
from .policy import Policy
from .reasons import CODES, ORDER, Action
from .spacing import Spacing, read_spacing
from .tags import Header
from .terms import told_uid
from .view_findings import from_words, modifier_findings, orientation_findings, side_findings, view_findings
from .views import BaseView, Modifier, ViewReading, read_view

__all__ = [
    "CODES",
    "SLICE",
    "Decision",
    "Finding",
    "Policy",
    "find",
    "intent_of",
    "judge",
    "series_findings",
    "series_key",
    "slice_finding",
]


#: Fewest images of one moment, side and view in a series that are slices of a volume.
MIN_SLICES = 5
SLICE = "tomosynthesis_slice"


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer for one header. Refused when `reasons` is not empty; flags do not refuse."""

    reasons: tuple[Finding, ...]
    flagged: tuple[Finding, ...]
    view: View | None
    laterality: Laterality | None
    spacing: Spacing
    implant_displaced: bool = field(default=False)

    @property
    def flags(self) -> tuple[str, ...]:
        """The codes of what is flagged."""
        return tuple(dict.fromkeys(finding.code for finding in self.flagged))

    @property
    def codes(self) -> tuple[str, ...]:
        """All codes: what refuses, then the flags."""
        return (*dict.fromkeys(reason.code for reason in self.reasons), *self.flags)

    @property
    def message(self) -> str:
        """All reasons in words."""
        return "; ".join(str(reason) for reason in self.reasons)


def judge(
    header: Header,
    policy: Policy,
    more: Sequence[Finding] = (),
    *,
    today: datetime.date | None = None,
) -> Decision:
    """Accept, accept with flags, or refuse one object by its header.

    `more` are findings about the object from elsewhere, such as those of its series. `today`: dates after it
    are flagged; None for the day of the clock.
    """
    reading, spacing = read_view(header), read_spacing(header)
    film = may_be_film(header)
    reasons: list[Finding] = []
    flagged: list[Finding] = []
    for finding in (*_find(header, policy, reading, spacing, today), *more):
        action = policy.action(finding.code, film=film)
        if action is Action.REFUSE:
            reasons.append(finding)
        elif action is Action.FLAG:
            flagged.append(finding)
    view, laterality = _slot(header, reading)
    if not reasons:  # what a policy lets pass must still have a place in an exam
        reasons.extend(_homeless(view, laterality))
    return Decision(
        reasons=tuple(sorted(reasons, key=_order)),
        flagged=tuple(sorted(flagged, key=_order)),
        view=view,
        laterality=laterality,
        spacing=spacing,
        implant_displaced=Modifier.IMPLANT_DISPLACED in reading.modifiers,
    )


def find(header: Header, policy: Policy) -> tuple[Finding, ...]:
    """All that is noteworthy about a header, whatever the policy does about it; its limits are used."""
    return tuple(sorted(_find(header, policy, read_view(header), read_spacing(header), None), key=_order))


def series_key(header: Header) -> tuple[str, ...]:
    """Equal for the single-frame images of one series, moment, side and projection; () if not to be counted.

    Exposures take seconds: images that share all of it and are many are slices of one volume.
    """
    if header.n_frames > 1 or not header.series_uid or header.pixel_data is None:
        return ()
    reading = read_view(header)
    moment = header.acquired.split(".")[0] if len(header.acquired) > 8 else ""
    return (
        header.series_uid,
        moment,
        reading.laterality_text,
        reading.view_text,
        "\\".join(header.image_type),
    )


def series_findings(headers: Sequence[Header]) -> tuple[tuple[Finding, ...], ...]:
    """What the company of the others tells about each image of one series (or of several).

    A split tomosynthesis volume (a habit of Fuji): at least MIN_SLICES single-frame images of one series,
    acquisition second, side, projection and ImageType are its slices. Headers without a time of acquisition
    count as of one moment. Pass the findings to `judge` as `more`.
    """
    keys = [series_key(header) for header in headers]
    counts = Counter(key for key in keys if key)
    return tuple((slice_finding(counts[key]),) if counts[key] >= MIN_SLICES else () for key in keys)


def slice_finding(n_in_series: int) -> Finding:
    """That an image is one of many of one moment."""
    return Finding(SLICE, "one image of a moment", f"one of {n_in_series} in its series")


def _find(
    header: Header, policy: Policy, reading: ViewReading, spacing: Spacing, today: datetime.date | None
) -> Iterator[Finding]:
    kind = non_image_kind(header.sop_class)
    if kind:
        yield Finding("non_image_object", "an image", f"a {kind}, SOP class {told_uid(header.sop_class)}")
        return
    is_view = reading.view is not None and reading.laterality is not None
    yield from findings.object_findings(header, is_view=is_view)
    yield from findings.kind_findings(header)
    yield from findings.pixel_findings(header)
    yield from findings.size_findings(header, spacing, policy.limits)
    yield from view_findings(header, reading)
    yield from side_findings(header, reading)
    yield from orientation_findings(header, reading)
    yield from modifier_findings(header, reading, policy.limits)
    today = datetime.date.today() if today is None else today
    yield from origin_findings(header, policy.limits, policy.machines, today=today)


def _slot(header: Header, reading: ViewReading) -> tuple[View | None, Laterality | None]:
    """View and side under which the image is used, if the policy lets it pass."""
    words, _ = from_words(header, reading)
    view = reading.view or reading.view_stated
    if view is None and not reading.view_unknown:
        view = words.view
    laterality = reading.laterality or reading.laterality_stated
    if laterality is None and not reading.laterality_text:
        laterality = words.laterality
    return View(view.value) if view in (BaseView.CC, BaseView.MLO) else None, laterality


def _homeless(view: View | None, laterality: Laterality | None) -> Iterator[Finding]:
    if view is None:
        yield Finding("view_not_standard", "CC or MLO", "no such view")
    if laterality is None:
        yield Finding("laterality_missing", "a side, L or R", "none")


def _order(finding: Finding) -> int:
    return ORDER[finding.code]
