#!/usr/bin/env bash
# Serves a model for Cairn: serve.sh MODEL [more vLLM arguments, which win over serve.yaml].
# VLLM_API_KEY is required. VLLM_PYTHON is the Python that has vLLM (default: python3).
set -euo pipefail

model=${1:?which model? serve.sh MODEL [vLLM arguments]}
shift
: "${VLLM_API_KEY:?set VLLM_API_KEY; on the command line every user of the machine could read it}"
if [ "${VLLM_SERVER_DEV_MODE:-0}" != 0 ]; then
  echo "VLLM_SERVER_DEV_MODE opens endpoints that change the running server; unset it." >&2
  exit 2
fi

export VLLM_NO_USAGE_STATS=1
# One request may ask for 16,384 answers by default; Cairn asks for one.
export VLLM_MAX_N_SEQUENCES=${VLLM_MAX_N_SEQUENCES:-8}
export VLLM_MEDIA_URL_ALLOW_REDIRECTS=0

# By module and not as `vllm serve`: the CPU package lacks the metadata which that command reads.
exec "${VLLM_PYTHON:-python3}" -W ignore::DeprecationWarning \
  -m vllm.entrypoints.openai.api_server \
  --config "$(dirname "$0")/serve.yaml" --model "$model" "$@"
