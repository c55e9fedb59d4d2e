"""Table 1: who the women are, controls beside cases of each type.

Numbers are means with standard deviations or counts with percentages of those known; unknown values
are a level of their own, never a silent drop.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..records import Outcome

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


def table_one(members: pd.DataFrame) -> dict[str, Any]:
    """Characteristics of the members by outcome, as {"columns", "rows"} of display text."""
    outcomes = [o for o in Outcome if (members["outcome"] == o).any()]
    labels = {
        Outcome.NONE: "Controls",
        Outcome.SCREEN_DETECTED: "Screen-detected",
        Outcome.INTERVAL: "Interval",
        Outcome.CANCER: "Cancer",
    }
    parts = {o: members[members["outcome"] == o] for o in outcomes}
    columns = [{"label": labels[o], "n": len(parts[o])} for o in outcomes]
    rows: list[dict[str, Any]] = []
    for name, label in _CONTINUOUS.items():
        if name in members and members[name].notna().any():
            texts = [_mean(parts[o][name]) for o in outcomes]
            rows.append({"label": label, "level": None, "values": texts})
    for name, label in _CATEGORICAL.items():
        if name not in members or not members[name].notna().any():
            continue
        text = members[name].map(_as_text)
        levels = sorted(text[text != ""].unique())
        if (text == "").any():
            levels.append("")
        for level in levels:
            values = []
            for o in outcomes:
                chosen = text[members["outcome"] == o]
                known = int((chosen != "").sum())
                count = int((chosen == level).sum())
                share = f" ({100 * count / known:.0f} %)" if known and level != "" else ""
                values.append(f"{count}{share}")
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
