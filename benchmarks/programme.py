"""A made-up screening programme of any size, with the predictions of four models, for the benchmarks.

Sizes follow the largest published comparison of vendors: 112 621 negative screens, 1 225 later cancers, 396
of them interval cancers. Nothing here is a result about women.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

N_WOMEN = 112_621
SHARE_INTERVAL = 396 / 1225
YEARLY_RISK = 0.0025


def outcomes_table(n_women: int = N_WOMEN, *, seed: int = 1) -> tuple[pd.DataFrame, np.ndarray]:
    """One exam per woman with outcome, time, weight and subgroups; and the latent log hazard ratio."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n_women)
    hazard = YEARLY_RISK * np.exp(0.9 * latent - 0.9**2 / 2)
    event = rng.exponential(1 / hazard)
    follow_up = rng.uniform(3.0, 6.0, n_women)
    lost = rng.random(n_women) < 0.1
    follow_up[lost] = rng.uniform(0.2, 3.0, int(lost.sum()))
    ill = event <= follow_up
    outcome = np.where(
        ill, np.where(rng.random(n_women) < SHARE_INTERVAL, "interval", "screen-detected"), "none"
    )
    table = pd.DataFrame(
        {
            "exam_id": [f"E{i:07d}" for i in range(n_women)],
            "woman_id": [f"W{i:07d}" for i in range(n_women)],
            "outcome": outcome,
            "time_years": np.round(np.maximum(np.minimum(event, follow_up), 0.01), 4),
            "age": np.round(rng.uniform(50, 70, n_women), 1),
            "density": rng.choice(list("abcd"), n_women, p=[0.1, 0.43, 0.39, 0.08]),
            "machine": rng.choice(["alpha", "beta"], n_women),
        }
    )
    return table, latent


def model_risks(latent: np.ndarray, *, noise: float, seed: int, bias: float = 1.0) -> np.ndarray:
    """Yearly cumulative risks (row, year) of a model that sees the latent hazard through noise."""
    rng = np.random.default_rng([seed, round(1000 * noise)])
    seen = (latent + noise * rng.normal(size=latent.size)) / np.hypot(1, noise)
    hazard = bias * YEARLY_RISK * np.exp(0.7 * seen - 0.7**2 / 2)
    years: np.ndarray = np.arange(1, 6)
    return np.asarray(1 - np.exp(-hazard[:, None] * years))


def write_programme(folder: Path, n_women: int = N_WOMEN, *, seed: int = 1) -> list[str]:
    """outcomes.csv and four prediction files; returns the values of --predictions."""
    folder.mkdir(parents=True, exist_ok=True)
    table, latent = outcomes_table(n_women, seed=seed)
    table.to_csv(folder / "outcomes.csv", index=False)
    arguments = []
    for number, (noise, bias) in enumerate([(1.0, 1.0), (1.4, 1.6), (2.0, 0.7)]):
        risks = model_risks(latent, noise=noise, seed=seed + number, bias=bias)
        columns = {f"{year + 1}_year_risk": np.round(risks[:, year], 8) for year in range(5)}
        name = f"vendor_{'abc'[number]}"
        pd.DataFrame({"exam_id": table["exam_id"], **columns}).to_csv(folder / f"{name}.csv", index=False)
        arguments.append(f"{name}={folder / f'{name}.csv'}")
    rng = np.random.default_rng([seed, 99])
    score = latent + 2.5 * rng.normal(size=n_women)
    pd.DataFrame({"exam_id": table["exam_id"], "score": np.round(score, 6)}).to_csv(
        folder / "vendor_d.csv", index=False
    )
    return [*arguments, f"vendor_d={folder / 'vendor_d.csv'}"]
