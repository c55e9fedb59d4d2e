"""What happens to the women: attendance, detection, readings, deaths, loss to follow-up.

In: a population and its courses. Out: `Histories` (one element per woman: when she is diagnosed, how,
until when she is followed) and `Screens` (one element per recorded screening exam, with assessment).
Time runs in years from the start of the study; screens before it are simulated, because women enter a
registry with screened breasts, but not recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int

from ..errors import ConfigError
from ..progress import Track, silent
from .density import density_score
from .natural_history import Courses, NaturalHistory, screen_sensitivity
from .population import Population
from .published import published_shares, published_table

FIRST_SCREENING_AGE, LAST_SCREENING_AGE = 40.0, 75.0
#: Unrecorded screening before the study; longer than nearly every sojourn.
EARLIER_YEARS = 8.0

#: Assessments of positive screens by BI-RADS category: assumed, most recalls are for more imaging.
FALSE_POSITIVE_SHARES = {0: 0.93, 4: 0.065, 5: 0.005}
TRUE_POSITIVE_SHARES = {0: 0.80, 4: 0.12, 5: 0.08}


@dataclass(frozen=True, kw_only=True)
class Screening:
    """Who comes how often, and how women leave."""

    annual_share: float = 0.55  # the others come every two years
    missed_share: float = 0.08  # of rounds that a woman lets pass
    first_timers: float = 0.08  # women who begin screening at some time within the study
    one_exam_share: float = 0.06  # women who come once and not again
    leaving_share: float = 0.02  # who stop screening after an exam; cancers and deaths stay known
    loss_per_year: float = 0.015  # hazard of loss to follow-up

    def __post_init__(self) -> None:
        for name in ("annual_share", "missed_share", "first_timers", "one_exam_share", "leaving_share"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ConfigError(
                    expected=f"{name} from 0 to 1", found=str(value), where="screening of the simulation"
                )
        if self.missed_share > 0.9 or self.loss_per_year < 0:
            raise ConfigError(
                expected="missed_share up to 0.9 and loss_per_year of 0 or more",
                found=f"{self.missed_share}, {self.loss_per_year}",
                where="screening of the simulation",
            )

    @property
    def intervals(self) -> tuple[tuple[float, float], ...]:
        """(Mean years between screens, share of women): annual and biennial attenders, unscreened women."""
        longer = 1 / (1 - self.missed_share)
        unscreened = min(1.0, self.first_timers + self.one_exam_share)
        return (
            (ANNUAL_YEARS * longer, self.annual_share * (1 - unscreened)),
            (BIENNIAL_YEARS * longer, (1 - self.annual_share) * (1 - unscreened)),
            (NO_SCREEN_YEARS, unscreened),
        )


ANNUAL_YEARS, BIENNIAL_YEARS = 1.06, 2.08  # mean time between two attended invitations. Assumed
ANNUAL_SD_YEARS, BIENNIAL_SD_YEARS = 0.10, 0.18
SHORTEST_YEARS = 0.80
NO_SCREEN_YEARS = 40.0


@dataclass(frozen=True)
class Screens:
    """Recorded screening exams, in order of woman and time."""

    woman: Int[np.ndarray, " exam"]
    time_years: Float[np.ndarray, " exam"]
    stage: Int[np.ndarray, " exam"]  # of the latent lesion: 0 none
    found: Bool[np.ndarray, " exam"]

    def of(self, women: Int[np.ndarray, " chosen"]) -> Screens:
        """The screens of these women (positions, rising), who are numbered anew from 0."""
        inside = np.isin(self.woman, women)
        renumbered = np.searchsorted(women, self.woman[inside])
        return Screens(renumbered, self.time_years[inside], self.stage[inside], self.found[inside])


@dataclass(frozen=True)
class Histories:
    """Per woman, in years from the start of the study; inf where it does not happen."""

    entry_years: Float[np.ndarray, " woman"]  # start of the study or 40th birthday
    death_years: Float[np.ndarray, " woman"]
    loss_years: Float[np.ndarray, " woman"]
    found_years: Float[np.ndarray, " woman"]  # screen at which the lesion was found
    surfacing_years: Float[np.ndarray, " woman"]  # clinical diagnosis, if no screen found it before
    found_stage: Int[np.ndarray, " woman"]

    def take(self, index: Int[np.ndarray, " chosen"]) -> Histories:
        """The histories of these women, in this order."""
        return Histories(*(getattr(self, column.name)[index] for column in fields(self)))

    @property
    def diagnosis_years(self) -> Float[np.ndarray, " woman"]:
        """Time of detection by either mode."""
        return np.asarray(np.minimum(self.found_years, self.surfacing_years))


@dataclass(frozen=True)
class ScreenedPopulation:
    """Histories and recorded screens of one population."""

    histories: Histories
    screens: Screens


def screen_population(
    population: Population,
    courses: Courses,
    *,
    study_years: float,
    screening: Screening,
    natural_history: NaturalHistory,
    generator: np.random.Generator,
    track: Track = silent,
) -> ScreenedPopulation:
    """Follow every woman through her screens. Vectorised over women, one pass per screening round."""
    n = len(population)
    age0 = population.age_at_start
    entry = np.maximum(0.0, FIRST_SCREENING_AGE - age0)
    surfacing = courses.surfacing_age - age0
    death = _death_years(age0, generator)
    loss = entry + _exponential(screening.loss_per_year, n, generator)
    last = np.minimum.reduce([LAST_SCREENING_AGE - age0, np.full(n, study_years), death, loss, surfacing])

    annual = generator.random(n) < screening.annual_share
    interval = np.where(annual, ANNUAL_YEARS, BIENNIAL_YEARS)
    interval_sd = np.where(annual, ANNUAL_SD_YEARS, BIENNIAL_SD_YEARS)
    begin = np.maximum(-EARLIER_YEARS, FIRST_SCREENING_AGE - age0)
    late = generator.random(n) < screening.first_timers
    time = np.where(
        late, entry + (study_years - entry) * generator.random(n), begin + interval * generator.random(n)
    )
    once = generator.random(n) < screening.one_exam_share

    found_years = np.full(n, np.inf)
    found_stage = np.zeros(n, dtype=np.int64)
    rounds: list[Screens] = []
    n_rounds = int(np.ceil((EARLIER_YEARS + study_years) / SHORTEST_YEARS)) + 1
    coming = np.flatnonzero(time < last)
    for _ in track(range(n_rounds), "screening rounds", n_rounds):
        now = time[coming]
        age = age0[coming] + now
        stage = courses.stage_at(coming, age)
        found = np.zeros(len(coming), dtype=bool)
        ill = np.flatnonzero(stage > 0)
        score = density_score(population.density_deviate[coming[ill]], age[ill])
        chance = screen_sensitivity(stage[ill], courses.in_situ[coming[ill]], score, config=natural_history)
        found[ill] = generator.random(len(ill)) < chance
        found_years[coming[found]] = now[found]
        found_stage[coming[found]] = stage[found]
        recorded = now >= 0
        rounds.append(Screens(coming[recorded], now[recorded], stage[recorded], found[recorded]))

        stops = recorded & ((generator.random(len(coming)) < screening.leaving_share) | once[coming])
        coming = coming[~found & ~stops]
        gap = interval[coming] + interval_sd[coming] * generator.standard_normal(len(coming))
        # Rounds let pass before the next attended one.
        passed = generator.geometric(1 - screening.missed_share, len(coming)) - 1
        time[coming] += np.maximum(gap, SHORTEST_YEARS) + passed * interval[coming]
        coming = coming[time[coming] < last[coming]]

    columns = [np.concatenate([getattr(r, c.name) for r in rounds]) for c in fields(Screens)]
    order = np.lexsort((columns[1], columns[0]))
    screens = Screens(*(column[order] for column in columns))
    histories = Histories(entry, death, loss, found_years, surfacing, found_stage)
    return ScreenedPopulation(histories, screens)


def assess(
    screens: Screens,
    age_years: Float[np.ndarray, " exam"],
    category: Int[np.ndarray, " exam"],
    *,
    generator: np.random.Generator,
) -> Int[np.ndarray, " exam"]:
    """BI-RADS assessment of each screening exam.

    Found lesions are positive. Screens without a lesion are false positives with the published chance
    by age and density [Kerlikowske2015]; the other ones, and those with a missed lesion, are negative,
    split over 1, 2, 3 as published [Kerlikowske2019].
    """
    n = len(screens.woman)
    table = published_table("false_positives")
    band = np.clip(
        np.searchsorted(table["age_from"].to_numpy(), age_years, side="right") - 1, 0, len(table) - 1
    )
    chance = table[["a", "b", "c", "d"]].to_numpy()[band, category] / 1000
    false_positive = (generator.random(n) < chance) & (screens.stage == 0)
    negatives = {int(level): share for level, share in published_shares("assessment").items()}
    result = _draw_assessment(negatives, n, generator)
    result = np.where(false_positive, _draw_assessment(FALSE_POSITIVE_SHARES, n, generator), result)
    return np.where(screens.found, _draw_assessment(TRUE_POSITIVE_SHARES, n, generator), result)


def _draw_assessment(
    shares: dict[int, float], n: int, generator: np.random.Generator
) -> Int[np.ndarray, " n"]:
    cumulative = np.cumsum(list(shares.values()))
    position = np.searchsorted(cumulative[:-1] / cumulative[-1], generator.random(n), side="right")
    return np.asarray(np.array(list(shares))[position])


def _death_years(
    age_at_start: Float[np.ndarray, " woman"], generator: np.random.Generator
) -> Float[np.ndarray, " woman"]:
    """Years from the start of the study, which all live to see, to death [SSA2022]."""
    table = published_table("life_table")
    survival = np.concatenate([[1.0], np.cumprod(1 - table["death_probability"].to_numpy())])
    ages = np.arange(len(survival), dtype=float)
    alive = np.interp(age_at_start, ages, survival)
    # Survival falls with age: look the drawn survival up in the reversed, rising table.
    age = np.interp(alive * generator.random(len(alive)), survival[::-1], ages[::-1])
    return np.asarray(age - age_at_start)


def _exponential(rate: float, n: int, generator: np.random.Generator) -> Float[np.ndarray, " n"]:
    draws = generator.exponential(size=n)
    return draws / rate if rate > 0 else np.full(n, np.inf)
