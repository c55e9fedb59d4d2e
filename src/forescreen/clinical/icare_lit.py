"""iCARE-Lit: absolute risk of breast cancer from questionnaire factors, coefficients from the literature.

In: women with age and factors; a horizon. Out: risks, and those of the population at the same age. One model
of two parts: coefficients and reference population for women under 50 until 50, and those from 50 on from
then. Risks are made with a baseline hazard that gives the population's rates back [Choudhury2020]. Unknown
factors are averaged over the reference population, never set to a reference level.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from .absolute import end_of, population_risk
from .eligibility import Eligibility, concluded
from .icare_files import read_reference
from .icare_lit_columns import FACTOR_OF, Part, coefficients, columns_of
from .icare_lit_population import known_from_shares, population
from .log_linear import Column, Scores, contributions, scores
from .model import Assessment, Terms, Use
from .periods import Known, Mode, Period, Sample, known_from_sample, split_risk
from .rates import Rates, built_in_rates
from .reference import RelativeRisks, Rules, baseline_hazards
from .women import Women

#: The model changes here.
CUT_AGE = 50.0
YOUNGEST, OLDEST = 20.0, 80.0
#: Height whose term is 0 in `terms`: the mean of the reference sample from 50, in dm.
_MEAN_HEIGHT_DM = 16.229

CODES: Mapping[str, str] = {
    "age_outside": "the age at the start is below 20 or not below 80",
    "horizon_outside": "the horizon is unknown or not above 0",
    "horizon_past_end": "the horizon ends beyond the last age of the rates, 81 for those of the model",
    "ages_not_whole": "mode icare takes whole years of age and whole years of horizon only",
    "factors_assumed": "unknown factors were averaged over the reference population",
    "reference_borrowed": "factors unknown under 50 were averaged over shares mostly of women from 50",
    "menopause_to_come": "the age at menopause of a premenopausal woman, needed from 50 on, was averaged "
    "over those not below her age",
}

_AVERAGED = "averaged over the reference population"


@dataclass(frozen=True, kw_only=True, eq=False)
class IcareLit:
    """The model; `ICARE_LIT` is the instance with the built-in rates and populations.

    `mode="icare"` repeats iCARE's numbers (whole years; deaths before 50 count as lived on), for comparison.
    `rates` are another population's. `under_50` and `from_50` are reference samples of one's own
    (`reference_sample`, or `icare_lit_population.sample_of` for women in our vocabulary): then baseline and
    averages are theirs, and unknown factors are averaged as iCARE does, over women with the same hundredth of
    the score of what is known.
    """

    mode: Mode = "exact"
    rates: Rates | None = None
    under_50: Sample | None = None
    from_50: Sample | None = None

    name = "icare-lit"
    title = "iCARE-Lit"
    version = "py-icare 1.3.0 (2021 coefficients)"
    references = ("Choudhury2020",)
    uses = (
        Use(factor="age", required=True),
        Use(factor="menarche_age", assumed=_AVERAGED),
        Use(factor="parity", assumed=_AVERAGED),
        Use(factor="first_birth_age", assumed=f"the first of birth_ages; then {_AVERAGED}, given parity"),
        Use(factor="birth_ages", assumed="used where first_birth_age is unknown"),
        Use(factor="oral_contraceptive", assumed=_AVERAGED),
        Use(factor="alcohol_g_per_day", assumed=_AVERAGED),
        Use(factor="benign_breast_disease", assumed=f"{_AVERAGED}; a biopsy does not stand for it"),
        Use(factor="n_relatives", assumed="one or more where family_history is yes, none where it is no"),
        Use(factor="family_history", assumed=f"used where n_relatives is unknown; then {_AVERAGED}"),
        Use(factor="height_cm", assumed=_AVERAGED),
        Use(
            factor="bmi", assumed=f"made of weight_kg and height_cm; then {_AVERAGED}, given hormone therapy"
        ),
        Use(factor="weight_kg", assumed="used where bmi is unknown"),
        Use(factor="menopause", assumed="only bounds an unknown menopause_age; none where unknown"),
        Use(
            factor="menopause_age",
            assumed=f"from 50: {_AVERAGED}, at ages not before her age if premenopausal, not after it if "
            "postmenopausal",
        ),
        Use(factor="hormone_therapy", assumed=f"from 50: {_AVERAGED}, given body-mass index"),
        Use(
            factor="hormone_therapy_type", assumed=f"of current therapy from 50: {_AVERAGED}, given body mass"
        ),
    )
    ages = (YOUNGEST, OLDEST)
    horizons_years = (0.0, OLDEST + 1 - YOUNGEST)  # above 0, to the end of the rates at most
    populations = ()
    codes = CODES

    @property
    def event(self) -> str:
        """What the rates count."""
        return self._rates.event

    def assess(self, women: Women, horizon_years: Float[np.ndarray, "woman"] | float) -> Assessment:
        """Risk over the horizon (one for all or one each), across 50 with both parts of the model.

        Answers every race alike: whether the rates are those of the population is for the reader to know.
        `average` is the population's risk at the rates. Reasons for no risk are ages, horizons and
        contradictions of the row in factors that the model uses; unknown factors are flagged. References:
        [Choudhury2020].
        """
        horizon = np.broadcast_to(np.asarray(horizon_years, dtype=float), (women.n,)).copy()
        start = women.number("age")
        end = end_of(start, horizon, float(self._rates.edges[-1]))
        reasons = self._reasons(women, start, horizon, end)
        eligible = Eligibility(horizon_years=horizon, reasons=reasons)
        rows = np.flatnonzero(eligible.answered)
        risk, average = np.full(women.n, np.nan), np.full(women.n, np.nan)
        flags = {
            code: np.zeros(women.n, dtype=bool)
            for code in ("factors_assumed", "reference_borrowed", "menopause_to_come")
        }
        chosen = _rows(women, rows)
        needed = {"under 50": start[rows] < CUT_AGE, "from 50": end[rows] > CUT_AGE}
        early, unknown_early = self._period(chosen, "under 50", needed["under 50"])
        late, unknown_late = self._period(chosen, "from 50", needed["from 50"])
        if rows.size:
            risk[rows] = split_risk(
                start[rows], end[rows], cut_age=CUT_AGE, before=early, after=late, mode=self.mode
            )
            average[rows] = population_risk(start[rows], end[rows], self._rates, mode=self.mode)
        flags["factors_assumed"][rows] = unknown_early | unknown_late
        if self.under_50 is None:
            flags["reference_borrowed"][rows] = unknown_early
        coming = chosen.has("menopause", "pre") & ~chosen.known("menopause_age") & needed["from 50"]
        flags["menopause_to_come"][rows] = coming
        return concluded(
            self,
            eligible,
            risk,
            average=average,
            flags=flags,
            notes=(
                "coefficients from the literature have no covariance: there are no limits",
                f"rates: {self._rates.name}, {self._rates.population}",
            ),
        )

    def terms(self, women: Women) -> Terms:
        """Log relative risks at the age of the start, relative to the reference levels and to 162.3 cm.

        Interactions of hormone therapy stand with it. `unknown factors` is what the mean relative risk over
        all that is unknown adds to the terms that are known.
        """
        factors = (*dict.fromkeys(FACTOR_OF.values()), "unknown factors")
        place = {factor: k for k, factor in enumerate(factors)}
        age = women.number("age")
        values = np.full((women.n, len(factors)), np.nan)
        answered = (age >= YOUNGEST) & (age < OLDEST) & ~women.troubled([use.factor for use in self.uses])
        for part, mask in (("under 50", age < CUT_AGE), ("from 50", age >= CUT_AGE)):
            rows = np.flatnonzero(answered & mask)
            if rows.size == 0:
                continue
            part_name: Part = "under 50" if part == "under 50" else "from 50"
            model, columns = coefficients(part_name), columns_of(_rows(women, rows), part_name)
            known, found = self._known(part_name, columns)
            made = np.zeros((rows.size, len(factors)))
            for term, value in zip(model.terms, contributions(model, columns).T, strict=True):
                made[:, place[FACTOR_OF[term.columns[0]]]] += value
            made[:, -1] = np.where(found.complete, 0.0, known.log_mean - made.sum(axis=1))
            slope = next(term.coefficient for term in model.terms if term.columns == ("height",))
            known_height = ~np.isnan(columns["height"])
            made[:, place["height_cm"]] -= np.where(known_height, slope * _MEAN_HEIGHT_DM, 0.0)
            made[:, -1] -= np.where(known_height, 0.0, slope * _MEAN_HEIGHT_DM)
            values[rows] = made
        return Terms(factors=factors, log_relative_risk=values)

    @property
    def _rates(self) -> Rates:
        return self.rates or built_in_rates("icare-lit")

    def _sample(self, part: Part) -> Sample | None:
        return self.under_50 if part == "under 50" else self.from_50

    def _population(self, part: Part) -> RelativeRisks:
        sample = self._sample(part)
        return population(part).relative_risks if sample is None else sample.population

    def _known(self, part: Part, columns: Mapping[str, Column]) -> tuple[Known, Scores]:
        found, sample = scores(coefficients(part), columns), self._sample(part)
        return (
            known_from_shares(part, columns) if sample is None else known_from_sample(sample, found)[0]
        ), found

    def _period(
        self, women: Women, part: Part, needed: Bool[np.ndarray, "woman"]
    ) -> tuple[Period, Bool[np.ndarray, "woman"]]:
        """The part for the women who need it, and who of them has unknown factors."""
        baseline = baseline_hazards(self._rates, self._population(part), mode=self.mode)
        offset, rule = np.zeros(women.n), np.full(women.n, -1)
        unknown, rules = np.zeros(women.n, dtype=bool), Rules.of([])
        rows = np.flatnonzero(needed)
        if rows.size:
            known, found = self._known(part, columns_of(_rows(women, rows), part))
            offset[rows], rule[rows], rules = known.offset, known.rule, known.rules
            unknown[rows] = ~found.complete
        return Period(baseline=baseline, known=Known(offset=offset, rule=rule, rules=rules)), unknown

    def _reasons(
        self,
        women: Women,
        start: Float[np.ndarray, "woman"],
        horizon: Float[np.ndarray, "woman"],
        end: Float[np.ndarray, "woman"],
    ) -> dict[str, Bool[np.ndarray, "woman"]]:
        reasons = {
            "age_unknown": np.isnan(start),
            "age_outside": (start < YOUNGEST) | (start >= OLDEST),
            "horizon_outside": ~(horizon > 0),
            "horizon_past_end": (end > self._rates.edges[-1]) & (start < OLDEST),
            "factors_contradict": women.troubled([use.factor for use in self.uses]),
        }
        if self.mode == "icare":
            whole = (start == np.floor(start)) & (horizon == np.floor(horizon))
            reasons["ages_not_whole"] = ~whole & ~np.isnan(start) & (horizon > 0)
        return reasons


#: iCARE-Lit with its own rates and populations.
ICARE_LIT = IcareLit()


def reference_sample(path: Path, part: Part, *, weight_column: str | None = None) -> Sample:
    """A reference sample for one part of the model, from a csv in py-icare's columns.

    Columns are those of iCARE-Lit's reference data (age_at_menarche, parity, …), with the levels of the
    model; `weight_column` holds sampling weights. Raises FactorError and InputError for unknown cells, levels
    that the model has not, and columns that are missing.
    """
    return read_reference(coefficients(part), path, weight_column=weight_column)


def _rows(women: Women, rows: np.ndarray) -> Women:
    """Some of the women, without their problems."""
    return Women(n=rows.size, values={name: column[rows] for name, column in women.values.items()})
