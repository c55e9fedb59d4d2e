"""A study file says one thing once; what it does not know it refuses with the nearest known name."""

from __future__ import annotations

from pathlib import Path

import pytest

from forescreen.errors import ConfigError
from forescreen.study.config import read_study

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["demo", "study"])
def test_the_examples_are_valid_studies(name: str) -> None:
    config = read_study(ROOT / "examples" / f"{name}.toml")
    assert config.study.name == name
    assert config.matched
    assert config.data_kind == "simulated registry"


def test_paths_are_relative_to_the_study_file(tmp_path: Path) -> None:
    text = '[study]\nname = "x"\n[registry]\nfolder = "tables"\n[images]\ndicom = "dicom"\n'
    config = read_study(write(tmp_path, text))
    assert config.registry is not None
    assert config.registry.folder == tmp_path / "tables"
    assert config.images.dicom == tmp_path / "dicom"
    assert config.registry.identity == "pseudonym", "pseudonyms are the default"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[study]\nname = "x"\n', "one source of women"),
        ('[study]\nname = "x"\n[simulation]\n[registry]\nfolder = "r"\n', r"\[simulation\] and \[registry\]"),
        ('[study]\nname = "x"\n[registry]\nfolder = "r"\n', "either dicom"),
        ('[study]\nname = "x"\n[simulatoin]\n', "Did you mean 'simulation'"),
        ('[study]\nname = "x"\n[simulation]\n[cohort]\nrato = 2\n', "Did you mean 'ratio'"),
        ('[study]\nname = "x"\n[simulation]\nn_women = "many"\n', "n_women"),
        ("[study]\n[simulation]\n", "name"),
        ("[simulation]\n", r"a section \[study\]"),
        ("[study\n", "valid TOML"),
        ('evaluation = "all"\n[study]\nname = "x"\n[simulation]\n', "a table of settings"),
        ('[study]\nname = "x"\n[simulation]\n[evaluation]\npeers = [1]\n', r"\[\[evaluation.peers\]\]"),
        ('[study]\nname = "x"\n[simulation]\n[images]\nrows = 0\n', "rows above 0"),
        ('[study]\nname = "x"\n[simulation]\n[training]\nrecipe = "best"\n', "recipe"),
        (
            '[study]\nname = "x"\n[simulation]\n[images]\ndigitised_film = true\n',
            r'expected policy = "digitised-film", found digitised_film',
        ),
    ],
)
def test_a_faulty_study_file_is_refused_by_section_and_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_study(write(tmp_path, text))


def test_a_missing_study_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        read_study(tmp_path / "nothing.toml")


def test_a_peer_without_its_file_is_refused_before_anything_runs(tmp_path: Path) -> None:
    text = '[study]\nname = "x"\n[simulation]\n[[evaluation.peers]]\nkey = "p"\nlabel = "P"\n'
    text += 'file = "p.csv"\ncolumns = ["risk"]\n'
    with pytest.raises(ConfigError, match=r"no such file.*p\.csv|p\.csv.*no such file"):
        read_study(write(tmp_path, text))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('factors = ["shoe_size"]', "factors among"),
        ('subgroups = ["shoe_size"]', "subgroups among"),
        ("n_resamples = 0", "n_resamples >= 20"),
    ],
)
def test_a_plan_that_cannot_be_measured_is_refused_before_anything_runs(
    tmp_path: Path, line: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_study(write(tmp_path, f'[study]\nname = "x"\n[simulation]\n[evaluation]\n{line}\n'))


def test_the_intake_policy_is_a_name_or_a_file_beside_the_study_file(tmp_path: Path) -> None:
    text = '[study]\nname = "x"\n[simulation]\n[images]\npolicy = '
    assert read_study(write(tmp_path, text + '"implants"\n')).images.policy == "implants"
    own = read_study(write(tmp_path, text + '"own.toml"\n')).images.policy
    assert own == str(tmp_path / "own.toml")
