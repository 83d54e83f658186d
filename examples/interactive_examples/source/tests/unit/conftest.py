import os

# Nothing listens there: a unit test that connects fails.
os.environ.update(
    DATABASE_URL="postgresql+psycopg://nobody@127.0.0.1:1/none",
    REDIS_URL="redis://127.0.0.1:1/0",
    SECRET_KEY="a key for tests",
    ADMIN_PASSWORD="the administrator's",
    ALLOWED_ORIGINS="https://examples.test, https://other.test",
    RELEASE_ID="release-1",
)
