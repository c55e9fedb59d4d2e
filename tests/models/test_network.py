"""The network: views that may be missing, background, batches, configs."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest
import torch

from forescreen.errors import ConfigError, ExamError, TooFewEventsError
from forescreen.models.encoder import DenseNetConfig, TextureEncoder, TextureEncoderConfig
from forescreen.models.fusion import AttentionFusionConfig, MeanFusionConfig, build_fusion, split_sides
from forescreen.models.predictor import MODES, Predictor, score_exams
from forescreen.models.risk_model import RiskNetworkConfig, build_network, read_network_config
from forescreen.models.sides import MIN_EXAMS, apply_sides, fit_sides
from forescreen.records import Outcome

from .builders import build_batch, build_config, build_exam, build_model, build_random_network

CLOSE = 1e-5


@pytest.mark.parametrize("fusion", [MeanFusionConfig(), AttentionFusionConfig()])
def test_what_lies_at_a_missing_view_changes_nothing(fusion: MeanFusionConfig) -> None:
    network = build_random_network(build_config(fusion=fusion)).eval()
    images, present = build_batch(3)
    present[1, 2] = False
    expected = network(images, present)
    images[1, 2] = torch.rand(images[1, 2].shape)
    assert torch.equal(network(images, present), expected)


def test_the_score_of_an_exam_does_not_depend_on_its_batch() -> None:
    model = build_model()
    exams = [build_exam(i) for i in range(5)]
    together = score_exams(model, exams)
    alone = [model(exam) for exam in exams]
    for a, b in zip(together, alone, strict=True):
        assert a.screen_detected == pytest.approx(b.screen_detected, abs=CLOSE)
        assert a.interval == pytest.approx(b.interval, abs=CLOSE)
    assert len({round(a.screen_detected, 4) for a in together}) == 5


def test_without_pixel_change_an_exam_and_its_mirror_have_the_same_mean_and_asymmetry() -> None:
    fuse = build_fusion(4, AttentionFusionConfig())
    views = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(1))
    present = torch.ones(2, 4, dtype=torch.bool)
    swapped = views[:, [2, 3, 0, 1]]
    # A new fusion has no view embedding yet, so only the left-right order differs.
    assert torch.allclose(fuse(views, present), fuse(swapped, present), atol=1e-6)
    assert fuse(views, present).shape == (2, 8)


def test_one_breast_has_no_asymmetry_but_a_learned_constant() -> None:
    fuse = build_fusion(4, AttentionFusionConfig())
    views = torch.randn(1, 4, 4)
    left_only = torch.tensor([[True, True, False, False]])
    assert torch.equal(fuse(views, left_only)[0, 4:], torch.ones(4))
    sides = split_sides(views, left_only)
    assert not sides.both.any()


def test_background_does_not_enter_the_texture() -> None:
    encoder = TextureEncoder(TextureEncoderConfig(levels=2))
    exam = build_exam(3)
    small = torch.from_numpy(exam.images[:1])
    padded = torch.zeros(1, small.shape[1] + 8, small.shape[2] + 8)
    padded[:, : small.shape[1], : small.shape[2]] = small
    a, b = encoder.statistics(small), encoder.statistics(padded)
    # The canvas below and beyond the breast may be any size; pooling windows keep their places.
    assert torch.allclose(a, b, atol=1e-4)


def test_an_image_without_breast_gives_finite_statistics() -> None:
    encoder = TextureEncoder(TextureEncoderConfig(levels=2, widths=(6, 8))).eval()
    assert torch.isfinite(encoder(torch.zeros(2, 40, 32))).all()


def test_finer_texture_raises_the_energy_of_fine_filters_against_coarse_ones() -> None:
    encoder = TextureEncoder(TextureEncoderConfig(levels=3))
    rng = np.random.default_rng(0)
    white = 0.5 + 0.05 * rng.standard_normal((64, 64))
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)
    smooth = np.apply_along_axis(np.convolve, 0, white - 0.5, kernel, "same")
    smooth = np.apply_along_axis(np.convolve, 1, smooth, kernel, "same")
    smooth = 0.5 + 0.05 * smooth / smooth.std()
    images = torch.from_numpy(np.stack([white, smooth]).astype(np.float32))
    statistics = encoder.statistics(images)[:, 2:].reshape(2, 3, 3, 10)
    mean_log_energy = statistics[:, :, 0]
    fine_to_coarse = mean_log_energy[:, 0].mean(1) - mean_log_energy[:, 2].mean(1)
    assert fine_to_coarse[0] > fine_to_coarse[1] + 1


def test_the_same_seed_gives_the_same_network_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a, b = build_network(build_config(), seed=3), build_network(build_config(), seed=3)
    assert torch.equal(torch.get_rng_state(), before)
    for (name, x), y in zip(a.state_dict().items(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y), name


def test_a_new_network_finds_all_exams_equal() -> None:
    assert not build_network(build_config(), seed=1).eval()(*build_batch(2)).any()


def test_configs_survive_json_and_unknown_keys_are_errors() -> None:
    config = RiskNetworkConfig(encoder=TextureEncoderConfig(widths=(8, 8)), fusion=MeanFusionConfig())
    assert read_network_config(json.loads(json.dumps(asdict(config))), where="x") == config
    wrong = asdict(config)
    wrong["encoder"]["depth"] = 3
    with pytest.raises(ConfigError, match=r"card\.json.*depth"):
        read_network_config(wrong, where="card.json")


def test_exams_of_another_canvas_or_without_views_are_refused() -> None:
    model = build_model()
    with pytest.raises(ExamError, match=r"exam 2 of 2.*\(4, 48, 32\)"):
        score_exams(model, [build_exam(0), build_exam(1, rows=48)])
    with pytest.raises(ExamError, match="at least one view"):
        model(build_exam(0, missing=(0, 1, 2, 3)))


def test_models_are_predictors_of_the_two_modes() -> None:
    model = build_model()
    assert isinstance(model, Predictor)
    assert MODES == (Outcome.SCREEN_DETECTED, Outcome.INTERVAL)
    score = model(build_exam(0))
    assert score.screen_detected != score.interval


def test_sides_find_the_direction_that_two_breasts_share() -> None:
    rng = np.random.default_rng(2)
    trait = rng.standard_normal((300, 1, 1))
    noise = rng.standard_normal((300, 4, 6))
    direction = np.array([1.0, -1, 0.5, 0, 0, 0])
    statistics = torch.from_numpy(trait * direction + 2 * noise).float()
    present = torch.ones(300, 4, dtype=torch.bool)
    present[:20, 2:] = False
    projection = fit_sides(statistics, present, n_directions=2)
    encoder = TextureEncoder(TextureEncoderConfig(levels=2))
    encoder.standardise = torch.nn.BatchNorm1d(6, affine=False)
    encoder.project = torch.nn.Linear(6, 2)
    apply_sides(encoder.eval(), projection)
    found = encoder.embed_statistics(statistics.reshape(-1, 6)).reshape(300, 4, 2).mean(1)
    r = np.corrcoef(found[:, 0].detach().numpy(), trait[:, 0, 0])[0, 1]
    # Best possible here: signal 1.5² (|direction|²) against noise 4/4 in the mean of four views.
    best = np.sqrt(2.25 / (2.25 + 1))
    assert abs(r) > best - 0.05
    assert float(projection.ratio[0]) > 3 * float(projection.ratio[1])


def test_sides_need_exams_with_both_breasts() -> None:
    present = torch.ones(30, 4, dtype=torch.bool)
    present[10:, :2] = False
    with pytest.raises(TooFewEventsError, match=f"at least {MIN_EXAMS} .* found 10"):
        fit_sides(torch.randn(30, 4, 5), present, n_directions=2)


def test_the_densenet_of_the_2021_study_takes_one_channel_and_gives_1024_features() -> None:
    config = RiskNetworkConfig(encoder=DenseNetConfig(), fusion=MeanFusionConfig())
    network = build_network(config, seed=0).eval()
    images, present = build_batch(1)
    with torch.no_grad():
        assert network.embed(images, present).shape == (1, 4, 1024)
    # DenseNet-121 has 6 952 832 parameters without its classifier at one channel [Huang2017].
    n_convolved = sum(p.numel() for n, p in network.encoder.named_parameters())
    assert 6_900_000 < n_convolved < 7_000_000
