"""Prints what the application offers: its OpenAPI document and every route that it really has, hidden ones too."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from interactive_examples.main import app


def routes(router: Any) -> Iterator[str]:
    """``METHOD /path`` of each route; ``MOUNT /path`` where another application answers for all below it."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            yield from routes(route.original_router)
        elif methods := getattr(route, "methods", None):
            # HEAD comes along with GET.
            yield from (f"{method} {route.path}" for method in sorted(methods) if method != "HEAD" or "GET" not in methods)
        elif hasattr(route, "path"):
            yield f"MOUNT {route.path}"
        else:
            raise TypeError(f"a route of an unknown kind: {route!r}")


if __name__ == "__main__":
    json.dump({"openapi": app.openapi(), "routes": sorted(routes(app))}, sys.stdout)
