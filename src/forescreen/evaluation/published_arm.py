"""Published clinical models as predictors of an evaluation, beside the regression that is fitted freely.

In: members (or outcomes) with the factor columns of our tables, names of models. Out: one `Published` per
model with a risk for every exam it may answer for; the notes say for how many it may not, and why. Nothing is
fitted here. The age is that at the exam, and unknown factors are assumed as each model says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import logit

from ..clinical.catalogue import model_named
from ..clinical.factors import FACTORS
from ..clinical.model import ClinicalModel
from ..clinical.questionnaire import questionnaire
from ..clinical.reasons import in_words
from ..clinical.women import Women
from ..errors import ConfigError
from .measures import Notes

#: The horizon of a model that answers several.
HORIZON_YEARS = 5.0
_SMALLEST = 1e-12


@dataclass(frozen=True, kw_only=True, eq=False)
class Published:
    """One model's risks of the exams of a table, NaN where it gives none."""

    key: str
    label: str
    description: str
    horizon_years: float
    risk: Float[np.ndarray, "row"]

    @property
    def score(self) -> Float[np.ndarray, "row"]:
        """Log odds of the risk: the scale on which an odds ratio per standard deviation means something."""
        return np.asarray(logit(np.clip(self.risk, _SMALLEST, 1 - _SMALLEST)))


def check_models(names: Sequence[str], race_as: Mapping[str, str]) -> None:
    """Names of models and levels of race that exist; raises ConfigError for others, and for a model twice."""
    known = [model_named(name).name for name in names]
    if len(set(known)) < len(known):
        raise ConfigError(
            expected="each model once", found=", ".join(names), where="[evaluation] clinical_models"
        )
    levels = FACTORS["race"].levels
    wrong = sorted({level for level in race_as.values() if level not in levels})
    if wrong:
        raise ConfigError(
            expected=f"levels of race among {', '.join(levels)}",
            found=", ".join(wrong),
            where="[evaluation] race_as",
        )


def women_of(table: pd.DataFrame, race_as: Mapping[str, str], *, where: str) -> Women:
    """The women of a table of members or outcomes, a row each.

    `race_as` says how a level of the table's race is to be read where a model tells women apart more finely
    ({"asian": "other asian"}). Cells that contradict each other or lie outside their range become problems of
    the row. Raises FactorError where the table has no factor at all.
    """
    cells = pd.DataFrame(index=table.index)
    for name in FACTORS:
        if name in table:
            column = table[name]
            text = column.map("{:.10g}".format) if column.dtype.kind in "fiu" else column.astype(str)
            cells[name] = text.where(column.notna(), "").str.strip()
    if "race" in cells and race_as:
        plain = {level.strip().lower(): meant for level, meant in race_as.items()}
        cells["race"] = [plain.get(cell.lower(), cell) for cell in cells["race"]]
    return questionnaire(cells, where=where).women


def published_models(
    table: pd.DataFrame,
    names: Sequence[str],
    *,
    race_as: Mapping[str, str],
    judged: Bool[np.ndarray, "row"],
    notes: Notes,
    horizon_years: float = HORIZON_YEARS,
) -> tuple[Published, ...]:
    """The named models on the rows of `table`; `judged` are the exams that the notes count.

    A model that gives nobody of them a risk is left out, with a note. Raises ConfigError for a name that is
    no model, FactorError where the table has no factor.
    """
    if not names:
        return ()
    check_models(names, race_as)
    women = women_of(table, race_as, where="clinical models")
    if race_as:
        said = ", ".join(f"{level} as {meant}" for level, meant in race_as.items())
        notes.add(f"Published models read the race of the table as the plan says: {said}.")
    counted = judged & ~table["exam_id" if "exam_id" in table else "key"].duplicated().to_numpy()
    given = frozenset(map(str, table.columns))
    found = (_one(model_named(name), women, given, horizon_years, counted, notes) for name in names)
    return tuple(one for one in found if one is not None)


def _one(
    model: ClinicalModel,
    women: Women,
    given: frozenset[str],
    horizon_years: float,
    counted: Bool[np.ndarray, "row"],
    notes: Notes,
) -> Published | None:
    shortest, longest = model.horizons_years
    horizon = float(np.clip(horizon_years, shortest, longest))
    answer = model.assess(women, horizon)
    without = counted & np.isnan(answer.risk)
    n, n_without = int(counted.sum()), int(without.sum())
    if n_without:
        reasons = {
            in_words(model, code): int((mask & without).sum()) for code, mask in answer.reasons.items()
        }
        told = "; ".join(f"{words} ({number})" for words, number in reasons.items() if number)
        notes.add(f"{model.title} gives no risk for {n_without} of {n} judged exams: {told}.")
    if n_without == n:
        notes.add(f"{model.title} is left out of every comparison: it gives nobody a risk.")
        return None
    assumed = {in_words(model, code): int((mask & counted).sum()) for code, mask in answer.flags.items()}
    told = "; ".join(f"{words} ({number} of {n})" for words, number in assumed.items() if number)
    for note in (told, *answer.notes):
        if note:
            notes.add(f"{model.title}: {note.rstrip('.')}.")
    used = [use.factor for use in model.uses if use.factor in given and women.known(use.factor).any()]
    return Published(
        key=model.name,
        label=model.title,
        description=f"Published model, not fitted here ({model.version}): {model.event}, "
        f"{horizon:g} year{'' if horizon == 1 else 's'}, from {', '.join(used).replace('_', ' ')}",
        horizon_years=horizon,
        risk=answer.risk,
    )
