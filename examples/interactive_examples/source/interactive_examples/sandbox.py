"""Runs a stranger's program, with bubblewrap between it and this host.

The program sees /usr read-only, a small private /tmp and nothing else: no network, no other process, no /proc, no
environment, no way to make further user namespaces. Each of its processes has limits of its own; their memory together
is watched from here, because resource limits do not add up over processes.
"""

import contextlib
import os
import selectors
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECONDS = 5
OUTPUT_BYTES = 64 * 1024
MEMORY_BYTES = 256 * 1024 * 1024
SCRATCH = "/scratch"
SCRATCH_BYTES = 16 * 1024 * 1024
PROCESSES = 32
OPEN_FILES = 64
CONCURRENT_RUNS = 4
QUEUE_SECONDS = 10
WATCH_SECONDS = 0.05
NOBODY = 65534

INTERPRETERS = {
    "python": ("/sandbox/main.py", ["/usr/bin/python3", "-I", "-B", "-u"]),
    "javascript": ("/sandbox/main.mjs", ["/usr/bin/node", "--max-old-space-size=128"]),
}

_slots = threading.BoundedSemaphore(CONCURRENT_RUNS)


class SandboxError(Exception):
    """The sandbox itself did not work; nothing is said about the program."""


class SandboxBusyError(SandboxError):
    """Too many programs are running."""


@dataclass(frozen=True)
class Outcome:
    stdout: str
    stderr: str
    exit_code: int
    timed_out: bool
    truncated: bool
    seconds: float


def run(language: str, code: str) -> Outcome:
    if not _slots.acquire(timeout=QUEUE_SECONDS):
        raise SandboxBusyError
    try:
        return _run(language, code)
    finally:
        _slots.release()


def command(language: str, code_fd: int, status_fd: int) -> list[str]:
    path, interpreter = INTERPRETERS[language]
    return [
        *("/usr/bin/bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"),
        *("--new-session", "--cap-drop", "ALL", "--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox"),
        *("--json-status-fd", str(status_fd)),
        *("--clearenv", "--setenv", "PATH", "/usr/bin", "--setenv", "LANG", "C.UTF-8"),
        *("--setenv", "HOME", SCRATCH, "--setenv", "TMPDIR", SCRATCH),
        *("--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib"),
        *("--symlink", "usr/lib64", "/lib64", "--dev", "/dev", "--ro-bind-data", str(code_fd), path),
        *("--size", str(SCRATCH_BYTES), "--tmpfs", SCRATCH, "--symlink", SCRATCH, "tmp", "--chdir", SCRATCH),
        *("--remount-ro", "/dev", "--remount-ro", "/"),
        # Inside the sandbox's user namespace, so that only its own processes count.
        *("/usr/bin/prlimit", f"--cpu={SECONDS}", f"--nproc={PROCESSES}", f"--nofile={OPEN_FILES}"),
        *(f"--data={MEMORY_BYTES}", f"--fsize={SCRATCH_BYTES}", "--core=0", "--memlock=0", "--msgqueue=0"),
        *interpreter,
        path,
    ]


def _run(language: str, code: str) -> Outcome:
    started = time.monotonic()
    with _memory_file("code") as code_fd, _memory_file("status") as status_fd:
        os.write(code_fd, code.encode())
        os.lseek(code_fd, 0, os.SEEK_SET)
        try:
            process = subprocess.Popen(
                command(language, code_fd, status_fd),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(code_fd, status_fd),
                env={},
                # Limits on the number of processes do not hold for root.
                **({"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}),
            )
        except OSError as error:
            raise SandboxError(f"bubblewrap does not start: {error}") from error
        with process:
            try:
                stdout, stderr, stopped_by = _watch(process, started + SECONDS)
            finally:
                process.kill()
        os.lseek(status_fd, 0, os.SEEK_SET)
        status = os.read(status_fd, 4096)
    if b"exit-code" not in status and stopped_by is None:
        raise SandboxError(f"bubblewrap failed: {stderr.decode(errors='replace').strip()}")
    if stopped_by == "memory":
        stderr += b"\nStopped: the program used too much memory.\n"
    return Outcome(
        stdout=_text(stdout),
        stderr=_text(stderr),
        exit_code=process.returncode if stopped_by is None else 137,
        timed_out=stopped_by == "time",
        truncated=stopped_by == "output",
        seconds=time.monotonic() - started,
    )


def _watch(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bytes, str | None]:
    """Read both outputs until the program ends or has to be stopped; say what stopped it."""
    output = {process.stdout: bytearray(), process.stderr: bytearray()}
    with selectors.DefaultSelector() as selector:
        for stream in output:
            selector.register(stream, selectors.EVENT_READ)
        stopped_by = None
        while stopped_by is None and selector.get_map():
            for key, _ in selector.select(WATCH_SECONDS):
                chunk = os.read(key.fd, OUTPUT_BYTES)
                if not chunk:
                    selector.unregister(key.fileobj)
                output[key.fileobj] += chunk
            if any(len(content) > OUTPUT_BYTES for content in output.values()):
                stopped_by = "output"
            elif time.monotonic() > deadline:
                stopped_by = "time"
            elif memory_of_tree(process.pid) > MEMORY_BYTES:
                stopped_by = "memory"
    if stopped_by is None:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:  # it closed its outputs and went on
            stopped_by = "time"
    stdout, stderr = (bytes(content[:OUTPUT_BYTES]) for content in output.values())
    return stdout, stderr, stopped_by


def memory_of_tree(pid: int) -> int:
    total = 0
    with contextlib.suppress(OSError):  # a process may end while it is looked at
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += sum(memory_of_tree(int(child)) for child in (task / "children").read_text().split())
    return total


@contextlib.contextmanager
def _memory_file(name: str) -> Iterator[int]:
    descriptor = os.memfd_create(name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _text(content: bytes) -> str:
    return content.decode(errors="replace").replace("\0", "\ufffd")
