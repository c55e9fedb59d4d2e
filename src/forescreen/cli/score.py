"""`forescreen score`: model + mammograms → scores.csv + worklist.csv."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import choose_device, default_workers, friendly, make_track, say, show_path, summarise


def run(
    *,
    model: Path,
    out: Path,
    store: Path | None,
    dicom: Path | None,
    policy: str,
    identity: str,
    device: str,
    workers: int,
) -> None:
    """Score every exam of a store, or of a DICOM folder ingested on the model's own canvas."""
    with friendly():
        from ..dicom.policy import load_policy
        from ..errors import ConfigError
        from ..images.store import Store
        from ..scoring.run import score_store
        from ..scoring.worklist import write_worklist

        if (store is None) == (dicom is None):
            raise ConfigError(
                expected="either --store or --dicom",
                found="both" if store else "neither",
                where="command line",
            )
        if store is not None and policy != "screening":
            raise ConfigError(
                expected="--policy with --dicom",
                found="--policy with --store",
                where="command line",
                remedy="What is in a store was accepted when it was made",
            )
        accepted = load_policy(policy)
        track = make_track()
        started = time.monotonic()
        if dicom is not None:
            from ..images.geometry import Geometry
            from ..ingestion.listing import listing_path, private_folder
            from ..ingestion.run import ingest_dicom
            from ..models.checkpoint import read_card
            from .identity import choose

            canvas = read_card(model).geometry
            store = out / "store"
            ingest_dicom(
                dicom,
                store,
                geometry=Geometry(
                    rows=int(canvas["rows"]),
                    columns=int(canvas["columns"]),
                    spacing_mm=float(canvas["spacing_mm"]),
                ),
                pseudonyms=choose(identity, out),
                policy=accepted,
                workers=workers or default_workers(),
                track=track,
            )
            say(f"refused   {show_path(store / 'refused.csv')}")
            if identity == "pseudonym":
                say(f"files     {show_path(listing_path(private_folder(store), store))} (private)")
        assert store is not None
        scores = score_store(
            model,
            Store.open(store),
            None,
            out / "scores.csv",
            device=choose_device(device),
            track=track,
        )
        write_worklist(scores, out / "worklist.csv")
        summarise("scored", {"exams": len(scores)}, seconds=time.monotonic() - started)
        say(f"worklist  {show_path(out / 'worklist.csv')}")
