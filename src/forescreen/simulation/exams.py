"""From histories to what is on record: exams with readings, sites and machines, and cancers, in days.

In: population, courses and screened histories of the registry's women. Out: `Exams` and `Cancers`.
Days count from the start of the study. Screening exams come from the histories; diagnostic exams are
added after a part of the positive screens and before a part of the clinical diagnoses.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int

from .density import density_score, read_category
from .natural_history import Courses
from .population import Population
from .screening import Histories, Screens, assess

DAYS_PER_YEAR = 365.25

#: Sites, the share of women who belong to each, and the machines there ("site-vendor key"). Invented.
SITES: dict[str, tuple[float, tuple[str, ...]]] = {
    "S1": (0.40, ("S1-alpha", "S1-beta", "S1-gamma")),
    "S2": (0.30, ("S2-alpha", "S2-delta")),
    "S3": (0.20, ("S3-beta", "S3-delta")),
    "S4": (0.10, ("S4-gamma",)),
}
MACHINES = tuple(machine for _, machines in SITES.values() for machine in machines)

#: Days from a positive screen to diagnosis: 1 to 8 weeks.
FIRST_DIAGNOSIS_DAY, LAST_DIAGNOSIS_DAY = 7, 56
#: A clinical cancer within this time after a negative screen is an interval cancer.
INTERVAL_DAYS = 365

#: Assessments of diagnostic exams. Assumed.
WORKUP_HEALTHY = np.array([1, 1, 1, 1, 2, 2, 2, 2, 3, 4])
WORKUP_CANCER = np.array([4, 4, 4, 5])

#: Tumour size in mm: median by how the cancer was found, and the spread of its logarithm. Assumed;
#: clinical cancers are larger.
SIZE_SCREEN_EARLY, SIZE_SCREEN_LATE, SIZE_CLINICAL, SIZE_IN_SITU = 9.0, 14.0, 21.0, 13.0
SIZE_LOG_SD = 0.45
#: Cut-points of the latent grade, and how much it rises with speed (minus log sojourn): interval cancers
#: are of higher grade because they are faster. Assumed.
GRADE_CUTS, GRADE_SPEED = (-0.75, 0.45), 0.45


@dataclass(frozen=True)
class Cancers:
    """The first cancer of each woman on record; `day` is -1 where there is none."""

    day: Int[np.ndarray, " woman"]
    by_screen: Bool[np.ndarray, " woman"]
    in_situ: Bool[np.ndarray, " woman"]
    size_mm: Int[np.ndarray, " woman"]
    grade: Int[np.ndarray, " woman"]


@dataclass(frozen=True)
class Exams:
    """Recorded exams of all purposes, by woman and day."""

    woman: Int[np.ndarray, " exam"]
    day: Int[np.ndarray, " exam"]
    screening: Bool[np.ndarray, " exam"]
    assessment: Int[np.ndarray, " exam"]  # BI-RADS 0 .. 5
    category: Int[np.ndarray, " exam"]  # BI-RADS density as read
    age_years: Float[np.ndarray, " exam"]
    density_score: Float[np.ndarray, " exam"]  # true
    machine: Int[np.ndarray, " exam"]  # index into MACHINES


def draw_cancers(
    courses: Courses,
    histories: Histories,
    *,
    last_exam_day: Int[np.ndarray, " woman"],
    end_day: Int[np.ndarray, " woman"],
    generator: np.random.Generator,
) -> Cancers:
    """Dates, sizes and grades of the cancers diagnosed up to the end of each woman's follow-up."""
    n = len(end_day)
    by_screen = histories.found_years < histories.surfacing_years
    workup = generator.integers(FIRST_DIAGNOSIS_DAY, LAST_DIAGNOSIS_DAY + 1, n)
    clinical = np.maximum(whole_days(histories.surfacing_years), last_exam_day + 1)
    day = np.where(by_screen, last_exam_day + workup, clinical)
    day = np.where(day <= end_day, day, -1)

    n_stages = courses.stage_end_age.shape[1]
    early = by_screen & (histories.found_stage < n_stages)
    median = np.where(early, SIZE_SCREEN_EARLY, np.where(by_screen, SIZE_SCREEN_LATE, SIZE_CLINICAL))
    median = np.where(courses.in_situ, SIZE_IN_SITU, median)
    size = np.rint(np.clip(median * np.exp(SIZE_LOG_SD * generator.standard_normal(n)), 1, 120))

    ill = np.isfinite(courses.onset_age)
    sojourn = np.where(ill, courses.surfacing_age, 1.0) - np.where(ill, courses.onset_age, 0.0)
    speed = np.clip(1.0 - np.log(np.maximum(sojourn, 0.05)), -2.0, 3.0) * GRADE_SPEED
    grade = np.searchsorted(np.array(GRADE_CUTS), speed - 0.3 + generator.standard_normal(n)) + 1
    return Cancers(day, by_screen, courses.in_situ, size.astype(np.int64), grade.astype(np.int64))


def draw_exams(
    population: Population,
    screens: Screens,
    cancers: Cancers,
    *,
    end_day: Int[np.ndarray, " woman"],
    diagnostic_share: float,
    other_site_share: float,
    generator: np.random.Generator,
) -> Exams:
    """Screening exams with their readings, diagnostic exams, and where each was made."""
    age = population.age_at_start[screens.woman] + screens.time_years
    score = density_score(population.density_deviate[screens.woman], age)
    category = read_category(score, generator)
    assessment = assess(screens, age, category, generator=generator)
    day = whole_days(screens.time_years)
    n = len(day)

    positive = (assessment == 0) | (assessment >= 4)
    after = np.flatnonzero(positive & (generator.random(n) < diagnostic_share))
    after_day = day[after] + generator.integers(1, FIRST_DIAGNOSIS_DAY, len(after))
    after_found = screens.found[after]
    kept = after_day <= end_day[screens.woman[after]]
    after, after_day, after_found = after[kept], after_day[kept], after_found[kept]

    last_day = np.full(len(population), -1)
    last_day[screens.woman] = day  # in order of time: the last one stays
    symptomatic = np.flatnonzero((cancers.day >= 0) & ~cancers.by_screen)
    symptomatic = symptomatic[generator.random(len(symptomatic)) < diagnostic_share]
    before = cancers.day[symptomatic] - generator.integers(0, 15, len(symptomatic))
    before = np.maximum(before, last_day[symptomatic] + 1)

    woman = np.concatenate([screens.woman, screens.woman[after], symptomatic])
    all_days = np.concatenate([day, after_day, before])
    workup_ill = np.concatenate([after_found, np.ones(len(symptomatic), dtype=bool)])
    workup = np.where(
        workup_ill,
        generator.choice(WORKUP_CANCER, len(workup_ill)),
        generator.choice(WORKUP_HEALTHY, len(workup_ill)),
    )
    screening = np.arange(len(woman)) < n
    all_age = population.age_at_start[woman] + all_days / DAYS_PER_YEAR
    all_score = density_score(population.density_deviate[woman], all_age)
    later_category = read_category(all_score[n:], generator)
    exams = Exams(
        woman=woman,
        day=all_days,
        screening=screening,
        assessment=np.concatenate([assessment, workup]),
        category=np.concatenate([category, later_category]),
        age_years=all_age,
        density_score=all_score,
        machine=_draw_machines(woman, len(population), other_site_share, generator),
    )
    order = np.lexsort((~screening, all_days, woman))
    return Exams(*(getattr(exams, column.name)[order] for column in fields(Exams)))


def interval_cancers(exams: Exams, cancers: Cancers) -> Bool[np.ndarray, " woman"]:
    """True for invasive clinical cancers within 12 months after a negative screen, the last one made."""
    last = np.full(len(cancers.day), -1)
    screens = np.flatnonzero(exams.screening)
    last[exams.woman[screens]] = screens
    assessment = exams.assessment[last]
    negative = (assessment >= 1) & (assessment <= 3)
    soon = cancers.day - exams.day[last] <= INTERVAL_DAYS
    return np.asarray(
        (cancers.day >= 0) & ~cancers.by_screen & ~cancers.in_situ & negative & soon & (last >= 0)
    )


def whole_days(years: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Days from the start of the study; times that never come become a day after every study."""
    return np.asarray(np.floor(np.minimum(years, 1000.0) * DAYS_PER_YEAR), dtype=np.int64)


def _draw_machines(
    woman: Int[np.ndarray, " exam"], n_women: int, other_site_share: float, generator: np.random.Generator
) -> Int[np.ndarray, " exam"]:
    cumulative = np.cumsum([share for share, _ in SITES.values()])
    home = np.searchsorted(cumulative[:-1], generator.random(n_women), side="right")
    elsewhere = generator.random(len(woman)) < other_site_share
    site = np.where(elsewhere, generator.integers(0, len(SITES), len(woman)), home[woman])
    counts = np.array([len(machines) for _, machines in SITES.values()])
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    within = np.floor(generator.random(len(woman)) * counts[site]).astype(np.int64)
    return np.asarray(first[site] + within)
