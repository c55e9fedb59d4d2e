"""`forescreen ingest`: DICOM folder or image table → store + refused.csv."""

from __future__ import annotations

import time
from pathlib import Path

from .terminal import default_workers, friendly, make_track, say, show_path, summarise


def run(
    *,
    source: Path,
    out: Path,
    rows: int,
    columns: int,
    spacing_mm: float,
    digitised_film: bool,
    identity: str,
    workers: int,
) -> None:
    """Ingest `source` into the store `out`; the same command continues an interrupted one."""
    with friendly():
        from ..errors import InputError
        from ..files import plain
        from ..images.geometry import Geometry
        from ..ingestion.run import ingest_dicom, ingest_table
        from .identity import choose

        if not source.exists():
            raise InputError(
                expected="a folder of DICOM files or a CSV of images", found="no such path", where=str(source)
            )
        geometry = Geometry(rows=rows, columns=columns, spacing_mm=spacing_mm)
        pseudonyms = choose(identity, out.parent)
        started = time.monotonic()
        if source.is_dir():
            from ..dicom.gate import Policy

            summary = ingest_dicom(
                source,
                out,
                geometry=geometry,
                pseudonyms=pseudonyms,
                policy=Policy(digitised_film=digitised_film),
                workers=workers or default_workers(),
                track=make_track(),
            )
        else:
            summary = ingest_table(
                source,
                out,
                geometry=geometry,
                pseudonyms=pseudonyms,
                workers=workers or default_workers(),
                track=make_track(),
            )
        summarise("ingested", plain(summary), seconds=time.monotonic() - started)
        say(f"store     {show_path(out)}")
        say(f"refused   {show_path(out / 'refused.csv')}")
