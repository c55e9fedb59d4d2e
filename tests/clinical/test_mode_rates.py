"""Rates by mode: every table says where it comes from and in which unit; no share is assumed."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from forescreen.clinical.mode_rates import read_mode_rates, split_by_share, write_mode_rates
from forescreen.clinical.rates import built_in_rates
from forescreen.errors import InputError

HEAD = "# source: a registry\n# population: women of a town\n# years: 2015-2019\n"
BY_MODE = "age_from,age_to,incidence_screen_detected,incidence_interval,mortality\n"


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    return path


def test_rates_per_100000_and_per_woman_year_are_the_same_rates(tmp_path: Path) -> None:
    plain = read_mode_rates(table(tmp_path, HEAD + BY_MODE + "40,50,0.002,0.001,0.003\n"))
    of_many = read_mode_rates(
        table(
            tmp_path,
            HEAD + "age_from,age_to,incidence_screen_detected_per_100000,incidence_interval_per_100000,"
            "mortality_per_100000\n40,50,200,100,300\n",
        )
    )
    for rates in (plain, of_many):
        assert rates.screen_detected.tolist() == [[0.002]]
        assert rates.interval.tolist() == [[0.001]]
        assert rates.competing.tolist() == [[0.003]]
    assert plain.since_years.tolist() == [0, math.inf]
    assert (plain.population, plain.years, plain.source) == ("women of a town", "2015-2019", "a registry")


def test_a_table_by_years_since_the_exam_comes_back_as_it_was_written(tmp_path: Path) -> None:
    text = HEAD + "year_from,year_to," + BY_MODE
    text += "1,2,50,60,.003,.0004,.004\n0,1,40,50,.0004,.002,.001\n"
    text += "0,1,50,60,.0005,.001,.004\n1,2,40,50,.002,.0003,.001\n"
    rates = read_mode_rates(table(tmp_path, text))
    assert rates.edges.tolist() == [40, 50, 60]
    assert rates.since_years.tolist() == [0, 1, 2]
    assert rates.screen_detected.tolist() == [[0.0004, 0.0005], [0.002, 0.003]]
    write_mode_rates(tmp_path / "again.csv", rates)
    again = read_mode_rates(tmp_path / "again.csv")
    for name in ("edges", "since_years", "screen_detected", "interval", "other", "competing"):
        assert np.array_equal(getattr(rates, name), getattr(again, name))
    assert again.source == rates.source


def test_rates_without_periods_come_back_too(tmp_path: Path) -> None:
    rates = read_mode_rates(table(tmp_path, HEAD + BY_MODE + "40,50,0.002,0.001,0.003\n"))
    write_mode_rates(tmp_path / "again.csv", rates)
    assert read_mode_rates(tmp_path / "again.csv").since_years.tolist() == [0, math.inf]


def test_a_share_splits_the_incidence_and_its_source_is_kept(tmp_path: Path) -> None:
    text = HEAD + "# interval_share_source: an article\nage_from,age_to,incidence,interval_share,mortality\n"
    rates = read_mode_rates(table(tmp_path, text + "40,50,0.004,0.25,0.003\n"))
    assert rates.interval.tolist() == [[0.001]]
    assert rates.screen_detected.tolist() == [[0.003]]
    assert rates.source == "a registry; share of interval cancers: an article"


def test_cancers_of_neither_mode_are_kept_apart(tmp_path: Path) -> None:
    text = (
        HEAD + BY_MODE.replace("mortality", "incidence_other,mortality") + "40,50,0.002,0.001,0.0005,0.003\n"
    )
    rates = read_mode_rates(table(tmp_path, text))
    assert rates.other.tolist() == [[0.0005]]
    assert rates.competing.tolist() == [[0.003]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BY_MODE + "40,50,0.002,0.001,0.003\n", "Rates without provenance make no risk"),
        (HEAD + BY_MODE + "40,50,0.002,0.001,0.003\n55,60,0.002,0.001,0.003\n", "without gaps"),
        (HEAD + BY_MODE + "40,50,200,100,0.003\n", "rates.csv, row 5"),
        (HEAD + BY_MODE + "40,50,,0.001,0.003\n", "rates.csv, row 5"),
        (HEAD + BY_MODE + "40,50,-0.1,0.001,0.003\n", "rates.csv, row 5"),
        (HEAD + BY_MODE, "at least one row"),
        (HEAD + "age_from,age_to,incidence,mortality\n40,50,0.004,0.003\n", "interval_share"),
        (HEAD + "age_from,age_to,incidence,interval_share,mortality\n40,50,0.004,0.3,0.003\n",
         "interval_share_source"),
        (HEAD + "age_from,age_to,incidence_screen_detected,incidence_interval\n40,50,0.1,0.1\n",
         "no mortality"),
        (HEAD + "age_from,age_to,incidence_all,mortality\n40,50,0.004,0.003\n", "'incidence_all'"),
        (HEAD + BY_MODE + "40,50,0.002,0.001,0.003\n40,50,0.002,0.001,0.003\n", "once in every period"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        read_mode_rates(table(tmp_path, text))
    assert says in str(caught.value)


def test_rates_of_any_cancer_are_split_by_a_share_with_a_source() -> None:
    rates = built_in_rates("seer-2018-2022")
    split = split_by_share(rates, interval_share=0.25, share_source="an article")
    assert np.array_equal(split.incidence.sum(axis=0)[0], rates.incidence)
    assert split.interval[0] == pytest.approx(rates.incidence / 4)
    with pytest.raises(InputError, match="where the share of interval cancers comes from"):
        split_by_share(rates, interval_share=0.25, share_source=" ")
    with pytest.raises(InputError, match="from 0 to 1"):
        split_by_share(rates, interval_share=25.0, share_source="an article")
