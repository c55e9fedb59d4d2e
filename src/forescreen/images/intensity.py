"""Brightness made comparable between machines: a straight line through two anchors in the breast.

In: presentation values and the breast mask. Out: the two anchors; `apply` maps them to 0 and 1. The
map is linear, so that order and relative contrast within the breast are those of the conversion
profile; percentiles, so that a clip, a wire or a burnt-in letter cannot move it as they move a
min-max window (one saturated pixel changes the whole mapping there).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import ExamError


@dataclass(frozen=True)
class Normalisation:
    """Which percentiles of the breast become 0 and 1, and the least distance kept between them.

    `least_range` (presentation units, 0 to 1) keeps an image without contrast from being stretched
    into noise.
    """

    lower_percentile: float = 0.5
    upper_percentile: float = 99.8
    least_range: float = 0.10


#: Rules by conversion profile, name without version. Pictures of unknown making may be film, with bright
#: scratches, clips and burnt-in edges, hence the lower upper anchor.
PROFILES: dict[str, Normalisation] = {
    "forescreen": Normalisation(),
    "picture": Normalisation(upper_percentile=99.5),
}
#: Changes when the rules change, so that a store tells how it was made.
VERSION = "percentile-v1"


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """Presentation values that become 0 and 1."""

    lower: float
    upper: float

    def apply(self, values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
        """Normalised intensity, clipped to [0, 1]."""
        scaled = (values - np.float32(self.lower)) * np.float32(1.0 / (self.upper - self.lower))
        unit: np.ndarray = np.clip(scaled, 0.0, 1.0)
        return unit


def normalisation_of(profile: str) -> Normalisation:
    """The rule of a conversion profile ("forescreen-v1"); one without a rule of its own uses the default."""
    name, _, version = profile.rpartition("-v")
    return PROFILES.get(name if version.isdigit() else profile, Normalisation())


def find_anchors(breast: Float[np.ndarray, "pixel"], profile: str) -> Anchors:
    """The anchors of one image from its breast pixels. Raises ExamError without contrast."""
    rule = normalisation_of(profile)
    if breast.size == 0:
        raise ExamError(expected="breast pixels", found="none", where="normalisation")
    lower, upper = np.percentile(breast, [rule.lower_percentile, rule.upper_percentile]).tolist()
    if not upper > lower:
        raise ExamError(
            expected="contrast within the breast", found=f"one value, {lower:.4g}", where="normalisation"
        )
    return Anchors(lower=lower, upper=max(upper, lower + rule.least_range))
