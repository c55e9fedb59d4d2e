"""Small registries for the tests of the cohort, as tables of text like those read from CSV."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd

from forescreen.cohort.registry import RegistryTables, registry_tables

WOMAN = {
    "birth_date": "1950-01-01",
    "race": "White",
    "family_history": "0",
    "breast_biopsy": "0",
    "menarche_age": "13",
    "parity": "2",
    "first_birth_age": "25",
    "death_date": "",
    "follow_up_end": "2020-12-31",
}
EXAM = {
    "purpose": "screening",
    "assessment": "1",
    "machine": "M1",
    "site": "S1",
    "bmi": "25.5",
    "menopause": "post",
    "hormone_therapy": "0",
    "density": "b",
    "percent_density": "20",
}
CANCER = {"behaviour": "invasive", "size_mm": "12", "grade": "2"}


def build_women(*women: dict[str, str]) -> pd.DataFrame:
    columns = ["woman_id", *WOMAN]
    return pd.DataFrame([WOMAN | woman for woman in women], columns=columns, dtype=str)


def build_exams(*exams: dict[str, str]) -> pd.DataFrame:
    """Exams with woman_id and exam_date; exam_id is made of both where not given."""
    rows = [EXAM | {"exam_id": f"{e['woman_id']}-{e['exam_date']}"} | e for e in exams]
    return pd.DataFrame(rows, columns=["exam_id", "woman_id", "exam_date", *EXAM], dtype=str)


def build_cancers(*cancers: dict[str, str]) -> pd.DataFrame:
    rows = [CANCER | cancer for cancer in cancers]
    return pd.DataFrame(rows, columns=["woman_id", "diagnosis_date", *CANCER], dtype=str)


def build_tables(
    women: list[dict[str, str]], exams: list[dict[str, str]], cancers: list[dict[str, str]]
) -> RegistryTables:
    return registry_tables(build_women(*women), build_exams(*exams), cancers=build_cancers(*cancers))


def one_woman(
    exams: list[tuple[str, str]], diagnosis: str | None = None, behaviour: str = "invasive", **woman: str
) -> RegistryTables:
    """A registry of one woman: her screens as (date, assessment) and her cancer."""
    return build_tables(
        [{"woman_id": "w"} | woman],
        [{"woman_id": "w", "exam_date": when, "assessment": code} for when, code in exams],
        [{"woman_id": "w", "diagnosis_date": diagnosis, "behaviour": behaviour}] if diagnosis else [],
    )


def random_registry(
    generator: np.random.Generator, *, n_women: int = 400, incidence: float = 0.2
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Women, exams and cancers at random: irregular screens, deaths, losses, in situ and second cancers."""
    women, exams, cancers = [], [], []
    races = ("White", "Black", "Asian")
    for i in range(n_women):
        woman_id = f"w{i:05d}"
        born = date(1945, 1, 1) + timedelta(int(generator.integers(0, 5000)))
        end = date(2012, 1, 1) + timedelta(int(generator.integers(0, 3000)))
        died = end - timedelta(int(generator.integers(0, 900))) if generator.random() < 0.1 else None
        women.append(
            {
                "woman_id": woman_id,
                "birth_date": born.isoformat(),
                "race": races[int(generator.integers(3))],
                "death_date": died.isoformat() if died else "",
                "follow_up_end": end.isoformat(),
            }
        )
        last = died or end
        diagnosed = None
        if generator.random() < incidence:
            diagnosed = min(date(2006, 1, 1) + timedelta(int(generator.integers(0, 3500))), last)
            behaviour = "in situ" if generator.random() < 0.2 else "invasive"
            cancers.append(
                {"woman_id": woman_id, "diagnosis_date": diagnosed.isoformat(), "behaviour": behaviour}
            )
            if generator.random() < 0.1:
                cancers.append({"woman_id": woman_id, "diagnosis_date": last.isoformat()})
        when = date(2005, 1, 1) + timedelta(int(generator.integers(0, 700)))
        while when < last:
            near = diagnosed is not None and 0 <= (diagnosed - when).days < 120
            positive = generator.random() < (0.7 if near else 0.08)
            exams.append(
                {
                    "woman_id": woman_id,
                    "exam_date": when.isoformat(),
                    "assessment": "0" if positive else str(generator.integers(1, 4)),
                    "purpose": "diagnostic" if generator.random() < 0.05 else "screening",
                    "machine": f"M{generator.integers(1, 3)}",
                }
            )
            when += timedelta(int(generator.integers(300, 800)))
    return build_women(*women), build_exams(*exams), build_cancers(*cancers)
