"""Make the picture of docs/how-to/risk.md: `python docs/risk.py` writes docs/images/risk.png.

The woman of row 3 of examples/women.csv by two models, as `forescreen risk … --explain W02` draws her.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forescreen.clinical.catalogue import model_named
from forescreen.clinical.explanation import explain
from forescreen.clinical.questionnaire import read_questionnaire
from forescreen.report.woman_figure import draw_woman

HERE = Path(__file__).resolve().parent
MODELS = ("bcrat", "bcsc-v1")

if __name__ == "__main__":
    answers = read_questionnaire(HERE.parent / "examples" / "women.csv")
    row = int(np.flatnonzero(answers.ids["id"] == "W02")[0])
    told = [explain(answers.women, row, model=model_named(name), horizon_years=5.0) for name in MODELS]
    draw_woman(HERE / "images" / "risk.png", told, name=f"row {row + 2}")
