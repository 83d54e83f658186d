"""Measures Tickbox beside Capistrano and beside the least work that a deployment needs, and writes docs/benchmarks.md.

usage: python -m tools.bench [--rounds n] [--cases code_only,rollback] [--document]

What was measured is kept in docs/benchmarks.json; cases that are not asked for keep what they have there. With --document the page
is written anew from it, and nothing is measured. Needs root, for the test host, Debian's packages and an address of the client.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tools.bench import ROOT
from tools.bench.contenders import Tickbox
from tools.bench.data import sizes
from tools.bench.growth import counts
from tools.bench.machine import machine, versions
from tools.bench.page import write
from tools.bench.prepare import bring_to, contenders, install_capistrano
from tools.bench.rounds import CASES, Run, rounds
from tools.bench.verify import verifications
from tools.bench.versions import Versions, attest

RESULTS = ROOT / "docs/benchmarks.json"
ALL = [*CASES, "verify", "data", "hosts"]


def cases(text: str) -> set[str]:
    asked = set(text.split(","))
    if unknown := asked - set(ALL):
        raise argparse.ArgumentTypeError(f"there is no case {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    return asked


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--rounds", type=int, default=5, metavar="N", help="how often each case is measured, but for data and hosts (5)"
    )
    parser.add_argument("--cases", type=cases, default=set(ALL), metavar=",".join(ALL), help="measure these (all)")
    parser.add_argument("--document", action="store_true", help="write the page from what was measured before")
    return parser.parse_args()


def measured(asked: set[str], count: int) -> Iterator[dict[str, list[Run]]]:
    """What was measured of the cases, round by round."""
    with TemporaryDirectory() as scratch:
        made = Versions(Path(scratch) / "index")
        if asked - {"hosts"}:
            yield from of_one_host(asked, count, made)
        if "hosts" in asked:
            yield from ({"hosts": runs} for runs in counts(made))


def of_one_host(asked: set[str], count: int, made: Versions) -> Iterator[dict[str, list[Run]]]:
    with contenders() as (listed, sites):
        attest()
        bring_to(made.last, listed, sites)
        if asked & set(CASES):
            yield from rounds(asked, count, listed, sites, made)
        if "verify" in asked:
            yield from ({"verify": runs} for runs in verifications(sites[Tickbox.name].address, count))
        if "data" in asked:
            yield from ({"data": runs} for runs in sizes(sites[Tickbox.name], Tickbox(), made))


def main() -> int:
    options = arguments()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cases": {}}
    if not options.document:
        install_capistrano()
        taken = {"when": datetime.now(UTC).isoformat(timespec="minutes"), "machine": machine(), "versions": versions()}
        anew: dict[str, list[Run]] = {}
        # Whole rounds are kept, whatever comes of a later one.
        for found in measured(options.cases, options.rounds):
            for case in found.keys() & options.cases:
                anew.setdefault(case, []).extend(found[case])
            results["cases"] |= {case: {**taken, "runs": runs} for case, runs in anew.items()}
            RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    write(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
