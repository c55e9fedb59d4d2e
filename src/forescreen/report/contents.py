"""The sections of the page, in order: which are shown, and what the navigation calls them.

A section is shown where results.json has one of its keys, even an empty one (it then says why it is empty);
where none of the keys is there at all, the section is left out of page and navigation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Section:
    """One section: its id on the page, its name in the navigation, the keys that show it (none: always)."""

    id: str
    name: str
    keys: tuple[str, ...] = ()


SECTIONS = (
    Section(id="inputs", name="What was read", keys=("inputs",)),
    Section(id="flow", name="Study flow", keys=("flow",)),
    Section(id="exclusions", name="What was left out", keys=("exclusions",)),
    Section(id="women", name="Women", keys=("table1",)),
    Section(id="missing", name="Missing data", keys=("missing",)),
    Section(id="head-to-head", name="Head to head", keys=("head_to_head", "head_to_head_differences")),
    Section(id="main", name="Main results"),
    Section(id="comparisons", name="Comparisons", keys=("comparisons", "mode_comparisons")),
    Section(id="horizons", name="By horizon", keys=("horizons", "horizon_comparisons", "c_index")),
    Section(id="factors", name="Clinical factors", keys=("factor_odds_ratios",)),
    Section(id="curves", name="Curves and scores", keys=("roc", "distributions")),
    Section(id="calibration", name="Calibration", keys=("calibration", "calibration_subgroups", "overall")),
    Section(id="decision", name="Net benefit", keys=("decision",)),
    Section(id="capture", name="Capture", keys=("capture",)),
    Section(id="rule-out", name="Rule-out", keys=("rule_out",)),
    Section(id="subgroups", name="Subgroups", keys=("subgroups",)),
    Section(id="examples", name="Examples", keys=("examples",)),
    Section(id="training", name="Training", keys=("training",)),
    Section(id="refused", name="Refused", keys=("refused", "n_images_refused")),
    Section(id="checklist", name="TRIPOD+AI", keys=("checklist",)),
    Section(id="provenance", name="Provenance"),
    Section(id="reading", name="How to read"),
    Section(id="limits", name="Limits"),
)


def contents(results: dict[str, Any]) -> list[Section]:
    """The sections that a page of these results shows."""
    return [
        section for section in SECTIONS if not section.keys or any(key in results for key in section.keys)
    ]
