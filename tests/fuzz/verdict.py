"""What intake does with one object, and whether that was right.

An object ends *refused* with a code or *accepted*. Accepted ones are held against an independent reading of
the same bytes (pydicom): if a value that decides what the picture is differs, or the object had to be
refused, the acceptance is wrong. A compressed stream with a flipped bit that still decodes cannot be seen by
anybody: JPEG has no checksum.
"""

from __future__ import annotations

import io
import logging
import resource
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom

from forescreen.dicom.folder import load_mammogram, placed_file
from forescreen.dicom.gate import Policy, judge
from forescreen.dicom.read import read_header
from forescreen.dicom.tags import Header
from forescreen.errors import DicomError
from forescreen.records import Mammogram

from .mutations import Mutant

logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it warns of what we do on purpose

#: One object of a few hundred kilobytes may not need more memory than this.
MOST_MEMORY_MB = 512

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2")


@dataclass(frozen=True)
class Verdict:
    """`kind` is accepted, refused, crash, memory or wrong; `words` the code, or what went wrong."""

    kind: str
    words: str


def judge_object(mutant: Mutant, folder: Path) -> Verdict:
    """Runs one object through intake; never raises."""
    path = folder / "object.dcm"
    path.write_bytes(mutant.content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        header = read_header(path)
        decision = judge(header, Policy())
        if decision.reasons:
            return _with_memory(Verdict("refused", decision.reasons[0].code), before)
        loaded = load_mammogram(placed_file(path, "object.dcm", header, decision, decision.flags))
    except DicomError as error:
        return _with_memory(Verdict("refused", error.code), before)
    except BaseException as error:
        return Verdict("crash", f"{type(error).__name__}: {error}"[:200])
    wrong = "had to be refused" if mutant.must_refuse else _difference(mutant.content, header, loaded)
    return _with_memory(Verdict("wrong", wrong) if wrong else Verdict("accepted", ""), before)


def _with_memory(verdict: Verdict, before_kb: int) -> Verdict:
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024
    return Verdict("memory", f"{grown:.0f} MB, {verdict}") if grown > MOST_MEMORY_MB else verdict


def _difference(content: bytes, header: Header, loaded: Mammogram) -> str:
    """What an independent reading of the same bytes says otherwise; "" when it agrees."""
    pixels = loaded.pixels
    if pixels.shape != (header.rows, header.columns):
        return f"shape {pixels.shape}"
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > 1:
        return "presentation values outside 0 to 1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(io.BytesIO(content), force=True)
            theirs = {
                "rows": str(int(ds.Rows)),
                "columns": str(int(ds.Columns)),
                "bits": str(int(ds.BitsStored)),
                "modality": _raw_text(ds, "Modality"),
                "class": _raw_text(ds, "SOPClassUID") or _raw_text(ds.file_meta, "MediaStorageSOPClassUID"),
                "photometric": _raw_text(ds, "PhotometricInterpretation"),
                "side": _raw_text(ds, "ImageLaterality"),
                "position": _raw_text(ds, "ViewPosition"),
            }
        except Exception as error:  # pydicom is stricter than the bytes: nothing to compare with
            return "" if isinstance(error, _STRICTER) else repr(error)[:200]
        ours = {
            "rows": str(header.rows),
            "columns": str(header.columns),
            "bits": str(header.grayscale.bits_stored),
            "modality": header.modality,
            "class": header.sop_class,
            "photometric": header.grayscale.photometric,
            "side": header.image_laterality,
            "position": header.view_position,
        }
        for name, value in theirs.items():
            if value != ours[name]:
                return f"{name}: {value!r} by an independent reader, {ours[name]!r} here"
    return ""


# What pydicom raises at values and VRs that it does not convert. OSError: fragments of pixel data whose VR
# was changed to SQ or UN, which it reads as a sequence; here (7FE0,0010) holds pixels whatever its VR says.
_STRICTER = (
    KeyError,
    AttributeError,
    ValueError,
    NotImplementedError,
    OverflowError,
    TypeError,
    EOFError,
    OSError,
)


def _raw_text(ds: pydicom.Dataset, keyword: str) -> str:
    """The first component of a value as text, whatever the VR says it is."""
    element = ds.get_item(keyword) if keyword in ds else None
    value = b"" if element is None else element.value
    if not isinstance(value, bytes):
        return str(value).strip("\0 ").upper()
    return value.decode("latin-1").split("\\")[0].strip("\0 \t\r\n").upper()
