# `make book` and `make test` do everything. The first of them makes an environment in .venv.

PYTHON ?= python3
PROFILE ?= laptop
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: help book test bench hooks lock clean distclean
.DEFAULT_GOAL := help

help:
	@echo "make book [PROFILE=smoke|laptop|paper]  run the notebooks that changed, build _build/html/index.html"
	@echo "make test                               run every test"
	@echo "make bench [QUICK=1] [ONLY=experiments] [DEVICE=cuda]"
	@echo "                                        time this package beside its peers; record it unless QUICK"
	@echo "make hooks                              check every commit of this clone (ruff, jupytext)"
	@echo "make lock                               pin requirements.txt from pyproject.toml"
	@echo "make clean                              remove the built book and the results of runs"
	@echo "make distclean                          also remove the environment"
	@echo "PYTHON=...                              the Python (3.11 or newer) that makes the environment"

book: $(STAMP)
	$(BIN)/iclnb book --fetch --profile $(PROFILE)

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

bench: $(STAMP)
	$(BIN)/iclnb fetch
	$(BIN)/python tests/benchmarks/bench.py $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY)) $(if $(DEVICE),--device $(DEVICE))

hooks: $(STAMP)
	$(BIN)/pre-commit install

# Made last, so that an interrupted installation leaves none and goes on where it stopped.
$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	@rm -f $@
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
	@test -e .git/hooks/pre-commit || echo "To have every commit checked (ruff, jupytext): make hooks"

# torch's build for machines without a GPU calls itself 2.13.0+cpu; the pin must fit every build.
lock: $(STAMP)
	CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --extra dev --strip-extras --allow-unsafe \
	  --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	  --output-file requirements.txt pyproject.toml
	sed -i.bak 's/^\(torch==[0-9.]*\)+[a-z0-9]*/\1/' requirements.txt && rm requirements.txt.bak

clean:
	rm -rf build _build

distclean: clean
	rm -rf .venv .venv-bench *.egg-info .pytest_cache .hypothesis .ruff_cache
	find iclnb tests notebooks -name __pycache__ -type d -prune -exec rm -rf {} +
