"""Writes docs/reference/ from what roles, modules and playbooks say of themselves.

usage: tools/reference [folder]

Roles and modules are asked with ansible-doc, which knows the fragments that modules share. Of a playbook it is the comment at its
head.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
MARKUP = re.compile(r"\b(C|O|V|RV|E|M|P|I|B|U|L)\(((?:[^)\\]|\\.)*)\)")


def asked(kind: str, names: list[str], *options: str) -> dict[str, Any]:
    """What ansible-doc says of roles or modules."""
    command = [sys.executable, "-m", "ansible", "doc", "--type", kind, "--json", *options, *names]
    environment = os.environ | {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    lacking = [name for name in names if name not in found]
    if lacking:
        sys.exit(f"ansible-doc knows nothing of {', '.join(lacking)}\n{done.stderr}")
    return found


def plain(text: str) -> str:
    return re.sub(r"([*<>|])", r"\\\1", text)


def marked_up(found: re.Match[str]) -> str:
    """Ansible's markup as Markdown."""
    kind, text = found[1], re.sub(r"\\(.)", r"\1", found[2])
    if kind == "M":
        return f"[`{text}`](modules.md#{text})" if (ROOT / "library" / f"{text}.py").exists() else f"`{text}`"
    if kind == "L":
        title, _, address = text.rpartition(",")
        return f"[{title.strip()}]({address.strip()})"
    return {"I": f"*{text}*", "B": f"**{text}**", "U": f"<{text}>"}.get(kind, f"`{text}`")


def sentence(text: str) -> str:
    parts, at = [], 0
    for found in MARKUP.finditer(text):
        parts += [plain(text[at : found.start()]), marked_up(found)]
        at = found.end()
    return "".join([*parts, plain(text[at:])]).strip()


def markdown(text: str | list[str]) -> str:
    return " ".join(sentence(one) for one in ([text] if isinstance(text, str) else text))


def code(value: object) -> str:
    """A default or a choice, as YAML writes it."""
    return f"`{value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)}`".replace("\n", " ")


def facts(spec: dict[str, Any]) -> str:
    """Type, whether it is required, choices and default of an option."""
    kind = spec.get("type", "str") + (f" of {spec['elements']}" if "elements" in spec else "")
    said = [kind, "required" if spec.get("required") else ""]
    said.append("one of " + ", ".join(code(one) for one in spec["choices"]) if spec.get("choices") else "")
    said.append("default " + code(spec["default"]) if spec.get("default") is not None else "")
    return "; ".join(one for one in said if one)


def roles() -> dict[str, Any]:
    names = sorted(path.name for path in (ROOT / "roles").iterdir() if path.is_dir())
    found = asked("role", names, "--roles-path", "roles")
    for role in found.values():
        entries = role["entry_points"]
        shown: dict[str, str] = {}
        for name in sorted(entries, key=lambda one: (one != "main", one)):
            options = json.dumps(entries[name].get("options", {}), sort_keys=True)
            entries[name]["same_as"] = shown.get(options, "") if entries[name].get("options") else ""
            shown.setdefault(options, name)
    return found


def modules() -> dict[str, Any]:
    return asked("module", sorted(path.stem for path in (ROOT / "library").glob("*.py")), "--module-path", "library")


def included(node: Any) -> Iterator[str]:
    """The roles of a playbook with their entry points, in their order."""
    if isinstance(node, list):
        for one in node:
            yield from included(one)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key.endswith((".include_role", ".import_role")):
                yield f"{value['name']}: {value.get('tasks_from', 'main')}"
            elif key == "roles":
                yield from (f"{one['role'] if isinstance(one, dict) else one}: main" for one in value)
            else:
                yield from included(value)


def head(text: str) -> list[str]:
    """The comment at the head of a playbook."""
    lines = text.removeprefix("---\n").splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    return [line.removeprefix("#").removeprefix(" ") for line in lines[:end]]


def playbooks(specified: dict[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for role in specified.values():
        for entry in role["entry_points"].values():
            options |= entry.get("options", {})
    found: dict[str, Any] = {}
    for path in sorted((ROOT / "playbooks").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        plays = yaml.safe_load(text)
        said = head(text)
        given = dict.fromkeys(re.findall(r"""-e ["']?([a-z_]+)=""", "\n".join(said)))
        found[path.stem] = {
            "says": " ".join(line for line in said if not line.startswith(" ")),
            "commands": [line[2:] for line in said if line.startswith("  ")],
            "variables": {name: options[name] for name in given if name in options},
            "hosts": list(dict.fromkeys(play["hosts"] for play in plays if "hosts" in play)),
            "roles": list(dict.fromkeys(included(plays))),
        }
    return found


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, trim_blocks=True, lstrip_blocks=True, autoescape=False)  # noqa: S701 - no page
    environment.filters |= {"markdown": markdown, "facts": facts}
    specified = roles()
    for name, found in (("roles", specified), ("modules", modules()), ("playbooks", playbooks(specified))):
        text = environment.get_template(f"{name}.md.j2").render(found=found)
        (folder / f"{name}.md").write_text(re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "reference")
