# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reads nginx's configuration as `nginx -T` prints it. Values of it stay out of messages: there are secrets among them."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from .assertion import CouldNotLook

FILE = re.compile(r"^# configuration file (/.*):$", re.MULTILINE)
# A word: quoted, or bare with ${names} and escapes in it. Then what ends a directive, and what is skipped.
TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)|(?P<end>[;{}])|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'"""
    r"""|(?P<bare>(?:\$\{[^}]*\}|\\.|[^\s;{}"'\\\#]|(?<=[^\s;{}])["'\#])+)""",
    re.DOTALL,
)
DEEPEST = 20  # includes and blocks inside each other


@dataclass(frozen=True)
class Directive:
    """One directive with its words and, where it has one, its block."""

    name: str
    words: Sequence[str]
    file: str
    block: Sequence[Directive] = field(default_factory=tuple)

    def all(self, *names: str) -> list[Directive]:
        """The directives of these names in its block itself."""
        return [entry for entry in self.block if entry.name in names]

    def deep(self, *names: str) -> Iterator[Directive]:
        """The same, in the blocks inside it too."""
        for entry in self.block:
            if entry.name in names:
                yield entry
            yield from entry.deep(*names)


def split_files(dump: str) -> dict[str, str]:
    """The files of `nginx -T` in their order, the main one first."""
    parts = FILE.split(dump)
    names = parts[1::2]
    if not names:
        raise CouldNotLook("nginx -T printed no configuration file")
    if len(set(names)) < len(names):
        raise CouldNotLook("nginx -T names a configuration file twice, so it cannot be told apart")
    return dict(zip(names, parts[2::2], strict=True))


def read_configuration(files: Mapping[str, str]) -> Directive:
    """Return everything as one block, with the included files in their places."""
    main = next(iter(files))
    return Directive("main", (), main, _read(main, files, posixpath.dirname(main), 0))


def _read(path: str, files: Mapping[str, str], root: str, depth: int) -> tuple[Directive, ...]:
    if depth > DEEPEST:
        raise CouldNotLook(f"{path}: includes go too deep")
    tokens = _tokens(path, files[path])
    block = _block(path, tokens, files, root, depth)
    if next(tokens, None) is not None:
        raise CouldNotLook(f"{path}: a block ends that did not begin")
    return block


def _block(
    path: str, tokens: Iterator[tuple[str, bool]], files: Mapping[str, str], root: str, depth: int, inner: bool = False
) -> tuple[Directive, ...]:
    found: list[Directive] = []
    words: list[str] = []
    for token, is_end in tokens:
        if not is_end:
            words.append(token)
        elif token == "}":  # noqa: S105
            if words or not inner:
                raise CouldNotLook(f"{path}: a block ends where none should")
            return tuple(found)
        elif not words:
            raise CouldNotLook(f"{path}: a directive has no name")
        elif token == ";" and words[0] == "include" and len(words) > 1:  # noqa: S105
            pattern = posixpath.join(root, words[1])
            for name in sorted(fnmatch.filter(files, pattern)):
                if posixpath.dirname(name) == posixpath.dirname(pattern) or "*" in posixpath.dirname(pattern):
                    found += _read(name, files, root, depth + 1)
            words = []
        else:
            block: tuple[Directive, ...] = ()
            if token == "{":  # noqa: S105
                if depth > DEEPEST:
                    raise CouldNotLook(f"{path}: blocks go too deep")
                block = _block(path, tokens, files, root, depth + 1, inner=True)
            found.append(Directive(words[0], tuple(words[1:]), path, block))
            words = []
    if words or inner:
        raise CouldNotLook(f"{path}: ends inside a directive")
    return tuple(found)


def _tokens(path: str, text: str) -> Iterator[tuple[str, bool]]:
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or match.end() == position:
            line = text.count("\n", 0, position) + 1
            raise CouldNotLook(f"{path}:{line}: cannot be read")
        position = match.end()
        kind = match.lastgroup
        if kind == "end":
            yield match["end"], True
        elif kind != "skip" and kind is not None:
            yield match[kind], False
