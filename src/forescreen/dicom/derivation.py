"""The record that every derived image carries: from what, by what, and how it came to be.

In: an indexed file, what a profile made of it, whether it was mirrored. Out: `Derivation`, in plain types,
without anything that names a woman. With it a picture can be made again and two pictures be compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from .. import __version__
from .folder import MammogramFile
from .gate import intent_of
from .machine import read_machine
from .profiles import Converted
from .syntaxes import codec_of


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """How one picture was derived.

    `stored_sha256` is of the decoded stored values as little-endian 16 bits (as in the image store),
    `pixels_sha256` of the picture's pixels after mirroring, little-endian, row by row. `flipped`: mirrored
    so that the chest wall lies on the left. `chest_wall` and `laterality_agrees` are None (and "") unless
    they were looked for.
    """

    profile: str
    forescreen: str
    laterality: str
    view: str
    # Source
    transfer_syntax: str
    codec: str
    photometric: str
    intent: str
    manufacturer: str
    model: str
    software: str
    rows: int
    columns: int
    row_spacing_mm: float | None
    column_spacing_mm: float | None
    spacing_source: str
    # Conversion
    voi: str
    stored_min: int
    stored_max: int
    shown_min: float
    shown_max: float
    bits: int
    padding_excluded: bool
    inverted: bool
    flipped: bool
    chest_wall: str
    laterality_agrees: bool | None
    # Identity
    stored_sha256: str
    pixels_sha256: str
    # Doubts
    flags: tuple[str, ...]
    notes: tuple[str, ...]


def derive(
    file: MammogramFile,
    stored: np.ndarray,
    converted: Converted,
    shown: np.ndarray,
    *,
    flags: tuple[str, ...],
    flipped: bool = False,
    chest_wall: str = "",
    laterality_agrees: bool | None = None,
) -> Derivation:
    """The record of `shown`, the 8- or 16-bit picture that is kept of `converted`."""
    header, spacing, machine = file.header, file.spacing_mm, read_machine(file.header)
    return Derivation(
        profile=converted.profile,
        forescreen=__version__,
        laterality=str(file.laterality),
        view=str(file.view),
        transfer_syntax=header.transfer_syntax,
        codec=codec_of(header.transfer_syntax),
        photometric=header.grayscale.photometric,
        intent=intent_of(header),
        manufacturer=machine.manufacturer,
        model=machine.model,
        software=machine.software,
        rows=shown.shape[0],
        columns=shown.shape[1],
        row_spacing_mm=None if spacing is None else spacing[0],
        column_spacing_mm=None if spacing is None else spacing[1],
        spacing_source=file.spacing_source,
        voi=converted.voi,
        stored_min=converted.stored_min,
        stored_max=converted.stored_max,
        shown_min=converted.shown_min,
        shown_max=converted.shown_max,
        bits=8 * shown.dtype.itemsize,
        padding_excluded=converted.padding_excluded,
        inverted=converted.inverted,
        flipped=flipped,
        chest_wall=chest_wall,
        laterality_agrees=laterality_agrees,
        stored_sha256=pixels_sha256(stored),
        pixels_sha256=pixels_sha256(shown),
        flags=flags,
        notes=converted.notes,
    )


def pixels_sha256(pixels: np.ndarray) -> str:
    """SHA-256 of pixels, row by row; 16-bit values little-endian."""
    kind = pixels.dtype.newbyteorder("<")
    return hashlib.sha256(np.ascontiguousarray(pixels, dtype=kind).data).hexdigest()
