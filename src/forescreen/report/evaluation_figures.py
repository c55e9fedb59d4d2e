"""Figures of an evaluation of anyone's predictions: AUC by horizon, and decision curves."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .drawing import SOFT, WIDTH, draw, panel_axes, panels_height, upright
from .numbers import decimal_text, decimals_for
from .palette import ModelStyle, model_styles
from .results import (
    at_longest,
    case_types,
    entries,
    interval,
    models,
    number,
    of,
    thresholds,
)
from .risk_tables import numbers
from .sentences import mode_name

_HEIGHT, _WIDEST = 190.0, 420.0

#: Net benefit is drawn down to at least this share of its largest value below 0, and at most to all of it.
_BELOW = 0.25


def horizons(results: dict[str, Any]) -> Markup | None:
    """AUC by horizon: one panel per mode, a line with intervals per model, side by side at each horizon."""
    found = [
        row
        for row in entries(results, "horizons")
        if interval(row.get("auc")) is not None and number(row.get("horizon_years")) is not None
    ]
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    if not modes:
        return None
    known, styles = models(results), model_styles(models(results))
    keys = [key for key in known if of(found, model=key)]
    years = sorted({value for row in found if (value := number(row.get("horizon_years"))) is not None})
    gap = min((b - a for a, b in pairwise(years)), default=1.0)
    spread = min(0.13, 0.6 / len(keys)) * gap
    columns = min(len(modes), 3)
    low, high = _auc_limits(found)

    def paint(figure: Figure) -> None:
        everywhere = panel_axes(
            figure, len(modes), columns=columns, width=WIDTH / columns - 60, height=_HEIGHT, widest=_WIDEST
        )
        for axes, mode in zip(everywhere, modes, strict=True):
            if low < 0.5:
                axes.axhline(0.5, color=SOFT, linewidth=0.8)
            for index, key in enumerate(keys):
                dodge = spread * (index - (len(keys) - 1) / 2)
                line = [row for row in found if row.get("case_type") == mode and row.get("model") == key]
                line.sort(key=lambda row: row["horizon_years"])
                xs = [row["horizon_years"] + dodge for row in line]
                aucs = [interval(row.get("auc")) for row in line]
                _line(axes, xs, [a.value for a in aucs if a is not None], styles[key], width=0.9)
                for x, auc in zip(xs, aucs, strict=True):
                    upright(axes, x, auc, styles[key])
            axes.set_xticks(years, [f"{year:g}" for year in years])
            axes.set_xlim(years[0] - 0.6 * gap, years[-1] + 0.6 * gap)
            axes.set_ylim(low, high)
            axes.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
            axes.grid(True, axis="y")
            axes.set(title=mode_name(mode))
            axes.set_xlabel("years after the exam")
            axes.set_ylabel("AUC")

    alt = "AUC of every model by years after the exam, with intervals. The numbers are in the table horizons."
    height = panels_height(len(modes), columns=columns, height=_HEIGHT)
    return draw("horizons", alt, paint, height=height)


def _auc_limits(found: list[dict[str, Any]]) -> tuple[float, float]:
    ends: list[float] = []
    for row in found:
        auc = interval(row.get("auc"))
        if auc is not None:
            ends += [x for x in (auc.value, auc.lower, auc.upper) if x is not None]
    low, high = min(ends), max(ends)
    if low < 0.6:  # the line of no information is near: show it
        low = min(low, 0.49)
    return max(low - 0.01, 0.0), min(high + 0.02, 1.01)


def decision(results: dict[str, Any]) -> Markup | None:
    """Decision curves: net benefit per 1000 by threshold, a panel per mode, with treat all and treat none."""
    found = [row for row in at_longest(entries(results, "decision")) if _curve(row, "net_benefit")[0]]
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    if not modes:
        return None
    styles, wanted = model_styles(models(results)), thresholds(results)
    columns = min(len(modes), 3)
    # At thresholds near 0 treating all is right and net benefit is the rate: it would flatten all the rest.
    first = 50 * min(wanted, default=0.0)

    def paint(figure: Figure) -> None:
        everywhere = panel_axes(
            figure, len(modes), columns=columns, width=WIDTH / columns - 60, height=_HEIGHT, widest=_WIDEST
        )
        for axes, mode in zip(everywhere, modes, strict=True):
            here = [row for row in found if row.get("case_type") == mode]
            top = right = lowest = 0.0
            for row in here:
                xs, ys = _curve(row, "net_benefit")
                right = max(right, *xs)
                shown = [y for x, y in zip(xs, ys, strict=True) if x >= first]
                top, lowest = max([top, *shown]), min([lowest, *shown])
            top = top if top > 0 else 1.0
            bottom = -min(max(_BELOW * top, -1.1 * lowest), top)
            for threshold in wanted:
                if 100 * threshold < right:
                    axes.axvline(100 * threshold, color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)))
            xs, ys = _curve(here[0], "treat_all")
            axes.plot(xs, ys, color=SOFT, linewidth=1.0)
            axes.axhline(0, color=SOFT, linewidth=1.0, linestyle=(0, (4, 2)))
            for row in here:
                xs, ys = _curve(row, "net_benefit")
                _line(axes, xs, ys, styles[str(row.get("model"))], width=1.5)
            axes.set_xlim(0, right)
            axes.set_ylim(bottom, 1.08 * top)
            axes.set_xticks(*_ticks(0.0, right))
            axes.set_yticks(*_ticks(bottom, 1.08 * top))
            axes.grid(True)
            axes.set(title=mode_name(mode))
            axes.set_xlabel("threshold of risk, %")
            axes.set_ylabel("net benefit per 1000")

    alt = "Decision curves: net benefit of every model by threshold, with treat all and treat none. "
    height = panels_height(len(modes), columns=columns, height=_HEIGHT)
    return draw("decision", alt + "The numbers are in the table decision.", paint, height=height)


def _ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Places of ticks and their texts, all with the same decimals."""
    places = MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low, high)
    inside = [float(place) for place in places if low <= place <= high]
    gap = float(places[1] - places[0])
    digits = decimals_for([gap], figures=1)
    return inside, [decimal_text(place, digits) for place in inside]


def _curve(row: dict[str, Any], name: str) -> tuple[list[float], list[float]]:
    """Thresholds in per cent, values per 1000, where both are known."""
    pairs = [
        (100 * x, 1000 * y)
        for x, y in zip(numbers(row.get("thresholds")), numbers(row.get(name)), strict=False)
        if x == x and y == y
    ]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _line(axes: Axes, xs: list[float], ys: list[float], style: ModelStyle, *, width: float) -> None:
    axes.plot(xs, ys, color=style.sentinel, dashes=style.dashes or (None, None), linewidth=width)
