"""What the size of the database costs: deployments with a migration, and the way back to their restore points."""

import subprocess
from collections.abc import Iterator
from functools import partial
from typing import Any

from machines import on_host

from tools.bench.client import Site
from tools.bench.contenders import Tickbox
from tools.bench.rounds import Run, measure
from tools.bench.versions import Versions, attest

SIZES = (0.1, 1.0, 4.0)  # GB
# Rows of 1 kB that cannot be compressed away, until the database has the size.
FILL = """
INSERT INTO saved_results (user_id, example_id, code, stdout, stderr, exit_code)
SELECT (SELECT min(id) FROM users), (SELECT min(id) FROM examples),
       (SELECT string_agg(md5(row || '.' || part), '') FROM generate_series(1, 32) part), '', '', 0
FROM generate_series(1, greatest(0, {bytes} - pg_database_size('examples')) / 1150) row;
VACUUM ANALYZE saved_results;
CHECKPOINT;
SELECT pg_database_size('examples');
"""


def fill(address: str, size: float) -> int:
    """Let the database grow to ``size`` GB; its bytes then."""
    query = FILL.format(bytes=int(size * 1e9))
    command = on_host(address, f"runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 -d examples <<'QUERY'\n{query}\nQUERY")
    done = subprocess.run(["bash", "-c", command], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[-1])


def sizes(site: Site, tickbox: Tickbox, versions: Versions) -> Iterator[list[Run]]:
    """Of each size the deployment and the rollback."""
    before = versions.last
    for size in SIZES:
        has = fill(site.address, size)
        version = versions.full()
        attest()
        turn: list[tuple[str, str, Any]] = [
            ("full", version, partial(tickbox.deploy, version)),
            ("rollback", before, tickbox.restore),
        ]
        yield [{**measure(case, tickbox, site, to, act), "case": case, "bytes": has} for case, to, act in turn]
