"""Every estimator beside R: our number, R's number, and how close they must be.

In: the made-up tables of `inputs/` and R's results on them (`r_owned.json`, made by `make reference`). Out:
a list of comparisons, which the tests assert and from which `docs/accuracy.md` is written.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from forescreen.statistics.association import conditional_logistic
from forescreen.statistics.binormal import sets_needed
from forescreen.statistics.brier import brier_score
from forescreen.statistics.calibration import observed_expected
from forescreen.statistics.calibration_curve import calibration_curve
from forescreen.statistics.calibration_line import calibration_line
from forescreen.statistics.case_types import case_type_logistic
from forescreen.statistics.concordance import harrell_c, uno_c
from forescreen.statistics.discrimination import auc, auc_difference
from forescreen.statistics.fine_gray import fine_gray
from forescreen.statistics.hazards import cox_regression
from forescreen.statistics.imputation import pool
from forescreen.statistics.matched import matched_concordance
from forescreen.statistics.paired_proportions import exact_mcnemar_p, mcnemar_test, paired_table
from forescreen.statistics.proportions import exact_binomial_interval, wilson_interval
from forescreen.statistics.reclassification import reclassification
from forescreen.statistics.sample_size import women_to_develop
from forescreen.statistics.survival import aalen_johansen, kaplan_meier
from forescreen.statistics.time_auc import cumulative_dynamic_auc, cumulative_dynamic_auc_difference

FOLDER = Path(__file__).parent
#: The same algorithm: differences are rounding, and the 15 digits that R writes.
SAME = 1e-8
#: R stops its iterations early, or prints a rounded number.
ITERATED = 1e-6


@dataclass(frozen=True)
class Comparison:
    """One quantity from us and from R."""

    estimator: str  # where it lives in forescreen.statistics
    quantity: str
    program: str
    ours: tuple[float, ...]
    theirs: tuple[float, ...]
    tolerance: float = SAME

    @property
    def difference(self) -> float:
        """Largest absolute difference, relative where numbers exceed 1."""
        a, b = np.array(self.ours), np.array(self.theirs)
        return float(np.max(np.abs(a - b) / np.maximum(1.0, np.abs(b))))


@cache
def reference() -> dict[str, Any]:
    """R's results, with origin, versions and licence."""
    return dict(json.loads((FOLDER / "r_owned.json").read_text()))


@cache
def table(name: str) -> pd.DataFrame:
    """One of the made-up tables."""
    return pd.read_csv(FOLDER / "inputs" / f"{name}.csv")


def flat(*values: object) -> tuple[float, ...]:
    """Numbers of nested lists and arrays, in order."""
    return tuple(float(x) for value in values for x in np.ravel(np.asarray(value, dtype=float)))


def comparisons() -> Iterator[Comparison]:
    """All comparisons, in the order of the page."""
    expected = reference()["values"]
    groups: tuple[Callable[[dict[str, Any]], Iterator[Comparison]], ...] = (
        _matched,
        _areas,
        _survival,
        _concordance,
        _hazards,
        _calibration,
        _counts,
        _published,
    )
    for group in groups:
        yield from group(expected)


def _fit(data: pd.DataFrame) -> Any:
    return conditional_logistic(
        data[["x1", "x2"]].to_numpy(float),
        data["case"].to_numpy() == 1,
        sets=data["set"].to_numpy(),
        names=("x1", "x2"),
    )


def _matched(expected: dict[str, Any]) -> Iterator[Comparison]:
    clogit = 'clogit(method = "exact")'
    for name in ("one_to_many", "many_to_many"):
        fit, wanted = _fit(table(name)), expected[f"clogit_{name}"]
        shape = "1:m" if name == "one_to_many" else "n:m"
        for quantity, ours, theirs in (
            ("log odds ratios", fit.coefficients, wanted["coefficients"]),
            ("covariance", fit.covariance, wanted["covariance"]),
            ("log-likelihoods", (fit.log_likelihood_null, fit.log_likelihood), wanted["loglik"]),
            ("likelihood-ratio test", fit.lr_test.statistic, wanted["lr"]),
            ("score test", fit.score_test.statistic, wanted["score"]),
        ):
            yield Comparison("association", f"{quantity}, {shape}", clogit, flat(ours), flat(theirs))
    one = table("one_to_many")
    yield Comparison(
        "association",
        "robust covariance by set",
        "coxph(strata, cluster)",
        flat(_fit(one).robust_covariance),
        flat(expected["clogit_robust_by_set"]),
    )
    both = case_type_logistic(
        one[["x1", "x2"]].to_numpy(float),
        one["case"].to_numpy() == 1,
        sets=one["set"].to_numpy(),
        case_type=one["type"].to_numpy(dtype=str),
        names=("x1", "x2"),
    )
    by_type = expected["clogit_by_type"]
    yield Comparison(
        "case_types",
        "log odds ratios by type of case",
        clogit,
        flat(both.coefficients),
        flat(*(by_type[kind]["coefficients"] for kind in both.types)),
    )
    yield Comparison(
        "case_types",
        "log-likelihood of the joint model",
        clogit,
        flat(both.log_likelihood),
        flat(sum(by_type[kind]["loglik"][1] for kind in both.types)),
    )
    c = matched_concordance(
        one["score"].to_numpy(float), one["case"].to_numpy() == 1, sets=one["set"].to_numpy(), weights="pairs"
    )
    pooled = expected["pooled_concordance"]
    yield Comparison(
        "matched", "concordance, one vote per pair", "concordance(strata)", (c.value,), (pooled["value"],)
    )
    n = c.n
    yield Comparison(
        "matched",
        "its variance between sets (R's divided by 4, without n/(n−1))",
        "concordance(cluster = set)",
        (c.standard_error**2 * (n - 1) / n,),
        (pooled["variance_over_4"],),
    )


def _areas(expected: dict[str, Any]) -> Iterator[Comparison]:
    data, wanted = table("binary"), expected["auc"]
    case = data["case"].to_numpy() == 1
    a, b = (data[f"score_{x}"].to_numpy(float) for x in "ab")
    one, two, apart = auc(a, case), auc(b, case), auc_difference(a, b, case)
    roc = "pROC roc, var, cov, roc.test"
    yield Comparison("discrimination", "AUC", roc, (one.value, two.value), (wanted["a"], wanted["b"]))
    yield Comparison(
        "discrimination",
        "DeLong variance",
        roc,
        (one.standard_error**2, two.standard_error**2),
        (wanted["var_a"], wanted["var_b"]),
    )
    yield Comparison(
        "discrimination",
        "paired test, z and p",
        roc,
        (apart.value / apart.standard_error, apart.p_value),
        (wanted["z"], wanted["p"]),
    )


def _followed() -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    data = table("follow_up")
    return (
        data,
        data["time"].to_numpy(float),
        data["event"].to_numpy(np.int64),
        data["score"].to_numpy(float),
    )


def _survival(expected: dict[str, Any]) -> Iterator[Comparison]:
    data, time, event, _ = _followed()
    times = (2.0, 4.0, 6.0)
    any_event = (event > 0).astype(np.int64)
    km = [kaplan_meier(time, any_event).at(t) for t in times]
    wanted = expected["kaplan_meier"]
    for quantity, ours, theirs in (
        ("Kaplan–Meier", [e.value for e in km], wanted["survival"]),
        ("its standard error", [e.standard_error for e in km], wanted["se"]),
        (
            "its log interval",
            [[e.lower, e.upper] for e in km],
            np.transpose([wanted["lower"], wanted["upper"]]),
        ),
    ):
        yield Comparison("survival", quantity, "survfit", flat(ours), flat(theirs))
    incidence = aalen_johansen(time, event)
    aj = [[incidence.at(cause, t) for t in times] for cause in (1, 2)]
    wanted = expected["aalen_johansen"]
    state = np.array(wanted["incidence"])[:, 1:].T
    error = np.array(wanted["se"])[:, 1:].T
    yield Comparison(
        "survival", "Aalen–Johansen", "survfit", flat([[e.value for e in c] for c in aj]), flat(state)
    )
    yield Comparison(
        "survival",
        "its standard error",
        "survfit",
        flat([[e.standard_error for e in c] for c in aj]),
        flat(error),
    )
    yield Comparison(
        "survival",
        "cumulative incidence",
        "cmprsk cuminc",
        flat([[e.value for e in c] for c in aj]),
        flat(expected["cuminc"]),
    )
    for name, codes in (("score", any_event), ("score_competing", event)):
        words = "" if name == "score" else ", competing events"
        wanted = expected[name]
        for model, prefix in (("m1", "risk"), ("m2", "other")):
            rows = [r for r in wanted["auc"] if r["model"] == model]
            if not rows:
                continue
            found = [
                cumulative_dynamic_auc(
                    data[f"{prefix}_{t:g}"].to_numpy(float),
                    time,
                    codes,
                    horizon=t,
                    controls="event-free or competing",
                )
                for t in times
            ]
            yield Comparison(
                "time_auc",
                f"AUC(t), {model}{words}",
                "riskRegression Score",
                flat([e.value for e in found]),
                flat([r["AUC"] for r in rows]),
            )
            yield Comparison(
                "time_auc",
                f"its standard error, {model}{words}",
                "riskRegression Score",
                flat([e.standard_error for e in found]),
                flat([r["se"] for r in rows]),
            )
        for model, prefix in (("m1", "risk"), ("m2", "other")):
            rows = [r for r in wanted["brier"] if r["model"] == model]
            null = [r for r in wanted["brier"] if r["model"] == "Null model"]
            if not rows:
                continue
            scores = [
                brier_score(data[f"{prefix}_{t:g}"].to_numpy(float), time, codes, horizon=t) for t in times
            ]
            for quantity, ours, theirs in (
                ("Brier score", [s.model.value for s in scores], [r["Brier"] for r in rows]),
                ("its standard error", [s.model.standard_error for s in scores], [r["se"] for r in rows]),
                ("null Brier score", [s.null.value for s in scores], [r["Brier"] for r in null]),
                ("scaled Brier score (IPA)", [s.scaled.value for s in scores], [r["IPA"] for r in rows]),
            ):
                yield Comparison(
                    "brier",
                    f"{quantity}, {model}{words}",
                    "riskRegression Score",
                    flat(ours),
                    flat(theirs),
                )
    contrasts = [
        r for r in expected["score"]["auc_difference"] if r["model"] == "m2" and r["reference"] == "m1"
    ]
    apart = [
        cumulative_dynamic_auc_difference(
            data[f"other_{t:g}"].to_numpy(float),
            data[f"risk_{t:g}"].to_numpy(float),
            time,
            any_event,
            horizon=t,
        )
        for t in times
    ]
    yield Comparison(
        "time_auc",
        "paired difference of AUC(t)",
        "riskRegression Score",
        flat([e.value for e in apart]),
        flat([r["delta.AUC"] for r in contrasts]),
    )


def _concordance(expected: dict[str, Any]) -> Iterator[Comparison]:
    data, time, event, score = _followed()
    first = np.where(event == 1, 1, 0).astype(np.int64)
    any_event = (event > 0).astype(np.int64)
    woman = data["woman"].to_numpy()
    r = "survival concordance"
    for name, found in (
        ("harrell", harrell_c(score, time, first)),
        ("harrell_4", harrell_c(score, time, first, horizon=4.0)),
        ("harrell_by_woman", harrell_c(score, time, first, cluster=woman)),
    ):
        words = {"harrell": "", "harrell_4": " to 4 years", "harrell_by_woman": " by woman"}[name]
        wanted = expected[name]
        yield Comparison(
            "concordance",
            f"Harrell's C{words} and its standard error",
            r,
            (found.value, found.standard_error),
            (wanted["value"], wanted["se"]),
        )
    wanted = expected["uno_any"]
    for horizon, suffix in ((None, ""), (4.0, "_4")):
        found = uno_c(score, time, any_event, horizon=horizon)
        yield Comparison(
            "concordance",
            f"Uno's C{' to 4 years' if horizon else ''} and its standard error",
            f'{r}(timewt = "n/G2")',
            (found.value, found.standard_error),
            (wanted[f"value{suffix}"], wanted[f"se{suffix}"]),
        )


def _hazards(expected: dict[str, Any]) -> Iterator[Comparison]:
    data, time, event, _ = _followed()
    X = data[["x1", "x2"]].to_numpy(float)
    first = (event == 1).astype(np.int64)
    names = ("x1", "x2")
    efron = cox_regression(X, time, first, names=names)
    breslow = cox_regression(X, time, first, names=names, ties="breslow")
    women = cox_regression(X, time, first, names=names, cluster=data["woman"].to_numpy())
    for words, fit, key in ((" (Efron)", efron, "cox_efron"), (" (Breslow)", breslow, "cox_breslow")):
        wanted = expected[key]
        yield Comparison(
            "hazards",
            f"log hazard ratios{words}",
            "coxph",
            flat(fit.coefficients),
            flat(wanted["coefficients"]),
        )
        yield Comparison(
            "hazards", f"covariance{words}", "coxph", flat(fit.covariance), flat(wanted["covariance"])
        )
    yield Comparison(
        "hazards",
        "robust covariance by woman",
        "coxph(cluster)",
        flat(women.robust_covariance),
        flat(expected["cox_by_woman"]["covariance"]),
    )
    grey = fine_gray(X, time, event, names=names)
    wanted = expected["fine_gray"]
    yield Comparison(
        "fine_gray",
        "log subdistribution hazard ratios",
        "finegray + coxph",
        flat(grey.coefficients),
        flat(wanted["coefficients"]),
    )


def _calibration(expected: dict[str, Any]) -> Iterator[Comparison]:
    data = table("binary")
    case, risk = data["case"].to_numpy() == 1, data["risk"].to_numpy(float)
    line, wanted = calibration_line(risk, case), expected["calibration_line"]
    yield Comparison(
        "calibration_line",
        "intercept, slope and standard errors",
        "glm",
        (line.intercept.value, line.slope.value, line.intercept.standard_error, line.slope.standard_error),
        flat(wanted["coefficients"], wanted["se"]),
    )
    yield Comparison(
        "calibration_line",
        "calibration in the large and standard error",
        "glm(offset)",
        (line.in_the_large.value, line.in_the_large.standard_error),
        (wanted["in_the_large"], wanted["in_the_large_se"]),
    )
    curve, wanted = calibration_curve(risk, case), expected["ici"]
    yield Comparison(
        "calibration_curve",
        "ICI, E50, E90, Emax",
        'loess(surface = "direct")',
        tuple(float(getattr(x, "value", x)) for x in (curve.ici, curve.e50, curve.e90, curve.emax)),
        tuple(wanted[k] for k in ("ici", "e50", "e90", "emax")),
    )
    ratio, wanted = observed_expected(risk, case), expected["observed_expected"]
    yield Comparison(
        "calibration",
        "O/E and its exact limits",
        "poisson.test",
        (ratio.value, ratio.lower, ratio.upper),
        (wanted["value"], wanted["lower"], wanted["upper"]),
    )


def _counts(expected: dict[str, Any]) -> Iterator[Comparison]:
    data = table("binary")
    case = data["case"].to_numpy() == 1
    wilson, exact = wilson_interval(37, 211), exact_binomial_interval(37, 211)
    wanted = expected["proportions"]
    yield Comparison(
        "proportions",
        "Wilson's interval",
        "prop.test",
        (wilson.lower, wilson.upper),
        flat(wanted["wilson"]),
    )
    yield Comparison(
        "proportions",
        "Clopper–Pearson interval",
        "binom.test",
        (exact.lower, exact.upper),
        flat(wanted["exact"]),
    )
    paired = paired_table(data["reader_a"].to_numpy() == 1, data["reader_b"].to_numpy() == 1)
    test, wanted = mcnemar_test(paired), expected["mcnemar"]
    yield Comparison(
        "paired_proportions",
        "McNemar's test, p, exact p",
        "mcnemar.test, binom.test",
        (test.statistic, test.p_value, exact_mcnemar_p(paired)),
        (wanted["statistic"], wanted["p"], wanted["exact_p"]),
    )
    moved = reclassification(data["risk"].to_numpy(float), data["other"].to_numpy(float), case)
    wanted = expected["reclassification"]
    yield Comparison(
        "reclassification",
        "NRI, IDI and standard errors (to show why not)",
        "Hmisc improveProb",
        (moved.nri.value, moved.nri.standard_error, moved.idi.value, moved.idi.standard_error),
        (wanted["nri"], wanted["nri_se"], wanted["idi"], wanted["idi_se"]),
    )
    pooled, wanted = (
        pool(
            np.array([1.02, 0.94, 1.11, 0.99, 1.05]),
            np.array([0.0400, 0.0441, 0.0361, 0.0420, 0.0410]),
            n=500,
            n_parameters=3,
        ),
        expected["rubin"],
    )
    yield Comparison(
        "imputation",
        "Rubin's rules: mean, total variance, df, missing information",
        "mice pool.scalar",
        (pooled.value, pooled.total_variance, pooled.degrees_of_freedom, pooled.fraction_missing),
        (wanted["qbar"], wanted["t"], wanted["df"], wanted["fmi"]),
    )


def _published(_: dict[str, Any]) -> Iterator[Comparison]:
    """Sample sizes of pmsampsize, and counts with the intervals that were printed with them."""
    sizes = json.loads((FOLDER / "sample_size.json").read_text())["values"]
    one = sizes["development_binary"]
    size = women_to_develop(one["r2"], n_parameters=one["n_parameters"], prevalence=one["prevalence"])
    yield Comparison(
        "sample_size",
        "women to develop a model, by criterion",
        "pmsampsize",
        flat([size.n_shrinkage, size.n_optimism, size.n_mean_risk]),
        flat(one["n"]),
    )
    one = sizes["matched_concordance"]
    yield Comparison(
        "binormal",
        "matched sets for a half-width of 0.03",
        "numerical integration in R",
        (float(sets_needed(one["concordance"], one["controls"], half_width=one["half_width"])),),
        (float(one["sets"]),),
    )
    rows = json.loads((FOLDER / "triage.json").read_text())["values"]["interval_cancers_wilson"]
    found = [wilson_interval(row["successes"], row["n"]) for row in rows]
    yield Comparison(
        "proportions",
        "interval cancers by score, Eur Radiol 2021;31:5940, limits",
        "prop.test",
        flat([[i.lower, i.upper] for i in found]),
        flat([row["r"] for row in rows]),
    )
