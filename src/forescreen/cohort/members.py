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
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import CohortError, TooFewEventsError
from ..files import plain, read_json, write_csv, write_json
from ..progress import Track, silent
from ..records import Outcome
from .columns import read_table
from .eligibility import (
    CaseExams,
    EligibleExams,
    Exclusion,
    FlowStep,
    ages_years,
    case_exams,
    cohort_exams,
    control_exams,
    eligible_exams,
    narrowed,
    one_exam_per_woman,
)
from .follow_up import FollowUp, follow_up
from .matching import Candidates, Cases, match
from .registry import RegistryTables, days, read_registry
from .settings import CASE_TYPES, DAYS_PER_MONTH, DAYS_PER_YEAR, CohortConfig
from .splits import split_members
from .weights import fractions_by_type, matched_control_weights, post_stratified

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
        chosen = _matched(tables, follow, eligible, config, choosing, matching, track)
    elif config.design == "unmatched":
        chosen = _unmatched(tables, follow, eligible, config, choosing)
    else:
        chosen = _whole(tables, follow, eligible, config, choosing)
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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Chosen:
    """Members before their columns are filled; `set_number` is -1 without sets."""

    exam: Int[np.ndarray, "member"]
    outcome: Shaped[np.ndarray, "member"]
    set_number: Int[np.ndarray, "member"]
    case_type: Shaped[np.ndarray, "member"]
    weight: Float[np.ndarray, "member"]
    flow: tuple[FlowStep, ...]


def _matched(
    tables: RegistryTables,
    follow: FollowUp,
    eligible: EligibleExams,
    config: CohortConfig,
    choosing: np.random.Generator,
    matching: np.random.Generator,
    track: Track,
) -> _Chosen:
    found = case_exams(tables, follow, eligible=eligible, config=config)
    sampled, flow = _sampled_cases(found, config, choosing)
    pool = control_exams(tables, follow, eligible=eligible, config=config)
    woman, date = tables.exams["woman"].to_numpy(), days(tables.exams["exam_date"])
    age, stratum = ages_years(tables), _stratum(tables, config)
    cases = Cases(
        woman=woman[found.exam],
        date=date[found.exam],
        age=age[found.exam],
        stratum=stratum[found.exam],
        diagnosis=follow.diagnosis[woman[found.exam]],
        sampled=sampled,
        fraction=fractions_by_type(found.case_type, sampled),
    )
    candidates = Candidates(
        woman=woman[pool.exam],
        date=date[pool.exam],
        age=age[pool.exam],
        stratum=stratum[pool.exam],
        free_until=follow.free_until[woman[pool.exam]],
    )
    matched = match(
        cases, candidates, config=config, n_women=len(tables.women), generator=matching, track=track
    )
    with_controls = np.unique(matched.case)
    control_exam = pool.exam[matched.candidate]
    flow.append(_in_sets(flow[-1], n=len(with_controls)))
    flow += [
        *pool.flow,
        narrowed(
            pool.flow[-1],
            "Controls in matched sets",
            excluded=[Exclusion("not drawn", len(pool.exam) - len(matched.case))],
            n_women=len(np.unique(woman[control_exam])),
            n_exams=len(matched.case),
        ),
    ]
    if not len(with_controls):
        raise TooFewEventsError("matched sets with at least one control", found=0, needed=1, where="matching")
    born = days(tables.women["birth_date"]) // round(DAYS_PER_YEAR)  # whole years, to group by
    control_weight = post_stratified(
        matched_control_weights(matched, woman[control_exam]),
        born[woman[control_exam]],
        population_birth_year=born[np.unique(woman[pool.exam])],
    )
    in_sets = np.isin(np.arange(len(found.exam)), with_controls)
    case_weight = 1 / fractions_by_type(found.case_type, in_sets)[with_controls]
    set_number = np.full(len(found.exam), -1)
    set_number[with_controls] = np.arange(len(with_controls))
    return _Chosen(
        exam=np.concatenate([found.exam[with_controls], control_exam]),
        outcome=np.concatenate(
            [found.case_type[with_controls], np.full(len(control_exam), Outcome.NONE.value)]
        ),
        set_number=np.concatenate([set_number[with_controls], set_number[matched.case]]),
        case_type=np.concatenate([found.case_type[with_controls], found.case_type[matched.case]]),
        weight=np.concatenate([case_weight, control_weight]),
        flow=tuple(flow),
    )


def _unmatched(
    tables: RegistryTables,
    follow: FollowUp,
    eligible: EligibleExams,
    config: CohortConfig,
    choosing: np.random.Generator,
) -> _Chosen:
    """Sampled cases and a simple random sample of women without cancer, one exam each."""
    found = case_exams(tables, follow, eligible=eligible, config=config)
    sampled, flow = _sampled_cases(found, config, choosing)
    pool = control_exams(tables, follow, eligible=eligible, config=config)
    woman = tables.exams["woman"].to_numpy()
    # A woman who is a sampled case is not her own control.
    others = ~np.isin(woman[pool.exam], woman[found.exam])
    used = one_exam_per_woman(woman[pool.exam], others, choice=config.exam_per_woman, generator=choosing)
    women_exams = pool.exam[used]
    n_controls = min(config.ratio * int(sampled.sum()), len(women_exams))
    if not n_controls:
        raise TooFewEventsError("controls", found=0, needed=1, where="unmatched design")
    control_exam = women_exams[np.sort(choosing.choice(len(women_exams), n_controls, replace=False))]
    per_woman = narrowed(
        pool.flow[-1],
        "One exam per woman",
        excluded=[
            Exclusion("of a case", int((~others).sum())),
            Exclusion("another exam of the woman is used", int((others & ~used).sum())),
        ],
        n_women=len(women_exams),
        n_exams=len(women_exams),
    )
    drawn = narrowed(
        per_woman,
        "Controls",
        excluded=[Exclusion("not drawn", len(women_exams) - n_controls)],
        n_women=n_controls,
        n_exams=n_controls,
    )
    case_exam, case_type = found.exam[sampled], found.case_type[sampled]
    fraction = fractions_by_type(found.case_type, sampled)[sampled]
    n = len(case_exam) + n_controls
    return _Chosen(
        exam=np.concatenate([case_exam, control_exam]),
        outcome=np.concatenate([case_type, np.full(n_controls, Outcome.NONE.value)]),
        set_number=np.full(n, -1),
        case_type=np.full(n, "", dtype=object),
        weight=np.concatenate([1 / fraction, np.full(n_controls, len(women_exams) / n_controls)]),
        flow=(*flow, *pool.flow, per_woman, drawn),
    )


def _whole(
    tables: RegistryTables,
    follow: FollowUp,
    eligible: EligibleExams,
    config: CohortConfig,
    choosing: np.random.Generator,
) -> _Chosen:
    found = cohort_exams(tables, follow, eligible=eligible, config=config, generator=choosing)
    n, n_events = len(found.exam), int((found.outcome != Outcome.NONE.value).sum())
    if not n_events:
        raise TooFewEventsError("a cohort with cancers", found=0, needed=1, where="eligibility")
    return _Chosen(
        exam=found.exam,
        outcome=found.outcome,
        set_number=np.full(n, -1),
        case_type=np.full(n, "", dtype=object),
        weight=np.ones(n),
        flow=found.flow,
    )


def _sampled_cases(
    found: CaseExams, config: CohortConfig, generator: np.random.Generator
) -> tuple[Bool[np.ndarray, "case"], list[FlowStep]]:
    """Which cases are kept when `max_cases` allows fewer than there are, and the flow so far."""
    flow = list(found.flow)
    if not len(found.exam):
        raise TooFewEventsError("a study of cases", found=0, needed=1, where="index exams")
    sampled = np.ones(len(found.exam), dtype=bool)
    for kind in CASE_TYPES:
        own = np.flatnonzero(found.case_type == kind)
        limit = config.limit(kind)
        if limit is not None and len(own) > limit:
            sampled[own] = False
            sampled[generator.choice(own, limit, replace=False)] = True
    if config.max_cases:
        n = int(sampled.sum())
        left_out = [
            Exclusion(f"{kind} case not sampled", int((~sampled & (found.case_type == kind)).sum()))
            for kind in CASE_TYPES
        ]
        flow.append(narrowed(flow[-1], "Sampled cases", excluded=left_out, n_women=n, n_exams=n))
    return sampled, flow


def _in_sets(before: FlowStep, *, n: int) -> FlowStep:
    lost = Exclusion("no control at risk", before.n_women - n)
    return narrowed(before, "Cases in matched sets", excluded=[lost], n_women=n, n_exams=n)


def _stratum(tables: RegistryTables, config: CohortConfig) -> Int[np.ndarray, "exam"]:
    """Number of the combination of the columns to match on; unknown is a value like others."""
    stratum = np.zeros(len(tables.exams), dtype=np.int64)
    woman = tables.exams["woman"].to_numpy()
    for name in config.match_on:
        if name == "race":
            code = tables.women[name].cat.codes.to_numpy().astype(np.int64)[woman] + 1
        else:
            code = pd.factorize(tables.exams[name], sort=True)[0].astype(np.int64)
        stratum = stratum * (int(code.max()) + 1) + code
    return stratum


def _rows(tables: RegistryTables, follow: FollowUp, chosen: _Chosen) -> pd.DataFrame:
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
