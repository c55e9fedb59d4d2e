"""Why women have no risk, in codes and in words; made once for each combination that occurs, not per woman.

In: women, a model and its `Assessment`. Out: texts, "" for women without any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from jaxtyping import Bool

from .model import SHARED_CODES, Assessment, ClinicalModel
from .women import Women

#: How several codes or sentences of one woman are joined.
AND = "; "


def in_words(model: ClinicalModel, code: str) -> str:
    """A reason or flag as a sentence: the model's own words, or those that models share."""
    if code in model.codes:
        return model.codes[code]
    if code == "horizon_outside":
        return f"{SHARED_CODES[code]}: {_span(*model.horizons_years)}"
    if code == "age_outside":
        return f"{SHARED_CODES[code]}: from {model.ages[0]:g}, below {model.ages[1]:g} years"
    return SHARED_CODES.get(code) or code.replace("_", " ")


def _span(shortest: float, longest: float) -> str:
    if shortest == longest:
        return f"{shortest:g} year{'s' if shortest != 1 else ''}"
    return f"{shortest:g} to {longest:g} years"


def codes_of(masks: Mapping[str, Bool[np.ndarray, "woman"]], n: int) -> np.ndarray:
    """The codes that hold for each of `n` women."""
    texts = np.full(n, "", dtype=object)
    for rows, combination in _combinations(masks):
        texts[rows] = AND.join(combination)
    return texts


def sentences_of(women: Women, model: ClinicalModel, found: Assessment) -> np.ndarray:
    """Why each woman has no risk: unknown factors are named, contradictions told."""
    sentences: dict[str, Bool[np.ndarray, "woman"]] = {}
    for code, mask in found.reasons.items():
        words = in_words(model, code)
        if code == "factor_unknown":
            named = np.zeros(women.n, dtype=bool)
            for use in model.uses:
                if use.required:
                    lacking = mask & ~women.known(use.factor)
                    named |= lacking
                    sentences[f"{use.factor} is unknown, and the model gives no risk without it"] = lacking
            mask = mask & ~named
        if code == "factors_contradict":
            mask = mask & ~women.troubled([use.factor for use in model.uses])
        sentences[words] = mask | sentences.get(words, np.zeros(women.n, dtype=bool))
    texts = codes_of(sentences, women.n)
    _add_contradictions(texts, women, model, found)
    return texts


def _add_contradictions(texts: np.ndarray, women: Women, model: ClinicalModel, found: Assessment) -> None:
    mask = found.reasons.get("factors_contradict")
    if mask is None:
        return
    about = {use.factor for use in model.uses}
    for problem in women.problems:
        if mask[problem.row] and about & set(problem.factors):
            before = texts[problem.row]
            texts[problem.row] = f"{before}{AND if before else ''}{problem.message}"


def _combinations(
    masks: Mapping[str, Bool[np.ndarray, "woman"]],
) -> Iterator[tuple[np.ndarray, tuple[str, ...]]]:
    """Rows that share the same names of masks, and these; rows without any are left out."""
    held = {name: mask for name, mask in masks.items() if mask.any()}
    if not held:
        return
    which = np.zeros(len(next(iter(held.values()))), dtype=np.int64)
    for mask in held.values():  # numbers of combinations, kept small after each mask
        which = np.unique(2 * which + mask, return_inverse=True)[1]
    first = np.unique(which, return_index=True)[1]
    for place, row in enumerate(first):
        own = tuple(name for name, mask in held.items() if mask[row])
        if own:
            yield np.flatnonzero(which == place), own
