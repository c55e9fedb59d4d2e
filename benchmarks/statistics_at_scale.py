"""Estimators at the size of a national programme: seconds, medians within one run.

JSON: DeLong on 1 000 000 rows; AUC(t), Harrell's and Uno's C on 112 621 rows with censoring and ties.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.programme import model_risks, outcomes_table
from forescreen.statistics.concordance import harrell_c, uno_c
from forescreen.statistics.discrimination import auc
from forescreen.statistics.time_auc import cumulative_dynamic_auc


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def main() -> None:
    rng = np.random.default_rng(1)
    case = rng.random(1_000_000) < 0.01
    score = np.round(rng.normal(size=case.size) + 0.8 * case, 4)
    table, latent = outcomes_table()
    risk = np.round(model_risks(latent, noise=1.0, seed=1)[:, 4], 6)
    years = table["time_years"].to_numpy(float)
    event = (table["outcome"] != "none").to_numpy().astype(np.int64)
    print(
        json.dumps(
            {
                "delong_1e6_seconds": seconds(lambda: auc(score, case)),
                "time_auc_seconds": seconds(lambda: cumulative_dynamic_auc(risk, years, event, horizon=5)),
                "harrell_seconds": seconds(lambda: harrell_c(risk, years, event, horizon=5)),
                "uno_seconds": seconds(lambda: uno_c(risk, years, event, horizon=5)),
            }
        )
    )


if __name__ == "__main__":
    main()
