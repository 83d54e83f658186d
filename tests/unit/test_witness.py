"""What a witness sees of a site that is well, and of one that loses rows, mixes releases or breaks, on a real HTTP server."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from testimony import BLIND, HALF, LIMITED, MAINTENANCE, WHOLE, Verdict, halves, mixed, numbers, unseen
from web import Reply, serving
from witness import ADDRESSES, MAINTENANCE_PAGE, PEOPLE, PERIOD, People, Witness

OLD, NEW = "v1.0.0-11111111", "v1.1.0-22222222"
Answer = Callable[[str, str], Reply | None]


class Site:
    """As much of the example application as a witness uses."""

    def __init__(self) -> None:
        self.release = OLD
        self.rows: list[str] = []
        self.users: set[str] = set()
        self.requests: list[tuple[str, str]] = []
        self.instead: Answer = lambda method, path: None

    def respond(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        self.requests.append((method, path))
        return self.instead(method, path) or self.own(method, path)

    def own(self, method: str, path: str) -> Reply:
        if path == "/version":
            return 200, {}, json.dumps({"version": self.release.rpartition("-")[0], "release": self.release})
        if path == "/":
            return 200, {}, f'<html><script src="/assets/{self.release}.js"></script><div id="app"></div></html>\n'
        if path == f"/assets/{self.release}.js":
            return 200, {}, f"of {self.release}"
        if method == "POST":
            return 201, {}, "{}"
        return 404, {}, "there is nothing"


@pytest.fixture
def site() -> Site:
    return Site()


@contextmanager
def witnessing(site: Site, folder: Path) -> Iterator[Witness]:
    addresses = [f"127.0.0.{number + 2}" for number in range(ADDRESSES)]
    with serving(site.respond) as port:
        people = People(f"http://127.0.0.1:{port}", ssl.create_default_context(), addresses, "secret")
        try:
            yield Witness(people, folder)
        finally:
            people.close()


def verdict(witness: Witness, **given: Any) -> Verdict:
    """The rows are those that were sent and acknowledged, where the test does not say otherwise."""
    return witness.verdict(**{"serving": rows(witness), "versions": {"v1.0.0", "v1.1.0"}, **given})


def rows(witness: Witness) -> str:
    lines = [json.loads(line) for line in witness._paths["written"].read_text().splitlines()]
    return "\n".join(f"{witness.mark}-{line['number']}" for line in lines if line.get("status") == 201)


def test_a_site_that_is_well_is_clean(site: Site, tmp_path: Path) -> None:
    with witnessing(site, tmp_path) as witness:
        began = time.monotonic()
        with witness:
            time.sleep(1.5)
        most = (time.monotonic() - began) / PERIOD + 1
    seen = verdict(witness)
    assert seen.clean, seen
    # 20 a second at most; how many less depends on the machine.
    assert 1 <= seen.acknowledged <= most
    assert 1 <= seen.looks <= most


def test_accounts_are_made_once_and_all_write(site: Site, tmp_path: Path) -> None:
    with witnessing(site, tmp_path) as witness, witness:
        time.sleep(1.4)
    assert site.requests.count(("POST", "/api/admin/users")) == PEOPLE
    assert site.requests.count(("POST", "/api/login")) == PEOPLE + 1


def test_accounts_of_an_earlier_time_are_used_again(site: Site, tmp_path: Path) -> None:
    site.instead = lambda method, path: (409, {}, "The name is taken.") if path == "/api/admin/users" else None
    with witnessing(site, tmp_path) as witness, witness:
        time.sleep(0.3)
    assert verdict(witness).acknowledged > 0


def test_a_session_that_is_gone_is_opened_again(site: Site, tmp_path: Path) -> None:
    with witnessing(site, tmp_path) as witness:
        site.instead = lambda method, path: (401, {}, "Log in first.") if path == "/api/results" else None
        with witness:
            time.sleep(0.4)
    assert site.requests.count(("POST", "/api/login")) > PEOPLE + 1
    assert "no row was acknowledged" in verdict(witness).unseen


def test_lost_rows_and_rows_that_are_there_twice_are_named(site: Site, tmp_path: Path) -> None:
    with witnessing(site, tmp_path) as witness, witness:
        time.sleep(0.6)
    first, second, *others = rows(witness).splitlines()
    found = verdict(witness, serving="\n".join([second, second, *others]))
    assert found.lost == tuple(numbers(witness.mark, first))
    assert found.twice == tuple(numbers(witness.mark, second))
    assert not found.clean
    assert "1 lost" in str(found)


def test_rows_that_were_set_aside_or_exported_are_not_lost(site: Site, tmp_path: Path) -> None:
    with witnessing(site, tmp_path / "witness") as witness, witness:
        time.sleep(0.6)
    first, second, *others = rows(witness).splitlines()
    (tmp_path / "export/saved_results").mkdir(parents=True)
    (tmp_path / "export/saved_results/rows.jsonl").write_text(json.dumps({"stdout": first}))
    aside = "\n".join([second, *others])
    assert verdict(witness, serving="\n".join(others), aside=[aside], exported=tmp_path / "export").clean
    assert verdict(witness, serving="\n".join(others), aside=[aside]).lost == tuple(numbers(witness.mark, first))


def test_rows_of_another_witness_do_not_count() -> None:
    assert numbers("witnessab", "witnessab-1 xwitnessab-2 witnessab-3x witnessabc-4 witnessab-5\n") == [1, 5]


def test_a_switch_behind_the_maintenance_page_is_clean(site: Site, tmp_path: Path) -> None:
    page: Reply = (503, {}, f"<h1>{MAINTENANCE_PAGE}</h1>")
    with witnessing(site, tmp_path) as witness, witness:
        time.sleep(0.4)
        site.instead = lambda method, path: page
        time.sleep(0.4)
        site.release = NEW
        site.instead = lambda method, path: None
        time.sleep(0.4)
    assert verdict(witness).mixed == ()
    assert verdict(witness).halves == ()
    assert any(NEW in one for one in verdict(witness, versions={"v1.0.0"}).halves)


@pytest.mark.parametrize(
    ("path", "reply", "named"),
    [
        ("/", (502, {}, "Bad Gateway"), "page: /: 502"),
        ("/", (503, {}, "Service Unavailable"), "page: /: 503"),
        ("/", (200, {}, '<html><div id="app">'), "half a page"),
        ("/", (200, {}, '<html><div id="app"></div></html>'), "names no asset"),
        ("/version", (200, {}, "{}"), "before: /version"),
        (f"/assets/{OLD}.js", (404, {}, "gone"), f"asset: /assets/{OLD}.js: 404"),
    ],
)
def test_what_is_neither_a_release_nor_the_maintenance_page_is_listed(
    site: Site, tmp_path: Path, path: str, reply: Reply, named: str
) -> None:
    with witnessing(site, tmp_path) as witness, witness:
        time.sleep(0.3)
        site.instead = lambda method, asked: reply if asked == path else None
        time.sleep(0.3)
    found = verdict(witness)
    assert any(named in half for half in found.halves), found
    assert not found.clean


def test_a_connection_that_is_refused_is_listed_unless_the_host_may_be_away(site: Site, tmp_path: Path) -> None:
    with witnessing(site, tmp_path) as witness, witness:
        time.sleep(0.3)
        for reader in witness._people.readers:
            reader.base_url = "http://127.0.0.1:1"
        time.sleep(0.3)
    assert verdict(witness).halves
    assert verdict(witness, away_allowed=True).halves == ()
    assert verdict(witness).away > 0


def look(release: str = OLD, page: str = "old", at: float = 0.0, seconds: float = 0.02, **other: Any) -> dict[str, Any]:
    version = [WHOLE, release, release]
    asset = [WHOLE, f"digest of {page}", f"/assets/{page}.js"]
    return {"at": at, "seconds": seconds, "before": version, "page": [WHOLE, page, "/"], "asset": asset, "after": version, **other}


CLOSED = [MAINTENANCE, "x", "/: 503"]
CALM = [look()] * 5 + [look(NEW, "new")] * 5


def test_a_page_of_another_release_is_mixed() -> None:
    assert mixed(CALM) == []
    assert len(mixed([*CALM, look(OLD, "new")])) == 1


def test_over_a_switch_a_page_may_be_of_either_and_of_no_other() -> None:
    after = [WHOLE, NEW, NEW]
    assert mixed([*CALM, look(after=after), look(page="new", after=after)]) == []
    assert len(mixed([*CALM, look(page="third", after=after)])) == 1


def test_a_page_that_gets_past_the_maintenance_page_is_mixed() -> None:
    assert len(mixed([*CALM, look(before=CLOSED, after=CLOSED)])) == 1
    assert len(mixed([*CALM, look(page="", asset=None) | {"page": CLOSED}])) == 1
    # Slow enough for a window to have come and gone.
    assert mixed([*CALM, look(asset=None, seconds=4.0) | {"page": CLOSED}]) == []


def test_an_asset_that_is_another_under_the_same_name_is_mixed() -> None:
    assert len(mixed([*CALM, look(asset=[WHOLE, "digest of new", "/assets/old.js"])])) == 1


def test_two_releases_may_have_the_same_page() -> None:
    assert mixed([*CALM, *[look("v1.2.0-33333333", "new")] * 3]) == []


def test_where_nobody_looked_is_told() -> None:
    looks = [look(at=float(second)) for second in range(10)]
    assert unseen(looks, {1}, 0.0, 9.0) == []
    assert len(unseen(looks, {1}, 0.0, 9.0 + 2 * BLIND)) == 1
    blind = [one | {"page": [LIMITED, "", "/: 429"]} for one in looks]
    assert len(unseen(blind, {1}, 0.0, 9.0)) == 1
    assert unseen(looks, set(), 0.0, 9.0) == ["no row was acknowledged"]


def test_each_half_of_a_look_is_listed() -> None:
    broken = look(asset=[HALF, "", "/assets/x: 502"], after=[HALF, "", "/version: 502"])
    assert halves([broken], {"v1.0.0"}) == ["0.00: asset: /assets/x: 502", "0.00: after: /version: 502"]


def test_too_few_addresses_are_refused() -> None:
    with pytest.raises(ValueError, match="1 addresses: the site's limits ask for 8"):
        People("http://127.0.0.1:1", ssl.create_default_context(), ["127.0.0.1"], "secret")
