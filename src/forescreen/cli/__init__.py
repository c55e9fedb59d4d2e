"""The command line: `forescreen <command>`; one file per command, loaded when it is called."""

from __future__ import annotations

from .app import main

__all__ = ["main"]
