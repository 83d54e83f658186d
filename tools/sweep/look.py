"""All that a run may leave behind on hosts and controller, a line each: what prints the same twice is one state."""

from collections.abc import Iterable
from pathlib import Path
from shlex import quote

from machines import ROOT, SSH, known_hosts

# A file that was replaced has another inode. Of a folder counts what is in it.
EACH = r"\( -type d -printf '%p %m %U:%G\n' -o -printf '%p %y %m %U:%G %s %T@ %i %l\n' \)"
# Left out is what changes without a run: logs and measurements (those that a service keeps in its own /tmp as well), answers on
# their way through nginx, what Ansible's and sudo's own work leaves, the signs of life of the lock, and the files of databases,
# which are asked instead.
HOST = rf"""
cd /
find / /run /tmp /mnt/backup -xdev \( -path /var/log -o -path /var/lib/prometheus -o -path /var/lib/postgresql \
  -o -path /var/lib/redis -o -path /var/lib/nginx -o -path '*/.ansible/tmp' -o -path '/var/lib/tickbox/*/lock.json' \
  -o -path '*/systemd-private-*' -o -path /run/sudo -o -path /run/systemd -o -path /run/user -o -path /run/utmp \) -prune \
  -o {EACH} 2>/dev/null || true
sha256sum /var/lib/tickbox/*/lock.json 2>/dev/null || true
systemctl show '*.service' '*.timer' '*.socket' '*.path' '*.mount' \
  --property=Id,ActiveState,SubState,UnitFileState,StateChangeTimestampMonotonic \
  | awk -v RS= '{{$1 = $1; print}}' | grep -v '^Id=\(user\|session\|run-user\)'
runuser -u postgres -- psql -XAtc 'TABLE pg_database'
runuser -u postgres -- pg_dumpall | grep -v '^\\\(un\)\?restrict ' | sha256sum
nft --stateless list ruleset
for process in $(grep -lzs '^TICKBOX_RUN=.' /proc/[0-9]*/environ); do
  echo "$process $(tr '\0' ' ' < "${{process%environ}}cmdline")"
done
"""
# Of the run's own record counts that it is there: it gets a line with each look, and no other run reads it.
CONTROLLER = f"""
find {quote(str(ROOT))}/.tickbox {quote(str(ROOT))}/reports \\
  \\( -path '*/reports/sweep' -o -path '*/reports/sweep.*' -o -name results.jsonl \\) -prune -o {EACH} 2>/dev/null || true
"""


def look(addresses: Iterable[str], sockets: Path) -> str:
    """A shell command of the controller. ``sockets``: a folder for those of SSH."""
    options = f"-i {SSH}/id_ed25519 -o BatchMode=yes -o ControlMaster=auto -o ControlPersist=60 -o ControlPath={sockets}/look-%C"
    return CONTROLLER + "\n".join(
        f"ssh {options} -o UserKnownHostsFile={known_hosts(address)} ansible@{address} {quote(f'sudo bash -ec {quote(HOST)}')}"
        for address in addresses
    )
