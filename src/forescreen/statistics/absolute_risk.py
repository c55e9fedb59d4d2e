"""Chance of an event while others compete, from a proportional hazards fit of each cause.

In: cause-specific `CoxFit`s, covariates, horizon. Out: absolute risk of every row. [Benichou1990]
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .hazards import CoxFit

#: Values per row and event time that are held at once: 2²² doubles are 32 MiB.
_BLOCK_DOUBLES = 1 << 22


def absolute_risk(
    fit: CoxFit, competing: tuple[CoxFit, ...], X: Float[np.ndarray, "row covariate"], *, horizon: float | int
) -> Float[np.ndarray, "row"]:
    """Chance of the event by the horizon while other events compete [Benichou1990].

        F_1(h | x) = Σ_{t <= h} exp(−Σ_k Λ_k(t− | x)) dΛ_1(t | x)

    `fit` is of the event, `competing` of the other causes, all of them cause-specific with the same
    covariates, without strata. Raises InputError when the covariates differ, for strata, and for a horizon
    beyond the follow-up.
    """
    for other in competing:
        if other.names != fit.names:
            raise InputError(
                expected=f"covariates {', '.join(fit.names)} in every fit",
                found=", ".join(other.names),
                where="competing",
            )
        other.horizon_within(horizon)
    own = fit.baseline_of(None)
    used = own.times <= fit.horizon_within(horizon)
    times = own.times[used]
    increments = np.diff(own.values[used], prepend=0.0)
    causes = (fit, *competing)
    before = np.array([one.baseline_of(None).before(times) for one in causes])
    relative = np.array([np.exp(one.linear_predictor(X)) for one in causes])
    answer = np.zeros(X.shape[0])
    block = max(1, _BLOCK_DOUBLES // max(times.size, 1))
    for start in range(0, answer.size, block):
        chosen = slice(start, start + block)
        event_free = np.exp(-(relative[:, chosen].T @ before))
        answer[chosen] = relative[0, chosen] * (event_free @ increments)
    return np.minimum(answer, 1.0)
