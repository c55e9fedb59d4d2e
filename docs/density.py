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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import spearmanr

from forescreen.errors import ExamError
from forescreen.images.breast import BreastRegion, block_mean, find_breast
from forescreen.images.density import NAMES, area_model, find_tissue, measure_area
from forescreen.images.orient import Side, find_chest_wall
from forescreen.images.pectoral import find_pectoral
from forescreen.images.volumetric import measure_volume
from forescreen.records import Laterality, View
from forescreen.simulation.exposure import expose
from forescreen.simulation.phantom import Subject, build_phantom
from forescreen.simulation.vendors import VENDORS
from forescreen.statistics.discrimination import auc

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.images.raw_builders import RAW, build_raw, toy_attenuation  # noqa: E402

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


def found_in(pixels: np.ndarray, view: View) -> tuple[BreastRegion, np.ndarray, Side]:
    """Breast, muscle and chest wall, as ingestion finds them."""
    region = find_breast(pixels, bright_air=False)
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
    X = np.concatenate([film.values[::STEP] for film in films])
    weight = np.concatenate([np.full(n := len(f.values[::STEP]), 1 / n) for f in films]) / len(films)
    wanted = float(np.mean([film.true for film in films]))
    logit = model.intercept + (X - model.mean) / model.sd @ model.coefficient
    shift = brentq(lambda by: float(weight @ expit(logit + by)) - wanted, -3, 3, xtol=1e-4)
    return replace(model, intercept=model.intercept + float(shift))


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


def intervals(percent: np.ndarray, true: np.ndarray) -> dict[str, tuple[float, float, float]]:
    """Correlations, mean absolute error and bias with percentile intervals over 4000 draws of films."""

    def figures(p: np.ndarray, t: np.ndarray) -> tuple[float, ...]:
        r, rho = float(np.corrcoef(p, t)[0, 1]), float(spearmanr(p, t)[0])
        return r, rho, float(np.abs(p - t).mean()), float((p - t).mean())

    generator = np.random.default_rng(1)
    drawn = [generator.integers(0, len(true), len(true)) for _ in range(4000)]
    spread = np.percentile([figures(percent[i], true[i]) for i in drawn], [2.5, 97.5], axis=0)
    names = ("r", "rank correlation", "mean absolute error, points", "bias, points")
    return {
        name: (value, float(low), float(high))
        for name, value, low, high in zip(names, figures(percent, true), *spread, strict=True)
    }


def ddsm_rows(kinds: dict[str, list[Film]]) -> list[str]:
    rows = ["| quantity | " + " | ".join(kinds) + " |", "|---|" + "---|" * len(kinds)]
    columns = []
    for films in kinds.values():
        true = 100 * np.array([film.true for film in films])
        # Three ways of dealing the films into folds, averaged: what one way says moves by half a point.
        percent = np.mean([nested(films, seed) for seed in range(1, 4)], axis=0)
        columns.append(intervals(percent, true))
    for name in columns[0]:
        cells = [f"{value:.2f} ({low:.2f}, {high:.2f})" for value, low, high in (c[name] for c in columns)]
        rows.append(f"| {name} | " + " | ".join(cells) + " |")
    return rows


def mias_rows(folder: Path) -> list[str]:
    """Films of a tissue class each: are they in order?"""
    lines = (folder / "labels.csv").read_text().splitlines()[1:]
    classes = dict(line.split(",")[:2] for line in lines)
    names = sorted(classes)
    kind = np.array([classes[name] for name in names])
    percent = np.array([measured(picture(folder / "films" / f"{n}.png"), View.MLO)[0] for n in names])
    woman = np.array([(int(name[3:]) - 1) // 2 for name in names])  # odd and even: one woman
    known = np.isfinite(percent)
    percent, kind, woman = percent[known], kind[known], woman[known]
    rows = ["| class | films | median % (quartiles) |", "|---|---|---|"]
    words = {"F": "fatty", "G": "fatty-glandular", "D": "dense-glandular"}
    for one, word in words.items():
        low, middle, high = np.percentile(percent[kind == one], [25, 50, 75])
        rows.append(f"| {one}, {word} | {(kind == one).sum()} | {middle:.1f} ({low:.1f}, {high:.1f}) |")
    rows += ["", "| contrast | AUC (95 % interval, women as clusters) |", "|---|---|"]
    for less, more in (("F", "G"), ("G", "D"), ("F", "D")):
        both = np.isin(kind, [less, more])
        found = auc(percent[both], kind[both] == more, cluster=woman[both])
        rows.append(f"| {less} < {more} | {found.value:.3f} ({found.lower:.3f}, {found.upper:.3f}) |")
    trend = spearmanr(percent, ["FGD".index(k) for k in kind])
    rows.append(f"\nRank correlation with the class: {trend[0]:.2f}. Refused: {(~known).sum()}.")
    return rows


def measured(pixels: np.ndarray, view: View) -> tuple[float, tuple[str, ...]]:
    """Percent by the shipped model, and its flags; nan and "refused" where it is refused."""
    try:
        region, muscle, side = found_in(pixels, view)
        found = measure_area(pixels, region, muscle, side, spacing_mm=None).density
    except ExamError:
        return math.nan, ("refused",)
    return found.percent, found.flags


def change_rows(films: Sequence[Film]) -> list[str]:
    """What changes of the picture do to the percent of the films."""
    noise = np.random.default_rng(0)
    changes: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "half the contrast, a tenth added": lambda x: 0.5 * x + 0.1,
        "gamma 0.7": lambda x: x**0.7,
        "gamma 1.4": lambda x: x**1.4,
        "half as many rows and columns": lambda x: block_mean(x, 2),
        "noise of 1 % of the grey scale": lambda x: np.clip(x + 0.01 * noise.standard_normal(x.shape), 0, 1),
        "mirrored": lambda x: np.ascontiguousarray(x[:, ::-1]),
    }
    before = np.array([measured(film.pixels, View.MLO)[0] for film in films])
    rows = ["| change | mean change, points | mean absolute change | correlation | refused |", "|---|---|---|---|---|"]
    for name, change in changes.items():
        after = np.array([measured(change(f.pixels).astype(np.float32), View.MLO)[0] for f in films])
        known = np.isfinite(after) & np.isfinite(before)
        moved = (after - before)[known]
        rows.append(
            f"| {name} | {moved.mean():+.2f} | {np.abs(moved).mean():.2f} "
            f"| {np.corrcoef(before[known], after[known])[0, 1]:.3f} | {(~known).sum()} |"
        )
    return rows


def phantom_rows(n: int = 40) -> list[str]:
    """Phantoms of known dense fraction on the four simulated machines."""
    generator = np.random.default_rng(0)
    rows = [
        "| view | rank correlation with truth | slope | bias, points | spread between machines, points "
        "| flagged `density_extrapolated` |",
        "|---|---|---|---|---|---|",
    ]
    women = [(i, generator.uniform(0.03, 0.8), generator.uniform(20, 36)) for i in range(n)]
    for view in View:
        true, found, flagged = np.empty(n), np.empty((n, len(VENDORS))), 0
        for i, dense, bmi in women:
            for j, key in enumerate(VENDORS):
                pixels, true[i] = phantom(i, dense, bmi, key, view)
                found[i, j], flags = measured(pixels, view)
                flagged += "density_extrapolated" in flags
        mean = np.nanmean(found, axis=1)
        rows.append(
            f"| {view} | {spearmanr(true, mean)[0]:.2f} | {np.polyfit(true, mean, 1)[0]:.2f} "
            f"| {(mean - true).mean():+.1f} | {np.nanstd(found, axis=1, ddof=1).mean():.2f} "
            f"| {100 * flagged / found.size:.0f} % |"
        )
    return rows


def phantom(number: int, dense: float, bmi: float, key: str, view: View) -> tuple[np.ndarray, float]:
    """What machine `key` shows of a phantom, in pixels of 0.4 mm, and its true dense percent."""
    who = f"w{number}"
    subject = Subject(
        seed=number, woman_id=who, exam_id=who, bmi=bmi, dense_fraction=dense, trait=0.0
    )
    breast = build_phantom(subject, Laterality.LEFT, view)
    rows, columns = 600, 475
    shot = expose(
        breast,
        np.random.default_rng(number),
        rows=rows,
        columns=columns,
        spacing_mm=0.4,
        noise=VENDORS[key].noise,
    )
    image = np.zeros((rows, columns), np.float32)
    part = shot.levels
    image[shot.first_row :][: part.shape[0], : part.shape[1]] = (part / 4095.0) ** VENDORS[key].gamma
    return image, 100 * breast.dense_fraction


def volume_rows() -> list[str]:
    """Exposures computed with a beam of five energies, whose truth is known."""
    rows = [
        "| thickness, mm | true % | found % | thickness told 3 mm too small | 3 mm too large | with quantum noise |",
        "|---|---|---|---|---|---|",
    ]
    for full in (25.0, 40.0, 50.0, 65.0):
        for blob in (0.1, 0.3, 0.6, 0.9):
            exposure, region, true, _ = build_raw(full_mm=full, blob=blob)
            noisy, *_ = build_raw(full_mm=full, blob=blob, noise=1.0, gain=1e6)
            cells = [
                measure_volume(
                    pixels,
                    region,
                    np.zeros_like(region.mask),
                    Side.LEFT,
                    raw=replace(RAW, thickness_mm=full + off),
                    attenuation=toy_attenuation(),
                ).density.percent
                for pixels, off in ((exposure, 0), (exposure, -3), (exposure, 3), (noisy, 0))
            ]
            rows.append(f"| {full:g} | {true:.1f} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
    return rows


PAGE_TEXT = """# Breast density: what is measured, and how well

Written by `python docs/density.py FOLDER` (coefficients anew: `--fit`). Methods: `forescreen.images.density` and
`forescreen.images.volumetric`; use: `docs/reference/images.md`.

## By area, against drawn tissue (33 DDSM films [Tiryaki2022])

Percent density of films that neither the coefficients nor the strength of their ridge had seen: {folds} folds,
inner folds for the ridge, three ways of dealing averaged. The true values run from 3 to 80 %, mean 29 %. Always
saying the median would be wrong by 16.9 points. Intervals: films drawn again 4000 times.

{ddsm}

"As intake sees them" is what a user gets: breast and muscle found by the program. The four numbers of the model
were chosen by looking at these films and at mini-MIAS, so that both tables flatter it a little.

## By area, order of tissue classes (160 mini-MIAS films [Suckling1994])

No film of these was fitted to.

{mias}

Where it fails: breasts that are white all over (mdb053, 054, 061, 062: all D) have no fat to compare with and are
measured as about 10 to 25 % dense. A low number for a film without any dark tissue should not be believed.

## By area, when the picture changes (the 33 films)

{changes}

## By area, phantoms of four simulated machines

40 women, dense fraction 3 to 80 %, none of the phantoms' looks was fitted to.

{phantoms}

The machines agree; the level does not: phantoms have more contrast than film, most are flagged as unlike the
films, and their numbers are pulled to the middle. **No digital mammogram with drawn tissue was at hand: on digital
images order and change can be trusted more than level.**

## By volume, exposures with known truth

A half-disc breast with half-circle rim and a dense blob, five energies, quantum noise of 10^6 counts per block in air; the
effective attenuations are made from the five energies as `docs/attenuation.py` makes the package's table.

{volumes}

This tests algebra, hardening of the beam, rim, noise and thickness. It does not test what a real machine adds:

- **Attenuation.** Tissues are those of [Hammerstein1979] (m). With the narrow-beam values measured by [Johns1987]
  (at 20 keV .456 and .802 per cm instead of .510 and .781, (m)) the difference of the tissues is a quarter
  larger, and all densities a fifth smaller. The detector's material moves it by 3 to 7 %, the filter's thickness
  by 1 to 5 %, the two-term form by less than 1 % of the thickness (`docs/attenuation.py`).
- **Scatter** is left out. What passes the grid flattens the contrast, so that densities come out too low.
- **Thickness** is what the machine tells; paddles tilt and bend.
- **A column of fat** must exist. In a breast without one the reference is too dark and the density too low.
- **Never compared** with MRI or with another program: there was no raw image of a woman to do it on.
"""


def main() -> None:
    folder = Path(sys.argv[1])
    films = read_films(folder / "ddsm_tissue")
    if "--fit" in sys.argv[2:]:
        penalty = choose(films, 1)
        write_table(fit(films, penalty), films, penalty)
        area_model.cache_clear()
    kinds = {
        "as intake sees them": films,
        "muscle as drawn": read_films(folder / "ddsm_tissue", drawn_muscle=True),
    }
    page = PAGE_TEXT.format(
        folds=FOLDS,
        ddsm="\n".join(ddsm_rows(kinds)),
        mias="\n".join(mias_rows(folder / "mias")),
        changes="\n".join(change_rows(films)),
        phantoms="\n".join(phantom_rows()),
        volumes="\n".join(volume_rows()),
    )
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
