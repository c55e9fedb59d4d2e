"""A real prediction file: the published AUC of a model on CMMD, to all digits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]


def test_the_published_auc_of_374_breasts_is_reproduced_to_all_digits(shared: Path, tmp_path: Path) -> None:
    source = shared / "data" / "cmmd"
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "examples" / "cmmd.py"),
            str(source),
            str(tmp_path),
            str(tmp_path / "page.md"),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    published = float(pd.read_csv(source / "published_metrics.csv")["AUC(ROC)"][0])
    assert results["main"][0]["concordance"]["value"] == published
    assert results["study"]["n_exams"] == 374
    assert results["study"]["n_women"] == 368
    assert results["exclusions"] == [
        {
            "what": "breasts without a prediction of published",
            "n": 1498,
            "unit": "breasts",
            "reason": "the model did not score them; all models are compared on identical women",
            "remedy": "Score them, or take them out of the outcomes knowingly: missing scores are rarely "
            "random",
        }
    ]
    assert "0.7008529441989518" in (tmp_path / "page.md").read_text()
