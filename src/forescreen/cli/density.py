"""`forescreen density`: store or DICOM folder → density.csv, and density-refused.csv for a folder."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(*, source: Path, out: Path, identity: str, workers: int) -> None:
    """Write the density of every view, side and exam of `source` to the table `out`."""
    with friendly():
        from ..errors import InputError
        from ..files import write_csv
        from ..images.store import Store
        from ..ingestion.density import folder_table, store_table
        from ..ingestion.listing import listing_path, private_folder, write_refused
        from ..ingestion.places import keep_apart
        from .identity import choose

        if not source.is_dir():
            raise InputError(
                expected="an image store or a folder of DICOM files", found="none", where=str(source)
            )
        started = time.monotonic()
        if (source / "geometry.json").exists():
            table, refused = store_table(Store.open(source).manifest), None
        else:
            keep_apart(source, out)
            pseudonyms = choose(identity, out.parent)
            found = folder_table(
                source, pseudonyms=pseudonyms, workers=workers or default_workers(), track=make_track()
            )
            table, refused = found.table, out.with_name(f"{out.stem}-refused.csv")
            private = listing_path(private_folder(out), out.with_suffix(""))
            write_refused(refused, private, found.refusals, used=found.used, pseudonyms=pseudonyms)
        out.parent.mkdir(parents=True, exist_ok=True)
        write_csv(out, table)
        exams = table[table["level"] == "exam"]
        summarise(
            "density",
            {
                "exams": exams["exam_id"].nunique(),
                "views": int((table["level"] == "view").sum()),
                "not measured": int((table["refused"] != "").sum()),
                "refused": "see the store" if refused is None else len(found.refusals),
                "median %": {
                    str(method): round(float(own["percent"].median()), 1)
                    for method, own in exams.groupby("method")
                },
            },
            seconds=time.monotonic() - started,
        )
        say(f"table     {show_path(out)}")
        if refused is not None:
            say(f"refused   {show_path(refused)}")
