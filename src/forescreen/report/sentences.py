"""What the page says in words: headline, kind of data, why a section is absent, glossary, limits.

Results come in, plain texts go out; every number in a sentence is a number of results.json.
"""

from __future__ import annotations

from typing import Any

from .numbers import count_text, decimal_text, interval_text
from .results import (
    Interval,
    Model,
    case_types,
    entries,
    interval,
    is_matched,
    is_simulated,
    judged,
    mapping,
    models,
    of,
    whole,
)

PUBLISHED = "Radiology 2021;301:550–558"  # [Zhu2021]

NOT_A_DEVICE = (
    "This is research software, not a medical device: nothing on this page may guide the care of a person."
)

_MODES = {
    "screen-detected": "Screen-detected cancer",
    "interval": "Interval cancer",
    "cancer": "Breast cancer",
}

#: Why a section has nothing to show, by section of results.json.
ABSENT = {
    "flow": "The study flow is absent because the cohort left no account of its exclusions.",
    "table1": "Table 1 is absent because no cohort with clinical factors was given to the evaluation.",
    "main": "The main table is absent because no model was evaluated with enough events.",
    "comparisons": "Paired comparisons are absent because fewer than two models were evaluated on the same "
    "women.",
    "mode_comparisons": "Modes of detection are not compared because they were not both evaluated.",
    "factor_odds_ratios": "Odds ratios of the clinical factors are absent because no clinical factors were "
    "modelled.",
    "roc": "Curves are absent because the evaluation stored none.",
    "distributions": "Score distributions are absent because the evaluation stored none.",
    "capture": "Capture is absent because no score was ranked with enough events.",
    "ppv": "Positive predictive values are absent: a sample of cases and controls fixes "
    "the share of cases by design, so they need sampling weights or the registry's cancer rate.",
    "subgroups": "Subgroups are absent because the evaluation asked for none.",
    "examples": "Example mammograms are absent because the run stored no pictures (there may be no image "
    "model, or it was asked not to).",
    "training": "Training curves are absent because no image model was trained in this run.",
    "refused": "No mammogram was refused.",
    "refused-unknown": "The account of refused mammograms is absent because no images were taken in during "
    "this run.",
    "provenance": "Provenance is absent: the run recorded none, so these numbers cannot be traced.",
}


def mode_name(case_type: str) -> str:
    """A mode of detection at the beginning of a line: "Screen-detected cancer"."""
    return _MODES.get(case_type, case_type[:1].upper() + case_type[1:])


def title(results: dict[str, Any]) -> str:
    """The name of the study."""
    return str(mapping(results, "study").get("name") or "Unnamed study")


def data_kind(results: dict[str, Any]) -> str:
    """The kind of data as the study names it; "kind of data not stated" if it does not."""
    kind = str(mapping(results, "study").get("data_kind") or "kind of data not stated")
    return "images with known outcomes, no registry" if kind == "image table" else kind


def warnings(results: dict[str, Any]) -> list[str]:
    """What every reader must know before the first number."""
    found = [NOT_A_DEVICE]
    if is_simulated(results):
        found.append(
            "Every woman, every cancer and every mammogram on this page is simulated; the numbers show how "
            "the method behaves on a known truth and describe no real population."
        )
    return found


def estimate_text(found: Interval, digits: int = 2, *, signed: bool = False) -> str:
    """An estimate with its interval: 0.66 (0.63, 0.69)."""
    bounds = interval_text(
        decimal_text(found.lower, digits, signed=signed), decimal_text(found.upper, digits, signed=signed)
    )
    # No line breaks inside an estimate.
    text = f"{decimal_text(found.value, digits, signed=signed)} {bounds}".rstrip()
    return text.replace(" ", "\u00a0")


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


def headline(results: dict[str, Any]) -> list[str]:
    """One finding for each mode of detection, in the order of the study.

    It states the concordance of the image score beside that of the clinical factors, and what the paired
    difference says; modes without an estimate say that instead.
    """
    known = models(results)
    image, clinical = image_model(known), clinical_model(known)
    if image is None:
        return ["No image score was evaluated, so there is no headline finding."]
    return [_finding(results, case_type, image, clinical) for case_type in case_types(results)] or [
        "No mode of detection was evaluated, so there is no headline finding."
    ]


def _finding(results: dict[str, Any], case_type: str, image: Model, clinical: Model | None) -> str:
    cancers = "cancers" if case_type == "cancer" else f"{case_type} cancers"
    row = of(entries(results, "main"), model=image.key, case_type=case_type) or {}
    ours = interval(row.get("concordance"))
    if ours is None:
        return f"For {cancers} there were too few events to say how well {_in_text(image)} separates them."
    matched = is_matched(results)
    n = whole(row.get("n_sets" if matched else "n_members"))
    unit = f"{judged(results)} {'matched sets' if matched else 'exams'}"
    statistic = "concordance" if matched else "AUC"
    text = (
        f"On {count_text(n)} {unit}, {_in_text(image)} separates {cancers} from "
        f"{'their ' if matched else ''}controls with {statistic} {estimate_text(ours)}"
    )
    if clinical is None:
        return text + "."
    other_row = of(entries(results, "main"), model=clinical.key, case_type=case_type) or {}
    other = interval(other_row.get("concordance"))
    if other is None:
        return text + "."
    text += f", against {estimate_text(other)} for {_in_text(clinical, article=False)}"
    difference, swapped = _difference(results, case_type, image, clinical)
    if difference is None or difference.lower is None or difference.upper is None:
        return text + "."
    low, high = (-difference.upper, -difference.lower) if swapped else (difference.lower, difference.upper)
    shown = estimate_text(
        Interval(value=-difference.value if swapped else difference.value, lower=low, upper=high), signed=True
    )
    if low > 0:
        verdict = "the image score does better" if image.kind == "image" else "the combined score does better"
    elif high < 0:
        verdict = "the clinical factors do better"
    else:
        verdict = "the interval includes 0, so neither is shown to be better"
    return f"{text}; the paired difference is {shown}: {verdict}."


def _difference(
    results: dict[str, Any], case_type: str, image: Model, clinical: Model
) -> tuple[Interval | None, bool]:
    found = entries(results, "comparisons")
    forward = of(found, model_a=image.key, model_b=clinical.key, case_type=case_type)
    if forward is not None:
        return interval(forward.get("difference")), False
    backward = of(found, model_a=clinical.key, model_b=image.key, case_type=case_type)
    return interval((backward or {}).get("difference")), True


def _in_text(model: Model, *, article: bool = True) -> str:
    label = model.label
    # "Image score" becomes "image score"; abbreviations such as "AI score" stay.
    if label[1:2].islower():
        label = label[:1].lower() + label[1:]
    return f"the {label}" if article else label


def glossary(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Terms of the page and how to read each."""
    window = whole(mapping(results, "study").get("interval_window_months"))
    has_interval = "interval" in case_types(results)
    within = f"within {window} months " if window else ""
    first = (
        (
            "Matched concordance",
            "The probability that, within a matched set, the case has a higher score than a control. 0.50 is "
            "chance, 1.00 is perfect. Matching removes what age and the other matching factors would add, so "
            "it is lower than an AUC among all women.",
        )
        if is_matched(results)
        else (
            "AUC",
            "The probability that a randomly chosen case has a higher score than a randomly chosen control. "
            "0.50 is chance, 1.00 is perfect.",
        )
    )
    found = [
        first,
        (
            "Odds ratio per control SD",
            "By how much the odds of cancer multiply when the score rises by one standard deviation of the "
            "score among controls. This unit makes scores on different scales comparable.",
        ),
        (
            "Interval in parentheses",
            "The 95 % confidence interval. Two overlapping intervals do not decide a comparison; the paired "
            "difference does, because it uses the same women for both models.",
        ),
        (
            "Capture and positive predictive value",
            "Capture of the top 10 % is the share of all cancers found among the tenth of women with the "
            "highest scores (chance: 10 %). The positive predictive value is the share of those women who "
            "have cancer.",
        ),
        (
            "Screen-detected and interval cancer",
            f"Found because of a positive screen, or found clinically {within}after a negative screen and "
            "before the next one.",
        ),
        (
            "Masking",
            "Dense tissue hides cancers on the mammogram. They surface between screens, which is why density "
            "is more strongly related to interval than to screen-detected cancer.",
        ),
    ]
    if is_matched(results):
        found.append(
            (
                "Set-percentile ROC",
                "Each case is placed among the controls of her own set. The curve shows the share of cases "
                "that lie within a given top share of controls; its area is the matched concordance.",
            )
        )
    return [entry for entry in found if has_interval or entry[0] not in _INTERVAL_TERMS]


_INTERVAL_TERMS = ("Screen-detected and interval cancer", "Masking")


def limits(results: dict[str, Any]) -> list[str]:
    """What these numbers cannot say."""
    found = []
    if is_matched(results):
        found.append(
            "Cases and controls were sampled, so the page gives relative, not absolute, risks: these need "
            "the cancer rates of a population."
        )
    found.append(
        "A score that is high before a diagnosis may reflect risk, or a lesion already visible; the time "
        "between mammogram and diagnosis limits the second but does not remove it."
    )
    if "interval" in case_types(results):
        found.append(
            "How many cancers are interval cancers depends on the screening interval and on the definition "
            "used; numbers from programmes with another interval are not comparable."
        )
    if entries(results, "published"):
        found.append(
            f"The published odds ratios ({PUBLISHED}) do not state their unit; only the concordances are "
            "comparable with ours, and these come from other women."
        )
    if entries(results, "subgroups"):
        found.append("Subgroups are small and many were looked at; differences between them are hypotheses.")
    if entries(results, "examples"):
        found.append(
            "Saliency shows where a change of the image would change the score, not where a cancer is."
        )
    if is_simulated(results):
        found.append(
            "The simulated mammograms are phantoms: they exercise the method and would not deceive a "
            "radiologist, and the strength of their risk trait was chosen, not measured."
        )
    return found
