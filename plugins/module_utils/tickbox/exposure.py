# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges what a site gives away: files that are no part of it, source maps, debug pages, versions, secrets, traces."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from .answers import Answer
from .assertion import Verdict, listed, verdict
from .visitor import Seen

# What must not be there, below the root and below each folder of assets. The names are those that scanners ask for.
FILES = (
    ".env", ".env.local", ".env.production", ".env.bak", ".git/HEAD", ".git/config", ".gitignore", ".svn/entries", ".hg/hgrc",
    ".htaccess", ".htpasswd", ".DS_Store", ".npmrc", ".dockerenv", ".ssh/id_rsa", ".aws/credentials", ".well-known/../.env",
    "app.env", "config/app.env", "config.json", "config.yml", "config.php", "settings.py", "local_settings.py", "manifest.json",
    "release.json", "pyproject.toml", "requirements.txt", "requirements.lock", "alembic.ini", "gunicorn.conf.py", "package.json",
    "package-lock.json", "composer.json", "Dockerfile", "docker-compose.yml", "Makefile", "id_rsa", "server.key", "backup.sql",
    "dump.sql", "database.sql", "db.sqlite3", "backup.tar.gz", "backup.zip", "site.tar.gz", "www.zip", "index.html.bak",
    "index.html~", "index.html.old", ".index.html.swp", "error.log", "debug.log", "access.log",
)  # fmt: skip
PAGES = (
    "server-status", "server-info", "nginx_status", "stub_status", "metrics", "phpinfo.php", "info.php", "phpmyadmin/",
    "adminer.php", "debug", "debug/", "__debug__/", "_debug", "debug/pprof/", "debug/vars", "console", "_profiler", "telescope",
    "actuator", "actuator/env", "actuator/heapdump", "trace", "dump", "docs", "redoc", "swagger", "swagger-ui/", "swagger-ui.html",
    "graphiql", "env", "config", "src/main.ts", "src/", "node_modules/", "@vite/client", "@fs/etc/passwd",
)  # fmt: skip
# Ways out of a folder that is served; each of them is asked for a file of the release, and for one of the host.
WAYS_OUT = ("..%2f{}", "%2e%2e/{}", "..%5c{}", "..;/{}", "..%252f{}", "../{}")
OUTSIDE = ("pyproject.toml", "..%2f..%2fconfig%2fapp.env", "..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd")

MAP = re.compile(r"[#@]\s*sourceMappingURL\s*=\s*(\S+)")
# What says which software answers, and in which version.
VERSION = re.compile(
    r"\b(nginx|apache|openresty|caddy|gunicorn|uvicorn|hypercorn|werkzeug|python|cpython|django|flask|fastapi|starlette|node|express"
    r"|php|openssl|tomcat|jetty|postgresql|redis)[/ ]v?\d+(\.\d+)+",
    re.IGNORECASE,
)
TELLING_HEADERS = (
    "x-powered-by",
    "x-aspnet-version",
    "x-generator",
    "x-runtime",
    "x-debug-token",
    "x-debug-token-link",
    "x-sourcemap",
)
MAP_HEADERS = ("sourcemap", "x-sourcemap")
TRACES = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"\n]+\", line \d+|^\s+at .+\(.+:\d+:\d+\)$|\bat [\w.$]+\([\w]+\.java:\d+\)"
    r"|(sqlalchemy|psycopg2?|asyncpg|redis|pydantic_core)\.[\w.]*(Error|exc)|\bDETAIL:  |syntax error at or near"
    r"|Stack trace:|Werkzeug Debugger|You're seeing this error because|DJANGO_SETTINGS_MODULE|Whoops\\",
    re.MULTILINE,
)
# Forms of secrets that services give out, and addresses with a password in them.
SECRETS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a key of AWS": re.compile(r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"),
    "a token of GitLab": re.compile(r"\bglpat-[\w-]{20,}"),
    "a token of Slack": re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),
    "a key of Stripe": re.compile(r"\b[sr]k_live_[0-9A-Za-z]{20,}"),
    "a key of Google": re.compile(r"\bAIza[\w-]{35}\b"),
    "a key of an AI service": re.compile(r"\bsk-(ant-|proj-)?[\w-]{32,}"),
    "a key of SendGrid": re.compile(r"\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    "a JSON web token": re.compile(r"\beyJ[\w-]{6,}\.eyJ[\w-]{6,}\.[\w-]{6,}"),
    "an address with a password": re.compile(r"\b(postgres(ql)?|mysql|rediss?|mongodb|amqps?|https?)(\+\w+)?://[^\s:/@\"'`$]*:[^\s@\"'`$]{4,}@\w"),
    "a password in code": re.compile(
        r"\b(secret_?key|api_?key|client_?secret|access_?token|auth_?token|db_?password|private_?key)[\"']?\s*[:=]\s*[\"'`]"
        r"(?=[^\"'`]*\d)[A-Za-z0-9+/_=.-]{16,}[\"'`]",
        re.IGNORECASE,
    ),
}  # fmt: skip
SHORTEST_SECRET = 8
ABSENT = {400, 401, 403, 404, 405, 410, 414, 421}


def hidden_paths(folders: Iterable[str]) -> list[str]:
    """What to ask for: files and pages below the root, the same files below each folder, and ways out of them."""
    paths = [f"/{name}" for name in (*FILES, *PAGES)]
    for folder in folders:
        paths += [f"{folder}{name}" for name in (".env", ".git/HEAD", "")]
        paths += [f"{folder}{way.format(target)}" for target in OUTSIDE for way in WAYS_OUT]
    return list(dict.fromkeys(paths))


def map_paths(assets: Sequence[Seen]) -> list[str]:
    """Where the source maps of scripts and styles would lie: beside them, and where they say."""
    return [f"{one.request.path.split('?')[0]}.map" for one in assets if is_code(one.answer)]


def is_code(answer: Answer) -> bool:
    """Whether an answer is a script or a style sheet."""
    kind = answer.headers.get("content-type", "")
    return "javascript" in kind or "css" in kind


def chunks(script: str, folder: str) -> list[str]:
    """Files beside a script that its code names: those that are loaded later."""
    names = re.findall(r"""["'`](?:\./|/?assets/)?([\w.-]+\.(?:m?js|css|wasm|json))["'`]""", script)
    return [f"{folder}{name}" for name in dict.fromkeys(names)]


def judge_exposure(
    asked: Sequence[Seen],
    baseline: Answer,
    ordinary: Sequence[Seen],
    maps: Sequence[Seen],
    secrets: Mapping[str, str],
    places: Sequence[str],
) -> Verdict:
    """post.security.sensitive_information: nothing that was asked for is there, and no answer says what it should not.

    baseline: the answer to a path that certainly does not exist; a site that answers everything with one page is not one
    that has it all. secrets: values by their names, which are all that is said of them. places: paths on the hosts.
    """
    there = [one for one in asked if is_there(one.answer, baseline)]
    problems = [f"served: {listed(one.name for one in there)}"] if there else []
    found_maps = [one for one in maps if is_there(one.answer, baseline)]
    if found_maps:
        problems.append(f"source maps: {listed(one.name for one in found_maps)}")
    grouped: dict[str, list[str]] = {}
    for one in [*asked, *ordinary, *maps]:
        for problem in answer_problems(one.answer, secrets, places):
            grouped.setdefault(problem, []).append(one.name)
    problems += [f"{problem}: {listed(dict.fromkeys(names), 3)}" for problem, names in grouped.items()]
    scripts = [one for one in ordinary if is_code(one.answer)]
    if not asked or not ordinary:
        problems.append("nothing was asked")
    absent = len(asked) + len(maps)
    return verdict(
        problems,
        f"{absent} files and pages are not there; {len(ordinary)} answers, {len(scripts)} of code, give nothing away",
        expected={"secrets looked for": len(secrets), "not there": absent},
        observed={"answers": len(ordinary) + len(asked) + len(maps), "scripts": len(scripts), "there": [one.name for one in there]},
        evidence=[f"{one.name}, {len(one.answer.body)} bytes" for one in ordinary],
    )


def is_there(answer: Answer, baseline: Answer) -> bool:
    """Whether an answer is that of something which exists. A redirect to it says that it does."""
    if answer.status in ABSENT or answer.status >= 500:  # noqa: PLR2004
        return False
    return (answer.status, answer.body) != (baseline.status, baseline.body)


def answer_problems(answer: Answer, secrets: Mapping[str, str], places: Sequence[str]) -> list[str]:
    """Name what one answer gives away, never the secret itself."""
    head = "\n".join(f"{name}: {value}" for name, value in answer.headers.items())
    text = answer.text
    problems = [f"the header {name}" for name in TELLING_HEADERS if name in answer.headers]
    problems += [f"the source map's header {name}" for name in MAP_HEADERS if name in answer.headers]
    version = VERSION.search(answer.headers.get("server", "") + "\n" + answer.headers.get("via", ""))
    if not version and answer.status >= 400:  # noqa: PLR2004
        version = VERSION.search(text)
    if version:
        problems.append(f"the version {version[0]}")
    if is_code(answer) and MAP.search(text):
        problems.append("a reference to a source map")
    if "html" in answer.headers.get("content-type", "") or answer.status >= 400:  # noqa: PLR2004
        problems += ["a trace"] if TRACES.search(text) else []
        problems += [f"the path {place}" for place in places if answer.status >= 400 and place in text]  # noqa: PLR2004
    problems += [f"{name} (a secret of this deployment)" for name, value in secrets.items() if _holds(value, text, head)]
    problems += [what for what, pattern in SECRETS.items() if pattern.search(text) or pattern.search(head)]
    return problems


def _holds(value: str, text: str, head: str) -> bool:
    return len(value) >= SHORTEST_SECRET and (value in text or value in head)
