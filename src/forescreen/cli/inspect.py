"""`forescreen inspect`: what each file is and what intake would do with it, as tables or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from .terminal import default_workers, friendly, make_track, say

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from ..ingestion.inspection import InspectedExam, InspectedFile, Inspection

#: From this width on the table has four columns; below, two.
WIDE = 120
#: More files than this are not listed one by one: of the accepted ones only the number is given.
MANY = 200

_VERDICTS = {
    "accept": ("accepted", "bold green"),
    "flag": ("accepted, with flags", "bold yellow"),
    "refuse": ("refused", "bold red"),
    "skip": ("no image", "dim"),
}


def run(*, paths: tuple[Path, ...], policy: str, as_json: bool, headers_only: bool, workers: int) -> None:
    """Inspect and print; leaves with the inspection's exit code."""
    with friendly(continues=False):
        from ..dicom.policy import load_policy
        from ..ingestion.inspection import inspect

        found = inspect(
            paths,
            load_policy(policy),
            headers_only=headers_only,
            workers=workers or default_workers(),
            track=make_track(),
        )
        if as_json:
            say(json.dumps(found.as_dict(), indent=2, ensure_ascii=False, allow_nan=False))
        else:
            from rich.console import Console

            show(found, Console(highlight=False))
    raise typer.Exit(found.exit_code)


def show(found: Inspection, console: Console) -> None:
    """The files, the exams, the reasons, and one line that sums up."""
    listed = found.files
    if len(listed) > MANY:
        listed = tuple(file for file in listed if file.verdict == "refuse")[:MANY]
    console.print(_file_table(listed, wide=console.width >= WIDE))
    if len(listed) < len(found.files):
        console.print(f"{len(listed)} refused files of {len(found.files)} are listed; --json lists all\n")
    if found.exams:
        console.print(_exam_table(found.exams))
    if found.by_code:
        console.print(_reason_table(found))
    console.print(_summary(found))


def _file_table(files: tuple[InspectedFile, ...], *, wide: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_lines=True, expand=True, pad_edge=False)
    if wide:
        table.add_column("file", ratio=5, overflow="fold")
        table.add_column("what it is", ratio=6, overflow="fold")
        table.add_column("picture", ratio=6, overflow="fold")
        table.add_column("what would happen", ratio=11, overflow="fold")
    else:
        table.add_column("file", ratio=4, overflow="fold")
        table.add_column("what would happen", ratio=5, overflow="fold")
    for file in files:
        name = Text(file.file, style="bold")
        if wide:
            table.add_row(name, _what(file), _picture(file), _verdict(file))
        else:
            parts = [part for part in (name, _what(file), _picture(file)) if part]
            table.add_row(Text("\n").join(parts), _verdict(file))
    return table


def _what(file: InspectedFile) -> Text:
    from rich.text import Text

    text = Text()
    slot = " ".join(part for part in (file.side, file.view) if part)
    if slot:
        text.append(f"{slot}  ", style="bold cyan")
    text.append(file.kind)
    if file.machine:
        text.append(f"\n{file.machine}", style="dim")
    return text


def _picture(file: InspectedFile) -> Text:
    from rich.text import Text

    lines = []
    if file.rows and file.columns:
        size = f"{file.rows} × {file.columns}"
        if file.spacing_mm is not None:
            source = "imager" if file.spacing_source == "ImagerPixelSpacing" else "header"
            size += f", {file.spacing_mm[0]:.4g} mm ({source})"
        lines.append(size)
    if file.bits:
        lines.append(f"{file.photometric} {file.bits} bits, {file.syntax}{' (lossy)' if file.lossy else ''}")
    shown = [file.intent.capitalize().replace("For p", "for p"), file.voi]
    if any(shown):
        lines.append(", ".join(part for part in shown if part))
    return Text("\n".join(lines), style="dim")


def _verdict(file: InspectedFile) -> Text:
    from rich.text import Text

    word, style = _VERDICTS[file.verdict]
    text = Text(word, style=style)
    if file.exam is not None:
        text.append(f", exam {file.exam}")
    for note in file.reasons:
        text.append(f"\n{note.code}", style="red" if file.verdict == "refuse" else "dim")
        if note.words and file.verdict == "refuse":
            text.append(f": {note.words}")
    if file.flags:
        text.append("\nflags: ", style="dim")
        text.append(", ".join(note.code for note in file.flags), style="yellow")
    return text


def _exam_table(exams: tuple[InspectedExam, ...]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title="exams", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("exam", justify="right")
    for slot in exams[0].views:
        table.add_column(slot, justify="center", no_wrap=True)
    table.add_column("missing", overflow="fold")
    table.add_column("machine", style="dim", overflow="fold")
    for exam in exams[:MANY]:
        marks = [Text("●", style="green") if file else Text("–", style="red") for file in exam.views.values()]
        note = Text(", ".join(exam.missing) or "nothing", style="red" if exam.missing else "green")
        for flag in exam.flags:
            note.append(f"\n{flag}", style="yellow")
        table.add_row(str(exam.exam), *marks, note, Text(exam.machine))
    if len(exams) > MANY:
        table.caption = f"{len(exams) - MANY} more exams"
    return table


def _reason_table(found: Inspection) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ..dicom.reasons import BY_CODE

    table = Table(title="why", title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("files", justify="right")
    table.add_column("code", no_wrap=True)
    table.add_column("what it means, and what to do", overflow="fold")
    for code, n in found.by_code.items():
        reason = BY_CODE[code]
        words = Text(reason.meaning)
        if reason.remedy:
            words.append(f". {reason.remedy}", style="dim")
        table.add_row(str(n), code, words)
    return table


def _summary(found: Inspection) -> Text:
    from rich.text import Text

    n_exams = len(found.exams)
    parts = [
        (found.count("accept"), "accepted", "green"),
        (found.count("flag"), "accepted with flags", "yellow"),
        (found.count("refuse"), "refused", "red"),
        (found.count("skip"), "without an image", "dim"),
    ]
    text = Text(f"{len(found.files)} file{'s' * (len(found.files) != 1)}: ", style="bold")
    text.append_text(Text(", ").join([Text(f"{n} {word}", style=style) for n, word, style in parts if n]))
    text.append(f"; {n_exams} exam{'s' * (n_exams != 1)}; policy {found.policy}")
    if found.headers_only:
        text.append("; pixels were not read")
    return text
