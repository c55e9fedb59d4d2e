"""A forest plot: rows of estimates with intervals beside their texts, in one or more panels."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .drawing import FAINT, INK, PAPER, RULE, SOFT, WIDTH, axes_at, draw, say, short
from .results import Interval

#: Odds ratios beyond these bounds are drawn as an arrow at the edge, so one wild interval of a sparse
#: cell does not flatten all others.
_LOG_BOUNDS = (1 / 16, 64.0)

_ROW = 16.0  # points per row with one mark
_MARK = 7.0  # points per further mark
_HEADING = 23.0  # points of a row that opens a group
_HEAD, _FOOT = 30.0, 22.0


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One estimate as drawn: colour (sentinel), marker, filled or open."""

    interval: Interval
    color: str
    marker: str
    filled: bool = True


@dataclass(frozen=True, kw_only=True)
class ForestCell:
    """What one row shows in one panel."""

    marks: tuple[Mark, ...] = ()
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One row; a heading has no cells."""

    label: str
    cells: tuple[ForestCell, ...] = ()

    @property
    def height(self) -> float:
        """Points it takes."""
        if not self.cells:
            return _HEADING
        return _ROW + _MARK * (max(1, *(len(cell.marks) for cell in self.cells)) - 1)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One column of the plot: title, axis, heading and width of the texts at its right, reference line."""

    title: str
    text_title: str = ""
    text_width: float = 92.0
    reference: float
    log: bool = False


def forest(name: str, alt: str, rows: list[ForestRow], panels: list[Panel], *, label_width: float) -> Markup:
    """The rows as SVG, with a shared label column of `label_width` points and one axis per panel."""
    height = sum(row.height for row in rows)
    text_widths = [panel.text_width if panel.text_title else 0.0 for panel in panels]
    width = (WIDTH - label_width - sum(text_widths)) / len(panels) - 16
    limits = [_limits(panel, _intervals(rows, panels, like=panel)) for panel in panels]

    def paint(figure: Figure) -> None:
        _labels(figure, rows, label_width)
        left = label_width
        for index, panel in enumerate(panels):
            cells = [row.cells[index] if index < len(row.cells) else ForestCell() for row in rows]
            axes = axes_at(figure, left=left, top=_HEAD, width=width, height=height)
            _panel(axes, panel, rows, cells, limits[index])
            say(figure, panel.title, left=left, top=_HEAD - 16, bold=True)
            right = left + width + 10
            if panel.text_title:
                say(figure, panel.text_title, left=right, top=_HEAD - 16, color=SOFT)
                top = _HEAD
                for row, cell in zip(rows, cells, strict=True):
                    say(figure, cell.text, left=right, top=top + row.height / 2, color=INK)
                    top += row.height
            left += width + text_widths[index] + 16

    return draw(name, alt, paint, height=_HEAD + height + _FOOT)


def _labels(figure: Figure, rows: list[ForestRow], label_width: float) -> None:
    top = _HEAD
    indent = 10 if any(not row.cells for row in rows) else 0
    for row in rows:
        heading = not row.cells
        text = short(row.label, round((label_width - 8) / 4.9))
        middle = top + row.height / 2 + (3 if heading else 0)
        say(figure, text, left=0 if heading else indent, top=middle, bold=heading)
        top += row.height


def _intervals(rows: list[ForestRow], panels: list[Panel], *, like: Panel) -> list[Interval]:
    """All estimates of panels with the same reference and scale: they share their limits."""
    return [
        mark.interval
        for row in rows
        for cell, panel in zip(row.cells, panels, strict=False)
        if (panel.reference, panel.log) == (like.reference, like.log)
        for mark in cell.marks
    ]


def _panel(
    axes: Axes, panel: Panel, rows: list[ForestRow], cells: list[ForestCell], limits: tuple[float, float]
) -> None:
    low, high = limits
    axes.set_xscale("log" if panel.log else "linear")
    axes.set_xlim(low, high)
    axes.set_ylim(sum(row.height for row in rows), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    ticks = _ticks(low, high, log=panel.log)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    for tick in ticks:
        axes.axvline(tick, color=FAINT, linewidth=0.7, zorder=0)
    axes.axvline(panel.reference, color=SOFT, linewidth=0.8, zorder=1)
    top = 0.0
    for row, cell in zip(rows, cells, strict=True):
        if not row.cells and top > 0:
            axes.axhline(top + 3, color=RULE, linewidth=0.5, zorder=0)
        first = top + row.height / 2 - _MARK * (len(cell.marks) - 1) / 2
        for index, mark in enumerate(cell.marks):
            _mark(axes, mark, first + _MARK * index, low, high)
        top += row.height


def _mark(axes: Axes, mark: Mark, y: float, low: float, high: float) -> None:
    found = mark.interval
    if found.lower is not None and found.upper is not None:
        ends = (max(found.lower, low), min(found.upper, high))
        axes.plot(ends, (y, y), color=mark.color, linewidth=1.3 if mark.filled else 0.9, zorder=2)
        if found.lower < low:
            axes.plot(low, y, marker="<", markersize=4, color=mark.color, clip_on=False, zorder=2)
        if found.upper > high:
            axes.plot(high, y, marker=">", markersize=4, color=mark.color, clip_on=False, zorder=2)
    if low <= found.value <= high:
        axes.plot(
            found.value,
            y,
            color=mark.color,
            linestyle="none",
            marker=mark.marker,
            markersize=5.2 if mark.marker != "D" else 4.4,
            markerfacecolor=mark.color if mark.filled else PAPER,
            markeredgecolor=mark.color,
            markeredgewidth=1.0,
            zorder=3,
        )


def _limits(panel: Panel, found: list[Interval]) -> tuple[float, float]:
    values = [panel.reference]
    for one in found:
        values += [x for x in (one.value, one.lower, one.upper) if x is not None]
    if panel.log:
        kept = [min(max(value, _LOG_BOUNDS[0]), _LOG_BOUNDS[1]) for value in values]
        low, high = math.log(min(kept)), math.log(max(kept))
        margin = max(0.05 * (high - low), 0.1)
        return math.exp(low - margin), math.exp(high + margin)
    margin = max(0.05 * (max(values) - min(values)), 0.02)
    return max(min(values) - margin, -0.02), min(max(values) + margin, 1.02)


def _ticks(low: float, high: float, *, log: bool) -> list[float]:
    if log:
        span = high / low
        if span <= 1.8:
            candidates = [0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.25, 1.5]
        elif span <= 6:
            candidates = [0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5]
        elif span <= 40:
            candidates = [2.0**power for power in range(-5, 6)]
        else:
            candidates = [4.0**power for power in range(-6, 7)]
        return [tick for tick in candidates if low <= tick <= high]
    step = next(step for step in (0.05, 0.1, 0.2, 0.5) if (high - low) / step <= 6 or step == 0.5)
    first = math.ceil(low / step)
    return [round(step * i, 2) for i in range(first, math.floor(high / step) + 1)]
