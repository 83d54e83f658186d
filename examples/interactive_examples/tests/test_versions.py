"""Every version does what versions.yml says of it, on one database that goes the way a deployment would take it.

They need the application's dependencies and its services:
    python source/tests/with_services.py pytest tests
"""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psycopg
import pytest
from with_services import spare_port

PATIENCE_SECONDS = 30


class Version:
    def __init__(self, name, root):
        self.name = name
        self.root = root
        self.environment = {
            **os.environ,
            "SECRET_KEY": "x",
            "ADMIN_PASSWORD": "x",
            "RELEASE_ID": name,
        }

    def alembic(self, *arguments, check=True):
        return subprocess.run(
            [sys.executable, "-m", "alembic", *arguments],
            cwd=self.root,
            env={**self.environment, "DATABASE_URL": os.environ["MIGRATION_DATABASE_URL"]},
            check=check,
            capture_output=True,
            text=True,
        )

    def rebuild_cache(self):
        command = [sys.executable, "-m", "interactive_examples.cache", "rebuild"]
        return subprocess.run(command, cwd=self.root, env=self.environment, check=False, capture_output=True, text=True)


class Site:
    """A version's running web process."""

    def __init__(self, version):
        port = spare_port()
        self.address = f"http://127.0.0.1:{port}"
        command = ["gunicorn", "interactive_examples.main:app", "--worker-class", "uvicorn_worker.UvicornWorker"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command, "--bind", f"127.0.0.1:{port}"], cwd=version.root, env=version.environment
        )

    def __enter__(self):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                self.get("/version")
            except OSError:
                time.sleep(0.1)
            else:
                break
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def get(self, path):
        try:
            with urllib.request.urlopen(self.address + path) as answer:  # noqa: S310 - our own address
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())


@pytest.fixture(scope="module")
def export(git, repository, tmp_path_factory):
    def run(name):
        root = tmp_path_factory.mktemp(name)
        archive = subprocess.run(["git", "--git-dir", repository, "archive", name], check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", root], input=archive.stdout, check=True)
        commit = git("rev-parse", name + "^{commit}").stdout.strip()
        (root / "release.json").write_text(json.dumps({"version": name, "commit": commit}))
        return Version(name, root)

    return run


def columns(table):
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        query = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
        return {name for (name,) in connection.execute(query, [table])}


def is_well(version):
    with Site(version) as site:
        assert site.get("/version")[1]["version"] == version.name
        assert site.get("/healthz")[0] == 200
        assert site.get("/api/examples")[0] == 200
        assert site.get("/api/examples/hello-python")[0] == 200
        assert site.get("/api/examples/does-not-exist")[0] == 404


def test_the_versions_in_their_order(export):
    old, feature, compatible = export("v1.0.0"), export("v1.1.0"), export("v1.2.0")
    old.alembic("upgrade", "head")
    is_well(old)

    assert old.alembic("heads").stdout != feature.alembic("heads").stdout
    feature.alembic("upgrade", "head")
    feature.alembic("check")
    is_well(feature)
    assert feature.rebuild_cache().returncode == 0
    assert "UndefinedColumn" in old.rebuild_cache().stderr

    for name in ("v1.1.2-broken-start", "v1.1.3-broken-route", "v1.1.4-wrong-version"):
        broken = export(name)
        assert broken.alembic("heads").stdout == feature.alembic("heads").stdout
        with Site(broken) as site:
            if name == "v1.1.2-broken-start":
                assert site.process.wait(PATIENCE_SECONDS) != 0
            elif name == "v1.1.3-broken-route":
                assert site.get("/healthz")[0] == 200
                status, body = site.get("/api/examples/hello-python")
                assert (status, body["message"]) == (500, "Something went wrong on our side.")
            else:
                assert site.get("/version")[1]["version"] not in (name, feature.name)
                assert site.get("/api/examples/hello-python")[0] == 200

    compatible.alembic("upgrade", "head")
    compatible.alembic("check")
    is_well(compatible)
    is_well(feature)
    compatible.alembic("downgrade", "0003")

    half = export("v1.1.1-broken-migration")
    with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
        connection.execute("INSERT INTO events (kind, request_id, release) VALUES ('run', 'x', 'x')")
    assert half.alembic("upgrade", "head", check=False).returncode != 0
    assert half.alembic("current").stdout.split()[0] == "0003"
    assert "output" in columns("saved_results")
    assert "stdout" not in columns("saved_results")
