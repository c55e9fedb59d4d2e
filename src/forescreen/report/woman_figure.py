"""One woman's risk as a picture: over the years against an average woman, and what raises and lowers it.

In: her `Explanation` by one or more models. Out: a PNG; a block per model with her risk by year on the left
and the relative risk of each factor on the right. Research software: the picture says so itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ..clinical.explanation import Explanation, Line
from .drawing import axes_at, picture, say, short
from .numbers import ABSENT, decimal_text, decimals_for, ratio_text, within_text
from .palette import THEME

#: Five-year risks at which prevention is discussed in the USA: the entry to the NSABP P-1 trial, 1.66 %
#: [Fisher1998], and 3 %, from which benefit is more likely to outweigh harm [Owens2019].
THRESHOLDS = (0.0166, 0.03)
THRESHOLD_YEARS = 5.0

INK, SOFT, RULE, FAINT, PAPER = (THEME[name][0] for name in ("ink", "soft", "rule", "faint", "paper"))
HER, RAISES, LOWERS = THEME["model-1"][0], THEME["model-2"][0], THEME["model-3"][0]

_FEET = (
    "Relative risks are against the model's own reference answers; open bars were assumed.",
    "Dotted lines: five-year risks of 1.7 and 3 %, at which prevention is discussed in the USA.",
    "Published models, not validated for this use by us. Research software, not a medical device.",
)
_EDGE = 20.0  # points of white around
_TOP, _FOOT = 58.0, 54.0  # points of the title and of the last lines
_HEAD, _BELOW = 58.0, 46.0  # points of a block above and below its panels
_CURVE_LEFT, _CURVE_WIDTH, _CURVE_HEIGHT, _PAIR_HEIGHT = 50.0, 170.0, 150.0, 64.0
_LABEL_LEFT, _BAR_LEFT, _BAR_WIDTH, _ROW = 306.0, 500.0, 126.0, 25.0
_RIGHT = _BAR_LEFT + _BAR_WIDTH + 44.0
_WIDTH = _RIGHT + _EDGE


def draw_woman(path: Path, explanations: Sequence[Explanation], *, name: str) -> None:
    """Write the picture of the woman called `name` ("row 12"); models without a risk say why."""
    heights = [_block_height(told) for told in explanations]

    def paint(figure: Figure) -> None:
        first = explanations[0]
        age = f", age {first.age:.3g}" if math.isfinite(first.age) else ""
        title = f"{name[:1].upper()}{name[1:]}{age}"
        say(figure, title, left=_EDGE, top=_EDGE + 10, bold=True, size=14, color=INK)
        top = _TOP
        for told, height in zip(explanations, heights, strict=True):
            _block(figure, told, top=top, height=height)
            top += height
        for place, foot in enumerate(_FEET):
            say(figure, foot, left=_EDGE, top=top + 6 + 13 * place, size=8, color=SOFT)

    picture(path, paint, height=_TOP + sum(heights) + _FOOT, width=_WIDTH)


def headline(told: Explanation) -> str:
    """Her risk in natural frequencies: "23 of 1000 women like her, against 11 of 1000 …"."""
    if not math.isfinite(told.risk):
        return "No risk: " + "; ".join(told.reasons)
    compared = math.isfinite(told.average) and told.average > 0
    least = min(told.risk, told.average) if compared else told.risk
    base = 1000 if least >= 0.002 else 10_000
    text = f"{round(base * told.risk)} of {base} women like her"
    if compared:
        text += f", against {round(base * told.average)} of {base} average women of her age"
        text += f": {ratio_text(told.risk / told.average)} times the average risk"
    return text


def percent(value: float, *others: float) -> str:
    """A risk in per cent with two significant figures, and as many decimals as the smallest of the others."""
    digits = decimals_for((100 * value, *(100 * other for other in others)), least=1, most=4)
    return f"{decimal_text(100 * value, digits)} %" if math.isfinite(value) else ABSENT


def _block_height(told: Explanation) -> float:
    if not math.isfinite(told.risk):
        return _HEAD
    left = _CURVE_HEIGHT if len(told.years) > 1 else _PAIR_HEIGHT
    return _HEAD + max(left, _ROW * (len(_drawn(told)) + 1)) + _BELOW


def _drawn(told: Explanation) -> list[Line]:
    """Lines that have a relative risk."""
    return [line for line in told.lines if math.isfinite(line.relative_risk)]


def _block(figure: Figure, told: Explanation, *, top: float, height: float) -> None:
    figure.add_artist(
        Line2D(
            (_EDGE / _WIDTH, _RIGHT / _WIDTH),
            (1 - (top - 6) / (72 * figure.get_figheight()),) * 2,
            color=RULE,
            linewidth=0.7,
        )
    )
    within = "" if " within " in told.event else within_text(told.horizon_years)
    heading = f"{told.title}: {told.event} {within}".strip()
    say(figure, short(heading, 96), left=_EDGE, top=top + 10, bold=True, size=10, color=INK)
    say(figure, short(headline(told), 120), left=_EDGE, top=top + 26, color=INK)
    if not math.isfinite(told.risk):
        return
    one = len(told.years) == 1  # a model of one horizon does not say how its risk comes about
    axes = axes_at(
        figure,
        left=_CURVE_LEFT + (30 if one else 0),
        top=top + _HEAD,
        width=_CURVE_WIDTH - (30 if one else 0),
        height=_PAIR_HEIGHT if one else _CURVE_HEIGHT,
    )
    (_pair if one else _curve)(axes, told)
    say(
        figure,
        "Risk, %" if one else "Risk by then, %",
        left=_EDGE,
        top=top + _HEAD - 12,
        bold=True,
        color=INK,
    )
    _bars(figure, told, top=top + _HEAD)


def _thresholds(told: Explanation) -> list[float]:
    """Thresholds of five-year risks that lie near hers; none for shorter horizons."""
    shown = [value for value in (told.risk, told.average, told.upper) if math.isfinite(value)]
    return [t for t in THRESHOLDS if told.horizon_years >= THRESHOLD_YEARS and t <= 2.2 * max(shown)]


def _pair(axes: Axes, told: Explanation) -> None:
    """Two bars: her risk and the average woman's by the only horizon."""
    thresholds = _thresholds(told)
    shown = [value for value in (told.risk, told.average, told.upper) if math.isfinite(value)]
    axes.set_xlim(0, 130 * max(*shown, *thresholds, 0))
    axes.set_ylim(2, 0)
    rows = [("this woman", told.risk, HER, "bold"), ("average", told.average, SOFT, "normal")]
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=True, axis="x")
    axes.set_xlabel(within_text(told.horizon_years), labelpad=2)
    values = [row[1] for row in rows]
    for place, (word, value, color, weight) in enumerate(rows):
        middle = place + 0.55
        if not math.isfinite(value):
            continue
        axes.barh(middle, 100 * value, height=0.42, color=color, zorder=2)
        text = percent(value, *values)
        ends = 100 * value
        if place == 0 and math.isfinite(told.lower) and math.isfinite(told.upper):
            axes.plot((100 * told.lower, 100 * told.upper), (middle,) * 2, color=INK, linewidth=1.2, zorder=3)
            ends = 100 * told.upper
        axes.annotate(
            text,
            (ends, middle),
            xytext=(4, 0),
            textcoords="offset points",
            color=color,
            fontweight=weight,
            va="center",
            annotation_clip=False,
            zorder=5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 1.0},
        )
        axes.annotate(
            word,
            (0, middle),
            xytext=(-4, 0),
            textcoords="offset points",
            ha="right",
            color=color,
            fontweight=weight,
            fontsize=8.5,
            va="center",
            annotation_clip=False,
        )
    for threshold in thresholds:
        axes.axvline(100 * threshold, color=INK, linewidth=0.8, linestyle=(0, (2, 2)), zorder=1)
        axes.text(100 * threshold, -0.02, f"{100 * threshold:.2g} %", fontsize=7.5, ha="center", color=INK)


def _curve(axes: Axes, told: Explanation) -> None:
    """Her risk by year and the average woman's, and thresholds of five-year risks at five years."""
    thresholds = _thresholds(told)
    shown = [value for value in (told.risk, told.average, told.upper) if math.isfinite(value)]
    highest, end = 1.12 * max(*shown, *thresholds, 0), told.horizon_years
    axes.set_xlim(0, end)
    axes.set_ylim(0, 100 * highest)
    axes.set_xlabel("years from now", labelpad=2)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(visible=True, axis="y")
    for threshold in thresholds:
        axes.plot((0, THRESHOLD_YEARS), (100 * threshold,) * 2, color=INK, lw=0.8, ls=(0, (2, 2)))
        text = f"{100 * threshold:.2g} %"
        if end <= 2 * THRESHOLD_YEARS:  # else there is no room beside the curves
            text += f" in {THRESHOLD_YEARS:g} years"
        axes.text(0.03 * end, 100 * threshold, text, color=INK, fontsize=7.5, va="bottom")
    lines = (
        (told.average_by_year, told.average, SOFT, (4.0, 2.0)),
        (told.risk_by_year, told.risk, HER, (None, None)),
    )
    for by_year, last, color, dashes in lines:
        if not math.isfinite(last):
            continue
        years, values = (0.0, *told.years.tolist()), (0.0, *(100 * by_year).tolist())
        axes.plot(years, values, color=color, linewidth=1.8, dashes=dashes)
        axes.plot(end, 100 * last, marker="o", markersize=5.5, color=color, clip_on=False, zorder=4)
    if math.isfinite(told.lower) and math.isfinite(told.upper):
        ends = (100 * told.lower, 100 * told.upper)
        axes.plot((end, end), ends, color=HER, linewidth=1.2, clip_on=False)
    _end_labels(axes, told, 100 * highest)


def _end_labels(axes: Axes, told: Explanation, top: float) -> None:
    """The two risks beside the ends of their curves, moved apart where they would touch."""
    ends = [(told.risk, HER, "bold", "this woman"), (told.average, SOFT, "normal", "average")]
    ends = [end for end in ends if math.isfinite(end[0])]
    places = [100 * end[0] for end in ends]
    least = 0.17 * top
    if len(places) == 2 and abs(places[0] - places[1]) < least:
        middle, sign = sum(places) / 2, 1 if places[0] >= places[1] else -1
        middle = max(middle, least / 2)
        places = [middle + sign * least / 2, middle - sign * least / 2]
    values = [end[0] for end in ends]
    for place, (value, color, weight, word) in zip(places, ends, strict=True):
        axes.annotate(
            f"{word}\n{percent(value, *values)}",
            (told.horizon_years, place),
            xytext=(8, 0),
            textcoords="offset points",
            color=color,
            fontweight=weight,
            fontsize=8.5,
            va="center",
            annotation_clip=False,
        )


def _bars(figure: Figure, told: Explanation, *, top: float) -> None:
    lines = _drawn(told)
    if not lines:
        return
    say(figure, "Her answers", left=_LABEL_LEFT, top=top - 12, bold=True, color=INK)
    say(figure, "Relative risk", left=_BAR_LEFT, top=top - 12, bold=True, color=INK)
    height = _ROW * len(lines)
    axes = axes_at(figure, left=_BAR_LEFT, top=top, width=_BAR_WIDTH, height=height)
    largest = max(1.25, *(max(line.relative_risk, 1 / line.relative_risk) for line in lines))
    smallest = min(1.0, *(line.relative_risk for line in lines))
    axes.set_xscale("log")
    axes.set_xlim(0.9 * smallest, 1.06 * largest)
    axes.set_ylim(height, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    fine = largest / smallest < 1.9
    marks = (0.7, 0.8, 0.9, 1, 1.2, 1.4, 1.6, 1.8) if fine else (0.25, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10)
    ticks = [t for t in marks if 0.9 * smallest <= t <= 1.06 * largest]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    for tick in ticks:
        axes.axvline(tick, color=FAINT, linewidth=0.7, zorder=0)
    axes.axvline(1.0, color=SOFT, linewidth=0.8, zorder=1)
    for place, line in enumerate(lines):
        middle = _ROW * (place + 0.5)
        color = RAISES if line.relative_risk > 1 else LOWERS
        if line.assumed or line.relative_risk == 1:
            color = SOFT
        if line.relative_risk == 1:
            axes.plot(1, middle, marker="o", markersize=4, color=color, zorder=2)
        axes.barh(
            middle,
            line.relative_risk - 1,
            left=1.0,
            height=9.0,
            color=PAPER if line.assumed else color,
            edgecolor=color,
            linewidth=0.9 if line.relative_risk != 1 else 0,
            zorder=2,
        )
        row = top + middle
        say(figure, short(line.factor, 36), left=_LABEL_LEFT, top=row - 5, size=8.5, color=INK)
        say(figure, short(_told(line), 46), left=_LABEL_LEFT, top=row + 6, size=7.5, color=SOFT)
        say(figure, ratio_text(line.relative_risk), left=_RIGHT, top=row, align="right", color=INK)
    together = math.prod(line.relative_risk for line in lines)
    row = top + height + _ROW * 0.5 + 8
    say(figure, "all together", left=_LABEL_LEFT, top=row, size=8.5, bold=True, color=INK)
    say(figure, ratio_text(together), left=_RIGHT, top=row, align="right", bold=True, color=INK)


def _told(line: Line) -> str:
    if line.assumed:
        return f"unknown: {line.used}" if line.used else "all that is unknown"
    return line.value or line.used
