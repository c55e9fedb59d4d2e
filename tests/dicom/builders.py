"""DICOM objects built in code, for the clinical and technical situations that intake meets."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from pydicom import config
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag
from pydicom.uid import UID

PRESENTATION_CLASS = "1.2.840.10008.5.1.4.1.1.1.2"
PROCESSING_CLASS = "1.2.840.10008.5.1.4.1.1.1.2.1"
TOMOSYNTHESIS_CLASS = "1.2.840.10008.5.1.4.1.1.13.1.3"
SECONDARY_CAPTURE_CLASS = "1.2.840.10008.5.1.4.1.1.7"
REPORT_CLASS = "1.2.840.10008.5.1.4.1.1.88.33"

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LOSSLESS_ANY = "1.2.840.10008.1.2.4.57"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_2000_LOSSY = "1.2.840.10008.1.2.4.91"
HTJ2K = "1.2.840.10008.1.2.4.201"
HTJ2K_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K_LOSSY = "1.2.840.10008.1.2.4.203"

CODED_VIEWS = {"CC": "399162004", "MLO": "399368009", "ML": "399260004", "XCCL": "399192008"}


def build_pixels(*, rows: int = 300, columns: int = 260, bits: int = 12, seed: int = 7) -> np.ndarray:
    """A smooth picture with noise whose values fill the bits: dark right edge, bright left."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(1.0, 0.0, columns)[None, :] * np.linspace(0.6, 1.0, rows)[:, None]
    top = (1 << bits) - 1
    noisy = slope * top * 0.9 + rng.normal(0.0, top * 0.01, (rows, columns))
    pixels = np.clip(np.rint(noisy), 0, top).astype(np.uint16)
    pixels[0, 0], pixels[-1, -1] = top, 0
    return pixels


def build_code(value: str, scheme: str = "SCT", meaning: str = "a view") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def build_view(value: str, scheme: str = "SCT", modifiers: tuple[str, ...] = ()) -> Sequence:
    item = build_code(value, scheme)
    item.ViewModifierCodeSequence = Sequence(build_code(code) for code in modifiers)
    return Sequence([item])


def build_lut(entries: np.ndarray, first: int, bits: int, explanation: str = "NORMAL") -> Dataset:
    item = Dataset()
    item.add(DataElement(0x00283002, "US", [len(entries) % 65536, first, bits]))
    item.LUTExplanation = explanation
    item.add(DataElement(0x00283006, "OW", np.asarray(entries, "<u2").tobytes()))
    return item


def build_mammogram(
    pixels: np.ndarray | None = None,
    *,
    laterality: str = "L",
    view: str = "CC",
    bits: int = 12,
    photometric: str = "MONOCHROME2",
    changes: Mapping[str, Any] | None = None,
    number: int = 1,
) -> Dataset:
    """An ordinary Digital Mammography X-Ray For Presentation object; `changes` sets tags, None removes."""
    pixels = build_pixels(bits=bits) if pixels is None else pixels
    ds = Dataset()
    ds.SOPClassUID = PRESENTATION_CLASS
    ds.SOPInstanceUID = f"1.2.826.0.1.3680043.10.99.{number}"
    ds.StudyInstanceUID = "1.2.826.0.1.3680043.10.99.1000"
    ds.SeriesInstanceUID = "1.2.826.0.1.3680043.10.99.1001"
    ds.PatientID, ds.PatientName, ds.AccessionNumber = "W0001", "Doe^Jane", "A0001"
    ds.StudyDate = ds.AcquisitionDate = "20210314"
    ds.AcquisitionTime = f"10{number % 60:02d}00"
    ds.PatientAge = "057Y"
    ds.Modality, ds.PresentationIntentType = "MG", "FOR PRESENTATION"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = "Maker", "Model 1", ["1.0", "2.0"]
    ds.BodyPartExamined = "BREAST"
    ds.InstanceNumber = number
    ds.ImageLaterality, ds.ViewPosition = laterality, view
    ds.ViewCodeSequence = build_view(CODED_VIEWS[view])
    ds.PatientOrientation = ["A", "R" if laterality == "L" else "L"]
    if view == "MLO":
        ds.PatientOrientation = ["A", "FR" if laterality == "L" else "FL"]
    ds.PixelSpacing = [0.3, 0.3]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.PresentationLUTShape = {"MONOCHROME1": "INVERSE"}.get(photometric, "IDENTITY")
    ds.Rows, ds.Columns = pixels.shape[:2]
    allocated = 16 if bits > 8 else 8
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = allocated, bits, bits - 1, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "US"
    ds.WindowCenter, ds.WindowWidth = 1 << (bits - 1), 1 << bits
    ds.LossyImageCompression = "00"
    ds.PixelData = pixels.astype("<u2" if allocated == 16 else np.uint8).tobytes()
    apply(ds, changes or {})
    return ds


def apply(ds: Dataset, changes: Mapping[str, Any]) -> None:
    """Set tags by keyword without validation (broken values are the point); None removes."""
    for keyword, value in changes.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        if value is None:
            ds.pop(tag, None)
        elif isinstance(value, DataElement):
            ds[tag] = value
        else:
            vr = dictionary_VR(tag).replace("US or SS", "US").replace("OB or OW", "OW")
            if vr in ("DS", "IS") and not isinstance(value, int | float | list):
                raw = str(value).encode()
                raw += b" " * (len(raw) % 2)
                ds[tag] = RawDataElement(BaseTag(tag), vr, len(raw), raw, 0, False, True)
                continue
            ds[tag] = DataElement(tag, vr, value, validation_mode=config.IGNORE)


def encode(pixels: np.ndarray, syntax: str, bits: int = 12) -> bytes:
    """One frame in the given compressed syntax, lossless where the syntax is."""
    if syntax in (JPEG_BASELINE, JPEG_EXTENDED):
        return imagecodecs.jpeg8_encode(pixels, level=95, bitspersample=bits)
    if syntax == JPEG_LOSSLESS:
        return imagecodecs.ljpeg_encode(pixels, bitspersample=bits)
    if syntax == JPEG_LS:
        return imagecodecs.jpegls_encode(pixels)
    if syntax == JPEG_2000:
        return imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True)
    if syntax == HTJ2K:
        return imagecodecs.htj2k_encode(pixels)
    raise ValueError(syntax)


def encode_with_restarts(pixels: np.ndarray, bits: int, rows_between: int) -> bytes:
    """JPEG lossless, predictor 1, with a restart marker every few rows (ISO 10918-1 annex H)."""
    rows, columns = pixels.shape
    interval = rows_between * columns
    table = bytes([0] * 4 + [17] + [0] * 11) + bytes(range(17))  # 17 categories, each a code of five bits
    head = (
        b"\xff\xd8"
        + struct.pack(">HHBHHB3B", 0xFFC3, 11, bits, rows, columns, 1, 1, 0x11, 0)
        + struct.pack(">HHB", 0xFFC4, 3 + len(table), 0)
        + table
        + struct.pack(">HHH", 0xFFDD, 4, interval)
        + struct.pack(">HHB2B3B", 0xFFDA, 8, 1, 1, 0, 1, 0, 0)
    )
    parts = []
    for first in range(0, rows, rows_between):
        block = pixels[first : first + rows_between].astype(int)
        predicted = np.empty_like(block)
        predicted[:, 1:] = block[:, :-1]
        predicted[1:, 0] = block[:-1, 0]
        predicted[0, 0] = 1 << (bits - 1)
        text = ""
        for difference in (block - predicted).ravel().tolist():
            difference = (difference + 32767) % 65536 - 32767
            size = abs(difference).bit_length()
            low = difference if difference > 0 else difference + (1 << size) - 1
            text += f"{size:05b}" + (f"{low:0{size}b}" if 0 < size < 16 else "")
        text += "1" * (-len(text) % 8)
        coded = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
        parts.append(coded)
    marked = b"".join(
        part + (bytes((0xFF, 0xD0 + i % 8)) if i < len(parts) - 1 else b"") for i, part in enumerate(parts)
    )
    return head + marked + b"\xff\xd9"


def save(path: Path, ds: Dataset, *, syntax: str = EXPLICIT_LITTLE, preamble: bool = True) -> Path:
    """Write the object in a transfer syntax (pixels are encoded), with or without preamble and file meta."""
    path.parent.mkdir(parents=True, exist_ok=True)
    big = syntax == EXPLICIT_BIG
    if syntax == RLE:
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = UID(EXPLICIT_LITTLE)
        ds.compress(UID(RLE), encoding_plugin="pydicom", generate_instance_uid=False)
    elif syntax.startswith("1.2.840.10008.1.2.4."):
        kind = "<u2" if ds.BitsAllocated == 16 else np.uint8
        pixels = np.frombuffer(ds.PixelData, kind).reshape(ds.Rows, ds.Columns)
        ds.PixelData = encapsulate([encode(pixels, syntax, ds.BitsStored)])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    elif big:
        ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        for item in ds.get("VOILUTSequence", []):
            item.LUTData = np.frombuffer(item.LUTData, "<u2").astype(">u2").tobytes()
    if "PixelData" in ds and syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG):
        ds["PixelData"].VR = "OW"
    if not preamble:
        ds.pop("file_meta", None)
        dcmwrite(path, ds, implicit_vr=syntax == IMPLICIT_LITTLE, little_endian=not big)
        return path
    return _write_with_meta(path, ds, syntax)


def save_frames(path: Path, ds: Dataset, frames: list[bytes], *, syntax: str, fragments: int = 1) -> Path:
    """Write the object with frames that are encoded already, each in `fragments` fragments."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.PixelData = encapsulate(frames, fragments_per_frame=fragments)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return _write_with_meta(path, ds, syntax)


def _write_with_meta(path: Path, ds: Dataset, syntax: str) -> Path:
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    dcmwrite(path, ds, enforce_file_format=True)
    return path
