"""What training minimises: conditional likelihood of matched sets, cross entropy, left-right agreement.

In: log relative hazards [exam, mode] and what became of the exams. Out: one number. Outcomes are coded
NONE 0, SCREEN_DETECTED 1, INTERVAL 2, CANCER 3 (`outcome_code`); CANCER is a cancer of unknown mode, whose
likelihood is the sum over both modes.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 (its usual name)

from ..records import Outcome

#: Codes in the order of the polytomous classes; CANCER stands for "class 1 or 2".
OUTCOME_CODES: dict[Outcome, int] = {
    Outcome.NONE: 0,
    Outcome.SCREEN_DETECTED: 1,
    Outcome.INTERVAL: 2,
    Outcome.CANCER: 3,
}


def outcome_code(outcome: str) -> int:
    """The code of an outcome's name; raises ValueError for another word."""
    return OUTCOME_CODES[Outcome(outcome)]


def matched_set_loss(
    log_hazards: Float[Tensor, "exam mode"], outcome: Int[Tensor, " exam"], set_index: Int[Tensor, " exam"]
) -> Float[Tensor, ""]:
    """Mean over cases of −log [ h_k(case) / (h_k(case) + Σ_controls h_k) ], k the case's mode.

    The conditional likelihood of the matched set. With one case per set this is conditional
    logistic regression, factorising over modes of detection [Breslow1980]; set constants (age, baseline
    hazard, sampling fraction) cancel. In a set of several cases each is compared with the set's controls, a
    composite likelihood: consistent, equal to the exact one when there is one case. For a case of
    unknown mode h is the sum of both hazards. Sets without case or control contribute nothing.
    """
    by_mode = torch.cat([log_hazards, torch.logsumexp(log_hazards, dim=1, keepdim=True)], dim=1)
    same_set = set_index.unsqueeze(0) == set_index.unsqueeze(1)
    case = outcome > 0
    rival = same_set & ~case.unsqueeze(0)  # row: a case; column: a control of its set
    used = case & rival.any(dim=1)
    if not bool(used.any()):
        return log_hazards.sum() * 0
    own = by_mode[used, outcome[used] - 1]
    rivals = by_mode[:, outcome[used] - 1].T.masked_fill(~rival[used], float("-inf"))
    return (torch.logsumexp(torch.cat([own.unsqueeze(1), rivals], dim=1), dim=1) - own).mean()


def polytomous_loss(
    log_hazards: Float[Tensor, "exam mode"],
    outcome: Int[Tensor, " exam"],
    weight: Float[Tensor, " exam"],
    log_prior: Float[Tensor, " mode"],
) -> Float[Tensor, ""]:
    """Weighted mean of −log p(outcome), p = softmax(0, log h + log prior): for unmatched designs.

    `log_prior` is the log odds of each mode against none in the training data [Menon2021]: the network
    then learns log relative hazards, not how the study was sampled.
    """
    log_p = _log_classes(log_hazards + log_prior)
    return -(weight * log_p.gather(1, outcome.unsqueeze(1)).squeeze(1)).sum() / weight.sum()


def any_cancer_loss(logit: Float[Tensor, " exam"], outcome: Int[Tensor, " exam"]) -> Float[Tensor, ""]:
    """Binary cross entropy of any cancer against none: the first phase of [Zhu2021]."""
    return F.binary_cross_entropy_with_logits(logit, (outcome > 0).to(logit.dtype))


def three_class_binary_loss(
    log_hazards: Float[Tensor, "exam mode"], outcome: Int[Tensor, " exam"]
) -> Float[Tensor, ""]:
    """Binary cross entropy of each softmax output against the one-hot class: second phase of [Zhu2021].

    Kept as published; it is not the likelihood of three exclusive classes. A cancer of unknown mode
    contributes the two terms of "any cancer", once each for the class none and its complement.
    """
    log_p = _log_classes(log_hazards)
    p = log_p.exp().clamp(1e-7, 1 - 1e-7)
    unknown = outcome == 3
    one_hot = F.one_hot(outcome.clamp_max(2), 3).to(p.dtype)
    known = F.binary_cross_entropy(p[:, :3], one_hot, reduction="none").mean(dim=1)
    either = F.binary_cross_entropy(
        p[:, [0, 3]], torch.tensor([0.0, 1.0], device=p.device).expand(len(p), 2), reduction="none"
    ).mean(dim=1)
    return torch.where(unknown, either, known).mean()


def sides_loss(
    left: Float[Tensor, "exam embedding"],
    right: Float[Tensor, "exam embedding"],
    usable: Bool[Tensor, " exam"],
    temperature: float,
) -> Float[Tensor, ""]:
    """−log probability of finding a woman's right breast by her left one among the batch, and reverse.

    Contrastive [Oord2018], without any label: an embedding that wins this keeps what is constant within
    a woman and differs between women, and drops what varies from image to image. `usable` marks exams
    of which both sides are there.
    """
    if int(usable.sum()) < 2:
        return (left.sum() + right.sum()) * 0
    similarity = (
        F.normalize(left[usable].float(), dim=1) @ F.normalize(right[usable].float(), dim=1).T / temperature
    )
    own = torch.arange(len(similarity), device=similarity.device)
    return 0.5 * (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own))


def density_loss(
    predicted: Float[Tensor, " exam"], percent_density: Float[Tensor, " exam"]
) -> Float[Tensor, ""]:
    """Smooth absolute error of standardised density over the exams that have a measurement (not nan)."""
    measured = ~percent_density.isnan()
    if not bool(measured.any()):
        return predicted.sum() * 0
    return F.smooth_l1_loss(predicted[measured], percent_density[measured])


def _log_classes(logits: Tensor) -> Tensor:
    """Log probabilities of none, screen-detected, interval, and of either cancer."""
    with_none = torch.cat([torch.zeros_like(logits[:, :1]), logits], dim=1)
    log_p = with_none.log_softmax(dim=1)
    return torch.cat([log_p, torch.logsumexp(log_p[:, 1:], dim=1, keepdim=True)], dim=1)
