"""Versions tell what changed, how many workers died over them, and when they were last moved."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("versions", sa.Column("removed", sa.Integer))
    op.add_column("versions", sa.Column("deaths", sa.Integer, nullable=False, server_default="0"))
    op.create_index("ix_versions_updated", "versions", ["updated_at"])


def downgrade() -> None:
    # The schema before knows no cancelled versions; failed ones can be retried just the same.
    op.execute(
        "UPDATE versions SET status = 'failed', failure_kind = 'cancelled', "
        "failure_reason = 'It was cancelled.' WHERE status = 'cancelled'"
    )
    op.drop_index("ix_versions_updated", "versions")
    op.drop_column("versions", "deaths")
    op.drop_column("versions", "removed")
