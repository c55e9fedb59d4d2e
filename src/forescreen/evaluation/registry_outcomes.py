"""Registry tables → outcomes of every negative screening exam, with the time to cancer or censoring.

In: a folder with women.csv, exams.csv, cancers.csv. Out: `Outcomes`. Unlike the cohorts of a case-control
study, nobody is left out for a short follow-up: it ends in a censoring, which the estimators know how to
use. A cancer without a mode of detection counts as a cancer, and competes with both modes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..cohort.eligibility import ages_years, eligible_exams, one_exam_per_woman
from ..cohort.follow_up import REASONS, follow_up
from ..cohort.registry import RegistryTables, days, read_registry
from ..cohort.settings import DAYS_PER_YEAR
from ..errors import CohortError
from ..files import plain
from ..records import Outcome
from .comparison_plan import ComparisonPlan
from .outcome_times import DEATH
from .outcomes import LeftOut, Outcomes

_FROM_EXAMS = ("site", "machine", "density", "menopause", "bmi", "hormone_therapy", "percent_density")
_FROM_WOMEN = ("race", "family_history", "breast_biopsy", "menarche_age", "parity", "first_birth_age")


def registry_outcomes(folder: Path, plan: ComparisonPlan) -> Outcomes:
    """All eligible exams of the registry; which exams of a woman count is `exam_per_woman` of the plan.

    Raises CohortError for tables that contradict themselves and for a registry without an eligible exam.
    """
    return outcomes_of_tables(read_registry(folder), plan, source=folder.name)


def outcomes_of_tables(tables: RegistryTables, plan: ComparisonPlan, *, source: str) -> Outcomes:
    """The same from tables in memory; `source` is what messages call them."""
    follow = follow_up(tables, plan.registry)
    eligible = eligible_exams(tables, follow, config=plan.registry)
    woman = tables.exams["woman"].to_numpy()[eligible.exam]
    when = days(tables.exams["exam_date"])[eligible.exam]
    diagnosis, end = follow.diagnosis[woman], follow.end[woman]
    died = days(tables.women["death_date"])[woman]
    ill = diagnosis <= end
    kept = np.ones(len(eligible.exam), dtype=bool)
    if plan.registry.exam_per_woman != "all":
        kept = one_exam_per_woman(
            woman,
            kept,
            choice=plan.registry.exam_per_woman,
            generator=np.random.default_rng(plan.evaluation.seed),
        )
    if not kept.any():
        raise CohortError(expected="at least one eligible exam", found="none", where="registry")
    mode = follow.mode[woman]
    outcome = np.where(ill, np.where(mode == "", Outcome.CANCER.value, mode), Outcome.NONE.value)
    outcome = np.where(~ill & (died <= end), DEATH, outcome).astype(object)
    time = (np.minimum(diagnosis, end) - when) / DAYS_PER_YEAR
    exams = tables.exams.iloc[eligible.exam[kept]]
    women = tables.women.iloc[woman[kept]]
    table = pd.DataFrame(
        {
            "key": exams["exam_id"].to_numpy(dtype=object),
            "woman_id": women["woman_id"].to_numpy(dtype=object),
            "outcome": outcome[kept],
            "time_years": time[kept],
            "set_id": "",
            "case_type": "",
            "weight": 1.0,
            "slack_years": 0.0,
            "age": ages_years(tables)[eligible.exam[kept]],
        }
    )
    for cells, names in ((exams, _FROM_EXAMS), (women, _FROM_WOMEN)):
        for name in names:
            if name not in tables.missing:
                column = cells[name].reset_index(drop=True)
                table[name] = column if column.dtype.kind == "f" else column.astype(object).fillna("")
    without = [(reason, int((ill & kept & (follow.reason[woman] == reason)).sum())) for reason in REASONS]
    left_out = []
    if not kept.all():
        left_out.append(
            LeftOut(
                what="other exams of the same woman",
                n=int((~kept).sum()),
                unit="exams",
                reason=f"one exam per woman is used ({plan.registry.exam_per_woman})",
                remedy='exam_per_woman = "all" in [registry] of the plan uses them all',
            )
        )
    return Outcomes(
        table=table,
        timed=True,
        weighted=False,
        matched=False,
        clustered=bool(table["woman_id"].duplicated().any()),
        unit="exam",
        source=source,
        left_out=tuple(left_out),
        known_otherwise=frozenset(tables.exams["exam_id"]) - frozenset(table["key"]),
        notes=tuple(
            f"{n} exams before a cancer without a mode of detection ({reason}): it counts as a cancer of any "
            "kind and competes with both modes."
            for reason, n in without
            if n
        ),
        flow=tuple(plain(step) for step in eligible.flow),
    )
