"""Colours of the page, light and dark, and the one colour, marker and dash of each model.

Figures are drawn once, with sentinel colours that `drawing` replaces by CSS variables, so they follow
the theme of the page. Hues are those of [Okabe2008], darkened on white and lightened on near-black until
each has a contrast of at least 3:1 against the page (4.5:1 for text); models also differ by marker and
dash, so nothing depends on colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from .results import Model

#: CSS variables: name -> (light, dark).
THEME: dict[str, tuple[str, str]] = {
    "paper": ("#ffffff", "#16181c"),
    "panel": ("#f6f6f4", "#1f2228"),
    "ink": ("#1b1c1f", "#e9e8e4"),
    "soft": ("#5b5d63", "#a9abb2"),
    "rule": ("#cfd0d3", "#3c4048"),
    "faint": ("#e6e7e8", "#2b2f36"),
    "model-1": ("#0067a8", "#62b5f0"),  # blue
    "model-2": ("#c24e00", "#f5934e"),  # vermillion
    "model-3": ("#007a5a", "#3fcf9f"),  # bluish green
    "model-4": ("#6a6c72", "#b4b6bc"),  # grey
    "model-5": ("#a34a80", "#e39bc5"),  # reddish purple
    "model-6": ("#8a6400", "#e3b53c"),  # ochre
    "model-7": ("#3d7f99", "#8fd3e8"),  # slate blue
    "model-8": ("#7d4a2d", "#cf9f80"),  # brown
}

#: Hex colours that stand for the variables while matplotlib draws: none of them is a real colour here.
SENTINEL = {name: f"#fe01{index:02x}" for index, name in enumerate(THEME)}

_SLOT_OF_KIND = {"image": 1, "clinical": 2, "combined": 3, "truth": 4, "peer": 5}
#: Slots of models that are all peers, most distinct first.
_PEERS = (1, 2, 3, 5, 6, 7, 8, 4)
_MARKERS = {1: "o", 2: "s", 3: "D", 4: "v", 5: "^", 6: "P", 7: "X", 8: "h"}
_DASHES: dict[int, tuple[float, ...]] = {
    1: (),
    2: (6, 2),
    3: (8, 2, 2, 2),
    4: (1.5, 1.5),
    5: (4, 1.5),
    6: (3, 3),
    7: (10, 3),
    8: (2, 1),
}


@dataclass(frozen=True, kw_only=True)
class ModelStyle:
    """How a model looks wherever it appears."""

    variable: str  # CSS variable, "model-1"
    marker: str  # matplotlib marker
    dashes: tuple[float, ...]  # on, off in points; () is a solid line

    @property
    def sentinel(self) -> str:
        """The hex colour to draw with."""
        return SENTINEL[self.variable]


def model_styles(models: dict[str, Model]) -> dict[str, ModelStyle]:
    """A style for each model by key: the first of a kind gets the colour of its kind, others a free one.

    Where all are peers, none has a colour of its own and they take the clearest in turn. Beyond eight models
    the styles repeat.
    """
    slots: dict[str, int] = {}
    if all(model.kind == "peer" for model in models.values()):
        slots = dict(zip(models, _PEERS, strict=False))
    for key, model in models.items():
        if key in slots:
            continue
        wanted = _SLOT_OF_KIND.get(model.kind, 5)
        if wanted not in slots.values():
            slots[key] = wanted
    for position, key in enumerate(models):
        if key not in slots:
            free = [slot for slot in (6, 7, 8, 5, 4, 3, 2, 1) if slot not in slots.values()]
            slots[key] = free[0] if free else position % len(_MARKERS) + 1
    return {
        key: ModelStyle(variable=f"model-{slot}", marker=_MARKERS[slot], dashes=_DASHES[slot])
        for key, slot in ((key, slots[key]) for key in models)
    }


def css_variables(*, dark: bool) -> str:
    """The declarations of all variables of one theme."""
    return " ".join(f"--{name}: {pair[dark]};" for name, pair in THEME.items())
