"""Every figure of the report as inline SVG; none where the results have nothing to draw.

All numbers drawn also stand in a table or in a csv file; the alternative texts say in which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from . import calibration_figures, evaluation_figures
from .drawing import (
    FAINT,
    INK,
    RULE,
    SOFT,
    WIDTH,
    axes_at,
    draw,
    panel_axes,
    panels_height,
    say,
    short,
    upright,
)
from .findings import clinical_model, image_model
from .forests import ForestCell, ForestRow, Mark, Panel, forest
from .numbers import count_text, decimal_text, interval_text, ratio_text, top_text
from .palette import ModelStyle, model_styles
from .results import (
    Interval,
    case_types,
    counterparts,
    entries,
    interval,
    is_matched,
    models,
    number,
    of,
    whole,
)
from .sentences import mode_name, statistic

#: Modes of detection where they, not models, are compared: filled circle first, then open marks.
MODE_MARKS = (("o", True), ("D", False), ("s", False))

_CAPTURE_HEIGHT = 190.0


def all_figures(results: dict[str, Any]) -> dict[str, Markup]:
    """Every figure that the results support, by key."""
    painters: dict[str, Callable[[dict[str, Any]], Markup | None]] = {
        "main": _main,
        "horizons": evaluation_figures.horizons,
        "factors": _factors,
        "roc": _roc,
        "distributions": _distributions,
        "calibration": calibration_figures.calibration,
        "calibration_subgroups": calibration_figures.subgroups,
        "decision": evaluation_figures.decision,
        "capture": _capture,
        "subgroups": _subgroups,
        "training": _training,
    }
    drawn = {key: paint(results) for key, paint in painters.items()}
    return {key: figure for key, figure in drawn.items() if figure is not None}


def subgroup_models(results: dict[str, Any]) -> list[str]:
    """Keys of the models drawn in subgroups: image and clinical where present, otherwise all."""
    known = models(results)
    present = {str(row.get("model")) for row in entries(results, "subgroups")}
    wanted = [model.key for model in (image_model(known), clinical_model(known)) if model is not None]
    return [key for key in wanted if key in present] or [key for key in known if key in present]


def _main(results: dict[str, Any]) -> Markup | None:
    known, styles = models(results), model_styles(models(results))
    ours, theirs = entries(results, "main"), entries(results, "published")
    rows = []
    for mode in case_types(results):
        here = [row for row in ours if row.get("case_type") == mode]
        if here:
            rows.append(ForestRow(label=mode_name(mode)))
        there = [row for row in theirs if row.get("case_type") == mode]
        published = counterparts(here, there, known)
        for row in here:
            key = str(row.get("model"))
            style = styles[key]
            concordance, odds = interval(row.get("concordance")), interval(row.get("odds_ratio"))
            beside = interval(published.get(key, {}).get("concordance"))
            marks = _marks(concordance, style) + _marks(beside, style, filled=False)
            rows.append(
                ForestRow(
                    label=known[key].label,
                    cells=(
                        ForestCell(marks=marks, text=_text(concordance)),
                        ForestCell(marks=_marks(odds, style, ratio=True), text=_ratio(odds)),
                    ),
                )
            )
    if not any(cell.marks for row in rows for cell in row.cells):
        return None
    ours_title = "this study" if "published" in results else "estimate"
    panels = [
        Panel(title=statistic(results), text_title=ours_title, reference=0.5),
        Panel(title="Odds ratio per control SD", text_title=ours_title, reference=1.0, log=True),
    ]
    alt = f"Forest plot of {statistic(results)} and odds ratio per control SD of every model by mode of "
    alt += "detection. "
    return forest("main", alt + "The numbers are in the table main.", rows, panels, label_width=146)


def _factors(results: dict[str, Any]) -> Markup | None:
    found = entries(results, "factor_odds_ratios")
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    rows = []
    for factor in dict.fromkeys(str(row.get("factor")) for row in found):
        marks = []
        for index, mode in enumerate(modes):
            row = of(found, factor=factor, case_type=mode) or {}
            odds = interval(row.get("odds_ratio"))
            marker, filled = MODE_MARKS[index % len(MODE_MARKS)]
            if odds is not None and odds.value > 0:
                marks.append(Mark(interval=odds, color=INK, marker=marker, filled=filled))
        unit = str((of(found, factor=factor) or {}).get("unit") or "")
        label = f"{factor}, {unit}" if unit else factor
        rows.append(ForestRow(label=label, cells=(ForestCell(marks=tuple(marks)),)))
    if not any(cell.marks for row in rows for cell in row.cells):
        return None
    panels = [Panel(title="Odds ratio", reference=1.0, log=True)]
    alt = "Forest plot of the odds ratios of clinical factors by mode of detection. "
    alt += "The numbers are in the table factor_odds_ratios."
    return forest("factors", alt, rows, panels, label_width=285)


def _subgroups(results: dict[str, Any]) -> Markup | None:
    found = entries(results, "subgroups")
    styles, keys = model_styles(models(results)), subgroup_models(results)
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
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
            marks: tuple[Mark, ...] = ()
            for key in keys:
                row = of(here, model=key) or {}
                marks += _marks(interval(row.get("concordance")), styles[key])
            n = whole(here[0].get("n_sets")) if here else None
            cells.append(ForestCell(marks=marks, text="" if n is None else count_text(n)))
        rows.append(ForestRow(label=level, cells=tuple(cells)))
    if not any(cell.marks for row in rows for cell in row.cells):
        return None
    unit = "sets" if is_matched(results) else "cases"
    width = 92.0 if len(modes) < 3 else 42.0
    panels = [
        Panel(title=mode_name(mode), text_title=unit, text_width=width, reference=0.5) for mode in modes
    ]
    alt = "Forest plot of the concordance in subgroups. The numbers are in the table subgroups."
    return forest("subgroups", alt, rows, panels, label_width=130)


def _roc(results: dict[str, Any]) -> Markup | None:
    curves = [curve for curve in entries(results, "roc") if curve.get("fpr") and curve.get("tpr")]
    modes = [mode for mode in case_types(results) if of(curves, case_type=mode)]
    if not modes:
        return None
    known, styles = models(results), model_styles(models(results))
    # Three panels on a line are too small for names: these stand in the key above, the areas in the panel.
    small = len(case_types(results)) > 2
    columns = 3 if small else min(len(modes), 2)
    side = WIDTH / 3 - 50 if small else 250.0

    def paint(figure: Figure) -> None:
        everywhere = panel_axes(figure, len(modes), columns=columns, width=side, height=side)
        for axes, mode in zip(everywhere, modes, strict=True):
            axes.plot((0, 1), (0, 1), color=RULE, linewidth=0.8)
            for curve in curves:
                if curve.get("case_type") != mode:
                    continue
                key = str(curve.get("model"))
                area = interval(curve.get("auc"))
                name = "" if small else f"{short(known[key].label, 30)}\u2002"
                axes.plot(
                    curve["fpr"],
                    curve["tpr"],
                    color=styles[key].sentinel,
                    dashes=styles[key].dashes or (None, None),
                    linewidth=1.5,
                    label=name + decimal_text(area.value if area else None),
                )
            axes.set(xlim=(0, 1), ylim=(0, 1), title=mode_name(mode))
            axes.set_xlabel("share of controls above" + ("" if small else " the threshold"))
            axes.set_ylabel("share of cases above it")
            axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
            axes.set_yticks([0, 0.25, 0.5, 0.75, 1], ["0", "0.25", "0.5", "0.75", "1"])
            axes.grid(True)
            axes.legend(loc="lower right", fontsize=8, handlelength=2.4, borderaxespad=0.2)

    alt = "Curves of the share of cases against the share of controls above each threshold, for every model. "
    height = panels_height(len(modes), columns=columns, height=side)
    return draw("roc", alt + "The points are in the table roc.", paint, height=height)


def _distributions(results: dict[str, Any]) -> Markup | None:
    found = [e for e in entries(results, "distributions") if e.get("counts") and sum(e["counts"]) > 0]
    known, styles = models(results), model_styles(models(results))
    keys = [key for key in known if of(found, model=key)]
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    if not keys:
        return None
    columns = min(4, len(keys))
    lines = [(mode, keys[i : i + columns]) for mode in modes for i in range(0, len(keys), columns)]
    # Never wider than half the page, or a single model looks like a landscape.
    width, height, gap = min((WIDTH + 16) / columns - 16, WIDTH / 2), 76.0, 58.0

    def paint(figure: Figure) -> None:
        for line, (mode, shown) in enumerate(lines):
            top = 36 + line * (height + gap)
            say(figure, mode_name(mode), left=0, top=top - 25, bold=True)
            for column, key in enumerate(shown):
                axes = axes_at(figure, left=column * (width + 16), top=top, width=width, height=height)
                say(
                    figure,
                    short(known[key].label, round(width / 5)),
                    left=column * (width + 16),
                    top=top - 9,
                    color=SOFT,
                    size=8.5,
                )
                for group in ("control", "case"):
                    entry = of(found, model=key, case_type=mode, group=group)
                    if entry is not None:
                        _steps(axes, entry, styles[key] if group == "case" else None)
                axes.set_yticks([])
                axes.set_ylim(bottom=0)
                axes.spines["left"].set_visible(False)
                axes.locator_params(axis="x", nbins=5)

    alt = "Distributions of the scores of cases and controls. The counts are in the table distributions."
    return draw("distributions", alt, paint, height=34 + len(lines) * (height + gap) - 34)


def _steps(axes: Axes, entry: dict[str, Any], style: ModelStyle | None) -> None:
    edges, counts = entry["edges"], entry["counts"]
    total = sum(counts)
    shares = [
        n / total / max(upper - lower, 1e-12)
        for n, lower, upper in zip(counts, edges[:-1], edges[1:], strict=True)
    ]
    if style is None:
        axes.stairs(shares, edges, fill=True, color=RULE, linewidth=0)
    else:
        axes.stairs(shares, edges, color=style.sentinel, linewidth=1.6)


def _capture(results: dict[str, Any]) -> Markup | None:
    found = [row for row in entries(results, "capture") if interval(row.get("capture")) is not None]
    fractions = sorted({value for row in found if (value := number(row.get("fraction"))) is not None})
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    if not fractions or not modes:
        return None
    known, styles = models(results), model_styles(models(results))
    keys = [key for key in known if of(found, model=key)]
    columns = min(len(modes), 2)
    spread = min(0.14, 0.7 / len(keys))

    def paint(figure: Figure) -> None:
        everywhere = panel_axes(
            figure, len(modes), columns=columns, width=WIDTH / columns - 60, height=_CAPTURE_HEIGHT
        )
        for axes, mode in zip(everywhere, modes, strict=True):
            for position, fraction in enumerate(fractions):
                axes.plot((position - 0.4, position + 0.4), (100 * fraction,) * 2, color=SOFT, linewidth=0.8)
                for index, key in enumerate(keys):
                    row = of(found, model=key, case_type=mode, fraction=fraction) or {}
                    x = position + spread * (index - (len(keys) - 1) / 2)
                    upright(axes, x, interval(row.get("capture")), styles[key], factor=100)
            axes.set_xticks(range(len(fractions)), [top_text(fraction) for fraction in fractions])
            axes.set_xlim(-0.5, len(fractions) - 0.5)
            axes.set_ylim(bottom=0)
            axes.grid(True, axis="y")
            axes.set(title=mode_name(mode))
            axes.set_xlabel("highest scores")
            axes.set_ylabel("% of cancers captured")

    alt = "Share of cancers among the highest scores, for every model. The numbers are in the table capture."
    height = panels_height(len(modes), columns=columns, height=_CAPTURE_HEIGHT)
    return draw("capture", alt, paint, height=height)


def _training(results: dict[str, Any]) -> Markup | None:
    members = [entry for entry in entries(results, "training") if entry.get("epochs")]
    image = image_model(models(results))
    color = model_styles(models(results))[image.key].sentinel if image is not None else INK
    panels = [
        (quantity, label)
        for quantity, label in (("loss", "Training loss"), ("concordance", "Validation concordance"))
        if any(number(epoch.get(quantity)) is not None for entry in members for epoch in entry["epochs"])
    ]
    if not panels:
        return None

    def paint(figure: Figure) -> None:
        everywhere = panel_axes(
            figure, len(panels), columns=len(panels), width=WIDTH / len(panels) - 60, height=150
        )
        for axes, (quantity, label) in zip(everywhere, panels, strict=True):
            for entry in members:
                points = [
                    (number(epoch.get("epoch")), number(epoch.get(quantity))) for epoch in entry["epochs"]
                ]
                known = [(x, y) for x, y in points if x is not None and y is not None]
                axes.plot([x for x, _ in known], [y for _, y in known], color=color, linewidth=1.1)
                best = [(x, y) for x, y in known if x == entry.get("best_epoch")]
                axes.plot([x for x, _ in best], [y for _, y in best], "o", color=color, markersize=4.5)
            axes.set(title=label)
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
            axes.grid(True, axis="y", color=FAINT)

    alt = "Loss and validation concordance of every ensemble member by epoch, the best epoch marked. "
    return draw("training", alt + "The numbers are in the table training.", paint, height=150 + 56)


def _marks(
    found: Interval | None, style: ModelStyle, *, filled: bool = True, ratio: bool = False
) -> tuple[Mark, ...]:
    # A ratio of 0 has no place on a logarithmic axis; its text still stands in the row.
    if found is None or (ratio and found.value <= 0):
        return ()
    return (Mark(interval=found, color=style.sentinel, marker=style.marker, filled=filled),)


def _text(found: Interval | None) -> str:
    if found is None:
        return "–"
    bounds = interval_text(decimal_text(found.lower), decimal_text(found.upper))
    return f"{decimal_text(found.value)} {bounds}"


def _ratio(found: Interval | None) -> str:
    if found is None:
        return "–"
    return f"{ratio_text(found.value)} {interval_text(ratio_text(found.lower), ratio_text(found.upper))}"
