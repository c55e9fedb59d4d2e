"""Odds ratios with profile-likelihood limits: for few sets, where Wald's interval is too symmetric.

In: as `association.conditional_logistic`, and the covariate in question. Out: `Estimate`. The limits are the
values that a likelihood-ratio test would just not reject, the other coefficients fitted anew at each.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import optimize

from forescreen.records import Estimate

from .association import Firth, conditional_logistic, prepare_sets
from .conditional_likelihood import Maximum, maximise
from .inference import chi_square_test, normal_quantile

#: Standard errors after which a likelihood that still does not fall is called unbounded on that side.
_FAR = 60.0


def profile_odds_ratio(
    X: Float[np.ndarray, "row covariate"],
    case: Bool[np.ndarray, "row"],
    *,
    sets: Shaped[np.ndarray, "row"],
    names: tuple[str, ...],
    name: str,
    per: float | int = 1.0,
    firth: Firth = "if separated",
    level: float = 0.95,
) -> Estimate:
    """Odds ratio per `per` units of covariate `name`, with its profile-likelihood interval and test.

    Of the penalised likelihood where Firth's penalty is in use [Heinze2010], which is the interval to report
    for separated sets. Arguments and errors as for `association.conditional_logistic`.
    """
    fit = conditional_logistic(X, case, sets=sets, names=names, firth=firth)
    wald = fit.odds_ratio(name, per, level=level)
    prepared = prepare_sets(X, case, sets=sets, names=names)
    at, penalised = names.index(name), "Firth" in fit.method
    best = fit.coefficients * prepared.scale
    spread = float(fit.standard_errors[at] * prepared.scale[at])
    allowed = normal_quantile(level) ** 2

    def held_at(value: float) -> Maximum:
        start = best.copy()
        start[at] = value
        return maximise(prepared.designs, firth=penalised, start=start, held=at)

    def excess(value: float) -> float:
        return 2 * (fit.log_likelihood - held_at(value).objective) - allowed

    limits = []
    for sign in (-1.0, 1.0):
        reach = normal_quantile(level)
        while reach < _FAR and excess(float(best[at]) + sign * reach * spread) < 0:
            reach *= 1.5
        if reach >= _FAR:
            limits.append(sign * math.inf)
            continue
        end = float(best[at]) + sign * reach * spread
        root = optimize.brentq(excess, float(best[at]), end, xtol=1e-12, rtol=1e-14)
        limits.append(float(root / prepared.scale[at]))
    ends = sorted(_exp(limit * per) for limit in limits)
    test = chi_square_test(2 * (fit.log_likelihood - held_at(0.0).objective), 1)
    return replace(
        wald,
        lower=ends[0],
        upper=ends[1],
        p_value=test.p_value,
        method=f"{fit.method}, profile likelihood",
    )


def _exp(x: float) -> float:
    return math.exp(x) if x < 709 else math.inf
