"""Every error that forescreen raises on purpose.

    ForescreenError
    ├── InputError              something the user gave us: expected, found, where, remedy
    │   ├── DicomError          a DICOM object or its pixels; carries a machine-readable `code`
    │   ├── ExamError           mammograms that do not make an exam
    │   ├── CohortError         registry tables, outcomes, matched sets
    │   ├── FactorError         a clinical factor out of its range
    │   ├── ConfigError         study.toml, a recipe, a command-line option
    │   └── TooFewEventsError   a statistic that the data cannot support; carries `found` and `needed`
    ├── CheckpointError         a model file that is missing, damaged or of another kind
    └── InterruptedStageError   a stage folder that belongs to another configuration or is in use

Messages say what was expected, what was found, where, and what to do. They never carry a name, a
birth date or a patient number: callers name rows, columns and files, not women.
"""

from __future__ import annotations

import traceback
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


class ForescreenError(Exception):
    """Base of all errors raised on purpose; the command line prints it without a traceback."""


class InputError(ForescreenError):
    """Something given to forescreen is not what it needs.

    `expected`, `found`, `where` and `remedy` are attributes; the message is made of them.
    """

    def __init__(self, *, expected: str, found: str, where: str = "", remedy: str = "") -> None:
        self.expected = expected
        self.found = found
        self.where = where
        self.remedy = remedy
        message = f"expected {expected}, found {found}"
        if where:
            message = f"{where}: {message}"
        if remedy:
            message = f"{message}. {remedy}"
        super().__init__(message)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only constructors do not survive pickling between worker processes by themselves.
        return (_rebuild, (type(self), self.__dict__.copy()))


class DicomError(InputError):
    """A DICOM object that cannot be read or must not be used; `code` is the refusal code."""

    def __init__(self, code: str, *, expected: str, found: str, where: str = "", remedy: str = "") -> None:
        self.code = code
        super().__init__(expected=expected, found=found, where=where, remedy=remedy)


class ExamError(InputError):
    """Mammograms that do not make an exam."""


class CohortError(InputError):
    """Registry tables, outcomes or matched sets that contradict themselves."""


class FactorError(InputError):
    """A clinical factor outside its range or coding."""


class ConfigError(InputError):
    """A setting in study.toml, a recipe or an option that is unknown or out of range."""


class TooFewEventsError(InputError):
    """A statistic was asked of data with too few events for it."""

    def __init__(self, quantity: str, *, found: int, needed: int, where: str = "") -> None:
        self.n_found = found
        self.n_needed = needed
        super().__init__(
            expected=f"at least {needed} events for {quantity}",
            found=str(found),
            where=where,
            remedy="Widen the cohort or leave this quantity out",
        )


class CheckpointError(ForescreenError):
    """A model file that is missing, damaged or of another kind."""


class InterruptedStageError(ForescreenError):
    """A stage folder that belongs to another configuration, or that another process is writing."""


def unexpected(error: Exception) -> DicomError:
    """A fault of forescreen's own while it worked on one file, as that file's refusal.

    Only the kind of the error and its place in the program are told: its words may quote the file.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    place = f" at {Path(own[-1].filename).name}:{own[-1].lineno}" if own else ""
    return DicomError(
        "unexpected_error",
        expected="a file that is used or refused by rule",
        found=f"a fault of the program, {type(error).__name__}{place}",
        remedy="Please report it with this line",
    )


def _rebuild(kind: type[InputError], state: dict[str, object]) -> InputError:
    error = kind.__new__(kind)
    error.__dict__.update(state)
    found, where, remedy = state["found"], state["where"], state["remedy"]
    message = f"expected {state['expected']}, found {found}"
    if where:
        message = f"{where}: {message}"
    if remedy:
        message = f"{message}. {remedy}"
    error.args = (message,)
    return error
