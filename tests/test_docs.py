"""The docs tell the truth: commands exist, links lead somewhere, references are listed and used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changelog.d/*.md")])
#: One or more keys in brackets, with page or chapter: [Cox1958], [Austin2019, Cleveland1988], [Breslow1980,
#: ch. VII].
CITATION = re.compile(r"\[([A-Z][A-Za-z]+\d{4}[a-z]?(?:, [^\]]+)?)\]")
KEY = re.compile(r"\b[A-Z][A-Za-z]+\d{4}[a-z]?\b")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_relative_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_make_command_of_the_readme_exists() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.M))
    named = set(re.findall(r"(?:`|^)make (\w+)", (ROOT / "README.md").read_text(), flags=re.M))
    assert {"demo", "test", "study", "bench", "setup"} <= named <= targets


def test_contributing_is_short() -> None:
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_references_are_listed_and_used() -> None:
    listed = set(re.findall(r"^- \[(\w+)\]", (ROOT / "docs" / "references.md").read_text(), flags=re.M))
    used: set[str] = set()
    for path in [*ROOT.glob("src/**/*.py"), *ROOT.glob("examples/*.py"), *PAGES]:
        if path.name != "references.md":
            text = path.read_text(encoding="utf-8")
            used |= {key for citation in CITATION.findall(text) for key in KEY.findall(citation)}
    assert used - listed == set(), "used but not in docs/references.md"
    assert listed - used == set(), "listed in docs/references.md but never used"


def test_every_part_and_join_has_its_page() -> None:
    books = re.findall(r"^- \*\*(\w+)\*\*", (ROOT / "ARCHITECTURE.md").read_text(), flags=re.M)
    pages = {p.stem for p in (ROOT / "docs" / "reference").glob("*.md")}
    assert set(books) - {"forescreen"} <= pages


def test_nothing_calls_itself_clinically_validated() -> None:
    for path in [*PAGES, *ROOT.glob("src/**/*.py"), *ROOT.glob("src/**/*.j2")]:
        text = path.read_text(encoding="utf-8")
        for found in re.finditer(r"clinically validated", text, flags=re.I):
            before = text[max(0, found.start() - 40) : found.start()].lower()
            assert re.search(r"\b(not|nothing|no|never)\b", before), f"{path.name} claims validation"
