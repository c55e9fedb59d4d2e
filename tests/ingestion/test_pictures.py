from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from forescreen.ingestion.pictures import CODES, Picture, load_picture
from forescreen.records import Laterality, Mammogram, Refusal, View

from .builders import write_picture


def build_picture(path: Path) -> Picture:
    return Picture(path=path, file=path.name, laterality=Laterality.LEFT, view=View.CC, row_spacing_mm=0.2)


def build_values(full_scale: int) -> np.ndarray:
    return np.linspace(0, full_scale, 100 * 80).reshape(100, 80)


@pytest.mark.parametrize(
    ("name", "dtype", "syntax"),
    [("a.png", "uint16", "png16"), ("a.png", "uint8", "png8"), ("a.pgm", "uint8", "pgm8"),
     ("a.pgm", "uint16", "pgm16")],
)  # fmt: skip
def test_grey_pictures_keep_their_values_over_full_scale(
    tmp_path: Path, name: str, dtype: str, syntax: str
) -> None:
    full_scale = np.iinfo(dtype).max
    values = build_values(full_scale).astype(dtype)
    Image.fromarray(values).save(tmp_path / name)
    mammogram = load_picture(build_picture(tmp_path / name))
    assert isinstance(mammogram, Mammogram)
    np.testing.assert_allclose(mammogram.pixels, values / full_scale, rtol=1e-6)
    assert mammogram.acquisition.transfer_syntax == syntax
    assert mammogram.spacing_mm == (0.2, 0.2)
    assert mammogram.acquisition.spacing_source == "table"


def test_a_picture_without_spacing_has_none(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    mammogram = load_picture(replace(build_picture(tmp_path / "a.png"), row_spacing_mm=None))
    assert isinstance(mammogram, Mammogram)
    assert mammogram.spacing_mm is None
    assert mammogram.acquisition.spacing_source == ""


def spoil(path: Path, how: str) -> None:
    grey = build_values(255).astype(np.uint8)
    if how == "colour_image":
        Image.fromarray(np.stack([grey] * 3, axis=-1)).save(path)
    elif how == "image_too_small":
        Image.fromarray(grey[:, :40]).save(path)
    elif how == "low_dynamic_range":
        Image.fromarray((grey > 100).astype(np.uint8)).save(path)
    elif how == "not_a_picture":
        path.write_text("a letter")
    elif how == "truncated_file":
        Image.fromarray(grey).save(path)
        path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize(
    "code",
    ["colour_image", "image_too_small", "low_dynamic_range", "not_a_picture", "truncated_file",
     "file_missing"],
)  # fmt: skip
def test_bad_pictures_are_refused_with_a_reason(tmp_path: Path, code: str) -> None:
    path = tmp_path / "a.png"
    spoil(path, code)
    refusal = load_picture(build_picture(path))
    assert isinstance(refusal, Refusal)
    assert (refusal.file, refusal.code, refusal.codes) == ("a.png", code, (code,))
    assert refusal.message.startswith("expected ")


def test_pictures_larger_than_any_mammogram_are_refused_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    refusal = load_picture(build_picture(tmp_path / "a.png"))
    assert isinstance(refusal, Refusal)
    assert refusal.code == "undecodable_pixels"


def test_codes_of_ingestion_have_meanings() -> None:
    assert {"file_missing", "not_a_picture", "breast_not_found"} == set(CODES)
    assert all(CODES.values())
