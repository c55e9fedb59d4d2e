"""Five-year risks of a million women by iCARE-Lit on one core: all factors known, or a tenth unknown.

JSON: {"seconds", "women_per_s", "unknown_seconds", "mean_risk"}; processor seconds, medians. Women aged 35 to
75, fractional ages; of an eighth the interval crosses 50.
"""

from __future__ import annotations

import json
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # one core; read when numpy is loaded

import statistics  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from forescreen.clinical.icare_lit import ICARE_LIT  # noqa: E402
from forescreen.clinical.women import Women  # noqa: E402

N_WOMEN = 1_000_000
YEARS = 5.0


def women(unknown: float, seed: int = 1) -> Women:
    """Women with every factor, a share of the cells unknown."""
    rng = np.random.default_rng(seed)

    def number(values: np.ndarray) -> np.ndarray:
        return np.where(rng.random(N_WOMEN) < unknown, np.nan, values)

    def level(n_levels: int) -> np.ndarray:
        return np.where(rng.random(N_WOMEN) < unknown, -1, rng.integers(0, n_levels, N_WOMEN)).astype(np.int8)

    parity = rng.integers(0, 5, N_WOMEN).astype(float)
    return Women(
        n=N_WOMEN,
        values={
            "age": rng.uniform(35, 75, N_WOMEN),
            "menarche_age": number(rng.normal(13, 1.5, N_WOMEN).clip(8, 20)),
            "parity": number(parity),
            "first_birth_age": number(np.where(parity > 0, rng.uniform(17, 40, N_WOMEN), np.nan)),
            "oral_contraceptive": level(3),
            "alcohol_g_per_day": number(rng.exponential(6, N_WOMEN)),
            "benign_breast_disease": level(2),
            "n_relatives": number(rng.integers(0, 3, N_WOMEN).astype(float)),
            "height_cm": number(rng.normal(163, 6, N_WOMEN).clip(130, 200)),
            "bmi": number(rng.normal(27, 5, N_WOMEN).clip(15, 60)),
            "menopause_age": number(rng.uniform(38, 57, N_WOMEN)),
            "hormone_therapy": level(3),
            "hormone_therapy_type": level(2),
        },
    )


def main(repeats: int = 3) -> None:
    medians = []
    for unknown in (0.0, 0.1):
        given = women(unknown)
        seconds = []
        for _ in range(repeats):
            started = time.process_time()
            found = ICARE_LIT.assess(given, YEARS)
            seconds.append(time.process_time() - started)
        assert np.isfinite(found.risk).all()
        medians.append(statistics.median(seconds))
    result = {"seconds": medians[0], "women_per_s": N_WOMEN / medians[0], "unknown_seconds": medians[1]}
    print(json.dumps(result | {"mean_risk": float(found.risk.mean())}))


if __name__ == "__main__":
    main()
