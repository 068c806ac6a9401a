"""A server that speaks Qdrant's REST, with the embedded engine behind it.

It runs `AsyncQdrantClient` over real HTTP: serialisation, errors, time limits. It does not show
what only a Qdrant server does: graphs, shards, replicas, quotas.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from qdrant_client.http import models
from qdrant_client.http.models import QueryResponse

from infra.qdrant_edge import EdgeFailure, EdgeQdrant, open_edge

routes = APIRouter()


@contextmanager
def qdrant_rest(folder: Path, port: int = 0) -> Iterator[str]:
    """The server's address, on a free port if none is given; it stops when the block ends."""
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = uvicorn.Server(uvicorn.Config(_app(folder), log_level="warning", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            _wait_for(server, thread)
            yield "http://127.0.0.1:{1}".format(*listening.getsockname())
        finally:
            server.should_exit = True
            thread.join()


def _wait_for(server: uvicorn.Server, thread: threading.Thread) -> None:
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("The server ended before it had started.")
        time.sleep(0.01)


def _app(folder: Path) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_edge(folder) as app.state.engine:
            yield

    app = FastAPI(lifespan=lifespan)
    app.include_router(routes)
    app.add_exception_handler(EdgeFailure, _failed)
    app.add_exception_handler(ValueError, _failed)
    return app


async def _failed(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"status": {"error": str(error)}, "time": 0.0}, 400)


def _engine(request: Request) -> EdgeQdrant:
    engine: EdgeQdrant = request.app.state.engine
    return engine


def _answer(result: Any) -> dict[str, Any]:
    return {"result": result, "status": "ok", "time": 0.0}


@routes.get("/")
async def version(request: Request) -> models.VersionInfo:
    return await _engine(request).info()


@routes.get("/collections/{name}/exists")
async def exists(request: Request, name: str) -> dict[str, Any]:
    return _answer({"exists": await _engine(request).collection_exists(name)})


@routes.get("/collections/{name}")
async def collection(request: Request, name: str) -> dict[str, Any]:
    return _answer(await _engine(request).get_collection(name))


@routes.put("/collections/{name}", response_model=None)
async def create(
    request: Request, name: str, body: models.CreateCollection
) -> dict[str, Any] | JSONResponse:
    if await _engine(request).collection_exists(name):
        error = f"Wrong input: Collection `{name}` already exists!"
        return JSONResponse({"status": {"error": error}, "time": 0.0}, 409)
    assert isinstance(body.vectors, dict)
    created = await _engine(request).create_collection(
        name, body.vectors, body.sparse_vectors or {}, metadata=body.metadata
    )
    return _answer(created)


@routes.put("/collections/{name}/index")
async def index(request: Request, name: str, body: models.CreateFieldIndex) -> dict[str, Any]:
    schema = body.field_schema
    assert isinstance(schema, models.KeywordIndexParams | models.PayloadSchemaType)
    return _answer(await _engine(request).create_payload_index(name, body.field_name, schema))


@routes.put("/collections/{name}/points")
async def upsert(
    request: Request, name: str, body: models.PointsList, wait: bool = False
) -> dict[str, Any]:
    return _answer(await _engine(request).upsert(name, body.points, wait))


@routes.post("/collections/{name}/points/delete")
async def delete(
    request: Request, name: str, body: models.FilterSelector, wait: bool = False
) -> dict[str, Any]:
    return _answer(await _engine(request).delete(name, body, wait))


@routes.post("/collections/{name}/points/query")
async def query(request: Request, name: str, body: models.QueryRequest) -> dict[str, Any]:
    prefetch = body.prefetch if isinstance(body.prefetch, list) else None
    found: QueryResponse = await _engine(request).query_points(
        name,
        body.query,  # type: ignore[arg-type]
        using=body.using,
        prefetch=prefetch,
        query_filter=body.filter,
        search_params=body.params,
        limit=body.limit or 10,
        with_payload=bool(body.with_payload),
        with_vectors=body.with_vector or False,
    )
    return _answer(found)


@routes.post("/collections/{name}/points/scroll")
async def scroll(request: Request, name: str, body: models.ScrollRequest) -> dict[str, Any]:
    assert isinstance(body.with_payload, bool | list)
    records, following = await _engine(request).scroll(
        name,
        body.filter,
        body.limit or 10,
        offset=str(body.offset) if body.offset is not None else None,
        with_payload=body.with_payload,
        with_vectors=body.with_vector or False,
    )
    return _answer({"points": records, "next_page_offset": following})


@routes.post("/collections/{name}/points/count")
async def count(request: Request, name: str, body: models.CountRequest) -> dict[str, Any]:
    return _answer(await _engine(request).count(name, body.filter, body.exact is not False))


@routes.post("/collections/{name}/facet")
async def facet(request: Request, name: str, body: models.FacetRequest) -> dict[str, Any]:
    engine = _engine(request)
    return _answer(
        await engine.facet(name, body.key, body.filter, body.limit or 10, body.exact is True)
    )
