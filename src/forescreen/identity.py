"""Who is who, without saying who: pseudonyms for women and exams.

Registries and DICOM headers name a woman by a number that may be a hospital number. Nothing that
forescreen writes carries it: both doors (tables and headers) turn it into the same keyed pseudonym,
so that they still meet. The key stays with its owner; with it and her own list of numbers she can
find a woman again, without it nobody can.

HMAC-SHA256 [RFC2104], first 16 hex digits; 64 bits make a collision among ten million women improbable
(about 3e-6).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigError
from .files import write_text


@dataclass(frozen=True)
class Pseudonyms:
    """Turns registry and DICOM numbers into pseudonyms. With `key` None they pass unchanged.

    Unchanged is right only where the numbers are study numbers already (a simulated registry, a
    published data set).
    """

    key: bytes | None

    def woman(self, number: str) -> str:
        """Pseudonym of a woman: PatientID (0010,0020) or the registry's woman_id."""
        return self._make("woman", number)

    def exam(self, number: str) -> str:
        """Pseudonym of an exam: AccessionNumber (0008,0050) or the registry's exam_id."""
        return self._make("exam", number)

    def _make(self, kind: str, number: str) -> str:
        number = number.strip()
        if self.key is None or not number:
            return number
        return hmac.new(self.key, f"{kind}:{number}".encode(), hashlib.sha256).hexdigest()[:16]


#: Numbers that are study numbers already.
AS_GIVEN = Pseudonyms(key=None)


def load_or_make_key(path: Path) -> bytes:
    """The secret key in `path` (64 hex digits), made from the system's randomness if absent (mode 600)."""
    if not path.exists():
        write_text(path, secrets.token_hex(32) + "\n")
        path.chmod(0o600)
    text = path.read_text(encoding="utf-8", errors="replace").strip()
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) < 16:
        raise ConfigError(
            expected="a pseudonym key of at least 32 hex digits",
            found=f"{len(text)} characters that are not such a key",
            where=path.name,
            remedy="Give the key file made by the first run, or remove it to start anew",
        )
    return key
