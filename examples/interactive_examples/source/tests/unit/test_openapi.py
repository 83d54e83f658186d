from fastapi.routing import APIRoute

from interactive_examples import describe
from interactive_examples.main import app


def routes(router):
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from routes(route.original_router)


def test_the_document_has_exactly_the_applications_routes():
    documented = {
        (method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations
    }
    assert documented == {(method, route.path) for route in routes(app) for method in route.methods}
    assert ("POST", "/api/run") in documented


def test_guarded_operations_name_the_session_and_401():
    guarded = [
        operation
        for path, operations in app.openapi()["paths"].items()
        for operation in operations.values()
        if path.startswith(("/api/admin", "/api/results", "/admin"))
    ]
    assert guarded
    for operation in guarded:
        assert operation["security"] == [{"session": []}]
        assert "401" in operation["responses"]


def test_running_needs_no_session():
    assert {} in app.openapi()["paths"]["/api/run"]["post"]["security"]


def test_answers_have_schemas():
    for path, operations in app.openapi()["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                content = response.get("content", {}).get("application/json")
                assert content is None or content["schema"], f"{path} {status}"


def test_what_the_code_says_of_itself_has_hidden_routes_too():
    found = set(describe.routes(app))
    assert {"GET /openapi.json", "MOUNT /assets", "POST /api/run"} <= found
    documented = {f"{method.upper()} {path}" for path, ways in app.openapi()["paths"].items() for method in ways}
    assert documented == found - {"GET /openapi.json", "MOUNT /assets"}
