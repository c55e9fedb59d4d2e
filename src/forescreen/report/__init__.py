"""Report: results.json becomes one self-contained HTML page, and csv files of every table on it.

`forescreen.report.page.write_report` is the way in. Modules, each reading only those above it:
numbers, results, palette, sentences, tables, drawing, forests, figures, page.
"""
