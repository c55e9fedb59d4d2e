"""`forescreen risk`: a table of women → risks by published models, with a reason for every risk not given."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from .terminal import friendly, say, show_path, spare_inputs

if TYPE_CHECKING:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from ..clinical.derived import Derived
    from ..clinical.explanation import Explanation
    from ..clinical.external import ExternalColumn
    from ..clinical.model import Assessment, ClinicalModel
    from ..clinical.risk_table import Account
    from ..clinical.women import Women

FORMATS = ("auto", "factors", "registry", "bcra")
DEFAULT_HORIZON_YEARS = 5.0

#: Rows of a problem that are named; kinds of problems that are listed.
_ROWS_SHOWN, _PROBLEMS_SHOWN = 6, 25


@dataclass(frozen=True, kw_only=True, eq=False)
class _Input:
    """What was read, whatever the format."""

    format: str
    women: Women
    horizon_years: np.ndarray | float
    ids: Mapping[str, np.ndarray]
    ignored: Mapping[str, str] = field(default_factory=dict)
    external: tuple[tuple[ExternalColumn, Assessment], ...] = ()
    derived: tuple[Derived, ...] = ()


def run(
    *,
    source: Path,
    models: str,
    horizon_years: float | None,
    out: Path,
    format: str,
    explain: str | None,
    as_json: bool,
) -> None:
    """Write the table, tell what was done, and leave with 0 (all computed), 1 (some not) or 2 (none)."""
    with friendly(continues=False):
        from ..errors import ConfigError

        if format not in FORMATS:
            raise ConfigError(
                expected=f"--format {', '.join(FORMATS)}", found=repr(format), where="command line"
            )
        if horizon_years is not None and not 0 < horizon_years <= 100:
            raise ConfigError(
                expected="--horizon in years, above 0, at most 100",
                found=f"{horizon_years:g}",
                where="command line",
            )
        spare_inputs(out, source)
        if out.is_dir():
            raise ConfigError(
                expected="--out a file, risks.csv", found=f"the folder {out}", where="command line"
            )
        from ..clinical.catalogue import model_named
        from ..clinical.risk_table import risk_table
        from ..files import write_csv

        started = time.monotonic()
        chosen = [model_named(name.strip()) for name in models.split(",") if name.strip()]
        twice = [name for name, n in Counter(model.name for model in chosen).items() if n > 1]
        if not chosen or twice:
            raise ConfigError(
                expected="--model with names of models, each once, separated by commas",
                found=", ".join(twice) or "none",
                where="command line",
            )
        given = _read(source, format, horizon_years)
        row = None if explain is None else _row_of(explain, given)
        found = risk_table(
            given.women,
            chosen,
            horizon_years=given.horizon_years,
            ids=given.ids,
            external=given.external,
        )
        write_csv(out, found.table)
        told = [] if row is None else _explained(row, given, chosen)
        picture = None if row is None else _picture(out, row, told)
        n_some = max((account.n_risks for account in found.accounts), default=0)
        exit_code = 2 if n_some == 0 else 0 if found.complete.all() else 1
        if as_json:
            document = _document(given, found.accounts, out=out, exit_code=exit_code)
            if row is not None and picture is not None:
                from ..files import plain

                document["explained"] = {
                    "row": row + 2,
                    "models": [plain(asdict(each)) for each in told],
                    "picture": str(picture),
                }
            say(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))
        else:
            from rich.console import Console

            _show(given, found.accounts, told, console=Console(highlight=False), row=row)
            say(f"table     {show_path(out)}  ({time.monotonic() - started:.1f} s)")
            if picture is not None:
                say(f"picture   {show_path(picture)}")
    raise typer.Exit(exit_code)


def _read(source: Path, format: str, horizon_years: float | None) -> _Input:
    from ..clinical.bcra_frame import COLUMNS, read_bcra_frame
    from ..clinical.questionnaire import read_questionnaire, read_registry_women
    from ..errors import FactorError

    if format == "auto":
        format = "registry" if source.is_dir() else "factors"
        if source.is_file() and _header(source) == COLUMNS:
            format = "bcra"
    horizon = DEFAULT_HORIZON_YEARS if horizon_years is None else horizon_years
    if format == "bcra":
        import numpy as np

        frame = read_bcra_frame(source)
        return _Input(
            format=format,
            women=frame.women,
            # T2 tells the horizon of each; --horizon replaces it.
            horizon_years=frame.horizon_years if horizon_years is None else horizon,
            ids={"ID": np.array(frame.ids, dtype=object)},
        )
    if format == "registry" and not source.is_dir():
        raise FactorError(
            expected="a folder with women.csv and exams.csv", found="no folder", where=str(source)
        )
    answers = read_registry_women(source) if format == "registry" else read_questionnaire(source)
    return _Input(
        format=format,
        women=answers.women,
        horizon_years=horizon,
        ids=answers.ids,
        ignored=answers.ignored,
        external=answers.external,
        derived=answers.derived,
    )


def _header(path: Path) -> tuple[str, ...]:
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return tuple(name.strip().strip('"') for name in stream.readline().split(","))


def _row_of(text: str, given: _Input) -> int:
    """The row (counted from 0) of an id, else of a row number as a spreadsheet counts."""
    import numpy as np

    from ..errors import ConfigError

    by_id = {int(row) for ids in given.ids.values() for row in np.flatnonzero(ids == text)}
    if len(by_id) == 1:
        return by_id.pop()
    if not by_id and text.isdecimal() and 2 <= int(text) <= given.women.n + 1:
        return int(text) - 2
    raise ConfigError(
        expected="--explain with the id of one row, or its number as a spreadsheet counts (the header is 1)",
        found=f"{len(by_id)} such rows" if by_id else f"no such row among {given.women.n}",
        where="command line",
        remedy="An exam_id names one row where a woman_id names several" if by_id else "",
    )


def _explained(row: int, given: _Input, models: Sequence[ClinicalModel]) -> list[Explanation]:
    import numpy as np

    from ..clinical.explanation import explain

    horizon = float(np.broadcast_to(given.horizon_years, (given.women.n,))[row])
    return [explain(given.women, row, model=model, horizon_years=horizon) for model in models]


def _picture(out: Path, row: int, told: Sequence[Explanation]) -> Path:
    from ..report.woman_figure import draw_woman  # brings matplotlib

    path = out.with_name(f"{out.stem}-row{row + 2}.png")
    draw_woman(path, told, name=f"row {row + 2}")
    return path


def _document(given: _Input, accounts: Sequence[Account], *, out: Path, exit_code: int) -> dict[str, Any]:
    from .. import __version__
    from ..files import plain

    def counted(told: Mapping[str, tuple[str, int]], key: str) -> list[dict[str, Any]]:
        return [{key: name, "words": words, "n": n} for name, (words, n) in told.items()]

    return {
        "forescreen": __version__,
        "format": given.format,
        "n_women": given.women.n,
        "models": [
            plain(
                {
                    **asdict(account),
                    "reasons": counted(account.reasons, "code"),
                    "flags": counted(account.flags, "code"),
                    "assumed": counted(account.assumed, "factor"),
                }
            )
            for account in accounts
        ],
        "problems": [
            {"code": code, "factors": list(factors), "message": message, "n": len(rows), "rows": rows[:1000]}
            for (code, factors, message), rows in _problems(given.women).items()
        ],
        "columns_not_used": [
            {"column": name, "meant": meant or None} for name, meant in given.ignored.items()
        ],
        "derived": [
            {"factor": each.factor, "how": each.how, "n": int(each.women.sum())} for each in given.derived
        ],
        "table": str(out),
        "exit_code": exit_code,
    }


def _problems(women: Women) -> dict[tuple[str, tuple[str, ...], str], list[int]]:
    """Rows (as a spreadsheet counts) of each kind of problem, the most frequent first."""
    found: dict[tuple[str, tuple[str, ...], str], list[int]] = {}
    for problem in women.problems:
        found.setdefault((problem.code, problem.factors, problem.message), []).append(problem.row + 2)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def _show(
    given: _Input,
    accounts: Sequence[Account],
    told: Sequence[Explanation],
    *,
    console: Console,
    row: int | None,
) -> None:
    who = "exams" if given.format == "registry" else "women"
    console.print(_model_table(accounts, who))
    for title, table in (
        ("why there is no risk", _counted_table(accounts, "reasons", who)),
        ("flags of risks that are given", _counted_table(accounts, "flags", who)),
        ("what was assumed", _counted_table(accounts, "assumed", who)),
        ("what is wrong with rows", _problem_table(given.women, who)),
    ):
        if table is not None:
            table.title = title
            console.print(table)
    for column, meant in given.ignored.items():
        hint = f"; is {meant} meant?" if meant else ""
        console.print(f"not used: the column {column}{hint}", markup=False, style="yellow")
    for each in given.derived:
        n = f"{int(each.women.sum()):,}".replace(",", " ")
        words = f"derived: {each.factor} of {n} {who}: {each.how}"
        console.print(words, markup=False)
    for account in accounts:
        for note in account.notes:
            console.print(f"note on {account.model}: {note}", markup=False)
    for explanation in told:
        console.print()
        console.print(_explanation_table(explanation, row or 0))
        if not explanation.reasons:
            console.print(_sentence(explanation), markup=False)


def _percent(value: float) -> str:
    return "–" if value != value else f"{100 * value:.3g} %"


def _new_table(*columns: str, title: str = "") -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        narrow = column in ("model", "rows", "women", "exams")
        number = column in ("women", "exams", "with a risk", "median", "average", "relative risk")
        table.add_column(
            column, justify="right" if number else "left", overflow="fold", no_wrap=narrow and number
        )
    return table


def _model_table(accounts: Sequence[Account], who: str) -> Table:
    table = _new_table("model", "risk of", who, "with a risk", "median", "average")
    for account in accounts:
        table.add_row(
            f"{account.model}\n[dim]{account.version}[/dim]",
            account.event,
            f"{account.n_women:,}".replace(",", " "),
            f"{account.n_risks:,}".replace(",", " "),
            _percent(account.median_risk),
            _percent(account.median_average),
        )
    return table


def _counted_table(accounts: Sequence[Account], what: str, who: str) -> Table | None:
    name = "factor" if what == "assumed" else "code"
    table = _new_table("model", who, name, "what it means" if name == "code" else "taken as")
    for account in accounts:
        for key, (words, n) in getattr(account, what).items():
            table.add_row(account.model, f"{n:,}".replace(",", " "), key, words)
    return table if table.row_count else None


def _problem_table(women: Women, who: str) -> Table | None:
    found = _problems(women)
    if not found:
        return None
    table = _new_table(who, "rows", "code", "what is wrong")
    for (code, _, message), rows in list(found.items())[:_PROBLEMS_SHOWN]:
        shown = ", ".join(map(str, rows[:_ROWS_SHOWN])) + (", …" if len(rows) > _ROWS_SHOWN else "")
        table.add_row(str(len(rows)), shown, code, message)
    if len(found) > _PROBLEMS_SHOWN:
        table.caption = f"{len(found) - _PROBLEMS_SHOWN} more kinds: see the column problems of the table"
    return table


def _explanation_table(told: Explanation, row: int) -> Table:
    title = f"row {row + 2}: {told.title}"
    if told.reasons:
        table = _new_table("no risk, because", title=title)
        for reason in told.reasons:
            table.add_row(reason)
        return table
    table = _new_table("factor", "her value", "the model takes", "relative risk", title=title)
    for line in told.lines:
        ratio = "" if line.relative_risk != line.relative_risk else f"{line.relative_risk:.2f}"
        table.add_row(line.factor, line.value or "–", line.used, ratio, style="dim" if line.assumed else "")
    return table


def _sentence(told: Explanation) -> str:
    words = f"{told.event} within {told.horizon_years:g} years: {_percent(told.risk)}"
    if told.lower == told.lower:
        words += f" (95 % limits {_percent(told.lower)} to {_percent(told.upper)})"
    if told.average > 0:  # not NaN
        words += f"; an average woman of her age: {_percent(told.average)}"
        words += f"; {told.risk / told.average:.2f} times the average"
    return words
