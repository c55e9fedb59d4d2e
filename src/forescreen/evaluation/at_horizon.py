"""Who is a case, who is a control and who belongs to the population, for one kind of cancer by one horizon.

In: joined rows, a kind of cancer, a horizon. Out: `AtHorizon`: the sample on which discrimination is judged
(all rows under follow-up, so that the censoring is estimated from everybody), and the population whose
status at the horizon is known, weighted for those who were censored before. In the population another kind
of cancer, or death, before the horizon is not the event; in the sample it makes neither case nor control.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from ..records import Outcome
from ..statistics.censoring import inverse_probability_weights
from .joined import Joined
from .measures import FollowedUp, Sample
from .outcome_times import CANCERS, DEATH
from .predictions import ANY


@dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """Rows whose status at the horizon is known, and the weights that make them the population again.

    `weights` are sampling weights times inverse probabilities of staying under follow-up.
    """

    rows: Int[np.ndarray, "known"]
    case: Bool[np.ndarray, "known"]
    weights: Float[np.ndarray, "known"]
    women: Shaped[np.ndarray, "known"]
    weighted: bool  # not all weights are equal
    clustered: bool  # some woman has several rows

    @property
    def weights_or_none(self) -> Float[np.ndarray, "known"] | None:
        """The weights where they differ, else None."""
        return self.weights if self.weighted else None

    @property
    def women_or_none(self) -> Shaped[np.ndarray, "known"] | None:
        """The woman of each row where some has several, else None."""
        return self.women if self.clustered else None


@dataclass(frozen=True, kw_only=True, eq=False)
class AtHorizon:
    """One kind of cancer by one horizon (None: by the end of follow-up, taken as complete)."""

    case_type: str
    horizon_years: float | None
    members: Bool[np.ndarray, "row"]  # joined rows that are in the sample
    sample: Sample  # of the members
    binary: Sample  # cases and controls at the horizon
    binary_members: Bool[np.ndarray, "member"]  # the members that these are
    population: Population | None  # None in matched sets without weights: no population is known


def at_horizon(
    joined: Joined, case_type: str, horizon_years: float | None, *, prevalence: float | None, design: str
) -> AtHorizon:
    """The sample and the population of one kind of cancer by one horizon."""
    table, outcomes = joined.table, joined.outcomes
    is_case = cases_of(table, case_type)
    other = table["outcome"].isin([*CANCERS, DEATH]).to_numpy() & ~is_case
    # Numbers stand for women from here on: text is slow to group by, and nothing below needs it.
    women = np.unique(table["woman_id"].to_numpy(dtype=str), return_inverse=True)[1]
    weights = table["weight"].to_numpy(dtype=float)
    if outcomes.matched:
        members = _matched_members(table, case_type, is_case)
        own = women[members]
        sample = Sample(
            case=is_case[members],
            sets=table["set_id"].to_numpy(dtype=object)[members].astype(str),
            women=own if len(np.unique(own)) < len(own) else None,
        )
        population = None
        if outcomes.weighted:
            population = _population(is_case, other, weights, women, None)
        everyone = np.ones(int(members.sum()), dtype=bool)
        return AtHorizon(
            case_type=case_type,
            horizon_years=None,
            members=members,
            sample=sample,
            binary=sample,
            binary_members=everyone,
            population=population,
        )
    several = women if outcomes.clustered else None
    given = weights if outcomes.weighted else None
    if horizon_years is None:
        members = ~other
        sample = Sample(
            case=is_case[members],
            sets=None,
            women=None if several is None else several[members],
            weights=None if given is None else given[members],
        )
        population_weights: Float[np.ndarray, "row"] | None = weights
        if design == "case-control":
            population_weights = _weights_of_prevalence(
                np.asarray(table["outcome"].isin(CANCERS)), weights, prevalence
            )
        return AtHorizon(
            case_type=case_type,
            horizon_years=None,
            members=members,
            sample=sample,
            binary=sample,
            binary_members=np.ones(int(members.sum()), dtype=bool),
            population=None
            if population_weights is None
            else _population(is_case, other, population_weights, women, None),
        )
    time = table["time_years"].to_numpy(dtype=float)
    event = np.where(is_case, 1, np.where(other, 2, 0)).astype(np.int64)
    by_then = time <= horizon_years
    follow_up = FollowedUp(time=time, event=event, horizon=horizon_years)
    sample = Sample(case=is_case & by_then, sets=None, women=several, weights=given, follow_up=follow_up)
    censoring = inverse_probability_weights(time, event, horizon=horizon_years, weights=given)
    known = censoring > 0
    binary_members = known & ~(other & by_then)
    binary = Sample(
        case=(is_case & by_then)[binary_members],
        sets=None,
        women=None if several is None else several[binary_members],
        weights=censoring[binary_members],
    )
    return AtHorizon(
        case_type=case_type,
        horizon_years=horizon_years,
        members=np.ones(len(table), dtype=bool),
        sample=sample,
        binary=binary,
        binary_members=binary_members,
        population=_population(is_case & by_then, other & by_then, censoring, women, known),
    )


def cases_of(table: pd.DataFrame, case_type: str) -> Bool[np.ndarray, "row"]:
    """Rows whose outcome is this kind of cancer, at whatever time."""
    if case_type == ANY:
        return np.asarray(table["outcome"].isin(CANCERS))
    return np.asarray(table["outcome"] == case_type)


def _matched_members(
    table: pd.DataFrame, case_type: str, is_case: Bool[np.ndarray, "row"]
) -> Bool[np.ndarray, "row"]:
    """The members of the sets that have a case of this type; cases of another type are no controls."""
    sets = table["set_id"].to_numpy(dtype=object).astype(str)
    own = np.isin(sets, np.unique(sets[is_case]))
    return np.asarray(own & (is_case | (table["outcome"] == Outcome.NONE.value).to_numpy()))


def _weights_of_prevalence(
    ill: Bool[np.ndarray, "row"], weights: Float[np.ndarray, "row"], prevalence: float | None
) -> Float[np.ndarray, "row"] | None:
    """Weights that give cancers (of any kind) the share they have in the population; None if it is not
    stated.

    The modes of detection keep the proportions that they have in the sample.
    """
    if prevalence is None:
        return None
    n, total, cancers = len(ill), float(weights.sum()), float(weights[ill].sum())
    factor = np.where(ill, prevalence * n / cancers, (1 - prevalence) * n / (total - cancers))
    return weights * factor


def _population(
    case: Bool[np.ndarray, "row"],
    other: Bool[np.ndarray, "row"],
    weights: Float[np.ndarray, "row"],
    women: Shaped[np.ndarray, "row"],
    known: Bool[np.ndarray, "row"] | None,
) -> Population:
    rows = np.arange(len(case)) if known is None else np.flatnonzero(known)
    w = weights[rows]
    return Population(
        rows=rows,
        case=case[rows] & ~other[rows],
        weights=w,
        women=women[rows],
        weighted=bool(np.ptp(w) > 0),
        clustered=len(pd.unique(women[rows])) < len(rows),
    )
