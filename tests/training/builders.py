"""Synthetic exams whose texture carries a latent trait, and matched sets drawn from that trait.

Each exam has a standard normal `trait`, which changes the exponent of the power-law spectrum of the
parenchyma (scales 4 to 30 mm at 2 mm pixels), and a `density`, a nuisance that changes brightness and
contrast. Cases are drawn within sets in proportion to exp(log_or * trait): the conditional model that
training assumes, so that the trait itself is the best score there is (the oracle).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forescreen.images.geometry import Geometry
from forescreen.models.encoder import TextureEncoderConfig
from forescreen.models.risk_model import RiskNetworkConfig
from forescreen.records import STANDARD_VIEWS
from forescreen.training.augment import Augmentation
from forescreen.training.recipe import Phase, Recipe


@dataclass(frozen=True)
class FakeGeometry:
    """Stands for the store's geometry."""

    rows: int = 128
    columns: int = 104
    spacing_mm: float = 2.0


@dataclass(frozen=True)
class FakeExam:
    """Stands for an ExamTensor."""

    exam_id: str
    woman_id: str
    images: NDArray[np.float32]
    present: NDArray[np.bool_]


@dataclass(frozen=True)
class FakeStore:
    """Stands for the image store: exams in memory, pixels as uint16."""

    pixels: NDArray[np.uint16]  # exam view row column
    present: NDArray[np.bool_]
    exam_ids: tuple[str, ...]
    geometry: FakeGeometry = field(default_factory=FakeGeometry)
    reads: list[str] = field(default_factory=list)

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """One row per view that is there."""
        rows = [
            (exam, side, view, f"{exam}{side}{view}")
            for exam, there in zip(self.exam_ids, self.present, strict=True)
            for (side, view), has in zip(STANDARD_VIEWS, there, strict=True)
            if has
        ]
        return pd.DataFrame(rows, columns=["exam_id", "laterality", "view", "source_sha256"])

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {exam: row for row, exam in enumerate(self.exam_ids)}

    def exam(self, exam_id: str) -> FakeExam:
        """One exam, all views, background 0."""
        self.reads.append(exam_id)
        row = self._row_of[exam_id]
        images = self.pixels[row].astype(np.float32) / np.float32(65535)
        return FakeExam(exam_id, exam_id.replace("e", "w"), images, self.present[row])


@dataclass(frozen=True)
class FakeStudy:
    """A store, its members table, and the truth that only tests may see."""

    store: FakeStore
    members: pd.DataFrame
    trait: NDArray[np.float64]
    density: NDArray[np.float64]


def build_study(
    n_sets: int,
    seed: int,
    *,
    rows: int = 128,
    columns: int = 104,
    n_controls: int = 2,
    log_or: float = 0.8,
    slope: float = 0.35,
    interval_share: float = 0.3,
    held_out_share: float = 0.0,
    n_folds: int = 3,
    missing_share: float = 0.0,
) -> FakeStudy:
    """A matched study of `n_sets` sets of one case and `n_controls` controls."""
    rng = np.random.default_rng(seed)
    size = 1 + n_controls
    n_exams = n_sets * size
    trait = rng.standard_normal(n_exams)
    density = rng.standard_normal(n_exams)
    pixels = np.zeros((n_exams, 4, rows, columns), np.uint16)
    for row in range(n_exams):
        pixels[row] = build_images(rng, trait[row], density[row], rows, columns, slope)
    present = rng.random((n_exams, 4)) >= missing_share
    present[~present.any(axis=1), 0] = True
    pixels[~present] = 0
    exam_ids = tuple(f"e{row:06d}" for row in range(n_exams))
    risk = np.exp(log_or * trait).reshape(n_sets, size)
    case = (rng.random((n_sets, 1)) > np.cumsum(risk / risk.sum(1, keepdims=True), axis=1)).sum(1)
    is_case = np.zeros((n_sets, size), bool)
    is_case[np.arange(n_sets), case.clip(0, size - 1)] = True
    case_type = np.where(rng.random(n_sets) < interval_share, "interval", "screen-detected")
    held_out = np.arange(n_sets) < round(held_out_share * n_sets)
    fold = rng.permutation(n_sets) % n_folds
    members = pd.DataFrame(
        {
            "set_id": np.repeat([f"s{k:05d}" for k in range(n_sets)], size),
            "woman_id": [e.replace("e", "w") for e in exam_ids],
            "exam_id": exam_ids,
            "role": np.where(is_case.ravel(), "case", "control"),
            "outcome": np.where(is_case.ravel(), np.repeat(case_type, size), "none"),
            "case_type": np.repeat(case_type, size),
            "split": np.where(np.repeat(held_out, size), "held-out", "development"),
            "fold": pd.array(np.repeat(fold, size), dtype="Int64"),
            "weight": 1.0,
            "percent_density": 25 + 10 * density + 3 * rng.standard_normal(n_exams),
        }
    )
    members.loc[members["split"] == "held-out", "fold"] = pd.NA
    store = FakeStore(pixels, present, exam_ids, FakeGeometry(rows, columns))
    return FakeStudy(store, members, trait, density)


def build_images(
    rng: np.random.Generator, trait: float, density: float, rows: int, columns: int, slope: float
) -> NDArray[np.uint16]:
    """Four views of one woman: half ellipses with power-law texture; background exactly 0."""
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None, :])
    band = (frequency > 1 / 15) & (frequency < 1 / 2)  # 30 mm to 4 mm at 2 mm pixels
    size = rng.normal(0.75, 0.08)
    y = (np.arange(rows) - rows / 2)[:, None] / (rows / 2)
    x = np.arange(columns)[None, :] / columns
    images = np.zeros((4, rows, columns), np.uint16)
    for view in range(4):
        exponent = 3 + slope * trait + 0.15 * rng.standard_normal()
        spectrum = np.zeros(frequency.shape, complex)
        amplitude = frequency[band] ** (-exponent / 2)
        phase = rng.standard_normal(amplitude.size) + 1j * rng.standard_normal(amplitude.size)
        spectrum[band] = amplitude * phase
        texture = np.fft.irfft2(spectrum, s=(rows, columns))
        texture /= texture.std()
        mask = (y / size) ** 2 + (x / (size * rng.normal(1, 0.05))) ** 2 < 1
        level = 0.35 + 0.06 * density + 0.05 * np.exp(-(((x - 0.3) / 0.2) ** 2 + (y / 0.4) ** 2))
        image = level + (0.05 + 0.015 * np.tanh(density)) * texture
        image = image + 0.01 * rng.standard_normal((rows, columns))
        images[view] = np.where(mask, np.clip(image, 1 / 65535, 1) * 65535, 0).astype(np.uint16)
    return images


def tiny_recipe(
    *,
    rows: int = 32,
    columns: int = 24,
    levels: int = 2,
    epochs: int = 3,
    widths: tuple[int, ...] = (),
    learned_filters: int = 0,
) -> Recipe:
    """The demo recipe's shape on small images."""
    encoder = TextureEncoderConfig(
        levels=levels, window=5, embedding=6, widths=widths, learned_filters=learned_filters
    )
    return Recipe(
        name="tiny",
        geometry=Geometry(rows=rows, columns=columns, spacing_mm=2.0),
        model=RiskNetworkConfig(encoder=encoder),
        phases=(
            Phase(objective="sides", trains="projection", epochs=1),
            Phase(objective="outcome", trains="head", epochs=epochs, learning_rate=1e-2),
        ),
        augmentation=Augmentation(view_dropout=0.1),
        sets_per_batch=8,
    )
