"""Work on what strangers send: one bad item never costs the result of another, nor the order."""

from __future__ import annotations

import os
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forescreen import processes
from forescreen.processes import Lost, guarded_map


def run(items: list[Any], *, workers: int = 2, seconds: float = 60.0, headroom: int = 0) -> list[Any]:
    found = guarded_map(
        work, items, workers=workers, chunk=3, seconds=lambda _: seconds, headroom_bytes=headroom
    )
    return list(found)


def work(item: Any) -> Any:
    if item == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "exit":
        os._exit(3)
    if item == "hang":
        time.sleep(600)
    if item == "memory":
        return np.ones(8 << 30, np.uint8).sum()
    if item == "raise":
        raise ValueError("a fault of ours")
    if isinstance(item, Path):  # dies the first time only
        if not item.exists():
            item.touch()
            os.kill(os.getpid(), signal.SIGBUS)
        return "second time"
    return item * 2


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_results_come_in_order(workers: int) -> None:
    assert run(list(range(20)), workers=workers) == [2 * i for i in range(20)]
    assert run([], workers=workers) == []


def test_an_item_that_takes_its_process_down_is_lost_alone() -> None:
    found = run([1, "segfault", 2, 3, 4, "exit", 5, 6, "killed", 7])
    assert found == [
        2,
        Lost("decoder_crashed", "signal SIGSEGV"),
        4,
        6,
        8,
        Lost("decoder_crashed", "exit code 3"),
        10,
        12,
        Lost("out_of_memory", "killed by the system, perhaps for want of memory"),
        14,
    ]


def test_an_item_that_hangs_is_stopped_by_the_clock() -> None:
    assert run([1, "hang", 2, 3], seconds=1.0) == [2, Lost("decoder_timeout", "stopped by the clock"), 4, 6]


def test_a_death_that_is_not_the_items_fault_is_not_held_against_it(tmp_path: Path) -> None:
    assert run([1, tmp_path / "died", 2]) == [2, "second time", 4]


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs a limit on memory")
def test_an_item_that_takes_too_much_memory_is_lost_and_its_process_goes_on() -> None:
    lost = Lost("out_of_memory", "no memory left")
    assert run([1, "memory", 2], workers=1, headroom=1 << 30) == [2, lost, 4]


def test_without_processes_only_memory_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = resource.getrlimit(resource.RLIMIT_AS)
    try:
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, limits[1]))
        assert run([1, "memory"], workers=0) == [2, Lost("out_of_memory", "no memory left")]
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.parametrize("workers", [0, 1])
def test_what_the_function_raises_is_raised(workers: int) -> None:
    with pytest.raises(ValueError, match="a fault of ours") as caught:
        run([1, "raise", 2], workers=workers)
    if workers:
        assert "in a worker process" in caught.value.__notes__[0]


def test_items_are_taken_as_results_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CHUNKS_AHEAD", 2)
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for i in range(1000):
            taken += 1
            yield i

    found = guarded_map(work, items(), workers=1, chunk=3, seconds=lambda _: 60.0)
    for i in range(50):
        assert next(found) == 2 * i
        assert taken <= i + 1 + 2 * 3 + 3
    found.close()  # type: ignore[attr-defined]


def test_processes_that_cannot_start_end_the_work_with_a_reason() -> None:
    found = guarded_map(Unloadable(), [1, 2], workers=1, chunk=1, seconds=lambda _: 60.0)
    with pytest.raises(processes.InterruptedStageError, match="worker processes cannot start"):
        list(found)


class Unloadable:
    """A function that a worker dies of when it loads it."""

    def __call__(self, item: int) -> int:
        return item

    def __reduce__(self) -> tuple[Any, ...]:
        return os._exit, (7,)
