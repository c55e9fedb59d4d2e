"""The tables of absolute risks: calibration, by group and subgroup, overall accuracy, net benefit."""

from __future__ import annotations

from typing import Any

from .evaluation_tables import horizons_in, rows_by_model
from .numbers import ABSENT, THOUSANDS, count_text, decimal_text, decimals_for, within_text
from .results import Interval, case_types, entries, interval, models, number, of, thresholds, whole
from .sentences import mode_name
from .table import (
    FEW,
    Cell,
    Column,
    Record,
    Row,
    Table,
    estimate_cell,
    estimate_record,
    make_table,
    mode_heading,
    ratio_cell,
    scaled_cell,
)

#: Distances of the calibration curve from the diagonal.
_DISTANCES = ("ici", "e50", "e90", "emax")

#: Thresholds shown where the study names none: those nearest to these shares of the largest drawn.
_SHOWN_SHARES = (0.25, 0.5, 0.75)


def calibration(results: dict[str, Any]) -> Table | None:
    """Observed over expected, slope, calibration in the large and ICI of every model that gives risks."""
    found = entries(results, "calibration")
    distances = [distance(row.get("ici")) for row in found]
    digits = decimals_for((100 * d.value for d in distances if d), figures=2, least=1, most=3)

    def cells(row: Record) -> tuple[Cell, ...]:
        return (
            Cell(text=count_text(whole(row.get("n_events")))),
            ratio_cell(interval(row.get("observed_expected"))),
            estimate_cell(interval(row.get("slope"))),
            scaled_cell(interval(row.get("in_the_large")), 1, 2, signed=True),
            scaled_cell(distance(row.get("ici")), 100, digits),
        )

    def record(row: Record) -> Record:
        stored: Record = {"n": row.get("n"), "n_events": row.get("n_events")}
        for name in ("observed_expected", "in_the_large", "slope"):
            stored |= estimate_record(name, interval(row.get(name)))
        for name in _DISTANCES:
            stored |= estimate_record(name, distance(row.get(name)))
        return stored

    rows, records = rows_by_model(results, found, cells=cells, record=record)
    columns = (
        Column(label="Model"),
        Column(label="Cancers", kind="number"),
        Column(label="Observed/expected", kind="estimate"),
        Column(label="Slope", kind="estimate"),
        Column(label="In the large", kind="estimate"),
        Column(label="ICI, % points", kind="estimate"),
    )
    note = (
        "Perfect: O/E 1, slope 1, in the large 0 (log odds), ICI 0. O/E below 1: risks are too high. "
        "In parentheses: 95 % confidence intervals."
    )
    return make_table(
        "calibration", "Calibration of the models that give absolute risks.", columns, rows, records, (note,)
    )


def calibration_groups(results: dict[str, Any]) -> Table | None:
    """Expected and observed in groups of rising risk, for the csv only."""
    records: list[Record] = []
    for row in entries(results, "calibration"):
        for place, group in enumerate(dictionaries(row.get("groups")), start=1):
            record: Record = {key: row.get(key) for key in ("model", "case_type", "horizon_years")}
            record |= {"group": place, "n": group.get("n"), "n_events": group.get("n_events")}
            record |= {"expected": number(group.get("expected"))}
            records.append(record | estimate_record("observed", interval(group.get("observed"))))
    return make_table("calibration_groups", "Calibration in groups.", (), [], records)


def calibration_curves(results: dict[str, Any]) -> Table | None:
    """Points of the flexible curves, for the csv only."""
    records: list[Record] = []
    for row in entries(results, "calibration"):
        curve = row.get("curve")
        if not isinstance(curve, dict):
            continue
        names = [name for name in ("risk", "observed", "lower", "upper") if curve.get(name)]
        for values in zip(*(curve[name] for name in names), strict=False):
            record = {key: row.get(key) for key in ("model", "case_type", "horizon_years")}
            records.append(record | dict(zip(names, values, strict=True)))
    return make_table("calibration_curves", "Points of the calibration curves.", (), [], records)


def calibration_subgroups(results: dict[str, Any]) -> Table | None:
    """Observed over expected in subgroups; a suppressed cell shows neither count nor figure."""
    known = models(results)
    found = entries(results, "calibration_subgroups")
    keys = [key for key in known if of(found, model=key)]
    rows: list[Row] = []
    records: list[Record] = []
    for mode in case_types(results):
        here = [row for row in found if row.get("case_type") == mode]
        for years in horizons_in(here):
            rows.append(mode_heading(f"{mode_name(mode)} {within_text(years)}".strip()))
            then = [row for row in here if number(row.get("horizon_years")) == years]
            for name, level in dict.fromkeys((str(r.get("variable")), str(r.get("level"))) for r in then):
                cell = [r for r in then if (str(r.get("variable")), str(r.get("level"))) == (name, level)]
                hidden = any(row.get("suppressed") for row in cell)
                n, n_events = (None if hidden else whole(cell[0].get(key)) for key in ("n", "n_events"))
                cells = [
                    Cell(text=f"{name}: {level}"),
                    Cell(text="few" if hidden else count_text(n_events)),
                ]
                for key in keys:
                    row = of(cell, model=key)
                    value = None if hidden else interval((row or {}).get("observed_expected"))
                    cells.append(ratio_cell(value))
                    if row is None:
                        continue
                    record: Record = {"variable": name, "level": level, "case_type": mode}
                    record |= {"horizon_years": years, "model": key, "n": n, "n_events": n_events}
                    record |= {"suppressed": hidden}
                    records.append(record | estimate_record("observed_expected", value))
                rows.append(Row(cells=tuple(cells), level=1))
    columns = (
        Column(label="Subgroup"),
        Column(label="Cancers", kind="number"),
        *(Column(label=known[key].label, kind="estimate") for key in keys),
    )
    shown = (FEW,) if any(record["suppressed"] for record in records) else ()
    caption = "Observed over expected cancers in subgroups."
    return make_table("calibration_subgroups", caption, columns, rows, records, shown)


def overall(results: dict[str, Any]) -> Table | None:
    """Brier scores beside those of a model that gives everybody the average risk."""
    found = entries(results, "overall")
    scores = [interval(row.get(name)) for row in found for name in ("brier", "brier_null")]
    digits = decimals_for((1000 * s.value for s in scores if s), figures=3, least=1, most=3)
    names = ("brier", "brier_null", "scaled_brier")

    def cells(row: Record) -> tuple[Cell, ...]:
        brier, null, scaled = (interval(row.get(name)) for name in names)
        return (
            scaled_cell(brier, 1000, digits),
            scaled_cell(null, 1000, digits),
            scaled_cell(scaled, 100, 1),
        )

    def record(row: Record) -> Record:
        stored: Record = {}
        for name in names:
            stored |= estimate_record(name, interval(row.get(name)))
        return stored

    rows, records = rows_by_model(results, found, cells=cells, record=record)
    columns = (
        Column(label="Model"),
        Column(label="Brier score × 1000", kind="estimate"),
        Column(label="Average risk for all × 1000", kind="estimate"),
        Column(label="Scaled, %", kind="estimate"),
    )
    caption = "Brier score, that of giving everybody the average risk, and the former scaled by the latter."
    return make_table("overall", caption, columns, rows, records)


def decision(results: dict[str, Any]) -> Table | None:
    """Net benefit at the thresholds of the study; every threshold in the csv."""
    known = models(results)
    found = entries(results, "decision")
    wanted = thresholds(results)
    shown = [places_shown(numbers(row.get("thresholds")), wanted) for row in found]
    values = [
        1000 * value
        for row, places in zip(found, shown, strict=True)
        for value in [_at(numbers(row.get("net_benefit")), place) for place in places]
        if value is not None
    ]
    digits = decimals_for(values, figures=2, least=1, most=2)
    rows: list[Row] = []
    records: list[Record] = []
    for mode in case_types(results):
        here = [(row, p) for row, p in zip(found, shown, strict=True) if row.get("case_type") == mode]
        if here:
            rows.append(mode_heading(mode_name(mode)))
        for threshold in dict.fromkeys(
            numbers(row.get("thresholds"))[place] for row, places in here for place in places
        ):
            percent = decimal_text(100 * threshold, decimals_for([100 * threshold], figures=2, least=1))
            rows.append(mode_heading(f"threshold {percent}{THOUSANDS}%", level=1))
            everybody: float | None = None
            for row, _ in here:
                grid = numbers(row.get("thresholds"))
                if threshold not in grid:
                    continue
                place = grid.index(threshold)
                key = str(row.get("model"))
                everybody = _at(numbers(row.get("treat_all")), place)
                avoided = _at(numbers(row.get("interventions_avoided")), place)
                cells = (
                    Cell(text=known[key].label, model=key),
                    scaled_cell(_net_benefit(row, place), 1000, digits),
                    Cell(text=ABSENT if avoided is None else count_text(1000 * avoided)),
                )
                rows.append(Row(cells=cells, level=1))
            text = decimal_text(None if everybody is None else 1000 * everybody, digits)
            rows.append(
                Row(cells=(Cell(text="Treat all"), Cell(text=text), Cell(text=count_text(0))), level=1)
            )
    for row in found:
        columns_of = {
            name: numbers(row.get(name))
            for name in ("net_benefit", "lower", "upper", "treat_all", "interventions_avoided")
        }
        for place, threshold in enumerate(numbers(row.get("thresholds"))):
            stored: Record = {key: row.get(key) for key in ("model", "case_type", "horizon_years")}
            stored |= {"threshold": threshold}
            records.append(stored | {name: _at(values_, place) for name, values_ in columns_of.items()})
    columns = (
        Column(label="Model"),
        Column(label="Net benefit per 1000", kind="estimate"),
        Column(label="Interventions avoided per 1000", kind="number"),
    )
    caption = "Net benefit at the thresholds of the plan; treating none has net benefit 0."
    if not wanted:
        caption = "Net benefit at some thresholds; treating none has net benefit 0."
    notes = (
        "Interventions avoided: how many fewer than if all were treated, at the same number of cancers "
        "found. Every threshold stands in the csv file.",
    )
    return make_table("decision", caption, columns, rows, records, notes)


def distance(found: object) -> Interval | None:
    """An estimate, or a plain number as one without interval."""
    value = number(found)
    return interval(found) if value is None else Interval(value=value, lower=None, upper=None)


def dictionaries(found: object) -> list[dict[str, Any]]:
    """The objects of a list; empty if it is none."""
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def numbers(found: object) -> list[float]:
    """The numbers of a list, nan where null; empty if it is none."""
    if not isinstance(found, list):
        return []
    values = map(number, found)
    return [float("nan") if value is None else value for value in values]


def places_shown(grid: list[float], wanted: list[float]) -> list[int]:
    """Places on the grid of thresholds that a table shows: those nearest to the wanted ones."""
    inside = [place for place, threshold in enumerate(grid) if 0 < threshold < 1]
    if not inside:
        return []
    targets = wanted or [share * grid[inside[-1]] for share in _SHOWN_SHARES]
    return sorted({min(inside, key=lambda place: abs(grid[place] - target)) for target in targets})


def _at(values: list[float], place: int) -> float | None:
    return number(values[place]) if place < len(values) else None


def _net_benefit(row: Record, place: int) -> Interval | None:
    value = _at(numbers(row.get("net_benefit")), place)
    if value is None:
        return None
    lower, upper = (_at(numbers(row.get(name)), place) for name in ("lower", "upper"))
    return Interval(value=value, lower=lower, upper=upper)
