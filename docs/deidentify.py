"""Write docs/reference/deidentify.md: `python docs/deidentify.py`.

The tables are made from the profile itself (`forescreen.dicom.attributes`, `.deidentify`); a test fails
when the page and the profile differ.
"""

from __future__ import annotations

from pathlib import Path

from forescreen.dicom.attributes import ACTIONS, PROFILE, RULES, Action, Rule
from forescreen.dicom.guard import REFUSALS
from forescreen.dicom.vocabulary import table_rows
from forescreen.identity import MOST_DAYS_BACK
from forescreen.ingestion.deidentify import FLAGS

PAGE = Path(__file__).resolve().parent / "reference" / "deidentify.md"

HEAD = f"""# de-identification: the profile {PROFILE}

<!-- written by docs/deidentify.py: do not edit -->

```
forescreen deidentify ARCHIVE --out FOLDER [--key FILE] [--tables REGISTRY]
                      [--blank-outside-breast] [--keep-dates] [--workers N]
```

A folder of mammograms, at any depth, becomes a folder of the same mammograms that names nobody. Every file is
written to `FOLDER/<woman>/<exam>/<SOP instance>.dcm`, all three pseudonymous, or refused with a reason. The same
command continues where it was stopped; the result has the same bytes whatever the number of workers.

| it leaves | content |
|---|---|
| `FOLDER/…/*.dcm` | the objects: same pixel bytes, same transfer syntax, a header of what is listed below |
| `FOLDER/report.json` | profile, options, counts, objects with flags |
| `FOLDER/refused.csv` | refused files by keyed label: code and words, no file names |
| `FOLDER/registry/` | with `--tables`: women, exams and cancers under the same key |
| `private/FOLDER-deidentified.csv`, `.sqlite` | **beside the key, mode 600**: old file and numbers to new ones |

Who has the key or the private list can find a woman again: keep both away from the folder.

## What it does

- **Allow-list.** An object keeps the attributes of the table below and nothing else: private attributes, new ones,
  retired ones, comments, people, places, overlays, curves, icons, signatures, group lengths, trailing padding and what
  follows the pixel data are gone because they are not listed. The same list holds inside of sequences.
- **Values are checked.** What is kept must be what it should be: numbers are numbers, terms are of a closed list,
  words of a closed vocabulary, codes of a table; binary numbers are of a size that spells no text. A name in
  ViewPosition becomes OTHER, a name in KVP becomes nothing.
- **Pseudonyms.** PatientID and AccessionNumber become the keyed pseudonyms that `forescreen ingest` makes under the
  same key, so that registry tables still meet; UIDs become other UIDs, the same for the same one in all files.
  Ingest the result with `--identity study-numbers`: it holds the exams that ingesting the files themselves gives.
- **Dates** of one woman move back by the same number of whole days, 1 to {MOST_DAYS_BACK}, told by the key: intervals and order
  stay, weekday and season do not. Times of day stay, because they tell which of several images is the newest.
  Without a patient number the study's UID stands for the woman. `--keep-dates` leaves dates as they are.
- **Age** stays, from 90 years on as 090Y; computed from the birth date where the header has none. The birth date goes.
- **Pixels** are copied byte for byte and not decoded; what hides in compressed streams (comments, application
  segments, JP2 boxes, bytes after the end, also of RLE segments) becomes blank in
  place; comments of known encoders stay.
- **Text in the pixels** is guarded, not read: objects that may show it are refused (table below). In single-frame
  objects letters in a row outside of the breast raise the flag `text_outside_breast_suspected`. Side markers are
  letters too: the flag says "look at it". `--blank-outside-breast` sets everything around the breast (widened by about
  2 mm) to one value and writes the pixels anew, without loss.
- **File meta information** is written anew, the preamble is zero. All text is ASCII, so that SpecificCharacterSet
  is not needed.

## What it does not

- It does not look inside of the breast: text over breast tissue, clips, implants, scars and devices stay.
- It does not find every text outside: handwriting, touching letters, one or two letters, letters of low contrast.
  A folder that goes to strangers needs a person who looks at the pictures, or `--blank-outside-breast`.
- A mammogram is unique: who has the original finds its twin by the pixels. Rare findings, an extreme age at a
  small site, or many exams at known intervals may tell who she is to somebody who knows her.
- Times of day match the log of a machine to those who have it. Maker, model and the machine's pseudonym stay.
- Registry tables keep birth dates, moved: ages above 90 can be computed from them.
- Vocabulary costs words: a maker or model that is not in `tables/words.csv` becomes OTHER. Add the word.
- Entropy-coded data are not searched for hidden bytes. A number that is valid where it stands is believed, unless it
  holds five digits or more that are a number of hers (patient, accession and study number, birth date): then it goes.
- Windows that are no numbers become empty, ages above 110 become 090Y: the flags of such objects may change. All
  other decisions of the gate stay (a test compares them).
- Reports, presentation states, secondary captures and films are refused, not cleaned.

## PS3.15 annex E

Written into DeidentificationMethodCodeSequence (CID 7050):

| code | option | how far |
|---|---|---|
| 113100 | Basic Application Level Confidentiality Profile | table E.1-1: each attribute that it lists is removed, or replaced as shown below |
| 113105 | Clean Descriptors | descriptions reduced to a closed vocabulary |
| 113107 | Retain Longitudinal Temporal Information, Modified Dates | dates below are moved; LongitudinalTemporalInformationModified MODIFIED |
| 113106 | … Full Dates | instead of 113107 with `--keep-dates`; UNMODIFIED |
| 113108 | Retain Patient Characteristics | sex and age only; size, weight and the rest go |

Not claimed: Clean Pixel Data (113101), even with `--blank-outside-breast`, and BurnedInAnnotation stays what the machine
said; Clean Recognizable Visual Features (113102: a mammogram shows no face); Clean Graphics (113103: graphics are
removed); Clean Structured Content (113104: reports are refused); Retain Device Identity (113109: the serial number is
a pseudonym), UIDs (113110), Safe Private (113111), Institution (113112): all removed or replaced.

Where it differs from the letter of the standard: options that retain retain less than they list (other dates, size and
weight are removed); ReferencedImageSequence and SourceImageSequence stay with other UIDs where removal would do; no
Encrypted Attributes Data Set is written: the private list does its work (E.1.1, note 3 prefers the former).
ImageType stays ORIGINAL after `--blank-outside-breast`, DerivationDescription tells: tissue values are the original ones.
"""


def action_table() -> list[str]:
    """Each action in words, and how many attributes it has."""
    count = {action: sum(rule.action is action for rule in RULES.values()) for action in Action}
    rows = ["| action | what becomes of the value | attributes |", "|---|---|---|"]
    return rows + [f"| {action} | {words} | {count[action]} |" for action, words in ACTIONS.items()]


def attribute_table() -> list[str]:
    """Each kept attribute."""
    rows = ["| tag | attribute | action | terms or kinds of words | PS3.15 | why |", "|---|---|---|---|---|---|"]
    return rows + [attribute_row(rule) for rule in RULES.values()]


def attribute_row(rule: Rule) -> str:
    """One line of the table of attributes."""
    tag = f"{rule.tag >> 16:04X},{rule.tag & 0xFFFF:04X}"
    listed = rule.listed.replace("|", " · ")
    ps315 = rule.ps315.replace("*", "\\*")
    return f"| {tag} | {rule.keyword} | {rule.action} | {listed} | {ps315} | {rule.reason} |"


def page() -> str:
    """The whole page."""
    words = sum(len(row["words"].split()) for row in table_rows("words.csv"))
    lines = [
        HEAD,
        "## What is refused",
        "",
        "| code | reason |",
        "|---|---|",
        *(f"| `{code}` | {words_of} |" for code, words_of in REFUSALS.items()),
        "",
        "Flags of what is written:",
        "",
        "| flag | meaning |",
        "|---|---|",
        *(f"| `{flag}` | {words_of} |" for flag, words_of in FLAGS.items()),
        "",
        "## Actions",
        "",
        *action_table(),
        "",
        f"The vocabulary has {words} words in {len(table_rows('words.csv'))} kinds, "
        f"the table of codes {len(table_rows('codes.csv'))} codes.",
        "",
        f"## The {len(RULES)} attributes that are kept",
        "",
        "PS3.15 is the action of the basic profile in table E.1-1 of the edition 2024b, empty where the table does",
        "not list the attribute: X remove, Z empty or dummy, D dummy, U another UID. Added to every object:",
        "PatientIdentityRemoved, DeidentificationMethod (profile, and eight digits that tell keys apart),",
        "DeidentificationMethodCodeSequence, LongitudinalTemporalInformationModified, and the empty ones below.",
        "",
        *attribute_table(),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
