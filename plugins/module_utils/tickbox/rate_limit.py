# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges rate limits: as nginx's configuration has them, and as a visitor in a hurry meets them."""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .answers import TOO_MANY
from .assertion import CouldNotLook, Verdict, listed, verdict
from .crowd import Asked
from .nginx import Directive

# An address that the kernel saw. Together with anything else a key has as many values as the client likes.
KEYS = {"$binary_remote_addr", "$remote_addr", "${binary_remote_addr}", "${remote_addr}"}
PASSES = ("proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass")
ENTERS = (*PASSES, "try_files", "rewrite", "error_page", "auth_request", "mirror")
INSIDE = ("if", "limit_except")  # blocks that inherit the limits of their location
RATE = re.compile(r"(\d+)r/([sm])")
SLACK = 2  # requests: the time between a request's arrival and its answer
MORE = 16  # requests beyond what would pass
LATER = 1.0  # seconds from the beginning of a burst to its last part, at most
# Headers in which proxies name a client, and in which clients can claim to be somebody else.
CLAIMS = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP")


@dataclass(frozen=True)
class Limit:
    """What a path of the site allows one visitor: ``rate`` requests a second, and ``burst`` at once beyond that.

    zone: paths with the same one are counted together.
    """

    path: str
    rate: float
    burst: int
    zone: str = ""


@dataclass(frozen=True)
class Burst:
    """Many requests for one path.

    statuses: how often each came. began, ended: when the first and the last came to the site. at_once: the beginning alone.
    """

    limit: Limit
    statuses: Mapping[int, int]
    began: float
    ended: float
    at_once: Burst | None = None

    @property
    def passed(self) -> int:
        """How many got past the limit."""
        return sum(count for status, count in self.statuses.items() if status != TOO_MANY)

    @property
    def seconds(self) -> float:
        return self.ended - self.began

    @property
    def most(self) -> float:
        """How many may pass in that time, whatever came before: what is in the bucket, and what runs into it."""
        return self.limit.burst + 1 + self.limit.rate * self.seconds + SLACK

    @property
    def beyond(self) -> bool:
        return self.passed > self.most


@dataclass(frozen=True)
class _Zone:
    key: str
    rate: float


@dataclass(frozen=True)
class _Scope:
    """What holds in a block: inherited unless it says otherwise itself, as nginx merges its levels."""

    limits: tuple[Directive, ...] = ()
    dry_run: bool = False
    trusted: tuple[str, ...] = ()
    server: str = ""
    found: list[str] = field(default_factory=list)

    def inner(self, block: Directive) -> _Scope:
        own = tuple(block.all("limit_req"))
        dry_run = [entry.words for entry in block.all("limit_req_dry_run")]
        trusted = tuple(entry.words[0] for entry in block.all("set_real_ip_from") if entry.words)
        return _Scope(
            own or self.limits,
            dry_run[-1] == ("on",) if dry_run else self.dry_run,
            trusted or self.trusted,
            self.server,
            self.found,
        )


def read_limits(given: Sequence[Mapping[str, Any]]) -> list[Limit]:
    """Read the limits that the inventory names, the lowest first; CouldNotLook where one is none."""
    limits = []
    for entry in given:
        rate = read_rate(str(entry["rate"]))
        limits.append(Limit(str(entry["path"]), rate, int(entry["burst"]), str(entry.get("zone") or "")))
    if not limits:
        raise CouldNotLook("limits: no rate limit is named")
    return sorted(limits, key=lambda limit: limit.rate)


def read_rate(text: str) -> float:
    """Requests a second of nginx's "30r/s" or "20r/m"."""
    match = RATE.fullmatch(text)
    if not match or int(match[1]) == 0:
        raise CouldNotLook(f"'{text[:40]}' is no rate such as 10r/s")
    return int(match[1]) / (60 if match[2] == "m" else 1)


def judge_configuration(main: Directive, limits: Sequence[Limit], proxies: Sequence[str]) -> Verdict:
    """Every location of a public server that leads to an application is limited as ``limits`` say, by the client's address.

    proxies: networks whose word about a client's address is taken, because they are the operator's own.
    """
    http = main.all("http")
    if not http:
        raise CouldNotLook("nginx has no http block")
    problems: list[str] = []
    locations = 0
    for block in http:
        zones = _zones(block)
        scope = _Scope().inner(block)
        for server in block.all("server"):
            if not is_public(server) or not any(server.deep(*PASSES)):
                continue
            names = [name for entry in server.all("server_name") for name in entry.words]
            scope_of_server = scope.inner(server)
            of = f"of {names[0]}" if names else "of a server without a name"
            entries = list(_locations(server, scope_of_server))
            locations += len(entries)
            for where, inner, location in entries:
                found = _problems(inner, _wanted(where, location, limits), zones, proxies)
                problems += [f"{where} {of}: {problem}" for problem in found]
            for limit in limits:
                inner = _chosen(limit.path, server, scope_of_server)
                problems += [f"{limit.path} {of}: {problem}" for problem in _problems(inner, limit, zones, proxies)]
    if not locations:
        problems.append("no location of a public server leads to an application")
    problems = list(dict.fromkeys(problems))
    return verdict(
        [listed(problems)] if problems else [],
        f"{locations} locations limited by the client's address: "
        + ", ".join(f"{limit.path} {limit.rate:g} a second and {limit.burst} at once" for limit in limits),
        expected={limit.path: {"rate": limit.rate, "burst": limit.burst} for limit in limits},
        observed={"locations": locations},
        evidence=problems,
    )


def is_public(server: Directive) -> bool:
    """Whether somebody else than this host can reach a server: it listens elsewhere than on the loopback."""
    listens = server.all("listen")
    return not listens or any(not _local(entry.words[0]) for entry in listens if entry.words)


def judge_loaded(started: Mapping[int, float], changed: Mapping[str, float]) -> Verdict:
    """The configuration on disk is the loaded one: each worker began after each file was last changed.

    started: Unix time of the start of each worker that takes connections. changed: the last change (ctime) of each file
    and folder that the configuration is read from; nobody can set it back.
    """
    if not started:
        return verdict(["nginx has no worker process"], "")
    oldest = min(started.values())
    later = [name for name, moment in changed.items() if moment > oldest]
    problems = [f"changed after nginx read its configuration: {listed(later)}"] if later else []
    return verdict(
        problems,
        f"{len(started)} workers began after the last change of {len(changed)} files",
        observed={"workers": len(started), "files": len(changed), "oldest worker": round(oldest, 2)},
    )


def judge_bursts(at: Sequence[Sequence[Burst]], normal: Sequence[int], page: Sequence[int], again: Mapping[str, int]) -> Verdict:
    """Bursts are cut off close to what the limits say, normal use passes, and a limited visitor recovers.

    at: the bursts at each address, one after another. normal: statuses of requests at an ordinary pace. page: of a page with what
    a browser loads for it, at once. again: status of one request for each path after its burst and a pause.
    """
    bursts = [burst for of_address in at for burst in of_address]
    problems = [f"{status} to a request at an ordinary pace" for status in normal if status == TOO_MANY or status <= 0]
    refused = sorted({str(status) for status in page if status == TOO_MANY or status <= 0})
    if refused:
        problems.append(f"{listed(refused)} among the answers to {len(page)} requests for a page with what it loads")
    problems += [problem for burst in bursts for problem in burst_problems(burst)]
    problems += [problem for of_address in at for problem in zone_problems(of_address)]
    problems += [f"{path}: still refused after a pause" for path, status in again.items() if status == TOO_MANY]
    problems += [f"{path}: no answer after a pause" for path, status in again.items() if status <= 0]
    if not bursts or not normal or not page or not again:
        problems.append("nothing was asked")
    return verdict(
        problems,
        "; ".join(f"{one.limit.path}: {one.passed} of {sum(one.statuses.values())} at once passed" for one in bursts)
        + f"; {len(normal)} requests at an ordinary pace and {len(page)} for a page at once passed, and after a pause again",
        expected={one.limit.path: {"rate": one.limit.rate, "burst": one.limit.burst} for one in bursts},
        observed={one.limit.path: {"statuses": dict(one.statuses), "seconds": round(one.seconds, 2)} for one in bursts},
    )


def hurry(send: Callable[[Sequence[float]], Sequence[Asked]], limit: Limit) -> Burst:
    """Send many requests at once, and many again a little later. ``send(due)`` sends one after each of so many seconds."""
    # Twice what may pass, so that a limit for each of two processes shows, and twice the rate before the burst may pass anew.
    later = min(LATER, (limit.burst + 1) / limit.rate / 2)
    first, second = 2 * limit.burst + MORE, int(2 * limit.rate * later) + MORE
    answers = send([0.0] * first + [later] * second)
    refused = [asked for asked in answers if asked.status == TOO_MANY]
    # The site saw a request no longer after it was sent than it took to refuse any. What passes waits for the application, which
    # says nothing of when it came in; it counts where nothing was refused.
    delay = max((asked.answered - asked.sent for asked in refused or answers), default=0.0)
    burst, at_once = (
        Burst(limit, Counter(asked.status for asked in some), some[0].sent, max(asked.sent for asked in some) + delay)
        for some in (sorted(answers, key=lambda asked: asked.sent), sorted(answers[:first], key=lambda asked: asked.sent))
    )
    if not refused and not burst.beyond:
        raise CouldNotLook(
            f"{limit.path}: {burst.passed} requests in {burst.seconds:.0f} s are too few to meet a limit of {limit.rate:g} a second"
        )
    return replace(burst, at_once=at_once)


def judge_live(bursts: Sequence[Burst]) -> Verdict:
    """What runs limits as ``limits`` say: each burst was cut off."""
    problems = [problem for burst in bursts for problem in burst_problems(burst)]
    if not bursts:
        problems.append("nothing was asked")
    return verdict(
        problems,
        "; ".join(f"{one.limit.path}: {one.passed} of {sum(one.statuses.values())} at once passed" for one in bursts),
        observed={one.limit.path: {"statuses": dict(one.statuses), "seconds": round(one.seconds, 2)} for one in bursts},
    )


def burst_problems(burst: Burst) -> list[str]:
    """Name why a burst was not cut off as its limit says; empty where it was."""
    path, sent = burst.limit.path, sum(burst.statuses.values())
    problems = []
    if 0 in burst.statuses:
        problems.append(f"{path}: {burst.statuses[0]} of {sent} requests had no answer")
    if TOO_MANY not in burst.statuses:
        return [*problems, f"{path}: none of {sent} requests in {burst.seconds:.1f} s was refused"]
    worst = burst.at_once if burst.at_once and burst.at_once.beyond else burst
    if worst.beyond:
        sent = sum(worst.statuses.values())
        problems.append(
            f"{path}: {worst.passed} of {sent} requests in {worst.seconds:.1f} s passed, at most {worst.most:.0f} should"
        )
    return problems


def zone_problems(bursts: Sequence[Burst]) -> list[str]:
    """Name the zones of which more passed, over all their paths, than one path may: each path then had a limit of its own."""
    problems = []
    for zone in dict.fromkeys(burst.limit.zone for burst in bursts if burst.limit.zone):
        own = [burst for burst in bursts if burst.limit.zone == zone]
        passed = sum(burst.passed for burst in own)
        seconds = max(burst.ended for burst in own) - min(burst.began for burst in own)
        most = max(burst.limit.burst + 1 + burst.limit.rate * seconds for burst in own) + SLACK * len(own)
        if len(own) > 1 and passed > most:
            paths = listed(burst.limit.path for burst in own)
            problems.append(f"{paths}: {passed} requests passed, at most {most:.0f} together should")
    return problems


def _zones(http: Directive) -> dict[str, _Zone]:
    zones = {}
    for entry in http.all("limit_req_zone"):
        options = _options(entry)
        name = options.get("zone", "").split(":")[0]
        zones[name] = _Zone(entry.words[0] if entry.words else "", read_rate(options.get("rate", "1r/s")))
    return zones


def _locations(block: Directive, scope: _Scope) -> Iterator[tuple[str, _Scope, Directive]]:
    """The locations, and the server itself, through which a request can reach an application, with what holds in each."""
    if block.name == "server" and _leads_on(block, PASSES):
        yield "/", scope, block
    for location in block.all("location"):
        inner = scope.inner(location)
        if _leads_on(location, ENTERS):
            yield location.words[-1] if location.words else "/", inner, location
        yield from _locations(location, inner)


def _leads_on(block: Directive, names: Sequence[str]) -> bool:
    return bool(block.all(*names)) or any(_leads_on(inner, names) for inner in block.all(*INSIDE))


def _chosen(path: str, block: Directive, scope: _Scope) -> _Scope:
    """What holds in the location that nginx chooses: an exact one, else the first fitting pattern, else the longest prefix."""
    best: Directive | None = None
    patterns: list[Directive] = []
    for location in block.all("location"):
        modifier, where = ("", *location.words)[-2:] if location.words else ("", "/")
        if modifier in ("~", "~*"):
            patterns.append(location)
        elif modifier == "=" and where == path:
            return scope.inner(location)
        elif modifier != "=" and path.startswith(where) and (best is None or len(where) > len(best.words[-1])):
            best = location
    if best is None or best.words[0] != "^~":
        for location in patterns:
            try:
                fits = re.search(location.words[-1], path, re.IGNORECASE if location.words[0] == "~*" else 0)
            except re.error:
                raise CouldNotLook(f"{location.file}: a location's pattern cannot be read") from None
            if fits:
                best = location
                break
    return _chosen(path, best, scope.inner(best)) if best is not None else scope


def _problems(scope: _Scope, wanted: Limit, zones: Mapping[str, _Zone], proxies: Sequence[str]) -> list[str]:
    problems = []
    if scope.dry_run:
        problems.append("a dry run, which limits nothing")
    foreign = [network for network in scope.trusted if not _own(network, proxies)]
    if foreign:
        problems.append(f"takes the client's address from a header that {listed(foreign)} may send (set_real_ip_from)")
    best = False
    for limit in scope.limits:
        options = _options(limit)
        zone = zones.get(options.get("zone", ""))
        if zone is None:
            continue
        if zone.key not in KEYS:
            problems.append(f"the limit's key {zone.key[:60]} is not the client's address alone")
        elif zone.rate <= wanted.rate and _number(options.get("burst", "0")) <= wanted.burst:
            best = True
    if not scope.limits:
        problems.append("no limit")
    elif not best:
        problems.append(f"no limit as low as {wanted.rate:g} a second and {wanted.burst} at once")
    return problems


def _wanted(where: str, location: Directive, limits: Sequence[Limit]) -> Limit:
    """What the inventory asks of a location, by the longest path that it lies under; a pattern or a name may lie anywhere."""
    loosest = max(limits, key=lambda limit: (limit.rate, limit.burst))
    if location.name == "location" and (location.words[0] in ("~", "~*") or where.startswith("@")):
        return loosest
    fitting = [limit for limit in limits if where.startswith(limit.path)]
    return max(fitting, key=lambda limit: len(limit.path), default=loosest)


def _options(directive: Directive) -> dict[str, str]:
    return dict(word.split("=", 1) for word in directive.words if "=" in word)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise CouldNotLook(f"'{text[:40]}' is no burst")
    return int(text)


def _own(network: str, proxies: Sequence[str]) -> bool:
    try:
        given = ipaddress.ip_network(network, strict=False)
        return any(
            given.version == own.version and given.subnet_of(own)  # type: ignore[arg-type]
            for own in (ipaddress.ip_network(proxy, strict=False) for proxy in proxies)
        )
    except ValueError:
        return network in proxies


def _local(listen: str) -> bool:
    address = listen.rsplit(":", 1)[0] if ":" in listen and not listen.endswith("]") else listen
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return address == "localhost" or listen.startswith("unix:")
