"""iCARE-Lit gives R iCARE's risks in mode icare, the population's on average, and none without a reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forescreen.clinical.absolute import Step, absolute_risk
from forescreen.clinical.icare_lit import CUT_AGE, ICARE_LIT, YOUNGEST, IcareLit, reference_sample
from forescreen.clinical.icare_lit_columns import (
    MENOPAUSE_LEVELS,
    PARTS,
    Part,
    coefficients,
    columns_of,
    menopause_bounds,
)
from forescreen.clinical.icare_lit_population import population, sample_of
from forescreen.clinical.model import SHARED_CODES
from forescreen.clinical.periods import Known, Period, split_risk
from forescreen.clinical.rates import built_in_rates
from forescreen.clinical.reference import Rules, baseline_hazards
from forescreen.clinical.women import Problem, Women, from_levels

EXACT = 1e-12
#: The atoms under 50 were fitted to published risks of 13 decimals.
FITTED = 1e-10
#: Predictors are published with 12 decimals.
PUBLISHED = 1e-11
REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "icare_lit.json").read_text())
HEIGHT_TERM = 0.157003749 * 16.229  # terms() are relative to 162.29 cm

COMPLETE: dict[str, list] = {
    "menarche_age": [13.2],
    "parity": [2],
    "first_birth_age": [26],
    "oral_contraceptive": ["former"],
    "alcohol_g_per_day": [6.0],
    "benign_breast_disease": ["no"],
    "n_relatives": [1],
    "height_cm": [168.0],
    "bmi": [24.0],
    "menopause_age": [51.0],
    "hormone_therapy": ["current"],
    "hormone_therapy_type": ["combined"],
}


def build_women(ages: list[float], **changes: list) -> Women:
    columns = {name: cells * len(ages) for name, cells in COMPLETE.items()} | changes
    return from_levels(len(ages), age=ages, **{k: v for k, v in columns.items() if v is not None})


def published_women(part: str, start: float) -> Women:
    """The published profiles in our vocabulary: values at the lower end of their class where it has one."""
    table = REFERENCE[part]["profiles"]
    cells = {name: [row[k] for row in table["rows"]] for k, name in enumerate(table["columns"])}
    lower = {
        "age_at_menarche": {"<=10": 10.9, "11": 11.0, "12": 12.9, ">=16": 16.0},
        "parity": {">=3": 3},
        "age_first_birth": {"<20": 19.9, "20-25": 20.0, "25-30": 25.0, ">=30": 30.0},
        "alcohol_intake": {
            ">0-5": 0.1,
            "5-15": 5.0,
            "15-25": 24.9,
            "25-35": 25.0,
            "35-45": 35.0,
            ">=45": 45.0,
        },
        "bmi_curc": {"<18.5": 18.4, "18.5-25": 18.5, "<25": 24.9, "25-30": 25.0, ">=30": 30.0},
        "age_at_menopause": {"<40": 39.9, "40-45": 40.0, "45-50": 45.0, "50-55": 50.0, ">=55": 55.0},
    }
    number = {k: [float(v.get(cell, cell)) for cell in cells[k]] for k, v in lower.items() if k in cells}
    yes_no = {"0": "no", "1": "yes"}
    current = cells.get("oc_current", ["0"] * len(cells["oc_ever"]))
    columns: dict[str, list] = {
        "menarche_age": number["age_at_menarche"],
        "parity": number["parity"],
        "first_birth_age": [
            None if parity == 0 else age
            for parity, age in zip(number["parity"], number["age_first_birth"], strict=True)
        ],
        "oral_contraceptive": [
            "current" if now == "1" else "former" if ever == "1" else "never"
            for ever, now in zip(cells["oc_ever"], current, strict=True)
        ],
        "alcohol_g_per_day": number["alcohol_intake"],
        "benign_breast_disease": [yes_no[cell] for cell in cells["bbd"]],
        "family_history": [yes_no[cell] for cell in cells["famhist"]],
        "height_cm": [10 * float(cell) for cell in cells["height"]],
        "bmi": number["bmi_curc"],
    }
    if part == "from_50":
        kinds = {"0": "combined", "1": "oestrogen only"}
        columns |= {
            "menopause_age": number["age_at_menopause"],
            "hormone_therapy": cells["hrt"],
            "hormone_therapy_type": [kinds[cell] for cell in cells["hrt_type"]],
        }
    return from_levels(len(table["rows"]), age=[start] * len(table["rows"]), **columns)


def one_risk(years: float = 10, *, model: IcareLit = ICARE_LIT, age: float = 55, **changes: list) -> float:
    return float(model.assess(build_women([age], **changes), years).risk[0])


@pytest.mark.parametrize("part", ["under_50", "from_50"])
def test_against_r_icare_published_profiles(part: str) -> None:
    r = REFERENCE[part]
    women = published_women(part, r["start"])
    found = IcareLit(mode="icare").assess(women, r["years"])
    np.testing.assert_allclose(found.risk, r["risks"][: women.n], rtol=FITTED)
    assert not found.reasons
    assert not found.flags
    total = ICARE_LIT.terms(women).log_relative_risk.sum(axis=1) + HEIGHT_TERM
    np.testing.assert_allclose(total, r["linear_predictors"][: women.n], rtol=0, atol=PUBLISHED)


def published_period(part: str) -> Period:
    name: Part = "under 50" if part == "under_50" else "from 50"
    log_risk = np.array(REFERENCE[part]["linear_predictors"])
    known = Known(offset=log_risk, rule=np.full(log_risk.size, -1), rules=Rules.of([]))
    atoms = population(name).relative_risks
    return Period(baseline=baseline_hazards(built_in_rates("icare-lit"), atoms, mode="icare"), known=known)


@pytest.mark.parametrize("part", ["under_50", "from_50"])
def test_against_r_icare_all_linear_predictors(part: str) -> None:
    r, period = REFERENCE[part], published_period(part)
    n = period.known.offset.size
    found = absolute_risk(
        np.full(n, float(r["start"])),
        np.full(n, float(r["start"] + r["years"])),
        baseline=period.baseline,
        steps=[Step(from_age=float(period.baseline.edges[0]), log_relative_risk=period.known.offset)],
        mode="icare",
    )
    np.testing.assert_allclose(found, r["risks"], rtol=FITTED)


def test_against_r_icare_split_intervals() -> None:
    r = REFERENCE["split"]
    n = len(r["risks"])
    start, end = np.full(n, float(r["start"])), np.full(n, float(r["start"] + r["years"]))
    before, after = published_period("under_50"), published_period("from_50")
    found = split_risk(start, end, cut_age=r["cut"], before=before, after=after, mode="icare")
    np.testing.assert_allclose(found, r["risks"], rtol=FITTED)
    # Deaths before 50 make a difference that iCARE leaves out.
    exact = split_risk(start, end, cut_age=r["cut"], before=before, after=after)
    assert 0.97 < (exact / found).min() < (exact / found).max() < 0.995


def test_against_r_icare_the_spread_of_risks_under_50() -> None:
    r, atoms = REFERENCE["under_50"], population("under 50").relative_risks
    n = atoms.weight.size
    risk = absolute_risk(
        np.full(n, 40.0),
        np.full(n, 50.0),
        baseline=published_period("under_50").baseline,
        steps=[Step(from_age=1.0, log_relative_risk=atoms.log_relative_risk)],
        mode="icare",
    )
    mean = atoms.weight @ risk
    sd = np.sqrt(atoms.weight @ (risk - mean) ** 2 * r["sample"]["n"] / (r["sample"]["n"] - 1))
    assert mean == pytest.approx(r["sample"]["mean"], rel=FITTED)
    assert sd == pytest.approx(r["sample"]["sd"], rel=FITTED)
    assert r["sample"]["min"] < risk.min() < risk.max() < r["sample"]["max"]


@pytest.mark.parametrize(("part", "start", "years"), [("under 50", 20, 30), ("from 50", 50, 20)])
def test_the_mean_risk_over_the_reference_is_the_populations(part: Part, start: float, years: float) -> None:
    atoms = population(part).relative_risks
    n = atoms.weight.size
    rates = built_in_rates("icare-lit")
    risk = absolute_risk(
        np.full(n, start),
        np.full(n, start + years),
        baseline=baseline_hazards(rates, atoms),
        steps=[Step(from_age=1.0, log_relative_risk=atoms.log_relative_risk)],
    )
    average = ICARE_LIT.assess(build_women([start]), years).average[0]
    assert abs(atoms.weight @ risk - average) < 1e-3


def test_an_interval_across_50_uses_both_parts() -> None:
    """The family history counts more under 50, a current oral contraceptive only there."""
    before = one_risk(10, age=40, n_relatives=[1]) / one_risk(10, age=40, n_relatives=[0])
    after = one_risk(10, age=50, n_relatives=[1]) / one_risk(10, age=50, n_relatives=[0])
    across = one_risk(20, age=40, n_relatives=[1]) / one_risk(20, age=40, n_relatives=[0])
    assert after == pytest.approx(np.exp(0.470003629), rel=0.02)
    assert before == pytest.approx(np.exp(0.916290732), rel=0.02)
    assert after < across < before
    assert one_risk(age=50, oral_contraceptive=["current"]) == one_risk(age=50, oral_contraceptive=["former"])
    assert one_risk(age=40, oral_contraceptive=["current"]) > one_risk(age=40, oral_contraceptive=["former"])


def test_a_year_before_and_after_50_is_one_interval() -> None:
    women = build_women([49.0, 49.0, 50.0])
    early, whole, late = ICARE_LIT.assess(women, np.array([1.0, 2.0, 1.0])).risk
    assert whole == pytest.approx(early + (1 - early) * late, rel=0.01)
    assert whole < early + late


def test_what_a_factor_says_about_another_is_used() -> None:
    def flags(**changes: list) -> set[str]:
        return set(ICARE_LIT.assess(build_women([55], **changes), 5).flags)

    assert not flags(parity=[0], first_birth_age=[None])
    assert not flags(hormone_therapy=["never"], hormone_therapy_type=[None])
    assert flags(hormone_therapy=["current"], hormone_therapy_type=[None]) == {"factors_assumed"}
    assert not flags(n_relatives=[None], family_history=["yes"])
    assert not flags(bmi=[None], weight_kg=[70.0])
    assert not flags(hormone_therapy=["not current"])
    assert flags(benign_breast_disease=[None], n_biopsies=[1], breast_biopsy=["yes"]) == {"factors_assumed"}
    made, given_ = one_risk(bmi=[None], weight_kg=[70.0]), one_risk(bmi=[70 / 1.68**2])
    assert made == given_
    assert one_risk(hormone_therapy=["not current"]) == one_risk(hormone_therapy=["never"])


def test_the_first_of_the_births_stands_for_an_unknown_age_at_first_birth() -> None:
    women = build_women([55], first_birth_age=[None])
    births = Women(n=1, values={**women.values, "birth_ages": np.array([[31.0, 26.0]])})
    assert ICARE_LIT.assess(births, 10).risk[0] == one_risk(first_birth_age=[26])


def test_hormone_therapy_before_50_counts_from_50_only() -> None:
    assert one_risk(5, age=44, hormone_therapy=["current"]) == one_risk(5, age=44, hormone_therapy=["never"])
    assert one_risk(12, age=44, hormone_therapy=["current"]) > one_risk(12, age=44, hormone_therapy=["never"])
    assert not ICARE_LIT.assess(build_women([44], hormone_therapy=[None]), 5).flags, "not needed before 50"


@pytest.mark.parametrize("factor", sorted(set(COMPLETE) - {"hormone_therapy_type"}))
@pytest.mark.parametrize("age", [42.0, 58.0])
def test_an_unknown_factor_lies_between_its_extremes_and_is_flagged(factor: str, age: float) -> None:
    extremes: dict[str, list] = {
        "menarche_age": [9, 17],
        "parity": [0, 4],
        "first_birth_age": [18, 35],
        "oral_contraceptive": ["never", "current"],
        "alcohol_g_per_day": [0, 60],
        "benign_breast_disease": ["no", "yes"],
        "n_relatives": [0, 2],
        "height_cm": [140, 190],
        "bmi": [17, 35],
        "menopause_age": [35, 57],
        "hormone_therapy": ["never", "current"],
    }
    low, high = sorted(one_risk(15, age=age, **{factor: [value]}) for value in extremes[factor])
    found = ICARE_LIT.assess(build_women([age], **{factor: [None]}), 15)
    assert low < found.risk[0] < high
    assert found.flags["factors_assumed"][0]
    borrowed = age < CUT_AGE and factor not in {"menopause_age", "hormone_therapy"}
    assert ("reference_borrowed" in found.flags) == borrowed


def test_a_woman_of_whom_nothing_is_known_has_about_the_risk_of_the_population() -> None:
    women = from_levels(4, age=[30.0, 45.0, 50.0, 65.0])
    found = ICARE_LIT.assess(women, 15)
    # Women of high risk have left the population by their age; the reference sample has not lost them.
    np.testing.assert_allclose(found.risk, found.average, rtol=0, atol=1e-3)
    assert (found.risk[1:] > found.average[1:]).all()


def test_women_without_menopause_are_averaged_over_later_ages_at_it() -> None:
    unknown: dict[str, list] = {"menopause_age": [None]}
    either = one_risk(age=52, **unknown)
    pre = one_risk(age=52, **unknown, menopause=["pre"])
    assert one_risk(age=52, menopause_age=[51]) < pre < one_risk(age=52, menopause_age=[56])
    assert either < pre
    late = one_risk(age=56, **unknown, menopause=["pre"])
    assert late == one_risk(age=56, menopause_age=[57]), "only one class is left"
    post = one_risk(age=52, **unknown, menopause=["post"])
    assert post < either
    flags = ICARE_LIT.assess(
        build_women([52, 44, 44], menopause_age=[None] * 3, menopause=["pre"] * 3), [1, 9, 5]
    )
    np.testing.assert_array_equal(flags.flags["menopause_to_come"], [True, True, False])


@settings(deadline=None)
@given(age=st.floats(20, 79.9), pre=st.booleans())
def test_bounds_of_an_unknown_age_at_menopause_hold_her_age(age: float, pre: bool) -> None:
    women = from_levels(1, age=[age], menopause=["pre" if pre else "post"])
    code = int(columns_of(women, "from 50")["age_at_menopause"][0])
    here = sum(age >= edge for edge in (40, 45, 50, 55))
    if code >= 0:
        found = MENOPAUSE_LEVELS.index(coefficients("from 50").levels["age_at_menopause"][code])
        assert found == here == (4 if pre else 0)
    else:
        assert menopause_bounds(code) == ((here, 4) if pre else (0, here))


@pytest.mark.parametrize(
    ("age", "years", "reason"),
    [
        (None, 5, "age_unknown"),
        (19.9, 5, "age_outside"),
        (80.0, 1, "age_outside"),
        (50.0, 0, "horizon_outside"),
        (50.0, float("nan"), "horizon_outside"),
        (76.5, 5, "horizon_past_end"),
    ],
)
def test_a_woman_without_a_risk_has_a_reason(age: float | None, years: float, reason: str) -> None:
    found = ICARE_LIT.assess(from_levels(2, age=[age, 45.0]), np.array([years, 5.0]))
    assert list(found.reasons) == [reason]
    np.testing.assert_array_equal(found.reasons[reason], [True, False])
    np.testing.assert_array_equal(np.isnan(found.risk), [True, False])
    np.testing.assert_array_equal(np.isnan(found.average), [True, False])


def test_a_row_that_contradicts_itself_has_no_risk() -> None:
    women = build_women([55, 55])
    wrong = Problem(row=1, code="made_up", factors=("parity",), message="a made-up contradiction")
    other = Problem(row=0, code="made_up", factors=("density",), message="of a factor that is not used")
    found = ICARE_LIT.assess(Women(n=2, values=women.values, problems=[wrong, other]), 5)
    np.testing.assert_array_equal(found.reasons["factors_contradict"], [False, True])
    assert np.isnan(
        ICARE_LIT.terms(Women(n=2, values=women.values, problems=[wrong])).log_relative_risk[1]
    ).all()


def test_mode_icare_takes_whole_years_only() -> None:
    found = IcareLit(mode="icare").assess(build_women([45, 45.5, 45]), np.array([10, 10, 7.5]))
    np.testing.assert_array_equal(found.reasons["ages_not_whole"], [False, True, True])


def test_a_rounding_error_does_not_end_beyond_the_rates() -> None:
    age = 74.1
    assert ICARE_LIT.assess(build_women([age]), 81.0 - age).risk[0] > 0
    assert "horizon_past_end" in ICARE_LIT.assess(build_women([age]), 6.91).reasons


def test_nobody_and_everybody_are_answered() -> None:
    nobody = ICARE_LIT.assess(from_levels(0, age=[]), 5)
    assert nobody.risk.size == 0
    women = build_women([45.0, 52.0, 48.0], bmi=[None, 22.0, 31.0])
    together = ICARE_LIT.assess(women, 8).risk
    alone = [
        float(ICARE_LIT.assess(build_women([age], bmi=[bmi]), 8).risk[0])
        for age, bmi in ((45.0, None), (52.0, 22.0), (48.0, 31.0))
    ]
    np.testing.assert_allclose(together, alone, rtol=EXACT)


@settings(deadline=None)
@given(
    age=st.floats(20, 79),
    bmi=st.one_of(st.none(), st.floats(15, 50)),
    parity=st.one_of(st.none(), st.integers(0, 6)),
    therapy=st.sampled_from(["never", "former", "current", "not current", None]),
    data=st.data(),
)
def test_risks_are_chances_and_grow_with_the_horizon(
    age: float, bmi: float | None, parity: int | None, therapy: str | None, data: st.DataObject
) -> None:
    first = data.draw(st.floats(0.1, 81 - age - 1e-6))
    second = data.draw(st.floats(first, 81 - age - 1e-6))
    women = build_women(
        [age, age],
        bmi=[bmi] * 2,
        parity=[parity] * 2,
        hormone_therapy=[therapy] * 2,
        first_birth_age=[None] * 2,
    )
    short, long = ICARE_LIT.assess(women, np.array([first, second])).risk
    assert 0 <= short <= long <= 1


def test_terms_add_up_to_the_log_of_the_mean_relative_risk() -> None:
    women = build_women(
        [45.0, 60.0, 60.0, np.nan], bmi=[None, 27.0, None, 25.0], height_cm=[165, None, 170, 160]
    )
    terms = ICARE_LIT.terms(women)
    assert set(terms.factors) - {"unknown factors"} <= {use.factor for use in ICARE_LIT.uses}
    rows = terms.log_relative_risk
    assert np.isnan(rows[3]).all()
    place = terms.factors.index
    assert rows[1, place("n_relatives")] == pytest.approx(0.470003629)
    assert rows[0, place("n_relatives")] == pytest.approx(0.916290732)
    assert rows[1, place("bmi")] == pytest.approx(0.122217633)
    assert rows[1, place("hormone_therapy")] == pytest.approx(0.783901544 - 0.126794300), (
        "with the interaction"
    )
    assert rows[2, place("height_cm")] == pytest.approx(0.157003749 * (17.0 - 16.229))
    assert rows[1, place("height_cm")] == 0
    # Unknown body mass: between its least and largest effect among current users.
    known = [
        ICARE_LIT.terms(build_women([60.0], bmi=[b], height_cm=[170])).log_relative_risk.sum()
        for b in (20, 35)
    ]
    assert min(known) - 0.15 < rows[2].sum() < max(known) + 0.15


def test_a_relative_risk_of_a_small_hazard_is_the_exponential_of_its_terms() -> None:
    """Over a short interval at 50 the risk is proportional to exp(Σ terms), unknown factors included."""
    women = build_women([50.0] * 3, bmi=[22.0, None, 22.0], n_relatives=[0, 0, None])
    risk = ICARE_LIT.assess(women, 0.01).risk
    total = ICARE_LIT.terms(women).log_relative_risk.sum(axis=1)
    np.testing.assert_allclose(risk / risk[0], np.exp(total - total[0]), rtol=1e-4)


def build_reference(n: int = 3000) -> Women:
    rng = np.random.default_rng(5)
    parity = rng.integers(0, 4, n).astype(float)
    values = {
        "age": rng.uniform(50, 75, n),
        "menarche_age": rng.uniform(9, 17, n),
        "parity": parity,
        "first_birth_age": np.where(parity > 0, rng.uniform(17, 40, n), np.nan),
        "oral_contraceptive": rng.integers(0, 3, n).astype(np.int8),
        "alcohol_g_per_day": rng.exponential(5, n),
        "benign_breast_disease": rng.integers(0, 2, n).astype(np.int8),
        "n_relatives": (rng.random(n) < 0.15).astype(float),
        "height_cm": rng.normal(163, 6, n),
        "bmi": rng.normal(27, 5, n).clip(15, 60),
        "menopause_age": rng.uniform(38, 57, n),
        "hormone_therapy": rng.integers(0, 3, n).astype(np.int8),
        "hormone_therapy_type": rng.integers(0, 2, n).astype(np.int8),
    }
    return Women(n=n, values=values)


def test_a_reference_sample_of_ones_own_gives_baseline_and_averages() -> None:
    people = build_reference()
    model = IcareLit(under_50=sample_of(people, "under 50"), from_50=sample_of(people, "from 50"))
    found = model.assess(people, 5)
    assert float(found.risk.mean()) == pytest.approx(float(found.average.mean()), rel=0.03)
    assert abs(float(ICARE_LIT.assess(people, 5).risk.mean()) / float(found.average.mean()) - 1) > 0.05
    unknown = model.assess(build_women([42.0, 60.0], height_cm=[None, None]), 5)
    assert set(unknown.flags) == {"factors_assumed"}, "nothing is borrowed"
    nothing = model.assess(from_levels(1, age=[50.0]), 5)
    assert nothing.risk[0] == pytest.approx(nothing.average[0], rel=0.01)
    total = model.terms(build_women([60.0], height_cm=[None])).log_relative_risk
    assert np.isfinite(total).all()


def test_women_with_unknown_factors_are_left_out_of_a_reference_sample() -> None:
    women = build_women([60.0, 61.0], bmi=[None, 25.0])
    sample = sample_of(women, "from 50", np.array([3.0, 2.0]))
    np.testing.assert_array_equal(sample.weight, [2.0])


def test_every_term_is_in_exactly_one_block() -> None:
    for part in PARTS:
        names = [term.name for block in population(part).blocks for term in block.model.terms]
        assert sorted(names) == sorted(term.name for term in coefficients(part).terms)
        for block in population(part).blocks:
            assert block.weight.sum() == pytest.approx(1, abs=1e-9)
        assert population(part).relative_risks.weight.sum() == pytest.approx(1, abs=EXACT)


def test_every_code_is_in_words() -> None:
    women = build_women([42.0, 19.0], menopause_age=[None, None], menopause=["pre", "pre"], bmi=[None, None])
    found = ICARE_LIT.assess(women, 15)
    assert set(found.flags) | set(found.reasons) <= set(SHARED_CODES) | set(ICARE_LIT.codes)
    assert ICARE_LIT.ages[0] == YOUNGEST


def test_against_py_icares_sample_the_atoms_are_the_sample(shared: Path) -> None:
    folder = shared / "data" / "statistics" / "icare" / "icare_lit_ge50"
    sample = reference_sample(folder / "reference_covariate_data_ge50.csv", "from 50")
    own = IcareLit(mode="icare", from_50=sample)
    women = published_women("from_50", 50.0)
    built_in = IcareLit(mode="icare").assess(women, 20).risk
    np.testing.assert_allclose(own.assess(women, 20).risk, built_in, rtol=EXACT)
    # Blocks taken as independent against iCARE's classes of the same sample, one factor unknown at a time,
    # for a woman in the middle: at the ends a class is wide, and iCARE gives her its mean.
    for factor in sorted(set(COMPLETE) - {"hormone_therapy_type"}):
        changes = {"n_relatives": [0], "hormone_therapy": ["former"], factor: [None]}
        unknown = build_women([55.0], **changes)
        shares, classes = (
            IcareLit(mode="icare", from_50=s).assess(unknown, 10).risk[0] for s in (None, sample)
        )
        assert shares == pytest.approx(classes, rel=0.05), factor
