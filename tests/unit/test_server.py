"""Hosts: what falls short of what their work needs, and what cannot be seen."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import cgroups, server, sizes
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict
from hypothesis import given, settings
from hypothesis import strategies as st

GB = 1024**3
UNIT = server.Unit(
    {
        "LoadState": "loaded",
        "ActiveState": "active",
        "MemoryMax": "infinity",
        "MemoryHigh": "infinity",
        "CPUQuotaPerSecUSec": "infinity",
        "LimitAS": "infinity",
        "NeedDaemonReload": "no",
    },
    {"system.slice": {"MemoryMax": "infinity"}, "-.slice": {}},
)
SERVER = server.Server(
    system={"ID": "debian", "VERSION_ID": "12"},
    architecture="x86_64",
    cpus=2,
    memory=4 * GB,
    rooms={"/srv/shop": server.Room(20 * GB, 500_000, False)},
    units={"redis.service": UNIT},
    clock=server.Clock(True, 0.3, 0.2, "systemd-timesyncd"),
    packages={"redis-server": "5:7.0.15-1"},
    broken_packages=[],
)


def judge(seen: server.Server = SERVER, **more: Any) -> Verdict:
    asked: dict[str, Any] = {
        "systems": ["debian 12"],
        "architectures": ["x86_64"],
        "cpus": 2,
        "memory": "4G",
        "disks": [{"path": "/srv/shop", "free": "5G", "inodes": 10_000}],
        "units": [{"name": "redis.service", "memory": "512M", "cpus": 1}],
        "clock": "kernel",
        "clock_offset": 5,
        "packages": {"redis-server": "7.0"},
        "newer": lambda version, wanted: version.split(":")[-1] >= wanted,
    }
    return server.judge_server(seen, **{**asked, **more})


def with_unit(**properties: str) -> server.Server:
    return replace(SERVER, units={"redis.service": replace(UNIT, properties={**UNIT.properties, **properties})})


def with_room(free: int, inodes: int | None = 500_000, read_only: bool = False) -> server.Server:
    return replace(SERVER, rooms={"/srv/shop": server.Room(free, inodes, read_only)})


def test_a_host_with_what_it_needs_passes() -> None:
    seen = judge()
    assert seen.status == "passed"
    assert "2 processors, 4096 MB of memory" in seen.summary
    assert judge(with_room(20 * GB, None)).status == "passed", "a file system without a number of inodes"
    assert judge(with_unit(MemoryMax=str(512 * 1024**2))).status == "passed", "a limit that is high enough"


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (replace(SERVER, system={"ID": "ubuntu", "VERSION_ID": "24.04"}), "ubuntu 24.04"),
        (replace(SERVER, system={}), "unknown"),
        (replace(SERVER, architecture="riscv64"), "riscv64"),
        (replace(SERVER, cpus=1.5), "1.5 processors"),
        (replace(SERVER, memory=GB), "1024 MB of memory, 4096 MB asked for"),
        (with_room(GB), "1024 MB free"),
        (with_room(20 * GB, 12), "12 inodes free"),
        (with_room(20 * GB, 500_000, True), "can only be read"),
        (replace(SERVER, rooms={"/srv/shop": None}), "/srv/shop does not exist"),
        (with_unit(MemoryMax="67108864"), "may use 64 MB of memory (MemoryMax)"),
        (with_unit(MemoryHigh="67108864"), "(MemoryHigh)"),
        (with_unit(MemoryLimit="67108864"), "(MemoryLimit)"),
        (with_unit(MemoryMax="0"), "may use 0 B"),
        (with_unit(LimitASSoft="67108864"), "(LimitASSoft)"),
        (with_unit(CPUQuotaPerSecUSec="200ms"), "may use 0.2 processors"),
        (with_unit(NeedDaemonReload="yes"), "daemon-reload"),
        (with_unit(LoadState="not-found"), "not-found"),
        (with_unit(ActiveState="failed"), "failed, not active"),
        (replace(SERVER, units={}), "no such unit"),
        (replace(SERVER, units={"redis.service": replace(UNIT, memory=64 * 1024**2)}), "(the kernel)"),
        (replace(SERVER, units={"redis.service": replace(UNIT, cpus=0.5)}), "0.5 processors (the kernel)"),
        (
            replace(SERVER, units={"redis.service": replace(UNIT, slices={"system.slice": {"MemoryMax": "1048576"}})}),
            "system.slice",
        ),
        (replace(SERVER, units={"redis.service": replace(UNIT, replaced=True)}), "has been replaced"),
        (replace(SERVER, clock=replace(SERVER.clock, synchronised=False)), "nothing synchronises"),
        (replace(SERVER, clock=replace(SERVER.clock, service="")), "no service keeps the time"),
        (replace(SERVER, clock=replace(SERVER.clock, ahead=-90.0)), "90.0 s behind"),
        (replace(SERVER, packages={"redis-server": None}), "redis-server is not installed"),
        (replace(SERVER, packages={"redis-server": "5:6.0.16-1"}), "older than 7.0"),
        (replace(SERVER, broken_packages=["nginx"]), "not wholly installed: nginx"),
    ],
)
def test_refuses(seen: server.Server, says: str) -> None:
    judged = judge(seen)
    assert judged.status == "failed"
    assert says in judged.summary


def test_a_clock_that_nothing_sets_is_held_against_the_controllers_where_that_is_asked() -> None:
    free = replace(SERVER, clock=server.Clock(False, 16, 0.4, ""))
    seen = judge(free, clock="controller")
    assert (seen.status, "from the controller's, held against nothing else" in seen.summary) == ("passed", True)
    assert judge(replace(SERVER, clock=server.Clock(False, 16, 90, "")), clock="controller").status == "failed"
    with pytest.raises(CouldNotLook, match="controller's time"):
        judge(replace(SERVER, clock=server.Clock(True, 0, None, "")), clock="controller")


def test_what_systemd_says_of_a_limit_must_be_a_size() -> None:
    with pytest.raises(CouldNotLook, match="MemoryMax=lots"):
        judge(with_unit(MemoryMax="lots"))
    with pytest.raises(CouldNotLook, match="no size"):
        judge(memory="much")


@pytest.mark.parametrize(
    ("text", "size"), [("512M", 512 * 1024**2), ("1.5G", 3 * GB // 2), ("64mb".upper(), 64 * 1024**2), ("7", 7)]
)
def test_sizes(text: str, size: int) -> None:
    assert sizes.size("x", text) == size


def test_spans() -> None:
    assert [sizes.span(text) for text in ("200ms", "1min 30s", "infinity", "", "3 weeks")] == [0.2, 90.0, None, None, None]


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_foreign_texts_are_read_or_refused(text: str) -> None:
    assert isinstance(server.read_os_release(text), dict)
    assert isinstance(server.read_packages(text), tuple)
    for read in (server.read_memory, lambda text: sizes.size("x", text)):
        try:
            assert read(text) >= 0
        except CouldNotLook as reason:
            assert str(reason)


def test_names_of_packages_may_be_patterns() -> None:
    versions = {"postgresql-15": "15.10-0+deb12u1", "postgresql-common": "248", "nodejs": "18.19"}
    wanted = ["postgresql-[0-9][0-9]", "nodejs", "bubblewrap", "redis*"]
    found = server.of_packages(versions, wanted)
    assert found == {"postgresql-[0-9][0-9]": "15.10-0+deb12u1", "nodejs": "18.19", "bubblewrap": None, "redis*": None}


def test_packages_of_dpkg() -> None:
    text = "ii \tnginx\t1.22\niU \tredis\t7.0\nrc \told\t1\nun \tnever\t\niF \thalf\t2\nhi \tkept\t3\niiR\tbad\t4\n"
    assert server.read_packages(text) == ({"nginx": "1.22", "kept": "3"}, ["redis", "half", "bad"])


def first_version(root: Path, mount_root: str, group: str, limit: str) -> Path:
    """A /proc and a hierarchy of version 1, as a container on a hybrid machine has them."""
    proc, memory = root / "proc", root / "memory"
    for folder in (proc / "7", proc / "self", memory / "unit"):
        folder.mkdir(parents=True)
    (proc / "7" / "cgroup").write_text(f"4:memory:{group}\n1:cpu:/\n0::{group}\n")
    (proc / "self" / "mountinfo").write_text(f"575 571 0:32 {mount_root} {memory} ro - cgroup cgroup rw,memory\nrubbish\n")
    for folder in (memory, memory / "unit"):
        (folder / "memory.stat").write_text(f"cache 1\nhierarchical_memory_limit {limit}\n")
    return proc


@pytest.mark.parametrize(("limit", "memory"), [("9223372036854771712", None), ("67108864", 67108864)])
def test_limits_of_control_groups_of_version_1(tmp_path: Path, limit: str, memory: int | None) -> None:
    proc = first_version(tmp_path, "/pod", "/pod/unit", limit)
    assert cgroups.allowed(7, proc) == cgroups.Allowed(memory, None, "version 1")


def test_a_group_that_no_mount_shows_cannot_be_looked_at(tmp_path: Path) -> None:
    with pytest.raises(CouldNotLook, match="no mount shows control group /other"):
        cgroups.allowed(7, first_version(tmp_path, "/pod", "/other", "1"))
    with pytest.raises(CouldNotLook, match="cannot be read"):
        cgroups.allowed(8, tmp_path / "proc")


def second_version(root: Path, controllers: str) -> tuple[Path, Path]:
    proc, top = root / "proc", root / "cgroup"
    unit = top / "system.slice" / "redis.service"
    for folder in (proc / "7", proc / "self", unit):
        folder.mkdir(parents=True)
    (proc / "7" / "cgroup").write_text("0::/system.slice/redis.service\n")
    (proc / "self" / "mountinfo").write_text(f"30 20 0:26 / {top} rw - cgroup2 cgroup2 rw,nsdelegate\n")
    (proc / "cgroups").write_text("#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t99\t1\n")
    (top / "cgroup.controllers").write_text(controllers)
    (unit / "memory.max").write_text("max\n")
    (unit / "memory.high").write_text("max\n")
    (unit / "cpu.max").write_text("max 100000\n")
    return proc, unit


def test_limits_of_control_groups_of_version_2(tmp_path: Path) -> None:
    proc, unit = second_version(tmp_path, "cpu memory")
    assert cgroups.allowed(7, proc) == cgroups.Allowed(None, None, "version 2")
    (unit.parent / "memory.max").write_text("67108864\n")
    (unit.parent / "cpu.max").write_text("50000 100000\n")
    assert cgroups.allowed(7, proc) == cgroups.Allowed(67108864, 0.5, "version 2")
    (unit / "memory.high").write_text("4096\n")
    assert cgroups.allowed(7, proc).memory == 4096
    (unit / "memory.max").write_text("garbage")
    with pytest.raises(CouldNotLook, match="is no number"):
        cgroups.allowed(7, proc)


def test_a_memory_controller_that_is_kept_from_the_host_hides_its_limits(tmp_path: Path) -> None:
    proc, _unit = second_version(tmp_path, "cpu")
    with pytest.raises(CouldNotLook, match="not seen from this host"):
        cgroups.allowed(7, proc)


def test_the_module_on_this_machine(run_module: Callable[..., dict[str, Any]]) -> None:
    result = run_module("check_server", disks=[{"path": "/nowhere"}], memory="99999G", report_only=True)
    assertion = result["assertions"][0]
    assert assertion["item"] == "pre.environment.server_requirements"
    assert assertion["status"] in {"failed", "unverifiable"}
    assert assertion["status"] == "unverifiable" or "/nowhere does not exist" in assertion["summary"]
