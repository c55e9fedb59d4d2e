"""Figures of calibration: a panel for each model with its curve and tenths, and O/E in subgroups.

Risks of breast cancer are small: axes are in per cent, equal on both sides, as far as the tenths reach,
and the same for all models of one mode of detection.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .drawing import RULE, SOFT, WIDTH, axes_at, draw, say, short
from .forests import ForestCell, ForestRow, Mark, Panel, forest
from .numbers import count_text, decimals_for, interval_text, ratio_text, within_text
from .palette import ModelStyle, model_styles
from .results import (
    Interval,
    Model,
    at_longest,
    case_types,
    entries,
    interval,
    models,
    number,
    of,
    whole,
)
from .risk_tables import dictionaries, numbers
from .sentences import mode_name

#: Most panels beside each other, and the side of the largest.
_COLUMNS, _LARGEST = 4, 200.0

#: Points: before each panel for its labels, above a line of panels for mode and texts, below for the axis.
_BEFORE, _ABOVE, _BELOW = 40.0, 54.0, 42.0


def calibration(results: dict[str, Any]) -> Markup | None:
    """One square panel per model that gives risks, by mode of detection, at the longest horizon."""
    found = [row for row in at_longest(entries(results, "calibration")) if _risks(row)]
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    if not modes:
        return None
    known, styles = models(results), model_styles(models(results))
    lines = _lines([[row for row in found if row.get("case_type") == mode] for mode in modes])
    columns = max(2, *(len(line) for line in lines))
    step = WIDTH / columns
    side = min(step - _BEFORE - 8, _LARGEST)
    height = _ABOVE + side + _BELOW

    def paint(figure: Figure) -> None:
        shown = None
        for index, line in enumerate(lines):
            for column, row in enumerate(line):
                mode, left, top = str(row.get("case_type")), column * step + _BEFORE, index * height + _ABOVE
                if mode != shown:
                    say(figure, mode_name(mode), left=left, top=top - 44, bold=True)
                    shown = mode
                _titles(figure, row, known, left=left, top=top, width=step - _BEFORE)
                axes = axes_at(figure, left=left, top=top, width=side, height=side)
                limit = _limit([other for other in found if other.get("case_type") == mode])
                _panel(axes, row, styles[str(row.get("model"))], limit)
                if column == 0:
                    axes.set_ylabel("observed, %")

    alt = "Calibration of every model that gives risks: observed against predicted risk, with the diagonal. "
    alt += "The numbers are in the table calibration_groups."
    return draw("calibration", alt, paint, height=len(lines) * height)


def _lines(groups: list[list[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Panels in lines: those of one mode together, several modes on a line where they fit."""
    lines: list[list[dict[str, Any]]] = []
    for group in groups:
        if lines and len(lines[-1]) + len(group) <= _COLUMNS:
            lines[-1] += group
        else:
            lines += [group[i : i + _COLUMNS] for i in range(0, len(group), _COLUMNS)]
    return lines


def _titles(
    figure: Figure, row: dict[str, Any], known: dict[str, Model], *, left: float, top: float, width: float
) -> None:
    label = known[str(row.get("model"))].label
    say(figure, short(label, round(width / 5)), left=left, top=top - 26)
    ratio = interval(row.get("observed_expected"))
    if ratio is not None:
        bounds = interval_text(ratio_text(ratio.lower), ratio_text(ratio.upper))
        text = f"O/E {ratio_text(ratio.value)} {bounds}"
        say(figure, text, left=left, top=top - 13, color=SOFT, size=8)


def _panel(axes: Axes, row: dict[str, Any], style: ModelStyle, limit: float) -> None:
    axes.plot((0, limit), (0, limit), color=SOFT, linewidth=0.8)
    curve = row.get("curve")
    if isinstance(curve, dict):
        risk, observed, lower, upper = (
            [100 * value for value in numbers(curve.get(name))]
            for name in ("risk", "observed", "lower", "upper")
        )
        if len(risk) == len(lower) == len(upper):
            axes.fill_between(risk, lower, upper, color=style.sentinel, alpha=0.16, linewidth=0)
        if len(risk) == len(observed):
            axes.plot(risk, observed, color=style.sentinel, linewidth=1.4)
    groups = dictionaries(row.get("groups"))
    for group in groups:
        expected, seen = number(group.get("expected")), interval(group.get("observed"))
        if expected is None or seen is None:
            continue
        if seen.lower is not None and seen.upper is not None:
            ends = (100 * seen.lower, 100 * seen.upper)
            axes.plot((100 * expected,) * 2, ends, color=style.sentinel, linewidth=0.9)
        axes.plot(
            100 * expected,
            100 * seen.value,
            marker=style.marker,
            markersize=3.6,
            color=style.sentinel,
            linestyle="none",
        )
    _rug(axes, row, limit)
    axes.set_xlim(0, limit)
    axes.set_ylim(0, limit)
    locator = MaxNLocator(nbins=4, steps=[1, 2, 5, 10])
    ticks = [tick for tick in locator.tick_values(0, limit) if 0 <= tick <= limit]
    digits = decimals_for([tick for tick in ticks if tick], figures=1)
    axes.set_xticks(ticks, [f"{tick:.{digits}f}" for tick in ticks])
    axes.set_yticks(ticks, [f"{tick:.{digits}f}" for tick in ticks])
    axes.grid(True)
    within = within_text(number(row.get("horizon_years")))
    axes.set_xlabel(f"predicted {within}".rstrip() + ", %")


def _rug(axes: Axes, row: dict[str, Any], limit: float) -> None:
    """Where the risks are: a histogram if the results hold one, otherwise a tick for each tenth."""
    height = 0.12 * limit
    histogram = row.get("histogram")
    if isinstance(histogram, dict):
        edges, counts = numbers(histogram.get("edges")), numbers(histogram.get("counts"))
        if len(edges) == len(counts) + 1 and counts and max(counts) > 0:
            widths = [max(b - a, 1e-12) for a, b in pairwise(edges)]
            heights = [n / width for n, width in zip(counts, widths, strict=True)]
            shares = [height * value / max(heights) for value in heights]
            axes.stairs(shares, [100 * edge for edge in edges], fill=True, color=RULE, linewidth=0, zorder=0)
            return
    for group in dictionaries(row.get("groups")):
        expected = number(group.get("expected"))
        if expected is not None:
            axes.plot((100 * expected,) * 2, (0, 0.35 * height), color=SOFT, linewidth=0.8)


def _risks(row: dict[str, Any]) -> list[float]:
    """The risks a panel has something at."""
    expected = [number(group.get("expected")) for group in dictionaries(row.get("groups"))]
    found = [value for value in expected if value is not None]
    curve = row.get("curve")
    if not found and isinstance(curve, dict):
        found = [value for value in numbers(curve.get("risk")) if math.isfinite(value)]
    return found


def _limit(rows: list[dict[str, Any]]) -> float:
    """The end of both axes in per cent: beyond the highest tenth of every model and what was seen there."""
    highest = 0.0
    for row in rows:
        highest = max(highest, *_risks(row))
        for group in dictionaries(row.get("groups")):
            seen = interval(group.get("observed"))
            if seen is not None:
                # A wide interval of a sparse tenth may leave the panel.
                highest = max(highest, seen.value, min(seen.upper or 0.0, 1.6 * seen.value))
    return 100 * min(1.12 * highest, 1.0) if highest > 0 else 1.0


def subgroups(results: dict[str, Any]) -> Markup | None:
    """Forest of observed over expected in subgroups, one panel per mode of detection, logarithmic."""
    found = at_longest(entries(results, "calibration_subgroups"))
    known, styles = models(results), model_styles(models(results))
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    keys = [key for key in known if of(found, model=key)]
    rows: list[ForestRow] = []
    before = None
    for name, level in dict.fromkeys((str(row.get("variable")), str(row.get("level"))) for row in found):
        if name != before:
            rows.append(ForestRow(label=name[:1].upper() + name[1:]))
            before = name
        cells = []
        for mode in modes:
            here = [r for r in found if (str(r.get("variable")), str(r.get("level"))) == (name, level)]
            here = [row for row in here if row.get("case_type") == mode]
            if any(row.get("suppressed") for row in here):
                cells.append(ForestCell(text="few, not shown" if len(modes) < 3 else "few"))
                continue
            marks = tuple(
                Mark(interval=ratio, color=styles[key].sentinel, marker=styles[key].marker)
                for key in keys
                if (ratio := _ratio(of(here, model=key))) is not None
            )
            n = whole(here[0].get("n_events")) if here else None
            cells.append(ForestCell(marks=marks, text="" if n is None else count_text(n)))
        rows.append(ForestRow(label=level, cells=tuple(cells)))
    if not any(cell.marks for row in rows for cell in row.cells):
        return None
    width = 92.0 if len(modes) < 3 else 42.0
    panels = [
        Panel(title=mode_name(mode), text_title="cancers", text_width=width, reference=1.0, log=True)
        for mode in modes
    ]
    alt = "Forest plot of observed over expected cancers in subgroups. "
    alt += "The numbers are in the table calibration_subgroups."
    return forest("calibration-subgroups", alt, rows, panels, label_width=130)


def _ratio(row: dict[str, Any] | None) -> Interval | None:
    """A ratio that a logarithmic axis has a place for."""
    found = interval((row or {}).get("observed_expected"))
    return found if found is not None and found.value > 0 else None
