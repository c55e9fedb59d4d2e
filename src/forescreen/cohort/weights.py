"""Sampling weights: how many women of the population each member stands for.

In: sampling fractions and the probabilities of being drawn. Out: weights, 1/inclusion probability, so
that population quantities (capture, predictive values, calibration) can be computed from a sample.

Cases: 1/(fraction of the cases of the type that were sampled). Controls of matched sets: the
inclusion probability of a woman is one minus the product over all risk sets she belonged to of the
probability of not being drawn there, the Kaplan-Meier weights of [Samuelsen1997], with the product over
the sets whose matching criteria she meets [Stoer2013]. Their sum estimates the number of women without
cancer who could have been matched to a case; nobody else is represented.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, Shaped

from .matching import MatchedControls


def matched_control_weights(
    matched: MatchedControls, woman: Int[np.ndarray, "control"]
) -> Float[np.ndarray, "control"]:
    """Weights of the controls of matched sets; `woman` is the woman of each.

    A woman who is a control in several sets has her weight divided by their number, so that each
    woman counts once.
    """
    included = -np.expm1(matched.log_never_drawn[woman])
    uses = np.bincount(woman, minlength=len(matched.log_never_drawn))[woman]
    weight: Float[np.ndarray, "control"] = 1.0 / (included * uses)
    return weight


def fractions_by_type(
    case_type: Shaped[np.ndarray, "case"], sampled: Shaped[np.ndarray, "case"]
) -> Float[np.ndarray, "case"]:
    """Share of the cases of each one's type that was sampled (0 where none was)."""
    fraction = np.zeros(len(case_type))
    for kind in np.unique(case_type.astype(str)):
        own = case_type == kind
        fraction[own] = sampled[own].mean()
    return fraction
