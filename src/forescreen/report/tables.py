"""Every table of the report, made from results.json; none where a section is empty."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from . import evaluation_tables, head_to_head, missing, ranking_tables, risk_tables, study_tables
from .numbers import ABSENT, THOUSANDS, count_text, within_text
from .results import (
    case_types,
    counterparts,
    difference_decimals,
    entries,
    interval,
    is_matched,
    judged,
    main_horizon,
    models,
    of,
    units,
    whole,
)
from .sentences import PUBLISHED, mode_name, statistic
from .table import (
    FEW,
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
    ratio_cell,
    write_table,
)


def all_tables(results: dict[str, Any]) -> dict[str, Table]:
    """Every table that the results support, by key, in the order of the page.

    Raises InputError if a section of the results has another type than the contract names.
    """
    builders: tuple[Callable[[dict[str, Any]], Table | None], ...] = (
        evaluation_tables.inputs,
        study_tables.flow,
        evaluation_tables.exclusions,
        study_tables.table1,
        missing.missing,
        head_to_head.side_by_side,
        head_to_head.differences,
        _main,
        _comparisons,
        _mode_comparisons,
        evaluation_tables.horizons,
        evaluation_tables.horizon_comparisons,
        evaluation_tables.c_index,
        _factors,
        risk_tables.calibration,
        risk_tables.calibration_groups,
        risk_tables.calibration_curves,
        risk_tables.calibration_subgroups,
        risk_tables.overall,
        risk_tables.decision,
        ranking_tables.capture,
        ranking_tables.ppv,
        ranking_tables.selected,
        ranking_tables.costs,
        ranking_tables.rule_out,
        _subgroups,
        _roc,
        _distributions,
        study_tables.training,
        study_tables.refused,
        evaluation_tables.checklist,
        study_tables.provenance,
    )
    found = (build(results) for build in builders)
    return {table.key: table for table in found if table is not None}


def write_tables(tables: dict[str, Table], folder: Path) -> list[Path]:
    """Write every table as csv into `folder` and return the paths.

    Files of tables that an earlier run wrote and this one has not are removed: no stale number stays.
    """
    for key in KEYS:
        if key not in tables:
            (folder / f"{key}.csv").unlink(missing_ok=True)
    return [write_table(table, folder) for table in tables.values()]


#: Names of all csv files this module may write.
KEYS = (
    "inputs",
    "flow",
    "exclusions",
    "table1",
    "missing",
    "head_to_head",
    "head_to_head_differences",
    "main",
    "comparisons",
    "mode_comparisons",
    "horizons",
    "horizon_comparisons",
    "c_index",
    "factor_odds_ratios",
    "calibration",
    "calibration_groups",
    "calibration_curves",
    "calibration_subgroups",
    "overall",
    "decision",
    "capture",
    "ppv",
    "selected",
    "costs",
    "rule_out",
    "subgroups",
    "roc",
    "distributions",
    "training",
    "refused",
    "checklist",
    "provenance",
)


def _counted_heading(
    results: dict[str, Any], case_type: str, counts: set[tuple[int | None, int | None]]
) -> Row:
    text = mode_name(case_type)
    if len(counts) == 1:
        ((sets, members),) = counts
        cases = "sets" if is_matched(results) else "cases"
        parts = [f"{count_text(sets)} {cases}"] if sets else []
        parts += [f"{count_text(members)} {units(results)}"] if members else []
        text += f" ({', '.join(parts)})" if parts else ""
    return mode_heading(text)


def _main(results: dict[str, Any]) -> Table | None:
    ours, theirs = entries(results, "main"), entries(results, "published")
    if not ours:
        return None
    known = models(results)
    measure = statistic(results)
    columns: tuple[Column, ...] = (
        Column(label="Model"),
        Column(label="This study", kind="estimate", group=measure),
        Column(label="Published", kind="estimate", group=measure),
        Column(label="This study, per control SD", kind="estimate", group="Odds ratio"),
        Column(label="Published, unit not stated", kind="estimate", group="Odds ratio"),
    )
    rows: list[Row] = []
    records = []
    notes = []
    for case_type in case_types(results):
        here = [row for row in ours if row.get("case_type") == case_type]
        there = [row for row in theirs if row.get("case_type") == case_type]
        counts = {(whole(row.get("n_sets")), whole(row.get("n_members"))) for row in here}
        if not here and not there:
            continue
        rows.append(_counted_heading(results, case_type, counts))
        if len(counts) > 1:
            notes.append(f"{mode_name(case_type)}: the models were not all evaluated on the same women.")
        matches = counterparts(here, there, known)
        for row in here:
            key = str(row.get("model"))
            rows.append(_main_row(known[key].label, key, row, matches.get(key)))
        for row in there:
            if row not in matches.values():
                label = _PUBLISHED_LABELS.get(str(row.get("model")), str(row.get("model")))
                rows.append(_main_row(label, "", {}, row))
        records += [_main_record("this study", row, "control SD") for row in here]
        records += [
            _main_record(PUBLISHED, row, str(row.get("odds_ratio_unit") or "not stated")) for row in there
        ]
    contrasts = {
        str(row.get("odds_ratio_unit"))
        for row in theirs
        if row.get("odds_ratio_unit") and "not stated" not in str(row.get("odds_ratio_unit"))
    }
    if theirs:
        notes.insert(
            0,
            f"Published: {PUBLISHED}. Its odds ratios do not state a unit"
            + (f" (for some models a contrast: {'; '.join(sorted(contrasts))})" if contrasts else "")
            + " and must not be compared with ours, which are per standard deviation of the score among "
            "controls. The women differ too.",
        )
    notes.append(f"In parentheses: 95{THOUSANDS}% confidence intervals. {ABSENT} not estimated.")
    part = {"held-out": "the held-out part", "all": f"all {units(results)}"}.get(
        judged(results), "all women, by cross-validation"
    )
    within = within_text(main_horizon(results))
    caption = f"Discrimination and association on {part}"
    caption += f", cancers {within} of the exam" if within else ""
    caption += ", beside the published study." if theirs else "."
    if not theirs:
        columns = tuple(column for column in columns if not column.label.startswith("Published"))
        if "published" not in results:  # no study to stand beside: one line of heads says all
            columns = (
                columns[0],
                Column(label=measure, kind="estimate"),
                Column(label="Odds ratio per control SD", kind="estimate"),
            )
        rows = [row if row.heading else replace(row, cells=row.cells[:2] + row.cells[3:4]) for row in rows]
    return make_table("main", caption, columns, rows, records, tuple(notes))


_PUBLISHED_LABELS = {
    "image": "Published image score",
    "clinical": "Published clinical factors with density",
    "combined": "Published combined score",
}


def _main_row(label: str, key: str, ours: Record, theirs: Record | None) -> Row:
    theirs = theirs or {}
    return Row(
        cells=(
            Cell(text=label, model=key),
            estimate_cell(interval(ours.get("concordance"))),
            estimate_cell(interval(theirs.get("concordance"))),
            ratio_cell(interval(ours.get("odds_ratio"))),
            ratio_cell(interval(theirs.get("odds_ratio"))),
        ),
        level=1,
    )


def _main_record(source: str, row: Record, unit: str) -> Record:
    record: Record = {"source": source, "model": row.get("model"), "case_type": row.get("case_type")}
    record |= {"n_sets": row.get("n_sets"), "n_members": row.get("n_members")}
    record |= estimate_record("concordance", interval(row.get("concordance")))
    record |= estimate_record("odds_ratio", interval(row.get("odds_ratio")))
    return record | {"odds_ratio_unit": unit}


def _comparisons(results: dict[str, Any]) -> Table | None:
    known = models(results)
    found = entries(results, "comparisons")
    digits = difference_decimals(results)
    rows: list[Row] = []
    records = []
    for case_type in case_types(results):
        here = [row for row in found if row.get("case_type") == case_type]
        if here:
            rows.append(mode_heading(mode_name(case_type)))
        for row in here:
            difference = interval(row.get("difference"))
            names = [
                known[key].label if key in known else key
                for key in map(str, (row.get("model_a"), row.get("model_b")))
            ]
            cells = (
                Cell(text=f"{names[0]} − {names[1]}"),
                difference_cell(difference, digits),
                p_cell(difference),
            )
            rows.append(Row(cells=cells, level=1))
            record = {"model_a": row.get("model_a"), "model_b": row.get("model_b"), "case_type": case_type}
            records.append(record | estimate_record("difference", difference, p_value=True))
    columns = (
        Column(label="Models"),
        Column(
            label="Difference in concordance" if is_matched(results) else "Difference in AUC", kind="estimate"
        ),
        Column(label="p", kind="number"),
    )
    caption = "Paired comparisons of models on the same women; above 0 the first model is better."
    return make_table("comparisons", caption, columns, rows, records)


def _mode_comparisons(results: dict[str, Any]) -> Table | None:
    known, digits = models(results), difference_decimals(results)
    rows, records = [], []
    for row in entries(results, "mode_comparisons"):
        key = str(row.get("model"))
        difference = interval(row.get("difference"))
        label = known[key].label if key in known else key
        cells = (Cell(text=label, model=key), difference_cell(difference, digits), p_cell(difference))
        rows.append(Row(cells=cells))
        records.append({"model": key} | estimate_record("difference", difference, p_value=True))
    columns = (
        Column(label="Model"),
        Column(label="Screen-detected − interval", kind="estimate"),
        Column(label="p", kind="number"),
    )
    caption = "Does a model separate screen-detected cancers better than interval cancers?"
    return make_table("mode_comparisons", caption, columns, rows, records)


def _factors(results: dict[str, Any]) -> Table | None:
    found = entries(results, "factor_odds_ratios")
    modes = [mode for mode in case_types(results) if of(found, case_type=mode)]
    rows, records = [], []
    for factor in dict.fromkeys(str(row.get("factor")) for row in found):
        cells = [Cell(text=factor)]
        first = of(found, factor=factor) or {}
        cells.append(Cell(text=str(first.get("unit") or "")))
        for mode in modes:
            row = of(found, factor=factor, case_type=mode) or {}
            cells.append(ratio_cell(interval(row.get("odds_ratio"))))
            record = {"factor": factor, "case_type": mode, "unit": row.get("unit")}
            records.append(record | estimate_record("odds_ratio", interval(row.get("odds_ratio"))))
        rows.append(Row(cells=tuple(cells)))
    columns = (
        Column(label="Factor"),
        Column(label="Unit"),
        *(Column(label=mode_name(mode), kind="estimate") for mode in modes),
    )
    caption = "Odds ratios of the clinical factors, by mode of detection."
    return make_table("factor_odds_ratios", caption, columns, rows, records)


def _subgroups(results: dict[str, Any]) -> Table | None:
    known = models(results)
    found = entries(results, "subgroups")
    keys = [key for key in known if of(found, model=key)]
    rows: list[Row] = []
    records = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        if here:
            rows.append(mode_heading(mode_name(mode)))
        for name, level in dict.fromkeys((str(r.get("variable")), str(r.get("level"))) for r in here):
            cell = [r for r in here if str(r.get("variable")) == name and str(r.get("level")) == level]
            hidden = any(row.get("suppressed") for row in cell)
            # A suppressed count is not shown anywhere, the csv included.
            n = None if hidden else whole(cell[0].get("n_sets"))
            cells = [Cell(text=f"{name}: {level}"), Cell(text="few" if hidden else count_text(n))]
            for key in keys:
                row = of(cell, model=key) or {}
                value = None if hidden else interval(row.get("concordance"))
                cells.append(estimate_cell(value))
                record = {"variable": name, "level": level, "case_type": mode, "model": key, "n_sets": n}
                records.append(record | {"suppressed": hidden} | estimate_record("concordance", value))
            rows.append(Row(cells=tuple(cells), level=1))
    columns = (
        Column(label="Subgroup"),
        Column(label="Sets" if is_matched(results) else "Cases", kind="number"),
        *(Column(label=known[key].label, kind="estimate") for key in keys),
    )
    shown = (FEW,) if any(record["suppressed"] for record in records) else ()
    return make_table("subgroups", f"{statistic(results)} in subgroups.", columns, rows, records, shown)


def _roc(results: dict[str, Any]) -> Table | None:
    """Points of the curves, for the csv only."""
    records = [
        {"model": curve.get("model"), "case_type": curve.get("case_type"), "fpr": fpr, "tpr": tpr}
        for curve in entries(results, "roc")
        for fpr, tpr in zip(curve.get("fpr") or [], curve.get("tpr") or [], strict=False)
    ]
    return make_table("roc", "Points of the curves.", (), [], records)


def _distributions(results: dict[str, Any]) -> Table | None:
    """Bins of the score distributions, for the csv only."""
    records = []
    for entry in entries(results, "distributions"):
        edges = entry.get("edges") or []
        for lower, upper, n in zip(edges[:-1], edges[1:], entry.get("counts") or [], strict=False):
            record = {key: entry.get(key) for key in ("model", "case_type", "group")}
            records.append(record | {"lower": lower, "upper": upper, "count": n})
    return make_table("distributions", "Score distributions.", (), [], records)
