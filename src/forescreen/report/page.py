"""results.json becomes one self-contained HTML page, and csv files of every table beside it.

The page asks for nothing from the network and runs no script; it follows the light or dark setting of
the reader's system (with a switch), and prints on A4 in light. Same results, same bytes.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..errors import InputError
from ..files import write_text
from . import sentences
from .contents import contents
from .drawing import marker_svg
from .facts import facts
from .figures import all_figures, subgroup_models
from .findings import headline
from .missing import account
from .numbers import ABSENT, count_text, decimal_text
from .palette import css_variables, model_styles
from .reading import glossary, limits
from .results import (
    case_types,
    entries,
    is_matched,
    judged,
    mapping,
    models,
    number,
    texts,
    thresholds,
    units,
    whole,
)
from .tables import all_tables, write_tables

_TEMPLATES = Path(__file__).parent / "templates"

_OUTCOMES = {"none": "no cancer known", "None": "not stated", "cancer": "cancer"} | {
    mode: f"{mode} cancer" for mode in ("screen-detected", "interval")
}

_PNG = b"\x89PNG\r\n\x1a\n"


def write_report(results: dict[str, Any], folder: Path, *, filename: str = "report.html") -> Path:
    """Write the page as `folder/filename` and every table as `folder/tables/<table>.csv`.

    `results` has the structure of results.json (docs/reference/evaluation.md); every key may be missing
    or empty, and the section then says why it is absent. Returns the path of the page.

    Raises InputError if a section is of another type than the structure names; nothing is written then.
    """
    html = render(results)
    folder = Path(folder)
    write_tables(all_tables(results), folder / "tables")
    write_text(folder / filename, html)
    return folder / filename


def render(results: dict[str, Any]) -> str:
    """The page as text. Raises InputError as `write_report` does."""
    if not isinstance(results, dict):
        raise InputError(expected="an object", found=type(results).__name__, where="results.json")
    known = models(results)
    styles = model_styles(known)
    study = mapping(results, "study")
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        light=Markup(css_variables(dark=False)),
        dark=Markup(css_variables(dark=True)),
        title=sentences.title(results),
        description=str(study.get("description") or ""),
        facts=facts(results),
        warnings=sentences.warnings(results),
        headline=headline(results),
        contents=contents(results),
        given=set(results),
        absent=sentences.ABSENT,
        published=sentences.PUBLISHED,
        has_published=bool(entries(results, "published")),
        matched=is_matched(results),
        held_out=judged(results) == "held-out",
        statistic=sentences.statistic(results),
        who=units(results, default="woman"),
        thresholds=thresholds(results),
        models=known,
        marks={key: marker_svg(style) for key, style in styles.items()},
        tables=all_tables(results),
        figures=all_figures(results),
        in_subgroups=subgroup_models(results),
        in_calibration=[key for key in known if key in _models_of(results, "calibration_subgroups")],
        in_decision=_models_of(results, "decision"),
        histogram=any(entry.get("histogram") for entry in entries(results, "calibration")),
        calibration_absent=str(results.get("calibration_absent") or ""),
        checklist_counts=_checklist_counts(results),
        modes=[sentences.mode_name(mode) for mode in case_types(results)],
        flow=_flow(results),
        missing_account=account(results),
        examples=_examples(results),
        n_images=whole(results.get("n_images")),
        images=_images(results),
        notes=texts(results, "notes"),
        glossary=glossary(results),
        limits=limits(results),
        version=str(results.get("forescreen") or "unknown"),
    )


@dataclass(frozen=True, kw_only=True)
class _Flow:
    """The flow diagram: a trunk, two arms beside each other where cases and controls part, a tail."""

    trunk: list[dict[str, Any]]
    arms: list[list[dict[str, Any]]]  # none or two
    tail: list[dict[str, Any]]


def _flow(results: dict[str, Any]) -> _Flow:
    steps = entries(results, "flow")
    names = [str(step.get("branch") or "") for step in steps]
    shown = [_step(step) for step in steps]
    if "cases" not in names or "controls" not in names:
        return _Flow(trunk=shown, arms=[], tail=[])
    first = min(names.index("cases"), names.index("controls"))
    last = max(i for i, name in enumerate(names) if name in ("cases", "controls"))
    return _Flow(
        trunk=shown[:first],
        arms=[
            [step for step, name in zip(shown, names, strict=True) if name == arm]
            for arm in ("cases", "controls")
        ],
        tail=shown[last + 1 :],
    )


def _step(step: dict[str, Any]) -> dict[str, Any]:
    excluded = [entry for entry in step.get("excluded") or [] if isinstance(entry, dict)]
    reasons = [(str(entry.get("reason") or "no reason given"), whole(entry.get("n"))) for entry in excluded]
    reasons = [(reason, n) for reason, n in reasons if n != 0]
    counts = (("women", whole(step.get("n_women"))), ("exams", whole(step.get("n_exams"))))
    return {
        "step": str(step.get("step") or ""),
        "counts": [f"{count_text(n)} {unit}" for unit, n in counts if n is not None],
        "unit": str(step.get("unit") or ""),
        "n_excluded": count_text(sum(n or 0 for _, n in reasons)),
        "excluded": [(reason, count_text(n)) for reason, n in reasons],
    }


def _models_of(results: dict[str, Any], section: str) -> set[str]:
    return {str(entry.get("model")) for entry in entries(results, section)}


def _checklist_counts(results: dict[str, Any]) -> str:
    """One sentence on how much of the checklist the results fill."""
    statuses = [str(entry.get("status")) for entry in entries(results, "checklist")]
    filled, partly = statuses.count("filled"), statuses.count("partly")
    n = len(statuses)
    return f"{filled} of {n} items are filled, {partly} in part, {n - filled - partly} open."


def _images(results: dict[str, Any]) -> str:
    """One sentence on how many mammograms were used and refused; empty if unknown."""
    used, refused = whole(results.get("n_images")), whole(results.get("n_images_refused"))
    if used is None or refused is None:
        return ""
    share = f" ({decimal_text(100 * refused / (used + refused), 1)} %)" if used + refused else ""
    return f"{count_text(used)} mammograms were used; {count_text(refused)} files were refused{share}."


def _examples(results: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for example in entries(results, "examples"):
        percentile = number(example.get("score_percentile"))
        views = [view for view in example.get("views") or [] if isinstance(view, dict)]
        found.append(
            {
                "title": str(example.get("title") or "Example"),
                "outcome": _OUTCOMES.get(str(example.get("outcome")), str(example.get("outcome"))),
                "percentile": ABSENT if percentile is None else f"{percentile:.0f}",
                "views": [
                    {
                        "label": str(view.get("label") or ""),
                        "image": _png(view.get("image_png")),
                        "saliency": _png(view.get("saliency_png")),
                    }
                    for view in views
                ],
            }
        )
    return found


def _png(text: object) -> str:
    """The base64 text if it is that of a PNG, otherwise an empty one (the page then says so)."""
    if not isinstance(text, str):
        return ""
    text = text.removeprefix("data:image/png;base64,")
    try:
        return text if base64.b64decode(text, validate=True).startswith(_PNG) else ""
    except binascii.Error:
        return ""
