"""Exact conditional logistic regression of 20 000 sets 1:3 × 10 covariates on one core, beside statsmodels.

JSON: {"seconds", "statsmodels_seconds", "statsmodels_over_forescreen", "largest_difference"}. statsmodels
(BSD-3) is needed for the ratio: `pip install -c constraints.txt -e ".[bench]"`; `make bench` does it.
"""

from __future__ import annotations

import json
import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # one core; read when numpy is loaded

import statistics  # noqa: E402
import time  # noqa: E402

import numpy as np  # noqa: E402

from forescreen.statistics.association import conditional_logistic  # noqa: E402

N_SETS, N_CONTROLS, N_COVARIATES = 20_000, 3, 10


def sets(seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Covariates, case marks and set labels with a set effect; the case drawn by its odds."""
    rng = np.random.default_rng(seed)
    beta = np.linspace(-0.4, 0.5, N_COVARIATES)
    shape = (N_SETS, N_CONTROLS + 1, N_COVARIATES)
    X = rng.normal(size=shape) + rng.normal(size=(N_SETS, 1, N_COVARIATES))
    gumbel = rng.gumbel(size=shape[:2]) + X @ beta
    case = gumbel == gumbel.max(axis=1, keepdims=True)
    return X.reshape(-1, N_COVARIATES), case.ravel(), np.repeat(np.arange(N_SETS), N_CONTROLS + 1)


def main(repeats: int = 5) -> None:
    X, case, label = sets()
    names = tuple(f"x{i}" for i in range(N_COVARIATES))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        fit = conditional_logistic(X, case, sets=label, names=names)
        seconds.append(time.perf_counter() - started)
    median = statistics.median(seconds)
    result: dict[str, float] = {"seconds": median, "sets_per_s": N_SETS / median}
    try:
        from statsmodels.duration.hazard_regression import PHReg
    except ImportError:
        print(json.dumps(result))
        return
    started = time.perf_counter()
    theirs = PHReg(np.ones(len(case)), X, status=case.astype(int), strata=label, ties="breslow").fit(disp=0)
    other = time.perf_counter() - started
    result |= {
        "statsmodels_seconds": other,
        "statsmodels_over_forescreen": other / median,
        "largest_difference": float(np.max(np.abs(theirs.params - fit.coefficients))),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
