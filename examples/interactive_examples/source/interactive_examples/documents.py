"""The documents of this version as pages; the runbooks that alerts name are among them."""

import re
from functools import cache
from html import escape

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from interactive_examples.settings import ROOT

FOLDER = ROOT / "docs"
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>body {{ max-width: 50rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }}
pre, code {{ background: #f2f5f8 }} pre {{ padding: 0.75rem; overflow: auto }}
td, th {{ padding: 0.25rem 0.75rem; text-align: left; border-bottom: 1px solid #ccd6e0 }}</style></head>
<body>{content}</body>
</html>
"""


def anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")


@cache
def render(name: str) -> str | None:
    path = FOLDER / f"{name}.md"
    if not path.is_file():
        return None
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    markdown.add_render_rule("heading_open", _heading_with_anchor)
    # Between files the documents link to each other by file name; pages have none.
    text = re.sub(r"\]\(([a-z-]+)\.md(#[a-z0-9-]+)?\)", r"](/docs/\1\2)", path.read_text())
    return PAGE.format(title=escape(name), content=markdown.render(text))


def _heading_with_anchor(renderer: RendererHTML, tokens: list[Token], index: int, options: object, env: object) -> str:
    tokens[index].attrSet("id", anchor(tokens[index + 1].content))
    return renderer.renderToken(tokens, index, options, env)
