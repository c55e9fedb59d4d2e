"""ARCHITECTURE.md tells the truth: every module is on the page, and imports go down only."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "forescreen"
FLOORS = ("words", "parts", "joins", "doors")


@dataclass(frozen=True)
class Book:
    """A package of the page (or the words themselves): its floor, its place, its modules in order."""

    name: str
    floor: str
    place: int
    modules: tuple[str, ...]


def read_page() -> dict[str, Book]:
    books: dict[str, Book] = {}
    floor = ""
    for line in (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").splitlines():
        heading = re.match(r"## (\w+)", line)
        if heading:
            floor = heading.group(1).lower()
        entry = re.match(r"- \*\*(\w+)\*\*.*?: (`.*)$", line)
        if entry and floor in FLOORS:
            modules = tuple(re.findall(r"`([\w/]+)`", entry.group(2)))
            books[entry.group(1)] = Book(entry.group(1), floor, len(books), modules)
    return books


BOOKS = read_page()


def modules_on_disk() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"forescreen": []}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        if parts[-1] == "__init__":
            continue
        if len(parts) == 1:
            found["forescreen"].append(parts[0])
        else:
            found.setdefault(parts[0], []).append("/".join(parts[1:]))
    return found


def imports_of(path: Path) -> list[tuple[str, int]]:
    """Dotted names of forescreen modules imported anywhere in a file, functions included."""
    package = path.relative_to(SOURCE.parent).with_suffix("").parts[:-1]
    names: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            prefix = ".".join((*base, *((node.module or "").split(".") if node.module else ())))
            names += [(f"{prefix}.{alias.name}", node.lineno) for alias in node.names]
    return [(name, line) for name, line in names if name.startswith("forescreen.")]


def locate(name: str) -> tuple[str, str] | None:
    """(book, module) of a dotted import, None for the top package itself."""
    parts = name.split(".")[1:]
    if not parts:
        return None
    if parts[0] in BOOKS["forescreen"].modules:
        return "forescreen", parts[0]
    if parts[0] in BOOKS:
        modules = BOOKS[parts[0]].modules
        for length in (2, 1):
            candidate = "/".join(parts[1 : 1 + length])
            if candidate in modules:
                return parts[0], candidate
        return parts[0], ""
    return None


def test_every_module_is_on_the_page_and_every_entry_exists() -> None:
    for book, modules in modules_on_disk().items():
        assert book in BOOKS, f"{book} is missing from ARCHITECTURE.md"
        assert sorted(BOOKS[book].modules) == sorted(modules), (
            f"ARCHITECTURE.md and the files of {book} differ"
        )
    assert set(BOOKS) == set(modules_on_disk())


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_go_down_only(path: Path) -> None:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    if parts == ("__init__",):
        return  # the three lines of the README, loaded when asked for
    home = "forescreen" if len(parts) == 1 else parts[0]
    module = parts[0] if len(parts) == 1 else "/".join(parts[1:])
    book = BOOKS[home]
    for name, line in imports_of(path):
        found = locate(name)
        if found is None:
            continue
        other, other_module = BOOKS[found[0]], found[1]
        where = f"{path.relative_to(ROOT)}:{line} imports {name}"
        if other.name == home:
            if module in ("__init__", "__main__") or not other_module:
                continue
            assert book.modules.index(other_module) < book.modules.index(module), (
                f"{where}, which stands below it in ARCHITECTURE.md"
            )
            continue
        assert FLOORS.index(other.floor) <= FLOORS.index(book.floor), f"{where}: upwards"
        if other.floor == book.floor:
            assert book.floor != "parts", f"{where}: parts never import each other"
            assert other.place < book.place, f"{where}, which stands below it in ARCHITECTURE.md"


ALLOWED_HEAVY = {
    "torch": {"models", "training", "scoring"},
    "pydicom": {"dicom"},
    "monai": {"models"},
}


@pytest.mark.parametrize("library", sorted(ALLOWED_HEAVY))
def test_heavy_libraries_live_in_their_own_books(library: str) -> None:
    for path in SOURCE.rglob("*.py"):
        home = path.relative_to(SOURCE).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom) and not node.level
                else []
            )
            for name in names:
                if name.split(".")[0] == library:
                    assert home in ALLOWED_HEAVY[library], f"{path.relative_to(ROOT)} imports {library}"


@pytest.mark.parametrize(
    "statement",
    [
        "import forescreen",
        "import forescreen.cli",
        "import forescreen.evaluation.run, forescreen.report.page",
    ],
)
def test_light_doors_load_neither_torch_nor_pydicom(statement: str) -> None:
    code = f"import sys; {statement}; print([m for m in ('torch', 'pydicom', 'monai') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
