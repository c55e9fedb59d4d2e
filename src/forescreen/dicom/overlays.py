"""Overlay planes: pictures of one bit that viewers draw over an image (groups 6000 to 601E).

In: a file. Out: its `Overlay` planes. forescreen draws none of them; the peers that convert with DCMTK do,
because it draws all by default. Overlays embedded in the unused bits of the pixels (retired) are told
apart, not read. An overlay that contradicts itself is left out, as it cannot be drawn.

Source: PS3.3 C.9.2 (overlay plane), PS3.5 8.1.2 (overlay data encoding).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from .elements import Element, read_elements
from .read import unreadable
from .walk import Located

#: Kind of a plane that lies in the pixel cells.
EMBEDDED = "embedded"
#: The most pixels an overlay may have: that of an image.
MAX_PIXELS = 200_000_000
_GROUPS = range(0x6000, 0x6020, 2)
_ROWS, _COLUMNS, _TYPE, _ORIGIN, _BITS, _POSITION, _DATA = 0x10, 0x11, 0x40, 0x50, 0x100, 0x102, 0x3000
_WANTED = frozenset(
    group << 16 | element
    for group in _GROUPS
    for element in (_ROWS, _COLUMNS, _TYPE, _ORIGIN, _BITS, _POSITION, _DATA)
)


@dataclass(frozen=True, eq=False)
class Overlay:
    """One plane. `top` and `left` are where its first pixel lies, 0 being the image's first; may be negative.

    `kind` is G (graphics), R (region of interest), or EMBEDDED: a plane in unused bits of the pixel cells
    (retired), of which only the existence is told and `bits` is empty.
    """

    kind: str
    top: int
    left: int
    bits: Bool[np.ndarray, "row column"] = field(repr=False)


def read_overlays(path: Path | Located) -> tuple[Overlay, ...]:
    """The overlay planes of a file, first frame, in the order of their groups.

    Raises DicomError as `read_header` does.
    """
    try:
        with path.open("rb") as stream:
            elements = read_elements(stream, _WANTED)
    except OSError as error:
        raise unreadable(error) from error
    order = ">" if elements.big_endian else "<"
    found = (_overlay(elements.by_tag, group << 16, order) for group in _GROUPS)
    return tuple(overlay for overlay in found if overlay is not None)


def _overlay(by_tag: dict[int, Element], group: int, order: str) -> Overlay | None:
    rows, columns = _number(by_tag, group | _ROWS, order), _number(by_tag, group | _COLUMNS, order)
    data = by_tag.get(group | _DATA)
    if data is None and _number(by_tag, group | _POSITION, order):
        return Overlay(EMBEDDED, 0, 0, np.zeros((0, 0), dtype=bool))
    if not rows or not columns or data is None or rows * columns > MAX_PIXELS:
        return None
    raw = data.value
    if data.vr == "OW" and order == ">":
        raw = np.frombuffer(raw[: len(raw) // 2 * 2], ">u2").astype("<u2").tobytes()
    if len(raw) * 8 < rows * columns:
        return None
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=rows * columns, bitorder="little")
    origin = by_tag.get(group | _ORIGIN)
    top, left = struct.unpack(f"{order}2h", origin.value[:4]) if origin and len(origin.value) >= 4 else (1, 1)
    kind = by_tag.get(group | _TYPE)
    words = kind.value.decode("ascii", "replace").strip("\0 ").upper() if kind else ""
    return Overlay(words[:1], top - 1, left - 1, bits.reshape(rows, columns).astype(bool))


def _number(by_tag: dict[int, Element], tag: int, order: str) -> int:
    element = by_tag.get(tag)
    if element is None or len(element.value) < 2:
        return 0
    return int(struct.unpack(f"{order}H", element.value[:2])[0])
