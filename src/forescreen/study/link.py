"""Registry exams meet the exams that have mammograms, and take over what was measured on these.

An exam of the registry and an exam of the image store are the same visit when their identifiers agree
(accession number), or else when woman and date agree. Ambiguous dates (two stored exams of one woman on
one day) are not linked.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from ..errors import CohortError
from ..ingestion.density import densities_of


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


def with_image_density(members: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Members whose percent density is that of their images: mean of the views of each side, then of the
    sides (`exam_density`). It replaces the registry's everywhere, and is unknown where no view could be
    measured, so that no column mixes two methods; `density_method` names the method.

    Raises CohortError for a store that holds no density.
    """
    if "percent_density" not in manifest or not manifest["percent_density"].notna().any():
        raise CohortError(
            expected="an image store with percent density",
            found="none of its images has one",
            where="[images] density",
            remedy="Ingest the images again with this version, or take the registry's",
        )
    found = {exam: one.both for exam, one in densities_of(manifest).items()}
    methods = sorted({density.method for density in found.values()})
    changed = members.copy()
    percent = {exam: density.percent for exam, density in found.items()}
    changed["percent_density"] = changed["exam_id"].map(percent).astype(float).round(3)
    changed["density_method"] = changed["exam_id"].map({exam: d.method for exam, d in found.items()})
    if len(methods) != 1:
        raise CohortError(expected="one method of density", found=", ".join(methods), where="image store")
    return changed


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
