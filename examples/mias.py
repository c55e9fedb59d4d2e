"""Make the image table and the study file of the mini-MIAS films, so that `forescreen study` can run on them.

    python examples/mias.py FOLDER out/mias     # FOLDER holds films/, labels.csv, side_and_film_size.csv
    forescreen study out/mias/study.toml --out out/mias/study

mini-MIAS [Suckling1994] is research-only and is not part of this project. It holds pairs of films (left
and right MLO) of one woman; a malignant finding is visible on the film, so this is *detection on film*, not
risk. Women with a malignant film are cases, women whose films are both normal are controls; women with
benign findings only are left out. The pixels of the films are mirrored against their side labels; forescreen
turns every chest wall to the same side by the pixels and records the disagreement.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

STUDY = """\
[study]
name = "mini-MIAS"
description = "Detection on digitised film, malignant against normal, five folds by woman. Not risk: the \
cancers are visible on these films."
seed = 1

[images]
table = "images.csv"
identity = "study-numbers"
policy = "digitised-film"

[cohort]
design = "unmatched"
held_out = 0.0
min_months_before_diagnosis = 0  # the cancers are visible: detection
n_folds = 5

[training]
recipe = "demo"
"""


def main(folder: Path, out: Path) -> None:
    findings: dict[str, set[str]] = {}
    with (folder / "labels.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            kind = row["Type"] or ("N" if row["Abnormality"] == "NORM" else "B")
            findings.setdefault(row["Name"], set()).add(kind)
    with (folder / "side_and_film_size.csv").open(newline="") as stream:
        sides = {row["image"]: row["side"] for row in csv.DictReader(stream)}
    rows = []
    counts = {"malignant": 0, "normal": 0, "benign only, left out": 0}
    for name in sorted(findings):
        number = int(name.removeprefix("mdb"))
        first = f"mdb{number if number % 2 else number - 1:03d}"
        second = f"mdb{int(first.removeprefix('mdb')) + 1:03d}"
        both = findings.get(first, set()) | findings.get(second, set())
        status = "malignant" if "M" in both else "normal" if both == {"N"} else "benign only, left out"
        counts[status] += name == first
        if status.startswith("benign"):
            continue
        woman = f"mias-{(number + 1) // 2:03d}"
        rows.append(
            {
                "patient_id": woman,
                "exam_id": woman,
                "laterality": sides[name],
                "view": "MLO",
                "file_path": str((folder / "films" / f"{name}.png").resolve()),
                "years_to_cancer": 0 if status == "malignant" else 100,
                "years_to_last_followup": 0 if status == "malignant" else 10,
                "row_spacing_mm": 0.2,
            }
        )
    out.mkdir(parents=True, exist_ok=True)
    with (out / "images.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (out / "study.toml").write_text(STUDY)
    print(f"{len(rows)} films; women: {counts}")
    print(f"forescreen study {out / 'study.toml'} --out {out / 'study'}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
