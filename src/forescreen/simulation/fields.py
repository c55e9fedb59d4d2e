"""Random fields of breast tissue: power-law clouds and ringed noise on a fixed grid, by Fourier synthesis.

In: seeds and names, exponents and lengths in mm. Out: float32 fields on a grid of 0.75 mm that repeat
themselves beyond its edges. Everything is single-threaded and ordered: same seed, same numbers.

Source: noise with power f^-b is white noise filtered by f^(-b/2); mammographic parenchyma has b near 3
[Burgess2001].
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
import scipy.special
from jaxtyping import Complex64, Float32, Int

GRID_MM = 0.75
GRID_ROWS, GRID_COLUMNS = 288, 224  # 216 x 168 mm: what the smallest detector takes; good FFT lengths

Field = Float32[np.ndarray, "y x"]
Spectrum = Float32[np.ndarray, "y f"]
White = Complex64[np.ndarray, "y f"]


def stream(seed: int, *names: str) -> np.random.Generator:
    """The chance that belongs to `seed` and `names`, and to them alone."""
    digest = hashlib.sha256("\x1f".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.SFC64(int.from_bytes(digest[:16], "little")))


def white_noise(generator: np.random.Generator) -> White:
    """Spectrum of white noise on the grid."""
    return normals(generator, (GRID_ROWS, GRID_COLUMNS + 2)).view(np.complex64)


@lru_cache(maxsize=8)
def _frequencies(stretch: float) -> Spectrum:
    """Squared spatial frequency (1/mm2); tissue is `stretch` times longer towards the nipple."""
    fy = np.fft.fftfreq(GRID_ROWS, GRID_MM)[:, None]
    fx = np.fft.rfftfreq(GRID_COLUMNS, GRID_MM)[None] * stretch
    return (fy**2 + fx**2).astype(np.float32)


@lru_cache(maxsize=8)
def _log_power(largest_mm: float, stretch: float) -> Spectrum:
    return np.log(_frequencies(stretch) + np.float32(1 / largest_mm**2))


@lru_cache(maxsize=8)
def _low_pass(smallest_mm: float, stretch: float) -> Spectrum:
    return np.exp(-_frequencies(stretch) * np.float32(smallest_mm**2 * 2))


def power_law(exponent: float, largest_mm: float, stretch: float, smallest_mm: float) -> Spectrum:
    """Amplitude of noise whose power falls as frequency^-exponent between the two scales."""
    amplitude: Spectrum = np.exp(_log_power(largest_mm, stretch) * np.float32(-exponent / 4))
    amplitude *= _low_pass(smallest_mm, stretch)
    return amplitude


def ring(spacing_mm: float, stretch: float) -> Spectrum:
    """Amplitude of noise with one scale: a ring about the frequency 1/spacing."""
    frequency = np.sqrt(_frequencies(stretch)) * np.float32(spacing_mm)
    amplitude: Spectrum = np.exp(-np.square((frequency - 1) * np.float32(2.5)))
    return amplitude


@dataclass(frozen=True)
class Fan:
    """Where in a field of straight tissue each cell lies: ducts and ligaments converge on the nipple."""

    above: Int[np.ndarray, "y x"]  # cell of the flattened field, and the cell below it
    below: Int[np.ndarray, "y x"]
    part: Field  # how far from the one to the other

    @classmethod
    def of(cls, x: Float32[np.ndarray, "x"], y: Float32[np.ndarray, "y"], *, focus_mm: float) -> Fan:
        """Cells `x` mm from the chest wall and `y` mm below the nipple; lines meet `focus_mm` from it."""
        spread = 1 / (1 - x / np.float32(focus_mm))
        at = y[:, None] * spread * np.float32(1 / GRID_MM) + np.float32(GRID_ROWS / 2)
        floor = np.floor(at)
        # Fields repeat themselves, so that rows may wrap.
        above = floor.astype(np.intp) % GRID_ROWS * GRID_COLUMNS + np.arange(x.size)
        return cls(above, (above + GRID_COLUMNS) % (GRID_ROWS * GRID_COLUMNS), at - floor)

    def bend(self, field: Field) -> Field:
        """The field as the tissue runs, linear between rows."""
        flat = field.ravel()
        above: Field = np.take(flat, self.above, mode="clip")
        below: Field = np.take(flat, self.below, mode="clip")
        below -= above
        below *= self.part
        below += above
        return below


@lru_cache(maxsize=1)
def _gaussian_table() -> Float32[np.ndarray, "value"]:
    """Normal quantiles of the 65 536 uniform 16-bit values: noise at the price of a table look-up."""
    table: Float32[np.ndarray, "value"] = scipy.special.ndtri((np.arange(65536) + 0.5) / 65536).astype(
        np.float32
    )
    return table


def normals(generator: np.random.Generator, shape: tuple[int, int]) -> Float32[np.ndarray, "y x"]:
    n = shape[0] * shape[1]
    bits = generator.bit_generator.random_raw((n + 3) // 4).view(np.uint16)[:n]
    values: Float32[np.ndarray, "y x"] = np.take(_gaussian_table(), bits, mode="clip").reshape(shape)
    return values
