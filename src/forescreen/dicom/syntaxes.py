"""Transfer syntaxes of still images: which can be decoded, which lose information, and by what codec.

In: a transfer syntax UID. Out: membership in the sets below, and the name and version of the library that
turns its bytes into pixels (`codec_of`), which every converted image records.

Source: PS3.5 section 10 and annex A (transfer syntaxes); PS3.6 annex A (UIDs).
"""

from __future__ import annotations

import zlib
from functools import lru_cache

import imagecodecs

from .elements import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

_JPEG = "1.2.840.10008.1.2.4."
JPEG_BASELINE, JPEG_EXTENDED = f"{_JPEG}50", f"{_JPEG}51"
JPEG_LOSSLESS, JPEG_LOSSLESS_FIRST = f"{_JPEG}57", f"{_JPEG}70"  # process 14, and its selection value 1
JPEG_LS, JPEG_LS_NEAR = f"{_JPEG}80", f"{_JPEG}81"
JPEG_2000_LOSSLESS, JPEG_2000 = f"{_JPEG}90", f"{_JPEG}91"
HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K = f"{_JPEG}201", f"{_JPEG}202", f"{_JPEG}203"
RLE = "1.2.840.10008.1.2.5"

NATIVE = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG})
JPEG_LOSSLESS_FAMILY = frozenset({JPEG_LOSSLESS, JPEG_LOSSLESS_FIRST})
JPEG_FAMILY = frozenset({JPEG_BASELINE, JPEG_EXTENDED}) | JPEG_LOSSLESS_FAMILY
JPEG_LS_FAMILY = frozenset({JPEG_LS, JPEG_LS_NEAR})
JPEG_2000_FAMILY = frozenset({JPEG_2000_LOSSLESS, JPEG_2000, HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K})
#: Transfer syntaxes whose pixels can be decoded.
DECODABLE = NATIVE | {RLE} | JPEG_FAMILY | JPEG_LS_FAMILY | JPEG_2000_FAMILY
#: Syntaxes that always lose information, and those that lose it or not.
LOSSY = frozenset({JPEG_BASELINE, JPEG_EXTENDED, JPEG_LS_NEAR})
MAYBE_LOSSY = frozenset({JPEG_2000, HTJ2K})


@lru_cache(maxsize=len(DECODABLE))
def codec_of(transfer_syntax: str) -> str:
    """Name and version of the library that decodes a syntax: "libjpeg-turbo 3.1.3".

    "none" for uncompressed pixels, "" for a syntax that is not decoded.
    """
    if transfer_syntax == DEFLATED:
        return f"zlib {zlib.ZLIB_RUNTIME_VERSION}"
    if transfer_syntax in NATIVE:
        return "none"
    if transfer_syntax == RLE:
        return str(imagecodecs.imcd_version())
    if transfer_syntax in JPEG_FAMILY:
        # "libjpeg_turbo 3.1.3/8.0": its own version, then that of the interface it imitates
        return str(imagecodecs.jpeg8_version()).split("/")[0].replace("_", "-")
    if transfer_syntax in JPEG_LS_FAMILY:
        return str(imagecodecs.jpegls_version())
    return str(imagecodecs.jpeg2k_version()) if transfer_syntax in JPEG_2000_FAMILY else ""
