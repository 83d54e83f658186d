# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Hostile programs, in Python, for a sandbox that runs strangers' programs. Each prints what it could do after its mark.

None of them does lasting harm where the sandbox fails: what they make is small, and they remove it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

# What the survey must report; one that lacks any of these was not the whole survey.
PROBES = (
    "identity", "capabilities", "processes", "interfaces", "connections", "places", "links", "writes", "environment", "descriptors",
    "namespaces", "devices",
)  # fmt: skip

# How "left behind" calls its processes.
LEFT_BEHIND = "tickbox-left"

_HEAD = """
import ctypes, errno, json, os, socket, stat, sys, time
mark, given = {mark!r}, json.loads({given!r})
def say(**what):
    print(mark, json.dumps(what), flush=True)
def name(error):
    return errno.errorcode.get(error.errno, str(error.errno or error))
"""

_SURVEY = """
libc = ctypes.CDLL(None, use_errno=True)
report = {}
def probe(look):
    try:
        report[look.__name__] = look()
    except Exception as error:
        report[look.__name__] = {"error": repr(error)[:200]}
@probe
def identity():
    return {"uid": os.getuid(), "euid": os.geteuid(), "pid": os.getpid(), "host": socket.gethostname()}
@probe
def capabilities():
    header, data = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if libc.capget(header, data):
        return name(OSError(ctypes.get_errno(), ""))
    return data[0] | data[3]
@probe
def processes():
    def there(pid):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        except OSError:
            return False
        try:
            os.close(os.pidfd_open(pid))
        except (OSError, AttributeError) as error:
            # Threads answer to signals as well.
            return getattr(error, "errno", 0) not in (errno.EINVAL, errno.ENOENT)
        return True
    shown = [entry for entry in os.listdir("/proc") if entry.isdigit()] if os.path.isdir("/proc") else []
    return {"signalled": sum(there(pid) for pid in range(1, 4000)), "shown": len(shown)}
@probe
def interfaces():
    try:
        return [entry for _, entry in socket.if_nameindex()]
    except OSError as error:
        return name(error)
@probe
def connections():
    found = {}
    for host, port in given["targets"]:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for kind, word in ((socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")):
            try:
                with socket.socket(family, kind) as one:
                    one.settimeout(0.3)
                    one.connect((host, port))
                    found[f"{word} {host} {port}"] = "connected"
            except OSError as error:
                found[f"{word} {host} {port}"] = name(error)
    for path in given["sockets"]:
        try:
            with socket.socket(socket.AF_UNIX) as one:
                one.settimeout(0.3)
                one.connect(path)
                found[f"unix {path}"] = "connected"
        except OSError as error:
            found[f"unix {path}"] = name(error)
    return found
@probe
def places():
    # The host's root may be mounted somewhere else.
    roots = ["", *("/" + entry for entry in os.listdir("/"))]
    found = {}
    for path in [root + place for root in roots for place in given["places"]]:
        try:
            os.lstat(path)
            found[path] = "seen"
            if os.path.isdir(path):
                os.listdir(path)
            else:
                open(path, "rb").read(1)
            found[path] = "read"
        except OSError as error:
            found.setdefault(path, name(error))
    return found
def folders():
    listed = ["/" + entry for entry in os.listdir("/")]
    more = ["/", "/dev/shm", "/var/tmp", "/tmp", "/usr/local", "/run", os.getcwd(), os.path.expanduser("~")]
    return sorted({os.path.realpath(path) for path in listed + more if os.path.isdir(path)} - {"/proc"})
@probe
def links():
    found = {}
    for place in given["places"]:
        for folder in (os.getcwd(), "/tmp"):
            link = os.path.join(folder, f"{mark}.link")
            try:
                os.symlink(place, link)
            except OSError:
                continue
            try:
                os.listdir(link) if os.path.isdir(link) else open(link, "rb").read(1)
                found[place] = "read"
            except OSError as error:
                found[place] = name(error)
            os.unlink(link)
            break
    return found
@probe
def writes():
    found = {}
    for folder in folders():
        path = os.path.join(folder, f"tickbox-{mark}")
        readonly = bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
        try:
            with open(path, "w") as file:
                file.write(mark)
            found[folder] = {"readonly": readonly, "result": "written"}
        except OSError as error:
            found[folder] = {"readonly": readonly, "result": name(error)}
    return found
@probe
def environment():
    return dict(os.environ)
@probe
def descriptors():
    found = {}
    for number in range(3, 1024):
        try:
            mode = os.fstat(number).st_mode
        except OSError:
            continue
        kinds = {"socket": stat.S_ISSOCK, "folder": stat.S_ISDIR, "file": stat.S_ISREG}
        found[number] = next((kind for kind, fits in kinds.items() if fits(mode)), "other")
    return found
@probe
def namespaces():
    def attempt(call):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                ctypes.set_errno(0)
                failed = call()
                text = name(OSError(ctypes.get_errno(), "")) if failed else "done"
            except OSError as error:
                text = name(error)
            os.write(writer, text.encode())
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        text = os.read(reader, 100).decode()
        os.close(reader)
        return text or "nothing"
    def mounted():
        failed = libc.mount(b"none", os.getcwd().encode(), b"tmpfs", 0, None)
        return failed or libc.umount(os.getcwd().encode())
    return {
        "a user namespace": attempt(lambda: libc.unshare(0x10000000)),
        "a user and network namespace": attempt(lambda: libc.unshare(0x50000000)),
        "a mount namespace": attempt(lambda: libc.unshare(0x00020000)),
        "a mount": attempt(mounted),
        "another root": attempt(lambda: os.chroot("/")),
        "user 0": attempt(lambda: os.setuid(0)),
    }
@probe
def devices():
    found = []
    for folder, _, files in os.walk("/dev"):
        for entry in files:
            try:
                path = os.path.join(folder, entry)
                if stat.S_ISBLK(os.lstat(path).st_mode) or entry in ("mem", "kmem", "port", "kmsg", "kvm", "fuse"):
                    found.append(path)
            except OSError:
                pass
    return found
say(**report)
"""

_REMAINS = """
found, counts = [], 0
listed = ["/" + entry for entry in os.listdir("/")]
more = ["/", "/dev/shm", "/var/tmp", "/tmp", "/usr/local", "/run", os.getcwd(), os.path.expanduser("~")]
folders = {os.path.realpath(path) for path in listed + more}
for path in [os.path.join(folder, "tickbox-" + earlier) for folder in folders for earlier in given["earlier"]]:
    counts += 1
    if os.path.exists(path):
        found.append(path)
        try:
            os.unlink(path)
        except OSError:
            pass
say(found=found, looked=counts)
"""

_FORKS = """
import signal
children = []
for number in range(given["most"]):
    try:
        child = os.fork()
    except OSError as error:
        say(reached=number, stopped=name(error))
        break
    if child == 0:
        time.sleep(3)
        os._exit(0)
    children.append(child)
else:
    say(reached=given["most"], stopped="")
for child in children:
    os.kill(child, signal.SIGKILL)
"""

_MEMORY = """
kept = []
say(reached=0)
try:
    while len(kept) * 32 < given["most"]:
        kept.append(bytearray(b"x" * (32 * 1024 * 1024)))
        say(reached=len(kept) * 32)
    time.sleep(0.5)
    say(reached=len(kept) * 32, ended=True)
except MemoryError:
    say(reached=len(kept) * 32, stopped="MemoryError")
"""

# Counts what is held for some turns of its own: whoever watches from outside, on the same busy machine, has as long to act.
# A child that has not come so far holds nothing yet.
_MEMORY_TOGETHER = """
import signal
say(reached=0)
share, grace = 96, 5
reader, writer = os.pipe()
os.set_blocking(reader, False)
alive, held, reached = {}, {}, 0
for number in range(given["most"] // share):
    try:
        child = os.fork()
    except OSError:
        break
    if child == 0:
        kept = bytearray(share * 1024 * 1024)
        kept[::4096] = b"x" * len(kept[::4096])
        os.write(writer, bytes([number]))
        time.sleep(60)
        os._exit(0)
    alive[number] = child
for turn in range(40):
    time.sleep(0.1)
    try:
        held.update((number, turn) for number in os.read(reader, 100))
    except BlockingIOError:
        pass
    for number in [one for one, child in alive.items() if os.waitpid(child, os.WNOHANG) != (0, 0)]:
        del alive[number]
    lasting = [number for number in alive if turn - held.get(number, turn) >= grace]
    if len(lasting) * share > reached:
        reached = len(lasting) * share
        say(reached=reached)
    if len(lasting) == len(alive):
        say(reached=reached, ended=True)
        break
for child in alive.values():
    os.kill(child, signal.SIGKILL)
"""

_DISK = """
written, files = 0, []
say(reached=0)
places = (os.getcwd(), "/tmp", "/var/tmp", "/dev/shm", os.path.expanduser("~"))
for folder in sorted({os.path.realpath(path) for path in places if os.path.isdir(path)}):
    for number in range(given["most"] // 8):
        path = os.path.join(folder, f"tickbox-{mark}-{number}")
        try:
            with open(path, "wb", buffering=0) as file:
                files.append(path)
                for _ in range(8):
                    written += file.write(b"x" * (1024 * 1024))
        except OSError:
            break
        if written >= given["most"] * 1024 * 1024:
            break
    say(reached=written // (1024 * 1024))
say(reached=written // (1024 * 1024), ended=True)
for path in files:
    os.unlink(path)
"""

_ENDLESS = """
say(reached=0)
import signal
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU, signal.SIGALRM):
    signal.signal(number, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
while True:
    pass
"""

_LEFT = """
say(reached=0)
if os.fork() == 0:
    os.setsid()
ctypes.CDLL(None).prctl(15, given["name"].encode(), 0, 0, 0)  # PR_SET_NAME
time.sleep(120)
"""

_BENIGN = """
import math, random
values = [random.random() for _ in range(1000)]
assert 0 < sum(values) < 1000
with open(os.path.join(os.environ.get("TMPDIR", "/tmp"), "benign.txt"), "w+") as file:
    file.write("kept")
    file.seek(0)
    say(product=given["one"] * given["other"], file=file.read(), root=math.isqrt(given["one"]))
print("a line on the other stream", file=sys.stderr)
sys.exit(3)
"""

_PROGRAMS = {
    "survey": _SURVEY,
    "remains": _REMAINS,
    "fork bomb": _FORKS,
    "memory": _MEMORY,
    "memory of several processes": _MEMORY_TOGETHER,
    "disk": _DISK,
    "endless loop": _ENDLESS,
    "left behind": _LEFT,
    "benign": _BENIGN,
}


def program(name: str, mark: str, given: Mapping[str, Any]) -> str:
    """The text of a program. ``mark`` begins each line of its report, so that no canned answer passes for one."""
    return _HEAD.format(mark=mark, given=json.dumps(dict(given))) + _PROGRAMS[name]


def reports(stdout: str, mark: str) -> list[dict[str, Any]]:
    """What a program said after its mark, in order; what cannot be read is left out."""
    found = []
    for line in stdout.splitlines():
        if line.startswith(f"{mark} "):
            try:
                content = json.loads(line[len(mark) + 1 :])
            except ValueError:
                continue
            if isinstance(content, dict):
                found.append(content)
    return found


def targets(addresses: Sequence[str]) -> list[tuple[str, int]]:
    """What the survey tries to reach: this host's services, the site itself, the clouds' metadata, and the internet."""
    local = [("127.0.0.1", port) for port in (22, 53, 80, 443, 5432, 6379, 8080, 9090, 9100)]
    return [*local, ("::1", 443), *((address, 443) for address in addresses), ("169.254.169.254", 80), ("1.1.1.1", 53)]
