"""The tables, as SQLAlchemy sees them. Migrations make them; a test holds the two together."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

documents = Table(
    "documents",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(512), nullable=False),
    Column("live_version", Integer),
    Column("newest_version", Integer, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("created_at", Float(53), nullable=False),
    UniqueConstraint("tenant", "name", name="uq_documents_tenant_name"),
    Index("ix_documents_tenant_created", "tenant", "created_at", "id"),
)

document_groups = Table(
    "document_groups",
    metadata,
    Column(
        "document_id", String(32), ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("member", String(128), primary_key=True),
)

versions = Table(
    "versions",
    metadata,
    Column(
        "document_id", String(32), ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("number", Integer, primary_key=True),
    Column("status", String(16), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media_type", String(128), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("updated_at", Float(53), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("stage_started_at", Float(53)),
    Column("failure_kind", String(64)),
    Column("failure_reason", Text),
    Column("timeline", JSON, nullable=False),
    Column("reading", String(64)),
    Column("pages", Integer),
    Column("chunks", Integer),
    Column("reused", Integer, nullable=False),
    Column("removed", Integer),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("language", String(8)),
    Column("title", Text, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("owner", String(128)),
    Column("lease_until", Float(53)),
    Column("fence", Integer, nullable=False),
    Column("not_before", Float(53), nullable=False),
    Column("told_at", Float(53)),
    Index("ix_versions_status", "status", "not_before"),
    Index("ix_versions_updated", "updated_at"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("name", String(128), nullable=False),
    Column("role", String(16), nullable=False),
    Column("groups", JSON, nullable=False),
    Column("secret_sha256", String(64), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("expires_at", Float(53)),
    Column("revoked_at", Float(53)),
)

feedback = Table(
    "feedback",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("trace_id", String(32), nullable=False),
    Column("rating", String(8), nullable=False),
    Column("comment", Text, nullable=False),
    Column("reasons", JSON, nullable=False),
    Column("correction", Text, nullable=False),
    Column("author", String(128), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Index("ix_feedback_trace", "tenant", "trace_id", "created_at"),
)
