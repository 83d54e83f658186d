"""The PostgreSQL and the Redis that the environment names. Without them tests fail; they are never skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ADDRESSES = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL")


def require() -> None:
    missing = [name for name in ADDRESSES if not os.environ.get(name)]
    if missing:
        pytest.exit(f"{', '.join(missing)} must be set; tests/with_services.py sets them", returncode=2)
    os.environ.update(
        SECRET_KEY="a key for tests",
        ADMIN_PASSWORD="the administrator's",
        ALLOWED_ORIGINS="https://examples.test",
        RELEASE_ID="release-1",
    )


def alembic(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": os.environ["MIGRATION_DATABASE_URL"]},
        check=True,
        capture_output=True,
        text=True,
    )
