"""The models of `qdrant_client` in the engine's own classes, and back.

Only the shapes that `infra.qdrant` sends; any other is refused with a `ValueError`, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import numpy as np
import qdrant_edge as engine
from qdrant_client import models

PointId = int | str

DISTANCES = {models.Distance.COSINE: engine.Distance.Cosine}
MODIFIERS = {None: None, models.Modifier.IDF: engine.Modifier.Idf}
SCALAR_INDEXES = {models.PayloadSchemaType.INTEGER: engine.PayloadSchemaType.Integer}
FUSIONS = {models.Fusion.DBSF: engine.Fusion.Dbsf(), models.Fusion.RRF: engine.Fusion.Rrf(k=2)}
"""`k=2` is the constant of Qdrant's server."""


def dense_config(params: models.VectorParams) -> engine.EdgeVectorParams:
    return engine.EdgeVectorParams(size=params.size, distance=DISTANCES[params.distance])


def sparse_config(params: models.SparseVectorParams) -> engine.EdgeSparseVectorParams:
    return engine.EdgeSparseVectorParams(modifier=MODIFIERS[params.modifier])


def index_config(schema: models.KeywordIndexParams | models.PayloadSchemaType) -> Any:
    if isinstance(schema, models.KeywordIndexParams):
        return engine.KeywordIndexParams(is_tenant=schema.is_tenant)
    return SCALAR_INDEXES[schema]


def to_point(point: models.PointStruct) -> engine.Point:
    if not isinstance(point.vector, Mapping):
        raise _unknown(point.vector)
    vectors: Any = {name: to_vector(vector) for name, vector in point.vector.items()}
    return engine.Point(from_id(point.id), vectors, point.payload or {})


def to_vector(vector: object) -> engine.SparseVector | list[float]:
    """The engine would store NaN and never find it again."""
    if isinstance(vector, models.SparseVector):
        return engine.SparseVector(vector.indices, _finite(vector.values))
    if isinstance(vector, Sequence):
        return _finite(vector)
    raise _unknown(vector)


def to_filter(wanted: models.Filter | None) -> engine.Filter:
    """Without conditions every point passes, as without a filter."""
    if wanted is None:
        return engine.Filter()
    if wanted.must_not or wanted.min_should:
        raise _unknown(wanted)
    return engine.Filter(must=_conditions(wanted.must), should=_conditions(wanted.should))


def to_query(query: object, using: str | None) -> Any:
    if isinstance(query, models.FusionQuery):
        return FUSIONS[query.fusion]
    if isinstance(query, models.NearestQuery):
        return engine.Query.Nearest(to_vector(query.nearest), using=using)
    raise _unknown(query)


def to_prefetch(side: models.Prefetch) -> engine.Prefetch:
    return engine.Prefetch(
        side.limit or 10,
        query=to_query(side.query, side.using),
        params=to_params(side.params),
        filter=to_filter(side.filter),
    )


def to_params(params: models.SearchParams | None) -> engine.SearchParams | None:
    """Of all parameters, the corpus over which IDF is counted; search is exact in any case."""
    if params is None or not isinstance(params.idf, models.IdfCorpusParams):
        return None
    return engine.SearchParams(idf=engine.IdfParams(corpus=to_filter(params.idf.corpus)))


def from_vectors(vectors: object) -> dict[str, Any] | None:
    if not isinstance(vectors, Mapping):
        return None
    return {name: _plain(vector) for name, vector in vectors.items()}


def from_id(point_id: PointId | UUID) -> PointId:
    return str(point_id) if isinstance(point_id, UUID) else point_id


def from_info(info: Any, metadata: dict[str, Any]) -> models.CollectionInfo:
    """What the engine has no word for is filled with Qdrant's defaults."""
    config = models.CollectionConfig(
        params=models.CollectionParams(),
        hnsw_config=models.HnswConfig(m=0, ef_construct=100, full_scan_threshold=10_000),
        optimizer_config=models.OptimizersConfig(
            deleted_threshold=0.2,
            vacuum_min_vector_number=1000,
            default_segment_number=1,
            flush_interval_sec=5,
        ),
        metadata=metadata,
    )
    return models.CollectionInfo(
        status=models.CollectionStatus.GREEN,
        optimizer_status=models.OptimizersStatusOneOf.OK,
        points_count=info.points_count,
        segments_count=info.segments_count,
        config=config,
        payload_schema={name: _index_info(index) for name, index in info.payload_schema.items()},
    )


def _conditions(wanted: object) -> list[Any] | None:
    if wanted is None:
        return None
    return [_condition(c) for c in (wanted if isinstance(wanted, list) else [wanted])]


def _condition(wanted: object) -> Any:
    if isinstance(wanted, models.Filter):
        return to_filter(wanted)
    if isinstance(wanted, models.FieldCondition) and (wanted.match or wanted.range):
        return engine.FieldCondition(
            wanted.key, match=_match(wanted.match), range=_range(wanted.range)
        )
    raise _unknown(wanted)


def _match(wanted: object) -> Any:
    if wanted is None:
        return None
    if isinstance(wanted, models.MatchAny):
        values: Any = wanted.any
        return engine.MatchAny(values)
    if isinstance(wanted, models.MatchValue) and not isinstance(wanted.value, bool):
        return engine.MatchValue(wanted.value)
    # A bool would become 0 or 1 on its way and match nothing: flags are stored as keywords.
    raise _unknown(wanted)


def _range(wanted: object) -> Any:
    if wanted is None:
        return None
    if isinstance(wanted, models.DatetimeRange):
        bounds = {name: bound.isoformat() for name, bound in wanted if bound is not None}
        return engine.RangeDateTime(**bounds)
    if isinstance(wanted, models.Range):
        return engine.RangeFloat(**dict(wanted))
    raise _unknown(wanted)


def _finite(values: Sequence[Any]) -> list[float]:
    if not np.isfinite(values).all():
        raise ValueError("A vector holds a value that is not a finite number.")
    return list(values)


def _plain(vector: Any) -> Any:
    if isinstance(vector, engine.SparseVector):
        return models.SparseVector(indices=vector.indices, values=vector.values)
    return vector


def _index_info(index: Any) -> models.PayloadIndexInfo:
    kind = "keyword" if index.data_type == engine.PayloadSchemaType.Keyword else "integer"
    return models.PayloadIndexInfo(data_type=models.PayloadSchemaType(kind), points=index.points)


def _unknown(thing: object) -> ValueError:
    return ValueError(f"The embedded engine is not given {thing!r}: use a Qdrant server for it.")
