"""Favourites."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "favourites",
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("example_id", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "example_id", name="pk_favourites"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_favourites_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["example_id"], ["examples.id"], name="fk_favourites_example_id", ondelete="CASCADE"),
    )
    op.create_index("ix_favourites_example_id", "favourites", ["example_id"])


def downgrade() -> None:
    op.drop_table("favourites")
