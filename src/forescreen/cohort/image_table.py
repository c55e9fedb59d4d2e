"""Members from a table of images in Mirai's columns: studies without a registry.

In: rows of patient_id, exam_id, years_to_cancer, years_to_last_followup (one per image or per exam), and
where known split_group, mode and the columns of members.csv. Out: a Cohort of the unmatched design.

    cancer  12 · years_to_cancer in [min_months_before_diagnosis, max_months_before_diagnosis)
    none    12 · years_to_cancer >= max_months_before_diagnosis (100 = never) and
            12 · years_to_last_followup >= min_follow_up_months

years_to_cancer counts whole years; 0 is a cancer on this mammogram, which is detection: it enters only
with min_months_before_diagnosis = 0. Fractions of years are used as they are, where Mirai truncates.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import CohortError, TooFewEventsError
from ..identity import AS_GIVEN, Pseudonyms
from ..records import Outcome
from .columns import EXAMS, WOMEN, Column, rows_of, typed
from .eligibility import Exclusion, FlowStep, narrowed
from .members import CASE, CONTROL, Cohort, add_splits, as_members
from .settings import CASE_TYPES, CohortConfig
from .splits import DEVELOPMENT, HELD_OUT

#: Members' columns that are taken over where the table has them.
_KNOWN = tuple(
    column
    for column in (*WOMEN, *EXAMS)
    if column.name
    in {"race", "family_history", "breast_biopsy", "menarche_age", "parity", "first_birth_age", "machine",
        "site", "bmi", "menopause", "hormone_therapy", "density", "percent_density"}
)  # fmt: skip

IMAGE_TABLE = (
    Column(name="patient_id", kind="id", required=True, filled=True),
    Column(name="exam_id", kind="id", required=True, filled=True),
    Column(name="years_to_cancer", kind="number", required=True, filled=True, lower=0, upper=1000),
    Column(name="years_to_last_followup", kind="number", required=True, filled=True, lower=0, upper=1000),
    Column(name="split_group", kind="code", codes=("train", "dev", "test")),
    Column(name="mode", kind="code", codes=CASE_TYPES),
    Column(name="exam_date", kind="date"),
    Column(name="age", kind="number", lower=0, upper=120),
    *_KNOWN,
)


def members_from_image_table(
    table: pd.DataFrame, config: CohortConfig, *, seed: int, pseudonyms: Pseudonyms = AS_GIVEN
) -> Cohort:
    """Exams of an image table as members of an unmatched study; folds by woman.

    Outcome is the mode of detection if the table has a column `mode` with any entry (cancers without one
    are then excluded and counted), else "cancer". `split_group` "test" is the held-out part and the
    others are dealt into folds; without the column `config.held_out` decides. `exam_per_woman`,
    `max_cases` and matching are not applied. Weights are 1: how the images were sampled is not known.

    Not accepted: exams whose images disagree, an exam_id of two women, a woman in test and elsewhere.
    Raises CohortError, or TooFewEventsError without cancers or with too few for the folds.
    """
    where = "image table"
    if table.empty:
        raise CohortError(expected="at least one row below the header", found="none", where=where)
    rows = typed(_as_text(table), IMAGE_TABLE, where=where)
    _check_agreement(rows, where)
    exams = rows.drop_duplicates("exam_id").sort_values(["patient_id", "exam_id"], ignore_index=True)
    years = exams["years_to_cancer"].to_numpy(dtype=float)
    outcome = _outcomes(exams, config)
    kept, flow = _flow(exams, outcome, years, config)
    ill = outcome != Outcome.NONE.value
    if (ill & (12 * years < config.min_months_before_diagnosis)).sum() == ill.sum() > 0:
        raise CohortError(
            expected=f"cancers at least {config.min_months_before_diagnosis:g} months after the exam",
            found=f"{ill.sum()} exams with cancer, all earlier (years_to_cancer 0: on this mammogram)",
            where=where,
            remedy="That is detection, not risk: allow it with min_months_before_diagnosis = 0",
        )
    exams, outcome, years = exams[kept].reset_index(drop=True), outcome[kept], years[kept]
    is_case = outcome != Outcome.NONE.value
    for n, what in (
        (int(is_case.sum()), "a study of cancers"),
        (int((~is_case).sum()), "a study with controls"),
    ):
        if not n:
            raise TooFewEventsError(what, found=0, needed=1, where=where)
    taken = ("exam_date", "age", *(column.name for column in _KNOWN))
    members = as_members(
        {
            "woman_id": [pseudonyms.woman(number) for number in exams["patient_id"]],
            "exam_id": [pseudonyms.exam(number) for number in exams["exam_id"]],
            "role": np.where(is_case, CASE, CONTROL),
            "outcome": outcome,
            "months_to_diagnosis": np.where(is_case, 12 * years, np.nan),
            "weight": np.ones(len(exams)),
            **{name: exams[name].to_numpy() for name in taken},
        }
    )
    _split(members, exams["split_group"], config, seed)
    total = FlowStep(
        step="Members", n_women=members["woman_id"].nunique(), n_exams=len(members), branch="members"
    )
    return Cohort(members=members, flow=(*flow, total))


def _as_text(table: pd.DataFrame) -> pd.DataFrame:
    text = table.astype(object).where(table.notna(), "")
    return text.map(str).reset_index(drop=True)


def _check_agreement(rows: pd.DataFrame, where: str) -> None:
    first = rows.groupby("exam_id", sort=False, observed=True).transform("first")
    for name in ("patient_id", "years_to_cancer", "years_to_last_followup", "split_group", "mode"):
        same = (rows[name] == first[name]) | (rows[name].isna() & first[name].isna())
        if not same.all():
            raise CohortError(
                expected=f"one {name} per exam_id",
                found=f"another than in the exam's first row in {rows_of(~same.to_numpy(dtype=bool))}",
                where=where,
                remedy="Number exams across women: put patient and exam together"
                if name == "patient_id"
                else "",
            )
    in_test = rows["split_group"] == "test"
    mixed = in_test.groupby(rows["patient_id"]).transform("nunique").to_numpy() > 1
    if mixed.any():
        raise CohortError(
            expected="each woman either in test or not", found=f"both in {rows_of(mixed)}", where=where
        )


def _outcomes(exams: pd.DataFrame, config: CohortConfig) -> np.ndarray:
    """Outcome by exam; "" for a cancer without a mode in a table that has modes."""
    ill = 12 * exams["years_to_cancer"].to_numpy(dtype=float) < config.max_months_before_diagnosis
    cancer: np.ndarray = np.full(len(exams), Outcome.CANCER.value, dtype=object)
    if exams["mode"].notna().any():
        cancer = exams["mode"].astype(object).fillna("").to_numpy(dtype=object)
    return np.where(ill, cancer, Outcome.NONE.value).astype(object)


def _flow(
    exams: pd.DataFrame, outcome: np.ndarray, years: Float[np.ndarray, "exam"], config: CohortConfig
) -> tuple[Bool[np.ndarray, "exam"], list[FlowStep]]:
    ill = outcome != Outcome.NONE.value
    followed = 12 * exams["years_to_last_followup"].to_numpy(dtype=float) >= config.min_follow_up_months
    kept = np.ones(len(exams), dtype=bool)
    excluded = []
    for reason, out in (
        (f"cancer within {config.min_months_before_diagnosis:g} months after the exam",
         ill & (12 * years < config.min_months_before_diagnosis)),
        ("cancer without mode of detection", outcome == ""),
        (f"less than {config.min_follow_up_months:g} months of follow-up", ~ill & ~followed),
    ):  # fmt: skip
        excluded.append(Exclusion(reason, int((kept & out).sum())))
        kept &= ~out
    start = FlowStep(step="Image table", n_women=exams["patient_id"].nunique(), n_exams=len(exams))
    n_women = exams["patient_id"][kept].nunique()
    end = narrowed(
        start, "Exams with a known outcome", excluded=excluded, n_women=n_women, n_exams=int(kept.sum())
    )
    return kept, [start, end]


def _split(members: pd.DataFrame, group: pd.Series, config: CohortConfig, seed: int) -> None:
    generator = np.random.default_rng([seed, 2])
    if group.isna().all():
        add_splits(members, config, generator=generator)
        return
    test = (group == "test").to_numpy()
    development = members[~test].copy()
    if development.empty:
        raise CohortError(expected="exams outside split_group test", found="none", where="image table")
    add_splits(development, replace(config, held_out=0.0), generator=generator)
    members["split"] = pd.Series(np.where(test, HELD_OUT, DEVELOPMENT), index=members.index, dtype=str)
    members["fold"] = development["fold"].reindex(members.index)
