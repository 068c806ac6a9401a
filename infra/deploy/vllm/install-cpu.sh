#!/usr/bin/env bash
# Makes .venv-vllm, in which the tests start a real vLLM on the CPU. About 2 GB; doing it again
# does nothing. PYTHON chooses the interpreter (tried with 3.11); PIP_* settings are respected.
set -euo pipefail
cd "$(dirname "$0")/../../.."

lock=infra/deploy/vllm/requirements-cpu.lock
venv=.venv-vllm
if cmp --silent "$lock" "$venv/installed.lock"; then
  echo "$venv is up to date"
  exit
fi

if [ -z "${PYTHON:-}" ]; then
  PYTHON=python3
  [ ! -x .venv/bin/python ] || PYTHON=.venv/bin/python
fi
echo "Installing vLLM for the CPU into $venv (about 2 GB; a few minutes the first time)"
rm -rf "$venv"
if [ -x .venv/bin/uv ]; then
  # uv has names of its own for what pip is told by PIP_*, and would link into its cache.
  export UV_LINK_MODE=copy
  [ -z "${PIP_FIND_LINKS:-}" ] || export UV_FIND_LINKS="${UV_FIND_LINKS:-$PIP_FIND_LINKS}"
  [ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}"
  [ -z "${PIP_EXTRA_INDEX_URL:-}" ] || export UV_INDEX="${UV_INDEX:-$PIP_EXTRA_INDEX_URL}"
  .venv/bin/uv venv --quiet --python "$PYTHON" "$venv"
  install=(.venv/bin/uv pip install --quiet --python "$venv/bin/python")
else
  "$PYTHON" -m venv "$venv"
  install=("$venv/bin/pip" install --quiet --disable-pip-version-check)
fi

# torch goes first, pinned and alone: asked for by another package it would bring CUDA along.
"${install[@]}" --no-deps "$(grep '^torch==' "$lock")"
"${install[@]}" --no-deps -r "$lock"

if ! "$venv/bin/python" -c 'import torch'; then
  echo "This torch needs CUDA. Take the one for the CPU:" >&2
  echo "  PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu $0" >&2
  exit 1
fi
cp "$lock" "$venv/installed.lock"
echo "Installed. Now 'pytest tests/servers' starts vLLM."
