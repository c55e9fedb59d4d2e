"""Coverage of the 95 % intervals that have no reference program: `make accuracy` runs it.

Each row simulates data with a known truth many times and counts how often the interval holds it; the limit is
95 % ± 1.5. Writes out/coverage/results.json. No benchmark of speed: it lives here because it takes minutes.
`python -m benchmarks.coverage 200` is a quick look.
"""

from __future__ import annotations

import json
import math
import os
import sys
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import special

from forescreen.records import Estimate
from forescreen.statistics.calibration import observed_expected
from forescreen.statistics.discrimination import auc, case_type_auc_difference
from forescreen.statistics.head_to_head import Capture, head_to_head
from forescreen.statistics.matched import matched_concordance, matched_concordance_difference
from forescreen.statistics.time_auc import cumulative_dynamic_auc
from forescreen.statistics.triage import capture

ROOT = Path(__file__).resolve().parents[1]
N_REPLICATIONS = 4000
ALLOWED = 1.5  # percentage points

Simulate = Callable[[np.random.Generator], Estimate]


@dataclass(frozen=True)
class Interval:
    """One interval under test: what it is of, its truth, and how data and estimate are made."""

    name: str
    design: str
    truth: float
    simulate: Simulate


def phi(x: float) -> float:
    return float(special.ndtr(x))


def matched_sets(rng: np.random.Generator, n_sets: int, m: int, shift: float) -> tuple[np.ndarray, ...]:
    """Scores of 1:m sets with a strong effect of the matching, case marks, labels."""
    level = rng.normal(size=(n_sets, 1))
    case = np.zeros((n_sets, m + 1), dtype=bool)
    case[:, 0] = True
    score = level + rng.normal(size=(n_sets, m + 1)) + shift * case
    return score.ravel(), case.ravel(), np.repeat(np.arange(n_sets), m + 1)


def matched_c(n_sets: int, m: int, shift: float) -> Simulate:
    def simulate(rng: np.random.Generator) -> Estimate:
        score, case, sets = matched_sets(rng, n_sets, m, shift)
        return matched_concordance(score, case, sets=sets)

    return simulate


def controls_used_again(rng: np.random.Generator) -> Estimate:
    """200 sets whose 400 controls are 150 women: a woman stands in two or three sets."""
    n_sets, m, pool = 200, 2, 150
    control = rng.normal(size=pool)
    chosen = np.array([rng.choice(pool, m, replace=False) for _ in range(n_sets)])
    score = np.column_stack([rng.normal(size=n_sets) + 0.6, control[chosen]])
    women = np.column_stack([pool + np.arange(n_sets), chosen])
    case = np.zeros((n_sets, m + 1), dtype=bool)
    case[:, 0] = True
    sets = np.repeat(np.arange(n_sets), m + 1)
    return matched_concordance(score.ravel(), case.ravel(), sets=sets, cluster=women.ravel())


def matched_difference(rng: np.random.Generator) -> Estimate:
    score, case, sets = matched_sets(rng, 200, 2, 0.6)
    other = score + rng.normal(size=score.size) * 0.8
    other = other + 0.6 * (math.hypot(1, 0.8) - 1) * case  # the same separation per standard deviation
    return matched_concordance_difference(score, other, case, sets=sets)


def two_breasts(rng: np.random.Generator) -> Estimate:
    """Two rows a woman, correlated; a cancer in one breast of some women."""
    n = 400
    case = np.zeros((n, 2), dtype=bool)
    case[np.arange(n), rng.integers(0, 2, n)] = rng.random(n) < 0.25
    score = math.sqrt(0.6) * rng.normal(size=(n, 1)) + math.sqrt(0.4) * rng.normal(size=(n, 2)) + 0.8 * case
    return auc(score.ravel(), case.ravel(), cluster=np.repeat(np.arange(n), 2))


def rounds_of_screening(rng: np.random.Generator) -> Estimate:
    """One to four exams a woman, all of them before her cancer if she has one."""
    n = 600
    exams = rng.integers(1, 5, n)
    woman = np.repeat(np.arange(n), exams)
    ill = rng.random(n) < 0.1
    trait = rng.normal(size=n)
    score = math.sqrt(0.7) * trait[woman] + math.sqrt(0.3) * rng.normal(size=woman.size) + 0.8 * ill[woman]
    return auc(score, ill[woman], cluster=woman)


def shared_controls(rng: np.random.Generator) -> Estimate:
    """Two kinds of cases against the same controls, equally well separated."""
    kind = np.repeat([0, 1, 2], [300, 60, 40])
    score = rng.normal(size=kind.size) + 0.7 * (kind > 0)
    return case_type_auc_difference(score, score, case_a=kind == 1, case_b=kind == 2)


def oe_counts(rng: np.random.Generator) -> Estimate:
    risk = 0.02 * np.exp(0.8 * rng.normal(size=2500) - 0.32)
    risk = np.minimum(risk, 0.9)
    return observed_expected(risk, rng.random(risk.size) < risk)


def oe_women(rng: np.random.Generator) -> Estimate:
    """Three exams a woman share her outcome: the count of exams is far from Poisson."""
    n = 3000
    risk = np.minimum(0.02 * np.exp(0.8 * rng.normal(size=n) - 0.32), 0.9)
    ill = rng.random(n) < risk
    woman = np.repeat(np.arange(n), 3)
    return observed_expected(risk[woman], ill[woman], cluster=woman)


def oe_case_cohort(rng: np.random.Generator) -> Estimate:
    """All cancers and a tenth of the others, weighted."""
    n = 20_000
    risk = np.minimum(0.01 * np.exp(0.8 * rng.normal(size=n) - 0.32), 0.9)
    ill = rng.random(n) < risk
    kept = ill | (rng.random(n) < 0.1)
    weights = np.where(ill, 1.0, 10.0)[kept]
    return observed_expected(risk[kept], ill[kept], weights=weights, cluster=np.arange(int(kept.sum())))


#: Population of the captures: a share of cancers whose scores lie higher by one.
CANCERS, SHIFT, TOP = 0.03, 1.0, 0.10


def top_threshold() -> float:
    from scipy import optimize

    def above(q: float) -> float:
        return (1 - CANCERS) * phi(-q) + CANCERS * phi(SHIFT - q) - TOP

    return float(optimize.brentq(above, 0, 5))


def capture_plain(rng: np.random.Generator) -> Estimate:
    case = rng.random(4000) < CANCERS
    return capture(rng.normal(size=case.size) + SHIFT * case, case, fraction=TOP)


def capture_of_women(rng: np.random.Generator) -> Estimate:
    """Two exams a woman with a shared part, percentile bootstrap of women."""
    n = 2500
    ill = rng.random(n) < CANCERS
    woman = np.repeat(np.arange(n), 2)
    score = math.sqrt(0.6) * rng.normal(size=n)[woman] + math.sqrt(0.4) * rng.normal(size=2 * n)
    score = score + SHIFT * ill[woman]
    metric = Capture(TOP)
    compared = head_to_head(
        score[None, :],
        ill[woman],
        units=woman,
        metrics=(metric,),
        seed=int(rng.integers(1 << 31)),
        n_resamples=400,
    )
    return compared.estimate(0, metric)


#: Cohort of the time-dependent AUC.
HAZARD, SLOPE, HORIZON = 0.03, 0.8, 3.0


def timed_truth() -> float:
    """AUC at the horizon by numerical integration over the normal score."""
    z = np.linspace(-9, 9, 20_001)
    weight = np.exp(-z * z / 2)
    risk = 1 - np.exp(-HAZARD * HORIZON * np.exp(SLOPE * z))
    cases, controls = weight * risk, weight * (1 - risk)
    below = np.cumsum(controls) - 0.5 * controls
    return float(np.sum(cases * below) / (cases.sum() * controls.sum()))


def timed_auc(rng: np.random.Generator) -> Estimate:
    """Censoring from the first year on; two exams of some women."""
    n = 1200
    z = rng.normal(size=n)
    event = rng.exponential(1 / (HAZARD * np.exp(SLOPE * z)))
    censored = rng.uniform(0.5, 6, n)
    return cumulative_dynamic_auc(
        z, np.minimum(event, censored), (event <= censored).astype(np.int64), horizon=HORIZON
    )


def intervals() -> tuple[Interval, ...]:
    c = phi(0.6 / math.sqrt(2))
    captured = phi(SHIFT - top_threshold())
    return (
        Interval("matched concordance", "300 sets 1:1, Wald", c, matched_c(300, 1, 0.6)),
        Interval("matched concordance", "300 sets 1:4, Wald", c, matched_c(300, 4, 0.6)),
        Interval("matched concordance", "40 sets 1:2, logit-Wald", c, matched_c(40, 2, 0.6)),
        Interval(
            "matched concordance",
            "150 sets 1:2, C 0.90, logit-Wald",
            phi(1.8 / math.sqrt(2)),
            matched_c(150, 2, 1.8),
        ),
        Interval("matched concordance by woman", "200 sets 1:2, controls used again", c, controls_used_again),
        Interval("difference of matched concordances", "200 sets 1:2, paired", 0.0, matched_difference),
        Interval("AUC by woman", "400 women, two breasts each", phi(0.8 / math.sqrt(2)), two_breasts),
        Interval("AUC by woman", "600 women, 1–4 exams", phi(0.8 / math.sqrt(2)), rounds_of_screening),
        Interval("difference of AUC by type of case", "shared controls", 0.0, shared_controls),
        Interval("time-dependent AUC", "1 200 women, censored from 0.5 years", timed_truth(), timed_auc),
        Interval("O/E", "2 500 women, exact Poisson", 1.0, oe_counts),
        Interval("O/E by woman", "3 000 women, 3 exams each", 1.0, oe_women),
        Interval("O/E weighted", "case–cohort, a tenth of the non-cases", 1.0, oe_case_cohort),
        Interval("capture", "4 000 women, top 10 %, Wilson", captured, capture_plain),
        Interval("capture by woman", "2 500 women, 2 exams, bootstrap of women", captured, capture_of_women),
    )


def covered(number: int, seeds: range) -> tuple[int, int, float]:
    """How many intervals hold the truth, how many were made, sum of the values."""
    row = intervals()[number]
    stream = zlib.crc32(f"{row.name}, {row.design}".encode())  # a new row leaves the others as they were
    held, made, total = 0, 0, 0.0
    for seed in seeds:
        found = row.simulate(np.random.default_rng([stream, seed]))
        held += found.lower <= row.truth <= found.upper
        made += 1
        total += found.value
    return held, made, total


def main(n_replications: int = N_REPLICATIONS) -> int:
    cores = len(os.sched_getaffinity(0))
    results = []
    failed = False
    with ProcessPoolExecutor(cores) as pool:
        for number, row in enumerate(intervals()):
            step = -(-n_replications // (4 * cores))
            parts = [
                pool.submit(covered, number, range(start, min(start + step, n_replications)))
                for start in range(0, n_replications, step)
            ]
            held, made, total = (sum(x) for x in zip(*(p.result() for p in parts), strict=True))
            share = 100 * held / made
            failed |= abs(share - 95) > ALLOWED
            results.append(
                {
                    "name": row.name,
                    "design": row.design,
                    "truth": row.truth,
                    "mean": total / made,
                    "coverage_percent": share,
                    "replications": made,
                }
            )
            print(json.dumps(results[-1]), flush=True)
    if n_replications >= 2000:
        out = ROOT / "out" / "coverage"
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else N_REPLICATIONS))
