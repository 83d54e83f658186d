"""Makes the secrets that an inventory's vault.yml lacks, and leaves those that it has.

usage: tools/make_secrets.py inventory/demo/group_vars/all/vault.yml
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import yaml
from ansible.constants import DEFAULT_VAULT_ID_MATCH
from ansible.parsing.vault import VaultLib, VaultSecret

NAMES = (
    "vault_postgresql_owner_password",
    "vault_postgresql_app_password",
    "vault_redis_app_password",
    "vault_redis_monitor_password",
    "vault_redis_admin_password",
    "vault_app_secret_key",
    "vault_app_admin_password",
    "vault_maintenance_bypass_token",
    "vault_restic_password",
    "vault_dashboard_password",
    "vault_alertmanager_webhook_token",
    "vault_notices_password",
)
PASSWORD_FILE = Path(__file__).parent.parent / ".tickbox" / "vault-password"


def write_private(path: Path, data: bytes) -> None:
    """Replace ``path`` in one step by a file that only its owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
    draft.rename(path)


def main(vault_file: Path) -> None:
    if not PASSWORD_FILE.exists():
        write_private(PASSWORD_FILE, f"{secrets.token_urlsafe(32)}\n".encode())
    vault = VaultLib([(DEFAULT_VAULT_ID_MATCH, VaultSecret(PASSWORD_FILE.read_bytes().strip()))])
    values = yaml.safe_load(vault.decrypt(vault_file.read_bytes())) if vault_file.exists() else {}
    missing = [name for name in NAMES if name not in values]
    if missing:
        values |= {name: secrets.token_hex(24) for name in missing}
        write_private(vault_file, vault.encrypt(yaml.safe_dump(values)))
        print(f"{vault_file}: made {', '.join(missing)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
