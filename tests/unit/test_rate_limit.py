"""Rate limits: nginx's configuration as text and as a process has it, and bursts against a real server."""

import itertools
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox import rate_limit
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.crowd import Asked
from ansible.module_utils.tickbox.nginx import read_configuration, split_files
from ansible.module_utils.tickbox.nginx_host import read_loaded
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, serving

LIMITS = rate_limit.read_limits([{"path": "/", "rate": "30r/s", "burst": 60}, {"path": "/api/run", "rate": "60r/m", "burst": 10}])
SITE = r"""
map $http_x "$bypass" { default ""; "~^a{2};\"$" 1; }  # a comment with { and ;
limit_req_zone $binary_remote_addr zone=all:10m rate=30r/s;
limit_req_zone $binary_remote_addr zone=strict:10m rate=1r/s;
server { listen 80; server_name shop.example.com; location / { return 301 https://$host$request_uri; } }
server {
  listen 443 ssl; listen [::]:443 ssl;
  server_name shop.example.com;
  limit_req zone=all burst=60 nodelay;
  location / { proxy_pass http://app; }
  location /api/run { limit_req zone=all burst=60; limit_req zone=strict burst=10 nodelay; proxy_pass http://app; }
  location ~ /\.(?!well-known/) { return 404; }
}
server { listen 127.0.0.1:8080; location = /metrics { proxy_pass http://app; } }
"""
MAIN = "user www-data;\nevents {}\nhttp {\n  include /etc/nginx/sites-enabled/*;\n}\n"
Run = Callable[..., dict[str, Any]]


def dump(site: str, main: str = MAIN) -> str:
    return (
        f"# configuration file /etc/nginx/nginx.conf:\n{main}\n# configuration file /etc/nginx/sites-enabled/shop.conf:\n{site}\n"
    )


def judge(site: str, main: str = MAIN) -> Any:
    return rate_limit.judge_configuration(read_configuration(split_files(dump(site, main))), LIMITS, ["192.0.2.0/24"])


def test_a_limited_site() -> None:
    seen = judge(SITE)
    assert (seen.status, seen.observed) == ("passed", {"locations": 2}), seen.summary


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("server_name shop", "limit_req_dry_run on; server_name shop", "a dry run"),
        ("location /api/run {", "location /api/run { limit_req_dry_run on;", "/api/run of shop.example.com: a dry run"),
        ("limit_req_zone $binary", "limit_req_dry_run on; limit_req_zone $binary", "a dry run"),
        ("zone $binary_remote_addr zone=s", "zone $http_x_forwarded_for zone=s", "key $http_x_forwarded_for is not"),
        ("zone $binary_remote_addr", "zone $binary_remote_addr$pid", "key $binary_remote_addr$pid"),
        ("zone $binary_remote_addr", "zone $proxy_add_x_forwarded_for", "is not the client's address"),
        ("zone $binary_remote_addr", "zone $bypass", "is not the client's address"),
        ("zone $binary_remote_addr", 'zone "$binary_remote_addr$http_user_agent"', "is not the client's address"),
        ("zone $binary_remote_addr", "zone $server_name", "is not the client's address"),
        ("limit_req zone=all burst=60 nodelay;\n", "\n", "/ of shop.example.com: no limit"),
        ("limit_req zone=strict burst=10 nodelay;", "", "/api/run of shop.example.com: no limit as"),
        ("burst=10", "burst=1000", "no limit as low as 1 a second and 10 at once"),
        ("rate=1r/s", "rate=100r/s", "no limit as low as 1 a second"),
        ("rate=30r/s", "rate=3000r/s", "no limit as low as 30 a second"),
        ("location /api/run {", "location /api/walk {", "/api/run of shop.example.com: no limit as"),
        ("location ~ /", "location ~ ^/api { proxy_pass http://app; } location ~ /", "/api/run of shop.example.com: no limit"),
        ("location ~ /", "location = /api/run { proxy_pass http://app; } location ~ /", "/api/run of shop.example.com: no limit"),
        ("location ~ /", "location /free { limit_req zone=all burst=9999; proxy_pass http://a; } location ~ /", "/free of"),
        ("server_name shop", "set_real_ip_from 0.0.0.0/0; server_name shop", "may send (set_real_ip_from)"),
        ("server_name shop", "set_real_ip_from 192.0.0.0/8; server_name shop", "192.0.0.0/8 may send"),
        ("server_name shop", "set_real_ip_from ::/0; server_name shop", "::/0 may send"),
        ("server_name shop", "set_real_ip_from unix:; server_name shop", "unix: may send"),
        ("listen 80;", "listen 80; location /x { proxy_pass http://app; }", "/x of shop.example.com: no limit"),
        ("listen 127.0.0.1:8080", "listen 8080", "a server without a name: no limit"),
        ("/ { proxy_pass http://app; }", "/ { if ($x) { proxy_pass http://app; } limit_req zone=none; }", "/ of shop"),
    ],
)  # fmt: skip
def test_a_site_without_a_limit_is_refused(old: str, new: str, says: str) -> None:
    assert old in SITE
    seen = judge(SITE.replace(old, new))
    assert (seen.status, says in f"{seen.summary} {seen.evidence}") == ("failed", True), seen.summary


def test_own_proxies_may_name_the_client() -> None:
    assert judge(SITE.replace("server_name shop", "set_real_ip_from 192.0.2.7; server_name shop")).status == "passed"


def test_nothing_to_limit_is_refused() -> None:
    assert judge("server { listen 443; return 404; }").status == "failed"


@pytest.mark.parametrize(
    "text",
    [
        "", "nginx: something", dump(SITE, "events {}"), dump(SITE + "}"), dump(SITE + "server {"), dump("a \"b"), dump("; x;"),
        dump(SITE) + dump(SITE), dump(SITE.replace("rate=1r/s", "rate=fast")), dump(SITE.replace("burst=10", "burst=ten")),
        dump("include /etc/nginx/sites-enabled/*;" * 2),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_unverifiable(text: str) -> None:
    with pytest.raises(CouldNotLook):
        rate_limit.judge_configuration(read_configuration(split_files(text)), LIMITS, [])


@given(st.text(alphabet="ab{};\"'\\$# \n~^", max_size=60))
@settings(max_examples=200)
def test_any_text_is_read_or_unreadable(text: str) -> None:
    try:
        tree = read_configuration(split_files(dump(text)))
    except CouldNotLook as reason:
        assert "\n" not in str(reason)
    else:
        assert tree.all("http")


def test_quotes_and_patterns_are_words() -> None:
    tree = read_configuration(
        split_files(dump(r"""map $a $b { "~^x{2};" '#'; } location ~ \.(php)$ { return 200 "a\"b"; } x ${y}z#w;"""))
    )
    entries = tree.all("http")[0].block
    assert [entry.words for entry in entries] == [("$a", "$b"), ("~", r"\.(php)$"), ("${y}z#w",)]
    assert entries[0].block[0].name == "~^x{2};"


class TestProcess:
    """The look at a process, in a folder that stands for /proc."""

    @pytest.fixture
    def files(self, tmp_path: Path) -> Path:
        folder = tmp_path / "nginx"
        (folder / "sites-enabled").mkdir(parents=True)
        (folder / "nginx.conf").write_text("http { include sites-enabled/*; }")
        (folder / "sites-enabled" / "shop.conf").write_text("server {}")
        return folder

    def process(self, proc: Path, pid: int, title: str, parent: int, started: float) -> Path:
        folder = proc / str(pid)
        folder.mkdir(parents=True)
        (folder / "cmdline").write_bytes(title.encode().replace(b" ", b"\0"))
        ticks = int((started - (time.time() - time.clock_gettime(time.CLOCK_BOOTTIME))) * os.sysconf("SC_CLK_TCK"))
        (folder / "stat").write_text(f"{pid} (nginx: x) S {parent} {'0 ' * 17}{ticks} 0")
        return folder

    def look(self, tmp_path: Path, files: Path, started: float, code: int = 0, titles: dict[str, str] | None = None) -> Any:
        titles = titles or {}
        program = tmp_path / "nginx.sh"
        shown = "".join(f"echo '# configuration file {path}:'; cat {path}; echo\n" for path in sorted(files.rglob("*.conf")))
        program.write_text(f"#!/bin/sh\necho 'nginx: [emerg] broken' >&2\n{shown}exit {code}\n")
        program.chmod(0o755)
        proc = tmp_path / "proc"
        master = self.process(proc, 10, titles.get("master", f"nginx: master process nginx -c {files}/nginx.conf"), 1, started)
        (master / "exe").symlink_to(program)
        self.process(proc, 11, titles.get("worker", "nginx: worker process"), 10, started)
        self.process(proc, 12, "nginx: worker process is shutting down", 10, started - 9999)
        self.process(proc, 13, titles.get("other", "sleep 9"), 1, started)
        loaded = read_loaded(proc)
        return rate_limit.judge_loaded(loaded.workers, loaded.changed)

    def test_loaded(self, tmp_path: Path, files: Path) -> None:
        seen = self.look(tmp_path, files, time.time() + 5)
        assert (seen.status, seen.observed["workers"]) == ("passed", 1)

    def test_changed_since_is_refused(self, tmp_path: Path, files: Path) -> None:
        os.utime(files / "nginx.conf", (0, 0))
        seen = self.look(tmp_path, files, time.time() - 5)
        assert (seen.status, "nginx.conf" in seen.summary) == ("failed", True)

    def test_no_worker_is_refused(self, tmp_path: Path, files: Path) -> None:
        assert self.look(tmp_path, files, time.time() + 5, titles={"worker": "sleep 1"}).status == "failed"

    @pytest.mark.parametrize("titles", [{"master": "sleep 1"}, {"other": "nginx: master process nginx"}])
    def test_no_nginx_or_two_is_unverifiable(self, tmp_path: Path, files: Path, titles: dict[str, str]) -> None:
        with pytest.raises(CouldNotLook, match="master processes run here, not 1"):
            self.look(tmp_path, files, time.time() + 5, titles=titles)

    def test_a_broken_configuration_is_unverifiable(self, tmp_path: Path, files: Path) -> None:
        with pytest.raises(CouldNotLook, match=r"does not accept its own configuration: nginx: .emerg. broken"):
            self.look(tmp_path, files, time.time() + 5, code=1)


class Bucket:
    """A server that limits as nginx does; ``key`` says whom it takes a client for."""

    def __init__(self, rate: float, burst: int, key: Callable[[Mapping[str, str]], str] = lambda _: "") -> None:
        self.rate, self.burst, self.key = rate, burst, key
        self.excess: dict[str, tuple[float, float]] = {}
        self.lock = threading.Lock()

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        with self.lock:
            now, client = time.monotonic(), self.key(headers)
            excess, last = self.excess.get(client, (-1.0, now))
            excess = max(-1.0, excess - (now - last) * self.rate) + 1
            if excess > self.burst:
                return 429, {}, ""
            self.excess[client] = (excess, now)
        return 200, {}, ""


WORKERS = itertools.cycle(("one", "two"))  # take turns


def met(run_module: Run, server: Callable[..., Reply], **arguments: Any) -> dict[str, Any]:
    with serving(server) as port:
        result = run_module(
            "check_rate_limit",
            **{
                "items": ["post.security.rate_limit"],
                "url": f"http://shop.example.com:{port}",
                "addresses": ["127.0.0.1"],
                "limits": [{"path": "/", "rate": "5r/s", "burst": 10}],
                "pace": 100,
                "report_only": True,
                **arguments,
            },
        )
    assertion: dict[str, Any] = result["assertions"][0]
    return assertion


def test_bursts_are_cut_off(run_module: Run) -> None:
    seen = met(run_module, Bucket(5, 10))
    assert seen["status"] == "passed", seen["summary"]


@pytest.mark.parametrize(
    ("server", "says"),
    [
        (Bucket(5, 40), "passed, at most"),
        (Bucket(100, 10), "passed, at most"),
        (Bucket(5, 10, lambda headers: headers.get("X-Forwarded-For", "")), "requests"),
        (Bucket(5, 10, lambda headers: headers.get("X-Real-IP", "")), "requests"),
        (Bucket(5, 10, lambda _: next(WORKERS)), "passed, at most"),
        (lambda *_: (200, {}, ""), "was refused"),
        (lambda *_: (429, {}, ""), "429 to a request at an ordinary pace"),
        (Bucket(0.01, 10), "still refused after a pause"),
        (Bucket(5, 0), "requests for a page with what it loads"),
    ],
    ids=["higher burst", "higher rate", "forwarded", "real ip", "per worker", "none", "all", "no recovery", "no burst"],
)
def test_other_limits_are_refused(run_module: Run, server: Any, says: str) -> None:
    seen = met(run_module, server)
    assert (seen["status"], says in seen["summary"]) == ("failed", True), seen["summary"]


def shared(own: Callable[[str], Bucket]) -> Callable[..., Reply]:
    return lambda method, path, headers: own(path)(method, path, headers)


def test_paths_of_one_zone_are_counted_together(run_module: Run) -> None:
    limits = [{"path": path, "rate": "1r/s", "burst": 10, "zone": "strict"} for path in ("/run", "/login")]
    one, rest = Bucket(1, 10), Bucket(99, 99)
    seen = met(run_module, shared(lambda path: one if path in ("/run", "/login") else rest), limits=limits)
    assert seen["status"] == "passed", seen["summary"]
    each = {"/run": Bucket(1, 10), "/login": Bucket(1, 10)}
    seen = met(run_module, shared(lambda path: each.get(path, rest)), limits=limits)
    assert (seen["status"], "/login, /run: 2" in seen["summary"]) == ("failed", True), seen["summary"]


def test_a_page_is_loaded_with_all_that_it_names(run_module: Run) -> None:
    bucket, asked = Bucket(5, 10), []

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        asked.append(path)
        names = ["/a.js", "b.css", "https://other.test/c.js"]
        page = "<!doctype html>" + "".join(f'<script src="{name}"></script>' for name in names) + '<a href="/d">d</a>'
        return (200, {}, page) if path == "/" and "X-Real-IP" not in headers else bucket(method, path, headers)

    assert met(run_module, respond)["status"] == "passed"
    assert set(asked) == {"/", "/favicon.ico", "/a.js", "/b.css"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"limits": []}, "no rate limit is named"),
        ({"limits": [{"path": "/", "rate": "fast", "burst": 1}]}, "is no rate"),
        ({"limits": [{"path": "/", "rate": "0r/s", "burst": 1}]}, "is no rate"),
        ({"url": "http://shop.example.com:9"}, "cannot be asked"),
    ],
)
def test_what_cannot_be_met_is_unverifiable(run_module: Run, arguments: dict[str, Any], says: str) -> None:
    seen = met(run_module, Bucket(5, 10), **arguments)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_a_machine_too_slow_for_the_limit_is_unverifiable() -> None:
    with pytest.raises(CouldNotLook, match="213 requests in 1 s are too few to meet a limit"):
        rate_limit.hurry(lambda due: [Asked(200, 5.0, 6.0) for _ in due], rate_limit.Limit("/", 1000, 60))


class Slow:
    """A limit in front of an application that answers one request after another, 20 in a second."""

    def __init__(self, bucket: Bucket) -> None:
        self.bucket, self.application = bucket, threading.Lock()

    def __call__(self, method: str, path: str, headers: Mapping[str, str]) -> Reply:
        answer = self.bucket(method, path, headers)
        if answer[0] != 429:
            with self.application:
                time.sleep(0.05)
        return answer


@pytest.mark.parametrize(("bucket", "status"), [(Bucket(50, 20), "passed"), (Bucket(50, 60), "failed"), (Bucket(99, 20), "failed")])
def test_an_application_slower_than_its_limit_is_met_all_the_same(run_module: Run, bucket: Bucket, status: str) -> None:
    seen = met(run_module, Slow(bucket), limits=[{"path": "/", "rate": "50r/s", "burst": 20}])
    assert seen["status"] == status, seen["summary"]
