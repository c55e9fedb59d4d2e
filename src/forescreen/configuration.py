"""Settings files (TOML) become frozen dataclasses: unknown keys are errors that name the nearest known one.

In: a path, or a table of a TOML file and the dataclass it describes. Out: the dataclass, validated; or a
`ConfigError` with file, section and key. There is no configuration language beyond this.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from .errors import ConfigError

T = TypeVar("T")


def read_toml(path: Path, *, what: str) -> dict[str, Any]:
    """The tables of a TOML file. Raises ConfigError where there is no such file or it is not TOML."""
    if not path.is_file():
        raise ConfigError(expected=f"{what} (TOML)", found="no such file", where=str(path))
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(expected="valid TOML", found=str(error), where=str(path)) from error


def build(
    kind: type[T],
    values: object,
    *,
    where: str,
    paths: frozenset[str] = frozenset(),
    base: Path | None = None,
) -> T:
    """The dataclass `kind` from one table; the keys in `paths` are relative to the folder `base`."""
    if not isinstance(values, dict):
        raise ConfigError(expected="a table of settings", found=type(values).__name__, where=where)
    only_known(values, {f.name for f in fields(kind)}, where=where, what="key")  # type: ignore[arg-type]
    if base is not None:
        values = {k: base / v if k in paths and isinstance(v, str) else v for k, v in values.items()}
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or "section"
        raise ConfigError(
            expected=f"a valid {key} ({first['msg']})", found=repr(first["input"]), where=where
        ) from error


def only_known(values: Iterable[str], known: set[str], *, where: str, what: str) -> None:
    """An error that names the nearest known word for the first of `values` that is not known."""
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, sorted(known), n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(sorted(known))}"
            raise ConfigError(expected=f"a known {what}", found=repr(name), where=where, remedy=hint)
