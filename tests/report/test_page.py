"""The page: whole, closed in itself, readable by all, honest about what is absent."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from forescreen.errors import InputError
from forescreen.report.contents import SECTIONS
from forescreen.report.page import render, write_report
from forescreen.report.results import LISTS
from forescreen.report.sentences import ABSENT

from .builders import build_results
from .evaluation_builders import build_evaluation
from .test_tables import STUDY_TABLES

VOID = {"meta", "img", "input", "br", "path", "use", "rect", "circle"}
HOSTILE = "<script>alert(1)</script>\"'&"


class Page(HTMLParser):
    """Tags, attributes and visible text of a page; fails on tags that are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    return render(build_results())


#: Sections that only an evaluation of anyone's predictions has.
OF_EVALUATIONS = tuple(LISTS[LISTS.index("inputs") :])


def page_without_rows(sections: tuple[str, ...]) -> Page:
    """The page of two modes of detection whose sections are there and empty."""
    empty: dict[str, Any] = {key: [] for key in sections}
    return Page(
        render(empty | {"case_types": ["screen-detected", "interval"], "table1": None, "missing": None})
    )


@pytest.fixture(scope="module")
def empty() -> Page:
    """A study with nothing in it."""
    return page_without_rows(tuple(key for key in LISTS if key not in OF_EVALUATIONS))


@pytest.fixture(scope="module")
def empty_evaluation() -> Page:
    """An evaluation with nothing in it."""
    return page_without_rows(LISTS)


@pytest.fixture(scope="module")
def evaluation() -> Page:
    return Page(render(build_evaluation()))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_page_asks_for_nothing_and_runs_nothing(html: str, page: Page) -> None:
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    sources = [str(image["src"]) for image in page.all("img")]
    assert all(source.startswith("data:image/png;base64,iVBOR") for source in sources)
    assert re.findall(r"(?:https?:)?//[a-z]|@import|url\((?!#)", re.sub(r"base64,[^\"]+", "", html)) == []


def test_it_says_first_that_it_is_no_medical_device_and_that_all_women_are_simulated(page: Page) -> None:
    text = page.text
    assert text.index("not a medical device") < text.index("Every woman") < text.index("On 418 held-out")


def test_tables_have_captions_and_header_cells_have_scopes(page: Page) -> None:
    assert (
        len(page.all("caption")) == len(page.all("table")) == len(STUDY_TABLES) - 3
    )  # flow, roc, bins: csv only
    scopes = {cell.get("scope") for cell in page.all("th")}
    assert scopes == {"col", "colgroup", "row", "rowgroup"}


def test_pictures_and_figures_have_words_for_those_who_do_not_see_them(page: Page) -> None:
    assert all("alt" in image for image in page.all("img"))
    drawings = [svg for svg in page.all("svg") if "mark" not in str(svg.get("class"))]
    assert len(drawings) == 7
    assert all(svg["aria-label"] for svg in drawings)


def test_the_page_of_an_evaluation_is_as_closed_and_as_accessible(evaluation: Page) -> None:
    assert evaluation.all("script") == evaluation.all("img") == []
    drawings = [svg for svg in evaluation.all("svg") if "mark" not in str(svg.get("class"))]
    assert len(drawings) == 9
    assert all(svg["aria-label"] for svg in drawings)
    ids = Counter(str(attributes["id"]) for _, attributes in evaluation.tags if "id" in attributes)
    assert max(ids.values()) == 1
    assert len(evaluation.all("caption")) == len(evaluation.all("table"))


def test_open_items_of_the_checklist_are_visibly_open(evaluation: Page) -> None:
    tones = Counter(str(row.get("class")).split()[-1] for row in evaluation.all("tr"))
    statuses = Counter(f"status-{row['status']}" for row in build_evaluation()["checklist"])
    assert {tone: tones[tone] for tone in statuses} == statuses
    assert "An open item is for the authors to fill" in evaluation.text


def test_what_was_left_out_stands_with_number_reason_and_remedy(evaluation: Page) -> None:
    for row in build_evaluation()["exclusions"]:
        for words in (row["what"][1:], row["reason"][1:], row["remedy"]):
            assert words in evaluation.text
    assert "Nothing was left out" not in evaluation.text


def test_the_notes_of_the_run_stand_on_the_page(evaluation: Page) -> None:
    assert all(note in evaluation.text for note in build_evaluation()["notes"])


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = Counter(str(attributes["id"]) for _, attributes in page.tags if "id" in attributes)
    assert max(ids.values()) == 1
    assert {str(link["href"])[1:] for link in page.all("a")} <= set(ids)


def test_light_dark_and_paper_have_their_colours(html: str) -> None:
    assert "@media screen and (prefers-color-scheme: dark)" in html
    assert "@media print" in html
    used = set(re.findall(r"var\(--([a-z0-9-]+)\)", html))
    declared = set(re.findall(r"--([a-z0-9-]+):", html))
    assert used <= declared


def test_the_page_and_the_csv_of_every_table_are_written_and_are_the_same_each_time(
    tmp_path: Path, html: str
) -> None:
    path = write_report(build_results(), tmp_path, filename="page.html")
    assert path.read_text(encoding="utf-8") == html
    assert path == tmp_path / "page.html"
    assert {file.stem for file in (tmp_path / "tables").iterdir()} == set(STUDY_TABLES)


def test_six_examples_stay_below_five_megabytes() -> None:
    examples = build_results(n_examples=6)["examples"]
    assert len(render({"examples": examples}).encode()) < 4_500_000


#: Reasons that a page gives only where the section before them has something to show.
_LATER = ("refused", "ppv", "overall", "calibration_subgroups")
#: Reasons of an evaluation of anyone's predictions.
_OF_EVALUATIONS = (*OF_EVALUATIONS, "flow-unknown", "capture-ranked")


@pytest.mark.parametrize("key", [key for key in ABSENT if key not in (*_LATER, *_OF_EVALUATIONS)])
def test_a_missing_section_says_why_it_is_absent(empty: Page, key: str) -> None:
    assert ABSENT[key] in empty.text


@pytest.mark.parametrize("key", [key for key in ABSENT if key in _OF_EVALUATIONS and key not in _LATER])
def test_a_missing_section_of_an_evaluation_says_why(empty_evaluation: Page, key: str) -> None:
    assert ABSENT[key] in empty_evaluation.text


@pytest.mark.parametrize("key", ["overall", "calibration_subgroups"])
def test_what_is_missing_beside_calibration_says_why(key: str) -> None:
    assert ABSENT[key] in Page(render(build_evaluation(**{key: []}))).text


def test_why_there_is_no_calibration_is_told_by_the_results() -> None:
    reason = "Calibration is absent because a score is not a risk."
    page = Page(render(build_evaluation(calibration=[], decision=[], calibration_absent=reason)))
    assert page.text.count(reason) == 2  # calibration and net benefit


def test_a_section_whose_keys_are_not_there_is_left_out_of_page_and_navigation() -> None:
    def shown(results: dict[str, Any]) -> set[str]:
        found = Page(render(results))
        links = {str(link["href"])[1:] for link in found.all("a")}
        assert links == {str(section["id"]) for section in found.all("section") if "id" in section}
        return links

    always = {section.id for section in SECTIONS if not section.keys}
    assert shown({}) == always
    assert shown({"decision": []}) == always | {"decision"}
    assert shown(build_evaluation()) == {section.id for section in SECTIONS} - {
        "factors",
        "examples",
        "training",
        "refused",
    }
    new = {
        "inputs",
        "exclusions",
        "head-to-head",
        "horizons",
        "calibration",
        "decision",
        "rule-out",
        "checklist",
    }
    assert shown(build_results()) == {section.id for section in SECTIONS} - new


def test_absent_predictive_values_say_why() -> None:
    capture = [row | {"ppv": None} for row in build_results()["capture"]]
    assert ABSENT["ppv"] in Page(render({"capture": capture})).text


def test_no_refusals_and_no_images_are_told_apart() -> None:
    assert ABSENT["refused"] in Page(render({"refused": [], "n_images": 8, "n_images_refused": 0})).text
    assert ABSENT["refused-unknown"] in Page(render({"refused": []})).text


def test_empty_results_still_make_a_page(tmp_path: Path) -> None:
    path = write_report({}, tmp_path)
    text = Page(path.read_text()).text
    assert "Unnamed study" in text
    assert "not a medical device" in text
    assert list((tmp_path / "tables").glob("*")) == []


@pytest.mark.parametrize("key", LISTS)
def test_entries_without_any_of_their_keys_do_not_break_the_page(key: str) -> None:
    text = Page(render({"case_types": ["interval"], key: [{}]})).text
    assert "not a medical device" in text


def test_everything_from_outside_is_escaped() -> None:
    def poison(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: poison(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [poison(inner) for inner in value]
        return value + HOSTILE if isinstance(value, str) and not value.startswith("iVBOR") else value

    results = poison(build_results(n_examples=1))
    results["provenance"] = {HOSTILE: HOSTILE}
    for found in (results, poison(build_evaluation())):
        html = render(found)
        assert "<script" not in html
        assert HOSTILE in Page(html).text


def test_a_picture_that_is_no_png_is_not_shown_and_the_page_says_so() -> None:
    example = {"title": "E", "outcome": "none", "views": [{"label": "L CC", "image_png": '"><b>'}]}
    html = render({"examples": [example]})
    assert "This picture cannot be shown" in html
    assert Page(html).all("img") == []


def test_a_section_of_another_type_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_report(build_results(main={"not": "a list"}), tmp_path)
    assert caught.value.where == "results.json: main"
    assert list(tmp_path.iterdir()) == []


def test_the_flow_parts_into_cases_and_controls_and_meets_again(html: str) -> None:
    kinds = re.findall(r'<ol class="flow ([a-z ]+)">', html)
    assert kinds == ["trunk forked", "arm", "arm", "tail"]
    straight = [{"step": "All", "n_exams": 3, "branch": "exams"}, {"step": "Members", "branch": "members"}]
    assert re.findall(r'<ol class="flow ([a-z ]+)">', render({"flow": straight})) == ["trunk"]


def test_the_flow_shows_every_exclusion_with_its_count(page: Page) -> None:
    for words in ("diagnostic exam", "11\u202f084", "42\u202f309 exams excluded", "Members"):
        assert words in page.text
