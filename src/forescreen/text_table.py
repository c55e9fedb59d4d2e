"""A CSV as a table of text: what every reader of tables begins with, and how it names rows.

Cells stay text until a reader types them, so that "007" stays an identifier and every cell that is not what
its column says is found with its row. Rows are counted as a spreadsheet does: the header is row 1.
"""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from .errors import InputError

#: Cells that mean "not known": empty, and what R, SAS and databases write for it.
EMPTY_CELLS = ("", "NA", "N/A", "NaN", "nan", "NULL", ".")


def read_text_table(path: Path, *, error: type[InputError] = InputError) -> pd.DataFrame:
    """The cells of a CSV as text (columns `id` and `…_id`) or as categories of text; header names stripped.

    Not accepted: files that are empty, not UTF-8 or ragged, and headers that name a column twice. Raises
    `error`; FileNotFoundError where there is no file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            header = [name.strip() for name in next(csv.reader(stream), [])]
        if not any(header):
            raise error(expected="a header line with column names", found="none", where=path.name)
        twice = sorted({name for name in header if header.count(name) > 1})
        if twice:
            raise error(expected="each column once", found=f"twice: {', '.join(twice)}", where=path.name)
        with warnings.catch_warnings():
            # pandas only warns when rows are longer than the header, and drops what is too much.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path,
                # Cells that repeat are kept once: a fifth of the time and memory of text.
                dtype={name: str if _names_rows(name) else "category" for name in header},
                header=0,
                names=header,
                index_col=False,
                low_memory=False,
                keep_default_na=False,
                encoding="utf-8-sig",
                skip_blank_lines=True,
            )
    except UnicodeDecodeError as found:
        raise error(
            expected="UTF-8 text", found=f"another encoding (byte {found.start})", where=path.name
        ) from found
    except (pd.errors.ParserError, pd.errors.ParserWarning) as found:
        raise error(
            expected="as many cells in every row as in the header",
            found="rows of another length",
            where=path.name,
            remedy="Look for commas inside cells that are not quoted",
        ) from found


def _names_rows(column: str) -> bool:
    return column.casefold() == "id" or column.casefold().endswith("_id")


def rows_of(mask: Bool[np.ndarray, "row"]) -> str:
    """Where a mask is true, as a person finds it: "3 rows (2, 17, 40)"; the header is row 1."""
    numbers = np.flatnonzero(mask) + 2
    shown = ", ".join(str(n) for n in numbers[:8])
    more = ", …" if len(numbers) > 8 else ""
    return f"{len(numbers)} row{'s' if len(numbers) != 1 else ''} ({shown}{more}; the header is row 1)"
