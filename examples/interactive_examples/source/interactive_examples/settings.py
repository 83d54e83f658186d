"""What the environment says, read once."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Settings:
    database_url: str
    redis_url: str
    secret_key: str
    admin_password: str
    allowed_origins: tuple[str, ...]
    release: str
    diagnostics_token: str


@dataclass(frozen=True)
class Build:
    version: str
    commit: str


@cache
def settings() -> Settings:
    environment = os.environ
    origins = (origin.strip() for origin in environment.get("ALLOWED_ORIGINS", "").split(","))
    return Settings(
        database_url=environment["DATABASE_URL"],
        redis_url=environment["REDIS_URL"],
        secret_key=environment["SECRET_KEY"],
        admin_password=environment.get("ADMIN_PASSWORD", ""),
        allowed_origins=tuple(origin for origin in origins if origin),
        release=environment.get("RELEASE_ID", "dev"),
        diagnostics_token=environment.get("DIAGNOSTICS_TOKEN", ""),
    )


def read_build(root: Path = ROOT) -> Build:
    """What the build says that it is; a working copy has no such file."""
    path = root / "release.json"
    if not path.exists():
        return Build(version="dev", commit="dev")
    content = json.loads(path.read_text())
    return Build(version=content["version"], commit=content["commit"])
