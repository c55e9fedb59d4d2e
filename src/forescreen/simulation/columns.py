"""Columns of the registry's tables as Arrow arrays, and tables as CSV.

UTF-8, ISO dates, empty where missing, one line per row. Arrow, because pandas spends most of a large
simulation's time on writing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from jaxtyping import Bool, Int

from ..files import write_with


def write_table(path: Path, table: pa.Table) -> None:
    """Write the table as CSV, atomically."""

    def put(stream: BinaryIO) -> None:
        stream.write((",".join(table.column_names) + "\n").encode())
        # No value of these tables needs quotes; Arrow refuses to write if one did.
        options = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
        arrow_csv.write_csv(table, stream, options)

    write_with(path, put)


def number_column(letter: str, values: Int[np.ndarray, " n"], digits: int) -> pa.Array:
    """A letter and the number, filled up with zeros: W0000012."""
    text = pc.utf8_lpad(pa.array(values).cast(pa.string()), digits, "0")
    return pc.binary_join_element_wise(letter, text, "")


def name_column(
    codes: Int[np.ndarray, " n"], names: Sequence[str], absent: Bool[np.ndarray, " n"] | None = None
) -> pa.Array:
    """The names of the codes, missing where `absent`."""
    indices = pa.array(codes.astype(np.int32), mask=absent)
    return pa.DictionaryArray.from_arrays(indices, pa.array(list(names))).cast(pa.string())


def date_column(
    days: Int[np.ndarray, " n"], first_year: int, *, absent: Bool[np.ndarray, " n"] | None = None
) -> pa.Array:
    """Days from 1 January of `first_year` as dates, missing where `absent`."""
    return pa.array(first_day(first_year) + days.astype("timedelta64[D]"), mask=absent)


def first_day(year: int) -> np.datetime64:
    """1 January of a year."""
    return np.datetime64(f"{year}-01-01", "D")
