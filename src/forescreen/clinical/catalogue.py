"""The clinical models that are computed here, by name; and of others, why not and what to do instead.

In: a name as people write it. Out: the model, or an error that helps.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from ..errors import ConfigError
from .barlow2006 import BARLOW_2006
from .bcrat import BCRAT
from .bcsc_v1 import BCSC_V1
from .icare_lit import ICARE_LIT
from .model import ClinicalModel
from .rosner1996 import ROSNER_1996

#: Every model, in the order in which tables show them. A new model is one line here.
_MODELS: tuple[ClinicalModel, ...] = (
    BCRAT,
    ICARE_LIT,
    BCSC_V1,
    BARLOW_2006,
    ROSNER_1996,
)
MODELS: Mapping[str, ClinicalModel] = MappingProxyType({model.name: model for model in _MODELS})

#: Other names of these models.
ALIASES: Mapping[str, str] = MappingProxyType(
    {
        "gail": "bcrat",
        "bcra": "bcrat",
        "icare": "icare-lit",
        "bcsc": "bcsc-v1",
        "tice2008": "bcsc-v1",
        "barlow": "barlow2006",
        "rosner": "rosner1996",
        "rosner-colditz": "rosner1996",
        "ibis": "tyrer-cuzick",
    }
)

_BRING = "Compute it with its own program and give the result as a column, {column}"
#: Models that are not computed here: why, and what to do instead.
NOT_COMPUTED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "tyrer-cuzick": (
            "its tables are not completely published, and its program is licensed for research only",
            _BRING.format(column="tyrer_cuzick_10y_percent"),
        ),
        "canrisk": (
            "its licence is non-commercial, and its model needs pedigrees",
            _BRING.format(column="canrisk_10y_percent") + ", or CanRisk's own result file",
        ),
        "boadicea": (
            "it is offered as CanRisk, whose licence is non-commercial",
            _BRING.format(column="canrisk_10y_percent") + ", or CanRisk's own result file",
        ),
        "bcsc-v2": (
            "its hazard ratios by age are not published; its program is given out on request",
            _BRING.format(column="bcsc_v2_5y_percent") + "; version 1 is bcsc-v1",
        ),
        "bcsc-v3": (
            "its coefficients are not published; its program is given out on request",
            _BRING.format(column="bcsc_v3_5y_percent") + "; version 1 is bcsc-v1",
        ),
        "brcapro": (
            "its program has a licence of its own, and its model needs pedigrees",
            _BRING.format(column="brcapro_5y_percent"),
        ),
        "chen2006": (
            "nobody has transcribed its coefficients from the paper yet",
            "bcsc-v1 and barlow2006 use density, too",
        ),
        "bwhs": (
            "nobody has transcribed its coefficients from the open paper yet",
            "bcrat has the coefficients of Black women from another study",
        ),
    }
)


def model_named(name: str) -> ClinicalModel:
    """The model of that name, in whatever case, with hyphens, blanks or underscores between its words.

    Raises ConfigError for a model that is not computed here, with the reason and what to do instead, and for
    a name that is none, with the names there are and the nearest.
    """
    plain = _plain(name)
    plain = {_plain(alias): model for alias, model in ALIASES.items()}.get(plain, plain)
    for known, model in MODELS.items():
        if _plain(known) == _plain(plain):
            return model
    for known, (why, instead) in NOT_COMPUTED.items():
        if _plain(known) == _plain(plain):
            raise ConfigError(
                expected=f"a model that is computed here ({', '.join(MODELS)})",
                found=f"{known}: {why}",
                where="clinical model",
                remedy=instead,
            )
    near = difflib.get_close_matches(name.strip().lower(), [*MODELS, *ALIASES, *NOT_COMPUTED], n=2)
    raise ConfigError(
        expected=f"a clinical model among {', '.join(MODELS)}",
        found=name,
        where="clinical model",
        remedy=f"Did you mean {' or '.join(near)}?" if near else "",
    )


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
