"""The 24 combinations of vendor and geometry that intake has to know, each built in code.

Rows 1-16: all combinations in 10 920 real headers of the RSNA 2022 screening data [RSNA2023] (aggregates;
makers are inference). Rows 17-24: public sample objects and their headers; where a sample's matrix is cut
to a few pixels, the field of its machine is built. PixelRepresentation 0, rescale 1/0 US, one sample,
16 bits allocated, in all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from tests.images.builders import build_breast

from .builders import (
    JPEG_LOSSLESS,
    PROCESSING_CLASS,
    TOMOSYNTHESIS_CLASS,
    build_lut,
    build_mammogram,
    build_view,
    save_frames,
)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """One row of the table, and what intake must decide about its images under the default policy."""

    number: int
    rows: int
    columns: int
    photometric: str
    bits: int
    sign: int
    windows: int
    function: str = ""  # VOILUTFunction, "" absent
    luts: bool = False  # a VOI LUT sequence of three items
    spacing_mm: float | None = None  # PixelSpacing
    imager_mm: float | None = None  # ImagerPixelSpacing
    padding: int | None = None
    padding_limit: int | None = None
    relationship: str = "LOG"
    maker: str = "Maker"
    model: str = "Model"
    side: str = "L"
    view: str = "CC"
    changes: Mapping[str, Any] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def air(self) -> int:
        """The stored value of air: padding, else the darkest value."""
        if self.padding is not None:
            return self.padding
        return (1 << self.bits) - 1 if self.photometric == "MONOCHROME1" else 0


def _hologic(number: int, rows: int, columns: int, spacing_mm: float) -> Machine:
    return Machine(
        number=number,
        rows=rows,
        columns=columns,
        photometric="MONOCHROME2",
        bits=12,
        sign=-1,
        windows=1,
        spacing_mm=spacing_mm,
        padding=0,
        maker="HOLOGIC, Inc.",
        model="Selenia Dimensions",
    )


def _sixteen_bits(number: int, windows: int, function: str) -> Machine:
    return Machine(
        number=number,
        rows=5355,
        columns=4915,
        photometric="MONOCHROME1",
        bits=16,
        sign=1,
        windows=windows,
        function=function,
        padding=3500,
        refused=("pixel_spacing_missing",),
    )


def _ge(number: int, rows: int, columns: int, windows: int, padding: int | None) -> Machine:
    return Machine(
        number=number,
        rows=rows,
        columns=columns,
        photometric="MONOCHROME2",
        bits=12,
        sign=-1,
        windows=windows,
        function="SIGMOID",
        padding=padding,
        imager_mm=0.0941,
        maker="GE MEDICAL SYSTEMS",
        model="Senographe",
        flags=("pixel_spacing_from_imager",),
    )


def _fuji(number: int, rows: int, columns: int) -> Machine:
    return Machine(
        number=number,
        rows=rows,
        columns=columns,
        photometric="MONOCHROME1",
        bits=10,
        sign=1,
        windows=1,
        spacing_mm=0.05,
        maker="FUJIFILM Corporation",
        model="AMULET",
    )


def _ge_ds(number: int, bits: int, *, raw: bool) -> Machine:
    return Machine(
        number=number,
        rows=2294,
        columns=1914,
        photometric="MONOCHROME1" if raw else "MONOCHROME2",
        bits=bits,
        sign=-1,
        windows=0 if raw else 3,
        function="" if raw else "SIGMOID",
        luts=not raw,
        imager_mm=0.0941,
        padding=None if raw else 0,
        relationship="LIN" if raw else "LOG",
        maker="GE MEDICAL SYSTEMS",
        model="Senograph DS ADS_43.10.1",
        changes={"SOPClassUID": PROCESSING_CLASS, "PresentationIntentType": "FOR PROCESSING"} if raw else {},
        refused=("intent_for_processing",) if raw else (),
        flags=("pixel_spacing_from_imager",),
    )


MACHINES: tuple[Machine, ...] = (
    _hologic(1, 4096, 3328, 0.065238),
    _hologic(2, 4096, 3328, 0.07),
    _hologic(3, 3328, 2560, 0.065238),
    _hologic(4, 3328, 2560, 0.07),
    Machine(
        number=5,
        rows=2776,
        columns=2082,
        photometric="MONOCHROME2",
        bits=12,
        sign=1,
        windows=1,
        padding=0,
        refused=("pixel_spacing_missing",),
    ),
    _sixteen_bits(6, 4, "SIGMOID"),
    _sixteen_bits(7, 5, "LINEAR"),
    _sixteen_bits(8, 1, "SIGMOID"),
    _sixteen_bits(9, 5, "SIGMOID"),
    _ge(10, 2294, 1914, 3, None),
    _ge(11, 2294, 1914, 3, 0),
    _ge(12, 2294, 1914, 4, None),
    _ge(13, 2294, 1914, 4, 0),
    _ge(14, 3062, 2394, 3, 0),
    _fuji(15, 4740, 3540),
    _fuji(16, 5928, 4728),
    Machine(
        number=17,
        rows=3062,
        columns=2394,
        photometric="MONOCHROME2",
        bits=12,
        sign=-1,
        windows=3,
        function="SIGMOID",
        luts=True,
        imager_mm=0.0941,
        padding=0,
        padding_limit=30,
        maker="GE MEDICAL SYSTEMS",
        model="Senographe Essential VERSION ADS_54.10",
        side="R",
        view="MLO",
        changes={
            "ViewCodeSequence": build_view("R-10226", "SNM3"),
            "PatientOrientation": ["P", "FL"],
            "PatientAge": "000Y",
            "PositionerPrimaryAngle": 45,
        },
        flags=("pixel_spacing_from_imager", "age_implausible"),
    ),
    _ge_ds(18, 12, raw=False),
    _ge_ds(19, 11, raw=False),
    _ge_ds(20, 14, raw=True),
    _ge_ds(21, 11, raw=True),
    Machine(
        number=22,
        rows=788,
        columns=1318,
        photometric="MONOCHROME2",
        bits=12,
        sign=1,
        windows=1,
        imager_mm=0.085,
        padding=0,
        maker="",
        model="Mammomat Inspiration",
        changes={
            "ImageType": ["DERIVED", "PRIMARY", "STEREO", "LEFT"],
            "DetectorMode": "STEREO",
            "EstimatedRadiographicMagnificationFactor": 1.043,
        },
        refused=("stereo_biopsy",),
        flags=("pixel_spacing_from_imager",),
    ),
    Machine(
        number=23,
        rows=3584,
        columns=2816,
        photometric="MONOCHROME2",
        bits=12,
        sign=1,
        windows=1,
        spacing_mm=0.085,
        padding=0,
        maker="SIEMENS",
        model="Mammomat Inspiration",
    ),
    Machine(
        number=24,
        rows=128,
        columns=128,
        photometric="MONOCHROME2",
        bits=10,
        sign=-1,
        windows=0,
        padding=0,
        maker="HOLOGIC, Inc.",
        model="Selenia Dimensions",
        changes={
            "SOPClassUID": TOMOSYNTHESIS_CLASS,
            "NumberOfFrames": 4,
            "ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"],
            "VolumetricProperties": "SAMPLED",
            "PresentationIntentType": None,
        },
        refused=("tomosynthesis_volume", "pixel_spacing_missing"),
    ),
)


def build_stored(machine: Machine, *, shrink: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Stored values of a breast as this machine keeps them, and the tissue in [0, 1] they stand for."""
    tissue, mask = build_breast(
        rows=machine.rows // shrink,
        columns=machine.columns // shrink,
        chest_wall="left" if machine.side == "L" else "right",
        seed=machine.number,
    )
    # The 16-bit machine keeps its picture below its padding value.
    top = 3200 if machine.padding and machine.photometric == "MONOCHROME1" else (1 << machine.bits) - 1
    low = 60  # above the padding range of row 17
    values = low + np.clip(tissue, 0, 1) * (top - low - 40)
    if machine.photometric == "MONOCHROME1":
        values = top - values
    stored = np.where(mask, np.rint(values), machine.air).astype(np.uint16)
    return stored, np.where(mask, tissue, 0.0)


def build_object(machine: Machine, pixels: np.ndarray, *, shrink: int = 1) -> Dataset:
    """The object with this machine's header; its pixels are of `shrink` times coarser spacing."""
    top = 3200 if machine.padding and machine.photometric == "MONOCHROME1" else (1 << machine.bits) - 1
    center, width = (top + 1) / 2, float(top + 1)
    if machine.function == "SIGMOID":
        width *= 0.6
    n = machine.windows
    changes: dict[str, Any] = {
        "PixelSpacing": _spacing(machine.spacing_mm, shrink),
        "ImagerPixelSpacing": _spacing(machine.imager_mm, shrink),
        "VOILUTFunction": machine.function or None,
        "WindowCenter": [center + 40 * i for i in range(n)] if n else None,
        "WindowWidth": [width + 40 * i for i in range(n)] if n else None,
        "PixelPaddingValue": machine.padding,
        "PixelPaddingRangeLimit": machine.padding_limit,
        "PixelIntensityRelationship": machine.relationship,
        "PixelIntensityRelationshipSign": machine.sign,
        "Manufacturer": machine.maker,
        "ManufacturerModelName": machine.model,
        **machine.changes,
    }
    if "PatientOrientation" not in changes and machine.side == "R":
        changes["PatientOrientation"] = ["P", "L"]
    ds = build_mammogram(
        pixels,
        laterality=machine.side,
        view=machine.view,
        bits=machine.bits,
        photometric=machine.photometric,
        changes=changes,
        number=machine.number,
    )
    if machine.luts:
        entries = np.rint(4095 / (1 + np.exp(-4 * (np.arange(top + 1) - center) / width)))
        names = ("NORMAL", "HARDER", "SOFTER")
        ds.VOILUTSequence = Sequence([build_lut(entries.astype(np.uint16), 0, 12, name) for name in names])
    return ds


def save_described(path: Path, machine: Machine) -> Path:
    """The full matrix in the header and a stream that stands for its pixels: for the header gate alone."""
    ds = build_object(machine, np.zeros((8, 8), np.uint16))
    ds.Rows, ds.Columns = machine.rows, machine.columns
    return save_frames(path, ds, [b"\xff\xd8\xff\xd9"], syntax=JPEG_LOSSLESS)


def _spacing(mm: float | None, shrink: int) -> list[float] | None:
    return None if mm is None else [mm * shrink, mm * shrink]
