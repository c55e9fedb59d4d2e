"""Write the tables of docs/reference/profiles.md: `python docs/profiles.py`.

One exam of each simulated machine goes through every profile; what is between the two marks of the page is
replaced. The machines repeat the header habits of real ones, their makers are invented.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from forescreen.dicom.folder import MammogramFile, index_folder
from forescreen.dicom.profiles import PROFILES, convert, png_pixels
from forescreen.dicom.read import read_pixels
from forescreen.errors import DicomError
from forescreen.identity import AS_GIVEN
from forescreen.simulation.mammograms import RenderConfig, render_exams
from forescreen.simulation.registry import SimulationConfig, simulate_registry

PAGE = Path(__file__).resolve().parent / "reference" / "profiles.md"
BEGIN, END = "<!-- written by docs/profiles.py -->", "<!-- end -->"
BINNING = 8
#: The exam of the pairwise table: sigmoid windows and VOI LUTs, as GE writes them, and GE as the maker's name.
SHOWN = "beta as GE"
NAMES = [profile.name for profile in PROFILES]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        exams = phantoms(Path(name))
        made = {machine: convert_all(files) for machine, files in exams.items()}
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    tables = "\n".join([*levels(made), "", *differences(made[SHOWN])])
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables}\n\n{END}{after}", encoding="utf-8")
    sys.stdout.write(f"wrote {PAGE.name}\n")


def phantoms(folder: Path) -> dict[str, list[MammogramFile]]:
    """The four views of one exam per machine."""
    simulate_registry(SimulationConfig(n_women=500, seed=1), folder / "registry")
    table = pd.read_csv(folder / "registry" / "exams.csv", dtype=str)
    table["vendor"] = table["machine"].str.rpartition("-")[2]
    chosen = table.groupby("vendor").head(1).set_index("vendor")["exam_id"]
    config = RenderConfig(binning=BINNING, seed=1, awkward_share=0.0)
    render_exams(folder / "registry", chosen.tolist(), folder / "mammograms", config=config)
    index = index_folder(folder / "mammograms", pseudonyms=AS_GIVEN)
    files = {exam.exam_id: list(exam.mammograms) for exam in index.exams}
    exams = {str(vendor): files[exam_id] for vendor, exam_id in sorted(chosen.items())}
    exams[SHOWN] = [
        replace(file, header=replace(file.header, manufacturer="GE MEDICAL SYSTEMS"))
        for file in exams["beta"]
    ]
    return exams


def convert_all(files: list[MammogramFile]) -> dict[str, tuple[np.ndarray, str]]:
    """Profile -> all pixels of the exam as shares of full scale, and the VOI; not those that stop."""
    stored = [(read_pixels(file.path, file.header), file.header) for file in files]
    made = {}
    for profile in PROFILES:
        try:
            converted = [convert(profile, pixels, header) for pixels, header in stored]
        except DicomError:
            continue
        pictures = [png_pixels(one) for one in converted]
        full = float(np.iinfo(pictures[0].dtype).max)
        made[profile.name] = np.concatenate([p.ravel() for p in pictures]) / full, converted[0].voi
    return made


def levels(made: dict[str, dict[str, tuple[np.ndarray, str]]]) -> list[str]:
    """Mean of the picture in percent of full scale, lowest and highest value, and the VOI."""
    rows = [
        "Mean (lowest to highest) in percent of full scale, and the VOI used; a dash where a program stops.",
        "",
        f"| profile | {' | '.join(made)} |",
        f"|---|{'---|' * len(made)}",
    ]
    for name in NAMES:
        cells = []
        for results in made.values():
            if name not in results:
                cells.append("–")
                continue
            shares, voi = results[name]
            low, mean, high = (100 * float(x) for x in (shares.min(), shares.mean(), shares.max()))
            cells.append(f"{mean:.1f} ({low:.0f} to {high:.0f}) {voi}")
        rows.append(f"| `{name}` | {' | '.join(cells)} |")
    return rows


def differences(results: dict[str, tuple[np.ndarray, str]]) -> list[str]:
    """Mean absolute difference of two profiles, percent of full scale."""
    present = [name for name in NAMES if name in results]
    apart = {
        pair: 100 * float(np.abs(results[pair[0]][0] - results[pair[1]][0]).mean())
        for pair in combinations(present, 2)
    }
    rows = [
        f"Mean absolute difference between two profiles on the exam of `{SHOWN}`, percent of full scale:",
        "",
        f"| | {' | '.join(present[1:])} |",
        f"|---|{'---|' * (len(present) - 1)}",
    ]
    for i, name in enumerate(present[:-1]):
        cells = [_percent(apart[name, other]) for other in present[i + 1 :]]
        rows.append(f"| `{name}` | {' | '.join([''] * i + cells)} |")
    return rows


def _percent(x: float) -> str:
    return "0" if x == 0 else "< 0.01" if x < 0.01 else f"{x:.2f}"


if __name__ == "__main__":
    main()
