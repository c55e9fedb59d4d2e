"""One network trained on its rows, phase by phase, judged on its stopping rows; killed and continued exactly.

After every epoch the whole state (parameters, running statistics, optimiser, best so far, position) is
one atomic file. Every random choice is drawn anew from (seed, epoch), so that a run killed at any moment
and started again ends, on a CPU with the same number of threads, in the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import ConfigError
from ..models.checkpoint import fill, load_tensors
from ..models.encoder import TextureEncoder
from ..models.predictor import N_VIEWS
from ..models.risk_model import RiskNetwork, build_network
from ..models.sides import apply_sides, fit_sides
from .augment import augment, drop_views
from .dataset import Batch, StudyImages, StudyRows
from .objective import Objective, learning_rate, make_optimiser, trains
from .recipe import Phase, Recipe
from .sampling import epoch_batches
from .state import (
    STATE,
    EpochRecord,
    Position,
    State,
    load_state,
    optimiser_tensors,
    restore_optimiser,
    save_state,
)
from .threads import threads
from .validation import stopping_concordance

#: Exams embedded or scored at once outside of training; results do not depend on it.
CHUNK = 64


@dataclass(frozen=True, kw_only=True, eq=False)
class MemberPlan:
    """What one network learns from, what stops it, and its own seed."""

    train: Int[np.ndarray, " row"]
    stop: Int[np.ndarray, " row"]
    seed: int
    identity: str  # fingerprint of everything that decides the run


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedMember:
    """The network of the best epoch and how it came about."""

    network: RiskNetwork
    epochs: tuple[EpochRecord, ...]
    best_epoch: int
    best_concordance: float
    origin: tuple[float, float]


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
        # The head's steps are so small that handing them out to threads costs more than they do, ten
        # times more where other work holds the cores.
        small = phase.trains == "head" and run.device.type == "cpu"
        with threads(1 if small else None):
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
        self.position = Position()
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
        self.objective = Objective.of(study, recipe, plan.train)

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
            parameter.requires_grad_(trains(phase, name))
        self.optimiser = make_optimiser(self.network, phase, self.recipe)
        restore_optimiser(self.network, self.optimiser, self._restored)
        self._restored = {}
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
            rate = learning_rate(
                phase, self.position.epoch_of_phase * self._n_batches + step, self._n_batches
            )
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
            loss = self.objective.loss(self.network, phase, batch.rows, views, present)
        optimiser.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        self._scaler.step(optimiser)
        self._scaler.update()
        self._update_average()
        return float(loss.detach())

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
        assert self.optimiser is not None
        self.position.scaler = dict(self._scaler.state_dict())
        groups = {
            "network": self.network.state_dict(),
            "best": self.best,
            "average": self.average,
            "optimiser": optimiser_tensors(self.network, self.optimiser),
        }
        save_state(self.state_file, State(groups, self.position), identity=self.plan.identity)

    def resume(self) -> None:
        """Take up the state that the folder holds, if any."""
        state = load_state(self.state_file, identity=self.plan.identity, device=self.device)
        if state is None:
            return
        fill(self.network, state.groups["network"], where=str(self.state_file))
        self.best, self.average = state.groups.get("best", {}), state.groups.get("average", {})
        self._restored = state.groups.get("optimiser", {})
        self.position = state.position
        if self._scaler.is_enabled() and self.position.scaler:
            self._scaler.load_state_dict(self.position.scaler)
        phase = self.recipe.phases[self.position.phase]
        stopped = phase.patience is not None and self.position.since_best >= phase.patience
        if self.position.epoch_of_phase >= phase.epochs or stopped:
            self._restored = {}
            self.end()


def _dtype(recipe: Recipe) -> torch.dtype:
    return torch.float16 if recipe.precision == "float16" else torch.bfloat16
