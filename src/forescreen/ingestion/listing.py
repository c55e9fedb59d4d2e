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
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..dicom.gate import CODES as GATE_CODES
from ..files import atomic_write, write_private, write_text
from ..identity import Pseudonyms
from ..records import Refusal
from .pictures import CODES as PICTURE_CODES


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


def write_refused(
    path: Path,
    private: Path,
    refusals: Sequence[Refusal],
    *,
    used: Iterable[str],
    pseudonyms: Pseudonyms,
) -> None:
    """The table of refused files; with a key it names no file, and the listing `private` names all of them.

    `refusals` and `used` (the files that were not refused) hold the files' own names.
    """
    ordered = sorted(refusals, key=lambda refusal: refusal.file)
    keyed = pseudonyms.key is not None
    meanings = {**GATE_CODES, **PICTURE_CODES}
    rows = [
        [
            pseudonyms.file(r.file),
            r.code,
            ";".join(r.codes),
            meanings.get(r.code, r.code) if keyed else r.message,
        ]
        for r in ordered
    ]
    write_text(path, csv_text(["file", "code", "codes", "message"], rows))
    if not keyed:
        return
    listing = [[pseudonyms.file(r.file), r.file, r.code, r.message] for r in ordered]
    listing += [[pseudonyms.file(file), file, "", ""] for file in used]
    write_private(private, csv_text(["label", "file", "code", "message"], sorted(listing)))


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A CSV as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
