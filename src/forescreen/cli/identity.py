"""The option --identity: keyed pseudonyms, or study numbers as they are."""

from __future__ import annotations

from pathlib import Path

from ..errors import ConfigError
from ..identity import AS_GIVEN, Pseudonyms, load_or_make_key


def choose(identity: str, folder: Path) -> Pseudonyms:
    """The pseudonyms of `identity`; the key lies in `folder/pseudonym.key` and is made there if absent."""
    if identity == "study-numbers":
        return AS_GIVEN
    if identity == "pseudonym":
        return Pseudonyms(load_or_make_key(folder / "pseudonym.key"))
    raise ConfigError(
        expected="--identity pseudonym or study-numbers", found=repr(identity), where="command line"
    )
