"""What a release uses: limits, leaks, spikes."""

import os
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from ansible.module_utils.tickbox import usage
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.resources import (
    CpuBounds,
    Load,
    Moment,
    Use,
    judge_leaks,
    judge_resources,
    judge_spikes,
    leaks,
    slope,
    undecided,
)
from ansible.module_utils.tickbox.usage import Process, UnitSample
from ansible.module_utils.tickbox.watch import seconds
from hypothesis import given, settings
from hypothesis import strategies as st

LOAD = Load(1000, 1000, 0)
BOUNDS = CpuBounds(idle=0.6, load=1.5, throttled=0.05, others=0.9, others_seconds=3)
WEB, WORKER = "web.service", "worker.service"


def sample(
    memory: float = 100e6, cpu: float = 0.0, started: int = 5, throttled: float | None = None, child: int | None = None
) -> UnitSample:
    processes = {1: Process(1, 0, 1, "main", 0, 0, int(memory / 2)), 2: Process(2, 1, started, "worker", 0, 0, int(memory / 2))}
    if child:
        processes[child] = Process(child, 2, 9, "bwrap", 0, 0, 10**8)
    return UnitSample(processes, cpu, throttled)


def watch(per_round: float = 0.0, per_second: float = 0.0, noise: float = 20_000) -> list[Moment]:
    """Samples four times a second over 20 s at 12 rounds a second of five requests, with some noise in the memory."""
    chance = random.Random(7)  # noqa: S311
    moments = []
    for number in range(80):
        at = number / 4
        memory = 150e6 + per_round * at * 12 + chance.uniform(-noise, noise)
        moments.append(Moment(at, {WEB: sample(memory, child=100 + number), WORKER: sample(5e7 + per_second * at)}, int(at * 60)))
    return moments


def judged(moments: list[Moment], load: Load = LOAD) -> tuple[str, str]:
    found = leaks(moments, WEB, 5, 768, 4096)
    verdict = judge_leaks(moments, found, load, 240)
    return verdict.status, verdict.summary


def test_memory_that_stays_passes() -> None:
    status, summary = judged(watch())
    assert status == "passed", summary
    assert not undecided(leaks(watch(), WEB, 5, 768, 4096), 2)


@pytest.mark.parametrize("per_round", [5 * 1024, 1024, 20_000])
def test_a_leak_of_a_kilobyte_a_request_or_in_one_route_is_refused(per_round: float) -> None:
    status, summary = judged(watch(per_round))
    assert status == "failed"
    assert f"it grows: {WEB}" in summary


def test_a_leak_of_the_worker_is_refused() -> None:
    status, summary = judged(watch(per_second=20_000))
    assert status == "failed"
    assert f"it grows: {WORKER}" in summary


def test_memory_too_restless_to_tell_is_no_pass() -> None:
    moments = watch(noise=1e6)
    assert undecided(leaks(moments, WEB, 5, 768, 4096), 2)
    status, summary = judged(moments)
    assert status != "passed"
    assert "watch longer" in summary or "it grows" in summary


@pytest.mark.parametrize("moments", [[], watch()[:2]])
def test_too_few_samples_are_no_pass(moments: list[Moment]) -> None:
    assert judged(moments)[0] == "unverifiable"


@pytest.mark.parametrize("load", [Load(0, 0, 0), Load(1000, 400, 0), Load(1000, 950, 50)])
def test_without_the_load_nothing_is_known(load: Load) -> None:
    assert judged(watch(), load)[0] == "unverifiable"
    assert judge_resources([Use("x", 1, 10)], 0.8, load).status == "unverifiable"
    assert judge_spikes(cpu_watch(), WEB, BOUNDS, {}, load).status == "unverifiable"


@pytest.mark.parametrize("late", [sample(started=99), UnitSample({1: Process(1, 0, 1, "main", 0, 0)}), UnitSample({})])
def test_a_process_that_was_replaced_hides_no_leak(late: UnitSample) -> None:
    moments = watch()
    moments = [*moments[:60], *(replace(moment, units={**moment.units, WEB: late}) for moment in moments[60:])]
    status, summary = judged(moments)
    assert status == "failed"
    assert f"{WEB}: its processes were replaced meanwhile" in summary


def test_a_slope_has_its_interval() -> None:
    exact = slope([(float(x), 3.0 * x + 1) for x in range(20)])
    assert exact == pytest.approx((3, 3, 3))
    assert slope([(1.0, 1.0)] * 20) is None
    assert slope([(1.0, 2.0)]) is None


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e9, 1e9)), max_size=40))
@settings(max_examples=60)
def test_a_slope_lies_in_its_interval(points: Sequence[tuple[float, float]]) -> None:
    line = slope(points)
    assert line is None or line[1] <= line[0] <= line[2]


@pytest.mark.parametrize(
    ("use", "says"),
    [
        (Use("memory of web.service", 170 * 2**20, 200 * 2**20), "memory of web.service 170 MB of 200 MB (85%)"),
        (Use("tasks of web.service", 40, 41), "tasks of web.service 40 of 41 (98%)"),
        (Use("open files of gunicorn", 20, 20), "20 of 20 (100%)"),
        (Use("connections to role shop", 5, 0), "connections to role shop"),
        (Use("CPUs of web.service", 0.5, 0.5), "CPUs of web.service 0.5 of 0.5"),
    ],
)
def test_a_limit_that_is_near_is_refused(use: Use, says: str) -> None:
    seen = judge_resources([Use("disk of /", 10, 100), use], 0.8, LOAD)
    assert seen.status == "failed"
    assert says in seen.summary


def test_uses_within_their_limits_pass_and_none_is_no_pass() -> None:
    seen = judge_resources([Use("disk of /", 10, 100), Use("x", 70, 100)], 0.8, None)
    assert seen.status == "passed"
    assert "the highest x 70 of 100 (70%)" in seen.summary
    assert judge_resources([], 0.8, LOAD).status == "unverifiable"


def cpu_watch(
    idle: Sequence[float] = (), load: Sequence[float] = (), worker: Sequence[float] = (), throttled: float = 0.0
) -> list[Moment]:
    """Samples four times a second: 5 s idle and 10 s under load, with the CPUs used in given quarters of a second."""
    moments, web, work = [], 0.0, 0.0
    for number in range(60):
        loaded = number >= 20
        part = (load[number - 20] if number - 20 < len(load) else 0.3) if loaded else (idle[number] if number < len(idle) else 0.01)
        web += part / 4
        work += (worker[number] if number < len(worker) else 0.0) / 4
        at = number / 4
        moments.append(Moment(at, {WEB: sample(cpu=web, throttled=throttled * at), WORKER: sample(cpu=work)}, 0, loaded))
    return moments


def test_steady_work_passes() -> None:
    seen = judge_spikes(cpu_watch(), WEB, BOUNDS, {"prometheus": (1.0, 0.95)}, LOAD)
    assert seen.status == "passed", seen.summary


@pytest.mark.parametrize(
    ("moments", "others", "says"),
    [
        (cpu_watch(idle=[0, 0, 0, 1, 1, 1, 1, 1, 1]), {}, f"{WEB} used 1.00 CPUs over a second without load (bound 0.6)"),
        (cpu_watch(load=[2.0] * 8), {}, f"{WEB} used 2.00 CPUs over a second under load (bound 1.5)"),
        (cpu_watch(worker=[0.0] * 30 + [1.0] * 8), {}, f"{WORKER} used 1.00 CPUs over a second under load (bound 0.6)"),
        (cpu_watch(throttled=0.5), {}, "was held back for 7.4 s by its CPU limit"),
        (cpu_watch(), {"sh (process 9)": (4.5, 1.0)}, "sh (process 9) used 1.00 CPUs for 4.5 s"),
    ],
)
def test_a_spike_is_refused_whatever_the_average(moments: list[Moment], others: dict[str, tuple[float, float]], says: str) -> None:
    seen = judge_spikes(moments, WEB, BOUNDS, others, LOAD)
    assert seen.status == "failed"
    assert says in seen.summary


@pytest.mark.parametrize("moments", [cpu_watch()[:20], cpu_watch()[20:], cpu_watch()[18:]])
def test_idle_and_load_must_both_be_seen(moments: list[Moment]) -> None:
    assert judge_spikes(moments, WEB, BOUNDS, {}, LOAD).status == "unverifiable"


def test_this_process_is_seen_as_it_is() -> None:
    own = usage.processes([os.getpid(), 2**22 + 1], thoroughly=True)
    assert set(own) == {os.getpid()}
    seen = own[os.getpid()]
    assert seen.memory > 10**6
    assert seen.files > 2
    assert seen.parent == os.getppid()
    assert seen.own_seconds > 0
    assert usage.everybody()[os.getpid()].started == seen.started


def test_a_unit_is_read_from_its_control_group(tmp_path: Path) -> None:
    group = tmp_path / "system.slice" / WEB
    (group / "inner").mkdir(parents=True)
    (group / "cgroup.procs").write_text("")
    (group / "inner" / "cgroup.procs").write_text(f"{os.getpid()}\n")
    (group / "cpu.stat").write_text("usage_usec 2500000\nnr_throttled 3\nthrottled_usec 1000000\n")
    for name, text in (
        ("memory.current", "900"),
        ("memory.max", "1000"),
        ("memory.stat", "inactive_file 100\n"),
        ("pids.current", "3"),
        ("pids.max", "max"),
    ):
        (group / name).write_text(text)
    (group.parent / "memory.current").write_text("5000")
    (group.parent / "memory.max").write_text("6000")
    folder = usage.unit_folder(f"/system.slice/{WEB}", tmp_path)
    seen = usage.sample_unit(folder)
    assert (seen.cpu, seen.throttled, set(seen.processes)) == (2.5, 1.0, {os.getpid()})
    assert usage.limits(folder, tmp_path)[:2] == [("memory", WEB, 800, 1000), ("memory", "system.slice", 5000, 6000)]
    with pytest.raises(CouldNotLook, match=r"none\.service"):
        usage.unit_folder("/none.service", tmp_path)
    with pytest.raises(CouldNotLook):
        usage.unit_folder("", tmp_path)


@given(st.text(max_size=80))
@settings(max_examples=60)
def test_no_state_of_a_process_stops_the_look(text: str) -> None:
    try:
        assert usage.read_stat(text).pid is not None
    except CouldNotLook as reason:
        assert "process" in str(reason)


@pytest.mark.parametrize(
    ("text", "found"),
    [("500ms", 0.5), ("1s", 1.0), ("1min 30s", 90.0), ("infinity", None), ("", None), ("x", None), ("1.2.3s", None)],
)
def test_a_time_of_systemd(text: str, found: float | None) -> None:
    assert seconds(text) == found
