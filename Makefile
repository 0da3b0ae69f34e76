# Three commands for a fresh machine: `make quick`, `make demo` and `make test`.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PEERS ?= .venv-peers
TESTS ?= tests
WORKERS ?= 2

.PHONY: quick demo test test-slow test-browser docs experiments bench lint types install install-dev clean

quick: $(VENV)/installed  ## draws digits with a model that comes along (a minute)
	$(BIN)/pdm-tf sample --model=pretrained:mnist --out_dir=samples/quick --num_images=100
	@echo "look at samples/quick/grid.png"

demo: $(VENV)/installed  ## trains on real digits (minutes), samples, shows where
	$(BIN)/pdm-tf train --flagfile=configs/mnist.flags
	$(BIN)/pdm-tf sample --model=runs/mnist --out_dir=samples/mnist \
		--num_images=100 --guidance=1.5
	@echo "look at samples/mnist/grid.png"

# The tests of a file share fixtures that take long; loadfile keeps them in one process.
test: $(VENV)/installed-dev lint types  ## lint, types and all tests but the slow ones
	$(BIN)/python -m pytest $(TESTS) -n $(WORKERS) --dist loadfile -m "not slow"

test-slow: $(VENV)/installed-dev  ## the tests that take minutes
	$(BIN)/python -m pytest $(TESTS) -m slow

test-browser: $(VENV)/installed-browser  ## tries the web page in headless Chromium
	$(BIN)/python -m pytest tests/web -m "slow or not slow" -rs

docs: $(VENV)/installed-docs  ## builds the site of the documents into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

experiments: $(VENV)/installed-dev  ## makes the tables of docs/ again (hours)
	$(BIN)/python -m experiments

bench: $(VENV)/installed-dev $(PEERS)/installed  ## races with PyTorch and diffusers
	$(BIN)/python -m benchmarks --peers=$(PEERS)/bin/python

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

$(VENV)/installed-browser: $(VENV)/installed-dev
	$(BIN)/python -m pip install --quiet --editable '.[browser]'
	which chromium || $(BIN)/python -m playwright install chromium
	@touch $@

$(PEERS)/installed: benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) build site *.egg-info .pytest_cache .mypy_cache .ruff_cache
