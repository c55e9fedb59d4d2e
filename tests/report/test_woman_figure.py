"""The picture of one woman: drawn whatever a model leaves open, and the words in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forescreen.clinical.explanation import Explanation, Line
from forescreen.report.woman_figure import draw_woman, headline, percent

NAN = float("nan")


def build_explanation(**changes: Any) -> Explanation:
    years = np.arange(1.0, 6.0)
    values: dict[str, Any] = {
        "model": "small",
        "title": "Small model",
        "event": "invasive breast cancer",
        "age": 52.0,
        "horizon_years": 5.0,
        "risk": 0.024,
        "average": 0.012,
        "lower": NAN,
        "upper": NAN,
        "lines": (
            Line(factor="density", value="d", used="as given", relative_risk=1.5, assumed=False),
            Line(factor="births", value="", used="none", relative_risk=0.8, assumed=True),
            Line(factor="age", value="52 years", used="as given", relative_risk=NAN, assumed=False),
            Line(factor="cost in $", value="1 $ or 2 $", used="as given", relative_risk=1.0, assumed=False),
        ),
        "years": years,
        "risk_by_year": years * 0.0048,
        "average_by_year": years * 0.0024,
        "reasons": (),
        "flags": (),
        "notes": (),
        **changes,
    }
    return Explanation(**values)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"years": np.array([5.0]), "risk_by_year": np.array([0.024]), "average_by_year": np.array([0.012])},
        {"average": NAN, "average_by_year": np.full(5, NAN)},
        {"average": NAN, "lower": 0.02, "upper": 0.03, "years": np.array([5.0])},
        {"risk": NAN, "average": NAN, "reasons": ("the age is unknown",), "lines": (), "age": NAN},
        {"lines": ()},
        {"risk": 1e-6, "average": 0.0},
        {"risk": 0.45, "average": 0.1, "horizon_years": 40.0, "years": np.arange(1.0, 41.0)[:5]},
    ],
)
def test_whatever_a_model_leaves_open_is_drawn(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "woman.png"
    draw_woman(path, [build_explanation(**changes), build_explanation()], name="row 12")
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_same_woman_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_woman(tmp_path / name, [build_explanation()], name="row 12")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


def test_the_headline_speaks_in_natural_frequencies() -> None:
    assert headline(build_explanation()) == (
        "24 of 1000 women like her, against 12 of 1000 average women of her age: 2.00 times the average risk"
    )
    assert headline(build_explanation(average=NAN)) == "24 of 1000 women like her"
    small = headline(build_explanation(risk=0.0012, average=0.0006))
    assert small.startswith("12 of 10000 women like her, against 6 of 10000")
    refused = build_explanation(risk=NAN, reasons=("the age is unknown",))
    assert headline(refused) == "No risk: the age is unknown"


def test_risks_are_written_with_two_figures_that_can_be_compared() -> None:
    assert percent(0.0237) == "2.4 %"
    assert percent(0.00063) == "0.063 %"
    assert percent(0.0237, 0.00063) == "2.370 %"
    assert percent(NAN) == "–"
