"""The code of a release: digest, link and answer."""

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.tickbox.answers import Answer
from ansible.module_utils.tickbox.code import judge_code, look
from ansible.module_utils.tickbox.tree import tree_digest

COMMIT = "9fceb02d0ae598e95dc970b74767f19372d61af8"
ANSWER = b'{"version": "v2", "commit": "9fceb02d0ae598e95dc970b74767f19372d61af8", "release": "two"}'


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """Two releases, of which the second is current."""
    for name in ("one", "two"):
        (tmp_path / "releases" / name / "code" / "shop").mkdir(parents=True)
        (tmp_path / "releases" / name / "code" / "shop" / "main.py").write_text(f"name = '{name}'\n")
    (tmp_path / "current").symlink_to(tmp_path / "releases" / "two")
    return tmp_path / "releases" / "two"


def judge(release: Path, digest: str, *answers: Answer) -> Any:
    current = release.parent.parent / "current"
    return judge_code(
        look(release / "code", current),
        answers or [Answer(200, {}, ANSWER)] * 2,
        digest=digest,
        release=release,
        version="v2",
        commit=COMMIT,
        current=current,
    )


def test_the_artefact_passes(release: Path) -> None:
    digest = tree_digest(release / "code")
    (release / "code" / "shop" / "__pycache__").mkdir()
    (release / "code" / "shop" / "__pycache__" / "main.pyc").touch()
    assert judge(release, digest).status == "passed"


@pytest.mark.parametrize("name", ["main.py", "extra.py"])
def test_an_edited_or_added_file_is_refused_and_named(release: Path, name: str) -> None:
    digest = tree_digest(release / "code")
    (release / "code" / "shop" / name).write_text("name = 'edited'\n")
    seen = judge(release, digest)
    assert seen.status == "failed"
    assert f"changed last: shop/{name}" in seen.summary


@pytest.mark.parametrize("kind", ["other", "folder", "absent"])
def test_a_wrong_current_is_refused(release: Path, kind: str) -> None:
    current = release.parent.parent / "current"
    current.unlink()
    if kind == "other":
        current.symlink_to(release.parent / "one")
    elif kind == "folder":
        current.mkdir()
    seen = judge(release, tree_digest(release / "code"))
    assert seen.status == "failed"
    assert "current" in seen.summary


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Answer(200, {}, ANSWER.replace(b"v2", b"v1")), 'it.version is "v1", not "v2"'),
        (Answer(200, {}, ANSWER.replace(b"two", b"one")), "it.release"),
        (Answer(200, {}, b'{"version": "v2", "commit": "9fceb02", "release": "two"}'), "it.commit"),
        (Answer(200, {}, b'{"version": "v2"}'), "it.commit is missing"),
        (Answer(200, {}, b"v2"), "no JSON object"),
        (Answer(503, {}, ANSWER), "status 503"),
        (Answer(0, {}, b"refused"), "no answer"),
    ],
)
def test_another_answer_is_refused_even_from_one_worker(release: Path, answer: Answer, says: str) -> None:
    seen = judge(release, tree_digest(release / "code"), Answer(200, {}, ANSWER), answer)
    assert seen.status == "failed"
    assert says in seen.summary
