"""Table 1: who the women are, controls beside cases of each type.

Numbers are means with standard deviations or counts with percentages of those known; unknown values
are a level of their own, never a silent drop.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from ..clinical.covariates import percent_density_name
from ..records import Outcome
from .outcome_times import DEATH
from .subgroups import suppressed_levels

_CONTINUOUS = {
    "age": "Age at index exam, years",
    "bmi": "Body-mass index, kg/m²",
    "menarche_age": "Age at menarche, years",
    "percent_density": "Percent density",
    "months_to_diagnosis": "Months from index exam to diagnosis",
}
_CATEGORICAL = {
    "race": "Race or ethnicity",
    "family_history": "First-degree family history",
    "breast_biopsy": "Previous breast biopsy",
    "menopause": "Menopausal status",
    "hormone_therapy": "Hormone therapy",
    "density": "BI-RADS density",
    "site": "Site",
    "machine": "Machine",
}
_LEVEL_WORDS = {"pre": "premenopausal", "post": "postmenopausal", "1": "yes", "0": "no"}


def table_one(
    members: pd.DataFrame, *, suppress_below: int = 0, hidden: Mapping[str, set[str]] | None = None
) -> dict[str, Any]:
    """Characteristics of the members by outcome, as {"columns", "rows"} of display text.

    Counts of a level below `suppress_below` are not shown, nor those from which they could be told
    (`suppressed_levels`). `hidden` are levels by column that are suppressed elsewhere, and so here.
    """
    outcomes: list[str] = [o for o in (*Outcome, DEATH) if (members["outcome"] == o).any()]
    labels: dict[str, str] = {
        Outcome.NONE: "Controls",
        Outcome.SCREEN_DETECTED: "Screen-detected",
        Outcome.INTERVAL: "Interval",
        Outcome.CANCER: "Cancer",
        DEATH: "Died without cancer",
    }
    parts = {o: members[members["outcome"] == o] for o in outcomes}
    columns = [{"label": labels[o], "n": len(parts[o])} for o in outcomes]
    rows: list[dict[str, Any]] = []
    for name, label in _CONTINUOUS.items():
        if name in members and members[name].notna().any():
            texts = [_mean(parts[o][name]) for o in outcomes]
            label = percent_density_name(members) if name == "percent_density" else label
            rows.append({"label": label, "level": None, "values": texts})
    for name, label in _CATEGORICAL.items():
        if name not in members or not members[name].notna().any():
            continue
        text = members[name].map(_as_text)
        levels = sorted(text[text != ""].unique())
        if (text == "").any():
            levels.append("")
        counts = {o: text[members["outcome"] == o].value_counts().to_dict() for o in outcomes}
        also = (hidden or {}).get(name, set())
        kept_back = {
            o: suppressed_levels(
                {x: n for x in levels if (n := counts[o].get(x, 0))}, suppress_below, also=also
            )
            for o in outcomes
        }
        for level in levels:
            values = []
            for o in outcomes:
                known = sum(n for x, n in counts[o].items() if x != "")
                count = counts[o].get(level, 0)
                share = f" ({100 * count / known:.0f} %)" if known and level != "" else ""
                values.append("few" if level in kept_back[o] else f"{count}{share}")
            words = "unknown" if level == "" else _LEVEL_WORDS.get(level, level)
            rows.append({"label": label, "level": words, "values": values})
    return {"columns": columns, "rows": rows}


def _mean(values: pd.Series[Any]) -> str:
    known = pd.to_numeric(values, errors="coerce").dropna()
    if known.empty:
        return "–"
    return f"{known.mean():.1f} ± {known.std(ddof=1):.1f}" if len(known) > 1 else f"{known.iloc[0]:.1f}"


def _as_text(value: object) -> str:
    if value is None or (isinstance(value, float) and value != value) or value is pd.NA:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
