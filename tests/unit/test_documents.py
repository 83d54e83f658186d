"""Documents against what they describe: what is complete, and what is refused."""

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.assertion import CouldNotLook
from ansible.module_utils.tickbox.commands import Project, command_problems, commands, joined
from ansible.module_utils.tickbox.documents import Controls, Tree, serves, uncommented
from ansible.module_utils.tickbox.elsewhere import alerts_of
from ansible.module_utils.tickbox.markdown import Document, slug
from hypothesis import given, settings
from hypothesis import strategies as st
from web import Reply, serving

Run = Callable[..., dict[str, Any]]

SYSTEM = """# System

The web process and its worker; see [how it is deployed](deployment.md#commands).

| unit | runs |
|---|---|
| `shop-web@<release>.service` | the web process |
| `shop-worker@<release>.service` | the worker |

It listens on 443/tcp. `DATABASE_URL` says where its rows are.
"""
API = """# API

| operation | what |
|---|---|
| `GET /api/orders` | all orders |
| `POST /api/orders` | a new one |
| `GET /docs/{name}` | a document |
"""
USER = """# Guide

Fill in the form and press **Buy**. **Cancel** goes back.
"""
DEPLOYMENT = """# Deployment

## Commands

```sh
ansible-playbook deploy.yml -e app_version=v1
npm run build --prefix frontend
python -m shop.worker   # the worker
gunicorn shop.main:app --workers 2
pip-tool requirements.lock && ./bin/check
```

| phase | role | what |
|---|---|---|
| 1 preflight | `preflight` | looks |
| 7 go-live | `go_live` | opens |
"""
MAINTENANCE = """# Maintenance

## TargetDown

**Look:** ask systemctl what has stopped, and start it.

## DiskFilling

**Look:** which files have grown, and since when.
"""
FILES = {
    "docs/system.md": SYSTEM,
    "docs/api.md": API,
    "docs/user.md": USER,
    "docs/deployment.md": DEPLOYMENT,
    "docs/maintenance.md": MAINTENANCE,
    "shop/main.py": "",
    "shop/worker.py": "",
    "bin/check": "",
    "requirements.lock": "gunicorn==1.0 \\\n    --hash=sha256:00\npip-tool==2.0\n",
    "frontend/package.json": '{"scripts": {"build": "vite build"}}',
    "frontend/src/page.ts": 'button("Buy"); // button("Gone")\nbutton("Cancel");',
    "frontend/dist/page.js": 'x("Buy"),x("Cancel"),x("Gone")',
}
OPERATIONS = {"GET /api/orders": "All orders", "POST /api/orders": "A new order", "GET /docs/{name}": "A document"}
PAGE = '<h2 id="targetdown">TargetDown</h2><h2 id="diskfilling">DiskFilling</h2>'
ITEMS = ["system", "api", "user_guide", "deployment_guide", "maintenance_guide"]


def interface(operations: Mapping[str, str] = OPERATIONS, routes: list[str] | None = None) -> str:
    paths: dict[str, Any] = {}
    for name, description in operations.items():
        method, _, path = name.partition(" ")
        parameters = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}] if "{" in path else []
        found = {"description": description, "parameters": parameters, "responses": {"200": {"description": "Well"}}}
        paths.setdefault(path, {})[method.lower()] = found
    document = {"openapi": "3.1.0", "info": {"title": "Shop", "version": "1"}, "paths": paths}
    return json.dumps({"openapi": document, "routes": [*OPERATIONS, "MOUNT /assets"] if routes is None else routes})


def packed(folder: Path, files: Mapping[str, str | bytes]) -> dict[str, str]:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    path = folder / "artefact.tar.gz"
    path.write_bytes(content.getvalue())
    return {"archive": str(path), "sha256": sha256(content.getvalue()).hexdigest()}


def project(folder: Path) -> str:
    root = folder / "deployment"
    for name in ("preflight", "go_live"):
        (root / "roles" / name).mkdir(parents=True, exist_ok=True)
    (root / "deploy.yml").touch()
    return str(root)


def rules(alerts: list[tuple[str, str | None]]) -> str:
    found = [{"type": "alerting", "name": name, "annotations": {"runbook_url": url} if url else {}} for name, url in alerts]
    return json.dumps({"data": {"groups": [{"rules": [*found, {"type": "recording", "name": "a:b"}]}]}})


def alerts(base: str = "https://shop.example.com/docs/maintenance") -> list[tuple[str, str | None]]:
    return [("TargetDown", f"{base}#targetdown"), ("DiskFilling", f"{base}#diskfilling")]


def check(
    run_module: Run, folder: Path, item: str, files: Mapping[str, str | bytes | None] | None = None, reply: Any = None, **given: Any
) -> dict[str, Any]:
    tree = {name: text for name, text in (FILES | dict(files or {})).items() if text is not None}

    def respond(method: str, path: str, headers: Mapping[str, str]) -> Reply:
        return reply or (200, {}, rules(alerts()))

    with serving(respond) as port:
        arguments: dict[str, Any] = {
            "items": [f"pre.docs.{item}"],
            **packed(folder, tree),
            "documents": {
                "system": "docs/system.md",
                "api": "docs/api.md",
                "user_guide": "docs/user.md",
                "deployment_guide": "docs/deployment.md",
                "maintenance_guide": "docs/maintenance.md",
            },
            "url": "https://shop.example.com",
            "application": "shop",
            "units": ["shop-web@.service", "shop-worker@.service"],
            "ports": [443],
            "settings": ["DATABASE_URL"],
            "interface": interface(),
            "besides": ["MOUNT /assets"],
            "controls": {"sources": ["frontend/src/*"], "pattern": r'button\("([^"]+)"', "built": ["frontend/dist/*"]},
            "project": project(folder),
            "phases": ["preflight", "go live"],
            "prometheus_url": f"http://127.0.0.1:{port}",
            "runbook_path": "/docs/maintenance",
            "runbook_page": PAGE,
            "report_only": True,
        }
        result = run_module("check_documents", **{**arguments, **given})
    assertion: dict[str, Any] = result["assertions"][0]
    assert assertion["item"] == f"pre.docs.{item}"
    assert "\n" not in assertion["summary"]
    return assertion


@pytest.mark.parametrize("item", ITEMS)
def test_complete_documents_pass(run_module: Run, tmp_path: Path, item: str) -> None:
    seen = check(run_module, tmp_path, item)
    assert seen["status"] == "passed", seen["summary"]


@pytest.mark.parametrize(
    ("item", "path", "before", "after", "says"),
    [
        (
            "system",
            "docs/system.md",
            "`shop-worker@<release>.service`",
            "the worker",
            "does not name the unit shop-worker@.service",
        ),
        ("system", "docs/system.md", "shop-worker@<release>.service", "shop-works@<release>.service", "shop-works@.service, which"),
        ("system", "docs/system.md", "443/tcp", "HTTPS", "does not name the port 443"),
        ("system", "docs/system.md", "443/tcp", "1443/tcp", "does not name the port 443"),
        ("system", "docs/system.md", "`DATABASE_URL`", "It", "does not name the setting DATABASE_URL"),
        ("system", "docs/system.md", "the worker |", "TODO |", "placeholder TODO"),
        ("system", "docs/system.md", "the worker |", "to be written |", "placeholder 'to be written'"),
        ("system", "docs/system.md", "# System", "# System\n\n## Backup\n\n## Parts", "nothing stands below 'Backup'"),
        ("system", "docs/system.md", "The web", "<!-- todo: more -->The web", "placeholder"),
        ("system", "docs/system.md", "deployment.md#commands", "deploy.md", "dead link deploy.md (there is no docs/deploy.md)"),
        ("system", "docs/system.md", "#commands", "#steps", "docs/deployment.md has no #steps"),
        ("system", "docs/system.md", "deployment.md#commands", "../../secret", "leads out of the source"),
        ("system", "docs/system.md", "deployment.md#commands", "/nowhere", "no route GET /nowhere"),
        ("system", "docs/system.md", "deployment.md#commands", "https://shop.example.com/nowhere", "no route GET /nowhere"),
        ("system", "docs/system.md", "deployment.md#commands", "", "dead link (empty)"),
        ("system", "docs/system.md", "deployment.md#commands", "ftp://x/y", "are not followed"),
        ("system", "docs/system.md", "](deployment.md#commands)", "][nowhere]", "broken link"),
        ("system", "docs/system.md", "](deployment.md#commands)", "](a file.md)", "broken link"),
        ("api", "docs/api.md", "| `POST /api/orders` | a new one |\n", "", "does not describe POST /api/orders"),
        ("api", "docs/api.md", "POST /api/orders", "PUT /api/orders", "describes PUT /api/orders, which does not exist"),
        ("user_guide", "docs/user.md", "**Buy**", "**Order**", "the control 'Order', which no page has"),
        ("user_guide", "docs/user.md", "**Cancel** goes", "It goes", "does not name the control 'Cancel'"),
        ("user_guide", "docs/user.md", "**Cancel**", "**Cancel** or **Gone**", "the control 'Gone', which no page has"),
        ("user_guide", "frontend/src/page.ts", 'button("Buy")', 'button("Order")', "the control 'Buy', which no page has"),
        ("user_guide", "frontend/src/page.ts", 'button("Cancel");', '/* button("Cancel"); */', "the control 'Cancel', which"),
        ("user_guide", "frontend/dist/page.js", 'x("Cancel")', "", "the control 'Cancel', which no page has"),
        ("user_guide", "docs/user.md", "**Buy**", "**Buy** TBD", "placeholder TBD"),
        ("deployment_guide", "docs/deployment.md", "`go_live`", "the last", "does not name the role go_live"),
        ("deployment_guide", "docs/deployment.md", "7 go-live", "7 opening", "does not describe the phase go live"),
        ("deployment_guide", "docs/deployment.md", "deploy.yml", "release.yml", "the project has no release.yml"),
        ("deployment_guide", "docs/deployment.md", "run build", "run bundle", "has no script bundle"),
        ("deployment_guide", "docs/deployment.md", "shop.worker ", "shop.cleaner ", "the project has no module shop.cleaner"),
        ("deployment_guide", "docs/deployment.md", "shop.main:app", "shop.app:app", "the project has no module shop.app"),
        ("deployment_guide", "docs/deployment.md", "./bin/check", "./bin/test", "the project has no ./bin/test"),
        ("deployment_guide", "docs/deployment.md", "pip-tool ", "pip-sync ", "'pip-sync' is no program of the project"),
        ("deployment_guide", "docs/deployment.md", "./bin/check", "make deploy", "make has no target deploy"),
        ("deployment_guide", "docs/deployment.md", "./bin/check", "echo 'x", "a quote is left open"),
        ("deployment_guide", "docs/deployment.md", "looks |", "looks, as `ansible-playbook gone.yml` does |", "no gone.yml"),
        ("maintenance_guide", "docs/maintenance.md", "## DiskFilling", "## DiskFull", "no runbook for the alert DiskFilling"),
        (
            "maintenance_guide",
            "docs/maintenance.md",
            "which files have grown, and since when.",
            "df",
            "says nothing below DiskFilling",
        ),
    ],
)
def test_what_is_not_so_is_refused(
    run_module: Run, tmp_path: Path, item: str, path: str, before: str, after: str, says: str
) -> None:
    assert before in FILES[path]
    seen = check(run_module, tmp_path, item, {path: FILES[path].replace(before, after)})
    assert seen["status"] == "failed"
    assert says in seen["summary"]


@pytest.mark.parametrize("item", ITEMS)
@pytest.mark.parametrize("text", [None, "", "# Only a heading\n", "<!-- nothing -->\n"])
def test_a_document_that_is_none_is_refused(run_module: Run, tmp_path: Path, item: str, text: str | None) -> None:
    path = {"user_guide": "user", "deployment_guide": "deployment", "maintenance_guide": "maintenance"}.get(item, item)
    assert check(run_module, tmp_path, item, {f"docs/{path}.md": text})["status"] == "failed"


def test_hidden_text_describes_nothing(run_module: Run, tmp_path: Path) -> None:
    hidden = SYSTEM.replace("| `shop-worker@<release>.service` | the worker |", "") + "\n<!-- `shop-worker@<release>.service` -->\n"
    assert "does not name the unit" in check(run_module, tmp_path, "system", {"docs/system.md": hidden})["summary"]


@pytest.mark.parametrize(
    ("given_interface", "status", "says"),
    [
        (interface(routes=[*OPERATIONS, "MOUNT /assets", "GET /hidden"]), "failed", "the OpenAPI document lacks GET /hidden"),
        (interface(routes=[*OPERATIONS]), "failed", "MOUNT /assets, named as a route besides the API, does not exist"),
        (interface(routes=["GET /api/orders", "MOUNT /assets"]), "failed", "has POST /api/orders, which is no route"),
        (interface({**OPERATIONS, "GET /api/orders": " "}), "failed", "does not say what GET /api/orders does"),
        (interface().replace('"info"', '"information"'), "failed", "not valid"),
        (interface().replace('"3.1.0"', '"2.0"'), "unverifiable", "its version is '2.0'"),
        (interface().replace('"paths"', '"ways"'), "unverifiable", "has no paths"),
        ("Traceback", "unverifiable", "does not say its routes"),
        ("[]", "unverifiable", "does not say its routes"),
        ("", "unverifiable", "does not say its routes"),
    ],
)
def test_an_api_that_is_described_otherwise(run_module: Run, tmp_path: Path, given_interface: str, status: str, says: str) -> None:
    seen = check(run_module, tmp_path, "api", interface=given_interface)
    assert (seen["status"], says in seen["summary"]) == (status, True), seen["summary"]


BASE = "https://shop.example.com/docs/maintenance"


@pytest.mark.parametrize(
    ("found", "status", "says"),
    [
        ([*alerts(), ("New", f"{BASE}#new")], "failed", "no runbook for the alert New"),
        ([("TargetDown", None)], "failed", "the alert TargetDown has no runbook_url"),
        ([("TargetDown", BASE)], "failed", "leads to #, which the page has not"),
        ([("TargetDown", f"{BASE}#gone")], "failed", "leads to #gone, which the page has not"),
        ([("TargetDown", f"{BASE}#diskfilling")], "failed", "which is not its section"),
        ([("TargetDown", "https://old.example.com/x#targetdown")], "failed", "leads to https://old.example.com/x"),
        ([], "failed", "the monitoring has loaded no alert"),
    ],
)
def test_alerts_that_lead_elsewhere(run_module: Run, tmp_path: Path, found: list[Any], status: str, says: str) -> None:
    seen = check(run_module, tmp_path, "maintenance_guide", reply=(200, {}, rules(found)))
    assert (seen["status"], says in seen["summary"]) == (status, True), seen["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"reply": (401, {}, "")}, "status 401"),
        ({"reply": (200, {}, "<html>")}, "does not answer with JSON"),
        ({"reply": (200, {}, '{"data": {"groups": [7]}}')}, "not of the form"),
        ({"prometheus_url": "http://127.0.0.1:9"}, "could not be asked"),
        ({"prometheus_url": "", "runbook_page": ""}, "not given: prometheus_url, runbook_page"),
        ({"documents": {}}, "no path is given"),
        ({"ca_path": "/absent.pem"}, "could not be asked"),
    ],
)
def test_alerts_that_cannot_be_seen_are_unverifiable(run_module: Run, tmp_path: Path, arguments: dict[str, Any], says: str) -> None:
    seen = check(run_module, tmp_path, "maintenance_guide", **arguments)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


def test_a_page_without_the_section_is_refused(run_module: Run, tmp_path: Path) -> None:
    seen = check(run_module, tmp_path, "maintenance_guide", runbook_page='<h2 id="targetdown">')
    assert "leads to #diskfilling, which the page has not" in seen["summary"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"sha256": "0" * 64}, "is not what was built"),
        ({"archive": "/absent.tar.gz"}, "could not look"),
        ({"archive": __file__, "sha256": sha256(Path(__file__).read_bytes()).hexdigest()}, "cannot be read"),
        ({"repository": "/absent", "commit": "abc"}, "ls-tree"),
        ({"files": {"docs/system.md": b"# System\n\n\xff\xfe"}}, "is not UTF-8"),
        ({"interface": None, "files": {"docs/system.md": f"{SYSTEM}\n[home](/)\n"}}, "are not known"),
    ],
)
def test_a_release_that_cannot_be_read_is_unverifiable(
    run_module: Run, tmp_path: Path, arguments: dict[str, Any], says: str
) -> None:
    seen = check(run_module, tmp_path, "system", **arguments)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


@pytest.mark.parametrize(
    ("controls", "says"),
    [
        ({"sources": ["*"], "pattern": "(", "built": ["*"]}, "no regular expression"),
        ({"sources": ["*"], "pattern": "x", "built": ["*"]}, "no group"),
        ({"sources": ["absent/*"], "pattern": "(x)", "built": ["*"]}, "no file of the build fits absent/*"),
        ({"pattern": "(x)"}, "sources, built not given"),
        (None, "not given"),
    ],
)
def test_controls_that_cannot_be_found_are_unverifiable(run_module: Run, tmp_path: Path, controls: Any, says: str) -> None:
    seen = check(run_module, tmp_path, "user_guide", controls=controls)
    assert (seen["status"], says in seen["summary"]) == ("unverifiable", True), seen["summary"]


@pytest.mark.parametrize(
    ("reply", "status", "says"),
    [
        ((200, {}, "a page"), "passed", "links resolve"),
        ((404, {}, ""), "failed", "(status 404)"),
        ((400, {}, ""), "failed", "(status 400)"),
        ((503, {}, ""), "unverifiable", "answers with status 503"),
        ((403, {}, ""), "unverifiable", "answers with status 403"),
        ((200, {"Content-Type": "text/html"}, "<p id=here>"), "failed", "no #there"),
        ((200, {"Content-Type": "text/html"}, "<p id=there>"), "passed", "links resolve"),
    ],
)
def test_links_to_other_sites_are_asked(run_module: Run, tmp_path: Path, reply: Reply, status: str, says: str) -> None:
    with serving(lambda method, path, headers: reply) as port:
        seen = check(run_module, tmp_path, "system", {"docs/system.md": f"{SYSTEM}\nSee http://127.0.0.1:{port}/x#there.\n"})
    assert (seen["status"], says in seen["summary"]) == (status, True), seen["summary"]


def test_a_site_that_does_not_answer_is_no_dead_link(run_module: Run, tmp_path: Path) -> None:
    seen = check(run_module, tmp_path, "system", {"docs/system.md": f"{SYSTEM}\n<http://127.0.0.1:9/>\n"})
    assert (seen["status"], "could not be asked" in seen["summary"]) == ("unverifiable", True)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("uv pip sync --python /tmp/venv --require-hashes requirements.lock", []),
        ("sudo DEBUG=1 /opt/venv/bin/gunicorn shop.main:app", []),
        ("npm ci --prefix=frontend", []),
        ("python manage.py migrate", ["the project has no manage.py"]),
        ("python -m venv /tmp/x", []),
        ("npm publish --prefix frontend", ["npm publish is none of the project's"]),
        ("npm test", ["the project has no package.json"]),
        ("ansible-playbook -i inventory/x", ["the project has no inventory/x", "ansible-playbook is called without a playbook"]),
        ("curl https://x/y.yml > out.yml", []),
        ("# a comment", []),
    ],
)
def test_what_commands_call(line: str, says: list[str]) -> None:
    texts = {name: text for name, text in FILES.items() if name.endswith(("package.json", ".lock"))}
    project = Project(Tree(dict.fromkeys(FILES, b"")).names, texts, ["deploy.yml"], ["uv", "curl", "ansible-playbook"])
    assert [problem for words in commands(line) for problem in command_problems(words, project)] == says


def test_lines_that_go_on() -> None:
    assert joined([(1, "a \\"), (2, "  b"), (3, "c")]) == [(1, "a  b"), (3, "c")]


def test_anchors_of_headings_that_stand_twice() -> None:
    document = Document("x.md", '# A b, c!\n\n# A b, c!\n\n<a id="own"></a>\n')
    assert document.anchors == {"a-b-c", "a-b-c-1", "own"}
    assert slug("The `code` — here") == "the-code--here"


def test_routes_with_values() -> None:
    assert serves({"GET /docs/{name}", "POST /x"}, "/docs/system")
    assert not serves({"GET /docs/{name}", "POST /x"}, "/docs/a/b")
    assert not serves({"GET /docs/{name}", "POST /x"}, "/x")


def test_comments_are_left_out_and_addresses_are_not() -> None:
    assert uncommented('a("https://x/y") // gone\n<!-- gone --> b /* gone */') == 'a("https://x/y") \n b '


@settings(max_examples=60)
@given(st.text(st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_document_or_none(text: str) -> None:
    document = Document("x.md", text)
    assert isinstance(document.problems(), list)
    assert isinstance(document.anchors, set)


@settings(max_examples=60)
@given(st.text(max_size=80))
def test_any_line_is_read_or_refused(line: str) -> None:
    project = Project(set(), {"package.json": line, "requirements.lock": line, "Makefile": line}, set(), set())
    try:
        found = list(commands(line))
    except ValueError as error:
        assert "quotation" in str(error) or "escaped" in str(error)
    else:
        assert all(isinstance(problem, str) for words in found for problem in command_problems(words, project))


@settings(max_examples=60)
@given(
    st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_any_answer_about_alerts_is_read_or_refused(answer: Any) -> None:
    with pytest.raises(CouldNotLook):
        alerts_of(answer)


def test_controls_of_an_unreadable_page_are_not_guessed() -> None:
    tree = Tree({"src/a.ts": b'button("\xff")', "dist/a.js": b"x"})
    assert Controls(["src/*"], r'button\("([^"]+)"', ["dist/*"]).find(tree) == set()
