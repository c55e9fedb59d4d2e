"""Bootstrap by woman or by matched set: the units that are independent, never their single rows.

In: the unit of each row, a statistic of row multiplicities, a seed. Out: replicates and percentile limits.
A resample is a vector of multiplicities, how often each row was drawn; statistics that can use
multiplicities (weighted means, weighted ranks) are computed without copying rows, many resamples at a time.
[Efron1993]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

from forescreen.errors import InputError, TooFewEventsError
from forescreen.progress import Track, silent

from .rows import label_codes, same_rows

#: Multiplicities held at once: 2¹⁹ doubles are 4 MiB, near the cache.
_CHUNK_ENTRIES = 1 << 19

#: Percentiles mean little when a statistic is undefined in many resamples.
_DEFINED_SHARE = 0.95


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """Replicates of a statistic, with percentile limits and the standard deviation of the replicates."""

    replicates: Float[np.ndarray, "resample"]
    lower: float
    upper: float
    standard_error: float
    n_units: int
    n_undefined: int  # resamples in which the statistic was not a finite number
    level: float


def bootstrap(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample"]],
    units: Shaped[np.ndarray, "row"],
    *,
    seed: int | np.random.Generator,
    strata: Shaped[np.ndarray, "row"] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    track: Track = silent,
) -> Bootstrap:
    """Percentile bootstrap of a statistic, drawing whole units with replacement.

    units: woman or matched set of each row; all rows of a drawn unit are drawn.
    strata: label of each row, constant within a unit; every stratum keeps its number of units (case types).
    statistic: takes multiplicities [resample, row], returns one number per resample, nan where undefined.
    Compare two scores with one statistic that returns their difference: both then see the same resamples.

    Raises InputError when a unit lies in two strata; TooFewEventsError with fewer than 2 units, or when the
    statistic is undefined in more than 5 % of the resamples.
    """
    codes = label_codes(units, "unit")
    n_units = int(codes.max()) + 1 if codes.size else 0
    if n_units < 2:
        raise TooFewEventsError("a bootstrap", found=n_units, needed=2, where="units")
    if n_resamples < 2:
        raise InputError(expected="at least 2 resamples", found=str(n_resamples), where="n_resamples")
    generator = np.random.default_rng(seed)
    stratum_of_unit = _unit_strata(codes, n_units, strata)
    chunk = max(1, _CHUNK_ENTRIES // max(codes.size, 1))
    pieces = [
        np.asarray(statistic(counts[:, codes].astype(np.float64)), dtype=np.float64)
        for counts in track(
            unit_multiplicities(stratum_of_unit, n_resamples, chunk, generator),
            "bootstrap",
            -(-n_resamples // chunk),
        )
    ]
    replicates = np.concatenate(pieces)
    defined = replicates[np.isfinite(replicates)]
    if defined.size < _DEFINED_SHARE * n_resamples:
        raise TooFewEventsError(
            "a bootstrap (resamples in which the statistic is defined)",
            found=int(defined.size),
            needed=int(np.ceil(_DEFINED_SHARE * n_resamples)),
        )
    lower, upper = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Bootstrap(
        replicates=replicates,
        lower=float(lower),
        upper=float(upper),
        standard_error=float(np.std(defined, ddof=1)),
        n_units=n_units,
        n_undefined=n_resamples - int(defined.size),
        level=level,
    )


def unit_multiplicities(
    strata: Int[np.ndarray, "unit"], n_resamples: int, chunk: int, generator: np.random.Generator
) -> Iterator[Int[np.ndarray, "resample unit"]]:
    """How often each unit is drawn, in chunks of resamples; each stratum keeps its number of units.

    The draws of one resample do not depend on `chunk`: the same seed gives the same resamples.
    """
    n_units = strata.size
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for start in range(0, n_resamples, chunk):
        counts = np.zeros((min(chunk, n_resamples - start), n_units), dtype=np.int64)
        for row in counts:
            for units in members:
                drawn = generator.integers(0, units.size, size=units.size)
                row[units] = np.bincount(drawn, minlength=units.size)
        yield counts


def _unit_strata(
    codes: Int[np.ndarray, "row"], n_units: int, strata: Shaped[np.ndarray, "row"] | None
) -> Int[np.ndarray, "unit"]:
    if strata is None:
        return np.zeros(n_units, dtype=np.int64)
    same_rows(codes.size, strata, "strata")
    stratum_of_row = label_codes(strata, "stratum")
    stratum_of_unit = np.zeros(n_units, dtype=np.int64)
    stratum_of_unit[codes] = stratum_of_row
    n_torn = int(np.count_nonzero(stratum_of_unit[codes] != stratum_of_row))
    if n_torn:
        raise InputError(
            expected="one stratum per unit",
            found=f"{n_torn} rows in another stratum than the rest of their unit",
            where="strata",
            remedy="Stratify by a property of the woman or set, not of the row",
        )
    return stratum_of_unit
