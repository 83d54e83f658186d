# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges a frontend as visitors get it: byte for byte what was built, whole, and without source maps."""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

from .answers import HTTP_OK, NO_ANSWER, Answer
from .assertion import CouldNotLook, Verdict, listed, verdict

# What a browser refuses to use under another type (nosniff, module scripts).
TYPES = {
    ".js": ("text/javascript", "application/javascript"),
    ".mjs": ("text/javascript", "application/javascript"),
    ".css": ("text/css",),
    ".html": ("text/html",),
    ".svg": ("image/svg+xml",),
    ".wasm": ("application/wasm",),
}
SCRIPTS = (".js", ".mjs")
SUCCESS = range(200, 300)
ASSET_RELATIONS = {"stylesheet", "modulepreload", "preload", "prefetch", "icon", "manifest", "apple-touch-icon"}
ASSET_ATTRIBUTES = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "video": ("src", "poster"),
    "audio": ("src",),
    "embed": ("src",),
    "object": ("data",),
}
SOURCE_MAP_COMMENT = re.compile(rb"^\s*(?://|/\*)[#@]\s*sourceMappingURL\s*=", re.MULTILINE)
SOURCE_MAP_HEADERS = ("sourcemap", "x-sourcemap")
STYLE_REFERENCE = re.compile(r"""url\(\s*["']?([^"')\s]+)["']?\s*\)|@import\s+["']([^"']+)["']""")
SCRIPT_REFERENCE = re.compile(r"""\b(?:from|import)\s*\(?\s*["'`](\.{0,2}/[^"'`\s]+)["'`]""")


@dataclass(frozen=True)
class Built:
    """One file of the build: where visitors get it, and what it holds."""

    path: str
    content: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class Served:
    """One answer for a file: from which address, under which path, in which encoding it was asked for."""

    address: str
    path: str
    encoding: str
    answer: Answer


def read_build(
    archive: Path, digest: str | None, folders: Sequence[Mapping[str, str]], pages: Sequence[Mapping[str, str]]
) -> dict[str, Built]:
    """Return the frontend's files in the build's archive (a tar), by the path at which they are served.

    folders: ``{folder, path}``, each file of the folder is served below the path. pages: ``{file, path}``.
    Raises CouldNotLook where the archive is not the one of ``digest`` (SHA-256), is no archive, or lacks what is named.
    """
    try:
        content = archive.read_bytes()
        if digest and hashlib.sha256(content).hexdigest() != digest:
            raise CouldNotLook(f"{archive} is not the build's archive: its digest is another")
        with tarfile.open(archive) as tar:
            members = {posixpath.normpath(member.name): member for member in tar if member.isfile()}
            found: dict[str, Built] = {}
            for entry in folders:
                folder, place = posixpath.normpath(entry["folder"]) + "/", entry["path"].rstrip("/")
                inside = [name for name in members if name.startswith(folder)]
                if not inside:
                    raise CouldNotLook(f"the build has no file in {entry['folder']}")
                for name in inside:
                    path = f"{place}/{name.removeprefix(folder)}"
                    found[path] = Built(path, _content(tar, members[name]))
            for entry in pages:
                name = posixpath.normpath(entry["file"])
                if name not in members:
                    raise CouldNotLook(f"the build has no file {entry['file']}")
                found[entry["path"]] = Built(entry["path"], _content(tar, members[name]))
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise CouldNotLook(f"{archive} cannot be read: {error}") from None
    return found


def judge_assets(built: Mapping[str, Built], served: Sequence[Served], maps: Sequence[Served], page: str) -> Verdict:
    """deploy.release.frontend: each file of the build is served as it was built, and what is named is among them.

    maps: the answers where the source map of each file would be. page: the path of the front page, which some sites
    return for each path that they do not know.
    """
    problems: dict[str, set[str]] = {}
    several = len({seen.address for seen in served}) > 1
    for seen in served:
        for problem in _file_problems(built[seen.path], seen):
            problems.setdefault(f"{seen.path}: {problem}", set()).add(seen.address)
    for seen in maps:
        # An answer that is the front page is no map; anything else under this name may be one.
        if seen.answer.status in SUCCESS and not (page in built and seen.answer.body == built[page].content):
            problems.setdefault(f"{seen.path}: a source map is served", set()).add(seen.address)
    for path in built:
        if path.endswith(".map"):
            problems.setdefault(f"{path}: the build holds a source map", set())
    for path in _loaded(built):
        lost, foreign, _ = _targets(built[path], built)
        if lost:
            problems.setdefault(f"{path} names {listed(lost)}, which the build does not have", set())
        if foreign:
            problems.setdefault(f"{path} names {listed(foreign)} of another site, which the build cannot vouch for", set())
    if missing := sorted(set(built) - {seen.path for seen in served}):
        problems.setdefault(f"{listed(missing)}: not asked for", set())
    if not any(path.endswith(SCRIPTS) for path in built):
        problems.setdefault("the build has no script", set())
    named = [f"{problem} (at {listed(places)})" if several and places else problem for problem, places in problems.items()]
    size = sum(len(file.content) for file in built.values())
    return verdict(
        [*named[:5], *([f"and {len(named) - 5} more problems"] if len(named) > 5 else [])],  # noqa: PLR2004
        f"{len(built)} files of the build ({size / 1e6:.1f} MB) are served as they were built; no source map",
        expected={path: file.digest[:16] for path, file in sorted(built.items())},
        observed={
            f"{seen.address} {seen.path} {seen.encoding}": f"{seen.answer.status}, {len(seen.answer.body)} bytes"
            for seen in served
            if seen.answer.body != built[seen.path].content or seen.answer.status != HTTP_OK
        },
        evidence=named,
    )


def references(path: str, content: bytes) -> set[str]:
    """Return what a page, a style sheet or a script at ``path`` names and a browser would load, as written there."""
    text = content.decode("utf-8", "replace")
    if path.endswith(".css"):
        return {first or second for first, second in STYLE_REFERENCE.findall(text)}
    if path.endswith(SCRIPTS):
        return set(SCRIPT_REFERENCE.findall(text))
    if is_page(content):
        parser = _References()
        parser.feed(text)
        return parser.found
    return set()


def is_page(content: bytes) -> bool:
    """Whether the content is a page of HTML."""
    return re.match(rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html)\b", content, re.IGNORECASE | re.DOTALL) is not None


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value.strip() for name, value in attrs if value}
        if tag == "link" and ASSET_RELATIONS & set(given.get("rel", "").lower().split()) and "href" in given:
            self.found.add(given["href"])
        for name in ASSET_ATTRIBUTES.get(tag, ()):
            value = given.get(name, "")
            if name == "srcset":
                self.found |= {candidate.split()[0] for candidate in value.split(",") if candidate.strip()}
            elif value:
                self.found.add(value)


def _loaded(built: Mapping[str, Built]) -> list[str]:
    """The pages, and what a browser loads because of them: what a page names, what that names, and so on.

    Bundlers leave files that nothing loads, whose own references may be dead.
    """
    found = [path for path, file in built.items() if is_page(file.content)]
    for path in found:
        found += sorted(_targets(built[path], built)[2] - set(found))
    return found


def _targets(file: Built, built: Mapping[str, Built]) -> tuple[list[str], list[str], set[str]]:
    """What the file names that the build lacks, what it names of other sites, and the paths of what the build has."""
    lost, foreign, known = [], [], set()
    for reference in references(file.path, file.content):
        try:
            target = urlsplit(urljoin(f"http://site{file.path}", reference))
        except ValueError:
            lost.append(reference)
            continue
        if target.scheme in {"data", "blob", "about"} or reference.startswith("#"):
            continue
        path = unquote(target.path)
        if (target.scheme, target.netloc) != ("http", "site"):
            foreign.append(reference)
        elif path in built:
            known.add(path)
        else:
            lost.append(reference)
    return lost, foreign, known


def _file_problems(file: Built, seen: Served) -> list[str]:
    answer = seen.answer
    if answer.status != HTTP_OK:
        return [answer.outcome if answer.status != NO_ANSWER else f"no answer ({' '.join(answer.text.split())[:200]})"]
    problems = []
    if answer.body != file.content:
        encoded = "" if seen.encoding == "identity" else f" in its {seen.encoding} form"
        problems.append(f"what is served{encoded} is not what was built ({len(answer.body)} bytes, built {len(file.content)})")
    suffix = ".html" if is_page(file.content) else posixpath.splitext(file.path)[1]
    kind = answer.headers.get("content-type", "").split(";")[0].strip().lower()
    if suffix in TYPES and kind not in TYPES[suffix]:
        problems.append(f"served as {kind or 'no type'}")
    if any(name in answer.headers for name in SOURCE_MAP_HEADERS):
        problems.append("a header names its source map")
    if suffix in (*SCRIPTS, ".css") and SOURCE_MAP_COMMENT.search(answer.body):
        problems.append("it names its source map")
    return problems


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return file.read() if file else b""


def map_paths(built: Collection[str]) -> list[str]:
    """Where the source maps of the build's scripts and styles would be."""
    return [f"{path}.map" for path in sorted(built) if path.endswith((*SCRIPTS, ".css"))]
