"""What is known of every file below a source, on disk: walked, read, assembled, in streams.

In: located files, then what their headers say. Out: exams in order, refusals, counts; nothing is ever held
in memory as a whole. A catalogue in a file is what an interrupted header pass continues from: a file that
has the same name, size and time of change is not read again. It holds file names, so it lies beside the
key and only its owner can read it; patient, exam and object numbers in it are pseudonyms (`assemble.find`).

SQLite; rows are committed in batches, so that a killed process loses at most one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from ..records import Refusal
from .assemble import Candidate, Found, PassedOver, assemble
from .catalogue_rows import (
    ACCEPTED,
    AMBIGUOUS,
    FORMAT,
    FOUND,
    JOINT,
    LOCATED,
    PENDING,
    REFUSED,
    SAME,
    TABLES,
    TWINS,
    found_of,
    open_tables,
    row_of,
    row_of_answer,
    split,
)
from .gate import MIN_SLICES, SLICE, slice_finding
from .policy import Policy
from .reasons import ORDER, Action
from .twins import is_same_object
from .walk import Located

#: Flag of the exams of a patient number that stands for several women.
SEVERAL_WOMEN = "patient_ambiguous"
#: Rows per transaction.
BATCH = 1000


@dataclass(frozen=True, kw_only=True)
class Stock:
    """What a walk found, against what the catalogue knew."""

    n_files: int
    n_new: int
    n_changed: int
    n_gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One chosen image of an exam."""

    number: int
    located: Located
    found: Found


@dataclass(frozen=True, slots=True, kw_only=True)
class CataloguedExam:
    """One assembled exam; its images in the order of STANDARD_VIEWS."""

    woman_id: str
    exam_id: str
    exam_date: str
    machine: str
    missing: tuple[str, ...]
    flags: tuple[str, ...]
    views: tuple[View, ...]


class Catalogue:
    """The tables of one source. Use as a context manager; `path` None keeps them in memory."""

    def __init__(self, path: Path | None, root: Path, *, made_from: str = "") -> None:
        """Open or make the catalogue of the files below `root`. What was read by other rules (`made_from`)
        is forgotten and read again.
        """
        self.root = str(root)
        if path is not None:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        self._tables = open_tables(path)
        if self._about("format") != str(FORMAT):
            self._forget_everything()
        if self._about("made_from") != made_from:
            self._tables.execute(f"UPDATE files SET state = {PENDING} WHERE NOT problem")
            self._tell("made_from", made_from)
        self._tables.commit()

    def __enter__(self) -> Catalogue:
        return self

    def __exit__(self, *_: object) -> None:
        self._tables.close()

    def take_stock(self, found: Iterable[Located]) -> Stock:
        """Note every file of a walk; what is as it was keeps what is known of it, what is gone is forgotten.

        A walk that is interrupted forgets nothing.
        """
        run = int(self._about("run") or 0) + 1
        self._tell("run", str(run))
        statement = f"""
            INSERT INTO files (path, member, offset, archive, size, mtime_ns, seen, born, since, problem,
                state, codes, message)
            VALUES (?, ?, ?, ?, ?, ?, {run}, {run}, {run}, ?, ?, ?, ?)
            ON CONFLICT (path, member, offset) DO UPDATE SET
                since = CASE WHEN {SAME} THEN since ELSE {run} END,
                state = CASE WHEN {SAME} THEN state ELSE excluded.state END,
                codes = CASE WHEN {SAME} THEN codes ELSE excluded.codes END,
                message = CASE WHEN {SAME} THEN message ELSE excluded.message END,
                seen = {run}, archive = excluded.archive, size = excluded.size,
                mtime_ns = excluded.mtime_ns, problem = excluded.problem"""
        self._many(statement, map(row_of, found))
        gone = self._tables.execute("DELETE FROM files WHERE seen != ?", (run,)).rowcount
        self._tell("gone", str(int(self._about("gone") or 0) + gone))
        self._tables.commit()
        return self._stock(since=run - 1, n_gone=gone)

    def since_used(self) -> Stock | None:
        """What differs from the walk that `mark_used` noted; None if there is none."""
        used = self._about("used")
        if not used:
            return None
        return self._stock(since=int(used), n_gone=int(self._about("gone") or 0))

    def mark_used(self) -> None:
        """Note that a store is made from this walk."""
        self._tell("used", self._about("run"))
        self._tell("gone", "0")
        self._tables.commit()

    def n_pending(self) -> int:
        """Files whose header was not read yet."""
        return self._count(f"files WHERE state = {PENDING}")

    def pending(self) -> Iterator[tuple[int, Located]]:
        """Those files, each with its number, in the order of their names; answers may come meanwhile."""
        last: tuple[Any, ...] = (b"", b"", -2)
        while True:
            rows = self._tables.execute(
                f"SELECT f.id, {LOCATED} FROM files f WHERE state = {PENDING} "
                f"AND (path, member, offset) > (?, ?, ?) ORDER BY path, member, offset LIMIT {BATCH}",
                last,
            ).fetchall()
            if not rows:
                return
            for row in rows:
                yield row[0], self._located(row[1:])
            last = rows[-1][1:4]

    def note(self, answers: Iterable[tuple[int, Found]]) -> None:
        """What the headers say, as they come."""
        names = ", ".join(f"{name} = ?" for name in FOUND)
        self._many(f"UPDATE files SET state = ?, {names} WHERE id = ?", map(row_of_answer, answers))

    def unknown_twins(self) -> Iterator[tuple[tuple[int, int], tuple[Located, Located]]]:
        """Pairs of files that claim to be the same object and were not compared yet."""
        for first, second, *_ in self._tables.execute(f"{TWINS} AND t.words IS NULL"):
            yield (first, second), (self._locate(first), self._locate(second))

    def note_twins(self, answers: Iterable[tuple[tuple[int, int], str]]) -> None:
        """How the second of each pair differs from the first (`twins.difference`)."""
        self._many(
            "INSERT OR REPLACE INTO twins SELECT ?, ?, a.since, b.since, ? FROM files a, files b "
            "WHERE a.id = ? AND b.id = ?",
            ((a, b, words, a, b) for (a, b), words in answers),
        )

    def assemble(self, shown: Callable[[str], str], *, policy: Policy = Policy()) -> None:  # noqa: B008
        """Make the exams of all accepted files. `shown` turns a file's label into its name in messages.

        Single-frame slices of a tomosynthesis volume show only in the company of their series
        (`gate.series_findings`): the policy says what becomes of them. Exams of a patient number that stands
        for several women in this source carry SEVERAL_WOMEN.
        """
        for table in ("exams", "chosen", "passed_over", "ambiguous"):
            self._tables.execute(f"DELETE FROM {table}")
        self._tables.execute(AMBIGUOUS)
        self._many("INSERT INTO passed_over VALUES (?, ?, ?)", self._twins_passed_over(shown))
        slices = policy.action(SLICE)
        if slices is Action.REFUSE:
            self._many("INSERT INTO passed_over VALUES (?, ?, ?)", self._slices_passed_over())
        rows = self._tables.execute(
            f"SELECT f.id, {LOCATED}, {', '.join(FOUND)} FROM files f WHERE state = {ACCEPTED} "
            "AND id NOT IN (SELECT file FROM passed_over) ORDER BY exam_key, path, member, offset"
        )
        place_of_key = 7 + FOUND.index("exam_key")
        number = 0
        for _, group in groupby(rows, key=lambda row: row[place_of_key]):
            candidates, places = [], {}
            for row in group:
                located = self._located(row[1:7])
                places[row[0]] = row[1] if located.archive else b""
                found = found_of(row[7:])
                if slices is Action.FLAG and self._n_in_series(found.series) >= MIN_SLICES:
                    flags = {SLICE, *found.flags}
                    found = replace(found, flags=tuple(sorted(flags, key=lambda code: ORDER[code])))
                candidates.append(Candidate(row[0], shown(located.label), found))
            assembled = assemble(candidates, prefer=policy.prefer)
            self._pass_over(assembled.passed_over)
            exam = assembled.exam
            if exam is None:
                continue
            number += 1
            doubt = (SEVERAL_WOMEN,) if self._is_ambiguous(exam.woman_id) else ()
            self._tables.execute(
                "INSERT INTO exams VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    number,
                    min(places[candidate.number] for candidate in exam.chosen),
                    exam.exam_id,
                    exam.woman_id,
                    exam.exam_date,
                    exam.machine,
                    JOINT.join(exam.missing),
                    JOINT.join((*exam.flags, *doubt)),
                ),
            )
            self._tables.executemany(
                "INSERT INTO chosen VALUES (?, ?, ?, ?)",
                [
                    (candidate.number, number, slot, JOINT.join(candidate.found.flags))
                    for slot, candidate in enumerate(exam.chosen)
                ],
            )
        self._tables.commit()

    def exams(self) -> Iterator[CataloguedExam]:
        """The assembled exams: those of plain files by exam_id, then archive by archive, so that each archive
        is opened once.
        """
        columns = "e.number, e.exam_id, e.woman_id, e.exam_date, e.machine, e.missing, e.flags"
        about_files = ", ".join("c.flags" if name == "flags" else f"f.{name}" for name in FOUND)
        rows = self._tables.execute(
            f"SELECT {columns}, f.id, {LOCATED}, {about_files} "
            "FROM exams e CROSS JOIN chosen c ON c.exam = e.number CROSS JOIN files f ON f.id = c.file "
            "ORDER BY e.place, e.exam_id, e.number, c.slot"
        )
        for about, group in groupby(rows, key=lambda row: row[:7]):
            _, exam_id, woman_id, exam_date, machine, missing, flags = about
            yield CataloguedExam(
                woman_id=woman_id,
                exam_id=exam_id,
                exam_date=exam_date,
                machine=machine,
                missing=split(missing),
                flags=split(flags),
                views=tuple(
                    View(number=row[7], located=self._located(row[8:14]), found=found_of(row[14:]))
                    for row in group
                ),
            )

    def refusals(self, shown: Callable[[str], str]) -> Iterator[tuple[Located, Refusal]]:
        """Every file that is in no exam, in the order of the files' names."""
        rows = self._tables.execute(
            f"SELECT {LOCATED}, coalesce(p.codes, f.codes), coalesce(p.message, f.message), f.exposure "
            f"FROM files f LEFT JOIN passed_over p ON p.file = f.id WHERE f.state = {REFUSED} "
            "OR p.file IS NOT NULL ORDER BY f.path, f.member, f.offset"
        )
        for *place, joined, message, exposure in rows:
            located, codes = self._located(place), split(joined)
            if "intent_for_processing" in codes:
                partner = self._partner(exposure)
                if partner is not None:
                    name = shown(partner.label)
                    message = f"{message}; {name} is the processed image of the same exposure"
            yield located, Refusal(file=shown(located.label), code=codes[0], codes=codes, message=message)

    def labels(self) -> Iterator[str]:
        """The label of every file of the last walk, in the order of their names."""
        for row in self._tables.execute(f"SELECT {LOCATED} FROM files f ORDER BY path, member, offset"):
            yield self._located(row).label

    def n_files(self) -> int:
        """All files of the last walk."""
        return self._count("files")

    def _partner(self, exposure: str) -> Located | None:
        row = self._tables.execute(
            f"SELECT {LOCATED} FROM files f WHERE state = {ACCEPTED} AND exposure = ? "
            "ORDER BY path, member, offset LIMIT 1",
            (exposure,),
        ).fetchone()
        return None if row is None else self._located(row)

    def _twins_passed_over(self, shown: Callable[[str], str]) -> Iterator[tuple[int, str, str]]:
        for first, second, words, flags in self._tables.execute(TWINS):
            name = shown(self._locate(first).label)
            codes = JOINT.join(("duplicate_instance", *split(flags)))
            what = "object" if is_same_object(words) else "SOP Instance UID"
            yield second, codes, f"duplicate_instance: the same {what} as {name}{words or ''}"

    def _slices_passed_over(self) -> Iterator[tuple[int, str, str]]:
        rows = self._tables.execute(
            f"SELECT f.id, f.flags, s.n FROM files f JOIN (SELECT series, count(*) AS n FROM files "
            f"WHERE state AND series != '' GROUP BY series HAVING count(*) >= {MIN_SLICES}) s USING (series) "
            f"WHERE f.state = {ACCEPTED} AND f.id NOT IN (SELECT file FROM passed_over)"
        )
        for number, flags, n in rows:
            finding = slice_finding(n)
            yield number, JOINT.join((finding.code, *split(flags))), str(finding)

    def _is_ambiguous(self, woman_id: str) -> bool:
        statement = "SELECT 1 FROM ambiguous WHERE woman_id = ?"
        return self._tables.execute(statement, (woman_id,)).fetchone() is not None

    def _n_in_series(self, series: str) -> int:
        if not series:
            return 0
        statement = "SELECT count(*) FROM files WHERE state AND series != '' AND series = ?"
        n: int = self._tables.execute(statement, (series,)).fetchone()[0]
        return n

    def _pass_over(self, passed_over: Sequence[PassedOver]) -> None:
        self._tables.executemany(
            "INSERT INTO passed_over VALUES (?, ?, ?)",
            [(other.number, JOINT.join(other.codes), other.message) for other in passed_over],
        )

    def _located(self, row: Sequence[Any]) -> Located:
        path, member, offset, archive, size, mtime_ns = row
        return Located(
            root=self.root,
            relative=os.fsdecode(path),
            member=os.fsdecode(member),
            offset=offset,
            archive=archive,
            size=size,
            mtime_ns=mtime_ns,
        )

    def _locate(self, number: int) -> Located:
        statement = f"SELECT {LOCATED} FROM files f WHERE id = ?"
        return self._located(self._tables.execute(statement, (number,)).fetchone())

    def _stock(self, *, since: int, n_gone: int) -> Stock:
        n_new = self._count(f"files WHERE born > {since}")
        n_changed = self._count(f"files WHERE since > {since}") - n_new
        return Stock(n_files=self.n_files(), n_new=n_new, n_changed=n_changed, n_gone=n_gone)

    def _count(self, where: str) -> int:
        n: int = self._tables.execute(f"SELECT count(*) FROM {where}").fetchone()[0]
        return n

    def _many(self, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute for each row; a transaction holds at most BATCH of them, also when `rows` is cut short."""
        try:
            for n, row in enumerate(rows, start=1):
                self._tables.execute(statement, row)
                if n % BATCH == 0:
                    self._tables.commit()
        finally:
            self._tables.commit()

    def _about(self, name: str) -> str:
        row = self._tables.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def _tell(self, name: str, value: str) -> None:
        self._tables.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (name, value))

    def _forget_everything(self) -> None:
        for table in ("about", "files", "twins", "exams", "chosen", "passed_over", "ambiguous"):
            self._tables.execute(f"DROP TABLE IF EXISTS {table}")
        self._tables.executescript(TABLES)
        self._tell("format", str(FORMAT))
