# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Judges an application's documents against what they describe: the tree that was built, its routes, units and alerts."""

from __future__ import annotations

import fnmatch
import hashlib
import io
import posixpath
import re
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from .assertion import CouldNotLook, Verdict, listed, verdict
from .commands import Project, command_problems, commands, joined
from .markdown import FENCE, HEADING, ITEM, ROW, Block, Document, fences, html_anchors, slug
from .openapi import METHODS
from .source import SourceError, run

LISTS = ["*package.json", "*Makefile", "*requirements*.lock", "*requirements*.txt", "*requirements*.in"]
SHELLS = {"", "sh", "bash", "shell", "console"}
OPERATION = re.compile(rf"({'|'.join(METHODS)})\s+(/\S*)", re.IGNORECASE)
MOST = 6  # problems that a summary names
LEAST_WORDS = 5  # below a heading that is a runbook


class Tree:
    """The files of the source as they were built, by path."""

    def __init__(self, files: Mapping[str, bytes], commit: Collection[str] = ()) -> None:
        self.files = files
        self.names = set(files) | set(commit)
        for path in list(self.names):
            self.names.update(str(parent) for parent in _parents(path))

    def matching(self, patterns: Iterable[str]) -> dict[str, str]:
        """Content of the files whose path fits one of the patterns."""
        wanted = list(patterns)
        return {
            name: content.decode("utf-8", "replace")
            for name, content in sorted(self.files.items())
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)
        }


def load_tree(archive: Path, sha256: str, repository: str | None = None, commit: str | None = None) -> Tree:
    """The tree of a packed release with that digest, and what its commit has besides. Raises CouldNotLook."""
    content = archive.read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != sha256:
        raise CouldNotLook(f"{archive} is not what was built: its digest is {digest[:12]}")
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as packed:
            files = {entry.name.removeprefix("./"): packed.extractfile(entry) for entry in packed if entry.isfile()}
            found = {name: file.read() for name, file in files.items() if file}
        git = ["git", f"--git-dir={repository}", "ls-tree", "-r", "-z", "--name-only", "--end-of-options", str(commit)]
        return Tree(found, run(git).strip("\0").split("\0") if repository and commit else ())
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise CouldNotLook(f"{archive} cannot be read: {error}") from None
    except SourceError as error:
        raise CouldNotLook(str(error)) from None


def project_of(tree: Tree, own_folder: str | None, programs: Collection[str]) -> Project:
    """What the commands of a guide may call: the tree, and the folder of the deployment itself."""
    own: dict[str, Path] = {}
    if own_folder:
        root = Path(own_folder)
        found = (*root.glob("*"), *root.glob("playbooks/*"), *root.glob("tools/*"))
        own = {str(path.relative_to(root)): path for path in found if path.is_file()}
    texts = tree.matching(LISTS)
    if "Makefile" in own:
        texts["deployment/Makefile"] = own["Makefile"].read_text()
    return Project(tree.names, texts, own, programs)


@dataclass
class Library:
    """The documents of one tree, and what their links can lead to.

    operations: of the API, as ``METHOD /path``; None where they are not known. site: address at which the application is
    served. reach: asks an address elsewhere and returns what is wrong with it, or nothing; raises CouldNotLook.
    """

    tree: Tree
    site: str
    operations: Collection[str] | None
    reach: Callable[[str], str]
    _read: dict[str, Document] = field(default_factory=dict)

    def document(self, path: str) -> Document:
        """A document of the tree. Raises Missing where it is not there."""
        if path not in self._read:
            if path not in self.tree.files:
                raise Missing(path)
            try:
                self._read[path] = Document(path, self.tree.files[path].decode())
            except UnicodeDecodeError:
                raise CouldNotLook(f"{path} is not UTF-8") from None
        return self._read[path]

    def problems(self, document: Document) -> list[str]:
        """Name what is unfinished in a document, and its links that lead nowhere."""
        problems = document.problems()
        doubts = []
        for target, line in {link.target: link.line for link in document.links}.items():
            try:
                problem = self._link_problem(document, target)
            except CouldNotLook as reason:
                doubts.append(f"line {line}: {reason}")
                continue
            if problem:
                problems.append(f"line {line}: dead link {target or '(empty)'} ({problem})")
        if doubts and not problems:
            raise CouldNotLook(f"{document.path}: {listed(doubts, MOST)}")
        return [f"{document.path}: {problem}" for problem in problems + doubts]

    def _link_problem(self, document: Document, target: str) -> str:
        try:
            parts = urlsplit(target)
        except ValueError:
            return "it is no address"
        own = bool(self.site) and target.startswith(self.site.rstrip("/") + "/")
        if own or (not parts.scheme and not parts.netloc and parts.path.startswith("/")):
            return self._route_problem(parts.path)
        if parts.scheme in {"http", "https"} or (parts.netloc and not parts.scheme):
            return self.reach(target if parts.scheme else f"https:{target}")
        if parts.scheme == "mailto":
            return "" if re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", parts.path) else "it is no address"
        if parts.scheme:
            return f"links of the kind {parts.scheme}: are not followed"
        return self._file_problem(document, parts.path, parts.fragment, bool(target))

    def _file_problem(self, document: Document, target: str, fragment: str, given: bool) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(document.path), target)) if target else document.path
        if not given or path.startswith("../"):
            return "it leads out of the source"
        if path != "." and path not in self.tree.names:
            return f"there is no {path}"
        if fragment and path.endswith(".md") and fragment not in self.document(path).anchors:
            return f"{path} has no #{fragment}"
        return ""

    def _route_problem(self, path: str) -> str:
        if self.operations is None:
            raise CouldNotLook(f"the routes that {path} could lead to are not known")
        return "" if serves(self.operations, path or "/") else f"the application has no route GET {path}"


class Missing(Exception):
    """A document that is not in the tree."""


def serves(operations: Collection[str], path: str) -> bool:
    """Whether one of the operations answers GET for the path."""
    for operation in operations:
        method, _, template = operation.partition(" ")
        pattern = re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template))
        if method == "GET" and re.fullmatch(pattern, path):
            return True
    return False


def _judged(problems: list[str], good: str, document: Document, **expected: object) -> Verdict:
    short = problems[:MOST] + ([f"and {len(problems) - MOST} more"] if len(problems) > MOST else [])
    return verdict(
        short,
        good,
        expected=expected,
        observed={"words": len(document.text.split()), "links": len(document.links), "headings": len(document.headings)},
        evidence=problems,
    )


def judge_system(
    library: Library,
    path: str,
    name: str,
    units: Collection[str],
    known: Collection[str],
    ports: Collection[int],
    settings: Collection[str],
) -> Verdict:
    """pre.docs.system: names each unit, port and setting, and no unit of the application that there is not.

    name: of the application, with which its units begin. units: such as ``shop-web@.service``. known: further units of the hosts.
    """
    document = library.document(path)
    problems = library.problems(document)
    named = {unit for code in document.codes for unit in re.findall(r"[\w-]+(?:@[^.\s]*)?\.(?:service|timer|socket)", code)}
    plain = {re.sub(r"@[^.]*\.", "@.", unit) for unit in named}
    problems += [f"{path} does not name the unit {unit}" for unit in units if unit not in plain]
    stale = {unit for unit in plain - set(units) - set(known) if unit.startswith(f"{name}-")}
    problems += [f"{path} names {unit}, which the application has not" for unit in sorted(stale)]
    seen = "\n".join(block.text for block in document.blocks if block.kind != FENCE)
    problems += [f"{path} does not name the port {port}" for port in ports if not re.search(rf"(?<![\w.-]){port}(?![\w.-])", seen)]
    words = {word for code in document.codes for word in re.split(r"[\s=]", code)}
    problems += [f"{path} does not name the setting {setting}" for setting in settings if setting not in words]
    if not units:
        problems.append("the application's definition has no unit")
    good = f"{path} names {len(units)} units, {len(ports)} ports and {len(settings)} settings; {len(document.links)} links resolve"
    return _judged(problems, good, document, units=sorted(units), ports=sorted(ports), settings=sorted(settings))


def judge_api(
    library: Library,
    path: str,
    invalid: Collection[str],
    operations: Mapping[str, Mapping[str, object]],
    routes: Collection[str],
    besides: Collection[str],
) -> Verdict:
    """pre.docs.api: the OpenAPI document is valid, has exactly the application's routes, and the text describes each.

    invalid: what the specification forbids. routes: as the application's code has them. besides: those that are no operations.
    """
    document = library.document(path)
    problems = [f"the OpenAPI document is not valid: {problem}" for problem in invalid] + library.problems(document)
    real = set(routes) - set(besides)
    problems += [f"the OpenAPI document lacks {route}" for route in sorted(real - set(operations))]
    problems += [f"the OpenAPI document has {name}, which is no route" for name in sorted(set(operations) - real)]
    problems += [f"{name}, named as a route besides the API, does not exist" for name in sorted(set(besides) - set(routes))]
    problems += [
        f"the OpenAPI document does not say what {name} does"
        for name, operation in operations.items()
        if not str(operation.get("description") or operation.get("summary") or "").strip()
    ]
    described = {
        f"{method.upper()} {template}" for code in document.codes for method, template in OPERATION.findall(code) if code.strip()
    }
    problems += [f"{path} does not describe {name}" for name in sorted(set(operations) - described)]
    problems += [f"{path} describes {name}, which does not exist" for name in sorted(described - set(operations) - set(besides))]
    if not operations:
        problems.append("the OpenAPI document has no operation")
    good = f"{len(operations)} operations are exactly the application's routes; {path} describes each"
    return _judged(problems, good, document, operations=sorted(operations), besides=sorted(besides))


@dataclass(frozen=True)
class Controls:
    """What people press on the pages. sources: patterns of files. pattern: expression whose group is a control's label.
    built: patterns of the built files, each of which is what the browser gets.
    """

    sources: Sequence[str]
    pattern: str
    built: Sequence[str]

    def find(self, tree: Tree) -> set[str]:
        """The labels of the controls in the sources, comments left out, as far as the build kept them."""
        try:
            expression = re.compile(self.pattern)
        except re.error as error:
            raise CouldNotLook(f"controls: {self.pattern!r} is no regular expression: {error}") from None
        if expression.groups < 1:
            raise CouldNotLook(f"controls: {self.pattern!r} has no group for the label")
        sources, built = tree.matching(self.sources), "\n".join(tree.matching(self.built).values())
        if not sources or not built:
            raise CouldNotLook(f"no file of the build fits {', '.join(self.sources if not sources else self.built)}")
        labels = {
            next(group for group in found.groups() if group is not None).strip()
            for text in sources.values()
            for found in expression.finditer(uncommented(text))
            if any(group is not None for group in found.groups())
        }
        return {label for label in labels if re.search(rf"[\"'`>]\s*{re.escape(label)}\s*[\"'`<]", built)}


def uncommented(text: str) -> str:
    """A source of a page (HTML, JavaScript, TypeScript) without its comments."""
    pattern = r"<!--.*?-->|/\*.*?\*/|(?<![:\w\"'])//[^\n]*"
    return re.sub(pattern, "", text, flags=re.DOTALL)


def judge_user_guide(library: Library, path: str, controls: Controls) -> Verdict:
    """pre.docs.user_guide: what the guide sets in bold is a control of the pages, and it names each of them."""
    document = library.document(path)
    problems = library.problems(document)
    there = controls.find(library.tree)
    named = {name for block in document.blocks for name in block.strong}
    problems += [f"{path} names the control '{name}', which no page has" for name in sorted(named - there)]
    problems += [f"{path} does not name the control '{name}'" for name in sorted(there - named)]
    if not named:
        problems.append(f"{path} names no control")
    return _judged(
        problems, f"{path}: each of {len(named)} controls is on the pages, and none is left out", document, controls=sorted(there)
    )


def judge_deployment(library: Library, path: str, project: Project, phases: Sequence[str], roles: Collection[str]) -> Verdict:
    """pre.docs.deployment_guide: its commands are the project's, and it describes each phase and role."""
    document = library.document(path)
    problems = library.problems(document)
    count = 0
    for number, line in joined(list(fences(document, SHELLS))):
        try:
            found = list(commands(line))
        except ValueError:
            problems.append(f"{path}, line {number}: a quote is left open")
            continue
        count += len(found)
        problems += [f"{path}, line {number}: {problem}" for words in found for problem in command_problems(words, project)]
    for block in document.blocks:
        problems += [f"{path}, line {block.line}: {problem}" for code in block.codes for problem in _inline_problems(code, project)]
    described = [block for block in document.blocks if block.kind != FENCE]
    problems += [f"{path} does not describe the phase {phase}" for phase in phases if not _phase_described(document, phase)]
    named = {code for block in described if len(block.text.split()) > 1 for code in block.codes}
    problems += [f"{path} does not name the role {role}" for role in sorted(roles) if role not in named]
    if not count:
        problems.append(f"{path} has no command")
    good = f"{path}: {count} commands are the project's, {len(phases)} phases and {len(roles)} roles are described"
    return _judged(problems, good, document, phases=list(phases), roles=sorted(roles))


def _inline_problems(code: str, project: Project) -> list[str]:
    """A code span counts as a command where its first word is a program that runs files, and has arguments."""
    first, _, rest = code.partition(" ")
    if not rest or not re.fullmatch(r"(\S*/)?(ansible-playbook|make|npm|python3?|sh|bash|pytest)", first):
        return []
    try:
        return [problem for words in commands(code) for problem in command_problems(words, project)]
    except ValueError:
        return [f"a quote is left open in {code!r}"]


def _phase_described(document: Document, phase: str) -> bool:
    """Whether a heading, row or item begins with the phase, and something is said of it."""
    wanted = _plain(phase)
    for block in document.blocks:
        begins = re.sub(r"^(phase )?\d*[.:)]? ?", "", _plain(block.text))
        if block.kind not in {HEADING, ROW, ITEM} or not re.match(rf"{re.escape(wanted)}( |$)", begins):
            continue
        said = document.section(block) if block.kind == HEADING else [Block(ITEM, 0, begins[len(wanted) :])]
        if any(part.text.strip(" |-:") for part in said if part.kind != HEADING):
            return True
    return False


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w.:)]+", " ", text.lower()).split())


@dataclass(frozen=True)
class Runbooks:
    """Where alerts lead: alerts with their ``runbook_url``; the address under which the document is served, and that page."""

    alerts: Sequence[tuple[str, str]]
    address: str
    page: str

    @cached_property
    def anchors(self) -> set[str]:
        return html_anchors(self.page)


def judge_maintenance(library: Library, path: str, runbooks: Runbooks) -> Verdict:
    """pre.docs.maintenance_guide: each alert that the monitoring has loaded leads to a section of its own."""
    document = library.document(path)
    problems = library.problems(document)
    sections = {heading.text.strip(): heading for heading in document.headings}
    for name, url in sorted(set(runbooks.alerts)):
        heading = sections.get(name)
        if heading is None:
            problems.append(f"{path} has no runbook for the alert {name}")
        elif sum(len(block.text.split()) for block in document.section(heading)) < LEAST_WORDS:
            problems.append(f"{path} says nothing below {name}")
        address, _, fragment = url.partition("#")
        if not url:
            problems.append(f"the alert {name} has no runbook_url")
        elif address != runbooks.address:
            problems.append(f"runbook_url of {name} leads to {address}, not to {runbooks.address}")
        elif not fragment or fragment not in runbooks.anchors:
            problems.append(f"runbook_url of {name} leads to #{fragment}, which the page has not")
        elif heading is not None and fragment != slug(heading.text):
            problems.append(f"runbook_url of {name} leads to #{fragment}, which is not its section")
    if not runbooks.alerts:
        problems.append("the monitoring has loaded no alert")
    good = f"each of {len(set(runbooks.alerts))} alerts leads to its section on {runbooks.address}"
    return _judged(problems, good, document, alerts=dict(runbooks.alerts))


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]
