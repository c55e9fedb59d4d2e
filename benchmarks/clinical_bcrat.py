"""Five-year risks of a million women by BCRAT on one core: women in memory, and from a file of BCRA columns.

JSON: {"seconds", "women_per_s", "frame_seconds", "mean_risk"}; processor seconds, medians. Women of all 11
groups aged 35 to 85, a tenth of the factors unknown.
"""

from __future__ import annotations

import json
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # one core; read when numpy is loaded

import statistics  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

from forescreen.clinical.bcra_frame import bcra_frame, read_bcra_frame  # noqa: E402
from forescreen.clinical.bcrat import BCRAT  # noqa: E402

N_WOMEN = 1_000_000


def frame(seed: int = 1) -> pd.DataFrame:
    """Rows of BCRA's nine columns, all valid."""
    rng = np.random.default_rng(seed)

    def some(values: list[int]) -> np.ndarray:
        return np.where(rng.random(N_WOMEN) < 0.1, 99, rng.choice(values, N_WOMEN))

    start = np.round(rng.uniform(35, 85, N_WOMEN), 2)
    biopsies = some([0, 0, 0, 1, 2])
    return pd.DataFrame(
        {
            "ID": np.arange(N_WOMEN),
            "T1": start,
            "T2": start + 5,
            "N_Biop": biopsies,
            "HypPlas": np.where(np.isin(biopsies, (0, 99)), 99, some([0, 1])),
            "AgeMen": some([10, 11, 12, 13, 14, 15]),
            "Age1st": some([18, 22, 27, 33, 98]),
            "N_Rels": some([0, 0, 1, 2]),
            "Race": rng.integers(1, 12, N_WOMEN),
        }
    )


def main(repeats: int = 5) -> None:
    table = frame()
    given = bcra_frame(table)
    seconds = []
    for _ in range(repeats):
        started = time.process_time()
        found = BCRAT.assess(given.women, given.horizon_years)
        seconds.append(time.process_time() - started)
    assert np.isfinite(found.risk).all()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "frame.csv"
        table.to_csv(path, index=False)
        started = time.process_time()
        again = read_bcra_frame(path)
        BCRAT.assess(again.women, again.horizon_years)
        frame_seconds = time.process_time() - started
    median = statistics.median(seconds)
    result = {"seconds": median, "women_per_s": N_WOMEN / median, "frame_seconds": frame_seconds}
    print(json.dumps(result | {"mean_risk": float(found.risk.mean())}))


if __name__ == "__main__":
    main()
