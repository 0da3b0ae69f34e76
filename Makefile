# Two commands for a fresh machine: `make demo` and `make test`.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
PEERS ?= .venv-peers
TESTS ?= tests
WORKERS ?= 2

.PHONY: demo test test-slow bench lint types install install-dev clean

demo: $(VENV)/installed  ## trains on real digits (minutes), samples, shows where
	$(BIN)/python train.py --flagfile=configs/mnist.flags
	$(BIN)/python sample.py --savedmodel=runs/mnist/export --out_dir=samples/mnist \
		--num_images=100 --guidance=1.5
	@echo "look at samples/mnist/grid.png"

test: $(VENV)/installed-dev lint types  ## lint, types and all tests but the slow ones
	$(BIN)/python -m pytest $(TESTS) -n $(WORKERS) -m "not slow"

test-slow: $(VENV)/installed-dev  ## the tests that take minutes
	$(BIN)/python -m pytest $(TESTS) -m slow

bench: $(VENV)/installed-dev $(PEERS)/installed  ## races with PyTorch and diffusers
	$(BIN)/python -m benchmarks --peers=$(PEERS)/bin/python

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(VENV)/installed: requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	@touch $@

$(PEERS)/installed: benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --requirement $<
	@touch $@

clean:
	rm -rf $(VENV) $(PEERS) .pytest_cache .mypy_cache .ruff_cache
