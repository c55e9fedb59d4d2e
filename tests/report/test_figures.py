"""Figures as SVG that belong to the page."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure

from forescreen.report.drawing import axes_at, draw, marker_svg, say
from forescreen.report.figures import all_figures
from forescreen.report.forests import ForestCell, ForestRow, Mark
from forescreen.report.palette import model_styles
from forescreen.report.results import Interval, models

from .builders import build_estimate, build_main, build_results

FIGURES = ("main", "factors", "roc", "distributions", "capture", "subgroups", "training")


@pytest.fixture(scope="module")
def figures() -> dict[str, str]:
    return {key: str(svg) for key, svg in all_figures(build_results()).items()}


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def texts_of(svg: str) -> list[str]:
    parser = Texts()
    parser.feed(svg)
    return parser.texts


def test_a_complete_study_has_all_figures(figures: dict[str, str]) -> None:
    assert tuple(figures) == FIGURES


@pytest.mark.parametrize("key", FIGURES)
def test_all_colours_are_those_of_the_theme(figures: dict[str, str], key: str) -> None:
    assert re.findall(r"#[0-9a-fA-F]{6}", figures[key]) == []
    assert "var(--" in figures[key]


@pytest.mark.parametrize("key", FIGURES)
def test_every_figure_says_what_it_is_and_where_its_numbers_are(figures: dict[str, str], key: str) -> None:
    label = re.search(r'role="img" aria-label="([^"]+)"', figures[key])
    assert label is not None
    assert "in the table" in label[1]


def test_ids_of_different_figures_differ_and_every_reference_has_its_id(figures: dict[str, str]) -> None:
    page = "".join(figures.values())
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 0
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page)) <= set(ids)


def test_the_forest_shows_every_model_with_its_numbers(figures: dict[str, str]) -> None:
    shown = texts_of(figures["main"])
    assert shown.count("Image score") == 2
    assert "0.66 (0.63, 0.69)" in shown
    assert "1.79 (1.58, 2.02)" in shown


def test_suppressed_subgroups_are_named_and_their_counts_are_not_drawn() -> None:
    shown_cell = {"variable": "race", "model": "image", "case_type": "interval", "suppressed": False}
    seen = shown_cell | {"level": "White", "concordance": build_estimate(0.7), "n_sets": 81}
    hidden = seen | {"level": "Other", "n_sets": 7, "suppressed": True}
    shown = texts_of(str(all_figures({"subgroups": [seen, hidden]})["subgroups"]))
    assert "few, not shown" in shown
    assert "81" in shown
    assert "7" not in shown


def test_labels_from_users_are_text_and_not_markup_or_mathematics() -> None:
    label = '<b>$x^2$</b> --> & "q"'
    hostile = [{"key": "image", "label": label, "kind": "image", "description": ""}]
    svg = str(all_figures({"models": hostile, "main": build_main()})["main"])
    assert "<b>" not in svg
    assert "-->" not in svg.replace("--&gt;", "")
    assert any(text.startswith("<b>$x^2$</b> --> &") for text in texts_of(svg))


def test_coordinates_are_shortened_and_texts_are_not() -> None:
    def paint(figure: Figure) -> None:
        axes_at(figure, left=10, top=10, width=80, height=40).plot([0, 1 / 3], [0, 1])
        say(figure, "1.0754321", left=3, top=5)

    svg = draw("test", "a test", paint, height=80)
    assert "1.0754321" in texts_of(str(svg))
    assert re.search(r' d="[^"]*\.\d{3}', str(svg)) is None


def test_wild_odds_ratios_leave_the_axis_readable() -> None:
    rows = build_main()
    rows[0]["odds_ratio"] = build_estimate(3e6, lower=0.0, upper=9e12)
    shown = texts_of(str(all_figures({"main": rows})["main"]))
    assert "3e6 (0.00, 9e12)" in shown
    assert "64" in shown


def test_a_row_without_an_estimate_is_as_tall_as_one_with_it() -> None:
    mark = Mark(interval=Interval(value=0.6, lower=None, upper=None), color="", marker="o")
    one = ForestRow(label="one", cells=(ForestCell(marks=(mark,)), ForestCell()))
    none = ForestRow(label="none", cells=(ForestCell(text="few, not shown"),))
    two = ForestRow(label="two", cells=(ForestCell(marks=(mark, mark)), ForestCell()))
    assert none.height == one.height < two.height


def test_nothing_to_draw_gives_no_figure() -> None:
    nothing = [row | {"concordance": None, "odds_ratio": None} for row in build_main()]
    assert "main" not in all_figures({"main": nothing})
    assert all_figures({}) == {}


def test_marks_for_legends_carry_the_colour_of_the_model() -> None:
    styles = model_styles(models(build_results()))
    assert "var(--model-1)" in marker_svg(styles["image"])
    assert "stroke-dasharray" in marker_svg(styles["clinical"])
