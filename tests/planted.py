"""Mammograms full of made-up identifiers, and a search for them in every byte that was written."""

from __future__ import annotations

import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from .dicom.builders import EXPLICIT_LITTLE, build_code, build_lut, build_mammogram, save

#: One made-up person: nothing of this may be found again. Long enough not to occur by chance.
NAMES = {
    "utf8": ("ISO_IR 192", "Bịnhnhân^Mamografía"),
    "latin1": ("ISO_IR 100", "Grünwäldchen^Zoë"),
    "cyrillic": ("ISO_IR 144", "Люксембург^Роза"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamadazaki^Tarouko=山田崎^太郎子=やまだざき^たろうこ"),
    "korean": (["", "ISO 2022 IR 149"], "Honggildongi^Gilsun=洪吉洞^吉順=홍길동이^길순이"),
    "chinese": ("GB18030", "Wangxiaodongo^Li=王小东花"),
}
WORDS = (
    "Quixandra", "Zuckerwatte", "Kreiskrankenhaus", "Muehlhausenstrasse", "Operatrix", "Doktorowski",
    "Mutternamenova", "Stationella", "Vertraulich", "Befundtext", "Geheimkommentar", "Labelname",
)  # fmt: skip
NUMBERS = ("8604121937", "HOSP-77120934", "ACC-55310872", "SER-990177345", "03641-5550199", "DET-4411907")
BIRTH_DATE = "19600412"
DATES = (BIRTH_DATE, "1960-04-12", "12.04.1960", "04/12/1960", "20210314", "2021-03-14")
UIDS = ("1.2.826.0.1.3680043.10.77.4711", "1.2.826.0.1.3680043.10.77.4712", "1.2.826.0.1.3680043.10.77.4713")
PATIENT_ID, ACCESSION, SERIAL = NUMBERS[0], NUMBERS[2], NUMBERS[3]
ENCODINGS = ("utf-8", "latin-1", "utf-16-le", "utf-16-be", "iso8859-5", "iso2022_jp", "euc_kr", "gb18030")


@dataclass(frozen=True)
class Found:
    """One planted text in one file."""

    file: str
    text: str


def build_planted(
    *,
    name: str = "latin1",
    number: int = 1,
    laterality: str = "L",
    view: str = "CC",
    pixels: np.ndarray | None = None,
) -> Dataset:
    """An ordinary mammogram with identifiers wherever an object can hold them."""
    ds = build_mammogram(pixels, laterality=laterality, view=view, number=number)
    charset, person = NAMES[name]
    ds.SpecificCharacterSet = charset
    ds.PatientName, ds.PatientID, ds.AccessionNumber = person, PATIENT_ID, ACCESSION
    ds.StudyInstanceUID, ds.SeriesInstanceUID = UIDS[0], UIDS[1]
    ds.SOPInstanceUID = f"{UIDS[2]}.{number}"
    ds.PatientBirthDate, ds.PatientAge, ds.PatientSex = BIRTH_DATE, "060Y", "F"
    put(ds, "OtherPatientIDs", [NUMBERS[1]])
    put(ds, "OtherPatientNames", [person])
    put(ds, "PatientBirthName", WORDS[1])
    put(ds, "PatientMotherBirthName", WORDS[6])
    put(ds, "PatientAddress", f"{WORDS[3]} 7")
    put(ds, "PatientTelephoneNumbers", [NUMBERS[4]])
    put(ds, "PatientComments", f"{WORDS[8]} {WORDS[0]}")
    put(ds, "InstitutionName", WORDS[2])
    put(ds, "InstitutionAddress", f"{WORDS[3]} 99")
    put(ds, "StationName", WORDS[7])
    put(ds, "ReferringPhysicianName", f"{WORDS[5]}^Paul")
    put(ds, "OperatorsName", [WORDS[4]])
    put(ds, "DeviceSerialNumber", SERIAL)
    put(ds, "DetectorID", NUMBERS[5])
    put(ds, "StudyID", NUMBERS[1])
    put(ds, "SeriesNumber", PATIENT_ID)
    put(ds, "StudyDescription", f"SCREENING {WORDS[0]} {BIRTH_DATE}")
    put(ds, "SeriesDescription", f"{laterality} {view} {WORDS[1]}")
    put(ds, "ProtocolName", f"ROUTINE_{PATIENT_ID}")
    put(ds, "ImageComments", f"{WORDS[10]} {person.split('=')[0]}")
    put(ds, "DerivationDescription", f"by {WORDS[4]}")
    put(ds, "PaddleDescription", f"{WORDS[0]} 18x24")
    put(ds, "WindowCenterWidthExplanation", [WORDS[11]])
    put(ds, "ManufacturerModelName", f"Model 1 {WORDS[7]} {SERIAL}")
    put(ds, "SoftwareVersions", ["1.0", f"1.2 {NUMBERS[5]}"])
    put(ds, "BodyPartExamined", f"BREAST {WORDS[0]}")
    put(ds, "ImageType", ["ORIGINAL", "PRIMARY", "", WORDS[0].upper()])
    lut = build_lut(np.arange(4096, dtype=np.uint16), 0, 12, explanation=f"NORMAL {WORDS[11]}")
    put(lut, "PatientComments", WORDS[8])
    ds.VOILUTSequence = Sequence([lut])
    nested = build_code("LOCAL-1", "99LOCAL", WORDS[9])
    put(nested, "PatientName", person)
    put(nested, "InstitutionName", WORDS[2])
    ds.AnatomicRegionSequence = Sequence([nested])
    original = Dataset()
    original.ModifiedAttributesSequence = Sequence([Dataset()])
    put(original.ModifiedAttributesSequence[0], "PatientID", NUMBERS[1])
    ds.OriginalAttributesSequence = Sequence([original])
    reference = Dataset()
    put(reference, "ReferencedSOPInstanceUID", f"{UIDS[2]}.77")
    put(reference, "ReferencedSOPClassUID", "1.2.840.10008.5.1.4.1.1.1.2.1")
    ds.SourceImageSequence = Sequence([reference])
    for group, text in ((0x6000, WORDS[11]), (0x6002, WORDS[10])):  # overlays, and a retired curve
        ds.add(DataElement(group << 16 | 0x1500, "LO", text))
        ds.add(DataElement(group << 16 | 0x0022, "LO", text))
        ds.add(DataElement(group << 16 | 0x3000, "OW", f"{text} ".encode()))
    ds.add(DataElement(0x50002500, "LO", WORDS[9]))
    block = ds.private_block(0x0019, "MAKER", create=True)
    block.add_new(0x01, "LO", f"{WORDS[0]} {PATIENT_ID}")
    block.add_new(0x02, "UN", f"{person.split('^')[0]} ".encode())
    hidden = Dataset()
    put(hidden, "PatientName", person)
    block.add_new(0x03, "SQ", Sequence([hidden]))
    put(ds, "DataSetTrailingPadding", f"{WORDS[10]}!".encode())
    return ds


def put(ds: Dataset, keyword: str, value: object) -> None:
    """Set an attribute without validation: broken values are the point."""
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    tag = tag_for_keyword(keyword)
    assert tag is not None, keyword
    ds[tag] = DataElement(tag, dictionary_VR(tag), value, validation_mode=config.IGNORE)


def save_planted(path: Path, ds: Dataset, *, syntax: str = EXPLICIT_LITTLE) -> Path:
    """Write the object, then plant into preamble, file meta information and behind the pixel data."""
    ds.file_meta = None  # a fresh one
    del ds.file_meta
    save(path, ds, syntax=syntax)
    data = bytearray(path.read_bytes())
    data[:20] = WORDS[0].ljust(20).encode()
    name = f"{WORDS[7]:16}".encode()
    end = 132 + 12 + int.from_bytes(data[140:144], "little")
    data[end:end] = b"\x02\x00\x16\x00AE" + len(name).to_bytes(2, "little") + name
    data[140:144] = (end - 144 + 8 + len(name)).to_bytes(4, "little")
    data += f"{WORDS[8]} {PATIENT_ID} ".encode()
    path.write_bytes(bytes(data))
    return path


def planted_texts() -> list[str]:
    """All that must not be found."""
    parts = [part for _, person in NAMES.values() for group in person.split("=") for part in group.split("^")]
    return [part for part in (*parts, *WORDS, *NUMBERS, *DATES, *UIDS) if len(part) >= 3]


def search(folder: Path, texts: list[str] | None = None) -> list[Found]:
    """Planted texts in names and bytes of all files below a folder; archives and databases are opened."""
    texts = planted_texts() if texts is None else texts
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        found += [Found(f"name of {name}", text) for text in in_bytes(name.encode(), texts)]
        if path.is_file():
            for content in _contents(path):
                found += [Found(name, text) for text in in_bytes(content, texts)]
    return found


def in_bytes(content: bytes, texts: list[str] | None = None) -> list[str]:
    """The texts that occur in bytes, in any encoding of ENCODINGS, in any case of letters."""
    content = content.lower()
    return [
        text
        for text in (planted_texts() if texts is None else texts)
        if any(pattern in content for pattern in _patterns(text))
    ]


def _patterns(text: str) -> set[bytes]:
    found = set()
    for encoding in ENCODINGS:
        try:
            found.add(text.encode(encoding).lower())
        except UnicodeEncodeError:
            continue
    return found


def _contents(path: Path) -> Iterator[bytes]:
    raw = path.read_bytes()
    yield raw
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(path)
        yield repr((table.schema, table.schema.metadata, table.to_pydict())).encode()
    elif raw.startswith(b"SQLite format 3"):
        with sqlite3.connect(path) as base:
            yield "\n".join(base.iterdump()).encode()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield from (archive.read(name) for name in archive.namelist())
    elif raw[128:132] == b"DICM":  # a deflated data set
        start = 144 + int.from_bytes(raw[140:144], "little")
        if b"1.2.840.10008.1.2.1.99" in raw[:start]:
            yield zlib.decompressobj(wbits=-15).decompress(raw[start:])
