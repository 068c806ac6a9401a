# syntax=docker/dockerfile:1
# Targets: `api` (default) and `worker`. Both run as an unprivileged user on a read-only root; the only
# place they write to is /data.
FROM python:3.11-slim-bookworm AS build
WORKDIR /build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# TORCH_INDEX: an index with CPU builds saves several GB where there is no GPU.
ARG TORCH_INDEX=""
COPY requirements.lock pyproject.toml README.md ./
RUN python -m venv /opt/cairn \
 && /opt/cairn/bin/pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' requirements.lock)" \
 && /opt/cairn/bin/pip install --no-deps -r requirements.lock
COPY retrieval retrieval
COPY ingestion ingestion
COPY infra infra
COPY app app
RUN /opt/cairn/bin/pip install --no-deps --no-build-isolation . \
 && /opt/cairn/bin/python -m compileall -q -j 0 /opt/cairn/lib

FROM python:3.11-slim-bookworm AS base
RUN useradd --system --uid 10001 --home-dir /data cairn \
 && install -d -o cairn -g cairn /data
COPY --from=build /opt/cairn /opt/cairn
ENV PATH=/opt/cairn/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HF_HUB_OFFLINE=1 \
    CAIRN_DATA=/data \
    CAIRN_HOST=0.0.0.0
USER cairn
WORKDIR /data
VOLUME /data
STOPSIGNAL SIGTERM

FROM base AS worker
CMD ["cairn", "worker"]

FROM base AS api
EXPOSE 8400
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8400/readyz', timeout=4)"]
CMD ["cairn", "serve"]
