# The only commands. Each sets itself up; all that is assumed is Python 3.11+ and make.
#   make demo    the whole study on a simulated registry -> out/demo/report.html
#   make test    the test suite
#   make study   the same study at the size of the 2021 article -> out/study/report.html
#   make bench   the figures we claim -> docs/benchmarks.md
#   make check   style and types       make format   apply the style
#   make docs    docs/study.md from the last `make study`; the pages and pictures of intake
#   make fuzz    100 000 damaged DICOM objects through intake -> docs/fuzz.md
#   make accuracy   coverage of intervals, differences from R -> docs/accuracy.md
#   make reference  R's numbers anew (needs R and its packages, see tests/reference/recompute.R)
PYTHON ?= python3
VENV ?= .venv
# GPU machines: make setup TORCH=torch
TORCH ?= torch==2.13.0
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: setup format check test bench docs demo study fuzz accuracy reference clean

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) else f"forescreen needs Python 3.11 or newer, found {v}. Try: make PYTHON=python3.11")'
	@echo "Setting up $(VENV) (a few minutes, once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "$(TORCH)"
	@# torch stays what it is; everything else is the pinned set
	@grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt
	@$(BIN)/python -m pip freeze | grep '^torch==' >> $(VENV)/constraints.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e ".[dev]"
	@touch $(READY)

format: $(READY)
	$(BIN)/ruff check --fix src tests benchmarks examples
	$(BIN)/ruff format src tests benchmarks examples

check: $(READY)
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples
	$(BIN)/mypy

test: $(READY)
	$(BIN)/pytest -n 2 --dist loadscope

demo: $(READY)
	$(BIN)/forescreen study examples/demo.toml --out out/demo

study: $(READY)
	$(BIN)/forescreen study examples/study.toml --out out/study

bench: $(READY)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks

docs: $(READY)
	$(BIN)/python docs/record.py out/study docs/study.md
	$(BIN)/python docs/policy.py
	$(BIN)/python docs/deidentify.py
	$(BIN)/python docs/intake.py
	$(BIN)/python docs/risk.py

accuracy: $(READY)
	$(BIN)/python -m benchmarks.coverage
	$(BIN)/python docs/accuracy.py

fuzz: $(READY)
	$(BIN)/python -m tests.fuzz.run --n 100000 --seed 1 --out docs/fuzz.md

reference: $(READY)
	@command -v Rscript >/dev/null || { echo "make reference needs R. Debian: apt-get install r-base-core r-cran-survival r-cran-proc r-cran-riskregression r-cran-cmprsk r-cran-rms r-cran-hmisc r-cran-mice r-cran-jsonlite"; exit 1; }
	$(BIN)/python -m tests.reference.make_inputs
	Rscript tests/reference/recompute.R tests/reference/inputs tests/reference/r_owned.json

clean:
	rm -rf $(VENV) out
