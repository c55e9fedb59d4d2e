"""Dates to outcome: how each woman's first cancer was detected, and until when she is known free of it.

In: the registry tables. Out: one record of arrays, by woman. The latest screen up to the diagnosis
decides the mode of detection, as in [Zhu2021] and [Kerlikowske2018]:

    screen-detected   latest screen positive, 0 <= diagnosis - screen <= screen_detection_months
    interval          latest screen negative, 0 <= diagnosis - screen <= interval_window_months, invasive

"Before the next screen" needs no condition of its own: no screen lies between the latest one and the
diagnosis. Of several screens on one day a positive one counts. Everything else is a cancer without a
mode and keeps the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped

from ..records import Outcome
from .registry import NEVER, RegistryTables, days
from .settings import DAYS_PER_MONTH, CohortConfig

#: Why a cancer has no mode of detection.
IN_SITU = "in situ cancer after a negative screen"
NO_SCREEN = "no screen within the window before the cancer"
NO_ASSESSMENT = "latest screen before the cancer without a usable assessment"
NOT_FOLLOWED = "cancer after the end of follow-up"
REASONS = (IN_SITU, NO_SCREEN, NO_ASSESSMENT, NOT_FOLLOWED)


@dataclass(frozen=True, kw_only=True, eq=False)
class FollowUp:
    """What became of each woman; days since 1970-01-01, in the order of `tables.women`."""

    diagnosis: Int[np.ndarray, "woman"]  # first cancer, NEVER if none is known
    mode: Shaped[np.ndarray, "woman"]  # Outcome value, "" without cancer or without mode
    reason: Shaped[np.ndarray, "woman"]  # why a cancer has no mode, else ""
    end: Int[np.ndarray, "woman"]  # last day on which she was alive and followed
    free_until: Int[np.ndarray, "woman"]  # last day on which she was followed and free of cancer


def follow_up(tables: RegistryTables, config: CohortConfig) -> FollowUp:
    """Outcome of each woman by mode of detection, from the first cancer of each.

    A second cancer changes nothing: a woman is at risk until the first. An in situ and an invasive
    cancer of one day count as invasive.
    """
    n_women = len(tables.women)
    end = np.minimum(days(tables.women["follow_up_end"]), days(tables.women["death_date"]))
    diagnosis = np.full(n_women, NEVER)
    invasive = np.zeros(n_women, dtype=bool)
    first = ~tables.cancers["woman"].duplicated().to_numpy()  # sorted by woman, date, invasive first
    ill = tables.cancers["woman"].to_numpy()[first]
    diagnosis[ill] = days(tables.cancers["diagnosis_date"])[first]
    invasive[ill] = (tables.cancers["behaviour"] == "invasive").to_numpy()[first]

    screen, result = _latest_screen(tables, diagnosis, config)
    gap_months = (diagnosis - screen) / DAYS_PER_MONTH
    positive, negative = result == 1, result == 0
    soon_after_positive = positive & (gap_months <= config.screen_detection_months)
    soon_after_negative = negative & (gap_months <= config.interval_window_months)
    ill_mask = diagnosis < NEVER
    followed = diagnosis <= end
    mode = np.full(n_women, "", dtype=object)
    mode[ill_mask & followed & soon_after_positive] = Outcome.SCREEN_DETECTED.value
    mode[ill_mask & followed & soon_after_negative & invasive] = Outcome.INTERVAL.value
    reason = np.full(n_women, "", dtype=object)
    without = ill_mask & (mode == "")
    reason[without] = NO_SCREEN
    reason[without & (result == -1) & (screen > -NEVER)] = NO_ASSESSMENT
    reason[without & soon_after_negative & ~invasive] = IN_SITU
    reason[without & ~followed] = NOT_FOLLOWED
    return FollowUp(
        diagnosis=diagnosis,
        mode=mode,
        reason=reason,
        end=end,
        free_until=np.minimum(end, diagnosis - 1),
    )


def assessment_results(tables: RegistryTables, config: CohortConfig) -> Int[np.ndarray, "exam"]:
    """1 for positive, 0 for negative, -1 for no or another assessment, by exam."""
    category = tables.exams["assessment"].cat.codes.to_numpy().astype(np.int64)  # BI-RADS 0..6, -1 empty
    result = np.full(len(category), -1)
    result[np.isin(category, config.positive_assessments)] = 1
    result[np.isin(category, config.negative_assessments)] = 0
    return result


def _latest_screen(
    tables: RegistryTables, diagnosis: Int[np.ndarray, "woman"], config: CohortConfig
) -> tuple[Int[np.ndarray, "woman"], Int[np.ndarray, "woman"]]:
    """Day and result of each woman's latest screen up to her diagnosis; -NEVER and -1 if none."""
    woman = tables.exams["woman"].to_numpy()
    when = days(tables.exams["exam_date"])
    screening = (tables.exams["purpose"] == "screening").to_numpy()
    before = np.flatnonzero(screening & (diagnosis[woman] < NEVER) & (when <= diagnosis[woman]))
    result = assessment_results(tables, config)[before]
    order = np.lexsort((result, when[before], woman[before]))  # the positive one of a day comes last
    before, result = before[order], result[order]
    screen = np.full(len(diagnosis), -NEVER)
    found = np.full(len(diagnosis), -1)
    last = np.append(woman[before][1:] != woman[before][:-1], True)[: len(before)]
    screen[woman[before][last]] = when[before][last]
    found[woman[before][last]] = result[last]
    return screen, found
