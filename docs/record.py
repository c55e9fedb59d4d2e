"""Write a page of docs from a finished study: `python docs/record.py out/study docs/study.md` (`make docs`).

The page is made of the study's own `results.json` and `stage.json` files; nothing in it is typed by hand.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

MODELS_LAST = "oracle"


def interval(figure: dict[str, Any] | None, digits: int = 3) -> str:
    if figure is None or figure.get("value") is None:
        return "–"
    value, lower, upper = (figure[k] for k in ("value", "lower", "upper"))
    return f"{value:.{digits}f} ({lower:.{digits}f}, {upper:.{digits}f})"


def p_text(p: float | None) -> str:
    return "–" if p is None else "< .001" if p < 0.001 else f"{p:.3f}"


def page(folder: Path) -> str:
    results = json.loads((folder / "results.json").read_text())
    study, labels = results["study"], {m["key"]: m["label"] for m in results["models"]}
    kinds = results["case_types"]
    lines = [
        f"# What came out: {study['name']}",
        "",
        f"{study['description']}",
        "",
        f"Written by `python docs/record.py {folder} …` from the study's results; design: {study['design']}, "
        f"data: {study['data_kind']}. Images: {results['n_images']} stored, "
        f"{results['n_images_refused']} refused.",
        "",
    ]
    published = {(p["model"], p["case_type"]): p["concordance"] for p in results["published"]}
    for kind in kinds:
        rows = [r for r in results["main"] if r["case_type"] == kind]
        if not rows:
            continue
        unit = "held-out sets" if study["design"] == "matched" else "cases"
        lines += [
            f"## {kind.capitalize()} ({rows[0]['n_sets']} {unit})",
            "",
            "| model | concordance (95 % CI) | odds ratio per control SD | published C (2021) |",
            "|---|---|---|---|",
        ]
        for row in rows:
            theirs = published.get((row["model"], kind))
            lines.append(
                f"| {labels[row['model']]} | {interval(row['concordance'])} "
                f"| {interval(row['odds_ratio'], 2)} | {interval(theirs, 2) if theirs else ''} |"
            )
        lines += ["", "| difference of concordance | value (95 % CI) | p |", "|---|---|---|"]
        for row in results["comparisons"]:
            if row["case_type"] == kind and row["difference"]:
                lines.append(
                    f"| {labels[row['model_a']]} − {labels[row['model_b']]} | {interval(row['difference'])} "
                    f"| {p_text(row['difference'].get('p_value'))} |"
                )
        lines.append("")
    density = [r for r in results["factor_odds_ratios"] if "ensity" in r["factor"]]
    if density:
        lines += [
            "## Density by mode of detection",
            "",
            "| factor | mode | odds ratio | unit |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {r['factor']} | {r['case_type']} | {interval(r['odds_ratio'], 2)} | {r['unit']} |"
            for r in density
        ]
        lines.append("")
    lines += ["## Notes and stages", ""]
    lines += [f"- {note}" for note in results["notes"]]
    for marker in sorted(folder.glob("*/stage.json"), key=lambda p: p.stat().st_mtime):
        stage = json.loads(marker.read_text())
        lines.append(f"- stage `{stage['name']}`: {stage['seconds']:.0f} s")
    lines += [f"- {label}: {text}" for label, text in results["provenance"].items() if text]
    lines += [f"- machine: {len(os.sched_getaffinity(0))} cores", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    if len(sys.argv) != 3 or not (Path(sys.argv[1]) / "results.json").is_file():
        sys.exit("usage: python docs/record.py STUDY_FOLDER PAGE.md (run `make study` first)")
    Path(sys.argv[2]).write_text(page(Path(sys.argv[1])))
    sys.stdout.write(f"wrote {sys.argv[2]}\n")
