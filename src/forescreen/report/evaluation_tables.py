"""The tables of an evaluation of anyone's predictions: files, what was left out, horizons, selection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .numbers import ABSENT, count_text, within_text
from .results import (
    Model,
    case_types,
    difference_decimals,
    entries,
    interval,
    models,
    number,
    of,
    whole,
)
from .sentences import mode_name
from .table import (
    Cell,
    Column,
    Record,
    Row,
    Table,
    difference_cell,
    estimate_cell,
    estimate_record,
    make_table,
    mode_heading,
    p_cell,
)

#: Characters of a checksum that are shown; the csv holds all.
_CHECKSUM = 16


def inputs(results: dict[str, Any]) -> Table | None:
    """The files that were read."""
    rows, records = [], []
    for entry in entries(results, "inputs"):
        found = entry.get("models")
        named = [str(name) for name in found] if isinstance(found, list) else []
        texts = {key: str(entry.get(key) or "") for key in ("role", "name", "format", "sha256")}
        n_rows = whole(entry.get("n_rows"))
        cells = (
            Cell(text=_capital(texts["role"])),
            Cell(text=texts["name"]),
            Cell(text=texts["format"]),
            Cell(text=", ".join(named) or ABSENT),
            Cell(text=count_text(n_rows)),
            Cell(text=texts["sha256"][:_CHECKSUM]),
        )
        rows.append(Row(cells=cells))
        records.append({**texts, "models": "; ".join(named), "n_rows": n_rows})
    columns = (
        Column(label="What"),
        Column(label="File", kind="code"),
        Column(label="Format"),
        Column(label="Models"),
        Column(label="Rows", kind="number"),
        Column(label="SHA-256", kind="code"),
    )
    return make_table("inputs", "The files, their rows and what they hold.", columns, rows, records)


def exclusions(results: dict[str, Any]) -> Table | None:
    """What was read and not used, with the reason."""
    rows, records = [], []
    for entry in entries(results, "exclusions"):
        texts = {key: str(entry.get(key) or "") for key in ("what", "unit", "reason", "remedy")}
        n = whole(entry.get("n"))
        cells = (
            Cell(text=_capital(texts["what"])),
            Cell(text=count_text(n)),
            Cell(text=_capital(texts["reason"])),
            Cell(text=_capital(texts["remedy"]) or ABSENT),
        )
        rows.append(Row(cells=cells))
        records.append({"what": texts["what"], "n": n, **texts})
    columns = (
        Column(label="What"),
        Column(label="Number", kind="number"),
        Column(label="Why"),
        Column(label="What can be done"),
    )
    return make_table("exclusions", "Read, and not part of any figure.", columns, rows, records)


def horizons(results: dict[str, Any]) -> Table | None:
    """AUC of every model by every horizon."""
    known = models(results)
    found = entries(results, "horizons")
    keys = [key for key in known if of(found, model=key)]
    rows: list[Row] = []
    records: list[Record] = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        if here:
            rows.append(mode_heading(mode_name(mode)))
        for years in horizons_in(here):
            then = [row for row in here if number(row.get("horizon_years")) == years]
            cells = [
                Cell(text=within_text(years) or "whole follow-up"),
                Cell(text=count_text(whole(then[0].get("n_cases")))),
                Cell(text=count_text(whole(then[0].get("n_at_risk")))),
            ]
            cells += [estimate_cell(interval((of(then, model=key) or {}).get("auc"))) for key in keys]
            rows.append(Row(cells=tuple(cells), level=1))
            for row in then:
                record = {"model": row.get("model"), "case_type": mode, "horizon_years": years}
                record |= {"n_cases": row.get("n_cases"), "n_at_risk": row.get("n_at_risk")}
                records.append(record | estimate_record("auc", interval(row.get("auc"))))
    columns = (
        Column(label="Cancers"),
        Column(label="Cancers\nby then", kind="number"),
        Column(label="Still\nfollowed", kind="number"),
        *(Column(label=known[key].label, kind="estimate") for key in keys),
    )
    caption = "AUC by horizon, cases by then against those still without cancer and followed."
    return make_table("horizons", caption, columns, rows, records)


def horizon_comparisons(results: dict[str, Any]) -> Table | None:
    """Paired differences of the AUC by every horizon."""
    known, digits = models(results), difference_decimals(results)
    found = entries(results, "horizon_comparisons")
    rows: list[Row] = []
    records: list[Record] = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        for years in horizons_in(here):
            within = within_text(years)
            rows.append(mode_heading(f"{mode_name(mode)} {within}".strip()))
            for row in here:
                if number(row.get("horizon_years")) != years:
                    continue
                difference = interval(row.get("difference"))
                pair = [str(row.get("model_a")), str(row.get("model_b"))]
                label = " − ".join(known[key].label if key in known else key for key in pair)
                cells = (Cell(text=label), difference_cell(difference, digits), p_cell(difference))
                rows.append(Row(cells=cells, level=1))
                record = {"model_a": pair[0], "model_b": pair[1], "case_type": mode, "horizon_years": years}
                records.append(record | estimate_record("difference", difference, p_value=True))
    columns = (
        Column(label="Models"),
        Column(label="Difference in AUC", kind="estimate"),
        Column(label="p", kind="number"),
    )
    caption = "Paired differences of the AUC by horizon; above 0 the first model is better."
    return make_table("horizon_comparisons", caption, columns, rows, records)


def c_index(results: dict[str, Any]) -> Table | None:
    """Uno's and Harrell's concordance index of every model."""
    found = entries(results, "c_index")
    rows, records = rows_by_model(
        results,
        found,
        cells=lambda row: (
            estimate_cell(interval(row.get("uno"))),
            estimate_cell(interval(row.get("harrell"))),
        ),
        record=lambda row: (
            estimate_record("uno", interval(row.get("uno")))
            | estimate_record("harrell", interval(row.get("harrell")))
        ),
    )
    columns = (
        Column(label="Model"),
        Column(label="Uno", kind="estimate"),
        Column(label="Harrell", kind="estimate"),
    )
    note = (
        "Uno's is the one to read: it weights by the chance of still being followed, estimated from those "
        "who were censored, so it does not depend on how long they happened to be followed. Harrell's does, "
        "and drifts as censoring grows; it stands here because other studies give it."
    )
    caption = "Concordance index: who has cancer sooner has the higher score."
    return make_table("c_index", caption, columns, rows, records, (note,))


_STATUS = {"filled": "● filled", "partly": "◐ in part", "open": "○ open"}


def checklist(results: dict[str, Any]) -> Table | None:
    """The items of TRIPOD+AI, by section, with what the results say and what the authors have to say."""
    rows: list[Row] = []
    records: list[Record] = []
    before = None
    for entry in entries(results, "checklist"):
        texts = {key: str(entry.get(key) or "") for key in ("section", "item", "topic", "status", "text")}
        if texts["section"] != before:
            rows.append(mode_heading(texts["section"]))
            before = texts["section"]
        status = texts["status"] if texts["status"] in _STATUS else "open"
        cells = (
            Cell(text=f"{texts['item']} {texts['topic']}".strip()),
            Cell(text=_STATUS[status]),
            Cell(text=texts["text"]),
        )
        rows.append(Row(cells=cells, level=1, tone=f"status-{status}"))
        records.append(texts)
    columns = (
        Column(label="Item"),
        Column(label="Status", kind="number"),
        Column(label="What this evaluation says, or what the authors have to add"),
    )
    return make_table("checklist", "TRIPOD+AI, item by item.", columns, rows, records)


def rows_by_model(
    results: dict[str, Any],
    found: list[Record],
    *,
    cells: Callable[[Record], tuple[Cell, ...]],
    record: Callable[[Record], Record],
) -> tuple[list[Row], list[Record]]:
    """One row per model under a heading for each mode and horizon."""
    known: dict[str, Model] = models(results)
    rows: list[Row] = []
    records: list[Record] = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        for years in horizons_in(here):
            rows.append(mode_heading(f"{mode_name(mode)} {within_text(years)}".strip()))
            for row in here:
                if number(row.get("horizon_years")) != years:
                    continue
                key = str(row.get("model"))
                rows.append(Row(cells=(Cell(text=known[key].label, model=key), *cells(row)), level=1))
                records.append({"model": key, "case_type": mode, "horizon_years": years} | record(row))
    return rows, records


def horizons_in(found: list[Record]) -> list[float | None]:
    """The horizons that occur, ascending, None (whole follow-up) first."""
    return sorted(
        dict.fromkeys(number(row.get("horizon_years")) for row in found),
        key=lambda years: -1.0 if years is None else years,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
