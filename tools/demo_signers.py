"""Makes the demo's signers, one key for each role, and lets them sign what the demo's deployments ask for.

usage: tools/demo_signers.py <bare repository> <folder of the signers> <folder of the records> <application> <environment>

Nobody is behind these keys, and each record says so: they show how signatures are given and checked. A record that is there and
young is left as it is.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import ansible.module_utils

ansible.module_utils.__path__.append(str(Path(__file__).resolve().parent.parent / "plugins" / "module_utils"))

from ansible.module_utils.tickbox.attestation import place, times, write_record  # noqa: E402

ROLES = ("project_manager", "lead_developer", "qa_lead", "devops_engineer", "security_officer")
TOLD = "Signed by the demo's own key for its {role}. Nobody has looked: it shows how an attestation is given and checked."
QUERY = "label:critical state:open"
# item: role, days that it holds, and what more stands in the record
SIGNED: dict[str, tuple[str, float, dict[str, str]]] = {
    "pre.security.audit": ("security_officer", 90, {}),
    "pre.quality.no_critical_bugs": ("qa_lead", 7, {"query": QUERY}),
}
YOUNG = timedelta(hours=12)


def principal(role: str) -> str:
    return f"{role}@examples.test"


def make_keys(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lines = []
    for role in ROLES:
        key = folder / role
        if not key.exists():
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", f"demo signer: {role}", "-f", str(key)]
            subprocess.run(command, check=True)
        kind, public, *_ = key.with_suffix(".pub").read_text().split()
        lines.append(f'{principal(role)} namespaces="tickbox/*" {kind} {public}\n')
    draft = folder / "attestors.new"
    draft.write_text("# Signers of a demo: made by tools/demo_signers.py, nobody is behind them.\n" + "".join(lines))
    draft.chmod(0o600)
    draft.rename(folder / "attestors")


def versions(repository: Path) -> list[str]:
    """The commits of the repository's versions."""
    command = ["git", f"--git-dir={repository}", "for-each-ref", "--format=%(*objectname)%(objectname)", "refs/tags"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    listed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()
    return [line[:40] for line in listed]


def is_young(file: Path) -> bool:
    try:
        issued = datetime.fromisoformat(json.loads(file.read_text())["issued"])
    except (OSError, ValueError, KeyError):
        return False
    return file.with_name(f"{file.name}.sig").exists() and datetime.now(UTC) - issued < YOUNG


def main(repository: Path, signers: Path, records: Path, application: str, environment: str) -> None:
    make_keys(signers)
    for commit in versions(repository):
        for item, (role, days, more) in SIGNED.items():
            file = place(records, commit, item)
            if is_young(file):
                continue
            record = {"item": item, "application": application, "environment": environment, "commit": commit, "findings": []}
            said = {"statement": TOLD.format(role=role.replace("_", " ")), "nonce": secrets.token_hex(16)}
            write_record(file, {**record, **said, **times(days), **more}, signers / role)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4], sys.argv[5])
