"""What the commands say: progress bars, dry summaries, errors without tracebacks.

On a terminal long loops show rich bars; in a log file they print one line when they start and one when
they end. Errors of the ForescreenError tree are printed as one paragraph, exit code 2; an interruption
(Ctrl-C) says that the same command continues, exit code 130.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import typer

from ..errors import ConfigError, ForescreenError
from ..progress import Track

T = TypeVar("T")


@contextmanager
def friendly(*, continues: bool = True) -> Iterator[None]:
    """Turn expected errors into a paragraph on stderr and an exit code.

    `continues`: whether the command goes on where it was interrupted, or starts anew.
    """
    try:
        yield
    except ForescreenError as error:
        typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
        raise typer.Exit(2) from None
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        typer.secho(
            f"error: this command needs the package {error.name!r}. Install it with: "
            f"pip install 'forescreen[{extra}]'",
            err=True,
            fg=typer.colors.RED,
        )
        raise typer.Exit(2) from None
    except OSError as error:
        # A full disk, a folder that is a file, no permission: the person's to mend, not a fault of ours.
        place = f"{error.filename}: " if error.filename else ""
        typer.secho(
            f"error: {place}expected a file or folder that can be read or written, found: "
            f"{error.strerror or error}. Check the path, its permissions and the space on the disk",
            err=True,
            fg=typer.colors.RED,
        )
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        again = "to continue" if continues else "to start anew; nothing was written"
        typer.secho(f"interrupted: run the same command again {again}", err=True)
        raise typer.Exit(130) from None


_EXTRAS = {
    "pydicom": "images",
    "imagecodecs": "images",
    "PIL": "images",
    "pyarrow": "images",
    "torch": "train",
    "safetensors": "train",
    "monai": "train",
}


def say(line: str) -> None:
    """One line for the person, on stdout."""
    typer.echo(line)


def summarise(title: str, summary: dict[str, Any], *, seconds: float | None = None) -> None:
    """A dry account: the title, then one `name value` per line."""
    took = f"  ({seconds:.0f} s)" if seconds is not None else ""
    say(f"{title}{took}")
    width = max((len(str(k)) for k in summary), default=0)
    for key, value in summary.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} {_number(v)}" for k, v in value.items()) or "none"
        say(f"  {str(key).replace('_', ' ').ljust(width)}  {_number(value)}")


def _number(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    if isinstance(value, int):
        return f"{value:,}".replace(",", " ")
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def default_workers() -> int:
    """Processes for image work: the cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def choose_device(device: str) -> str:
    """`device` as torch knows it; "auto" is "cuda" or "mps" when torch finds one, else "cpu".

    Raises ConfigError for a device that this machine or this torch does not have.
    """
    import importlib

    torch: Any = importlib.import_module("torch")
    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):  # what torch raises, by build
        raise ConfigError(
            expected="--device cpu, auto, or a device that torch finds here (cuda, mps)",
            found=repr(device),
            where="command line",
        ) from None
    return device


def spare_inputs(out: Path, *inputs: Path | None) -> None:
    """Raise ConfigError where `out` is one of the files that are read: writing would destroy it."""
    for given in inputs:
        if given is not None and given.is_file() and given.resolve() == out.resolve():
            raise ConfigError(
                expected="--out another file than those that are read",
                found=f"{given.name} as both",
                where="command line",
                remedy="Choose another name; nothing was written",
            )


def show_path(path: Path) -> str:
    """A path as short as the working directory allows."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def make_track() -> Track:
    """Progress bars on a terminal, plain lines elsewhere."""
    return _Bars() if sys.stderr.isatty() else _Lines()


class _Lines:
    def __call__(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        started = time.monotonic()
        spoken = started
        done = 0
        for item in items:
            yield item
            done += 1
            if time.monotonic() - spoken > 30:
                spoken = time.monotonic()
                of = f" of {total}" if total is not None else ""
                typer.echo(f"  {label}: {done}{of}", err=True)
        seconds = time.monotonic() - started
        if seconds > 5:
            typer.echo(f"  {label}: {done} in {seconds:.0f} s", err=True)


class _Bars:
    def __init__(self) -> None:
        self._progress: Any = None
        self._depth = 0

    def __call__(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        if self._depth == 0:
            self._progress = Progress(
                TextColumn("  {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._progress.start()
        self._depth += 1
        task = self._progress.add_task(label, total=total)
        try:
            for item in items:
                yield item
                self._progress.advance(task)
        finally:
            self._progress.remove_task(task)
            self._depth -= 1
            if self._depth == 0:
                self._progress.stop()
