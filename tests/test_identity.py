"""Pseudonyms meet across doors and say nothing about the woman."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.errors import ConfigError
from forescreen.identity import AS_GIVEN, MOST_DAYS_BACK, Pseudonyms, load_or_make_key


@given(st.text(min_size=1, alphabet="0123456789ABCDEF-"), st.text(min_size=1, alphabet="0123456789ABCDEF-"))
def test_equal_numbers_meet_and_different_numbers_differ(a: str, b: str) -> None:
    pseudonyms = Pseudonyms(key=b"k" * 16)
    assert (pseudonyms.woman(a) == pseudonyms.woman(b)) == (a == b)
    assert pseudonyms.woman(a) != pseudonyms.exam(a)


def test_blanks_around_a_number_do_not_make_another_woman() -> None:
    assert Pseudonyms(key=b"k" * 16).woman(" 17 ") == Pseudonyms(key=b"k" * 16).woman("17")


def test_a_pseudonym_is_another_one_under_another_key() -> None:
    assert Pseudonyms(key=b"a" * 16).woman("17") != Pseudonyms(key=b"b" * 16).woman("17")


def test_study_numbers_pass_unchanged() -> None:
    assert AS_GIVEN.woman("W1") == "W1"


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "pseudonym.key"
    key = load_or_make_key(path)
    assert load_or_make_key(path) == key
    assert len(key) == 32
    assert path.stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("not a key")
    with pytest.raises(ConfigError, match="32 hex digits"):
        load_or_make_key(tmp_path / "k")


def test_a_woman_has_one_number_of_days_and_a_uid_one_other_uid() -> None:
    pseudonyms = Pseudonyms(key=b"k" * 16)
    days = [pseudonyms.days_back(str(number)) for number in range(2000)]
    assert (min(days), max(days)) == (1, MOST_DAYS_BACK)
    assert pseudonyms.days_back(" 17 ") == pseudonyms.days_back("17")
    uid = pseudonyms.uid("1.2.3.4\0")
    assert uid == pseudonyms.uid("1.2.3.4") != pseudonyms.uid("1.2.3.5")
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert pseudonyms.uid("") == ""


def test_without_key_uids_and_dates_stay() -> None:
    assert (AS_GIVEN.uid("1.2.3"), AS_GIVEN.days_back("17"), AS_GIVEN.mark) == ("1.2.3", 0, "")


def test_the_mark_tells_keys_apart() -> None:
    assert len(Pseudonyms(key=b"a" * 16).mark) == 8
    assert Pseudonyms(key=b"a" * 16).mark != Pseudonyms(key=b"b" * 16).mark
