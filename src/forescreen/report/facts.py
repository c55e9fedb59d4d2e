"""The facts at the head of the page: data, design, who was evaluated. Pairs of label and text."""

from __future__ import annotations

from typing import Any

from .numbers import count_text, decimal_text, within_text
from .results import (
    case_types,
    is_matched,
    judged,
    main_horizon,
    mapping,
    number,
    unit,
    units,
    whole,
)
from .sentences import data_kind

_DESIGNS = {
    "cohort": "cohort",
    "matched": "matched case–control",
    "case-control": "case–control",
    "nested case-control": "nested case–control",
    "case-cohort": "case–cohort",
}


def facts(results: dict[str, Any]) -> list[tuple[str, str]]:
    """The design in a few pairs of label and text; only what the results state."""
    study = mapping(results, "study")
    found = [("Data", data_kind(results))]
    design = str(study.get("design") or "")
    if design:
        ratio = whole(study.get("ratio"))
        controls = f", {ratio} controls per case" if ratio and is_matched(results) else ""
        weighted = ", weighted to the population" if study.get("weighted") else ""
        found.append(("Design", _DESIGNS.get(design, f"{design} case–control") + controls + weighted))
    found += _people(results, study)
    window, gap = whole(study.get("interval_window_months")), number(study.get("min_months_before_diagnosis"))
    if window and "interval" in case_types(results):
        found.append(("Interval cancer", f"within {window} months after a negative screen"))
    if gap:
        found.append(("Mammogram", f"at least {gap:g} months before diagnosis"))
    follow_up = study.get("follow_up_years")
    if isinstance(follow_up, dict):
        median, longest = number(follow_up.get("median")), number(follow_up.get("longest"))
        text = f"median {decimal_text(median, 1)}, longest {decimal_text(longest, 1)} years"
        found.append(("Follow-up", text))
    images = whole(results.get("n_images"))
    if images:
        found.append(("Mammograms read", count_text(images)))
    return found


def _people(results: dict[str, Any], study: dict[str, Any]) -> list[tuple[str, str]]:
    """How many were evaluated and how many cancers they have."""
    found = []
    n, n_women = whole(study.get("n_exams")), whole(study.get("n_women"))
    if n is not None:
        name = units(results)
        women = "" if n_women is None or unit(results) == "woman" else f" from {count_text(n_women)} women"
        if n_women == n and women:
            women = ", one per woman"
        part = {"held-out": "Held-out ", "cross-validated": "Cross-validated "}.get(judged(results), "")
        label = f"{part}{name}"
        found.append((label[:1].upper() + label[1:], count_text(n) + women))
    sets, cases = study.get("n_sets"), study.get("n_cases")
    if isinstance(sets, dict) and sets and (is_matched(results) or not cases):
        part = "" if judged(results) == "all" else "Held-out "
        label = f"{part}{'sets' if is_matched(results) else 'cases'}"
        found.append((label[:1].upper() + label[1:], _by_mode(sets)))
    if isinstance(cases, dict) and cases and not is_matched(results):
        within = within_text(main_horizon(results))
        found.append((f"Cancers {within}".strip(), _by_mode(cases)))
    return found


def _by_mode(counts: dict[str, Any]) -> str:
    """Counts by mode of detection: "418 screen-detected, 92 interval, 510 in all"."""
    names = {"cancer": "", "any": " in all" if len(counts) > 1 else ""}
    return ", ".join(f"{count_text(whole(n))}{names.get(mode, f' {mode}')}" for mode, n in counts.items())
