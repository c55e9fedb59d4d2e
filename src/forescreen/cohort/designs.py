"""The three designs: eligible exams in, members with outcome, set and weight out.

matched: cases with controls at risk; unmatched: cases with a simple random sample of the others; cohort:
everybody. Each returns its own branches of the flow diagram.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import TooFewEventsError
from ..progress import Track
from ..records import Outcome
from .eligibility import (
    CaseExams,
    EligibleExams,
    Exclusion,
    FlowStep,
    ages_years,
    case_exams,
    cohort_exams,
    control_exams,
    narrowed,
    one_exam_per_woman,
)
from .follow_up import FollowUp
from .matching import Candidates, Cases, match
from .registry import RegistryTables, days
from .settings import CASE_TYPES, DAYS_PER_YEAR, CohortConfig
from .weights import fractions_by_type, matched_control_weights, post_stratified


@dataclass(frozen=True, kw_only=True, eq=False)
class Chosen:
    """Members before their columns are filled; `set_number` is -1 without sets."""

    exam: Int[np.ndarray, "member"]  # row of tables.exams
    outcome: Shaped[np.ndarray, "member"]
    set_number: Int[np.ndarray, "member"]
    case_type: Shaped[np.ndarray, "member"]
    weight: Float[np.ndarray, "member"]
    flow: tuple[FlowStep, ...]


def matched_design(
    tables: RegistryTables,
    follow: FollowUp,
    *,
    eligible: EligibleExams,
    config: CohortConfig,
    choosing: np.random.Generator,
    matching: np.random.Generator,
    track: Track,
) -> Chosen:
    """Cases with an index exam, each with her controls at risk; cases without any are left out.

    `choosing` draws the cases where `max_cases` allows fewer, `matching` the controls. Raises
    TooFewEventsError without a case or without a set.
    """
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
    return Chosen(
        exam=np.concatenate([found.exam[with_controls], control_exam]),
        outcome=np.concatenate(
            [found.case_type[with_controls], np.full(len(control_exam), Outcome.NONE.value)]
        ),
        set_number=np.concatenate([set_number[with_controls], set_number[matched.case]]),
        case_type=np.concatenate([found.case_type[with_controls], found.case_type[matched.case]]),
        weight=np.concatenate([case_weight, control_weight]),
        flow=tuple(flow),
    )


def unmatched_design(
    tables: RegistryTables,
    follow: FollowUp,
    *,
    eligible: EligibleExams,
    config: CohortConfig,
    choosing: np.random.Generator,
) -> Chosen:
    """Sampled cases and a simple random sample of women without cancer, one exam each.

    Raises TooFewEventsError without a case or without a control.
    """
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
    return Chosen(
        exam=np.concatenate([case_exam, control_exam]),
        outcome=np.concatenate([case_type, np.full(n_controls, Outcome.NONE.value)]),
        set_number=np.full(n, -1),
        case_type=np.full(n, "", dtype=object),
        weight=np.concatenate([1 / fraction, np.full(n_controls, len(women_exams) / n_controls)]),
        flow=(*flow, *pool.flow, per_woman, drawn),
    )


def cohort_design(
    tables: RegistryTables,
    follow: FollowUp,
    *,
    eligible: EligibleExams,
    config: CohortConfig,
    choosing: np.random.Generator,
) -> Chosen:
    """All eligible exams with a known outcome, one per woman unless `exam_per_woman` is "all".

    Raises TooFewEventsError without a cancer.
    """
    found = cohort_exams(tables, follow, eligible=eligible, config=config, generator=choosing)
    n, n_events = len(found.exam), int((found.outcome != Outcome.NONE.value).sum())
    if not n_events:
        raise TooFewEventsError("a cohort with cancers", found=0, needed=1, where="eligibility")
    return Chosen(
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
