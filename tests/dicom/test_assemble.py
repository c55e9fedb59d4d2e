"""Exams from accepted images: one per view by stated preference, never mixed, what is missing named."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forescreen.dicom.assemble import PREFER, Assembled, Candidate, Found, assemble, plain_name
from forescreen.records import STANDARD_VIEWS

NUMBERS = itertools.count()


def build(side: str = "L", view: str = "CC", file: str = "", **changes: Any) -> Candidate:
    number = next(NUMBERS)
    usual: dict[str, Any] = {
        "woman_id": "w", "exam_key": "e", "exam_id": "e", "exam_date": "2021-03-14", "study": "s",
        "sop": f"{number:04d}", "acquired": "20210314101500", "intent": "FOR PRESENTATION", "machine": "M",
    }  # fmt: skip
    found = Found(**(usual | {"laterality": side, "view": view} | changes))
    return Candidate(number, file or f"{number}.dcm", found)


def used(assembled: Assembled) -> list[str]:
    assert assembled.exam is not None
    return [candidate.file for candidate in assembled.exam.chosen]


def test_views_come_in_the_standard_order_and_missing_ones_are_named() -> None:
    found = assemble([build("R", "CC"), build("L", "MLO")])
    assert found.exam is not None
    assert [candidate.slot for candidate in found.exam.chosen] == [("L", "MLO"), ("R", "CC")]
    assert found.exam.missing == ("L CC", "R MLO")
    whole = assemble([build(side, view) for side, view in STANDARD_VIEWS])
    assert whole.exam is not None
    assert whole.exam.missing == ()


@pytest.mark.parametrize(
    ("prefer", "better", "worse", "words"),
    [
        (PREFER, {"acquired": "2"}, {"acquired": "1"}, "which is newer"),
        (PREFER, {"instance": 2}, {"instance": 1}, "which is newer"),
        (PREFER, {}, {"traits": ("partial",), "acquired": "9"}, "which shows the whole breast"),
        (PREFER, {"traits": ("implant-displaced",)}, {"acquired": "9"}, "which is implant-displaced"),
        (PREFER, {}, {"traits": ("synthetic",), "acquired": "9"}, "which is an exposure and not synthetic"),
        (
            ("synthetic", "newest"),
            {"traits": ("synthetic",), "flags": ("synthetic_2d",)},
            {"acquired": "9"},
            "which is synthetic",
        ),
        (PREFER, {}, {"intent": "FOR PROCESSING", "acquired": "9"}, "which is for presentation"),
        (("for-processing",), {"intent": "FOR PROCESSING"}, {"acquired": "9"}, "which is for processing"),
        (PREFER, {"sop": "2"}, {"sop": "1"}, "which is as good"),
        ((), {"sop": "2"}, {"sop": "1", "acquired": "9"}, "which is as good"),
    ],
)
def test_of_two_images_of_a_view_the_first_rule_that_tells_decides(
    prefer: tuple[str, ...], better: dict[str, Any], worse: dict[str, Any], words: str
) -> None:
    taken, other = build(file="taken.dcm", **better), build(file="other.dcm", **worse)
    for group in ([taken, other], [other, taken]):
        found = assemble(group, prefer=prefer)
        assert used(found) == ["taken.dcm"]
        (passed_over,) = found.passed_over
        assert passed_over.codes == ("duplicate_view_older", *other.found.flags)
        assert passed_over.number == other.number
        assert passed_over.message == (
            f"duplicate_view_older: expected one image of L CC, used taken.dcm, {words}"
        )


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(KeyError, match="prettiest"):
        assemble([build(), build()], prefer=("prettiest",))


def test_several_patients_or_days_under_one_number_are_refused_as_a_whole() -> None:
    mixed = assemble([build("L"), build("R", woman_id="x")])
    assert mixed.exam is None
    assert {other.codes[0] for other in mixed.passed_over} == {"patient_mismatch"}
    late = assemble([build("L"), build("R", exam_date="2021-03-16"), build("R", "MLO", exam_date="")])
    assert late.exam is None
    assert len(late.passed_over) == 3
    assert late.passed_over[0].message == (
        "date_mismatch: expected one visit, found study dates 2 days apart under one exam number"
    )


@pytest.mark.parametrize(
    ("field", "words"), [("issuer", "issuers"), ("birth", "birth dates"), ("sex", "sexes")]
)
def test_what_contradicts_itself_under_one_number_is_of_two_women(field: str, words: str) -> None:
    mixed = assemble([build("L", **{field: "1"}), build("R", **{field: "2"}), build("L", "MLO")])
    assert mixed.exam is None
    assert {other.codes[0] for other in mixed.passed_over} == {"patient_mismatch"}
    assert f"found 2 {words}" in mixed.passed_over[0].message
    silent = assemble([build("L", **{field: "1"}), build("R")])  # one that does not say contradicts nobody
    assert silent.exam is not None
    assert silent.exam.flags == ()


def test_another_name_alone_is_a_flag() -> None:
    found = assemble([build("L", name="1"), build("R", name="2"), build("L", "MLO")])
    assert found.exam is not None
    assert found.exam.flags == ("patient_name_differs",)


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("Doe^Jane", "DOE^JANE^^", True),
        ("Doe^Jane^M", "Doe, Jane", True),
        ("M\u00fcller^\u00c9va", "Mu\u0308ller^E\u0301va", True),
        ("Yamada^Tarou=x^y", "yamada tarou", True),
        ("Doe^Jane", "Roe^Jane", False),
        ("Doe^Jane", "Doe^Joan", False),
        ("", "^^", True),
    ],
)
def test_names_are_compared_without_case_marks_and_accents(one: str, other: str, alike: bool) -> None:
    assert (plain_name(one) == plain_name(other)) is alike


def test_an_exam_may_end_after_midnight() -> None:
    found = assemble([build("L", exam_date="2021-03-15"), build("R", exam_date="2021-03-14")])
    assert found.exam is not None
    assert found.exam.exam_date == "2021-03-14"


def test_the_study_with_most_views_is_used_then_the_newest() -> None:
    small = [build("L", study="a", acquired="9")]
    large = [build("L", study="b", file="b1"), build("R", study="b", file="b2")]
    found = assemble([*small, *large])
    assert used(found) == ["b1", "b2"]
    assert found.passed_over[0].message == "study_mismatch: expected images of one study, used that of b1"
    newer = [build("L", study="c", acquired="5", file="c1"), build("R", study="c", file="c2")]
    assert used(assemble([*large, *newer])) == ["c1", "c2"]


def test_the_machine_of_most_images_stands_for_the_exam_and_a_mix_is_flagged() -> None:
    found = assemble([build("L"), build("R", machine="B"), build("R", "MLO", machine="B")])
    assert found.exam is not None
    assert (found.exam.machine, found.exam.flags) == ("B", ("mixed_vendors_in_exam",))


@given(st.data())
def test_every_image_is_used_or_passed_over_once_in_whatever_order_they_come(data: st.DataObject) -> None:
    images = st.builds(
        build,
        st.sampled_from("LR"),
        st.sampled_from(["CC", "MLO"]),
        study=st.sampled_from("ab"),
        acquired=st.sampled_from(["", "1", "2"]),
        instance=st.integers(0, 2),
        traits=st.sampled_from([(), ("partial",), ("implant-displaced",)]),
        woman_id=st.sampled_from(["w"] * 9 + ["x"]),
        exam_date=st.sampled_from(["2021-03-14"] * 9 + ["2021-03-20", ""]),
    )
    group = data.draw(st.lists(images, min_size=1, max_size=8))
    found = assemble(group)
    chosen = [] if found.exam is None else [candidate.number for candidate in found.exam.chosen]
    assert sorted([*chosen, *(other.number for other in found.passed_over)]) == sorted(
        c.number for c in group
    )
    again = assemble(data.draw(st.permutations(group)))
    assert again.exam == found.exam
    assert set(again.passed_over) == set(found.passed_over)
