"""What a perfect reader of the images would know: the true trait and density of each exam.

Used as the "oracle" that bounds what an image model can reach; besides the renderer of the mammograms
the only reader of a registry's `truth/`.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from ..errors import CohortError
from ..files import write_csv


def export_oracle(registry_folder: Path, out_csv: Path) -> int:
    """Write `exam_id, trait, density_z` for every exam of a simulated registry; returns the rows written.

    Raises CohortError if the folder has no `truth/`: a real registry has none.
    """
    paths = [registry_folder / "truth" / name for name in ("women.csv", "exams.csv")]
    for path in paths:
        if not path.is_file():
            raise CohortError(
                expected="truth/women.csv and truth/exams.csv",
                found=f"no truth/{path.name}",
                where=str(registry_folder),
                remedy="Only a simulated registry has an oracle",
            )
    women = pd.read_csv(paths[0], usecols=["woman_id", "trait"])
    exams = pd.read_csv(paths[1], usecols=["exam_id", "woman_id", "density_z"])
    joined = exams.merge(women, on="woman_id", how="left", validate="many_to_one")
    if joined["trait"].isna().any():
        raise CohortError(
            expected="every exam's woman in truth/women.csv",
            found=f"{int(joined['trait'].isna().sum())} exams without",
            where=str(registry_folder),
            remedy="Simulate the registry again",
        )
    write_csv(out_csv, joined[["exam_id", "trait", "density_z"]])
    return len(joined)
