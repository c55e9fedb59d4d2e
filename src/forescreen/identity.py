"""Who is who, without saying who: pseudonyms for women and exams.

Registries and DICOM headers name a woman by a number that may be a hospital number. Nothing that
forescreen writes carries it: both doors (tables and headers) turn it into the same keyed pseudonym,
so that they still meet. The key stays with its owner; with it and her own list of numbers she can
find a woman again, without it nobody can. The same key moves dates and replaces UIDs, so that all that
is made under one key fits together (`dicom.deidentify`).

HMAC-SHA256 [RFC2104], first 16 hex digits; 64 bits make a collision among ten million women improbable
(about 3e-6).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from pathlib import Path

from .errors import ConfigError
from .files import write_private

#: Dates of a woman move back by 1 to this many whole days.
MOST_DAYS_BACK = 365


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

    def device(self, number: str) -> str:
        """Pseudonym of a machine: DeviceSerialNumber (0018,1000)."""
        return self._make("device", number)

    def site(self, name: str) -> str:
        """Pseudonym of a place: what a registry calls site, or the name of a machine."""
        return self._make("site", name)

    def uid(self, uid: str) -> str:
        """Another UID for a UID, of the form 2.25.<UUID> (PS3.5 B.2); "" stays ""."""
        uid = uid.strip("\0 ")
        if self.key is None or not uid:
            return uid
        digest = hmac.new(self.key, f"uid:{uid}".encode(errors="replace"), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=5).int}"

    def days_back(self, number: str) -> int:
        """Days, 1 to MOST_DAYS_BACK, by which the dates of the woman with this number move; 0 without key."""
        if self.key is None:
            return 0
        digest = hmac.new(self.key, f"days:{number.strip()}".encode(), hashlib.sha256).digest()
        return 1 + int.from_bytes(digest[:8], "big") % MOST_DAYS_BACK

    @property
    def mark(self) -> str:
        """Eight hex digits that tell two keys apart and say nothing else; "" without key."""
        if self.key is None:
            return ""
        return hmac.new(self.key, b"mark", hashlib.sha256).hexdigest()[:8]

    def trace(self, value: str) -> str:
        """What shows that two values differ and tells neither; "" for an empty one.

        Without a key 16 bits: enough to see a difference, too few to find a name by trying all names.
        """
        value = value.strip()
        if not value:
            return ""
        text = f"trace:{value}".encode(errors="surrogateescape")
        if self.key is None:
            return hashlib.sha256(text).hexdigest()[:4]
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:16]

    def file(self, name: str) -> str:
        """What stands for a file name or a UID, both of which may lead to a woman."""
        return self._make("file", name)

    def _make(self, kind: str, number: str) -> str:
        number = number.strip()
        if self.key is None or not number:
            return number
        text = f"{kind}:{number}".encode(errors="surrogateescape")  # file names may be no UTF-8
        return hmac.new(self.key, text, hashlib.sha256).hexdigest()[:16]


#: Numbers that are study numbers already.
AS_GIVEN = Pseudonyms(key=None)


def load_or_make_key(path: Path) -> bytes:
    """The secret key in `path` (64 hex digits), made from the system's randomness if absent (mode 600)."""
    if not path.exists():
        write_private(path, secrets.token_hex(32) + "\n")
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
