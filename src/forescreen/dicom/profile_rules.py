"""Which grey scale a peer chooses for an image: by words in its header, as the peer's program reads them.

In: a Header. Out: the VOI that the peer asks for. The rules look for "GE" and "C-View" anywhere in the
text and mind capitals: AGFA-GEVAERT is taken for GE, "C-VIEW" is no C-View. They are kept as they are.

Source: reginabarzilaygroup/Mirai 0.14.1 and OncoData (MIT), read for their rules; own code.
"""

from __future__ import annotations

from enum import StrEnum

from .dcmtk_grey import GivenWindow, MinMax, StoredLut, StoredWindow, Voi
from .tags import Header

#: The window that peers ask for on synthetic images.
C_VIEW_WINDOW = GivenWindow(540.0, 580.0)


class PydicomRule(StrEnum):
    """The rules of the programs that convert with pydicom."""

    LUT = "lut"
    MIN_MAX = "min-max"
    HEADER_WINDOW = "header window"


def says_ge(header: Header) -> bool:
    """Whether the peers take the maker for GE."""
    return "GE" in header.manufacturer


def is_not_ge(header: Header) -> bool:
    """Whether the letters GE stand inside another maker's name."""
    first_word = header.manufacturer.upper().replace("_", " ").split(" ")[0]
    return says_ge(header) and first_word not in ("GE", "GEMS", "GEHC", "GENERAL")


def mirai_dcmtk_voi(header: Header) -> Voi:
    """GE with a VOI LUT: item 1. C-View with a VOI LUT: window 540/580. Everything else: min-max."""
    has_lut = bool(header.grayscale.voi_luts)
    if says_ge(header) and has_lut:
        return StoredLut(0)
    if "C-View" in header.series_description and has_lut:
        return C_VIEW_WINDOW
    return MinMax()


def oncodata_vois(header: Header) -> tuple[Voi, ...]:
    """What OncoData tries, in this order: for GE item 1, then window 1 as a sigmoid; C-View; min-max."""
    if says_ge(header):
        return StoredLut(0), StoredWindow(0, "SIGMOID")
    if "C-View" in header.series_description:
        return (C_VIEW_WINDOW,)
    return (MinMax(),)


def mirai_pydicom_rule(header: Header) -> PydicomRule:
    """GE with a VOI LUT: item 1 shifted to 16 bits. Everything else: min-max; no rule for C-View."""
    return PydicomRule.LUT if says_ge(header) and header.grayscale.voi_luts else PydicomRule.MIN_MAX


def ark_pydicom_rule(header: Header) -> PydicomRule:
    """As `mirai_pydicom_rule`, with the header's window (or a CT window) in place of min-max."""
    return PydicomRule.LUT if says_ge(header) and header.grayscale.voi_luts else PydicomRule.HEADER_WINDOW
