"""The tables of a ranking: what the highest scores capture and cost, and what the lowest hold."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .numbers import ABSENT, count_text, decimal_text, decimals_for, top_text
from .results import Interval, case_types, entries, interval, models, number, of, units
from .sentences import mode_name
from .table import (
    Cell,
    Column,
    Record,
    Row,
    Table,
    estimate_record,
    make_table,
    mode_heading,
    percent_cell,
    scaled_cell,
)


def capture(results: dict[str, Any]) -> Table | None:
    """Share of the cancers in the top shares."""
    caption = (
        f"Capture: percentage of cancers among the {units(results, default='woman')} with the highest scores."
    )
    return _top(results, "capture", caption)


def ppv(results: dict[str, Any]) -> Table | None:
    """Share of the top shares that have cancer."""
    who = units(results, default="woman")
    caption = f"Positive predictive value: percentage of the {who} with the highest scores "
    caption += "who have cancer." if who == "women" else "that have cancer."
    return _top(results, "ppv", caption)


def _top(results: dict[str, Any], quantity: str, caption: str) -> Table | None:
    known = models(results)
    found = [row for row in entries(results, "capture") if interval(row.get(quantity)) is not None]
    keys = [key for key in known if of(found, model=key)]
    shares = [interval(row.get(quantity)) for row in found]
    digits = decimals_for((100 * share.value for share in shares if share), least=1, most=3)
    rows, records = _by_fraction(
        results,
        found,
        keys,
        cells=lambda row: (percent_cell(interval(row.get(quantity)), digits),),
        record=lambda row: estimate_record(quantity, interval(row.get(quantity))),
    )
    columns = (Column(label="Group"), *(Column(label=known[key].label, kind="estimate") for key in keys))
    return make_table(quantity, caption, columns, rows, records)


def selected(results: dict[str, Any]) -> Table | None:
    """Cancers per 1000 selected and how many are selected for one cancer, in the top shares."""
    known = models(results)
    who = units(results, default="woman")
    found = [
        row
        for row in entries(results, "capture")
        if interval(row.get("selected_per_cancer")) or interval(row.get("cancers_per_1000"))
    ]
    keys = [key for key in known if of(found, model=key)]
    yields = [interval(row.get("cancers_per_1000")) for row in found]
    digits = decimals_for((y.value for y in yields if y), least=0, most=2)

    def cells(row: Record) -> tuple[Cell, ...]:
        rate, needed = interval(row.get("cancers_per_1000")), interval(row.get("selected_per_cancer"))
        return scaled_cell(rate, 1, digits), _needed_cell(needed)

    def record(row: Record) -> Record:
        stored = estimate_record("cancers_per_1000", interval(row.get("cancers_per_1000")))
        return stored | estimate_record("selected_per_cancer", interval(row.get("selected_per_cancer")))

    columns = [Column(label="Group")]
    for key in keys:
        name = known[key].label
        columns.append(Column(label="cancers\nper 1000", kind="stacked", group=name))
        columns.append(Column(label=f"{who}\nper cancer", kind="stacked", group=name))
    caption = (
        f"What selecting the highest scores finds: cancers per 1000 {who} selected, and {who} for one cancer."
    )
    rows, records = _by_fraction(results, found, keys, cells=cells, record=record)
    return make_table("selected", caption, tuple(columns), rows, records)


def costs(results: dict[str, Any]) -> Table | None:
    """Cost of one additional cancer if the top shares were imaged again."""
    known = models(results)
    found = [row for row in entries(results, "capture") if interval(row.get("cost_per_additional_cancer"))]
    keys = [key for key in known if of(found, model=key)]
    rows, records = _by_fraction(
        results,
        found,
        keys,
        cells=lambda row: (_needed_cell(interval(row.get("cost_per_additional_cancer"))),),
        record=lambda row: estimate_record(
            "cost_per_additional_cancer", interval(row.get("cost_per_additional_cancer"))
        ),
    )
    columns = (Column(label="Group"), *(Column(label=known[key].label, kind="estimate") for key in keys))
    caption = (
        "Cost of one additional cancer if the highest scores are imaged again, in the currency of the plan."
    )
    return make_table("costs", caption, columns, rows, records)


def _by_fraction(
    results: dict[str, Any],
    found: list[Record],
    keys: list[str],
    *,
    cells: Callable[[Record], tuple[Cell, ...]],
    record: Callable[[Record], Record],
) -> tuple[list[Row], list[Record]]:
    """One row per top share under a heading for each mode, with the cells of every model side by side."""
    rows: list[Row] = []
    records: list[Record] = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        if here:
            rows.append(mode_heading(mode_name(mode)))
        for fraction in sorted({f for row in here if (f := number(row.get("fraction"))) is not None}):
            shown = [Cell(text=f"top {top_text(fraction)}")]
            for key in keys:
                row = of(here, model=key, fraction=fraction) or {}
                shown += cells(row)
                records.append({"model": key, "case_type": mode, "fraction": fraction} | record(row))
            rows.append(Row(cells=tuple(shown), level=1))
    return rows, records


def rule_out(results: dict[str, Any]) -> Table | None:
    """What would be missed if the lowest scores were not read."""
    known = models(results)
    who = units(results)
    found = entries(results, "rule_out")
    shares = sorted({share for row in found if (share := number(row.get("share"))) is not None})
    missed = [interval(row.get("missed")) for row in found]
    digits = decimals_for((100 * m.value for m in missed if m), figures=2, least=1, most=2)
    rates = [interval(row.get("false_omission")) for row in found]
    rate_digits = decimals_for((1000 * r.value for r in rates if r), figures=2, least=1, most=2)
    rows: list[Row] = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        if here:
            rows.append(mode_heading(mode_name(mode)))
        for key in dict.fromkeys(str(row.get("model")) for row in here):
            cells = [Cell(text=known[key].label, model=key)]
            for share in shares:
                row = of(here, model=key, share=share) or {}
                cells.append(scaled_cell(interval(row.get("missed")), 100, digits))
                cells.append(Cell(text=_rounded(number(row.get("n_missed")))))
                if any(rates):
                    cells.append(scaled_cell(interval(row.get("false_omission")), 1000, rate_digits))
            rows.append(Row(cells=tuple(cells), level=1))
    records = [
        {key: row.get(key) for key in ("model", "case_type", "share", "reads_saved")}
        | estimate_record("missed", interval(row.get("missed")))
        | estimate_record("false_omission", interval(row.get("false_omission")))
        | {"n_missed": row.get("n_missed")}
        for row in found
    ]
    columns = [Column(label="Model")]
    for share in shares:
        name = f"Lowest {top_text(share)} not read"
        columns.append(Column(label="missed, %\nof cancers", kind="stacked", group=name))
        columns.append(Column(label="missed,\nnumber", kind="stacked", group=name))
        if any(rates):
            columns.append(Column(label="per 1000\nnot read", kind="stacked", group=name))
    caption = f"Rule-out: cancers among the {who} with the lowest scores, if these were not read."
    numbers = [number(row.get("n_missed")) for row in found]
    weighted = any(n is not None and abs(n - round(n)) > 1e-6 for n in numbers)
    note = "Numbers stand for all, those no longer followed or not sampled included: weighted, and rounded."
    return make_table("rule_out", caption, tuple(columns), rows, records, (note,) if weighted else ())


def _needed_cell(found: Interval | None) -> Cell:
    """How many are selected for one cancer: whole numbers, or one decimal below 10."""
    if found is None:
        return Cell(text=ABSENT)
    value, lower, upper = (_rounded(x) for x in (found.value, found.lower, found.upper))
    return Cell(text=value, tail="" if lower == upper == ABSENT else f"({lower}, {upper})")


def _rounded(value: float | None) -> str:
    """Whole numbers, and one decimal below 10 where the number is not whole."""
    if value is None:
        return ABSENT
    whole_number = abs(value - round(value)) < 1e-6
    return count_text(value) if whole_number or value >= 9.95 else decimal_text(value, 1)
