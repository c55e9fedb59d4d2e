from __future__ import annotations

from typing import Any

import pytest

from forescreen.cohort.settings import CohortConfig
from forescreen.errors import ConfigError


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"design": "crossover"}, "design to be one of matched, unmatched, cohort"),
        ({"ratio": 0}, "ratio >= 1"),
        ({"n_folds": 1}, "n_folds >= 2"),
        ({"held_out": 1.0}, r"held_out in \[0, 1\)"),
        ({"interval_window_months": float("nan")}, "interval_window_months >= 1"),
        ({"min_months_before_diagnosis": 60}, "min_months_before_diagnosis below"),
        ({"min_age_years": 80, "max_age_years": 40}, "min_age_years below"),
        ({"negative_assessments": (1, 2, 3, 0)}, "share no code"),
        ({"match_on": ("race", "density")}, "match_on without repeats from race, site, machine"),
        ({"max_cases": {"cancer": 3}}, "max_cases with the keys screen-detected, interval"),
        ({"exam_per_woman": "all"}, 'only with design = "cohort"'),
    ],
)
def test_settings_out_of_range_are_refused_by_name(setting: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        CohortConfig(**setting)


def test_lists_from_a_settings_file_become_tuples() -> None:
    config = CohortConfig(match_on=["race"], positive_assessments=[0, 4, 5])  # type: ignore[arg-type]
    assert (config.match_on, config.positive_assessments) == (("race",), (0, 4, 5))
