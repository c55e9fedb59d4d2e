"""Tables as shown and as stored."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from forescreen.report.tables import KEYS, all_tables, write_tables

from .builders import build_estimate, build_main, build_results


def first_row(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as stream:
        return next(csv.DictReader(stream))


def test_every_section_of_a_complete_study_has_its_table() -> None:
    assert tuple(all_tables(build_results())) == KEYS


def test_an_empty_study_has_no_tables() -> None:
    assert all_tables({}) == {}


@pytest.mark.parametrize("key", [key for key in KEYS if key not in ("roc", "distributions")])
def test_every_row_and_head_fills_the_table(key: str) -> None:
    table = all_tables(build_results())[key]
    assert len(table.rows) > 0
    for row in table.rows:
        assert row.heading or len(row.cells) == len(table.columns)
    assert sum(cell.columns for cell in table.head[0]) == table.n_columns
    below = sum(cell.columns for cell in table.head[0] if cell.kind == "group")
    assert len(table.head) == 1 or sum(cell.columns for cell in table.head[1]) == below


def test_our_numbers_stand_beside_the_published_ones_and_the_units_are_stated() -> None:
    table = all_tables(build_results())["main"]
    row = next(row for row in table.rows if row.cells[0].text == "Image score")
    assert [cell.text for cell in row.cells[1:]] == ["0.66", "0.66", "1.79", "1.25"]
    assert row.cells[2].tail == "(0.63, 0.69)"
    labels = [column.label for column in table.columns]
    assert "This study, per control SD" in labels
    assert "Published, unit not stated" in labels


def test_a_published_model_without_counterpart_keeps_its_row() -> None:
    table = all_tables(build_results(main=build_main()[:1]))["main"]
    names = [row.cells[0].text for row in table.rows]
    assert "Published combined score" in names


def test_without_a_published_study_its_columns_are_not_there() -> None:
    table = all_tables(build_results(published=[]))["main"]
    assert [column.label for column in table.columns] == ["Model", "This study", "This study, per control SD"]
    assert [cell.text for cell in table.rows[1].cells] == ["Image score", "0.66", "1.79"]


def test_an_unmatched_study_counts_cases_and_not_sets() -> None:
    table = all_tables(build_results(study={"design": "unmatched"}))["main"]
    assert table.rows[0].cells[0].text == "Screen-detected cancer (418 cases, 1\u202f254 exams)"


def test_models_on_different_women_are_not_passed_over() -> None:
    rows = build_main()
    rows[0]["n_sets"] = 417
    notes = all_tables(build_results(main=rows))["main"].notes
    assert "Screen-detected cancer: the models were not all evaluated on the same women." in notes


def test_a_null_estimate_is_a_dash_on_the_page_and_empty_in_the_csv(tmp_path: Path) -> None:
    rows = build_main()[:1]
    rows[0]["odds_ratio"] = None
    tables = all_tables(build_results(main=rows, published=[]))
    assert tables["main"].rows[1].cells[2].text == "–"
    write_tables(tables, tmp_path)
    assert first_row(tmp_path / "main.csv")["odds_ratio"] == ""


def test_the_csv_holds_full_precision(tmp_path: Path) -> None:
    rows = build_main()[:1]
    rows[0]["concordance"] = build_estimate(0.6612345678901234)
    write_tables(all_tables(build_results(main=rows, published=[])), tmp_path)
    assert float(first_row(tmp_path / "main.csv")["concordance"]) == 0.6612345678901234


def test_a_suppressed_cell_shows_neither_count_nor_figure_even_if_the_results_hold_them(
    tmp_path: Path,
) -> None:
    cell = {"variable": "race", "level": "Other", "model": "image", "case_type": "interval"}
    hidden = cell | {"concordance": build_estimate(0.71234), "n_sets": 7, "suppressed": True}
    tables = all_tables(build_results(subgroups=[hidden]))
    assert [c.text for c in tables["subgroups"].rows[1].cells] == ["race: Other", "few", "–"]
    write_tables(tables, tmp_path)
    stored = first_row(tmp_path / "subgroups.csv")
    assert (stored["n_sets"], stored["concordance"], stored["suppressed"]) == ("", "", "True")


def test_predictive_values_are_a_table_of_their_own_only_where_they_exist() -> None:
    without = [row | {"ppv": None} for row in build_results()["capture"]]
    assert "ppv" not in all_tables(build_results(capture=without))


def test_a_table_that_this_run_has_not_is_removed(tmp_path: Path) -> None:
    write_tables(all_tables(build_results()), tmp_path)
    write_tables(all_tables(build_results(capture=[])), tmp_path)
    assert not (tmp_path / "capture.csv").exists()
    assert not (tmp_path / "ppv.csv").exists()
    assert (tmp_path / "main.csv").exists()


def test_levels_of_a_factor_stand_under_its_name_and_short_rows_are_filled() -> None:
    section = {
        "columns": [{"label": "Controls", "n": 3}, {"label": "Cases", "n": None}],
        "rows": [
            {"label": "Age", "level": None, "values": ["50.1 ± 2.0"]},
            {"label": "Density", "level": "a", "values": ["1280 (40 %)", "20145"]},
            {"label": "Density", "level": "b", "values": ["3", None]},
        ],
    }
    table = all_tables({"table1": section})["table1"]
    shown = [tuple(cell.text for cell in row.cells) for row in table.rows]
    levels = [("a", "1\u202f280 (40 %)", "20\u202f145"), ("b", "3", "–")]
    assert shown == [("Age", "50.1 ± 2.0", "–"), ("Density",), *levels]
    assert [column.label for column in table.columns] == ["Characteristic", "Controls\nn = 3", "Cases"]
