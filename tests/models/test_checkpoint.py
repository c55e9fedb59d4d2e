"""Model folders: what is saved comes back; what is damaged is refused with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from forescreen.errors import CheckpointError
from forescreen.models.checkpoint import load_members, load_model, read_card, save_ensemble, save_model
from forescreen.models.ensemble import Ensemble
from forescreen.models.risk_model import RiskModel

from .builders import COLUMNS, ROWS, build_config, build_exam, build_model, build_random_network

GEOMETRY = {"rows": ROWS, "columns": COLUMNS, "spacing_mm": 2.0}


def save_member(folder: Path, *, seed: int, origin: tuple[float, float] = (0.0, 0.0)) -> None:
    save_model(
        folder, build_random_network(seed=seed), geometry=GEOMETRY, origin=origin, facts={"recipe_name": "x"}
    )


def save_two(folder: Path) -> None:
    save_member(folder / "member-00", seed=0, origin=(1.0, 2.0))
    save_member(folder / "member-01", seed=1)
    save_ensemble(folder, ("member-00", "member-01"), facts={"n_members": 2})


def test_a_saved_network_gives_the_same_scores(tmp_path: Path) -> None:
    save_member(tmp_path, seed=3)
    loaded = load_model(tmp_path)
    assert isinstance(loaded, RiskModel)
    assert loaded(build_exam(1)).screen_detected == build_model(seed=3)(build_exam(1)).screen_detected
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["recipe_name"] == "x"
    assert card["n_parameters"] > 0
    assert set(card["versions"]) == {"python", "torch", "numpy", "safetensors"}


def test_an_ensemble_is_the_mean_of_its_members_each_on_its_own_origin(tmp_path: Path) -> None:
    save_two(tmp_path)
    ensemble, exam = load_model(tmp_path), build_exam(1)
    assert isinstance(ensemble, Ensemble)
    first, second = build_model(seed=0)(exam), build_model(seed=1)(exam)
    score = ensemble(exam)
    assert score.screen_detected == pytest.approx(
        (first.screen_detected - 1 + second.screen_detected) / 2, abs=1e-6
    )
    assert score.interval == pytest.approx((first.interval - 2 + second.interval) / 2, abs=1e-6)
    sd = abs(first.screen_detected - 1 - second.screen_detected) / 2**0.5
    ic = abs(first.interval - 2 - second.interval) / 2**0.5
    assert score.spread == pytest.approx(((sd**2 + ic**2) / 2) ** 0.5, abs=1e-6)
    alone = load_members(tmp_path, ("member-01",))(exam)
    assert alone.screen_detected == pytest.approx(second.screen_detected, abs=1e-6)


def test_parameters_are_plain_tensors_and_nothing_is_pickled(tmp_path: Path) -> None:
    save_member(tmp_path, seed=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["card.json", "parameters.safetensors"]
    head = (tmp_path / "parameters.safetensors").read_bytes()[:16]
    assert head[8:9] == b"{"  # eight bytes of length, then JSON: the layout of safetensors


def truncate(folder: Path) -> None:
    path = folder / "parameters.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_byte(folder: Path) -> None:
    path = folder / "parameters.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def change_card(key: str, value: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        card = json.loads((folder / "card.json").read_text())
        card[key] = value
        (folder / "card.json").write_text(json.dumps(card))

    return change


def drop_geometry(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    del card["geometry"]["rows"]
    (folder / "card.json").write_text(json.dumps(card))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncate, "damaged file"),
        (flip_a_byte, "expected SHA-256"),
        (lambda f: (f / "parameters.safetensors").unlink(), "found none"),
        (lambda f: (f / "card.json").unlink(), "a folder without it"),
        (lambda f: (f / "card.json").write_text("{"), "damaged file"),
        (change_card("format", "other"), "found 'other'"),
        (change_card("kind", "zoo"), "found 'zoo'"),
        (change_card("model", {"encoder": {"kind": "texture", "depth": 1}}), "depth"),
        (change_card("model", {"encoder": {"kind": "texture", "levels": 3}}), "expected"),
        (drop_geometry, "rows"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_damaged_model_is_refused_with_a_reason(
    tmp_path: Path, damage: Callable[[Path], None], message: str
) -> None:
    save_member(tmp_path, seed=0)
    damage(tmp_path)
    with pytest.raises(CheckpointError, match=message):
        load_model(tmp_path)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such folder"):
        load_model(tmp_path / "none")


def test_an_exchanged_member_is_noticed(tmp_path: Path) -> None:
    save_two(tmp_path)
    save_member(tmp_path / "member-01", seed=7)
    with pytest.raises(CheckpointError, match="not those the ensemble was made of"):
        load_model(tmp_path)
    assert read_card(tmp_path).members == ("member-00", "member-01")


def test_members_that_do_not_exist_are_refused(tmp_path: Path) -> None:
    save_two(tmp_path)
    with pytest.raises(CheckpointError, match="no member member-09"):
        load_members(tmp_path, ("member-09",))


def test_wrong_config_names_the_card(tmp_path: Path) -> None:
    save_member(tmp_path, seed=0)
    assert read_card(tmp_path).model["encoder"]["levels"] == build_config().encoder.levels  # type: ignore[union-attr]
