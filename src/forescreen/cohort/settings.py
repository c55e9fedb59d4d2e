"""The choices of a cohort, in one frozen record: in from study.toml, out to every module below.

Months are mean Gregorian months of 30.4375 days throughout, so that every limit can be compared with
the column `months_to_diagnosis`. Definitions and defaults: Zhu et al. [Zhu2021] and its parent
case-control study [Kerlikowske2018].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from ..errors import ConfigError
from ..records import Outcome

#: 365.25 / 12.
DAYS_PER_MONTH = 30.4375
DAYS_PER_YEAR = 365.25

Design = Literal["matched", "unmatched", "cohort"]
ExamChoice = Literal["latest", "first", "random", "all"]

#: Columns on which sets may be matched exactly.
MATCHABLE = ("race", "site", "machine")

#: The two modes of detection a registry can tell apart, in the order of reports.
CASE_TYPES = (Outcome.SCREEN_DETECTED.value, Outcome.INTERVAL.value)


@dataclass(frozen=True, kw_only=True)
class CohortConfig:
    """Who is a case, who is a control, and how they are split. Limits are inclusive.

    Raises ConfigError on creation if a value is out of range or contradicts another.
    """

    design: Design = "matched"

    # Outcomes.
    screen_detection_months: float = 12.0  # a cancer this long after a positive screen is screen-detected
    interval_window_months: float = (
        12.0  # ... after a negative one and before the next is interval: 12, 24, 36
    )
    positive_assessments: tuple[int, ...] = (0, 4, 5)
    negative_assessments: tuple[int, ...] = (1, 2, 3)
    min_follow_up_months: float = 24.0  # "none" needs this long without a known cancer, under follow-up

    # Index exams.
    min_months_before_diagnosis: float = 6.0
    max_months_before_diagnosis: float = 60.0
    min_age_years: float = 0.0
    max_age_years: float = 120.0
    exam_per_woman: ExamChoice = "latest"  # of women without cancer (unmatched), of all women (cohort)

    # Matched sets; the ratio also sets the number of controls of the unmatched design.
    ratio: int = 2
    match_on: tuple[str, ...] = MATCHABLE
    age_caliper_years: float = 2.0
    date_caliper_months: float = 12.0
    max_control_uses: int = 1
    allow_later_cases: bool = False  # a woman may be a control before her own diagnosis [Lubin1984]
    max_cases: Mapping[str, int] | None = None  # {"screen-detected": 1609, "interval": 351}; None: all

    # Splits.
    held_out: float = 0.26
    n_folds: int = 5

    def __post_init__(self) -> None:
        # Lists from TOML become tuples: a frozen record holds nothing that can change.
        for name in ("positive_assessments", "negative_assessments", "match_on"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.max_cases is not None:
            object.__setattr__(self, "max_cases", dict(self.max_cases))
        _one_of("design", self.design, get_args(Design))
        _one_of("exam_per_woman", self.exam_per_woman, get_args(ExamChoice))
        _at_least("screen_detection_months", self.screen_detection_months, 1)
        _at_least("interval_window_months", self.interval_window_months, 1)
        _at_least("min_follow_up_months", self.min_follow_up_months, 0)
        _at_least("min_months_before_diagnosis", self.min_months_before_diagnosis, 0)
        _at_least("age_caliper_years", self.age_caliper_years, 0)
        _at_least("date_caliper_months", self.date_caliper_months, 0)
        _at_least("ratio", self.ratio, 1)
        _at_least("max_control_uses", self.max_control_uses, 1)
        _at_least("n_folds", self.n_folds, 2)
        if not self.min_months_before_diagnosis < self.max_months_before_diagnosis:
            raise _bad(
                "min_months_before_diagnosis below max_months_before_diagnosis",
                f"{self.min_months_before_diagnosis} and {self.max_months_before_diagnosis}",
            )
        if not self.min_age_years < self.max_age_years:
            raise _bad("min_age_years below max_age_years", f"{self.min_age_years} and {self.max_age_years}")
        if not 0 <= self.held_out < 1:
            raise _bad("held_out in [0, 1), 0 for pure cross-validation", str(self.held_out))
        self._check_codes()
        if self.exam_per_woman == "all" and self.design != "cohort":
            raise _bad('exam_per_woman = "all" only with design = "cohort"', f'design = "{self.design}"')

    def _check_codes(self) -> None:
        both = set(self.positive_assessments) & set(self.negative_assessments)
        if both or not self.positive_assessments or not self.negative_assessments:
            raise _bad(
                "positive_assessments and negative_assessments that share no code and are not empty",
                f"{self.positive_assessments} and {self.negative_assessments}",
            )
        unknown = [name for name in self.match_on if name not in MATCHABLE]
        if unknown or len(set(self.match_on)) != len(self.match_on):
            raise _bad(f"match_on without repeats from {', '.join(MATCHABLE)}", ", ".join(self.match_on))
        for case_type, n in (self.max_cases or {}).items():
            if case_type not in CASE_TYPES or n < 1:
                raise _bad(
                    f"max_cases with the keys {', '.join(CASE_TYPES)} and numbers >= 1", f"{case_type} = {n}"
                )

    def limit(self, case_type: str) -> int | None:
        """The largest number of cases of this type, None for all."""
        return MappingProxyType(self.max_cases or {}).get(case_type)


def _bad(expected: str, found: str) -> ConfigError:
    return ConfigError(expected=expected, found=found, where="cohort settings")


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise _bad(f"{name} to be one of {', '.join(allowed)}", repr(value))


def _at_least(name: str, value: float, lowest: float) -> None:
    if not value >= lowest:  # catches nan
        raise _bad(f"{name} >= {lowest}", str(value))
