# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Commands in a guide: does the project have what each of them calls?"""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*")
REQUIREMENT = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==|>=|~=|@|;|\\|$)", re.MULTILINE)
TARGET = re.compile(r"^([A-Za-z0-9][A-Za-z0-9_./-]*)\s*:(?!=)", re.MULTILINE)
# Endings by which an argument is known to be a file of the source.
FILES = (".py", ".yml", ".yaml", ".sh", ".toml", ".lock", ".cfg", ".ini", ".in", ".txt", ".sql", ".mk")
REDIRECTIONS = {">", ">>", "<", "2>", "2>&1"}
WRAPPERS = {"sudo", "env", "time", "nice", "exec"}
PYTHON = re.compile(r"python(3(\.\d+)?)?")
ENVIRONMENT = re.compile(r"(\./)?\.?v?env/bin/")
NPM_OWN = {"ci", "install", "test", "start"}


@dataclass(frozen=True)
class Project:
    """What commands may call.

    files: paths of the source, folders included. texts: content of those files that say what there is (package.json, Makefile,
    lists of requirements). own: paths of the deployment's own folder. programs: what else the reader's machine has.
    """

    files: Collection[str]
    texts: Mapping[str, str]
    own: Collection[str]
    programs: Collection[str]

    def has(self, path: str) -> bool:
        """Whether a path, or a bare file name anywhere, is one of the source or of the deployment's folder."""
        path = path.removeprefix("./").rstrip("/")
        if path in self.files or path in self.own:
            return True
        return "/" not in path and any(PurePosixPath(known).name == path for known in (*self.files, *self.own))

    def packages(self) -> set[str]:
        """Names in the lists of requirements, as programs and modules are named after them."""
        lists = (text for path, text in self.texts.items() if re.fullmatch(r".*requirements.*\.(lock|txt|in)", path))
        return {name.lower().replace("_", "-") for text in lists for name in REQUIREMENT.findall(text)}


def commands(line: str) -> Iterator[list[str]]:
    """The commands of one line of a shell block, as lists of words. Raises ValueError for an open quote."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    command: list[str] = []
    for word in (*lexer, ";"):
        if set(word) <= set("|&;"):
            if command:
                yield command
            command = []
        else:
            command.append(word)


def joined(lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Lines that end with a backslash together with the next."""
    result: list[tuple[int, str]] = []
    open_line = False
    for number, line in lines:
        if open_line:
            before, text = result.pop()
            result.append((before, f"{text.removesuffix(chr(92))} {line.strip()}"))
        else:
            result.append((number, line))
        open_line = line.endswith("\\")
    return result


def command_problems(words: list[str], project: Project) -> list[str]:
    """Name what a command calls and the project has not."""
    while words and (ASSIGNMENT.fullmatch(words[0]) or words[0] in WRAPPERS):
        words = words[1:]
    if not words:
        return []
    program, arguments = words[0], words[1:]
    name = PurePosixPath(program).name
    if "/" in program and not program.startswith(("/", "~")) and not ENVIRONMENT.match(program):
        return ([] if project.has(program) else [f"the project has no {program}"]) + _file_problems(arguments, project)
    if PYTHON.fullmatch(name):
        return _python_problems(arguments, project)
    if name == "make":
        return _make_problems(arguments, project)
    if name == "npm":
        return _npm_problems(arguments, project)
    problems = _file_problems(arguments, project)
    if name == "ansible-playbook" and not any(word.endswith((".yml", ".yaml")) for word in arguments):
        problems.append("ansible-playbook is called without a playbook")
    if name not in project.programs and name.lower().replace("_", "-") not in project.packages():
        problems.append(f"'{name}' is no program of the project")
    if ":" in " ".join(arguments) and name in {"gunicorn", "uvicorn", "hypercorn"}:
        problems += [problem for word in arguments[:1] for problem in _module_problems(word.partition(":")[0], project)]
    return problems


def _python_problems(arguments: list[str], project: Project) -> list[str]:
    if "-m" in arguments[:-1]:
        at = arguments.index("-m") + 1
        return _module_problems(arguments[at], project) + _file_problems(arguments[at + 1 :], project)
    return _file_problems(arguments, project)


def _module_problems(module: str, project: Project) -> list[str]:
    path = module.replace(".", "/")
    first = module.partition(".")[0]
    if f"{path}.py" in project.files or f"{path}/__main__.py" in project.files:
        return []
    if first in project.files or f"{first}.py" in project.files:
        return [f"the project has no module {module}"]
    known = first in sys.stdlib_module_names or first.lower().replace("_", "-") in project.packages()
    return [] if known else [f"the project has no module {module}"]


def _make_problems(arguments: list[str], project: Project) -> list[str]:
    targets = set(TARGET.findall("\n".join(text for path, text in project.texts.items() if path.endswith("Makefile"))))
    wanted = [word for word in arguments if not word.startswith("-") and not ASSIGNMENT.fullmatch(word)]
    return [f"make has no target {word}" for word in wanted if word not in targets]


def _npm_problems(arguments: list[str], project: Project) -> list[str]:
    folder = ""
    for at, word in enumerate(arguments):
        if word.startswith("--prefix"):
            folder = word.partition("=")[2] or (arguments[at + 1] if at + 1 < len(arguments) else "")
    place = f"{folder.strip('/')}/package.json" if folder.strip("./") else "package.json"
    if place not in project.texts:
        return [f"the project has no {place}"]
    if arguments[:1] not in (["run"], ["run-script"]):
        return [] if arguments[:1] and arguments[0] in NPM_OWN else [f"npm {' '.join(arguments[:1])} is none of the project's"]
    try:
        scripts = json.loads(project.texts[place])["scripts"]
    except (ValueError, KeyError, TypeError):
        scripts = {}
    return [f"{place} has no script {word}" for word in arguments[1:2] if word not in scripts]


def _file_problems(arguments: list[str], project: Project) -> list[str]:
    problems = []
    skip = False
    for word in arguments:
        if skip or word in REDIRECTIONS:
            skip = not skip
            continue
        # Of options only what stands apart is looked at: --output=x names what the command makes.
        if word.startswith(("-", "/", "~", "http:", "https:")) or any(sign in word for sign in "=:<>$*{"):
            continue
        if (word.endswith(FILES) or "/" in word) and not project.has(word):
            problems.append(f"the project has no {word}")
    return problems
