"""DCMTK's 16-bit rendering of a grey-scale image, to the last bit: what `dcmj2pnm +on2` writes.

In: stored values, the header's grey scale, which VOI is asked for, and the overlay planes. Out: the
pixels of the 16-bit PNG. Peers of this field convert with DCMTK, so its arithmetic is part of their
models. It differs from PS3.3 C.11 in ways that move pixels:

    modality   rescaled values are cut to integers; a modality LUT is used to its stated bits
    min-max    center (min + max + 1)/2, width max - min + 1 of all pixels, padding included;
               **the header's VOILUTFunction applies to it**: SIGMOID makes a sigmoid of the min-max window
    LINEAR     values are truncated, not rounded: the brightest value of a min-max window may be 65 534
    SIGMOID    65535/(1 + exp(-4 (x - c)/w)), truncated
    LUT        entry * 65536/2^bits, truncated: 4095 of 12 bits becomes 65 520
    no VOI     (x - lowest possible) * 65536/(number of possible values), truncated
    inverse    by PresentationLUTShape; only where that is absent by MONOCHROME1. Then windows run from
               65 535 to 0, and LUT and "no VOI" from 65 535 by a slope of 65 534, never to 0
    overlays   drawn: graphics in 65 535; outside a region of interest values are divided by 256
    padding    not treated

The map is a function of the stored value, so it is computed once per value and looked up.
Source: DCMTK 3.6.7 (dcmimgle), read for its rules and compared with its output in the tests; own code.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Integer, UInt16

from ..errors import DicomError
from .overlays import Overlay
from .tags import Grayscale
from .terms import PHOTOMETRICS, told
from .values import LookUpTable

#: Highest value of the output.
WHITE = 65535
_ROWS_AT_A_TIME = 32  # keeps the temporaries of np.take in the cache

Pixels = Integer[np.ndarray, "row column"]
Values = Float64[np.ndarray, "value"]


@dataclass(frozen=True, slots=True)
class NoVoi:
    """`dcmj2pnm` without a VOI option: all possible values to the whole output range."""


@dataclass(frozen=True, slots=True)
class MinMax:
    """`--min-max-window`."""


@dataclass(frozen=True, slots=True)
class StoredLut:
    """`--use-voi-lut item+1`."""

    item: int = 0


@dataclass(frozen=True, slots=True)
class StoredWindow:
    """`--use-window index+1`, with `--sigmoid-function` if `function` is SIGMOID; "" takes the header's."""

    index: int = 0
    function: str = ""


@dataclass(frozen=True, slots=True)
class GivenWindow:
    """`+Ww center width`."""

    center: float
    width: float


Voi = NoVoi | MinMax | StoredLut | StoredWindow | GivenWindow


@dataclass(frozen=True, eq=False)
class Rendered:
    """The output, the VOI that made it in words, and whether low stored values are white."""

    pixels: UInt16[np.ndarray, "row column"]
    voi: str
    inverse: bool


def render(pixels: Pixels, grayscale: Grayscale, voi: Voi, *, overlays: tuple[Overlay, ...] = ()) -> Rendered:
    """The 16-bit output of DCMTK for stored `pixels` (signed or unsigned, at most 16 bits).

    Raises DicomError `voi_invalid` where DCMTK stops with an error: an item or a window that is not
    there; and, unlike DCMTK, for a LUT whose descriptor and data disagree. `photometric_unknown` for
    anything but MONOCHROME1 and MONOCHROME2.
    """
    if grayscale.photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise DicomError(
            "photometric_unknown",
            expected="MONOCHROME1 or MONOCHROME2",
            found=told(grayscale.photometric, PHOTOMETRICS),
        )
    stored = np.arange(int(pixels.min()), int(pixels.max()) + 1)
    modality = _modality(stored, grayscale)
    inverse = _is_inverse(grayscale)
    low, high = (WHITE, 0) if inverse else (0, WHITE)
    n_pixels = pixels.size
    if isinstance(voi, StoredLut):
        output = _through_lut(modality, _stored_lut(grayscale, voi), low, high)
        words = f"lut:{voi.item}"
    elif isinstance(voi, NoVoi):
        output = _without_voi(_seen(modality, n_pixels), modality, low, high)
        words = "none"
    else:
        center, width, function, words = _window(voi, modality, pixels, stored, grayscale)
        seen = _seen(modality, n_pixels)
        if width < 1:  # no window, says DCMTK
            output, words = _without_voi(seen, modality, low, high), "none"
        elif function == "SIGMOID":
            output = _through_sigmoid(seen, center, width, low, high)
        else:
            output = _through_line(seen, center, width, low, high)
    table = np.zeros(65536, dtype=np.uint16)
    table[stored & 0xFFFF] = _to_uint16(output)
    picture = look_up(table, pixels)
    for overlay in overlays:
        _draw(picture, overlay)
    return Rendered(picture, words, inverse)


def look_up(table: np.ndarray, pixels: Pixels) -> np.ndarray:
    """The entries of a table of 65 536 for stored values; a negative value stands at its two's complement."""
    codes = np.ascontiguousarray(pixels)
    if codes.dtype.itemsize == 1:
        codes = codes.astype(np.int16 if codes.dtype.kind == "i" else np.uint16)
    codes = codes.view(np.uint16)
    out = np.empty(codes.shape, dtype=table.dtype)
    for row in range(0, codes.shape[0], _ROWS_AT_A_TIME):
        block = slice(row, row + _ROWS_AT_A_TIME)
        np.take(table, codes[block], mode="clip", out=out[block])  # uint16 cannot leave the table
    return out


@dataclass(frozen=True, eq=False)
class _Modality:
    """Integer modality values of the stored ones, and the range in which any of them could lie."""

    values: Int64[np.ndarray, "value"]
    lowest: float
    highest: float
    used: tuple[int, int]  # smallest and largest value of the image

    @property
    def span(self) -> float:
        return self.highest - self.lowest + 1


def _modality(stored: Int64[np.ndarray, "value"], grayscale: Grayscale) -> _Modality:
    bits = grayscale.bits_stored or 16
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if grayscale.signed else (0, (1 << bits) - 1)
    table = grayscale.modality_lut
    slope, intercept = grayscale.slope, grayscale.intercept
    if table is not None:
        values = _entries(table)[_places(stored, table, signed=grayscale.signed)]
        return _Modality(values, 0, (1 << table.bits) - 1, (int(values.min()), int(values.max())))
    if slope is None or intercept is None or slope == 0 or (slope == 1 and intercept == 0):
        return _Modality(stored, lowest, highest, (int(stored[0]), int(stored[-1])))
    values = np.trunc(stored * slope + intercept).astype(np.int64)
    ends = sorted((lowest * slope + intercept, highest * slope + intercept))
    return _Modality(values, ends[0], ends[1], (int(values.min()), int(values.max())))


def _seen(modality: _Modality, n_pixels: int) -> Values:
    """The values as DCMTK's windows see them.

    In a large image (more than three pixels per possible value) it builds a table from the lowest possible
    value up; if that is no integer, values move by its fraction.
    """
    values = modality.values.astype(np.float64)
    fits = modality.used[0] >= -32768 and modality.used[1] <= (65535 if modality.used[0] >= 0 else 32767)
    if fits and n_pixels > 3 * int(modality.span):
        return values - math.trunc(modality.lowest) + modality.lowest
    return values


def _is_inverse(grayscale: Grayscale) -> bool:
    shape = grayscale.presentation_shape
    if shape in ("IDENTITY", "INVERSE"):
        return shape == "INVERSE"
    return grayscale.photometric == "MONOCHROME1"


def _window(
    voi: MinMax | StoredWindow | GivenWindow,
    modality: _Modality,
    pixels: Pixels,
    stored: Int64[np.ndarray, "value"],
    grayscale: Grayscale,
) -> tuple[float, float, str, str]:
    """Center, width, function, and words for the record."""
    function = "SIGMOID" if grayscale.voi_function == "SIGMOID" else "LINEAR"
    if isinstance(voi, GivenWindow):
        return voi.center, voi.width, function, f"given {voi.center:g}/{voi.width:g} {function}"
    if isinstance(voi, StoredWindow):
        window = grayscale.windows[voi.index] if voi.index < len(grayscale.windows) else None
        if window is None:
            raise _missing(f"window {voi.index + 1}", len(grayscale.windows), "windows")
        function = voi.function or function
        return window.center, window.width, function, f"window:{voi.index} {function}"
    low, high = modality.used
    if grayscale.modality_lut is not None:  # need not rise with the stored value: look which ones occur
        present = np.zeros(stored.size, dtype=bool)
        present[pixels.astype(np.int64) - stored[0]] = True
        low, high = int(modality.values[present].min()), int(modality.values[present].max())
    return (low + high + 1) / 2, float(high - low + 1), function, f"min-max {function}"


def _stored_lut(grayscale: Grayscale, voi: StoredLut) -> LookUpTable:
    table = grayscale.voi_luts[voi.item] if voi.item < len(grayscale.voi_luts) else None
    if table is None:
        raise _missing(f"a readable VOI LUT item {voi.item + 1}", len(grayscale.voi_luts), "items")
    return table


def _entries(table: LookUpTable) -> Int64[np.ndarray, "entry"]:
    """Entries, cut to the stated bits."""
    raw = np.frombuffer(table.data, dtype="<u2").astype(np.int64)
    entries: Int64[np.ndarray, "entry"] = raw & ((1 << table.bits) - 1)
    return entries


def _places(values: Int64[np.ndarray, "value"], table: LookUpTable, *, signed: bool) -> np.ndarray:
    first = table.first_mapped & 0xFFFF
    if signed and first > 32767:
        first -= 65536
    places: np.ndarray = np.clip(values - first, 0, table.n_entries - 1)
    return places


def _through_lut(modality: _Modality, table: LookUpTable, low: int, high: int) -> Values:
    entries = _entries(table)
    span = 1 << table.bits
    raw = np.frombuffer(table.data, dtype="<u2")
    if int(raw.min()) & (span - 1) == int(raw.max()) & (span - 1):  # a LUT without contrast
        entries = np.full_like(entries, int(raw.min()) & (span - 1))
    # The first value mapped is read as signed where the image has negative modality values.
    shown = entries[_places(modality.values, table, signed=modality.used[0] < 0)]
    output: Values = low + shown.astype(np.float64) * ((high - low + 1) / span)
    return output


def _without_voi(seen: Values, modality: _Modality, low: int, high: int) -> Values:
    return low + (seen - modality.lowest) * ((high - low + 1) / modality.span)


def _through_sigmoid(seen: Values, center: float, width: float, low: int, high: int) -> Values:
    # math.exp is the C library's, as in DCMTK; numpy's own differs in the last bit.
    return np.array([low + (high - low) / (1 + _exp(-4 * (x - center) / width)) for x in seen.tolist()])


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf


def _through_line(seen: Values, center: float, width: float, low: int, high: int) -> Values:
    w = width - 1
    left, right = center - 0.5 - w / 2, center - 0.5 + w / 2
    offset = 0.0 if w == 0 else high - ((center - 0.5) / w + 0.5) * (high - low)
    gradient = 0.0 if w == 0 else (high - low) / w
    between = offset + seen * gradient
    return np.where(seen <= left, float(low), np.where(seen > right, float(high), between))


def _to_uint16(output: Values) -> UInt16[np.ndarray, "value"]:
    """Truncated towards zero; what lies outside 0 to 65 535 wraps, as it does on DCMTK's usual machines."""
    whole: UInt16[np.ndarray, "value"] = np.trunc(output).astype(np.int64).astype(np.uint16)
    return whole


def _draw(picture: UInt16[np.ndarray, "row column"], overlay: Overlay) -> None:
    rows, columns = picture.shape
    top, left = overlay.top, overlay.left
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + overlay.bits.shape[0], rows), min(left + overlay.bits.shape[1], columns)
    if y0 >= y1 or x0 >= x1:
        return
    bits = overlay.bits[y0 - top : y1 - top, x0 - left : x1 - left]
    window = picture[y0:y1, x0:x1]
    if overlay.kind == "R":
        window[~bits] >>= 8
    else:
        window[bits] = WHITE


def _missing(expected: str, n: int, what: str) -> DicomError:
    return DicomError(
        "voi_invalid", expected=expected, found=f"{n} {what}", remedy="Choose another conversion profile"
    )
