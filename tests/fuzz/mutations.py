"""What the fuzzer does to an object: bytes in, bytes out, drawn from a generator.

Two kinds. *Damage* may leave a valid object or not. *Lies* make it an object that must be refused whatever
else is true of it (`refused` is set): an acceptance is then a wrong one.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.filewriter import dcmwrite
from pydicom.tag import BaseTag

from .corpus import Seed, corpus

Generator = np.random.Generator

_NUMBERS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 4095, 32767, 32768, 65534, 65535)
_LENGTHS = (0, 1, 2, 7, 255, 65535, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
_TEXTS = (
    b"", b"\0" * 8, b"0", b"-1 ", b"1e999 ", b"nan ", b"inf ", b"-inf", b"1e-320", b"\\\\\\\\", b"9" * 64,
    b"\xff\xfe\xfd\xfc", b"\x1b$B%d%^%@\x1b(B", b"1\\2\\3\\4\\5\\6", b"0.0000001 ", b"99999999999999999999 ",
    b"LINEAR_EXACT", b"SIGMOID ", b"MONOCHROME1 ", b"\xd9\xa1\xd9\xa2",
)  # fmt: skip
_VRS = (b"OB", b"OW", b"SQ", b"UN", b"US", b"SS", b"DS", b"LO", b"UT", b"AT", b"??", b"\0\0")
_KEYWORDS = [
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "SamplesPerPixel",
    "NumberOfFrames",
    "PhotometricInterpretation",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "RescaleSlope",
    "RescaleIntercept",
    "PixelSpacing",
    "ImagerPixelSpacing",
    "EstimatedRadiographicMagnificationFactor",
    "PresentationLUTShape",
    "ImageLaterality",
    "ViewPosition",
    "PatientOrientation",
    "StudyDate",
    "AcquisitionDate",
    "AcquisitionTime",
    "PatientAge",
    "SpecificCharacterSet",
    "ImageType",
    "SOPClassUID",
    "Modality",
    "PresentationIntentType",
    "BodyPartExamined",
    "LossyImageCompression",
    "InstanceNumber",
]
#: Values that make a screening mammogram something else, each alone enough for a refusal.
_LIES: tuple[tuple[str, bytes], ...] = (
    ("Modality", b"CT"),
    ("SOPClassUID", b"1.2.840.10008.5.1.4.1.1.7\0"),
    ("SOPClassUID", b"1.2.840.10008.5.1.4.1.1.2\0"),
    ("PresentationIntentType", b"FOR PROCESSING"),
    ("ViewPosition", b"MLO "),  # the coded view says CC
    ("ImageLaterality", b"B "),
    ("BodyPartExamined", b"CHEST "),
    ("BurnedInAnnotation", b"YES "),
    ("QualityControlImage", b"YES "),
    ("PhotometricInterpretation", b"RGB "),
    ("PhotometricInterpretation", b"PALETTE COLOR "),
    ("BreastImplantPresent", b"YES "),
    ("DetectorMode", b"STEREO"),
    ("ImageType", b"DERIVED\\PRIMARY\\STEREO"),
    ("ImageType", b"DERIVED\\PRIMARY\\TOMO_2D "),
    ("SeriesDescription", b"R CC C-View "),
    ("EstimatedRadiographicMagnificationFactor", b"1.8 "),
    ("PaddleDescription", b"SPOT"),
    ("PixelSpacing", b"0.01\\0.01 "),  # a field of 2 mm
    ("WindowWidth", b"0 "),
    ("VOILUTFunction", b"CUBIC "),
)


@dataclass(frozen=True)
class Mutant:
    """A mutated object: which seed, what was done, the bytes, and whether it must be refused."""

    seed: str
    mutation: str
    content: bytes
    must_refuse: bool = False


def mutant(run_seed: int, number: int) -> Mutant:
    """Object `number` of the run `run_seed`; the same two numbers give the same bytes."""
    generator = np.random.default_rng([run_seed, number])
    seeds = corpus()
    seed = seeds[int(generator.integers(len(seeds)))]
    name = _NAMES[int(generator.choice(len(_NAMES), p=_WEIGHTS))]
    mutate = MUTATIONS[name][0]
    content = mutate(seed, generator)
    if name != "lie" and generator.random() < 0.2:  # two at once
        second = "flip_bits" if generator.random() < 0.5 else "overwrite"
        content = MUTATIONS[second][0](Seed(seed.name, content, seed.lossy), generator)
        name = f"{name}+{second}"
    return Mutant(seed.name, name, content, must_refuse=name in ("lie", "cut_pixels"))


def flip_bits(seed: Seed, generator: Generator) -> bytes:
    """One to eight bits anywhere."""
    content = bytearray(seed.content)
    for _ in range(int(generator.integers(1, 9))):
        at = int(generator.integers(len(content))) if content else 0
        if content:
            content[at] ^= 1 << int(generator.integers(8))
    return bytes(content)


def flip_header_bits(seed: Seed, generator: Generator) -> bytes:
    """Bits between the preamble and the pixels."""
    content = bytearray(seed.content)
    end = max(_pixels_at(seed.content), 2)
    for _ in range(int(generator.integers(1, 5))):
        content[int(generator.integers(min(128, end - 1), end))] ^= 1 << int(generator.integers(8))
    return bytes(content)


def flip_pixel_bits(seed: Seed, generator: Generator) -> bytes:
    """Bits in the pixel data, most of them in the first kilobyte, where streams describe themselves."""
    content = bytearray(seed.content)
    start = _pixels_at(seed.content)
    for _ in range(int(generator.integers(1, 7))):
        reach = 1024 if generator.random() < 0.7 else len(content) - start
        at = min(start + int(generator.integers(max(1, reach))), len(content) - 1)
        content[at] ^= 1 << int(generator.integers(8))
    return bytes(content)


def overwrite(seed: Seed, generator: Generator) -> bytes:
    """Two or four bytes replaced by numbers that programs trip over."""
    content = bytearray(seed.content)
    for _ in range(int(generator.integers(1, 4))):
        value = struct.pack("<L", _LENGTHS[int(generator.integers(len(_LENGTHS)))])
        size = 2 if generator.random() < 0.5 else 4
        at = int(generator.integers(max(1, len(content) - size)))
        content[at : at + size] = value[:size]
    return bytes(content)


def overwrite_length(seed: Seed, generator: Generator) -> bytes:
    """The length field of a top-level data element."""
    places = _elements(seed.content)
    content = bytearray(seed.content)
    if places:
        at, size = places[int(generator.integers(len(places)))]
        value = _LENGTHS[int(generator.integers(len(_LENGTHS)))]
        content[at : at + size] = struct.pack("<L", value)[:size]
    return bytes(content)


def change_vr(seed: Seed, generator: Generator) -> bytes:
    """The value representation of a top-level data element."""
    places = _elements(seed.content)
    content = bytearray(seed.content)
    if places:
        at, size = places[int(generator.integers(len(places)))]
        start = at - (2 if size == 2 else 4)
        content[start : start + 2] = _VRS[int(generator.integers(len(_VRS)))]
    return bytes(content)


def cut(seed: Seed, generator: Generator) -> bytes:
    """The end of the file is missing."""
    return seed.content[: int(generator.integers(len(seed.content)))]


def cut_pixels(seed: Seed, generator: Generator) -> bytes:
    """Part of the pixel data is missing at the end of the file."""
    start = _pixels_at(seed.content)
    longest = len(seed.content) - 64
    return seed.content[: int(generator.integers(min(start, longest - 1), longest))]


def splice(seed: Seed, generator: Generator) -> bytes:
    """A piece is taken out, doubled, or put in from another object."""
    content = seed.content
    at = int(generator.integers(len(content)))
    size = int(generator.integers(1, 400))
    kind = int(generator.integers(4))
    if kind == 0:
        return content[:at] + content[at + size :]
    if kind == 1:
        return content[: at + size] + content[at:]
    if kind == 2:
        return content[:at] + generator.bytes(size) + content[at:]
    other = corpus()[int(generator.integers(len(corpus())))].content
    return content[:at] + other[min(at, len(other)) :]


def change_value(seed: Seed, generator: Generator) -> bytes:
    """One to three attributes get a value that is odd, huge, negative or no number."""
    values: dict[str, bytes] = {}
    for _ in range(int(generator.integers(1, 4))):
        keyword = _KEYWORDS[int(generator.integers(len(_KEYWORDS)))]
        if generator.random() < 0.5:
            values[keyword] = struct.pack("<H", _NUMBERS[int(generator.integers(len(_NUMBERS)))])
        else:
            values[keyword] = _TEXTS[int(generator.integers(len(_TEXTS)))]
    return _with_values(seed, values, remove=())


def remove_element(seed: Seed, generator: Generator) -> bytes:
    """One to three attributes are absent."""
    chosen = generator.choice(len(_KEYWORDS), int(generator.integers(1, 4)), replace=False)
    return _with_values(seed, {}, remove=tuple(_KEYWORDS[i] for i in chosen))


def lie(seed: Seed, generator: Generator) -> bytes:
    """The object says that it is something else."""
    keyword, value = _LIES[int(generator.integers(len(_LIES)))]
    if keyword == "WindowWidth" and seed.name in ("voi-lut", "padded"):
        keyword, value = "Modality", b"US"  # the window is not what these are shown by
    if keyword == "VOILUTFunction" and seed.name in ("voi-lut", "padded"):
        keyword, value = "Modality", b"MR"
    return _with_values(seed, {keyword: value}, remove=())


def other_syntax(seed: Seed, generator: Generator) -> bytes:
    """The transfer syntax of another seed over these bytes."""
    ends = (
        "",
        ".1",
        ".2",
        ".5",
        *(f".4.{i}" for i in (50, 51, 57, 70, 80, 81, 90, 91, 100, 102, 201, 202, 999)),
    )
    name = f"1.2.840.10008.1.2{ends[int(generator.integers(len(ends)))]}".encode()
    name += b"\0" * (len(name) % 2)
    at = seed.content.find(b"\x02\0\x10\0UI")
    if at < 0:
        return flip_bits(seed, generator)
    size = struct.unpack_from("<H", seed.content, at + 6)[0]
    head = seed.content[: at + 6] + struct.pack("<H", len(name)) + name
    return head + seed.content[at + 8 + size :]


def deep(seed: Seed, generator: Generator) -> bytes:
    """Thousands of items, inside one another or side by side, before the rest of the data set."""
    n = int(generator.integers(10, 5000))
    undefined = b"\xff\xff\xff\xff"
    start, item = b"\x08\0\x40\x11SQ\0\0" + undefined, b"\xfe\xff\0\xe0" + undefined
    inside = generator.random() < 0.5
    block = (
        (start + item) * n
        if inside
        else start + (b"\xfe\xff\0\xe0\0\0\0\0") * n + b"\xfe\xff\xdd\xe0\0\0\0\0"
    )
    at = _data_set_at(seed.content)
    return seed.content[:at] + block + seed.content[at:]


def stream_header(seed: Seed, generator: Generator) -> bytes:
    """Sizes, precisions and counts in the marker segments of a compressed stream, or in the RLE header."""
    content = bytearray(seed.content)
    start = _pixels_at(seed.content)
    ends = (0x51, 0x52, 0x5C, 0x90, 0xC0, 0xC1, 0xC3, 0xC4, 0xDA, 0xF7, 0xF8, 0xDB, 0x50)
    markers = tuple(bytes((0xFF, end)) for end in ends)
    found = [start + 28]
    for marker in markers:
        at = content.find(marker, start)
        if at >= 0:
            found.append(at)
    for _ in range(int(generator.integers(1, 4))):
        at = found[int(generator.integers(len(found)))] + 2 + int(generator.integers(48))
        size = (1, 2, 4)[int(generator.integers(3))]
        value = struct.pack(">L", _LENGTHS[int(generator.integers(len(_LENGTHS)))])
        content[at : at + size] = value[-size:]
    return bytes(content)


def swap_streams(seed: Seed, generator: Generator) -> bytes:
    """The header of one object with the pixel data of another."""
    other = corpus()[int(generator.integers(len(corpus())))].content
    return seed.content[: _pixels_at(seed.content)] + other[_pixels_at(other) :]


def bomb(seed: Seed, generator: Generator) -> bytes:
    """Few bytes that promise many: deflated zeros, RLE runs, 65 535 x 65 535 pixels."""
    kind = int(generator.integers(3))
    if kind == 0:
        deflated = next(s for s in corpus() if s.name == "deflated").content
        engine = zlib.compressobj(9, wbits=-15)
        zeros = bytes(1 << 20)
        body = (
            b"".join(engine.compress(zeros) for _ in range(int(generator.integers(8, 64)))) + engine.flush()
        )
        return deflated[: _data_set_at(deflated)] + body
    if kind == 1:
        rle = next(s for s in corpus() if s.name == "rle")
        run = struct.pack("<16L", 2, 64, 64 + 200_000, *[0] * 13) + b"\x81\0" * 200_000
        item = b"\xfe\xff\0\xe0" + struct.pack("<L", len(run)) + run
        head = rle.content[: _pixels_at(rle.content)]
        return head + b"\xfe\xff\0\xe0\0\0\0\0" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    huge = struct.pack("<H", 65535 if generator.random() < 0.5 else 14000)
    return _with_values(seed, {"Rows": huge, "Columns": huge}, remove=())


def _with_values(seed: Seed, values: dict[str, bytes], remove: tuple[str, ...]) -> bytes:
    """The object with raw values under keywords, nothing validated; damaged seeds come back as they are."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ds = pydicom.dcmread(io.BytesIO(seed.content), force=True)
            little = ds.original_encoding[1]
            for keyword, raw in values.items():
                tag = BaseTag(tag_for_keyword(keyword) or 0)
                vr = pydicom.datadict.dictionary_VR(tag).split(" or ")[0]
                if vr in ("US", "SS") and len(raw) == 2 and not little:
                    raw = raw[::-1]
                raw += b" " * (len(raw) % 2)
                ds[tag] = RawDataElement(
                    tag, vr, len(raw), raw, 0, bool(ds.original_encoding[0]), bool(little)
                )
            for keyword in remove:
                ds.pop(BaseTag(tag_for_keyword(keyword) or 0), None)
            out = io.BytesIO()
            if "TransferSyntaxUID" in getattr(ds, "file_meta", {}):
                out.write(b"\0" * 128 + b"DICM")
                dcmwrite_meta(out, ds)
            body = io.BytesIO()
            dcmwrite(body, _data_set(ds), implicit_vr=ds.original_encoding[0], little_endian=little)
            plain = body.getvalue()
            if seed.name == "deflated":
                engine = zlib.compressobj(wbits=-15)
                plain = engine.compress(plain) + engine.flush()
            out.write(plain)
            return out.getvalue()
        except Exception:
            return seed.content


def dcmwrite_meta(out: io.BytesIO, ds: pydicom.Dataset) -> None:
    """File meta information as it was."""
    from pydicom.filewriter import write_file_meta_info

    write_file_meta_info(out, ds.file_meta, enforce_standard=False)


def _data_set(ds: pydicom.Dataset) -> pydicom.Dataset:
    bare = pydicom.Dataset()
    bare.update({tag: ds.get_item(tag) for tag in ds.keys()})  # noqa: SIM118  raw elements stay raw
    return bare


def _pixels_at(content: bytes) -> int:
    """Where the value of the pixel data begins, or a place in the last half."""
    for tag, vr in ((b"\xe0\x7f\x10\x00", True), (b"\x7f\xe0\x00\x10", True)):
        at = content.rfind(tag) if vr else -1
        if at > 0:
            return at + 12
    return len(content) // 2


def _data_set_at(content: bytes) -> int:
    """Where the data set begins."""
    if content[128:132] != b"DICM":
        return 0
    size = struct.unpack_from("<L", content, 140)[0]
    return int(min(144 + size, len(content)))


def _elements(content: bytes) -> list[tuple[int, int]]:
    """(place, size) of the length fields of the top-level elements in explicit VR little endian."""
    at, places = _data_set_at(content), []
    while at + 8 <= len(content):
        vr = content[at + 4 : at + 6]
        if not vr.isalpha():
            break
        if vr in (b"OB", b"OW", b"SQ", b"UN", b"UT"):
            places.append((at + 8, 4))
            length = struct.unpack_from("<L", content, at + 8)[0] if at + 12 <= len(content) else 0
            at += 12 + length
        else:
            places.append((at + 6, 2))
            at += 8 + struct.unpack_from("<H", content, at + 6)[0]
    return places


MUTATIONS: dict[str, tuple[Callable[[Seed, Generator], bytes], float]] = {
    "flip_bits": (flip_bits, 1.0),
    "flip_header_bits": (flip_header_bits, 2.0),
    "flip_pixel_bits": (flip_pixel_bits, 2.0),
    "overwrite": (overwrite, 1.0),
    "overwrite_length": (overwrite_length, 1.5),
    "change_vr": (change_vr, 1.0),
    "cut": (cut, 1.0),
    "cut_pixels": (cut_pixels, 1.0),
    "splice": (splice, 1.5),
    "change_value": (change_value, 3.0),
    "remove_element": (remove_element, 1.0),
    "lie": (lie, 1.5),
    "other_syntax": (other_syntax, 1.0),
    "deep": (deep, 0.3),
    "stream_header": (stream_header, 3.0),
    "swap_streams": (swap_streams, 0.7),
    "bomb": (bomb, 0.1),
}
_NAMES = tuple(MUTATIONS)
_WEIGHTS = np.array([weight for _, weight in MUTATIONS.values()])
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
