"""What one step of training minimises, with which parameters and at which rate.

In: a batch's view embeddings and the study's outcomes. Out: the loss of the phase's objective, the
optimiser of the parameters it trains, the learning rate of each step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..models.fusion import split_sides
from ..models.losses import (
    any_cancer_loss,
    density_loss,
    matched_set_loss,
    polytomous_loss,
    sides_loss,
    three_class_binary_loss,
)
from ..models.risk_model import RiskNetwork
from .dataset import StudyRows
from .recipe import Phase, Recipe


@dataclass(frozen=True, eq=False)
class Objective:
    """The losses of one network's training rows."""

    study: StudyRows
    recipe: Recipe
    train: Int[np.ndarray, " row"]
    n_cases: int
    density_scale: tuple[float, float]  # mean and SD of measured percent density in training
    log_prior: Float[Tensor, " mode"]

    @classmethod
    def of(cls, study: StudyRows, recipe: Recipe, train: Int[np.ndarray, " row"]) -> Objective:
        """Everything that the losses need to know of the training rows."""
        measured = study.percent_density[train]
        known = measured[~np.isnan(measured)]
        scale = (float(known.mean()), float(known.std()) or 1.0) if len(known) > 1 else (0.0, 1.0)
        n_cases = int((study.outcome[train] > 0).sum())
        return cls(study, recipe, train, n_cases, scale, log_prior(study, train))

    def loss(
        self,
        network: RiskNetwork,
        phase: Phase,
        rows: Int[np.ndarray, " row"],
        views: Float[Tensor, "row view embedding"],
        present: Bool[Tensor, "row view"],
    ) -> Float[Tensor, ""]:
        """The loss of a batch from the embeddings of its views."""
        outcome = torch.from_numpy(self.study.outcome[rows]).to(views.device)
        head = network.head
        if phase.objective == "sides":
            sides = split_sides(views, present)
            loss = sides_loss(
                sides.left,
                sides.right,
                sides.both & first_of_woman(self.study, rows).to(views.device),
                self.recipe.temperature,
            )
        else:
            fused = network.fusion(views, present)
            if phase.objective == "any cancer":
                loss = any_cancer_loss(head.any_cancer(fused), outcome)
            elif phase.objective == "three classes":
                loss = three_class_binary_loss(head(fused), outcome)
            elif self.study.matched:
                sets = torch.from_numpy(self.study.set_index[rows]).to(views.device)
                loss = matched_set_loss(head(fused), outcome, sets)
            else:
                weight = torch.from_numpy(self.study.weight[rows]).to(views.device, torch.float32)
                loss = polytomous_loss(head(fused), outcome, weight, self.log_prior.to(views.device))
            precisions = self.recipe.shared_precision, self.recipe.contrast_precision
            # The losses are means over cases; a normal prior counts once for all of them.
            loss = loss + head.penalty(*precisions) / max(self.n_cases, 1)
        if phase.density_weight > 0:
            mean, sd = self.density_scale
            measured = torch.from_numpy((self.study.percent_density[rows] - mean) / sd)
            count = present.sum(dim=1, keepdim=True).clamp_min(1)
            whole = (views * present.unsqueeze(-1)).sum(dim=1) / count
            predicted = network.density(whole).squeeze(1).float()
            loss = loss + phase.density_weight * density_loss(
                predicted, measured.to(views.device, torch.float32)
            )
        return loss


def trains(phase: Phase, name: str) -> bool:
    part = name.split(".", 1)[0]
    if phase.trains == "projection":
        return name.startswith("encoder.project.")
    if phase.trains == "encoder":
        return part in ("encoder", "density")
    if phase.trains == "head":
        return part in ("fusion", "head")
    return True


def make_optimiser(network: RiskNetwork, phase: Phase, recipe: Recipe) -> torch.optim.AdamW:
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        relative = phase.encoder_rate if name.startswith("encoder.") else 1.0
        # Biases and norms are not shrunk; the head has its prior in the loss.
        decay = recipe.weight_decay if parameter.ndim > 1 and not name.startswith("head.") else 0.0
        groups.setdefault((relative, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": found, "relative": relative, "weight_decay": decay}
            for (relative, decay), found in groups.items()
        ],
        lr=phase.learning_rate,
    )


def learning_rate(phase: Phase, step: int, n_batches: int) -> float:
    """Learning rate: linear warm-up, then a cosine to 0 at the end of the phase."""
    total = phase.epochs * n_batches
    warmup = phase.warmup_share * total
    if step < warmup:
        return phase.learning_rate * (step + 1) / (warmup + 1)
    return phase.learning_rate * 0.5 * (1 + float(np.cos(np.pi * (step - warmup) / max(total - warmup, 1))))


def first_of_woman(study: StudyRows, rows: np.ndarray) -> Tensor:
    """Marks one row per woman: a control of two sets is not her own rival."""
    first = np.zeros(len(rows), bool)
    first[np.unique(study.woman[rows], return_index=True)[1]] = True
    return torch.from_numpy(first)


def log_prior(study: StudyRows, rows: np.ndarray) -> Tensor:
    """Log odds of each mode against none among the training rows, weighted; ½ added to every count."""
    outcome, weight = study.outcome[rows], study.weight[rows]
    none = weight[outcome == 0].sum() + 0.5
    of_unknown_mode = weight[outcome == 3].sum() / 2
    odds = [(weight[outcome == code].sum() + of_unknown_mode + 0.5) / none for code in (1, 2)]
    return torch.from_numpy(np.log(odds)).to(torch.float32)
