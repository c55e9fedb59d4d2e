"""Who is studied: from all exams to index exams, with every exclusion counted.

In: tables and follow-up. Out: index exams of cases, candidate exams of controls, or the exams of a
cohort, each with its branch of the flow diagram. In each branch the `unit` of a step (exams or women)
adds up: the previous number minus what this step excluded is this step's number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from ..errors import CohortError
from ..records import Outcome
from .follow_up import REASONS, FollowUp, assessment_results
from .registry import NEVER, RegistryTables, days
from .settings import DAYS_PER_MONTH, DAYS_PER_YEAR, CohortConfig


@dataclass(frozen=True)
class Exclusion:
    """How many were left out, and why; of several reasons the first counts."""

    reason: str
    n: int


@dataclass(frozen=True, kw_only=True)
class FlowStep:
    """One box of the flow diagram, and what was excluded on the way into it from the box before."""

    step: str
    n_women: int
    n_exams: int
    excluded: tuple[Exclusion, ...] = ()
    unit: Literal["exams", "women"] = "exams"  # what `excluded` counts
    branch: str = "exams"  # a branch begins with a box without exclusions


@dataclass(frozen=True, kw_only=True, eq=False)
class EligibleExams:
    """Negative screens of women at risk: everything that may become an index exam."""

    exam: Int[np.ndarray, "eligible"]  # row of tables.exams, in its order
    unseen: Int[np.ndarray, "unseen"]  # rows that lack only their images
    flow: tuple[FlowStep, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class CaseExams:
    """One index exam per woman with a screen-detected or interval cancer, in order of women."""

    exam: Int[np.ndarray, "case"]
    case_type: Shaped[np.ndarray, "case"]
    flow: tuple[FlowStep, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlExams:
    """Exams after which no cancer was known for long enough; several per woman."""

    exam: Int[np.ndarray, "candidate"]
    flow: tuple[FlowStep, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class CohortExams:
    """Exams of a cohort with what followed them."""

    exam: Int[np.ndarray, "member"]
    outcome: Shaped[np.ndarray, "member"]
    flow: tuple[FlowStep, ...]


def ages_years(tables: RegistryTables) -> Float[np.ndarray, "exam"]:
    """Age at each exam, years of 365.25 days."""
    born = days(tables.women["birth_date"])[tables.exams["woman"].to_numpy()]
    age: Float[np.ndarray, "exam"] = (days(tables.exams["exam_date"]) - born) / DAYS_PER_YEAR
    return age


def eligible_exams(
    tables: RegistryTables,
    follow: FollowUp,
    *,
    config: CohortConfig,
    available_exams: frozenset[str] | None = None,
) -> EligibleExams:
    """Negative screening exams of women at risk, with images if `available_exams` (exam_id) is given.

    Raises CohortError if none of the available exams is in the registry: then the names differ.
    """
    exams = tables.exams
    woman, when = exams["woman"].to_numpy(), days(exams["exam_date"])
    age, result = ages_years(tables), assessment_results(tables, config)
    count = _Count(woman, np.ones(len(exams), dtype=bool))
    flow = _registry_steps(tables)
    count.exclude("diagnostic exam", (exams["purpose"] != "screening").to_numpy())
    flow.append(count.step("Screening exams"))
    count.exclude("on or after the day of a cancer diagnosis", when >= follow.diagnosis[woman])
    count.exclude("after the end of follow-up", when > follow.end[woman])
    count.exclude(
        f"age outside {config.min_age_years:g} to {config.max_age_years:g} years",
        (age < config.min_age_years) | (age > config.max_age_years),
    )
    flow.append(count.step("Screening exams of women at risk"))
    positive = ", ".join(str(code) for code in config.positive_assessments)
    count.exclude(f"positive assessment ({positive})", result == 1)
    count.exclude("no usable assessment", result == -1)
    flow.append(count.step("Negative screening exams"))
    unseen = np.zeros(len(exams), dtype=bool)
    if available_exams is not None:
        seen = exams["exam_id"].isin(available_exams).to_numpy()
        if not seen.any():
            raise CohortError(
                expected="images of exams that are in exams.csv",
                found=f"{len(available_exams)} exams with images, none of them in the registry",
                where="exam_id",
                remedy="Read tables and images with the same pseudonym key",
            )
        unseen = count.keep & ~seen
        count.exclude("no images", ~seen)
        flow.append(count.step("Negative screening exams with images"))
    return EligibleExams(exam=np.flatnonzero(count.keep), unseen=np.flatnonzero(unseen), flow=tuple(flow))


def case_exams(
    tables: RegistryTables, follow: FollowUp, *, eligible: EligibleExams, config: CohortConfig
) -> CaseExams:
    """The latest eligible exam in the allowed time before each screen-detected or interval cancer."""
    n_women = len(tables.women)
    woman, when = tables.exams["woman"].to_numpy(), days(tables.exams["exam_date"])

    def in_time(rows: Int[np.ndarray, "row"]) -> Int[np.ndarray, "kept"]:
        months = (follow.diagnosis[woman[rows]] - when[rows]) / DAYS_PER_MONTH
        lower, upper = config.min_months_before_diagnosis, config.max_months_before_diagnosis
        kept: Int[np.ndarray, "kept"] = rows[(months >= lower) & (months <= upper)]
        return kept

    rows = in_time(eligible.exam)
    index_exam = np.full(n_women, -1)
    index_exam[woman[rows]] = rows  # sorted by date: the latest stays
    only_unseen = np.zeros(n_women, dtype=bool)
    only_unseen[woman[in_time(eligible.unseen)]] = True

    own_exams = np.bincount(woman[eligible.exam], minlength=n_women)
    count = _Count(
        np.arange(n_women), follow.diagnosis < NEVER, n_exams=own_exams, unit="women", branch="cases"
    )
    lost = tables.n_women_with_cancer_read - int(count.keep.sum())
    flow = [
        FlowStep(
            step="Women with cancer in the registry",
            n_women=tables.n_women_with_cancer_read,
            n_exams=int(own_exams[count.keep].sum()),
            unit="women",
            branch="cases",
        )
    ]
    if lost:
        count.excluded.append(Exclusion("unknown women or contradictory rows", lost))
        flow.append(count.step("Women with cancer, without contradictions"))
    for reason in REASONS:
        count.exclude(reason, follow.reason == reason)
    flow.append(count.step("Screen-detected and interval cancers"))
    span = f"{config.min_months_before_diagnosis:g} to {config.max_months_before_diagnosis:g} months"
    count.exclude(f"no images of a negative screen {span} before diagnosis", (index_exam < 0) & only_unseen)
    count.exclude(f"no negative screen at risk {span} before diagnosis", index_exam < 0)
    count.n_exams = np.ones(n_women, dtype=np.int64)
    flow.append(count.step("Cases with an index exam"))
    exam = index_exam[count.keep]
    return CaseExams(exam=exam, case_type=follow.mode[count.keep], flow=tuple(flow))


def control_exams(
    tables: RegistryTables, follow: FollowUp, *, eligible: EligibleExams, config: CohortConfig
) -> ControlExams:
    """Eligible exams of women without cancer (or before it, if allowed) with enough follow-up."""
    woman = tables.exams["woman"].to_numpy()[eligible.exam]
    when = days(tables.exams["exam_date"])[eligible.exam]
    count = _Count(woman, np.ones(len(woman), dtype=bool), branch="controls")
    flow = [count.step("Eligible exams")]
    if not config.allow_later_cases:
        count.exclude("of a woman with cancer at any time", follow.diagnosis[woman] < NEVER)
    count.exclude(_too_short(config), _short(follow, woman, when, config))
    flow.append(count.step("Candidate exams of controls"))
    return ControlExams(exam=eligible.exam[count.keep], flow=tuple(flow))


def cohort_exams(
    tables: RegistryTables,
    follow: FollowUp,
    *,
    eligible: EligibleExams,
    config: CohortConfig,
    generator: np.random.Generator,
) -> CohortExams:
    """Exams of everybody with their outcome; one per woman unless `exam_per_woman` is "all".

    A cancer later than `max_months_before_diagnosis` is no cancer of this exam.
    """
    woman = tables.exams["woman"].to_numpy()[eligible.exam]
    when = days(tables.exams["exam_date"])[eligible.exam]
    months = (follow.diagnosis[woman] - when) / DAYS_PER_MONTH
    ill = months <= config.max_months_before_diagnosis
    count = _Count(woman, np.ones(len(woman), dtype=bool), branch="cohort")
    flow = [count.step("Eligible exams")]
    count.exclude(
        f"cancer within {config.min_months_before_diagnosis:g} months after the exam",
        months < config.min_months_before_diagnosis,
    )
    for reason in REASONS:
        count.exclude(reason, ill & (follow.reason[woman] == reason))
    count.exclude(_too_short(config), ~ill & _short(follow, woman, when, config))
    flow.append(count.step("Exams with a known outcome"))
    if config.exam_per_woman != "all":
        used = one_exam_per_woman(woman, count.keep, choice=config.exam_per_woman, generator=generator)
        count.exclude(f"another exam of the woman is used ({config.exam_per_woman})", ~used)
        flow.append(count.step("One exam per woman"))
    outcome = np.where(ill, follow.mode[woman], Outcome.NONE.value)
    return CohortExams(exam=eligible.exam[count.keep], outcome=outcome[count.keep], flow=tuple(flow))


def one_exam_per_woman(
    woman: Int[np.ndarray, "exam"],
    keep: Bool[np.ndarray, "exam"],
    *,
    choice: str,
    generator: np.random.Generator,
) -> Bool[np.ndarray, "exam"]:
    """One kept exam of each woman, exams being sorted by woman and date; choice latest, first, random."""
    rows = np.flatnonzero(keep)
    used = np.zeros(len(woman), dtype=bool)
    if not len(rows):
        return used
    starts = np.flatnonzero(np.diff(woman[rows], prepend=-1))
    sizes = np.diff(np.append(starts, len(rows)))
    if choice == "first":
        offset = np.zeros(len(starts), dtype=np.int64)
    elif choice == "latest":
        offset = sizes - 1
    else:
        offset = generator.integers(0, sizes)
    used[rows[starts + offset]] = True
    return used


def narrowed(
    before: FlowStep, step: str, *, excluded: Sequence[Exclusion], n_women: int, n_exams: int
) -> FlowStep:
    """The next box of the same branch."""
    return FlowStep(
        step=step,
        n_women=n_women,
        n_exams=n_exams,
        excluded=tuple(e for e in excluded if e.n),
        unit=before.unit,
        branch=before.branch,
    )


def _too_short(config: CohortConfig) -> str:
    return f"less than {config.min_follow_up_months:g} months known without cancer after the exam"


def _short(
    follow: FollowUp, woman: Int[np.ndarray, "exam"], when: Int[np.ndarray, "exam"], config: CohortConfig
) -> Bool[np.ndarray, "exam"]:
    short: Bool[np.ndarray, "exam"] = (
        follow.free_until[woman] - when < config.min_follow_up_months * DAYS_PER_MONTH
    )
    return short


def _registry_steps(tables: RegistryTables) -> list[FlowStep]:
    steps = [FlowStep(step="Registry", n_women=tables.n_women_read, n_exams=tables.n_exams_read)]
    if tables.set_aside:
        unknown = sum(s.n_rows for s in tables.set_aside if s.table == "exams.csv" and "not in" in s.reason)
        others = tables.n_exams_read - len(tables.exams) - unknown
        excluded = [
            Exclusion("exam of a woman who is not in women.csv", unknown),
            Exclusion("exam of a woman with contradictory rows", others),
        ]
        steps.append(
            narrowed(
                steps[0],
                "Registry without contradictions",
                excluded=excluded,
                n_women=len(tables.women),
                n_exams=len(tables.exams),
            )
        )
    return steps


class _Count:
    """Counts exclusions as they happen; the first reason of a row counts."""

    def __init__(
        self,
        woman: Int[np.ndarray, "row"],
        keep: Bool[np.ndarray, "row"],
        *,
        n_exams: Int[np.ndarray, "row"] | None = None,
        unit: Literal["exams", "women"] = "exams",
        branch: str = "exams",
    ) -> None:
        self.woman, self.keep = woman, keep.copy()
        self.n_exams = np.ones(len(woman), dtype=np.int64) if n_exams is None else n_exams
        self.unit, self.branch = unit, branch
        self.excluded: list[Exclusion] = []

    def exclude(self, reason: str, out: Bool[np.ndarray, "row"]) -> None:
        n = int((self.keep & out).sum())
        if n:
            self.excluded.append(Exclusion(reason, n))
        self.keep &= ~out

    def step(self, name: str) -> FlowStep:
        excluded, self.excluded = tuple(self.excluded), []
        return FlowStep(
            step=name,
            n_women=len(np.unique(self.woman[self.keep])),
            n_exams=int(self.n_exams[self.keep].sum()),
            excluded=excluded,
            unit=self.unit,
            branch=self.branch,
        )
