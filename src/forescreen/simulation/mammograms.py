"""The mammograms of a simulated registry: exams asked for in, DICOM files out.

In: the registry's tables and their truth. Out: `<out>/<exam_id>/<LCC|LMLO|RCC|RMLO>.dcm`, For
Presentation objects of the exam's machine, and a small share of what archives hold besides
(`AWKWARD_KINDS`), which only `truth/awkward.csv` of the registry tells. Files that exist are whole and
are not made again. Same seed, same bytes, whatever the number of workers.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from pathlib import Path

import pandas as pd

from ..dicom.description import FOR_PROCESSING, Description, GreyScale
from ..dicom.encode import EXPLICIT_LITTLE_ENDIAN, JPEG_2000_LOSSLESS
from ..dicom.write import derived_uid, encode_mammogram
from ..errors import CohortError, ConfigError
from ..files import atomic_write, remove_leftovers, write_csv, write_text
from ..processes import keep_freed_memory, worker_pool
from ..progress import Track, silent
from ..records import STANDARD_VIEWS, Laterality, View
from .exposure import expose, stored_picture
from .fields import stream
from .phantom import Phantom, Subject, build_phantom
from .vendors import Vendor, vendor_of

#: What an archive holds beside the four views. All but "missing" leave the four views as they are.
AWKWARD_KINDS = (
    "truncated",  # EXTRA.dcm: a copy of a view that ends after 60 % of its bytes
    "spot",  # EXTRA.dcm: a magnified spot compression view
    "processing",  # EXTRA.dcm: the For Processing twin of a view
    "repeat",  # EXTRA.dcm: an earlier exposure of a view, breast badly placed
    "missing",  # one of the four views was not made
    "text",  # notes.txt among the images
)
COMMENTS = "SIMULATED: a phantom made by forescreen, not an image of a person"
_SPOT_MAGNIFICATION = 1.8
_RAW = GreyScale(photometric="MONOCHROME1", bits_stored=14, sign=1, relationship="LIN")


@dataclass(frozen=True, kw_only=True)
class RenderConfig:
    """How pictures are made. `binning` detector elements squared make one pixel (1: the full matrix).

    `awkward_share` is the share of exams that come with one of `AWKWARD_KINDS`. Raises ConfigError for
    a binning below 1 or above 16 (pixels coarser than the texture), or a share outside 0..1.
    """

    binning: int = 4
    seed: int = 20260401
    awkward_share: float = 0.02

    def __post_init__(self) -> None:
        if not (1 <= self.binning <= 16 and 0 <= self.awkward_share <= 1):
            raise ConfigError(
                expected="binning in 1..16 and awkward_share in 0..1",
                found=f"binning {self.binning}, awkward_share {self.awkward_share}",
                where="RenderConfig",
            )


@dataclass(frozen=True, kw_only=True)
class RenderSummary:
    """What `render_exams` did: exams, DICOM images written now, files found from before."""

    n_exams: int
    n_images_written: int
    n_files_present: int
    n_awkward_exams: int
    seconds: float

    @property
    def images_per_second(self) -> float:
        """Images written per second of wall-clock time, all workers together."""
        return self.n_images_written / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, kw_only=True)
class ExamOrder:
    """Everything that the pictures of one exam depend on, beside the configuration."""

    exam_id: str
    woman_id: str
    exam_date: str
    birth_date: str
    machine: str
    site: str
    bmi: float
    dense_fraction: float
    trait: float


def render_exams(
    registry_folder: Path,
    exam_ids: Sequence[str],
    out_folder: Path,
    *,
    config: RenderConfig,
    workers: int = 1,
    track: Track = silent,
) -> RenderSummary:
    """Render the exams asked for; resumes where an earlier call stopped.

    Raises CohortError for an exam that the registry or its truth does not know, ConfigError for a
    machine without a vendor.
    """
    started = time.monotonic()
    orders = read_orders(registry_folder, exam_ids)
    for machine in sorted({order.machine for order in orders}):
        vendor_of(machine)  # an unknown machine stops the run before it begins
    remove_leftovers(out_folder)
    render = partial(render_exam, out_folder=out_folder, config=config)
    counts = list(track(_each(render, orders, workers), "Rendering mammograms", len(orders)))
    awkward = [(order.exam_id, kind) for order in orders if (kind := awkward_kind(order, config))]
    _record_awkward(registry_folder / "truth" / "awkward.csv", awkward)
    return RenderSummary(
        n_exams=len(orders),
        n_images_written=sum(count.images_written for count in counts),
        n_files_present=sum(count.files_present for count in counts),
        n_awkward_exams=len(awkward),
        seconds=time.monotonic() - started,
    )


@dataclass(frozen=True)
class _Count:
    images_written: int
    files_present: int


def _each(render: partial[_Count], orders: list[ExamOrder], workers: int) -> Iterator[_Count]:
    if workers <= 1:
        yield from map(render, orders)
        return
    with worker_pool(workers) as pool:
        yield from pool.map(render, orders, chunksize=4)


def read_orders(registry_folder: Path, exam_ids: Sequence[str]) -> list[ExamOrder]:
    """The exams asked for, in that order, joined with their women and their truth."""
    exams = _table(
        registry_folder / "exams.csv", ["exam_id", "woman_id", "exam_date", "machine", "site", "bmi"]
    )
    wanted = pd.DataFrame({"exam_id": [str(exam_id) for exam_id in exam_ids]})
    if wanted["exam_id"].duplicated().any():
        raise CohortError(
            expected="each exam once", found="exam ids given twice", where="the exams to render"
        )
    orders = wanted
    for table, key, where in (
        (exams, "exam_id", "exams.csv"),
        (_table(registry_folder / "women.csv", ["woman_id", "birth_date"]), "woman_id", "women.csv"),
        (
            _table(registry_folder / "truth" / "women.csv", ["woman_id", "trait"]),
            "woman_id",
            "truth/women.csv",
        ),
        (
            _table(registry_folder / "truth" / "exams.csv", ["exam_id", "dense_fraction"]),
            "exam_id",
            "truth/exams.csv",
        ),
    ):
        here = table[table[key].isin(orders[key])]
        lacking = int((~orders[key].isin(here[key])).sum())
        if lacking or here[key].duplicated().any():
            raise CohortError(
                expected="one row for each exam to render",
                found=f"{lacking} exams without a row, {int(here[key].duplicated().sum())} rows too many",
                where=where,
                remedy="Give the registry folder that the exams come from",
            )
        orders = orders.merge(here, on=key, how="left")
    fields = [field.name for field in dataclasses.fields(ExamOrder)]
    return [
        ExamOrder(**dict(zip(fields, row, strict=True)))
        for row in orders[fields].itertuples(index=False, name=None)
    ]


def render_exam(order: ExamOrder, *, out_folder: Path, config: RenderConfig) -> _Count:
    """Write the files of one exam that are not there yet."""
    keep_freed_memory()
    folder = out_folder / order.exam_id
    subject = Subject(
        seed=config.seed,
        woman_id=order.woman_id,
        exam_id=order.exam_id,
        bmi=order.bmi,
        dense_fraction=order.dense_fraction,
        trait=order.trait,
    )
    vendor = vendor_of(order.machine)
    kind = awkward_kind(order, config)
    odd = int(stream(config.seed, "awkward view", order.exam_id).integers(len(STANDARD_VIEWS)))
    written = present = 0
    for number, (laterality, view) in enumerate(STANDARD_VIEWS):
        is_odd = number == odd
        if kind == "missing" and is_odd:
            continue
        paths = {"": folder / f"{laterality}{view}.dcm"}
        if is_odd and kind in ("truncated", "spot", "processing", "repeat"):
            paths[kind] = folder / "EXTRA.dcm"
        present += sum(path.exists() for path in paths.values())
        phantoms: dict[View, Phantom] = {}
        for what, path in paths.items():
            if path.exists():
                continue
            shown = View.CC if what == "spot" else view
            if shown not in phantoms:
                phantoms[shown] = build_phantom(subject, laterality, shown)
            encoded = _encode(order, subject, phantoms[shown], vendor, laterality, number, what, config)
            with atomic_write(path) as file:
                file.write(encoded)
            written += 1
    if kind == "text":
        if (folder / "notes.txt").exists():
            present += 1
        else:
            write_text(folder / "notes.txt", "Simulated archive: this file is not an image.\n")
    return _Count(written, present)


def awkward_kind(order: ExamOrder, config: RenderConfig) -> str:
    """The kind of `AWKWARD_KINDS` that the exam comes with; "" for most."""
    chance = stream(config.seed, "awkward", order.exam_id)
    if chance.random() >= config.awkward_share:
        return ""
    return AWKWARD_KINDS[int(chance.integers(len(AWKWARD_KINDS)))]


def _encode(
    order: ExamOrder,
    subject: Subject,
    phantom: Phantom,
    vendor: Vendor,
    laterality: Laterality,
    number: int,
    what: str,
    config: RenderConfig,
) -> bytes:
    """One file: an ordinary view (`what` is ""), or the awkward companion of one."""
    matrix = vendor.matrix(config.binning)
    view = phantom.view
    names = (str(laterality), str(view), what)
    spot = what == "spot"
    exposure = expose(
        phantom,
        stream(config.seed, "exposure", order.exam_id, *names),
        rows=matrix.rows,
        columns=matrix.columns,
        spacing_mm=matrix.spacing_mm / (_SPOT_MAGNIFICATION if spot else 1.0),
        noise=vendor.noise,
        shift_mm=14.0 if what == "repeat" else 0.0,
    )
    raw = what == "processing"
    picture = stored_picture(exposure, vendor, matrix, laterality, view, raw=raw)
    clock = _clock(config.seed, order.exam_id) + 45 * number - (30 if what == "repeat" else 0)
    description = Description(
        sop_instance_uid=derived_uid(config.seed, "image", order.exam_id, *names),
        series_instance_uid=derived_uid(config.seed, "series", order.exam_id, *names),
        study_instance_uid=derived_uid(config.seed, "study", order.exam_id),
        woman_id=order.woman_id,
        exam_id=order.exam_id,
        exam_date=order.exam_date,
        time=f"{clock // 3600:02d}{clock // 60 % 60:02d}{clock % 60:02d}",
        laterality=laterality,
        view=view,
        spacing_mm=matrix.spacing_mm,
        equipment=vendor.equipment,
        grey=vendor.grey,
        transfer_syntax=JPEG_2000_LOSSLESS if spot else vendor.transfer_syntax,
        instance_number=number + 1 if not what else len(STANDARD_VIEWS) + 1,
        patient_name="SIMULATED^WOMAN",
        birth_date=order.birth_date,
        age_years=_age_years(order.birth_date, order.exam_date),
        institution=f"Simulated screening site {order.site}",
        station=order.machine[:16],
        pixel_spacing=vendor.pixel_spacing,
        spot=spot,
        magnification=_SPOT_MAGNIFICATION if spot else 1.0,
        thickness_mm=round(min(max(20 + 1.3 * order.bmi, 25), 95)),
        comments=COMMENTS,
    )
    if raw:
        description = dataclasses.replace(
            description, intent=FOR_PROCESSING, grey=_RAW, transfer_syntax=EXPLICIT_LITTLE_ENDIAN
        )
    encoded = encode_mammogram(picture, description)
    return encoded[: round(0.6 * len(encoded))] if what == "truncated" else encoded


@lru_cache(maxsize=1)
def _clock(seed: int, exam_id: str) -> int:
    """Seconds after midnight at which the exam begins: 08:00 to 17:00."""
    return int(stream(seed, "clock", exam_id).integers(8 * 3600, 17 * 3600))


def _age_years(birth_date: str, exam_date: str) -> int:
    birth, exam = date.fromisoformat(birth_date), date.fromisoformat(exam_date)
    return exam.year - birth.year - ((exam.month, exam.day) < (birth.month, birth.day))


def _table(path: Path, columns: list[str]) -> pd.DataFrame:
    """Columns of a registry table, identifiers as text."""
    text = [c for c in columns if c not in ("bmi", "trait", "dense_fraction")]
    try:
        return pd.read_csv(path, usecols=columns, dtype=dict.fromkeys(text, str))
    except FileNotFoundError:
        found, remedy = "no such file", "Run the simulation of the registry first"
    except ValueError as error:  # pandas: columns that are not there, text among numbers
        found, remedy = str(error).splitlines()[0], "Give a registry made by forescreen simulate"
    raise CohortError(
        expected=f"a table with {', '.join(columns)}", found=found, where=str(path), remedy=remedy
    )


def _record_awkward(path: Path, awkward: list[tuple[str, str]]) -> None:
    """Add to the truth what came besides; rows of earlier calls stay."""
    rows = pd.DataFrame(awkward, columns=["exam_id", "kind"], dtype=str)
    if path.exists():
        rows = pd.concat([pd.read_csv(path, dtype=str), rows])
    write_csv(path, rows.drop_duplicates("exam_id", keep="last").sort_values("exam_id"))
