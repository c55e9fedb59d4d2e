"""Tables as shown and as stored."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from forescreen.report.table import Table
from forescreen.report.tables import KEYS, all_tables, write_tables

from .builders import build_estimate, build_main, build_results
from .evaluation_builders import build_costs, build_evaluation

#: Tables of a study with its own models, in the order of the page.
STUDY_TABLES = (
    "flow",
    "table1",
    "missing",
    "main",
    "comparisons",
    "mode_comparisons",
    "factor_odds_ratios",
    "capture",
    "ppv",
    "subgroups",
    "roc",
    "distributions",
    "training",
    "refused",
    "provenance",
)
#: Tables that only the csv files hold.
NOT_SHOWN = ("roc", "distributions", "calibration_groups", "calibration_curves")


def first_row(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as stream:
        return next(csv.DictReader(stream))


def test_every_section_of_a_complete_study_has_its_table() -> None:
    assert tuple(all_tables(build_results())) == STUDY_TABLES


def test_every_section_of_an_evaluation_has_its_table_in_the_order_of_the_page() -> None:
    found = tuple(all_tables(build_evaluation(capture=build_costs())))
    left = {"flow", "factor_odds_ratios", "training", "refused"}
    assert found == tuple(key for key in KEYS if key not in left)


def test_an_empty_study_has_no_tables() -> None:
    assert all_tables({}) == {}


@pytest.fixture(scope="module")
def tables() -> dict[str, Table]:
    """Every table there is, those of the evaluation before those of the study."""
    return all_tables(build_results()) | all_tables(build_evaluation(capture=build_costs()))


@pytest.mark.parametrize("key", [key for key in KEYS if key not in NOT_SHOWN])
def test_every_row_and_head_fills_the_table(key: str, tables: dict[str, Table]) -> None:
    table = tables[key]
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


def texts(table: Table) -> list[tuple[str, ...]]:
    """What the page shows of a table: text and interval of every cell."""
    return [tuple(f"{cell.text} {cell.tail}".strip() for cell in row.cells) for row in table.rows]


def test_models_stand_side_by_side_with_discrimination_first() -> None:
    table = all_tables(build_evaluation())["head_to_head"]
    assert [column.label.replace("\n", " ") for column in table.columns] == [
        "Model",
        "AUC",
        "Captured by the top 10\u202f%, %",
        "PPV of the top 10\u202f%, %",
        "Brier score × 1000",
        "O/E",
        "Net benefit per 1000 at 1.7\u202f%",
        "Net benefit per 1000 at 3.0\u202f%",
    ]
    assert [row.cells[0].text for row in table.rows[:3]] == [
        "Screen-detected cancer",
        "Northview Risk 3.1",
        "Mirai",
    ]
    assert texts(table)[2][4:] == ("–", "–", "–", "–")  # gives no risk of screen-detected cancer
    assert "need absolute risks" in table.notes[1]


def test_differences_between_models_have_three_decimals_and_their_sign() -> None:
    row = {"model_a": "mirai", "model_b": "halden", "case_type": "any"}
    found = [row | {"difference": build_estimate(0.0214, 0.0207, p_value=0.043)}]
    tables = all_tables(build_evaluation(comparisons=found))
    assert texts(tables["comparisons"])[1][:2] == ("Mirai − Halden AI", "+0.021 (+0.001, +0.042)")
    assert texts(tables["head_to_head_differences"])[-1][1] == "–"  # its AUCs are not compared here


def test_calibration_keeps_small_distances_readable_and_all_of_them_in_the_csv(tmp_path: Path) -> None:
    tables = all_tables(build_evaluation())
    row = texts(tables["calibration"])[-1]
    assert row[:3] == ("Halden AI", "1\u202f225", "1.20 (1.14, 1.28)")
    assert row[4] == "+0.19 (+0.13, +0.25)"
    write_tables(tables, tmp_path)
    stored = first_row(tmp_path / "calibration.csv")
    assert {"ici", "e50", "e90", "emax", "slope_lower", "in_the_large_upper"} <= set(stored)
    assert stored["ici_lower"] == ""


def test_a_distance_may_be_a_plain_number() -> None:
    rows = [row | {"ici": 0.0021} for row in build_evaluation()["calibration"][-1:]]
    assert texts(all_tables({"calibration": rows})["calibration"])[1][-1] == "0.21"


def test_net_benefit_is_shown_at_the_thresholds_of_the_study_and_stored_at_all() -> None:
    table = all_tables(build_evaluation())["decision"]
    heads = [row.cells[0].text for row in table.rows if row.heading and row.level == 1]
    assert heads == ["threshold 1.7\u202f%", "threshold 3.0\u202f%"] * 3
    assert len(table.records) == sum(len(row["thresholds"]) for row in build_evaluation()["decision"])
    without = build_evaluation(study={"design": "cohort"})
    assert "some thresholds" in all_tables(without)["decision"].caption


def test_thresholds_without_limits_show_the_value_alone() -> None:
    rows = [row | {"lower": None, "upper": None} for row in build_evaluation()["decision"]]
    shown = texts(all_tables(build_evaluation(decision=rows))["decision"])
    assert all("(" not in row[1] for row in shown if len(row) > 1)


def test_a_suppressed_subgroup_of_calibration_is_hidden_in_the_csv_too(tmp_path: Path) -> None:
    row = {"model": "m", "case_type": "any", "horizon_years": 5.0, "variable": "density", "level": "d"}
    hidden = row | {"n": 700, "n_events": 7, "suppressed": True, "observed_expected": build_estimate(1.2)}
    tables = all_tables({"calibration_subgroups": [hidden]})
    assert texts(tables["calibration_subgroups"])[1] == ("density: d", "few", "–")
    assert "suppressed" in tables["calibration_subgroups"].notes[0]
    write_tables(tables, tmp_path)
    stored = first_row(tmp_path / "calibration_subgroups.csv")
    assert (stored["n"], stored["n_events"], stored["observed_expected"]) == ("", "", "")


def test_cancers_missed_are_whole_numbers_and_weighted_ones_say_so() -> None:
    row = {"model": "m", "case_type": "any", "share": 0.1, "reads_saved": 0.1}
    row |= {"missed": build_estimate(0.033, 0.01), "false_omission": build_estimate(0.0028, 0.0011)}
    weighted = all_tables({"rule_out": [row | {"n_missed": 31.82}]})["rule_out"]
    assert texts(weighted)[1] == ("m", "3.3 (2.3, 4.3)", "32", "2.8 (1.7, 3.9)")
    assert "weighted" in weighted.notes[0]
    plain = all_tables({"rule_out": [row | {"n_missed": 7, "false_omission": None}]})["rule_out"]
    assert texts(plain)[1] == ("m", "3.3 (2.3, 4.3)", "7")
    assert plain.notes == ()


def test_few_selected_per_cancer_have_a_decimal_and_many_have_none() -> None:
    row = {"model": "m", "case_type": "any", "fraction": 0.05}
    row |= {"capture": build_estimate(0.2), "cancers_per_1000": build_estimate(251.0, 80.0)}
    row |= {"selected_per_cancer": build_estimate(3.98, 1.0, upper=11.04)}
    tables = all_tables({"capture": [row]})
    assert texts(tables["selected"])[1] == ("top 5\u202f%", "251 (171, 331)", "4.0 (3.0, 11)")
    assert "costs" not in tables


def test_costs_are_a_table_of_their_own() -> None:
    table = all_tables(build_evaluation(capture=build_costs()))["costs"]
    assert [column.label for column in table.columns][1:] == [
        "Northview Risk 3.1",
        "Mirai",
        "Halden AI",
        "Volumetric density",
    ]
    assert "cost_per_additional_cancer_lower" in table.records[0]


def test_the_checksum_is_short_on_the_page_and_whole_in_the_csv() -> None:
    table = all_tables(build_evaluation())["inputs"]
    assert [len(row.cells[-1].text) for row in table.rows] == [16] * 5
    assert {len(str(record["sha256"])) for record in table.records} == {64}


def test_an_unknown_status_of_the_checklist_counts_as_open() -> None:
    item = {"section": "Title", "item": "1", "topic": "Title", "text": "…", "status": "perhaps"}
    table = all_tables({"checklist": [item]})["checklist"]
    assert table.rows[1].tone == "status-open"
    assert table.rows[1].cells[1].text == "○ open"


def test_a_table_beside_no_study_has_plain_heads() -> None:
    table = all_tables(build_evaluation())["main"]
    assert [column.label for column in table.columns] == ["Model", "AUC", "Odds ratio per control SD"]
    assert table.rows[0].cells[0].text == "Screen-detected cancer (829 cases, 112\u202f621 exams)"
    assert table.caption == "Discrimination and association on all exams, cancers within 5 years of the exam."
