"""Worker processes that know when to leave, do not fight over memory, and may die of a file alone.

Image work runs in fresh ("spawn") processes. A worker of a killed parent would wait for work for ever,
because it holds both ends of its own queue: here it watches its parent and ends with it. It also keeps
freed memory, without which the page faults of fresh arrays cost more than the work on them.

`guarded_map` is for work on what strangers send: a codec that crashes, hangs or takes all memory takes
one process with it. The item it was at is tried once more, alone in a fresh process while all others
rest; if that ends the same way the item is `Lost`, and everything else has its result.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Any, Generic, TypeVar

import numpy as np

from .errors import InterruptedStageError

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

#: Chunks per worker that may be finished before their turn: what is held in memory while one item is slow.
CHUNKS_AHEAD = 8


@dataclass(frozen=True, slots=True)
class Lost:
    """What became of an item that ended its process, twice."""

    code: str  # decoder_crashed, decoder_timeout, out_of_memory: codes of dicom.reasons
    detail: str  # of the process, nothing of the item: "signal SIGSEGV"

    expected = "a file that can be worked on"

    @property
    def found(self) -> str:
        """What it is instead, in words for a person."""
        return f"one that cannot ({self.detail})"

    @property
    def message(self) -> str:
        """Words for a person."""
        return f"expected {self.expected}, found {self.found}"


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """A pool of `workers` fresh processes that end when their parent does, however it ends."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=enter_worker)


def enter_worker() -> None:
    """What each worker does first."""
    keep_freed_memory()
    parent = parent_process()
    if parent is None:
        return
    gone = parent.sentinel

    def watch() -> None:
        connection.wait([gone])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def keep_freed_memory() -> None:
    """Let the C library keep up to 62 MiB of freed memory instead of handing it back after each picture.

    Freeing one block near 32 MiB raises glibc's thresholds for good (mallopt(3), M_MMAP_THRESHOLD); no
    page of it is ever touched.
    """
    np.empty(31 << 20, np.uint8)


def guarded_map(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    workers: int,
    chunk: int,
    seconds: Callable[[T], float],
    headroom_bytes: int = 0,
) -> Iterator[R | Lost]:
    """`function` of each item, in order, from `workers` guarded processes; `Lost` where it took one down.

    `items` are taken as results leave, never all at once. `seconds(item)` is how long one may take by the
    clock, `headroom_bytes` how much memory a process may take beyond what it has when it begins (0: no
    limit; systems without one have none). Items travel `chunk` at a time. What `function` raises is raised
    here, except MemoryError: that item is Lost. With `workers` 0 all runs in this process, unguarded but
    for MemoryError. Raises InterruptedStageError if processes cannot start.
    """
    if workers < 1:
        for item in items:
            yield _in_this_process(function, item)
        return
    crew = _Crew(function, items, workers, chunk, seconds, headroom_bytes)
    try:
        yield from crew.results()
    finally:
        crew.end()


def guarded_pairs(
    function: Callable[[T], R],
    pairs: Iterable[tuple[K, T]],
    *,
    workers: int,
    chunk: int,
    seconds: Callable[[T], float],
    headroom_bytes: int = 0,
) -> Iterator[tuple[K, R | Lost]]:
    """`guarded_map` over items that carry a key, which stays here and comes out beside the result."""
    keys: deque[K] = deque()

    def items() -> Iterator[T]:
        for key, item in pairs:
            keys.append(key)
            yield item

    results = guarded_map(
        function, items(), workers=workers, chunk=chunk, seconds=seconds, headroom_bytes=headroom_bytes
    )
    for result in results:
        yield keys.popleft(), result


def _in_this_process(function: Callable[[T], R], item: T) -> R | Lost:
    try:
        return function(item)
    except MemoryError:
        return Lost("out_of_memory", "no memory left")


@dataclass(eq=False)
class _Worker(Generic[T]):
    """One process, its end of the pipe, and the items it has and has not answered for."""

    process: Any
    pipe: connection.Connection[Any, Any]
    is_ready: bool = False
    is_alone: bool = False  # with a suspect
    chunk: deque[tuple[int, T]] = field(default_factory=deque)
    deadline: float = float("inf")

    @property
    def is_idle(self) -> bool:
        return self.is_ready and not self.chunk


class _Crew(Generic[T, R]):
    """The parent's side of `guarded_map`: who works at what, what is finished, what is suspect."""

    def __init__(
        self,
        function: Callable[[T], R],
        items: Iterable[T],
        workers: int,
        chunk: int,
        seconds: Callable[[T], float],
        headroom_bytes: int,
    ) -> None:
        self.function, self.workers, self.chunk = function, workers, chunk
        self.seconds, self.headroom_bytes = seconds, headroom_bytes
        self.source = enumerate(items)
        self.is_exhausted = False
        self.n_out = 0
        self.ahead: deque[tuple[int, T]] = deque()
        self.finished: dict[int, R | Lost] = {}
        self.suspects: deque[tuple[int, T]] = deque()
        self.crew: list[_Worker[T]] = []

    def results(self) -> Iterator[R | Lost]:
        while True:
            while self.n_out in self.finished:
                yield self.finished.pop(self.n_out)
                self.n_out += 1
            self._look_ahead()
            busy = [worker for worker in self.crew if worker.chunk]
            if not (self.ahead or self.suspects or busy):
                return
            self._dispatch(busy)
            self._listen()

    def end(self) -> None:
        """Workers hold nothing that must be saved."""
        for worker in self.crew:
            worker.process.kill()
        for worker in self.crew:
            worker.process.join()
            worker.pipe.close()

    def _look_ahead(self) -> None:
        limit = self.n_out + CHUNKS_AHEAD * self.workers * self.chunk
        while len(self.ahead) < self.workers * self.chunk and not self.is_exhausted:
            if self.ahead and self.ahead[-1][0] + 1 >= limit:
                return
            try:
                pair = next(self.source)
            except StopIteration:
                self.is_exhausted = True
                return
            self.ahead.append(pair)
            if pair[0] + 1 >= limit:
                return

    def _dispatch(self, busy: list[_Worker[T]]) -> None:
        if self.suspects:
            if not busy:
                alone = next((worker for worker in self.crew if worker.is_alone), None)
                if alone is None:
                    self._start(is_alone=True)
                elif alone.is_ready:
                    self._give(alone, [self.suspects.popleft()])
            return
        waiting = [worker for worker in self.crew if not worker.chunk]
        if self.ahead and len(self.crew) < self.workers and len(self.ahead) > self.chunk * len(waiting):
            self._start()
        for worker in self.crew:
            if worker.is_idle and self.ahead:
                n = min(self.chunk, len(self.ahead))
                self._give(worker, [self.ahead.popleft() for _ in range(n)])

    def _start(self, *, is_alone: bool = False) -> None:
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.headroom_bytes), daemon=True)
        process.start()
        theirs.close()
        worker: _Worker[T] = _Worker(process, ours, is_alone=is_alone)
        self.crew.append(worker)
        try:
            ours.send(self.function)
        except OSError:
            self._bury(worker, "")

    def _give(self, worker: _Worker[T], pairs: list[tuple[int, T]]) -> None:
        worker.chunk.extend(pairs)
        worker.deadline = time.monotonic() + self.seconds(pairs[0][1])
        try:
            worker.pipe.send([item for _, item in pairs])
        except OSError:
            self._bury(worker, "")

    def _listen(self) -> None:
        now = time.monotonic()
        soonest = min((worker.deadline for worker in self.crew), default=now)
        pipes = {worker.pipe: worker for worker in self.crew}
        heard = connection.wait(list(pipes), timeout=min(max(0.0, soonest - now), 3600.0))
        for pipe in heard:
            self._hear(pipes[pipe])  # type: ignore[index]
        if not heard:
            for worker in list(self.crew):
                if worker.deadline <= time.monotonic():
                    worker.process.kill()
                    self._bury(worker, "timeout")

    def _hear(self, worker: _Worker[T]) -> None:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker, "")
            return
        except Exception:
            self._bury(worker, "garbled")
            return
        if isinstance(answer, _Ready):
            worker.is_ready = True
        elif isinstance(answer, _Raised):
            raise answer.error
        else:
            index, _ = worker.chunk.popleft()
            self.finished[index] = answer
            worker.deadline = (
                time.monotonic() + self.seconds(worker.chunk[0][1]) if worker.chunk else float("inf")
            )
            worker.is_alone = False

    def _bury(self, worker: _Worker[T], reason: str) -> None:
        """A dead worker: its first unanswered item is suspect, or lost; the others wait again."""
        worker.process.kill()
        worker.process.join()
        while worker.pipe.poll():  # what it had answered before
            try:
                answer = worker.pipe.recv()
            except Exception:
                break
            if not isinstance(answer, _Ready | _Raised) and worker.chunk:
                self.finished[worker.chunk.popleft()[0]] = answer
        worker.pipe.close()
        self.crew.remove(worker)
        if not worker.chunk:
            if not worker.is_ready:
                raise InterruptedStageError(
                    "worker processes cannot start, perhaps for want of memory. What is finished is kept: "
                    "run the same command again, with fewer workers"
                )
            return
        first = worker.chunk.popleft()
        if worker.is_alone:
            self.finished[first[0]] = _lost(worker.process.exitcode, reason)
        else:
            self.suspects.append(first)
        self.ahead.extendleft(reversed(worker.chunk))


@dataclass(frozen=True)
class _Ready:
    """A worker has loaded the function."""


@dataclass(frozen=True)
class _Raised:
    """What the function raised in a worker."""

    error: BaseException


def _lost(exit_code: int | None, reason: str) -> Lost:
    if reason == "timeout":
        return Lost("decoder_timeout", "stopped by the clock")
    if reason == "garbled":
        return Lost("decoder_crashed", "an answer that cannot be read")
    if exit_code == -signal.SIGKILL:
        return Lost("out_of_memory", "killed by the system, perhaps for want of memory")
    if exit_code is not None and exit_code < 0:
        return Lost("decoder_crashed", f"signal {signal.Signals(-exit_code).name}")
    return Lost("decoder_crashed", f"exit code {exit_code}")


def _serve(pipe: connection.Connection[Any, Any], headroom_bytes: int) -> None:
    """A worker's life: load the function, then answer for each item of each chunk."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    enter_worker()
    try:
        function = pipe.recv()
        _limit_memory(headroom_bytes)
        pipe.send(_Ready())
        while True:
            for item in pipe.recv():
                try:
                    answer = _in_this_process(function, item)
                except BaseException as error:
                    error.add_note(f"in a worker process:\n{traceback.format_exc()}")
                    answer = _Raised(error)
                pipe.send(answer)
    except (EOFError, OSError):
        return


def _limit_memory(headroom_bytes: int) -> None:
    try:
        import resource

        with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123
            in_use = int(stream.read().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    if headroom_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (in_use + headroom_bytes, hard))
