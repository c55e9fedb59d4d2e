"""The TRIPOD+AI checklist, in its order, filled from what an evaluation knows.

In: the results of an evaluation. Out: one row per item with a text and a status: "filled" (the results say
it), "partly" (they say a part), "open" (only the authors can say it). Nothing is invented: an open item
says what is asked for. Items follow [Collins2024] in our own words; letters D and E (development,
evaluation) are left out, because every row here is about an evaluation.
"""

from __future__ import annotations

from typing import Any, Literal

Status = Literal["filled", "partly", "open"]


def checklist(results: dict[str, Any]) -> list[dict[str, str]]:
    """All items, in order, as {section, item, topic, text, status}."""
    study = results.get("study", {})
    models = [str(m.get("label") or m.get("key")) for m in results.get("models", [])]
    names = ", ".join(models)
    counts = _counts(results)
    rows: list[tuple[str, str, str, Status, str]] = [
        (
            "Title and abstract",
            "1",
            "Title",
            "partly",
            f"Evaluation of {names} by mode of detection; name the population and the setting.",
        ),
        ("Title and abstract", "2", "Abstract", "open", "Write it after TRIPOD+AI for Abstracts."),
        (
            "Introduction",
            "3a",
            "Health-care context",
            "open",
            "Why risk is predicted from screening mammograms here.",
        ),
        (
            "Introduction",
            "3b",
            "Intended use",
            "open",
            "Target population, place in the pathway, intended users.",
        ),
        (
            "Introduction",
            "3c",
            "Known inequalities",
            "open",
            "Which groups of women are known to fare differently.",
        ),
        (
            "Introduction",
            "4",
            "Objectives",
            "filled",
            f"Evaluation (validation) of {len(models)} model{'s' if len(models) != 1 else ''}: "
            f"discrimination{_list(results)}.",
        ),
        (
            "Methods",
            "5a",
            "Sources of data",
            "partly",
            f"{_article(str(study.get('design') or 'cohort'))}; files: {_files(results)}. Say where and why "
            "these data, and how representative they are.",
        ),
        (
            "Methods",
            "5b",
            "Dates",
            *_status(bool(study.get("follow_up_years")), partly=True),
            _follow_up(study) + "State the first and the last exam and the end of follow-up.",
        ),
        ("Methods", "6a", "Setting", "open", "Number and place of the screening units."),
        (
            "Methods",
            "6b",
            "Eligibility",
            *_status(bool(results.get("flow")), partly=True),
            "See the flow diagram." if results.get("flow") else "Who was eligible, and why.",
        ),
        ("Methods", "6c", "Treatments", "open", "Preventive treatment received, if relevant."),
        (
            "Methods",
            "7",
            "Data preparation",
            "partly",
            "Keys, outcomes and times were checked as documented; what was left out stands in its table. "
            "State the "
            "preparation of the images by each model.",
        ),
        (
            "Methods",
            "8a",
            "Outcome",
            "partly",
            f"Outcomes: {', '.join(results.get('case_types', []))}"
            f"{_horizons(study)}. State how the mode of detection was decided.",
        ),
        (
            "Methods",
            "8b",
            "Assessment of the outcome by people",
            "open",
            "Qualifications of who assessed it, if judgement was needed.",
        ),
        (
            "Methods",
            "8c",
            "Blinding of the outcome",
            "open",
            "Whether outcomes were assessed without the predictions.",
        ),
        (
            "Methods",
            "9a",
            "Choice of predictors",
            "partly",
            "Predictions were taken as they are; state what each model was given.",
        ),
        (
            "Methods",
            "9b",
            "Predictors, when and how measured",
            "open",
            "Machines, software versions, time of exam.",
        ),
        ("Methods", "9c", "Assessment of predictors by people", "open", "If any predictor needed judgement."),
        (
            "Methods",
            "10",
            "Sample size",
            "partly",
            f"{counts}. State how it was decided; forescreen.statistics.sample_size computes what each "
            "figure needs.",
        ),
        (
            "Methods",
            "11",
            "Missing data",
            "filled",
            "Only exams with a prediction of every model are compared; "
            + (_left_out(results) or "none was left out for that reason")
            + "."
            + _unknown_factors(results),
        ),
        ("Methods", "12a", "Use of the data", "filled", _judged(results)),
        (
            "Methods",
            "12b",
            "Handling of predictors in the models",
            "partly",
            "Models were not changed. Clinical models, where there are any, were fitted on development "
            "exams only.",
        ),
        (
            "Methods",
            "12c",
            "Type of model",
            "open",
            "Architecture and training of each model, or the reference.",
        ),
        (
            "Methods",
            "12d",
            "Heterogeneity",
            *_status(bool(results.get("subgroups"))),
            "Discrimination by subgroup is reported."
            if results.get("subgroups")
            else "Performance by site or group was not examined.",
        ),
        (
            "Methods",
            "12e",
            "Measures of performance",
            "filled",
            f"Reported with 95 % confidence intervals{_clusters(study)}: discrimination{_list(results)}.",
        ),
        ("Methods", "12f", "Updating of models", "filled", "No model was updated or recalibrated."),
        (
            "Methods",
            "12g",
            "How predictions were made",
            "partly",
            "Taken from the files of predictions; state software and versions that made them.",
        ),
        (
            "Methods",
            "13",
            "Class imbalance",
            "filled",
            "No resampling of classes; sampling weights "
            + ("undo the sampling design." if study.get("weighted") else "were not needed or not given."),
        ),
        (
            "Methods",
            "14",
            "Fairness",
            *_status(bool(results.get("subgroups")), partly=True),
            "Performance by subgroup stands in its table; state what was done about differences."
            if results.get("subgroups")
            else "No subgroups were given.",
        ),
        (
            "Methods",
            "15",
            "Output of the models",
            "filled",
            _outputs(results),
        ),
        (
            "Methods",
            "16",
            "Differences between development and evaluation",
            "open",
            "Setting, eligibility, outcome and predictors of each model's development against these.",
        ),
        ("Methods", "17", "Ethical approval", "open", "Committee and consent, or waiver."),
        ("Open science", "18a", "Funding", "open", "Source of money and role of the funders."),
        (
            "Open science",
            "18b",
            "Conflicts of interest",
            "open",
            "Of all authors, vendors of models among them.",
        ),
        (
            "Open science",
            "18c",
            "Protocol",
            "open",
            "Where the protocol can be read, or that there was none.",
        ),
        ("Open science", "18d", "Registration", "open", "Register and number, or that there is none."),
        ("Open science", "18e", "Data", "open", "Whether and how the data can be had."),
        (
            "Open science",
            "18f",
            "Code",
            "filled",
            f"forescreen {results.get('forescreen', '')}, Apache-2.0; plan and hashes of the inputs stand "
            "in the "
            "results.",
        ),
        (
            "Patient and public involvement",
            "19",
            "Involvement",
            "open",
            "Of women in design, conduct or reporting, or none.",
        ),
        (
            "Results",
            "20a",
            "Flow of participants",
            "filled" if results.get("flow") else "partly",
            f"{counts}. {_follow_up(study)}".strip(),
        ),
        (
            "Results",
            "20b",
            "Characteristics",
            *_status(bool(results.get("table1", {}).get("rows")), partly=True),
            "Table 1 shows what the outcomes table gave."
            if results.get("table1", {}).get("rows")
            else "Give characteristics of the women.",
        ),
        (
            "Results",
            "20c",
            "Comparison with the development data",
            "open",
            "Distribution of important predictors there and here.",
        ),
        ("Results", "21", "Numbers in each analysis", "filled", counts + "."),
        ("Results", "22", "Full specification of the models", "open", "Or where each model can be had."),
        (
            "Results",
            "23a",
            "Performance",
            "filled",
            "With confidence intervals, for all women and by subgroup where there are enough events.",
        ),
        (
            "Results",
            "23b",
            "Heterogeneity of performance",
            *_status(bool(results.get("subgroups"))),
            "See the subgroups." if results.get("subgroups") else "Not examined.",
        ),
        ("Results", "24", "Results of updating", "filled", "No model was updated."),
        ("Discussion", "25", "Interpretation", "open", "In the light of earlier studies and of fairness."),
        (
            "Discussion",
            "26",
            "Limitations",
            "partly",
            "The page lists those of the method; add those of the data.",
        ),
        (
            "Discussion",
            "27a",
            "Use with poor or missing input",
            "open",
            "What happens to exams that cannot be scored.",
        ),
        ("Discussion", "27b", "Skills of users", "open", "Whether users handle input or need training."),
        ("Discussion", "27c", "Next steps", "open", "For research and for other settings."),
    ]
    return [
        {"section": section, "item": item, "topic": topic, "text": text, "status": status}
        for section, item, topic, status, text in rows
    ]


def _status(known: bool, *, partly: bool = False) -> tuple[Status]:
    return ("partly" if partly and known else "filled" if known else "open",)


def _unknown_factors(results: dict[str, Any]) -> str:
    """What was done about unknown clinical factors, where models were fitted on them."""
    method = str(results.get("missing", {}).get("method") or "")
    words = {
        "complete": "exams of which one is unknown are left out.",
        "multiple imputation": "drawn by multiple imputation, without outcomes where scores are judged.",
        "indicator": "a level of their own in the models.",
    }
    return f" Unknown clinical factors: {words[method]}" if method in words else ""


def _counts(results: dict[str, Any]) -> str:
    study = results.get("study", {})
    unit = {"woman": "women"}.get(str(study.get("unit")), f"{study.get('unit') or 'exam'}s")
    names = {"any": "cancers in all", "cancer": "cancers"}
    cases = ", ".join(
        f"{_number(n)} {names.get(name, f'{name} cancers')}"
        for name, n in (study.get("n_cases") or {}).items()
    )
    women = study.get("n_women")
    of_women = f" of {_number(women)} women" if women and women != study.get("n_exams") else ""
    return f"{_number(study.get('n_exams') or 0)} {unit}{of_women}; {cases}"


def _number(n: int) -> str:
    return f"{n:,}".replace(",", "\u202f")


def _files(results: dict[str, Any]) -> str:
    return ", ".join(str(entry.get("name")) for entry in results.get("inputs", [])) or "not stated"


def _follow_up(study: dict[str, Any]) -> str:
    found = study.get("follow_up_years")
    if not found:
        return ""
    return f"Follow-up: median {found['median']:.1f}, longest {found['longest']:.1f} years. "


def _horizons(study: dict[str, Any]) -> str:
    years = study.get("horizons_years") or []
    return f", within {', '.join(f'{y:g}' for y in years)} years of the exam" if years else ""


def _list(results: dict[str, Any]) -> str:
    named = (
        ("calibration", "calibration"),
        ("overall", "overall accuracy (Brier)"),
        ("decision", "net benefit"),
        ("capture", "capture and predictive value of the highest scores"),
    )
    found = [text for key, text in named if results.get(key)]
    return "".join(f", {text}" for text in found)


def _left_out(results: dict[str, Any]) -> str:
    return "; ".join(
        f"{e['n']} {e['what']}" for e in results.get("exclusions", []) if "prediction" in str(e.get("what"))
    )


def _judged(results: dict[str, Any]) -> str:
    if results.get("judged") == "held-out":
        return "Only held-out exams are judged; nothing was fitted on them."
    return "All exams are used for evaluation; no model was fitted on them here."


def _clusters(study: dict[str, Any]) -> str:
    return ", women as the independent units" if study.get("clustered") else ""


def _outputs(results: dict[str, Any]) -> str:
    return "; ".join(
        f"{m.get('label') or m.get('key')}: {m.get('output', 'score')}" for m in results.get("models", [])
    )


def _article(design: str) -> str:
    kind = {
        "cohort": "cohort study",
        "matched": "matched case–control study",
        "case-control": "case–control study",
        "nested case-control": "nested case–control study",
        "case-cohort": "case–cohort study",
    }.get(design, design)
    return f"Data of a {kind}"
