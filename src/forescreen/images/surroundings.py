"""What lies around the breast: made blank, or looked at for lettering.

In: an image and its breast region. Out: the stored pixels with one background value outside of the
breast, or how much of what lies there looks like letters in a row. Machines and people write names there;
side markers (R MLO) are letters too, so that finding lettering means "look at it", not "a name".

Lettering is told by shape alone: small components of one height, near each other, of high contrast to
the air around. Handwriting, one or two letters, and text over the breast are not found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Integer
from scipy import ndimage

from .breast import BreastRegion
from .squares import widened

#: Blocks of the breast mask by which the breast is widened: nothing of the skin is lost.
MARGIN_BLOCKS = 3
#: Long side of the image in which letters are looked for: 0.25 mm on a 30 cm detector.
WORKING_SIDE = 1200
#: Difference to the air around, of the range of presentation values.
CONTRAST = 0.2
#: Heights of letters in working pixels: 1.2 to 15 mm.
HEIGHTS = (5, 60)
#: Letters are at most this much wider than high, and fill this share of their box.
WIDEST, FILL = 2.0, (0.12, 0.9)
#: Letters in a row: heights within this factor, gaps of at most so many heights, and how many.
ALIKE, GAP, FEWEST = 1.6, 1.0, 3


@dataclass(frozen=True, kw_only=True)
class Lettering:
    """What looks like letters in rows outside of the breast."""

    n_rows: int
    n_letters: int  # in these rows

    @property
    def suspected(self) -> bool:
        """Whether a person should look at the picture."""
        return self.n_rows > 0


def find_lettering(pixels: Float[np.ndarray, "row column"], region: BreastRegion) -> Lettering:
    """Rows of letter-like components outside of the breast, in presentation values in [0, 1]."""
    factor = max(1, -(-max(pixels.shape) // WORKING_SIDE))
    outside = ~_inside(region, step=factor)
    if not outside.any():
        return Lettering(n_rows=0, n_letters=0)
    rows: list[list[_Box]] = []
    for bright in (True, False):  # white letters on air, dark letters on a white label
        small = _block_extreme(pixels, factor, bright=bright)
        air = (
            ndimage.uniform_filter(small, 4 * HEIGHTS[1]) if not bright else float(np.median(small[outside]))
        )
        ink = (small - air if bright else air - small) > CONTRAST
        rows += _rows(_letters(ink & outside))
    return Lettering(n_rows=len(rows), n_letters=sum(len(row) for row in rows))


def blank_surroundings(
    stored: Integer[np.ndarray, "row column"], region: BreastRegion
) -> Integer[np.ndarray, "row column"]:
    """Stored pixels with everything outside of the widened breast at the commonest value there.

    Pixels inside stay as they are.
    """
    inside = _inside(region)
    outside = stored[~inside]
    if outside.size == 0:
        return stored.copy()
    values, counts = np.unique(outside, return_counts=True)
    blank: np.ndarray = np.where(inside, stored, values[np.argmax(counts)])
    return blank


@dataclass(frozen=True, slots=True)
class _Box:
    top: int
    bottom: int
    left: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left


def _inside(region: BreastRegion, *, step: int = 1) -> Bool[np.ndarray, "row column"]:
    """The widened breast, one value per whole block of `step` image pixels, told by its middle."""
    wide = widened(region.mask, MARGIN_BLOCKS)
    rows, columns = (
        np.minimum((np.arange(size // step) * step + step // 2) // region.factor, blocks - 1)
        for size, blocks in zip(region.image_shape, wide.shape, strict=True)
    )
    inside: np.ndarray = wide[rows][:, columns]
    return inside


def _block_extreme(
    pixels: Float[np.ndarray, "row column"], factor: int, *, bright: bool
) -> Float[np.ndarray, "block_row block"]:
    """Brightest or darkest value of each block, so that thin strokes are not lost."""
    n_rows, n_columns = (size // factor for size in pixels.shape)
    whole = pixels[: n_rows * factor, : n_columns * factor]
    choose = np.maximum if bright else np.minimum
    tall = whole[0::factor]
    for i in range(1, factor):
        tall = choose(tall, whole[i::factor])
    both = tall[:, 0::factor]
    for i in range(1, factor):
        both = choose(both, tall[:, i::factor])
    return np.asarray(both, dtype=np.float32)


def _letters(ink: Bool[np.ndarray, "row column"]) -> list[_Box]:
    labels, _ = ndimage.label(ink, structure=np.ones((3, 3)))
    sizes = np.bincount(labels.ravel())
    found = []
    for i, place in enumerate(ndimage.find_objects(labels), start=1):
        rows, columns = place
        box = _Box(rows.start, rows.stop, columns.start, columns.stop)
        if not HEIGHTS[0] <= box.height <= HEIGHTS[1] or box.width > WIDEST * box.height:
            continue
        if FILL[0] <= sizes[i] / (box.height * box.width) <= FILL[1] or box.width <= box.height / 3:
            found.append(box)
    return found


def _rows(letters: list[_Box]) -> list[list[_Box]]:
    """Letters side by side, level or slanted: each near another one of the row, and of its height."""
    rows: list[list[_Box]] = []
    for letter in sorted(letters, key=lambda box: (box.left, box.top)):
        near = [row for row in rows if any(_beside(letter, other) for other in row)]
        rows = [row for row in rows if row not in near]
        rows.append([*(other for row in near for other in row), letter])
    return [row for row in rows if len(row) >= FEWEST]


def _beside(a: _Box, b: _Box) -> bool:
    tall, short = max(a.height, b.height), min(a.height, b.height)
    across = max(a.left, b.left) - min(a.right, b.right)  # negative where they overlap
    down = max(a.top, b.top) - min(a.bottom, b.bottom)
    return tall <= ALIKE * short and max(across, down) <= GAP * tall
