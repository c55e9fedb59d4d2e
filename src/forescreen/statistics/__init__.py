"""Risk and outcomes -> estimates with intervals: the statistics of studies of screening.

In: arrays, one row per woman or exam (score or risk, case or time and event, set, weight). Out:
`forescreen.records.Estimate` or a named result that holds estimates. numpy and scipy only. The reading order
is that of ARCHITECTURE.md; docs/reference/statistics.md says what is where, docs/accuracy.md how it compares
with R.
"""
