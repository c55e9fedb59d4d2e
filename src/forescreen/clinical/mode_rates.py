"""Rates of one population by age and mode of detection, per woman-year, with where they come from.

In: a user's table, or rates of any cancer with a share of interval cancers that somebody states. Out:
`ModeRates`: piecewise constant in attained age and, where the table tells it, in years since the exam (after
a negative screen, cancers of the first year surface between screens, those of the next are found at one).
No rate and no share is ever assumed.

    # population: women screened in …          # years: 2015-2019           # source: cancer registry of …
    age_from,age_to,incidence_screen_detected_per_100000,incidence_interval_per_100000,mortality_per_100000
    50,55,210,95,180
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..errors import InputError
from ..files import write_text
from .rates import Rates

#: The two modes in the order of every array of modes, and how their columns are called.
MODES = ("screen_detected", "interval")

_PER_100000 = "_per_100000"
#: Above these a rate per woman-year is one of another unit.
_HIGHEST = {"incidence": 0.1, "mortality": 1.0}
_REMEDY = (
    "Rates are per woman-year, or per 100 000 where the column ends in _per_100000; the modes are given as "
    "incidence_screen_detected and incidence_interval, or as incidence with interval_share, whose source "
    "stands in a line '# interval_share_source: …'"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModeRates:
    """Events per woman-year at risk, constant within a band of attained age and a period since the exam.

    `since_years` is (0, inf) where the rates are the same whenever the last exam was. `other` are cancers of
    neither mode (long after the last screen, or in situ), 0 where the table has none; `competing` are deaths
    and whatever else ends the time at risk (`competing_of`). Raises InputError where the shapes, the order
    of the edges or the values cannot be meant.
    """

    name: str
    population: str
    years: str
    source: str
    edges: Float[np.ndarray, "band+1"]  # attained age, years, rising
    since_years: Float[np.ndarray, "period+1"]  # since the exam, from 0, rising
    screen_detected: Float[np.ndarray, "period band"]
    interval: Float[np.ndarray, "period band"]
    other: Float[np.ndarray, "period band"]
    competing: Float[np.ndarray, "period band"]
    competing_of: str = "deaths of all causes"

    def __post_init__(self) -> None:
        shape = (len(self.since_years) - 1, len(self.edges) - 1)
        for name in (*MODES, "other", "competing"):
            values = getattr(self, name)
            if values.shape != shape:
                raise InputError(
                    expected=f"{name} of shape {shape}", found=f"{values.shape}", where=f"rates {self.name}"
                )
            if not (np.isfinite(values) & (values >= 0)).all():
                raise InputError(
                    expected=f"{name} of 0 or more everywhere", found="others", where=f"rates {self.name}"
                )
        for name in ("edges", "since_years"):
            if not (np.diff(getattr(self, name)) > 0).all():
                raise InputError(expected=f"rising {name}", found="others", where=f"rates {self.name}")
        if self.since_years[0] != 0:
            raise InputError(
                expected="periods from 0 years since the exam", found=f"{self.since_years[0]:g}",
                where=f"rates {self.name}",
            )  # fmt: skip

    @property
    def incidence(self) -> Float[np.ndarray, "mode period band"]:
        """Both modes, in the order of MODES."""
        return np.stack([self.screen_detected, self.interval])

    @property
    def longest_years(self) -> float:
        """The longest horizon that the rates answer."""
        return float(self.since_years[-1])


def split_by_share(
    rates: Rates, *, interval_share: Float[np.ndarray, "band"] | float, share_source: str
) -> ModeRates:
    """Rates of any cancer split by the share of interval cancers, by age or one for all ages.

    Not accepted: a share outside [0, 1] or without a source; there is no default share. Raises InputError.
    """
    share = np.broadcast_to(np.asarray(interval_share, dtype=float), rates.incidence.shape)
    if not ((share >= 0) & (share <= 1)).all():
        raise InputError(expected="a share of interval cancers from 0 to 1", found="others", where=rates.name)
    if not share_source.strip():
        raise InputError(
            expected="where the share of interval cancers comes from", found="nothing", where=rates.name
        )
    return ModeRates(
        name=rates.name,
        population=rates.population,
        years=rates.years,
        source=f"{rates.source}; share of interval cancers: {share_source}",
        edges=rates.edges,
        since_years=np.array([0.0, math.inf]),
        screen_detected=(rates.incidence * (1 - share))[None, :],
        interval=(rates.incidence * share)[None, :],
        other=np.zeros((1, len(rates.incidence))),
        competing=rates.mortality[None, :],
        competing_of=f"deaths of {rates.mortality_of}",
    )


def read_mode_rates(path: Path) -> ModeRates:
    """A user's table of rates by mode, with lines `# key: value` above its header.

    Needed: the lines source, population and years; columns age_from, age_to, mortality, and either
    incidence_screen_detected and incidence_interval, or incidence and interval_share (then also the line
    interval_share_source). Optional: year_from, year_to since the exam, every age band in every period;
    incidence_other, cancers of neither mode; a line mortality_of, what the mortality is of.

    Raises InputError, with the row where one is to blame, for anything else: gaps between bands, empty cells,
    negative rates, rates above 0.1 (incidence) per woman-year, which are of another unit.
    """
    if not path.is_file():
        raise InputError(expected="a table of rates (CSV)", found="no such file", where=str(path))
    where = path.name
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(expected="UTF-8 text", found=f"byte {error.start}", where=where) from None
    said = dict(_said(line) for line in lines if line.startswith("#"))
    lacking = [key for key in ("source", "population", "years") if not said.get(key)]
    if lacking:
        raise InputError(
            expected="lines '# source: …', '# population: …' and '# years: …' above the header",
            found=f"no {', no '.join(lacking)}",
            where=where,
            remedy="Rates without provenance make no risk",
        )
    columns = _columns(lines, where)
    edges, since, order = _grid(columns, where)
    by_mode = set(columns) & {f"incidence_{mode}" for mode in MODES}
    by_share = set(columns) & {"incidence", "interval_share"}
    source = said["source"]
    if len(by_mode) == 2 and not by_share:
        screen, interval = (columns[f"incidence_{mode}"] for mode in MODES)
    elif len(by_share) == 2 and not by_mode:
        share, incidence = columns["interval_share"], columns["incidence"]
        if (share > 1).any() or not said.get("interval_share_source"):
            raise InputError(
                expected="interval_share from 0 to 1, with a line '# interval_share_source: …'",
                found="a share above 1" if (share > 1).any() else "no such line",
                where=where,
            )
        screen, interval = incidence * (1 - share), incidence * share
        source += f"; share of interval cancers: {said['interval_share_source']}"
    else:
        raise InputError(
            expected="incidence_screen_detected and incidence_interval, or incidence and interval_share",
            found=", ".join(sorted(by_mode | by_share)) or "none of them",
            where=where,
            remedy=_REMEDY,
        )
    shape = (len(since) - 1, len(edges) - 1)
    return ModeRates(
        name=said.get("name") or path.stem,
        population=said["population"],
        years=said["years"],
        source=source,
        edges=edges,
        since_years=since,
        screen_detected=screen[order].reshape(shape),
        interval=interval[order].reshape(shape),
        other=columns.get("incidence_other", np.zeros(len(order)))[order].reshape(shape),
        competing=columns["mortality"][order].reshape(shape),
        competing_of=said.get("mortality_of", "deaths of all causes"),
    )


def write_mode_rates(path: Path, rates: ModeRates) -> None:
    """The table that `read_mode_rates` reads."""
    periods, bands = len(rates.since_years) - 1, len(rates.edges) - 1
    table = pd.DataFrame(
        {
            "age_from": np.tile(rates.edges[:-1], periods),
            "age_to": np.tile(rates.edges[1:], periods),
            "year_from": np.repeat(rates.since_years[:-1], bands),
            "year_to": np.repeat(rates.since_years[1:], bands),
            "incidence_screen_detected": rates.screen_detected.ravel(),
            "incidence_interval": rates.interval.ravel(),
            "incidence_other": rates.other.ravel(),
            "mortality": rates.competing.ravel(),
        }
    )
    said = {"name": rates.name, "population": rates.population, "years": rates.years, "source": rates.source,
            "mortality_of": rates.competing_of}  # fmt: skip
    head = "".join(f"# {key}: {value}\n" for key, value in said.items())
    write_text(path, head + table.to_csv(index=False, lineterminator="\n"))


def _said(line: str) -> tuple[str, str]:
    key, _, value = line.lstrip("# ").partition(":")
    return key.strip().lower(), value.strip()


def _columns(lines: list[str], where: str) -> dict[str, Float[np.ndarray, "row"]]:
    """Numbers by column, rates per woman-year whatever the header's unit."""
    text = "\n".join(line for line in lines if not line.startswith("#") and line.strip())
    n_above = sum(line.startswith("#") or not line.strip() for line in lines)
    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, index_col=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError):
        raise InputError(expected="a table of rates (CSV)", found="something else", where=where) from None
    columns: dict[str, Float[np.ndarray, "row"]] = {}
    for raw in table.columns:
        header = str(raw).strip()
        name = header.removesuffix(_PER_100000)
        if name not in _KNOWN or name in columns:
            raise InputError(
                expected=f"columns among {', '.join(_KNOWN)}, each once (rates also with {_PER_100000})",
                found=repr(header), where=where, remedy=_REMEDY,
            )  # fmt: skip
        numbers = pd.to_numeric(table[raw].str.strip(), errors="coerce").to_numpy(dtype=float)
        numbers = np.where(table[raw].str.strip().str.lower() == "inf", math.inf, numbers)
        bad = ~(numbers >= 0)
        if name in _RATES:
            numbers = numbers / (100_000 if header.endswith(_PER_100000) else 1)
            bad |= numbers > _HIGHEST["mortality" if name == "mortality" else "incidence"]
        if bad.any():
            row = int(np.flatnonzero(bad)[0]) + n_above + 2
            raise InputError(
                expected=f"{header} as a number of 0 or more, rates per woman-year",
                found="something else", where=f"{where}, row {row}", remedy=_REMEDY,
            )  # fmt: skip
        columns[name] = numbers
    needed = [name for name in ("age_from", "age_to", "mortality") if name not in columns]
    if needed or table.empty or (("year_from" in columns) != ("year_to" in columns)):
        raise InputError(
            expected="age_from, age_to and mortality, year_from with year_to, and at least one row",
            found=f"no {', no '.join(needed)}" if needed else "others", where=where, remedy=_REMEDY,
        )  # fmt: skip
    return columns


_RATES = ("incidence_screen_detected", "incidence_interval", "incidence_other", "incidence", "mortality")
_KNOWN = ("age_from", "age_to", "year_from", "year_to", "interval_share", *_RATES)


def _grid(
    columns: dict[str, Float[np.ndarray, "row"]], where: str
) -> tuple[Float[np.ndarray, "band+1"], Float[np.ndarray, "period+1"], np.ndarray]:
    """Edges of ages and periods, and the order of the rows in which they fill the grid."""
    n = len(columns["age_from"])
    year_from = columns.get("year_from", np.zeros(n))
    year_to = columns.get("year_to", np.full(n, math.inf))
    order = np.lexsort((columns["age_from"], year_from))
    edges = _edges(columns["age_from"], columns["age_to"], "age", where)
    since = _edges(year_from, year_to, "year", where)
    periods, bands = len(since) - 1, len(edges) - 1
    whole = n == periods * bands and (
        np.array_equal(columns["age_from"][order], np.tile(edges[:-1], periods))
        and np.array_equal(columns["age_to"][order], np.tile(edges[1:], periods))
        and np.array_equal(year_from[order], np.repeat(since[:-1], bands))
        and np.array_equal(year_to[order], np.repeat(since[1:], bands))
    )
    if not whole:
        raise InputError(
            expected="every age band once in every period", found=f"{n} rows for {periods} × {bands}",
            where=where,
        )  # fmt: skip
    return edges, since, order


def _edges(
    lower: Float[np.ndarray, "row"], upper: Float[np.ndarray, "row"], what: str, where: str
) -> Float[np.ndarray, "edge"]:
    starts, ends = np.unique(lower), np.unique(upper)
    if not np.array_equal(starts[1:], ends[:-1]) or not (np.isfinite(ends).all() or what == "year"):
        raise InputError(
            expected=f"bands {what}_from to {what}_to without gaps and overlaps", found="others", where=where
        )
    return np.append(starts, ends[-1])
