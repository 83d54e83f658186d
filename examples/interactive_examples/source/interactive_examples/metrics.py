"""What Prometheus reads. Under gunicorn the workers' counters are added up."""

import os
import socket
from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from redis import RedisError

from interactive_examples.redis_client import key, redis
from interactive_examples.settings import Build, settings

REQUESTS = Counter("http_requests_total", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "Time from a request to the end of its answer.",
    ["method", "route"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
RUNS = Counter("examples_runs_total", "Programs run in the sandbox.", ["language", "outcome"])
ERRORS = Counter("examples_errors_total", "Errors that no part of the application expected.")
LIMITED = Counter("examples_rate_limited_total", "Requests refused because there were too many.")


def heartbeat_key() -> str:
    return key("worker", socket.gethostname(), "heartbeat")


class Facts(Collector):
    """Values that are looked up when asked for."""

    def __init__(self, build: Build) -> None:
        self.build = build

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily("examples_build_info", "The running version.", labels=["version", "commit", "release"])
        info.add_metric([self.build.version, self.build.commit, settings().release], 1)
        yield info
        heartbeat = GaugeMetricFamily(
            "worker_heartbeat_timestamp_seconds", "When the worker of this host and release last finished."
        )
        try:
            heartbeat.add_metric([], float(redis().get(heartbeat_key()) or 0))
        except RedisError:
            return  # unknown is not zero: the series is absent
        yield heartbeat


def render(build: Build) -> bytes:
    facts = CollectorRegistry(auto_describe=False)
    facts.register(Facts(build))
    counters = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counters = CollectorRegistry()
        MultiProcessCollector(counters)
    return generate_latest(counters) + generate_latest(facts)
