"""The registry: three tables that agree with each other, under pseudonyms and in a fixed order.

In: a folder with women.csv, exams.csv, cancers.csv, or the same as tables of text. Out: typed tables,
sorted so that nothing later depends on the order of rows in the files. What contradicts itself is an
error, or, if so asked, set aside and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from ..errors import CohortError
from ..identity import AS_GIVEN, Pseudonyms
from .columns import CANCERS, EXAMS, WOMEN, read_table, rows_of, typed

#: Day numbers that stand for "never" and "not known"; far from any date, safe to add to.
NEVER = 10**7


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """Rows that contradict others and were left out."""

    table: str  # women.csv, exams.csv, cancers.csv
    reason: str
    n_rows: int


@dataclass(frozen=True, kw_only=True, eq=False)
class RegistryTables:
    """Women, exams and cancers that agree with each other.

    Women are sorted by pseudonym; `woman` in exams and cancers is the row of the woman. Exams are
    sorted by woman and date. `read` are the rows that were read, before anything was set aside.
    `missing` are the optional columns that the files did not have.
    """

    women: pd.DataFrame
    exams: pd.DataFrame
    cancers: pd.DataFrame
    n_women_read: int
    n_exams_read: int
    n_women_with_cancer_read: int
    set_aside: tuple[SetAside, ...] = ()
    missing: frozenset[str] = frozenset()


def read_registry(
    folder: Path,
    *,
    pseudonyms: Pseudonyms = AS_GIVEN,
    contradictions: Literal["refuse", "set aside"] = "refuse",
) -> RegistryTables:
    """The registry in `folder`; see `registry_tables` for what is not accepted."""
    return registry_tables(
        read_table(folder / "women.csv"),
        read_table(folder / "exams.csv"),
        cancers=read_table(folder / "cancers.csv"),
        pseudonyms=pseudonyms,
        contradictions=contradictions,
    )


def registry_tables(
    women: pd.DataFrame,
    exams: pd.DataFrame,
    *,
    cancers: pd.DataFrame,
    pseudonyms: Pseudonyms = AS_GIVEN,
    contradictions: Literal["refuse", "set aside"] = "refuse",
) -> RegistryTables:
    """The three tables (cells as text) typed, checked against each other, and pseudonymised.

    Never accepted: no women or no exams, a woman or an exam twice, and all that `columns.typed` refuses.
    Contradictions (births, deaths, exams and cancers in an impossible order, rows of unknown women, an
    age at first birth without a birth) are refused together in one error, or, with "set aside", leave
    out the women concerned and the rows of unknown women, counted in `set_aside`. Raises CohortError.
    """
    missing = frozenset(
        column.name
        for table, columns in ((women, WOMEN), (exams, EXAMS))
        for column in columns
        if column.name not in table.columns
    )
    women_typed = typed(women, WOMEN, where="women.csv")
    exams_typed = typed(exams, EXAMS, where="exams.csv")
    cancers_typed = typed(cancers, CANCERS, where="cancers.csv")
    for table, name in ((women_typed, "women.csv"), (exams_typed, "exams.csv")):
        if table.empty:
            raise CohortError(expected="at least one row below the header", found="none", where=name)
    _check_once(women_typed["woman_id"], "woman_id", "women.csv")
    _check_once(exams_typed["exam_id"], "exam_id", "exams.csv")

    index = pd.Index(women_typed["woman_id"])
    exam_woman = index.get_indexer(pd.Index(exams_typed["woman_id"]))
    cancer_woman = index.get_indexer(pd.Index(cancers_typed["woman_id"]))
    faults = _contradictions(women_typed, exams_typed, cancers_typed, exam_woman, cancer_woman)
    if faults and contradictions == "refuse":
        raise CohortError(
            expected="tables that agree with each other",
            found="; ".join(f"{f.table}: {f.reason} in {rows_of(f.rows)}" for f in faults),
            where="registry",
            remedy=_remedy(women_typed, exams_typed, cancers_typed, exam_woman, cancer_woman),
        )
    keep_woman = np.ones(len(women_typed), dtype=bool)
    for fault in faults:
        concerned = fault.woman[fault.rows]
        keep_woman[concerned[concerned >= 0]] = False
    if not keep_woman.any():
        raise CohortError(expected="women without contradictions", found="none is left", where="registry")
    n_with_cancer = cancers_typed["woman_id"].nunique()
    keep_exam = (exam_woman >= 0) & keep_woman[exam_woman]
    keep_cancer = (cancer_woman >= 0) & keep_woman[cancer_woman]
    return _ordered(
        women_typed[keep_woman],
        exams_typed.assign(woman=exam_woman)[keep_exam],
        cancers_typed.assign(woman=cancer_woman)[keep_cancer],
        pseudonyms=pseudonyms,
        counts=(len(women_typed), len(exams_typed), n_with_cancer),
        set_aside=tuple(SetAside(table=f.table, reason=f.reason, n_rows=int(f.rows.sum())) for f in faults),
        missing=missing,
    )


def days(dates: pd.Series, *, missing: int = NEVER) -> Int[np.ndarray, "row"]:
    """Dates as days since 1970-01-01; `missing` for those not known."""
    values = dates.to_numpy(dtype="datetime64[D]")
    return np.where(np.isnat(values), missing, values.astype(np.int64))


@dataclass(frozen=True, eq=False)
class _Fault:
    table: str
    reason: str
    rows: Bool[np.ndarray, "row"]
    woman: Int[np.ndarray, "row"]  # row of the woman in women.csv, -1 if unknown


def _contradictions(
    women: pd.DataFrame,
    exams: pd.DataFrame,
    cancers: pd.DataFrame,
    exam_woman: Int[np.ndarray, "exam"],
    cancer_woman: Int[np.ndarray, "cancer"],
) -> list[_Fault]:
    born, died = days(women["birth_date"]), days(women["death_date"])
    end = days(women["follow_up_end"])
    own = np.arange(len(women))
    childless = (women["parity"] == 0).to_numpy() & women["first_birth_age"].notna().to_numpy()
    found = [
        _Fault("women.csv", "death before birth", died < born, own),
        _Fault("women.csv", "end of follow-up before birth", end < born, own),
        _Fault("women.csv", "age at first birth although parity is 0", childless, own),
    ]
    for table, name, word, column, woman in (
        (exams, "exams.csv", "exam", "exam_date", exam_woman),
        (cancers, "cancers.csv", "cancer", "diagnosis_date", cancer_woman),
    ):
        when, known = days(table[column]), woman >= 0
        found += [
            _Fault(name, f"{word} of a woman who is not in women.csv", ~known, woman),
            _Fault(name, f"{word} before birth", known & (when < born[woman]), woman),
            _Fault(name, f"{word} after death", known & (when > died[woman]), woman),
        ]
    return [fault for fault in found if fault.rows.any()]


def _remedy(
    women: pd.DataFrame,
    exams: pd.DataFrame,
    cancers: pd.DataFrame,
    exam_woman: Int[np.ndarray, "exam"],
    cancer_woman: Int[np.ndarray, "cancer"],
) -> str:
    """What to do; guesses the commonest reason for unknown women, numbers that became floats."""
    known = set(women["woman_id"])
    strangers = pd.concat([exams["woman_id"][exam_woman < 0], cancers["woman_id"][cancer_woman < 0]])
    if strangers.str.removesuffix(".0").isin(known).any():
        return "Some woman_id end in .0 here and not in women.csv: write them as text"
    return 'Correct the rows, or read the registry with contradictions = "set aside" (they are then counted)'


def _check_once(ids: pd.Series, column: str, where: str) -> None:
    repeated = ids.duplicated(keep=False).to_numpy()
    if repeated.any():
        raise CohortError(
            expected=f"each {column} once", found=f"repeated in {rows_of(repeated)}", where=where
        )


def _ordered(
    women: pd.DataFrame,
    exams: pd.DataFrame,
    cancers: pd.DataFrame,
    *,
    pseudonyms: Pseudonyms,
    counts: tuple[int, int, int],
    set_aside: tuple[SetAside, ...],
    missing: frozenset[str],
) -> RegistryTables:
    numbers = women["woman_id"]
    if pseudonyms.key is not None:  # else they pass unchanged
        known_as = {number: pseudonyms.woman(number) for number in numbers}
        women = women.assign(woman_id=numbers.map(known_as).astype(str))
        exams = exams.assign(
            woman_id=exams["woman_id"].map(known_as).astype(str),
            exam_id=pd.Series([pseudonyms.exam(n) for n in exams["exam_id"]], index=exams.index, dtype=str),
        )
        cancers = cancers.assign(woman_id=cancers["woman_id"].map(known_as).astype(str))
    women = women.sort_values("woman_id")
    new_row = np.full(counts[0], -1)
    new_row[women.index.to_numpy()] = np.arange(len(women))
    exams = exams.assign(woman=new_row[exams["woman"].to_numpy()])
    cancers = cancers.assign(woman=new_row[cancers["woman"].to_numpy()])
    # The hash of the exam's name orders exams of one woman on one day: whatever the order of the files.
    tie = pd.util.hash_pandas_object(exams["exam_id"], index=False).to_numpy()
    order = np.lexsort((tie, days(exams["exam_date"]), exams["woman"].to_numpy()))
    exams = exams.iloc[order].reset_index(drop=True)
    invasive_first = (cancers["behaviour"] != "invasive").to_numpy()
    order = np.lexsort((invasive_first, days(cancers["diagnosis_date"]), cancers["woman"].to_numpy()))
    return RegistryTables(
        women=women.reset_index(drop=True),
        exams=exams,
        cancers=cancers.iloc[order].reset_index(drop=True),
        n_women_read=counts[0],
        n_exams_read=counts[1],
        n_women_with_cancer_read=counts[2],
        set_aside=set_aside,
        missing=missing,
    )
