# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Documents in Markdown, as a reader sees them: headings, paragraphs, rows, code, links. Needs markdown-it-py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any
from urllib.parse import unquote

try:
    from markdown_it import MarkdownIt

    MARKDOWN = True
except ImportError:  # reported by the module that needs it
    MARKDOWN = False

HEADING, PARAGRAPH, ITEM, ROW, FENCE = "heading", "paragraph", "item", "row", "fence"
NOTHING_YET = r"written|done|defined|determined|decided|completed|documented|described|added|announced|confirmed"
# What is left to do: capital marks anywhere, phrases in what a reader sees.
MARKS = re.compile(r"(?<![\w-])(TODO|TBD|TBC|FIXME|WIP|XXX+)(?![\w-])|<!--\s*(todo|tbd|fixme)\b", re.ASCII)
PHRASES = re.compile(
    rf"\blorem ipsum\b|\bto be ({NOTHING_YET})\b|\bcoming soon\b|\bunder construction\b|"
    rf"\bnot yet ({NOTHING_YET})\b|\b(todo|tbd|fixme)\s*:|\?\?\?|\{{\{{|\[(insert|your|fill in|add)\b[^\]]*\](?!\()",
    re.IGNORECASE,
)
NOTHING = re.compile(r"(todo|tbd|tbc|fixme|wip|n/?a|xxx+|\.{2,}|…|-+|\?+)[.:]?", re.IGNORECASE)
BARE = re.compile(r"https?://[^\s<>\"')\]]+[^\s<>\"')\].,;:!?]")
# Link syntax that Markdown does not take for a link: an undefined reference, or a target that ends too early.
BROKEN = re.compile(r"\[[^\[\]]+\]\[[^\[\]]*\]|\[[^\[\]]+\]\([^)]*\)?")


@dataclass(frozen=True)
class Link:
    """A link or an image, where it leads and in which line (of the block that holds it) it stands."""

    target: str
    line: int


@dataclass
class Block:
    """One heading, paragraph, list item, table row or fenced block.

    text: what a reader sees. codes: its code spans. strong: what is set in bold. level: of a heading. info: of a fence.
    """

    kind: str
    line: int
    text: str = ""
    level: int = 0
    info: str = ""
    codes: list[str] = field(default_factory=list)
    strong: list[str] = field(default_factory=list)


class _Html(HTMLParser):
    """The anchors and links of raw HTML, and its text without comments."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[str] = []
        self.text = ""

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.update(value for name in ("id", "name") if (value := given.get(name)))
        target = given.get("href" if tag == "a" else "src") if tag in {"a", "img"} else None
        if target is not None:
            self.targets.append(target)


def html_anchors(text: str) -> set[str]:
    """The places in a page that a link can lead to."""
    page = _Html()
    page.feed(text)
    page.close()
    return page.anchors


def slug(heading: str) -> str:
    """The anchor of a heading, as the forges and most renderers make it."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


class Document:
    """One Markdown document. ``path``: where it lies below the root of the source."""

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.source = text
        self.blocks: list[Block] = []
        self.links: list[Link] = []
        self.broken: list[str] = []
        self._html: list[str] = []
        self._read()

    @cached_property
    def anchors(self) -> set[str]:
        """Where links into this document can lead."""
        made: set[str] = set()
        for heading in self.headings:
            name, count = slug(heading.text), 0
            while (anchor := f"{name}-{count}" if count else name) in made:
                count += 1
            made.add(anchor)
        return made.union(*(html_anchors(html) for html in self._html))

    @property
    def headings(self) -> list[Block]:
        return [block for block in self.blocks if block.kind == HEADING]

    @cached_property
    def codes(self) -> set[str]:
        """All code spans."""
        return {code for block in self.blocks for code in block.codes}

    @cached_property
    def text(self) -> str:
        """What a reader sees."""
        return "\n".join(block.text for block in self.blocks)

    def section(self, heading: Block) -> list[Block]:
        """What stands below a heading, up to the next one of its level or above."""
        found = []
        for block in self.blocks[self.blocks.index(heading) + 1 :]:
            if block.kind == HEADING and block.level <= heading.level:
                break
            found.append(block)
        return found

    def problems(self) -> list[str]:
        """Name what is not finished: placeholders, headings without anything below, links that are none."""
        problems = [f"broken link {text!r}" for text in self.broken]
        for number, line in enumerate(self.source.splitlines(), start=1):
            if mark := MARKS.search(line):
                problems.append(f"line {number}: placeholder {mark.group().strip('<!- ')}")
        for block in self.blocks:
            if block.kind == FENCE:
                continue
            if mark := PHRASES.search(block.text):
                problems.append(f"line {block.line}: placeholder '{mark.group()}'")
            elif block.kind != ROW and NOTHING.fullmatch(block.text.strip()) and not MARKS.search(block.text):
                problems.append(f"line {block.line}: nothing but '{block.text.strip()}'")
        for heading in self.headings:
            if all(block.kind == HEADING or not block.text.strip() for block in self.section(heading)):
                problems.append(f"line {heading.line}: nothing stands below '{heading.text}'")
        if not any(block.kind != HEADING and block.text.strip() for block in self.blocks):
            problems.append("it is empty")
        return problems

    def _read(self) -> None:
        tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(self.source)
        kind, row, items, line, level = PARAGRAPH, None, 0, 1, 0
        for token in tokens:
            line = token.map[0] + 1 if token.map else line
            items += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
            if token.type == "heading_open":
                kind, level = HEADING, int(token.tag[1])
            elif token.type == "paragraph_open":
                kind, level = (ITEM if items else PARAGRAPH), 0
            elif token.type == "tr_open":
                row = Block(ROW, line)
                self.blocks.append(row)
            elif token.type == "tr_close":
                row = None
            elif token.type in {"fence", "code_block"}:
                info = token.info.split()
                self.blocks.append(Block(FENCE, line, token.content, info=info[0].lower() if info else ""))
            elif token.type == "html_block":
                self.blocks.append(Block(PARAGRAPH, line, self._raw(token.content, line)))
            elif token.type == "inline":
                block = row
                if block is None:
                    block = Block(kind, line, level=level)
                    self.blocks.append(block)
                self._inline(token.children or [], block)

    def _inline(self, tokens: list[Any], block: Block) -> None:
        text: list[str] = []
        plain: list[str] = []
        strong: int | None = None
        for token in tokens:
            if token.type in {"text", "text_special"}:
                text.append(token.content)
                plain.append(token.content)
            elif token.type == "code_inline":
                text.append(token.content)
                plain.append("\0")
                block.codes.append(token.content.strip())
            elif token.type in {"softbreak", "hardbreak"}:
                text.append(" ")
                plain.append(" ")
            elif token.type == "strong_open":
                strong = len(text)
            elif token.type == "strong_close" and strong is not None:
                block.strong.append("".join(text[strong:]).strip())
                strong = None
            elif token.type == "link_open":
                self.links.append(Link(unquote(token.attrGet("href") or ""), block.line))
            elif token.type == "image":
                self.links.append(Link(unquote(token.attrGet("src") or ""), block.line))
                text.append(token.content)
            elif token.type == "html_inline":
                self._raw(token.content, block.line)
        seen = "".join(plain)
        self.broken += BROKEN.findall(seen)
        self.links += [Link(url, block.line) for url in BARE.findall(seen) if all(url != link.target for link in self.links)]
        block.text = f"{block.text} | {''.join(text)}" if block.text else "".join(text)

    def _raw(self, html: str, line: int) -> str:
        self._html.append(html)
        page = _Html()
        page.feed(html)
        self.links += [Link(unquote(target), line) for target in page.targets]
        return page.text


def fences(document: Document, languages: set[str]) -> Iterator[tuple[int, str]]:
    """The lines of the fenced blocks in one of the languages, each with its number."""
    for block in document.blocks:
        if block.kind == FENCE and block.info in languages:
            for offset, line in enumerate(block.text.splitlines(), start=1 if block.info else 0):
                if block.info != "console" or line.startswith("$ "):  # what else stands there was printed
                    yield block.line + offset, line
