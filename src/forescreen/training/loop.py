"""One network trained on its rows, phase by phase, judged on its stopping rows; killed and continued exactly.

After every epoch the whole state (parameters, running statistics, optimiser, best so far, position) is
one atomic file. Every random choice is drawn anew from (seed, epoch), so that a run killed at any moment
and started again ends, on a CPU with the same number of threads, in the same bits as one that was not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import CheckpointError, ConfigError, InterruptedStageError
from ..files import atomic_write
from ..models.checkpoint import fill, load_tensors
from ..models.encoder import TextureEncoder
from ..models.fusion import split_sides
from ..models.losses import (
    any_cancer_loss,
    density_loss,
    matched_set_loss,
    polytomous_loss,
    sides_loss,
    three_class_binary_loss,
)
from ..models.predictor import N_VIEWS
from ..models.risk_model import RiskNetwork, build_network
from ..models.sides import apply_sides, fit_sides
from .augment import augment, drop_views
from .dataset import Batch, StudyImages, StudyRows
from .recipe import Phase, Recipe
from .sampling import epoch_batches
from .validation import stopping_concordance

STATE = "state.safetensors"
#: Exams embedded or scored at once outside of training; results do not depend on it.
CHUNK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberPlan:
    """What one network learns from, what stops it, and its own seed."""

    train: Int[np.ndarray, " row"]
    stop: Int[np.ndarray, " row"]
    seed: int
    identity: str  # fingerprint of everything that decides the run


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch: mean loss over batches; concordance on the stopping rows, None where not judged."""

    epoch: int
    phase: str
    loss: float
    concordance: float | None
    seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedMember:
    """The network of the best epoch and how it came about."""

    network: RiskNetwork
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    best_concordance: float
    origin: tuple[float, float]


@dataclass
class _Position:
    """Where a run stands; stored as JSON beside the tensors."""

    phase: int = 0
    epoch_of_phase: int = 0
    since_best: int = 0
    best_epoch: int = -1
    best_concordance: float = -1.0
    scaler: dict[str, float] = field(default_factory=dict)
    records: list[EpochRecord] = field(default_factory=list)


def train_member(
    study: StudyRows,
    images: StudyImages,
    plan: MemberPlan,
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    after_epoch: Callable[[EpochRecord], None] = lambda record: None,
) -> TrainedMember:
    """Train one network, or continue the run that `folder` holds.

    `after_epoch` is told of every epoch of this process. Raises InterruptedStageError if the folder
    belongs to another run, CheckpointError if its state file is damaged.
    """
    run = _Run(study, images, plan, recipe, folder / STATE, device)
    run.resume()
    while run.position.phase < len(recipe.phases):
        phase = recipe.phases[run.position.phase]
        run.begin(phase)
        while run.position.epoch_of_phase < phase.epochs:
            after_epoch(run.solve(phase) if phase.trains == "projection" else run.epoch(phase))
            if phase.patience is not None and run.position.since_best >= phase.patience:
                break
        run.end()
    return run.result()


class _Run:
    """The moving parts of one training run."""

    def __init__(
        self,
        study: StudyRows,
        images: StudyImages,
        plan: MemberPlan,
        recipe: Recipe,
        state_file: Path,
        device: str,
    ) -> None:
        self.study, self.images, self.plan, self.recipe = study, images, plan, recipe
        self.state_file, self.device = state_file, torch.device(device)
        self.position = _Position()
        network = build_network(recipe.model, seed=plan.seed)
        if recipe.pretrained is not None:
            fill(network.encoder, load_tensors(Path(recipe.pretrained)), where=recipe.pretrained)
        self.network = network.to(self.device)
        self.best: dict[str, Tensor] = {}
        self.average: dict[str, Tensor] = {}
        self.optimiser: torch.optim.AdamW | None = None
        self._restored: dict[str, Tensor] = {}
        self._cached: Tensor | None = None
        self._half = recipe.precision != "float32" and self.device.type == "cuda"
        self._scaler = torch.amp.GradScaler(enabled=self._half and recipe.precision == "float16")
        self._n_batches = len(self._batches(0))
        measured = study.percent_density[plan.train]
        known = measured[~np.isnan(measured)]
        self._density_scale = (float(known.mean()), float(known.std()) or 1.0) if len(known) > 1 else (0, 1)
        self._log_prior = _log_prior(study, plan.train).to(self.device)

    # Phases --------------------------------------------------------------------------------------

    def begin(self, phase: Phase) -> None:
        """Get ready for the epochs of a phase, at its start or in its middle."""
        self._cached = None
        if self.position.epoch_of_phase == 0:
            if self.best:
                self.network.load_state_dict(self.best)
            if phase.new_head:
                self.network.head.reset()
                self.best, self.position.best_concordance = {}, -1.0
            self.position.since_best = 0
            self.average = {}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(_trains(phase, name))
        self.optimiser = _make_optimiser(self.network, phase, self.recipe)
        self._restore_optimiser()
        if phase.trains == "head":
            self._cached = self._embed_all()

    def solve(self, phase: Phase) -> EpochRecord:
        """The projection in closed form, from the training exams; its loss is the mean share of
        variance within women."""
        started = time.monotonic()
        encoder = self.network.encoder
        if not isinstance(encoder, TextureEncoder):
            raise ConfigError(
                expected="a texture encoder",
                found=type(encoder).__name__,
                where=f"recipe {self.recipe.name}, phase {phase.objective} of the projection",
            )
        exams = np.unique(self.study.exam[self.plan.train])
        projection = fit_sides(
            self._statistics(encoder)[exams].cpu(),
            self.images.present(exams),
            n_directions=encoder.project.out_features,
        )
        apply_sides(encoder, projection)
        self.position.epoch_of_phase += 1
        loss = float((1 / (1 + projection.ratio.clamp_min(0))).mean())
        return self._close(phase, loss, None, started)

    def end(self) -> None:
        """Leave a phase."""
        self.position.phase += 1
        self.position.epoch_of_phase = 0
        self.optimiser = None

    def epoch(self, phase: Phase) -> EpochRecord:
        """One pass over the training rows, judged, recorded and saved."""
        started = time.monotonic()
        number = len(self.position.records)
        generator = torch.Generator().manual_seed(
            int(np.random.SeedSequence([self.plan.seed, number]).generate_state(1)[0])
        )
        self.network.train()
        if phase.trains == "head":
            self.network.encoder.eval()
        losses = []
        for step, batch in enumerate(self._feed(phase, number)):
            rate = _rate(phase, self.position.epoch_of_phase * self._n_batches + step, self._n_batches)
            losses.append(self._step(phase, batch, rate, generator))
        if not np.all(np.isfinite(losses)):
            raise ConfigError(
                expected="a finite training loss",
                found="not a number",
                where=f"recipe {self.recipe.name}, phase {phase.objective}, epoch {number}",
                remedy="Lower the learning rate, or train in float32",
            )
        self.position.epoch_of_phase += 1
        concordance = self._judge(phase, number) if phase.judged else None
        return self._close(phase, float(np.mean(losses)), concordance, started)

    def _close(self, phase: Phase, loss: float, concordance: float | None, started: float) -> EpochRecord:
        record = EpochRecord(
            epoch=len(self.position.records),
            phase=phase.objective,
            loss=loss,
            concordance=concordance,
            seconds=round(time.monotonic() - started, 3),
        )
        self.position.records.append(record)
        self._save()
        return record

    def result(self) -> TrainedMember:
        """The best network, and the mean of its scores over the training exams."""
        self.network.load_state_dict(self.best)
        self.network.requires_grad_(False)
        texture = isinstance(self.network.encoder, TextureEncoder)
        self._cached = self._embed_all() if texture else None
        scores = self._score(self.network, self.plan.train, any_cancer=False)
        return TrainedMember(
            network=self.network,
            epochs=tuple(self.position.records),
            best_epoch=self.position.best_epoch,
            best_concordance=self.position.best_concordance,
            origin=(float(scores[:, 0].mean()), float(scores[:, 1].mean())),
        )

    # One step ------------------------------------------------------------------------------------

    def _step(self, phase: Phase, batch: Batch, rate: float, generator: torch.Generator) -> float:
        optimiser = self.optimiser
        assert optimiser is not None
        for group in optimiser.param_groups:
            group["lr"] = rate * group["relative"]
        with torch.autocast(self.device.type, dtype=_dtype(self.recipe), enabled=self._half):
            if self._cached is None:
                changed = augment(
                    batch.images.to(self.device),
                    batch.present.to(self.device),
                    self.recipe.augmentation,
                    generator=generator,
                )
                present = changed.present
                views = self.network.embed(changed.images, present)
            else:
                present = drop_views(
                    batch.present, self.recipe.augmentation.view_dropout, generator=generator
                ).to(self.device)
                views = self._cached[torch.from_numpy(self.study.exam[batch.rows]).to(self.device)]
            loss = self._loss(phase, batch.rows, views, present)
        optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(optimiser)
        self._scaler.update()
        self._update_average()
        return float(loss.detach())

    def _loss(self, phase: Phase, rows: np.ndarray, views: Tensor, present: Tensor) -> Tensor:
        outcome = torch.from_numpy(self.study.outcome[rows]).to(self.device)
        head = self.network.head
        if phase.objective == "sides":
            sides = split_sides(views, present)
            loss = sides_loss(
                sides.left,
                sides.right,
                sides.both & _first_of(self.study, rows).to(self.device),
                self.recipe.temperature,
            )
        else:
            fused = self.network.fusion(views, present)
            if phase.objective == "any cancer":
                loss = any_cancer_loss(head.any_cancer(fused), outcome)
            elif phase.objective == "three classes":
                loss = three_class_binary_loss(head(fused), outcome)
            elif self.study.matched:
                sets = torch.from_numpy(self.study.set_index[rows]).to(self.device)
                loss = matched_set_loss(head(fused), outcome, sets)
            else:
                weight = torch.from_numpy(self.study.weight[rows]).to(self.device, torch.float32)
                loss = polytomous_loss(head(fused), outcome, weight, self._log_prior)
            n_cases = int((self.study.outcome[self.plan.train] > 0).sum())
            precisions = self.recipe.shared_precision, self.recipe.contrast_precision
            # The losses are means over cases; a normal prior counts once for all of them.
            loss = loss + head.penalty(*precisions) / max(n_cases, 1)
        if phase.density_weight > 0:
            mean, sd = self._density_scale
            measured = torch.from_numpy((self.study.percent_density[rows] - mean) / sd)
            count = present.sum(dim=1, keepdim=True).clamp_min(1)
            whole = (views * present.unsqueeze(-1)).sum(dim=1) / count
            predicted = self.network.density(whole).squeeze(1).float()
            loss = loss + phase.density_weight * density_loss(
                predicted, measured.to(self.device, torch.float32)
            )
        return loss

    def _update_average(self) -> None:
        decay = self.recipe.ema_decay
        if decay is None:
            return
        with torch.no_grad():
            for name, value in self.network.state_dict().items():
                if name not in self.average or not value.is_floating_point():
                    self.average[name] = value.detach().clone()
                else:
                    self.average[name].lerp_(value.detach(), 1 - decay)

    # Judging -------------------------------------------------------------------------------------

    def _judge(self, phase: Phase, number: int) -> float:
        own = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        judged = self.average or own
        self.network.load_state_dict(judged)
        scores = self._score(self.network, self.plan.stop, any_cancer=phase.objective == "any cancer")
        concordance = stopping_concordance(self.study, self.plan.stop, scores)
        if concordance > self.position.best_concordance:
            self.best = {name: value.detach().clone() for name, value in judged.items()}
            self.position.best_concordance, self.position.best_epoch = concordance, number
            self.position.since_best = 0
        else:
            self.position.since_best += 1
        self.network.load_state_dict(own)
        return concordance

    def _score(
        self, network: RiskNetwork, rows: Int[np.ndarray, " row"], *, any_cancer: bool
    ) -> Float[np.ndarray, "row mode"]:
        network.eval()
        found = []
        with torch.no_grad():
            for batch in self._read(rows, images=self._cached is None):
                present = batch.present.to(self.device)
                if self._cached is None:
                    views = network.embed(batch.images.to(self.device), present)
                else:
                    views = self._cached[torch.from_numpy(self.study.exam[batch.rows]).to(self.device)]
                fused = network.fusion(views, present)
                if any_cancer:
                    found.append(network.head.any_cancer(fused).unsqueeze(1).expand(-1, 2))
                else:
                    found.append(network.head(fused))
        scores: np.ndarray = torch.cat(found).double().cpu().numpy()
        return scores

    def _embed_all(self) -> Tensor:
        """Embeddings of every exam that this run may use, by exam; others stay 0."""
        self.network.eval()
        encoder = self.network.encoder
        width = self.network.config.encoder.embedding
        cached = torch.zeros(len(self.study.exam_ids), N_VIEWS, width, device=self.device)
        if isinstance(encoder, TextureEncoder):
            there = self.images.present(np.arange(len(cached))).to(self.device)
            with torch.no_grad():
                cached[there] = encoder.embed_statistics(self._statistics(encoder)[there])
            return cached
        rows = np.concatenate([self.plan.train, self.plan.stop])
        _, first = np.unique(self.study.exam[rows], return_index=True)
        with torch.no_grad():
            for batch in self._read(rows[np.sort(first)], images=True):
                views = self.network.embed(batch.images.to(self.device), batch.present.to(self.device))
                cached[torch.from_numpy(self.study.exam[batch.rows]).to(self.device)] = views
        return cached

    def _statistics(self, encoder: TextureEncoder) -> Tensor:
        """Texture statistics of every exam of the run's images, by exam; kept with the images, because
        networks that share their filters share them."""
        key = encoder.filter_key()
        if key not in self.images.derived:
            self.network.eval()
            found = torch.zeros(
                len(self.study.exam_ids), N_VIEWS, encoder.project.in_features, device=self.device
            )
            with torch.no_grad():
                for start in range(0, len(self.images.readable), CHUNK):
                    exams = self.images.readable[start : start + CHUNK]
                    pixels, present = self.images.load(exams)
                    values = encoder.statistics(pixels[present].to(self.device))
                    part = found.new_zeros(*present.shape, values.shape[1])
                    part[present.to(self.device)] = values
                    found[torch.from_numpy(exams).to(self.device)] = part
            # One set at a time: filters that are trained on leave theirs behind.
            self.images.derived.clear()
            self.images.derived[key] = found
        return self.images.derived[key]

    # Data ----------------------------------------------------------------------------------------

    def _batches(self, number: int) -> list[Int[np.ndarray, " row"]]:
        return epoch_batches(
            self.study,
            self.plan.train,
            sets_per_batch=self.recipe.sets_per_batch,
            seed=self.plan.seed,
            epoch=number,
        )

    def _feed(self, phase: Phase, number: int) -> Iterable[Batch]:
        return self.images.batches(self.study, self._batches(number), images=phase.trains != "head")

    def _read(self, rows: Int[np.ndarray, " row"], *, images: bool) -> Iterable[Batch]:
        plan = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
        return self.images.batches(self.study, plan, images=images)

    # State ---------------------------------------------------------------------------------------

    def _save(self) -> None:
        groups = {"network": self.network.state_dict(), "best": self.best, "average": self.average}
        optimiser = self.optimiser
        assert optimiser is not None
        for name, parameter in self.network.named_parameters():
            for key, value in optimiser.state.get(parameter, {}).items():
                groups.setdefault("optimiser", {})[f"{name}:{key}"] = value
        tensors = {
            f"{group}/{name}": value.detach().cpu().contiguous().clone()
            for group, values in groups.items()
            for name, value in values.items()
        }
        self.position.scaler = dict(self._scaler.state_dict())
        metadata = {"position": json.dumps(asdict(self.position)), "identity": self.plan.identity}
        with atomic_write(self.state_file) as stream:
            stream.write(safetensors.torch.save(tensors, metadata))

    def resume(self) -> None:
        """Take up the state that the folder holds, if any."""
        if not self.state_file.exists():
            return
        try:
            with safetensors.safe_open(self.state_file, framework="pt") as reader:
                metadata = reader.metadata() or {}
        except safetensors.SafetensorError as error:
            raise CheckpointError(
                f"{self.state_file}: expected the state of a training run, found a damaged file ({error}). "
                "Remove it to start this network again."
            ) from error
        if metadata.get("identity") != self.plan.identity:
            raise InterruptedStageError(
                f"{self.state_file}: this folder holds a training run with another recipe, seed or data. "
                "Choose another folder, or remove this one to start again."
            )
        tensors = load_tensors(self.state_file)
        groups: dict[str, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            group, rest = name.split("/", 1)
            groups.setdefault(group, {})[rest] = value.to(self.device)
        fill(self.network, groups["network"], where=str(self.state_file))
        self.best, self.average = groups.get("best", {}), groups.get("average", {})
        self._restored = groups.get("optimiser", {})
        position = json.loads(metadata["position"])
        position["records"] = [EpochRecord(**record) for record in position["records"]]
        self.position = _Position(**position)
        if self._scaler.is_enabled() and self.position.scaler:
            self._scaler.load_state_dict(self.position.scaler)
        phase = self.recipe.phases[self.position.phase]
        stopped = phase.patience is not None and self.position.since_best >= phase.patience
        if self.position.epoch_of_phase >= phase.epochs or stopped:
            self._restored = {}
            self.end()

    def _restore_optimiser(self) -> None:
        optimiser = self.optimiser
        assert optimiser is not None
        for name, parameter in self.network.named_parameters():
            prefix = f"{name}:"
            found = {k[len(prefix) :]: v for k, v in self._restored.items() if k.startswith(prefix)}
            if found:
                # AdamW keeps its step counter on the CPU.
                optimiser.state[parameter] = {k: v.cpu() if k == "step" else v for k, v in found.items()}
        self._restored = {}


def _trains(phase: Phase, name: str) -> bool:
    part = name.split(".", 1)[0]
    if phase.trains == "projection":
        return name.startswith("encoder.project.")
    if phase.trains == "encoder":
        return part in ("encoder", "density")
    if phase.trains == "head":
        return part in ("fusion", "head")
    return True


def _make_optimiser(network: RiskNetwork, phase: Phase, recipe: Recipe) -> torch.optim.AdamW:
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


def _rate(phase: Phase, step: int, n_batches: int) -> float:
    """Learning rate: linear warm-up, then a cosine to 0 at the end of the phase."""
    total = phase.epochs * n_batches
    warmup = phase.warmup_share * total
    if step < warmup:
        return phase.learning_rate * (step + 1) / (warmup + 1)
    return phase.learning_rate * 0.5 * (1 + float(np.cos(np.pi * (step - warmup) / max(total - warmup, 1))))


def _dtype(recipe: Recipe) -> torch.dtype:
    return torch.float16 if recipe.precision == "float16" else torch.bfloat16


def _first_of(study: StudyRows, rows: np.ndarray) -> Tensor:
    """Marks one row per woman: a control of two sets is not her own rival."""
    first = np.zeros(len(rows), bool)
    first[np.unique(study.woman[rows], return_index=True)[1]] = True
    return torch.from_numpy(first)


def _log_prior(study: StudyRows, rows: np.ndarray) -> Tensor:
    """Log odds of each mode against none among the training rows, weighted; ½ added to every count."""
    outcome, weight = study.outcome[rows], study.weight[rows]
    none = weight[outcome == 0].sum() + 0.5
    of_unknown_mode = weight[outcome == 3].sum() / 2
    odds = [(weight[outcome == code].sum() + of_unknown_mode + 0.5) / none for code in (1, 2)]
    return torch.from_numpy(np.log(odds)).to(torch.float32)
