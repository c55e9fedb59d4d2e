"""Registry exams meet the exams that have mammograms.

An exam of the registry and an exam of the image store are the same visit when their identifiers agree
(accession number), or else when woman and date agree. Ambiguous dates (two stored exams of one woman on
one day) are not linked.
"""

from __future__ import annotations

from typing import Any

import pandas as pd


def link_exams(exams: pd.DataFrame, manifest: pd.DataFrame) -> dict[str, str]:
    """Store exam_id for every registry exam_id that has mammograms.

    `exams` has exam_id, woman_id, exam_date (as text or date); `manifest` is the store's.
    """
    stored = manifest.drop_duplicates("exam_id")[["exam_id", "woman_id", "exam_date"]]
    own = set(stored["exam_id"]) & set(exams["exam_id"])
    links = {exam: exam for exam in own}
    rest = exams[~exams["exam_id"].isin(own)].copy()
    if rest.empty:
        return links
    dates = stored[(stored["exam_date"].astype(str) != "") & ~stored["exam_id"].isin(own)]
    dates = dates.drop_duplicates(["woman_id", "exam_date"], keep=False)
    rest["exam_date"] = pd.to_datetime(rest["exam_date"]).dt.strftime("%Y-%m-%d")
    met = rest.merge(dates, on=["woman_id", "exam_date"], suffixes=("", "_stored"))
    met = met.drop_duplicates(["woman_id", "exam_date"], keep=False)
    links.update(zip(met["exam_id"], met["exam_id_stored"], strict=True))
    return links


def with_images(
    members: pd.DataFrame, stored_exams: frozenset[str], *, matched: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Members whose exam is in the store, and the flow step that says who was lost.

    A set that loses its case or all its controls is lost whole.
    """
    present = members["exam_id"].isin(stored_exams)
    kept = members[present]
    lost_sets = 0
    if matched:
        is_case = kept["role"] == "case"
        whole = set(kept.loc[is_case, "set_id"]) & set(kept.loc[~is_case, "set_id"])
        incomplete = ~kept["set_id"].isin(whole)
        lost_sets = int(incomplete.sum())
        kept = kept[~incomplete]
    step = {
        "step": "Exams with mammograms that passed the intake",
        "unit": "exams",
        "n_women": int(kept["woman_id"].nunique()),
        "n_exams": len(kept),
        "excluded": [
            {"reason": "no usable mammogram of this exam", "n": int((~present).sum())},
            {"reason": "set without a case or without controls after that", "n": lost_sets},
        ],
    }
    return kept.reset_index(drop=True), step
