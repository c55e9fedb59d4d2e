"""Cohorts under follow-up, and prediction files of several models, with a planted order of the models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd


def build_cohort(n_women: int = 1500, *, seed: int = 1, exams_per_woman: int = 1) -> pd.DataFrame:
    """Outcomes of a screening cohort with censoring; `latent` is the log hazard ratio (no model sees it)."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n_women)
    hazard = 0.02 * np.exp(latent)
    event = rng.exponential(1 / hazard)
    follow_up = rng.uniform(1.5, 6.5, n_women)
    ill = event <= follow_up
    kind = np.where(rng.random(n_women) < 0.35, "interval", "screen-detected")
    rows = []
    for i in range(n_women):
        for visit in range(exams_per_woman):
            rows.append(
                {
                    "exam_id": f"E{i:05d}-{visit}",
                    "woman_id": f"W{i:05d}",
                    "outcome": kind[i] if ill[i] else "none",
                    "time_years": round(float(min(event[i], follow_up[i])) + 0.001, 3),
                    "age": 50.0 + i % 20,
                    "density": "abcd"[i % 4],
                    "machine": ("alpha", "beta")[i % 2],
                    "latent": latent[i],
                }
            )
    return pd.DataFrame(rows)


def yearly_risks(cohort: pd.DataFrame, *, noise: float, seed: int = 7, factor: float = 1.0) -> pd.DataFrame:
    """1- to 5-year risks of a model that sees the latent hazard through noise, times `factor`."""
    rng = np.random.default_rng(seed)
    seen = (cohort["latent"].to_numpy() + noise * rng.normal(size=len(cohort))) / np.hypot(1, noise)
    hazard = factor * 0.02 * np.exp(0.8 * seen)
    risks = 1 - np.exp(-hazard[:, None] * np.arange(1, 6))
    columns = {f"{year}_year_risk": risks[:, year - 1] for year in range(1, 6)}
    return pd.DataFrame({"exam_id": cohort["exam_id"], **columns})


def write_tables(folder: Path, **tables: pd.DataFrame) -> dict[str, Path]:
    """Every table as `name.csv`; columns called latent are kept to ourselves."""
    paths = {}
    for name, table in tables.items():
        paths[name] = folder / f"{name}.csv"
        table.drop(columns="latent", errors="ignore").to_csv(paths[name], index=False)
    return paths


def registry_tables(folder: Path, *, n_women: int = 400, seed: int = 3) -> Sequence[str]:
    """A small registry with two screening rounds; returns the exam_ids of negative screens."""
    rng = np.random.default_rng(seed)
    women, exams, cancers = [], [], []
    for i in range(n_women):
        woman = f"W{i:04d}"
        women.append(
            {"woman_id": woman, "birth_date": "1955-06-01", "death_date": "", "follow_up_end": "2019-12-31"}
        )
        ill = rng.random() < 0.12
        found_by_screen = rng.random() < 0.6
        for number, date in enumerate(("2012-03-01", "2014-03-01")):
            positive = ill and found_by_screen and number == 1
            exams.append(
                {
                    "exam_id": f"{woman}-{number}",
                    "woman_id": woman,
                    "exam_date": date,
                    "purpose": "screening",
                    "assessment": "4" if positive else "1",
                    "machine": "alpha",
                }
            )
        if ill:
            cancers.append(
                {
                    "woman_id": woman,
                    "diagnosis_date": "2014-03-20" if found_by_screen else "2014-11-01",
                    "behaviour": "invasive",
                }
            )
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("women", women), ("exams", exams), ("cancers", cancers)):
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    return [e["exam_id"] for e in exams if e["assessment"] == "1"]
