# The verbs of the project. `make setup` is what every other verb starts with; it does nothing the second time.

PYTHON ?= python3
BIN := .venv/bin
CONFIG ?=
LISTEN ?=
KERNEL ?=

.PHONY: run test vmtest setup bpf generate site lint bench golden clean

run: setup ## generate the bundle and start the exporter in the foreground
	$(BIN)/python generate.py
	$(BIN)/net-exporter run $(if $(CONFIG),--config $(CONFIG)) $(if $(LISTEN),--listen $(LISTEN))

test: setup lint ## every check and every test
	$(BIN)/python generate.py --check
	$(BIN)/python -m pytest

vmtest: setup ## the tests in stock kernels, for docs/reference/kernels.json; KERNEL=6.1 for one of them
	$(BIN)/python -m tests.vm $(addprefix --kernel ,$(KERNEL))

setup: .venv/.ready ## virtual environment, pinned dependencies, system packages where we are root, eBPF programs
	@$(MAKE) --silent bpf || echo "setup: eBPF programs are not built; probes that need them will say that they are unsupported"

.venv/.ready: pyproject.toml setup.sh
	PYTHON=$(PYTHON) ./setup.sh
	touch $@

bpf: ## compile the eBPF programs into bpf/build
	$(MAKE) -C bpf

generate: setup ## write bundle/ anew
	$(BIN)/python generate.py

site: setup ## the documents as a static site, in build/site
	$(BIN)/python generate.py site

lint: setup ## style, types, layers, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell exporter bpf dashboards alerts scrape docs tests README.md CHANGELOG.md generate.py
	@if command -v clang-format >/dev/null; then $(MAKE) --silent -C bpf check; else echo "lint: no clang-format, bpf/ is not checked"; fi

bench: setup ## measure what the README promises
	$(BIN)/python -m tests.bench

golden: setup ## refresh tests/golden after an intended change
	$(BIN)/python -m pytest tests/golden --refresh-golden

clean: ## forget the environment
	rm -rf .venv
