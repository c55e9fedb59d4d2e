"""A complete results.json of an evaluation of four models' predictions. Nothing here was measured.

`build_evaluation()` is a cohort of negative screening exams with five years of follow-up, three kinds of
cancer (screen-detected, interval, any) and four models: three give risks of any cancer, one of them by mode
of detection, the fourth only a score. Keyword arguments replace whole sections.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np

from .builders import build_estimate, build_missing, build_ratio

MODELS = {
    "northview": "Northview Risk 3.1",
    "mirai": "Mirai",
    "halden": "Halden AI",
    "densitas": "Volumetric density",
}
MODES = ("screen-detected", "interval", "any")
YEARS = (1.0, 2.0, 3.0, 4.0, 5.0)
N_EXAMS = 112_621
CASES = {"screen-detected": 829, "interval": 396, "any": 1225}
THRESHOLDS = (0.017, 0.03)

#: AUC by five years, by mode and model: invented.
_AUC = {
    "screen-detected": {"northview": 0.71, "mirai": 0.69, "halden": 0.66, "densitas": 0.58},
    "interval": {"northview": 0.74, "mirai": 0.76, "halden": 0.70, "densitas": 0.71},
    "any": {"northview": 0.72, "mirai": 0.71, "halden": 0.67, "densitas": 0.62},
}
#: Models that give risks: by how much they are too high, and the slope of their calibration.
_RISKS = {"northview": (1.04, 0.97), "mirai": (1.62, 0.82), "halden": (0.83, 1.12)}
#: Kinds of cancer each of them gives a risk of.
_GIVES = {"northview": MODES, "mirai": ("any",), "halden": ("any",)}
_NORMAL = NormalDist()


def build_evaluation(**sections: Any) -> dict[str, Any]:
    """A whole results.json; `sections` replace those named."""
    return _complete() | sections


def _complete() -> dict[str, Any]:
    pairs = [(a, b) for i, a in enumerate(MODELS) for b in list(MODELS)[i + 1 :]]
    return {
        "forescreen": "0.1.0",
        "provenance": {"forescreen": "0.1.0", "Command": "forescreen evaluate", "Seed": "1"},
        "study": {
            "name": "Four models on five years of negative screens",
            "description": "Which of four models finds the women who will have breast cancer after a "
            "negative screen?",
            "design": "cohort",
            "data_kind": "simulated registry",
            "n_sets": dict(CASES),
            "n_cases": dict(CASES),
            "n_exams": N_EXAMS,
            "n_women": 98_402,
            "unit": "exam",
            "weighted": False,
            "clustered": True,
            "horizons_years": list(YEARS),
            "main_horizon_years": 5.0,
            "thresholds": list(THRESHOLDS),
            "follow_up_years": {"median": 5.2, "longest": 7.9},
        },
        "inputs": build_inputs(),
        "flow": [],
        "exclusions": build_exclusions(),
        "judged": "all",
        "case_types": list(MODES),
        "models": [
            {"key": "northview", "label": MODELS["northview"], "kind": "peer"}
            | {
                "description": "Vendor's 5-year risk by mode of detection",
                "output": "risk by 1, 2, 3, 4, 5 years",
            },
            {"key": "mirai", "label": MODELS["mirai"], "kind": "peer"}
            | {"description": "Open weights, as published", "output": "risk by 1, 2, 3, 4, 5 years"},
            {"key": "halden", "label": MODELS["halden"], "kind": "peer"}
            | {"description": "", "output": "risk by 2, 5 years"},
            {"key": "densitas", "label": MODELS["densitas"], "kind": "peer"}
            | {"description": "Dense volume in ml", "output": "score"},
        ],
        "missing": build_missing("indicator") | {"n_sets": None, "n_sets_lost": None},
        "table1": {
            "columns": [
                {"label": "No cancer", "n": N_EXAMS - 1225},
                {"label": "Screen-detected", "n": 829},
                {"label": "Interval", "n": 396},
            ],
            "rows": [
                {
                    "label": "Age at exam, years",
                    "level": None,
                    "values": ["58.9 ± 6.1", "60.1 ± 6.0", "58.7 ± 6.3"],
                },
                {"label": "Machine", "level": "A", "values": ["70183 (63 %)", "522 (63 %)", "241 (61 %)"]},
                {"label": "Machine", "level": "B", "values": ["41213 (37 %)", "307 (37 %)", "155 (39 %)"]},
            ],
        },
        "head_to_head": [row for mode in MODES for model in MODELS for row in build_measures(mode, model)],
        "head_to_head_differences": [
            row for mode in MODES for a, b in pairs for row in build_differences(mode, a, b)
        ],
        "main": [
            {
                "model": model,
                "case_type": mode,
                "concordance": _auc(mode, model),
                "odds_ratio": build_ratio(_per_sd(_AUC[mode][model]), 1.05 if mode == "any" else 1.09),
                "n_sets": CASES[mode],
                "n_members": N_EXAMS,
            }
            for mode in MODES
            for model in MODELS
        ],
        "comparisons": [
            {"model_a": a, "model_b": b, "case_type": mode, "difference": _difference(mode, a, b)}
            for mode in MODES
            for a, b in pairs
        ],
        "mode_comparisons": [
            {
                "model": model,
                "difference": build_estimate(
                    _AUC["screen-detected"][model] - _AUC["interval"][model], 0.034, p_value=0.02
                ),
            }
            for model in MODELS
        ],
        "horizons": [
            build_horizon(mode, model, years) for mode in MODES for model in MODELS for years in YEARS
        ],
        "horizon_comparisons": [
            {"model_a": a, "model_b": b, "case_type": mode, "horizon_years": years}
            | {"difference": _difference(mode, a, b)}
            for mode in MODES
            for years in YEARS
            for a, b in pairs
        ],
        "c_index": [
            {"model": model, "case_type": mode, "horizon_years": 5.0}
            | {"uno": _auc(mode, model), "harrell": build_estimate(_AUC[mode][model] + 0.006, 0.02)}
            for mode in MODES
            for model in MODELS
        ],
        "calibration": [
            build_calibration(mode, model) for mode in MODES for model in _RISKS if mode in _GIVES[model]
        ],
        "calibration_subgroups": build_calibration_subgroups(),
        "overall": [
            {
                "model": model,
                "case_type": mode,
                "horizon_years": 5.0,
                "brier": build_estimate(0.98 * _rate(mode), 0.0004),
                "brier_null": build_estimate(0.99 * _rate(mode), 0.0004),
                "scaled_brier": build_estimate(0.0101, 0.004),
            }
            for mode in MODES
            for model in _RISKS
            if mode in _GIVES[model]
        ],
        "decision": [
            build_decision(mode, model) for mode in MODES for model in _RISKS if mode in _GIVES[model]
        ],
        "roc": [build_roc(mode, model) for mode in MODES for model in MODELS],
        "distributions": [row for mode in MODES for model in MODELS for row in _distributions(mode, model)],
        "capture": [row for mode in MODES for model in MODELS for row in build_capture(mode, model)],
        "rule_out": [
            {
                "model": model,
                "case_type": mode,
                "share": share,
                "reads_saved": share,
                "missed": build_estimate(missed, min(0.02, 0.7 * missed)),
                "false_omission": build_ratio(missed * _rate(mode) / share, 1.3),
                "n_missed": round(CASES[mode] * missed),
            }
            for mode in MODES
            for model in MODELS
            for share in (0.1, 0.25, 0.5)
            for missed in [1 - _captured(_AUC[mode][model], 1 - share)]
        ],
        "subgroups": build_subgroups(),
        "checklist": build_checklist(),
        "notes": [
            "densitas has no prediction by 5 years; its score ranks women in its place.",
            "screen-detected: mirai and halden predict any cancer; that ranks women in its place.",
        ],
    }


def build_inputs() -> list[dict[str, Any]]:
    sums = (
        "9f2c41d07be3a8c6",
        "0b77e1f2a4d9c385",
        "c41e8a90d3b25f76",
        "51aa03be97c2d8f4",
        "7d10c5e8fb2a6943",
    )
    files = (
        ("northview.csv", "columns of the plan", ["Northview Risk 3.1"], 112_904),
        ("mirai_predictions.csv", "yearly risks", ["Mirai"], 112_688),
        ("halden_and_density.csv", "columns of the plan", ["Halden AI", "Volumetric density"], 112_904),
    )
    found = [
        {
            "role": "predictions",
            "name": name,
            "n_rows": n,
            "sha256": digest * 4,
            "format": form,
            "models": models,
        }
        for (name, form, models, n), digest in zip(files, sums, strict=False)
    ]
    found.append(
        {"role": "outcomes", "name": "outcomes.csv", "n_rows": 112_870, "sha256": sums[3] * 4}
        | {"format": "one row per exam", "models": []}
    )
    found.append(
        {
            "role": "plan",
            "name": "plan.toml",
            "n_rows": None,
            "sha256": sums[4] * 4,
            "format": "TOML",
            "models": [],
        }
    )
    return found


def build_exclusions() -> list[dict[str, Any]]:
    return [
        {"what": "predictions of northview for unknown exams", "n": 34, "unit": "predictions"}
        | {"reason": "there is no such key in the outcomes", "remedy": ""},
        {"what": "exams without a prediction of mirai", "n": 216, "unit": "exams"}
        | {
            "reason": "the model did not score them; all models are compared on identical women",
            "remedy": "Score them, or take them out of the outcomes knowingly: missing scores are rarely "
            "random",
        },
        {"what": "exams without an outcome", "n": 33, "unit": "exams", "reason": "the outcome is not known"}
        | {"remedy": ""},
        {"what": "the horizon of 10 years", "n": 1, "unit": "horizons"}
        | {"reason": "0 exams are followed beyond it, the longest follow-up is 7.90 years", "remedy": ""},
    ]


def build_measures(mode: str, model: str) -> list[dict[str, Any]]:
    """The measures of one model, as the head-to-head section holds them (without the AUC)."""
    base = {"model": model, "case_type": mode, "horizon_years": 5.0}
    captured = _captured(_AUC[mode][model], 0.1)
    found = [
        ("capture", "capture by the top 10 %", 0.1, None, build_estimate(captured, 0.03)),
        (
            "ppv",
            "predictive value of the top 10 %",
            0.1,
            None,
            build_ratio(captured * _rate(mode) / 0.1, 1.1),
        ),
    ]
    if model in _RISKS and mode in _GIVES[model]:
        found.append(("brier", "Brier score", None, None, build_estimate(0.98 * _rate(mode), 0.0004)))
        ratio = build_ratio(1 / _RISKS[model][0], 1.06)
        found.append(("observed_expected", "observed/expected", None, None, ratio))
        for threshold in THRESHOLDS:
            benefit = build_estimate(_net_benefit(mode, model, threshold), 0.0004)
            found.append(("net_benefit", f"net benefit at {100 * threshold:g} %", None, threshold, benefit))
    return [
        base | {"metric": metric, "label": label, "fraction": fraction, "threshold": at, "estimate": estimate}
        for metric, label, fraction, at, estimate in found
    ]


def build_differences(mode: str, a: str, b: str) -> list[dict[str, Any]]:
    theirs = {(row["metric"], row["threshold"]): row for row in build_measures(mode, b)}
    rows = []
    for row in build_measures(mode, a):
        other = theirs.get((row["metric"], row["threshold"]))
        if other is not None:
            one, two = row.pop("estimate"), other["estimate"]
            half = 0.7 * (one["upper"] - one["lower"])
            difference = build_estimate(one["value"] - two["value"], half, p_value=0.03)
            del row["model"]
            rows.append(row | {"model_a": a, "model_b": b, "difference": difference})
    return rows


def build_horizon(mode: str, model: str, years: float) -> dict[str, Any]:
    """AUCs that fall with the horizon, with intervals that narrow as cancers gather."""
    n = round(CASES[mode] * (years / 5) ** 0.9)
    near = 0.06 if mode == "interval" else 0.035
    value = _AUC[mode][model] + near * (5 - years) / 4
    return {
        "model": model,
        "case_type": mode,
        "horizon_years": years,
        "auc": build_estimate(value, 0.55 / math.sqrt(n)),
        "n_cases": n,
        "n_at_risk": round(N_EXAMS * (1 - 0.09 * years)),
    }


def build_calibration(mode: str, model: str) -> dict[str, Any]:
    """Tenths and curve of a model whose risks are too high by a factor and too extreme by a slope."""
    factor, slope = _RISKS[model]
    risks = _risks(mode, model)
    expected = np.array([part.mean() for part in np.array_split(risks, 10)])
    mean_logit = float(np.log(risks / (1 - risks)).mean())

    def observed(risk: Any) -> Any:
        line = mean_logit - math.log(factor) + slope * (np.log(risk / (1 - risk)) - mean_logit)
        return 1 / (1 + np.exp(-line))

    per_group = N_EXAMS / 10
    grid = np.linspace(float(risks[0]), float(risks[-1]), 101)
    curve = observed(grid)
    density = np.interp(grid, expected, np.linspace(1, 0.2, 10))
    margin = 1.96 * np.sqrt(curve / (4 * per_group * density))
    groups = []
    for place, risk in enumerate(expected):
        share = float(observed(risk)) * (1 + 0.06 * math.sin(3 * place + len(model)))
        half = 1.96 * math.sqrt(share / per_group)
        groups.append(
            {"expected": float(risk), "n": round(per_group), "n_events": round(per_group * share)}
            | {"observed": build_estimate(share, half, lower=max(share - half, 0.0))}
        )
    return {
        "model": model,
        "case_type": mode,
        "horizon_years": 5.0,
        "n": N_EXAMS,
        "n_events": CASES[mode],
        "observed_expected": build_ratio(1 / factor, 1.06),
        "in_the_large": build_estimate(-math.log(factor), 0.06),
        "slope": build_estimate(slope, 0.07),
        "ici": build_estimate(abs(factor - 1) * _rate(mode) + 0.0003, lower=None, upper=None),
        "e50": build_estimate(abs(factor - 1) * _rate(mode), lower=None, upper=None),
        "e90": build_estimate(2 * abs(factor - 1) * _rate(mode) + 0.0008, lower=None, upper=None),
        "emax": build_estimate(0.021, lower=None, upper=None),
        "curve": {
            "risk": grid.tolist(),
            "observed": curve.tolist(),
            "lower": np.maximum(curve - margin, 0).tolist(),
            "upper": (curve + margin).tolist(),
        },
        "groups": groups,
    }


def build_calibration_subgroups() -> list[dict[str, Any]]:
    rows = []
    levels = {
        "age": ("50–59", "60–69", "70 and over"),
        "density": ("a", "b", "c", "d"),
        "machine": ("A", "B"),
    }
    for model, (factor, _) in _RISKS.items():
        for mode in _GIVES[model]:
            draws = np.random.default_rng([len(model), len(mode)])
            for variable, names in levels.items():
                for place, level in enumerate(names):
                    n_events = round(CASES[mode] * (0.52, 0.33, 0.13, 0.006)[place])
                    hidden = n_events < 10
                    spread = math.exp(1.96 / math.sqrt(max(n_events, 1)))
                    ratio = math.exp(draws.normal(0, 0.12)) / factor
                    rows.append(
                        {
                            "model": model,
                            "case_type": mode,
                            "horizon_years": 5.0,
                            "variable": variable,
                            "level": level,
                            "n": None if hidden else 90 * n_events,
                            "n_events": None if hidden else n_events,
                            "suppressed": hidden,
                            "observed_expected": None if hidden else build_ratio(ratio, spread),
                        }
                    )
    return rows


def build_decision(mode: str, model: str) -> dict[str, Any]:
    grid = sorted({*np.linspace(0, 0.05, 41).tolist(), *THRESHOLDS})
    rate = _rate(mode)
    benefit = [_net_benefit(mode, model, t) for t in grid]
    everybody = [rate - (1 - rate) * t / (1 - t) for t in grid]
    return {
        "model": model,
        "case_type": mode,
        "horizon_years": 5.0,
        "thresholds": grid,
        "net_benefit": benefit,
        "lower": [value - 0.0004 for value in benefit],
        "upper": [value + 0.0004 for value in benefit],
        "treat_all": everybody,
        "interventions_avoided": [
            None if t == 0 else (b - a) * (1 - t) / t
            for t, a, b in zip(grid, everybody, benefit, strict=True)
        ],
    }


def build_roc(mode: str, model: str) -> dict[str, Any]:
    fpr = np.linspace(0, 1, 101)
    tpr = [_captured(_AUC[mode][model], float(x)) if 0 < x < 1 else float(x) for x in fpr]
    return {"model": model, "case_type": mode, "fpr": fpr.tolist(), "tpr": tpr, "auc": _auc(mode, model)}


def build_capture(mode: str, model: str) -> list[dict[str, Any]]:
    rows = []
    for fraction in (0.01, 0.02, 0.04, 0.05, 0.10, 0.20):
        captured = _captured(_AUC[mode][model], fraction)
        ppv = captured * _rate(mode) / fraction
        rows.append(
            {
                "model": model,
                "case_type": mode,
                "fraction": fraction,
                "capture": build_estimate(captured, min(0.9 / math.sqrt(CASES[mode]), 0.6 * captured)),
                "ppv": build_ratio(ppv, 1.15),
                "selected_per_cancer": build_ratio(1 / ppv, 1.15),
                "cancers_per_1000": build_ratio(1000 * ppv, 1.15),
            }
        )
    return rows


def build_subgroups() -> list[dict[str, Any]]:
    rows = []
    levels = {
        "age": ("50–59", "60–69", "70 and over"),
        "density": ("a", "b", "c", "d"),
        "machine": ("A", "B"),
    }
    for mode in MODES:
        draws = np.random.default_rng(len(mode))
        for variable, names in levels.items():
            for place, level in enumerate(names):
                n = round(CASES[mode] * (0.52, 0.33, 0.13, 0.015)[place])
                hidden = n < 10
                for model in MODELS:
                    value = _AUC[mode][model] + 0.2 * draws.normal() / math.sqrt(n)
                    rows.append(
                        {
                            "variable": variable,
                            "level": level,
                            "model": model,
                            "case_type": mode,
                            "concordance": None if hidden else build_estimate(value, 0.55 / math.sqrt(n)),
                            "n_sets": None if hidden else n,
                            "suppressed": hidden,
                        }
                    )
    return rows


def build_checklist() -> list[dict[str, str]]:
    items = (
        ("Title and abstract", "1", "Title", "partly", "Evaluation of four models; name the population."),
        ("Title and abstract", "2", "Abstract", "open", "Write it after TRIPOD+AI for Abstracts."),
        (
            "Methods",
            "5a",
            "Sources of data",
            "partly",
            "Data of a cohort study; files: outcomes.csv. Say where.",
        ),
        (
            "Methods",
            "11",
            "Missing data",
            "filled",
            "Only exams with a prediction of every model are compared.",
        ),
        ("Methods", "17", "Ethical approval", "open", "Committee and consent, or waiver."),
        ("Results", "21", "Numbers in each analysis", "filled", "112 621 exams; 1225 cancers."),
    )
    return [
        {"section": section, "item": item, "topic": topic, "text": text, "status": status}
        for section, item, topic, status, text in items
    ]


def _rate(mode: str) -> float:
    return CASES[mode] / N_EXAMS


def _per_sd(auc: float) -> float:
    return math.exp(math.sqrt(2) * _NORMAL.inv_cdf(auc))


def _auc(mode: str, model: str) -> dict[str, Any]:
    return build_estimate(_AUC[mode][model], 0.55 / math.sqrt(CASES[mode]), p_value=0.0001)


def _difference(mode: str, a: str, b: str) -> dict[str, Any]:
    half = 0.42 / math.sqrt(CASES[mode])
    return build_estimate(_AUC[mode][a] - _AUC[mode][b], half, p_value=0.004)


def _captured(auc: float, fraction: float) -> float:
    """Share of the cancers among the top share of all, scores being normal with equal variance."""
    if not 0 < fraction < 1:
        return fraction
    distance = math.sqrt(2) * _NORMAL.inv_cdf(auc)
    return 1 - _NORMAL.cdf(_NORMAL.inv_cdf(1 - fraction) - distance)


def _risks(mode: str, model: str) -> Any:
    """Sorted risks of 1000 women with the mean that the factor of the model makes of the rate."""
    spread = 0.45 + 1.4 * (_AUC[mode][model] - 0.5)
    quantiles = np.array([_NORMAL.inv_cdf((i + 0.5) / 1000) for i in range(1000)])
    risks = np.exp(spread * quantiles)
    return np.minimum(risks * _RISKS[model][0] * _rate(mode) / risks.mean(), 0.6)


def _net_benefit(mode: str, model: str, threshold: float) -> float:
    risks = _risks(mode, model)
    share = float(np.mean(risks >= threshold))
    captured = _captured(_AUC[mode][model], share) if 0 < share < 1 else share
    true = _rate(mode) * captured
    return true - (share - true) * threshold / (1 - threshold)


def _distributions(mode: str, model: str) -> list[dict[str, Any]]:
    edges = np.linspace(-2.6, 4.0, 25)
    distance = math.sqrt(2) * _NORMAL.inv_cdf(_AUC[mode][model])
    rows = []
    for group, mean, n in (("control", 0.0, N_EXAMS - CASES[mode]), ("case", distance, CASES[mode])):
        inside = np.diff([_NORMAL.cdf(float(edge) - mean) for edge in edges])
        rows.append(
            {"model": model, "case_type": mode, "group": group, "edges": edges.tolist()}
            | {"counts": np.round(n * inside).astype(int).tolist()}
        )
    return rows


def build_costs() -> list[dict[str, Any]]:
    """The rows of capture with what one additional cancer costs."""
    return [
        row | {"cost_per_additional_cancer": build_ratio(300 * row["selected_per_cancer"]["value"], 1.15)}
        for row in _complete()["capture"]
    ]
