"""A level for each example, and its description split into a summary and an explanation."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

EXAMPLES = {
    "hello-python": ("first steps", "An f-string puts the value of an expression between braces into the text."),
    "fibonacci-python": ("practised", "The generator stops at each yield and goes on when the next number is wanted."),
    "word-count-python": ("practised", "Counter is a dictionary that starts every count at zero."),
    "errors-python": ("first steps", "Only the kind of exception that except names is caught."),
    "hello-javascript": ("first steps", "Between backticks, an expression in ${} is replaced by its value."),
    "array-methods-javascript": ("practised", "Each method returns a new list and leaves the old one as it was."),
    "promises-javascript": ("advanced", "The tasks run at the same time, so all three take as long as the slowest."),
    "random-javascript": ("practised", "A Map keeps its keys in the order in which they were first set."),
}

examples = sa.table("examples", *(sa.column(name) for name in ("slug", "explanation", "level")))


def upgrade() -> None:
    op.alter_column("examples", "description", new_column_name="summary", type_=sa.String(200))
    op.add_column("examples", sa.Column("explanation", sa.Text, nullable=False, server_default=""))
    op.add_column("examples", sa.Column("level", sa.String(20), nullable=False, server_default="practised"))
    for slug, (level, explanation) in EXAMPLES.items():
        op.execute(examples.update().where(examples.c.slug == slug).values(level=level, explanation=explanation))
    op.alter_column("examples", "explanation", server_default=None)
    op.alter_column("examples", "level", server_default=None)


def downgrade() -> None:
    op.drop_column("examples", "level")
    op.drop_column("examples", "explanation")
    op.alter_column("examples", "summary", new_column_name="description", type_=sa.Text)
