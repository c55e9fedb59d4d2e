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
from .evaluation_builders import build_evaluation

FIGURES = ("main", "factors", "roc", "distributions", "capture", "subgroups", "training")

OF_EVALUATIONS = ("horizons", "calibration", "calibration_subgroups", "decision")


@pytest.fixture(scope="module")
def compared() -> dict[str, str]:
    """The figures of four models with risks and scores."""
    return {key: str(svg) for key, svg in all_figures(build_evaluation()).items()}


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


def test_an_evaluation_has_its_figures_in_the_order_of_the_page(compared: dict[str, str]) -> None:
    assert tuple(compared) == (
        "main",
        "horizons",
        "roc",
        "distributions",
        "calibration",
        "calibration_subgroups",
        "decision",
        "capture",
        "subgroups",
    )


@pytest.mark.parametrize("key", OF_EVALUATIONS)
def test_figures_of_evaluations_follow_the_theme_and_name_their_table(
    compared: dict[str, str], key: str
) -> None:
    assert re.findall(r"#[0-9a-fA-F]{6}", compared[key]) == []
    label = re.search(r'role="img" aria-label="([^"]+)"', compared[key])
    assert label is not None
    assert "in the table" in label[1]


def test_every_model_with_risks_has_a_calibration_panel_and_others_none(compared: dict[str, str]) -> None:
    shown = texts_of(compared["calibration"])
    assert shown.count("Northview Risk 3.1") == 3  # screen-detected, interval, any
    assert shown.count("Mirai") == shown.count("Halden AI") == 1
    assert "Volumetric density" not in shown
    assert shown.count("predicted within 5 years, %") == 5
    assert "O/E 0.62 (0.58, 0.65)" in shown


def test_axes_of_small_risks_have_the_decimals_they_need() -> None:
    rows = build_evaluation()["calibration"][:1]
    for group in rows[0]["groups"]:
        group["expected"] /= 100
        group["observed"] = build_estimate(group["observed"]["value"] / 100, 0.00001)
    shown = texts_of(
        str(all_figures({"case_types": ["screen-detected"], "calibration": rows})["calibration"])
    )
    assert {"0.00", "0.01", "0.02"} <= set(shown)


def test_a_model_without_curve_or_groups_leaves_the_others_their_panels() -> None:
    rows = build_evaluation()["calibration"][-2:]
    rows[0] |= {"curve": None, "groups": []}
    shown = texts_of(str(all_figures({"calibration": rows})["calibration"]))
    assert "halden" in shown
    assert "mirai" not in shown


def test_calibration_is_drawn_at_the_longest_horizon_only() -> None:
    rows = build_evaluation()["calibration"][-1:]
    shown = texts_of(
        str(all_figures({"calibration": [rows[0] | {"horizon_years": 2.0}, *rows]})["calibration"])
    )
    assert [text for text in shown if text.startswith("predicted")] == ["predicted within 5 years, %"]


def test_suppressed_subgroups_of_calibration_are_named_without_their_counts() -> None:
    row = {"model": "m", "case_type": "any", "horizon_years": 5.0, "variable": "density"}
    seen = row | {"level": "b", "n_events": 81, "observed_expected": build_estimate(1.1)}
    hidden = row | {"level": "d", "n_events": 7, "suppressed": True, "observed_expected": build_estimate(9.9)}
    shown = texts_of(str(all_figures({"calibration_subgroups": [seen, hidden]})["calibration_subgroups"]))
    assert "81" in shown
    assert "few, not shown" in shown
    assert "7" not in shown


def test_decision_curves_stand_in_one_panel_per_mode_with_treat_all(compared: dict[str, str]) -> None:
    shown = texts_of(compared["decision"])
    assert shown.count("threshold of risk, %") == 3
    lines = re.findall(r"stroke: var\(--soft\)", compared["decision"])
    assert len(lines) >= 3 * 4  # treat all, treat none and two thresholds in each panel


def test_a_horizon_without_an_estimate_leaves_its_place_empty() -> None:
    rows = build_evaluation()["horizons"][:5]
    rows[0] |= {"auc": None}
    shown = texts_of(str(all_figures({"horizons": rows})["horizons"]))
    assert "1" not in shown
    assert {"2", "3", "4", "5"} <= set(shown)


def test_three_modes_stand_side_by_side_and_name_their_models_in_the_key(compared: dict[str, str]) -> None:
    shown = texts_of(compared["roc"])
    assert "Mirai" not in " ".join(shown)
    assert {"0.69", "0.76", "0.71"} <= set(shown)
