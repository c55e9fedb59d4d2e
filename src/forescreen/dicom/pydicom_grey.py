"""The grey scale of peers that convert with pydicom and numpy, faults included.

In: stored values, the header's grey scale, which rule. Out: 16-bit pixels (`shifted_lut`, `min_max`,
`header_window`), the linear map of raw pixels (`full_scale`), or 8 bits (`eight_bits`).

What differs from PS3.3 C.11 and from DCMTK:

    MONOCHROME1 is not looked at by the 16-bit rules: such a picture keeps dense tissue dark
    shifted_lut    LUT item 0 times 2^(16 - bits), kept in 16 bits: entries beyond the stated bits wrap,
                   a LUT of 8 bits is kept in 8 and becomes 0 everywhere
    min_max        center (min + max + 1)/2, width max - min + 1 of all pixels, padding included, through
                   LINEAR or SIGMOID as the header says; without rescale slope and intercept min + max is
                   summed in 16 bits and wraps
    header_window  the header's only window; a list of windows stops the peer; without one a CT lung window
    all            truncated, not rounded

Each map is a function of the stored value: computed once per value, in the peers' number types, and
looked up. Source: pydicom 3.0 (apply_modality_lut, apply_voi_lut) and the peers' code, read for their
rules and compared in the tests; own code. Number types are those of numpy 1.22, which the peers pin.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Integer, UInt8, UInt16

from ..errors import DicomError
from .dcmtk_grey import Pixels, look_up
from .tags import Grayscale
from .values import LookUpTable

#: The window that one peer falls back to: soft tissue of the lung in Hounsfield units.
CT_WINDOW = (-600.0, 1500.0)
#: Percentiles that bound the grey scale where the header gives none.
PERCENTILES = (0.5, 99.5)

_WHITE = 65535


@dataclass(frozen=True, eq=False)
class Sixteen:
    """16-bit output, which VOI made it, and whether numbers wrapped on the way."""

    pixels: UInt16[np.ndarray, "row column"]
    voi: str
    wrapped: bool = False


@dataclass(frozen=True, eq=False)
class Eight:
    """8-bit output and which VOI made it."""

    pixels: UInt8[np.ndarray, "row column"]
    voi: str


def shifted_lut(pixels: Pixels, grayscale: Grayscale) -> Sixteen:
    """VOI LUT item 0, shifted up to 16 bits. Raises DicomError `voi_invalid` without a usable item."""
    lut = grayscale.voi_luts[0] if grayscale.voi_luts else None
    if lut is None:
        raise _stops("a VOI LUT item that can be read", f"{len(grayscale.voi_luts)} items")
    codes = _codes(pixels)
    # astype(uint16): fractions are cut and negative values wrap
    values = np.trunc(_modality(codes, grayscale).astype(np.float64)).astype(np.int64) & 0xFFFF
    entries, bits = _lut_values(values, lut, signed=grayscale.signed)
    mask = 0xFF if bits == 8 else 0xFFFF
    shifted = entries << (16 - bits)
    wrapped = bool((values != np.trunc(_modality(codes, grayscale))).any() or (shifted > mask).any())
    return Sixteen(_through(codes, shifted & mask, pixels), "lut:0", wrapped)


def min_max(pixels: Pixels, grayscale: Grayscale) -> Sixteen:
    """From the image's minimum to its maximum. Raises DicomError `voi_invalid` for an unknown function."""
    codes = _codes(pixels)
    values = _modality(codes, grayscale)
    used = values[np.isin(codes, np.unique(pixels))] if grayscale.modality_lut is not None else values
    low, high = used.min(), used.max()
    with np.errstate(over="ignore"):
        total, span = low + high, high - low  # in the number type of the values: 16 bits wrap
    wrapped = bool(float(total) != float(low) + float(high) or float(span) != float(high) - float(low))
    center, width = (float(total) + 1) / 2, float(span) + 1
    function = grayscale.voi_function or "LINEAR"
    output = _window_16(values, center, width, function)
    return Sixteen(_through(codes, output, pixels), f"min-max {function}", wrapped)


def header_window(pixels: Pixels, grayscale: Grayscale) -> Sixteen:
    """The header's window, or CT_WINDOW. DicomError `voi_invalid` for several windows or a broken one."""
    if len(grayscale.windows) > 1:
        raise _stops("one window", f"{len(grayscale.windows)} windows, on which this peer stops")
    codes = _codes(pixels)
    function = grayscale.voi_function or "LINEAR"
    center, width = CT_WINDOW
    words = f"CT {center:g}/{width:g} {function}"
    if grayscale.windows:
        window = grayscale.windows[0]
        if window is None:
            raise _stops("a window", "one without a readable centre or width")
        center, width, words = window.center, window.width, f"window:0 {function}"
    output = _window_16(_modality(codes, grayscale), center, width, function)
    return Sixteen(_through(codes, output, pixels), words)


def full_scale(pixels: Pixels, grayscale: Grayscale) -> Sixteen:
    """Stored values from the full scale of 12 bits (of 16 above) to that of 16, rounded; no LUT at all.

    Raises DicomError `undecodable_pixels` for signed values, which a PNG does not hold.
    """
    if grayscale.signed:
        raise DicomError("undecodable_pixels", expected="unsigned pixels", found="signed pixels")
    depth = 12 if (grayscale.bits_stored or 16) <= 12 else 16
    codes = _codes(pixels)
    output = np.rint(codes * (_WHITE / float((1 << depth) - 1)))
    return Sixteen(_through(codes, output, pixels), f"none, {depth} bits")


def eight_bits(pixels: Pixels, grayscale: Grayscale) -> Eight:
    """VOI LUT item 0, else window 0, else percentiles; inverted if MONOCHROME1; minimum to maximum in 8 bits.

    The modality LUT is not applied before the VOI. Raises DicomError `voi_invalid`, `low_dynamic_range`.
    """
    codes = _codes(pixels)
    if grayscale.voi_luts:
        lut = grayscale.voi_luts[0]
        if lut is None:
            raise _stops("a VOI LUT item that can be read", "one whose descriptor and data disagree")
        shown, words = _lut_values(codes.astype(np.int64), lut, signed=grayscale.signed)[0], "lut:0"
    elif grayscale.windows:
        shown, words = _header_window_values(codes, grayscale)
    else:
        low, high = np.percentile(pixels, PERCENTILES)
        shown, words = np.clip(codes, low, high), "percentiles {:g}-{:g}".format(*PERCENTILES)
    shown = shown.astype(np.float64)
    present = np.isin(codes, np.unique(pixels))
    low, high = float(shown[present].min()), float(shown[present].max())
    if high <= low:
        raise DicomError("low_dynamic_range", expected="an image with contrast", found="one grey value")
    if grayscale.photometric == "MONOCHROME1":
        shown = low + (high - shown)
    output = (shown - low) / (high - low) * 255
    table = np.zeros(65536, dtype=np.uint8)
    table[codes & 0xFFFF] = np.clip(output, 0, 255).astype(np.uint8)
    return Eight(look_up(table, pixels), words)


def _codes(pixels: Pixels) -> Integer[np.ndarray, "value"]:
    """Every stored value between the image's lowest and highest, in the number type of the pixels."""
    low, high = int(pixels.min()), int(pixels.max())
    return np.arange(low, high + 1).astype(np.int16 if pixels.dtype.kind == "i" else np.uint16)


def _through(codes: np.ndarray, output: np.ndarray, pixels: Pixels) -> UInt16[np.ndarray, "row column"]:
    table = np.zeros(65536, dtype=np.uint16)
    table[codes & 0xFFFF] = np.trunc(output).astype(np.int64).astype(np.uint16)
    return look_up(table, pixels)


def _modality(codes: Integer[np.ndarray, "value"], grayscale: Grayscale) -> np.ndarray:
    """As apply_modality_lut: float64 after a rescale, the table's type after a LUT, unchanged without."""
    table = grayscale.modality_lut
    if table is not None:
        if table.bits not in (8, 16):
            raise _stops("a modality LUT of 8 or 16 bits", f"one of {table.bits}, on which pydicom stops")
        entries = np.frombuffer(table.data, dtype="<u2").astype(f"uint{table.bits}")
        at = np.clip(codes.astype(np.int64) - table.first_mapped, 0, table.n_entries - 1)
        return np.asarray(entries[at])
    if grayscale.slope is None or grayscale.intercept is None:
        return codes
    return codes.astype(np.float64) * grayscale.slope + grayscale.intercept


def _lut_values(values: np.ndarray, lut: LookUpTable, *, signed: bool) -> tuple[np.ndarray, int]:
    """Entries for values, as apply_voi: the place in the table is kept in the type of the entries."""
    if lut.bits not in (8, *range(10, 17)):
        raise _stops("a VOI LUT of 8 or 10 to 16 bits", f"one of {lut.bits}, on which pydicom stops")
    mask = 0xFF if lut.bits == 8 else 0xFFFF
    first = lut.first_mapped & 0xFFFF
    if signed and first > 32767:
        first -= 65536
    at = np.where(values >= first, values - first, 0) & mask
    entries = np.frombuffer(lut.data, dtype="<u2").astype(np.int64) & mask
    return entries[np.clip(at, 0, lut.n_entries - 1)], lut.bits


def _window_16(values: np.ndarray, center: float, width: float, function: str) -> np.ndarray:
    if function == "SIGMOID":
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return np.asarray(_WHITE / (1 + np.exp(-4 * (values - np.float64(center)) / width)))
    if function != "LINEAR":
        raise _stops("VOI LUT function LINEAR or SIGMOID", f"{function[:20]!r}, on which this peer stops")
    return _line(values.astype(np.float64), center - 0.5, width - 1.0, 0.0, float(_WHITE))


def _line(values: np.ndarray, center: float, width: float, low: float, high: float) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        between = ((values - center) / width + 0.5) * (high - low) + low
    return np.where(values <= center - width / 2, low, np.where(values > center + width / 2, high, between))


def _header_window_values(codes: np.ndarray, grayscale: Grayscale) -> tuple[np.ndarray, str]:
    """As apply_windowing: to the range that the stored bits give after the rescale."""
    window, function = grayscale.windows[0], (grayscale.voi_function or "LINEAR").upper()
    if window is None:
        raise _stops("a window", "one without a readable centre or width")
    if window.width < 1 if function == "LINEAR" else window.width <= 0:
        raise _stops("a window with a width", f"width {window.width:g} for {function}")
    bits = grayscale.bits_stored or 16
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if grayscale.signed else (0, (1 << bits) - 1)
    if grayscale.modality_lut is not None:
        low, high = 0, (1 << grayscale.modality_lut.bits) - 1
    y_low, y_high = float(low), float(high)
    if grayscale.slope is not None and grayscale.intercept is not None:
        y_low = low * grayscale.slope + grayscale.intercept
        y_high = high * grayscale.slope + grayscale.intercept
    values = codes.astype(np.float64)
    words = f"window:0 {function}"
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            shown = (y_high - y_low) / (1 + np.exp(-4 * (values - window.center) / window.width)) + y_low
        return shown, words
    if function == "LINEAR":
        return _line(values, window.center - 0.5, window.width - 1, y_low, y_high), words
    if function == "LINEAR_EXACT":
        return _line(values, window.center, window.width, y_low, y_high), words
    raise _stops("VOI LUT function LINEAR, LINEAR_EXACT or SIGMOID", f"{function[:20]!r}")


def _stops(expected: str, found: str) -> DicomError:
    return DicomError(
        "voi_invalid", expected=expected, found=found, remedy="Choose another conversion profile"
    )
