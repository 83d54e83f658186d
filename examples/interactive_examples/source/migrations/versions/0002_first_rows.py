"""The examples and the administrator."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

EXAMPLES = [
    (
        "hello-python",
        "Hello from Python",
        "Print a greeting. Change the name and run the program again.",
        "python",
        """name = "world"

print(f"Hello, {name}!")
""",
    ),
    (
        "fibonacci-python",
        "Fibonacci numbers",
        "A generator yields the numbers one after another, as many as are asked for.",
        "python",
        """from itertools import islice


def fibonacci():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b


print(list(islice(fibonacci(), 15)))
""",
    ),
    (
        "word-count-python",
        "Counting words",
        "A Counter says how often each word of a text occurs, the most frequent first.",
        "python",
        """from collections import Counter

text = "the quick brown fox jumps over the lazy dog and the quick cat"

for word, count in Counter(text.split()).most_common(3):
    print(f"{word}: {count}")
""",
    ),
    (
        "errors-python",
        "Catching errors",
        "An exception that is caught does not end the program. Remove the except block and see what happens.",
        "python",
        """def divide(a, b):
    try:
        return a / b
    except ZeroDivisionError as error:
        return f"not possible: {error}"


print(divide(10, 4))
print(divide(1, 0))
""",
    ),
    (
        "hello-javascript",
        "Hello from JavaScript",
        "Print a greeting with a template literal.",
        "javascript",
        """const name = "world";

console.log(`Hello, ${name}!`);
""",
    ),
    (
        "array-methods-javascript",
        "Array methods",
        "Filter, map and reduce work through a list without a loop.",
        "javascript",
        """const prices = [4, 15, 23, 8, 42];

const total = prices
  .filter((price) => price > 5)
  .map((price) => price * 2)
  .reduce((sum, price) => sum + price, 0);

console.log(total);
""",
    ),
    (
        "promises-javascript",
        "Promises",
        "Three tasks take different times; Promise.all waits for all of them and keeps their order.",
        "javascript",
        """const wait = (ms, value) => new Promise((resolve) => setTimeout(resolve, ms, value));

const values = await Promise.all([wait(60, "slow"), wait(20, "quick"), wait(40, "middling")]);

console.log(values.join(", "));
""",
    ),
    (
        "random-javascript",
        "Rolling dice",
        "Each run rolls two dice a thousand times and draws how often each sum came up.",
        "javascript",
        """const roll = () => 1 + Math.floor(Math.random() * 6);
const counts = new Map();

for (let i = 0; i < 1000; i += 1) {
  const sum = roll() + roll();
  counts.set(sum, (counts.get(sum) ?? 0) + 1);
}

for (let sum = 2; sum <= 12; sum += 1) {
  console.log(String(sum).padStart(2), "#".repeat((counts.get(sum) ?? 0) / 5));
}
""",
    ),
]

examples = sa.table(
    "examples", *(sa.column(name) for name in ("slug", "title", "description", "language", "code", "position"))
)
users = sa.table("users", sa.column("username"), sa.column("is_admin"))


def upgrade() -> None:
    op.bulk_insert(
        examples,
        [
            {
                "slug": slug,
                "title": title,
                "description": description,
                "language": language,
                "code": code,
                "position": i,
            }
            for i, (slug, title, description, language, code) in enumerate(EXAMPLES, start=1)
        ],
    )
    op.bulk_insert(users, [{"username": "admin", "is_admin": True}])


def downgrade() -> None:
    op.execute(users.delete().where(users.c.username == "admin"))
    op.execute(examples.delete().where(examples.c.slug.in_([example[0] for example in EXAMPLES])))
