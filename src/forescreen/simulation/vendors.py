"""Four invented machines: detector geometry, grey-scale style and transfer syntax of each.

Each machine repeats the header habits of one row of the combinations seen in 10 920 headers of the
RSNA 2022 screening data (rows x columns, photometric interpretation, bits, spacing, VOI function,
windows, padding, sign of the pixel intensity relationship) [RSNA2023]; makers and models are invented.

    key    matrix       spacing  stored                     VOI                      transfer syntax
    alpha  3328 x 2560  .0700    MONOCHROME2 12 bits        linear window            JPEG Lossless
    beta   2294 x 1914  .0941 *  MONOCHROME2 12 bits        3 sigmoid windows, LUTs  native (explicit LE)
    gamma  4740 x 3540  .0500    MONOCHROME1 10 bits        linear window            JPEG-LS
    delta  5355 x 4915  .0500 *  MONOCHROME1 16 bits,       4 sigmoid windows        RLE
                                 padding 3500 (not zero)
    * ImagerPixelSpacing only

In: presentation values in [0, 1] as the phantom gives them. Out: stored values, so that the VOI of
the header brings the presentation values back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt16

from ..dicom.description import Equipment, GreyScale, VoiLut, Window
from ..dicom.encode import EXPLICIT_LITTLE_ENDIAN, JPEG_LOSSLESS, JPEG_LS_LOSSLESS, RLE_LOSSLESS
from ..errors import ConfigError

LEVELS = 4096  # steps of the presentation value in the storage table
_SIGMOID_RANGE = (0.02, 0.985)  # presentation values kept; a sigmoid reaches neither 0 nor 1


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """Pixels of the stored picture and their size."""

    rows: int
    columns: int
    spacing_mm: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Vendor:
    """One machine. `stored` holds the stored value of each presentation level, `background` that of air.

    `gamma` and `noise` make its pictures look like its own: the exponent of its tone curve, and the
    standard deviation of quantum noise in presentation units, in a pixel of 0.1 mm at mid grey.
    """

    key: str
    equipment: Equipment
    full_matrix: Matrix
    pixel_spacing: bool
    grey: GreyScale
    stored: UInt16[np.ndarray, "level"]
    background: int
    transfer_syntax: str
    gamma: float
    noise: float

    def matrix(self, binning: int) -> Matrix:
        """The matrix when `binning` x `binning` detector elements make one pixel (>= 1)."""
        if binning < 1:
            raise ConfigError(expected="a binning of at least 1", found=str(binning))
        full = self.full_matrix
        return Matrix(
            rows=full.rows // binning, columns=full.columns // binning, spacing_mm=full.spacing_mm * binning
        )


def vendor_of(machine: str) -> Vendor:
    """The machine of the registry's `machine` column: the key after the last dash ("S1-alpha").

    Raises ConfigError for a key that is not in `VENDORS`.
    """
    key = machine.rpartition("-")[2]
    if key not in VENDORS:
        raise ConfigError(
            expected=f"a machine that ends in {', '.join(VENDORS)}",
            found=repr(machine),
            where="exams.csv, column machine",
        )
    return VENDORS[key]


def _levels() -> Float[np.ndarray, "level"]:
    return np.arange(LEVELS) / (LEVELS - 1)


def _linear(low: int, high: int) -> UInt16[np.ndarray, "level"]:
    """Stored values that a LINEAR window from `low` to `high` maps to the presentation value."""
    stored: UInt16[np.ndarray, "level"] = np.rint(low + _levels() * (high - low)).astype(np.uint16)
    return stored


def _sigmoid(window: Window, *, inverse: bool) -> UInt16[np.ndarray, "level"]:
    """Stored values that a SIGMOID window (PS3.3 C.11.2.1.3.1) maps to the presentation value."""
    value = np.clip(_levels(), *_SIGMOID_RANGE)
    logit = np.log(value / (1 - value)) * (-1 if inverse else 1)
    stored: UInt16[np.ndarray, "level"] = np.rint(window.center + window.width / 4 * logit).astype(np.uint16)
    return stored


def _sigmoid_lut(window: Window, *, first: int, last: int) -> VoiLut:
    """The same curve as a table of 12 output bits, as one maker writes beside its windows."""
    stored = np.arange(first, last + 1)
    output = 4095 / (1 + np.exp(-4 * (stored - window.center) / window.width))
    return VoiLut(
        first=first, bits=12, explanation=window.explanation, values=np.rint(output).astype(np.uint16)
    )


def _equipment(key: str, number: int, detector: str, anode: str, filter_material: str) -> Equipment:
    return Equipment(
        manufacturer=f"forescreen phantom {key}",
        model=f"Simulated {key} 2D",
        serial_number=f"SIM-{number:04d}",
        software=f"phantom {key} 1",
        detector_type=detector,
        anode=anode,
        filter_material=filter_material,
    )


def _alpha() -> Vendor:
    low, high = 60, 4095
    # LINEAR (PS3.3 C.11.2.1.2.1): centre - 0.5 and width - 1 span the values shown.
    window = Window(center=(low + high) / 2 + 0.5, width=high - low + 1)
    return Vendor(
        key="alpha",
        equipment=_equipment("alpha", 1, "DIRECT", "TUNGSTEN", "RHODIUM"),
        full_matrix=Matrix(rows=3328, columns=2560, spacing_mm=0.07),
        pixel_spacing=True,
        grey=GreyScale(photometric="MONOCHROME2", bits_stored=12, sign=-1, windows=(window,), padding=0),
        stored=_linear(low, high),
        background=0,
        transfer_syntax=JPEG_LOSSLESS,
        gamma=1.0,
        noise=0.022,
    )


def _beta() -> Vendor:
    windows = (
        Window(center=2200, width=1500, explanation="NORMAL"),
        Window(center=2250, width=1200, explanation="HARDER"),
        Window(center=2150, width=1850, explanation="SOFTER"),
    )
    return Vendor(
        key="beta",
        equipment=_equipment("beta", 2, "SCINTILLATOR", "RHODIUM", "RHODIUM"),
        full_matrix=Matrix(rows=2294, columns=1914, spacing_mm=0.0941),
        pixel_spacing=False,
        grey=GreyScale(
            photometric="MONOCHROME2",
            bits_stored=12,
            sign=-1,
            windows=windows,
            voi_function="SIGMOID",
            luts=tuple(_sigmoid_lut(window, first=400, last=3999) for window in windows),
            padding=0,
        ),
        stored=_sigmoid(windows[0], inverse=False),
        background=0,
        transfer_syntax=EXPLICIT_LITTLE_ENDIAN,
        gamma=0.92,
        noise=0.026,
    )


def _gamma() -> Vendor:
    return Vendor(
        key="gamma",
        equipment=_equipment("gamma", 3, "DIRECT", "TUNGSTEN", "ALUMINUM"),
        full_matrix=Matrix(rows=4740, columns=3540, spacing_mm=0.05),
        pixel_spacing=True,
        grey=GreyScale(
            # Air is stored as 1023, beyond the window: the darkest shade of the breast is 1020.
            photometric="MONOCHROME1",
            bits_stored=10,
            sign=1,
            windows=(Window(center=510.5, width=1021),),
        ),
        stored=_linear(1020, 0),
        background=1023,
        transfer_syntax=JPEG_LS_LOSSLESS,
        gamma=1.06,
        noise=0.020,
    )


def _delta() -> Vendor:
    windows = (
        Window(center=2000, width=1400, explanation="NORMAL"),
        Window(center=2000, width=1150, explanation="HIGH"),
        Window(center=2000, width=1700, explanation="LOW"),
        Window(center=1900, width=1400, explanation="BRIGHT"),
    )
    return Vendor(
        key="delta",
        equipment=_equipment("delta", 4, "DIRECT", "TUNGSTEN", "ALUMINUM"),
        full_matrix=Matrix(rows=5355, columns=4915, spacing_mm=0.05),
        pixel_spacing=False,
        grey=GreyScale(
            photometric="MONOCHROME1",
            bits_stored=16,
            sign=1,
            windows=windows,
            voi_function="SIGMOID",
            padding=3500,
        ),
        stored=_sigmoid(windows[0], inverse=True),
        background=3500,  # the darkest shade is stored as 3362: padding lies beyond it, and is not zero
        transfer_syntax=RLE_LOSSLESS,
        gamma=0.97,
        noise=0.028,
    )


_MAKERS: tuple[Callable[[], Vendor], ...] = (_alpha, _beta, _gamma, _delta)

#: The machines by key, in the order of the table above.
VENDORS: dict[str, Vendor] = {vendor.key: vendor for vendor in (make() for make in _MAKERS)}
