"""Scanned films of the test data beside the project, with the masks drawn by people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image


def ddsm_pairs(shared: Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Film in [0, 1] and tissue mask (64 background, 128 fat, 192 gland, 255 pectoral muscle)."""
    folder = shared / "data/ddsm_tissue"
    for path in sorted((folder / "films").glob("*.png")):
        film = np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255
        (mask,) = (folder / "tissue_masks").glob(f"{path.stem}*")
        yield film, np.asarray(Image.open(mask).convert("L"))
