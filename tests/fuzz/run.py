"""`make fuzz`: a hundred thousand mutated objects through intake, each in a process that may die.

    python -m tests.fuzz.run [--n 100000] [--seed 1] [--out docs/fuzz.md] [--workers 2]

Workers tell which object they hold. One that dies, or holds an object for too long, is recorded, killed and
replaced; the run goes on. Findings are written as files (out/fuzz/<number>.dcm) to look at. The result page
names the seed: the same seed gives the same objects.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from .corpus import corpus
from .mutations import MUTATIONS, mutant
from .verdict import MOST_MEMORY_MB, Verdict, judge_object

ROOT = Path(__file__).resolve().parents[2]
#: An object that takes more processor time than this hangs; so does one that waits for six times as long.
LONGEST_SECONDS = 10.0
#: Address space of a worker: what is asked for beyond it fails in the worker, not on the machine.
ADDRESS_SPACE_MB = 6000
_BATCH = 100


@dataclass
class Tally:
    """What became of the objects."""

    kinds: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    by_mutation: dict[str, Counter[str]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)

    def add(self, run_seed: int, number: int, mutation: str, seed: str, verdict: Verdict) -> None:
        self.kinds[verdict.kind] += 1
        self.by_mutation.setdefault(mutation.split("+")[0], Counter())[verdict.kind] += 1
        if verdict.kind == "refused":
            self.codes[verdict.words] += 1
        elif verdict.kind != "accepted":
            found = {"number": number, "mutation": mutation, "seed": seed, "kind": verdict.kind}
            self.findings.append(found | {"words": verdict.words})
            out = ROOT / "out" / "fuzz"
            out.mkdir(parents=True, exist_ok=True)
            (out / f"{number}.dcm").write_bytes(mutant(run_seed, number).content)


def _serve(pipe: Connection, run_seed: int) -> None:
    """A worker: takes numbers, tells which it holds, answers with what happened."""
    space = ADDRESS_SPACE_MB << 20
    resource.setrlimit(resource.RLIMIT_AS, (space, space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as name:
        while True:
            numbers = pipe.recv()
            if numbers is None:
                return
            for number in numbers:
                pipe.send(("holds", number, time.process_time()))
                made = mutant(run_seed, number)
                verdict = judge_object(made, Path(name))
                pipe.send(("done", number, made.mutation, made.seed, verdict))


@dataclass
class _Worker:
    process: Any
    pipe: Connection
    left: list[int]
    holds: int | None = None
    since: float = 0.0
    spent: float = 0.0  # processor seconds of the process when it took what it holds


def _spent(worker: _Worker) -> float:
    """Processor seconds on what a worker holds (Linux; elsewhere the clock decides alone)."""
    try:
        fields = Path(f"/proc/{worker.process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return LONGEST_SECONDS + 1
    ticks = int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK") - worker.spent


def fuzz(n: int, run_seed: int, workers: int) -> Tally:
    """Objects 0 to n - 1 of a run."""
    tally = Tally()
    spawn = get_context("spawn")
    pending = iter(range(0, n, _BATCH))
    running: list[_Worker] = []
    spoken = time.monotonic()

    def start() -> _Worker:
        ours, theirs = spawn.Pipe()
        process = spawn.Process(target=_serve, args=(theirs, run_seed), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, [])

    def feed(worker: _Worker) -> bool:
        if not worker.left:
            first = next(pending, None)
            if first is None:
                return False
            worker.left = list(range(first, min(first + _BATCH, n)))
        worker.pipe.send(worker.left)
        worker.holds, worker.since = None, time.monotonic() + 60  # the first one pays for imports
        return True

    for _ in range(workers):
        worker = start()
        if feed(worker):
            running.append(worker)
    while running:
        ready = wait([w.pipe for w in running], timeout=0.5)
        for worker in list(running):
            lost = ""
            try:
                while worker.pipe in ready and worker.pipe.poll():
                    message = worker.pipe.recv()
                    if message[0] == "holds":
                        worker.holds, worker.since, worker.spent = message[1], time.monotonic(), message[2]
                        continue
                    _, number, mutation, seed, verdict = message
                    tally.add(run_seed, number, mutation, seed, verdict)
                    worker.left.remove(number)
                    worker.holds, worker.since = None, time.monotonic()
                    if not worker.left and not feed(worker):
                        worker.pipe.send(None)
                        running.remove(worker)
                        break
            except (EOFError, OSError):
                worker.process.join(5)
                lost = f"process ended with {worker.process.exitcode}"
            if not lost and worker.holds is not None:
                waited = time.monotonic() - worker.since
                if waited > LONGEST_SECONDS and _spent(worker) > LONGEST_SECONDS:
                    lost = f"more than {LONGEST_SECONDS:g} s of processor time"
                elif waited > 6 * LONGEST_SECONDS:
                    lost = f"more than {6 * LONGEST_SECONDS:g} s"
            if lost:
                worker.process.kill()
                number = worker.holds if worker.holds is not None else worker.left[0]
                made = mutant(run_seed, number)
                kind = "hang" if lost.startswith("more") else "crash"
                tally.add(run_seed, number, made.mutation, made.seed, Verdict(kind, lost))
                left = [x for x in worker.left if x != number]
                running.remove(worker)
                fresh = start()
                fresh.left = left
                if feed(fresh):
                    running.append(fresh)
        if time.monotonic() - spoken > 15:
            spoken = time.monotonic()
            print(f"  {tally.kinds.total()} of {n}: {dict(tally.kinds)}", file=sys.stderr)
    return tally


def page(tally: Tally, n: int, run_seed: int, seconds: float) -> str:
    """The result as Markdown."""
    bad = {kind: tally.kinds[kind] for kind in ("crash", "hang", "memory", "wrong")}
    lines = [
        "# Fuzzing of intake",
        "",
        f"`python -m tests.fuzz.run --n {n} --seed {run_seed}`: {n} mutated objects of {len(corpus())} "
        f"seeds, header and pixels, in {seconds / 60:.0f} minutes of 2 cores. Each goes through reading, "
        "gate, decoding and grey scale "
        f"in a process that may die: a dead process is a crash, more than {LONGEST_SECONDS:g} s a hang, more "
        f"than {MOST_MEMORY_MB} MB a blow-up. An accepted object that had to be refused, or whose deciding "
        "values an independent reader (pydicom) reads otherwise, is a wrong acceptance.",
        "",
        "| outcome | objects |",
        "|---|---|",
        f"| refused with a code | {tally.kinds['refused']} |",
        f"| accepted, rightly as far as can be told | {tally.kinds['accepted']} |",
        *(f"| **{kind}** | **{count}** |" for kind, count in bad.items()),
        "",
        "A flipped bit inside a compressed stream that still decodes is among the accepted: these formats "
        "carry no checksum, nobody can see it.",
        "",
        "| mutation | refused | accepted | what it does |",
        "|---|---|---|---|",
        *(
            f"| {name} | {tally.by_mutation.get(name, Counter())['refused']} | "
            f"{tally.by_mutation.get(name, Counter())['accepted']} | {(function.__doc__ or '').strip()} |"
            for name, (function, _) in MUTATIONS.items()
        ),
        "",
        "Seeds (built in code, `tests/fuzz/corpus.py`): " + ", ".join(seed.name for seed in corpus()) + ".",
        "",
        "| refused as | objects |",
        "|---|---|",
        *(f"| {code} | {count} |" for code, count in tally.codes.most_common()),
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the reading of DICOM files")
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    started = time.monotonic()
    tally = fuzz(options.n, options.seed, options.workers)
    text = page(tally, options.n, options.seed, time.monotonic() - started)
    if options.out is not None:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    for finding in tally.findings[:50]:
        print(json.dumps(finding))
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
