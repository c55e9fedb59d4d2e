"""What the page says in words: names, kind of data, what is said first, why a section is absent.

Results come in, plain texts go out; every number in a sentence is a number of results.json.
"""

from __future__ import annotations

from typing import Any

from .results import is_matched, is_simulated, mapping

PUBLISHED = "Radiology 2021;301:550–558"  # [Zhu2021]

NOT_A_DEVICE = (
    "This is research software, not a medical device: nothing on this page may guide the care of a person."
)

_MODES = {
    "screen-detected": "Screen-detected cancer",
    "interval": "Interval cancer",
    "cancer": "Breast cancer",
    "any": "Any breast cancer",
}

#: Why a section has nothing to show, by section of results.json.
ABSENT = {
    "flow": "The study flow is absent because the cohort left no account of its exclusions.",
    "flow-unknown": "The study flow is absent because the outcomes came without an account of how they were "
    "selected.",
    "table1": "Table 1 is absent because no cohort with clinical factors was given to the evaluation.",
    "missing": "There is no table of unknown factors because no clinical factors were evaluated.",
    "main": "The main table is absent because no model was evaluated with enough events.",
    "comparisons": "Paired comparisons are absent because fewer than two models were evaluated on the same "
    "women.",
    "mode_comparisons": "Modes of detection are not compared because they were not both evaluated.",
    "factor_odds_ratios": "Odds ratios of the clinical factors are absent because no clinical factors were "
    "modelled.",
    "roc": "Curves are absent because the evaluation stored none.",
    "distributions": "Score distributions are absent because the evaluation stored none.",
    "capture": "Capture is absent because no score was ranked with enough events.",
    "capture-ranked": "Capture is absent: ranking a population needs enough events and, in a sample of "
    "cases and controls, sampling weights.",
    "ppv": "Positive predictive values are absent: a sample of cases and controls fixes "
    "the share of cases by design, so they need sampling weights or the registry's cancer rate.",
    "subgroups": "Subgroups are absent because the evaluation asked for none.",
    "examples": "Example mammograms are absent because the run stored no pictures (there may be no image "
    "model, or it was asked not to).",
    "training": "Training curves are absent because no image model was trained in this run.",
    "refused": "No mammogram was refused.",
    "refused-unknown": "The account of refused mammograms is absent because no images were taken in during "
    "this run.",
    "inputs": "What was read is not known: the evaluation left no account of its files.",
    "exclusions": "Nothing was left out: every prediction has its outcome, and every exam a prediction of "
    "every model.",
    "head_to_head": "The measures are not set side by side: they need enough events and, in a sample of "
    "cases and controls, sampling weights. Discrimination and its paired differences stand in the next "
    "sections.",
    "horizons": "Discrimination by horizon is absent because no horizon has enough cancers before it and "
    "enough women followed beyond it.",
    "c_index": "Concordance indices are absent because no model was evaluated with enough events under "
    "follow-up.",
    "calibration": "Calibration is absent because no model gives an absolute risk of these cancers.",
    "overall": "Brier scores are absent: they need absolute risks.",
    "calibration_subgroups": "Calibration in subgroups is absent because there are no absolute risks or no "
    "subgroups.",
    "decision": "Decision curves are absent: net benefit needs absolute risks in a population.",
    "rule_out": "Ruling out by the lowest scores is absent: it needs enough events and, in a sample of "
    "cases and controls, sampling weights.",
    "checklist": "The checklist is absent because the evaluation filled none.",
    "provenance": "Provenance is absent: the run recorded none, so these numbers cannot be traced.",
}


def mode_name(case_type: str) -> str:
    """A mode of detection at the beginning of a line: "Screen-detected cancer"."""
    return _MODES.get(case_type, case_type[:1].upper() + case_type[1:])


def statistic(results: dict[str, Any]) -> str:
    """The measure of discrimination: "Matched concordance" in matched sets, otherwise "AUC"."""
    return "Matched concordance" if is_matched(results) else "AUC"


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
