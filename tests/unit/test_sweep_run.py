"""A sweep from its arguments to its exit code, with a host that is only imagined."""

import importlib.util
import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import look
import pytest
import trial
from points import START, WANTED, Point, Seen
from steps import Step
from testimony import Verdict

FOLDER = Path(trial.__file__).parent
TASKS = {
    "deploy": [Step("run : Open", ["one"], []), Step("release : Look", [], []), Step("release : Stage", [], ["a file"])],
    "rollback": [Step("run : Open", ["one"], [])],
}


class Imagined:
    """A host on which everything goes well, but for the points in ``broken``."""

    broken: Mapping[int, Any] = {}
    begins = True

    def __init__(self) -> None:
        self.version = "v1.0.0"
        self.tried: list[int] = []

    def serving(self) -> str:
        return self.version

    def begin(self, run: str) -> bool:
        self.version = START[run]
        return self.begins

    def run(self, log: str, arguments: list[str]) -> int:
        self.version = WANTED[log]
        return 0

    def tasks(self, run: str) -> list[Step]:
        self.version = WANTED[run]
        return TASKS[run]

    def kill(self, point: Point) -> Seen:
        self.tried.append(point.number)
        if isinstance(found := self.broken.get(point.number, {}), Exception):
            raise found
        self.version = WANTED[point.run]
        served = {"one": f"{self.version}-1"}
        before = tuple(at for at, step in enumerate(TASKS[point.run][: point.at - 1], 1) if step.changed)
        whole: dict[str, Any] = {
            "killed": True,
            "task": point.task,
            "changed": before,
            "left": (),
            "advice": "",
            "recovery": 0,
            "served": served,
        }
        more: dict[str, Any] = {
            "site": self.version,
            "witness": "",
            "witness_clean": True,
            "lock": False,
            "units": (),
            "half_made": (),
        }
        return Seen(**{**whole, **more, **found})


@pytest.fixture
def sweep(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    spec = importlib.util.spec_from_file_location("sweep", FOLDER / "__main__.py")
    assert spec and spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    hosts: list[Imagined] = []
    built: list[int] = []

    @contextmanager
    def opened(own: list[str]) -> Iterator[Imagined]:
        hosts.append(Imagined())
        yield hosts[-1]

    @contextmanager
    def addresses(*_: object) -> Iterator[list[str]]:
        yield []

    monkeypatch.setattr(module, "opened", opened)
    monkeypatch.setattr(module, "addresses", addresses)
    monkeypatch.setattr(module, "build", lambda: built.append(1))
    monkeypatch.setattr(module, "code_digest", lambda _: "code")
    monkeypatch.setattr(module, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(Imagined, "broken", {})
    monkeypatch.setattr(Imagined, "begins", True)
    (tmp_path / "docs").mkdir()

    def run(*arguments: str) -> SimpleNamespace:
        hosts.clear()
        built.clear()
        monkeypatch.setattr("sys.argv", ["tools/sweep", *arguments])
        code = module.main()
        return SimpleNamespace(code=code, tried=[number for host in hosts for number in host.tried], built=len(built))

    return run


def test_all_points_are_tried_where_the_host_is(sweep: Any, tmp_path: Path) -> None:
    done = sweep()
    assert (done.code, done.tried) == (0, [1, 4, 3])
    assert (
        "Recovered: 3 of the 3 states that were tried, of 3; with them 4 of the 4 points."
        in (tmp_path / "docs/sweep.md").read_text()
    )
    again = sweep()
    assert (again.code, again.tried, again.built) == (0, [], 0)


def test_named_points_are_tried_again(sweep: Any) -> None:
    sweep()
    assert sweep("--points", "2,4").tried == [2, 4]
    with pytest.raises(SystemExit, match="there is no point 9; there are 1 to 4"):
        sweep("--points", "2,9")


def test_a_sample_is_told_elsewhere(sweep: Any, tmp_path: Path) -> None:
    done = sweep("--sample", "1", "--seed", "day")
    assert done.code == 0
    assert len(done.tried) == 1
    assert (tmp_path / "reports/sweep.md").exists()
    assert not (tmp_path / "docs/sweep.md").exists()


@pytest.mark.parametrize("broken", [{"lock": True}, RuntimeError("the witness itself failed")])
def test_a_point_that_is_not_recovered_is_told_and_the_host_made_anew(
    sweep: Any, monkeypatch: pytest.MonkeyPatch, broken: Any
) -> None:
    monkeypatch.setattr(Imagined, "broken", {1: broken})
    done = sweep()
    assert (done.code, sorted(done.tried)) == (1, [1, 3, 4])
    assert done.built == 3  # to list the tasks, for the first points, after the first
    # It stays until it was tried again.
    assert (sweep().code, sweep().tried) == (1, [])
    monkeypatch.setattr(Imagined, "broken", {})
    assert sweep("--points", "1").code == 0
    assert sweep().code == 0


def test_a_new_host_that_does_not_come_to_the_beginning_ends_the_sweep(sweep: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Imagined, "begins", False)
    with pytest.raises(SystemExit, match=r"v1\.0\.0 does not serve"):
        sweep()


class Host:
    """As much of a host as a trial asks of it."""

    def __init__(self, files: set[str]) -> None:
        self.files = files

    def file(self, path: str) -> Any:
        return SimpleNamespace(exists=path in self.files)

    def run(self, command: str, *_: str) -> Any:
        return SimpleNamespace(stdout="/srv/examples/releases/v1.1.0-1\n")

    def check_output(self, command: str, *_: str) -> str:
        if "list-units" in command:
            return "examples-web@v1.1.0-1.service loaded active running\n"
        return "postgres\nexamples\nexamples_trial" if "datname" in command else ""


class Quiet:
    """A witness who sees nothing go wrong."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> "Quiet":
        return self

    def __exit__(self, *_: object) -> None: ...

    def verdict(self, *_: object, **given: Any) -> Verdict:
        assert given["versions"] == {"v1.0.0", "v1.1.0"}
        return Verdict(1, 1, 0, (), (), (), (), ())


def test_a_trial_kills_asks_and_recovers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files = {"/var/lib/tickbox/examples/lock.json"}
    begun: list[str] = []

    def playbook(log: Path, arguments: list[str], environment: Mapping[str, str] | None = None) -> int:
        begun.append(arguments[0])
        log.write_text('"dead run", "go on with: ansible-playbook deploy.yml -e app_version=v1.1.0", "x"')
        if environment:
            lines = [{"number": 1, "task": "run : Open", "action": "run_record"}, {"at": 1, "did": "kill"}]
            Path(environment["TICKBOX_TASKS"]).write_text("\n".join(map(json.dumps, lines)))
            return -signal.SIGKILL
        if arguments[0] == "deploy.yml":
            files.clear()
        return 0

    monkeypatch.setattr(trial, "playbook", playbook)
    monkeypatch.setattr(trial, "Witness", Quiet)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(trial.Trial, "serving", lambda _: "v1.1.0")
    people: Any = None
    site: Any = None
    seen = trial.Trial(lambda name: Host(files), people, site, tmp_path).kill(Point(1, "deploy", 1, "run : Open", 1))
    assert begun == ["deploy.yml", "playbooks/status.yml", "deploy.yml"]
    assert (seen.killed, seen.task, seen.left, seen.lock) == (True, "run : Open", ("a lock",), False)
    assert seen.advice == "ansible-playbook deploy.yml -e app_version=v1.1.0"
    assert seen.served == {"tickbox-sweep": "v1.1.0-1"}
    assert seen.units == ("examples-web@v1.1.0-1.service",)
    assert seen.half_made == ("database examples_trial",)


@pytest.mark.parametrize("text", [trial.FRESH, trial.HALF_MADE, look.HOST, look.look(["10.0.0.1", "10.0.0.2"], Path("ssh"))])
def test_what_runs_on_the_host_is_a_shell_text(text: str) -> None:
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False, capture_output=True).stderr == ""
