"""Every published clinical model beside the numbers it must give: relative differences, for docs/accuracy.md.

The vectors are those that the tests of each model assert; their origin is told there.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from forescreen.clinical.absolute import Step, absolute_risk
from forescreen.clinical.barlow2006 import BARLOW_2006
from forescreen.clinical.bcra_frame import bcra_frame
from forescreen.clinical.bcrat import BCRAT
from forescreen.clinical.bcsc_v1 import BcscV1
from forescreen.clinical.periods import split_risk
from forescreen.clinical.rosner1996 import annual_incidence
from tests.clinical import test_barlow2006 as barlow
from tests.clinical import test_bcra_frame as bcra
from tests.clinical import test_bcsc_v1 as bcsc
from tests.clinical import test_icare_lit as icare
from tests.clinical import test_rosner1996 as rosner

#: The same algorithm and the same tables.
SAME_ALGORITHM = 1e-9


@dataclass(frozen=True)
class ClinicalComparison:
    """One quantity of one model, ours and the expected one, over all vectors."""

    model: str
    quantity: str
    origin: str
    ours: Sequence[float]
    expected: Sequence[float]

    @property
    def difference(self) -> float:
        """Largest relative difference."""
        a, b = np.asarray(self.ours, dtype=float), np.asarray(self.expected, dtype=float)
        return float(np.max(np.abs(a / b - 1)))


def clinical_comparisons() -> list[ClinicalComparison]:
    """All of them; none needs a file that is not in the repository."""
    return [*_bcrat(), *_icare(), *_bcsc(), *_barlow(), *_rosner()]


def _bcrat() -> list[ClinicalComparison]:
    table = pd.read_csv(io.StringIO(bcra.EXAMPLE))
    frame = bcra_frame(table)
    found = BCRAT.assess(frame.women, frame.horizon_years)
    valid = table["risk"].notna().to_numpy()
    assert np.array_equal(np.isfinite(found.risk), valid)
    origin = "R package BCRA 2.1.2, exampledata (the 15 other rows are refused by both)"
    return [
        ClinicalComparison("bcrat", "absolute risk", origin, found.risk[valid], table["risk"][valid] / 100),
        ClinicalComparison(
            "bcrat", "average woman's risk", origin, found.average[valid], table["average"][valid] / 100
        ),
    ]


def _icare() -> list[ClinicalComparison]:
    rows = []
    for part, words in (("under_50", "risk, 40 to 50 years"), ("from_50", "risk, 50 to 70 years")):
        r, period = icare.REFERENCE[part], icare.published_period(part)
        n = period.known.offset.size
        found = absolute_risk(
            np.full(n, float(r["start"])),
            np.full(n, float(r["start"] + r["years"])),
            baseline=period.baseline,
            steps=[Step(from_age=float(period.baseline.edges[0]), log_relative_risk=period.known.offset)],
            mode="icare",
        )
        fitted = "; under 50 the population's summary is fitted to these" if part == "under_50" else ""
        rows.append(ClinicalComparison("icare-lit", words, f"R iCARE 1.38{fitted}", found, r["risks"]))
    r = icare.REFERENCE["split"]
    n = len(r["risks"])
    found = split_risk(
        np.full(n, float(r["start"])),
        np.full(n, float(r["start"] + r["years"])),
        cut_age=r["cut"],
        before=icare.published_period("under_50"),
        after=icare.published_period("from_50"),
        mode="icare",
    )
    rows.append(
        ClinicalComparison("icare-lit", "risk, 40 to 60, split at 50", "R iCARE 1.38", found, r["risks"])
    )
    return rows


def _bcsc() -> list[ClinicalComparison]:
    women = bcsc.build_women([row[:5] for row in bcsc.COMPUTED])
    found = BcscV1(asian_mortality="as transcribed").assess(women, 5.0)
    origin = "the published recursion, an independent program (864 more where the test data are)"
    expected = [row[5] for row in bcsc.COMPUTED]
    return [ClinicalComparison("bcsc-v1", "five-year risk", origin, found.risk, expected)]


def _barlow() -> list[ClinicalComparison]:
    pre = BARLOW_2006.assess(barlow.premenopausal_women(), 1.0)
    expected = np.array([row[4:] for row in barlow.PREMENOPAUSAL_VECTORS])
    women = barlow.build_women(*(change for change, _ in barlow.POSTMENOPAUSAL_VECTORS))
    post = BARLOW_2006.assess(women, 1.0)
    origin = "the published coefficients and covariance, an independent program"
    limits = [*pre.lower, *pre.upper], [*expected[:, 1], *expected[:, 2]]
    return [
        ClinicalComparison("barlow2006", "one-year risk, premenopausal", origin, pre.risk, expected[:, 0]),
        ClinicalComparison("barlow2006", "its 95 % limits", origin, *limits),
        ClinicalComparison(
            "barlow2006",
            "one-year risk, postmenopausal",
            origin,
            post.risk,
            [risk for _, risk in barlow.POSTMENOPAUSAL_VECTORS],
        ),
    ]


def _rosner() -> list[ClinicalComparison]:
    found = annual_incidence(rosner.build_women(*(row for row, _ in rosner.VECTORS)))
    expected = [1e-5 * value for _, value in rosner.VECTORS]
    origin = "the published formula, an independent program"
    return [ClinicalComparison("rosner1996", "incidence per woman-year", origin, found, expected)]
