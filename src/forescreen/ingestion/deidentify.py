"""A folder of mammograms becomes a folder that tells nobody's name: `forescreen deidentify`.

In: a folder of any depth, keyed pseudonyms, a place for what must stay private. Out: one file per accepted
object at OUT/<woman>/<exam>/<SOP instance>.dcm, all three pseudonymous; `report.json` and `refused.csv` in
OUT, without a name of a file; and a private list beside the key that leads from old names and numbers to
new ones. Every file is written whole, in the order of the walk, so that an interrupted run continues and
ends with the same bytes whatever the number of workers.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..dicom.attributes import PROFILE
from ..dicom.deidentify import Deidentified, Replacement, deidentify, encode_replacement, write_deidentified
from ..dicom.pixels import present
from ..dicom.read import read_pixels
from ..errors import ConfigError, DicomError, ExamError, InputError
from ..files import remove_leftovers, write_json, write_text
from ..identity import Pseudonyms
from ..images.breast import find_breast
from ..images.surroundings import blank_surroundings, find_lettering
from ..processes import Lost, guarded_pairs
from ..progress import Track, silent
from ..stage import claim, release
from .examine import IMAGE_BYTES, IMAGE_SECONDS
from .listing import csv_text
from .places import keep_apart
from .private_list import Outcome, is_done, open_list, settle, write_listing

#: Files per message to a worker.
CHUNK = 4
#: No breast is looked for in a picture of fewer rows or columns.
SMALLEST_SIDE = 64

#: Flags of an object that was written; a person should look at those that say so.
FLAGS: dict[str, str] = {
    "text_outside_breast_suspected": "letters in a row outside of the breast: a marker, or a name",
    "pixels_not_examined": "volume, or pixels that are not decoded here: nobody looked for letters in them",
    "patient_id_missing": "no patient number: dates moved by the study's number of days, exams not linked",
}

_BREAST_MARGIN_WORDS = "Outside of the breast set to one background value"


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user may choose."""

    keep_dates: bool = False
    blank_outside_breast: bool = False


@dataclass(frozen=True, kw_only=True)
class DeidentifySummary:
    """n_files = n_written + n_refused."""

    n_files: int
    n_written: int
    n_refused: int
    n_women: int
    n_exams: int
    refused_by_code: dict[str, int]
    flags: dict[str, int]


def deidentify_folder(
    source: Path,
    out: Path,
    *,
    pseudonyms: Pseudonyms,
    private: Path,
    options: Options = Options(),
    workers: int = 1,
    track: Track = silent,
) -> DeidentifySummary:
    """De-identify all mammograms below `source` into `out`; the same call continues an interrupted one.

    `private` is the path of the private list without its suffix; it must lie outside of `out`. Raises
    InputError for a source without files, or if no object could be written; ConfigError for places that
    lie in each other; InterruptedStageError if `out` was made with other options or another key.
    """
    check_places(source, out, private)
    out.mkdir(parents=True, exist_ok=True)
    claim(out)
    remove_leftovers(out)
    made_from = {"profile": PROFILE, "key": pseudonyms.mark, **asdict(options)}
    with closing(open_list(private.with_suffix(".sqlite"), made_from)) as names:
        clean_one = partial(_clean_one, source, out, pseudonyms, options)
        pending = (
            task
            for task in _walk(source)
            if not is_done(names, out, path=task.name, size=task.size, mtime_ns=task.mtime_ns)
        )
        for outcome in track(_work(pending, clean_one, workers), "de-identifying", None):
            settle(names, out, outcome)
        names.commit()
        summary = _account(names, out, pseudonyms, options)
        write_listing(names, private.with_suffix(".csv"))
    release(out)
    if summary.n_files == 0:
        raise InputError(expected="a folder of DICOM files", found="an empty folder", where=out.name)
    if summary.n_written == 0:
        listed = ", ".join(f"{code} {n}" for code, n in summary.refused_by_code.items())
        raise InputError(
            expected="at least one mammogram",
            found=f"{summary.n_files} files, all refused ({listed})",
            where=out.name,
            remedy="refused.csv there gives the reasons; the private list beside the key names the files",
        )
    return summary


def check_places(source: Path, out: Path, private: Path) -> None:
    """Raise InputError or ConfigError for places that do not exist or lie in each other."""
    if not source.is_dir():
        raise InputError(
            expected="a folder of DICOM files",
            found="a file" if source.exists() else "no such folder",
            where="SOURCE",
            remedy="Put single files into a folder, and unpack archives first" if source.exists() else "",
        )
    keep_apart(source, out)
    inner, outer = out.resolve(), source.resolve()
    if outer.is_relative_to(inner):
        raise ConfigError(
            expected="a source outside of the output folder", found="one inside of it", where="--out"
        )
    if private.resolve().is_relative_to(inner):
        raise ConfigError(
            expected="a key outside of the output folder, because the private list lies beside it",
            found="a key in it",
            where="--key",
        )


@dataclass(frozen=True, slots=True)
class _Task:
    path: str  # relative, with forward slashes, as the system gives it
    size: int
    mtime_ns: int

    @property
    def name(self) -> str:
        """The path in printable UTF-8, as the private list has it."""
        return self.path.encode(errors="surrogateescape").decode(errors="backslashreplace")

    def refused(self, code: str, words: str) -> Outcome:
        return Outcome(path=self.name, size=self.size, mtime_ns=self.mtime_ns, code=code, words=words)


def _walk(folder: Path, below: str = "") -> Iterator[_Task]:
    """All files below a folder, by name, without holding more than one path of folders in memory."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError:
        yield _Task(below.rstrip("/"), -1, -1)
        return
    for entry in entries:
        path = f"{below}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(Path(entry.path), f"{path}/")
            continue
        try:
            status = entry.stat()
            yield _Task(path, status.st_size, status.st_mtime_ns)
        except OSError:  # a link that leads nowhere
            yield _Task(path, -1, -1)


def _work(tasks: Iterator[_Task], clean_one: partial[Outcome], workers: int) -> Iterator[Outcome]:
    """Outcomes in the order of the tasks, a bounded number of them at a time."""
    found = guarded_pairs(
        clean_one,
        ((task, task) for task in tasks),
        workers=workers if workers > 1 else 0,
        chunk=CHUNK,
        seconds=lambda _: IMAGE_SECONDS,
        headroom_bytes=IMAGE_BYTES,
    )
    for task, outcome in found:
        yield task.refused(outcome.code, outcome.message) if isinstance(outcome, Lost) else outcome


def _clean_one(source: Path, out: Path, pseudonyms: Pseudonyms, options: Options, task: _Task) -> Outcome:
    """One file, cleaned into a temporary file below `out`; runs in the workers."""
    path = source / task.path
    try:
        if not path.is_file():
            raise DicomError("unreadable_file", expected="a regular file", found="none")
        with path.open("rb") as stream:
            found = deidentify(stream, pseudonyms, keep_dates=options.keep_dates)
            flags, replacement = _examine(path, found, options)
            partial_name = f"{pseudonyms.file(task.name)}.partial"
            with (out / partial_name).open("wb") as target:
                write_deidentified(stream, target, found, replacement=replacement)
                target.flush()
                os.fsync(target.fileno())
    except DicomError as error:
        return task.refused(error.code, str(error))
    except ExamError as error:
        return task.refused("breast_not_found", str(error))
    except OSError as error:
        if error.filename is not None and Path(error.filename) != path:
            raise  # the output folder, not the file: the person's to mend
        return task.refused("unreadable_file", error.strerror or type(error).__name__)
    header = found.header
    return Outcome(
        path=task.name,
        size=task.size,
        mtime_ns=task.mtime_ns,
        partial=partial_name,
        target=f"{found.woman or 'unknown'}/{found.exam}/{found.sop_instance_uid}.dcm",
        flags=flags,
        actions=json.dumps(found.actions),
        woman=found.woman,
        exam=found.exam,
        days_back=found.days_back,
        patient_id=header.patient_id,
        accession=header.accession,
        study_uid=header.study_uid,
        sop_instance_uid=header.sop_instance_uid,
    )


def _examine(path: Path, found: Deidentified, options: Options) -> tuple[tuple[str, ...], Replacement | None]:
    """Flags from the pixels, and the pixels to write where the surroundings of the breast go."""
    header = found.header
    small = min(header.rows or 0, header.columns or 0) < SMALLEST_SIDE
    flags = [] if header.patient_id else ["patient_id_missing"]
    if header.n_frames > 1 or small:
        if options.blank_outside_breast:
            found_words = f"{header.n_frames} frames of {header.rows} x {header.columns} pixels"
            raise DicomError("breast_not_found", expected="one picture of a breast", found=found_words)
        return (*flags, "pixels_not_examined"), None
    try:
        stored = read_pixels(path, header)
        shown = present(stored, header.grayscale).pixels
        region = find_breast(shown, bright_air=False)
    except (DicomError, ExamError):
        if options.blank_outside_breast:
            raise
        return (*flags, "pixels_not_examined"), None
    if options.blank_outside_breast:
        blank = blank_surroundings(np.asarray(stored), region)
        return tuple(flags), encode_replacement(blank, header, derivation=_BREAST_MARGIN_WORDS)
    if find_lettering(shown, region).suspected:
        flags.append("text_outside_breast_suspected")
    return tuple(flags), None


def _account(
    names: sqlite3.Connection, out: Path, pseudonyms: Pseudonyms, options: Options
) -> DeidentifySummary:
    """Counts of the whole private list, and the public report of it."""
    refused: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    rows: list[tuple[str, str, str]] = []
    n_written = 0
    for path, code, words, flagged, done in names.execute(
        "SELECT path, code, words, flags, actions FROM files ORDER BY path"
    ):
        if code:
            refused[code] += 1
            rows.append((pseudonyms.file(path), code, words))
            continue
        n_written += 1
        flags.update(flag for flag in flagged.split(";") if flag)
        actions.update(json.loads(done))
    women, exams = (
        names.execute(f"SELECT COUNT(DISTINCT {what}) FROM files WHERE target != ''").fetchone()[0]
        for what in ("woman", "exam")
    )
    summary = DeidentifySummary(
        n_files=n_written + refused.total(),
        n_written=n_written,
        n_refused=refused.total(),
        n_women=women,
        n_exams=exams,
        refused_by_code=dict(sorted(refused.items())),
        flags=dict(sorted(flags.items())),
    )
    write_text(out / "refused.csv", csv_text(["file", "code", "message"], rows))
    write_json(
        out / "report.json",
        {
            "profile": PROFILE,
            "key": pseudonyms.mark,
            "options": asdict(options),
            "summary": asdict(summary),
            "attributes_by_action": dict(sorted(actions.items())),
            "flagged": [
                {"file": target, "flags": flagged.split(";")}
                for target, flagged in names.execute(
                    "SELECT target, flags FROM files WHERE target != '' AND flags != '' ORDER BY target"
                )
            ],
        },
    )
    return summary
