"""Training: it learns what is there and nothing that is not, and survives being killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import CheckpointError, ConfigError, InterruptedStageError, TooFewEventsError
from forescreen.images.geometry import Geometry
from forescreen.models.checkpoint import load_model, read_card
from forescreen.models.predictor import score_exams
from forescreen.training.augment import Augmentation
from forescreen.training.dataset import read_rows
from forescreen.training.recipe import Phase, Recipe
from forescreen.training.recipes import default, demo, paper
from forescreen.training.run import plan_folds, train_study

from .builders import FakeStudy, build_study, tiny_recipe

ROOT = Path(__file__).resolve().parents[2]


def scores_of(folder: Path, study: FakeStudy) -> np.ndarray:
    model = load_model(folder)
    exams = [study.store.exam(exam) for exam in study.members["exam_id"]]
    return np.array([[s.screen_detected, s.interval] for s in score_exams(model, exams)])


def held_out(study: FakeStudy) -> np.ndarray:
    return (study.members["split"] == "held-out").to_numpy()


def parameters_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.rglob("parameters.safetensors"))]


@pytest.fixture(scope="module")
def small() -> FakeStudy:
    return build_study(48, 5, rows=32, columns=24, missing_share=0.1, held_out_share=0.2)


@pytest.fixture(scope="module")
def learnable() -> FakeStudy:
    return build_study(200, 6, rows=48, columns=40, held_out_share=0.4, slope=0.6, log_or=1.2)


def test_texture_that_carries_risk_is_found_from_matched_outcomes(
    learnable: FakeStudy, tmp_path: Path
) -> None:
    recipe = tiny_recipe(rows=48, columns=40, levels=3, epochs=15)
    summary = train_study(learnable.store, learnable.members, recipe, tmp_path, seed=1, n_threads=1)
    assert summary.n_members == 3
    unseen = held_out(learnable)
    found = scores_of(tmp_path, learnable)[unseen].mean(axis=1)
    assert np.corrcoef(found, learnable.trait[unseen])[0, 1] > 0.7
    assert abs(np.corrcoef(found, learnable.density[unseen])[0, 1]) < 0.4


def test_shuffled_outcomes_teach_nothing(learnable: FakeStudy, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    members = learnable.members.copy()
    shuffled = members["outcome"].to_numpy().reshape(-1, 3).copy()
    members["outcome"] = rng.permuted(shuffled, axis=1).ravel()
    recipe = tiny_recipe(rows=48, columns=40, levels=3, epochs=8)
    train_study(learnable.store, members, recipe, tmp_path, seed=1, n_threads=1)
    unseen = held_out(learnable)
    found = scores_of(tmp_path, learnable)[unseen].mean(axis=1)
    case = (members["outcome"] != "none").to_numpy()[unseen].reshape(-1, 3)
    by_set = found.reshape(-1, 3)
    above = [(s[c] > s[~c]).mean() for s, c in zip(by_set, case, strict=True)]
    # 80 sets 1:2 at concordance 0.5: variance 1/6 of a set's concordance, SD of the mean 0.046.
    assert abs(np.mean(above) - 0.5) < 3 * 0.046


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(small: FakeStudy, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train_study(small.store, small.members, tiny_recipe(), tmp_path / name, seed=seed, n_threads=1)
    assert parameters_of(tmp_path / "a") == parameters_of(tmp_path / "b")
    assert parameters_of(tmp_path / "a") != parameters_of(tmp_path / "c")


def test_the_order_of_rows_does_not_matter_to_who_is_trained_on(small: FakeStudy) -> None:
    shuffled = small.members.sample(frac=1, random_state=1)
    assert plan_folds(read_rows(shuffled), tiny_recipe()) == plan_folds(
        read_rows(small.members), tiny_recipe()
    )


def test_images_read_when_needed_train_to_the_same_bits(small: FakeStudy, tmp_path: Path) -> None:
    recipe = end_to_end_recipe()
    train_study(small.store, small.members, recipe, tmp_path / "memory", seed=1, n_threads=1)
    read = replace(recipe, memory_budget_bytes=0)
    train_study(small.store, small.members, read, tmp_path / "read", seed=1, n_threads=1)
    assert parameters_of(tmp_path / "memory") == parameters_of(tmp_path / "read")


def end_to_end_recipe() -> Recipe:
    """Every kind of phase, every augmentation, averaged parameters."""
    return replace(
        tiny_recipe(widths=(6,), learned_filters=2),
        phases=(
            Phase(objective="sides", trains="projection", epochs=1),
            Phase(objective="sides", trains="encoder", epochs=2, learning_rate=1e-3, density_weight=0.1),
            Phase(objective="outcome", trains="head", epochs=3, learning_rate=1e-2),
            Phase(objective="outcome", trains="all", epochs=2, learning_rate=1e-3, density_weight=0.1),
        ),
        augmentation=Augmentation(
            rotation_degrees=3, shift_rows=2, log_gamma=0.05, noise=0.01, view_dropout=0.1
        ),
        ema_decay=0.9,
        n_members=2,
    )


KILLED = """
import os, signal, sys
from pathlib import Path
import tests.training.builders as builders
import forescreen.training.loop as loop
from forescreen.training.run import train_study
from tests.training.test_run import end_to_end_recipe
study = builders.build_study(48, 5, rows=32, columns=24, missing_share=0.1, held_out_share=0.2)
step, steps = loop._Run._step, [0]
def counted(self, *given):
    steps[0] += 1
    if steps[0] == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)  # as kill -9, in the middle of an epoch
    return step(self, *given)
loop._Run._step = counted
train_study(study.store, study.members, end_to_end_recipe(), Path(sys.argv[1]), seed=1, n_threads=1)
"""


def test_a_run_killed_again_and_again_ends_in_the_same_bits(small: FakeStudy, tmp_path: Path) -> None:
    train_study(small.store, small.members, end_to_end_recipe(), tmp_path / "whole", seed=1, n_threads=1)
    killed = tmp_path / "killed"
    for at_step in ("5", "11"):
        done = subprocess.run(
            [sys.executable, "-c", KILLED, str(killed), at_step],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            capture_output=True,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not (killed / "card.json").exists()
    train_study(small.store, small.members, end_to_end_recipe(), killed, seed=1, n_threads=1)
    assert parameters_of(killed) == parameters_of(tmp_path / "whole")
    assert not list(killed.rglob("state.safetensors"))
    whole = json.loads((tmp_path / "whole" / "training.json").read_text())
    assert [e["loss"] for m in json.loads((killed / "training.json").read_text()) for e in m["epochs"]] == [
        e["loss"] for m in whole for e in m["epochs"]
    ]


def test_a_finished_run_is_not_run_again(small: FakeStudy, tmp_path: Path) -> None:
    train_study(small.store, small.members, tiny_recipe(), tmp_path, seed=1, n_threads=1)
    small.store.reads.clear()
    before = time.monotonic()
    train_study(small.store, small.members, tiny_recipe(), tmp_path, seed=1, n_threads=1)
    assert not small.store.reads
    assert time.monotonic() - before < 5


def test_a_folder_of_another_run_is_refused(small: FakeStudy, tmp_path: Path) -> None:
    train_study(small.store, small.members, tiny_recipe(), tmp_path, seed=1, n_threads=1)
    with pytest.raises(InterruptedStageError, match="another recipe, seed or data"):
        train_study(small.store, small.members, tiny_recipe(), tmp_path, seed=2, n_threads=1)


def test_a_damaged_state_is_refused_with_what_to_do(small: FakeStudy, tmp_path: Path) -> None:
    (tmp_path / "member-00").mkdir()
    (tmp_path / "member-00" / "state.safetensors").write_bytes(b"half a file")
    with pytest.raises(CheckpointError, match="Remove it to start this network again"):
        train_study(small.store, small.members, tiny_recipe(), tmp_path, seed=1, n_threads=1)


def test_the_held_out_part_is_never_read(small: FakeStudy, tmp_path: Path) -> None:
    small.store.reads.clear()
    train_study(small.store, small.members, tiny_recipe(), tmp_path, seed=1, n_threads=1)
    unseen = set(small.members.loc[held_out(small), "exam_id"])
    assert unseen
    assert not unseen & set(small.store.reads)


def test_outcomes_of_the_held_out_part_cannot_change_the_parameters(small: FakeStudy, tmp_path: Path) -> None:
    members = small.members.copy()
    outcome = members.loc[held_out(small), "outcome"].to_numpy()
    members.loc[held_out(small), "outcome"] = np.roll(outcome, 1)
    train_study(small.store, small.members, tiny_recipe(), tmp_path / "a", seed=1, n_threads=1)
    train_study(small.store, members, tiny_recipe(), tmp_path / "b", seed=1, n_threads=1)
    assert parameters_of(tmp_path / "a") == parameters_of(tmp_path / "b")


def test_with_a_held_out_part_member_k_stops_on_fold_k() -> None:
    study = build_study(60, 1, rows=8, columns=8, held_out_share=0.2)
    plans = plan_folds(read_rows(study.members), tiny_recipe())
    assert [(p.stopped, p.trained, p.left_out) for p in plans] == [
        (0, (1, 2), None),
        (1, (0, 2), None),
        (2, (0, 1), None),
    ]
    fewer = plan_folds(read_rows(study.members), replace(tiny_recipe(), n_members=1))
    assert [p.member for p in fewer] == ["member-00"]


def test_without_one_every_fold_has_a_network_that_never_saw_it() -> None:
    study = build_study(60, 1, rows=8, columns=8, n_folds=4)
    plans = plan_folds(read_rows(study.members), replace(tiny_recipe(), n_members=1))
    assert [p.left_out for p in plans] == [0, 1, 2, 3]
    for plan in plans:
        assert plan.stopped == (plan.left_out + 1) % 4  # type: ignore[operator]
        assert sorted([*plan.trained, plan.stopped, plan.left_out]) == [0, 1, 2, 3]  # type: ignore[type-var]


def test_unmatched_designs_and_cancers_of_unknown_mode_train_too(tmp_path: Path) -> None:
    study = build_study(40, 5, rows=32, columns=24)
    outcome = study.members["outcome"].where(study.members["outcome"] == "none", "cancer")
    members = study.members.assign(set_id="", outcome=outcome)
    summary = train_study(study.store, members, tiny_recipe(), tmp_path, seed=1, n_threads=1)
    assert summary.loss == "polytomous"
    card = read_card(tmp_path)
    assert [plan["left_out"] for plan in card.facts["folds"]] == [0, 1, 2]
    assert np.isfinite(scores_of(tmp_path, study)).all()


def test_the_two_phases_of_the_2021_study_run_and_the_second_freezes_the_encoder(
    small: FakeStudy, tmp_path: Path
) -> None:
    first, second = paper.RECIPE.phases
    recipe = replace(tiny_recipe(), phases=(replace(first, epochs=2), replace(second, epochs=2)), n_members=1)
    train_study(small.store, small.members, recipe, tmp_path, seed=1, n_threads=1)
    epochs = json.loads((tmp_path / "training.json").read_text())[0]["epochs"]
    assert [e["phase"] for e in epochs] == ["any cancer"] * 2 + ["three classes"] * 2
    assert all(0 <= e["concordance"] <= 1 for e in epochs)
    best = json.loads((tmp_path / "training.json").read_text())[0]["best_epoch"]
    assert best >= 2


def test_store_and_recipe_must_share_a_canvas(small: FakeStudy, tmp_path: Path) -> None:
    other = replace(tiny_recipe(), geometry=Geometry(rows=40, columns=24, spacing_mm=2.0))
    with pytest.raises(ConfigError, match=r"canvas \(40, 24, 2.0\), found \(32, 24, 2.0\)"):
        train_study(small.store, small.members, other, tmp_path, seed=1)


def test_too_few_cases_or_folds_are_refused(small: FakeStudy, tmp_path: Path) -> None:
    few = small.members[small.members["set_id"].isin(small.members["set_id"].unique()[-6:])]
    with pytest.raises(TooFewEventsError, match="training a network"):
        plan_folds(read_rows(few.assign(split="development", fold=few["fold"].fillna(0))), tiny_recipe())
    one_fold = small.members.assign(fold=pd.array([0] * len(small.members), dtype="Int64"))
    one_fold.loc[held_out(small), "fold"] = pd.NA
    with pytest.raises(ConfigError, match="at least 2 folds, found 1"):
        plan_folds(read_rows(one_fold), tiny_recipe())


@pytest.mark.parametrize("recipe", [demo.RECIPE, default.RECIPE, paper.RECIPE], ids=lambda r: r.name)
def test_recipes_are_whole_and_say_what_they_need(recipe: Recipe) -> None:
    module = {"demo": demo, "default": default, "paper": paper}[recipe.name]
    for word in ("Command", "Hardware", "Time", "Expected"):
        assert word in (module.__doc__ or "")
    assert recipe.phases[-1].judged


def test_phases_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ConfigError, match="projection or encoder"):
        Phase(objective="sides", trains="all", epochs=1)
    with pytest.raises(ConfigError, match="solved at once"):
        Phase(objective="sides", trains="projection", epochs=2)
    with pytest.raises(ConfigError, match="end with one on outcomes"):
        replace(tiny_recipe(), phases=(Phase(objective="sides", trains="projection", epochs=1),))
