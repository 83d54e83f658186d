"""The tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

NOW = sa.text("now()")
MOMENT = sa.DateTime(timezone=True)


def identifier() -> sa.Column:
    return sa.Column("id", sa.Integer, sa.Identity(), nullable=False)


def upgrade() -> None:
    op.create_table(
        "examples",
        identifier(),
        sa.Column("slug", sa.String(80), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("language", sa.String(20), nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_examples"),
        sa.UniqueConstraint("slug", name="uq_examples_slug"),
    )
    op.create_table(
        "users",
        identifier(),
        sa.Column("username", sa.String(40), nullable=False),
        sa.Column("password_hash", sa.String(200)),
        sa.Column("is_admin", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
        sa.UniqueConstraint("username", name="uq_users_username"),
    )
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_hash", name="pk_sessions"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_sessions_user_id", ondelete="CASCADE"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_table(
        "saved_results",
        identifier(),
        sa.Column("user_id", sa.Integer, nullable=False),
        sa.Column("example_id", sa.Integer, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        sa.Column("stdout", sa.Text, nullable=False),
        sa.Column("stderr", sa.Text, nullable=False),
        sa.Column("exit_code", sa.Integer, nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_results"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_saved_results_user_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["example_id"], ["examples.id"], name="fk_saved_results_example_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_saved_results_user_id", "saved_results", ["user_id"])
    op.create_index("ix_saved_results_example_id", "saved_results", ["example_id"])
    op.create_table(
        "events",
        identifier(),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("user_id", sa.Integer),
        sa.Column("example_id", sa.Integer),
        sa.Column("request_id", sa.String(64), nullable=False),
        sa.Column("release", sa.String(120), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_events_user_id", ondelete="SET NULL"),
        sa.ForeignKeyConstraint(["example_id"], ["examples.id"], name="fk_events_example_id", ondelete="CASCADE"),
    )
    op.create_index("ix_events_user_id", "events", ["user_id"])
    op.create_index("ix_events_request_id", "events", ["request_id"])
    op.create_index("ix_events_created_at", "events", ["created_at"])
    op.create_index("ix_events_kind_example_id", "events", ["kind", "example_id"])
    op.create_table(
        "popularity",
        sa.Column("example_id", sa.Integer, nullable=False),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("example_id", name="pk_popularity"),
        sa.ForeignKeyConstraint(["example_id"], ["examples.id"], name="fk_popularity_example_id", ondelete="CASCADE"),
    )


def downgrade() -> None:
    for table in ("popularity", "events", "saved_results", "sessions", "users", "examples"):
        op.drop_table(table)
