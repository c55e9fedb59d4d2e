"""The tables that say what was studied and how: flow, Table 1, refused files, training, provenance."""

from __future__ import annotations

import re
from typing import Any

from .numbers import ABSENT, count_text, decimal_text
from .results import entries, mapping, number, of, whole
from .table import Cell, Column, Row, Table, make_table


def flow(results: dict[str, Any]) -> Table | None:
    rows, records = [], []
    for step in entries(results, "flow"):
        women, exams = whole(step.get("n_women")), whole(step.get("n_exams"))
        name = str(step.get("step") or "")
        for excluded in step.get("excluded") or []:
            n = whole(excluded.get("n"))
            reason = str(excluded.get("reason") or "")
            cells = (Cell(text=f"excluded: {reason}"), Cell(text=count_text(n)), Cell(text=""))
            rows.append(Row(cells=cells, level=1))
            records.append({"step": name, "excluded": reason, "n": n, "n_women": None, "n_exams": None})
        cells = (Cell(text=name), Cell(text=count_text(women)), Cell(text=count_text(exams)))
        rows.append(Row(cells=cells))
        records.append({"step": name, "excluded": None, "n": None, "n_women": women, "n_exams": exams})
    columns = (
        Column(label="Step"),
        Column(label="Women", kind="number"),
        Column(label="Exams", kind="number"),
    )
    return make_table("flow", "Study flow.", columns, rows, records)


def table1(results: dict[str, Any]) -> Table | None:
    section = mapping(results, "table1")
    groups = section.get("columns") or []
    columns = [Column(label="Characteristic")]
    for group in groups:
        n = whole(group.get("n"))
        label = str(group.get("label") or "")
        columns.append(Column(label=label if n is None else f"{label}\nn = {count_text(n)}", kind="number"))
    rows: list[Row] = []
    records = []
    before: str | None = None
    for entry in section.get("rows") or []:
        label, level = str(entry.get("label") or ""), entry.get("level")
        values = [ABSENT if value is None else _spaced(str(value)) for value in entry.get("values") or []]
        values = (values + [ABSENT] * len(groups))[: len(groups)]
        if level is not None and label != before:
            rows.append(Row(cells=(Cell(text=label),), heading=True, level=1))
        name = label if level is None else str(level)
        rows.append(
            Row(
                cells=(Cell(text=name), *(Cell(text=value) for value in values)),
                level=0 if level is None else 1,
            )
        )
        before = label if level is not None else None
        named = {str(group.get("label") or ""): value for group, value in zip(groups, values, strict=True)}
        records.append({"characteristic": label, "level": level, **named})
    return make_table(
        "table1", "Table 1. Characteristics of the women, by outcome.", tuple(columns), rows, records
    )


def _spaced(text: str) -> str:
    """A count, or a count with its percentage, with thousands apart; other texts unchanged."""
    return re.sub(r"^\d{4,}(?=$| \()", lambda found: count_text(int(found[0])), text)


def training(results: dict[str, Any]) -> Table | None:
    """Epochs of every ensemble member in the csv; on the page the best epoch of each."""
    rows, records = [], []
    for entry in entries(results, "training"):
        epochs = [epoch for epoch in entry.get("epochs") or [] if isinstance(epoch, dict)]
        for epoch in epochs:
            record = {key: epoch.get(key) for key in ("epoch", "loss", "concordance", "seconds")}
            records.append({"member": entry.get("member")} | record)
        best = of(epochs, epoch=entry.get("best_epoch")) or {}
        seconds = sum(number(epoch.get("seconds")) or 0 for epoch in epochs)
        cells = (
            Cell(text=f"Member {entry.get('member')}"),
            Cell(text=count_text(len(epochs))),
            Cell(text=count_text(whole(entry.get("best_epoch")))),
            Cell(text=decimal_text(number(best.get("concordance")))),
            Cell(text=decimal_text(seconds / 60, 1)),
        )
        rows.append(Row(cells=cells))
    columns = (
        Column(label="Ensemble member"),
        Column(label="Epochs", kind="number"),
        Column(label="Best epoch", kind="number"),
        Column(label="Validation concordance there", kind="number"),
        Column(label="Minutes", kind="number"),
    )
    return make_table("training", "Training of the image model.", columns, rows, records)


def refused(results: dict[str, Any]) -> Table | None:
    rows, records = [], []
    for entry in entries(results, "refused"):
        n = whole(entry.get("n"))
        code, meaning = str(entry.get("code") or ""), str(entry.get("meaning") or "")
        rows.append(Row(cells=(Cell(text=code), Cell(text=count_text(n)), Cell(text=meaning))))
        records.append({"code": code, "n": n, "meaning": meaning})
    columns = (Column(label="Code"), Column(label="Files", kind="number"), Column(label="Meaning"))
    return make_table("refused", "Files that were not used, by reason.", columns, rows, records)


def provenance(results: dict[str, Any]) -> Table | None:
    found = {str(k): "" if v is None else str(v) for k, v in mapping(results, "provenance").items()}
    version = results.get("forescreen")
    if version is not None:
        found = {"forescreen": str(version)} | found
    rows = [Row(cells=(Cell(text=label), Cell(text=text))) for label, text in found.items()]
    records = [{"label": label, "text": text} for label, text in found.items()]
    columns = (Column(label="What"), Column(label="Value"))
    return make_table("provenance", "What made these numbers.", columns, rows, records)
