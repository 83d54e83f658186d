#!/usr/bin/python
# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Ansible module: Redis as a cache."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check_redis
short_description: Whether Redis is configured as a cache, live and in its file
description:
  - C(pre.environment.redis) is ticked when a memory limit and an evicting policy are live and stand in the file, no other setting
    and no user differs from the file, strangers are turned away, the process listens on O(addresses) alone, and its unit comes back
    at boot.
  - That a write past the limit evicts and does not fail is seen on a second server, started from the same program and file with
    a small limit, on a socket file of its own, and stopped at once. The cache itself is not filled. That it takes a write of
    O(user) now is seen by one that is queued and thrown away.
  - Runs as root on the server's host.
extends_documentation_fragment: [look]
options:
  file:
    description: The configuration file.
    type: path
    default: /etc/redis/redis.conf
  unit:
    description: The server's unit.
    type: str
    default: redis-server.service
  addresses:
    description: Where the server must listen, and nowhere else.
    type: list
    elements: str
    default: [127.0.0.1]
  port:
    description: Port.
    type: int
    default: 6379
  tls:
    description: Whether it speaks TLS there.
    type: bool
    default: false
  admin_user:
    description: User that may see the configuration.
    type: str
    default: admin
  admin_password:
    description: Its password.
    type: str
    required: true
  user:
    description: The application's user.
    type: str
    required: true
  password:
    description: Its password.
    type: str
    required: true
  prefix:
    description: What the application's keys begin with.
    type: str
    default: ""
  maxmemory:
    description: The limit wanted, as C(64M); any where empty.
    type: str
    default: ""
  policy:
    description: The policy wanted; any that evicts where empty.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
author: The Tickbox authors
"""

EXAMPLES = r"""
- name: Redis is configured for caching
  check_redis:
    admin_password: "{{ vault_redis_admin_password }}"
    user: shop
    password: "{{ vault_redis_app_password }}"
    prefix: "shop:"
    maxmemory: 512M
    policy: allkeys-lru
"""

RETURN = r"""
assertions:
  description: One, with item, status (passed, failed or unverifiable), summary, expected, observed, evidence, started and ended.
  returned: always
  type: list
  elements: dict
"""

import secrets
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.tickbox import cgroups, server, systemd
from ansible.module_utils.tickbox.assertion import CouldNotLook, Verdict, examine, exit_with
from ansible.module_utils.tickbox.redis_client import Redis, Refused, overfill, scratch
from ansible.module_utils.tickbox.redis_policy import Server, judge_redis, listening, read_users
from ansible.module_utils.tickbox.sizes import size

ITEM = "pre.environment.redis"
EXPIRE = 60  # seconds, for values that a policy evicts only if they expire


def context(tls: bool) -> ssl.SSLContext | None:
    """TLS without a look at the certificate, which is that of this very host: whether it is good is another item's."""
    if not tls:
        return None
    loose = ssl.create_default_context()
    loose.check_hostname = False
    loose.verify_mode = ssl.CERT_NONE
    return loose


def logged_in(redis: Redis, user: str, password: str) -> None:
    try:
        redis("AUTH", user, password)
    except Refused as error:
        raise CouldNotLook(f"Redis at {redis.name} does not let {user} in: {error}") from None


def settings_and_users(redis: Redis) -> tuple[dict[str, str], dict[str, str]]:
    return redis.table("CONFIG", "GET", "*"), read_users(redis("ACL", "LIST"))


def stranger(address: str, port: int, tls: bool) -> str:
    """What somebody without a password is answered."""
    with Redis(address, port, context(tls)) as redis:
        try:
            return str(redis("PING"))
        except Refused as error:
            return str(error)


def takes_a_write(params: dict[str, Any]) -> str:
    """Why the server does not take a write of the application now, asked by one that is thrown away; empty where it would."""
    with Redis(params["addresses"][0], params["port"], context(params["tls"])) as redis:
        try:
            redis("AUTH", params["user"], params["password"])
            redis("MULTI")
            redis("SET", f"{params['prefix']}tickbox:{secrets.token_hex(8)}", "x", "EX", EXPIRE)
            redis("DISCARD")
        except Refused as error:
            return str(error)
    return ""


def sockets(pid: str) -> set[str]:
    found = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                found.add(target[len("socket:[") : -1])
    return found


def look(params: dict[str, Any]) -> Server:
    unit = systemd.show([params["unit"]], ("UnitFileState", "MainPID"))[params["unit"]]
    with Redis(params["addresses"][0], params["port"], context(params["tls"])) as redis:
        logged_in(redis, params["admin_user"], params["admin_password"])
        live, live_users = settings_and_users(redis)
        info = redis.info()
    pid = info.get("process_id", "")
    if not pid.isdecimal() or pid != unit.get("MainPID"):
        raise CouldNotLook(f"the server at {params['addresses'][0]} is process {pid or 'unknown'}, not that of {params['unit']}")
    held = [int(part) for part in (info.get("db0", "") + ",").replace("=", ",").split(",") if part.isdecimal()]
    limits = cgroups.allowed(int(pid))
    memory = server.read_memory(Path("/proc/meminfo").read_text())
    tried: dict[str, Any] = {"filed": {}, "filed_users": {}, "evicted": 0, "refused": ""}
    try:
        with scratch(info.get("executable", ""), params["file"], "redis") as path, Redis(path) as apart:
            logged_in(apart, params["admin_user"], params["admin_password"])
            tried["filed"], tried["filed_users"] = settings_and_users(apart)
            volatile = tried["filed"].get("maxmemory-policy", "").startswith("volatile")
            tried["evicted"], tried["refused"] = overfill(apart, params["prefix"], EXPIRE if volatile else 0)
    except Refused as error:
        tried["stopped"] = str(error)
    return Server(
        live=live,
        live_users=live_users,
        file=info.get("config_file", ""),
        enabled=unit.get("UnitFileState", ""),
        listens=listening([Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")], sockets(pid)),
        open_to={address: stranger(address, params["port"], params["tls"]) for address in params["addresses"]},
        accepts=takes_a_write(params),
        memory=memory if limits.memory is None else min(memory, limits.memory),
        used=int(info.get("used_memory", "0")),
        keys=held[0] if held else 0,
        expiring=held[1] if len(held) > 1 else 0,
        version=info.get("redis_version", ""),
        **tried,
    )


def judge(params: dict[str, Any]) -> Verdict:
    try:
        seen = look(params)
    except Refused as error:
        raise CouldNotLook(f"Redis refuses to be looked at: {error}") from None
    maxmemory = size("maxmemory", params["maxmemory"]) if params["maxmemory"] else 0
    return judge_redis(seen, file=params["file"], policy=params["policy"], maxmemory=maxmemory, addresses=params["addresses"])


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "file": {"type": "path", "default": "/etc/redis/redis.conf"},
            "unit": {"type": "str", "default": "redis-server.service"},
            "addresses": {"type": "list", "elements": "str", "default": ["127.0.0.1"]},
            "port": {"type": "int", "default": 6379},
            "tls": {"type": "bool", "default": False},
            "admin_user": {"type": "str", "default": "admin"},
            "admin_password": {"type": "str", "required": True, "no_log": True},
            "user": {"type": "str", "required": True},
            "password": {"type": "str", "required": True, "no_log": True},
            "prefix": {"type": "str", "default": ""},
            "maxmemory": {"type": "str", "default": ""},
            "policy": {"type": "str", "default": ""},
            "report_only": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    if not module.params["addresses"]:
        module.fail_json(msg="addresses is empty: where is the server to listen?")
    exit_with(module, [examine(ITEM, lambda: judge(module.params))])


if __name__ == "__main__":
    main()
