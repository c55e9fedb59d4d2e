"""What was missing and what was done about it: the sentences and the table of the section "Missing data".

In: results.json. Out: plain texts and a table; every number in them is a number of the results.
"""

from __future__ import annotations

from typing import Any

from .numbers import ABSENT, count_text, percent_text
from .results import entries, is_matched, mapping, number, units, whole
from .sentences import mode_name
from .table import FEW, Cell, Column, Row, Table, make_table

_METHODS = {
    "complete": (
        "Complete cases. ",
        "{Who} with an unknown factor were left out of every comparison, so that all models are judged on "
        "the same {who}. The comparison is fair, but it is about those whose factors are known; odds ratios "
        "are unbiased if, given the factors, whether one is unknown has nothing to do with the outcome.",
    ),
    "multiple imputation": (
        "Multiple imputation. ",
        "Every unknown factor was drawn {m} times from what is known of the woman: each time the value of a "
        "woman of whom the same was to be expected (chained equations, predictive mean matching). Each of "
        "the {m} completed tables was analysed, and the results were put together by Rubin’s rules, so that "
        "the intervals hold the uncertainty about what is unknown.",
    ),
    "indicator": (
        "Unknown as a level of its own. ",
        "“Unknown” has a coefficient of its own for each factor, so that nobody is without a score, neither "
        "here nor in use. This is right for prediction if factors will be unknown there for the same reasons "
        "as here.",
    ),
}


def account(results: dict[str, Any]) -> list[tuple[str, str]]:
    """Paragraphs on the method and on how much is missing, each with a lead; [] where nothing is told."""
    section = mapping(results, "missing")
    lead, text = _METHODS.get(str(section.get("method") or ""), ("", ""))
    if not lead or not entries(section, "factors"):
        return []
    who = units(results, default="woman")
    amount = _amount(results, section, who)
    if whole(section.get("n_incomplete")) == 0:
        return [("Nothing is missing. ", amount)]
    m = count_text(whole(section.get("n_imputations")))
    found = [(lead, text.format(who=who, Who=who[:1].upper() + who[1:], m=m)), ("How much. ", amount)]
    if section.get("method") == "multiple imputation":
        found += _imputation(results, who)
    if section.get("method") == "indicator" and entries(results, "factor_odds_ratios"):
        found.append(
            (
                "Odds ratios. ",
                "A level “unknown” biases odds ratios of the factors; those of this page are therefore of "
                f"{who} whose factors are all known.",
            )
        )
    return found


def _amount(results: dict[str, Any], section: dict[str, Any], who: str) -> str:
    n, n_incomplete = whole(section.get("n")), whole(section.get("n_incomplete"))
    if n_incomplete == 0:
        return f"Every factor is known of all {count_text(n)} {who}."
    if n is None or n_incomplete is None:
        return f"How many {who} have an unknown factor is too few to be shown."
    text = (
        f"{count_text(n_incomplete)} of {count_text(n)} {who} ({_percent(n_incomplete, n)}) have at least "
        "one unknown factor"
    )
    sets, lost = whole(section.get("n_sets")), whole(section.get("n_sets_lost"))
    if sets and lost is not None:
        does = "lose" if section.get("method") == "complete" else "would have lost"
        text += (
            f"; complete cases {does} {count_text(lost)} of {count_text(sets)} matched sets "
            f"({_percent(lost, sets)}), because a set counts only with its case and a control"
        )
    return text + "."


def _imputation(results: dict[str, Any], who: str) -> list[tuple[str, str]]:
    found = []
    ratios = entries(results, "factor_odds_ratios")
    if ratios:
        text = (
            "The draws know the outcome, the mode of detection, what the sets are matched on and the other "
            "members of the set; without them the odds ratios would be pulled towards 1."
        )
        most = max(ratios, key=lambda row: number(row.get("fraction_missing")) or 0.0)
        share = number(most.get("fraction_missing"))
        if share:
            text += (
                f" Of the information about the odds ratios at most {percent_text(share, 0)} % is missing "
                f"({most.get('factor')}, {mode_name(str(most.get('case_type'))).lower()})."
            )
        found.append(("Odds ratios. ", text))
    measure = "concordance" if is_matched(results) else "AUC"
    found.append(
        (
            "Scores. ",
            "For the scores the draws know no outcome, as in use, and come from the "
            f"{who} that the models were fitted on; nothing of those who are judged is learnt from. "
            f"Of models with clinical factors {measure}, odds ratio and paired differences are pooled over "
            "the draws; curves, capture and subgroups are those of the mean score.",
        )
    )
    found.append(
        (
            "What is assumed. ",
            "Whether a factor is unknown depends only on what is known of the woman (missing at random). If "
            "women leave a question open because of the answer, this does not correct for it.",
        )
    )
    return found


def missing(results: dict[str, Any]) -> Table | None:
    """Women with each factor unknown, by outcome."""
    section = mapping(results, "missing")
    groups = entries(section, "columns")
    rows, records = [], []
    for entry in entries(section, "factors"):
        label, counts = str(entry.get("label") or ""), entry.get("n_unknown") or []
        cells = [Cell(text=label)]
        for group, given in zip(groups, counts, strict=False):
            n, total = whole(given), whole(group.get("n"))
            cells.append(_unknown(n, total))
            records.append({"factor": label, "outcome": group.get("label"), "n": total, "n_unknown": n})
        cells += [Cell(text=ABSENT)] * (len(groups) + 1 - len(cells))
        rows.append(Row(cells=tuple(cells)))
    columns = (
        Column(label="Unknown"),
        *(
            Column(label=f"{group.get('label')}\nn = {count_text(whole(group.get('n')))}", kind="number")
            for group in groups
        ),
    )
    caption = "How many have each factor unknown, by outcome."
    hidden = any(record["n_unknown"] is None for record in records)
    return make_table("missing", caption, columns, rows, records, (FEW,) if hidden else ())


def _unknown(n: int | None, total: int | None) -> Cell:
    if n is None:
        return Cell(text="few")
    return Cell(text=count_text(n) + (f" ({_percent(n, total)})" if n and total else ""))


def _percent(n: int, total: int) -> str:
    share = n / total
    return f"{percent_text(share, 1 if share < 0.0995 else 0)} %"
