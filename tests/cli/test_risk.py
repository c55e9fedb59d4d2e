"""`forescreen risk` as a person and a script meet it."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from forescreen.cli.app import app

RUNNER = CliRunner()
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "women.csv"
SAME_ALGORITHM = 1e-9

HEADER = "id,age,race,menarche_age,first_birth_age,n_relatives,n_biopsies,density"
GOOD = ("S-777,50,white,13,25,0,0,b", "S-778,61,white,12,22,1,0,c")


def run(*arguments: str | Path, columns: int = 80) -> Any:
    return RUNNER.invoke(app, ["risk", *map(str, arguments)], env={"COLUMNS": str(columns), "TERM": "dumb"})


def write(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "women.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_risks_are_written_in_the_order_of_the_rows_and_leave_with_0(tmp_path: Path) -> None:
    out = tmp_path / "risks.csv"
    done = run(write(tmp_path, *GOOD), "--model", "bcrat,bcsc-v1", "--out", out)
    assert done.exit_code == 0, done.output
    rows = read(out)
    assert [(row["row"], row["id"]) for row in rows] == [("2", "S-777"), ("3", "S-778")]
    for row in rows:
        for name in ("bcrat", "bcsc_v1"):
            risk, average, relative = (
                float(row[f"{name}_{what}"]) for what in ("risk", "average", "relative")
            )
            assert 0 < risk < 0.1
            assert abs(risk / average - relative) < SAME_ALGORITHM
            assert row[f"{name}_reason"] == ""


def test_risks_of_other_programs_are_carried_and_a_bad_cell_is_one_womans_reason(tmp_path: Path) -> None:
    out = tmp_path / "risks.csv"
    header = f"{HEADER},tyrer_cuzick_10y_percent,canrisk_5y_fraction"
    cells = (",3.1,0.012", ",a lot,")
    path = write(tmp_path, *(row + cell for row, cell in zip(GOOD, cells, strict=True)), header=header)
    done = run(path, "--model", "bcrat", "--out", out, "--json")
    assert done.exit_code == 1, done.output
    first, second = read(out)
    assert float(first["tyrer_cuzick_10y_risk"]) == pytest.approx(0.031, rel=1e-12)
    assert float(first["canrisk_5y_risk"]) == 0.012
    assert (second["tyrer_cuzick_10y_risk"], second["tyrer_cuzick_10y_reason"]) == ("", "not_a_risk")
    assert second["canrisk_5y_reason"] == "not_computed"
    assert float(second["bcrat_risk"]) > 0
    told = json.loads(done.output)
    assert told["columns_not_used"] == []
    assert [model["model"] for model in told["models"]] == ["bcrat", "tyrer-cuzick", "canrisk"]


def test_a_result_that_would_overwrite_the_table_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD)
    before = path.read_text(encoding="utf-8")
    done = run(path, "--model", "bcrat", "--out", path, columns=300)
    assert done.exit_code == 2
    assert "expected --out another file than those that are read" in done.output
    assert path.read_text(encoding="utf-8") == before


def test_two_columns_of_one_model_and_horizon_are_refused(tmp_path: Path) -> None:
    header = f"{HEADER},tyrer_cuzick_10y_percent,ibis_10y_percent"
    path = write(tmp_path, GOOD[0] + ",3.1,4", header=header)
    done = run(path, "--model", "bcrat", "--out", tmp_path / "risks.csv", columns=300)
    assert done.exit_code == 2
    assert "expected each model and horizon once" in done.output


def test_a_column_of_another_program_without_a_unit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD[0] + ",3.1", header=f"{HEADER},tyrer_cuzick_10y")
    done = run(path, "--model", "bcrat", "--out", tmp_path / "risks.csv", columns=300)
    assert done.exit_code == 2
    assert "expected a unit, percent or fraction" in done.output


#: A row that is wrong -> the codes of its problem, and the models that still answer.
BAD_ROWS = [
    ("x,fifty,white,13,25,0,0,b", "not_a_number", ()),
    ("x,14,white,13,,0,0,b", "out_of_range", ()),
    ("x,50,white,thirteen,25,0,0,b", "not_a_number", ("bcsc_v1",)),
    ("x,50,white,13,25,0,0,e", "no_such_level", ("bcrat",)),
    ("x,50,white,13,12,0,0,b", "first_birth_before_menarche", ("bcsc_v1",)),
    ("x,50,white,13,51,0,0,b", "first_birth_after_age", ()),
    ("x,50,white,13,25,1.5,0,b", "not_whole", ()),
    ("x,50,martian,13,25,0,0,b", "no_such_level", ()),
]


@pytest.mark.parametrize(("bad", "code", "still"), BAD_ROWS)
def test_a_bad_row_has_its_reason_and_the_rest_its_risks(
    tmp_path: Path, bad: str, code: str, still: tuple[str, ...]
) -> None:
    out = tmp_path / "risks.csv"
    path = write(tmp_path, GOOD[0], bad, GOOD[1])
    done = run(path, "--model", "bcrat,bcsc-v1", "--out", out, "--json")
    assert done.exit_code == 1
    first, wrong, last = read(out)
    document = json.loads(done.stdout)
    assert [(problem["code"], problem["rows"]) for problem in document["problems"]] == [(code, [3])]
    assert wrong["problems"]
    for name in ("bcrat", "bcsc_v1"):
        assert first[f"{name}_risk"]
        assert last[f"{name}_risk"]
        assert bool(wrong[f"{name}_risk"]) == (name in still)
        assert bool(wrong[f"{name}_reason"]) == bool(wrong[f"{name}_why"]) == (name not in still)


def test_nothing_computed_leaves_with_2_and_the_table_says_why(tmp_path: Path) -> None:
    out = tmp_path / "risks.csv"
    done = run(write(tmp_path, "x,95,white,13,25,0,0,b"), "--out", out)
    assert done.exit_code == 2
    assert "age_outside" in read(out)[0]["bcrat_reason"]


def test_the_terminal_names_rows_and_never_an_id(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD, "S-779,50,white,13,12,0,0,b")
    done = run(path, "--out", tmp_path / "risks.csv", "--explain", "S-778")
    assert "S-77" not in done.output
    words = " ".join(done.output.split())
    assert "first_birth_before_menarche" in words
    assert "row 3" in words


@pytest.mark.parametrize("columns", [80, 140])
def test_the_tables_fit_the_terminal(tmp_path: Path, columns: int) -> None:
    models = "bcrat,bcsc-v1,barlow2006"
    done = run(EXAMPLE, "--model", models, "--out", tmp_path / "r.csv", "--explain", "W02", columns=columns)
    assert done.exit_code == 1, done.output
    lines = [line for line in done.output.splitlines() if not line.startswith(("table ", "picture "))]
    assert max(len(line.rstrip()) for line in lines) <= columns
    words = " ".join(done.output.split())
    for expected in (
        "why there is no risk",
        "what was assumed",
        "what is wrong with rows",
        "note on bcsc-v1",
        "derived: bmi of 21 women",
        "relative risk",
    ):
        assert expected in words


def test_the_example_tells_every_kind_of_row(tmp_path: Path) -> None:
    done = run(EXAMPLE, "--model", "bcrat", "--out", tmp_path / "r.csv", "--json")
    document = json.loads(done.stdout)
    assert document["n_women"] == len(read(EXAMPLE)) == 25
    (account,) = document["models"]
    refused = sum(1 for row in read(tmp_path / "r.csv") if row["bcrat_reason"])
    assert account["n_risks"] == 25 - refused == 18
    assert {problem["code"] for problem in document["problems"]} == {
        "wrong_unit",
        "first_birth_after_age",
        "no_births_but_first",
        "not_a_number",
        "hyperplasia_without_biopsy",
        "no_such_level",
        "hormone_type_without_hormones",
    }


def test_one_woman_is_explained_in_words_and_in_a_picture(tmp_path: Path) -> None:
    out = tmp_path / "risks.csv"
    done = run(write(tmp_path, *GOOD), "--out", out, "--explain", "3", "--json")
    document = json.loads(done.stdout)["explained"]
    picture = tmp_path / "risks-row3.png"
    assert (document["row"], document["picture"]) == (3, str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    (told,) = document["models"]
    assert abs(told["risk"] - float(read(out)[1]["bcrat_risk"])) < SAME_ALGORITHM
    assert len(told["years"]) == 5


@pytest.mark.parametrize("which", ["1", "4", "S-9", "0", "x"])
def test_a_woman_to_explain_who_is_not_there_is_refused(tmp_path: Path, which: str) -> None:
    done = run(write(tmp_path, *GOOD), "--out", tmp_path / "r.csv", "--explain", which)
    assert done.exit_code == 2
    assert "no such row among 2" in done.output
    assert not (tmp_path / "r.csv").exists()


def test_an_id_of_several_rows_is_refused(tmp_path: Path) -> None:
    done = run(write(tmp_path, GOOD[0], GOOD[0]), "--out", tmp_path / "r.csv", "--explain", "S-777")
    assert (done.exit_code, "2 such rows" in done.output) == (2, True)


def test_a_bcra_frame_is_recognised_by_its_header_and_has_horizons_of_its_own(tmp_path: Path) -> None:
    # Rows 1, 4 and 5 of exampledata of the R package BCRA 2.1.2, and the risks that it gives, in per cent.
    path = write(
        tmp_path,
        "1,45.2,53.3,99,99,10,20,1,0",
        "4,45.2,53.3,0,99,10,20,1,3",
        "5,45.2,53.3,1,99,10,20,1,4",
        header="ID,T1,T2,N_Biop,HypPlas,AgeMen,Age1st,N_Rels,Race",
    )
    out = tmp_path / "risks.csv"
    done = run(path, "--out", out, "--json")
    assert (done.exit_code, json.loads(done.stdout)["format"]) == (1, "bcra")
    rows = read(out)
    assert [row["ID"] for row in rows] == ["1", "4", "5"]
    assert abs(float(rows[0]["horizon_years"]) - 8.1) < SAME_ALGORITHM
    assert rows[0]["bcrat_reason"]
    for row, percent in zip(rows[1:], (1.86859687830433, 4.44129446296421), strict=True):
        assert abs(100 * float(row["bcrat_risk"]) - percent) < SAME_ALGORITHM
    run(path, "--out", out, "--horizon", "5")
    assert {row["horizon_years"] for row in read(out)} == {"5.0"}


def test_exams_of_a_registry_are_answered_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "women.csv").write_text(
        "woman_id,birth_date,race,family_history\nw1,1960-01-01,White,1\nw2,1970-01-01,Black,0\n"
    )
    (tmp_path / "exams.csv").write_text(
        "exam_id,woman_id,exam_date,density\ne1,w2,2020-01-01,c\ne2,w1,2020-01-01,a\n"
    )
    out = tmp_path / "out" / "risks.csv"
    done = run(tmp_path, "--model", "bcsc-v1", "--out", out)
    assert done.exit_code == 0
    assert " exams " in done.output
    assert " women " not in done.output.split("what it means")[0]
    assert [(row["woman_id"], row["exam_id"]) for row in read(out)] == [("w2", "e1"), ("w1", "e2")]
    done = run(tmp_path, "--model", "bcsc-v1", "--out", out, "--explain", "e2")
    assert done.exit_code == 0
    assert (tmp_path / "out" / "risks-row3.png").exists()


def test_columns_that_are_not_used_are_told(tmp_path: Path) -> None:
    path = write(tmp_path, *(row + ",1" for row in GOOD), header=HEADER + ",familly_history")
    words = " ".join(run(path, "--out", tmp_path / "r.csv").output.split())
    assert "not used: the column familly_history; is family_history meant?" in words


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "gale"), "bcrat"),
        (("--model", "tyrer-cuzick"), "licensed for research only"),
        (("--model", ","), "found none"),
        (("--model", "bcrat,gail"), "each once"),
        (("--horizon", "0"), "above 0"),
        (("--horizon", "-5"), "above 0"),
        (("--format", "excel"), "auto, factors, registry, bcra"),
        (("--format", "registry"), "a folder with women.csv and exams.csv"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:
    done = run(write(tmp_path, *GOOD), "--out", tmp_path / "r.csv", *arguments)
    assert done.exit_code == 2
    assert done.output.startswith("error: ")
    assert words in done.output
    assert not (tmp_path / "r.csv").exists()


def test_a_table_that_is_not_there_and_one_in_pounds_are_refused(tmp_path: Path) -> None:
    missing = run(tmp_path / "nobody.csv", "--out", tmp_path / "r.csv")
    assert (missing.exit_code, "no such file" in missing.output) == (2, True)
    pounds = run(write(tmp_path, "50,150", header="age,weight_lb"), "--out", tmp_path / "r.csv")
    assert (pounds.exit_code, "0.45359237" in pounds.output) == (2, True)
    folder = run(write(tmp_path, *GOOD), "--out", tmp_path)
    assert (folder.exit_code, "--out a file" in folder.output) == (2, True)


def test_risks_need_neither_torch_nor_pydicom_nor_matplotlib(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD)
    code = (
        "import sys; from typer.testing import CliRunner; from forescreen.cli.app import app; "
        f"done = CliRunner().invoke(app, ['risk', {str(path)!r}, '--out', {str(tmp_path / 'r.csv')!r}]); "
        "assert done.exit_code == 0, done.output; "
        "print([m for m in ('torch', 'pydicom', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
