"""Members and scores with a planted effect: the truth is known, the tables are plain."""

from __future__ import annotations

import numpy as np
import pandas as pd


def build_members(
    *,
    n_screen: int = 120,
    n_interval: int = 60,
    ratio: int = 2,
    effect: float = 1.0,
    density_effect_interval: float = 0.9,
    matched: bool = True,
    seed: int = 1,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """(members, scores, truth): in each set the case is drawn with odds exp(effect·trait + density)."""
    rng = np.random.default_rng(seed)
    rows, scores, truth = [], [], []
    number = 0
    types = ["screen-detected"] * n_screen + ["interval"] * n_interval
    for set_number, case_type in enumerate(types):
        trait = rng.normal(size=ratio + 1)
        density = rng.normal(size=ratio + 1)
        slope = density_effect_interval if case_type == "interval" else 0.0
        odds = np.exp(effect * trait + slope * density)
        case = int(rng.choice(ratio + 1, p=odds / odds.sum()))
        split = "held-out" if set_number % 3 == 0 else "development"
        for j in range(ratio + 1):
            number += 1
            exam = f"E{number:05d}"
            rows.append(
                {
                    "set_id": f"S{set_number:04d}" if matched else "",
                    "woman_id": f"W{number:05d}",
                    "exam_id": exam,
                    "role": "case" if j == case else "control",
                    "outcome": case_type if j == case else "none",
                    "case_type": case_type if matched else "",
                    "age": 55.0 + set_number % 20,
                    "race": ["White", "Black"][set_number % 2],
                    "site": "S1",
                    "machine": ["S1-alpha", "S1-beta"][set_number % 2],
                    "months_to_diagnosis": 12.0 if j == case else np.nan,
                    "split": split,
                    "fold": np.nan if split == "held-out" else set_number % 3,
                    "weight": 1.0 if j == case else 150.0,
                    "bmi": rng.normal(27, 4),
                    "family_history": int(rng.random() < 0.15),
                    "breast_biopsy": int(rng.random() < 0.2),
                    "menarche_age": 12 + int(rng.integers(0, 3)),
                    "parity": int(rng.integers(0, 4)),
                    "first_birth_age": 20 + int(rng.integers(0, 20)),
                    "menopause": "post",
                    "hormone_therapy": int(rng.random() < 0.1),
                    "density": "abcd"[int(np.clip(np.floor(density[j] + 2), 0, 3))],
                    "percent_density": float(np.clip(30 + 12 * density[j], 1, 95)),
                }
            )
            noisy = trait[j] + 0.6 * rng.normal()
            scores.append(
                {
                    "exam_id": exam,
                    "score_screen_detected": noisy,
                    "score_interval": noisy + 0.2 * density[j],
                }
            )
            truth.append({"exam_id": exam, "trait": trait[j], "density_z": density[j]})
    members = pd.DataFrame(rows)
    members["first_birth_age"] = members["first_birth_age"].where(members["parity"] > 0)
    return members, pd.DataFrame(scores), pd.DataFrame(truth)
