"""Training speed. JSON: images_per_s (demo recipe, three networks), fraction_of_memory.

`images_per_s` is the mammograms of the development part over the seconds of the whole demo training.
`fraction_of_memory` compares end-to-end epochs (forward and backward through the encoder) fed from the
memory-mapped store with the same epochs fed from memory, in turn; medians.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.stores import write_store
from forescreen.training.dataset import StudyImages, read_rows
from forescreen.training.loop import MemberPlan, train_member
from forescreen.training.recipe import Phase
from forescreen.training.recipes.demo import RECIPE
from forescreen.training.run import train_study

N_SETS, REPEATS = 72, 5


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, members = write_store(folder / "store", N_SETS)
        n_images = 4 * int((members["split"] == "development").sum())
        started = time.perf_counter()
        train_study(store, members, RECIPE, folder / "demo", seed=1)
        figures = {"images_per_s": n_images / (time.perf_counter() - started)}

        rows = read_rows(members)
        development = np.flatnonzero(rows.fold >= 0)
        recipe = replace(
            RECIPE, phases=(Phase(objective="outcome", trains="all", epochs=2, learning_rate=1e-4),)
        )
        seconds: dict[str, list[float]] = {"memory": [], "store": []}
        for repeat in range(REPEATS):
            for kind, budget in (("memory", 2**40), ("store", 0)):
                images = StudyImages(
                    store, rows.exam_ids, budget_bytes=budget, only=sorted(set(rows.exam[development]))
                )
                plan = MemberPlan(
                    train=development[:96], stop=development[96:105], seed=1, identity=f"{kind}{repeat}"
                )
                found: list[float] = []
                train_member(
                    rows,
                    images,
                    plan,
                    recipe,
                    folder / f"{kind}-{repeat}",
                    after_epoch=lambda record, found=found: found.append(record.seconds),  # type: ignore[misc]
                )
                seconds[kind].append(found[-1])
        ratios = [a / b for a, b in zip(seconds["memory"], seconds["store"], strict=True)]
        figures["fraction_of_memory"] = statistics.median(ratios)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
