"""How to read the page and what its numbers cannot say: glossary and limits.

Results come in, plain texts go out; terms and limits that a page has no use for are left out.
"""

from __future__ import annotations

from typing import Any

from .results import (
    case_types,
    entries,
    is_matched,
    is_simulated,
    judged,
    mapping,
    models,
    units,
    whole,
)
from .sentences import PUBLISHED


def glossary(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Terms of the page and how to read each."""
    window = whole(mapping(results, "study").get("interval_window_months"))
    has_interval = "interval" in case_types(results)
    within = f"within {window} months " if window else ""
    who = units(results, default="woman")
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
            "0.50 is chance, 1.00 is perfect." + _by_horizon(results),
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
            f"Capture of the top 10 % is the share of all cancers found among the tenth of {who} with the "
            f"highest scores (chance: 10 %). The positive predictive value is the share of those {who} "
            f"{'who' if who == 'women' else 'that'} have cancer.",
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
    found = [entry for entry in found if has_interval or entry[0] not in _INTERVAL_TERMS]
    return found + [(term, text) for section, term, text in _TERMS if entries(results, section)]


_INTERVAL_TERMS = ("Screen-detected and interval cancer", "Masking")

#: Terms that are explained where their section has entries.
_TERMS = (
    (
        "rule_out",
        "Rule-out",
        "If the exams with the lowest scores were not read, reading would be saved and the cancers among "
        "them missed. Cancers that readers would not have found either count here too.",
    ),
    (
        "calibration",
        "Observed/expected (O/E)",
        "Cancers that occurred over the sum of the predicted risks. 1 is right on average; 0.5 means that "
        "risks are twice too high.",
    ),
    (
        "calibration",
        "Calibration slope and intercept",
        "Slope 1 is right; below 1 the risks are too extreme (high ones too high, low ones too low), above "
        "1 not spread enough. The intercept (calibration in the large) is the log odds by which risks are "
        "too low, 0 where they are right on average.",
    ),
    (
        "calibration",
        "Integrated calibration index (ICI)",
        "The mean distance between the predicted risks and the smooth curve of what was observed, in "
        "percentage points of risk. 0 is perfect; read it against the average risk.",
    ),
    (
        "overall",
        "Brier score and scaled Brier score",
        "The mean squared distance between risk and outcome; smaller is better, and for rare cancers it is "
        "small for every model. The scaled score compares it with giving everybody the average risk: 100 % "
        "is perfect, 0 no better than that, and a few per cent are usual for rare cancers.",
    ),
    (
        "decision",
        "Net benefit",
        "True positives per 1000, less false positives weighed by the odds of the threshold, if all with a "
        "risk above the threshold are offered something more. The threshold says how many false positives "
        "one cancer is worth: at 2 % it is 49. A model is useful where its curve lies above both treat all "
        "and treat none.",
    ),
)


def _by_horizon(results: dict[str, Any]) -> str:
    if not entries(results, "horizons"):
        return ""
    return (
        " By a horizon: cases have had their cancer by then, controls are still without; who is no longer "
        "followed is represented by those who are (inverse probability of censoring weights)."
    )


def limits(results: dict[str, Any]) -> list[str]:
    """What these numbers cannot say."""
    found = []
    study = mapping(results, "study")
    if is_matched(results) and not study.get("weighted"):
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
    if judged(results) == "all":
        found.append(
            "The page does not know on whom the models were developed. A model that has seen some of these "
            "women, or others of the same screening units, looks better here than it is."
        )
    if len(models(results)) > 2 and "head_to_head" in results:
        found.append(
            "Several models are compared, and the intervals are not widened for the number of comparisons. "
            "The estimate of whichever model came out highest tends to be too high."
        )
    if study.get("weighted"):
        found.append(
            "Estimates use sampling weights and stand for the population that was sampled; counts are "
            "those of the sample."
        )
    if entries(results, "calibration"):
        found.append(
            "Calibration belongs to a population and its rates: a model that is right here can be wrong "
            "elsewhere, and a model that is wrong here may need no more than another baseline rate."
        )
    if entries(results, "decision") or entries(results, "rule_out"):
        found.append(
            "Net benefit, selection and rule-out are computed from what happened without the models. What "
            "would have happened with them only a prospective study can say."
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
