"""Relatives and biopsies: told as a number, as yes or no, or as both; one answer from the two.

In: `Women`, who may have `n_relatives` or `family_history`, `n_biopsies` or `breast_biopsy`. Out: `History`.
Models that count and models that ask yes or no read the same women through it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .women import Women

RELATIVES = ("n_relatives", "family_history")
BIOPSIES = ("n_biopsies", "breast_biopsy")


@dataclass(frozen=True, kw_only=True, eq=False)
class History:
    """How many, 1 where only "yes" is known, NaN where nothing is.

    `at_least` holds women of whom only "yes" is known; `contradicts` those whose number and whose yes or no
    exclude each other.
    """

    count: Float[np.ndarray, "woman"]
    at_least: Bool[np.ndarray, "woman"]
    contradicts: Bool[np.ndarray, "woman"]

    @property
    def known(self) -> Bool[np.ndarray, "woman"]:
        return np.asarray(np.isfinite(self.count))

    @property
    def yes(self) -> Bool[np.ndarray, "woman"]:
        return np.asarray(self.count > 0)

    @property
    def no(self) -> Bool[np.ndarray, "woman"]:
        return np.asarray(self.count == 0)


def relatives(women: Women) -> History:
    """First-degree relatives with breast cancer."""
    return _history(women, *RELATIVES)


def biopsies(women: Women) -> History:
    """Previous breast biopsies or aspirations."""
    return _history(women, *BIOPSIES)


def _history(women: Women, number: str, answer: str) -> History:
    count = women.number(number)
    yes, no = women.has(answer, "yes"), women.has(answer, "no")
    unknown = np.isnan(count)
    return History(
        count=np.where(unknown & yes, 1.0, np.where(unknown & no, 0.0, count)),
        at_least=unknown & yes,
        contradicts=((count > 0) & no) | ((count == 0) & yes),
    )
