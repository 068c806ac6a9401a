# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_LINK_MODE := copy

.PHONY: help install lock demo serve test check eval vllm-cpu system bench-embed bench-ingest bench-retrieval bench-traces chaos clean
help:  ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

# torch goes first and pinned: asked for by another package, pip would take its newest CUDA build.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v=sys.version_info[:2]; (3,11)<=v<(3,14) or sys.exit(f"Cairn needs Python 3.11 to 3.13; {sys.executable} is {v[0]}.{v[1]}. Say make PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (about 1.5 GB; a few minutes the first time)"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps "$$(grep '^torch==' requirements.lock)"
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --progress-bar on -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(VENV)/installed  ## Make the virtual environment and install from the lock file

lock: $(VENV)/installed  ## Resolve the dependencies anew
	$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.11 --no-annotate --no-header --quiet -o requirements.lock
	@sed -i -e 's/+cpu$$//' -e '/^openvino-telemetry/d' requirements.lock

demo: $(VENV)/installed  ## The main job in a minute: sample documents in, cited answers out
	@$(BIN)/cairn demo evals/handbook/documents

serve: $(VENV)/installed  ## Run the service: the API and the page at http://127.0.0.1:8400
	@$(BIN)/cairn serve

test: $(VENV)/installed  ## All tests; says aloud what it skips
	$(BIN)/python -m pytest

check: $(VENV)/installed  ## Style, types, import rule
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

eval: $(VENV)/installed  ## Ask the sample documents 76 questions, and judge the answers by their gate
	@$(BIN)/python -m evals run evals/handbook/suite.jsonl --documents evals/handbook/documents --gate evals/handbook/gate.yaml

vllm-cpu: $(VENV)/installed  ## A vLLM of its own for the tests, on the CPU, in .venv-vllm
	bash infra/deploy/vllm/install-cpu.sh

system:  ## The Debian packages that the server and browser tests use
	apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium redis-server postgresql

DATA ?= ../shared/data
bench-embed: $(VENV)/installed  ## Embedding speed against plain sentence-transformers
	$(BIN)/python -m evals.benchmarks.embed

bench-ingest: $(VENV)/installed  ## Ingestion speed against a plain LlamaIndex script; DATA=folder of data sets
	$(BIN)/python -m evals.benchmarks.ingest --data $(DATA)

bench-retrieval: $(VENV)/installed  ## nDCG@10 and recall@10 through the product; DATA=folder of data sets
	$(BIN)/python -m evals.benchmarks.retrieval --data $(DATA)

bench-traces: $(VENV)/installed  ## What delivery to Langfuse costs and loses while its server hangs, beside its SDK
	$(BIN)/python -m evals.benchmarks.traces

chaos: $(VENV)/installed  ## Kill the service a hundred times and count what is lost; DATA=folder of data sets
	$(BIN)/python -m evals.benchmarks.chaos --data $(DATA)

clean:  ## Remove what was built and installed, and the data folder
	rm -rf $(VENV) .venv-vllm data build *.egg-info
