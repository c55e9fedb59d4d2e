"""The recipe of a study: one of `forescreen.training.recipes`, with the study file's overrides."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from ..errors import ConfigError
from ..training.recipe import Recipe
from .config import ImagesSection, TrainingSection


def load_recipe(section: TrainingSection, images: ImagesSection) -> Recipe:
    """The named recipe on the study's canvas. `epochs` overrides those of its last phase."""
    recipe: Recipe = import_module(f"forescreen.training.recipes.{section.recipe}").RECIPE
    recipe = replace(recipe, geometry=images.geometry(recipe.geometry))
    if section.n_members is not None:
        recipe = replace(recipe, n_members=section.n_members)
    if section.epochs is not None:
        phases = (*recipe.phases[:-1], replace(recipe.phases[-1], epochs=section.epochs))
        recipe = replace(recipe, phases=phases)
    if section.pretrained is not None:
        if not section.pretrained.is_file():
            raise ConfigError(
                expected="encoder parameters (.safetensors)",
                found="no such file",
                where=f"[training] pretrained = {section.pretrained}",
            )
        recipe = replace(recipe, pretrained=str(section.pretrained))
    return recipe
