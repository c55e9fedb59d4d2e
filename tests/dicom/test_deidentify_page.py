"""The page of the profile is the profile's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from forescreen.dicom.attributes import RULES

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_is_what_its_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("deidentify_page", DOCS / "deidentify.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    written = (DOCS / "reference" / "deidentify.md").read_text(encoding="utf-8")
    assert written == script.page(), "run: python docs/deidentify.py"
    assert all(f"| {rule.keyword} |" in written for rule in RULES.values())
