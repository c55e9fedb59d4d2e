"""Net reclassification and integrated discrimination improvement: here to show why not to use them.

In: two risks of the same rows, case marks. Out: `Reclassification`. Neither is a proper score: a model that
merely moves its risks, or adds noise to them, can "improve" significantly while it discriminates worse
[Hilden2014, Pepe2015, Kerr2014]. In matched samples both are biased. For decisions about models take the
difference of AUC or matched concordance, of the Brier score, of net benefit, or the likelihood-ratio test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError
from ..records import Estimate
from .inference import null_p, wald_interval
from .risks import RiskRows, absolute_risks

_WARNING = "not a proper score: can be positive for the worse model"


@dataclass(frozen=True, kw_only=True)
class Reclassification:
    """What the literature reports of new against old risks; read the module's warning first."""

    nri: Estimate  # nri_cases + nri_controls
    nri_cases: Estimate  # share of cases moved up less share moved down
    nri_controls: Estimate  # share of controls moved down less share moved up
    idi: Estimate  # gain in mean risk of cases less gain in mean risk of controls


def reclassification(
    old: Float[np.ndarray, "row"],
    new: Float[np.ndarray, "row"],
    case: Bool[np.ndarray, "row"],
    *,
    cuts: tuple[float, ...] = (),
    level: float = 0.95,
) -> Reclassification:
    """Net reclassification improvement [Pencina2008] and integrated discrimination improvement of new over
    old.

    Not for choosing a model: see the module. Without `cuts` every change of risk is a move (continuous NRI
    [Pencina2011]); with cuts, ascending inside (0, 1), only a change of category, a risk at a cut belonging
    above it. Variances as in Hmisc's `improveProb`: multinomial for the moves, of two independent means for
    IDI. Independent rows without weights; risks in [0, 1]. Wald intervals, p values against 0.

    Raises InputError for risks outside [0, 1] or cuts out of order; TooFewEventsError with fewer than 2 cases
    or controls.
    """
    rows = RiskRows.of(old, case)
    rows.need("reclassification", 2, 2)
    new_risk = absolute_risks(new, case.size, "new risk")
    if any(not 0 < cut < 1 for cut in cuts) or list(cuts) != sorted(set(cuts)):
        raise InputError(expected="ascending cuts inside (0, 1)", found=str(cuts), where="reclassification")
    moves = np.sign(new_risk - rows.risk)
    if cuts:
        before, after = (np.searchsorted(cuts, risk, side="right") for risk in (rows.risk, new_risk))
        moves = np.sign(after - before).astype(np.float64)
    n = rows.case.size
    kind = "categorical" if cuts else "continuous"
    up = float(moves[case].mean()), _move_variance(moves[case])
    down = float(-moves[~case].mean()), _move_variance(moves[~case])
    gain = new_risk - rows.risk
    means = float(gain[case].mean()) - float(gain[~case].mean())
    variance = sum(float(np.var(gain[group], ddof=1)) / np.count_nonzero(group) for group in (case, ~case))
    figures = (
        (up[0] + down[0], up[1] + down[1], f"NRI, {kind}"),
        (*up, f"NRI of cases, {kind}"),
        (*down, f"NRI of controls, {kind}"),
        (means, variance, "IDI"),
    )
    estimates = [
        _estimate(value, math.sqrt(variance), f"{name}, Wald", n, rows.n_events, level)
        for value, variance, name in figures
    ]
    return Reclassification(
        nri=estimates[0], nri_cases=estimates[1], nri_controls=estimates[2], idi=estimates[3]
    )


def _move_variance(moves: Float[np.ndarray, "row"]) -> float:
    """Of the share moved up less the share moved down: (up + down)/n − (up − down)²/n, over n."""
    return (float(np.mean(moves != 0)) - float(moves.mean()) ** 2) / moves.size


def _estimate(value: float, se: float, method: str, n: int, n_events: int, level: float) -> Estimate:
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=interval.lower,
        upper=interval.upper,
        n=n,
        n_events=n_events,
        method=method,
        standard_error=se,
        p_value=null_p(value, se),
        level=level,
        notes=(_WARNING,),
    )
