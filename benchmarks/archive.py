"""The header pass over archives of two sizes: files per second, and whether memory grows with the archive.

JSON: headers_per_s_per_core, walked_per_s_per_core, again_per_s_per_core (a second pass, which reads no
header again), peak_mb_small and peak_mb_large (of the whole process), bytes_per_file (of the catalogue).
Files are whole objects with pixels of 128 x 128 that compress to nothing, four to an exam, each with its
own UIDs: the header pass does not look at pixels. Walk, header pass, comparison, assembling and one stream
of exams and refusals are measured, in one process each, in processor seconds. FILES may be given: two
numbers, small and large; docs/reference/ingestion.md has a run with 20 000 and 200 000.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from tests.ingestion.builders import build_description

from forescreen.dicom.catalogue import Catalogue
from forescreen.dicom.encode import JPEG_LOSSLESS
from forescreen.dicom.folder import catalogue_headers, compare_twins
from forescreen.dicom.policy import Policy
from forescreen.dicom.walk import walk
from forescreen.dicom.write import derived_uid, encode_mammogram
from forescreen.identity import Pseudonyms
from forescreen.records import STANDARD_VIEWS

SMALL, LARGE = 2_000, 20_000
#: Replaced in the template by numbers of the same length.
WOMAN, EXAM = b"W0000000", b"A0000000"
UID, SERIES = b"2.25.900000000000000", b"2.25.800000000000000"


def main() -> None:
    small, large = map(int, sys.argv[1:3]) if len(sys.argv) > 2 else (SMALL, LARGE)
    figures: dict[str, float] = {}
    for name, n in (("small", small), ("large", large)):
        with tempfile.TemporaryDirectory() as place:
            folder, catalogue = Path(place) / "archive", Path(place) / "catalogue.sqlite"
            build_archive(folder, n)
            first, again = measure(folder, catalogue), measure(folder, catalogue)
            assert first["n_exams"] == again["n_exams"] == n // 4
            figures[f"peak_mb_{name}"] = first["peak_mb"]
            if name == "large":
                figures["headers_per_s_per_core"] = n / first["seconds"]
                figures["walked_per_s_per_core"] = n / first["walk_seconds"]
                figures["again_per_s_per_core"] = n / again["seconds"]
                figures["bytes_per_file"] = catalogue.stat().st_size / n
    print(json.dumps(figures))


def build_archive(folder: Path, n_files: int) -> None:
    """`n_files` objects, four to an exam, a thousand exams to a folder; each woman has two exams."""
    templates = [_template(number) for number in range(4)]
    for exam in range(n_files // 4):
        place = folder / f"{exam // 1000:04d}" / f"{exam:07d}"
        place.mkdir(parents=True)
        for view, template in enumerate(templates):
            data = (
                template.replace(WOMAN, b"W%07d" % (exam // 2))
                .replace(EXAM, b"A%07d" % exam)
                .replace(UID, b"2.25.9%014d" % (4 * exam + view))
                .replace(SERIES, b"2.25.8%014d" % exam)
            )
            (place / f"{view}.dcm").write_bytes(data)


def _template(number: int) -> bytes:
    side, view = STANDARD_VIEWS[number]
    description = replace(
        build_description(EXAM.decode(), side, view, 0.5),
        sop_instance_uid=UID.decode(),
        series_instance_uid=SERIES.decode(),
        study_instance_uid=derived_uid("study"),
        woman_id=WOMAN.decode(),
        transfer_syntax=JPEG_LOSSLESS,
    )
    return encode_mammogram(np.full((128, 128), 100, np.uint16), description)


def measure(folder: Path, catalogue: Path) -> dict[str, float]:
    """One header pass in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.archive", "--pass", str(folder), str(catalogue)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def one_pass(folder: Path, catalogue: Path) -> None:
    key = Pseudonyms(key=b"0123456789abcdef")
    started = time.process_time()
    with Catalogue(catalogue, folder) as known:
        known.take_stock(walk(folder))
        walked = time.process_time()
        catalogue_headers(known, policy=Policy(), pseudonyms=key, workers=0)
        compare_twins(known, workers=0)
        known.assemble(key.file)
        n_exams = sum(1 for _ in known.exams())
        n_refused = sum(1 for _ in known.refusals(key.file))
    seconds = time.process_time() - started
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"n_exams": n_exams, "n_refused": n_refused, "seconds": seconds, "peak_mb": peak_mb}
    print(json.dumps(told | {"walk_seconds": walked - started}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pass"]:
        one_pass(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
