"""Models side by side: every measure of every model on identical women, and the paired differences.

Rows are models (or pairs of them), columns are measures; values come from head_to_head and
head_to_head_differences, and for the measure of discrimination from main and comparisons where the former do
not hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .numbers import ABSENT, THOUSANDS, decimal_text, decimals_for, top_text, within_text
from .results import (
    Interval,
    Model,
    case_types,
    entries,
    interval,
    main_horizon,
    models,
    number,
)
from .sentences import mode_name, statistic
from .table import (
    Cell,
    Column,
    Record,
    Row,
    Table,
    estimate_record,
    make_table,
    mode_heading,
    scaled_cell,
)

#: Factor by which each measure is shown, significant figures of its smallest value, fewest and most decimals.
_SHOWN = {
    "auc": (1.0, 2, 2, 2),
    "capture": (100.0, 2, 1, 2),
    "ppv": (100.0, 2, 1, 3),
    "brier": (1000.0, 3, 1, 4),
    "observed_expected": (1.0, 2, 2, 2),
    "net_benefit": (1000.0, 1, 1, 2),
}
#: Measures that only absolute risks have.
_OF_RISKS = ("brier", "observed_expected", "net_benefit")


@dataclass(frozen=True, kw_only=True)
class _Measure:
    """One column: a metric, with the share or the threshold it is taken at."""

    metric: str
    fraction: float | None
    threshold: float | None
    label: str

    @staticmethod
    def of(row: Record) -> _Measure:
        return _Measure(
            metric=str(row.get("metric")),
            fraction=number(row.get("fraction")),
            threshold=number(row.get("threshold")),
            label=str(row.get("label") or row.get("metric")),
        )


def side_by_side(results: dict[str, Any]) -> Table | None:
    """Every measure of every model, by mode of detection."""
    known = models(results)
    found = entries(results, "head_to_head")
    if found:
        found = _with_discrimination(results, found, "main", "concordance", ("model",))
    rows = _rows(results, found, known, ("model",))
    notes = ["In parentheses: 95 % confidence intervals; all models on identical women."]
    have = {row.get("model") for row in found if row.get("metric") in _OF_RISKS}
    if have and have != {row.get("model") for row in found}:
        notes.append(
            f"{ABSENT} O/E, Brier score and net benefit need absolute risks of these cancers, which not "
            "every model gives."
        )
    within = within_text(main_horizon(results))
    caption = "Every measure of every model" + (f", cancers {within} of the exam." if within else ".")
    return make_table(
        "head_to_head",
        caption,
        _columns(results, found, "Model"),
        rows,
        _records(found, ("model",), "estimate", "estimate"),
        tuple(notes),
    )


def differences(results: dict[str, Any]) -> Table | None:
    """Paired differences of every measure, for every pair of models, by mode of detection."""
    known = models(results)
    pair = ("model_a", "model_b")
    found = [
        row | {"estimate": row.get("difference")} for row in entries(results, "head_to_head_differences")
    ]
    if found:
        found = _with_discrimination(results, found, "comparisons", "difference", pair)
    rows = _rows(results, found, known, pair, signed=True)
    return make_table(
        "head_to_head_differences",
        "Paired differences of the measures on identical women, first model minus second.",
        _columns(results, found, "Models"),
        rows,
        _records(found, pair, "estimate", "difference"),
        ("A Brier score is better when smaller; O/E is better when nearer to 1.",)
        if any(row.get("metric") in ("brier", "observed_expected") for row in found)
        else (),
    )


def _with_discrimination(
    results: dict[str, Any], found: list[Record], section: str, quantity: str, who: tuple[str, ...]
) -> list[Record]:
    """The rows with those of the concordance or AUC first, from another section if they are not there."""
    if any(row.get("metric") == "auc" for row in found):
        return found
    first = [
        {name: row.get(name) for name in who}
        | {
            "case_type": row.get("case_type"),
            "metric": "auc",
            "label": statistic(results),
            "fraction": None,
            "threshold": None,
            "horizon_years": main_horizon(results),
            "estimate": row.get(quantity),
        }
        for row in entries(results, section)
    ]
    return first + found


def _columns(results: dict[str, Any], found: list[Record], first: str) -> tuple[Column, ...]:
    return (
        Column(label=first),
        *(Column(label=_label(results, measure), kind="stacked") for measure in _measures(found)),
    )


def _measures(found: list[Record]) -> list[_Measure]:
    """The columns, each once, in order of appearance."""
    seen: dict[tuple[object, ...], _Measure] = {}
    for row in found:
        measure = _Measure.of(row)
        seen.setdefault(_place(measure), measure)
    return list(seen.values())


def _place(measure: _Measure) -> tuple[object, ...]:
    return measure.metric, measure.fraction, measure.threshold


def _label(results: dict[str, Any], measure: _Measure) -> str:
    if measure.metric == "auc":
        return statistic(results)
    if measure.metric == "capture" and measure.fraction is not None:
        return f"Captured by the\ntop {top_text(measure.fraction)}, %"
    if measure.metric == "ppv" and measure.fraction is not None:
        return f"PPV of the\ntop {top_text(measure.fraction)}, %"
    if measure.metric == "observed_expected":
        return "O/E"
    if measure.metric == "brier":
        return "Brier score\n× 1000"
    if measure.metric == "net_benefit" and measure.threshold is not None:
        shown = decimal_text(100 * measure.threshold, 1)
        return f"Net benefit per\n1000 at {shown}{THOUSANDS}%"
    return measure.label[:1].upper() + measure.label[1:]


def _rows(
    results: dict[str, Any],
    found: list[Record],
    known: dict[str, Model],
    who: tuple[str, ...],
    *,
    signed: bool = False,
) -> list[Row]:
    measures = _measures(found)
    decimals = {}
    for measure in measures:
        factor, figures, least, most = _SHOWN.get(measure.metric, (1.0, 2, 2, 4))
        values = [
            interval(row.get("estimate")) for row in found if _place(_Measure.of(row)) == _place(measure)
        ]
        if signed or measure.metric == "net_benefit":  # may be near 0: as many decimals as its interval needs
            sizes = [factor * half for v in values if (half := _half_width(v)) is not None]
            figures, most = min(figures, 2), most + signed
        else:
            sizes = [factor * v.value for v in values if v is not None]
        decimals[_place(measure)] = decimals_for(sizes, figures=figures, least=least, most=most)
    rows: list[Row] = []
    for case_type in case_types(results):
        here = [row for row in found if row.get("case_type") == case_type]
        if here:
            rows.append(mode_heading(mode_name(case_type)))
        for names in dict.fromkeys(tuple(str(row.get(name)) for name in who) for row in here):
            of_these = {
                _place(_Measure.of(row)): interval(row.get("estimate"))
                for row in here
                if tuple(str(row.get(name)) for name in who) == names
            }
            # Names stay whole, so that a pair breaks after its minus.
            whole_names = [
                (known[key].label if key in known else key).replace(" ", "\u00a0") for key in names
            ]
            label = "\u00a0− ".join(whole_names) if len(names) > 1 else known[names[0]].label
            cells = [Cell(text=label, model=names[0] if len(names) == 1 else "")]
            for measure in measures:
                factor = _SHOWN.get(measure.metric, (1.0,))[0]
                cells.append(
                    scaled_cell(
                        of_these.get(_place(measure)), factor, decimals[_place(measure)], signed=signed
                    )
                )
            rows.append(Row(cells=tuple(cells), level=1))
    return rows


def _half_width(found: Interval | None) -> float | None:
    if found is None or found.lower is None or found.upper is None:
        return None
    return (found.upper - found.lower) / 2


def _records(found: list[Record], who: tuple[str, ...], quantity: str, name: str) -> list[Record]:
    fields = (*who, "case_type", "metric", "label", "fraction", "threshold", "horizon_years")
    return [
        {key: row.get(key) for key in fields}
        | estimate_record(name, interval(row.get(quantity)), p_value=name == "difference")
        for row in found
    ]
