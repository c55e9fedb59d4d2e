"""Words of descriptions by which objects that look like a screening view are known.

In: free text of a header. Out: the phrase of a list that stands in it as whole words, whatever stands between
them (blanks, hyphens, underscores), or "". Only the phrase of the list is ever told, not the text.

Source: the makers' names of their synthetic and contrast images; what is written of biopsies, specimens
and phantoms.
"""

from __future__ import annotations

import re

#: Images computed from tomosynthesis: Hologic C-View and Intelligent 2D, Siemens Insight 2D, Fuji S-View,
#: GE V-Preview.
SYNTHETIC = (
    *("C VIEW", "CVIEW", "S VIEW", "SVIEW", "V PREVIEW", "VPREVIEW"),
    *("INTELLIGENT 2D", "INTELLIGENT2D", "INSIGHT 2D", "INSIGHT2D"),
    *("SYNTHETIC 2D", "SYNTHESIZED 2D", "SYNTHESISED 2D", "SYNTHETIC MAMMOGRAM"),
)
#: Images with contrast agent, and how they are made of two energies.
CONTRAST = (
    *("CESM", "CEDM", "CEM", "CONTRAST ENHANCED", "RECOMBINED", "POST CONTRAST"),
    *("DUAL ENERGY", "DUALENERGY", "ENERGY SUBTRACTION", "SENOBRIGHT"),
)
#: What a derivation does to pixels is no contrast agent: "contrast enhanced" says nothing there.
CONTRAST_DERIVED = ("CESM", "CEDM", "RECOMBINED", "DUAL ENERGY", "ENERGY SUBTRACTION")
LOW_ENERGY = ("LOW ENERGY", "LOWENERGY")
STEREO = (
    *("STEREO BIOPSY", "STEREOTACTIC", "STEREOTAXIS", "STEREOTAXY", "STEREO PAIR", "BIOPSY STEREO"),
    *("PRE FIRE", "PREFIRE", "POST FIRE", "POSTFIRE"),
)
SPECIMEN = ("SPECIMEN", "SPECIMENS")
QUALITY_CONTROL = ("PHANTOM", "QUALITY CONTROL", "QC", "FLAT FIELD", "FLATFIELD")
#: Paddles for biopsies.
BIOPSY = ("BIOPSY", "BX")
#: Words of a study that may be about another image of it.
OF_STUDY = ("BIOPSY", "STEREO")

_BETWEEN = re.compile(r"[\W_]+")


def phrase_in(phrases: tuple[str, ...], *texts: str) -> str:
    """The first of the phrases that stands in one of the texts, "" where none does."""
    for text in texts:
        words = f" {_BETWEEN.sub(' ', text.upper()).strip()} "
        for phrase in phrases:
            if f" {phrase} " in words:
                return phrase
    return ""
