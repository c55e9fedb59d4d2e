"""`forescreen train`: members + store → model folder."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import choose_device, friendly, make_track, say, show_path, summarise


def run(*, cohort: Path, store: Path, out: Path, recipe: str, seed: int, device: str) -> None:
    """Train the recipe's networks on the development members; continues an interrupted run."""
    with friendly():
        from typing import get_args, get_type_hints

        from ..cohort.members import read_cohort
        from ..errors import ConfigError
        from ..files import plain
        from ..images.store import Store
        from ..study.config import ImagesSection, TrainingSection
        from ..study.link import with_images
        from ..study.recipe import load_recipe
        from ..training.run import train_study

        recipes = get_args(get_type_hints(TrainingSection)["recipe"])
        if recipe not in recipes:
            raise ConfigError(
                expected=f"--recipe {', '.join(recipes)}", found=repr(recipe), where="command line"
            )
        opened = Store.open(store)
        members = read_cohort(cohort).members
        matched = bool((members["set_id"] != "").any())
        kept, _ = with_images(members, frozenset(opened.exam_ids), matched=matched)
        started = time.monotonic()
        summary = train_study(
            opened,
            kept,
            load_recipe(
                TrainingSection(recipe=recipe),  # type: ignore[arg-type]
                ImagesSection(
                    rows=opened.geometry.rows,
                    columns=opened.geometry.columns,
                    spacing_mm=opened.geometry.spacing_mm,
                ),
            ),
            out,
            seed=seed,
            device=choose_device(device),
            track=make_track(),
        )
        summarise("trained", plain(summary), seconds=time.monotonic() - started)
        say(f"model     {show_path(out)}")
