"""The cohort: registry tables in, one row per member out, with the flow diagram that led there.

This is the page where the others meet: outcomes, index exams, matching, weights and splits. What is
written (members.csv, flow.json) is all that later stages know of the registry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import CohortError
from ..files import plain, read_json, write_csv, write_json
from ..progress import Track, silent
from ..records import Outcome
from .columns import read_table
from .designs import Chosen, cohort_design, matched_design, unmatched_design
from .eligibility import Exclusion, FlowStep, ages_years, eligible_exams
from .follow_up import FollowUp, follow_up
from .registry import RegistryTables, days, read_registry
from .settings import CASE_TYPES, DAYS_PER_MONTH, CohortConfig
from .splits import split_members

__all__ = [
    "Cohort",
    "CohortConfig",
    "FlowStep",
    "read_cohort",
    "read_registry",
    "select_cohort",
    "write_cohort",
]

CASE, CONTROL = "case", "control"

#: Columns of members.csv in order, by how they are kept in memory.
TEXT = ("set_id", "woman_id", "exam_id", "role", "outcome", "case_type", "race", "site", "machine", "split",
        "menopause", "density")  # fmt: skip
WHOLE = ("fold", "family_history", "breast_biopsy", "parity", "hormone_therapy")
COLUMNS = (
    "set_id", "woman_id", "exam_id", "role", "outcome", "case_type", "age", "race", "exam_date", "site",
    "machine", "months_to_diagnosis", "split", "fold", "weight", "bmi", "family_history", "breast_biopsy",
    "menarche_age", "parity", "first_birth_age", "menopause", "hormone_therapy", "density", "percent_density",
)  # fmt: skip
FROM_WOMEN = ("race", "family_history", "breast_biopsy", "menarche_age", "parity", "first_birth_age")
FROM_EXAMS = ("exam_id", "exam_date", "site", "machine", "bmi", "menopause", "hormone_therapy", "density",
              "percent_density")  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Cohort:
    """Members, one row per woman and index exam, in the columns of `COLUMNS`, and how they were chosen.

    Text is "" where unknown, numbers nan, exam_date NaT, fold <NA> in the held-out part. 0/1 factors are
    floats, so that a factor is a number for every later stage.
    """

    members: pd.DataFrame
    flow: tuple[FlowStep, ...]


def select_cohort(
    tables: RegistryTables,
    config: CohortConfig,
    *,
    available_exams: frozenset[str] | None = None,
    seed: int,
    track: Track = silent,
) -> Cohort:
    """Members of the study that `config` describes, by design "matched", "unmatched" or "cohort".

    `available_exams` are the exams with images (exam_id under the same pseudonyms as `tables`); None
    takes all. The same tables, settings and seed give the same members in the same order, whatever the
    order of the rows in the files.

    Raises CohortError if matching needs a column that the tables lack or if no available exam is in the
    registry; TooFewEventsError if no case, no control, or too few cases of a type for the splits remain.
    """
    lacking = [name for name in config.match_on if name in tables.missing]
    if lacking and config.design == "matched":
        raise CohortError(
            expected=f"the columns {', '.join(config.match_on)} to match on",
            found=f"no {', no '.join(lacking)}",
            where="registry",
            remedy="Add the column, or leave it out of match_on",
        )
    # One stream per purpose: more random numbers for one do not change another.
    choosing, matching, splitting = (np.random.default_rng([seed, purpose]) for purpose in range(3))
    follow = follow_up(tables, config)
    eligible = eligible_exams(tables, follow, config=config, available_exams=available_exams)
    if config.design == "matched":
        chosen = matched_design(
            tables,
            follow,
            eligible=eligible,
            config=config,
            choosing=choosing,
            matching=matching,
            track=track,
        )
    elif config.design == "unmatched":
        chosen = unmatched_design(tables, follow, eligible=eligible, config=config, choosing=choosing)
    else:
        chosen = cohort_design(tables, follow, eligible=eligible, config=config, choosing=choosing)
    members = _rows(tables, follow, chosen)
    add_splits(members, config, generator=splitting)
    total = FlowStep(
        step="Members", n_women=members["woman_id"].nunique(), n_exams=len(members), branch="members"
    )
    return Cohort(members=members, flow=(*eligible.flow, *chosen.flow, total))


def add_splits(members: pd.DataFrame, config: CohortConfig, *, generator: np.random.Generator) -> None:
    """Fill split and fold in place: by set and woman, dealt by case type (or by outcome without sets)."""
    woman = pd.factorize(members["woman_id"], sort=True)[0].astype(np.int64)
    matched = (members["set_id"] != "").all()
    unit = pd.factorize(members["set_id"], sort=True)[0].astype(np.int64) if matched else woman
    kind = members["case_type" if matched else "outcome"].to_numpy(dtype=object)
    events = [name for name in (*CASE_TYPES, Outcome.CANCER.value) if (kind == name).any()]
    splits = split_members(
        unit,
        woman,
        kind=kind,
        events=events,
        held_out=config.held_out,
        n_folds=config.n_folds,
        generator=generator,
    )
    members["split"] = pd.Series(splits.split, index=members.index, dtype=str)
    members["fold"] = pd.Series(splits.fold, index=members.index, dtype="Int64").mask(splits.fold < 0)


def write_cohort(cohort: Cohort, folder: Path) -> None:
    """Write members.csv and flow.json; each file is whole or absent, members last."""
    write_json(folder / "flow.json", [plain(step) for step in cohort.flow])
    members = cohort.members.copy()
    for name in WHOLE:
        members[name] = members[name].astype("Int64")
    write_csv(folder / "members.csv", members)


def read_cohort(folder: Path) -> Cohort:
    """What `write_cohort` wrote, equal to what it was given. Raises CohortError if columns are missing."""
    cells = read_table(folder / "members.csv")
    missing = [name for name in COLUMNS if name not in cells.columns]
    if missing:
        raise CohortError(
            expected=f"the columns {', '.join(COLUMNS)}",
            found=f"no {', no '.join(missing)}",
            where="members.csv",
            remedy="Give a folder that the cohort stage has finished",
        )
    members = as_members({name: cells[name] for name in COLUMNS})
    flow = tuple(_step(value) for value in read_json(folder / "flow.json"))
    return Cohort(members=members, flow=flow)


def as_members(values: dict[str, Any]) -> pd.DataFrame:
    """A table in the columns and types of members.csv; columns that are not given are unknown."""
    n_rows = max((len(value) for value in values.values()), default=0)
    index = pd.RangeIndex(n_rows)
    result: dict[str, pd.Series] = {}
    for name in COLUMNS:
        given = pd.Series(values[name]).set_axis(index) if name in values else None
        if name in TEXT:
            text = pd.Series("", index=index) if given is None else given.astype(object).fillna("")
            result[name] = text.astype(str)
        elif name == "exam_date":
            dates = pd.Series(pd.NaT, index=index) if given is None else given
            if dates.dtype.kind != "M":
                dates = pd.to_datetime(dates.astype(object).replace("", None), format="%Y-%m-%d")
            result[name] = dates.astype("datetime64[s]")
        else:
            numbers = pd.Series(np.nan, index=index) if given is None else given
            numeric = pd.to_numeric(numbers.astype(object).replace("", np.nan)).astype(float)
            result[name] = numeric.astype("Int64") if name == "fold" else numeric
    return pd.DataFrame(result)


def _rows(tables: RegistryTables, follow: FollowUp, chosen: Chosen) -> pd.DataFrame:
    """The table of members, sorted by set (case first) or by woman and date."""
    woman = tables.exams["woman"].to_numpy()[chosen.exam]
    is_case = chosen.outcome != Outcome.NONE.value
    order = np.lexsort((chosen.exam, ~is_case, chosen.set_number))
    exam, woman, is_case = chosen.exam[order], woman[order], is_case[order]
    number = chosen.set_number[order]
    exams, women = tables.exams.iloc[exam], tables.women.iloc[woman]
    months = (follow.diagnosis[woman] - days(exams["exam_date"])) / DAYS_PER_MONTH
    values: dict[str, Any] = {
        "set_id": [f"set-{n + 1:06d}" if n >= 0 else "" for n in number.tolist()],
        "woman_id": women["woman_id"].to_numpy(),
        "role": np.where(is_case, CASE, CONTROL),
        "outcome": chosen.outcome[order],
        "case_type": chosen.case_type[order],
        "age": np.round(ages_years(tables)[exam], 3),
        "months_to_diagnosis": np.where(is_case, np.round(months, 3), np.nan),
        "weight": np.round(chosen.weight[order], 6),
    }
    values |= {name: women[name].to_numpy() for name in FROM_WOMEN}
    values |= {name: exams[name].to_numpy() for name in FROM_EXAMS}
    return as_members(values)


def _step(value: dict[str, Any]) -> FlowStep:
    excluded: Sequence[dict[str, Any]] = value["excluded"]
    return FlowStep(
        step=value["step"],
        n_women=value["n_women"],
        n_exams=value["n_exams"],
        excluded=tuple(Exclusion(item["reason"], item["n"]) for item in excluded),
        unit=value["unit"],
        branch=value["branch"],
    )
