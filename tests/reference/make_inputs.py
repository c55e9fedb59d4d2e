"""Small made-up tables on which R and forescreen are compared.

`python -m tests.reference.make_inputs` writes them. They are ours (Apache-2.0), full of ties on purpose, and
committed, so that the comparison runs everywhere.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent / "inputs"


def matched(seed: int, shapes: list[tuple[int, int]], n_sets: int) -> pd.DataFrame:
    """Sets of (cases, controls) in turn; two covariates, one of them binary, one score with ties."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(n_sets):
        cases, controls = shapes[number % len(shapes)]
        level = rng.normal()
        for j in range(cases + controls):
            case = j < cases
            rows.append(
                {
                    "set": number + 1,
                    "case": int(case),
                    "type": ("screen", "interval")[number % 3 == 0],
                    "x1": round(float(rng.normal() + 0.6 * case + level), 2),
                    "x2": int(rng.random() < 0.3 + 0.15 * case),
                    "score": round(float(rng.normal() + 0.5 * case + level), 1),
                }
            )
    return pd.DataFrame(rows)


def follow_up(seed: int, n: int) -> pd.DataFrame:
    """Times in tenths of a year (ties), event 0, 1, 2, risks of two models by three horizons."""
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=n), rng.normal(size=n)
    hazard = 0.12 * np.exp(0.8 * x1 + 0.4 * x2)
    first, second = rng.exponential(1 / hazard), rng.exponential(12, n)
    censoring = rng.uniform(0.5, 9, n)
    time = np.minimum(np.minimum(first, second), censoring)
    event = np.where(first <= np.minimum(second, censoring), 1, np.where(second <= censoring, 2, 0))
    table = pd.DataFrame(
        {
            "time": np.round(np.maximum(time, 0.1), 1),
            "event": event,
            "x1": np.round(x1, 2),
            "x2": np.round(x2, 2),
            "score": np.round(0.8 * x1 + 0.4 * x2 + 0.5 * rng.normal(size=n), 1),
            "woman": rng.integers(0, int(0.8 * n), n) + 1,
        }
    )
    for years in (2, 4, 6):
        table[f"risk_{years}"] = np.round(1 - np.exp(-0.12 * years * np.exp(0.6 * x1)), 4)
        table[f"other_{years}"] = np.round(1 - np.exp(-0.10 * years * np.exp(0.5 * x2)), 4)
    return table


def binary(seed: int, n: int) -> pd.DataFrame:
    """Case marks, two scores with ties, two sets of risks, two readings of the same women."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=n)
    p = 1 / (1 + np.exp(-(-1.6 + 1.1 * latent)))
    case = (rng.random(n) < p).astype(int)
    return pd.DataFrame(
        {
            "case": case,
            "score_a": np.round(latent + 0.6 * rng.normal(size=n), 1),
            "score_b": np.round(latent + 1.2 * rng.normal(size=n), 1),
            "risk": np.round(1 / (1 + np.exp(-(-1.9 + 1.4 * latent + 0.4 * rng.normal(size=n)))), 5),
            "other": np.round(1 / (1 + np.exp(-(-1.5 + 0.6 * latent + 0.8 * rng.normal(size=n)))), 5),
            "reader_a": (latent + rng.normal(size=n) > 0.6).astype(int),
            "reader_b": (latent + rng.normal(size=n) > 0.9).astype(int),
        }
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    tables = {
        "one_to_many": matched(11, [(1, 1), (1, 2), (1, 4)], 90),
        "many_to_many": matched(12, [(2, 3), (1, 4), (3, 3)], 60),
        "follow_up": follow_up(13, 220),
        "binary": binary(14, 400),
    }
    for name, table in tables.items():
        table.to_csv(FOLDER / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
