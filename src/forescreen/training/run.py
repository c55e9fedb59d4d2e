"""Members table and image store to an ensemble: one network per fold, each stopped on a fold it never saw.

With a held-out part, member k trains on the development folds other than k and stops on fold k; no
member touches the held-out part. Without one, member k leaves fold k out entirely, stops on fold k + 1
and trains on the rest, so that every exam can be scored by a network that never saw it.

    folder/card.json, training.json, member-00/{card.json, parameters.safetensors}, member-01/…
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .. import __version__
from ..errors import CheckpointError, ConfigError, InterruptedStageError, TooFewEventsError
from ..files import fingerprint, plain, read_json, write_json
from ..models.checkpoint import read_card, save_ensemble, save_model
from ..progress import Track, silent
from .dataset import ExamStore, StudyImages, StudyRows, read_rows, store_fingerprint
from .loop import MemberPlan, train_member
from .recipe import Recipe
from .state import STATE, EpochRecord
from .threads import threads

#: A network cannot learn a direction from fewer cases; it would be noise with a file name.
MIN_CASES = 8


@dataclass(frozen=True, kw_only=True)
class TrainingSummary:
    """What a training run did."""

    recipe: str
    n_members: int
    n_exams: int  # development exams
    n_cases: int
    loss: str  # of the outcome phases
    stopping_concordance: float  # mean over members, on the folds they stopped on: optimistic
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FoldPlan:
    """Folds of one member."""

    member: str
    trained: tuple[int, ...]
    stopped: int
    left_out: int | None  # None: the held-out part is what no member saw


def train_study(
    store: ExamStore,
    members: pd.DataFrame,
    recipe: Recipe,
    folder: Path,
    *,
    seed: int,
    device: str = "cpu",
    track: Track = silent,
    n_threads: int | None = None,
) -> TrainingSummary:
    """Train the recipe's ensemble into `folder`; finished members are kept, an unfinished one continues.

    `n_threads` of torch; None leaves them as they are. The same seed, recipe, data and number of threads
    give the same bits on a CPU. Raises CohortError for members that contradict themselves,
    TooFewEventsError with fewer than MIN_CASES cases to learn from, ConfigError if recipe and store do
    not fit, InterruptedStageError if the folder belongs to another run.
    """
    started = time.monotonic()
    canvas = asdict(recipe.geometry)
    found = {name: getattr(store.geometry, name) for name in canvas}
    if canvas != found:
        raise ConfigError(
            expected=f"an image store on the recipe's canvas {tuple(canvas.values())}",
            found=str(tuple(found.values())),
            where=f"recipe {recipe.name}",
            remedy="Ingest the images with the recipe's geometry, or choose another recipe",
        )
    study = read_rows(members)
    plans = plan_folds(study, recipe)
    development = np.flatnonzero(study.fold >= 0)
    data = fingerprint(study.fingerprint, store_fingerprint(store))
    # Only development exams are ever loaded: the held-out part cannot leak into anything.
    used = sorted(set(study.exam[development].tolist()))
    with threads(n_threads):
        images: StudyImages | None = None
        total = sum(phase.epochs for phase in recipe.phases)
        for number, folds in enumerate(plans):
            identity = fingerprint(plain(recipe), data, seed, plain(folds))
            if _is_finished(folder / folds.member, identity):
                continue
            if images is None:
                images = StudyImages(
                    store,
                    study.exam_ids,
                    budget_bytes=recipe.memory_budget_bytes,
                    only=used,
                    track=track,
                )
            plan = MemberPlan(
                train=np.flatnonzero(np.isin(study.fold, folds.trained)),
                stop=np.flatnonzero(study.fold == folds.stopped),
                seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]),
                identity=identity,
            )
            with _Progress(track, f"Training network {number + 1} of {len(plans)}", total) as progress:
                trained = train_member(
                    study,
                    images,
                    plan,
                    recipe,
                    folder / folds.member,
                    device=device,
                    after_epoch=progress.advance,
                )
            save_model(
                folder / folds.member,
                trained.network,
                geometry=canvas,
                origin=trained.origin,
                facts={
                    "identity": identity,
                    "recipe_name": recipe.name,
                    "recipe": plain(recipe),
                    "folds": plain(folds),
                    "seed": plan.seed,
                    "data_fingerprint": data,
                    "metrics": {"stopping_concordance": trained.best_concordance},
                    "epochs": plain(trained.epochs),
                    "best_epoch": trained.best_epoch,
                    "forescreen": __version__,
                },
            )
            (folder / folds.member / STATE).unlink(missing_ok=True)
    cards = [read_card(folder / folds.member).facts for folds in plans]
    write_json(
        folder / "training.json",
        [
            {"member": number, "epochs": card["epochs"], "best_epoch": card["best_epoch"]}
            for number, card in enumerate(cards)
        ],
    )
    concordance = float(np.mean([card["metrics"]["stopping_concordance"] for card in cards]))
    facts: dict[str, Any] = {
        "recipe_name": recipe.name,
        "recipe": plain(recipe),
        "n_members": len(plans),
        "seed": seed,
        "data_fingerprint": data,
        "metrics": {"stopping_concordance": concordance},
        "folds": plain(plans),
        "forescreen": __version__,
    }
    save_ensemble(folder, tuple(folds.member for folds in plans), facts=facts)
    return TrainingSummary(
        recipe=recipe.name,
        n_members=len(plans),
        n_exams=len(used),
        n_cases=int((study.outcome[development] > 0).sum()),
        loss="matched sets" if study.matched else "polytomous",
        stopping_concordance=round(concordance, 4),
        seconds=round(time.monotonic() - started, 1),
    )


def plan_folds(study: StudyRows, recipe: Recipe) -> tuple[FoldPlan, ...]:
    """Which folds each member trains and stops on.

    A recipe may train only the first of the members; without a held-out part all of them are trained,
    because each fold needs the network that left it out.
    """
    n_folds = study.n_folds
    has_held_out = bool((study.fold < 0).any())
    needed = 2 if has_held_out else 3
    if n_folds < needed:
        raise ConfigError(
            expected=f"at least {needed} folds",
            found=str(n_folds),
            where="members table, column fold",
            remedy="Make more folds with `forescreen cohort`",
        )
    plans = []
    for k in range(n_folds):
        stopped = k if has_held_out else (k + 1) % n_folds
        trained = tuple(f for f in range(n_folds) if f not in (k, stopped))
        plans.append(
            FoldPlan(
                member=f"member-{k:02d}",
                trained=trained,
                stopped=stopped,
                left_out=None if has_held_out else k,
            )
        )
        n_cases = int((study.outcome[np.isin(study.fold, trained)] > 0).sum())
        if n_cases < MIN_CASES:
            raise TooFewEventsError(
                "training a network", found=n_cases, needed=MIN_CASES, where=f"member {k}"
            )
    kept = plans if recipe.n_members is None or not has_held_out else plans[: max(1, recipe.n_members)]
    return tuple(kept)


def _is_finished(folder: Path, identity: str) -> bool:
    if not (folder / "card.json").exists():
        return False
    try:
        found = read_json(folder / "card.json").get("identity")
    except ValueError as error:
        raise CheckpointError(f"{folder / 'card.json'}: expected JSON, found a damaged file") from error
    if found != identity:
        raise InterruptedStageError(
            f"{folder}: this folder holds a network trained with another recipe, seed or data. "
            "Choose another folder, or remove this one to start again."
        )
    return True


class _Progress:
    """Turns "an epoch is over" into one step of a Track, which wraps an iterable."""

    def __init__(self, track: Track, label: str, total: int) -> None:
        self._steps = iter(track(range(total), label, total))

    def __enter__(self) -> _Progress:
        next(self._steps, None)
        return self

    def __exit__(self, *failure: object) -> None:
        if failure[0] is None:
            for _ in self._steps:
                pass

    def advance(self, record: EpochRecord) -> None:
        """One epoch is over."""
        next(self._steps, None)
