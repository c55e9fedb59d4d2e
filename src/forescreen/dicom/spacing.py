"""Millimetres per pixel of an image, in the plane of the breast.

In: a Header. Out: `Spacing` with its source. PixelSpacing if present; else ImagerPixelSpacing, which is
measured at the detector, divided by the estimated magnification. Nothing is taken from a table of
detectors.

Source: PS3.3 10.7.1.3 (pixel spacing of projection images), C.8.11.4 (detector).
"""

from __future__ import annotations

from dataclasses import dataclass

from .tags import Header

#: PixelSpacing may be anything between the detector's spacing and the demagnified one, within rounding.
TOLERANCE = 0.02
#: Contact views are magnified by the breast's distance from the detector: 1.00-1.07, 1.1 with a margin.
CONTACT_MAGNIFICATION = 1.1
#: Detectors of 25 um to down-sampled images of 2 mm; outside, the value is not a mammogram's spacing.
PLAUSIBLE_MM = (0.01, 2.0)


@dataclass(frozen=True, slots=True)
class Spacing:
    """Row and column spacing in mm (None if no source gives it), the source, and whether sources agree."""

    mm: tuple[float, float] | None
    source: str
    conflict: str = ""  # words for a person when sources contradict each other or make no sense


def read_spacing(header: Header) -> Spacing:
    """Physical spacing of one image."""
    pixel, imager = header.pixel_spacing, header.imager_spacing
    factor = header.magnification
    if factor is not None and not 0.9 <= factor <= 5:
        factor = None  # 0 and other impossible values mean "not estimated"
    if pixel is None and imager is None:
        return Spacing(None, "")
    if pixel is None:
        assert imager is not None
        mm = (imager[0] / (factor or 1.0), imager[1] / (factor or 1.0))
        return _plausible(Spacing(mm, "ImagerPixelSpacing"))
    if imager is not None:
        widest = max(factor or CONTACT_MAGNIFICATION, 1.0)
        for p, i in zip(pixel, imager, strict=True):
            if not 1 - TOLERANCE <= i / p <= widest * (1 + TOLERANCE):
                return Spacing(
                    pixel,
                    "PixelSpacing",
                    f"PixelSpacing {p:.6g} mm and ImagerPixelSpacing {i:.6g} mm "
                    f"with magnification {factor or 'absent'}",
                )
    return _plausible(Spacing(pixel, "PixelSpacing"))


def _plausible(spacing: Spacing) -> Spacing:
    assert spacing.mm is not None
    low, high = PLAUSIBLE_MM
    if all(low <= s <= high for s in spacing.mm):
        return spacing
    return Spacing(
        spacing.mm, spacing.source, f"{spacing.source} {spacing.mm[0]:.6g} x {spacing.mm[1]:.6g} mm"
    )
