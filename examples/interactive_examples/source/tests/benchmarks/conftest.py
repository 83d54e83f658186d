import pytest
import services

services.require()


@pytest.fixture(scope="session")
def client():
    services.alembic("upgrade", "head")
    from fastapi.testclient import TestClient

    from interactive_examples import rate_limit
    from interactive_examples.main import app

    rate_limit.LIMITS["run"] = 10**9  # the limit is not what is measured
    with TestClient(app, base_url="https://examples.test") as client:
        yield client
