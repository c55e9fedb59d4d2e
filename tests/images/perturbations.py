"""What happens to mammograms on their way to us, as functions of a picture in [0, 1] and its breast mask.

Each takes (pixels, mask, generator) and returns both anew. Air is dark and breast bright on the way in.
`PERTURBATIONS` names them all; tests and the stress table of the benchmarks go through it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import ndimage

Picture = tuple[np.ndarray, np.ndarray]
Perturbation = Callable[[np.ndarray, np.ndarray, np.random.Generator], Picture]


def _tone(curve: Callable[[np.ndarray], np.ndarray]) -> Perturbation:
    return lambda pixels, mask, _: (curve(pixels).astype(np.float32), mask)


def _turned(turn: Callable[[np.ndarray], np.ndarray]) -> Perturbation:
    return lambda pixels, mask, _: (
        np.ascontiguousarray(turn(pixels)),
        np.ascontiguousarray(turn(mask)),
    )


def _noisy(sigma: float) -> Perturbation:
    def add(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
        return (pixels + sigma * rng.standard_normal(pixels.shape)).astype(np.float32), mask

    return add


def _framed(level: float, share: float) -> Perturbation:
    """A frame that covers the rim of the picture; the breast below it is lost."""

    def cover(pixels: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> Picture:
        depth = round(share * max(pixels.shape))
        rim = np.ones(pixels.shape, bool)
        rim[depth:-depth, depth:-depth] = False
        return np.where(rim, np.float32(level), pixels), mask & ~rim

    return cover


def _padded(level: float, share: float) -> Perturbation:
    """Padding beside the picture, left and right."""

    def pad(pixels: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> Picture:
        width = round(share * pixels.shape[1])
        around = ((0, 0), (width, width))
        return np.pad(pixels, around, constant_values=level), np.pad(mask, around)

    return pad


def _nipple_side(mask: np.ndarray) -> int:
    """-1 if air is mostly on the left of the breast, +1 if on the right."""
    columns = mask.any(axis=0).nonzero()[0]
    return 1 if columns[0] < mask.shape[1] - 1 - columns[-1] else -1


def lit_strip(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """The lit edge of a scanner beside the film, on the nipple side."""
    width = round(0.08 * pixels.shape[1])
    strip = np.ones((pixels.shape[0], width), np.float32)
    parts = [pixels, strip] if _nipple_side(mask) > 0 else [strip, pixels]
    blank = np.zeros(strip.shape, bool)
    masks = [mask, blank] if _nipple_side(mask) > 0 else [blank, mask]
    return np.concatenate(parts, axis=1), np.concatenate(masks, axis=1)


def marker_at_the_skin(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A lead plate that touches the breast from outside."""
    rows = pixels.shape[0]
    row = round(rows * 0.25)
    inside = mask[row].nonzero()[0]
    size = round(0.07 * rows)
    marked = pixels.copy()
    if inside.size:
        start = inside[-1] - 2 if _nipple_side(mask) > 0 else inside[0] + 2 - size
        start = max(0, start)
        plate = np.zeros(pixels.shape, bool)
        plate[row : row + size // 2, start : start + size] = True
        marked[plate & ~mask] = 1.0
    return marked, mask


def label_in_the_corner(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A bright label with dark letters in the upper corner of the nipple side, over the edge."""
    rows, columns = pixels.shape
    label = np.ones((round(0.16 * rows), round(0.14 * columns)), np.float32)
    label[:, ::4] = 0.2
    marked = pixels.copy()
    where = slice(-label.shape[1], None) if _nipple_side(mask) > 0 else slice(0, label.shape[1])
    spot = marked[: label.shape[0], where]
    free = ~mask[: label.shape[0], where]
    spot[free] = label[free]
    return marked, mask


def tilted_on_black(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A film put on the scanner at 3 degrees, black beside it."""
    return _tilted(pixels, mask, 0.0)


def tilted_on_white(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A film put on the scanner at 3 degrees, lit beside it."""
    return _tilted(pixels, mask, 1.0)


def _tilted(pixels: np.ndarray, mask: np.ndarray, level: float) -> Picture:
    turned = ndimage.rotate(pixels, 3, reshape=False, order=1, cval=level)
    return turned.astype(np.float32), ndimage.rotate(mask.astype(np.uint8), 3, reshape=False, order=0) > 0


def scanner_lines(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """Dead and lit lines through the whole picture."""
    marked = pixels.copy()
    marked[round(0.3 * pixels.shape[0])] = 1.0
    marked[:, round(0.2 * pixels.shape[1])] = 0.0
    marked[:, round(0.8 * pixels.shape[1])] = 1.0
    return marked, mask


def tape(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A strip of tape over the lower edge, of the grey of the breast."""
    rows = pixels.shape[0]
    marked = pixels.copy()
    band = slice(rows - round(0.05 * rows), None)
    marked[band][~mask[band]] = 0.5
    return marked, mask


def scratch(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A bright scratch from the breast to the far edge."""
    marked = pixels.copy()
    rows, columns = pixels.shape
    x = np.arange(columns)
    y = (0.5 * rows + 0.15 * rows * x / columns).astype(int)
    for thick in range(max(1, rows // 250)):
        marked[y + thick, x] = 1.0
    return marked, mask


def corners_cut_white(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    return _corners(pixels, mask, 1.0)


def corners_cut_black(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    return _corners(pixels, mask, 0.0)


def _corners(pixels: np.ndarray, mask: np.ndarray, level: float) -> Picture:
    rows, columns = pixels.shape
    size = 0.10 * rows
    y, x = np.ogrid[:rows, :columns]
    y, x = np.minimum(y, rows - 1 - y), np.minimum(x, columns - 1 - x)
    cut = (x + y) < size
    return np.where(cut, np.float32(level), pixels), mask & ~cut


def cropped_to_the_breast(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """The breast touches top and bottom, and nearly the nipple side."""
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    n = rows[-1] - rows[0]
    window = (
        slice(rows[0] + round(0.08 * n), rows[-1] - round(0.08 * n)),
        slice(max(0, columns[0] - 3), columns[-1] + 3),
    )
    return np.ascontiguousarray(pixels[window]), np.ascontiguousarray(mask[window])


def haze(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """Uneven air: brighter by 8 % of the range towards one corner."""
    rows, columns = pixels.shape
    ramp = np.arange(rows)[:, None] / rows * np.arange(columns)[None, :] / columns
    return (0.92 * pixels + 0.08 * ramp).astype(np.float32), mask


def paddle_shadow(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """The paddle's edge: air and breast a little brighter inside of a rectangle."""
    rows, columns = pixels.shape
    shadow = np.zeros(pixels.shape, np.float32)
    shadow[round(0.06 * rows) : round(0.94 * rows), : round(0.9 * columns)] = 0.02
    return np.clip(pixels + shadow, 0, 1), mask


def faded_skin(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A fatty breast on film: grey falls to that of air over the last 4 % of the picture's height."""
    depth = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1]
    air = float(np.median(pixels[~mask])) if (~mask).any() else 0.0
    share = np.clip(depth / (0.04 * pixels.shape[0]), 0.12, 1)
    return np.where(mask, air + (pixels - air) * share, pixels).astype(np.float32), mask


def implant(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """A white body in the breast."""
    rows, columns = mask.any(axis=1).nonzero()[0], mask.any(axis=0).nonzero()[0]
    y, x = np.ogrid[: mask.shape[0], : mask.shape[1]]
    centre = (rows.mean(), columns.mean())
    body = ((y - centre[0]) / (0.3 * rows.size)) ** 2 + ((x - centre[1]) / (0.33 * columns.size)) ** 2 < 1
    return np.where(body & mask, np.float32(1.0), pixels), mask


def raw_counts(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
    """As an unprocessed detector counts: exponential, air brightest, photon noise."""
    counts = 16000 * np.exp(-2.6 * pixels)
    return (counts + np.sqrt(counts) * rng.standard_normal(pixels.shape)).astype(np.float32), mask


def _resized(side: int) -> Perturbation:
    def resize(pixels: np.ndarray, mask: np.ndarray, _: np.random.Generator) -> Picture:
        zoom = side / max(pixels.shape)
        small = ndimage.zoom(pixels, zoom, order=1).astype(np.float32)
        return small, ndimage.zoom(mask.astype(np.uint8), zoom, order=0) > 0

    return resize


def _then(first: Perturbation, second: Perturbation) -> Perturbation:
    def both(pixels: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Picture:
        return second(*first(pixels, mask, rng), rng)

    return both


INVERTED = _tone(lambda x: 1 - x)

PERTURBATIONS: dict[str, Perturbation] = {
    "as it is": _tone(lambda x: x),
    "inverted": INVERTED,
    "gain 4095": _tone(lambda x: 4095 * x),
    "gain 0.3, offset 0.5": _tone(lambda x: 0.5 + 0.3 * x),
    "offset -2000": _tone(lambda x: 3000 * x - 2000),
    "gamma 0.5": _tone(lambda x: np.clip(x, 0, None) ** 0.5),
    "gamma 2": _tone(lambda x: np.clip(x, 0, None) ** 2),
    "gamma 0.5, inverted": _tone(lambda x: 1 - np.clip(x, 0, None) ** 0.5),
    "gamma 2, inverted": _tone(lambda x: 1 - np.clip(x, 0, None) ** 2),
    "64 levels": _tone(lambda x: np.round(63 * x)),
    "raw counts, bright air": raw_counts,
    "noise 2 %": _noisy(0.02),
    "noise 5 %": _noisy(0.05),
    "mirrored": _turned(lambda a: a[:, ::-1]),
    "upside down": _turned(lambda a: a[::-1]),
    "256 pixels": _resized(256),
    "3000 pixels": _resized(3000),
    "padding black": _padded(0.0, 0.3),
    "padding grey": _padded(0.3, 0.3),
    "padding white": _padded(1.0, 0.3),
    "padding black, inverted": _then(_padded(0.0, 0.3), INVERTED),
    "inverted, padding black": _then(INVERTED, _padded(0.0, 0.3)),
    "black frame 4 %": _framed(0.0, 0.04),
    "white frame 2 %": _framed(1.0, 0.02),
    "inverted, black frame 4 %": _then(INVERTED, _framed(0.0, 0.04)),
    "lit strip": lit_strip,
    "lit strip, inverted": _then(lit_strip, INVERTED),
    "marker at the skin": marker_at_the_skin,
    "label in the corner": label_in_the_corner,
    "label, inverted": _then(label_in_the_corner, INVERTED),
    "tilted on black": tilted_on_black,
    "tilted on white": tilted_on_white,
    "scanner lines": scanner_lines,
    "tape": tape,
    "scratch": scratch,
    "corners cut, white": corners_cut_white,
    "corners cut, black": corners_cut_black,
    "cropped to the breast": cropped_to_the_breast,
    "cropped, inverted": _then(cropped_to_the_breast, INVERTED),
    "haze 8 %": haze,
    "haze, inverted": _then(haze, INVERTED),
    "paddle shadow": paddle_shadow,
    "faded skin": faded_skin,
    "implant": implant,
    "implant, inverted": _then(implant, INVERTED),
}
