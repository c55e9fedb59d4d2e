"""Colours that can be read and told apart."""

from __future__ import annotations

import pytest

from forescreen.report.palette import SENTINEL, THEME, css_variables, model_styles
from forescreen.report.results import Model


def luminance(colour: str) -> float:
    # WCAG 2.2, relative luminance.
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def build_models(*kinds: str) -> dict[str, Model]:
    return {f"m{i}": Model(key=f"m{i}", label="", kind=kind, description="") for i, kind in enumerate(kinds)}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("name", [name for name in THEME if name in ("ink", "soft") or "model" in name])
def test_text_and_marks_stand_out_from_the_page(name: str, theme: int) -> None:
    needed = 4.5 if name in ("ink", "soft") else 3.0  # WCAG 2.2, 1.4.3 and 1.4.11
    assert contrast(THEME[name][theme], THEME["paper"][theme]) >= needed


def test_each_kind_has_its_own_colour_wherever_it_stands_in_the_list() -> None:
    forward = model_styles(build_models("image", "clinical", "truth"))
    backward = model_styles(build_models("truth", "clinical", "image"))
    assert forward["m0"] == backward["m2"]
    assert forward["m1"] == backward["m1"]
    assert forward["m2"] == backward["m0"]


def test_eight_models_of_one_kind_differ_in_colour_marker_and_dash() -> None:
    styles = model_styles(build_models(*["peer"] * 8)).values()
    for aspect in ("variable", "marker", "dashes"):
        assert len({getattr(style, aspect) for style in styles}) == 8


def test_more_models_than_styles_still_all_have_one() -> None:
    assert len(model_styles(build_models(*["peer"] * 11))) == 11


def test_no_sentinel_is_a_colour_of_the_page() -> None:
    assert not set(SENTINEL.values()) & {colour for pair in THEME.values() for colour in pair}
    assert "--ink: #1b1c1f;" in css_variables(dark=False)
    assert "--paper: #16181c;" in css_variables(dark=True)


def test_models_that_are_all_peers_take_the_clearest_styles_in_turn() -> None:
    styles = model_styles(build_models(*["peer"] * 4))
    assert [style.variable for style in styles.values()] == ["model-1", "model-2", "model-3", "model-5"]
