"""py-icare's files give py-icare's numbers, with unknown cells, weights and a cut age too."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.icare_files import ModelFiles, RateFiles, read_rate_files, risks_from_files
from forescreen.errors import ConfigError, FactorError, InputError

EXACT = 1e-12
SAME_ALGORITHM = 1e-9
#: The distributed log odds ratios have 7 digits and the mortality 3; R used the unrounded ones.
ROUNDED_INPUT = 3e-6

PARITY = "C(parity, levels=['0', '1', '>=2'])"
HRT = "C(hrt, levels=[0, 1])"
COEFFICIENTS = {
    f"{PARITY}[T.1]": -0.1,
    f"{PARITY}[T.>=2]": -0.3,
    "height": 0.2,
    "C(smoking)[T.ever]": 0.15,
    f"{HRT}[T.1]:height": 0.05,
}


def build_files(folder: Path, *, seed: int = 1, n: int = 400, **changes: str) -> ModelFiles:
    rng = np.random.default_rng(seed)
    rows = ["id,parity,height,smoking,hrt,w"]
    for k in range(n):
        parity = rng.choice(["0", "1", ">=2"])
        smoking, hrt = rng.choice(["never", "ever"]), rng.integers(0, 2)
        rows.append(f"R{k},{parity},{rng.normal(16, 0.7):.6f},{smoking},{hrt},{rng.uniform(0.5, 2):.4f}")
    texts = {"model.json": json.dumps(COEFFICIENTS), "reference.csv": "\n".join(rows) + "\n"} | changes
    for name, text in texts.items():
        (folder / name).write_text(text)
    return ModelFiles(
        coefficients=folder / "model.json", reference=folder / "reference.csv", weight_column="w"
    )


def build_rates(folder: Path) -> RateFiles:
    incidence = "age,rate\n" + "".join(f"{age},{age * 2e-5}\n" for age in range(0, 85))
    mortality = "start_age,end_age,rate\n0,40,0.04\n40,60,0.1\n60,80,0.4\n"
    (folder / "incidence.csv").write_text(incidence)
    (folder / "mortality.csv").write_text(mortality)
    return RateFiles(incidence=folder / "incidence.csv", mortality=folder / "mortality.csv")


def build_profiles(folder: Path, *rows: str, name: str = "profiles.csv") -> Path:
    (folder / name).write_text("id,parity,height,smoking,hrt\n" + "\n".join(rows) + "\n")
    return folder / name


class ByTheLetter:
    """iCARE's algorithm as loops over ages and women, for the made-up model above."""

    def __init__(self, folder: Path, *, reference: str = "reference.csv") -> None:
        lines = [line.split(",") for line in (folder / reference).read_text().split()[1:]]
        self.women = [(p, float(h), s, int(t)) for _, p, h, s, t, _ in lines]
        self.weight = np.array([float(line[5]) for line in lines])
        self.score = np.array([self.terms(*woman) for woman in self.women])
        complete = self.score.sum(axis=1)
        incidence = [age * 2e-5 for age in range(85)]
        mean = [np.average(np.exp(complete), weights=self.weight)] * 85
        change = 1.0
        while change >= 1e-3:
            cumulated, new = 0.0, []
            for rate, before in zip(incidence, mean, strict=True):
                share = self.weight * np.exp(-np.exp(complete) * cumulated)
                new.append(float(np.sum(share * np.exp(complete)) / np.sum(share)))
                cumulated += rate / before
            change = sum(abs(a - b) for a, b in zip(new, mean, strict=True))
            mean = new
        self.hazard = [rate / m for rate, m in zip(incidence, mean, strict=True)]
        self.complete = complete

    @staticmethod
    def terms(parity: str, height: float, smoking: str, hrt: float) -> list[float]:
        return [
            {"0": 0.0, "1": -0.1, ">=2": -0.3}.get(parity, math.nan),
            0.2 * height,
            {"never": 0.0, "ever": 0.15}.get(smoking, math.nan),
            0.05 * hrt * height,
        ]

    def risk(self, log_risk: float, start: int, end: int) -> float:
        total, passed = 0.0, 0.0
        for age in range(start, end):
            mortality = 0.001 if age < 40 else 0.005 if age < 60 else 0.02
            hazard = self.hazard[age] * math.exp(log_risk)
            total += hazard * math.exp(-passed)
            passed += hazard + mortality
        return total

    def mean_risk(self, terms: list[float], start: int, end: int) -> float:
        known = [k for k, term in enumerate(terms) if not math.isnan(term)]
        partial, mine = self.score[:, known].sum(axis=1), sum(terms[k] for k in known)
        cuts = np.quantile(partial, np.linspace(0, 1, 101))
        decimals = math.floor(math.log10(1000 / np.std(cuts)))
        cuts = [*np.unique(np.floor(cuts * 10**decimals) / 10**decimals), math.inf]
        k = max(i for i, cut in enumerate(cuts) if cut <= mine)
        inside = (partial >= cuts[k]) & (partial < cuts[k + 1])
        risks = [self.risk(score, start, end) for score in self.complete[inside]]
        return float(np.average(risks, weights=self.weight[inside]))


def test_known_and_unknown_profiles_are_icares_by_the_letter(tmp_path: Path) -> None:
    model, rates = build_files(tmp_path), build_rates(tmp_path)
    profiles = build_profiles(
        tmp_path, "a,>=2,16.2,ever,1", "b,,16.5,never,0", "c,1,15.9,,1", "d,0,,ever,1", "e,1,,,0"
    )
    letter = ByTheLetter(tmp_path)
    nan = math.nan
    expected = [
        letter.risk(sum(letter.terms(">=2", 16.2, "ever", 1)), 50, 65),
        letter.mean_risk(letter.terms("", 16.5, "never", 0), 50, 65),
        letter.mean_risk(letter.terms("1", 15.9, "", 1), 50, 65),
        letter.mean_risk(letter.terms("0", nan, "ever", nan), 50, 65),
        letter.mean_risk(letter.terms("1", nan, "", nan), 50, 65),
    ]
    found = risks_from_files(profiles, model, rates=rates, start_age=50, years=15, mode="icare")
    np.testing.assert_allclose(found.risk, expected, rtol=EXACT)
    np.testing.assert_array_equal(found.averaged, [False, True, True, True, True])


def test_two_models_meet_at_the_cut_as_in_icare(tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    early, late = build_files(tmp_path), build_files(tmp_path / "late", seed=2)
    rates = build_rates(tmp_path)
    profiles = build_profiles(tmp_path, "a,>=2,16.2,ever,1", "b,0,15.1,ever,0", "c,0,17.1,never,0")
    later = build_profiles(tmp_path, "a,1,16.2,never,0", "b,,15.1,ever,0", "c,0,17.1,never,1", name="2.csv")
    found = risks_from_files(
        profiles,
        early,
        rates=rates,
        start_age=[40, 45, 50],
        years=[20, 10, 10],
        cut_age=50,
        model_after=late,
        profiles_after=later,
        mode="icare",
    )
    first, second = ByTheLetter(tmp_path), ByTheLetter(tmp_path / "late")
    before = first.risk(sum(first.terms(">=2", 16.2, "ever", 1)), 40, 50)
    after = second.risk(sum(second.terms("1", 16.2, "never", 0)), 50, 60)
    assert found.risk[0] == pytest.approx(before + (1 - before) * after, rel=EXACT)
    before = first.risk(sum(first.terms("0", 15.1, "ever", 0)), 45, 50)
    after = second.mean_risk(second.terms("", 15.1, "ever", 0), 50, 55)
    assert found.risk[1] == pytest.approx(before + (1 - before) * after, rel=EXACT)
    assert found.risk[2] == pytest.approx(
        second.risk(sum(second.terms("0", 17.1, "never", 1)), 50, 60), rel=EXACT
    )
    np.testing.assert_array_equal(found.averaged, [False, True, False])
    assert found.linear_predictor_after is not None
    assert found.linear_predictor_after[0] == pytest.approx(-0.1 + 0.2 * 16.2, abs=EXACT)


def test_modes_differ_by_about_half_a_years_hazard(tmp_path: Path) -> None:
    model, rates = build_files(tmp_path), build_rates(tmp_path)
    profiles = build_profiles(tmp_path, "a,>=2,16.2,ever,1")
    exact, icare = (
        risks_from_files(profiles, model, rates=rates, start_age=50, years=15, mode=mode).risk[0]
        for mode in ("exact", "icare")
    )
    assert exact != icare
    assert exact == pytest.approx(icare, rel=0.01)


def test_rates_of_age_groups_are_divided_by_their_years(tmp_path: Path) -> None:
    rates = read_rate_files(build_rates(tmp_path))
    assert rates.mortality[39:41].tolist() == [0.001, 0.005]
    assert rates.mortality[80] == 0, "an age that the file lacks"
    assert rates.edges[[0, -1]].tolist() == [0, 85]


def test_ages_without_a_rate_are_not_covered(tmp_path: Path) -> None:
    model, rates = build_files(tmp_path), build_rates(tmp_path)
    rates.mortality.write_text("age,rate\n" + "".join(f"{a},0.01\n" for a in range(60)) + "60,\n61,\n")
    profiles = build_profiles(tmp_path, "a,>=2,16.2,ever,1")
    assert risks_from_files(profiles, model, rates=rates, start_age=50, years=10).risk.size == 1
    with pytest.raises(InputError, match=r"mortality.csv: expected ages from 0 to 60"):
        risks_from_files(profiles, model, rates=rates, start_age=50, years=11)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,incidence\n1,2\n", "columns age, rate or start_age, end_age, rate, found age, incidence"),
        (
            "age,rate\n1,0.1\n3,0.1\n",
            "row 2: expected whole years of age without gaps and overlaps, found age 3",
        ),
        ("age,rate\n1.5,0.1\n", "whole years"),
        ("start_age,end_age,rate\n1,5,0.1\n4,8,0.1\n", "row 2"),
        ("age,rate\n1,x\n", "numbers in every cell"),
        ("age,rate\n1,\n", "expected rates, found none"),
        ("age,rate\n", "found no rows"),
        ("age,rate\n1,0.1,3\n", "row 1: expected 2 cells"),
        ("age,rate\n1,-0.1\n", "incidence from 0 to 1"),
    ],
)
def test_rates_that_are_none_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "rates.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_rate_files(RateFiles(incidence=tmp_path / "rates.csv"))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"model.json": "[1]"}, ConfigError, "log odds ratios by name of term, found list"),
        ({"model.json": "{"}, ConfigError, "a json file"),
        ({"model.json": '{"other": 1}'}, InputError, "reference.csv: expected columns other, found no other"),
        (
            {"reference.csv": "id,parity,height,smoking,hrt,w\nA,1,,ever,0,1\nB,0,16,never,0,1\n"},
            FactorError,
            r"reference.csv, row 1, height: expected a reference sample without unknown cells",
        ),
        (
            {"reference.csv": "id,parity,height,smoking,hrt,w\nA,1,15,ever,0,x\nB,0,16,never,0,1\n"},
            InputError,
            "weights of 0 or more",
        ),
        (
            {"reference.csv": "id,parity,height,smoking,hrt\nA,1,15,ever,0\nB,0,16,never,0\n"},
            InputError,
            "reference.csv, w: expected a column of weights",
        ),
        (
            {"reference.csv": "id,parity,height,smoking,hrt,w\nA,7,15,ever,0,1\nB,0,16,never,0,1\n"},
            FactorError,
            r"reference.csv, row 1: expected parity one of 0, 1, >=2, found 7",
        ),
    ],
)
def test_model_files_that_do_not_fit_are_refused(
    tmp_path: Path, changes: dict[str, str], error: type[Exception], message: str
) -> None:
    model, rates = build_files(tmp_path, **changes), build_rates(tmp_path)
    profiles = build_profiles(tmp_path, "a,>=2,16.2,ever,1")
    with pytest.raises(error, match=message):
        risks_from_files(profiles, model, rates=rates, start_age=50, years=10)


def test_settings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    model, rates = build_files(tmp_path), build_rates(tmp_path)
    one = build_profiles(tmp_path, "a,>=2,16.2,ever,1")
    two = build_profiles(tmp_path, "a,>=2,16.2,ever,1", "b,0,16,ever,0", name="two.csv")
    with pytest.raises(InputError, match="cut_age: expected a cut age with a second model"):
        risks_from_files(one, model, rates=rates, start_age=50, years=10, model_after=model)
    with pytest.raises(InputError, match=r"two.csv: expected 1 profiles, as before the cut, found 2"):
        risks_from_files(one, model, rates=rates, start_age=45, years=10, cut_age=50, profiles_after=two)
    with pytest.raises(
        InputError, match="start_age: expected one finite number for all or one for each of 1"
    ):
        risks_from_files(one, model, rates=rates, start_age=[50, 51], years=10)
    with pytest.raises(InputError, match="whole years for mode icare"):
        risks_from_files(one, model, rates=rates, start_age=50.5, years=10, mode="icare")
    with pytest.raises(InputError, match="expected a file in UTF-8, found FileNotFoundError"):
        risks_from_files(tmp_path / "none.csv", model, rates=rates, start_age=50, years=10)


#: Profiles with unknown cells for the BPC3 model, and what the functions of py-icare 1.0.0 (MIT) give for
#: them from 50 over 30 years: risk and linear predictor.
BPC3_UNKNOWN = """\
id,family_history,age_at_menarche,parity,age_at_first_child_birth,age_at_menopause,height,bmi,menopause_hrt,menopause_hrt_e,menopause_hrt_c,current_hrt,alcohol_consumption,smoking_status
1,,,,,,,,,0,,,,
2,0,,0,,,,,,0,,0,,
3,,>=15,,,<=40,,,,,0,,,never
4,0,,,<=19,,,>=34.6,,,,,none,ever
5,,,0,19-22,,1.63-1.65,24.2-25.3,,,,,,
6,0,<=11,0,<=19,51-52,<=1.55,>=34.6,,0,0,0,none,ever
7,,,,,,,,,,,,,
"""
BPC3_UNKNOWN_RISKS = [
    0.09499574292746393,
    0.10081672704072961,
    0.0776427529809102,
    0.09886482961588522,
    0.11236909966670623,
    0.10827089434481998,
    0.09599208261646094,
]
BPC3_UNKNOWN_PREDICTORS = [
    -0.12817600658304826,
    -0.048741928787248756,
    -0.33056197541721866,
    -0.06656618594425086,
    0.061591836065217447,
    0.03999662451748258,
    -0.11593447266145575,
]


def bpc3(folder: Path) -> tuple[ModelFiles, RateFiles]:
    model = ModelFiles(
        coefficients=folder / "breast_cancer_model_log_odds_ratios.json",
        reference=folder / "reference_covariate_data.csv",
    )
    rates = RateFiles(
        incidence=folder / "age_specific_breast_cancer_incidence_rates.csv",
        mortality=folder / "age_specific_all_cause_mortality_rates.csv",
    )
    return model, rates


def test_against_r_icare_bpc3(shared: Path) -> None:
    folder = shared / "data" / "statistics" / "icare" / "bpc3"
    model, rates = bpc3(folder)
    found = risks_from_files(
        folder / "query_covariate_profile.csv", model, rates=rates, start_age=50, years=30, mode="icare"
    )
    # R iCARE 1.38, repository jeyabbalas/py-icare, tests/r_reference/expected/bpc3_covariate_only.json
    risks = [0.1109485212459, 0.08207015213814, 0.1208937468448]
    np.testing.assert_allclose(found.risk, risks, rtol=0, atol=ROUNDED_INPUT)
    np.testing.assert_allclose(
        found.linear_predictor, [0.079359588, -0.23831417, 0.170878808], rtol=0, atol=2e-7
    )


def test_against_py_icare_unknown_factors(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "statistics" / "icare" / "bpc3"
    model, rates = bpc3(folder)
    (tmp_path / "profiles.csv").write_text(BPC3_UNKNOWN)
    found = risks_from_files(
        tmp_path / "profiles.csv", model, rates=rates, start_age=50, years=30, mode="icare"
    )
    np.testing.assert_allclose(found.risk, BPC3_UNKNOWN_RISKS, rtol=EXACT)
    np.testing.assert_allclose(found.linear_predictor, BPC3_UNKNOWN_PREDICTORS, rtol=0, atol=EXACT)


def test_against_r_icare_lit_from_50(shared: Path) -> None:
    folder = shared / "data" / "statistics" / "icare" / "icare_lit_ge50"
    expected = json.loads((folder / "expected_covariate_only_ge50.json").read_text())
    found = risks_from_files(
        folder / "query_profiles_ge50.csv",
        ModelFiles(
            coefficients=folder / "model_log_odds_ratios_ge50.json",
            reference=folder / "reference_covariate_data_ge50.csv",
        ),
        rates=RateFiles(
            incidence=folder / "age_specific_breast_cancer_incidence_rates.csv",
            mortality=folder / "age_specific_all_cause_mortality_rates.csv",
        ),
        start_age=expected["age_start"],
        years=expected["age_interval_length"],
        mode="icare",
    )
    np.testing.assert_allclose(found.risk, expected["risks"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(found.linear_predictor, expected["linear_predictors"], rtol=0, atol=1e-10)
