"""plan.toml: how any models' predictions are compared with outcomes, decided before anything is seen.

    [evaluation]       name, description, design, horizons, shares, thresholds, subgroups, seed
    [outcomes]         which columns of the outcomes name the exam, the woman, the outcome, the times
    [models.NAME]      label, kind and columns of one model's predictions
    [registry]         CohortConfig, where the outcomes are registry tables
    [costs]            unit costs, for the cost per additional cancer

Everything has a default; a registry with `exam_id, outcome` and a file `exam_id, score` needs no plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..cohort.settings import CohortConfig
from ..configuration import build, only_known, read_toml
from ..errors import ConfigError
from .plan import COMPLETE, check_missing

if TYPE_CHECKING:
    from ..statistics.triage import UnitCosts

Design = Literal["", "cohort", "matched", "case-control", "nested case-control", "case-cohort"]

#: Five-year risks at which decisions are taken: 1.7 % (increased risk in US guidelines) and 3 %.
FIVE_YEAR_THRESHOLDS = (0.017, 0.03)


@dataclass(frozen=True, kw_only=True)
class ComparisonSettings:
    """What is measured. Horizons are years after the exam; an empty tuple takes those of the predictions."""

    name: str = ""
    description: str = ""
    data_kind: str = "registry"
    design: Design = ""  # "": told by the columns: set_id -> matched, weight -> case-cohort, else cohort
    horizons_years: tuple[float, ...] = ()
    main_horizon_years: float | None = None  # default: the longest that predictions and follow-up allow
    min_months_before_diagnosis: float = 0.0  # cancers found sooner after the exam are left out
    fractions: tuple[float, ...] = (0.01, 0.02, 0.04, 0.05, 0.10, 0.20)
    rule_out_shares: tuple[float, ...] = (0.10, 0.25, 0.50)
    # Risks by the main horizon at which decisions are taken; default: 1.7 and 3 % in five years, and for
    # another horizon the risks that the same yearly risk gives.
    thresholds: tuple[float, ...] = ()
    subgroups: tuple[str, ...] = ("age", "density", "race", "site", "machine")
    age_bands: tuple[int, ...] = (50, 60, 70)
    factors: tuple[str, ...] = ()  # clinical factors to fit and compare, where there are development exams
    clinical_models: tuple[str, ...] = ()  # published models to compare: bcrat, icare-lit, …
    race_as: Mapping[str, str] = field(default_factory=dict)  # levels of race for models that know finer ones
    missing: str = COMPLETE  # women of whom such a factor is unknown: one of plan.MISSING
    n_imputations: int = 20  # for multiple imputation
    # Of any cancer by the end of follow-up in the population, for an unmatched case-control sample without
    # weights; the modes of detection keep the proportions of the sample.
    prevalence: float | None = None
    imaging_sensitivity: float = 1.0  # share of the cancers of selected women that further imaging finds
    minimum_events: int = 10  # fewer cancers (or sets) than this: no estimate
    suppress_below: int = 10  # subgroups with fewer cancers (or sets) are suppressed
    n_resamples: int = 1000
    seed: int = 1

    def __post_init__(self) -> None:
        check_missing(self.missing, self.n_imputations)
        for name in ("fractions", "rule_out_shares", "thresholds"):
            values = getattr(self, name)
            if not all(0 < value < 1 for value in values):
                raise _bad(f"{name} in (0, 1)", str(values))
        if self.clinical_models:
            from .published_arm import check_models  # brings the models, which other plans do not need

            check_models(self.clinical_models, self.race_as)
        if not self.fractions:
            raise _bad("at least one of fractions", "none")
        if not all(h > 0 for h in self.horizons_years) or (self.main_horizon_years or 1) <= 0:
            raise _bad("horizons above 0 years", f"{self.horizons_years}, {self.main_horizon_years}")
        for name, least, most in (
            ("n_resamples", 20, 100_000),
            ("minimum_events", 2, 10**9),
            ("suppress_below", 0, 10**9),
            ("seed", 0, 2**63),
        ):
            if not least <= getattr(self, name) <= most:
                raise _bad(f"{name} from {least} to {most}", str(getattr(self, name)))
        for name in ("fractions", "rule_out_shares", "thresholds", "horizons_years", "age_bands"):
            values = getattr(self, name)
            if len({f"{value:.9g}" for value in values}) < len(values):
                raise _bad(f"{name} that differ", str(values))
        if list(self.age_bands) != sorted(self.age_bands):
            raise _bad("age_bands in ascending order", str(self.age_bands))
        if not 0 < self.imaging_sensitivity <= 1:
            raise _bad("imaging_sensitivity in (0, 1]", str(self.imaging_sensitivity))
        if self.prevalence is not None and not 0 < self.prevalence < 1:
            raise _bad("a prevalence in (0, 1)", str(self.prevalence))
        if not 0 <= self.min_months_before_diagnosis < 1200:
            raise _bad("min_months_before_diagnosis from 0 to 1200", str(self.min_months_before_diagnosis))

    def thresholds_by(self, horizon_years: float | None) -> tuple[float, ...]:
        """The risks at which decisions are taken, for risks by this horizon (None: five years)."""
        if self.thresholds:
            return self.thresholds
        years = 5.0 if horizon_years is None else horizon_years
        return tuple(round(1 - (1 - risk) ** (years / 5), 6) for risk in FIVE_YEAR_THRESHOLDS)


@dataclass(frozen=True, kw_only=True)
class OutcomeColumns:
    """Names of the columns of the outcomes table, and what its codes mean; defaults need no plan."""

    key: tuple[str, ...] = ("exam_id",)  # together they name the unit that is scored
    woman: str = ""  # default woman_id, else patient_id; without either every row is a woman
    outcome: str = "outcome"
    codes: Mapping[str, str] = field(default_factory=dict)  # {"Malignant": "cancer", "Benign": "none"}
    time: str = "time_years"  # years from the exam to diagnosis, death or the end of follow-up
    weight: str = "weight"
    set: str = "set_id"
    unit: str = "exam"  # what one row is, in the words of the report: exam, breast, woman

    def __post_init__(self) -> None:
        if not self.key or len(set(self.key)) < len(self.key):
            raise ConfigError(
                expected="one or more different columns in key", found=str(self.key), where="[outcomes]"
            )


@dataclass(frozen=True, kw_only=True)
class ModelColumns:
    """Where one model's predictions stand in its file, and what they are.

    `columns` maps a horizon in years ("1", "5") or "" (no horizon) to a column for any cancer; those for
    one mode of detection stand in `screen_detected` and `interval`. `kind` says whether they are risks
    (absolute probabilities by the horizon) or scores. `key` names the columns that name the exam.
    """

    label: str = ""
    description: str = ""
    kind: Literal["risk", "score"] = "score"
    columns: Mapping[str, str] = field(default_factory=dict)
    screen_detected: Mapping[str, str] = field(default_factory=dict)
    interval: Mapping[str, str] = field(default_factory=dict)
    key: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for mapping in (self.columns, self.screen_detected, self.interval):
            for years in mapping:
                if years and not _is_positive_number(years):
                    raise ConfigError(
                        expected='horizons in years, such as "5", or "" for none',
                        found=repr(years),
                        where="[models]",
                    )


@dataclass(frozen=True, kw_only=True)
class ComparisonPlan:
    """The whole plan, with the name of its file for the provenance of the results."""

    evaluation: ComparisonSettings = field(default_factory=ComparisonSettings)
    outcomes: OutcomeColumns = field(default_factory=OutcomeColumns)
    models: Mapping[str, ModelColumns] = field(default_factory=dict)
    # Every negative screening exam of a woman counts, as they do where every exam is scored.
    registry: CohortConfig = field(
        default_factory=lambda: CohortConfig(design="cohort", exam_per_woman="all")
    )
    costs: UnitCosts | None = None


def read_plan(path: Path) -> ComparisonPlan:
    """The plan in a TOML file. Raises ConfigError naming file, section and key."""
    raw = read_toml(path, what="an evaluation plan")
    only_known(
        raw,
        {"evaluation", "outcomes", "models", "registry", "costs"},
        where=str(path),
        what="section",
    )
    models = raw.get("models", {})
    if not isinstance(models, dict):
        raise ConfigError(expected="sections [models.NAME]", found=type(models).__name__, where=str(path))
    registry = raw.get("registry", {})
    if isinstance(registry, dict):
        only_known(registry, _REGISTRY_KEYS, where=f"{path} [registry]", what="key")
        registry = {"design": "cohort", "exam_per_woman": "all", **registry}
    costs = None
    if "costs" in raw:
        from ..statistics.triage import UnitCosts  # brings scipy, which reading a plan does not need

        costs = build(UnitCosts, raw["costs"], where=f"{path} [costs]")
    return ComparisonPlan(
        evaluation=build(ComparisonSettings, raw.get("evaluation", {}), where=f"{path} [evaluation]"),
        outcomes=build(OutcomeColumns, raw.get("outcomes", {}), where=f"{path} [outcomes]"),
        models={
            str(name): build(ModelColumns, values, where=f"{path} [models.{name}]")
            for name, values in models.items()
        },
        registry=build(CohortConfig, registry, where=f"{path} [registry]"),
        costs=costs,
    )


#: Keys of a cohort that say who is eligible and how a cancer was detected; others have no effect here.
_REGISTRY_KEYS = {
    "screen_detection_months",
    "interval_window_months",
    "positive_assessments",
    "negative_assessments",
    "min_age_years",
    "max_age_years",
    "exam_per_woman",
}


def _is_positive_number(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def _bad(expected: str, found: str) -> ConfigError:
    return ConfigError(expected=expected, found=found, where="[evaluation]")
