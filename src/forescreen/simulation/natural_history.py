"""How a cancer begins, becomes visible and surfaces; and the exact probabilities of the same model.

A woman is healthy, then has a preclinical lesion that passes through stages P_1 .. P_K with
exponential durations, then surfaces clinically (phase-type model; K = 1 is the three-state model).
A screen finds a lesion in stage k with sensitivity S_k, which falls with density (masking). The
hazard of onset is a baseline by age times a relative risk of clinical factors, density and trait. The
baseline makes the incidence of invasive cancer that of [SEER2024]: it is the published rate at the age
of diagnosis, divided by the mean relative risk of the women still free of a lesion.

In-situ lesions begin as a constant share beside the invasive ones, have one long stage and do not
become invasive (a simplification: progression of in-situ lesions is left out).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import expm
from scipy.special import expit, logit

from ..errors import ConfigError
from .clinical_risk import clinical_risk
from .population import Population
from .published import incidence_at

FIRST_ONSET_AGE, LAST_ONSET_AGE = 25, 90
SURFACED_NEVER = np.inf


@dataclass(frozen=True, kw_only=True)
class NaturalHistory:
    """Effects on onset (log hazard ratios), stages, sensitivity."""

    trait_effect: float = 0.75  # per standard deviation; alone gives a concordance of about 0.70
    density_effect: float = 0.34  # per standard deviation of density among women of one age
    clinical_effect: float = 1.0  # multiplies the published log relative risks of tables/clinical_effects
    sojourn_years: tuple[float, ...] = (1.1, 1.7)  # mean duration of each preclinical stage
    sensitivity: tuple[float, ...] = (0.45, 0.93)  # of a screen, per stage, at mean density
    masking_slope: float = 1.1  # fall of logit sensitivity per standard deviation of density
    in_situ_share: float = 0.19  # in-situ lesions among all onsets
    in_situ_sojourn_years: float = 6.0
    in_situ_sensitivity: float = 0.80  # at mean density
    in_situ_masking_slope: float = 0.3  # calcifications are masked less

    def __post_init__(self) -> None:
        chances = (*self.sensitivity, self.in_situ_sensitivity)
        if len(self.sojourn_years) != len(self.sensitivity) or not self.sojourn_years:
            raise ConfigError(
                expected="one sensitivity per preclinical stage, at least one stage",
                found=f"{len(self.sojourn_years)} sojourn times, {len(self.sensitivity)} sensitivities",
                where="natural history",
            )
        if min(*self.sojourn_years, self.in_situ_sojourn_years) <= 0:
            raise ConfigError(
                expected="sojourn times above 0 years", found="0 or less", where="natural history"
            )
        if not all(0 < chance < 1 for chance in chances):
            raise ConfigError(
                expected="sensitivities between 0 and 1", found=str(chances), where="natural history"
            )
        if not 0 <= self.in_situ_share < 1:
            raise ConfigError(
                expected="an in-situ share of 0 or more, below 1",
                found=str(self.in_situ_share),
                where="natural history",
            )


@dataclass(frozen=True)
class ModeProbabilities:
    """What becomes of a woman, by screen and by gap between screens.

    `interval[0]` is the gap before the first screen, `interval[-1]` the gap after the last.
    """

    screen_detected: Float[np.ndarray, " screen"]
    interval: Float[np.ndarray, " gap"]
    undiagnosed: float  # at the end


def mode_probabilities(
    onset_hazard: float,
    stage_rates: Sequence[float],
    *,
    sensitivities: Sequence[float],
    screen_times: Sequence[float],
    end: float,
) -> ModeProbabilities:
    """Exact probabilities of detection by each screen and between screens, from time 0 (healthy) to `end`.

    Forward recursion v <- v expm(QΔ); at a screen the mass Σ S_k v_k is detected and v_k <- (1 - S_k) v_k;
    interval cancers are the mass lost in a gap. Onset hazard and rates per year, constant; times in years,
    rising, all before `end`. One stage gives the three-state progressive model.
    """
    sensitivity = np.asarray(sensitivities, dtype=float)
    generator_matrix = _transition_rates(onset_hazard, stage_rates)
    state = np.zeros(len(stage_rates) + 1)
    state[0] = 1.0
    now = 0.0
    found: list[float] = []
    surfaced: list[float] = []
    for time in [*screen_times, end]:
        moved = state @ expm(generator_matrix * (time - now))
        surfaced.append(float(state.sum() - moved.sum()))
        state, now = moved, time
        if len(found) < len(screen_times):
            found.append(float(sensitivity @ state[1:]))
            state[1:] *= 1 - sensitivity
    return ModeProbabilities(np.array(found), np.array(surfaced), float(state.sum()))


def mean_delay_years(
    stage_rates: Sequence[float], sensitivities: Sequence[float], interval_years: float
) -> float:
    """Mean time from onset to diagnosis under screens every `interval_years`, in the steady state.

    By Little's law it is the mean number of undetected lesions over a cycle at one onset a year.
    """
    n = len(stage_rates)
    # States: a constant source of one onset a year, the stages, and the integral of the stages' mass.
    rates = np.zeros((n + 2, n + 2))
    rates[0, 1] = 1.0
    for k, rate in enumerate(stage_rates):
        rates[k + 1, k + 1] = -rate
        if k + 1 < n:
            rates[k + 1, k + 2] = rate
        rates[k + 1, n + 1] = 1.0
    cycle = expm(rates * interval_years)
    missed = 1 - np.asarray(sensitivities, dtype=float)
    # Mass just after a screen: p = ((source + p) moved over a cycle) * missed.
    after = np.linalg.solve((np.eye(n) - cycle[1:-1, 1:-1] * missed).T, cycle[0, 1:-1] * missed)
    return float(cycle[0, -1] + after @ cycle[1:-1, -1]) / interval_years


@dataclass(frozen=True)
class Courses:
    """The lesion of each woman if no screen ever finds it. Ages in years; inf where there is none."""

    onset_age: Float[np.ndarray, " woman"]
    stage_end_age: Float[np.ndarray, "woman stage"]  # the last is the age at surfacing
    in_situ: Bool[np.ndarray, " woman"]

    @property
    def surfacing_age(self) -> Float[np.ndarray, " woman"]:
        """Age at clinical diagnosis without screening."""
        return np.asarray(self.stage_end_age[:, -1])

    def take(self, index: Int[np.ndarray, " chosen"]) -> Courses:
        """The courses of these women, in this order."""
        return Courses(self.onset_age[index], self.stage_end_age[index], self.in_situ[index])

    def stage_at(
        self, woman: Int[np.ndarray, " n"], age_years: Float[np.ndarray, " n"]
    ) -> Int[np.ndarray, " n"]:
        """0 without a lesion, 1 .. K in a preclinical stage, K + 1 once surfaced."""
        stage = (age_years >= self.onset_age[woman]).astype(np.int64)
        for k in range(self.stage_end_age.shape[1]):
            stage += age_years >= self.stage_end_age[woman, k]
        return np.asarray(stage)


def draw_courses(
    population: Population,
    config: NaturalHistory,
    *,
    screening_interval_years: Sequence[tuple[float, float]],
    generator: np.random.Generator,
) -> Courses:
    """A lesion, or none, for each woman.

    `screening_interval_years` are (interval, share of women) and serve only to shift the published
    incidence from diagnosis back to onset.
    """
    rates = [1 / years for years in config.sojourn_years]
    delay = sum(
        share * mean_delay_years(rates, config.sensitivity, interval)
        for interval, share in screening_interval_years
    )
    threshold = generator.exponential(size=len(population))
    onset = _onset_age(population, config, delay_years=delay, threshold=threshold)
    in_situ = (generator.random(len(population)) < config.in_situ_share) & np.isfinite(onset)
    return _with_stages(onset, in_situ, config, generator)


def draw_courses_constant(
    n_women: int, onset_hazard: float, config: NaturalHistory, generator: np.random.Generator
) -> Courses:
    """Lesions under a constant onset hazard from age 0: the setting of `mode_probabilities`."""
    onset = generator.exponential(1 / onset_hazard, n_women)
    in_situ = generator.random(n_women) < config.in_situ_share
    return _with_stages(onset, in_situ, config, generator)


def screen_sensitivity(
    stage: Int[np.ndarray, " n"],
    in_situ: Bool[np.ndarray, " n"],
    density_score: Float[np.ndarray, " n"],
    *,
    config: NaturalHistory,
) -> Float[np.ndarray, " n"]:
    """Chance that a screen finds the lesion, 0 without one.

    logit S = logit S_stage - slope · density score.
    """
    n_stages = len(config.sensitivity)
    base = np.concatenate([[0.0], logit(np.array(config.sensitivity)), [0.0]])
    invasive = expit(base[stage] - config.masking_slope * density_score)
    other = expit(logit(config.in_situ_sensitivity) - config.in_situ_masking_slope * density_score)
    present = (stage >= 1) & (stage <= n_stages)
    return np.where(present, np.where(in_situ, other, invasive), 0.0)


def _onset_age(
    population: Population,
    config: NaturalHistory,
    *,
    delay_years: float,
    threshold: Float[np.ndarray, " woman"],
) -> Float[np.ndarray, " woman"]:
    """Age at which the cumulative onset hazard passes `threshold`, inf if it does not.

    Integer years of age with constant hazard. The mean relative risk is taken over women by their chance
    of still being free of a lesion, so that the depletion of high-risk women with age is accounted for.
    """
    clinical = clinical_risk(population)
    image = config.trait_effect * population.trait + config.density_effect * population.density_deviate
    cumulative = np.zeros(len(population))
    onset = np.full(len(population), SURFACED_NEVER)
    for age in range(FIRST_ONSET_AGE, LAST_ONSET_AGE):
        relative = np.exp(config.clinical_effect * clinical.at_age(population, age + 0.5) + image)
        free = np.exp(-cumulative)
        invasive = incidence_at(np.array([age + 0.5 + delay_years]))[0]
        hazard = relative * (invasive / (1 - config.in_situ_share) * free.sum() / (free @ relative))
        crossed = (cumulative < threshold) & (cumulative + hazard >= threshold)
        onset[crossed] = age + (threshold[crossed] - cumulative[crossed]) / hazard[crossed]
        cumulative += hazard
    return onset


def _with_stages(
    onset: Float[np.ndarray, " woman"],
    in_situ: Bool[np.ndarray, " woman"],
    config: NaturalHistory,
    generator: np.random.Generator,
) -> Courses:
    """Stage durations added to onsets. An in-situ lesion is in the last stage from its onset."""
    n_stages = len(config.sojourn_years)
    durations = generator.exponential(size=(len(onset), n_stages)) * np.array(config.sojourn_years)
    in_situ_years = generator.exponential(config.in_situ_sojourn_years, len(onset))
    durations[in_situ] = 0.0
    durations[in_situ, -1] = in_situ_years[in_situ]
    return Courses(onset, onset[:, None] + np.cumsum(durations, axis=1), in_situ)


def _transition_rates(onset_hazard: float, stage_rates: Sequence[float]) -> Float[np.ndarray, "state state"]:
    """Generator over healthy and the stages; what leaves the last stage leaves the matrix."""
    leaving = np.array([onset_hazard, *stage_rates])
    matrix = np.diag(-leaving)
    matrix += np.diag(leaving[:-1], k=1)
    return matrix
