"""Model folders: parameters.safetensors and card.json, which explains them; nothing is pickled.

    member/parameters.safetensors   every parameter and running statistic, float32
    member/card.json                architecture, recipe, data fingerprint, metrics, versions, checksum
    model/card.json                 kind "ensemble": its members' folders and checksums

The card is written last, so a folder with a card is whole. Reading is strict: a missing key, another
shape, an unknown setting or a changed byte is a CheckpointError that says which.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from ..errors import CheckpointError, ConfigError
from ..files import atomic_write, file_sha256, fingerprint, plain, read_json, write_json
from .ensemble import Ensemble
from .risk_model import RiskModel, RiskNetwork, build_network, read_network_config

#: Layout of the folder; a card of another layout is refused.
FORMAT = "forescreen-model-1"
CARD, PARAMETERS = "card.json", "parameters.safetensors"

Kind = Literal["member", "ensemble"]


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model folder says of itself. `facts` holds what readers may want and loading does not need."""

    kind: Kind
    parameters_sha256: str
    geometry: dict[str, float | int]  # rows, columns, spacing_mm
    model: dict[str, Any] = field(default_factory=dict)  # RiskNetworkConfig of a member
    origin: tuple[float, float] = (0.0, 0.0)  # mean log hazards in training, per mode
    members: tuple[str, ...] = ()  # folders of an ensemble
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of the images it takes."""
        return int(self.geometry["rows"]), int(self.geometry["columns"])


def save_model(
    folder: Path,
    network: RiskNetwork,
    *,
    geometry: Mapping[str, float | int],
    origin: tuple[float, float],
    facts: Mapping[str, Any],
) -> ModelCard:
    """Write one trained network and its card; `facts` are recipe, metrics, data fingerprint and the like."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic_write(folder / PARAMETERS) as stream:
        stream.write(safetensors.torch.save(tensors))
    n_parameters = sum(value.numel() for value in network.parameters())
    card = ModelCard(
        kind="member",
        parameters_sha256=file_sha256(folder / PARAMETERS),
        geometry=dict(geometry),
        model=plain(network.config),
        origin=origin,
        facts={**facts, "n_parameters": n_parameters, "versions": versions()},
    )
    _write_card(folder, card)
    return card


def save_ensemble(folder: Path, members: tuple[str, ...], *, facts: Mapping[str, Any]) -> ModelCard:
    """Write the card that joins member folders (names relative to `folder`) into one model."""
    cards = [read_card(folder / name) for name in members]
    if len({fingerprint(card.geometry) for card in cards}) != 1:
        raise CheckpointError(f"{folder}: members of one ensemble must share one geometry")
    card = ModelCard(
        kind="ensemble",
        parameters_sha256=fingerprint([card.parameters_sha256 for card in cards]),
        geometry=cards[0].geometry,
        members=members,
        facts={**facts, "n_parameters": cards[0].facts.get("n_parameters"), "versions": versions()},
    )
    _write_card(folder, card)
    return card


def load_model(folder: str | Path, *, device: str = "cpu") -> RiskModel | Ensemble:
    """The model in a folder, one network or an ensemble; `model(exam)` gives a Score.

    Raises CheckpointError if files are missing, damaged, of another layout, or do not fit each other.
    """
    folder = Path(folder)
    card = read_card(folder)
    if card.kind == "member":
        return _load_member(folder, card, device)
    return load_members(folder, card.members, device=device)


def load_members(folder: Path, names: tuple[str, ...], *, device: str = "cpu") -> Ensemble:
    """Some members of an ensemble as one predictor, each put on its own origin."""
    parent = read_card(folder)
    unknown = sorted(set(names) - set(parent.members))
    if unknown or not names:
        raise CheckpointError(f"{folder}: the ensemble has no member {', '.join(unknown) or '(none asked)'}")
    cards = {name: read_card(folder / name) for name in parent.members}
    if fingerprint([card.parameters_sha256 for card in cards.values()]) != parent.parameters_sha256:
        raise CheckpointError(
            f"{folder}: the members are not those the ensemble was made of (checksums differ). "
            "Copy the whole model folder again."
        )
    models = tuple(_load_member(folder / name, cards[name], device) for name in names)
    return Ensemble(models, tuple(cards[name].origin for name in names), device)


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder. Raises CheckpointError if there is none or it cannot be read."""
    path = folder / CARD
    if not path.exists():
        raise CheckpointError(
            f"{folder}: expected a model folder with {CARD}, found "
            f"{'a folder without it' if folder.is_dir() else 'no such folder'}. "
            "Train one with `forescreen train`, or let training finish."
        )
    try:
        value = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"{path}: expected JSON, found a damaged file ({error})") from error
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        found = value.get("format") if isinstance(value, dict) else type(value).__name__
        raise CheckpointError(f"{path}: expected a card of format {FORMAT}, found {found!r}")
    if value.get("kind") not in ("member", "ensemble"):
        raise CheckpointError(
            f"{path}: expected a card of kind member or ensemble, found {value.get('kind')!r}"
        )
    try:
        geometry = {name: float(value["geometry"][name]) for name in ("rows", "columns", "spacing_mm")}
        origin = value["origin"]
        card = ModelCard(
            kind=value["kind"],
            parameters_sha256=str(value["parameters_sha256"]),
            geometry=geometry,
            model=value["model"],
            origin=(float(origin[0]), float(origin[1])),
            members=tuple(value["members"]),
            facts={name: fact for name, fact in value.items() if name not in _STRUCTURE},
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{path}: expected a complete card, found {error!r} missing or wrong"
        ) from error
    return card


def versions() -> dict[str, str]:
    """Versions that decide the bits of a result."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "safetensors": str(safetensors.__version__),
    }


def load_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file. Raises CheckpointError if it is missing or damaged."""
    if not path.exists():
        raise CheckpointError(f"{path}: expected a file of parameters, found none")
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(path.read_bytes())
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: expected safetensors, found a damaged file ({error})") from error
    return tensors


def fill(network: torch.nn.Module, tensors: Mapping[str, Tensor], *, where: str) -> None:
    """Put tensors into a network, strictly: every name and shape must fit."""
    expected = network.state_dict()
    missing, unknown = sorted(set(expected) - set(tensors)), sorted(set(tensors) - set(expected))
    if missing or unknown:
        raise CheckpointError(
            f"{where}: expected the parameters of its card, found {len(missing)} missing "
            f"({', '.join(missing[:3])}) and {len(unknown)} unknown ({', '.join(unknown[:3])})"
        )
    for name, value in tensors.items():
        if value.shape != expected[name].shape:
            raise CheckpointError(
                f"{where}: expected {name} of shape {tuple(expected[name].shape)}, found {tuple(value.shape)}"
            )
    network.load_state_dict(dict(tensors))


_STRUCTURE = {"format", "kind", "parameters_sha256", "geometry", "model", "origin", "members"}


def _write_card(folder: Path, card: ModelCard) -> None:
    structure = {name: value for name, value in plain(card).items() if name != "facts"}
    write_json(folder / CARD, {"format": FORMAT, **structure, **card.facts})


def _load_member(folder: Path, card: ModelCard, device: str) -> RiskModel:
    if card.kind != "member":
        raise CheckpointError(f"{folder}: expected a single network, found an ensemble")
    path = folder / PARAMETERS
    tensors = load_tensors(path)
    found = file_sha256(path)
    if found != card.parameters_sha256:
        raise CheckpointError(
            f"{path}: expected SHA-256 {card.parameters_sha256[:16]}…, found {found[:16]}…. "
            "The parameters are not those of the card; copy the model folder again."
        )
    try:
        config = read_network_config(card.model, where=str(folder / CARD))
    except ConfigError as error:
        raise CheckpointError(str(error)) from error
    network = build_network(config, seed=0)
    fill(network, tensors, where=str(path))
    return RiskModel(network.to(device), card.image_shape)
