"""What is noteworthy about when, of whom and by which machine an image was made.

In: a Header, the limits and machines of a policy, and the day of today. Out: `Finding`s, which quote no date
and no age. Source: PS3.3 C.7.1.1 (patient), C.7.2.1 (study), C.8.11 (acquisition dates); PS3.5 6.2 (DA).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from fnmatch import fnmatchcase

from .findings import Finding
from .machine import read_machine
from .policy import Limits
from .tags import Header
from .values import iso_date

#: Before it no mammograms were made that anybody scans (the technique of Egan is of 1960).
EARLIEST = datetime.date(1960, 1, 1)
#: An archive may lie in a time zone that is a day ahead.
_GRACE = datetime.timedelta(days=1)


def origin_findings(
    header: Header, limits: Limits, machines: tuple[str, ...], *, today: datetime.date
) -> Iterator[Finding]:
    """Dates, age, patient number and machine."""
    yield from _date_findings(header, limits, today)
    if header.age_years is None:
        yield Finding("age_missing", "an age", "none")
    elif not limits.min_age_years <= header.age_years <= limits.max_age_years:
        wanted = f"{limits.min_age_years:g} to {limits.max_age_years:g} years"
        yield Finding("age_implausible", wanted, "an age outside")
    by_birth = header.age_by_birth_years
    if header.age_years is not None and by_birth is not None:
        apart = abs(header.age_years - by_birth)
        if apart > limits.max_years_between_ages:
            wanted = "PatientAge that fits PatientBirthDate and StudyDate"
            yield Finding(
                "age_conflict", wanted, f"more than {limits.max_years_between_ages:g} years between"
            )
    if not header.patient_id:
        yield Finding("patient_id_missing", "a patient number", "none")
    machine = " ".join(part for part in (header.manufacturer, header.model) if part)
    if machines and not any(fnmatchcase(machine.upper(), pattern.upper()) for pattern in machines):
        yield Finding("vendor_not_validated", "a machine of the policy's list", machine_of(header) or "none")


def machine_of(header: Header) -> str:
    """Maker and model, as far as they may be told."""
    return read_machine(header).name


def _date_findings(header: Header, limits: Limits, today: datetime.date) -> Iterator[Finding]:
    dates = {keyword: iso_date(text) for keyword, text in header.dates}
    wrong = [keyword for keyword, date in dates.items() if not date or not _is_possible(date, today)]
    if wrong:
        found = f"another value of {', '.join(wrong)}"
        yield Finding("date_implausible", f"dates from {EARLIEST.year} to today", found)
    study, acquired = dates.get("StudyDate"), dates.get("AcquisitionDate")
    if study and acquired:
        apart = abs((datetime.date.fromisoformat(study) - datetime.date.fromisoformat(acquired)).days)
        if apart > limits.max_days_between_dates:
            wanted = f"StudyDate and AcquisitionDate at most {limits.max_days_between_dates:g} days apart"
            yield Finding("date_conflict", wanted, "more")


def _is_possible(date: str, today: datetime.date) -> bool:
    return EARLIEST <= datetime.date.fromisoformat(date) <= today + _GRACE
