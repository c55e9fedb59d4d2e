"""Machines are told, women are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forescreen.dicom.machine import Machine, read_machine
from forescreen.dicom.read import read_header

from .builders import build_mammogram, save


def read(tmp_path: Path, changes: dict[str, Any]) -> Machine:
    return read_machine(read_header(save(tmp_path / "a.dcm", build_mammogram(changes=changes))))


@pytest.mark.parametrize(
    ("maker", "model", "software"),
    [
        ("HOLOGIC, Inc.", "Selenia Dimensions", "AWS:1.7.2.44\\GIP2D:3.13.0-4.13.5"),
        ("GE MEDICAL SYSTEMS", "Senographe Essential VERSION ADS_54.10", "Ads Package VERSION ADS_54.10"),
        ("FUJIFILM Corporation", "FDR-3000AWS", "V9.0"),
        ("Maker", "Model 1", "1.0\\2.0"),
    ],
)
def test_machines_are_told_as_they_are(tmp_path: Path, maker: str, model: str, software: str) -> None:
    changes = {
        "Manufacturer": maker,
        "ManufacturerModelName": model,
        "SoftwareVersions": software.split("\\"),
    }
    assert read(tmp_path, changes) == Machine(maker, model, software)


@pytest.mark.parametrize(
    "value",
    [
        *("W0001", "w-0001", "Room of Doe", "DOE^JANE", "A0001", "xW0001x", "Jane"),
        *("19640101", "01.01.1964", "1964-01-01", "id 4711080", "\x07bell"),
    ],
)
def test_what_may_be_hers_is_not_told(tmp_path: Path, value: str) -> None:
    changes = {
        "PatientBirthDate": "19640101",
        "Manufacturer": value,
        "ManufacturerModelName": f"Selenia {value}",
        "SoftwareVersions": ["1.0", value],
    }
    found = read(tmp_path, changes)
    for told in (found.manufacturer, found.model, found.software, found.name):
        assert "OTHER" in told
        for secret in ("0001", "DOE", "JANE", "1964", "4711080", "\x07"):
            assert secret not in told.upper()
    assert found.model.startswith("Selenia")
    assert found.software.startswith("1.0")


def test_a_value_that_is_her_number_is_no_version(tmp_path: Path) -> None:
    assert read(tmp_path, {"PatientID": "123", "SoftwareVersions": ["123"]}).software == "OTHER"
