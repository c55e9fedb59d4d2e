"""The state of a training run as one atomic file, so that a killed run goes on where it stood.

state.safetensors   network, best and averaged parameters, optimiser; in its header the position
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..errors import CheckpointError, InterruptedStageError
from ..files import atomic_write
from ..models.checkpoint import load_tensors

#: Name of the file in a member's folder; removed when the member is finished.
STATE = "state.safetensors"


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch: mean loss over batches; concordance on the stopping rows, None where not judged."""

    epoch: int
    phase: str
    loss: float
    concordance: float | None
    seconds: float


@dataclass
class Position:
    """Where a run stands; stored as JSON beside the tensors."""

    phase: int = 0
    epoch_of_phase: int = 0
    since_best: int = 0
    best_epoch: int = -1
    best_concordance: float = -1.0
    scaler: dict[str, float] = field(default_factory=dict)
    records: list[EpochRecord] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class State:
    """Tensors by group (network, best, average, optimiser) and where the run stands."""

    groups: dict[str, dict[str, Tensor]]
    position: Position


def save_state(path: Path, state: State, *, identity: str) -> None:
    """Replace the state file; `identity` is the fingerprint of all that decides the run."""
    tensors = {
        f"{group}/{name}": value.detach().cpu().contiguous().clone()
        for group, values in state.groups.items()
        for name, value in values.items()
    }
    metadata = {"position": json.dumps(asdict(state.position)), "identity": identity}
    with atomic_write(path) as stream:
        stream.write(safetensors.torch.save(tensors, metadata))


def load_state(path: Path, *, identity: str, device: torch.device) -> State | None:
    """The state in `path`, None if there is none.

    Raises CheckpointError for a damaged file, InterruptedStageError for one of another run.
    """
    if not path.exists():
        return None
    try:
        with safetensors.safe_open(path, framework="pt") as reader:
            metadata = reader.metadata() or {}
    except safetensors.SafetensorError as error:
        raise CheckpointError(
            f"{path}: expected the state of a training run, found a damaged file ({error}). "
            "Remove it to start this network again."
        ) from error
    if metadata.get("identity") != identity:
        raise InterruptedStageError(
            f"{path}: this folder holds a training run with another recipe, seed or data. "
            "Choose another folder, or remove this one to start again."
        )
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in load_tensors(path).items():
        group, rest = name.split("/", 1)
        groups.setdefault(group, {})[rest] = value.to(device)
    position = json.loads(metadata["position"])
    position["records"] = [EpochRecord(**record) for record in position["records"]]
    return State(groups, Position(**position))


def optimiser_tensors(network: torch.nn.Module, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's memory by the names of the parameters it belongs to."""
    return {
        f"{name}:{key}": value
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }


def restore_optimiser(
    network: torch.nn.Module, optimiser: torch.optim.Optimizer, tensors: dict[str, Tensor]
) -> None:
    """Give the optimiser its memory back."""
    for name, parameter in network.named_parameters():
        prefix = f"{name}:"
        found = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
        if found:
            # AdamW keeps its step counter on the CPU.
            optimiser.state[parameter] = {k: v.cpu() if k == "step" else v for k, v in found.items()}
