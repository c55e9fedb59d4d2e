"""The pixel pass: sources in order, prepared in worker processes, written shard by shard.

In: a list of sources and a function that loads one. Out: a finished store. Sources are cut into shards
of fixed size beforehand, so that a run that was killed continues at the first shard without a part
manifest and ends with the same bytes. Only small prepared arrays come back from the workers; at most
one shard of them is in memory.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow.parquet as pq

from ..errors import ExamError, InputError, InterruptedStageError
from ..files import fingerprint
from ..identity import Pseudonyms
from ..images.geometry import Geometry
from ..images.prepare import PreparedView, prepare_mammogram
from ..images.store import StoredView, StoreWriter
from ..processes import worker_pool
from ..progress import Track
from ..records import Mammogram, Refusal
from ..stage import claim

#: Images per shard: 13 MB at the default canvas, a few seconds of work to lose at a kill.
SHARD_SIZE = 512
#: Images per message to a worker.
CHUNK = 8

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class Source(Generic[P]):
    """One image to ingest: who, which exam, which file, and what its loader needs."""

    woman_id: str
    exam_id: str
    exam_date: str
    file: str  # relative to what was given
    size_bytes: int  # -1 where the file does not exist
    payload: P


@dataclass(frozen=True, kw_only=True)
class IngestSummary:
    """What became of every file: n_files = n_stored + n_refused + n_not_asked."""

    n_files: int
    n_stored: int
    n_refused: int
    n_not_asked: int  # usable mammograms of exams outside `only_exams`
    n_exams: int
    n_women: int
    refused_by_code: dict[str, int]
    flags: dict[str, int]  # mammograms stored with each flag


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    view: PreparedView
    fields: dict[str, Any]  # of StoredView, as far as the image tells


def fill_store(
    sources: Sequence[Source[P]],
    folder: Path,
    *,
    load: Callable[[P], Mammogram | Refusal],
    geometry: Geometry,
    pseudonyms: Pseudonyms,
    plan: dict[str, Any],
    refusals: Sequence[Refusal],
    n_files: int,
    n_not_asked: int,
    workers: int,
    track: Track,
    shard_size: int = SHARD_SIZE,
) -> IngestSummary:
    """Ingest `sources` into the store `folder`; the same call continues an interrupted one.

    `load` is a function of a module (it travels to worker processes); `refusals` are those of the header
    pass, `plan` what else decides the content. Raises InterruptedStageError if the folder holds another
    store or a worker was killed, InputError if no image could be used.
    """
    listing = [(s.file, s.size_bytes, s.woman_id, s.exam_id, s.exam_date) for s in sources]
    refused = sorted((r.file, r.code) for r in refusals)
    made_from = {**plan, "shard_size": shard_size, "sources": fingerprint(listing, refused)}
    claim(folder)
    writer = StoreWriter(folder, geometry, plan=made_from)
    n_shards = -(-len(sources) // shard_size)
    if not writer.is_finished:
        pending = [shard for shard in range(n_shards) if not writer.has(shard)]
        work = _work(sources, pending, shard_size, partial(_prepare_one, load, geometry), workers)
        total = sum(len(sources[s * shard_size : (s + 1) * shard_size]) for s in pending)
        _write_shards(writer, track(work, "images", total), pseudonyms, sources, shard_size)
        writer.finish(n_shards, refusals)
    writer.remove_parts()
    summary = _account(folder, n_files=n_files, n_not_asked=n_not_asked)
    if summary.n_stored == 0:
        raise InputError(
            expected="at least one usable mammogram",
            found=f"{n_files} files, all refused ({_listed(summary.refused_by_code)})",
            where=str(folder),
            remedy="refused.csv there gives the reason for each file",
        )
    return summary


def _work(
    sources: Sequence[Source[P]],
    pending: Sequence[int],
    shard_size: int,
    prepare_one: Callable[[P], _Prepared | Refusal],
    workers: int,
) -> Iterator[tuple[int, int, _Prepared | Refusal]]:
    """(shard, source index, outcome) in the order of the sources."""
    spawn = None
    if workers > 1:
        spawn = worker_pool(workers)
    with spawn or nullcontext():
        for shard in pending:
            indices = range(shard * shard_size, min((shard + 1) * shard_size, len(sources)))
            payloads = [sources[i].payload for i in indices]
            if spawn is None:
                outcomes: Iterator[_Prepared | Refusal] = map(prepare_one, payloads)
            else:
                outcomes = spawn.map(prepare_one, payloads, chunksize=CHUNK)
            try:
                for i, outcome in zip(indices, outcomes, strict=True):
                    yield shard, i, outcome
            except BrokenProcessPool:
                raise InterruptedStageError(
                    "a worker process was killed, perhaps for want of memory. Finished shards are kept: "
                    "run the same command again, with fewer workers"
                ) from None


def _prepare_one(
    load: Callable[[P], Mammogram | Refusal], geometry: Geometry, payload: P
) -> _Prepared | Refusal:
    """One image, loaded and prepared; runs in the workers."""
    mammogram = load(payload)
    if isinstance(mammogram, Refusal):
        return mammogram
    try:
        view = prepare_mammogram(mammogram, geometry)
    except ExamError as error:
        code = "breast_not_found"
        return Refusal(file="", code=code, codes=(code,), message=str(error))
    made = mammogram.acquisition
    return _Prepared(
        view=view,
        fields={
            "laterality": str(mammogram.laterality),
            "view": str(mammogram.view),
            "row_spacing_mm": None if view.spacing_mm is None else view.spacing_mm[0],
            "flipped": view.flipped,
            "laterality_agrees": view.orientation.agrees,
            "flags": ";".join(view.flags),
            "profile": made.profile,
            "voi": made.voi,
            "manufacturer": made.manufacturer,
            "model": made.model,
            "transfer_syntax": made.transfer_syntax,
            "photometric": made.photometric,
            "spacing_source": made.spacing_source,
            "source_sha256": made.pixels_sha256,
        },
    )


def _write_shards(
    writer: StoreWriter,
    outcomes: Any,
    pseudonyms: Pseudonyms,
    sources: Sequence[Source[P]],
    shard_size: int,
) -> None:
    views: list[tuple[StoredView, Any]] = []
    refusals: list[Refusal] = []
    for shard, i, outcome in outcomes:
        source = sources[i]
        if isinstance(outcome, Refusal):
            message, codes = outcome.message, outcome.codes
            refusals.append(Refusal(file=source.file, code=outcome.code, codes=codes, message=message))
        else:
            # With a key, nothing in the manifest leads back to a woman without it: file names may.
            file = source.file if pseudonyms.key is None else pseudonyms.exam(source.file)
            who = {"woman_id": source.woman_id, "exam_id": source.exam_id, "exam_date": source.exam_date}
            views.append((StoredView(**who, file=file, **outcome.fields), outcome.view.pixels))
        if i + 1 == min((shard + 1) * shard_size, len(sources)):
            writer.write(shard, views, refusals)
            views, refusals = [], []


def _account(folder: Path, *, n_files: int, n_not_asked: int) -> IngestSummary:
    """The summary as the finished store tells it, so that it is the same after a resumed run."""
    manifest = pq.read_table(
        folder / "manifest.parquet", columns=["woman_id", "exam_id", "flags"]
    ).to_pydict()
    codes = _refused_codes(folder / "refused.csv")
    n_stored, n_refused = len(manifest["exam_id"]), codes.total()
    assert n_files == n_stored + n_refused + n_not_asked, (n_files, n_stored, n_refused, n_not_asked)
    flags = Counter(flag for joined in manifest["flags"] for flag in joined.split(";") if flag)
    return IngestSummary(
        n_files=n_files,
        n_stored=n_stored,
        n_refused=n_refused,
        n_not_asked=n_not_asked,
        n_exams=len(set(manifest["exam_id"])),
        n_women=len(set(manifest["woman_id"])),
        refused_by_code=dict(sorted(codes.items())),
        flags=dict(sorted(flags.items())),
    )


def _refused_codes(path: Path) -> Counter[str]:
    with path.open(newline="", encoding="utf-8") as stream:
        return Counter(row["code"] for row in csv.DictReader(stream))


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{code}: {n}" for code, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])))
