"""Evaluate a published model's scores on CMMD: `python examples/cmmd.py FOLDER out/cmmd [docs/cmmd.md]`.

FOLDER holds `clinical.csv` (the data set's clinical table), `scores_374_breasts.csv` and
`published_metrics.csv` (a published model's test scores and the metrics printed with them). CMMD: The
Cancer Imaging Archive, doi 10.7937/tcia.eqde4b16. The scores tell malignant from benign at diagnosis:
detection, not risk. The tables are brought to one key (woman and side), evaluated with `forescreen
evaluate`, and the AUC held against the published one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd

PLAN = """\
[evaluation]
name = "CMMD: published scores of 374 breasts"
description = "Benign or malignant at diagnosis, one row per breast: detection, not risk."
data_kind = "images with known diagnosis, no registry"
design = "case-control"
subgroups = ["age", "abnormality"]

[outcomes]
key = ["patient_id", "side"]
woman = "patient_id"
outcome = "classification"
codes = { "Malignant" = "cancer", "Benign" = "none" }
unit = "breast"

[models.published]
label = "Published model"
description = "Test scores of a published classifier, as it printed them"
kind = "score"
columns = { "" = "pred_type" }
"""


PAGE = """\
# A published model's scores, evaluated: CMMD

Written by `python examples/cmmd.py FOLDER out/cmmd docs/cmmd.md`. CMMD (The Cancer Imaging Archive, doi
10.7937/tcia.eqde4b16) has {n_breasts} breasts with a diagnosis; a published classifier printed its scores
for {n_scored} of them. They tell malignant from benign at diagnosis: detection, not risk. Tables and scores
are not part of this project.

The plan joins both tables by woman and side, and says what the codes mean:

```toml
{plan}```

```sh
forescreen evaluate --predictions published=published.csv --outcomes outcomes.csv \\
                    --plan plan.toml --out out/cmmd
```

| quantity | value |
|---|---|
| AUC of forescreen | {auc!r} |
| AUC printed by the authors | {published!r} |
| 95 % interval, woman as the unit (Obuchowski) | {lower:.4f} to {upper:.4f} |
| breasts, women, malignant | {n_scored}, {n_women}, {n_cases} |

| subgroup | malignant | AUC (95 % interval) |
|---|---|---|
{subgroups}

Left out: {left_out}. Predictive values, calibration and net benefit are absent: scores are not risks, and
the sample fixes the share of malignant breasts.
"""


def main(source: Path, out: Path, page: Path | None = None) -> int:
    out.mkdir(parents=True, exist_ok=True)
    clinical = pd.read_csv(source / "clinical.csv", dtype=str, keep_default_na=False)
    clinical = clinical.rename(columns={"ID1": "patient_id", "Age": "age"})
    clinical["side"] = clinical["LeftRight"].map({"L": "left", "R": "right"})
    kept = ["patient_id", "side", "age", "abnormality", "classification"]
    clinical[kept].to_csv(out / "outcomes.csv", index=False)
    scores = pd.read_csv(source / "scores_374_breasts.csv", dtype=str, keep_default_na=False)
    scores[["patient_id", "side", "pred_type"]].to_csv(out / "published.csv", index=False)
    (out / "plan.toml").write_text(PLAN)
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from forescreen.cli import main; main()", "evaluate"),
            *("--predictions", f"published={out / 'published.csv'}", "--outcomes", str(out / "outcomes.csv")),
            *("--plan", str(out / "plan.toml"), "--out", str(out)),
        ]
    )
    if done.returncode:
        return done.returncode
    results = json.loads((out / "results.json").read_text())
    found = results["main"][0]["concordance"]
    published = float(pd.read_csv(source / "published_metrics.csv")["AUC(ROC)"][0])
    print(f"AUC            {found['value']!r} ({found['lower']:.3f}, {found['upper']:.3f}), by woman")
    print(f"published AUC  {published!r}")
    print(f"difference     {found['value'] - published:.1e}")
    if page is not None:
        page.write_text(_page(results, len(clinical), published), encoding="utf-8")
    return 0 if found["value"] == published else 1


def _page(results: dict[str, Any], n_breasts: int, published: float) -> str:
    study, found = results["study"], results["main"][0]["concordance"]
    rows = [
        f"| {r['variable']}: {r['level']} | {r['n_sets']} | {r['concordance']['value']:.2f} "
        f"({r['concordance']['lower']:.2f}, {r['concordance']['upper']:.2f}) |"
        if r["concordance"]
        else f"| {r['variable']}: {r['level']} | few | not shown |"
        for r in results["subgroups"]
    ]
    return PAGE.format(
        n_breasts=n_breasts,
        n_scored=study["n_exams"],
        n_women=study["n_women"],
        n_cases=found["n_events"],
        plan=PLAN,
        auc=found["value"],
        published=published,
        lower=found["lower"],
        upper=found["upper"],
        subgroups="\n".join(rows),
        left_out="; ".join(f"{e['n']} {e['what']}" for e in results["exclusions"]),
    )


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:4])))
