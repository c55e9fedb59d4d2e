"""Scores: the same alone and in chunks, continued after a kill, and by the right networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forescreen.errors import ExamError, InputError
from forescreen.models.checkpoint import load_members, load_model
from forescreen.scoring import run as scoring
from forescreen.scoring.run import score_out_of_fold, score_store
from forescreen.scoring.worklist import write_worklist
from forescreen.training.run import train_study
from tests.training.builders import FakeStudy, build_study, tiny_recipe

CLOSE = 1e-5


@pytest.fixture(scope="module")
def study() -> FakeStudy:
    return build_study(48, 5, rows=32, columns=24, missing_share=0.1, held_out_share=0.25)


@pytest.fixture(scope="module")
def model(study: FakeStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    train_study(study.store, study.members, tiny_recipe(), folder, seed=1, n_threads=1)
    return folder


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> tuple[FakeStudy, Path]:
    study = build_study(48, 6, rows=32, columns=24)
    folder = tmp_path_factory.mktemp("crossed")
    train_study(study.store, study.members, tiny_recipe(), folder, seed=1, n_threads=1)
    return study, folder


def test_a_score_is_the_ensembles_and_says_how_many_views_it_had(
    study: FakeStudy, model: Path, tmp_path: Path
) -> None:
    scores = score_store(model, study.store, None, tmp_path / "scores.csv")
    assert tuple(scores.columns) == scoring.COLUMNS
    assert scores["exam_id"].tolist() == list(study.store.exam_ids)
    exam = study.store.exam_ids[7]
    alone = load_model(model)(study.store.exam(exam))
    row = scores.set_index("exam_id").loc[exam]
    assert row["score_screen_detected"] == pytest.approx(alone.screen_detected, abs=CLOSE)
    assert row["score_interval"] == pytest.approx(alone.interval, abs=CLOSE)
    assert row["n_views"] == study.store.present[7].sum()
    assert (scores["n_members"] == 3).all()
    assert (scores["spread_interval"] > 0).all()
    again = pd.read_csv(tmp_path / "scores.csv", dtype={"exam_id": str})
    assert np.allclose(again["score_interval"], scores["score_interval"])


def test_a_killed_run_continues_and_does_not_score_again(
    study: FakeStudy, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score_store(model, study.store, None, tmp_path / "whole.csv")
    monkeypatch.setattr(scoring, "CHUNK", 40)
    real, calls = scoring._score, [0]

    def stops_at_the_third(*given: object) -> pd.DataFrame:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt("at the third chunk")
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "_score", stops_at_the_third)
    with pytest.raises(KeyboardInterrupt, match="third chunk"):
        score_store(model, study.store, None, tmp_path / "scores.csv")
    assert not (tmp_path / "scores.csv").exists()
    found = score_store(model, study.store, None, tmp_path / "scores.csv")
    assert calls[0] == 5  # four chunks of 144 exams; the first two were kept
    assert np.allclose(found["score_interval"], whole["score_interval"], atol=CLOSE)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["scores.csv", "whole.csv"]


def test_a_development_exam_is_scored_by_the_one_network_that_did_not_train_on_it(
    study: FakeStudy, model: Path
) -> None:
    development = study.members[study.members["split"] == "development"]
    scores = score_out_of_fold(model, study.store, development).set_index("exam_id")
    assert set(scores.index) == set(development["exam_id"])
    assert (scores["n_members"] == 1).all()
    row = development.iloc[4]
    own = load_members(model, (f"member-{int(row['fold']):02d}",))(study.store.exam(row["exam_id"]))
    found = scores.loc[row["exam_id"], "score_screen_detected"]
    assert found == pytest.approx(own.screen_detected, abs=CLOSE)


def test_without_a_held_out_part_the_network_that_left_the_fold_out_scores_it(
    crossed: tuple[FakeStudy, Path],
) -> None:
    study, folder = crossed
    scores = score_out_of_fold(folder, study.store, study.members).set_index("exam_id")
    assert len(scores) == len(study.members)
    for fold in range(3):
        row = study.members[study.members["fold"] == fold].iloc[0]
        own = load_members(folder, (f"member-{fold:02d}",))(study.store.exam(row["exam_id"]))
        found = scores.loc[row["exam_id"], "score_interval"]
        assert found == pytest.approx(own.interval, abs=CLOSE)


def test_exams_that_are_not_in_the_store_are_refused(study: FakeStudy, model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="1 of 2 exams that are not in it"):
        score_store(model, study.store, ["e000001", "elsewhere"], tmp_path / "scores.csv")


def test_a_store_on_another_canvas_is_refused(model: Path, tmp_path: Path) -> None:
    other = build_study(2, 1, rows=40, columns=24)
    with pytest.raises(ExamError, match=r"\(4, 32, 24\)"):
        score_store(model, other.store, None, tmp_path / "scores.csv")


def test_the_worklist_ranks_by_any_cancer_and_flags_the_top(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 200
    scores = pd.DataFrame({name: rng.standard_normal(n) for name in scoring.COLUMNS[2:6]})
    scores.insert(0, "exam_id", [f"e{k:03d}" for k in range(n)])
    scores["n_views"] = 4
    worklist = write_worklist(scores, tmp_path / "worklist.csv")
    any_cancer = np.logaddexp(scores["score_screen_detected"], scores["score_interval"])
    assert worklist["exam_id"].iloc[0] == scores["exam_id"].iloc[int(any_cancer.argmax())]
    assert worklist["rank"].tolist() == list(range(1, n + 1))
    assert (worklist["top_share"] == "top 1 %").sum() == 2
    assert (worklist["suggested_use"] == "second reader").sum() == 40
    assert worklist["percentile"].is_monotonic_decreasing
    shuffled = write_worklist(scores.sample(frac=1, random_state=2), tmp_path / "again.csv")
    assert shuffled["exam_id"].tolist() == worklist["exam_id"].tolist()
