"""Concordance and odds ratio under normal scores: how the two main measures of a study translate.

In: odds ratio per standard deviation, concordance, number of controls per case. Out: the other one, and
the variance of a set's concordance, from which numbers of sets are planned.
"""

from __future__ import annotations

import math

from scipy import integrate, special

from forescreen.errors import InputError
from forescreen.records import Estimate

from .inference import normal_quantile, null_p, wald_interval


def concordance_from_odds_ratio(odds_ratio_per_sd: float) -> float:
    """Concordance of a normal score with equal variances: Φ(log(odds ratio per SD)/√2) [Pepe2004]."""
    if not odds_ratio_per_sd > 0:
        raise InputError(expected="a positive odds ratio", found=str(odds_ratio_per_sd), where="odds ratio")
    return float(special.ndtr(math.log(odds_ratio_per_sd) / math.sqrt(2)))


def odds_ratio_from_concordance(concordance: float) -> float:
    """Odds ratio per SD that gives this concordance: exp(√2 Φ⁻¹(concordance)) [Pepe2004]."""
    _check_concordance(concordance)
    return math.exp(math.sqrt(2) * float(special.ndtri(concordance)))


def parametric_concordance(
    log_odds_ratio: float, standard_error: float, *, sd: float, n: int, n_events: int, level: float = 0.95
) -> Estimate:
    """Matched concordance of a score that is normal within sets: Φ(βσ/√2) [Brentnall2015].

    `log_odds_ratio` is the conditional logistic coefficient β per unit of score, `sd` the standard
    deviation σ of the score within sets. More efficient than the share of concordant pairs, and wrong
    where the score is not normal. The standard error takes σ as known.
    """
    if not sd > 0:
        raise InputError(expected="a positive standard deviation", found=str(sd), where="sd")
    scale = sd / math.sqrt(2)
    argument = log_odds_ratio * scale
    value = float(special.ndtr(argument))
    se = math.exp(-argument * argument / 2) / math.sqrt(2 * math.pi) * scale * standard_error
    interval = wald_interval(value, se, level)
    return Estimate(
        value=value,
        lower=max(0.0, interval.lower),
        upper=min(1.0, interval.upper),
        n=n,
        n_events=n_events,
        method="matched concordance, normal score within sets, Wald",
        standard_error=se,
        p_value=null_p(log_odds_ratio, standard_error),
        level=level,
    )


def set_concordance_variance(concordance: float, controls_per_case: int) -> float:
    """Variance over sets of the within-set concordance of one case and m controls, normal scores.

    A(1−A)/m + (m−1)/m · (Q − A²) with Q = ∫ Φ(u)² φ(u−δ) du and δ = √2 Φ⁻¹(A): Q is the chance that a
    case exceeds two controls.
    """
    _check_concordance(concordance)
    if controls_per_case < 1:
        raise InputError(
            expected="at least one control per case", found=str(controls_per_case), where="controls"
        )
    delta = math.sqrt(2) * float(special.ndtri(concordance))

    def exceeds_two(u: float) -> float:
        return float(special.ndtr(u) ** 2 * math.exp(-((u - delta) ** 2) / 2) / math.sqrt(2 * math.pi))

    q, _ = integrate.quad(exceeds_two, delta - 12, delta + 12, epsabs=1e-13, epsrel=1e-13)
    m = controls_per_case
    return float(concordance * (1 - concordance) / m + (m - 1) / m * (q - concordance**2))


def sets_needed(concordance: float, controls_per_case: int, *, half_width: float, level: float = 0.95) -> int:
    """Number of matched sets for a Wald interval of the matched concordance no wider than ± half_width."""
    if not 0 < half_width < 0.5:
        raise InputError(expected="a half-width in (0, 0.5)", found=str(half_width), where="half_width")
    variance = set_concordance_variance(concordance, controls_per_case)
    return math.ceil(variance * (normal_quantile(level) / half_width) ** 2)


def _check_concordance(concordance: float) -> None:
    if not 0 < concordance < 1:
        raise InputError(expected="a concordance in (0, 1)", found=str(concordance), where="concordance")
