"""`forescreen evaluate`: members + scores (and peers' predictions) → results.json + report.html."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from .terminal import friendly, say, show_path, summarise

if TYPE_CHECKING:
    from ..evaluation.plan import PeerTable


def run(*, cohort: Path, out: Path, scores: Path | None, peers: tuple[str, ...], config: Path | None) -> None:
    """Evaluate predictions on the judged members; never loads torch."""
    with friendly():
        from .. import __version__
        from ..errors import ConfigError
        from ..evaluation.plan import EvaluationPlan
        from ..evaluation.run import concordance_lines, evaluate
        from ..evaluation.tables_in import read_columns, read_members, read_scores
        from ..files import read_json, write_json
        from ..report.page import write_report

        plan, data_kind, design = EvaluationPlan(), "registry", ""
        named = tuple(map(_peer, peers))
        if config is not None:
            from ..study.config import read_study

            study = read_study(config)
            plan, data_kind, design = study.evaluation, study.data_kind, study.cohort.design
            named = (*study.peers, *named)
        path = cohort / "members.csv" if cohort.is_dir() else cohort
        members = read_members(path)
        pairs = tuple((peer, read_columns(Path(peer.file), ("exam_id", *peer.columns))) for peer in named)
        if scores is None and not pairs:
            raise ConfigError(
                expected="--scores or at least one --peer", found="neither", where="command line"
            )
        started = time.monotonic()
        matched = bool((members["set_id"] != "").any())
        figures = evaluate(
            members,
            read_scores(scores) if scores is not None else None,
            plan=plan,
            matched=matched,
            peers=pairs,
        )
        flow = path.with_name("flow.json")
        results = {
            "forescreen": __version__,
            "study": {
                "name": out.name,
                "description": "",
                "design": "matched" if matched else design if design == "cohort" else "unmatched",
                "data_kind": data_kind,
                "n_sets": figures.pop("n_sets"),
            },
            "provenance": {"forescreen": __version__},
            "flow": read_json(flow) if flow.exists() else [],
            **figures,
        }
        write_json(out / "results.json", results)
        page = write_report(results, out)
        summarise("evaluated", concordance_lines(results), seconds=time.monotonic() - started)
        for note in results["notes"]:
            say(f"note: {note}")
        say(f"report    {show_path(page)}")


def _peer(text: str) -> PeerTable:
    from ..errors import ConfigError
    from ..evaluation.plan import PeerTable

    key, _, rest = text.partition("=")
    file, _, columns = rest.rpartition(":")
    if not key or not file or not columns or not Path(file).is_file():
        raise ConfigError(
            expected="--peer key=file.csv:column with an existing file",
            found=repr(text),
            where="command line",
        )
    return PeerTable(key=key, label=key, file=file, columns=tuple(columns.split(",")))
