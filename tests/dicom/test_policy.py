"""Policies are data: what they say holds, what they must not say is an error, the page tells the truth."""

from __future__ import annotations

import importlib.util
import pickle
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.dicom.policy import PREFERENCES, Limits, Policy, load_policy, shipped
from forescreen.dicom.reasons import BY_CODE, REASONS, Action
from forescreen.errors import ConfigError
from forescreen.files import fingerprint, plain

ROOT = Path(__file__).resolve().parents[2]
CHANGEABLE = [reason.code for reason in REASONS if reason.changeable]
FACTS = [reason.code for reason in REASONS if not reason.changeable]


def write(folder: Path, text: str, name: str = "own.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_each_code_stands_once_and_says_what_it_means() -> None:
    assert len(BY_CODE) == len(REASONS)
    for reason in REASONS:
        assert reason.meaning
        assert not reason.meaning.endswith(".")
        assert not reason.remedy.endswith(".")


def test_the_default_policy_is_screening_and_has_the_default_actions() -> None:
    assert load_policy("screening") == Policy()
    assert Policy().actions == {reason.code: reason.action for reason in REASONS}
    assert shipped()[0] == "screening"


@pytest.mark.parametrize("name", shipped())
def test_shipped_policies_can_be_read_pickled_compared_and_stored(name: str) -> None:
    policy = load_policy(name)
    assert policy.name == name
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert plain(asdict(policy))["actions"]["not_dicom"] == "refuse"
    assert hash(policy) == hash(load_policy(name))
    assert (fingerprint(policy) == fingerprint(Policy())) == (name == "screening")


def test_no_shipped_policy_lets_a_burned_in_name_or_a_biopsy_pass() -> None:
    for name in shipped():
        for code in (
            "burned_in_annotation",
            "stereo_biopsy",
            "quality_control",
            "photometric_conflict_pixels",
        ):
            assert load_policy(name).action(code) is Action.REFUSE
            assert load_policy(name).action(code, film=True) is Action.REFUSE


def test_film_actions_hold_for_films_only() -> None:
    policy = load_policy("digitised-film")
    assert policy.action("secondary_capture", film=True) is Action.FLAG
    assert policy.action("secondary_capture") is Action.REFUSE


def test_a_file_says_only_what_it_changes(tmp_path: Path) -> None:
    text = """
        extends = "implants"
        description = "Ours"
        prefer = ["newest"]
        machines = ["Maker*"]
        [actions]
        burned_in_annotation = "flag"
        [limits]
        min_side = 512
    """
    policy = load_policy(write(tmp_path, text))
    assert (policy.name, policy.description, policy.prefer) == ("own", "Ours", ("newest",))
    assert policy.action("burned_in_annotation") is Action.FLAG
    assert policy.action("implant_present") is Action.FLAG  # of implants
    assert policy.limits == replace(Limits(), min_side=512)


def test_a_file_may_extend_a_file_beside_it(tmp_path: Path) -> None:
    write(tmp_path, '[actions]\nage_missing = "refuse"\n', "base.toml")
    policy = load_policy(write(tmp_path, 'extends = "base.toml"\n[limits]\nmin_side = 200\n'))
    assert policy.action("age_missing") is Action.REFUSE
    assert policy.limits.min_side == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extend = "screening"', "Did you mean 'extends'"),
        ('extends = "film"', "screening, digitised-film, implants"),
        ('[actions]\nimplant_presnt = "flag"', "Did you mean 'implant_present'"),
        ('[actions]\nimplant_present = "maybe"', "accept, flag or refuse, found 'maybe'"),
        ('[actions]\nimplant_present = ["flag"]', r"found \['flag'\]"),
        ('[actions]\nundecodable_pixels = "flag"', "no policy can change"),
        ('[film_actions]\nnot_dicom = "accept"', "no policy can change"),
        ("[limits]\nmin_sid = 3", "Did you mean 'min_side'"),
        ('[limits]\nmin_side = "wide"', "min_side"),
        ("[limits]\nmin_side = -1", "min_side of 0 or more"),
        ("[limits]\nmax_saturated = 2", "a share of 0 to 1"),
        ("[limits]\nmin_age_years = 200", "min_age_years below"),
        ('prefer = ["biggest"]', "a known rule"),
        ('prefer = ["newest", "newest"]', "each rule once"),
        ('prefer = "newest"', "prefer ="),
        ("description = 3", "description ="),
        ("actions = 3", r"a table \[actions\]"),
        ('extends = "own.toml"', "in a circle"),
        ("[actions", "valid TOML"),
    ],
)
def test_a_faulty_file_is_refused_with_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(write(tmp_path, text))


def test_a_name_that_is_no_policy_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="digitised-film") as caught:
        load_policy("digitized")
    assert caught.value.found == "'digitized'"


@pytest.mark.parametrize("code", FACTS)
def test_a_fact_keeps_its_action_under_every_policy(code: str) -> None:
    other = Action.FLAG if BY_CODE[code].action is Action.REFUSE else Action.REFUSE
    with pytest.raises(ConfigError, match="no policy can change"):
        Policy(actions={code: other})
    assert Policy(actions={code: BY_CODE[code].action}) == Policy()


@given(st.dictionaries(st.sampled_from(CHANGEABLE), st.sampled_from(list(Action))))
def test_what_may_be_changed_is_changed_and_nothing_else(changes: dict[str, Action]) -> None:
    policy = Policy(actions=changes)
    for reason in REASONS:
        assert policy.action(reason.code) is changes.get(reason.code, reason.action)


def test_every_rule_for_choosing_has_a_meaning_and_is_used_or_offered() -> None:
    used = {rule for name in shipped() for rule in load_policy(name).prefer}
    assert used <= set(PREFERENCES)
    assert set(PREFERENCES) - used == {"synthetic"}


def test_the_page_says_what_the_code_does() -> None:
    spec = importlib.util.spec_from_file_location("policy_page", ROOT / "docs" / "policy.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "reference" / "intake-policy.md").read_text(encoding="utf-8")
    assert written == module.page(), "run: python docs/policy.py"
