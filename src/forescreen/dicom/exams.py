"""One folder with the DICOM files of one visit becomes one Exam with its pixels.

In: a folder. Out: an Exam. For many exams use `folder.index_folder` and load image by image.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..errors import ExamError
from ..identity import AS_GIVEN, Pseudonyms
from ..records import Exam
from .folder import index_folder, load_mammogram
from .gate import Policy


def read_exam(
    folder: str | Path,
    *,
    pseudonyms: Pseudonyms = AS_GIVEN,
    policy: Policy = Policy(),  # noqa: B008  frozen
) -> Exam:
    """The exam in a folder: one mammogram per laterality and view, as presentation values.

    Files that are no usable mammograms are left out (`index_folder` tells which and why). Raises
    ExamError when the folder holds no usable mammogram or more than one exam, DicomError when the
    pixels of a chosen image cannot be used.

    >>> exam = read_exam("folder/of/dicom")  # doctest: +SKIP
    """
    folder = Path(folder)
    index = index_folder(folder, pseudonyms=pseudonyms, policy=policy)
    if not index.exams:
        reasons = Counter(refusal.code for refusal in index.refusals).most_common(5)
        raise ExamError(
            expected="the DICOM mammograms of one exam",
            found=f"{index.n_files} files, none usable"
            + (f" ({', '.join(f'{code} {n}' for code, n in reasons)})" if reasons else ""),
            where=folder.name,
            remedy="Give a folder of Digital Mammography X-Ray objects, For Presentation",
        )
    if len(index.exams) > 1:
        raise ExamError(
            expected="one exam",
            found=f"{len(index.exams)} exams",
            where=folder.name,
            remedy="Give the folder of one visit, or ingest the folder as a whole",
        )
    files = index.exams[0]
    return Exam(
        woman_id=files.woman_id,
        exam_id=files.exam_id,
        exam_date=files.exam_date,
        machine=files.machine,
        mammograms=tuple(load_mammogram(file) for file in files.mammograms),
    )
