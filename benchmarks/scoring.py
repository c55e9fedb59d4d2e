"""Exams scored per second from a store. JSON: exams_per_s (one network), exams_per_s_ensemble (three)."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks.stores import write_store
from forescreen.models.checkpoint import save_ensemble, save_model
from forescreen.models.risk_model import build_network
from forescreen.scoring.run import score_store
from forescreen.training.recipes.demo import RECIPE


def main() -> None:
    figures = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store, _ = write_store(folder / "store", 32)
        for key, n_members in (("exams_per_s", 1), ("exams_per_s_ensemble", 3)):
            model = folder / key
            names = tuple(f"member-{k:02d}" for k in range(n_members))
            for k, member in enumerate(names):
                network = build_network(RECIPE.model, seed=k)
                geometry = asdict(store.geometry)
                save_model(model / member, network, geometry=geometry, origin=(0.0, 0.0), facts={})
            save_ensemble(model, names, facts={})
            rates = []
            for repeat in range(4):
                started = time.perf_counter()
                score_store(model, store, None, folder / f"{key}-{repeat}.csv")
                if repeat:  # the first pays for page faults
                    rates.append(len(store.exam_ids) / (time.perf_counter() - started))
            figures[key] = statistics.median(rates)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
