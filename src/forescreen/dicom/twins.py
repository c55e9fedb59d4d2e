"""Whether two files that claim to be the same DICOM object are of one woman and hold the same pixels.

In: two located files with one SOP Instance UID. Out: words for the refusal of the second, "" where both are
the same. The standard promises that they are (PS3.5 section 9): archives that anonymise or
convert break it.
"""

from __future__ import annotations

import numpy as np

from ..errors import DicomError
from .assemble import known_birth
from .elements import DEFLATED
from .read import read_header, read_pixels
from .tags import Header
from .walk import Located

_BLOCK = 1 << 20
_OTHER_WOMAN, _OTHER_SYNTAX = ", of another patient", ", in another transfer syntax"


def difference(first: Located, second: Located) -> str:
    """How the second differs: "" or words that follow "the same object as ..."."""
    try:
        one, two = read_header(first), read_header(second)
        return (_OTHER_WOMAN if _are_two_women(one, two) else "") + _pixel_difference(first, one, second, two)
    except (DicomError, OSError):
        return ", with pixels that cannot be compared"


def is_same_object(words: str | None) -> bool:
    """Whether the words of `difference` leave it at one picture of one woman; None: not compared."""
    return words in ("", _OTHER_SYNTAX)


def _are_two_women(one: Header, two: Header) -> bool:
    pairs = (
        (one.patient_id, two.patient_id),
        (one.issuer.casefold(), two.issuer.casefold()),
        (known_birth(one), known_birth(two)),
    )
    return any(a and b and a != b for a, b in pairs)


def _pixel_difference(first: Located, one: Header, second: Located, two: Header) -> str:
    try:
        if one.pixel_data is None or two.pixel_data is None:
            return "" if one.pixel_data == two.pixel_data else ", of which one has no pixels"
        same_syntax = one.transfer_syntax == two.transfer_syntax
        if same_syntax and one.transfer_syntax != DEFLATED:
            if _same_bytes(first, one.pixel_data.parts, second, two.pixel_data.parts):
                return ""
            return ", with other pixel bytes"
        if np.array_equal(read_pixels(first, one), read_pixels(second, two)):
            return "" if same_syntax else _OTHER_SYNTAX
        return ", with other pixels"
    except (DicomError, OSError):
        return ", with pixels that cannot be compared"


def _same_bytes(
    first: Located, parts: tuple[tuple[int, int], ...], second: Located, others: tuple[tuple[int, int], ...]
) -> bool:
    if [length for _, length in parts] != [length for _, length in others]:
        return False
    with first.open() as one, second.open() as two:
        for (start, length), (other, _) in zip(parts, others, strict=True):
            one.seek(start)
            two.seek(other)
            for done in range(0, length, _BLOCK):
                wanted = min(_BLOCK, length - done)
                if one.read(wanted) != two.read(wanted):
                    return False
    return True
