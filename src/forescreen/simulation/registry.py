"""The simulated registry: one configuration in, the tables of a screening registry out.

`women.csv`, `exams.csv` and `cancers.csv` are what a registry has; `truth/` is what only a simulation
knows (read by the renderer of the mammograms and by `simulation.oracle`, by no other stage).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int

from ..errors import ConfigError
from ..files import write_json
from ..progress import Track, silent
from .columns import date_column, first_day, name_column, number_column, write_table
from .density import CATEGORIES, dense_fraction, measure_percent
from .exams import MACHINES, Cancers, Exams, draw_cancers, draw_exams, interval_cancers, whole_days
from .natural_history import Courses, NaturalHistory, draw_courses
from .population import RACES, Population, draw_population
from .screening import Histories, Screening, Screens, screen_population

#: Shift of measured percent density (logits) by vendor: software differs between machines. Assumed.
PERCENT_SHIFT = {"alpha": 0.0, "beta": 0.08, "gamma": -0.08, "delta": 0.04}
#: Yearly gain of BMI and the spread of its measurement. Assumed.
BMI_GAIN_PER_YEAR, BMI_NOISE = 0.05, 0.5


@dataclass(frozen=True, kw_only=True)
class SimulationConfig:
    """What to simulate. `n_women` counts women with at least one recorded screening exam."""

    n_women: int = 20_000
    seed: int = 1
    first_year: int = 2007
    last_year: int = 2016  # the study ends on 31 December of this year
    screening: Screening = field(default_factory=Screening)
    natural_history: NaturalHistory = field(default_factory=NaturalHistory)
    diagnostic_share: float = 0.6  # of positive screens and clinical cancers with a diagnostic exam
    other_site_share: float = 0.05  # of exams at a site drawn at random instead of the woman's own
    missing_density: float = 0.03  # of exams without BI-RADS density
    missing_percent_density: float = 0.08  # of exams without measured percent density

    def __post_init__(self) -> None:
        if not 1 <= self.n_women <= 5_000_000:
            raise ConfigError(
                expected="1 to 5000000 women", found=str(self.n_women), where="simulation n_women"
            )
        if self.seed < 0:
            raise ConfigError(expected="a seed of 0 or more", found=str(self.seed), where="simulation seed")
        if not (1970 <= self.first_year <= self.last_year <= 2100 and self.study_years <= 30):
            raise ConfigError(
                expected="a first and a last year from 1970 to 2100, at most 30 years",
                found=f"{self.first_year} to {self.last_year}",
                where="simulation",
            )
        for name in ("diagnostic_share", "other_site_share", "missing_density", "missing_percent_density"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    expected=f"{name} from 0 to 1", found=str(getattr(self, name)), where="simulation"
                )

    @property
    def study_years(self) -> float:
        """Length of the study."""
        return float(self.last_year - self.first_year + 1)


@dataclass(frozen=True, kw_only=True)
class RegistrySummary:
    """A dry account of the registry that was written."""

    n_women: int
    n_exams: int
    n_screens: int
    n_cancers: int
    n_screen_detected: int
    n_interval: int  # invasive, clinical, within 12 months after a negative screen
    n_in_situ: int
    n_deaths: int
    recall_percent: float  # positive among screening exams


@dataclass(frozen=True)
class Registry:
    """Everything about one simulated registry before it is written. Day 0 is the start of the study."""

    population: Population
    courses: Courses
    exams: Exams
    cancers: Cancers
    birth_day: Int[np.ndarray, " woman"]
    end_day: Int[np.ndarray, " woman"]  # of follow-up
    dead: Bool[np.ndarray, " woman"]  # died on `end_day`


def simulate_registry(config: SimulationConfig, folder: Path, *, track: Track = silent) -> RegistrySummary:
    """Write `women.csv`, `exams.csv`, `cancers.csv`, `truth/` and `registry.json` into `folder`.

    Same configuration, same bytes. Each file is whole or absent.
    """
    registry = draw_registry(config, track=track)
    tables = {
        "women.csv": _women_table(registry, config),
        "exams.csv": _exams_table(registry, config),
        "cancers.csv": _cancers_table(registry, config),
        "truth/women.csv": _truth_women(registry),
        "truth/exams.csv": _truth_exams(registry),
    }
    for name, table in track(tables.items(), "writing tables", len(tables)):
        write_table(folder / name, table)
    summary = summarise(registry)
    write_json(folder / "registry.json", {"config": asdict(config), "summary": asdict(summary)})
    return summary


def draw_registry(config: SimulationConfig, *, track: Track = silent) -> Registry:
    """The registry in memory. Raises ConfigError if hardly any woman comes to screening."""
    surplus = 1.2
    for _ in range(6):
        # Candidates without an exam in the study are not of the registry: draw more than are needed.
        population = draw_population(
            round(surplus * config.n_women) + 50, config.study_years, _stream(config, "population")
        )
        courses = draw_courses(
            population,
            config.natural_history,
            screening_interval_years=config.screening.intervals,
            generator=_stream(config, "courses"),
        )
        screened = screen_population(
            population,
            courses,
            study_years=config.study_years,
            screening=config.screening,
            natural_history=config.natural_history,
            generator=_stream(config, "screening"),
            track=track,
        )
        members = np.unique(screened.screens.woman)[: config.n_women]
        if len(members) == config.n_women:
            return _on_record(
                population.take(members),
                courses.take(members),
                screened.histories.take(members),
                screened.screens.of(members),
                config,
            )
        surplus *= 1.7
    raise ConfigError(
        expected="a screening programme to which women come",
        found=f"fewer than {config.n_women} women with an exam among {round(surplus * config.n_women)}",
        where="simulation",
        remedy="Lengthen the study or let more women begin before it",
    )


def summarise(registry: Registry) -> RegistrySummary:
    """Counts of what the tables hold."""
    cancers, exams = registry.cancers, registry.exams
    diagnosed = cancers.day >= 0
    assessment = exams.assessment[exams.screening]
    positive = (assessment == 0) | (assessment >= 4)
    return RegistrySummary(
        n_women=len(registry.population),
        n_exams=len(exams.woman),
        n_screens=int(exams.screening.sum()),
        n_cancers=int(diagnosed.sum()),
        n_screen_detected=int((diagnosed & cancers.by_screen).sum()),
        n_interval=int(interval_cancers(exams, cancers).sum()),
        n_in_situ=int((diagnosed & cancers.in_situ).sum()),
        n_deaths=int(registry.dead.sum()),
        recall_percent=round(100 * float(positive.mean()), 2),
    )


def _on_record(
    population: Population, courses: Courses, histories: Histories, screens: Screens, config: SimulationConfig
) -> Registry:
    """Times turned into days, cut off at the end of each woman's follow-up."""
    last_day = (
        int((first_day(config.last_year + 1) - first_day(config.first_year)) / np.timedelta64(1, "D")) - 1
    )
    end = np.minimum(histories.death_years, histories.loss_years)
    end_day = np.minimum(whole_days(end), last_day)
    dead = (histories.death_years <= histories.loss_years) & (whole_days(histories.death_years) <= last_day)
    last_exam_day = np.zeros(len(population), dtype=np.int64)
    last_exam_day[screens.woman] = whole_days(screens.time_years)
    generator = _stream(config, "record")
    end_day = np.maximum(end_day, last_exam_day)
    cancers = draw_cancers(
        courses, histories, last_exam_day=last_exam_day, end_day=end_day, generator=generator
    )
    exams = draw_exams(
        population,
        screens,
        cancers,
        end_day=end_day,
        diagnostic_share=config.diagnostic_share,
        other_site_share=config.other_site_share,
        generator=generator,
    )
    birth_day = np.floor(-population.age_at_start * 365.25).astype(np.int64)
    return Registry(population, courses, exams, cancers, birth_day, end_day, dead)


def _women_table(registry: Registry, config: SimulationConfig) -> pa.Table:
    women = registry.population
    return pa.table(
        {
            "woman_id": number_column("W", np.arange(len(women)), 7),
            "birth_date": _dates(registry.birth_day, config),
            "race": name_column(women.race, RACES),
            "family_history": women.family_history,
            "breast_biopsy": women.breast_biopsy,
            "menarche_age": women.menarche_age,
            "parity": women.parity,
            "first_birth_age": pa.array(women.first_birth_age, mask=women.parity == 0),
            "death_date": _dates(registry.end_day, config, absent=~registry.dead),
            "follow_up_end": _dates(registry.end_day, config),
        }
    )


def _exams_table(registry: Registry, config: SimulationConfig) -> pa.Table:
    exams, women = registry.exams, registry.population
    generator = _stream(config, "measurements")
    n = len(exams.woman)
    bmi = women.bmi[exams.woman] + BMI_GAIN_PER_YEAR * exams.day / 365.25
    bmi = np.clip(bmi + BMI_NOISE * generator.standard_normal(n), 13.0, 65.0)
    shift = np.array([PERCENT_SHIFT[machine.split("-")[1]] for machine in MACHINES])[exams.machine]
    percent = measure_percent(dense_fraction(exams.density_score), shift, generator)
    no_density = generator.random(n) < config.missing_density
    no_percent = generator.random(n) < config.missing_percent_density
    menopausal = women.menopausal(exams.woman, exams.age_years)
    return pa.table(
        {
            "exam_id": number_column("E", np.arange(n), 8),
            "woman_id": number_column("W", exams.woman, 7),
            "exam_date": _dates(exams.day, config),
            "purpose": name_column(exams.screening.astype(np.int64), ("diagnostic", "screening")),
            "assessment": exams.assessment,
            "machine": name_column(exams.machine, MACHINES),
            "site": name_column(exams.machine, [machine.split("-")[0] for machine in MACHINES]),
            "bmi": np.round(bmi, 1),
            "menopause": name_column(menopausal, ("pre", "post")),
            "hormone_therapy": women.on_hormones(exams.woman, exams.age_years),
            "density": name_column(exams.category, CATEGORIES, absent=no_density),
            "percent_density": pa.array(np.round(percent, 1), mask=no_percent),
        }
    )


def _cancers_table(registry: Registry, config: SimulationConfig) -> pa.Table:
    cancers = registry.cancers
    ill = np.flatnonzero(cancers.day >= 0)
    return pa.table(
        {
            "woman_id": number_column("W", ill, 7),
            "diagnosis_date": _dates(cancers.day[ill], config),
            "behaviour": name_column(cancers.in_situ[ill].astype(np.int64), ("invasive", "in situ")),
            "size_mm": cancers.size_mm[ill],
            "grade": cancers.grade[ill],
        }
    )


def _truth_women(registry: Registry) -> pa.Table:
    women, courses = registry.population, registry.courses
    healthy = ~np.isfinite(courses.onset_age)
    return pa.table(
        {
            "woman_id": number_column("W", np.arange(len(women)), 7),
            "trait": np.round(women.trait, 5),
            "density_deviate": np.round(women.density_deviate, 5),
            "onset_age": pa.array(np.round(courses.onset_age, 3), mask=healthy),
            "surfacing_age": pa.array(np.round(courses.surfacing_age, 3), mask=healthy),
            "in_situ": courses.in_situ.astype(np.int64),
        }
    )


def _truth_exams(registry: Registry) -> pa.Table:
    exams = registry.exams
    return pa.table(
        {
            "exam_id": number_column("E", np.arange(len(exams.woman)), 8),
            "woman_id": number_column("W", exams.woman, 7),
            "dense_fraction": np.round(dense_fraction(exams.density_score), 5),
            "density_z": np.round(exams.density_score, 5),
            "lesion_stage": registry.courses.stage_at(exams.woman, exams.age_years),
        }
    )


def _stream(config: SimulationConfig, purpose: str) -> np.random.Generator:
    """An independent stream per purpose, so that a change in one leaves the others as they were."""
    return np.random.default_rng([config.seed, *purpose.encode()])


def _dates(
    days: Int[np.ndarray, " n"], config: SimulationConfig, absent: Bool[np.ndarray, " n"] | None = None
) -> pa.Array:
    return date_column(days, config.first_year, absent=absent)
