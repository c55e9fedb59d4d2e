"""forescreen: breast-cancer risk from screening mammograms, by mode of detection.

Importing this package loads neither torch nor pydicom; open the part you need, or use the three
lines of the README: `read_exam`, `prepare`, `load_model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

__all__ = ["__version__", "load_model", "prepare", "read_exam"]

_DOORS = {
    "read_exam": "forescreen.dicom.exams",
    "prepare": "forescreen.images.prepare",
    "load_model": "forescreen.models.checkpoint",
}

if TYPE_CHECKING:
    from .dicom.exams import read_exam
    from .images.prepare import prepare
    from .models.checkpoint import load_model


def __getattr__(name: str) -> Any:
    if name in _DOORS:
        from importlib import import_module

        return getattr(import_module(_DOORS[name]), name)
    raise AttributeError(f"module 'forescreen' has no attribute {name!r}")
