"""One table: what the page shows of it, and what its csv file holds.

The page shows rounded texts; the csv holds the same estimates in full, one row per estimate, with the
keys of results.json as column names, so that another program can read them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..files import write_text
from .numbers import ABSENT, decimal_text, interval_text, p_text, padded, ratio_text
from .results import Interval

Record = dict[str, Any]

#: Note below a table with suppressed cells.
FEW = (
    "few: cell too small to show without risk of recognition, or hidden so that such a cell cannot be told "
    "from the total; its count is suppressed."
)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: its text, the interval that stands beside a number, the model whose mark it carries."""

    text: str
    tail: str = ""
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column; an "estimate" takes two table cells, number and interval, a "stacked" one a single."""

    label: str
    kind: Literal["text", "number", "estimate", "stacked", "code"] = "text"
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row; a heading spans the table and opens a group of rows; `tone` is a class of the stylesheet."""

    cells: tuple[Cell, ...]
    heading: bool = False
    level: int = 0
    tone: str = ""


@dataclass(frozen=True, kw_only=True)
class HeaderCell:
    """One cell of the head of a table."""

    label: str
    columns: int
    rows: int
    kind: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as shown (`columns`, `rows`, `notes`) and as stored (`records`)."""

    key: str  # name of the csv file
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of table cells in a full row."""
        return sum(_width(column) for column in self.columns)

    @property
    def head(self) -> list[list[HeaderCell]]:
        """One or two rows of header cells; columns without a group reach over both."""
        if not any(column.group for column in self.columns):
            return [[HeaderCell(label=c.label, columns=_width(c), rows=1, kind=c.kind) for c in self.columns]]
        upper: list[HeaderCell] = []
        lower: list[HeaderCell] = []
        before = ""
        for column in self.columns:
            if not column.group:
                upper.append(HeaderCell(label=column.label, columns=_width(column), rows=2, kind=column.kind))
            elif column.group == before:
                last = upper.pop()
                upper.append(
                    HeaderCell(label=last.label, columns=last.columns + _width(column), rows=1, kind="group")
                )
            else:
                upper.append(HeaderCell(label=column.group, columns=_width(column), rows=1, kind="group"))
            if column.group:
                lower.append(HeaderCell(label=column.label, columns=_width(column), rows=1, kind=column.kind))
            before = column.group
        return [upper, lower]


def make_table(
    key: str,
    caption: str,
    columns: tuple[Column, ...],
    rows: list[Row],
    records: list[Record],
    notes: tuple[str, ...] = (),
) -> Table | None:
    if not records:
        return None
    return Table(
        key=key, caption=caption, columns=columns, rows=tuple(rows), records=tuple(records), notes=notes
    )


def write_table(table: Table, folder: Path) -> Path:
    """Write `folder/<key>.csv` (UTF-8, full precision, empty = absent) and return its path."""
    stream = io.StringIO()
    names = list(dict.fromkeys(name for record in table.records for name in record))
    writer = csv.DictWriter(stream, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(table.records)
    path = folder / f"{table.key}.csv"
    write_text(path, stream.getvalue())
    return path


def estimate_cell(found: Interval | None) -> Cell:
    if found is None:
        return Cell(text=ABSENT)
    return Cell(
        text=decimal_text(found.value),
        tail=interval_text(decimal_text(found.lower), decimal_text(found.upper)),
    )


def difference_cell(found: Interval | None, digits: int = 2) -> Cell:
    return scaled_cell(found, 1, digits, signed=True)


def ratio_cell(found: Interval | None) -> Cell:
    if found is None:
        return Cell(text=ABSENT)
    bounds = (ratio_text(bound) for bound in (found.lower, found.upper))
    return Cell(text=padded(ratio_text(found.value)), tail=interval_text(*bounds))


def percent_cell(found: Interval | None, digits: int = 1) -> Cell:
    return scaled_cell(found, 100, digits)


def scaled_cell(found: Interval | None, factor: float, digits: int, *, signed: bool = False) -> Cell:
    """The estimate times `factor` with fixed decimals: 100 for per cent, 1000 for "per 1000 women"."""
    if found is None:
        return Cell(text=ABSENT)
    value, *bounds = (
        decimal_text(None if number is None else factor * number, digits, signed=signed)
        for number in (found.value, found.lower, found.upper)
    )
    return Cell(text=value, tail=interval_text(*bounds))


def mode_heading(text: str, *, level: int = 0) -> Row:
    """A row that opens a group."""
    return Row(cells=(Cell(text=text),), heading=True, level=level)


def p_cell(found: Interval | None) -> Cell:
    return Cell(text=padded(p_text(found.p_value if found else None), 3))


def estimate_record(name: str, found: Interval | None, *, p_value: bool = False) -> Record:
    record: Record = {name: None, f"{name}_lower": None, f"{name}_upper": None}
    if found is not None:
        record = {name: found.value, f"{name}_lower": found.lower, f"{name}_upper": found.upper}
    return record | ({"p_value": found.p_value if found else None} if p_value else {})


def _width(column: Column) -> int:
    return 2 if column.kind == "estimate" else 1
