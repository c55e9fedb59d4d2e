"""Members whose clinical factors are unknown: m completed copies, or "unknown" as a level of its own.

In: the members' table, the factors of the plan, what the plan says about missing data. Out: for inference,
completed tables of members; for prediction, `Covariates`, which fit and apply the regressions of the clinical
and combined models. The two are kept apart:

- odds ratios are *inference*: the draws know the outcome, the mode of detection and the members of the set
  [Seaman2015];
- scores are *predictions*: no outcome enters any draw, of development or of held-out women, because none is
  known where a score is needed, and equations are fitted on the women that models are fitted on [Sisk2023].
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Shaped

from ..clinical.covariates import design, with_unknown_levels
from ..records import Outcome
from ..statistics.chained_equations import Variable, chained_imputations
from .factor_odds import like
from .plan import COMPLETE, INDICATOR, MULTIPLE_IMPUTATION
from .predictors import regression_score, stack

#: Columns that stand in every equation where the table has them: matching variables, and what goes with them.
BESIDE = ("age", "exam_date", "race", "site", "machine")
#: Levels of those with fewer members are one level.
_SMALL_LEVEL = 20
#: And no more levels than the most frequent ones.
_MOST_LEVELS = 30
#: Factors that are words in the table; the others are numbers, or 0 and 1.
_LEVELS = {"menopause": ("pre", "post"), "density": ("a", "b", "c", "d")}
_DAYS_PER_YEAR = 365.25

Group = tuple[Bool[np.ndarray, "member"], Bool[np.ndarray, "member"]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Covariates:
    """The factors as the regressions see them, for each group that a fit predicts: one matrix, or one per
    imputation. `spare` are names that a fit may drop where others determine them."""

    names: tuple[str, ...]
    factors: tuple[str, ...]
    groups: tuple[tuple[Group, tuple[Float[np.ndarray, "member covariate"], ...]], ...]
    spare: tuple[str, ...] = ()

    @property
    def n_imputations(self) -> int:
        """1 where nothing was imputed."""
        return len(self.groups[0][1]) if self.groups else 1

    @property
    def in_words(self) -> str:
        """The factors for readers, and what was done about unknown ones."""
        words = ", ".join(factor.replace("_", " ") for factor in self.factors)
        if self.n_imputations > 1:
            return f"{words}; unknown factors drawn {self.n_imputations} times"
        return f"{words}; “unknown” is a level of its own" if self.spare else words

    def scores(
        self,
        members: pd.DataFrame,
        *,
        case_type: str,
        matched: bool,
        image: Float[np.ndarray, "member"] | None = None,
    ) -> Float[np.ndarray, "imputation member"]:
        """Linear predictor of the regression on the factors (and the image score), by imputation.

        Each member is predicted from members that exclude her, see `predictors.regression_score`; nan where
        nothing predicts her. Raises TooFewEventsError as that does.
        """
        result = np.full((self.n_imputations, len(members)), np.nan)
        before: tuple[str, ...] = () if image is None else ("image score",)
        for group, matrices in self.groups:
            for i, X in enumerate(matrices):
                score = regression_score(
                    members,
                    X if image is None else np.concatenate([stack(image), X], axis=1),
                    names=(*before, *self.names),
                    case_type=case_type,
                    matched=matched,
                    train_groups=[group],
                    spare=self.spare,
                )
                result[i, group[1]] = score[group[1]]
        return result


def covariates(
    members: pd.DataFrame,
    factors: tuple[str, ...],
    *,
    missing: str,
    n_imputations: int,
    train_groups: Sequence[Group],
    seed: int,
) -> Covariates:
    """The factors for prediction, as the plan's `missing` says: unknown ones left unknown ("complete"), drawn
    without any outcome from the members that each group is fitted on ("multiple imputation"), or a level of
    their own ("indicator"). Raises InputError where a factor is known of too few to be drawn."""
    plain = design(members, factors)
    groups: list[tuple[Group, tuple[Float[np.ndarray, "member covariate"], ...]]] = []
    spare: tuple[str, ...] = ()
    names = plain.names
    for number, group in enumerate(train_groups):
        matrices: tuple[Float[np.ndarray, "member covariate"], ...] = (plain.X,)
        if missing == INDICATOR and not plain.complete.all():
            filled = with_unknown_levels(plain, reference=group[0])
            matrices, names, spare = (filled.X,), filled.names, filled.names[len(plain.columns) :]
        elif missing == MULTIPLE_IMPUTATION and not plain.complete.all():
            tables = _completed(
                members,
                factors,
                beside=_beside(members, ()),
                fit=group[0],
                sets=None,
                n_imputations=n_imputations,
                seed=seed + number,
            )
            matrices = tuple(like(plain, table, factors).X for table in tables)
        else:
            assert missing in (COMPLETE, INDICATOR, MULTIPLE_IMPUTATION)
        groups.append((group, matrices))
    shown = tuple(dict.fromkeys(column.factor for column in plain.columns))
    return Covariates(names=names, factors=shown, groups=tuple(groups), spare=spare)


def completed_members(
    members: pd.DataFrame, factors: tuple[str, ...], *, matched: bool, n_imputations: int, seed: int
) -> tuple[pd.DataFrame, ...]:
    """Copies of the members with the unknown factors drawn, for inference; () where no factor is unknown.

    The equations hold what the odds ratios are about: outcome by mode of detection and, for cases, months to
    diagnosis; the mode that a set is about; age, year, race, site and machine, on which sets are matched;
    the mean of every factor over the other members of the set. All members are fitted on.
    """
    if design(members, factors).complete.all():
        return ()
    return tuple(
        _completed(
            members,
            factors,
            beside=_beside(members, _outcome_columns(members, matched)),
            fit=np.ones(len(members), dtype=bool),
            sets=members["set_id"].to_numpy(dtype=object) if matched else None,
            n_imputations=n_imputations,
            seed=seed,
        )
    )


def _completed(
    members: pd.DataFrame,
    factors: tuple[str, ...],
    *,
    beside: Float[np.ndarray, "member column"],
    fit: Bool[np.ndarray, "member"],
    sets: Shaped[np.ndarray, "member"] | None,
    n_imputations: int,
    seed: int,
) -> Iterator[pd.DataFrame]:
    variables = _variables(members, factors)
    copies = chained_imputations(
        variables, beside=beside, fit=fit, sets=sets, n_imputations=n_imputations, seed=seed
    )
    for copy in copies:
        table = members.copy()
        for j, variable in enumerate(variables):
            _write(table, variable.name, copy[:, j])
        yield table


def _variables(members: pd.DataFrame, factors: tuple[str, ...]) -> list[Variable]:
    """The factors as numbers and codes; those of which nothing is known are left out."""
    found: list[Variable] = []
    for factor in factors:
        if factor == "first_birth":
            found += _first_birth(members)
        elif factor == "age" and members["age"].notna().all():
            continue  # complete: it stands beside
        elif factor in _LEVELS:
            text = members[factor].astype(str).to_numpy()
            codes = np.full(len(members), np.nan)
            for code, level in enumerate(_LEVELS[factor]):
                codes[text == level] = code
            several = tuple(map(float, range(len(_LEVELS[factor])))) if len(_LEVELS[factor]) > 2 else ()
            found.append(Variable(name=factor, values=codes, levels=several))
        else:
            found.append(Variable(name=factor, values=np.array(members[factor], dtype=float)))
    return [variable for variable in found if np.isfinite(variable.values).any()]


def _first_birth(members: pd.DataFrame) -> list[Variable]:
    """Any birth, and the age at the first, which only mothers have. A known age says that there was one."""
    parity = np.array(members["parity"], dtype=float)
    age = np.array(members["first_birth_age"], dtype=float)
    mother = np.where(np.isnan(parity), np.where(np.isnan(age), np.nan, 1.0), (parity > 0).astype(float))
    return [
        Variable(name="parity", values=mother),
        Variable(name="first_birth_age", values=np.where(mother == 0, np.nan, age), only_if="parity"),
    ]


def _write(table: pd.DataFrame, name: str, values: Float[np.ndarray, "member"]) -> None:
    """The drawn values where the table has none; a drawn parity is 0 or 1, for any birth."""
    if name in _LEVELS:
        words = np.array(_LEVELS[name], dtype=object)[values.astype(np.int64)]
        table[name] = words
        return
    given = np.array(table[name], dtype=float)
    table[name] = np.where(np.isnan(given), values, given)


def _beside(
    members: pd.DataFrame, more: Sequence[Float[np.ndarray, "member"]]
) -> Float[np.ndarray, "member column"]:
    """Complete columns: matching variables, levels of text as indicators ("unknown" is one of them)."""
    columns: list[Float[np.ndarray, "member"]] = list(more)
    for name in BESIDE:
        if name not in members:
            continue
        values = members[name]
        if name == "exam_date":
            values = pd.to_datetime(values, format="%Y-%m-%d", errors="coerce")
            values = (values - values.min()).dt.days / _DAYS_PER_YEAR
        if values.dtype.kind in "fiu":
            known = values.notna()
            if name != "age" or known.all():  # an unknown age is drawn as the others are
                columns.append(np.where(known, values, values[known].mean() if known.any() else 0.0))
            continue
        text = values.fillna("").astype(str)
        counts = text.value_counts()
        kept = sorted(counts.index[counts >= _SMALL_LEVEL][:_MOST_LEVELS])
        columns += [np.asarray(text == level, dtype=float) for level in kept[1:]]
    return np.column_stack(columns) if columns else np.empty((len(members), 0))


def _outcome_columns(members: pd.DataFrame, matched: bool) -> list[Float[np.ndarray, "member"]]:
    """Case marks by mode of detection, months to diagnosis among cases, and the mode that a set is about."""
    kinds = [kind.value for kind in Outcome if kind != Outcome.NONE and (members["outcome"] == kind).any()]
    columns = [np.asarray(members["outcome"] == kind, dtype=float) for kind in kinds]
    if matched:
        columns += [np.asarray(members["case_type"] == kind, dtype=float) for kind in kinds[1:]]
    if "months_to_diagnosis" in members:
        months = pd.to_numeric(members["months_to_diagnosis"], errors="coerce").to_numpy(dtype=float)
        known = np.isfinite(months) & np.isin(members["outcome"], kinds)
        if known.any():
            columns.append(np.where(known, months - months[known].mean(), 0.0))
    return columns
