"""What is measured, decided before anything is seen.

An `EvaluationPlan` fixes the models, the factors, the shares of the ranking and the subgroups. It is
written into the results, so that a reader can tell a planned figure from an afterthought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..clinical.covariates import CLINICAL_FACTORS, FACTORS
from ..errors import ConfigError

#: Columns of the members by which concordance can be given.
SUBGROUPS = ("density", "age", "race", "site", "machine", "menopause")

#: What is done about factors that are unknown of some women.
COMPLETE, MULTIPLE_IMPUTATION, INDICATOR = "complete", "multiple imputation", "indicator"
MISSING = (COMPLETE, MULTIPLE_IMPUTATION, INDICATOR)


def check_missing(missing: str, n_imputations: int) -> None:
    """Raises ConfigError for a method that does not exist, or too few imputations to pool."""
    if missing not in MISSING:
        raise ConfigError(
            expected=f"missing one of {', '.join(map(repr, MISSING))}",
            found=repr(missing),
            where="[evaluation]",
            remedy="It says what is done about women of whom a clinical factor is unknown",
        )
    if not 2 <= n_imputations <= 1000:
        raise ConfigError(
            expected="n_imputations from 2 to 1000", found=str(n_imputations), where="[evaluation]"
        )


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """The plan of an evaluation; all defaults are those of the demo and of the study."""

    factors: tuple[str, ...] = CLINICAL_FACTORS
    fractions: tuple[float, ...] = (0.01, 0.02, 0.05, 0.10, 0.20)
    subgroups: tuple[str, ...] = ("density", "age", "race", "machine")
    minimum_sets: int = 10  # fewer sets (or cases, unmatched) than this: no estimate
    suppress_below: int = 10  # subgroup cells with fewer sets are suppressed
    age_bands: tuple[int, ...] = (50, 60, 70)
    clinical_models: tuple[str, ...] = ()  # published models to compare: bcrat, icare-lit, …
    race_as: Mapping[str, str] = field(default_factory=dict)  # levels of race for models that know finer ones
    n_resamples: int = 2000  # bootstrap of women, for capture and PPV
    missing: str = COMPLETE  # women of whom a factor is unknown: one of MISSING
    n_imputations: int = 20  # for multiple imputation

    def __post_init__(self) -> None:
        if not self.fractions or not all(0 < f < 1 for f in self.fractions):
            raise ConfigError(expected="fractions in (0, 1)", found=str(self.fractions), where="[evaluation]")
        for name, given, known in (
            ("factors", self.factors, FACTORS),
            ("subgroups", self.subgroups, SUBGROUPS),
        ):
            unknown = [value for value in given if value not in known]
            if unknown:
                raise ConfigError(
                    expected=f"{name} among {', '.join(known)}",
                    found=", ".join(unknown),
                    where="[evaluation]",
                )
        if self.clinical_models:
            from .published_arm import check_models  # brings the models, which other plans do not need

            check_models(self.clinical_models, self.race_as)
        check_missing(self.missing, self.n_imputations)
        if self.n_resamples < 20:
            raise ConfigError(expected="n_resamples >= 20", found=str(self.n_resamples), where="[evaluation]")
        if self.minimum_sets < 2:
            raise ConfigError(
                expected="minimum_sets >= 2", found=str(self.minimum_sets), where="[evaluation]"
            )


@dataclass(frozen=True, kw_only=True)
class PeerTable:
    """Columns of someone else's prediction file, joined by exam_id.

    With `truth` the columns are the simulation's own truth (an oracle). Several columns are combined
    by a conditional logistic regression fitted on the development sets.
    """

    key: str
    label: str
    file: str
    columns: tuple[str, ...]
    truth: bool = False
    description: str = ""
