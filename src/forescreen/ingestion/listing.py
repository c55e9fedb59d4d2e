"""The private listing: which file became which row, for the owner of the files and nobody else.

With keyed pseudonyms a store names no file: file names may hold the names of women. The person who has to
look at a refused file finds it here: one row per file with its name in the store, its own name, and what
became of it. The listing and the catalogue of the header pass lie in a folder `private` beside the store
and the key; only their owner can read them. They must not travel with the store.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from ..files import atomic_write


def private_folder(store_folder: Path) -> Path:
    """Where the private files of a store lie, unless another place is chosen."""
    return store_folder.parent / "private"


def catalogue_path(private: Path, store_folder: Path) -> Path:
    """What the header pass knows of the files of a store."""
    return private / f"{store_folder.name}.sqlite"


def listing_path(private: Path, store_folder: Path) -> Path:
    """The private listing of a store."""
    return private / f"{store_folder.name}-files.csv"


def write_listing(path: Path, files: Iterable[tuple[str, str]], refused_csv: Path) -> None:
    """Write the listing of `files`, (name in the store, own name) each, with the reasons of `refused_csv`."""
    reasons = sqlite3.connect("")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        reasons.execute("CREATE TABLE refused (file TEXT, code TEXT, message TEXT)")
        with refused_csv.open(newline="", encoding="utf-8") as stream:
            rows = ((row["file"], row["code"], row["message"]) for row in csv.DictReader(stream))
            reasons.executemany("INSERT INTO refused VALUES (?, ?, ?)", rows)
        reasons.execute("CREATE INDEX by_file ON refused (file)")
        with atomic_write(path, mode=0o600) as stream:
            out = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
            table = csv.writer(out, lineterminator="\n")
            table.writerow(("label", "file", "code", "message"))
            for shown, own in files:
                found = reasons.execute(
                    "SELECT code, message FROM refused WHERE file = ?", (shown,)
                ).fetchone()
                table.writerow((shown, own, *(found or ("", ""))))
            out.detach()
    finally:
        reasons.close()
