"""Mammograms built in code: a half ellipse with tissue, as a digital image or as a scanned film."""

from __future__ import annotations

import numpy as np

from forescreen.records import Acquisition, Exam, Laterality, Mammogram, View
from forescreen.simulation.exposure import expose
from forescreen.simulation.phantom import Subject, build_phantom


def build_breast(
    *, rows: int = 416, columns: int = 320, chest_wall: str = "left", seed: int = 0, depth: float = 0.6
) -> tuple[np.ndarray, np.ndarray]:
    """Presentation values and the true mask: half ellipse, skin falloff, smooth tissue, air exactly 0."""
    rng = np.random.default_rng(seed)
    y = (np.arange(rows)[:, None] - rows / 2) / (0.42 * rows)
    x = np.arange(columns)[None, :] / (depth * columns)
    radius = np.sqrt(x**2 + y**2)
    mask = radius < 1
    tissue = 0.35 + 0.25 * np.cos(9 * x + 2 * rng.random()) * np.sin(7 * y + 3 * rng.random())
    noise = 0.02 * rng.standard_normal((rows, columns))
    pixels = np.where(mask, tissue * np.clip((1 - radius) * 6, 0.25, 1) + noise, 0)
    pixels = np.where(mask, np.clip(pixels, 0.03, 1), 0).astype(np.float32)
    if chest_wall == "right":
        pixels, mask = pixels[:, ::-1], mask[:, ::-1]
    return np.ascontiguousarray(pixels), np.ascontiguousarray(mask)


def build_film(*, seed: int = 0, padding: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """The same breast on film: grey uneven air, a label, a bright strip, black padding beside the film."""
    rng = np.random.default_rng(seed)
    pixels, mask = build_breast(seed=seed)
    columns = pixels.shape[1]
    haze = 0.05 + 0.02 * np.arange(columns)[None, :] / columns
    film = np.where(mask, 0.15 + 0.8 * pixels, haze + 0.004 * rng.standard_normal(pixels.shape))
    film[20:60, columns - 70 : columns - 20] = 0.95  # label
    film[:, columns - 5 :] = 0.99  # lit edge of the film
    wide = np.pad(np.clip(film, 0.001, 1), ((0, 0), (padding, padding)))
    return wide.astype(np.float32), np.pad(mask, ((0, 0), (padding, padding)))


def build_oblique(
    *, seed: int = 0, chest_wall: str = "left", muscle: float = 0.55
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An oblique view: pixels, breast and pectoral muscle; `muscle` is its height, share of the rows."""
    rows, columns = 416, 320
    pixels, breast = build_breast(rows=rows, columns=columns, seed=seed)
    y, x = np.arange(rows)[:, None] / rows, np.arange(columns)[None, :] / columns
    axilla = (x < 0.28 - 0.3 * y) & (y < 0.5)  # the breast goes on to the upper edge
    added = axilla & ~breast
    pixels = np.where(added, 0.25, pixels)
    breast = breast | axilla
    wedge = breast & (x < 0.42 * (1 - y / muscle) * (1 + 0.25 * y / muscle)) if muscle > 0 else breast & False
    pixels = np.where(wedge, 0.70 + 0.1 * (pixels - 0.3), pixels).astype(np.float32)
    if chest_wall == "right":
        pixels, breast, wedge = pixels[:, ::-1], breast[:, ::-1], wedge[:, ::-1]
    return tuple(np.ascontiguousarray(a) for a in (pixels, breast, wedge))  # type: ignore[return-value]


def build_phantom_picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A phantom of the simulation on a detector of 416 x 320 pixels of 0.56 mm: pixels and breast mask.

    Women differ by `number` in size, density and texture; views and sides alternate.
    """
    generator = np.random.default_rng(number)
    subject = Subject(
        seed=7,
        woman_id=f"w{number}",
        exam_id=f"e{number}",
        bmi=float(generator.uniform(19, 40)),
        dense_fraction=float(generator.uniform(0.05, 0.85)),
        trait=float(generator.standard_normal()),
    )
    laterality = (Laterality.LEFT, Laterality.RIGHT)[number // 2 % 2]
    phantom = build_phantom(subject, laterality, (View.CC, View.MLO)[number % 2])
    exposure = expose(phantom, generator, rows=416, columns=320, spacing_mm=0.56)
    pixels = np.zeros((416, 320), np.float32)
    n_rows, n_columns = exposure.levels.shape
    pixels[exposure.first_row : exposure.first_row + n_rows, :n_columns] = exposure.levels / 4095
    if laterality is Laterality.RIGHT:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    return pixels, pixels > 0


def build_mammogram(
    *,
    laterality: str = "L",
    view: str = "CC",
    seed: int = 0,
    chest_wall: str = "",
    spacing_mm: tuple[float, float] | None = (0.5, 0.5),
    profile: str = "forescreen-v1",
    rows: int = 416,
    columns: int = 320,
    flags: tuple[str, ...] = (),
) -> Mammogram:
    """A digital mammogram, hung as is the custom unless `chest_wall` says otherwise."""
    side = chest_wall or {"L": "left", "R": "right"}[laterality]
    pixels, _ = build_breast(rows=rows, columns=columns, chest_wall=side, seed=seed)
    return Mammogram(
        pixels=pixels,
        laterality=Laterality(laterality),
        view=View(view),
        spacing_mm=spacing_mm,
        acquisition=Acquisition(profile=profile, pixels_sha256="00"),
        flags=flags,
    )


def build_exam(*, views: tuple[str, ...] = ("LCC", "LMLO", "RCC", "RMLO"), exam_id: str = "e1") -> Exam:
    """An exam of the named views."""
    return Exam(
        woman_id="w1",
        exam_id=exam_id,
        mammograms=tuple(
            build_mammogram(laterality=name[0], view=name[1:], seed=i) for i, name in enumerate(views)
        ),
    )


def build_muscled() -> tuple[np.ndarray, np.ndarray]:
    """A breast whose pectoral muscle is bright and takes a third of it, and the mask of both together."""
    pixels, breast = build_breast()
    rows, columns = np.flatnonzero(breast.any(axis=1)), np.flatnonzero(breast.any(axis=0))
    row, column = np.mgrid[: pixels.shape[0], : pixels.shape[1]]
    muscle = column / (0.7 * columns[-1]) + (row - rows[0]) / (0.7 * (rows[-1] - rows[0])) < 1
    return np.where(muscle, np.float32(0.9), pixels), breast | muscle
