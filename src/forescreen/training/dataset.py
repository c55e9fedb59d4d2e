"""Members table and image store to batches of whole matched sets.

In: `members` in the columns of the cohort, an image store. Out: `StudyRows` (the table as arrays) and
`StudyImages` (the pixels, in memory if they fit, else read from the memory-mapped store one batch ahead).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import CohortError
from ..files import fingerprint
from ..models.losses import outcome_code
from ..models.predictor import N_VIEWS, PreparedExam
from ..progress import Track, silent
from ..records import STANDARD_VIEWS, Outcome

#: Stored pixels are uint16; this is 1.
WHITE = 65535
HELD_OUT = "held-out"


class ExamStore(Protocol):
    """What training and scoring need of an image store."""

    @property
    def exam_ids(self) -> tuple[str, ...]: ...

    @property
    def geometry(self) -> Any: ...

    @property
    def manifest(self) -> pd.DataFrame: ...

    def exam(self, exam_id: str, /) -> PreparedExam: ...


@dataclass(frozen=True, eq=False)
class StudyRows:
    """The members table as arrays, one entry per row."""

    exam: Int[np.ndarray, " row"]  # index into `exam_ids`
    exam_ids: tuple[str, ...]
    woman: Int[np.ndarray, " row"]
    outcome: Int[np.ndarray, " row"]  # codes of forescreen.models.losses
    set_index: Int[np.ndarray, " row"]  # unmatched rows are sets of their own
    fold: Int[np.ndarray, " row"]  # -1: held out
    weight: Float[np.ndarray, " row"]
    percent_density: Float[np.ndarray, " row"]  # nan: not measured
    matched: bool
    fingerprint: str

    @property
    def n_folds(self) -> int:
        """Number of folds of the development part."""
        return int(self.fold.max()) + 1


def read_rows(members: pd.DataFrame) -> StudyRows:
    """The members table as arrays.

    Raises CohortError if columns are missing, a development row has no fold, an outcome is unknown, or
    a woman or a set lies on both sides of a split: training would see what it is judged by.
    """
    needed = ("woman_id", "exam_id", "outcome", "split", "fold")
    lacking = [name for name in needed if name not in members]
    if lacking or members.empty:
        raise CohortError(
            expected=f"members with the columns {', '.join(needed)}",
            found="no rows" if not lacking else f"no column {', '.join(lacking)}",
            where="members table",
        )
    held_out = (members["split"] == HELD_OUT).to_numpy(bool)
    fold_of = pd.to_numeric(members["fold"], errors="coerce").to_numpy(float, na_value=np.nan)
    without = int((np.isnan(fold_of) & ~held_out).sum())
    if without or held_out.all():
        raise CohortError(
            expected="development rows, each with a fold",
            found=f"{without} rows without one" if without else "held-out rows only",
            where="members table",
        )
    fold = np.where(held_out, -1, np.nan_to_num(fold_of, nan=-1)).astype(np.int64)
    words = set(members["outcome"].unique()) - {str(outcome) for outcome in Outcome}
    if words:
        raise CohortError(
            expected=f"outcomes among {', '.join(Outcome)}",
            found=", ".join(sorted(map(str, words))),
            where="members table, column outcome",
        )
    exam, exam_ids = pd.factorize(members["exam_id"].astype(str))
    woman, _ = pd.factorize(members["woman_id"].astype(str))
    labels = _text(members, "set_id")
    matched = bool((labels != "").any())
    if matched and bool((labels == "").any()):
        raise CohortError(
            expected="all rows in matched sets, or none",
            found=f"{int((labels == '').sum())} rows without a set",
            where="members table, column set_id",
        )
    set_index = pd.factorize(labels)[0] if matched else np.arange(len(members))
    for name, unit in (("woman_id", woman), ("set_id", set_index)):
        crossing = int((pd.Series(fold).groupby(unit).nunique() > 1).sum())
        if crossing:
            raise CohortError(
                expected=f"every {name} within one fold",
                found=f"{crossing} that lie in several",
                where="members table",
                remedy="Make the splits with `forescreen cohort`",
            )
    used = members[[*needed]].astype(str).assign(set_id=labels)
    return StudyRows(
        exam=exam.astype(np.int64),
        exam_ids=tuple(map(str, exam_ids)),
        woman=woman.astype(np.int64),
        outcome=members["outcome"].map(outcome_code).to_numpy(np.int64),
        set_index=set_index.astype(np.int64),
        fold=fold,
        weight=_numbers(members, "weight", missing=1.0),
        percent_density=_numbers(members, "percent_density", missing=np.nan),
        matched=matched,
        fingerprint=fingerprint(used.to_dict("list")),
    )


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of the study with their images: whole matched sets."""

    rows: Int[np.ndarray, " row"]
    images: Float[Tensor, "exam view row column"]
    present: Bool[Tensor, "exam view"]


class StudyImages:
    """Pixels of a study's exams by index, as uint16 in memory or read from the store when needed."""

    def __init__(
        self,
        store: ExamStore,
        exam_ids: Sequence[str],
        *,
        budget_bytes: int,
        only: Sequence[int] | None = None,
        track: Track = silent,
    ) -> None:
        """`only` are the indices that will ever be asked for (None: all); others are never read."""
        self.exam_ids = tuple(exam_ids)
        wanted = list(range(len(self.exam_ids))) if only is None else list(only)
        self.image_shape = (int(store.geometry.rows), int(store.geometry.columns))
        self._store = store
        missing = {self.exam_ids[index] for index in wanted} - set(store.exam_ids)
        if missing:
            raise CohortError(
                expected="images of every member",
                found=f"{len(missing)} exams without",
                where="image store",
                remedy="Leave them out of the members table, or ingest their mammograms",
            )
        shape = (len(wanted), N_VIEWS, *self.image_shape)
        self.in_memory = math.prod(shape) * 2 <= budget_bytes
        self._pixels: np.ndarray | None = None
        self._place = np.full(len(self.exam_ids), -1)
        self._place[wanted] = np.arange(len(wanted))
        #: Exams that may be loaded.
        self.readable = np.array(wanted, dtype=np.int64)
        #: What a run derived from the images and another may use, by the fingerprint of how.
        self.derived: dict[str, Tensor] = {}
        self._present = _views_there(store, self.exam_ids)
        if self.in_memory:
            self._pixels = np.zeros(shape, np.uint16)
            for place, index in enumerate(track(wanted, "Reading images", len(wanted))):
                self._pixels[place] = self._read(index)

    def present(self, indices: Int[np.ndarray, " exam"]) -> Tensor:
        """Which views are there."""
        return torch.from_numpy(self._present[indices])

    def load(self, indices: Int[np.ndarray, " exam"]) -> tuple[Tensor, Tensor]:
        """Images in [0, 1] and which views are there."""
        if (self._place[indices] < 0).any():
            raise IndexError("an exam was asked for that this run must not see")
        if self._pixels is not None:
            pixels = self._pixels[self._place[indices]]
        else:
            pixels = np.stack([self._read(int(index)) for index in indices])
        return torch.from_numpy(pixels).to(torch.float32) / WHITE, self.present(indices)

    def batches(
        self, rows: StudyRows, plan: Sequence[Int[np.ndarray, " row"]], *, images: bool = True
    ) -> Iterator[Batch]:
        """The batches of a plan in order; the next is read while the caller works on the last.

        Without `images` only `present` is filled: for phases that work on cached embeddings.
        """

        def read(chosen: Int[np.ndarray, " row"]) -> Batch:
            pixels, present = self.load(rows.exam[chosen])
            return Batch(chosen, pixels, present)

        if not images:
            for chosen in plan:
                yield Batch(chosen, torch.zeros(len(chosen), N_VIEWS, 0, 0), self.present(rows.exam[chosen]))
            return
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = None
            for chosen in plan:
                coming = reader.submit(read, chosen)
                if ahead is not None:
                    yield ahead.result()
                ahead = coming
            if ahead is not None:
                yield ahead.result()

    def _read(self, index: int) -> np.ndarray:
        exam = self._store.exam(self.exam_ids[index])
        pixels: np.ndarray = np.rint(exam.images * np.float32(WHITE)).astype(np.uint16)
        return pixels


def store_fingerprint(store: ExamStore) -> str:
    """Identity of a store's content: geometry and checksums of the stored mammograms' sources."""
    geometry = [store.geometry.rows, store.geometry.columns, store.geometry.spacing_mm]
    columns = [c for c in ("exam_id", "laterality", "view", "source_sha256") if c in store.manifest]
    return fingerprint(geometry, store.manifest[columns].astype(str).to_dict("list"))


def _views_there(store: ExamStore, exam_ids: Sequence[str]) -> np.ndarray:
    """Which views each exam has, from the manifest alone."""
    slot_of = {(str(side), str(view)): slot for slot, (side, view) in enumerate(STANDARD_VIEWS)}
    index_of = {exam: index for index, exam in enumerate(exam_ids)}
    there = np.zeros((len(exam_ids), N_VIEWS), bool)
    columns = (store.manifest["exam_id"], store.manifest["laterality"], store.manifest["view"])
    for exam, side, view in zip(*columns, strict=True):
        if exam in index_of:
            there[index_of[exam], slot_of[str(side), str(view)]] = True
    return there


def _text(members: pd.DataFrame, name: str) -> pd.Series[str]:
    if name not in members:
        return pd.Series([""] * len(members), index=members.index)
    return members[name].fillna("").astype(str)


def _numbers(members: pd.DataFrame, name: str, *, missing: float) -> np.ndarray:
    if name not in members:
        return np.full(len(members), missing)
    values = pd.to_numeric(members[name], errors="coerce").to_numpy(float, na_value=np.nan)
    return np.where(np.isnan(values), missing, values)
