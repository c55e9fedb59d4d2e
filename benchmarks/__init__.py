"""One file per figure we claim; `make bench` runs them all and writes docs/benchmarks.md."""
