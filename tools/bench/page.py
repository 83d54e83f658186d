"""The page of what was measured, docs/benchmarks.md, and its picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tools.bench import BENCH, ROOT
from tools.bench.figures import Spread, Task, by_phase, medians

DOCS = ROOT / "docs"
TITLES = {
    "code_only": "Code-only deployment",
    "full": "Deployment with changed lock files, frontend and a migration",
    "rollback": "Rollback of the code",
}
CONTENDERS = {"tickbox": "Tickbox", "capistrano": "Capistrano", "floor": "floor"}
LOOKS = {
    "tickbox": "Tickbox, the same statements (`--tags`)",
    "testinfra": "testinfra",
    "all": "Tickbox, all statements that need no load (`--skip-tags soak`)",
}
LONGEST = 12  # tasks that are named
RESTORE_POINT, MIGRATION, GO_BACK = "Make the restore point", "Run database migrations", "Go back to the restore point"


@dataclass(frozen=True)
class Row:
    """What one contender needed, and how it compares. ``failed`` are all rounds' requests."""

    contender: str
    answering: Spread
    ended: Spread
    to_capistrano: float
    to_floor: float
    away: Spread
    slowest: Spread
    failed: int
    requests: int
    load: Spread | None


def of(runs: Sequence[dict[str, Any]], contender: str, figure: str) -> Spread:
    return Spread.of(run[figure] for run in runs if run["contender"] == contender)


def rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    answering = {name: of(runs, name, "answering") for name in CONTENDERS}
    return [
        Row(
            title,
            answering[name],
            of(runs, name, "ended"),
            answering[name].median / answering["capistrano"].median,
            answering[name].median / answering["floor"].median,
            of(runs, name, "away"),
            of(runs, name, "slowest"),
            sum(run["failed"] for run in runs if run["contender"] == name),
            sum(run["requests"] for run in runs if run["contender"] == name),
            of(runs, name, "load") if all("load" in run for run in runs) else None,
        )
        for name, title in CONTENDERS.items()
    ]


@dataclass(frozen=True)
class Look:
    """How long looking at a host took. ``asked``: tests of testinfra, or remote tasks."""

    title: str
    seconds: Spread
    ratio: float
    asked: str


def looks(runs: Sequence[dict[str, Any]]) -> list[Look]:
    found = []
    for name, title in LOOKS.items():
        of_it = [run for run in runs if run["contender"] == name]
        remote = sum(task["remote"] for task in of_it[0].get("tasks", []))
        asked = f"{of_it[0]['tests']} tests" if name == "testinfra" else f"{remote} remote tasks"
        seconds = of(runs, name, "ended")
        found.append(Look(title, seconds, seconds.median / of(runs, "testinfra", "ended").median, asked))
    return found


@dataclass(frozen=True)
class Size:
    """What a deployment and a rollback took with a database of so many bytes; all else are seconds."""

    bytes: int
    backup: float
    away: float
    restore_point: float
    migration: float
    back: float
    back_away: float
    go_back: float


def seconds(run: dict[str, Any], name: str, of: str = "name") -> float:
    """All that the tasks of this name took, or those of this phase."""
    total: float = sum(task["seconds"] for task in run["tasks"] if task[of] == name)
    return total


def grown(runs: Sequence[dict[str, Any]]) -> list[Size]:
    deployed, back = ([run for run in runs if run["case"] == case] for case in ("full", "rollback"))
    return [
        Size(
            one["bytes"],
            seconds(one, "2. Backup", of="phase"),
            one["away"],
            seconds(one, RESTORE_POINT),
            seconds(one, MIGRATION),
            other["answering"],
            other["away"],
            seconds(other, GO_BACK),
        )
        for one, other in zip(deployed, back, strict=True)
    ]


@dataclass(frozen=True)
class Hosts:
    """What a deployment and a rollback took on so many hosts of the application, in seconds and as ratios to those on one."""

    number: int
    answering: float
    ended: float
    ratio: float
    away: float
    back: float
    back_ended: float
    back_ratio: float


def spread_out(runs: Sequence[dict[str, Any]]) -> list[Hosts]:
    deployed, back = ({run["hosts"]: run for run in runs if run["case"] == case} for case in ("full", "rollback"))
    return [
        Hosts(
            number,
            deployed[number]["answering"],
            deployed[number]["ended"],
            deployed[number]["ended"] / deployed[1]["ended"],
            deployed[number]["away"],
            back[number]["answering"],
            back[number]["ended"],
            back[number]["ended"] / back[1]["ended"],
        )
        for number in sorted(deployed)
    ]


def tasks(runs: Sequence[dict[str, Any]]) -> list[list[Task]]:
    """The tasks of each of Tickbox's runs."""
    return [[Task(**task) for task in run["tasks"]] for run in runs if run["contender"] == "tickbox"]


def phases(runs: Sequence[dict[str, Any]]) -> list[Task]:
    return medians([by_phase(run) for run in tasks(runs)], key=lambda task: (task.phase, ""))


def longest(runs: Sequence[dict[str, Any]]) -> list[Task]:
    listed = medians(tasks(runs), key=lambda task: (task.phase, task.name))
    return sorted(listed, key=lambda task: -task.seconds)[:LONGEST]


def spread(value: Spread) -> str:
    return f"{value.median:.1f} ({value.least:.1f} to {value.most:.1f})"


def draw(cases: dict[str, Any], path: Path) -> None:
    """Seconds to the new version as bars, with the spread of the rounds."""
    import matplotlib as mpl  # noqa: PLC0415 - it takes a second, which only a picture needs

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "tickbox"  # the same figures give the same file
    from matplotlib import pyplot as plt  # noqa: PLC0415

    shown = [case for case in TITLES if case in cases]
    figure, axes = plt.subplots(figsize=(8, 0.8 + 1.2 * len(shown)), layout="constrained")
    height = 0.8 / len(CONTENDERS)
    for place, (name, title) in enumerate(CONTENDERS.items()):
        values = [of(cases[case]["runs"], name, "answering") for case in shown]
        middle = [value.median for value in values]
        errors = [[value.median - value.least for value in values], [value.most - value.median for value in values]]
        where = [number + (place - 1) * height for number in range(len(shown))]
        bars = axes.barh(where, middle, height, xerr=errors, label=title, error_kw={"linewidth": 1})
        axes.bar_label(bars, fmt="%.1f", padding=6)
    axes.set_yticks(range(len(shown)), [TITLES[case].replace(" with ", "\nwith ").replace(" and ", "\nand ") for case in shown])
    axes.invert_yaxis()
    axes.set_xlabel("seconds from the command to the version answering: median, least and most")
    axes.legend()
    axes.margins(x=0.12)
    figure.savefig(path, metadata={"Date": None})


def write(results: dict[str, Any], folder: Path = DOCS) -> None:
    cases = results["cases"]
    environment = Environment(
        loader=FileSystemLoader(BENCH),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it makes Markdown
    )
    environment.filters["spread"] = spread
    shown = {case: {"title": title, **cases[case]} for case, title in TITLES.items() if case in cases}
    for case in shown.values():
        case |= {"rows": rows(case["runs"]), "phases": phases(case["runs"]), "longest": longest(case["runs"])}
    draw(cases, folder / "benchmarks.svg")
    verify = dict(cases.get("verify", {}))
    if verify:
        verify |= {"looks": looks(verify["runs"]), "longest": longest(verify["runs"])}
    data = dict(cases.get("data", {}))
    if data:
        data["sizes"] = grown(data["runs"])
    hosts = dict(cases.get("hosts", {}))
    if hosts:
        hosts["numbers"] = spread_out(hosts["runs"])
    page = environment.get_template("benchmarks.md.j2").render(cases=shown, verify=verify, data=data, hosts=hosts)
    (folder / "benchmarks.md").write_text(page)
