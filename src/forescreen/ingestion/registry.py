"""Registry tables under the key of the images, so that both still meet: `forescreen deidentify --tables`.

In: a folder with women.csv, exams.csv, cancers.csv. Out: the same tables with pseudonyms for women and
exams, dates moved by each woman's number of days, and only the columns that forescreen knows; names of
machines and sites become pseudonyms. Intervals, ages and codes stay.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..cohort.columns import CANCERS, EXAMS, WOMEN, Column, read_table, typed
from ..files import write_csv
from ..identity import Pseudonyms

TABLES: dict[str, tuple[Column, ...]] = {"women.csv": WOMEN, "exams.csv": EXAMS, "cancers.csv": CANCERS}


def deidentify_tables(
    folder: Path, out: Path, *, pseudonyms: Pseudonyms, keep_dates: bool = False
) -> dict[str, int]:
    """Write the three tables of `folder` into `out`, de-identified; rows per table.

    Raises CohortError for a table that `cohort.columns` refuses; then none is written.
    """
    tables = {
        name: _clean(folder / name, columns, pseudonyms, keep_dates=keep_dates)
        for name, columns in TABLES.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_csv(out / name, table)
    return {name: len(table) for name, table in tables.items()}


def _clean(
    path: Path, columns: tuple[Column, ...], pseudonyms: Pseudonyms, *, keep_dates: bool
) -> pd.DataFrame:
    cells = read_table(path)
    given = tuple(column for column in columns if column.name in cells.columns or column.required)
    table = typed(cells, given, where=path.name)
    numbers = table["woman_id"]
    days_back = {number: 0 if keep_dates else pseudonyms.days_back(number) for number in numbers.unique()}
    moved = pd.to_timedelta(numbers.map(days_back), unit="D")
    made: dict[str, pd.Series] = {}
    for column in given:
        values = table[column.name]
        if column.name == "woman_id":
            values = values.map(pseudonyms.woman)
        elif column.name == "exam_id":
            values = values.map(pseudonyms.exam)
        elif column.kind in ("id", "text"):
            values = values.map(pseudonyms.site)
        elif column.kind == "date":
            values = values - moved
        made[column.name] = values
    return pd.DataFrame(made).sort_values(next(iter(made)), kind="stable", ignore_index=True)
