"""How numbers are written on the page: digits, signs, spaces. Numbers come in, short texts go out.

Conventions: concordance with two decimals, intervals in parentheses after a comma, a true minus sign,
a narrow no-break space between thousands, an en-dash where a number is absent. Texts of one column are
padded with figure spaces (as wide as a digit in tabular numerals), so that right-aligned numbers stand
with their decimal points in line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

THOUSANDS = "\u202f"  # narrow no-break space
MINUS = "\u2212"
ABSENT = "–"
_DIGIT_SPACE = "\u2007"  # figure space
_POINT_SPACE = "\u2008"  # punctuation space


def count_text(n: float | None) -> str:
    """A count with thousands apart: 12 345; an en-dash for None."""
    if n is None or not math.isfinite(n):
        return ABSENT
    return f"{round(n):,}".replace(",", THOUSANDS).replace("-", MINUS)


def decimal_text(value: float | None, digits: int = 2, *, signed: bool = False) -> str:
    """A number with fixed decimals; with `signed`, positive numbers carry a plus (differences)."""
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    sign = MINUS if value < 0 else "+" if signed else ""
    return sign + text


def ratio_text(value: float | None) -> str:
    """A ratio with three significant figures and at most two decimals: 0.85, 1.25, 17.9, 143."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if abs(value) >= 1e4:
        return f"{value:.0e}".replace("e+0", "e").replace("e+", "e")
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return decimal_text(value, digits)


def percent_text(fraction: float | None, digits: int = 1) -> str:
    """A fraction as a percentage without the sign: 0.1234 gives 12.3."""
    return ABSENT if fraction is None else decimal_text(100 * fraction, digits)


def decimals_for(values: Iterable[float | None], *, figures: int = 2, least: int = 0, most: int = 6) -> int:
    """Decimals with which the smallest value, zeros apart, still has `figures` significant figures."""
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value) and value != 0]
    if not sizes:
        return least
    return min(max(figures - 1 - math.floor(math.log10(min(sizes))), least), most)


def within_text(years: float | None) -> str:
    """A horizon in words: "within 5 years", "within 1 year"; nothing for None."""
    if years is None:
        return ""
    return f"within {years:g} {'year' if years == 1 else 'years'}"


def top_text(fraction: float) -> str:
    """The name of a top group: 0.05 gives "5 %" (narrow space), 0.005 gives "0.5 %"."""
    return f"{100 * fraction:g}{THOUSANDS}%"


def p_text(p: float | None) -> str:
    """A p value with the digits it deserves: < 0.001, 0.004, 0.047, 0.31, > 0.99."""
    if p is None or not math.isfinite(p):
        return ABSENT
    if p < 0.001:
        return f"<{THOUSANDS}0.001"
    if p < 0.0995:
        return f"{p:.3f}"
    if p > 0.994:
        return f">{THOUSANDS}0.99"
    return f"{p:.2f}"


def interval_text(lower: str, upper: str) -> str:
    """Two bounds in parentheses, or nothing if neither is known."""
    return "" if lower == upper == ABSENT else f"({lower}, {upper})"


def padded(text: str, decimals: int = 2) -> str:
    """The text with invisible figure spaces, so that its decimal point stands where `decimals` put it."""
    if not text or not text[-1].isdigit():
        return text
    _, point, fraction = text.partition(".")
    missing = decimals - len(fraction)
    return text + ("" if point else _POINT_SPACE) * (missing > 0) + _DIGIT_SPACE * max(missing, 0)
