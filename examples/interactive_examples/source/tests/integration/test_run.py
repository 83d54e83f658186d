"""Hostile and harmless programs, through the API."""

import pytest

from interactive_examples import sandbox


def run(client, code, language="python"):
    answer = client.post("/api/run", json={"language": language, "code": code})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_output_errors_and_exit_code(client):
    outcome = run(client, "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)")
    assert outcome == {"stdout": "out\n", "stderr": "err\n", "exit_code": 3, "timed_out": False, "truncated": False}


def test_javascript(client):
    assert run(client, "console.log(6 * 7); await null;", "javascript")["stdout"] == "42\n"


def test_endless_loop_is_stopped(client):
    outcome = run(client, "print('begun')\nwhile True: pass")
    assert outcome["timed_out"]
    assert outcome["stdout"] == "begun\n"
    assert outcome["exit_code"] == 137


def test_endless_output_is_cut(client):
    outcome = run(client, "while True: print('x' * 1000)")
    assert outcome["truncated"]
    assert len(outcome["stdout"]) == sandbox.OUTPUT_BYTES


def test_a_program_that_closes_its_outputs_is_stopped(client):
    assert run(client, "import os, time\nos.close(1)\nos.close(2)\ntime.sleep(60)")["timed_out"]


def test_memory_of_one_process(client):
    assert "MemoryError" in run(client, "bytearray(10 ** 9)")["stderr"]


def test_memory_of_many_processes(client):
    code = "import os, time\nfor _ in range(9):\n    if not os.fork(): break\nx = bytearray(10 ** 8)\ntime.sleep(4)"
    outcome = run(client, code)
    assert "too much memory" in outcome["stderr"]
    assert outcome["exit_code"] == 137


def test_fork_bomb_is_refused(client):
    code = """
import os, time
count = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(4)
            os._exit(0)
        count += 1
except OSError as error:
    print(count, error.errno)
"""
    count, number = run(client, code)["stdout"].split()
    assert int(count) < sandbox.PROCESSES
    assert number == "11"


@pytest.mark.parametrize(
    "target", ["('1.1.1.1', 53)", "('127.0.0.1', 22)", "('127.0.0.1', 5432)", "('169.254.169.254', 80)"]
)
def test_no_network(client, target):
    outcome = run(client, f"import socket\nsocket.create_connection({target}, 2)")
    assert outcome["exit_code"] == 1
    assert "OSError" in outcome["stderr"] or "Refused" in outcome["stderr"]


def test_no_files_of_the_host(client):
    code = """
import os
for path in ("/etc/passwd", "/proc/self/environ", "/root", "/home", "/srv", "/var", "/run"):
    assert not os.path.exists(path), path
print(sorted(os.listdir("/")))
"""
    outcome = run(client, code)
    assert outcome["stderr"] == ""
    assert outcome["stdout"] == str(sorted(["bin", "dev", "lib", "lib64", "sandbox", "scratch", "tmp", "usr"])) + "\n"


def test_no_environment_of_the_service(client):
    names = run(client, "import os\nprint(sorted(os.environ))")["stdout"]
    assert names == str(["HOME", "LANG", "PATH", "PWD", "TMPDIR"]) + "\n"


@pytest.mark.parametrize("path", ["/usr/x", "/x", "/dev/x", "/dev/shm/x", "/sandbox/x", "/sandbox/main.py"])
def test_the_system_is_read_only(client, path):
    assert "Read-only file system" in run(client, f"open({path!r}, 'w')")["stderr"]


def test_tmp_is_private_and_small(client):
    assert run(client, "open('/tmp/x', 'w').write('kept')")["exit_code"] == 0
    assert "FileNotFoundError" in run(client, "open('/tmp/x')")["stderr"]
    code = "for name in 'ab':\n    with open('/tmp/' + name, 'wb') as file: file.write(b'x' * 9 * 2 ** 20)"
    assert "No space left" in run(client, code)["stderr"]


def test_a_symlink_leads_nowhere(client):
    code = "import os\nos.symlink('/etc/shadow', '/tmp/link')\nopen('/tmp/link')"
    assert "FileNotFoundError" in run(client, code)["stderr"]


def test_no_further_user_namespaces(client):
    code = "import ctypes\nprint(ctypes.CDLL(None).unshare(0x10000000))"
    assert run(client, code)["stdout"] == "-1\n"


def test_other_processes_are_not_seen(client):
    assert run(client, "import os\nprint(os.getpid() < 10)\nos.kill(-1, 0)")["stdout"] == "True\n"


def test_a_child_does_not_outlive_the_program(client):
    code = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nprint('parent')"
    outcome = run(client, code)
    assert outcome["stdout"] == "parent\n"


def test_a_broken_sandbox_is_not_the_programs_error(client, monkeypatch):
    monkeypatch.setattr(sandbox, "command", lambda *_: ["/usr/bin/bwrap", "--no-such-option"])
    answer = client.post("/api/run", json={"language": "python", "code": "print(1)"})
    assert answer.status_code == 503
    assert "bwrap" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"language": "python"}',
        b'{"language": "python", "code": "\\u0000"}',
        b'{"language": "python", "code": "\\ud800"}',
        b'{"language": "python", "code": "1", "\\ud800": 1}',
        b'{"language": "python", "code": 1e999}',
        b'{"language": "python", "code": ' + b"[" * 100_000,
        b'{"language": "python", "code": ' + b"9" * 10_000 + b"}",
    ],
)
def test_invalid_bodies(client, body):
    answer = client.post("/api/run", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["message"]


def test_oversize_bodies(client):
    def chunks():
        for _ in range(300):
            yield b"x" * 1024

    headers = {"Content-Type": "application/json"}
    assert client.post("/api/run", content=b"x" * 300_000, headers=headers).status_code == 413
    assert client.post("/api/run", content=chunks(), headers=headers).status_code == 413


def test_too_many_runs(make_user, monkeypatch):
    from interactive_examples import rate_limit

    monkeypatch.setitem(rate_limit.LIMITS, "run", 2)
    client = make_user("eager")
    answers = [client.post("/api/run", json={"language": "python", "code": "1"}) for _ in range(6)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["retry-after"]) > 0
    assert "Try again" in answers[-1].json()["message"]
