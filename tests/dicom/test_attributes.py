"""The allow-list is what it says: complete rows, in order, and nothing that PS3.15 wants removed as it is."""

from __future__ import annotations

from forescreen.dicom.attributes import ACTIONS, RULES, Action, clean_text
from forescreen.dicom.values import WANTED, tag_of
from forescreen.dicom.vocabulary import table_rows

#: What intake reads and the profile removes, beside overlays: all that is left is ASCII, and one issuer.
NOT_KEPT = {"SpecificCharacterSet", "IssuerOfPatientID"}


def test_the_table_is_in_the_order_of_tags_and_each_row_names_its_tag() -> None:
    rows = table_rows("deidentify.csv")
    tags = [tag_of(row["keyword"]) for row in rows]
    assert tags == sorted(set(tags))
    assert [row["tag"] for row in rows] == [f"{tag >> 16:04X},{tag & 0xFFFF:04X}" for tag in tags]
    assert all(row["reason"] for row in rows)


def test_actions_have_words_and_are_used() -> None:
    assert set(ACTIONS) == set(Action)
    assert {rule.action for rule in RULES.values()} == set(Action)


def test_nothing_private_retired_graphic_or_of_the_file_is_kept() -> None:
    for tag in RULES:
        group = tag >> 16
        assert group % 2 == 0
        assert group not in (0x0002, 0x0004, 0x5000, 0x6000, 0x0400, 0xFFFC)


def test_what_the_basic_profile_lists_is_kept_only_with_an_action_that_changes_or_checks_it() -> None:
    listed = [rule for rule in RULES.values() if rule.ps315]
    assert len(listed) > 30
    assert {rule.action for rule in listed} & {Action.NUMBER, Action.TABLE, Action.CODE} == set()


def test_what_intake_reads_is_kept() -> None:
    kept = set(RULES) | {tag_of(keyword) for keyword in NOT_KEPT}
    assert {tag for tag in WANTED - kept if (tag >> 16) & 0xFF00 != 0x6000} == set()


def test_the_name_of_a_machine_can_be_cleaned_alone() -> None:
    assert clean_text("ManufacturerModelName", "Selenia Dimensions Stationella") == "Selenia Dimensions"
    assert clean_text("Manufacturer", "HOLOGIC, Inc.") == "HOLOGIC, Inc."
