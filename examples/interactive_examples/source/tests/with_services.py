"""Runs a command with a PostgreSQL and a Redis of its own, which end with it.

    python tests/with_services.py pytest tests/integration

The command finds them in DATABASE_URL (rows only, as in production), MIGRATION_DATABASE_URL (the owner) and REDIS_URL.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PATIENCE_SECONDS = 30
SQL = """
CREATE ROLE examples_owner LOGIN PASSWORD 'owner';
CREATE ROLE examples LOGIN PASSWORD 'examples';
CREATE DATABASE examples OWNER examples_owner;
\\connect examples
ALTER DEFAULT PRIVILEGES FOR ROLE examples_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO examples;
"""


def spare_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def postgresql_program(name: str) -> str:
    # Debian keeps the servers' programs off the PATH.
    found = max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=shutil.which(name))
    if found is None:
        raise SystemExit(f"{name} is not installed: apt-get install postgresql redis-server")
    return found


def wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as connection:
            if connection.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"Nothing listens on port {port}.")


def main() -> int:
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="examples-services-"))
    data = folder / "data"
    database_port, redis_port = spare_port(), spare_port()
    processes = []
    try:
        if user:
            shutil.chown(folder, user)
        initdb = [postgresql_program("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(initdb, user=user, check=True, stdout=subprocess.DEVNULL)
        settings = {
            "port": database_port,
            "unix_socket_directories": folder,
            "fsync": "off",
            "listen_addresses": "127.0.0.1",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        log = (folder / "postgresql.log").open("wb")
        processes.append(
            subprocess.Popen([postgresql_program("postgres"), "-D", data, *options], user=user, stdout=log, stderr=log)
        )
        redis = ["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        processes.append(subprocess.Popen(redis, user=user, stdout=subprocess.DEVNULL))
        wait_for(database_port)
        wait_for(redis_port)
        time.sleep(0.5)
        psql = [postgresql_program("psql"), "-qX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(database_port)]
        subprocess.run([*psql, "-U", "postgres"], input=SQL, text=True, check=True)
        address = f"127.0.0.1:{database_port}/examples"
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql+psycopg://examples:examples@{address}",
            "MIGRATION_DATABASE_URL": f"postgresql+psycopg://examples_owner:owner@{address}",
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
        }
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    if len(sys.argv) == 1:
        raise SystemExit(__doc__)
    sys.exit(main())
