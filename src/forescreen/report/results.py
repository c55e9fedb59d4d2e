"""results.json as the report reads it: sections, intervals, models. Nothing is computed here.

Every key may be missing or empty; a key of another type than the contract names is an InputError that
says which one, because a page with a section silently lost would be worse.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..errors import InputError

#: Names of the sections of results.json that hold a list of objects.
LISTS = (
    "flow",
    "refused",
    "models",
    "main",
    "published",
    "comparisons",
    "mode_comparisons",
    "factor_odds_ratios",
    "roc",
    "capture",
    "distributions",
    "subgroups",
    "examples",
    "training",
    "inputs",
    "exclusions",
    "head_to_head",
    "head_to_head_differences",
    "horizons",
    "horizon_comparisons",
    "c_index",
    "overall",
    "calibration",
    "calibration_subgroups",
    "decision",
    "rule_out",
    "checklist",
)

#: Sections whose entries name a model and a mode of detection.
_BY_MODEL = (
    "main",
    "roc",
    "capture",
    "distributions",
    "subgroups",
    "head_to_head",
    "horizons",
    "c_index",
    "overall",
    "calibration",
    "calibration_subgroups",
    "decision",
    "rule_out",
)


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its confidence interval, as results.json states it; None where it says null."""

    value: float
    lower: float | None
    upper: float | None
    p_value: float | None = None
    n: int | None = None
    n_events: int | None = None
    level: float = 0.95
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that was evaluated, with its name for people."""

    key: str
    label: str
    kind: str  # image, clinical, combined, truth, peer
    description: str
    output: str = ""  # what its numbers are: "score", "risk by 1, 2, 5 years"


def entries(results: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects of one section, in order; empty if the section is missing or null.

    Raises InputError if the section is not a list of objects.
    """
    found = results.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise InputError(
            expected="a list of objects", found=type(found).__name__, where=f"results.json: {key}"
        )
    return found


def mapping(results: dict[str, Any], key: str) -> dict[str, Any]:
    """One section that is an object; empty if missing or null. Raises InputError if it is not one."""
    found = results.get(key)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise InputError(expected="an object", found=type(found).__name__, where=f"results.json: {key}")
    return found


def texts(results: dict[str, Any], key: str) -> list[str]:
    """One section that is a list of texts; empty if missing or null. Raises InputError otherwise."""
    found = results.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise InputError(expected="a list of texts", found=type(found).__name__, where=f"results.json: {key}")
    return found


def number(found: object) -> float | None:
    """A finite number, or None for null, missing, or not finite; booleans and texts are not numbers."""
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        return None
    return float(found)


def whole(found: object) -> int | None:
    """A count, or None."""
    value = number(found)
    return None if value is None else round(value)


def interval(found: object) -> Interval | None:
    """An Interval from an estimate of results.json; None if it is null or has no value."""
    if not isinstance(found, dict):
        return None
    value = number(found.get("value"))
    if value is None:
        return None
    return Interval(
        value=value,
        lower=number(found.get("lower")),
        upper=number(found.get("upper")),
        p_value=number(found.get("p_value")),
        n=whole(found.get("n")),
        n_events=whole(found.get("n_events")),
        level=number(found.get("level")) or 0.95,
        method=str(found.get("method") or ""),
    )


def models(results: dict[str, Any]) -> dict[str, Model]:
    """All models by key: those listed, then any that only appear with numbers, in order of appearance."""
    found = {
        str(entry["key"]): Model(
            key=str(entry["key"]),
            label=str(entry.get("label") or entry["key"]),
            kind=str(entry.get("kind") or "peer"),
            description=str(entry.get("description") or ""),
            output=str(entry.get("output") or ""),
        )
        for entry in entries(results, "models")
        if entry.get("key") is not None
    }
    for section in _BY_MODEL:
        for entry in entries(results, section):
            key = str(entry.get("model"))
            if key not in found:
                found[key] = Model(key=key, label=key, kind="peer", description="")
    return found


def case_types(results: dict[str, Any]) -> list[str]:
    """Modes of detection in the order of the study; those that only appear with numbers come last."""
    found = list(texts(results, "case_types"))
    for section in ("main", "published", *_BY_MODEL[1:], "factor_odds_ratios"):
        for entry in entries(results, section):
            name = entry.get("case_type")
            if name is not None and str(name) not in found:
                found.append(str(name))
    return found


def of(found: list[dict[str, Any]], **wanted: object) -> dict[str, Any] | None:
    """The first entry whose fields equal those wanted, or None."""
    for entry in found:
        if all(entry.get(key) == value for key, value in wanted.items()):
            return entry
    return None


def counterparts(
    ours: list[dict[str, Any]], theirs: list[dict[str, Any]], known: dict[str, Model]
) -> dict[str, dict[str, Any]]:
    """The published row of each of our rows of one mode, by model key.

    A published row belongs to our model of that key, otherwise to our first model of that kind.
    """
    found: dict[str, dict[str, Any]] = {}
    keys = [str(row.get("model")) for row in ours]
    for row in theirs:
        name = str(row.get("model"))
        same_kind = [key for key in keys if known[key].kind == name]
        for key in [key for key in keys if key == name] or same_kind[:1]:
            found[key] = row
    return found


def is_matched(results: dict[str, Any]) -> bool:
    """Whether cases and controls were matched in sets (the default where the design is not stated)."""
    return str(mapping(results, "study").get("design") or "matched") == "matched"


def judged(results: dict[str, Any]) -> str:
    """Who is judged: "held-out", "cross-validated" (nothing held out), "all" (nothing was fitted)."""
    return str(results.get("judged") or "held-out")


def unit(results: dict[str, Any], *, default: str = "exam") -> str:
    """What one row of the evaluation is: "exam", "woman" or "breast"."""
    return str(mapping(results, "study").get("unit") or default)


def units(results: dict[str, Any], *, default: str = "exam") -> str:
    """The plural of `unit`."""
    name = unit(results, default=default)
    return {"woman": "women"}.get(name, f"{name}s")


def main_horizon(results: dict[str, Any]) -> float | None:
    """Years after the exam by which the main results count cancers; None where follow-up is complete."""
    return number(mapping(results, "study").get("main_horizon_years"))


def thresholds(results: dict[str, Any]) -> list[float]:
    """Risks at which decisions are taken, as the study names them."""
    found = mapping(results, "study").get("thresholds")
    values = map(number, found) if isinstance(found, list) else ()
    return [value for value in values if value is not None]


def difference_decimals(results: dict[str, Any]) -> int:
    """Decimals of differences of concordances: one more where models are compared head to head.

    Differences between models are small, and a limit of 0.001 must not read as 0.
    """
    return 3 if "head_to_head" in results else 2


def at_longest(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of the entries of each mode of detection, those with the longest horizon."""
    longest: dict[object, float] = {}
    for entry in found:
        mode, years = entry.get("case_type"), number(entry.get("horizon_years")) or 0.0
        longest[mode] = max(longest.get(mode, 0.0), years)
    return [
        entry
        for entry in found
        if (number(entry.get("horizon_years")) or 0.0) == longest[entry.get("case_type")]
    ]


def is_simulated(results: dict[str, Any]) -> bool:
    """Whether the women come from the simulator."""
    return "simulated" in str(mapping(results, "study").get("data_kind") or "").lower()
