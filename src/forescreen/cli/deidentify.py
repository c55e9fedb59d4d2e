"""`forescreen deidentify`: mammograms and registry tables without identity; a private list beside the key."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(
    *,
    source: Path,
    out: Path,
    key: Path | None,
    blank_outside_breast: bool,
    keep_dates: bool,
    tables: Path | None,
    workers: int,
) -> None:
    """De-identify `source` into `out`; the same command continues an interrupted one."""
    with friendly():
        from ..files import plain
        from ..identity import Pseudonyms, load_or_make_key
        from ..ingestion.deidentify import Options, check_places, deidentify_folder

        key = key or out.parent / "pseudonym.key"
        private = key.parent / "private" / f"{out.name}-deidentified"
        check_places(source, out, private)  # before a key is made in the wrong place
        pseudonyms = Pseudonyms(load_or_make_key(key))
        started = time.monotonic()
        summary = deidentify_folder(
            source,
            out,
            pseudonyms=pseudonyms,
            private=private,
            options=Options(keep_dates=keep_dates, blank_outside_breast=blank_outside_breast),
            workers=workers or default_workers(),
            track=make_track(),
        )
        summarise("de-identified", plain(summary), seconds=time.monotonic() - started)
        if tables is not None:
            from ..ingestion.registry import deidentify_tables

            rows = deidentify_tables(tables, out / "registry", pseudonyms=pseudonyms, keep_dates=keep_dates)
            summarise("registry tables", plain(rows))
        say(f"files     {show_path(out)}")
        say(f"private   {show_path(private.with_suffix('.csv'))} (leads back to women: keep it with the key)")
