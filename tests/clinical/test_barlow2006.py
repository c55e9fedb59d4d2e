"""Barlow 2006 against the risks and limits of the published logistic models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.barlow2006 import BARLOW_2006, LEVELS, POSTMENOPAUSAL, PREMENOPAUSAL, part_of
from forescreen.clinical.coefficients import rows_of
from forescreen.clinical.women import Problem, Women, from_levels

EXACT = 1e-12
SAME_ALGORITHM = 1e-9

#: Age, biopsy, relatives, density; risk and limits. Origin: the published coefficients and covariance,
#: computed by an independent program.
PREMENOPAUSAL_VECTORS = [
    (35, "no", 0, "a", 0.0005539400480829662, 0.00033431968352907603, 0.000917700373757094),
    (45, "no", 0, "c", 0.0034968142391069578, 0.003162980318137949, 0.003865745723216502),
    (50, "yes", 1, "d", 0.011507295917192755, 0.00949465374451669, 0.013940566148204445),
    (40, None, 2, None, 0.0040933085110306635, 0.002431933071072629, 0.006881823134018701),
]
REFERENCE: dict[str, object] = {
    "age": 45,
    "menopause": "post",
    "race": "white",
    "bmi": 22,
    "parity": 1,
    "first_birth_age": 25,
    "breast_biopsy": "no",
    "n_relatives": 0,
    "hormone_therapy": "not current",
    "menopause_type": "natural",
    "last_mammogram": "negative",
    "density": "a",
}
#: What differs from the reference woman, and the risk; origin as above.
POSTMENOPAUSAL_VECTORS: list[tuple[dict[str, object], float]] = [
    ({}, 0.0008483798628373091),
    ({"age": 60, "bmi": 25, "hormone_therapy": "current", "density": "c"}, 0.007639565981540409),
    (
        {
            "age": 74,
            "race": "black",
            "n_relatives": 1,
            "last_mammogram": "false positive",
            "density": "d",
        },
        0.017856946488170614,
    ),
    (
        {"age": 57.5, "race": "hispanic", "menopause_type": "surgical", "density": "b"},
        0.0021576666069920624,
    ),
]


def build_women(*changes: dict[str, object]) -> Women:
    rows = [{**REFERENCE, **change} for change in changes]
    names = {name for row in rows for name in row}
    return from_levels(len(rows), **{name: [row.get(name) for row in rows] for name in names})  # type: ignore[arg-type]


def premenopausal_women() -> Women:
    age, biopsy, family, density = zip(*(row[:4] for row in PREMENOPAUSAL_VECTORS), strict=True)
    return from_levels(
        4, age=age, menopause=["pre"] * 4, breast_biopsy=biopsy, n_relatives=family, density=density
    )


def test_premenopausal_risks_and_their_limits_are_the_published_ones() -> None:
    answer = BARLOW_2006.assess(premenopausal_women(), 1.0)
    expected = np.array([row[4:] for row in PREMENOPAUSAL_VECTORS])
    np.testing.assert_allclose(answer.risk, expected[:, 0], rtol=0, atol=EXACT)
    np.testing.assert_allclose(answer.lower, expected[:, 1], rtol=SAME_ALGORITHM)
    np.testing.assert_allclose(answer.upper, expected[:, 2], rtol=SAME_ALGORITHM)
    np.testing.assert_array_equal(answer.flags["factors_assumed"], [False, False, False, True])


def test_postmenopausal_risks_are_the_published_ones() -> None:
    women = build_women(*(change for change, _ in POSTMENOPAUSAL_VECTORS))
    answer = BARLOW_2006.assess(women, 1.0)
    expected = [risk for _, risk in POSTMENOPAUSAL_VECTORS]
    np.testing.assert_allclose(answer.risk, expected, rtol=0, atol=EXACT)
    assert not answer.flags


def test_the_vectors_here_are_those_of_the_test_data(shared: Path) -> None:
    path = shared / "data" / "statistics" / "clinical" / "barlow2006_test_vectors.json"
    vectors = json.loads(path.read_text(encoding="utf-8"))
    assert [(v["risk"], v["lo"], v["hi"]) for v in vectors["pre"]] == [
        row[4:] for row in PREMENOPAUSAL_VECTORS
    ]
    assert [v["risk"] for v in vectors["post"]] == [risk for _, risk in POSTMENOPAUSAL_VECTORS]


@pytest.mark.parametrize("name", [PREMENOPAUSAL, POSTMENOPAUSAL])
def test_limits_follow_from_the_whole_covariance(name: str) -> None:
    part = part_of(name)
    np.testing.assert_array_equal(part.covariance, part.covariance.T)
    assert np.linalg.eigvalsh(part.covariance[:-1, :-1]).min() > 0
    # The design row of a woman written out: intercept and one coefficient per factor.
    women = build_women({"menopause": name.removesuffix("menopausal"), "age": 50, "density": "d", "bmi": 36})
    row = np.zeros(len(part.log_odds))
    row[0] = 1
    levels = {"age": "50-54", "density": "d", "bmi": "35 and over"}
    for factor, level in levels.items():
        if factor in part.places:
            row[part.places[factor][LEVELS[factor].index(level)]] = 1
    answer = BARLOW_2006.assess(women, 1.0)
    log_odds = row @ part.log_odds
    half = 1.96 * np.sqrt(row @ part.covariance @ row)
    expected = 1 / (1 + np.exp(-np.array([log_odds - half, log_odds, log_odds + half])))
    found = np.array([answer.lower[0], answer.risk[0], answer.upper[0]])
    np.testing.assert_allclose(found, expected, rtol=EXACT)


def test_every_level_of_the_table_has_a_place_in_the_code() -> None:
    for row in rows_of("barlow2006_log_odds"):
        if row["level"]:
            assert row["level"] in LEVELS[row["factor"]], row


def test_unknown_levels_are_the_published_ones() -> None:
    unknown = {name: None for name in REFERENCE if name not in ("age", "menopause")}
    terms = BARLOW_2006.terms(build_women(unknown))
    found = dict(zip(terms.factors, terms.log_relative_risk[0], strict=True))
    # Origin: the published coefficients of the unknown levels; race is Hispanic and race together.
    assert found["race"] == pytest.approx(-0.0640974604363655 - 0.000374344084458271, abs=EXACT)
    assert found["bmi"] == 0.029486281784702
    assert found["first_birth_age"] == 0.0203291275814157
    assert found["breast_biopsy"] == 0.0584668111895277
    assert found["n_relatives"] == -0.0488476975433144
    assert found["hormone_therapy"] == 0.124416799276559
    assert found["menopause_type"] == -0.0603202724478966
    assert found["last_mammogram"] == 0.184030525643851
    assert found["density"] == 1.04487623789699


def test_a_childless_woman_is_nulliparous_and_a_birth_without_age_is_unknown() -> None:
    women = build_women(
        {"parity": 0, "first_birth_age": None},
        {"parity": 2, "first_birth_age": None},
        {"parity": None, "first_birth_age": 30},
    )
    terms = BARLOW_2006.terms(women)
    column = terms.log_relative_risk[:, terms.factors.index("first_birth_age")]
    # Origin: published coefficients of nulliparous, unknown, and first birth at 30 or later.
    np.testing.assert_array_equal(column, [0.163650597324745, 0.0203291275814157, 0.187132064465036])


def test_family_history_alone_counts_as_one_relative_and_is_flagged() -> None:
    women = build_women(
        {"n_relatives": None, "family_history": "yes"}, {"n_relatives": 1}, {"n_relatives": 5}
    )
    answer = BARLOW_2006.assess(women, 1.0)
    assert answer.risk[0] == answer.risk[1] < answer.risk[2]
    np.testing.assert_array_equal(answer.flags["relatives_at_least_one"], [True, False, False])


def test_only_current_hormone_therapy_counts() -> None:
    women = build_women(
        *({"hormone_therapy": told} for told in ("never", "former", "not current", "current"))
    )
    risk = BARLOW_2006.assess(women, 1.0).risk
    assert risk[0] == risk[1] == risk[2] < risk[3]


def test_each_part_answers_for_its_own_ages() -> None:
    women = build_women(
        *({"menopause": "pre", "age": age} for age in (34.9, 35, 54.9, 55)),
        *({"menopause": "post", "age": age} for age in (44.9, 45, 84.9, 85)),
    )
    answer = BARLOW_2006.assess(women, 1.0)
    np.testing.assert_array_equal(np.isfinite(answer.risk), [False, True, True, False] * 2)
    told = answer.reasons["age_outside_menopause"]
    np.testing.assert_array_equal(told, [True, False, False, True] * 2)


def test_unknown_menopause_is_a_reason() -> None:
    answer = BARLOW_2006.assess(build_women({"menopause": None}), 1.0)
    assert answer.reasons["factor_unknown"].tolist() == [True]


def test_a_problem_matters_only_to_the_part_that_uses_the_factor() -> None:
    plain = build_women({"menopause": "pre", "age": 50}, {"age": 50})
    problems = [Problem(row=row, code="bmi", factors=("bmi",), message="told twice") for row in (0, 1)]
    answer = BARLOW_2006.assess(Women(n=2, values=plain.values, problems=problems), 1.0)
    np.testing.assert_array_equal(answer.reasons["factors_contradict"], [False, True])


def test_a_first_birth_of_a_childless_woman_contradicts() -> None:
    answer = BARLOW_2006.assess(build_women({"parity": 0}), 1.0)
    assert answer.reasons["factors_contradict"].tolist() == [True]


def test_the_reader_is_told_what_is_not_confirmed() -> None:
    answer = BARLOW_2006.assess(build_women({}), 1.0)
    assert "in situ" in answer.notes[0]
    assert np.isnan(answer.average[0])
