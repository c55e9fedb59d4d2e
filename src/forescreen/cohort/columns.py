"""Columns of the tables: a CSV in, a typed table out, or an error that names columns and rows.

Cells are read as text and typed here, so that "007" stays an identifier and every cell that is not
what its column says is found with its row. Rows are counted as a spreadsheet does: the header is row
1. Messages name rows and columns, never cells that could tell who somebody is.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ..errors import CohortError
from ..text_table import EMPTY_CELLS, read_text_table
from ..text_table import rows_of as rows_of  # the readers of outcomes take it from here

#: Dates outside are typing errors, not dates.
FIRST_YEAR, LAST_YEAR = 1880, 2100


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: what its cells are, and whether column and cells may be missing."""

    name: str
    kind: Literal["id", "date", "code", "number", "text"]
    required: bool = False  # in the header
    filled: bool = False  # in every row
    codes: tuple[str, ...] = ()  # kind "code": accepted in any case, kept as written here
    lower: float = -math.inf  # kind "number"
    upper: float = math.inf


WOMEN = (
    Column(name="woman_id", kind="id", required=True, filled=True),
    Column(name="birth_date", kind="date", required=True, filled=True),
    Column(name="race", kind="code", codes=("White", "Black", "Asian", "Hispanic", "Other")),
    Column(name="family_history", kind="code", codes=("0", "1")),
    Column(name="breast_biopsy", kind="code", codes=("0", "1")),
    Column(name="menarche_age", kind="number", lower=6, upper=25),
    Column(name="parity", kind="number", lower=0, upper=25),
    Column(name="first_birth_age", kind="number", lower=10, upper=60),
    Column(name="death_date", kind="date"),
    Column(name="follow_up_end", kind="date", required=True, filled=True),
)

EXAMS = (
    Column(name="exam_id", kind="id", required=True, filled=True),
    Column(name="woman_id", kind="id", required=True, filled=True),
    Column(name="exam_date", kind="date", required=True, filled=True),
    Column(name="purpose", kind="code", required=True, filled=True, codes=("screening", "diagnostic")),
    # 6, known malignancy, occurs in diagnostic exams; it is neither positive nor negative.
    Column(name="assessment", kind="code", required=True, codes=("0", "1", "2", "3", "4", "5", "6")),
    Column(name="machine", kind="text"),
    Column(name="site", kind="text"),
    Column(name="bmi", kind="number", lower=10, upper=90),
    Column(name="menopause", kind="code", codes=("pre", "post")),
    Column(name="hormone_therapy", kind="code", codes=("0", "1")),
    Column(name="density", kind="code", codes=("a", "b", "c", "d")),
    Column(name="percent_density", kind="number", lower=0, upper=100),
)

CANCERS = (
    Column(name="woman_id", kind="id", required=True, filled=True),
    Column(name="diagnosis_date", kind="date", required=True, filled=True),
    Column(name="behaviour", kind="code", required=True, filled=True, codes=("invasive", "in situ")),
    Column(name="size_mm", kind="number", lower=0, upper=300),
    Column(name="grade", kind="code", codes=("1", "2", "3")),
)


def read_table(path: Path) -> pd.DataFrame:
    """The cells of a CSV as text (identifiers) or as categories of text; header names stripped.

    Not accepted: files that are absent, empty, not UTF-8 or ragged, and headers that name a column
    twice. Raises CohortError.
    """
    if not path.is_file():
        raise CohortError(
            expected=f"a file {path.name}",
            found="none",
            where=path.parent.name,
            remedy="Give the folder that holds women.csv, exams.csv and cancers.csv",
        )
    return read_text_table(path, error=CohortError)


def typed(table: pd.DataFrame, columns: tuple[Column, ...], *, where: str) -> pd.DataFrame:
    """`table` (cells as text) with the given columns in their types; other columns are left out.

    Identifiers and text become str, dates datetime64, codes categories, numbers float with nan.
    Optional columns that are absent come back wholly empty. Not accepted: missing required columns,
    empty cells where the column must be filled, dates that are not ISO 8601, unknown codes, numbers out of
    range. Raises CohortError.
    """
    _check_header(table, columns, where)
    table = table.reset_index(drop=True)  # rows are counted by place
    result: dict[str, pd.Series] = {}
    for column in columns:
        if column.name in table.columns:
            cells = table[column.name]
        else:
            cells = pd.Series("", index=table.index, dtype=str)
        result[column.name] = _typed_column(cells, column, where)
    return pd.DataFrame(result)


def _check_header(table: pd.DataFrame, columns: tuple[Column, ...], where: str) -> None:
    present = [str(name) for name in table.columns]
    missing = [column.name for column in columns if column.required and column.name not in present]
    if not missing:
        return
    known = {column.name for column in columns}
    strangers = {name.casefold(): name for name in present if name not in known}
    hints = []
    for name in missing:
        near = difflib.get_close_matches(name, list(strangers), n=1, cutoff=0.6)
        if near:
            hints.append(f"is {strangers[near[0]]!r} meant as {name!r}?")
    if len(present) == 1 and any(mark in present[0] for mark in ";\t|"):
        hints.append("the columns seem to be separated by something else than commas")
    raise CohortError(
        expected=f"the columns {', '.join(column.name for column in columns if column.required)}",
        found=f"no {', no '.join(missing)} among {', '.join(present)}",
        where=where,
        remedy=" ".join(hints).capitalize() if hints else "",
    )


def _typed_column(cells: pd.Series, column: Column, where: str) -> pd.Series:
    if column.kind == "id":
        ids = cells.astype(str).fillna("").str.strip()
        _check_filled((ids == "").to_numpy(dtype=bool), column, where)
        return ids
    # Through categories: cells repeat, so the cleaning is done once per distinct text.
    distinct = cells if isinstance(cells.dtype, pd.CategoricalDtype) else cells.astype("category")
    stripped = [str(text).strip() for text in distinct.cat.categories]
    texts = ["" if text in EMPTY_CELLS else text for text in stripped] + [""]  # the last is code -1
    codes = distinct.cat.codes.to_numpy()
    _check_filled(np.array([not text for text in texts])[codes], column, where)
    if column.kind == "text":
        return pd.Series(np.array(texts, dtype=object)[codes], index=cells.index, dtype=str)
    if column.kind == "code":
        return _codes(texts, codes, column, where).set_axis(cells.index)
    if column.kind == "date":
        return _dates(texts, codes, column, where).set_axis(cells.index)
    return _numbers(texts, codes, column, where).set_axis(cells.index)


def _check_filled(empty: Bool[np.ndarray, "row"], column: Column, where: str) -> None:
    if column.filled and empty.any():
        raise CohortError(
            expected=f"{column.name} in every row", found=f"empty cells in {rows_of(empty)}", where=where
        )


def _codes(texts: list[str], codes: np.ndarray, column: Column, where: str) -> pd.Series:
    canonical = {code.casefold(): i for i, code in enumerate(column.codes)}
    # "1.0" is what a spreadsheet or pandas makes of the code 1 when a cell in its column is empty.
    canonical |= {f"{code}.0": i for i, code in enumerate(column.codes) if code.isdigit()}
    position = np.array([-1 if not text else canonical.get(text.casefold(), -2) for text in texts], dtype=int)
    bad = position[codes] == -2
    if bad.any():
        values = sorted({texts[code][:20] for code in np.unique(codes[bad])})
        raise CohortError(
            expected=f"{column.name} to be one of {', '.join(column.codes)}"
            + ("" if column.filled else ", or empty"),
            found=f"{', '.join(repr(value) for value in values[:6])} in {rows_of(bad)}",
            where=where,
        )
    return pd.Series(pd.Categorical.from_codes(position[codes], categories=pd.Index(column.codes)))


def _dates(texts: list[str], codes: np.ndarray, column: Column, where: str) -> pd.Series:
    given = pd.Series(texts, dtype=str)
    parsed = pd.to_datetime(
        given.where(given.str.fullmatch(r"\d{4}-\d{2}-\d{2}")), format="%Y-%m-%d", errors="coerce"
    )
    years = parsed.dt.year.to_numpy(dtype=float, na_value=np.nan)
    bad_text = (given != "").to_numpy() & ~((years >= FIRST_YEAR) & (years <= LAST_YEAR))
    if bad_text.any():
        raise CohortError(
            expected=f"{column.name} as YYYY-MM-DD, years {FIRST_YEAR} to {LAST_YEAR}",
            found=f"something else in {rows_of(bad_text[codes])}",
            where=where,
        )
    days = parsed.to_numpy(dtype="datetime64[s]")
    return pd.Series(days[codes])


def _numbers(texts: list[str], codes: np.ndarray, column: Column, where: str) -> pd.Series:
    given = pd.Series(texts, dtype=str)
    numbers = pd.to_numeric(given.where(given != ""), errors="coerce").to_numpy(dtype=float)
    bad_text = (given != "").to_numpy() & ~((numbers >= column.lower) & (numbers <= column.upper))
    if bad_text.any():
        raise CohortError(
            expected=f"{column.name} from {column.lower:g} to {column.upper:g}, or empty where unknown",
            found=f"something else in {rows_of(bad_text[codes])}",
            where=where,
        )
    return pd.Series(numbers[codes])
