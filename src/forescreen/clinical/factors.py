"""The vocabulary of clinical risk factors: one name, unit, range and set of levels for all models.

A factor is a number with a unit, or one of a few levels. Unknown is NaN for numbers and -1 for levels, and
nothing else; what a model assumes about an unknown factor is told by the model. Names, levels and units
are those of the columns of our tables; the codes of other programs are translated by their readers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Factor:
    """One risk factor: a number with its unit and the values that can be meant, or one of `levels`."""

    name: str
    meaning: str
    unit: str = ""
    lower: float = -math.inf
    upper: float = math.inf
    whole: bool = False
    levels: tuple[str, ...] = ()
    aliases: tuple[tuple[str, str], ...] = ()  # other spellings of levels that mean the same

    @property
    def is_number(self) -> bool:
        return not self.levels


def _number(name: str, meaning: str, unit: str, lower: float, upper: float, *, whole: bool = False) -> Factor:
    return Factor(name=name, meaning=meaning, unit=unit, lower=lower, upper=upper, whole=whole)


def _level(name: str, meaning: str, *levels: str, **aliases: str) -> Factor:
    return Factor(name=name, meaning=meaning, levels=levels, aliases=tuple(aliases.items()))


NO, YES = "no", "yes"


def _yes_no(name: str, meaning: str) -> Factor:
    others = (("0", NO), ("1", YES), ("false", NO), ("true", YES), ("n", NO), ("y", YES))
    return Factor(name=name, meaning=meaning, levels=(NO, YES), aliases=others)


#: Levels of race that a model which knows Hispanic or Asian and Pacific Islander women only takes together.
HISPANIC = ("hispanic", "hispanic us-born", "hispanic foreign-born")
ASIAN = ("asian", "chinese", "japanese", "filipino", "hawaiian", "pacific islander", "other asian")

#: Race and ethnicity as the models tell women apart. Coarse levels (asian, hispanic) are for tables that
#: know no more; a model that needs more says so.
RACES = ("white", "black", *HISPANIC, *ASIAN, "native american", "other")

_ALL = (
    _number("age", "age at the start", "years", 15, 110),
    Factor(name="race", meaning="race or ethnicity, self-reported", levels=RACES),
    _number("height_cm", "standing height", "cm", 120, 220),
    _number("weight_kg", "weight", "kg", 30, 300),
    _number("bmi", "body-mass index", "kg/m2", 10, 90),
    _number("menarche_age", "age at the first menstrual period", "years", 6, 25),
    _number("parity", "births", "", 0, 25, whole=True),
    _number("first_birth_age", "age at the first live birth; none where parity is 0", "years", 10, 60),
    Factor(name="birth_ages", meaning="ages at all births, separated by /", unit="years", lower=10, upper=60),
    _number("n_relatives", "first-degree relatives with breast cancer", "", 0, 25, whole=True),
    _yes_no("family_history", "any first-degree relative with breast cancer"),
    _number("n_biopsies", "previous breast biopsies", "", 0, 50, whole=True),
    _yes_no("breast_biopsy", "any previous breast biopsy or aspiration"),
    _yes_no("atypical_hyperplasia", "atypical hyperplasia in any biopsy"),
    _yes_no("benign_breast_disease", "history of benign breast disease"),
    _level("menopause", "menopausal status", "pre", "post"),
    _number("menopause_age", "age at menopause", "years", 25, 65),
    _level("menopause_type", "how menses ended", "natural", "surgical"),
    Factor(
        name="hormone_therapy",
        meaning="menopausal hormone therapy; tables that only know yes and no tell current use",
        levels=("never", "former", "current", "not current"),
        aliases=(("0", "not current"), ("1", "current"), ("no", "not current"), ("yes", "current")),
    ),
    _level("hormone_therapy_type", "its kind", "oestrogen only", "combined", estrogen="oestrogen only"),
    _level("oral_contraceptive", "oral contraceptives", "never", "former", "current"),
    _number("alcohol_g_per_day", "alcohol", "g/day", 0, 300),
    Factor(
        name="density",
        meaning="BI-RADS breast density, a = almost entirely fatty to d = extremely dense",
        levels=("a", "b", "c", "d"),
        aliases=(("1", "a"), ("2", "b"), ("3", "c"), ("4", "d")),
    ),
    _level("last_mammogram", "outcome of the last mammogram", "negative", "false positive"),
)

#: Every factor by name.
FACTORS: dict[str, Factor] = {factor.name: factor for factor in _ALL}
