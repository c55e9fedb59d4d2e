"""`forescreen ingest`: DICOM folder, archive or DICOMDIR, or image table → store + refused.csv."""

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
    policy: str,
    identity: str,
    workers: int,
) -> None:
    """Ingest `source` into the store `out`; the same command continues an interrupted one."""
    with friendly():
        from ..dicom.policy import load_policy
        from ..dicom.walk import is_dicom_source
        from ..errors import ConfigError, InputError
        from ..files import plain
        from ..images.geometry import Geometry
        from ..ingestion.listing import listing_path, private_folder
        from ..ingestion.places import keep_apart
        from ..ingestion.run import ingest_dicom, ingest_table
        from .identity import choose

        if not source.exists():
            raise InputError(
                expected="a folder of DICOM files or a CSV of images", found="no such path", where=str(source)
            )
        keep_apart(source, out)  # before a key is made in the wrong place
        accepted = load_policy(policy)
        if source.suffix.lower() == ".csv" and policy != "screening":
            raise ConfigError(
                expected="--policy with a folder of DICOM files",
                found="--policy with a table of pictures",
                where="command line",
                remedy="Pictures have no header to judge: leave it out",
            )
        geometry = Geometry(rows=rows, columns=columns, spacing_mm=spacing_mm)
        pseudonyms = choose(identity, out.parent)
        started = time.monotonic()
        if is_dicom_source(source):
            summary = ingest_dicom(
                source,
                out,
                geometry=geometry,
                pseudonyms=pseudonyms,
                policy=accepted,
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
        if pseudonyms.key is not None:
            say(f"files     {show_path(listing_path(private_folder(out), out))} (private: names of files)")
