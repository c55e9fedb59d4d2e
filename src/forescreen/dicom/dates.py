"""Dates moved by a whole number of days: intervals stay, the calendar does not.

In: values of the VRs DA, DT and TM as they stand in a header, and a number of days back. Out: the moved
value in the form of the standard; "" for what is no date, because it may be anything.

Source: PS3.5 6.2 (DA, DT, TM and their retired forms), PS3.15 E.3.6 (Retain Longitudinal Temporal
Information With Modified Dates Option).
"""

from __future__ import annotations

import re
from datetime import date, timedelta

from .values import iso_date

_TIME = re.compile(r"([01]\d|2[0-3])(:?[0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?", flags=re.ASCII)
_ZONE = re.compile(r"[+-](0\d|1[0-4])[0-5]\d", flags=re.ASCII)


def shift_date(text: str, days_back: int) -> str:
    """A DA value (YYYYMMDD; retired YYYY.MM.DD too) moved back, as YYYYMMDD; "" for anything else."""
    day = iso_date(text.strip("\0 "))
    if not day:
        return ""
    try:
        moved = date.fromisoformat(day) - timedelta(days=days_back)
    except OverflowError:
        return ""
    return moved.isoformat().replace("-", "")


def shift_datetime(text: str, days_back: int) -> str:
    """A DT value moved back; its time of day and its offset from UTC stay. "" for anything else.

    Values of less than a day's precision (YYYY, YYYYMM) cannot be moved by days and become "".
    """
    text = text.strip("\0 ")
    zone = _ZONE.search(text, 8)
    rest, offset = (text[: zone.start()], zone.group()) if zone and zone.end() == len(text) else (text, "")
    day, clock = shift_date(rest[:8], days_back), rest[8:]
    if not day or (clock and not clean_time(clock)):
        return ""
    return day + clean_time(clock) + offset


def clean_time(text: str) -> str:
    """A TM value as HHMMSS.FFFFFF, as much as is given, without the retired colons; "" for anything else."""
    text = text.strip("\0 ")
    return text.replace(":", "") if _TIME.fullmatch(text) else ""
