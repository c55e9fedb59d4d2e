"""Named, versioned conversions: stored pixels and a header in, the picture that a program makes of them out.

In: stored values, the Header, the overlay planes (which DCMTK draws). Out: `Converted`: pixels in the
form the program keeps them, the VOI used, ranges, and in words what went differently from PS3.3. A
profile is a pure function. `forescreen` is ours; the others repeat peers with their faults, so that
a score of theirs can be reproduced and a difference between two programs be seen before the model.

A version changes when any pixel would. Steps, users and faults of each: docs/reference/profiles.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import UInt8, UInt16

from ..errors import ConfigError, DicomError
from .dcmtk_grey import MinMax, NoVoi, Pixels, Voi, render
from .overlays import EMBEDDED, Overlay
from .pixels import PROFILE, present
from .profile_rules import (
    PydicomRule,
    ark_pydicom_rule,
    is_not_ge,
    mirai_dcmtk_voi,
    mirai_pydicom_rule,
    oncodata_vois,
    says_ge,
)
from .pydicom_grey import CT_WINDOW, Sixteen, eight_bits, full_scale, header_window, min_max, shifted_lut
from .tags import Header


@dataclass(frozen=True, kw_only=True, eq=False)
class Converted:
    """What a profile made of one image.

    `pixels` are uint16 or uint8 as the peer's file has them, float32 in [0, 1] for `forescreen`.
    `inverted`: low stored values became bright. `padding_excluded`: padding was kept out of the range and
    set to 0. `notes` tell faults and choices that applied to this very image.
    """

    profile: str
    pixels: np.ndarray = field(repr=False)
    voi: str
    stored_min: int
    stored_max: int
    shown_min: float
    shown_max: float
    padding_excluded: bool
    inverted: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Made:
    """What the function of a profile returns; `convert` adds the ranges."""

    pixels: np.ndarray
    voi: str
    inverted: bool
    padding_excluded: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Profile:
    """One conversion: `label` (name and version) is what every derived image records."""

    name: str
    version: int
    summary: str
    make: Callable[[Pixels, Header, tuple[Overlay, ...]], _Made] = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        return f"{self.name}-v{self.version}"


def convert(
    profile: Profile, pixels: Pixels, header: Header, *, overlays: tuple[Overlay, ...] = ()
) -> Converted:
    """The image as `profile` makes it. `pixels` are stored values, signed or unsigned, at most 16 bits.

    Raises DicomError (`voi_invalid`, `photometric_unknown`, `low_dynamic_range`, `intent_for_processing`,
    `undecodable_pixels`) where the peer's program stops or makes no picture.
    """
    made = profile.make(pixels, header, overlays)
    return Converted(
        profile=profile.label,
        pixels=made.pixels,
        voi=made.voi,
        stored_min=int(pixels.min()),
        stored_max=int(pixels.max()),
        shown_min=float(made.pixels.min()),
        shown_max=float(made.pixels.max()),
        padding_excluded=made.padding_excluded,
        inverted=made.inverted,
        notes=made.notes,
    )


def find_profile(name: str) -> Profile:
    """The profile of a name ("mirai-dcmtk") or label ("mirai-dcmtk-v1"). Raises ConfigError."""
    for profile in PROFILES:
        if name in (profile.name, profile.label):
            return profile
    raise ConfigError(
        expected=f"a conversion profile: {', '.join(profile.name for profile in PROFILES)}",
        found=repr(name[:40]),
        where="profile",
    )


def png_pixels(converted: Converted) -> UInt16[np.ndarray, "row column"] | UInt8[np.ndarray, "row column"]:
    """The pixels as a PNG holds them: unchanged if 8 or 16 bits; floats in [0, 1] to 16 bits, rounded."""
    if converted.pixels.dtype.kind == "u":
        return converted.pixels
    scaled: UInt16[np.ndarray, "row column"] = np.rint(converted.pixels * np.float32(65535)).astype(np.uint16)
    return scaled


def _forescreen(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    grey = header.grayscale
    presented = present(pixels, grey)
    inverted = grey.photometric == "MONOCHROME1"
    return _Made(presented.pixels, presented.voi, inverted, padding_excluded=grey.padding is not None)


def _mirai_dcmtk(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    return _dcmtk(pixels, header, overlays, mirai_dcmtk_voi(header))


def _oncodata(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    *tried, last = oncodata_vois(header)
    for voi in tried:
        try:
            return _dcmtk(pixels, header, overlays, voi)
        except DicomError as error:
            if error.code != "voi_invalid":
                raise
    return _dcmtk(pixels, header, overlays, last)


def _paper(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    processing = header.intent == "FOR PROCESSING" or header.sop_class == _PROCESSING_CLASS
    if processing:
        raise DicomError(
            "intent_for_processing", expected="FOR PRESENTATION, as the paper says", found="FOR PROCESSING"
        )
    return _dcmtk(pixels, header, overlays, MinMax())


def _brest(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    return _dcmtk(pixels, header, overlays, NoVoi())


def _mirai_pydicom(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    if mirai_pydicom_rule(header) is PydicomRule.LUT:
        return _pydicom(shifted_lut(pixels, header.grayscale), header)
    return _pydicom(min_max(pixels, header.grayscale), header)


def _ark_pydicom(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    if ark_pydicom_rule(header) is PydicomRule.LUT:
        return _pydicom(shifted_lut(pixels, header.grayscale), header)
    return _pydicom(header_window(pixels, header.grayscale), header)


def _nyu(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    made = full_scale(pixels, header.grayscale)
    notes = (_NOT_INVERTED,) if header.grayscale.photometric == "MONOCHROME1" else ()
    if header.grayscale.voi_luts or header.grayscale.windows:
        notes = ("the header's VOI is not used", *notes)
    return _Made(made.pixels, made.voi, inverted=False, notes=notes)


def _kaggle_8bit(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...]) -> _Made:
    made = eight_bits(pixels, header.grayscale)
    return _Made(made.pixels, made.voi, header.grayscale.photometric == "MONOCHROME1")


#: All profiles, ours first.
PROFILES: tuple[Profile, ...] = (
    Profile(
        name="forescreen",
        version=1,
        summary="PS3.3 in full: modality, VOI, padding excluded, MONOCHROME1 inverted once",
        make=_forescreen,
    ),
    Profile(
        name="mirai-dcmtk",
        version=1,
        summary="Mirai's default: DCMTK, the VOI LUT of GE, else min-max",
        make=_mirai_dcmtk,
    ),
    Profile(
        name="mirai-pydicom",
        version=1,
        summary="Mirai without DCMTK: pydicom, the VOI LUT of GE shifted, else min-max; never inverted",
        make=_mirai_pydicom,
    ),
    Profile(
        name="oncodata",
        version=1,
        summary="OncoData: DCMTK, the VOI LUT of GE or its window as a sigmoid, C-View 540/580, else min-max",
        make=_oncodata,
    ),
    Profile(
        name="paper",
        version=1,
        summary="Mirai's publication: DCMTK, min-max of FOR PRESENTATION images",
        make=_paper,
    ),
    Profile(
        name="brest",
        version=1,
        summary="BREST: DCMTK without any window, before its mask, padding and resizing",
        make=_brest,
    ),
    Profile(name="nyu", version=1, summary="NYU: stored values to 16 bits, no LUT, no window", make=_nyu),
    Profile(
        name="kaggle-8bit",
        version=1,
        summary="The custom of competitions: pydicom's VOI, else percentiles, to 8 bits",
        make=_kaggle_8bit,
    ),
    Profile(
        name="ark-pydicom",
        version=1,
        summary="Ark: pydicom, the VOI LUT of GE shifted, else the header's window, else a CT window",
        make=_ark_pydicom,
    ),
)
assert PROFILES[0].label == PROFILE

_PROCESSING_CLASS = "1.2.840.10008.5.1.4.1.1.1.2.1"
_NOT_INVERTED = "MONOCHROME1 is not inverted: dense tissue is dark"


def _dcmtk(pixels: Pixels, header: Header, overlays: tuple[Overlay, ...], voi: Voi) -> _Made:
    grey = header.grayscale
    drawn = tuple(overlay for overlay in overlays if overlay.kind != EMBEDDED)
    made = render(pixels, grey, voi, overlays=drawn)
    notes = list(_ge_notes(header, made.voi))
    if made.voi == "min-max SIGMOID":
        notes.append("the header's SIGMOID is applied to the min-max window")
    if made.inverse != (grey.photometric == "MONOCHROME1"):
        notes.append(f"PresentationLUTShape {grey.presentation_shape} overrules {grey.photometric}")
    notes.extend(_padding_notes(header, made.voi))
    if drawn:
        notes.append(f"overlay planes drawn into the picture: {len(drawn)}")
    if len(drawn) < len(overlays):
        left_out = len(overlays) - len(drawn)
        notes.append(f"overlay planes inside the pixel cells, which DCMTK draws, left out: {left_out}")
    return _Made(made.pixels, made.voi, made.inverse, notes=tuple(notes))


def _pydicom(made: Sixteen, header: Header) -> _Made:
    notes = list(_ge_notes(header, made.voi))
    if header.grayscale.photometric == "MONOCHROME1":
        notes.append(_NOT_INVERTED)
    if made.wrapped:
        notes.append("values wrapped in 16 bits")
    if made.voi == "min-max SIGMOID":
        notes.append("the header's SIGMOID is applied to the min-max window")
    if made.voi.startswith("CT "):
        notes.append("no window in the header: the window {:g}/{:g} of a CT lung".format(*CT_WINDOW))
    notes.extend(_padding_notes(header, made.voi))
    return _Made(made.pixels, made.voi, inverted=False, notes=tuple(notes))


def _ge_notes(header: Header, voi: str) -> list[str]:
    notes = []
    if is_not_ge(header):
        notes.append("the letters GE in the maker's name are taken for GE")
    if says_ge(header) and not header.grayscale.voi_luts and voi.startswith("min-max"):
        notes.append("GE without a VOI LUT: min-max")
    return notes


def _padding_notes(header: Header, voi: str) -> list[str]:
    if header.grayscale.padding not in (None, (0, 0)) and voi.startswith("min-max"):
        return ["the padding is part of the minimum and maximum"]
    return []
