"""DICOM files become the PNGs that a peer's pipeline would make of them, each with its derivation.

In: a DICOM file or a folder, a profile, a gate policy. Out: a folder with

    images/<exam>_<LCC|LMLO|RCC|RMLO>.png    16 bits (8 for 8-bit profiles), grey, the matrix of the source
    images/<the same>.json                   its derivation; written last: with it the picture is whole
    derivations.csv                          all of them, one row per picture
    refused.csv                              one row per file that gave no picture
    stage.json                               what was asked for, what came of it, whether it is finished

Gate and pixel checks are those of ingestion: what may not be stored is not exported. Killed and run again
it goes on where it was; the result has the same bytes with any number of workers.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from imagecodecs import png_encode

from ..dicom.derivation import Derivation, derive
from ..dicom.folder import MammogramFile, index_files, index_folder, load_stored
from ..dicom.overlays import read_overlays
from ..dicom.policy import Policy
from ..dicom.profiles import Profile, convert, find_profile, png_pixels
from ..dicom.walk import is_dicom_source
from ..errors import DicomError, InputError
from ..files import (
    atomic_write,
    fingerprint,
    folder_listing,
    read_json,
    write_json,
    write_text,
)
from ..identity import AS_GIVEN, Pseudonyms
from ..images.orient import Side
from ..processes import Lost, guarded_pairs
from ..progress import Track, silent
from ..records import Refusal
from ..stage import Stage
from .examine import IMAGE_BYTES, IMAGE_SECONDS, examine_stored, unusable
from .listing import csv_text, listing_path, private_folder, write_refused
from .places import keep_apart

#: Compression of the PNGs. On a real image 6 takes 2.5 times as long as 1, for 3 % fewer bytes.
PNG_LEVEL = 1
#: Images per message to a worker: pictures are large, messages small.
CHUNK = 2
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class Hanging(StrEnum):
    """How pictures lie: as they are stored, or mirrored where the chest wall is on the right."""

    AS_STORED = "as-stored"
    LEFT = "left"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """One picture: whose, from which file, and its derivation. `image` is the PNG below the folder."""

    image: str
    woman_id: str
    exam_id: str
    exam_date: str
    file: str
    derivation: Derivation

    def row(self) -> dict[str, Any]:
        """Plain values, one per column of derivations.csv."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "derivation"}
        return {**plain, **asdict(self.derivation)}


@dataclass(frozen=True, kw_only=True)
class ExportSummary:
    """What became of every file: n_files = n_pictures + n_refused."""

    profile: str
    n_files: int
    n_pictures: int
    n_refused: int
    n_exams: int
    refused_by_code: dict[str, int]
    by_voi: dict[str, int]
    n_inverted: int
    n_flipped: int


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One picture to make."""

    mammogram: MammogramFile
    woman_id: str
    exam_id: str
    exam_date: str
    name: str  # of the picture, without suffix
    file: str  # as the records name it


def export_dicom(
    source: Path,
    out: Path,
    *,
    profile: Profile,
    hanging: Hanging = Hanging.AS_STORED,
    pseudonyms: Pseudonyms = AS_GIVEN,
    policy: Policy = Policy(),  # noqa: B008 (frozen)
    workers: int = 1,
    track: Track = silent,
) -> ExportSummary:
    """Export `source`, a DICOM file or a folder at any depth, into `out`; the same call continues.

    With a pseudonym key the tables name files by keyed labels; which file a label is stands in
    `<out>/../private/<out>-files.csv`, readable by its owner only. Raises InputError without a source or
    without a single picture, InterruptedStageError if `out` was made from something else.
    """
    if not source.exists():
        raise InputError(expected="a DICOM file or a folder of them", found="no such path", where=str(source))
    keep_apart(source, out)
    stage = Stage(
        "export",
        out,
        {
            "profile": profile.label,
            "hanging": str(hanging),
            "policy": asdict(policy),
            "identity": fingerprint(pseudonyms.exam("identity")),
            "source": folder_listing(source)
            if source.is_dir()
            else fingerprint(source.name, source.stat().st_size),
        },
    )
    if not stage.begin():
        return ExportSummary(**stage.summary())
    started = time.monotonic()
    jobs, refusals, n_files = _jobs(source, pseudonyms, policy, workers, track)
    made: list[dict[str, Any]] = []
    for outcome in _outcomes(jobs, out, profile, hanging, policy, workers, track):
        if isinstance(outcome, Refusal):
            refusals.append(outcome)
        else:
            made.append(outcome)
    _write_derivations(out / "derivations.csv", made)
    write_refused(
        out / "refused.csv",
        listing_path(private_folder(out), out),
        refusals,
        used=[job.mammogram.file for job in jobs],
        pseudonyms=pseudonyms,
    )
    summary = _account(profile, n_files, made, refusals)
    if not made:
        codes = ", ".join(f"{code}: {n}" for code, n in summary.refused_by_code.items())
        raise InputError(
            expected="at least one usable mammogram",
            found=f"{n_files} files, all refused ({codes})" if n_files else "an empty folder",
            where=str(out),
            remedy="refused.csv there gives the reason for each file",
        )
    stage.finish(asdict(summary), started=started)
    return summary


def _jobs(
    source: Path, pseudonyms: Pseudonyms, policy: Policy, workers: int, track: Track
) -> tuple[list[_Job], list[Refusal], int]:
    """The pictures to make in the order of exams and views, the refusals of the header pass, all files."""
    if is_dicom_source(source):
        index = index_folder(source, pseudonyms=pseudonyms, policy=policy, workers=workers, track=track)
    else:
        index = index_files([(source, source.name)], pseudonyms=pseudonyms, policy=policy)
    jobs = []
    taken: Counter[str] = Counter()
    for exam in index.exams:
        folder = _safe(exam.exam_id)
        taken[folder] += 1
        label = folder if taken[folder] == 1 else f"{folder}-{taken[folder]}"
        for mammogram in exam.mammograms:
            jobs.append(
                _Job(
                    mammogram=mammogram,
                    woman_id=exam.woman_id,
                    exam_id=exam.exam_id,
                    exam_date=exam.exam_date,
                    name=f"{label}_{mammogram.laterality}{mammogram.view}",
                    file=pseudonyms.file(mammogram.file),
                )
            )
    return jobs, list(index.refusals), index.n_files


def _outcomes(
    jobs: Sequence[_Job],
    out: Path,
    profile: Profile,
    hanging: Hanging,
    policy: Policy,
    workers: int,
    track: Track,
) -> Iterator[dict[str, Any] | Refusal]:
    """The row or the refusal of each job, in order; pictures that are whole are not made again."""
    export_one = partial(_export_one, out=out, profile_label=profile.label, hanging=hanging, policy=policy)
    made = guarded_pairs(
        export_one,
        ((job, job) for job in jobs),
        workers=workers if workers > 1 and len(jobs) > 1 else 0,
        chunk=CHUNK,
        seconds=lambda _: IMAGE_SECONDS,
        headroom_bytes=IMAGE_BYTES,
    )
    for job, outcome in track(made, "pictures", len(jobs)):
        if isinstance(outcome, Lost):
            yield _refusal(job.mammogram.file, outcome.code, outcome.message)
        else:
            yield outcome


def _export_one(
    job: _Job, *, out: Path, profile_label: str, hanging: Hanging, policy: Policy
) -> dict[str, Any] | Refusal:
    """One picture and its record on disk; runs in the workers."""
    record = out / "images" / f"{job.name}.json"
    if record.exists():
        found: dict[str, Any] = read_json(record)
        return found
    file = job.mammogram
    try:
        stored = load_stored(file)
    except DicomError as error:
        return unusable(file, error)
    looked = examine_stored(file, stored, policy)
    if isinstance(looked, Refusal):
        return looked
    chest_wall, agrees = str(looked.orientation.chest_wall), looked.orientation.agrees
    flags = looked.mammogram.flags
    flipped = hanging is Hanging.LEFT and looked.orientation.chest_wall is Side.RIGHT
    del looked
    try:
        converted = convert(
            find_profile(profile_label), stored, file.header, overlays=read_overlays(file.path)
        )
    except DicomError as error:
        return _refusal(file.file, error.code, str(error))
    shown = png_pixels(converted)
    shown = np.ascontiguousarray(shown[:, ::-1]) if flipped else shown
    made = Exported(
        image=f"images/{job.name}.png",
        woman_id=job.woman_id,
        exam_id=job.exam_id,
        exam_date=job.exam_date,
        file=job.file,
        derivation=derive(
            file,
            stored,
            converted,
            shown,
            flags=flags,
            flipped=flipped,
            chest_wall=chest_wall,
            laterality_agrees=agrees,
        ),
    )
    with atomic_write(record.with_suffix(".png")) as stream:
        stream.write(png_encode(shown, level=PNG_LEVEL))
    write_json(record, made.row())
    row: dict[str, Any] = read_json(record)  # the same types as after a resumed run
    return row


def _safe(exam_id: str) -> str:
    """The exam number as part of a file name; a fingerprint of it where it has letters that do not fit."""
    return exam_id if _SAFE_NAME.fullmatch(exam_id) else f"exam-{fingerprint(exam_id)}"


def _refusal(file: str, code: str, message: str) -> Refusal:
    return Refusal(file=file, code=code, codes=(code,), message=message)


def _write_derivations(path: Path, made: Sequence[dict[str, Any]]) -> None:
    columns = [f.name for f in fields(Exported) if f.name != "derivation"]
    columns += [f.name for f in fields(Derivation)]
    rows = [
        [";".join(row[c]) if isinstance(row[c], list) else "" if row[c] is None else row[c] for c in columns]
        for row in made
    ]
    write_text(path, csv_text(columns, rows))


def _account(
    profile: Profile, n_files: int, made: Sequence[dict[str, Any]], refusals: Sequence[Refusal]
) -> ExportSummary:
    assert n_files == len(made) + len(refusals), (n_files, len(made), len(refusals))
    return ExportSummary(
        profile=profile.label,
        n_files=n_files,
        n_pictures=len(made),
        n_refused=len(refusals),
        n_exams=len({row["exam_id"] for row in made}),
        refused_by_code=dict(sorted(Counter(r.code for r in refusals).items())),
        by_voi=dict(sorted(Counter(row["voi"] for row in made).items())),
        n_inverted=sum(row["inverted"] for row in made),
        n_flipped=sum(row["flipped"] for row in made),
    )
