"""Kills a deployment and a rollback in each state that their tasks leave behind, and sees the next run bring all back.

usage: tools/sweep [--sample n [--seed day|number]] [--points 12,40]

Goes on where it stopped. All points are written to docs/sweep.md, a sample to reports/sweep.md; beside it, as .jsonl, lies what
was found of this code. What the runs printed is in reports/sweep/.
"""

from __future__ import annotations

import argparse
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "molecule"))

from machines import connector, hosts_of, secrets_of_demo  # noqa: E402
from moment import addresses  # noqa: E402
from points import START, Point, State, code_digest, following, points, sample, table, tried  # noqa: E402
from trial import ARGUMENTS, INVENTORY, Trial, playbook  # noqa: E402
from witness import ADDRESSES, People  # noqa: E402

REPORTS = ROOT / "reports"
LOGS = REPORTS / "sweep"
CERTIFICATES = ROOT / ".tickbox/ca/ca.crt"
FIRST_ADDRESS = 232  # those of scenarios are below
DAY = 86400


def seed(text: str) -> int:
    return int(time.time() // DAY) if text == "day" else int(text)


def numbers(text: str) -> set[int]:
    return {int(number) for number in text.split(",")}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/sweep", description=(__doc__ or "").splitlines()[0])
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--sample", type=int, metavar="N", help="try N points, others with another seed")
    chosen.add_argument("--points", type=numbers, metavar="12,40", help="try these points, again where they were tried before")
    parser.add_argument(
        "--seed", type=seed, default=0, metavar="day", help="which sample: a number, or day for another one each day"
    )
    return parser.parse_args()


def build() -> None:
    """The host, serving the version from which a deployment begins."""
    subprocess.run([ROOT / "testhosts/image/build", "bookworm"], check=True)
    start = ["deploy.yml", "--extra-vars", f"app_version={START['deploy']}"]
    for step in (["testhosts/destroy.yml"], ["testhosts/create.yml"], ["playbooks/provision.yml"], start):
        log = LOGS / f"{Path(step[0]).stem}.log"
        if playbook(log, step) != 0:
            sys.exit(f"{step[0]} failed: see {log}")


@contextmanager
def opened(own: list[str]) -> Iterator[Trial]:
    """The host with the people who use it; ``own``: addresses of this machine from which they do."""
    hosts = hosts_of(INVENTORY)
    (host,) = hosts.values()
    url = f"https://{host['ansible_host']}"
    people = People(url, str(CERTIFICATES), own, secrets_of_demo()["vault_app_admin_password"])
    context = ssl.create_default_context(cafile=str(CERTIFICATES))
    with tempfile.TemporaryDirectory() as sockets, httpx.Client(base_url=url, verify=context, timeout=20, trust_env=False) as site:
        try:
            yield Trial(connector(hosts, Path(sockets)), people, site, LOGS)
        finally:
            people.close()


def chosen(options: argparse.Namespace, everything: list[Point]) -> list[Point]:
    if options.points:
        if unknown := options.points - {point.number for point in everything}:
            sys.exit(f"--points: there is no point {min(unknown)}; there are 1 to {len(everything)}")
        return [point for point in everything if point.number in options.points]
    states = tried(everything)
    return sample(states, options.sample, options.seed) if options.sample else states


def record(trial: Trial, state: State, console: Console) -> None:
    """List the tasks of both runs. A rollback needs a deployment that it takes back, which is the first to be listed.

    Before they are listed both are run once: a first deployment builds what all later ones find.
    """
    for run, listed in [(run, listed) for listed in (False, True) for run in START]:
        console.print(f"{'listing the tasks of' if listed else 'trying'} {run}.yml")
        if not trial.begin(run):
            sys.exit(f"{START[run]} does not serve, from which {run}.yml begins: see {LOGS}")
        if listed:
            state.record(run, trial.tasks(run))
        else:
            trial.run(run, ARGUMENTS[run])


def judged(trial: Trial, point: Point, state: State) -> list[str]:
    """What is wrong at the point. Whatever keeps it from being looked at is wrong as well."""
    began = time.monotonic()
    try:
        return state.add(point, trial.kill(point), time.monotonic() - began)
    except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError, httpx.HTTPError) as error:
        return state.add_error(point, f"it could not be looked at: {error!r}", time.monotonic() - began)


def turn(own: list[str], pending: list[Point], state: State, told: Callable[[Point, list[str]], None]) -> None:
    """Try points until one is not recovered, or the host does not come to where the next one begins."""
    with opened(own) as trial:
        first = True
        while pending:
            point = following(pending, trial.serving())
            if not trial.begin(point.run):
                if first:
                    sys.exit(f"a new host does not come to {START[point.run]}, from which {point.run}.yml begins: see {LOGS}")
                return
            first = False
            pending.remove(point)
            found = judged(trial, point, state)
            told(point, found)
            if found:
                return


def main() -> int:
    options, console = arguments(), Console()
    page = (REPORTS if options.sample else ROOT / "docs") / "sweep.md"
    state = State(page.with_suffix(".jsonl"), code_digest(ROOT))
    address = next(iter(hosts_of(INVENTORY).values()))["ansible_host"]
    if set(state.tasks) != set(START):
        build()
        with addresses(address, ADDRESSES, FIRST_ADDRESS) as own, opened(own) as trial:
            record(trial, state, console)
    everything = points(state.tasks)
    asked = chosen(options, everything)
    pending = [point for point in asked if options.points or point.number not in state.results]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, speed_estimate_period=DAY) as progress:
        bar = progress.add_task("points", total=len(asked), completed=len(asked) - len(pending))

        def told(point: Point, found: list[str]) -> None:
            ended = f"not recovered: {'; '.join(found)}" if found else "recovered"
            text = f"{point.number} {point.run} {point.at}. {point.task}: {ended}"
            console.print(text, markup=False)
            progress.advance(bar)
            page.write_text(table(everything, state.results))

        # After a point that is not recovered the host is made anew, so that no other is judged by what it left.
        while pending:
            build()
            with addresses(address, ADDRESSES, FIRST_ADDRESS) as own:
                turn(own, pending, state, told)
    page.write_text(table(everything, state.results))
    failed = [point.number for point in asked if state.results[point.number]["faults"]]
    console.print(f"{page}: {len(asked) - len(failed)} of {len(asked)} points recovered" + (f", not {failed}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
