"""Sampling weights: how many women of the population each member stands for.

In: sampling fractions and the probabilities of being drawn. Out: weights, so that population quantities
(capture, predictive values, calibration) can be computed from a sample.

Cases: cases of the type with an index exam / cases of the type that are members.

Controls of matched sets, in two steps. The inclusion probability of a woman is one minus the product,
over all risk sets she belonged to, of the probability of not being drawn there: the Kaplan-Meier weights
of [Samuelsen1997], with the product over the sets whose matching criteria she meets [Stoer2013]. The sum
of 1/probability estimates the number of women who could have been matched to some case. Women who could
not (a stratum without a case near their age) are then let in by post-stratification [Holt1979]: within
groups of years of birth the weights are scaled to the number of women with a candidate exam.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

from .matching import MatchedControls

#: Years of birth per post-stratum, and the fewest controls that a post-stratum may rest on.
YEARS_PER_GROUP = 5
MIN_CONTROLS = 10


def matched_control_weights(
    matched: MatchedControls, woman: Int[np.ndarray, "control"]
) -> Float[np.ndarray, "control"]:
    """1/inclusion probability of the controls of matched sets; `woman` is the woman of each.

    A woman who is a control in several sets has her weight divided by their number, so that each
    woman counts once.
    """
    included = -np.expm1(matched.log_never_drawn[woman])
    uses = np.bincount(woman, minlength=len(matched.log_never_drawn))[woman]
    weight: Float[np.ndarray, "control"] = 1.0 / (included * uses)
    return weight


def post_stratified(
    weight: Float[np.ndarray, "control"],
    birth_year: Int[np.ndarray, "control"],
    *,
    population_birth_year: Int[np.ndarray, "woman"],
) -> Float[np.ndarray, "control"]:
    """Weights scaled so that they sum to the women of the population within groups of years of birth.

    Groups of five years; a group with fewer than ten controls is joined with the next, the last with the
    one before. The sum over all is the number of women of the population.
    """
    own, everyone = birth_year // YEARS_PER_GROUP, population_birth_year // YEARS_PER_GROUP
    edges: list[int] = []  # first group of each post-stratum
    n_inside = MIN_CONTROLS  # the first group opens the first post-stratum
    for group in range(int(everyone.min()), int(everyone.max()) + 1):
        if n_inside >= MIN_CONTROLS:
            edges.append(group)
            n_inside = 0
        n_inside += int((own == group).sum())
    if n_inside < MIN_CONTROLS and len(edges) > 1:
        edges.pop()
    stratum = np.searchsorted(edges, own, side="right") - 1
    size = np.bincount(np.searchsorted(edges, everyone, side="right") - 1, minlength=len(edges))
    total = np.bincount(stratum, weights=weight, minlength=len(edges))
    scaled: Float[np.ndarray, "control"] = weight * size[stratum] / total[stratum]
    return scaled


def fractions_by_type(
    case_type: Shaped[np.ndarray, "case"], sampled: Shaped[np.ndarray, "case"]
) -> Float[np.ndarray, "case"]:
    """Share of the cases of each one's type that was sampled (0 where none was)."""
    fraction = np.zeros(len(case_type))
    for kind in np.unique(case_type.astype(str)):
        own = case_type == kind
        fraction[own] = sampled[own].mean()
    return fraction
