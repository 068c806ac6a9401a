# Two commands do everything on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_LINK_MODE := copy

.PHONY: help install demo serve test check lock clean
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
