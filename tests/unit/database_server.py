"""A PostgreSQL server of the tests' own, which ends with them."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path
from typing import Any

import psycopg2

# The server refuses to run as root.
USER = "postgres" if os.geteuid() == 0 else getuser()
PORT = "5432"  # of a socket in a folder of its own
PATIENCE = 30


def program(name: str) -> str:
    """Debian keeps the server's programs off the PATH."""
    found = max(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default=shutil.which(name))
    assert found, f"{name} is not installed: apt-get install postgresql"
    return found


@dataclass
class Server:
    """folder: a place that the server's own user may write to."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        settings = {"port": PORT, "unix_socket_directories": str(self.folder), "listen_addresses": "", "fsync": "off"}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            command = [program("postgres"), "-D", str(self.folder / "data"), *options]
            self.process = subprocess.Popen(command, user=self.user, stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(psycopg2.OperationalError):
                psycopg2.connect(dbname="postgres").close()
                return
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    @property
    def user(self) -> str | None:
        return USER if os.geteuid() == 0 else None

    def crash(self) -> None:
        """As where the power fails, and the server comes back."""
        assert self.process
        self.process.send_signal(signal.SIGQUIT)  # an immediate shutdown
        self.process.wait()
        self.start()

    def execute(self, database: str, *statements: str) -> list[Any]:
        """Run each statement on its own; the rows of the last."""
        opened = psycopg2.connect(dbname=database)
        opened.autocommit = True
        try:
            with opened.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                found = list(cursor.fetchall()) if cursor.description else []
                # what was written is counted before anybody counts it, not some time after this connection has ended
                cursor.execute("SELECT pg_stat_force_next_flush()")
                return found
        finally:
            opened.close()


@contextmanager
def running() -> Iterator[Server]:
    """A server, to which libpq's own variables lead meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="tickbox-database-"))
    server = Server(folder)
    before = dict(os.environ)
    os.environ.update(PGHOST=str(folder), PGPORT=PORT, PGUSER="postgres")
    try:
        if server.user:
            shutil.chown(folder, server.user)
        command = [program("initdb"), "-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(command, user=server.user, check=True, stdout=subprocess.DEVNULL, cwd=folder)
        server.start()
        yield server
    finally:
        if server.process:
            server.process.terminate()
            server.process.wait()
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder)
