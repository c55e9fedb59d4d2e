"""Where results may lie: never among the files they are made from.

A result inside its source would be read as a source by the next run, and somebody who clears it away clears
the archive away with it.
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError


def keep_apart(source: Path, out: Path) -> None:
    """Raise ConfigError for an output folder that is the source, or lies inside of it."""
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise ConfigError(
            expected="an output folder outside of the source",
            found="the source itself" if out.resolve() == source.resolve() else "one inside of it",
            where="--out",
            remedy="Choose another folder; nothing was written",
        )
