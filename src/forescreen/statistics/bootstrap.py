"""Bootstrap by woman or by matched set: the units that are independent, never their single rows.

In: the unit of each row, a statistic of row multiplicities, a seed. Out: replicates with percentile or BCa
limits. A resample is a vector of multiplicities, how often each row was drawn; statistics that can use
multiplicities (weighted means, weighted ranks) are computed without copying rows, many resamples at a time.
Every resample has its own seed, spawned from the one that is given: neither the size of the blocks nor the
number of threads changes a resample, and the first hundred of a thousand are the hundred. [Efron1993]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import special

from forescreen.errors import InputError, TooFewEventsError
from forescreen.progress import Track, silent

from .rows import label_codes, same_rows

T = TypeVar("T")

#: Multiplicities held at once: 2¹⁹ doubles are 4 MiB, near the cache.
_CHUNK_ENTRIES = 1 << 19

#: Percentiles mean little when a statistic is undefined in many resamples.
_DEFINED_SHARE = 0.95

#: A stratum with more units than this is jackknifed in as many groups of units.
_JACKKNIFE_GROUPS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class Bootstrap:
    """Replicates of a statistic, with confidence limits and the standard deviation of the replicates."""

    replicates: Float[np.ndarray, "resample"]
    lower: float
    upper: float
    standard_error: float
    n_units: int
    n_undefined: int  # resamples in which the statistic was not a finite number
    level: float
    method: str = "percentile"


@dataclass(frozen=True, kw_only=True, eq=False)
class BcaBootstrap(Bootstrap):
    """The same with limits corrected for bias and acceleration, and the two corrections."""

    value: float  # of the data themselves
    bias: float  # z0: normal quantile of the share of replicates below the value
    acceleration: float  # a: change of the standard error with the quantity, from the jackknife


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Independent units of the rows, numbered so that the units of one stratum follow each other."""

    of_row: Int[np.ndarray, "row"]
    stratum_sizes: tuple[int, ...]

    @property
    def n(self) -> int:
        """Number of units."""
        return sum(self.stratum_sizes)


def bootstrap(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample"]],
    units: Shaped[np.ndarray, "row"],
    *,
    seed: int | np.random.Generator,
    strata: Shaped[np.ndarray, "row"] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    threads: int = 1,
    track: Track = silent,
) -> Bootstrap:
    """Percentile bootstrap of a statistic, drawing whole units with replacement.

    units: woman or matched set of each row; all rows of a drawn unit are drawn.
    strata: label of each row, constant within a unit; every stratum keeps its number of units (case types).
    statistic: takes multiplicities [resample, row], returns one number per resample, nan where undefined.
    With `threads` above 1 it is called from several threads at once.
    Compare two scores with one statistic that returns their difference, or several quantities with
    `bootstrap_columns`: all then see the same resamples.

    Raises InputError when a unit lies in two strata; TooFewEventsError with fewer than 2 units, or when the
    statistic is undefined in more than 5 % of the resamples.
    """
    who = independent_units(units, strata)
    replicates = _replicates(statistic, who, seed, n_resamples, threads, track)
    return _percentile(replicates, who, level)


def bootstrap_columns(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample metric"]],
    units: Shaped[np.ndarray, "row"],
    *,
    seed: int | np.random.Generator,
    strata: Shaped[np.ndarray, "row"] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    threads: int = 1,
    track: Track = silent,
) -> tuple[Bootstrap, ...]:
    """Percentile bootstrap of several statistics on the same resamples, one result per column.

    statistic: takes multiplicities [resample, row], returns [resample, metric]. Otherwise as `bootstrap`.
    """
    who = independent_units(units, strata)
    replicates = _replicates(statistic, who, seed, n_resamples, threads, track)
    return tuple(_percentile(np.ascontiguousarray(column), who, level) for column in replicates.T)


def bootstrap_bca(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample"]],
    units: Shaped[np.ndarray, "row"],
    *,
    seed: int | np.random.Generator,
    strata: Shaped[np.ndarray, "row"] | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    threads: int = 1,
    track: Track = silent,
) -> BcaBootstrap:
    """Bootstrap with limits corrected for bias and acceleration (BCa) [Efron1987].

    The limits are the quantiles Φ(z0 + (z0 + z)/(1 − a(z0 + z))) of the replicates, z = ∓ 1.96 for 0.95. z0
    is the normal quantile of the share of replicates below the value of the data, ties one half. The
    acceleration is that of several samples [Davison1997, §5.3]: with the influence L of each unit in its
    stratum of n_h units, a = Σ (L/n_h)³ / (6 (Σ (L/n_h)²)^(3/2)). L is (n_h − 1)(mean − value without the
    unit), where the units that stay share the multiplicity of the one left out; beyond 500 units a stratum is
    jackknifed in 500 random groups of units, whose influence is the sum over the group. Strata of one unit
    have no influence.

    statistic: as in `bootstrap`, and defined for multiplicities that are not whole numbers. Otherwise and
    errors as `bootstrap`; InputError also when all replicates lie on one side of the value, or when the
    statistic is undefined for the data or for a unit left out.
    """
    who = independent_units(units, strata)
    replicates = _replicates(statistic, who, seed, n_resamples, threads, track)
    plain = _percentile(replicates, who, level)
    whole = np.asarray(statistic(np.ones((1, who.of_row.size))), dtype=np.float64)
    value = float(whole[0])
    defined = replicates[np.isfinite(replicates)]
    below = float(np.mean(defined < value) + 0.5 * np.mean(defined == value))
    if not (math.isfinite(value) and 0 < below < 1):
        raise InputError(
            expected="replicates on both sides of the value",
            found=f"{100 * below:g} % below {value:g}",
            where="BCa limits",
            remedy="Use percentile limits, or more resamples",
        )
    bias = float(special.ndtri(below))
    acceleration = _acceleration(statistic, who)
    tails = bias + special.ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    lower, upper = np.quantile(defined, special.ndtr(bias + tails / (1 - acceleration * tails)))
    return BcaBootstrap(
        replicates=replicates,
        lower=float(lower),
        upper=float(upper),
        standard_error=plain.standard_error,
        n_units=plain.n_units,
        n_undefined=plain.n_undefined,
        level=level,
        method="BCa",
        value=value,
        bias=bias,
        acceleration=acceleration,
    )


def percentile_limits(
    replicates: Float[np.ndarray, "resample"], level: float = 0.95
) -> tuple[float, float, float]:
    """Lower and upper percentile of the finite replicates, and their standard deviation.

    Raises TooFewEventsError when more than 5 % of the replicates are not finite.
    """
    defined = replicates[np.isfinite(replicates)]
    needed = math.ceil(_DEFINED_SHARE * replicates.size)
    if defined.size < needed:
        raise TooFewEventsError(
            "a bootstrap (resamples in which the statistic is defined)",
            found=int(defined.size),
            needed=needed,
        )
    if not 0 < level < 1:
        raise InputError(expected="a confidence level in (0, 1)", found=str(level), where="level")
    lower, upper = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper), float(np.std(defined, ddof=1))


def independent_units(
    units: Shaped[np.ndarray, "row"], strata: Shaped[np.ndarray, "row"] | None = None
) -> Units:
    """The units of the rows, by stratum. Numbers follow the sorted labels, not the order of the rows.

    Raises InputError when a unit lies in two strata, TooFewEventsError with fewer than 2 units.
    """
    codes = label_codes(units, "unit")
    n_units = int(codes.max()) + 1 if codes.size else 0
    if n_units < 2:
        raise TooFewEventsError("a bootstrap", found=n_units, needed=2, where="units")
    if strata is None:
        return Units(of_row=codes, stratum_sizes=(n_units,))
    stratum_of_unit = _unit_strata(codes, n_units, strata)
    place = np.empty(n_units, dtype=np.int64)
    place[np.argsort(stratum_of_unit, kind="stable")] = np.arange(n_units)
    sizes = tuple(int(n) for n in np.bincount(stratum_of_unit))
    return Units(of_row=place[codes], stratum_sizes=sizes)


def resample_seeds(seed: int | np.random.Generator, n_resamples: int) -> list[np.random.SeedSequence]:
    """One seed per resample; a generator gives other seeds each time it is asked."""
    if n_resamples < 2:
        raise InputError(expected="at least 2 resamples", found=str(n_resamples), where="n_resamples")
    source = np.random.default_rng(seed).bit_generator.seed_seq
    if not isinstance(source, np.random.SeedSequence):
        raise InputError(
            expected="a seed or a generator made from one", found=type(source).__name__, where="seed"
        )
    return source.spawn(n_resamples)


def unit_multiplicities(
    units: Units, seeds: Sequence[np.random.SeedSequence]
) -> Int[np.ndarray, "resample unit"]:
    """How often each unit is drawn, one resample per seed; each stratum keeps its number of units."""
    counts = np.empty((len(seeds), units.n), dtype=np.int64)
    for row, seed in zip(counts, seeds, strict=True):
        generator = np.random.Generator(np.random.PCG64(seed))
        start = 0
        for size in units.stratum_sizes:
            drawn = generator.integers(0, size, size=size)
            row[start : start + size] = np.bincount(drawn, minlength=size)
            start += size
    return counts


def in_blocks(
    evaluate: Callable[[Sequence[np.random.SeedSequence]], T],
    seeds: Sequence[np.random.SeedSequence],
    *,
    block: int,
    threads: int,
    track: Track,
) -> list[T]:
    """`evaluate` of each block of seeds, in their order, on as many threads as asked for."""
    if threads < 1:
        raise InputError(expected="at least one thread", found=str(threads), where="threads")
    blocks = [seeds[start : start + block] for start in range(0, len(seeds), block)]
    if threads == 1:
        return list(track(map(evaluate, blocks), "bootstrap", len(blocks)))
    with ThreadPoolExecutor(threads) as pool:
        return list(track(pool.map(evaluate, blocks), "bootstrap", len(blocks)))


def _replicates(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample ..."]],
    units: Units,
    seed: int | np.random.Generator,
    n_resamples: int,
    threads: int,
    track: Track,
) -> Float[np.ndarray, "resample ..."]:
    def evaluate(seeds: Sequence[np.random.SeedSequence]) -> Float[np.ndarray, "resample ..."]:
        counts = unit_multiplicities(units, seeds)
        return np.asarray(statistic(counts[:, units.of_row].astype(np.float64)), dtype=np.float64)

    seeds = resample_seeds(seed, n_resamples)
    block = max(1, _CHUNK_ENTRIES // units.of_row.size)
    return np.concatenate(in_blocks(evaluate, seeds, block=block, threads=threads, track=track))


def _percentile(replicates: Float[np.ndarray, "resample"], units: Units, level: float) -> Bootstrap:
    lower, upper, standard_error = percentile_limits(replicates, level)
    return Bootstrap(
        replicates=replicates,
        lower=lower,
        upper=upper,
        standard_error=standard_error,
        n_units=units.n,
        n_undefined=int(np.count_nonzero(~np.isfinite(replicates))),
        level=level,
    )


def _acceleration(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample"]], units: Units
) -> float:
    squares = cubes = 0.0
    start = 0
    for size in units.stratum_sizes:
        if size > 1:
            influence = _jackknife_influence(statistic, units, start, size) / size
            squares += float(np.sum(influence**2))
            cubes += float(np.sum(influence**3))
        start += size
    return cubes / (6 * squares**1.5) if squares > 0 else 0.0


def _jackknife_influence(
    statistic: Callable[[Float[np.ndarray, "resample row"]], Float[np.ndarray, "resample"]],
    units: Units,
    start: int,
    size: int,
) -> Float[np.ndarray, "group"]:
    """Influence of each unit (or group of units) of the stratum of `size` units that begins at `start`."""
    n_groups = min(size, _JACKKNIFE_GROUPS)
    group = np.arange(size) % n_groups
    if n_groups < size:  # the groups must not follow the order of the labels
        group = np.random.default_rng(size).permutation(group)
    group_sizes = np.bincount(group)
    without = []
    for members in _blocks(n_groups, max(1, _CHUNK_ENTRIES // units.of_row.size)):
        counts = np.ones((members.size, units.n))
        stay = group[None, :] != members[:, None]
        counts[:, start : start + size] = stay * (size / (size - group_sizes[members]))[:, None]
        without.append(np.asarray(statistic(counts[:, units.of_row]), dtype=np.float64))
    values = np.concatenate(without)
    n_undefined = int(np.count_nonzero(~np.isfinite(values)))
    if n_undefined:
        raise InputError(
            expected="a statistic that is defined without any one unit",
            found=f"{n_undefined} units without which it is not",
            where="BCa limits",
            remedy="Use percentile limits",
        )
    left = size - group_sizes
    return np.asarray(left * (np.average(values, weights=left) - values))


def _blocks(n: int, size: int) -> Iterator[Int[np.ndarray, "member"]]:
    for first in range(0, n, size):
        yield np.arange(first, min(first + size, n))


def _unit_strata(
    codes: Int[np.ndarray, "row"], n_units: int, strata: Shaped[np.ndarray, "row"]
) -> Int[np.ndarray, "unit"]:
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
