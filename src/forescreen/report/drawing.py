"""A figure as inline SVG whose colours and fonts are those of the page.

matplotlib draws with sentinel colours (`palette.SENTINEL`); here they become CSS variables, so that one
drawing serves light, dark and paper. Positions are in points from the top left corner. Same input, same
bytes: no dates, no random ids.
"""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.path import Path as Outline

from ..files import write_with
from .palette import SENTINEL, THEME, ModelStyle
from .results import Interval

#: Full width of a figure in points. Shown about 1.4 pixels a point on a screen, 0.8 on A4.
WIDTH = 640.0

#: Of pictures.
_PIXELS_PER_POINT = 2.0

#: Points above and below a panel, for its title and the labels of its axis.
_AROUND = 56.0

INK, SOFT, RULE, FAINT, PAPER = (SENTINEL[name] for name in ("ink", "soft", "rule", "faint", "paper"))

_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "forescreen",
    # Labels come from users: a dollar sign is a dollar sign.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": SOFT,
    "axes.facecolor": "none",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "figure.facecolor": "none",
    "grid.color": FAINT,
    "grid.linewidth": 0.7,
    "xtick.color": RULE,
    "xtick.labelcolor": SOFT,
    "ytick.color": RULE,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 3.0,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.solid_capstyle": "butt",
    "savefig.facecolor": "none",
    "savefig.edgecolor": "none",
}


def draw(
    name: str, alt: str, paint: Callable[[Figure], None], *, height: float, width: float = WIDTH
) -> Markup:
    """What `paint` puts on an empty figure of `width` x `height` points, as an SVG element.

    `name` makes the ids of this figure different from those of others on the page; `alt` is what a
    screen reader says.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasSVG(figure)
        paint(figure)
        stream = io.StringIO()
        figure.savefig(
            stream, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}
        )
    return _for_the_page(stream.getvalue(), name, alt, width)


def picture(path: Path, paint: Callable[[Figure], None], *, height: float, width: float = WIDTH) -> None:
    """What `paint` puts on an empty white figure of `width` x `height` points, as a PNG, written atomically.

    There is no theme to follow here: `paint` gives the light colours of `palette.THEME`, to `say`, too.
    """
    light = {SENTINEL[name]: pair[0] for name, pair in THEME.items()}
    style = {key: light.get(str(value), value) for key, value in _STYLE.items()}
    with matplotlib.rc_context({**style, "figure.facecolor": THEME["paper"][0], "savefig.facecolor": "auto"}):
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasAgg(figure)
        paint(figure)

        def write(stream: BinaryIO) -> None:
            figure.savefig(stream, format="png", dpi=72 * _PIXELS_PER_POINT, metadata={"Software": None})

        write_with(path, write)


def axes_at(figure: Figure, *, left: float, top: float, width: float, height: float) -> Axes:
    """Axes whose upper left corner lies `left`, `top` points from that of the figure."""
    full_width, full_height = 72 * figure.get_figwidth(), 72 * figure.get_figheight()
    axes: Axes = figure.add_axes(
        (left / full_width, 1 - (top + height) / full_height, width / full_width, height / full_height)
    )
    return axes


def panel_axes(
    figure: Figure, n: int, *, columns: int, width: float, height: float, widest: float = WIDTH / 2 - 50
) -> list[Axes]:
    """`n` axes of at most `width` x `height` points, `columns` beside each other, with room for their labels.

    None is wider than `widest`. The figure needs `panels_height` points.
    """
    step = WIDTH / columns
    width = min(width, step - 50, widest)
    return [
        axes_at(
            figure,
            left=40 + (i % columns) * step,
            top=24 + (i // columns) * (height + _AROUND),
            width=width,
            height=height,
        )
        for i in range(n)
    ]


def panels_height(n: int, *, columns: int, height: float) -> float:
    """The height of a figure that holds such panels."""
    return math.ceil(n / columns) * (height + _AROUND)


def upright(axes: Axes, x: float, found: Interval | None, style: ModelStyle, *, factor: float = 1.0) -> None:
    """An estimate with its interval as a vertical line, in the colour and with the marker of its model."""
    if found is None:
        return
    if found.lower is not None and found.upper is not None:
        ends = (factor * found.lower, factor * found.upper)
        axes.plot((x, x), ends, color=style.sentinel, linewidth=1.3)
    axes.plot(
        x, factor * found.value, marker=style.marker, markersize=4.6, color=style.sentinel, linestyle="none"
    )


def say(
    figure: Figure,
    text: str,
    *,
    left: float,
    top: float,
    align: str = "left",
    color: str = INK,
    bold: bool = False,
    size: float = 9.0,
) -> None:
    """Text centred on the height `top`, beginning, centred or ending at `left` points."""
    figure.text(
        left / (72 * figure.get_figwidth()),
        1 - top / (72 * figure.get_figheight()),
        text,
        ha=align,
        va="center_baseline",
        color=color,
        fontweight="bold" if bold else "normal",
        fontsize=size,
    )


def short(text: str, characters: int) -> str:
    """The text, cut with an ellipsis where it is longer than fits."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def marker_svg(style: ModelStyle) -> Markup:
    """The mark of a model for legends and tables: a short piece of its line with its marker."""
    shape = MarkerStyle(style.marker)
    outline = shape.get_path().transformed(shape.get_transform())
    scale = 3.4 / float(np.abs(np.asarray(outline.vertices, dtype=float)).max())
    steps = []
    for points, code in outline.iter_segments(curves=True, simplify=False):
        letter = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}.get(
            code
        )
        if letter is None:
            steps.append("Z")
            continue
        pairs = " ".join(
            f"{11 + scale * x:.2f} {6 - scale * y:.2f}"
            for x, y in zip(points[::2], points[1::2], strict=True)
        )
        steps.append(f"{letter}{pairs}")
    dash = f' stroke-dasharray="{" ".join(f"{d:g}" for d in style.dashes)}"' if style.dashes else ""
    colour = f"var(--{style.variable})"
    return Markup(
        '<svg class="mark" viewBox="0 0 22 12" aria-hidden="true">'
        f'<path d="M0 6H22" style="stroke: {colour}; stroke-width: 1.5; fill: none"{dash}/>'
        f'<path d="{"".join(steps)}" style="fill: {colour}"/></svg>'
    )


def _for_the_page(text: str, name: str, alt: str, width: float) -> Markup:
    text = text[text.index("<svg") :]
    # matplotlib writes no comments or metadata that a reader needs; the global style would leak out.
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(
        r' id="([^"]*)"', lambda found: f' id="{name}-{found[1]}"' if found[1] in used else "", text
    )
    text = re.sub(r'(url\(#|href="#)', rf"\g<1>{name}-", text)
    text = re.sub(r" font-family: [^;\"]+;", "", text)
    text = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", text)
    # A hundredth of a point is enough for coordinates; texts between the tags stay as they are.
    text = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(\.\d\d)\d+", r"\1", tag[0]), text)
    for variable, sentinel in SENTINEL.items():
        text = text.replace(sentinel, f"var(--{variable})")
    label = html.escape(alt, quote=True)
    head = f'role="img" aria-label="{label}" class="drawing" style="--drawn: {width:.0f}"'
    text = re.sub(r'<svg [^>]*?(viewBox="[^"]*")[^>]*>', rf"<svg {head} \1>", text, count=1)
    return Markup(re.sub(r"\n\s*", "\n", text).strip())
