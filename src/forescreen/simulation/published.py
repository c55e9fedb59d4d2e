"""Published numbers that the simulated registry is tuned to, each file with its source in line one.

The files lie in `forescreen/simulation/tables`. They hold aggregates of screening populations and
coefficients of risk models, no data of any woman.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

import numpy as np
import pandas as pd
from jaxtyping import Float

SOURCE_MARK = "# source: "


@lru_cache(maxsize=32)
def published_table(name: str) -> pd.DataFrame:
    """The rows of `tables/<name>.csv`. Shared between callers: do not change it."""
    with (files("forescreen.simulation") / "tables" / f"{name}.csv").open(encoding="utf-8") as stream:
        return pd.read_csv(stream, comment="#")


def source_of(name: str) -> str:
    """Where the numbers of `tables/<name>.csv` were published."""
    first = (files("forescreen.simulation") / "tables" / f"{name}.csv").read_text("utf-8").split("\n", 1)[0]
    return first.removeprefix(SOURCE_MARK)


def published_shares(factor: str) -> dict[str, float]:
    """Share (0..1) of screening exams at each level of `factor` [Kerlikowske2019], as printed."""
    table = published_table("screens")
    rows = table[table["factor"] == factor]
    return {
        str(level): float(share) / 100 for level, share in zip(rows["level"], rows["percent"], strict=True)
    }


def incidence_at(age_years: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Invasive breast cancers per woman and year at each age [SEER2024].

    Linear between the middles of the five-year bands, constant outside the first and last.
    """
    table = published_table("incidence")
    middle = (table["age_from"].to_numpy() + table["age_to"].to_numpy()) / 2
    return np.asarray(np.interp(age_years, middle, table["rate_per_100000"].to_numpy() / 1e5))


def exam_ages() -> tuple[Float[np.ndarray, " year"], Float[np.ndarray, " year"]]:
    """Ages 40.5 .. 74.5 and the share of screening exams at each [Kerlikowske2019].

    The four published bands, made smooth within by linear interpolation of their densities.
    """
    bands = published_shares("age")
    starts = np.array([float(age) for age in bands])
    ends = np.append(starts[1:], 75.0)
    ages = np.arange(40.5, 75.0)
    share = np.zeros_like(ages)
    level = np.interp(ages, (starts + ends) / 2, np.array(list(bands.values())) / (ends - starts))
    for start, end, total in zip(starts, ends, bands.values(), strict=True):
        inside = (ages >= start) & (ages < end)
        share[inside] = level[inside] * total / level[inside].sum()
    return ages, share / share.sum()
