"""A small application for a browser, served as it should be or with one part of it broken."""

import re
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from web import Reply

PAGE = r"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lab</title><link rel="icon" href="data:,"></head><body>
<h1>Lab</h1>
<ul id="examples"><li><a href="#one">First</a></li><li><a href="#two">Second</a></li></ul>
<p id="message" hidden></p>
<h2 id="title"></h2>
<textarea id="code"></textarea><pre id="colours"></pre><p id="checked" hidden></p>
<button id="run" disabled>Run</button><button id="clear">Clear</button><button id="copy">Copy</button>
<button id="save">Save</button>
<pre id="stdout"></pre><p id="status"></p><ul id="saved"></ul>
<script>
  const at = (id) => document.getElementById(id);
  const say = (text) => { at("message").textContent = text; at("message").hidden = false; };
  const worker = new Worker("/worker.js");
  worker.onmessage = (event) => { at("checked").textContent = event.data; at("checked").hidden = false; };
  const changed = () => {
    at("colours").innerHTML = "";
    for (const word of at("code").value.split(/(\d+|\w+)/)) {
      const piece = document.createElement("span");
      piece.className = /^\d/.test(word) ? "number" : /^\w/.test(word) ? "word" : "rest";
      piece.textContent = word;
      at("colours").append(piece);
    }
    worker.postMessage(at("code").value);
  };
  at("code").addEventListener("input", () => { localStorage.setItem(location.hash, at("code").value); changed(); });
  const open = async () => {
    const slug = location.hash.slice(1) || "one";
    const example = await (await fetch(`/examples/${slug}`)).json();
    at("title").textContent = example.title;
    at("code").value = localStorage.getItem(location.hash) ?? example.code;
    changed();
    at("run").disabled = false;
  };
  addEventListener("hashchange", open);
  at("run").onclick = async () => {
    at("message").hidden = true;
    at("status").textContent = "";
    at("stdout").textContent = "";
    let answer;
    try { answer = await fetch(`/run?code=${encodeURIComponent(at("code").value)}`, { method: "POST" }); }
    catch { say("no connection"); return; }
    if (!answer.ok) { say(answer.status === 429 ? "too often" : "not available"); return; }
    const outcome = await answer.json();
    at("stdout").textContent = outcome.output;
    at("status").textContent = outcome.status;
    if (outcome.status === "failed") say("the program failed");
  };
  at("clear").onclick = () => { at("code").value = ""; changed(); };
  at("copy").onclick = () => navigator.clipboard.writeText(at("code").value);
  const list = async () => {
    at("saved").replaceChildren(...(await (await fetch("/saved")).json()).map((text) => {
      const item = document.createElement("li");
      item.textContent = text;
      return item;
    }));
  };
  at("save").onclick = async () => {
    await fetch(`/saved?text=${encodeURIComponent(at("stdout").textContent)}`, { method: "POST" });
    await list();
  };
  void open();
  void list();
</script></body></html>
"""
WORKER = "onmessage = (event) => postMessage(`checked ${event.data}`);"
EXAMPLES = {"one": ("First", "1 + 1"), "two": ("Second", "2 + 2")}
Asked = Callable[[str, Mapping[str, str]], Reply | None]


def outcome(code: str, seconds: float) -> tuple[str, str]:
    """Run what passes for a program here."""
    if code.startswith("say "):
        return code.removeprefix("say "), "finished"
    if figures := re.search(r"(\d+) \* (\d+)", code):
        result = str(int(figures[1]) * int(figures[2]))
        return result, "failed" if code.startswith("fail") else "finished"
    if code.startswith("exit "):
        return "", f"exit code {code.removeprefix('exit ')}"
    time.sleep(seconds)
    return "", "stopped"


def application(
    page: str = PAGE, worker: str = WORKER, endless: float = 1.1, instead: Asked = lambda path, query: None
) -> Callable[[str, str, Mapping[str, str]], Reply]:
    """The application with another page or worker, or with other answers to some requests."""
    saved: list[str] = []

    def json_text(text: str) -> str:
        return '"' + "".join(f"\\u{ord(letter):04x}" for letter in text) + '"'

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(path)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        return instead(parts.path, query) or own(method, parts.path, query)

    def own(method: str, path: str, query: Mapping[str, str]) -> Reply:
        json = {"Content-Type": "application/json"}
        kept = {"Cache-Control": "public, max-age=3600"}
        if path == "/":
            return 200, {"Content-Type": "text/html; charset=utf-8"}, page
        if path == "/worker.js":
            return 200, {"Content-Type": "text/javascript", **kept}, worker
        if path.startswith("/examples/") and path[10:] in EXAMPLES:
            title, code = EXAMPLES[path[10:]]
            return 200, json, f'{{"title": "{title}", "code": "{code}"}}'
        if path == "/run":
            output, status = outcome(query["code"], endless)
            return 200, json, f'{{"output": {json_text(output)}, "status": "{status}"}}'
        if path == "/saved":
            if method == "POST":
                saved.append(query["text"])
            return 200, json, f"[{', '.join(json_text(text) for text in saved)}]"
        return 404, {}, f"there is no {unquote(path)}"

    return respond


def start() -> list[dict[str, object]]:
    return [{"open": "/"}, {"sees": {"at": "#run", "state": "enabled"}}]


def program(text: str) -> list[dict[str, object]]:
    return [{"type": {"into": "#code", "text": text}}, {"click": "#run"}]


def simulated(name: str, kind: str, message: str, **answer: object) -> dict[str, object]:
    return {
        "name": name,
        "kind": kind,
        "answer": {"to": "**/run?*", **answer},
        "steps": [{"click": "#run"}, {"sees": {"at": "#message", "contains": message}}],
        "recovers": [*program("3 * 4"), {"sees": {"at": "#stdout", "text": "12"}}, {"sees": {"at": "#message", "state": "hidden"}}],
    }


JOURNEYS: dict[str, Any] = {
    "steps": {"start": start()},
    "examples_load": {
        "start": [{"do": "start"}],
        "links": "#examples a",
        "least": 2,
        "opened": [{"sees": {"at": "#title", "text": "<<link>>"}}],
        "shown": ["#colours"],
    },
    "code_execution": {
        "languages": [
            {
                "name": "sums",
                "start": [{"do": "start"}],
                "runs": [
                    {
                        "name": "output",
                        "kind": "output",
                        "steps": [*program("<<a>> * <<b>>"), {"sees": {"at": "#stdout", "text": "<<product>>"}}],
                    },
                    {
                        "name": "error",
                        "kind": "error",
                        "steps": [
                            *program("fail <<a>> * <<b>>"),
                            {"sees": {"at": "#status", "text": "failed"}},
                            {"sees": {"at": "#stdout", "text": "<<product>>"}},
                        ],
                    },
                    {
                        "name": "exit",
                        "kind": "exit",
                        "steps": [*program("exit <<exit_code>>"), {"sees": {"at": "#status", "text": "exit code <<exit_code>>"}}],
                    },
                    {
                        "name": "time-out",
                        "kind": "time-out",
                        "least_seconds": 1,
                        "steps": [*program("for ever"), {"sees": {"at": "#status", "text": "stopped"}}],
                    },
                ],
            }
        ]
    },
    "editor": {
        "start": [{"do": "start"}],
        "steps": [
            {"type": {"into": "#code", "text": "say 42 <<nonce>>"}},
            {"sees": {"at": "#checked", "contains": "<<nonce>>"}},
        ],
        "tokens": "#colours span",
        "token_kinds": 2,
        "workers": 1,
    },
    "local_storage": {
        "start": [{"do": "start"}],
        "edit": [{"type": {"into": "#code", "text": "say <<nonce>>"}}],
        "kept": [{"sees": {"at": "#run", "state": "enabled"}}, {"sees": {"at": "#code", "contains": "<<nonce>>"}}],
        "fresh": [{"sees": {"at": "#code", "text": "1 + 1"}}],
    },
    "controls": {
        "pages": [
            {
                "name": "front page",
                "start": [{"do": "start"}],
                "known": ["#save"],
                "controls": [
                    {
                        "name": "example",
                        "find": "#examples a",
                        "each": True,
                        "effect": [{"sees": {"at": "#title", "text": "<<text>>"}}],
                    },
                    {
                        "name": "code",
                        "find": "#code",
                        "use": [{"type": {"into": "#code", "text": "<<a>> * <<b>>"}}],
                        "effect": [{"sees": {"at": "#code", "text": "<<a>> * <<b>>"}}],
                    },
                    {"name": "Run", "find": "#run", "effect": [{"sees": {"at": "#stdout", "text": "<<product>>"}}]},
                    {"name": "Copy", "find": "#copy", "effect": [{"copied": "<<a>> * <<b>>"}]},
                    {"name": "Clear", "find": "#clear", "effect": [{"sees": {"at": "#code", "lacks": "<<a>>"}}]},
                    {"name": "later", "find": "#later", "optional": True, "effect": [{"sees": "#never"}]},
                ],
            }
        ]
    },
    "error_handling": {
        "start": [{"do": "start"}],
        "message": "#message",
        "program_output": ["#stdout"],
        "forbidden": ["/srv/"],
        "cases": [
            {
                "name": "a program that fails",
                "kind": "bad code",
                "steps": program("fail 2 * 3"),
                "recovers": [
                    *program("3 * 4"),
                    {"sees": {"at": "#message", "state": "hidden"}},
                    {"sees": {"at": "#stdout", "text": "12"}},
                ],
            },
            simulated("limited", "too many requests", "too often", status=429, body="slowly"),
            simulated("no connection", "backend stopped", "no connection", refused=True),
            simulated("gone", "backend stopped", "not available", status=502, body="Traceback (most recent call last):"),
        ],
    },
    "page_load": {
        "path": "/",
        "ready": [{"sees": {"at": "#run", "state": "enabled"}}],
        "loads": 3,
        "budgets": {
            "cold": {"first_byte_ms": 20_000, "largest_paint_ms": 30_000, "ready_ms": 30_000, "bytes": 20_000},
            "warm": {"first_byte_ms": 20_000, "largest_paint_ms": 30_000, "bytes": 20_000},
        },
    },
    "output_sanitization": {
        "start": [{"do": "start"}],
        "places": [
            {"name": "output", "steps": [*program("say <<canary>>"), {"sees": {"at": "#stdout", "contains": "<<marker>>"}}]},
            {
                "name": "saved",
                "steps": [
                    {"click": "#save"},
                    {"sees": {"at": "#saved", "contains": "<<marker>>"}},
                    {"reload": None},
                    {"do": "start"},
                ],
            },
        ],
    },
}
