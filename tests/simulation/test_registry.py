"""The written registry: contract, dates, masking pattern, same bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import ConfigError
from forescreen.files import file_sha256, read_json
from forescreen.simulation.exams import SITES, interval_cancers
from forescreen.simulation.registry import Registry, SimulationConfig, draw_registry, simulate_registry
from forescreen.simulation.screening import Screening

from .registry_builders import build_registry

SMALL = SimulationConfig(n_women=1500, seed=5)
COLUMNS = {
    "women.csv": "woman_id birth_date race family_history breast_biopsy menarche_age parity first_birth_age "
    "death_date follow_up_end",
    "exams.csv": "exam_id woman_id exam_date purpose assessment machine site bmi menopause hormone_therapy "
    "density percent_density",
    "cancers.csv": "woman_id diagnosis_date behaviour size_mm grade",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("registry")
    simulate_registry(SMALL, path)
    return path


def test_the_tables_have_the_columns_of_a_registry_and_no_truth(folder: Path) -> None:
    for name, columns in COLUMNS.items():
        assert list(pd.read_csv(folder / name, nrows=1).columns) == columns.split(), name
    truth = set(pd.read_csv(folder / "truth" / "women.csv", nrows=1).columns)
    assert {"woman_id", "trait", "onset_age"} <= truth
    assert {"exam_id", "dense_fraction", "density_z"} <= set(
        pd.read_csv(folder / "truth" / "exams.csv", nrows=1).columns
    )


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(folder: Path, tmp_path: Path) -> None:
    simulate_registry(SMALL, tmp_path / "again")
    simulate_registry(replace(SMALL, seed=6), tmp_path / "other")
    for file in sorted(folder.rglob("*.csv")):
        name = file.relative_to(folder)
        assert file_sha256(tmp_path / "again" / name) == file_sha256(file), name
        assert file_sha256(tmp_path / "other" / name) != file_sha256(file), name


def test_missing_values_do_not_change_who_falls_ill(folder: Path, tmp_path: Path) -> None:
    simulate_registry(replace(SMALL, missing_density=0.5), tmp_path)
    for name in ("women.csv", "cancers.csv", "truth/women.csv", "truth/exams.csv"):
        assert file_sha256(tmp_path / name) == file_sha256(folder / name), name


def test_dates_are_in_order_for_every_woman(folder: Path) -> None:
    women = pd.read_csv(folder / "women.csv", parse_dates=["birth_date", "death_date", "follow_up_end"])
    exams = pd.read_csv(folder / "exams.csv", parse_dates=["exam_date"])
    cancers = pd.read_csv(folder / "cancers.csv", parse_dates=["diagnosis_date"])
    assert len(women) == women["woman_id"].nunique() == SMALL.n_women
    assert exams["exam_id"].is_unique
    assert cancers["woman_id"].is_unique
    assert set(exams["woman_id"]) == set(women["woman_id"])
    assert women["follow_up_end"].max() == pd.Timestamp("2016-12-31")
    dead = women[women["death_date"].notna()]
    assert (dead["death_date"] == dead["follow_up_end"]).all()
    seen = exams.merge(women, on="woman_id").merge(cancers, on="woman_id", how="left")
    assert (seen["exam_date"] >= pd.Timestamp("2007-01-01")).all()
    assert (seen["exam_date"] <= seen["follow_up_end"]).all()
    screens = seen[seen["purpose"] == "screening"]
    age = (screens["exam_date"] - screens["birth_date"]).dt.days / 365.25
    assert age.min() >= 39.99
    assert age.max() < 75
    with_cancer = seen[seen["diagnosis_date"].notna()]
    assert (with_cancer["exam_date"] <= with_cancer["diagnosis_date"]).all()
    assert (with_cancer["diagnosis_date"] <= with_cancer["follow_up_end"]).all()


def test_screen_detected_cancers_follow_a_positive_screen_by_one_to_eight_weeks(folder: Path) -> None:
    truth = pd.read_csv(folder / "truth" / "exams.csv")
    exams = pd.read_csv(folder / "exams.csv", parse_dates=["exam_date"]).merge(truth, on="exam_id")
    cancers = pd.read_csv(folder / "cancers.csv", parse_dates=["diagnosis_date"])
    screens = exams[exams["purpose"] == "screening"].rename(columns={"woman_id_x": "woman_id"})
    last = screens.groupby("woman_id").tail(1).merge(cancers, on="woman_id")
    positive = last["assessment"].isin([0, 4, 5]) & (last["lesion_stage"] > 0)
    days = (last["diagnosis_date"] - last["exam_date"]).dt.days[positive]
    assert len(days) > 15
    assert days.between(7, 56).all()


def test_a_missed_lesion_is_read_as_negative() -> None:
    registry = build_registry()
    exams = registry.exams
    diagnosed_here = registry.cancers.by_screen[exams.woman]
    ill = exams.screening & (registry.courses.stage_at(exams.woman, exams.age_years) > 0) & ~diagnosed_here
    assert ill.sum() > 100
    # Age is read at the whole day, so a lesion that began on the day itself can be a false positive.
    assert np.isin(exams.assessment[ill], [1, 2, 3]).mean() > 0.99


def test_women_mostly_stay_with_their_site_and_machines_belong_to_it(folder: Path) -> None:
    exams = pd.read_csv(folder / "exams.csv")
    for site, machines in exams.groupby("site")["machine"].unique().items():
        assert set(machines) <= set(SITES[str(site)][1])
    assert exams["site"].nunique() == 4
    most = exams.groupby("woman_id")["site"].agg(lambda sites: sites.value_counts().iloc[0] / len(sites))
    assert most.mean() > 0.9
    assert (most < 1).any()


def test_some_density_values_are_missing(folder: Path) -> None:
    exams = pd.read_csv(folder / "exams.csv")
    assert exams["density"].isna().mean() == pytest.approx(SMALL.missing_density, abs=0.01)
    assert exams["percent_density"].isna().mean() == pytest.approx(SMALL.missing_percent_density, abs=0.015)
    assert exams["bmi"].notna().all()


def test_the_summary_counts_what_is_written(folder: Path) -> None:
    summary = read_json(folder / "registry.json")["summary"]
    exams = pd.read_csv(folder / "exams.csv")
    cancers = pd.read_csv(folder / "cancers.csv")
    women = pd.read_csv(folder / "women.csv")
    assert summary["n_women"] == len(women)
    assert summary["n_exams"] == len(exams)
    assert summary["n_screens"] == (exams["purpose"] == "screening").sum()
    assert summary["n_cancers"] == len(cancers)
    assert summary["n_in_situ"] == (cancers["behaviour"] == "in situ").sum()
    assert summary["n_deaths"] == women["death_date"].notna().sum()
    assert 0 < summary["n_interval"] < summary["n_screen_detected"] < len(cancers)


def index_exams(registry: Registry, chosen: np.ndarray, latest_day: np.ndarray) -> np.ndarray:
    """The last negative screen of each chosen woman up to `latest_day`."""
    exams = registry.exams
    usable = exams.screening & np.isin(exams.assessment, [1, 2, 3]) & chosen[exams.woman]
    usable &= exams.day <= latest_day[exams.woman]
    last = np.full(len(registry.population), -1)
    rows = np.flatnonzero(usable)
    last[exams.woman[rows]] = rows
    return last[last >= 0]


def stratified(
    registry: Registry, cases: np.ndarray, controls: np.ndarray, of_band: Callable[..., tuple[float, float]]
) -> list[tuple[float, float]]:
    age = registry.exams.age_years
    bands = []
    for start in range(40, 75, 5):
        here = cases[(age[cases] >= start) & (age[cases] < start + 5)]
        there = controls[(age[controls] >= start) & (age[controls] < start + 5)]
        bands.append(of_band(here, there))
    return bands


def density_odds_ratio(
    registry: Registry, cases: np.ndarray, controls: np.ndarray, pair: tuple[int, int]
) -> float:
    """Mantel-Haenszel odds ratio of one density category against another, by five-year age bands."""
    category = registry.exams.category

    def products(case: np.ndarray, control: np.ndarray) -> tuple[float, float]:
        exposed, reference = pair
        a, b = np.sum(category[case] == exposed), np.sum(category[case] == reference)
        c, d = np.sum(category[control] == exposed), np.sum(category[control] == reference)
        total = max(1, a + b + c + d)
        return float(a * d / total), float(b * c / total)

    bands = stratified(registry, cases, controls, products)
    return sum(up for up, _ in bands) / sum(down for _, down in bands)


def concordance(registry: Registry, cases: np.ndarray, controls: np.ndarray, value: np.ndarray) -> float:
    """Chance that the case has the higher value, within five-year age bands, one vote per case."""
    woman = registry.exams.woman

    def votes(case: np.ndarray, control: np.ndarray) -> tuple[float, float]:
        ordered = np.sort(value[woman[control]])
        return float(np.sum(np.searchsorted(ordered, value[woman[case]]) / len(ordered))), float(len(case))

    bands = stratified(registry, cases, controls, votes)
    return sum(won for won, _ in bands) / sum(n for _, n in bands)


def build_index_exams() -> tuple[Registry, np.ndarray, np.ndarray, np.ndarray]:
    """Index exams (negative, 6 months or more before diagnosis) of the two case types and of controls."""
    registry = build_registry()
    cancers = registry.cancers
    interval = interval_cancers(registry.exams, cancers)
    by_screen = (cancers.day >= 0) & cancers.by_screen & ~cancers.in_situ
    free = cancers.day < 0
    half_year_before = cancers.day - 183
    # One random calendar limit per control, so that their exams are not the last ones only.
    limit = np.random.default_rng(0).integers(1, 3650, len(free))
    return (
        registry,
        index_exams(registry, by_screen, half_year_before),
        index_exams(registry, interval, half_year_before),
        index_exams(registry, free, limit),
    )


def test_density_is_strong_for_interval_and_weak_for_screen_detected_cancer() -> None:
    """The published pattern [Kerlikowske2018]: extremely dense against scattered, automated BI-RADS,
    interval 5.65 (3.33, 9.60), screen-detected 1.43 (1.14, 1.79)."""
    registry, screen, interval, controls = build_index_exams()
    dense_screen = density_odds_ratio(registry, screen, controls, (3, 1))
    dense_interval = density_odds_ratio(registry, interval, controls, (3, 1))
    assert 1.1 < dense_screen < 1.8
    assert 3.0 < dense_interval < 9.0
    assert dense_interval > 2 * dense_screen
    assert density_odds_ratio(registry, interval, controls, (0, 1)) < 0.8


def test_the_trait_alone_gives_a_concordance_of_about_070_for_both_modes() -> None:
    registry, screen, interval, controls = build_index_exams()
    assert concordance(registry, screen, controls, registry.population.trait) == pytest.approx(0.70, abs=0.03)
    assert concordance(registry, interval, controls, registry.population.trait) == pytest.approx(
        0.70, abs=0.06
    )


def test_200_000_women_give_the_numbers_of_cases_of_the_published_study() -> None:
    # 1609 screen-detected and 351 interval cancers [Kerlikowske2018].
    _, screen, interval, _ = build_index_exams()
    assert len(screen) >= 1609
    assert len(interval) >= 351


def test_interval_cancers_are_larger_and_of_higher_grade_than_screen_detected() -> None:
    registry = build_registry()
    cancers = registry.cancers
    invasive = (cancers.day >= 0) & ~cancers.in_situ
    interval = interval_cancers(registry.exams, cancers)
    by_screen = invasive & cancers.by_screen
    assert np.median(cancers.size_mm[interval]) > 1.4 * np.median(cancers.size_mm[by_screen])
    assert np.mean(cancers.grade[interval] == 3) > 1.2 * np.mean(cancers.grade[by_screen] == 3)


def test_without_effects_neither_trait_nor_density_matters() -> None:
    """A guard for the other tests: with all effects and masking off, concordance is one half."""
    flat = replace(
        SimulationConfig().natural_history,
        trait_effect=0.0,
        density_effect=0.0,
        clinical_effect=0.0,
        masking_slope=0.0,
        in_situ_masking_slope=0.0,
    )
    registry = draw_registry(SimulationConfig(n_women=30_000, seed=9, natural_history=flat))
    ill = registry.cancers.day >= 0
    n_cases = int(ill.sum())
    error = 0.29 / np.sqrt(n_cases)  # standard deviation of a uniform rank
    assert n_cases > 400
    for value in (registry.population.trait, registry.population.density_deviate):
        ordered = np.sort(value[~ill])
        rank = np.searchsorted(ordered, value[ill]).mean() / len(ordered)
        assert rank == pytest.approx(0.5, abs=4 * error)


def test_short_studies_work_and_empty_programmes_are_refused(tmp_path: Path) -> None:
    summary = simulate_registry(SimulationConfig(n_women=300, first_year=2015, last_year=2015), tmp_path)
    assert summary.n_women == 300
    with pytest.raises(ConfigError, match="screening programme to which women come"):
        draw_registry(SimulationConfig(n_women=300, screening=Screening(loss_per_year=1e6, first_timers=1.0)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_women": 0}, "1 to 5000000 women"),
        ({"seed": -1}, "a seed of 0 or more"),
        ({"first_year": 2016, "last_year": 2010}, "a first and a last year"),
        ({"missing_density": 2.0}, "missing_density from 0 to 1"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SimulationConfig(**settings)  # type: ignore[arg-type]
