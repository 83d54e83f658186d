# Copyright: the Tickbox authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The way back from the release that serves to an earlier one, from the manifests of the releases on a host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

VERIFIED = "verified"


class NoWayBack(Exception):
    """There is no release to go back to; the message says why and what can be done."""


def way_back(current: str, releases: Mapping[str, Mapping[str, Any]], target: str | None = None) -> dict[str, Any]:
    """The release to go back to and the restore point of the schema that it had.

    ``target``: a release id or a version; by default the verified release that served before ``current``.
    Returns ``{target, restore_point, migrations, run}``. migrations: the heads of the releases that are taken back, those that the
    target does not have. run: the first that migrated since, empty where none has. restore_point: that run's, empty where it made
    none.
    """
    if not current:
        raise NoWayBack("no release serves: there is nothing to go back from")
    restore_point, run, heads = "", "", set()
    passed = {current}
    step = current
    while True:
        manifest = releases.get(step)
        if manifest is None:
            raise NoWayBack(f"the way back is cut: release {step} is not on this host any more")
        earlier = str(manifest.get("from_release") or "")
        if not earlier or earlier in passed:
            wanted = f" to {target}" if target else ""
            raise NoWayBack(f"no way leads back{wanted} from {current}: {step} was deployed when no other release served")
        heads |= _heads(manifest)
        made = str(manifest.get("restore_point") or "")
        # A rolling release migrates without one: what later releases made holds its schema, not the target's.
        if made or _heads(manifest) != _heads(releases.get(earlier, manifest)):
            restore_point, run = made, str(manifest.get("run_id") or "")
        if _is(earlier, releases.get(earlier, {}), target):
            break
        passed.add(earlier)
        step = earlier
    found = releases.get(earlier)
    if found is None:
        raise NoWayBack(f"release {earlier} is not on this host any more")
    if found.get("state") != VERIFIED:
        raise NoWayBack(f"release {earlier} was never verified (it is {found.get('state')}): it is no target")
    return {"target": earlier, "restore_point": restore_point, "migrations": sorted(heads - _heads(found)), "run": run}


def _heads(manifest: Mapping[str, Any]) -> set[str]:
    return set(manifest.get("migration_head") or [])


def _is(release_id: str, manifest: Mapping[str, Any], target: str | None) -> bool:
    return target is None or target in (release_id, manifest.get("version"))
