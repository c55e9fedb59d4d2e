"""Published tables of coefficients, as the csv files beside this page hold them.

In: the name of a table in `tables/`, whose first lines say where its numbers come from. Out: its rows, and
its source. Numbers are never retyped in code.
"""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Float

_TABLES = files("forescreen.clinical").joinpath("tables")


@cache
def rows_of(name: str) -> tuple[dict[str, str], ...]:
    """The rows of `tables/<name>.csv`, cells as text by the names of the header."""
    lines = [line for line in _lines(name) if not line.startswith("#")]
    return tuple(csv.DictReader(lines))


def numbers_of(name: str, columns: tuple[str, ...]) -> Float[np.ndarray, "row column"]:
    """These columns of a table as numbers, in the order of its rows."""
    return np.array([[float(row[column]) for column in columns] for row in rows_of(name)])


def source_of(name: str) -> str:
    """Where the numbers of a table come from."""
    return _lines(name)[0].removeprefix("# source:").strip()


def _lines(name: str) -> list[str]:
    return _TABLES.joinpath(f"{name}.csv").read_text(encoding="utf-8").splitlines()
