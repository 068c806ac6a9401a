"""Documents and their versions, API keys, feedback."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(512), nullable=False),
        sa.Column("live_version", sa.Integer),
        sa.Column("newest_version", sa.Integer, nullable=False),
        sa.Column("metadata", sa.JSON, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.UniqueConstraint("tenant", "name", name="uq_documents_tenant_name"),
    )
    op.create_index("ix_documents_tenant_created", "documents", ["tenant", "created_at", "id"])
    op.create_table(
        "document_groups",
        _document_id(),
        sa.Column("member", sa.String(128), primary_key=True),
    )
    op.create_table(
        "versions",
        _document_id(),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("media_type", sa.String(128), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("updated_at", sa.Float(53), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("stage_started_at", sa.Float(53)),
        sa.Column("failure_kind", sa.String(64)),
        sa.Column("failure_reason", sa.Text),
        sa.Column("timeline", sa.JSON, nullable=False),
        sa.Column("reading", sa.String(64)),
        sa.Column("pages", sa.Integer),
        sa.Column("chunks", sa.Integer),
        sa.Column("reused", sa.Integer, nullable=False),
        sa.Column("language", sa.String(8)),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
        sa.Column("owner", sa.String(128)),
        sa.Column("lease_until", sa.Float(53)),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("not_before", sa.Float(53), nullable=False),
        sa.Column("told_at", sa.Float(53)),
    )
    op.create_index("ix_versions_status", "versions", ["status", "not_before"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(16), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("groups", sa.JSON, nullable=False),
        sa.Column("secret_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
        sa.Column("expires_at", sa.Float(53)),
        sa.Column("revoked_at", sa.Float(53)),
    )
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("tenant", sa.String(64), nullable=False),
        sa.Column("trace_id", sa.String(32), nullable=False),
        sa.Column("rating", sa.String(8), nullable=False),
        sa.Column("comment", sa.Text, nullable=False),
        sa.Column("reasons", sa.JSON, nullable=False),
        sa.Column("correction", sa.Text, nullable=False),
        sa.Column("author", sa.String(128), nullable=False),
        sa.Column("created_at", sa.Float(53), nullable=False),
    )
    op.create_index("ix_feedback_trace", "feedback", ["tenant", "trace_id", "created_at"])


def _document_id() -> sa.Column[str]:
    return sa.Column(
        "document_id",
        sa.String(32),
        sa.ForeignKey("documents.id", ondelete="CASCADE"),
        primary_key=True,
    )


def downgrade() -> None:
    for table in ("feedback", "api_keys", "versions", "document_groups", "documents"):
        op.drop_table(table)
