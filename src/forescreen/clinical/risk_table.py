"""Risks of many women by several models as one table, and the account of what was computed and what was not.

In: a questionnaire (or women), models, horizons. Out: `RiskTable`: a row per woman in the order of the input,
and an `Account` per model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from .explanation import missing
from .external import CODES, ExternalColumn
from .model import Assessment, ClinicalModel
from .reasons import AND, codes_of, in_words, sentences_of
from .women import Women


@dataclass(frozen=True, kw_only=True)
class Account:
    """One model: how many women have a risk, why the others have none, what was assumed how often.

    `reasons` and `flags` map a code to its sentence and number of women, the most frequent first; a woman may
    have several. `assumed` maps a factor to what was assumed and for how many of those with a risk.
    """

    model: str
    title: str
    version: str
    event: str
    n_women: int
    n_risks: int
    median_risk: float  # NaN without any
    median_average: float
    reasons: Mapping[str, tuple[str, int]]
    flags: Mapping[str, tuple[str, int]]
    assumed: Mapping[str, tuple[str, int]]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskTable:
    """The table as it is written, the account of each model, and who has a risk by every model."""

    table: pd.DataFrame
    accounts: tuple[Account, ...]
    complete: Bool[np.ndarray, "woman"]


def risk_table(
    women: Women,
    models: Sequence[ClinicalModel],
    *,
    horizon_years: Float[np.ndarray, "woman"] | float,
    ids: Mapping[str, np.ndarray] | None = None,
    external: Sequence[tuple[ExternalColumn, Assessment]] = (),
) -> RiskTable:
    """Risks in [0, 1], empty where there is a reason why not.

    Columns: `row` (as a spreadsheet counts, the header is row 1), the ids, `age`, `horizon_years`, `problems`
    (what is wrong with the row, used by a model or not), and for each model NAME_risk, NAME_average,
    NAME_relative (risk / average), NAME_lower, NAME_upper, NAME_reason (codes), NAME_why (sentences),
    NAME_flags (codes). Of `external` results, each of its own horizon: NAME_YEARSy_risk and _reason.
    """
    columns: dict[str, np.ndarray] = {"row": np.arange(women.n) + 2, **(ids or {})}
    columns["age"] = women.number("age")
    columns["horizon_years"] = np.broadcast_to(np.asarray(horizon_years, dtype=float), (women.n,))
    columns["problems"] = _problems(women)
    accounts = []
    complete = np.ones(women.n, dtype=bool)
    for model in models:
        found = model.assess(women, horizon_years)
        name = model.name.replace("-", "_")
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = found.risk / found.average
        columns |= {
            f"{name}_risk": found.risk,
            f"{name}_average": found.average,
            f"{name}_relative": relative,
            f"{name}_lower": found.lower,
            f"{name}_upper": found.upper,
            f"{name}_reason": codes_of(found.reasons, women.n),
            f"{name}_why": sentences_of(women, model, found),
            f"{name}_flags": codes_of(found.flags, women.n),
        }
        complete &= np.isfinite(found.risk)
        accounts.append(_account(women, model, found))
    for column, given in external:
        name = f"{column.model.replace('-', '_')}_{column.horizon_years:g}y"
        columns |= {f"{name}_risk": given.risk, f"{name}_reason": codes_of(given.reasons, women.n)}
        complete &= np.isfinite(given.risk)
        accounts.append(_external_account(column, given))
    return RiskTable(table=pd.DataFrame(columns), accounts=tuple(accounts), complete=complete)


def _problems(women: Women) -> np.ndarray:
    texts = np.full(women.n, "", dtype=object)
    for problem in women.problems:
        texts[problem.row] += f"{AND if texts[problem.row] else ''}{problem.message}"
    return texts


def _account(women: Women, model: ClinicalModel, found: Assessment) -> Account:
    answered = np.isfinite(found.risk)
    average = found.average[answered & np.isfinite(found.average)]
    # The model says of whom it assumed anything, and its uses what.
    flagged = answered & found.flags.get("factors_assumed", np.zeros(women.n, dtype=bool))
    assumed = {
        use.factor: (use.assumed, int((missing(women, use.factor) & flagged).sum()))
        for use in model.uses
        if use.assumed
    }
    return Account(
        model=model.name,
        title=model.title,
        version=model.version,
        event=model.event,
        n_women=women.n,
        n_risks=int(answered.sum()),
        median_risk=float(np.median(found.risk[answered])) if answered.any() else float("nan"),
        median_average=float(np.median(average)) if len(average) else float("nan"),
        reasons=_counted(model, found.reasons),
        flags=_counted(model, found.flags),
        assumed={factor: told for factor, told in assumed.items() if told[1]},
        notes=found.notes,
    )


def _external_account(column: ExternalColumn, given: Assessment) -> Account:
    answered = given.risk[np.isfinite(given.risk)]
    counts = {code: (CODES[code], int(mask.sum())) for code, mask in given.reasons.items()}
    return Account(
        model=column.model,
        title=column.title,
        version="as given",
        event=f"breast cancer within {column.horizon_years:g} years, as its program defines it",
        n_women=given.risk.size,
        n_risks=answered.size,
        median_risk=float(np.median(answered)) if answered.size else float("nan"),
        median_average=float("nan"),
        reasons=dict(sorted(counts.items(), key=lambda item: -item[1][1])),
        flags={},
        assumed={},
        notes=given.notes,
    )


def _counted(
    model: ClinicalModel, masks: Mapping[str, Bool[np.ndarray, "woman"]]
) -> dict[str, tuple[str, int]]:
    counts = {code: (in_words(model, code), int(mask.sum())) for code, mask in masks.items() if mask.any()}
    return dict(sorted(counts.items(), key=lambda item: -item[1][1]))
