"""PNG and PGM files as mammograms: 8 or 16 bits, grey, bright = dense.

In: a path and what a table says about the picture. Out: a `Mammogram`, or the `Refusal` that says why
not. Pictures carry no header: photometric meaning, side and view are what the table says.
"""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..records import Acquisition, Laterality, Mammogram, Refusal, View

#: Conversion profile of pictures: stored value over full scale, no window.
PROFILE = "picture-v1"
#: Fewer rows or columns than this are a thumbnail, not a mammogram.
SMALLEST_SIDE = 64
#: Fewer distinct grey levels than this are a mask or a test pattern.
FEWEST_LEVELS = 16

#: Refusal codes that ingestion adds to those of the DICOM gate, and what they mean.
CODES = {
    "file_missing": "the table names a file that does not exist",
    "not_a_picture": "the file is not a PNG or PGM picture",
    "breast_not_found": "no region of the image looks like a breast",
}

_FULL_SCALE = {"L": ("8", 255), "I;16": ("16", 65535), "I;16B": ("16", 65535), "I": ("16", 65535)}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture file and what the table says about it."""

    path: Path
    file: str  # as written in the table
    laterality: Laterality
    view: View
    row_spacing_mm: float | None


def load_picture(picture: Picture) -> Mammogram | Refusal:
    """The mammogram of a picture file in presentation values [0, 1], or the reason why it is none."""

    def refuse(code: str, message: str) -> Refusal:
        return Refusal(file=picture.file, code=code, codes=(code,), message=message)

    if not picture.path.is_file():
        return refuse("file_missing", "expected a file, found none; check file_path")
    try:
        with warnings.catch_warnings():
            # Pillow's guard against decompression bombs: above 89 Mpx no mammogram is meant.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(picture.path, formats=("PNG", "PPM")) as opened:
                kind, mode = str(opened.format), opened.mode
                if mode not in _FULL_SCALE:
                    return refuse(
                        "colour_image", f"expected a grey picture of 8 or 16 bits, found mode {mode}"
                    )
                stored = np.array(opened)
    except UnidentifiedImageError:
        return refuse("not_a_picture", "expected a PNG or PGM picture, found something else")
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        return refuse("undecodable_pixels", "expected a mammogram, found more than 89 million pixels")
    except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises for damaged files
        return refuse("truncated_file", f"expected a whole picture, found a damaged one ({_words(error)})")
    if min(stored.shape) < SMALLEST_SIDE:
        size = f"{stored.shape[0]} x {stored.shape[1]}"
        return refuse("image_too_small", f"expected at least {SMALLEST_SIDE} pixels a side, found {size}")
    bits, full_scale = _FULL_SCALE[mode]
    values = np.ascontiguousarray(stored, dtype="<u2")
    if _has_few_levels(values):
        return refuse("low_dynamic_range", f"expected at least {FEWEST_LEVELS} grey levels, found fewer")
    spacing = picture.row_spacing_mm
    return Mammogram(
        pixels=values.astype(np.float32) / np.float32(full_scale),
        laterality=picture.laterality,
        view=picture.view,
        spacing_mm=None if spacing is None else (spacing, spacing),
        acquisition=Acquisition(
            profile=PROFILE,
            transfer_syntax=f"png{bits}" if kind == "PNG" else f"pgm{bits}",
            photometric="MONOCHROME2",
            voi="full scale",
            spacing_source="" if spacing is None else "table",
            pixels_sha256=hashlib.sha256(values.tobytes()).hexdigest(),
        ),
    )


def _words(error: Exception) -> str:
    """What the system says, without the name of the file that it may add."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _has_few_levels(values: np.ndarray) -> bool:
    """A sample decides for nearly every picture; only those that fail it are counted in full."""
    if np.unique(values[::16, ::16]).size >= FEWEST_LEVELS:
        return False
    return bool(np.unique(values).size < FEWEST_LEVELS)
