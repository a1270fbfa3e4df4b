# Two commands set everything up: `make verify` runs the main job, `make test` passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
OUT ?= report
PYTEST_WORKERS ?= 2
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help verify verify-full study data-given molecules networks battery faults figures figures-full gallery test test-long lint words format typecheck docs axe check bench fuzz mutants dist clean

help:
	@echo "make verify       create the environment, validate the theorems at a quick scale, write $(OUT)/"
	@echo "make verify-full  the same at full scale (about 8 minutes on 2 cores)"
	@echo "make test         create the environment and run the tests, doctests included"
	@echo "make test-long    the long grids and slow statistical comparisons that make test leaves out"
	@echo "make study        the full run, coverage, rankings and exact rates, written to docs/studies/ (over an hour)"
	@echo "make molecules DATA=FOLDER  audits of six molecular sets, written to docs/studies/molecules.md and those beside it (40 minutes)"
	@echo "make networks     read-outs of large networks, written to docs/studies/large_networks.md, with PyTorch, which is installed"
	@echo "make battery      TestU01 on the generator, 20 minutes on one core, written to docs/studies/generator.md"
	@echo "make faults       kill a sweep 200 times and compare what it resumes to, a minute"
	@echo "make figures      draw every figure at a quick scale, written to figures/ (two minutes)"
	@echo "make figures-full the same with the samples of a paper"
	@echo "make gallery      docs/gallery.md and its pictures from figures/"
	@echo "make lint         ruff, mypy, the floors that imports go down, and the words of the texts"
	@echo "make docs         build the documentation, warnings are errors, and check its links"
	@echo "make axe          faults of accessibility in the site and the reports; extra environment with axe, and Chromium"
	@echo "make check        lint, docs, test and test-long"
	@echo "make bench        ratios of run times against NumPy, SciPy, PyTorch and OpenTURNS (extra: bench)"
	@echo "make fuzz         fuzz what reads files: FUZZ_RUNS (20000) executions per target; extra environment with atheris"
	@echo "make mutants      change operators and numbers, MUTANTS (24) per area: do the tests see it? extra environment with cosmic-ray"
	@echo "make dist         build wheel and source distribution and pass the installed tests outside of the tree"
	@echo "make clean        remove the environment and everything that was built"

$(VENV)/.created: ; @$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(PIP_INSTALL) -e .
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(PIP_INSTALL) -e '.[test]'
	touch $@

verify: $(VENV)/.installed
	$(BIN)/qmis verify --quick --out $(OUT)

verify-full: $(VENV)/.installed
	$(BIN)/qmis verify --out $(OUT)

study: $(VENV)/.test-installed
	$(BIN)/qmis verify --out report-full
	$(BIN)/python docs/studies/write_verification.py report-full/report.json > docs/studies/verification.md
	$(BIN)/python docs/studies/run_coverage.py --fresh --out docs/studies/coverage.csv
	$(BIN)/python docs/studies/write_coverage.py docs/studies/coverage.csv
	$(BIN)/python docs/studies/indicator_ranking.py
	$(BIN)/python docs/studies/generalized_linear.py
	$(BIN)/python docs/studies/proportional.py --members 200000 --replicates 20000 --seed 1
	$(BIN)/python docs/studies/generalized_proportional.py --members 160000 --seed 1
	$(BIN)/python docs/studies/leakage.py --laws 8 --data-sets 25 --runs 1200 --seed 1
	$(BIN)/python docs/studies/leak_checks.py --parts order --seed 1
	$(BIN)/python docs/studies/group_leak.py --data-sets 24 --runs 300 --seed 1
	$(BIN)/python docs/studies/audit_answer.py --laws 4 --data-sets 25 --runs 1200 --seed 1
	$(BIN)/python docs/studies/scales.py $(if $(DATA),--data "$(DATA)")
	$(BIN)/python docs/studies/calibration.py $(if $(DATA),--data "$(DATA)")
	$(BIN)/python docs/studies/protects.py $(if $(DATA),--data "$(DATA)")
	$(BIN)/python docs/studies/softmax.py --pools 3 --targets 300 --shadows 80 --seed 100
	$(BIN)/python docs/studies/memberships.py
	$(BIN)/python docs/studies/synthetic.py
	$(BIN)/python docs/studies/agreement.py
	$(BIN)/python docs/studies/independence.py
	$(if $(DATA),$(BIN)/python docs/studies/molecules.py --data "$(DATA)")
	$(if $(DATA),$(BIN)/python docs/studies/leak_checks.py --parts records attacks --data "$(DATA)" --seed 1)

data-given:
	@$(if $(DATA),:,echo "DATA is missing: make molecules DATA=FOLDER, the folder with bbb_martins.tab and the others"; exit 1)

molecules: data-given $(VENV)/.test-installed
	$(BIN)/python docs/studies/molecules.py --data "$(DATA)"
	$(BIN)/python docs/studies/molecules_leak.py --data "$(DATA)"
	$(BIN)/python docs/studies/molecules_attacks.py --data "$(DATA)"

networks: $(VENV)/.test-installed
	$(PIP_INSTALL) -e '.[torch]'
	$(BIN)/python docs/studies/large_networks.py

battery: $(VENV)/.test-installed
	@echo '#include <TestU01.h>' | $(CC) -E - >/dev/null 2>&1 || { echo "make battery needs a C compiler and TestU01 (Debian: libtestu01-0-dev, section non-free)"; exit 1; }
	mkdir -p docs/_build
	$(CC) -O2 -Wall -o docs/_build/battery docs/studies/battery/battery.c -ltestu01 -ltestu01probdist -ltestu01mylib -lm
	$(BIN)/python docs/studies/battery/run.py docs/_build/battery > docs/_build/battery.csv
	mv docs/_build/battery.csv docs/studies/battery/results.csv
	$(BIN)/python docs/studies/write_generator.py

faults: $(VENV)/.test-installed
	$(BIN)/python docs/studies/kills.py --kills 200

figures: $(VENV)/.installed
	$(BIN)/qmis figures --quick --out figures
	$(BIN)/python tests/figures/references.py figures

figures-full: $(VENV)/.installed
	$(BIN)/qmis figures --out figures

gallery: $(VENV)/.installed
	$(BIN)/python docs/write_gallery.py figures

# Byte code is kept, whatever the environment says: workers and the processes that tests start compile nothing again.
# One thread of BLAS per worker: more than there are processors take each other's time.
PYTEST := PYTHONDONTWRITEBYTECODE= OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist worksteal
test: $(VENV)/.test-installed
	$(PYTEST) -m "not long"

test-long: $(VENV)/.test-installed
	$(PYTEST) -m long

lint: typecheck words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

# Spelling, and the words of docs/wording: some not in any file, some not in prose, where they are no names of arguments.
words: $(VENV)/.test-installed
	$(BIN)/codespell -D - -D docs/wording/everywhere.txt README.md CHANGELOG.md docs qmis_stats paper_figures kernels
	$(BIN)/codespell -D docs/wording/prose.txt README.md CHANGELOG.md docs/*.md docs/guides/*.md docs/api/*.md

typecheck: $(VENV)/.test-installed
	$(BIN)/mypy

format: $(VENV)/.test-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# From nothing: pages of modules that are gone would stay, and their links are checked.
docs: $(VENV)/.test-installed
	rm -rf docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	$(BIN)/python docs/check_site.py docs/_build/html

$(VENV)-axe/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/python -m venv $(VENV)-axe
	$(VENV)-axe/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[accessibility]'
	touch $@

AXE_REPORTS := docs/_build/reports
axe: $(VENV)-axe/.installed docs
	rm -rf $(AXE_REPORTS)
	$(BIN)/qmis verify --quick --out $(AXE_REPORTS)/verify
	$(BIN)/qmis audit bundled:breast_cancer --runs 4 --attacks 32 --quantizers identity,sign,uniform-4 --out $(AXE_REPORTS)/audit
	$(BIN)/qmis sweep docs/experiments/sweep.toml --store $(AXE_REPORTS)/results.sqlite --out $(AXE_REPORTS)/sweep
	$(VENV)-axe/bin/python docs/accessibility.py docs/_build/html $(AXE_REPORTS)

check: lint docs test test-long

bench: $(VENV)/.installed
	$(PIP_INSTALL) -e '.[bench]'
	$(BIN)/python benchmarks/run.py --rounds 9 | tee docs/studies/benchmarks.md

MUTANTS ?= 24
MUTANT_AREAS ?= theory intervals reference
FUZZ_RUNS ?= 20000
FUZZ_SECONDS ?= 540
FUZZ_TARGETS ?= experiment losses table store
$(VENV)-fuzz/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/python -m venv $(VENV)-fuzz
	$(VENV)-fuzz/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[parquet]' atheris
	touch $@

fuzz: $(VENV)-fuzz/.installed
	for target in $(FUZZ_TARGETS); do \
	  $(VENV)-fuzz/bin/python fuzz/run.py $$target --runs $(FUZZ_RUNS) --seconds $(FUZZ_SECONDS) || exit 1; done

$(VENV)-mutants/.installed: $(VENV)/.created pyproject.toml constraints.txt
	$(BIN)/python -m venv $(VENV)-mutants
	$(VENV)-mutants/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]' cosmic-ray
	touch $@

mutants: $(VENV)-mutants/.installed
	for area in $(MUTANT_AREAS); do \
	  $(VENV)-mutants/bin/python mutants/run.py $$area --count $(MUTANTS) || exit 1; done

DIST_PYTHON ?= $(PYTHON)
DIST_TESTS ?= tests/test_experiment.py tests/exact tests/theory tests/model tests/cli tests/hostile tests/sweep/test_database.py tests/sweep/test_merge.py
dist: $(VENV)/.created
	$(PIP_INSTALL) build
	rm -rf dist && $(BIN)/python -m build --outdir dist .
	$(BIN)/python release/check_files.py dist
	DIST_PYTHON=$(DIST_PYTHON) DIST_PINS=$(DIST_PINS) sh release/installed_tests.sh dist $(DIST_TESTS)

clean:
	rm -rf $(VENV) $(VENV)-fuzz $(VENV)-mutants $(VENV)-axe dist fuzz/out mutants/out $(OUT) docs/_build .mypy_cache .ruff_cache .pytest_cache
