"""iCARE-Lit's coefficients, and our factors as the columns that they are for.

In: `Women`. Out: coded columns of the model under 50 or from 50. Classes are closed on the left: 25-30 is 25
to under 30; age at menarche is in completed years. What one factor says about another is used (no birth: no
age at first birth; no current hormone therapy: no type of it), and nothing else: a biopsy is no benign breast
disease. [Choudhury2020]
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from .coefficients import rows_of
from .factors import FACTORS
from .log_linear import Column, LogLinear, parse_terms
from .women import Women

Part = Literal["under 50", "from 50"]
PARTS: tuple[Part, Part] = ("under 50", "from 50")

#: The factor of ours that a column is for: the first of those that it is made of.
FACTOR_OF = {
    "age_at_menarche": "menarche_age",
    "parity": "parity",
    "age_first_birth": "first_birth_age",
    "oc_ever": "oral_contraceptive",
    "oc_current": "oral_contraceptive",
    "alcohol_intake": "alcohol_g_per_day",
    "bbd": "benign_breast_disease",
    "famhist": "n_relatives",
    "age_at_menopause": "menopause_age",
    "height": "height_cm",
    "hrt": "hormone_therapy",
    "hrt_type": "hormone_therapy_type",
    "bmi_curc": "bmi",
}

#: Levels of age at menopause, youngest first, and where they begin after the first.
MENOPAUSE_LEVELS = ("<40", "40-45", "45-50", "50-55", ">=55")
_MENOPAUSE_EDGES = (40.0, 45.0, 50.0, 55.0)
_SOME_ALCOHOL = float(np.nextafter(0.0, 1.0))


@cache
def coefficients(part: Part) -> LogLinear:
    """The published log relative risks."""
    rows = rows_of("icare_lit_coefficients")
    return parse_terms({row["term"]: float(row["log_relative_risk"]) for row in rows if row["part"] == part})


def columns_of(women: Women, part: Part) -> dict[str, Column]:
    """Coded columns of the model; unknown is NaN or below 0.

    An unknown age at menopause is −1, or lower where the menopausal status and the age of the woman bound it:
    see `menopause_bounds`.
    """
    levels = coefficients(part).levels
    births = _birth(women)
    parity = women.number("parity")
    first_birth = _binned(births, (20, 25, 30), ("<20", "20-25", "25-30", ">=30"), levels["age_first_birth"])
    # No birth is coded as the reference level of the age, as in the model's data.
    first_birth[parity == 0] = levels["age_first_birth"].index("<20")
    columns: dict[str, Column] = {
        "age_at_menarche": _binned(
            women.number("menarche_age"),
            (11, 12, 13, 14, 15, 16),
            ("<=10", "11", "12", "13", "14", "15", ">=16"),
            levels["age_at_menarche"],
        ),
        "parity": _binned(parity, (1, 2, 3), ("0", "1", "2", ">=3"), levels["parity"]),
        "age_first_birth": first_birth,
        "oc_ever": _indicator(women, "oral_contraceptive", "former", "current"),
        "alcohol_intake": _binned(
            women.number("alcohol_g_per_day"),
            (_SOME_ALCOHOL, 5, 15, 25, 35, 45),
            ("0", ">0-5", "5-15", "15-25", "25-35", "35-45", ">=45"),
            levels["alcohol_intake"],
        ),
        "bbd": _indicator(women, "benign_breast_disease", "yes"),
        "famhist": _family(women),
        "height": women.number("height_cm") / 10,
    }
    if part == "under 50":
        columns["oc_current"] = _indicator(women, "oral_contraceptive", "current")
        columns["bmi_curc"] = _binned(
            _body_mass(women), (18.5, 25, 30), ("<18.5", "18.5-25", "25-30", ">=30"), levels["bmi_curc"]
        )
    else:
        columns["bmi_curc"] = _binned(
            _body_mass(women), (25, 30), ("<25", "25-30", ">=30"), levels["bmi_curc"]
        )
        columns["age_at_menopause"] = _menopause(women, levels["age_at_menopause"])
        columns["hrt"], columns["hrt_type"] = _hormone_therapy(women, levels["hrt"])
    return columns


def menopause_bounds(code: int) -> tuple[int, int]:
    """First and last place in `MENOPAUSE_LEVELS` that an unknown age at menopause with this code may have."""
    last = len(MENOPAUSE_LEVELS) - 1
    return (-code - 1) % (last + 1), last - (-code - 1) // (last + 1)


def _menopause(women: Women, levels: Sequence[str]) -> Int[np.ndarray, "woman"]:
    """Known ages as levels; else −1 − (first + 5 · (4 − last)) of the levels that are possible at her age.

    Before menopause it lies at her age or later; after menopause, not later.
    """
    codes = _binned(women.number("menopause_age"), _MENOPAUSE_EDGES, MENOPAUSE_LEVELS, levels)
    age = women.number("age")
    here = np.searchsorted(_MENOPAUSE_EDGES, np.where(np.isnan(age), 0.0, age), side="right")
    last = len(MENOPAUSE_LEVELS) - 1
    lowest = np.where(women.has("menopause", "pre"), here, 0)
    highest = np.where(women.has("menopause", "post") & np.isfinite(age), here, last)
    codes = np.where(codes >= 0, codes, -1 - (lowest + (last + 1) * (last - highest)))
    only = (codes < 0) & (lowest == highest)
    places = np.array([levels.index(level) for level in MENOPAUSE_LEVELS])
    return np.asarray(np.where(only, places[lowest], codes))


def _hormone_therapy(
    women: Women, levels: Sequence[str]
) -> tuple[Int[np.ndarray, "woman"], Float[np.ndarray, "woman"]]:
    """Never, former or current; 1 for oestrogen only, which counts with current therapy only."""
    given = women.level("hormone_therapy")
    # "not current" is never or former: their coefficients are the same.
    names = {"never": "never", "former": "former", "current": "current", "not current": "former"}
    places = [levels.index(names[level]) for level in FACTORS["hormone_therapy"].levels]
    therapy = np.where(given >= 0, np.array(places)[given], -1)
    kind = _indicator(women, "hormone_therapy_type", "oestrogen only")
    current = women.has("hormone_therapy", "current")
    return therapy, np.asarray(np.where(current, kind, np.where(given >= 0, 0.0, np.nan)))


def _birth(women: Women) -> Float[np.ndarray, "woman"]:
    """Age at first birth: as given, else the first of the ages at births."""
    births = women.births()
    first = np.where(np.isnan(births), np.inf, births).min(axis=1, initial=np.inf)
    given = women.number("first_birth_age")
    return np.asarray(np.where(np.isnan(given) & np.isfinite(first), first, given))


def _body_mass(women: Women) -> Float[np.ndarray, "woman"]:
    """As given, else weight over height squared."""
    given = women.number("bmi")
    made = women.number("weight_kg") / (women.number("height_cm") / 100) ** 2
    return np.asarray(np.where(np.isnan(given), made, given))


def _family(women: Women) -> Float[np.ndarray, "woman"]:
    """1 where a first-degree relative had breast cancer."""
    relatives = women.number("n_relatives")
    known = _indicator(women, "family_history", "yes")
    return np.asarray(np.where(np.isnan(relatives), known, relatives > 0))


def _indicator(women: Women, factor: str, *levels: str) -> Float[np.ndarray, "woman"]:
    return np.asarray(np.where(women.known(factor), women.has(factor, *levels).astype(float), np.nan))


def _binned(
    values: Float[np.ndarray, "woman"], edges: Sequence[float], names: Sequence[str], levels: Sequence[str]
) -> Int[np.ndarray, "woman"]:
    """Place in `levels` of the class of each value; class k of `names` begins at edge k − 1."""
    places = np.array([levels.index(name) for name in names])
    found = places[np.searchsorted(np.asarray(edges), np.where(np.isnan(values), 0.0, values), side="right")]
    return np.asarray(np.where(np.isnan(values), -1, found))
