"""Fit the area density model and write docs/density.md: `python docs/density.py FOLDER`.

FOLDER holds `ddsm_tissue` (33 films with drawn tissue) and `mias` (160 films with a tissue class), as made with
[Tiryaki2022] and published in [Suckling1994]; neither is part of the project. With `--fit` the coefficients in
`src/forescreen/images/tables/area_density.csv` are fitted anew to all 33 films; the page is written either way.
Phantoms with known truth are rendered here.
"""

from __future__ import annotations

import csv
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import spearmanr

from forescreen.images.breast import block_mean, find_breast
from forescreen.images.density import NAMES, area_model, find_tissue, measure_area
from forescreen.images.orient import find_chest_wall
from forescreen.images.pectoral import find_pectoral
from forescreen.records import Laterality, View
from forescreen.simulation.exposure import expose
from forescreen.simulation.phantom import Subject, build_phantom
from forescreen.simulation.vendors import VENDORS
from forescreen.statistics.discrimination import auc

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "src" / "forescreen" / "images" / "tables" / "area_density.csv"
PAGE = ROOT / "docs" / "density.md"
#: Strengths of the ridge that the inner folds choose from.
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 11
#: Every so many blocks of a film take part in a fit and in what it says of a film.
STEP = 20


@dataclass(frozen=True)
class Film:
    """One film with drawn tissue: what the model sees, which blocks are dense, and the truth."""

    values: np.ndarray
    dense: np.ndarray  # share of each block drawn as fibroglandular
    true: float  # dense fraction of the drawn breast, muscle left out
    pixels: np.ndarray
    drawn: np.ndarray


def read_films(folder: Path, *, drawn_muscle: bool = False) -> list[Film]:
    """The films as intake sees them: breast and muscle found, unless the drawn muscle is asked for."""
    films = []
    for row in csv.DictReader((folder / "pairs.csv").open()):
        pixels = picture(folder / "films" / row["film"])
        drawn = np.asarray(Image.open(folder / "tissue_masks" / row["tissue_mask"]).convert("L"))
        region, muscle, side = found_in(pixels, View.MLO)
        if drawn_muscle:
            muscle = block_mean((drawn == 255).astype(np.float32), region.factor) > 0.5
        tissue = find_tissue(pixels, region, muscle, side)
        dense = block_mean((drawn == 192).astype(np.float32), region.factor)[tissue.inside]
        films.append(Film(tissue.values, dense, float(row["dense_fraction_without_pectoral"]), pixels, drawn))
    return films


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"), dtype=np.float32) / 255


def found_in(pixels: np.ndarray, view: View):
    region = find_breast(pixels)
    side = find_chest_wall(region.mask, Laterality.LEFT).chest_wall
    if view is View.CC:
        return region, np.zeros_like(region.mask), side
    return region, find_pectoral(pixels, region, side).mask, side


@dataclass(frozen=True)
class Fitted:
    intercept: float
    coefficient: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    def percent(self, film: Film) -> float:
        Z = (film.values[::STEP] - self.mean) / self.sd
        return 100 * float(expit(self.intercept + Z @ self.coefficient).mean())


def fit(films: Sequence[Film], penalty: float) -> Fitted:
    """Ridge logistic regression of drawn tissue, each film with the same weight, by Newton's method."""
    X = np.concatenate([film.values[::STEP] for film in films])
    y = np.concatenate([film.dense[::STEP] for film in films])
    weight = np.concatenate([np.full(len(f.dense[::STEP]), 1 / len(f.dense[::STEP])) for f in films]) / len(
        films
    )
    mean, sd = X.mean(axis=0), X.std(axis=0)
    Z = np.column_stack([np.ones(len(X)), (X - mean) / sd])
    ridge = np.diag([0.0, *[penalty] * len(NAMES)])
    beta = np.zeros(Z.shape[1])
    for _ in range(50):
        p = expit(Z @ beta)
        step = np.linalg.solve(
            Z.T @ (Z * (weight * p * (1 - p))[:, None]) + ridge, Z.T @ (weight * (y - p)) - ridge @ beta
        )
        beta += step
        if np.abs(step).max() < 1e-8:
            break
    return level(Fitted(float(beta[0]), beta[1:], mean, sd), films)


def level(model: Fitted, films: Sequence[Film]) -> Fitted:
    """The model with its intercept moved so that the mean over these films is true: the breast that intake
    finds has more rim than the drawn one, and a mean of shares is not a share of means."""
    wanted = 100 * float(np.mean([film.true for film in films]))

    def off(shift: float) -> float:
        moved = replace(model, intercept=model.intercept + shift)
        return float(np.mean([moved.percent(film) for film in films])) - wanted

    return replace(model, intercept=model.intercept + float(brentq(off, -3, 3, xtol=1e-4)))


def write_table(model: Fitted, films: Sequence[Film], penalty: float) -> None:
    """The coefficients as the package reads them."""
    X = np.concatenate([film.values for film in films])
    lines = [
        f"# source: docs/density.py --fit, {len(films)} DDSM films with drawn tissue (Tiryaki 2022), as intake "
        f"sees them; ridge logistic regression, penalty {penalty:g}, intercept levelled to the mean of the films",
        "name,coefficient,mean,sd,lowest,highest",
        f"intercept,{model.intercept:.5f},,,,",
    ]
    for i, name in enumerate(NAMES):
        numbers = (model.coefficient[i], model.mean[i], model.sd[i], X[:, i].min(), X[:, i].max())
        lines.append(",".join([name, *(f"{number:.5f}" for number in numbers)]))
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


def folds_of(n: int, seed: int) -> np.ndarray:
    fold = np.empty(n, dtype=int)
    fold[np.random.default_rng(seed).permutation(n)] = np.arange(n) % FOLDS
    return fold


def choose(films: Sequence[Film], seed: int) -> float:
    """The penalty with the least mean absolute error over folds of these films alone."""
    fold = folds_of(len(films), seed)
    wrong = dict.fromkeys(PENALTIES, 0.0)
    for penalty in PENALTIES:
        for k in range(FOLDS):
            model = fit([f for f, at in zip(films, fold, strict=True) if at != k], penalty)
            tried = [f for f, at in zip(films, fold, strict=True) if at == k]
            wrong[penalty] += sum(abs(model.percent(f) - 100 * f.true) for f in tried)
    return min(wrong, key=lambda penalty: wrong[penalty])


def nested(films: Sequence[Film], seed: int) -> np.ndarray:
    """Percent density of each film from a model that never saw it, with a penalty chosen without it."""
    fold, percent = folds_of(len(films), seed), np.empty(len(films))
    for k in range(FOLDS):
        train = [f for f, at in zip(films, fold, strict=True) if at != k]
        model = fit(train, choose(train, seed + 1))
        for i in np.flatnonzero(fold == k):
            percent[i] = model.percent(films[i])
    return percent


if __name__ == "__main__":
    films = read_films(Path(sys.argv[1]) / "ddsm_tissue")
    penalty = choose(films, 1)
    model = fit(films, penalty)
    write_table(model, films, penalty)
    true = 100 * np.array([f.true for f in films])
    print(penalty)
    for seed in (1, 2, 3):
        percent = nested(films, seed)
        print(
            np.corrcoef(percent, true)[0, 1],
            spearmanr(percent, true)[0],
            np.abs(percent - true).mean(),
            (percent - true).mean(),
            np.polyfit(percent, true, 1),
        )
