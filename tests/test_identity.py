"""Pseudonyms meet across doors and say nothing about the woman."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.errors import ConfigError
from forescreen.identity import AS_GIVEN, Pseudonyms, load_or_make_key


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
