"""Risk and outcomes -> estimates with intervals: the statistics of matched studies of screening.

In: arrays, one row per woman or exam (score, case, set). Out: `forescreen.records.Estimate` or a named
result that holds estimates. numpy and scipy only. In reading order: rows · inference · proportions ·
binormal · bootstrap · sets · conditional_likelihood · association · profile · case_types ·
discrimination · matched · triage; and logistic, for designs without sets.
"""
