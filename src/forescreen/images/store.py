"""The image store: prepared mammograms in memory-mapped shards, with a manifest.

    store/pixels-00000.npy   uint16 [image, row, column], raw, memory-mapped
    store/manifest.parquet   one row per mammogram: where its pixels lie, what it is, what was done
    store/exams.parquet      one row per exam: machine, missing views, the exam before it; by ingestion
    store/refused.csv        one row per file that was not used, with a reason code
    store/geometry.json      canvas, normalisation version, numbers of images

Raw arrays and an index read faster than any chunked container at this size, without a codec between
the file and the network. `StoreWriter` is for ingestion: a shard and its part manifest are written
one after the other, each whole or absent, so that what a killed run finished is known and kept.
"""

from __future__ import annotations

import csv
import io
import math
import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Int, UInt16

from ..errors import InputError, InterruptedStageError
from ..files import atomic_write, plain, read_json, remove_leftovers, write_json, write_with
from ..records import STANDARD_VIEWS, Density, Refusal
from .density import METHOD
from .geometry import Geometry
from .intensity import VERSION
from .prepare import ExamTensor, as_unit

#: Layout of the folder; a store of another layout is refused.
FORMAT = 1
#: Shards kept open: each is one memory map and one file descriptor.
OPEN_SHARDS = 64
#: Shards whose rows make one row group of the manifest: what is in memory when a store is finished.
SHARDS_PER_GROUP = 16


@dataclass(frozen=True, kw_only=True)
class StoredView:
    """One row of the manifest, without the place of its pixels."""

    woman_id: str  # pseudonym or study number
    exam_id: str
    exam_date: str  # ISO 8601, "" where unknown
    laterality: str  # L, R
    view: str  # CC, MLO
    row_spacing_mm: float | None  # of the source image
    flipped: bool  # mirrored, so that the chest wall is at column 0
    laterality_agrees: bool | None  # side of the chest wall as usual for this breast; None: cannot tell
    flags: str  # ";"-joined
    profile: str
    voi: str
    manufacturer: str
    model: str
    transfer_syntax: str
    photometric: str
    spacing_source: str
    source_sha256: str  # of the decoded stored pixel values
    file: str
    percent_density: float | None = None  # by `density_method`; None: not measured
    dense_area_cm2: float | None = None  # None without pixel spacing
    breast_area_cm2: float | None = None
    density_method: str = ""
    density_flags: str = ""  # ";"-joined


def density_columns(density: Density | None) -> dict[str, Any]:
    """The columns of StoredView that hold a density."""
    if density is None:
        density = Density(method="", percent=0.0)
    known = {
        "percent_density": density.percent if density.method else None,
        "dense_area_cm2": None if math.isnan(density.dense) else density.dense,
        "breast_area_cm2": None if math.isnan(density.breast) else density.breast,
    }
    return {**known, "density_method": density.method, "density_flags": ";".join(density.flags)}


_SCHEMA = pa.schema(
    [
        ("woman_id", pa.string()),
        ("exam_id", pa.string()),
        ("exam_date", pa.string()),
        ("laterality", pa.string()),
        ("view", pa.string()),
        ("shard", pa.int32()),
        ("index", pa.int32()),
        ("row_spacing_mm", pa.float64()),
        ("flipped", pa.bool_()),
        ("laterality_agrees", pa.bool_()),
        *((name, pa.string()) for name in ("flags", "profile", "voi", "manufacturer", "model")),
        *((name, pa.string()) for name in ("transfer_syntax", "photometric", "spacing_source")),
        ("source_sha256", pa.string()),
        ("file", pa.string()),
        *((name, pa.float64()) for name in ("percent_density", "dense_area_cm2", "breast_area_cm2")),
        *((name, pa.string()) for name in ("density_method", "density_flags")),
    ]
)


class Store:
    """A finished image store, read at random. Open it with `Store.open`."""

    def __init__(self, folder: Path, geometry: Geometry, manifest: pd.DataFrame) -> None:
        self.folder = folder
        self.geometry = geometry
        #: One row per stored mammogram, in the order of `view(i)`.
        self.manifest = manifest
        rows_of: dict[str, list[int]] = {}
        slot_of = {(str(side), str(view)): slot for slot, (side, view) in enumerate(STANDARD_VIEWS)}
        columns = (manifest["exam_id"], manifest["laterality"], manifest["view"])
        for row, (exam, side, view) in enumerate(zip(*columns, strict=True)):
            rows_of.setdefault(exam, [-1] * len(STANDARD_VIEWS))[slot_of[side, view]] = row
        #: Exams in the order of their first mammogram.
        self.exam_ids: tuple[str, ...] = tuple(rows_of)
        self._rows_of = rows_of
        self._woman = manifest["woman_id"].to_numpy()
        self._shard = manifest["shard"].to_numpy()
        self._index = manifest["index"].to_numpy()
        self._open = lru_cache(maxsize=OPEN_SHARDS)(self._map)

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in `folder`. Raises InputError if there is none or it is not finished."""
        described = folder / "geometry.json"
        if not described.exists() or not (folder / "manifest.parquet").exists():
            raise InputError(
                expected="a finished image store (geometry.json and manifest.parquet)",
                found="none" if not folder.exists() else "a folder without them",
                where=str(folder),
                remedy="Make one with `forescreen ingest`, or let it finish",
            )
        try:
            about = read_json(described)
            manifest = pq.read_table(folder / "manifest.parquet").to_pandas()
        except (ValueError, pa.ArrowException) as error:
            raise _damaged(folder) from error
        if about.get("format") != FORMAT:
            raise InputError(
                expected=f"an image store of format {FORMAT}",
                found=f"format {about.get('format')}",
                where=str(described),
                remedy="Ingest the images again with this version",
            )
        geometry = Geometry(about["rows"], about["columns"], about["spacing_mm"])
        return cls(folder, geometry, manifest)

    def __len__(self) -> int:
        """Number of stored mammograms."""
        return len(self.manifest)

    def __reduce__(self) -> tuple[object, ...]:
        # Workers of a data loader open the maps themselves.
        return (Store, (self.folder, self.geometry, self.manifest))

    def view(self, i: int) -> UInt16[np.ndarray, "row column"]:
        """Pixels of mammogram `i` (row of the manifest) as a read-only view into the file."""
        shard: np.ndarray = self._open(int(self._shard[i]))
        pixels: np.ndarray = shard[int(self._index[i])]
        return pixels

    def rows(self, exam_id: str) -> Int[np.ndarray, "4"]:
        """Manifest rows of an exam in the order of STANDARD_VIEWS; -1 where the view is absent.

        Raises InputError if the exam is not in the store.
        """
        if exam_id not in self._rows_of:
            raise InputError(
                expected="an exam of the store",
                found="an exam_id without stored mammograms",
                where=str(self.folder),
                remedy="See refused.csv there for what was not used, and why",
            )
        return np.array(self._rows_of[exam_id], dtype=np.int64)

    def exam(self, exam_id: str) -> ExamTensor:
        """The exam as models see it: float32 in [0, 1], absent views 0."""
        rows = self.rows(exam_id)
        images = np.zeros((len(rows), self.geometry.rows, self.geometry.columns), dtype=np.float32)
        for slot, row in enumerate(rows):
            if row >= 0:
                images[slot] = as_unit(np.asarray(self.view(int(row))))
        first = int(rows[rows >= 0][0])
        return ExamTensor(
            exam_id=exam_id,
            woman_id=str(self._woman[first]),
            images=images,
            present=rows >= 0,
            spacing_mm=self.geometry.spacing_mm,
        )

    def _map(self, shard: int) -> np.ndarray:
        path = self.folder / _pixels_name(shard)
        try:
            pixels: np.ndarray = np.load(path, mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(path) from error
        return pixels


def _damaged(path: Path) -> InputError:
    return InputError(
        expected="a whole image store",
        found="a file that is missing or damaged",
        where=str(path),
        remedy="Remove the store and ingest the images again",
    )


class StoreWriter:
    """Writes a store shard by shard; shards of an earlier run of the same plan are kept.

    `plan` names everything that decides the content (inputs, geometry, policy, versions). Raises
    InterruptedStageError if the folder holds shards of another plan.
    """

    def __init__(self, folder: Path, geometry: Geometry, *, plan: dict[str, Any]) -> None:
        self.folder = folder
        self.geometry = geometry
        self._parts = folder / "parts"
        claimed = folder / "plan.json"
        made_with = {"format": FORMAT, "normalisation": VERSION, "density": METHOD}
        plan = plain({**made_with, "geometry": geometry, **plan})
        if claimed.exists() and read_json(claimed) != plan:
            raise InterruptedStageError(
                f"{folder}: this folder holds an image store made from other images or settings. "
                "Choose another folder, or remove this one to start again."
            )
        folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(folder)
        write_json(claimed, plan)

    @property
    def is_finished(self) -> bool:
        """True if the store is complete: `geometry.json` is written last."""
        return (self.folder / "geometry.json").exists()

    def has(self, shard: int) -> bool:
        """True if this shard was finished before."""
        return self._part(shard).exists()

    def write(
        self,
        shard: int,
        views: Sequence[tuple[StoredView, UInt16[np.ndarray, "row column"]]],
        refusals: Sequence[Refusal],
        notes: Sequence[dict[str, Any]] = (),
    ) -> None:
        """One shard: its pixels first, then the part manifest that makes it count.

        `notes` are plain values kept with the shard until the store is finished (`notes_of`).
        """
        pixels = np.zeros((len(views), self.geometry.rows, self.geometry.columns), dtype=np.uint16)
        for i, (_, image) in enumerate(views):
            pixels[i] = image
        write_with(self.folder / _pixels_name(shard), lambda stream: np.save(stream, pixels))
        rows = [asdict(row) | {"shard": shard, "index": i} for i, (row, _) in enumerate(views)]
        refused = [asdict(refusal) for refusal in refusals]
        write_json(self._part(shard), {"views": rows, "refusals": refused, "notes": list(notes)})

    def notes_of(self, n_shards: int) -> Iterator[dict[str, Any]]:
        """The notes of all shards, in order."""
        for shard in range(n_shards):
            yield from read_json(self._part(shard))["notes"]

    def finish(
        self,
        n_shards: int,
        refusals: Iterable[Refusal],
        *,
        more: Callable[[], dict[str, Any]] = dict,
    ) -> dict[str, Any]:
        """Join the parts into manifest and refused.csv, given what was refused before any shard.

        Returns the counts of `geometry.json`, which is written last; the parts are removed at the end.
        `more` is called before that: it may write other tables, and gives counts to add.
        """
        counts: dict[str, Any] = {"n_stored": 0, "n_refused": 0, "refused_by_code": {}, "flags": {}}
        flags: Counter[str] = Counter()
        with (
            atomic_write(self.folder / "manifest.parquet") as stream,
            pq.ParquetWriter(stream, _SCHEMA) as out,
        ):
            for rows in self._groups(n_shards):
                out.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
                counts["n_stored"] += len(rows)
                flags.update(flag for row in rows for flag in row["flags"].split(";") if flag)
        codes = _write_refused(self.folder / "refused.csv", chain(refusals, self._refusals(n_shards)))
        counts |= {"n_refused": codes.total(), "refused_by_code": dict(sorted(codes.items()))}
        counts |= {"flags": dict(sorted(flags.items())), **more()}
        about = asdict(self.geometry) | {"format": FORMAT, "normalisation": VERSION, **counts}
        write_json(self.folder / "geometry.json", about)
        self.remove_parts()
        return counts

    def _groups(self, n_shards: int) -> Iterator[list[dict[str, Any]]]:
        """The rows of the manifest, some shards at a time; at least once, for the schema."""
        for first in range(0, max(n_shards, 1), SHARDS_PER_GROUP):
            rows: list[dict[str, Any]] = []
            for shard in range(first, min(first + SHARDS_PER_GROUP, n_shards)):
                rows.extend(read_json(self._part(shard))["views"])
            yield rows

    def _refusals(self, n_shards: int) -> Iterator[Refusal]:
        for shard in range(n_shards):
            for refusal in read_json(self._part(shard))["refusals"]:
                yield Refusal(**refusal | {"codes": tuple(refusal["codes"])})

    def remove_parts(self) -> None:
        """Remove the part manifests of a finished store."""
        shutil.rmtree(self._parts, ignore_errors=True)

    def _part(self, shard: int) -> Path:
        return self._parts / f"part-{shard:05d}.json"


def _write_refused(path: Path, refusals: Iterable[Refusal]) -> Counter[str]:
    """refused.csv, sorted by file and code; how often each code is the first. Sorted on disk."""
    codes: Counter[str] = Counter()
    sorter = sqlite3.connect("")  # a temporary file
    try:
        sorter.execute("CREATE TABLE refused (file TEXT, code TEXT, codes TEXT, message TEXT)")
        for refusal in refusals:
            row = (refusal.file, refusal.code, ";".join(refusal.codes), refusal.message)
            sorter.execute("INSERT INTO refused VALUES (?, ?, ?, ?)", row)
            codes[refusal.code] += 1
        with atomic_write(path) as stream:
            text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
            table = csv.writer(text, lineterminator="\n")
            table.writerow([f.name for f in fields(Refusal)])
            table.writerows(sorter.execute("SELECT * FROM refused ORDER BY file, code, rowid"))
            text.detach()
    finally:
        sorter.close()
    return codes


def _pixels_name(shard: int) -> str:
    return f"pixels-{shard:05d}.npy"
