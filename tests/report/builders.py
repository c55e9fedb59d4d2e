"""A complete results.json of plausible numbers, as the evaluation writes it. Nothing here was measured.

`build_results()` is a matched study of a simulated registry with two modes of detection and four models;
keyword arguments replace whole sections.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from forescreen.images.picture import encode_png, overlay_png

MODELS = ("image", "clinical", "combined", "oracle")
MODES = ("screen-detected", "interval")

#: (concordance, odds ratio per control SD) by mode and model: invented, in the pattern of the article.
_FIGURES = {
    ("screen-detected", "image"): (0.66, 1.79),
    ("screen-detected", "clinical"): (0.61, 1.47),
    ("screen-detected", "combined"): (0.67, 1.85),
    ("screen-detected", "oracle"): (0.72, 2.31),
    ("interval", "image"): (0.64, 1.66),
    ("interval", "clinical"): (0.71, 2.19),
    ("interval", "combined"): (0.73, 2.38),
    ("interval", "oracle"): (0.75, 2.61),
}
_SETS = {"screen-detected": 418, "interval": 92}

# The main table of Radiology 2021;301:550–558, from its abstract.
_PUBLISHED = (
    ("image", "screen-detected", (0.66, 0.63, 0.69), (1.25, 1.17, 1.33), "unit not stated"),
    ("image", "interval", (0.64, 0.58, 0.71), (1.26, 1.10, 1.45), "unit not stated"),
    ("clinical", "screen-detected", (0.62, 0.59, 0.65), (2.14, 1.32, 3.45), "density b vs non-b"),
    ("clinical", "interval", (0.71, 0.65, 0.77), (7.25, 2.94, 17.9), "density b vs non-b"),
    ("combined", "screen-detected", (0.66, 0.63, 0.69), (1.21, 1.13, 1.30), "unit not stated"),
    ("combined", "interval", (0.72, 0.66, 0.78), (1.10, 0.94, 1.29), "unit not stated"),
)


def build_estimate(value: float, half_width: float = 0.03, **more: Any) -> dict[str, Any]:
    """An estimate as `Estimate.as_dict()` gives it, symmetric about its value."""
    plain = {
        "value": value,
        "lower": value - half_width,
        "upper": value + half_width,
        "n": 418,
        "n_events": 418,
        "method": "matched concordance",
        "standard_error": half_width / 1.96,
        "p_value": None,
        "level": 0.95,
        "notes": [],
    }
    return plain | more


def build_ratio(value: float, factor: float = 1.15, **more: Any) -> dict[str, Any]:
    """A ratio whose interval is symmetric on the log scale."""
    return build_estimate(value, **({"lower": value / factor, "upper": value * factor} | more))


@lru_cache(maxsize=8)
def build_example(title: str, seed: int, outcome: str, percentile: float, size: int = 384) -> dict[str, Any]:
    """Four views of a phantom breast with a bright spot and a saliency map on it."""
    views = []
    for position, label in enumerate(("R CC", "L CC", "R MLO", "L MLO")):
        generator = np.random.default_rng([seed, position])
        row, column = np.mgrid[0:512, 0:320] / 512
        edge = 0.5 - 0.28 * ((row - 0.5) / 0.42) ** 2 * 2
        inside = (column < edge) & (abs(row - 0.5) < 0.44)
        coarse = generator.normal(size=(16, 10))
        texture = np.kron(coarse, np.ones((32, 32)))
        for axis in (0, 1):
            texture = sum(np.roll(texture, shift, axis) for shift in range(-24, 25, 4)) / 13
        spot = np.exp(-(((row - 0.45) / 0.06) ** 2 + ((column - 0.2) / 0.06) ** 2))
        noise = generator.normal(0, 0.02, row.shape)
        breast = 0.35 + 0.12 * texture + 0.25 * spot + 0.2 * (edge - column) + noise
        pixels = np.where(inside, np.clip(breast, 0.02, 1), 0.0)
        saliency = np.where(inside, np.maximum(spot + 0.35 * texture, 0), 0.0)[::16, ::16]
        views.append(
            {
                "label": label,
                "image_png": encode_png(pixels, size),
                "saliency_png": overlay_png(saliency, size, image_shape=pixels.shape),
            }
        )
    return {"title": title, "outcome": outcome, "score_percentile": percentile, "views": views}


def build_flow() -> list[dict[str, Any]]:
    """Four branches, numbers that add up within each."""

    def step(
        name: str, women: int, exams: int, branch: str, unit: str = "exams", **excluded: int
    ) -> dict[str, Any]:
        reasons = [{"reason": reason.replace("_", " "), "n": n} for reason, n in excluded.items()]
        return {
            "step": name,
            "n_women": women,
            "n_exams": exams,
            "excluded": reasons,
            "unit": unit,
            "branch": branch,
        }

    return [
        step("Registry", 60000, 412304, "exams"),
        step("Screening exams", 59871, 401220, "exams", diagnostic_exam=11084),
        step(
            "Negative screening exams of women at risk",
            59002,
            358911,
            "exams",
            after_a_cancer_diagnosis=3120,
            **{"positive assessment (0, 4, 5)": 39189},
        ),
        step("Women with cancer", 3120, 15600, "cases", unit="women"),
        step(
            "Screen-detected or interval cancer",
            2804,
            14020,
            "cases",
            unit="women",
            in_situ_after_a_negative_screen=201,
            not_screened_before=115,
        ),
        step("Cases in matched sets", 1960, 1960, "cases", unit="women", not_sampled=840, no_control_found=4),
        step("Exams of women without cancer", 55882, 340112, "controls"),
        step("Controls in matched sets", 3920, 3920, "controls", not_drawn=336192),
        step("Members", 5862, 5880, "members"),
    ]


def build_main() -> list[dict[str, Any]]:
    rows = []
    for (mode, model), (concordance, ratio) in _FIGURES.items():
        wide = 1.0 if mode == "screen-detected" else 2.1
        rows.append(
            {
                "model": model,
                "case_type": mode,
                "concordance": build_estimate(concordance, 0.033 * wide, p_value=0.0001),
                "odds_ratio": build_ratio(ratio, 1.13**wide),
                "n_sets": _SETS[mode],
                "n_members": 3 * _SETS[mode],
            }
        )
    return rows


def build_roc(mode: str, model: str) -> dict[str, Any]:
    """A binormal curve with about the area of the figures."""
    area = _FIGURES[mode, model][0]
    fpr = np.linspace(0, 1, 101)
    tpr = fpr ** ((1 - area) / area)
    return {
        "model": model,
        "case_type": mode,
        "fpr": fpr.tolist(),
        "tpr": tpr.tolist(),
        "auc": build_estimate(area),
    }


def build_distributions(mode: str, model: str) -> list[dict[str, Any]]:
    shift = math.log(_FIGURES[mode, model][1])
    edges = np.linspace(-2.8, 3.6, 25)
    rows = []
    for group, mean, n in (("control", 0.0, 2 * _SETS[mode]), ("case", shift, _SETS[mode])):
        draws = np.random.default_rng(len(mode) + len(model)).normal(mean, 1, n)
        counts, _ = np.histogram(np.clip(draws, edges[0], edges[-1]), bins=edges)
        rows.append({"model": model, "case_type": mode, "group": group} | {"edges": edges.tolist()})
        rows[-1]["counts"] = counts.tolist()
    return rows


def build_capture(mode: str, model: str) -> list[dict[str, Any]]:
    area = _FIGURES[mode, model][0]
    rows = []
    for fraction in (0.01, 0.02, 0.05, 0.10, 0.20):
        captured = fraction ** ((1 - area) / area)
        wide = 0.035 if mode == "screen-detected" else 0.07
        prevalence = 0.006 if mode == "screen-detected" else 0.0015
        rows.append(
            {
                "model": model,
                "case_type": mode,
                "fraction": fraction,
                "capture": build_estimate(captured, min(wide, 0.9 * captured)),
                "ppv": build_ratio(prevalence * captured / fraction, 1.3),
            }
        )
    return rows


def build_subgroups() -> list[dict[str, Any]]:
    levels = {
        "density": ("a", "b", "c", "d"),
        "age": ("under 50", "50–59", "60–69", "70 and over"),
        "race": ("Asian", "Black", "Hispanic", "Other", "White"),
        "machine": ("M1", "M2", "M3"),
    }
    rows = []
    for mode in MODES:
        generator = np.random.default_rng(len(mode))
        for variable, names in levels.items():
            for position, level in enumerate(names):
                n = max(3, round(_SETS[mode] * (0.42, 0.3, 0.2, 0.06, 0.02)[position]))
                for model in MODELS:
                    hidden = n < 10
                    value = _FIGURES[mode, model][0] + 0.3 * generator.normal() / math.sqrt(n)
                    figure = None if hidden else build_estimate(value, min(0.66 / math.sqrt(n), 0.3))
                    rows.append(
                        {
                            "variable": variable,
                            "level": level,
                            "model": model,
                            "case_type": mode,
                            "concordance": figure,
                            "n_sets": n,
                            "suppressed": hidden,
                        }
                    )
    return rows


def build_training(member: int) -> dict[str, Any]:
    generator = np.random.default_rng(member)
    epochs = [
        {
            "epoch": epoch,
            "loss": 1.1 - 0.16 * (1 - math.exp(-epoch / 6)) + 0.006 * generator.normal(),
            "concordance": 0.5 + 0.15 * (1 - math.exp(-epoch / 4)) + 0.008 * generator.normal(),
            "seconds": 21.4,
        }
        for epoch in range(1, 19)
    ]
    best = max(epochs, key=lambda epoch: epoch["concordance"])
    return {"member": member, "epochs": epochs, "best_epoch": best["epoch"]}


def build_factors() -> list[dict[str, Any]]:
    ratios = (
        ("BMI", "per 5 kg/m²", 1.09, 1.02),
        ("First-degree family history", "yes vs no", 1.55, 1.38),
        ("Previous breast biopsy", "yes vs no", 1.42, 1.36),
        ("First birth at 30 or later", "vs before 20", 1.21, 1.18),
        ("Age at menarche", "per year", 0.96, 0.97),
        ("Hormone therapy", "current vs no", 1.18, 1.44),
        ("BI-RADS a", "vs b", 0.68, 0.41),
        ("BI-RADS c", "vs b", 1.34, 2.35),
        ("BI-RADS d", "vs b", 1.43, 5.65),
        ("Percent density", "per control SD, adjusted for BMI", 1.31, 2.02),
    )
    return [
        {"factor": name, "unit": unit, "case_type": mode, "odds_ratio": build_ratio(value, factor)}
        for name, unit, *values in ratios
        for mode, value, factor in zip(MODES, values, (1.14, 1.36), strict=True)
    ]


def build_missing(method: str = "complete") -> dict[str, Any]:
    """How much of the factors is unknown, for the women of Table 1."""
    counts = {
        "bmi": ("Body-mass index", (412, 143, 29)),
        "family_history": ("First-degree family history", (188, 52, 0)),
        "density": ("BI-RADS density", (0, 0, 0)),
    }
    return {
        "method": method,
        "n_imputations": 20 if method == "multiple imputation" else None,
        "n": 5880,
        "n_incomplete": 781,
        "columns": [
            {"label": "Controls", "n": 3920},
            {"label": "Screen-detected", "n": 1609},
            {"label": "Interval", "n": 351},
        ],
        "factors": [
            {"factor": factor, "label": label, "n_unknown": list(unknown)}
            for factor, (label, unknown) in counts.items()
        ],
        "n_sets": 1960,
        "n_sets_lost": 241,
    }


def build_results(*, n_examples: int = 1, **sections: Any) -> dict[str, Any]:
    """A whole results.json; `sections` replace those named."""
    pairs = [(a, b) for i, a in enumerate(MODELS) for b in MODELS[i + 1 :]]
    results: dict[str, Any] = {
        "forescreen": "0.1.0",
        "study": {
            "name": "Screen-detected and interval cancer in a simulated registry",
            "design": "matched",
            "description": "A case–case–control study of women screened every one or two years.",
            "data_kind": "simulated registry",
            "n_sets": dict(_SETS),
            "interval_window_months": 12,
            "min_months_before_diagnosis": 6.0,
            "ratio": 2,
        },
        "provenance": {
            "Command": "forescreen study study.toml",
            "Seed": "20210907",
            "Configuration": "4f1d2c9a77b0e613",
            "Image store": "19 844 mammograms, 320 × 256 pixels of 0.75 mm",
            "Python": "3.11.7",
        },
        "flow": build_flow(),
        "table1": {
            "columns": [
                {"label": "Controls", "n": 3920},
                {"label": "Screen-detected", "n": 1609},
                {"label": "Interval", "n": 351},
            ],
            "rows": [
                {"label": "Age at index exam, years", "level": None}
                | {"values": ["57.9 ± 9.8", "58.0 ± 9.7", "56.8 ± 10.1"]},
                {"label": "Body-mass index, kg/m²", "level": None}
                | {"values": ["27.4 ± 5.6", "27.9 ± 5.7", "26.1 ± 5.0"]},
                {"label": "First-degree family history", "level": "no"}
                | {"values": ["3 295 (84 %)", "1 271 (79 %)", "281 (80 %)"]},
                {"label": "First-degree family history", "level": "yes"}
                | {"values": ["625 (16 %)", "338 (21 %)", "70 (20 %)"]},
                {"label": "BI-RADS density", "level": "a"}
                | {"values": ["431 (11 %)", "129 (8 %)", "11 (3 %)"]},
                {"label": "BI-RADS density", "level": "b"}
                | {"values": ["1 725 (44 %)", "660 (41 %)", "84 (24 %)"]},
                {"label": "BI-RADS density", "level": "c"}
                | {"values": ["1 490 (38 %)", "691 (43 %)", "190 (54 %)"]},
                {"label": "BI-RADS density", "level": "d"}
                | {"values": ["274 (7 %)", "129 (8 %)", "66 (19 %)"]},
                {"label": "Months from index exam to diagnosis", "level": None}
                | {"values": ["–", "21.4 ± 9.9", "17.2 ± 8.1"]},
            ],
        },
        "missing": build_missing(),
        "refused": [
            {"code": "view-modifier", "n": 212, "meaning": "Spot, magnification or implant-displaced view"},
            {"code": "no-pixel-data", "n": 9, "meaning": "The object holds no image"},
            {"code": "truncated", "n": 3, "meaning": "The file ends before its pixels do"},
        ],
        "n_images": 23296,
        "n_images_refused": 224,
        "case_types": list(MODES),
        "models": [
            {"key": "image", "label": "Image score", "kind": "image"}
            | {"description": "Network on the screening mammograms alone"},
            {"key": "clinical", "label": "Clinical factors + density", "kind": "clinical"}
            | {"description": "conditional logistic regression on bmi, family history, biopsy, density"},
            {"key": "combined", "label": "Image + clinical + density", "kind": "combined"}
            | {"description": "conditional logistic regression on the image score and the factors"},
            {"key": "oracle", "label": "Oracle: true trait + density", "kind": "truth"}
            | {"description": "Regression on the simulation's true image trait and true density"},
        ],
        "main": build_main(),
        "published": [
            {
                "model": model,
                "case_type": mode,
                "concordance": dict(zip(("value", "lower", "upper"), concordance, strict=True)),
                "odds_ratio": dict(zip(("value", "lower", "upper"), ratio, strict=True)),
                "odds_ratio_unit": unit,
            }
            for model, mode, concordance, ratio, unit in _PUBLISHED
        ],
        "comparisons": [
            {
                "model_a": a,
                "model_b": b,
                "case_type": mode,
                "difference": build_estimate(
                    _FIGURES[mode, a][0] - _FIGURES[mode, b][0],
                    0.028 if mode == "screen-detected" else 0.07,
                    p_value=0.0004 if mode == "screen-detected" else 0.046,
                ),
            }
            for mode in MODES
            for a, b in pairs
        ],
        "mode_comparisons": [
            {
                "model": model,
                "difference": build_estimate(
                    _FIGURES["screen-detected", model][0] - _FIGURES["interval", model][0], 0.07, p_value=0.31
                ),
            }
            for model in MODELS
        ],
        "factor_odds_ratios": build_factors(),
        "roc": [build_roc(mode, model) for mode in MODES for model in MODELS],
        "capture": [row for mode in MODES for model in MODELS for row in build_capture(mode, model)],
        "distributions": [
            row for mode in MODES for model in MODELS for row in build_distributions(mode, model)
        ],
        "subgroups": build_subgroups(),
        "examples": [
            build_example(f"Example {i + 1}", i, MODES[i % 2] if i % 3 < 2 else "no cancer", 97 - 9 * i)
            for i in range(n_examples)
        ],
        "training": [build_training(member) for member in (1, 2, 3)],
        "notes": [
            "interval: 4 of 280 judged exams are left out of every comparison because a factor or a score "
            "is unknown."
        ],
    }
    return results | sections
