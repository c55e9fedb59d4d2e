"""The headline: one finding for each mode of detection, in words, of a study or of models head to head.

Results come in, `Finding`s go out; every number in them is a number of results.json. A model is called
better only where the interval of a paired difference excludes 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from .numbers import count_text, decimal_text, interval_text, within_text
from .results import (
    Interval,
    Model,
    case_types,
    difference_decimals,
    entries,
    interval,
    is_matched,
    judged,
    main_horizon,
    models,
    number,
    of,
    units,
    whole,
)
from .sentences import mode_name, statistic


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One paragraph of the headline; `lead` names the mode where the text does not."""

    text: str
    lead: str = ""


def headline(results: dict[str, Any]) -> list[Finding]:
    """One finding for each mode of detection, in the order of the study.

    A study states the concordance of the image score beside that of the clinical factors, and what the
    paired difference says. An evaluation of several models (the key head_to_head is there, or no model is an
    image score) states the concordance of each, from the highest down, and which paired differences from
    the highest exclude 0. Modes without an estimate say that instead.
    """
    known = models(results)
    image, clinical = image_model(known), clinical_model(known)
    modes = case_types(results)
    if "head_to_head" in results or (image is None and known):
        found = [_comparison(results, case_type, known) for case_type in modes]
    elif image is None:
        return [Finding(text="No image score was evaluated, so there is no headline finding.")]
    else:
        found = [Finding(text=_finding(results, case_type, image, clinical)) for case_type in modes]
    return found or [Finding(text="No mode of detection was evaluated, so there is no headline finding.")]


def image_model(known: dict[str, Model]) -> Model | None:
    """The model the study is about: the first image model, otherwise the first combined one."""
    ordered = sorted(known.values(), key=lambda model: model.key != model.kind)
    for kind in ("image", "combined"):
        for model in ordered:
            if model.kind == kind:
                return model
    return None


def clinical_model(known: dict[str, Model]) -> Model | None:
    """The model it is held against: the one named "clinical", otherwise the first of that kind."""
    ordered = sorted(known.values(), key=lambda model: model.key != model.kind)
    return next((model for model in ordered if model.kind == "clinical"), None)


def estimate_text(found: Interval, digits: int = 2, *, signed: bool = False) -> str:
    """An estimate with its interval: 0.66 (0.63, 0.69)."""
    bounds = interval_text(
        decimal_text(found.lower, digits, signed=signed), decimal_text(found.upper, digits, signed=signed)
    )
    # No line breaks inside an estimate.
    text = f"{decimal_text(found.value, digits, signed=signed)} {bounds}".rstrip()
    return text.replace(" ", "\u00a0")


def _comparison(results: dict[str, Any], case_type: str, known: dict[str, Model]) -> Finding:
    rows = [row for row in entries(results, "main") if row.get("case_type") == case_type]
    ours = [(known[str(row.get("model"))], interval(row.get("concordance")), row) for row in rows]
    shown = [(model, found, row) for model, found, row in ours if found is not None]
    if not shown:
        return Finding(
            lead=mode_name(case_type), text="Too few events to say how well any model separates them."
        )
    shown.sort(key=lambda entry: -entry[1].value)
    first = shown[0][2]
    years = number(first.get("horizon_years")) or main_horizon(results)
    values = [estimate_text(found) + f" for {_name(model)}" for model, found, _ in shown]
    text = f"{statistic(results)} {_listed(values)}"
    text += f"; {_who(results, first, years)}."
    if len(shown) > 1:
        text += f" {_verdict(results, case_type, [model for model, _, _ in shown])}"
    return Finding(lead=mode_name(case_type), text=text)


def _who(results: dict[str, Any], row: dict[str, Any], years: float | None) -> str:
    within = f" {within_text(years)}" if years is not None else ""
    who = {"held-out": "held-out ", "cross-validated": "cross-validated "}.get(judged(results), "")
    n_sets, n_members = whole(row.get("n_sets")), whole(row.get("n_members"))
    if is_matched(results):
        return f"{count_text(n_sets)} {who}matched sets"
    return f"{count_text(n_sets)} cancers{within} among {count_text(n_members)} {who}{units(results)}"


def _verdict(results: dict[str, Any], case_type: str, ranked: list[Model]) -> str:
    """What the paired differences of the model with the highest estimate from the others say."""
    best, others = ranked[0], ranked[1:]
    beaten: list[Model] = []
    undecided: list[Model] = []
    missing: list[Model] = []
    only: Interval | None = None
    for other in others:
        only = _paired(results, case_type, best, other)
        if only is None or only.lower is None or only.upper is None:
            missing.append(other)
        else:
            (beaten if only.lower > 0 else undecided).append(other)
    name = _name(best)
    if len(others) == 1 and only is not None and not missing:
        shown = estimate_text(only, difference_decimals(results), signed=True)
        if beaten:
            return f"The paired difference is {shown}: {name} does better."
        return f"The paired difference is {shown}: its interval includes 0, so neither is shown to be better."
    texts = []
    if len(beaten) == len(others):
        texts.append(f"{name} does better than each of the others: every paired difference excludes 0.")
    elif beaten:
        texts.append(f"{name} does better than {_names(beaten)}.")
    if len(undecided) == len(others):
        texts.append(
            f"Every paired difference from {name}, the highest, includes 0: which model is best is not shown."
        )
    elif undecided:
        which = "which of the two is better" if len(undecided) == 1 else "which of these is best"
        texts.append(
            f"Against {_names(undecided)} the interval of the paired difference includes 0: {which} is not "
            "shown."
        )
    if missing:
        texts.append(f"There is no paired comparison of {name} with {_names(missing)}.")
    return " ".join(texts)


def _paired(results: dict[str, Any], case_type: str, a: Model, b: Model) -> Interval | None:
    """The difference a − b, whichever way round it is stored."""
    found = entries(results, "comparisons")
    forward = of(found, model_a=a.key, model_b=b.key, case_type=case_type)
    if forward is not None:
        return interval(forward.get("difference"))
    backward = of(found, model_a=b.key, model_b=a.key, case_type=case_type) or {}
    difference = interval(backward.get("difference"))
    if difference is None:
        return None
    low, high = (None if bound is None else -bound for bound in (difference.upper, difference.lower))
    return replace(difference, value=-difference.value, lower=low, upper=high)


def _name(model: Model) -> str:
    return model.label.replace(" ", "\u00a0") if len(model.label) < 21 else model.label


def _names(found: list[Model]) -> str:
    return _listed([_name(model) for model in found])


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _finding(results: dict[str, Any], case_type: str, image: Model, clinical: Model | None) -> str:
    cancers = "cancers" if case_type == "cancer" else f"{case_type} cancers"
    row = of(entries(results, "main"), model=image.key, case_type=case_type) or {}
    ours = interval(row.get("concordance"))
    if ours is None:
        return f"For {cancers} there were too few events to say how well {_in_text(image)} separates them."
    matched = is_matched(results)
    n = whole(row.get("n_sets" if matched else "n_members"))
    who = "" if judged(results) == "all" else f"{judged(results)} "
    name = "concordance" if matched else "AUC"
    on = f"{count_text(n)} {who}{'matched sets' if matched else units(results)}"
    text = (
        f"On {on}, {_in_text(image)} separates {cancers} from "
        f"{'their ' if matched else ''}controls with {name} {estimate_text(ours)}"
    )
    if clinical is None:
        return text + "."
    other_row = of(entries(results, "main"), model=clinical.key, case_type=case_type) or {}
    other = interval(other_row.get("concordance"))
    if other is None:
        return text + "."
    text += f", against {estimate_text(other)} for {_in_text(clinical, article=False)}"
    difference = _paired(results, case_type, image, clinical)
    if difference is None or difference.lower is None or difference.upper is None:
        return text + "."
    if difference.lower > 0:
        verdict = "the image score does better" if image.kind == "image" else "the combined score does better"
    elif difference.upper < 0:
        verdict = "the clinical factors do better"
    else:
        verdict = "the interval includes 0, so neither is shown to be better"
    return f"{text}; the paired difference is {estimate_text(difference, signed=True)}: {verdict}."


def _in_text(model: Model, *, article: bool = True) -> str:
    label = model.label
    # "Image score" becomes "image score"; abbreviations such as "AI score" stay.
    if label[1:2].islower():
        label = label[:1].lower() + label[1:]
    return f"the {label}" if article else label
