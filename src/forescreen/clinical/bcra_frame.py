"""The nine columns of the R package BCRA as women and horizons.

In: a csv file or table with ID, T1, T2, N_Biop, HypPlas, AgeMen, Age1st, N_Rels, Race. Out: `BcraFrame`:
women in the order of the rows, the years from T1 to T2, the ID. 99 is unknown, Age1st 98 no birth, Race a
code from 1 to 11. A row that the package calls invalid keeps its place: the model refuses it, by itself or
for a problem that stands beside the row. What the package accepts is kept, however odd: menarche at 5 or 40,
60 biopsies, a first birth at 0 where menarche is unknown; and for BCRA every number of biopsies other than 0,
1 and 99 is two or more.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import FactorError
from .bcrat_classes import GROUPS, READER_CODES
from .factors import FACTORS
from .women import Problem, Women

COLUMNS = ("ID", "T1", "T2", "N_Biop", "HypPlas", "AgeMen", "Age1st", "N_Rels", "Race")
UNKNOWN, NULLIPAROUS = 99, 98
#: The column where a problem lies, and the factor that it is of.
_FACTOR_OF = {
    "T1": "age",
    "N_Biop": "n_biopsies",
    "HypPlas": "atypical_hyperplasia",
    "AgeMen": "menarche_age",
    "Age1st": "first_birth_age",
    "N_Rels": "n_relatives",
    "Race": "race",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class BcraFrame:
    """Women of a frame, the horizon of each, and their numbers as they stand in the column ID."""

    women: Women
    horizon_years: Float[np.ndarray, "woman"]
    ids: tuple[str, ...]


def read_bcra_frame(path: Path) -> BcraFrame:
    """The frame in a comma-separated file. Raises FactorError as `bcra_frame` does, and for no such file."""
    try:
        table = pd.read_csv(path, encoding="utf-8-sig", skipinitialspace=True)
    except FileNotFoundError as error:
        raise FactorError(expected="a csv file", found="no such file", where=str(path)) from error
    except (OSError, ValueError) as error:  # not UTF-8, not a table: both are ValueErrors
        raise FactorError(
            expected="a comma-separated table in UTF-8", found=type(error).__name__, where=str(path)
        ) from error
    return bcra_frame(table, where=path.name)


def bcra_frame(table: pd.DataFrame, *, where: str = "BCRA frame") -> BcraFrame:
    """The frame in a table; other columns than the nine are left alone.

    Raises FactorError for a missing column and, with the row, for a cell that is not a number (an empty one
    is a problem of its row). Rows are counted as a spreadsheet does: the header is row 1.
    """
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise FactorError(
            expected=f"columns {', '.join(COLUMNS)}",
            found=f"none named {', '.join(missing)}",
            where=where,
            remedy="Separate columns by commas",
        )
    column = {name: _numbers(table[name], where) for name in COLUMNS[1:]}
    hyperplasia, first_birth = column["HypPlas"], column["Age1st"]
    relatives, menarche = column["N_Rels"], column["AgeMen"]
    biopsies, no_biopsies = _biopsies(column["N_Biop"])
    race = np.where(np.isin(column["Race"], np.arange(1, len(GROUPS) + 1)), column["Race"], 0).astype(int)
    wrong = {
        ("value_missing", name): np.isnan(values)
        # where there is no biopsy the package does not look at hyperplasia that is missing, and at
        # black women's first birth never
        & ~(no_biopsies if name == "HypPlas" else race == 2 if name == "Age1st" else np.False_)
        for name, values in column.items()
        if name in _FACTOR_OF
    } | {
        ("race_code", "Race"): (race == 0) & ~np.isnan(column["Race"]),
        ("hyperplasia_code", "HypPlas"): ~(no_biopsies | np.isin(hyperplasia, (0, 1, UNKNOWN)))
        & ~np.isnan(hyperplasia),
        ("menarche_code", "AgeMen"): menarche <= 0,
        ("first_birth_code", "Age1st"): (first_birth > NULLIPAROUS) & (first_birth != UNKNOWN),
        ("relatives_code", "N_Rels"): ~np.isin(relatives, (0, 1, UNKNOWN))
        & ~((relatives >= 2) & (relatives < UNKNOWN))
        & ~np.isnan(relatives),
    }
    known_birth = (first_birth < NULLIPAROUS) | ((first_birth > NULLIPAROUS) & (first_birth != UNKNOWN))
    levels = np.array([-1, *(FACTORS["race"].levels.index(name) for name in GROUPS)], dtype=np.int8)
    women = Women(
        n=len(table),
        values={
            "age": column["T1"],
            "race": levels[race],
            "n_biopsies": biopsies,
            "atypical_hyperplasia": _hyperplasia(hyperplasia, no_biopsies),
            "menarche_age": np.where(menarche == UNKNOWN, np.nan, menarche),
            "parity": np.where(first_birth == NULLIPAROUS, 0.0, np.nan),
            "first_birth_age": np.where(known_birth, first_birth, np.nan),
            "n_relatives": np.where(relatives == UNKNOWN, np.nan, relatives),
        },
        problems=_problems(wrong),
    )
    return BcraFrame(
        women=women,
        horizon_years=column["T2"] - column["T1"],
        ids=tuple(table["ID"].astype(str)),
    )


def _biopsies(
    given: Float[np.ndarray, "woman"],
) -> tuple[Float[np.ndarray, "woman"], Bool[np.ndarray, "woman"]]:
    """Their number, NaN where unknown; and where there is none, or none known of, for the package."""
    number = np.where(np.isin(given, (0, 1)) | (given >= 2), given, 2.0)
    return np.where(np.isnan(given) | (given == UNKNOWN), np.nan, number), np.isin(given, (0, UNKNOWN))


def _hyperplasia(given: Float[np.ndarray, "woman"], no_biopsies: Bool[np.ndarray, "woman"]) -> np.ndarray:
    """Places of the levels no and yes, −1 unknown. Without biopsies every code but 99 is the same error."""
    no, yes = (FACTORS["atypical_hyperplasia"].levels.index(level) for level in ("no", "yes"))
    told = no_biopsies & (given != UNKNOWN) & ~np.isnan(given)
    return np.select([given == 1, (given == 0) | told], [yes, no], default=-1).astype(np.int8)


def _problems(wrong: dict[tuple[str, str], np.ndarray]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            row=int(row),
            code=code,
            factors=(_FACTOR_OF[name],),
            message=f"column {name}, row {row + 2}: {READER_CODES[code]}",
        )
        for (code, name), mask in wrong.items()
        for row in np.flatnonzero(mask)
    )


def _numbers(column: pd.Series, where: str) -> Float[np.ndarray, "woman"]:
    numbers = np.array(pd.to_numeric(column, errors="coerce"), dtype=float)
    wrong = np.flatnonzero(np.isnan(numbers) & column.notna().to_numpy())
    if wrong.size:
        raise FactorError(
            expected="a number",
            found="other text",
            where=f"{where}, column {column.name}, row {int(wrong[0]) + 2}",
        )
    return numbers
