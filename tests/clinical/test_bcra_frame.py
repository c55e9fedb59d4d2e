"""The frame of the R package BCRA: what it accepts is answered with its numbers, what it refuses is refused.

Origin of the numbers: the example data of BCRA 2.1.2 and its output in R, 15 digits; rules of the package for
odd values: its manual (recode.check) and what it does with them.
"""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.clinical.bcra_frame import COLUMNS, BcraFrame, bcra_frame, read_bcra_frame
from forescreen.clinical.bcrat import BCRAT
from forescreen.clinical.model import Assessment
from forescreen.clinical.rates import built_in_rates
from forescreen.errors import FactorError

EXACT = 1e-12

#: The 26 rows, and R's RR_Star1, RR_Star2, AbsRisk, AbsRiskAvg (in %); empty where Error_Ind is 1.
EXAMPLE = """ID,T1,T2,N_Biop,HypPlas,AgeMen,Age1st,N_Rels,Race,RR1,RR2,risk,average
1,45.2,53.3,99,99,10,20,1,0,,,,
2,45.2,53.3,99,1,10,20,1,1,,,,
3,45.2,53.3,99,0,10,20,1,2,,,,
4,45.2,53.3,0,99,10,20,1,3,1.48962181812145,1.48962181812145,1.86859687830433,1.64722199153175
5,45.2,53.3,1,99,10,20,1,4,5.49260367149501,4.11796832691355,4.44129446296421,1.76728627198426
6,45.2,53.3,1,99,14,19,1,5,4.00494710983735,4.00494710983735,1.76935628416397,1.01112639839831
7,45.2,53.3,99,99,99,19,1,6,2.20749047180781,2.20749047180781,1.249550474885,1.164420770759
8,45.2,53.3,1,1,14,19,1,7,6.98195498172325,6.98195498172325,5.77567590434044,1.72794246087979
9,45.2,53.3,99,1,14,99,1,8,,,,
10,45.2,53.3,1,0,14,19,1,9,3.56770227088056,3.56770227088056,3.90606305710754,2.26138487824348
11,45.2,53.3,99,0,99,99,1,10,,,,
12,45.2,53.3,0,0,14,19,1,11,,,,
13,45.2,53.3,0,99,10,20,1,12,,,,
14,45.2,53.3,0,1,10,20,1,0,,,,
15,45.2,53.3,0,0,10,20,1,1,,,,
16,45.2,53.3,1,0,10,20,1,2,2.34578174167726,2.09735608309976,2.68990404389926,1.64785280400764
17,35,40,4,99,11,25,0,3,1.38946002090792,1.38946002090792,0.316282706195766,0.303811263354311
18,35,40,4,99,11,98,0,4,5.38599137276916,3.02743711994694,1.02298019251626,0.281411653747293
19,35,40,4,99,11,10,0,5,,,,
20,35,40,4,99,36,25,0,6,,,,
21,27,90,99,99,13,22,0,7,1.42102047641751,1.42102047641751,8.82766887411449,12.2075779769356
22,27,90,99,99,13,22,99,8,1.42102047641751,1.42102047641751,6.76784804053789,9.42446786473576
23,18,26,99,99,13,22,99,9,,,,
24,27,26,99,99,13,22,99,10,,,,
25,85,91,99,99,13,22,99,11,,,,
26,86,90,99,99,13,22,99,12,,,,
"""

WHY_NOT = {
    1: {"race_code"},
    2: {"hyperplasia_without_biopsies"},
    3: {"hyperplasia_without_biopsies"},
    9: {"hyperplasia_without_biopsies"},
    11: {"hyperplasia_without_biopsies"},
    12: {"hyperplasia_without_biopsies"},
    13: {"race_code"},
    14: {"hyperplasia_without_biopsies", "race_code"},
    15: {"hyperplasia_without_biopsies"},
    19: {"first_birth_before_menarche"},
    20: {"menarche_after_age", "first_birth_before_menarche"},
    23: {"age_outside", "first_birth_after_age"},
    24: {"horizon_outside"},
    25: {"horizon_past_end"},
    26: {"race_code"},
}

ROW = {
    "ID": 7,
    "T1": 45,
    "T2": 50,
    "N_Biop": 0,
    "HypPlas": 99,
    "AgeMen": 12,
    "Age1st": 25,
    "N_Rels": 0,
    "Race": 1,
}


def build_frame(*rows: dict[str, float]) -> BcraFrame:
    return bcra_frame(pd.DataFrame([ROW | row for row in rows]))


def assess(frame: BcraFrame) -> Assessment:
    return BCRAT.assess(frame.women, frame.horizon_years)


def relative_risk(**row: float) -> float:
    return float(np.exp(BCRAT.terms(build_frame(row).women).log_relative_risk.sum()))


def reasons_of(assessment: Assessment, row: int) -> set[str]:
    return {code for code, mask in assessment.reasons.items() if mask[row]}


def test_the_26_example_rows_have_r_s_results() -> None:
    table = pd.read_csv(io.StringIO(EXAMPLE))
    frame = bcra_frame(table)
    found = assess(frame)
    np.testing.assert_allclose(100 * found.risk, table["risk"], rtol=EXACT)
    np.testing.assert_allclose(100 * found.average, table["average"], rtol=EXACT)
    for row in range(26):
        assert reasons_of(found, row) == WHY_NOT.get(row + 1, set())
    assert frame.ids == tuple(str(number) for number in range(1, 27))


def test_the_terms_of_the_example_rows_add_up_to_r_s_relative_risk() -> None:
    table = pd.read_csv(io.StringIO(EXAMPLE))
    total = np.exp(BCRAT.terms(bcra_frame(table).women).log_relative_risk.sum(axis=1))
    younger = bcra_frame(table.assign(T1=np.where(table["risk"].notna(), 49.9, table["T1"]))).women
    older = bcra_frame(table.assign(T1=np.where(table["risk"].notna(), 50.0, table["T1"]))).women
    valid = table["risk"].notna().to_numpy()
    np.testing.assert_allclose(total[valid], table["RR1"][valid], rtol=EXACT)  # all start before 50
    for women, column in ((younger, "RR1"), (older, "RR2")):
        terms = BCRAT.terms(women).log_relative_risk
        np.testing.assert_allclose(np.exp(terms.sum(axis=1))[valid], table[column][valid], rtol=EXACT)


def test_the_example_file_as_r_writes_it_gives_the_same(shared: Path) -> None:
    folder = shared / "data/statistics/gail"
    found = assess(read_bcra_frame(folder / "exampledata.csv"))
    output = pd.read_csv(folder / "bcra_2.1.2_exampledata_R_output.csv")
    np.testing.assert_allclose(100 * found.risk, output["AbsRisk"], rtol=EXACT)
    np.testing.assert_array_equal(np.isnan(found.risk), output["Error_Ind"] == 1)


@pytest.mark.parametrize(
    ("row", "risk", "average"),
    [
        # Groups that no valid example row has; recomputed year by year from the constants of BCRA 2.1.2.
        (
            {
                "T1": 47.25,
                "T2": 61.5,
                "N_Biop": 3,
                "HypPlas": 1,
                "AgeMen": 11,
                "Age1st": 31,
                "N_Rels": 1,
                "Race": 1,
            },
            19.77264703641303,
            3.7352502874242828,
        ),
        ({"T1": 50, "T2": 55, "AgeMen": 99, "Age1st": 99, "Race": 1}, 0.6320790021608432, 1.288555468277291),
        (
            {"T1": 21.5, "T2": 36.75, "N_Biop": 1, "HypPlas": 0, "Age1st": 98, "N_Rels": 50, "Race": 10},
            0.8960580431323084,
            0.28300045286691955,
        ),
        (
            {"T1": 49.9, "T2": 89.95, "N_Biop": 2, "AgeMen": 14, "Age1st": 24, "N_Rels": 2, "Race": 11},
            18.157467272018557,
            4.445852953329781,
        ),
    ],
)
def test_groups_without_a_valid_example(row: dict[str, float], risk: float, average: float) -> None:
    found = assess(build_frame(row))
    assert 100 * found.risk[0] == pytest.approx(risk, rel=EXACT)
    assert 100 * found.average[0] == pytest.approx(average, rel=EXACT)


# The published rules once more, for one woman at a time and year by year, to be held against the columns.
B_WHITE = (0.5292641686, 0.0940103059, 0.2186262218, 0.9583027845, -0.2880424830, -0.1908113865)
B_ASIAN = (0.55263612260619, 0.07499257592975, 0.27638268294593, 0.79185633720481, 0, 0)
BETA = {
    1: B_WHITE,
    2: (0.1822121131, 0.2672530336, 0, 0.4757242578, -0.1119411682, 0),
    3: (0.0970783641, 0, 0.2318368334, 0.166685441, 0, 0),
    4: B_WHITE,
    5: (0.4798624017, 0.2593922322, 0.4669246218, 0.9076679727, 0, 0),
} | dict.fromkeys(range(6, 12), B_ASIAN)
F = {
    1: (0.5788413, 0.5788413),
    2: (0.72949880, 0.74397137),
    3: (0.749294788397, 0.778215491668),
    4: (0.5788413, 0.5788413),
    5: (0.428864989813, 0.450352338746),
} | dict.fromkeys(range(6, 12), (0.47519806426735, 0.50316401683903))
RATES_OF = ("white", "black", "hispanic-us-born", "other", "hispanic-foreign-born", "chinese", "japanese")
RATES_OF = (*RATES_OF, "filipino", "hawaiian", "pacific-islander", "other-asian")


def plain_risk(row: dict[str, float]) -> float | None:
    """In %; None where the package has an error. Whole codes only."""
    t1, t2, biopsies, hyperplasia, menarche, birth, relatives, race = (row[name] for name in COLUMNS[1:])
    if t1 < 20 or t1 >= 90 or t2 <= t1 or t2 > 90 or not 1 <= race <= 11:
        return None
    if biopsies in (0, 99) and hyperplasia != 99:
        return None
    if menarche != 99 and menarche > t1:
        return None
    if race != 2 and birth < 98 and (birth > t1 or (menarche != 99 and birth < menarche)):
        return None
    nb = 0 if biopsies == 99 else min(biopsies, 1 if race in (3, 5) else 2)
    am = 0 if menarche >= 14 else 1 if menarche >= 12 else 2
    if race == 2:
        am = min(am, 1)
    if race in (3, 5):
        af = {98: 2, 99: 0}.get(birth, 0 if birth < 20 else 1 if birth < 30 else 2)
    else:
        af = {98: 2, 99: 0}.get(birth, 0 if birth < 20 else 1 if birth < 25 else 2 if birth < 30 else 3)
    nr = 0 if relatives == 99 else min(relatives, 2 if race in (1, 2, 4) else 1)
    beta = BETA[int(race)]
    log = nb * beta[0] + am * beta[1] + af * beta[2] + nr * beta[3] + af * nr * beta[5]
    log += math.log({0: 0.93, 1: 1.82, 99: 1.0}[hyperplasia])
    rates = built_in_rates(f"bcrat-{RATES_OF[int(race) - 1]}")
    terms, passed, age = [], 0.0, t1
    while age < t2:
        end = min(math.floor(age) + 1, t2)
        relative = F[int(race)][age >= 50] * math.exp(log + nb * beta[4] * (age >= 50))
        event = rates.incidence[int(age) // 5 - 4] * relative
        both = event + rates.mortality[int(age) // 5 - 4]
        terms.append(event / both * math.exp(-passed) * -math.expm1(-both * (end - age)))
        passed += both * (end - age)
        age = end
    return 100 * math.fsum(terms)


def build_profiles(n: int, *, fractional: bool) -> pd.DataFrame:
    generator = np.random.default_rng(n)
    start = generator.uniform(20, 89, n) if fractional else generator.integers(18, 92, n)
    end = (
        start + generator.uniform(0.01, 1, n) * (90 - start) if fractional else generator.integers(20, 92, n)
    )
    biopsies = generator.choice([0, 1, 2, 3, 50, 98, 99], n)
    told = (biopsies > 0) & (biopsies < 99)
    return pd.DataFrame(
        {
            "ID": np.arange(n),
            "T1": start,
            "T2": end,
            "N_Biop": biopsies,
            "HypPlas": np.where(told | (generator.random(n) < 0.1), generator.choice([0, 1, 99], n), 99),
            "AgeMen": generator.choice([5, 9, 11, 11.5, 12, 13, 14, 15, 20, 40, 99], n),
            "Age1st": generator.choice([16, 19, 19.9, 20, 24, 24.9, 25, 29, 30, 33, 55, 98, 99], n),
            "N_Rels": generator.choice([0, 1, 2, 3, 50, 98, 99], n),
            "Race": np.arange(n) % 11 + 1 if fractional else generator.integers(0, 13, n),
        }
    )


@pytest.mark.parametrize(("n", "fractional"), [(264 * 4, True), (2000, False)])
def test_profiles_of_all_groups_are_those_of_the_plain_rules(n: int, fractional: bool) -> None:
    table = build_profiles(n, fractional=fractional)
    found = assess(bcra_frame(table))
    expected = np.array([plain_risk(row) for row in table.to_dict("records")], dtype=float)
    np.testing.assert_array_equal(np.isnan(found.risk), np.isnan(expected))
    np.testing.assert_allclose(100 * found.risk, expected, rtol=EXACT)
    assert 0.2 < np.isfinite(expected).mean() < 1


def test_values_are_classed_at_their_bounds() -> None:
    white = dict(zip(("biopsies", "menarche", "birth", "relatives"), B_WHITE, strict=False))
    base = relative_risk(T1=45, AgeMen=14, Age1st=19)
    assert base == 1
    for menarche, times in ((14, 0), (13.9, 1), (12, 1), (11.9, 2), (5, 2), (40, 0), (99, 0)):
        assert relative_risk(AgeMen=menarche, Age1st=98) == pytest.approx(
            math.exp(times * white["menarche"] + 2 * white["birth"]), rel=EXACT
        )
    for birth, times in (
        (19.9, 0),
        (20, 1),
        (24.9, 1),
        (25, 2),
        (29.9, 2),
        (30, 3),
        (45, 3),
        (98, 2),
        (99, 0),
    ):
        assert relative_risk(AgeMen=14, Age1st=birth) == pytest.approx(
            math.exp(times * white["birth"]), rel=EXACT
        )
    for number, times in ((0, 0), (1, 1), (2, 2), (3, 2), (50, 2), (98, 2), (99, 0), (2.5, 2)):
        assert relative_risk(AgeMen=14, Age1st=99, N_Rels=number) == pytest.approx(
            math.exp(times * white["relatives"]), rel=EXACT
        )
        assert relative_risk(AgeMen=14, Age1st=99, N_Biop=number) == pytest.approx(
            math.exp(times * white["biopsies"]), rel=EXACT
        )


def test_for_bcra_odd_numbers_of_biopsies_are_two_or_more() -> None:
    two = relative_risk(N_Biop=2)
    assert [relative_risk(N_Biop=odd) for odd in (0.5, 1.5, -1, 60, 120)] == [two] * 5
    assert relative_risk(N_Biop=120, HypPlas=1) == pytest.approx(1.82 * two, rel=EXACT)


@pytest.mark.parametrize(
    ("race", "row", "same"),
    [
        (3, {"N_Biop": 2}, {"N_Biop": 1}),
        (5, {"N_Rels": 3}, {"N_Rels": 1}),
        (5, {"Age1st": 25}, {"Age1st": 20}),
        (5, {"Age1st": 98}, {"Age1st": 30}),
        (3, {"AgeMen": 9}, {"AgeMen": 15}),
        (2, {"AgeMen": 9}, {"AgeMen": 13}),
        (2, {"Age1st": 98}, {"Age1st": 20}),
        (6, {"N_Rels": 2}, {"N_Rels": 1}),
        (11, {"N_Rels": 98}, {"N_Rels": 1}),
    ],
)
def test_classes_that_a_group_does_not_tell_apart(
    race: int, row: dict[str, float], same: dict[str, float]
) -> None:
    assert relative_risk(Race=race, **row) == relative_risk(Race=race, **same)
    other = 1 if race != 1 else 2
    if row not in ({"AgeMen": 9},):
        assert relative_risk(Race=other, **row) != relative_risk(Race=other, **same)


@pytest.mark.parametrize(
    ("row", "codes"),
    [
        ({"T1": 19.99, "Age1st": 98}, {"age_outside"}),
        ({"T1": 90, "T2": 91}, {"age_outside"}),
        ({"T2": 45}, {"horizon_outside"}),
        ({"T2": 90.01}, {"horizon_past_end"}),
        ({"HypPlas": 0}, {"hyperplasia_without_biopsies"}),
        ({"N_Biop": 99, "HypPlas": 2}, {"hyperplasia_without_biopsies"}),
        ({"N_Biop": 1, "HypPlas": 2}, {"hyperplasia_code"}),
        ({"AgeMen": 45.5, "Age1st": 98}, {"menarche_after_age"}),
        ({"AgeMen": 0}, {"menarche_code"}),
        ({"AgeMen": 26}, {"first_birth_before_menarche"}),
        ({"Age1st": 45.5}, {"first_birth_after_age"}),
        ({"Age1st": 98.5}, {"first_birth_code", "first_birth_after_age"}),
        ({"Age1st": 100}, {"first_birth_code", "first_birth_after_age"}),
        ({"N_Rels": 1.5}, {"relatives_code"}),
        ({"N_Rels": -1}, {"relatives_code"}),
        ({"N_Rels": 100}, {"relatives_code"}),
        ({"Race": 1.5}, {"race_code"}),
        ({"N_Biop": math.nan}, {"value_missing"}),
        ({"N_Biop": 1, "HypPlas": math.nan}, {"value_missing"}),
        ({"Race": math.nan}, {"value_missing"}),
        ({"T1": math.nan}, {"value_missing", "age_unknown", "horizon_outside"}),
        ({"T2": math.nan}, {"horizon_outside"}),
        # what R accepts
        ({"T1": 20, "Age1st": 98}, set()),
        ({"T1": 89.99, "T2": 90}, set()),
        ({"T1": 27.3, "T2": 90}, set()),
        ({"AgeMen": 45, "Age1st": 45}, set()),
        ({"AgeMen": 99, "Age1st": 0}, set()),
        ({"AgeMen": 25, "Age1st": 25}, set()),
        ({"HypPlas": math.nan}, set()),
        ({"Race": 2, "Age1st": 60}, set()),
        ({"Race": 2, "Age1st": math.nan}, set()),
        ({"Race": 2, "Age1st": 10}, set()),
    ],
)
def test_a_row_is_refused_where_r_refuses_it_and_says_why(row: dict[str, float], codes: set[str]) -> None:
    found = assess(build_frame({}, row))
    assert reasons_of(found, 1) == codes
    assert np.isnan(found.risk[1]) == bool(codes)
    assert not reasons_of(found, 0)
    assert codes <= set(BCRAT.codes) | {"age_unknown"}


def test_problems_name_column_and_row() -> None:
    (problem,) = build_frame({}, {"Race": 12}).women.problems
    assert (problem.row, problem.factors) == (1, ("race",))
    assert problem.message == "column Race, row 3: the race code is none of 1 to 11"


def test_files_as_r_writes_them_are_read_and_other_columns_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "frame.csv").write_text(
        '"Site","ID","T1","T2","N_Biop","HypPlas","AgeMen","Age1st","N_Rels","Race"\n'
        '"x",a1,45, 50,0,99,12,25,0,1\n"y",a2,45,50,NA,99,12,25,0,1\n'
    )
    frame = read_bcra_frame(tmp_path / "frame.csv")
    assert frame.ids == ("a1", "a2")
    np.testing.assert_array_equal(np.isnan(assess(frame).risk), [False, True])


def test_a_frame_that_is_none_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame([ROW, ROW])
    with pytest.raises(
        FactorError, match=r"expected columns ID, T1, .*found none named AgeMen, Race.*commas"
    ):
        bcra_frame(table.drop(columns=["Race", "AgeMen"]))
    with pytest.raises(FactorError, match="column T1, row 3: expected a number, found other text"):
        bcra_frame(table.assign(T1=["45", "Smith"]))
    with pytest.raises(FactorError, match="no such file"):
        read_bcra_frame(tmp_path / "absent.csv")
    (tmp_path / "frame.csv").write_bytes(b"")
    with pytest.raises(FactorError, match="expected a comma-separated table in UTF-8, found EmptyDataError"):
        read_bcra_frame(tmp_path / "frame.csv")
