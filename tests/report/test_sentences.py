"""Headline, kind of data, glossary: sentences made of the numbers."""

from __future__ import annotations

from typing import Any

from forescreen.report.facts import facts
from forescreen.report.findings import Finding, headline
from forescreen.report.reading import glossary, limits
from forescreen.report.sentences import mode_name, warnings

from .builders import build_estimate, build_main, build_results
from .evaluation_builders import build_evaluation


def plain(finding: Finding) -> str:
    return finding.text.replace("\u00a0", " ")


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
    assert headline(build_results(comparisons=worse))[0].text.endswith("the clinical factors do better.")


def test_too_few_events_are_said_instead_of_a_number() -> None:
    rows = [row | {"concordance": None} if row["case_type"] == "interval" else row for row in build_main()]
    assert headline(build_results(main=rows))[1].text == (
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
    assert "no headline" in headline({})[0].text


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


def compared(**sections: Any) -> list[str]:
    """The headline of an evaluation, each with its lead."""
    return [f"{found.lead}: {plain(found)}" for found in headline(build_evaluation(**sections))]


def differences(mode: str, **shown: tuple[float, float]) -> list[dict[str, Any]]:
    """Comparisons of northview with others: difference and half width by name of the other."""
    return [
        {"model_a": "northview", "model_b": other, "case_type": mode}
        | {"difference": build_estimate(value, half)}
        for other, (value, half) in shown.items()
    ]


def test_models_are_named_from_the_highest_down_with_who_was_judged() -> None:
    first, second, third = compared()
    assert first.startswith(
        "Screen-detected cancer: AUC 0.71 (0.69, 0.73) for Northview Risk 3.1, 0.69 (0.67, 0.71) for Mirai, "
        "0.66 (0.64, 0.68) for Halden AI and 0.58 (0.56, 0.60) for Volumetric density; "
        "829 cancers within 5 years among 112\u202f621 exams."
    )
    assert second.startswith("Interval cancer: AUC 0.76")
    assert third.startswith("Any breast cancer: ")


def test_a_model_is_better_only_where_every_paired_difference_excludes_0() -> None:
    wins = differences("any", mirai=(0.02, 0.01), halden=(0.05, 0.01), densitas=(0.1, 0.01))
    text = compared(comparisons=wins)[2]
    assert text.endswith(
        "Northview Risk 3.1 does better than each of the others: every paired difference excludes 0."
    )


def test_which_model_is_best_is_not_shown_where_a_difference_includes_0() -> None:
    one = differences("any", mirai=(0.01, 0.02), halden=(0.05, 0.01), densitas=(0.1, 0.01))
    assert compared(comparisons=one)[2].endswith(
        "Northview Risk 3.1 does better than Halden AI and Volumetric density. Against Mirai the interval of "
        "the paired difference includes 0: which of the two is better is not shown."
    )
    none = differences("any", mirai=(0.01, 0.2), halden=(0.05, 0.2), densitas=(0.1, 0.2))
    assert compared(comparisons=none)[2].endswith(
        "Every paired difference from Northview Risk 3.1, the highest, includes 0: which model is best is "
        "not shown."
    )


def test_models_that_were_not_compared_are_named() -> None:
    text = compared(comparisons=differences("any", mirai=(0.02, 0.01), halden=(0.05, 0.01)))[2]
    assert text.endswith("There is no paired comparison of Northview Risk 3.1 with Volumetric density.")


def test_two_models_are_told_by_their_difference_with_three_decimals() -> None:
    everything = build_evaluation()
    two = [row for row in everything["main"] if row["model"] in ("northview", "mirai")]
    near = differences("any", mirai=(0.0112, 0.0104))
    assert compared(main=two, comparisons=near)[2].endswith(
        "The paired difference is +0.011 (+0.001, +0.022): Northview Risk 3.1 does better."
    )
    wide = differences("any", mirai=(0.0112, 0.0208))
    assert compared(main=two, comparisons=wide)[2].endswith(
        "The paired difference is +0.011 (\u22120.010, +0.032): its interval includes 0, so neither is shown "
        "to be better."
    )


def test_a_mode_without_enough_events_says_so_in_its_place() -> None:
    rows = build_evaluation()["main"]
    rows = [row | {"concordance": None} if row["case_type"] == "interval" else row for row in rows]
    assert compared(main=rows)[1] == (
        "Interval cancer: Too few events to say how well any model separates them."
    )


def test_women_who_were_not_held_out_are_not_called_so() -> None:
    words = " ".join([*compared(), *(label for label, _ in facts(build_evaluation()))])
    assert "eld-out" not in words
    held = [*compared(judged="held-out"), *(label for label, _ in facts(build_evaluation(judged="held-out")))]
    assert "held-out exams" in held[0]
    assert "Held-out exams" in held


def test_the_facts_of_a_cohort_are_exams_women_cancers_and_follow_up() -> None:
    found = dict(facts(build_evaluation()))
    assert found["Design"] == "cohort"
    assert found["Exams"] == "112\u202f621 from 98\u202f402 women"
    assert found["Cancers within 5 years"] == "829 screen-detected, 396 interval, 1\u202f225 in all"
    assert found["Follow-up"] == "median 5.2, longest 7.9 years"
    study = build_evaluation()["study"]
    assert dict(facts({"study": study | {"n_women": study["n_exams"]}, "judged": "all"}))["Exams"] == (
        "112\u202f621, one per woman"
    )
    assert dict(facts({"study": study | {"weighted": True, "design": "case-cohort"}}))["Design"] == (
        "case–cohort, weighted to the population"
    )


def test_any_breast_cancer_has_its_name() -> None:
    assert mode_name("any") == "Any breast cancer"


def test_terms_and_limits_of_risks_are_explained_where_there_are_risks() -> None:
    with_risks = build_evaluation()
    without = build_evaluation(calibration=[], overall=[], decision=[])
    for term in ("Observed/expected (O/E)", "Net benefit", "Brier score and scaled Brier score"):
        assert term in dict(glossary(with_risks))
        assert term not in dict(glossary(without))
    assert "censoring weights" in dict(glossary(with_risks))["AUC"]
    said = " ".join(limits(with_risks))
    assert "on whom the models were developed" in said
    assert "not widened for the number of comparisons" in said
    assert "Calibration belongs to a population" in said
    assert "Calibration belongs" not in " ".join(limits(without))
