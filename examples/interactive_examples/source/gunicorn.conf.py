"""What holds for the web process wherever it runs; address and number of workers are on the command line."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from interactive_examples.logs import CONFIG

logconfig_dict = CONFIG
timeout = 60
graceful_timeout = 10
keepalive = 5
# Imported once, and then shared by the workers: it starts in half the time.
preload_app = True
# Nobody uses it, and its folder could not be written: each start would log an error.
control_socket_disable = True
# Addresses and schemes that proxies report are read in interactive_examples.clients alone.
forwarded_allow_ips = ""

# The workers share their counters through files; each start has a folder of its own.
metrics_folder = tempfile.mkdtemp(prefix="interactive_examples-", dir=os.environ.get("PROMETHEUS_MULTIPROC_DIR"))
os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics_folder


def child_exit(server, worker):
    # Not imported above: the library chooses its kind of storage when it is first imported.
    from prometheus_client import multiprocess

    multiprocess.mark_process_dead(worker.pid)


def on_exit(server):
    shutil.rmtree(metrics_folder, ignore_errors=True)
