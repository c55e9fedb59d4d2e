"""An image store of synthetic textures on disk, for the benchmarks of training and scoring."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from tests.training.builders import build_study

from forescreen.images.geometry import Geometry
from forescreen.images.store import Store, StoredView, StoreWriter
from forescreen.records import STANDARD_VIEWS


def write_store(folder: Path, n_sets: int) -> tuple[Store, pd.DataFrame]:
    """A store of 3 exams per set, and its members (one sixth of the sets held out)."""
    study = build_study(n_sets, 1, held_out_share=1 / 6)
    writer = StoreWriter(folder, Geometry(), plan={"benchmark": n_sets})
    views = [
        (describe(exam_id, str(side), str(view)), study.store.pixels[row, slot])
        for row, exam_id in enumerate(study.store.exam_ids)
        for slot, (side, view) in enumerate(STANDARD_VIEWS)
    ]
    writer.write(0, views, [])
    writer.finish(1, [])
    return Store.open(folder), study.members


def describe(exam_id: str, side: str, view: str) -> StoredView:
    """A manifest row with nothing to say."""
    return StoredView(
        woman_id=exam_id.replace("e", "w"),
        exam_id=exam_id,
        exam_date="",
        laterality=side,
        view=view,
        row_spacing_mm=None,
        flipped=False,
        laterality_agrees=None,
        flags="",
        profile="synthetic",
        voi="",
        manufacturer="",
        model="",
        transfer_syntax="",
        photometric="",
        spacing_source="",
        source_sha256=f"{exam_id}{side}{view}",
        file="",
    )
