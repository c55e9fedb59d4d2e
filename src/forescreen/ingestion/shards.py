"""The pixel pass: sources in order, prepared in worker processes, written shard by shard.

In: a stream of sources and a function that loads one. Out: a finished store. Sources are cut into shards
of fixed size beforehand, so that a run that was killed continues at the first shard without a part
manifest and ends with the same bytes. Only small prepared arrays come back from the workers; at most
one shard of them is in memory, and never the list of sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..errors import ExamError, InputError, unexpected
from ..files import plain, read_json
from ..images.geometry import Geometry
from ..images.prepare import PreparedView, prepare_mammogram, view_density
from ..images.store import StoredView, StoreWriter, density_columns
from ..processes import Lost, guarded_pairs
from ..progress import Track
from ..records import Mammogram, Refusal
from ..stage import claim
from .exam_table import ViewOutcome, write_exam_table
from .examine import IMAGE_BYTES, Examined

#: Images per shard: 13 MB at the default canvas, a few seconds of work to lose at a kill.
SHARD_SIZE = 512
#: Images per message to a worker.
CHUNK = 8
#: By the clock, a file may take this long, and so much more per megabyte.
SECONDS, SECONDS_PER_MEGABYTE = 60.0, 2.0

P = TypeVar("P")


@dataclass(frozen=True, kw_only=True)
class Source(Generic[P]):
    """One image to ingest: who, which exam, which view, which file, and what its loader needs."""

    woman_id: str
    exam_id: str
    exam_date: str
    laterality: str
    view: str
    file: str  # its name in the store
    size_bytes: int  # -1 where the file does not exist
    payload: P
    machine: str = ""  # of the exam


@dataclass(frozen=True, kw_only=True)
class IngestSummary:
    """What became of every file: n_files = n_stored + n_refused + n_not_asked."""

    n_files: int
    n_stored: int
    n_refused: int
    n_not_asked: int  # usable mammograms of exams outside `only_exams`
    n_exams: int
    n_women: int
    n_with_prior: int  # exams
    refused_by_code: dict[str, int]
    flags: dict[str, int]  # mammograms stored with each flag
    exam_flags: dict[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Prepared:
    view: PreparedView
    fields: dict[str, Any]  # of StoredView, as far as the image tells


def fill_store(
    sources: Iterable[Source[P]],
    folder: Path,
    *,
    load: Callable[[P], Mammogram | Examined | Refusal],
    geometry: Geometry,
    plan: dict[str, Any],
    refusals: Iterable[Refusal],
    n_files: int,
    n_not_asked: int,
    workers: int,
    track: Track,
    shard_size: int = SHARD_SIZE,
) -> IngestSummary:
    """Ingest `sources` into the store `folder`; the same call continues an interrupted one.

    `sources` (images of one exam side by side) and `refusals` (those of the header pass) are gone through
    several times and never held. `load` is a function of a module (it travels to worker processes), `plan`
    what else decides the content. A file that takes its process down is refused alone; with `workers` 0
    the work is done in this process, and such a file ends it. Raises InterruptedStageError if the folder
    holds another store, InputError if no image could be used.
    """
    n_sources, content = _fingerprint(sources, refusals)
    claim(folder)
    writer = StoreWriter(folder, geometry, plan={**plan, "shard_size": shard_size, "sources": content})
    n_shards = -(-n_sources // shard_size)
    if not writer.is_finished:
        pending = frozenset(shard for shard in range(n_shards) if not writer.has(shard))
        outcomes = _work(sources, pending, shard_size, partial(_prepare_one, load, geometry), workers)
        total = sum(min(shard_size, n_sources - shard * shard_size) for shard in pending)
        _write_shards(writer, track(outcomes, "images", total), n_sources, shard_size)

        def exams() -> dict[str, Any]:
            views = (
                ViewOutcome(**note | {"flags": tuple(note["flags"])}) for note in writer.notes_of(n_shards)
            )
            return asdict(write_exam_table(folder / "exams.parquet", views))

        writer.finish(n_shards, refusals, more=exams)
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


def _fingerprint(sources: Iterable[Source[P]], refusals: Iterable[Refusal]) -> tuple[int, str]:
    """Number of sources, and sixteen hex digits that change when any source or refusal does."""
    digest, n_sources = sha256(), 0
    for source in sources:
        about = (source.file, source.size_bytes, source.woman_id, source.exam_id, source.exam_date)
        digest.update(repr(about).encode("utf-8", "backslashreplace"))
        n_sources += 1
    digest.update(b"refused")
    for refusal in refusals:
        digest.update(repr((refusal.file, refusal.code)).encode("utf-8", "backslashreplace"))
    return n_sources, digest.hexdigest()[:16]


def _work(
    sources: Iterable[Source[P]],
    pending: frozenset[int],
    shard_size: int,
    prepare_one: Callable[[Source[P]], _Prepared | Refusal],
    workers: int,
) -> Iterator[tuple[int, Source[P], _Prepared | Refusal]]:
    """(index, source, outcome) of the sources of pending shards, in their order."""
    wanted = (
        ((index, source), source) for index, source in enumerate(sources) if index // shard_size in pending
    )
    found = guarded_pairs(
        prepare_one,
        wanted if pending else (),
        workers=workers,
        chunk=CHUNK,
        seconds=lambda source: SECONDS + SECONDS_PER_MEGABYTE * max(0, source.size_bytes) / 1e6,
        headroom_bytes=IMAGE_BYTES,
    )
    for (index, source), outcome in found:
        if isinstance(outcome, Lost):
            outcome = Refusal(file="", code=outcome.code, codes=(outcome.code,), message=outcome.message)
        yield index, source, outcome


def _prepare_one(
    load: Callable[[P], Mammogram | Examined | Refusal], geometry: Geometry, source: Source[P]
) -> _Prepared | Refusal:
    """One image, loaded and prepared; runs in the workers."""
    try:
        loaded = load(source.payload)
        if isinstance(loaded, Refusal):
            return loaded
        if isinstance(loaded, Examined):
            mammogram = loaded.mammogram
            seen = (loaded.region, loaded.orientation, loaded.anchors)
            view = prepare_mammogram(mammogram, geometry, seen=seen)
        else:
            mammogram = loaded
            view = prepare_mammogram(mammogram, geometry)
    except ExamError as error:
        code = "breast_not_found"
        return Refusal(file="", code=code, codes=(code,), message=str(error))
    except MemoryError:
        raise
    except Exception as error:
        fault = unexpected(error)
        return Refusal(file="", code=fault.code, codes=(fault.code,), message=str(fault))
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
            **density_columns(view_density(mammogram, view.region, view.orientation.chest_wall)),
        },
    )


def _write_shards(
    writer: StoreWriter,
    outcomes: Iterable[tuple[int, Source[P], _Prepared | Refusal]],
    n_sources: int,
    shard_size: int,
) -> None:
    views: list[tuple[StoredView, Any]] = []
    refusals: list[Refusal] = []
    notes: list[dict[str, Any]] = []
    for index, source, outcome in outcomes:
        who: dict[str, Any] = {
            "woman_id": source.woman_id,
            "exam_id": source.exam_id,
            "exam_date": source.exam_date,
        }
        if isinstance(outcome, Refusal):
            message, codes = outcome.message, outcome.codes
            refusals.append(Refusal(file=source.file, code=outcome.code, codes=codes, message=message))
        else:
            views.append((StoredView(**who, file=source.file, **outcome.fields), outcome.view.pixels))
        notes.append(plain(_view_outcome(source, outcome)))
        if index + 1 == min((index // shard_size + 1) * shard_size, n_sources):
            writer.write(index // shard_size, views, refusals, notes)
            views, refusals, notes = [], [], []


def _view_outcome(source: Source[P], outcome: _Prepared | Refusal) -> ViewOutcome:
    refused = isinstance(outcome, Refusal)
    flags = outcome.codes if isinstance(outcome, Refusal) else tuple(outcome.fields["flags"].split(";"))
    return ViewOutcome(
        woman_id=source.woman_id,
        exam_id=source.exam_id,
        exam_date=source.exam_date,
        machine=source.machine,
        laterality=source.laterality,
        view=source.view,
        is_stored=not refused,
        contradicts="laterality_conflict_pixels" in flags,
        flags=flags,
    )


def _account(folder: Path, *, n_files: int, n_not_asked: int) -> IngestSummary:
    """The summary as the finished store tells it, so that it is the same after a resumed run."""
    about = read_json(folder / "geometry.json")
    n_stored, n_refused = about["n_stored"], about["n_refused"]
    assert n_files == n_stored + n_refused + n_not_asked, (n_files, n_stored, n_refused, n_not_asked)
    names = ("n_stored", "n_refused", "n_exams", "n_women", "n_with_prior")
    return IngestSummary(
        n_files=n_files,
        n_not_asked=n_not_asked,
        **{name: about[name] for name in (*names, "refused_by_code", "flags", "exam_flags")},
    )


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{code}: {n}" for code, n in sorted(counts.items(), key=lambda c: (-c[1], c[0])))
