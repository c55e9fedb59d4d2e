"""What every test gets: shapes checked at each call, and the shared test data where it is present.

jaxtyping's import hook wraps the functions of the shape-bearing parts, so that a wrong axis fails
in the test that made it.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings
from jaxtyping import install_import_hook

# Test processes share the cores: OpenMP threads should sleep while they wait. Read when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

install_import_hook(
    ["forescreen.records", "forescreen.statistics", "forescreen.images", "forescreen.models"],
    "beartype.beartype",
)

# The same examples in every run; to look for new ones: pytest --hypothesis-profile=default
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture
def shared() -> Path:
    """The folder of test data beside the project; tests that ask for it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the test data in {SHARED.name}/data, which is not part of the project")
    return SHARED
