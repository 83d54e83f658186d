"""Times of the requests that people make most. `pytest tests/benchmarks --benchmark-json=FILE` writes them down."""

ROUNDS = 100


def measure(benchmark, request, rounds=ROUNDS):
    answer = benchmark.pedantic(request, rounds=rounds, warmup_rounds=5)
    assert answer.status_code == 200


def test_list_of_examples(benchmark, client):
    measure(benchmark, lambda: client.get("/api/examples"))


def test_one_example(benchmark, client):
    measure(benchmark, lambda: client.get("/api/examples/hello-python"))


def test_popularity(benchmark, client):
    measure(benchmark, lambda: client.get("/api/popularity"))


def test_health(benchmark, client):
    measure(benchmark, lambda: client.get("/healthz"))


def test_run_python(benchmark, client):
    measure(benchmark, lambda: client.post("/api/run", json={"language": "python", "code": "print(6 * 7)"}), 50)


def test_run_javascript(benchmark, client):
    measure(benchmark, lambda: client.post("/api/run", json={"language": "javascript", "code": "console.log(42)"}), 50)
