"""A screening registry with known truth: natural history -> women, screens, cancers -> mammograms.

Reading order: published, density, population, natural_history, screening, registry, oracle (the
registry tables); the mammograms of a registry's exams are made by the phantom modules.
"""
