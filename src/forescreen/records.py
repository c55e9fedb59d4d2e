"""The words that all parts of forescreen speak: frozen, validated on creation, without I/O.

A *mammogram* is one image. An *exam* is all mammograms of one woman on one visit. An *outcome* is
what became of the exam, by mode of detection. A *score* is an uncalibrated model output; a *risk* is
an absolute probability. An *estimate* is a statistic with its interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from jaxtyping import Float

from .errors import ExamError, InputError


class Laterality(StrEnum):
    """Side of the woman, not of the picture."""

    LEFT = "L"
    RIGHT = "R"


class View(StrEnum):
    """The two standard screening projections (PS3.16 CID 4014)."""

    CC = "CC"
    MLO = "MLO"


#: The four standard views, in the order in which models and stores keep them.
STANDARD_VIEWS: tuple[tuple[Laterality, View], ...] = (
    (Laterality.LEFT, View.CC),
    (Laterality.LEFT, View.MLO),
    (Laterality.RIGHT, View.CC),
    (Laterality.RIGHT, View.MLO),
)


class Outcome(StrEnum):
    """What followed the index exam, by mode of detection.

    CANCER stands for a cancer whose mode of detection is not known (detection data sets, CSVs that
    only give years to cancer); it never stands beside the two modes in one study.
    """

    NONE = "none"
    SCREEN_DETECTED = "screen-detected"
    INTERVAL = "interval"
    CANCER = "cancer"


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How one mammogram was made and converted: what a reader needs to trust or doubt the pixels."""

    profile: str  # conversion profile, name and version: "forescreen-v1"
    manufacturer: str = ""
    model: str = ""
    software: str = ""
    transfer_syntax: str = ""  # UID, or "png16", "png8", "pgm"
    codec: str = (
        ""  # library that decoded it and its version: "libjpeg-turbo 3.1.3", "none" where none was needed
    )
    photometric: str = ""  # PhotometricInterpretation as stored
    intent: str = ""  # "FOR PRESENTATION", "FOR PROCESSING", ""
    voi: str = ""  # which VOI was applied: "lut:0", "window:0 SIGMOID", "min-max"
    spacing_source: str = ""  # "PixelSpacing", "ImagerPixelSpacing", "table", ""
    pixels_sha256: str = ""  # of the decoded stored values, little-endian


@dataclass(frozen=True, kw_only=True, eq=False)
class Mammogram:
    """One image, ready for preparation.

    `pixels` are presentation values in [0, 1], bright = dense (MONOCHROME2 meaning, inverted once if
    stored as MONOCHROME1), padding 0; rows run from head to foot, columns as stored: orientation is
    the concern of `forescreen.images`. `spacing_mm` is (row, column) in the plane of the breast
    support, None where no source gives it. `flags` are gate codes under which it was accepted.
    """

    pixels: Float[np.ndarray, "row column"]
    laterality: Laterality
    view: View
    spacing_mm: tuple[float, float] | None
    acquisition: Acquisition
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim != 2 or min(self.pixels.shape) < 2:
            raise ExamError(expected="a two-dimensional image", found=f"shape {self.pixels.shape}")
        if self.spacing_mm is not None and not all(0 < s < 5 and math.isfinite(s) for s in self.spacing_mm):
            raise ExamError(expected="pixel spacing in (0, 5) mm", found=str(self.spacing_mm))


@dataclass(frozen=True, kw_only=True, eq=False)
class Exam:
    """All mammograms of one woman on one visit that passed the gate, one per laterality and view."""

    woman_id: str  # pseudonym or study number, never a name
    exam_id: str
    mammograms: tuple[Mammogram, ...]
    exam_date: str = ""  # ISO 8601, "" where unknown
    site: str = ""
    machine: str = ""

    def __post_init__(self) -> None:
        if not self.mammograms:
            raise ExamError(expected="at least one mammogram", found="none")
        slots = [(m.laterality, m.view) for m in self.mammograms]
        if len(set(slots)) != len(slots):
            raise ExamError(
                expected="one mammogram per laterality and view",
                found=", ".join(f"{lat}{view}" for lat, view in sorted(slots)),
                remedy="Choose among repeats before making the exam",
            )


@dataclass(frozen=True, kw_only=True)
class Density:
    """Breast density, how it was measured and how far to trust it.

    `percent` is dense over breast, 0 to 100, by area or by volume as `method` says; `dense` and `breast`
    are the two amounts in `unit` (cm2 or cm3), nan where nothing gives a size. Numbers of different methods
    are on different scales and must not be mixed.
    """

    method: str  # name and version: "area-v1", "volumetric-v1"; "registry" where a table gave it
    percent: float
    dense: float = math.nan
    breast: float = math.nan
    unit: str = ""  # "cm2", "cm3", "" for a percentage alone
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= 100:
            raise ExamError(
                expected="a density of 0 to 100 %", found=f"{self.percent}", where=f"density, {self.method}"
            )
        if self.unit not in ("", "cm2", "cm3"):
            raise ExamError(expected="a density in cm2 or cm3", found=self.unit, where=self.method)


@dataclass(frozen=True, kw_only=True)
class ExamDensity:
    """Density of an exam: mean of the views of each side, then of the sides; None where a side is absent."""

    both: Density
    left: Density | None
    right: Density | None
    n_views: int


def exam_density(views: Sequence[tuple[Laterality, Density]]) -> ExamDensity:
    """One density per exam from its views: by side first, so that a side with more views does not count
    more. Amounts are means too; a missing amount of one view makes that of the side unknown.

    Raises ExamError without views, or when they were measured by different methods.
    """
    methods = sorted({density.method for _, density in views})
    if len(methods) != 1:
        raise ExamError(
            expected="views measured by one method", found=", ".join(methods) or "no view", where="density"
        )
    sides = {
        side: _mean_density([density for of, density in views if of is side])
        for side in Laterality
        if any(of is side for of, _ in views)
    }
    return ExamDensity(
        both=_mean_density(list(sides.values())),
        left=sides.get(Laterality.LEFT),
        right=sides.get(Laterality.RIGHT),
        n_views=len(views),
    )


def _mean_density(densities: list[Density]) -> Density:
    n = len(densities)
    units = {density.unit for density in densities}
    return Density(
        method=densities[0].method,
        percent=sum(density.percent for density in densities) / n,
        dense=sum(density.dense for density in densities) / n,
        breast=sum(density.breast for density in densities) / n,
        unit=units.pop() if len(units) == 1 else "",
        flags=tuple(sorted({flag for density in densities for flag in density.flags})),
    )


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """One file that was not used: where it lies, the first reason, all reasons, and words for a person."""

    file: str  # relative to the folder that was read
    code: str  # machine-readable, one of forescreen.dicom.gate.CODES
    codes: tuple[str, ...]
    message: str


@dataclass(frozen=True, kw_only=True)
class Score:
    """Uncalibrated model output of one exam: log relative hazard by mode of detection.

    Differences between exams are log hazard ratios; the origin is arbitrary until a registry's rates
    recalibrate it, so a score is not a probability.
    """

    screen_detected: float
    interval: float
    spread: float = math.nan  # standard deviation over ensemble members; nan with one member

    def __post_init__(self) -> None:
        if not (math.isfinite(self.screen_detected) and math.isfinite(self.interval)):
            raise InputError(
                expected="finite scores",
                found=f"{self.screen_detected}, {self.interval}",
                where="model output",
            )

    @property
    def any_cancer(self) -> float:
        """Log of the summed relative hazards of the two modes."""
        return float(np.logaddexp(self.screen_detected, self.interval))


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A statistic with its confidence interval and what it was made of."""

    value: float
    lower: float
    upper: float
    n: int  # independent units: sets, women or exams, as `method` says
    n_events: int
    method: str
    standard_error: float = math.nan
    p_value: float = math.nan
    level: float = 0.95
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.n < 0 or self.n_events < 0 or not 0 < self.level < 1:
            raise InputError(
                expected="counts >= 0 and a level in (0, 1)",
                found=f"n {self.n}, events {self.n_events}, level {self.level}",
                where="Estimate",
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; missing numbers are None."""
        plain = asdict(self)
        for key, value in plain.items():
            if isinstance(value, float) and not math.isfinite(value):
                plain[key] = None
        return plain

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.lower:.3g}, {self.upper:.3g})"
