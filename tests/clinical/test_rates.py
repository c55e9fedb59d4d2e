"""Rates keep their numbers, units and provenance; a wrong file is refused by row."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.rates import RATES, Rates, built_in_rates, read_rates
from forescreen.errors import InputError

EXACT = 1e-12

GOOD = """# name: Utopia
# population: Utopia, women
# years: 2020
# source: invented
# event: invasive breast cancer
# mortality_of: other causes
age_from,age_to,incidence_per_100000,mortality
40,45,120,0.001

45,50,187.5,0.002
"""


def build_file(folder: Path, text: str) -> Path:
    path = folder / "rates.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", RATES)
def test_every_built_in_table_says_where_it_comes_from(name: str) -> None:
    rates = built_in_rates(name)
    assert rates.name == name
    assert rates.event == "invasive breast cancer"
    assert "United States" in rates.population
    assert "not stated" not in (rates.population, rates.source, rates.years)
    assert 0.001 < rates.incidence.max() < 0.01, "per woman-year"


def test_every_table_on_disk_has_a_name() -> None:
    folder = Path(__file__).resolve().parents[2] / "src/forescreen/clinical/tables/rates"
    assert sorted(path.stem for path in folder.glob("*.csv")) == sorted(RATES)


def test_built_in_numbers_are_those_published() -> None:
    # BCRA 2.1.2, BrCa_lambda1 and BrCa_lambda2, ages 20, 50, 85.
    white, average = built_in_rates("bcrat-white"), built_in_rates("bcrat-average-white")
    np.testing.assert_array_equal(white.edges, np.arange(20.0, 91.0, 5.0))
    np.testing.assert_array_equal(white.incidence[[0, 6, 13]], [1e-5, 221.1e-5, 410.9e-5])
    np.testing.assert_array_equal(white.mortality[[0, 6, 13]], [0.000493, 0.003655, 0.144908])
    np.testing.assert_array_equal(average.incidence[[0, 6, 13]], [1.22e-5, 261.54e-5, 401.06e-5])
    # py-icare, iCARE-Lit: age 50; SEER*Explorer 50-54 per 100 000; SSA 2022, q(50) is in the life table.
    assert built_in_rates("icare-lit").incidence[49] == 0.00281773
    seer = built_in_rates("seer-2018-2022")
    assert seer.incidence[seer.edges[:-1] == 50] == 242.0e-5
    assert (built_in_rates("bcrat-black").mortality_of, seer.mortality_of) == ("other causes", "all causes")


def test_bcrat_rates_are_those_of_the_r_package(shared: Path) -> None:
    constants = json.loads((shared / "data/statistics/gail/bcra_2.1.2_constants.json").read_text())
    columns = list(constants["lambda1"])[:-1]
    assert len(columns) == 12
    for name, column in zip(RATES, columns, strict=False):
        rates = built_in_rates(name)
        np.testing.assert_array_equal(rates.incidence, constants["lambda1"][column])
        np.testing.assert_array_equal(rates.mortality, constants["lambda2"][column])


def test_seer_and_icare_rates_are_those_of_their_files(shared: Path) -> None:
    icare, seer = built_in_rates("icare-lit"), built_in_rates("seer-2018-2022")
    folder = shared / "data/statistics"
    for quantity, file in (("incidence", "breast_cancer_incidence"), ("mortality", "all_cause_mortality")):
        with (folder / f"icare/icare_lit_ge50/age_specific_{file}_rates.csv").open() as stream:
            told = {float(row["age"]): float(row["rate"]) for row in csv.DictReader(stream)}
        np.testing.assert_array_equal(getattr(icare, quantity), [told[age] for age in icare.edges[:-1]])
    with (folder / "cohort/seer_misc/ssa_life_table_female_2022.csv").open() as stream:
        dying = {float(row["Age"]): float(row["Death_Probability"]) for row in csv.DictReader(stream)}
    np.testing.assert_allclose(
        -np.expm1(-seer.mortality), [dying[age] for age in seer.edges[:-1]], rtol=1e-8, atol=0
    )


def test_a_users_file_is_read_in_its_units_with_its_provenance(tmp_path: Path) -> None:
    rates = read_rates(build_file(tmp_path, GOOD))
    np.testing.assert_array_equal(rates.edges, [40, 45, 50])
    np.testing.assert_allclose(rates.incidence, [0.0012, 0.001875], rtol=EXACT)
    np.testing.assert_array_equal(rates.mortality, [0.001, 0.002])
    assert (rates.name, rates.population, rates.years, rates.source, rates.mortality_of) == (
        "Utopia",
        "Utopia, women",
        "2020",
        "invented",
        "other causes",
    )


def test_single_years_of_age_without_a_header_are_enough(tmp_path: Path) -> None:
    rates = read_rates(build_file(tmp_path, "﻿mortality_per_100000,age,incidence\n500,50,0\n510,51,0.002\n"))
    np.testing.assert_array_equal(rates.edges, [50, 51, 52])
    np.testing.assert_array_equal(rates.incidence, [0, 0.002])
    assert (rates.name, rates.source, rates.mortality_of) == ("rates", "not stated", "all causes")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "187.5",
            "-1",
            r"rates.csv, row 2 \(line 10\): expected incidence_per_100000 from 0 to 100000, found -1",
        ),
        ("187.5", "nan", r"row 2 \(line 10\).*found nan"),
        ("187.5", "", r"row 2 .*found nothing"),
        ("187.5", "1_875", r"row 2 .*found 1_875"),
        ("0.002", "200", r"row 2 .*expected mortality from 0 to 1, found 200"),
        ("0.002", "0.002,7", r"row 2 .*expected 4 values, found 5"),
        (
            "45,50",
            "46,50",
            r"row 2 .*expected a row from age 45, found a gap: from age 46.*50,55 and then 55,60",
        ),
        ("45,50", "44,50", r"row 2 .*an overlap: from age 44"),
        ("45,50", "35,40", r"row 2 .*ages that fall: from age 35"),
        ("45,50", "45,45", r"row 2 .*expected age_to above age_from, found 45 to 45"),
        ("40,45", "-5,45", r"row 1 .*expected age in years from 0 to 130, found -5"),
        ("other causes", "cancer", "expected mortality_of other causes or all causes, found cancer"),
        ("incidence_per_100000", "rate", "expected columns age .*found age_from, age_to, rate, mortality"),
        ("age_from,age_to", "age,age_to", "expected columns age"),
    ],
)
def test_a_wrong_file_is_refused_by_row(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(InputError, match=message):
        read_rates(build_file(tmp_path, GOOD.replace(old, new)))


def test_ages_of_single_years_are_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row 1 .*expected age in whole years, found 50.5"):
        read_rates(build_file(tmp_path, "age,incidence,mortality\n50.5,0.1,0.1\n"))


def test_files_that_are_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no such file"):
        read_rates(tmp_path / "absent.csv")
    with pytest.raises(InputError, match="found 1 lines"):
        read_rates(build_file(tmp_path, "# name: x\nage,incidence,mortality\n"))
    (tmp_path / "latin.csv").write_bytes("# name: Ö\nage".encode("latin-1"))
    with pytest.raises(InputError, match="in UTF-8, found UnicodeDecodeError"):
        read_rates(tmp_path / "latin.csv")


def test_unknown_built_in_rates_are_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"rates among bcrat-white, .*found narnia.*csv file"):
        built_in_rates("narnia")


def test_rates_made_in_code_are_checked_too() -> None:
    good = {"edges": [40.0, 45.0, 50.0], "incidence": [0.001, 0.002], "mortality": [0.0, 1.0]}
    words = dict.fromkeys(("name", "population", "years", "source", "event"), "x") | {
        "mortality_of": "all causes"
    }

    def build(**changes: list[float]) -> Rates:
        return Rates(**words, **{name: np.array(column) for name, column in (good | changes).items()})

    assert build().edges[-1] == 50
    with pytest.raises(InputError, match="expected ages that rise"):
        build(edges=[40.0, 40.0, 50.0])
    with pytest.raises(InputError, match="2 edges, 2 incidences, 2 mortalities"):
        build(edges=[40.0, 50.0])
    with pytest.raises(
        InputError, match="expected incidence from 0 to 1 per woman-year, found nan from age 45"
    ):
        build(incidence=[0.001, math.nan])


def test_built_in_rates_cannot_be_changed_by_a_caller() -> None:
    with pytest.raises(ValueError, match="read-only"):
        built_in_rates("icare-lit").incidence[0] = 1.0
