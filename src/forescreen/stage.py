"""One step of a study: a folder that says what made it, and whether it is finished.

A stage folder holds the stage's files and `stage.json`, written last. A finished stage with the same
fingerprint (configuration and inputs) is not run again; an unfinished one continues, because every
file in it is whole (`forescreen.files`); one with another fingerprint is refused, never overwritten. While
a process works on a folder no other may: it holds a lock that ends with it, however it ends.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import InterruptedStageError
from .files import fingerprint, read_json, remove_leftovers, write_json

#: The stage's own file in its folder.
MARKER = "stage.json"


@dataclass(frozen=True)
class Stage:
    """A named stage in `folder`, made from `made_from` (configuration and input fingerprints)."""

    name: str
    folder: Path
    made_from: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        """Identity of configuration and inputs."""
        return fingerprint(self.name, self.made_from)

    def begin(self) -> bool:
        """Claim the folder. True if there is work to do, False if the stage is finished already.

        Raises InterruptedStageError if the folder was made from something else.
        """
        marker = self.folder / MARKER
        if marker.exists():
            found = read_json(marker)
            if found.get("fingerprint") != self.fingerprint:
                before = found.get("made_from", {})
                differing = sorted(
                    key
                    for key in set(before) | set(self.made_from)
                    if fingerprint(before.get(key)) != fingerprint(self.made_from.get(key))
                )
                raise InterruptedStageError(
                    f"{self.folder}: this folder holds the stage {found.get('name')!r} made from other "
                    f"settings or inputs (differing: {', '.join(differing) or 'stage name'}). "
                    "Choose another output folder, or remove this one to start again."
                )
            if found.get("finished"):
                return False
        else:
            self._write(finished=False, summary={}, seconds=0.0)
        claim(self.folder)
        remove_leftovers(self.folder)
        return True

    def finish(self, summary: dict[str, Any], *, started: float) -> None:
        """Mark the stage as finished; `summary` is its dry account, `started` a time.monotonic()."""
        self._write(finished=True, summary=summary, seconds=round(time.monotonic() - started, 2))
        release(self.folder)

    def summary(self) -> dict[str, Any]:
        """The account of the finished stage."""
        value: dict[str, Any] = read_json(self.folder / MARKER)["summary"]
        return value

    def _write(self, *, finished: bool, summary: dict[str, Any], seconds: float) -> None:
        write_json(
            self.folder / MARKER,
            {
                "name": self.name,
                "finished": finished,
                "fingerprint": self.fingerprint,
                "made_from": self.made_from,
                "summary": summary,
                "seconds": seconds,
            },
        )


def claim(folder: Path) -> None:
    """Hold `folder` for this process until `release` or its end; the lock file lies beside the folder.

    Raises InterruptedStageError if another process holds it. Systems without advisory locks have none.
    """
    try:
        import fcntl
    except ImportError:
        return
    path = folder.resolve()
    if path in _HELD:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(f".{path.name}.lock"), os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise InterruptedStageError(
            f"{folder}: another process is working in this folder. "
            "Wait for it to end, or choose another folder."
        ) from None
    _HELD[path] = descriptor


def release(folder: Path) -> None:
    """Give the folder free again."""
    descriptor = _HELD.pop(folder.resolve(), None)
    if descriptor is not None:
        os.close(descriptor)


#: Lock files that this process holds.
_HELD: dict[Path, int] = {}
