"""Scores of exams, in chunks that survive interruption.

    exam_id, woman_id, score_screen_detected, score_interval, spread_*, n_views, n_members

A score is the mean over networks, each on its own origin; the spread is their standard deviation. Exams
that took part in training are scored *out of fold*: by the networks that were not trained on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..errors import InputError
from ..files import fingerprint, write_csv
from ..images.store import Store
from ..models.checkpoint import load_members, load_model, read_card
from ..models.predictor import Predictor, check_exam
from ..progress import Track, silent

#: Exams per forward pass, and per file of an unfinished run.
BATCH, CHUNK = 32, 512

COLUMNS = (
    "exam_id",
    "woman_id",
    "score_screen_detected",
    "score_interval",
    "spread_screen_detected",
    "spread_interval",
    "n_views",
    "n_members",
)


def score_store(
    model_folder: Path,
    store: Store,
    exam_ids: Sequence[str] | None,
    out_csv: Path,
    *,
    device: str = "cpu",
    track: Track = silent,
) -> pd.DataFrame:
    """Scores of `exam_ids` (None: all of the store) by the whole ensemble, also written to `out_csv`.

    Finished chunks of an interrupted run of the same model and exams are kept. Raises InputError for
    exams that are not in the store, ExamError if model and store have different canvases.
    """
    wanted = list(store.exam_ids if exam_ids is None else exam_ids)
    _check_known(store, wanted)
    model = load_model(model_folder, device=device)
    n_members = len(read_card(model_folder).members) or 1
    identity = fingerprint(read_card(model_folder).parameters_sha256, wanted)
    parts = out_csv.with_name(f"{out_csv.stem}.parts")
    chunks = [wanted[i : i + CHUNK] for i in range(0, len(wanted), CHUNK)]
    paths = [parts / f"{identity}-{number:05d}.csv" for number in range(len(chunks))]
    for chunk, path in track(zip(chunks, paths, strict=True), "Scoring exams", len(chunks)):
        if not path.exists():
            write_csv(path, _score(model, store, chunk, n_members, device))
    tables = [pd.read_csv(p, dtype={"exam_id": str, "woman_id": str}) for p in paths]
    scores = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)
    write_csv(out_csv, scores)
    if parts.is_dir():
        for path in parts.iterdir():
            path.unlink()
        parts.rmdir()
    return scores


def score_out_of_fold(
    model_folder: Path,
    store: Store,
    members: pd.DataFrame,
    *,
    device: str = "cpu",
    track: Track = silent,
) -> pd.DataFrame:
    """Scores of development exams by networks that did not train on them.

    With a held-out part, fold k is scored by the network that stopped early on it (slightly optimistic);
    without one, by the network that left it out entirely (not optimistic). Exams of folds on which every
    network was trained have no such score and are not in the table.
    """
    card = read_card(model_folder)
    plans = card.facts["folds"]
    tables = []
    for plan in track(plans, "Scoring out of fold", len(plans)):
        own = plan["stopped"] if plan["left_out"] is None else plan["left_out"]
        fold = pd.to_numeric(members["fold"], errors="coerce")
        exams = list(dict.fromkeys(members.loc[fold == own, "exam_id"]))
        _check_known(store, exams)
        model = load_members(model_folder, (plan["member"],), device=device)
        tables.append(_score(model, store, exams, 1, device))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=COLUMNS)


def _score(
    model: Predictor, store: Store, exam_ids: Sequence[str], n_members: int, device: str
) -> pd.DataFrame:
    rows = []
    for start in range(0, len(exam_ids), BATCH):
        exams = [store.exam(exam_id) for exam_id in exam_ids[start : start + BATCH]]
        for number, exam in enumerate(exams):
            check_exam(model, exam, where=f"exam {start + number + 1} of {len(exam_ids)}")
        images = torch.from_numpy(np.stack([exam.images for exam in exams])).to(device)
        present = torch.from_numpy(np.stack([exam.present for exam in exams])).to(device)
        with torch.no_grad():
            prediction = model.predict(images, present)
        hazards = prediction.log_hazards.double().cpu().tolist()
        spreads = prediction.spread.double().cpu().tolist()
        for exam, hazard, spread in zip(exams, hazards, spreads, strict=True):
            n_views = int(exam.present.sum())
            rows.append((exam.exam_id, exam.woman_id, *hazard, *spread, n_views, n_members))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _check_known(store: Store, exam_ids: Sequence[str]) -> None:
    unknown = set(exam_ids) - set(store.exam_ids)
    if unknown:
        raise InputError(
            expected="exams of the image store",
            found=f"{len(unknown)} of {len(exam_ids)} exams that are not in it",
            where="scoring",
            remedy="Ingest their mammograms first (see refused.csv)",
        )
