"""`forescreen cohort`: registry tables → members.csv + flow.json."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import friendly, make_track, say, show_path, summarise


def run(
    *, registry: Path, out: Path, config: Path | None, store: Path | None, seed: int, identity: str
) -> None:
    """Select the cohort of `registry` into `out`."""
    with friendly():
        from ..cohort.members import select_cohort, write_cohort
        from ..cohort.registry import read_registry
        from ..cohort.settings import CohortConfig
        from .identity import choose

        settings, from_images = CohortConfig(), False
        if config is not None:
            from ..study.config import read_study

            described = read_study(config)
            settings, from_images = described.cohort, described.images.density == "image"
        started = time.monotonic()
        tables = read_registry(registry, pseudonyms=choose(identity, out.parent))
        links: dict[str, str] = {}
        if store is not None:
            from ..images.store import Store
            from ..study.link import link_exams

            links = link_exams(tables.exams, Store.open(store).manifest)
        selected = select_cohort(
            tables,
            settings,
            available_exams=frozenset(links) if store is not None else None,
            seed=seed,
            track=make_track(),
        )
        if links:
            selected.members["exam_id"] = selected.members["exam_id"].map(links)
        write_cohort(selected, out)
        if from_images and store is not None:
            from ..files import write_csv
            from ..study.link import with_image_density

            write_csv(out / "members.csv", with_image_density(selected.members, Store.open(store).manifest))
        members = selected.members
        for step in selected.flow:
            say(f"  {step.n_women:>9,} women  {step.n_exams:>9,} exams  {step.step}".replace(",", " "))
            for reason in step.excluded:
                if reason.n:
                    say(f"      excluded {reason.n:,}: {reason.reason}".replace(",", " "))
        summarise(
            "cohort",
            {
                "members": len(members),
                "sets": int(members["set_id"].replace("", None).nunique()),
                "outcomes": members["outcome"].value_counts().to_dict(),
                "split": members["split"].value_counts().to_dict(),
            },
            seconds=time.monotonic() - started,
        )
        say(f"members   {show_path(out / 'members.csv')}")
