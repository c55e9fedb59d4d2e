"""Members and scores of the study's own stages: faulty tables are refused by row."""

from __future__ import annotations

from pathlib import Path

import pytest

from forescreen.errors import InputError
from forescreen.evaluation.tables_in import read_columns, read_members, read_scores


def members_csv(folder: Path, **cells: str) -> Path:
    row = {"woman_id": "w", "exam_id": "e", "set_id": "s", "outcome": "interval", "age": "50"} | cells
    path = folder / "members.csv"
    path.write_text(f"{','.join(row)}\n{','.join(row.values())}\n")
    return path


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"age": "old"}, "numbers in age"),
        ({"weight": "inf"}, "numbers in weight"),
        ({"split": "dev"}, "split one of"),
        ({"exam_id": ""}, "exam_id in every row"),
        ({"outcome": "maybe"}, "outcome one of"),
    ],
)
def test_faulty_members_are_refused_by_row(tmp_path: Path, cells: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        read_members(members_csv(tmp_path, **cells))
    assert "row 2" in str(refused.value)


def test_a_member_listed_twice_is_refused(tmp_path: Path) -> None:
    members = members_csv(tmp_path)
    members.write_text(members.read_text() + members.read_text().splitlines()[1] + "\n")
    with pytest.raises(InputError, match="each exam once in a set"):
        read_members(members)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exam_id,score\ne,0.5\n", "score_screen_detected"),
        ("exam_id,score_screen_detected,score_interval\ne,1,2,7\n", "(?i)length"),
        ("exam_id,score_screen_detected,score_interval\ne,inf,2\n", "numbers in score_screen_detected"),
        ("exam_id,score_screen_detected,score_interval\ne,1,2\ne,1,2\n", "one row per exam"),
    ],
)
def test_scores_that_would_be_misread_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "scores.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_scores(tmp_path / "scores.csv")


@pytest.mark.parametrize("text", ["", "exam_id\n", "exam_id,other\ne,1\n"])
def test_a_peer_file_that_lacks_its_column_or_rows_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "peer.csv").write_text(text)
    with pytest.raises(InputError, match=r"peer\.csv"):
        read_columns(tmp_path / "peer.csv", ("exam_id", "risk"))
