"""Write docs/reference/intake-policy.md: `python docs/policy.py`.

Everything on the page is read from the reasons and policies in the code; a test fails when it is out of date.
"""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
from pathlib import Path

from forescreen.dicom.policy import PREFERENCES, Limits, Policy, load_policy, shipped
from forescreen.dicom.reasons import REASONS, Action

PAGE = Path(__file__).resolve().parent / "reference" / "intake-policy.md"

INTRODUCTION = """\
# Intake policy: what is accepted, flagged and refused

*Made by `python docs/policy.py` from `forescreen.dicom.reasons` and the policies in the package; do not edit.*

Every object that reaches intake is accepted, accepted with flags, or refused, each with machine-readable codes.
What a code means is the same always; what follows from it is the **policy's**. `--policy NAME` of `forescreen
ingest`, `score` and `inspect`, or `policy = "NAME"` in the section `[images]` of a study file, chooses a shipped
policy; `--policy FILE.toml` one of your own. `forescreen inspect FOLDER --policy NAME` shows what would happen.

"""

WORDS = {
    Action.ACCEPT: "nothing is said",
    Action.FLAG: "the image is used and carries the code, in the store and in all that is made from it",
    Action.REFUSE: "the image is not used; it stands in the list of refused files with all its codes",
}

OWN = """\
## A policy of your own

A TOML file that names what it changes. `extends` is a shipped policy or another file (default: screening).

```toml
extends = "screening"
description = "Films of the 1990s, mirrored by the scanner"
prefer = ["whole", "newest"]
machines = ["HOLOGIC*", "GE MEDICAL SYSTEMS Senograph*"]   # others get vendor_not_validated

[actions]                      # accept, flag or refuse, by code
burned_in_annotation = "flag"

[film_actions]                 # the same, for secondary captures that may be digitised films only
secondary_capture = "flag"

[limits]
min_side = 512
```

Unknown keys, codes, actions and rules are errors that name the nearest known one. What is marked *fixed* below
is a fact and cannot be changed: pixels that cannot be decoded do not become a mammogram by permission. The policy
is part of a store's plan: the same folder is not continued under another one.

"""

READING = """\
## How the pixels are held against the header

- **Side.** The chest wall is expected where PatientOrientation puts it (rows towards anterior, A: on the left;
  towards posterior, P: on the right), without it where custom does (left breast: left). When the breast certainly
  lies on the other side, that is `laterality_conflict_pixels`; when it lies where custom puts it and only
  PatientOrientation is wrong, `orientation_conflict_pixels`. Nothing is flipped to fit.
- **Orientation of the other breast.** Row direction and medial direction both as the other breast's (L with P\\L,
  R with A\\R): `laterality_conflict_orientation`; then custom is expected of the pixels. The row direction alone
  is a mirrored hanging; the column direction of a CC alone (L with A\\L) is a picture upside down,
  `orientation_unusual`.
- **Polarity.** Air that is as bright as anything in the picture is `photometric_conflict_pixels`.

## How the view is read

The code (CID 4014, retired codes too) and ViewPosition must agree where both are given. A value of CID 4014 under
a foreign scheme counts only with the same ViewPosition. Words stand in where the header is silent: those of the
processing description of a Fuji machine with a flag, those of SeriesDescription and ProtocolName only where
the policy flags `view_from_description`. Only what they name once counts, and nothing where one of them is SPOT, MAG, ROLLED,
TANGENTIAL, STEREO, BIOPSY, SPECIMEN. ViewPosition has one value: two projections, or one and something that is no
term where no code says better, are `view_conflict`; SPOT and MAG there are modifiers, and glued to a projection
(CCMAG) with a code beside it a flag. Modifiers count beside the view code as within its item.

## What words tell

Whole words of SeriesDescription and StudyDescription, whatever stands between them: STEREO BIOPSY, STEREOTACTIC,
PRE FIRE, POST FIRE (`stereo_biopsy`), SPECIMEN, PHANTOM, QUALITY CONTROL, QC, FLAT FIELD (`quality_control`), CESM,
CEDM, CEM, CONTRAST ENHANCED, RECOMBINED, DUAL ENERGY (`contrast_recombined`; with LOW ENERGY in the series
`contrast_low_energy`; DerivationDescription too); of SeriesDescription alone C-View, S-View, V-Preview, Intelligent 2D,
Insight 2D, SYNTHETIC 2D (`synthetic_2d`); of PaddleDescription SPOT, MAG, BIOPSY. BIOPSY or STEREO alone, and SPOT or
MAG of the series, are only a flag (`description_conflict`). A contrast agent counts by name and by code, and another
region of AnatomicRegionSequence as another body part.

## Dates and ages

Dates of study and acquisition are flagged where they are none, before 1960 or after today, and where they contradict
each other (limits above); so is PatientAge against PatientBirthDate. No message tells a date.

## Split tomosynthesis

Some machines store each slice of a volume as an object that looks like a mammogram. An image with a concatenation
of more than one part is a slice; and so are five or more single-frame images of one series that share the second
of acquisition, side, projection and ImageType (`tomosynthesis_slice`).
"""


def page() -> str:
    """The whole page."""
    policies = [load_policy(name) for name in shipped()]
    return (
        INTRODUCTION
        + "".join(f"- **{action}**: {WORDS[action]}\n" for action in Action)
        + "\n"
        + _policies(policies)
        + OWN
        + _table(policies)
        + _limits(policies)
        + _preferences(policies)
        + READING
    )


def _policies(policies: list[Policy]) -> str:
    lines = ["## The shipped policies\n", "| policy | in words |", "|---|---|"]
    lines += [f"| `{policy.name}` | {policy.description} |" for policy in policies]
    lines += ["\nWhat each of them changes, in full:\n"]
    for policy in policies[1:]:
        text = (files("forescreen.dicom") / "policies" / f"{policy.name}.toml").read_text(encoding="utf-8")
        lines += [f"`{policy.name}`", "```toml", text.rstrip(), "```\n"]
    return "\n".join(lines) + "\n"


def _table(policies: list[Policy]) -> str:
    head = ["code", "found in", "meaning", "what to do", *(policy.name for policy in policies)]
    lines = ["## All codes\n", f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for reason in REASONS:
        cells = [f"`{reason.code}`", reason.stage, reason.meaning, reason.remedy or "–"]
        default = policies[0].action(reason.code)
        for policy in policies:
            action = policy.action(reason.code)
            film = policy.film_actions.get(reason.code, action)
            word = str(action) if action == default else f"**{action}**"
            if not reason.changeable:
                word = f"*{action}, fixed*" if policy is policies[0] else "fixed"
            cells.append(word if film == action else f"{word}; film: **{film}**")
        lines.append(f"| {' | '.join(cells)} |")
    return (
        "\n".join(lines)
        + "\n\nBold: other than screening. *film*: for secondary captures that may be films.\n\n"
    )


def _limits(policies: list[Policy]) -> str:
    lines = [
        "## Limits\n",
        f"| limit | {' | '.join(policy.name for policy in policies)} |",
        "|---|" + "---|" * len(policies),
    ]
    for limit in fields(Limits):
        values = [f"{getattr(policy.limits, limit.name):g}" for policy in policies]
        lines.append(f"| `{limit.name}` | {' | '.join(values)} |")
    return "\n".join(lines) + "\n\n"


def _preferences(policies: list[Policy]) -> str:
    lines = ["## Which of several images of one view\n", "The first rule that tells decides.\n"]
    lines += ["| rule | meaning |", "|---|---|"]
    lines += [f"| `{rule}` | {meaning} |" for rule, meaning in PREFERENCES.items()]
    lines += ["", "| policy | rules in order |", "|---|---|"]
    lines += [f"| `{policy.name}` | {', '.join(policy.prefer)} |" for policy in policies]
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
