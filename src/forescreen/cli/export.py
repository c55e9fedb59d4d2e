"""`forescreen export`: DICOM → the PNGs of a conversion profile + derivations.csv + refused.csv."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(
    *, source: Path, out: Path, profile: str, policy: str, left: bool, identity: str, workers: int
) -> None:
    """Export `source` into `out`; the same command continues an interrupted one."""
    with friendly():
        from ..dicom.policy import load_policy
        from ..dicom.profiles import find_profile
        from ..files import plain
        from ..ingestion.export import Hanging, export_dicom
        from ..ingestion.places import keep_apart
        from .identity import choose

        keep_apart(source, out)  # before a key is made in the wrong place
        chosen = find_profile(profile)
        started = time.monotonic()
        summary = export_dicom(
            source,
            out,
            profile=chosen,
            hanging=Hanging.LEFT if left else Hanging.AS_STORED,
            pseudonyms=choose(identity, out.parent),
            policy=load_policy(policy),
            workers=workers or default_workers(),
            track=make_track(),
        )
        summarise("exported", plain(summary), seconds=time.monotonic() - started)
        say(f"pictures     {show_path(out / 'images')}")
        say(f"derivations  {show_path(out / 'derivations.csv')}")
        say(f"refused      {show_path(out / 'refused.csv')}")
