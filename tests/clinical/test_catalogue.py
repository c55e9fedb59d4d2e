"""Models are found by the names that people use; for the others there is a reason and a way."""

from __future__ import annotations

import pytest

from forescreen.clinical.catalogue import ALIASES, MODELS, NOT_COMPUTED, model_named
from forescreen.clinical.external import external_columns
from forescreen.errors import ConfigError


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_is_found_in_whatever_spelling(name: str) -> None:
    for spelling in (name, name.upper(), name.replace("-", "_"), name.replace("-", " ")):
        assert model_named(spelling) is MODELS[name]


@pytest.mark.parametrize("alias", sorted(ALIASES))
def test_an_alias_leads_to_a_model_or_to_the_reason_why_not(alias: str) -> None:
    target = ALIASES[alias]
    assert target not in NOT_COMPUTED or target not in MODELS
    if target in MODELS:
        assert model_named(alias) is MODELS[target]
    elif target in NOT_COMPUTED:
        with pytest.raises(ConfigError, match=target):
            model_named(alias)


@pytest.mark.parametrize("name", sorted(NOT_COMPUTED))
def test_models_that_are_not_computed_say_why_and_what_to_do(name: str) -> None:
    why, instead = NOT_COMPUTED[name]
    with pytest.raises(ConfigError) as error:
        model_named(name.replace("-", " ").title())
    assert error.value.found == f"{name}: {why}"
    assert error.value.remedy == instead


def test_the_columns_that_are_proposed_are_columns_that_are_read() -> None:
    words = [word.strip(",;") for _, instead in NOT_COMPUTED.values() for word in instead.split()]
    proposed = [word for word in words if word.endswith("_percent")]
    assert len(external_columns(proposed)) == len(proposed) >= 6


def test_an_unknown_name_lists_the_models_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"a clinical model among .*bcsc-v1.*found barlow2060") as error:
        model_named("barlow2060")
    assert "barlow2006" in error.value.remedy
    with pytest.raises(ConfigError) as error:
        model_named("zzzz")
    assert error.value.remedy == ""
