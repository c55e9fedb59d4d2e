"""What holds for every clinical model: found in the catalogue, asked by what it says of itself.

A model that is added to the catalogue is tested here without another line. `FULL` is a woman of whom
everything is known, in such a way that every factor of every model matters; models are asked about changes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.clinical.catalogue import MODELS
from forescreen.clinical.factors import FACTORS
from forescreen.clinical.model import SHARED_CODES, Assessment, ClinicalModel
from forescreen.clinical.women import Problem, Women

ROOT = Path(__file__).resolve().parents[2]
EXACT = 1e-12

#: Postmenopausal, two births, one biopsy: no model may pass over a factor that it uses.
FULL: dict[str, object] = {
    "age": 52.0,
    "race": "white",
    "height_cm": 165.0,
    "weight_kg": 68.0,
    "bmi": 25.0,
    "menarche_age": 12.0,
    "parity": 2.0,
    "first_birth_age": 24.0,
    "birth_ages": (24.0, 27.0),
    "n_relatives": 1.0,
    "family_history": "yes",
    "n_biopsies": 1.0,
    "breast_biopsy": "yes",
    "atypical_hyperplasia": "no",
    "benign_breast_disease": "yes",
    "menopause": "post",
    "menopause_age": 50.0,
    "menopause_type": "natural",
    "hormone_therapy": "never",
    "hormone_therapy_type": None,
    "oral_contraceptive": "former",
    "alcohol_g_per_day": 5.0,
    "density": "c",
    "last_mammogram": "negative",
}
#: Two answers to one question: unknown together, or told twice.
TWINS = {
    "n_relatives": "family_history",
    "family_history": "n_relatives",
    "n_biopsies": "breast_biopsy",
    "breast_biopsy": "n_biopsies",
}

every_model = pytest.mark.parametrize("model", MODELS.values(), ids=list(MODELS))
woman = st.fixed_dictionaries(
    {
        name: st.none()
        if name == "birth_ages"
        else st.none() | st.sampled_from(factor.levels)
        if factor.levels
        else st.none() | st.sampled_from([0.0, 1.0, 2.0, 3.0])
        if factor.whole
        else st.none() | st.floats(max(factor.lower, 0.0), factor.upper, allow_nan=False)
        for name, factor in FACTORS.items()
    }
)
changes_of_full = st.dictionaries(st.sampled_from(sorted(FULL)), st.none(), max_size=4)


def build_women(rows: Sequence[dict[str, object]], problems: Sequence[Problem] = ()) -> Women:
    values: dict[str, np.ndarray] = {}
    for name, factor in FACTORS.items():
        cells = [row.get(name) for row in rows]
        if name == "birth_ages":
            births = np.full((len(rows), 2), np.nan)
            for i, cell in enumerate(cells):
                births[i, : len(cell or ())] = cell or ()  # type: ignore[arg-type]
            values[name] = births
        elif factor.is_number:
            values[name] = np.array([np.nan if cell is None else cell for cell in cells], dtype=float)
        else:
            places = [-1 if cell is None else factor.levels.index(str(cell)) for cell in cells]
            values[name] = np.array(places, dtype=np.int8)
    return Women(n=len(rows), values=values, problems=problems)


def changed(**changes: object) -> dict[str, object]:
    return {**FULL, **changes}


def shortest(model: ClinicalModel) -> float:
    """The shortest horizon, a year where any horizon above 0 is answered."""
    return model.horizons_years[0] or 1.0


def assess(model: ClinicalModel, rows: Sequence[dict[str, object]]) -> Assessment:
    return model.assess(build_women(rows), shortest(model))


def refused(answer: Assessment, but: Sequence[str] = ()) -> np.ndarray:
    mask = np.zeros(len(answer.risk), dtype=bool)
    for code, women in answer.reasons.items():
        if code not in but:
            mask |= women
    return mask


def check(model: ClinicalModel, answer: Assessment) -> None:
    """What every assessment is."""
    assert answer.model == model.name
    np.testing.assert_array_equal(np.isnan(answer.risk), refused(answer))
    for column in (answer.risk, answer.average, answer.lower, answer.upper):
        known = column[np.isfinite(column)]
        assert ((known >= 0) & (known <= 1)).all()
    assert np.isnan(answer.average[refused(answer)]).all()
    with_limits = np.isfinite(answer.lower)
    np.testing.assert_array_equal(with_limits, np.isfinite(answer.upper))
    assert (answer.lower[with_limits] <= answer.risk[with_limits]).all()
    assert (answer.risk[with_limits] <= answer.upper[with_limits]).all()
    for code, women in {**answer.reasons, **answer.flags}.items():
        assert code in SHARED_CODES or code in model.codes, f"{code} has no words"
        assert women.shape == answer.risk.shape
    for women in answer.flags.values():
        assert not (women & refused(answer)).any(), "a flag of a woman without a risk says nothing"


@every_model
@given(rows=st.lists(woman, min_size=1, max_size=20), horizon_years=st.floats(-1, 100) | st.just(np.nan))
@settings(max_examples=40, deadline=None)
def test_every_woman_has_a_risk_or_a_reason(
    model: ClinicalModel, rows: list[dict[str, object]], horizon_years: float
) -> None:
    women = build_women(rows)
    check(model, model.assess(women, horizon_years))
    answer = model.assess(women, shortest(model))
    check(model, answer)
    terms = model.terms(women)
    assert terms.log_relative_risk.shape == (women.n, len(terms.factors))
    # Terms have no horizon: only reasons of the woman herself leave them out.
    own = refused(answer, but=("horizon_outside", "horizon_past_end"))
    np.testing.assert_array_equal(np.isnan(terms.log_relative_risk).any(axis=1), own)


@every_model
@given(changes=st.lists(changes_of_full, min_size=1, max_size=10), age=st.floats(35, 74))
@settings(max_examples=40, deadline=None)
def test_women_who_are_nearly_fully_known_have_a_risk_or_a_reason(
    model: ClinicalModel, changes: list[dict[str, object]], age: float
) -> None:
    answer = assess(model, [changed(**{"age": age, **change}) for change in changes])
    check(model, answer)


@every_model
def test_the_fully_known_woman_has_a_risk(model: ClinicalModel) -> None:
    answer = assess(model, [FULL])
    assert not answer.reasons
    assert 0 < answer.risk[0] < 0.2
    assert "factors_assumed" not in answer.flags


@every_model
@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_other_women_in_the_table_do_not_matter(model: ClinicalModel, seed: int) -> None:
    rows = [
        changed(density=density, race=race, age=age, parity=parity)
        for density in ("a", "d", None)
        for race in ("white", "black", "other", None)
        for age, parity in ((40.0, 2.0), (60.5, 3.0))
    ]
    order = np.random.default_rng(seed).permutation(len(rows))
    whole = assess(model, rows)
    mixed = assess(model, [rows[i] for i in order])
    np.testing.assert_allclose(mixed.risk, whole.risk[order], rtol=EXACT)
    alone = assess(model, [rows[order[0]]])
    np.testing.assert_allclose(alone.risk[0], whole.risk[order[0]], rtol=EXACT)
    for code, women in whole.reasons.items():
        np.testing.assert_array_equal(mixed.reasons[code], women[order])


@every_model
def test_no_women_have_no_risks(model: ClinicalModel) -> None:
    assert assess(model, []).risk.shape == (0,)
    assert model.terms(build_women([])).log_relative_risk.shape[0] == 0


@every_model
def test_risk_grows_with_the_horizon(model: ClinicalModel) -> None:
    low, high = model.horizons_years
    horizons = np.arange(max(np.ceil(low), 1.0), min(high, 25.0) + 1)
    answer = model.assess(build_women([FULL] * len(horizons)), horizons)
    assert np.isfinite(answer.risk).any()
    known = answer.risk[np.isfinite(answer.risk)]
    assert (np.diff(known) > 0).all()
    if low < high:
        assert len(known) >= 5, "a model of several horizons answers several of them"


@every_model
def test_horizons_outside_are_refused(model: ClinicalModel) -> None:
    low, high = model.horizons_years
    below = np.nextafter(low, -1)
    answer = model.assess(build_women([FULL] * 5), np.array([0.0, -1.0, below, np.nan, high + 1]))
    assert answer.reasons["horizon_outside"].tolist()[:-1] == [True] * 4
    # A model of any horizon says instead that this one ends too late.
    assert refused(answer).all()


@every_model
def test_ages_outside_are_refused(model: ClinicalModel) -> None:
    first, last = model.ages
    answer = assess(model, [changed(age=age) for age in (np.nextafter(first, 0), last, None)])
    assert answer.reasons["age_outside"].tolist() == [True, True, False]
    assert answer.reasons["age_unknown"].tolist() == [False, False, True]


@every_model
def test_populations_outside_are_refused(model: ClinicalModel) -> None:
    levels = FACTORS["race"].levels
    assert set(model.populations) <= set(levels)
    answer = assess(model, [changed(race=level) for level in levels])
    outside = [bool(model.populations) and level not in model.populations for level in levels]
    told = answer.reasons.get("population_outside", np.zeros(len(levels), dtype=bool))
    assert told.tolist() == outside
    assert np.isnan(answer.risk).tolist() == outside


@every_model
def test_a_required_factor_that_is_unknown_is_a_reason(model: ClinicalModel) -> None:
    special = {"age": "age_unknown", "race": "population_unknown"}
    asked = [use.factor for use in model.uses if use.required or use.required_of]
    assert asked
    for factor in asked:
        answer = assess(model, [changed(**{factor: None})])
        code = special.get(factor, "factor_unknown")
        assert answer.reasons[code].tolist() == [True], factor


@every_model
def test_optional_factors_may_be_unknown_and_that_is_flagged(model: ClinicalModel) -> None:
    optional = [use.factor for use in model.uses if not use.required and not use.required_of]
    for factor in optional:
        assert np.isfinite(assess(model, [changed(**{factor: None})]).risk[0]), factor
    answer = assess(model, [changed(**dict.fromkeys(optional))])
    assert np.isfinite(answer.risk[0])
    if any(use.assumed for use in model.uses):
        assert answer.flags["factors_assumed"].tolist() == [True]


@every_model
def test_every_use_says_what_is_assumed_of_a_factor_of_the_vocabulary(model: ClinicalModel) -> None:
    names = [use.factor for use in model.uses]
    assert len(set(names)) == len(names)
    assert set(names) <= set(FACTORS)
    for use in model.uses:
        assert not (use.required and (use.assumed or use.required_of)), use.factor


@every_model
def test_a_factor_that_is_not_used_does_not_matter(model: ClinicalModel) -> None:
    unused = sorted(set(FULL) - {use.factor for use in model.uses})
    assert unused
    alone = assess(model, [changed(**dict.fromkeys(unused))])
    whole = assess(model, [FULL])
    assert alone.risk[0] == whole.risk[0]
    assert set(alone.flags) == set(whole.flags)


@every_model
def test_a_problem_of_a_used_factor_is_a_contradiction_and_another_is_not(model: ClinicalModel) -> None:
    used = [use.factor for use in model.uses]
    problems = [
        Problem(row=row, code="invented", factors=(factor,), message="told twice")
        for row, factor in enumerate(used)
    ]
    unused = sorted(set(FULL) - set(used))[0]
    problems.append(Problem(row=len(used), code="invented", factors=(unused,), message="told twice"))
    women = build_women([FULL] * (len(used) + 1), problems)
    answer = model.assess(women, shortest(model))
    assert answer.reasons["factors_contradict"].tolist() == [True] * len(used) + [False]
    assert np.isfinite(answer.risk[-1])


@every_model
def test_the_terms_order_the_risks_of_women_of_one_age_and_population(model: ClinicalModel) -> None:
    # Alike in age, race and horizon, and far from the ages at which models change.
    rows = [
        changed(density=density, n_relatives=n, family_history="yes" if n else "no", menarche_age=menarche)
        for density in ("a", "b", "c", "d")
        for n in (0.0, 1.0, 2.0)
        for menarche in (11.0, 13.0, 15.0)
    ]
    women = build_women(rows)
    risk = model.assess(women, shortest(model)).risk
    total = model.terms(women).log_relative_risk.sum(axis=1)
    assert np.ptp(total) > 0.05
    for i in range(len(rows)):
        for j in range(len(rows)):
            if abs(total[i] - total[j]) < EXACT:
                assert risk[i] == pytest.approx(risk[j], rel=1e-9)
            elif total[i] - total[j] > 0.01:
                assert risk[i] > risk[j]


@every_model
@pytest.mark.parametrize(
    ("factor", "levels"),
    [
        ("n_relatives", [0.0, 1.0, 2.0, 3.0]),
        ("n_biopsies", [0.0, 1.0, 2.0]),
        ("density", ["a", "b", "c", "d"]),
    ],
)
def test_more_of_a_risk_factor_never_lowers_the_risk(
    model: ClinicalModel, factor: str, levels: list[object]
) -> None:
    twin = TWINS.get(factor)
    told = {twin: None} if twin else {}
    answer = assess(
        model, [changed(**{factor: level, **told}, atypical_hyperplasia=None) for level in levels]
    )
    assert (np.diff(answer.risk) >= -EXACT).all()
    used = any(use.factor == factor for use in model.uses)
    assert (answer.risk[-1] > answer.risk[0]) == used


@every_model
def test_what_a_model_says_of_itself_is_whole(model: ClinicalModel) -> None:
    assert re.fullmatch(r"[a-z0-9-]+", model.name)
    for words in (model.title, model.version, model.event):
        assert words.strip()
    assert 15 <= model.ages[0] < model.ages[1] <= 110
    low, high = model.horizons_years
    assert 0 <= low <= high
    assert high > 0
    assert all(" " in words for words in model.codes.values())


@every_model
def test_a_model_has_references_and_a_page(model: ClinicalModel) -> None:
    listed = set(
        re.findall(r"^- \[(\w+)\]", (ROOT / "docs" / "references.md").read_text("utf-8"), flags=re.M)
    )
    assert model.references
    assert set(model.references) <= listed
    assert (ROOT / "docs" / "methods" / f"{model.name}.md").is_file()
