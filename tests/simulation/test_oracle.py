"""The exported truth of a simulated registry."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from forescreen.errors import CohortError
from forescreen.simulation.oracle import export_oracle
from forescreen.simulation.registry import SimulationConfig, simulate_registry


def test_the_oracle_has_one_row_per_exam_and_the_trait_of_its_woman(tmp_path: Path) -> None:
    simulate_registry(SimulationConfig(n_women=200, seed=2), tmp_path)
    n = export_oracle(tmp_path, tmp_path / "oracle.csv")
    oracle = pd.read_csv(tmp_path / "oracle.csv")
    exams = pd.read_csv(tmp_path / "exams.csv")
    assert list(oracle.columns) == ["exam_id", "trait", "density_z"]
    assert n == len(oracle) == len(exams)
    joined = oracle.merge(exams, on="exam_id").merge(
        pd.read_csv(tmp_path / "truth" / "women.csv"), on="woman_id", suffixes=("", "_true")
    )
    assert len(joined) == len(exams)
    assert (joined["trait"] == joined["trait_true"]).all()


def test_a_real_registry_has_no_oracle(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match=r"truth/women\.csv and truth/exams\.csv"):
        export_oracle(tmp_path, tmp_path / "oracle.csv")
    assert not (tmp_path / "oracle.csv").exists()
