"""Headline, kind of data, glossary: sentences made of the numbers."""

from __future__ import annotations

from forescreen.report.sentences import glossary, headline, limits, warnings

from .builders import build_estimate, build_main, build_results


def plain(text: str) -> str:
    return text.replace("\u00a0", " ")


def test_the_headline_states_sets_both_concordances_and_what_the_difference_says() -> None:
    first, second = map(plain, headline(build_results()))
    assert first == (
        "On 418 held-out matched sets, the image score separates screen-detected cancers from their controls "
        "with concordance 0.66 (0.63, 0.69), against 0.61 (0.58, 0.64) for clinical factors + density; the "
        "paired difference is +0.05 (+0.02, +0.08): the image score does better."
    )
    assert "interval cancers" in second
    assert second.endswith("the interval includes 0, so neither is shown to be better.")


def test_a_comparison_stored_the_other_way_round_reads_the_same() -> None:
    swapped = [
        {"model_a": "clinical", "model_b": "image", "case_type": "screen-detected"}
        | {"difference": build_estimate(-0.05, 0.028)}
    ]
    assert headline(build_results(comparisons=swapped))[0] == headline(build_results())[0]


def test_clinical_factors_may_win() -> None:
    worse = [
        {"model_a": "image", "model_b": "clinical", "case_type": "screen-detected"}
        | {"difference": build_estimate(-0.05, 0.028)}
    ]
    assert headline(build_results(comparisons=worse))[0].endswith("the clinical factors do better.")


def test_too_few_events_are_said_instead_of_a_number() -> None:
    rows = [row | {"concordance": None} if row["case_type"] == "interval" else row for row in build_main()]
    assert headline(build_results(main=rows))[1] == (
        "For interval cancers there were too few events to say how well the image score separates them."
    )


def test_an_unmatched_study_has_an_auc_on_women() -> None:
    results = build_results(study={"design": "unmatched", "data_kind": "image table"}, case_types=["cancer"])
    results["main"] = [row | {"case_type": "cancer"} for row in build_main()[:2]]
    text = plain(headline(results)[0])
    assert text.startswith(
        "On 1\u202f254 held-out exams, the image score separates cancers from controls with AUC 0.66"
    )


def test_without_an_image_score_there_is_no_headline() -> None:
    assert "no headline" in headline({})[0]


def test_simulated_women_are_called_simulated_and_real_ones_are_not() -> None:
    assert any("simulated" in text for text in warnings(build_results()))
    real = build_results(study={"data_kind": "registry"})
    assert not any("simulated" in text for text in [*warnings(real), *limits(real)])
    assert "not a medical device" in warnings(real)[0]


def test_the_glossary_explains_the_statistic_of_the_design_and_the_window() -> None:
    matched = dict(glossary(build_results()))
    assert "Matched concordance" in matched
    assert "within 12 months" in matched["Screen-detected and interval cancer"]
    unmatched = dict(glossary({"study": {"design": "cohort"}}))
    assert "AUC" in unmatched
    assert "Masking" not in unmatched


def test_limits_speak_only_of_what_the_page_shows() -> None:
    everything, nothing = " ".join(limits(build_results())), " ".join(limits({}))
    for word in ("interval cancers", "published", "Subgroups", "Saliency", "phantoms"):
        assert word in everything
        assert word not in nothing


def test_without_a_held_out_part_the_headline_says_cross_validated() -> None:
    results = build_results() | {"judged": "cross-validated"}
    assert plain(headline(results)[0]).startswith("On 418 cross-validated matched sets")
