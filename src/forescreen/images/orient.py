"""Which side of the picture is the chest wall, read from the breast and not from the header.

In: the breast mask. Out: left or right, and how certain. Headers say which breast it is; how it lies
in the stored picture follows only by custom (left breast with the chest wall on the left), and scanned
films are sometimes mirrored. The pixels decide, disagreement is recorded, nothing is repaired.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Bool

from ..records import Laterality

#: Depth of the strip at either edge of the breast, share of its width.
STRIP = 0.04
#: Below this difference between the two sides the picture does not tell.
CERTAIN = 0.15


class Side(StrEnum):
    """Side of the picture."""

    LEFT = "left"
    RIGHT = "right"


#: The hanging custom of stored images: PatientOrientation A\\F for a left and P\\F for a right breast
#: (PS3.3 C.8.11.7, row direction towards anterior or posterior).
CUSTOM = {Laterality.LEFT: Side.LEFT, Laterality.RIGHT: Side.RIGHT}


@dataclass(frozen=True, kw_only=True)
class Orientation:
    """Where the chest wall lies in the stored picture.

    `margin` in [0, 1] is how much more of one edge of the breast is straight than of the other;
    below CERTAIN the side is a guess, and `agrees` is None.
    """

    chest_wall: Side
    margin: float
    agrees: bool | None


def find_chest_wall(mask: Bool[np.ndarray, "row column"], laterality: Laterality) -> Orientation:
    """Side on which the breast ends in a straight vertical edge, compared with the custom.

    For either side: the share of breast in the outermost strip within the breast's bounding box,
    averaged over its rows. A chest wall fills that strip, a nipple side does not. `mask` must not
    be empty.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = max(1, round(STRIP * box.shape[1]))
    left, right = float(box[:, :depth].mean()), float(box[:, -depth:].mean())
    chest_wall = Side.LEFT if left >= right else Side.RIGHT
    margin = abs(left - right)
    agrees = None if margin < CERTAIN else chest_wall == CUSTOM[laterality]
    return Orientation(chest_wall=chest_wall, margin=margin, agrees=agrees)
