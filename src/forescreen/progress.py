"""How long work tells that it goes on, without knowing who watches.

A function that takes long has a parameter `track: Track = silent`, and wraps its loop in
`track(items, label, total)`. The command line passes rich bars; tests and libraries pass nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar, runtime_checkable

T = TypeVar("T")


@runtime_checkable
class Track(Protocol):
    """Wraps an iterable, yields its items unchanged, and shows how far it has come."""

    def __call__(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]: ...


def silent(items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
    """The Track that shows nothing."""
    return items
